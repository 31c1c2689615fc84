"""The small networks and the digits: shapes, starts, what is trained, and what is refused."""

import math

import pytest

torch = pytest.importorskip("torch", reason="bn_theory.networks needs torch: pip install '.[networks]'")

from bn_theory.errors import InvalidInputError, UnknownNameError  # noqa: E402
from bn_theory.networks import NORMS, small_net  # noqa: E402
from bn_theory.networks.digits import digits, mini_batches  # noqa: E402
from bn_theory.networks.rounding import longest_chain, unit  # noqa: E402
from bn_theory.networks.threads import one_thread  # noqa: E402


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("norm", [*NORMS, None])
def test_shapes_and_starts(norm, dtype):
    before = torch.random.get_rng_state()
    net = small_net(norm, affine="trained", seed=3, dtype=dtype)
    assert torch.equal(torch.random.get_rng_state(), before)  # torch's global generator is left alone
    out = net(torch.linspace(-1, 1, 5 * 64, dtype=dtype).reshape(5, 1, 8, 8))
    assert out.shape == (5, 10) and out.dtype == dtype and bool(torch.isfinite(out).all())
    again, other = small_net(norm, affine="trained", seed=3, dtype=dtype), small_net(norm, seed=4, dtype=dtype)
    assert all(torch.equal(p, q) for p, q in zip(net.parameters(), again.parameters(), strict=True))
    assert not torch.equal(net.conv1.weight, other.conv1.weight)
    for conv in (net.conv1, net.conv2, net.conv3):
        limit = math.sqrt(6 / (9 * (conv.in_channels + conv.out_channels)))
        assert conv.bias is None
        # uniform: the largest of n draws lies in the last tenth but for a chance 0.9^n, 6e-4 for 72
        assert 0.9 * limit < float(conv.weight.detach().abs().max()) <= limit


def test_both_precisions_start_alike():
    double, single = small_net("batch", dtype=torch.float64), small_net("batch", dtype=torch.float32)
    for p, q in zip(double.parameters(), single.parameters(), strict=True):
        assert torch.equal(p.float(), q)


@pytest.mark.parametrize("norm", NORMS)
def test_what_is_trained(norm):
    kernels = {"conv1.weight", "conv2.weight", "conv3.weight"}
    inner = {f"norm{i}.{name}" for i in (1, 2) for name in ("weight", "bias")}
    last = {"last.weight", "last.bias"}
    for options, expected in (
        ({}, kernels),
        ({"affine": "trained"}, kernels | inner),
        ({"trained_last": True}, kernels | last),
    ):
        net = small_net(norm, **options)
        assert {name for name, p in net.named_parameters() if p.requires_grad} == expected


@pytest.mark.parametrize("norm", NORMS)
def test_eps_reaches_the_normalisation_and_zero_is_zero(norm):
    assert small_net(norm, eps=0.25).norm2.eps == 0.25
    # whatever torch needs instead of 0 changes no variance of images with any contrast
    assert 1e-200 + small_net(norm).norm2.eps == 1e-200


def test_names_that_do_not_exist():
    with pytest.raises(UnknownNameError, match="unknown normalisation 'weight'; there are batch"):
        small_net("weight")
    with pytest.raises(UnknownNameError, match="unknown affine 'some'"):
        small_net("batch", affine="some")
    for eps in (-1e-5, math.nan, math.inf):
        with pytest.raises(InvalidInputError, match="eps must be"):
            small_net("batch", eps=eps)


def test_digits_are_normalised_and_whole():
    images, classes = digits()
    assert images.shape == (1797, 1, 8, 8) and images.dtype == torch.float64
    assert classes.tolist()[:5] == [0, 1, 2, 3, 4] and set(classes.tolist()) == set(range(10))
    # sums of 115,008 numbers of size 1, each addition rounded: at most 115,008 u = 1.3e-11
    assert abs(float(images.mean())) < 1.3e-11 and abs(float(images.std(correction=0)) - 1) < 1.3e-11
    assert torch.equal(digits(torch.float32)[0], images.float())


def test_mini_batches():
    images, classes = digits()
    batches = mini_batches(images, classes, 500, 7, seed=1)
    assert [len(x) for x, _ in batches] == [500] * 7
    # three whole batches an epoch, without replacement: no image twice
    rows = torch.cat([x for x, _ in batches[:3]]).flatten(1)
    distinct = torch.unique(images.flatten(1), dim=0)
    assert len(torch.unique(rows, dim=0)) >= len(rows) - (len(images) - len(distinct))
    again, other = mini_batches(images, classes, 500, 7, seed=1), mini_batches(images, classes, 500, 7, seed=2)
    assert all(torch.equal(x, y) for (x, _), (y, _) in zip(batches, again, strict=True))
    assert not torch.equal(batches[0][0], other[0][0]) and not torch.equal(batches[0][0], batches[3][0])
    for size in (0, 1798):
        with pytest.raises(InvalidInputError, match="size must be from 1 to the 1797 images"):
            mini_batches(images, classes, size, 1)
    with pytest.raises(InvalidInputError, match="steps must be at least 1"):
        mini_batches(images, classes, 10, 0)


@pytest.mark.parametrize(
    ("norm", "entries"), [("batch", (4 * 64, 4 * 16)), ("group", (256, 64)), ("layer", (512, 128))]
)
def test_the_longest_chain_is_counted(norm, entries):
    n = 4
    first, later = entries
    images = torch.linspace(-1, 1, n * 64, dtype=torch.float64).reshape(n, 1, 8, 8)
    net = small_net(norm)
    convolutions = (9 + 72 + n * 64) + 2 * (72 + 72 + n * 16)
    normalisations = 4 * (first + 2 * later)
    # per sample 8 x 4 x 4 after pooling; three ReLUs and a flatten; the last layer 128 -> 10; its 40 outputs
    rest = 128 + 3 + 1 + (128 + 10 + n) + 40
    assert longest_chain(net, lambda: net(images)) == convolutions + normalisations + rest


def test_units():
    assert unit(torch.float64) == 2.0**-53 and unit(torch.float32) == 2.0**-24


def test_one_thread_is_for_inside():
    before = torch.get_num_threads()
    with pytest.raises(KeyError), one_thread():
        assert torch.get_num_threads() == 1
        raise KeyError
    assert torch.get_num_threads() == before
