"""Shapes, starts and twins of the architectures; what is scale-invariant in them, read off and found by evaluation."""

import pytest
import torch
from torch import nn

from bn_theory.errors import InvalidInputError, NotScaleInvariantError, UnknownNameError
from bn_theory.networks import digits, resnet, scale_invariant_groups, vgg
from bn_theory.networks.claims import require_scale_invariant
from bn_theory.networks.layers import INITS, NORMS, normalisation, start_
from bn_theory.networks.structure import expected_groups
from bn_theory.networks.threads import one_thread

DETERMINISTIC = [norm for norm in NORMS if norm != "renorm"]  # renorm's output moves with its running averages
SMALL = {"channels": (4, "pool", 6), "hidden": (8,)}


@pytest.fixture(autouse=True)
def single_thread():
    with one_thread():
        yield


def small_vgg(norm, **options):
    return vgg(norm, **SMALL, **options)


def small_resnet(norm, **options):
    return resnet(8, norm, width=4, dtype=torch.float64, **({"eps": 0.0} | options))


def loss_of(model, n=48):
    x, y = digits()
    return lambda: nn.functional.cross_entropy(model(x[:n]), y[:n])


@pytest.mark.parametrize("make", [small_vgg, small_resnet])
@pytest.mark.parametrize("norm", [*NORMS, None])
def test_outputs_and_gradients_are_finite(make, norm):
    model = make(norm)
    loss = loss_of(model)()
    loss.backward()
    assert model(torch.zeros(3, 1, 8, 8, dtype=torch.float64) + torch.arange(3.0).view(3, 1, 1, 1)).shape == (3, 10)
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


@pytest.mark.parametrize("depth", [8, 14, 56])
def test_depth_counts_layers_with_weights(depth):
    model = resnet(depth, width=2)
    assert sum(isinstance(m, (nn.Conv2d, nn.Linear)) for m in model.modules()) == depth
    assert model(torch.randn(2, 1, 8, 8)).shape == (2, 10)


@pytest.mark.parametrize("make", [small_vgg, small_resnet])
def test_the_twin_starts_at_the_same_weights(make):
    on, off = make("batch", seed=3).state_dict(), make(None, seed=3).state_dict()
    assert set(off) < set(on)
    assert all("norm" in name for name in set(on) - set(off))
    assert all(torch.equal(off[name], on[name]) for name in off)
    other = make(None, seed=4).state_dict()
    assert not torch.equal(other["last.weight"], off["last.weight"])


def test_without_its_norms_the_normalised_network_is_the_twin():
    on, off = small_resnet("batch", seed=1), small_resnet(None, seed=1)
    for module in list(on.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.Identity())
    assert loss_of(on)() == loss_of(off)()


def test_float32_starts_at_the_rounded_float64_network_and_leaves_the_global_generator_alone():
    before = torch.random.get_rng_state()
    wide, narrow = resnet(8, seed=2, dtype=torch.float64), resnet(8, seed=2)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(a.float(), b) for a, b in zip(wide.parameters(), narrow.parameters(), strict=True))


def test_starts_have_the_moments_and_the_orthogonality_they_promise():
    generator = torch.Generator().manual_seed(0)
    weight = torch.empty(200, 50, 3, 3, dtype=torch.float64)
    # 90,000 independent entries: the relative error of their second moment is below sqrt(2/90000) = 0.5 %, five times
    for init, second in (("glorot", 2 / (250 * 9)), ("he", 2 / 450)):
        start_(weight, init, generator)
        assert weight.square().mean().item() == pytest.approx(second, rel=0.025)
    limit = (6 / (250 * 9)) ** 0.5
    start_(weight, "glorot", generator)
    assert limit * 0.99 < weight.abs().max().item() <= limit
    start_(weight, "orthogonal", generator)
    rows = weight.flatten(1)
    # an orthogonal factor of a 200 x 450 matrix is orthogonal to some 450 roundings
    assert torch.allclose(rows @ rows.T, 2 * torch.eye(200, dtype=torch.float64), atol=450 * 2**-52, rtol=0)
    with pytest.raises(UnknownNameError, match="'zero'; there are glorot, he, orthogonal"):
        start_(weight, "zero", generator)
    assert INITS == ("glorot", "he", "orthogonal")


