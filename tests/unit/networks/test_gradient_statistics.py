"""What goes through a network's layers, and the statistics made of it, against sums written out."""

import copy
import itertools
import math

import pytest

torch = pytest.importorskip("torch", reason="bn_theory.networks needs torch: pip install '.[networks]'")

from torch import nn  # noqa: E402

from bn_theory.errors import InvalidInputError  # noqa: E402
from bn_theory.networks import gradient_statistics as g  # noqa: E402
from bn_theory.networks import resnet, vgg  # noqa: E402
from bn_theory.networks.digits import digits, mini_batches  # noqa: E402
from bn_theory.networks.threads import one_thread  # noqa: E402

F64 = torch.float64
U = 2.0**-53


@pytest.fixture(autouse=True)
def single_thread():
    with one_thread():
        yield


@pytest.fixture(scope="module")
def batch():
    return mini_batches(*digits(F64), 24, 1)[0]


def recorded(batch, norm="batch", depth=8, **options):
    options = {"width": 3, "dtype": F64, "eps": 0.0} | options
    training = options.pop("training", True)
    with one_thread():
        return g.record(resnet(depth, norm, **options).train(training), *batch)


@pytest.fixture(scope="module")
def normalised(batch):
    return recorded(batch)


@pytest.fixture(scope="module")
def plain(batch):
    return recorded(batch, None)


def test_a_recording_is_one_plain_pass(batch, normalised):
    model = resnet(8, width=3, dtype=F64, eps=0.0)
    twin = copy.deepcopy(model)
    logits = twin(batch[0])
    loss = nn.functional.cross_entropy(logits, batch[1])
    loss.backward()
    found = g.record(model, *batch)
    again = g.record(model, *batch)  # gradients do not pile up, and no hook is left
    assert found.loss == pytest.approx(float(loss.detach()), rel=1e-12)
    torch.testing.assert_close(found.logits, logits.detach())
    one_hot = nn.functional.one_hot(batch[1], 10)
    torch.testing.assert_close(found.logit_gradients, (logits.detach().softmax(1) - one_hot) / len(one_hot))
    assert len(found.layers) == 8 and len(found.norms) == 7
    for name, layer in found.layers.items():
        torch.testing.assert_close(layer.weight_gradient, twin.get_submodule(name).weight.grad)
        torch.testing.assert_close(again.layers[name].weight_gradient, layer.weight_gradient)
    assert not any(m._forward_hooks for m in model.modules())
    assert found.layers["last"].weight_gradient is not model.last.weight.grad
    torch.testing.assert_close(normalised.logits, found.logits)


@pytest.mark.parametrize("name", ["conv", "blocks.0.conv1", "blocks.1.conv1", "blocks.2.conv2", "last"])
def test_a_weights_gradient_is_the_sum_over_batch_and_space(plain, name):
    """Stride 1 and 2, the first layer and the linear one."""
    layer = plain.layers[name]
    total, sizes = g.tap_sums(layer)
    torch.testing.assert_close(total, layer.weight_gradient.flatten(1))
    assert bool((total.abs() <= sizes * (1 + 4 * 24 * 64 * U)).all())  # two sums of at most 24 x 64 terms


def test_the_sums_written_out():
    generator = torch.Generator().manual_seed(0)
    a, d = (torch.randn(shape, generator=generator, dtype=F64) for shape in ((2, 2, 5, 5), (2, 3, 3, 3)))
    total, sizes = g.tap_sums(g.Layer(a, d, torch.empty(0), kernel=3, stride=2, padding=1))
    padded = nn.functional.pad(a, (1, 1, 1, 1))
    for o in range(3):
        for i in range(2):
            for row in range(3):
                for column in range(3):
                    terms = [
                        float(d[b, o, p, q] * padded[b, i, 2 * p + row, 2 * q + column])
                        for b in range(2)
                        for p in range(3)
                        for q in range(3)
                    ]
                    k = 9 * i + 3 * row + column
                    assert float(total[o, k]) == pytest.approx(math.fsum(terms), abs=1e-13)
                    assert float(sizes[o, k]) == pytest.approx(math.fsum(map(abs, terms)), abs=1e-13)


