"""Parts of gradients add up, and vanish where they must and nowhere else; the loss along a line."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from bn_theory.errors import InvalidInputError
from bn_theory.networks import digits, resnet, vgg
from bn_theory.networks.gradient_split import radial_derivatives, radial_part, share, split_gradients
from bn_theory.networks.rays import Ray, batch_loss, length, random_direction

IMAGES, CLASSES = (tensor[:48] for tensor in digits())
NETS = {
    "vgg": lambda norm, **options: vgg(norm, channels=(4, "pool", 6), hidden=(8,), **options),
    "resnet": lambda norm, **options: resnet(8, norm, width=2, dtype=torch.float64, **options),
}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("norm", [None, "batch", "layer"])
@pytest.mark.parametrize("net", NETS)
def test_the_gradient_is_that_of_torch_and_the_parts_add_up(net, norm):
    model = NETS[net](norm)
    found = split_gradients(model, IMAGES, CLASSES)
    assert [p.grad for p in model.parameters()] == [None] * len(list(model.parameters()))
    cross_entropy(model(IMAGES), CLASSES).backward()
    layers = {f"{name}.weight": m for name, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    kernels = {name: layer.weight for name, layer in layers.items()}
    assert set(found) == set(kernels)
    for name, split in found.items():
        torch.testing.assert_close(split.gradient, kernels[name].grad, rtol=1e-12, atol=1e-14)
        assert share(split.radial, split.gradient) + share(split.tangential, split.gradient) == pytest.approx(1)
        along = (split.weight * split.tangential).flatten(1).sum(1)
        assert along.abs().max() < 1e-13 * split.gradient.norm() * split.weight.norm()


def test_the_input_independent_part_by_hand():
    """Of a convolution with padding and a stride: the sum over images and positions, one after the other."""
    model = nn.Sequential(nn.Conv2d(1, 2, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(32, 10)).double()
    with torch.no_grad():
        for i, p in enumerate(model.parameters()):
            p.copy_(torch.randn(p.shape, generator=generator(i), dtype=p.dtype) / 3)
    outputs = model[0](IMAGES)
    (back,) = torch.autograd.grad(cross_entropy(model[1:](outputs), CLASSES), outputs)
    padded = nn.functional.pad(IMAGES, (1, 1, 1, 1))
    windows = [padded[:, :, i : i + 3, j : j + 3] for i in range(0, 8, 2) for j in range(0, 8, 2)]
    mean = torch.stack(windows).mean((0, 1))
    by_hand = back.sum((0, 2, 3))[:, None, None, None] * mean
    found = split_gradients(model, IMAGES, CLASSES)["0.weight"]
    torch.testing.assert_close(found.mean_input, mean)
    torch.testing.assert_close(found.independent, by_hand)
    # and replacing every input by the mean leaves exactly this part
    whole = sum(torch.einsum("bo,bcij->ocij", back.flatten(2)[:, :, k], window) for k, window in enumerate(windows))
    torch.testing.assert_close(found.gradient, whole)


@pytest.mark.parametrize("net", NETS)
def test_both_parts_vanish_before_batch_normalisation(net):
    found = split_gradients(NETS[net]("batch", eps=0.0), IMAGES, CLASSES)
    for name, split in found.items():
        assert split.normalised == (name != "last.weight" or net == "vgg")
        if split.normalised:
            independent = split.independent.flatten(1).norm(dim=1)
            radial = split.radial.flatten(1).norm(dim=1)
            assert (independent <= split.independent_rounding).all() and (radial <= split.radial_rounding).all()
            # the bound is no vacuous one
            assert max(split.independent_rounding.max(), split.radial_rounding.max()) < 1e-9 * split.gradient.norm()


def test_they_do_not_vanish_elsewhere():
    for norm in (None, "layer"):
        for split in split_gradients(NETS["vgg"](norm), IMAGES, CLASSES).values():
            assert not split.normalised and torch.isinf(split.independent_rounding).all()
            assert share(split.independent, split.gradient) > 1e-4
    in_eval = NETS["vgg"]("batch").eval()
    assert not any(split.normalised for split in split_gradients(in_eval, IMAGES, CLASSES).values())
    for split in split_gradients(NETS["vgg"]("layer"), IMAGES, CLASSES).values():  # invariant as a whole, not by filter
        assert abs(float((split.weight * split.gradient).sum())) < 1e-12 * split.gradient.norm() * split.weight.norm()
        assert share(split.radial, split.gradient) > 1e-4


def test_the_radial_part_is_not_0_for_a_positive_eps():
    for split in split_gradients(NETS["vgg"]("batch", eps=1e-3), IMAGES, CLASSES).values():
        assert (split.radial.flatten(1).norm(dim=1) > split.radial_rounding).any()
        assert (split.independent.flatten(1).norm(dim=1) <= split.independent_rounding).all()


def test_the_model_is_left_as_it_is():
    model = NETS["resnet"]("batch")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    splits = split_gradients(model, IMAGES, CLASSES)
    Ray(model, IMAGES, CLASSES, {n: s.gradient for n, s in splits.items()}).curvature()
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert not model.conv._forward_hooks


@pytest.mark.parametrize(
    "layer",
    [nn.Conv2d(2, 2, 3, groups=2), nn.Conv2d(2, 2, 3, padding="same"), nn.Conv2d(2, 2, 3, padding_mode="circular")],
)
def test_other_convolutions_are_refused(layer):
    with pytest.raises(InvalidInputError, match="0 has groups"):
        split_gradients(nn.Sequential(layer), torch.zeros(2, 2, 4, 4), torch.tensor([0, 1]))


def test_a_model_without_kernels_is_refused():
    with pytest.raises(InvalidInputError, match="no convolution"):
        split_gradients(nn.Sequential(nn.BatchNorm2d(1), nn.Flatten()), torch.zeros(2, 1, 4, 4), torch.tensor([0, 1]))


def test_radial_part():
    w, g = torch.randn(3, 2, 2, generator=generator()), torch.randn(3, 2, 2, generator=generator(1))
    part = radial_part(w, g)
    for filter_, of_filter, along in zip(w, g, part, strict=True):
        torch.testing.assert_close(along, (filter_ * of_filter).sum() / filter_.square().sum() * filter_)
    assert math.isnan(share(part, torch.zeros(1)))


def test_every_layer_has_the_same_radial_derivative_without_biases_only():
    chain = radial_derivatives(NETS["vgg"](None, init="he"), IMAGES, CLASSES)
    assert len(chain.layers) == 4 and chain.gap <= chain.rounding < 1e-8 * abs(chain.outputs)
    biased = NETS["vgg"](None, init="he", bias=True)
    nn.init.constant_(biased.conv2.bias, 0.1)
    for other in (biased, NETS["resnet"](None)):
        found = radial_derivatives(other, IMAGES, CLASSES)
        assert found.gap > 1e3 * found.rounding


def test_the_outputs_derivative_is_that_of_their_scale():
    model = NETS["vgg"](None, init="he")
    h = 1e-5  # central difference: h^2 of the third derivative against u/h, both below 1e-9
    z = model(IMAGES).detach()
    slope = (cross_entropy((1 + h) * z, CLASSES) - cross_entropy((1 - h) * z, CLASSES)) / (2 * h)
    assert radial_derivatives(model, IMAGES, CLASSES).outputs == pytest.approx(float(slope), rel=1e-7)


def test_the_loss_along_a_line():
    model = NETS["vgg"]("batch")
    direction = {"conv1.weight": torch.randn(4, 1, 3, 3, generator=generator(), dtype=torch.float64)}
    ray = Ray(model, IMAGES, CLASSES, direction)
    weight = model.conv1.weight.detach()
    step = direction["conv1.weight"] * (weight.norm() / direction["conv1.weight"].norm())
    moved = {"conv1.weight": weight + 0.3 * step}
    assert ray.loss(0.3) == float(batch_loss(model, IMAGES, CLASSES, moved).detach())
    assert ray.even(0.3) == (ray.loss(0.3) + ray.loss(-0.3)) / 2
    h = 1e-4  # second difference: h^2/12 of the fourth derivative, and 4 u/h^2 = 4e-8 of rounding
    assert ray.curvature() == pytest.approx((2 * ray.even(h) - 2 * ray.loss(0.0)) / h**2, rel=1e-4)


def test_along_the_weights_a_normalised_loss_is_flat():
    model = NETS["vgg"]("batch", eps=0.0)
    ray = Ray(model, IMAGES, CLASSES, {"conv1.weight": model.conv1.weight.detach()})
    assert ray.reach(0.1, longest=0.5) == 0.5  # beyond -1 the weights change sign
    assert abs(ray.curvature()) < 1e-9


def test_distances_on_a_parabola():
    class Parabola(Ray):
        def __init__(self):
            pass

        def loss(self, distance):
            return 1.0 - distance + distance**2

    # relative error of the search: half of the last of 4 halvings of a factor 2
    tolerance = 2 ** (1 / 32) - 1
    assert Parabola().reach(0.01) == pytest.approx(0.1, rel=tolerance)  # the slope drops out
    assert Parabola().back() == pytest.approx(1.0, rel=tolerance)
    assert Parabola().reach(1e9, longest=8.0) == 8.0


def test_random_directions():
    like = {"a": torch.full((3, 2), 2.0), "b": torch.ones(5)}
    found = random_direction(like, generator(), like)
    for name, tensor in found.items():
        assert float(tensor.norm()) == pytest.approx(float(like[name].norm()))
        assert abs(float((tensor * like[name]).sum())) < 1e-5
    assert length(found) == pytest.approx(length(like))
    again = random_direction(like, generator(), like)
    assert all(torch.equal(found[name], again[name]) for name in like)
    assert abs(float(random_direction(like, generator())["a"].sum())) > 1e-2


@pytest.mark.parametrize("direction", [{"nothing": torch.ones(1)}, {"conv1.weight": torch.zeros(4, 1, 3, 3)}, {}])
def test_directions_that_are_none(direction):
    with pytest.raises(InvalidInputError, match="length"):
        Ray(NETS["vgg"](None), IMAGES, CLASSES, direction)


def test_bad_input_is_refused():
    model = vgg(channels=(2,), hidden=())
    images, classes = digits()
    broken = images[:8].clone()
    broken[3, 0, 1, 1] = float("nan")
    with pytest.raises(InvalidInputError, match="image 3 has a number that is not finite"):
        split_gradients(model, broken, classes[:8])
    with pytest.raises(InvalidInputError, match="image 3 has a number that is not finite"):
        radial_derivatives(vgg(None, channels=(2,), hidden=()), broken, classes[:8])
    with pytest.raises(InvalidInputError, match="batch 1 under norm1"):
        split_gradients(model, images[:1], classes[:1])
    assert split_gradients(model.eval(), images[:1], classes[:1])  # by its running averages it has no need of a second