@pytest.mark.parametrize("norm", [*DETERMINISTIC, None])
@pytest.mark.parametrize(("make", "bias"), [(small_vgg, False), (small_vgg, True), (small_resnet, True)])
def test_what_the_layers_say_is_what_the_loss_says(make, norm, bias):
    model = make(norm, bias=bias)
    expected = expected_groups(model)
    found = scale_invariant_groups(model, loss_of(model))
    nothing = {name for name in found.invariant if found.findings[name].identity == "grad = 0"}
    assert set(found.invariant) - nothing == set(expected.invariant)
    assert nothing == set(expected.without_effect)
    if norm is None:
        assert not expected.invariant


def test_only_the_last_normalisation_is_scale_variant():
    assert expected_groups(vgg()).variant == ("last_norm.weight", "last_norm.bias")
    # in a residual network so is what is added to the shortcut, and the last layer
    variant = expected_groups(resnet(8)).variant
    assert {name for name in variant if "norm1" in name} == set()
    assert {"last.weight", "last.bias", "norm.weight", "blocks.0.norm2.weight"} <= set(variant)


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_kernels_are_invariant_filter_by_filter_where_each_has_its_statistics(norm):
    model = small_vgg(norm)
    found = scale_invariant_groups(model, loss_of(model))
    kernels = [name for name in found.blocks if name.endswith("weight") and "norm" not in name]
    assert len(kernels) == 4
    for name in kernels:
        assert found.blocks[name].size == (1 if norm == "batch" else found.blocks[name].rows)


def test_taking_the_last_normalisation_for_scale_invariant_is_refused():
    model = small_vgg("batch")
    pair = ("last_norm.weight", "last_norm.bias")
    with pytest.raises(
        NotScaleInvariantError, match=r"\(last_norm.weight, last_norm.bias\) is not scale-inv"
    ) as caught:
        require_scale_invariant(model, loss_of(model), ["conv1.weight", pair])
    assert caught.value.group == pair
    assert caught.value.residual.violation > 1e6 * caught.value.residual.tolerance
    with pytest.raises(InvalidInputError, match=r"'conv9\.weight' is not a trained parameter"):
        require_scale_invariant(model, loss_of(model), ["conv9.weight"])
    with pytest.raises(InvalidInputError, match=r"write \['conv1.weight'\]"):
        require_scale_invariant(model, loss_of(model), "conv1.weight")


def test_batch_renormalisation_is_told_from_scale_invariant():
    assert not expected_groups(small_vgg("renorm")).invariant


def chain(*layers):
    generator = torch.Generator().manual_seed(0)
    net = nn.Sequential(nn.Flatten(), *layers).double()
    for p in net.parameters():
        p.detach().copy_(0.5 + torch.randn(p.shape, generator=generator, dtype=torch.float64))
    return net


def frozen(layer, *names):
    for name in names:
        getattr(layer, name).requires_grad_(False)
    return layer