def linear(inputs, gradients):
    inputs, gradients = torch.as_tensor(inputs, dtype=F64), torch.as_tensor(gradients, dtype=F64)
    return g.Layer(inputs, gradients, gradients.T @ inputs)


def test_ratio_of_sums():
    assert g.sum_ratio(linear([[1.0], [2.0]], [[3.0], [1.0]])) == 1.0
    assert g.sum_ratio(linear([[1.0], [1.0]], [[1.0], [-1.0]])) == 0.0
    assert g.sum_ratio(linear([[1.0], [1.0]], [[3.0], [-1.0]])) == 0.5
    assert g.sum_ratio(linear([[1.0, 0.0], [1.0, 0.0]], [[3.0], [-1.0]])) == 0.5  # a dead channel is left out
    assert math.isnan(g.sum_ratio(linear([[0.0]], [[1.0]])))


def test_ratio_of_sums_where_signs_are_random():
    """Of n signs the sum's size is sqrt(2/(pi n)) of n on average: the scale that cancellation leaves."""
    terms, pairs = 400, 64
    generator = torch.Generator().manual_seed(0)
    signs = torch.randint(0, 2, (terms, pairs), generator=generator).to(F64) * 2 - 1
    found = g.sum_ratio(linear(torch.ones(terms, 1), signs))
    # the size of a normal variable has a standard deviation of 0.6, its mean is 0.8: four standard errors
    assert found == pytest.approx(math.sqrt(2 / (math.pi * terms)), rel=4 * 0.6 / 0.8 / math.sqrt(pairs))


def test_what_is_left_when_inputs_are_replaced_by_their_mean(plain, normalised):
    assert g.input_independent_share(linear([[1.0], [1.0]], [[3.0], [-1.0]])) == 1.0
    assert g.input_independent_share(linear([[2.0], [0.0]], [[1.0], [1.0]])) == 1.0
    assert g.input_independent_share(linear([[2.0], [0.0]], [[1.0], [-1.0]])) == 0.0
    assert g.input_independent_share(linear([[3.0], [1.0]], [[1.0], [0.0]])) == pytest.approx(2 / 3)
    for name in ("blocks.0.conv2", "blocks.1.conv1"):
        layer, without = normalised.layers[name], plain.layers[name]
        # tap by tap: place p of the output is over place stride * p + tap of the padded input
        padded, (high, wide) = torch.nn.functional.pad(without.inputs, (1, 1, 1, 1)), without.gradients.shape[2:]
        whole = constant = 0.0
        for i, j in itertools.product(range(3), repeat=2):
            a = padded[:, :, i :: without.stride, j :: without.stride][:, :, :high, :wide]
            whole += torch.einsum("bohw,bihw->oi", without.gradients, a).square().sum()
            constant += torch.outer(without.gradients.sum((0, 2, 3)), a.mean((0, 2, 3))).square().sum()
        assert g.input_independent_share(without) == pytest.approx(float((constant / whole).sqrt()))
        assert g.input_independent_share(without) > 0.1
        assert g.input_independent_share(layer) < 1e-12  # sums of 24 x 64 terms, a few 1e-13 of their sizes


def test_ranks():
    one = linear([[1.0, 2.0]], [[1.0, 1.0, 3.0]])
    assert g.first_share(one) == pytest.approx(1) and g.effective_rank(one) == pytest.approx(1)
    even = linear([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]])
    assert g.first_share(even) == pytest.approx(0.5) and g.effective_rank(even) == pytest.approx(2)
    uneven = linear([[1.0, 0.0], [0.0, 1.0]], [[3.0, 0.0], [0.0, 1.0]])
    p = 0.9
    assert g.first_share(uneven) == pytest.approx(p)
    assert g.effective_rank(uneven) == pytest.approx(math.exp(-p * math.log(p) - (1 - p) * math.log(1 - p)))