@pytest.mark.parametrize(
    "layers",
    [
        lambda: (frozen(nn.Linear(64, 6), "bias"), nn.LayerNorm(6, eps=1e-300), nn.Linear(6, 10)),
        lambda: (frozen(nn.Linear(64, 6), "bias"), nn.BatchNorm1d(6, eps=1e-300), nn.Linear(6, 10)),
        lambda: (frozen(nn.Linear(64, 6), "bias"), nn.ReLU(), nn.BatchNorm1d(6, eps=1e-300), nn.Linear(6, 10)),
        lambda: (nn.Linear(64, 6), nn.ReLU(), nn.BatchNorm1d(6, eps=1e-300), nn.Linear(6, 10)),
        lambda: (
            nn.Linear(64, 6),
            frozen(nn.BatchNorm1d(6, eps=1e-300), "bias"),
            nn.ReLU(),
            nn.Linear(6, 10, bias=False),
            nn.BatchNorm1d(10, eps=1e-300),
        ),
        lambda: (
            frozen(nn.Linear(64, 6), "weight"),
            nn.BatchNorm1d(6, eps=1e-300),
            nn.ReLU(),
            nn.Linear(6, 10),
            nn.LayerNorm(10, eps=1e-300),
        ),
    ],
)
def test_what_is_fixed_is_not_scaled(layers):
    """A bias that stays where it is breaks the invariance that it would share if it were scaled too."""
    model = chain(*layers())
    expected, found = expected_groups(model), scale_invariant_groups(model, loss_of(model))
    nothing = {name for name in found.invariant if found.findings[name].identity == "grad = 0"}
    assert set(found.invariant) - nothing == set(expected.invariant)
    assert nothing == set(expected.without_effect)


def test_a_normalisation_in_eval_mode_is_refused():
    with pytest.raises(InvalidInputError, match=r"norm1 \(BatchNorm2d\) is in eval mode"):
        expected_groups(small_vgg("batch").eval())


@pytest.mark.parametrize(
    ("model", "named"),
    [
        (nn.Sequential(nn.Conv2d(1, 2, 3), nn.GELU()), r"layer 1 of type GELU"),
        (nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.LSTM(2, 2))), r"layer 0\.1 of type LSTM"),
        (nn.GRU(4, 1), r"layer \(the model itself\) of type GRU"),
        (nn.Sequential(resnet(8)), "layer 0 of type ResNet; only as a whole"),
    ],
)
def test_unknown_layers_are_named(model, named):
    with pytest.raises(InvalidInputError, match=named):
        expected_groups(model)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: vgg("bach"), UnknownNameError, "unknown normalisation 'bach'; there are batch, group"),
        (lambda: vgg(eps=-1.0), InvalidInputError, "eps must be finite and >= 0, not -1.0"),
        (lambda: vgg(channels=("pool",) * 4), InvalidInputError, "too small for 4 times 'pool'"),
        (lambda: vgg(channels=(0,)), InvalidInputError, "whole numbers >= 1"),
        (lambda: vgg(image=(1, 8, 7)), InvalidInputError, r"\(1, 8, 7\)"),
        (lambda: vgg(classes=1), InvalidInputError, "classes must be a whole number >= 2, not 1"),
        (lambda: resnet(10), InvalidInputError, "depth must be 6 n .* such as 8, not 10"),
        (lambda: resnet(8, width=0), InvalidInputError, "width must be a whole number >= 1, not 0"),
        (lambda: resnet(8, image=(1, 2, 2)), InvalidInputError, "at least 4 x 4"),
        (lambda: vgg(init="zero"), UnknownNameError, "unknown start 'zero'"),
        (lambda: vgg("group", channels=(3,)), InvalidInputError, "3 channels in 2 groups; take a multiple"),
        (lambda: vgg("group", classes=5), InvalidInputError, "5 channels in 2 groups"),
        (lambda: vgg("instance", channels=("pool",) * 3 + (4,)), InvalidInputError, "images of 1 x 1"),
        (lambda: resnet("8"), InvalidInputError, "depth must be 6 n .* such as 8, not 8"),
        (lambda: vgg(channels=(True,)), InvalidInputError, "whole numbers >= 1"),
    ],
)
def test_bad_sizes_and_names_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_instance_normalisation_after_a_linear_layer_is_layer_normalisation():
    assert isinstance(normalisation("instance", 8, None), nn.LayerNorm)
    assert isinstance(normalisation("instance", 8, 4), nn.InstanceNorm2d)