def test_class_bias():
    logits = torch.tensor([[0.0, 4.0], [2.0, 4.0]])
    assert g.favoured_class(logits) == 1.0
    # means 1 and 4: variance 9/4; variances over images 1 and 0
    assert g.class_spread(logits) == pytest.approx(2.25 / 0.5)
    pushed = torch.tensor([[0.5, -0.5], [0.25, -0.25], [-0.25, 0.25]])
    assert g.favoured_gradient(pushed) == pytest.approx(0.75)
    assert g.one_sided(pushed) == pytest.approx(0.5)
    assert g.one_sided(torch.tensor([[1.0, 0.0]])) == 1.0


def test_moments_of_blocks(batch):
    model = resnet(14, None, width=3, dtype=F64)
    found = g.block_moments(g.record(model, *batch))
    assert sorted(found) == [0, 1, 3]  # 2 and 4 halve the image, the last block's output enters no other
    with torch.no_grad():
        x = model.relu(model.conv(batch[0]))
        for k in range(5):
            block = model.blocks[k]
            branch = block.conv2(block.relu1(block.conv1(x)))
            y = block(x)
            if k in found:
                expected = (x.square().mean(), y.square().mean(), branch.square().mean(), x.mean(), y.mean())
                moments = found[k]
                assert (moments.before, moments.after, moments.branch, moments.mean_before, moments.mean_after) == (
                    pytest.approx([float(e) for e in expected], rel=1e-12)
                )
            x = y


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("side", [2, 5])
def test_expected_square_written_out(side, stride):
    """2/fan_in times the sum of squares under the taps inside, for every place of the output."""
    x = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0), dtype=F64)
    places = -(-side // stride)
    layer = g.Layer(x, torch.empty(1, 4, places, places), torch.empty(0), kernel=3, stride=stride, padding=1)
    found = g.expected_square(x.square().mean(1), layer)
    assert found.shape == (1, places, places)
    for row in range(places):
        for column in range(places):
            inside = [
                float(x[0, :, p, q].square().sum())
                for p in range(stride * row - 1, stride * row + 2)
                for q in range(stride * column - 1, stride * column + 2)
                if 0 <= p < side and 0 <= q < side
            ]
            assert float(found[0, row, column]) == pytest.approx(2 / 27 * sum(inside))


def test_expected_branch(batch):
    """Written out through both convolutions, and 2 (4/9)^2 of the input on 2 x 2 places."""
    found = g.block_moments(g.record(resnet(20, None, width=3, dtype=F64), *batch))
    assert [found[k].channels for k in (0, 4, 7)] == [3, 6, 12]
    assert found[7].expected_branch / found[7].before == pytest.approx(2 * (4 / 9) ** 2)
    for k in (0, 1, 2, 4, 5):
        assert 2 * (4 / 9) ** 2 < found[k].expected_branch / found[k].before < 2


def test_outputs_over_their_mean():
    """Over many filters and starts the ratio is 1; with filters of 1.5 times the variance it is 1.5."""
    images, classes = mini_batches(*digits(F64), 4, 1)[0]
    width = 32

    def ratios(seed, norm, change=1.0):
        model = resnet(8, norm, width=width, dtype=F64, seed=seed)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "conv" in name:
                    weight.mul_(change**0.5)
        return g.output_ratios(g.record(model, images, classes))

    for norm, change in ((None, 1.0), ("batch", 1.0), (None, 1.5)):
        found = [ratios(seed, norm, change) for seed in range(4)]
        assert len(found[0]) == 7
        mean = sum(sum(f.values()) for f in found) / 28
        # each varies by at most 2/32: four standard errors
        assert mean == pytest.approx(change, abs=4 * change * math.sqrt(2 / width / 28))
    with pytest.raises(InvalidInputError, match="resnet"):
        g.output_ratios(g.Recording(0.0, images, images, {}, {}))


def test_moments_need_blocks(batch):
    with pytest.raises(InvalidInputError, match="resnet"):
        g.block_moments(g.record(vgg(channels=(2,), hidden=()), *batch))


def worst(recording):
    found = [g.centred_gradients(norm) for norm in recording.norms.values()]
    return (
        max(float((f.plain.abs() / f.plain_rounding).max()) for f in found),
        max(float((f.against.abs() / f.against_rounding).max()) for f in found),
    )


@pytest.mark.parametrize("depth", [8, 14])
def test_batch_normalisation_centres_gradients(batch, depth):
    assert max(worst(recorded(batch, depth=depth))) <= 1


def test_scales_and_shifts_do_not_matter(batch):
    """gamma and beta that are not 1 and 0, and a bias that the normalisation takes out."""
    model = resnet(8, width=3, dtype=F64, eps=0.0, bias=True)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            if p.ndim == 1:
                p.add_(torch.randn(p.shape, generator=generator, dtype=F64))
    found = g.record(model, *batch)
    assert max(worst(found)) <= 1
    assert all(bool((norm.scale != 1).all()) for norm in found.norms.values())


def test_the_bounds_hold_in_single_precision(batch):
    images, classes = batch
    found = g.record(resnet(8, width=3, eps=0.0), images.float(), classes)
    assert max(worst(found)) <= 1


def test_others_do_not_centre_gradients(batch, plain):
    assert worst(plain)[0] > 1e6
    assert worst(recorded(batch, "group", width=4))[0] > 1e6
    assert worst(recorded(batch, training=False))[0] > 1e6


def test_epsilon_leaves_what_the_proof_says(batch):
    """``sum dL/dx y = n mean(u y) eps/(v + eps)^(3/2)`` with y as normalised with eps."""
    eps = 0.1
    found = recorded(batch, eps=eps)
    plain, against = worst(found)
    assert plain <= 1 and against > 1e6
    for norm in found.norms.values():
        x, u, dx = (t.transpose(0, 1).flatten(1) for t in (norm.inputs, norm.output_gradients, norm.input_gradients))
        variance = x.var(1, unbiased=False)
        y = (x - x.mean(1, keepdim=True)) / (variance + eps).sqrt().unsqueeze(1)
        left = (u * y).sum(1) * norm.scale * eps / (variance + eps) ** 1.5
        # both sides are sums of 24 x 64 terms at most
        torch.testing.assert_close((dx * y).sum(1), left, rtol=1e-9, atol=1e-12 * float((dx * y).abs().sum()))


def test_outputs_have_mean_square_one(batch, normalised):
    for norm in normalised.norms.values():
        square = norm.outputs.transpose(0, 1).flatten(1).square().mean(1)
        assert bool(((square - 1).abs() <= g.unit_variance_rounding(norm)).all())
    off = recorded(batch, eps=1e-3).norms["norm"]
    square = off.outputs.transpose(0, 1).flatten(1).square().mean(1)
    assert bool(((square - 1).abs() > g.unit_variance_rounding(off)).all())


def test_bad_input_is_refused(batch):
    images, classes = batch
    broken = images.clone()
    broken[0, 0, 0, 0] = math.nan
    with pytest.raises(InvalidInputError, match="finite"):
        g.record(resnet(8, width=2, dtype=F64), broken, classes)
    with pytest.raises(InvalidInputError, match=r"batch 1 under norm \(BatchNorm2d\)"):
        g.record(resnet(8, width=2, dtype=F64), images[:1], classes[:1])

    def net(conv):
        return nn.Sequential(conv, nn.Flatten(), nn.LazyLinear(10)).double()

    for conv in (
        nn.Conv2d(1, 2, 3, dilation=2),
        nn.Conv2d(1, 2, (3, 1)),
        nn.Conv2d(1, 2, 3, padding="same"),
        nn.Conv2d(1, 2, 3, padding=1, padding_mode="circular"),
    ):
        with pytest.raises(InvalidInputError, match="0 = Conv2d"):
            g.record(net(conv), images, classes)
    frozen = resnet(8, width=2, dtype=F64)
    frozen.blocks[1].conv1.weight.requires_grad_(False)
    with pytest.raises(InvalidInputError, match=r"blocks\.1\.conv1"):
        g.record(frozen, images, classes)
