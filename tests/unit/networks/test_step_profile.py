"""The loss along a gradient step, against networks moved by hand."""

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="bn_theory.networks needs torch: pip install '.[networks]'")

from bn_theory.errors import InvalidInputError  # noqa: E402
from bn_theory.networks import vgg  # noqa: E402
from bn_theory.networks.digits import digits, mini_batches  # noqa: E402
from bn_theory.networks.step_profile import step_profile  # noqa: E402

KERNELS = ["conv1.weight", "last.weight"]


@pytest.fixture(scope="module")
def batch():
    ((images, classes),) = mini_batches(*digits(), size=24, steps=1, seed=3)
    return images, classes


def small(norm):
    return vgg(norm, channels=(4, "pool"), hidden=(), init="he", seed=1)


@pytest.mark.parametrize("norm", ["batch", None])
def test_it_is_the_loss_of_the_moved_network(batch, norm):
    images, classes = batch
    model = small(norm)
    found = step_profile(model, images, classes, [0.1, 3.0, 1e3], lr=0.7, names=KERNELS)
    torch.nn.functional.cross_entropy(model(images), classes).backward()
    for s, loss in zip(found.multiples, found.losses, strict=True):
        moved = copy.deepcopy(model)
        with torch.no_grad():
            for name in KERNELS:
                p = moved.get_parameter(name)
                p.sub_(s * 0.7 * model.get_parameter(name).grad)
            expected = torch.nn.functional.cross_entropy(moved(images), classes)
        # the same operations in the same order but for the product s * 0.7 * g, rounded twice
        assert loss == pytest.approx(expected.item(), rel=1e-9)
    assert found.norms2["conv1.weight"] == pytest.approx(float(model.conv1.weight.detach().square().sum()), rel=1e-12)
    assert found.slopes2["conv1.weight"] == pytest.approx(float(model.conv1.weight.grad.square().sum()), rel=1e-12)
    np.testing.assert_array_equal(found.relative, found.losses / found.start)


def test_the_model_is_left_alone(batch):
    model = small("batch")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    step_profile(model, *batch, [1.0, 10.0])
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters()) and model.training


def test_scale_invariance_bounds_it_and_the_twin_rises_by_its_degree(batch):
    far = [1e6, 1e7, 1e8]
    normalised = step_profile(small("batch"), *batch, far, names=KERNELS)
    assert normalised.losses[-1] == pytest.approx(normalised.far, rel=1e-5) and normalised.far < 10
    twin = step_profile(small(None), *batch, far, names=KERNELS)
    # two layers: the leading term is quadratic, its corrections are of relative size 1e-6 and less
    assert twin.slopes()[-1] == pytest.approx(2, abs=1e-4)
    assert abs(normalised.slopes()[-1]) < 1e-4


def test_all_trained_parameters_move_unless_some_are_named(batch):
    model = small("batch")
    every = step_profile(model, *batch, [0.5])
    assert set(every.norms2) == {name for name, _ in model.named_parameters()}
    assert set(step_profile(model, *batch, [0.5], names=KERNELS).norms2) == set(KERNELS)


def test_an_overflow_is_infinite_and_no_error(batch):
    found = step_profile(small(None), *batch, [1.0, 1e200])
    assert np.isfinite(found.losses[0]) and found.losses[1] == np.inf


@pytest.mark.parametrize("multiples", [[], [0.0, 1.0], [2.0, 1.0], [1.0, np.inf], [-1.0], [[1.0]]])
def test_multiples_that_cannot_be(batch, multiples):
    with pytest.raises(InvalidInputError, match="multiples must be finite, above 0 and increasing"):
        step_profile(small("batch"), *batch, multiples)


def test_bad_input_is_named(batch):
    images, classes = batch
    with pytest.raises(InvalidInputError, match="lr must be finite and > 0, not 0"):
        step_profile(small("batch"), *batch, [1.0], lr=0)
    with pytest.raises(InvalidInputError, match=r"names has \['conv9.weight'\]"):
        step_profile(small("batch"), *batch, [1.0], names=["conv9.weight"])
    with pytest.raises(InvalidInputError, match="no parameter to move"):
        step_profile(small("batch"), *batch, [1.0], names=[])
    with pytest.raises(InvalidInputError, match="eval mode"):
        step_profile(small("batch").eval(), *batch, [1.0])
    broken = images.clone()
    broken[5, 0, 0, 0] = np.nan
    with pytest.raises(InvalidInputError, match="image 5 has a number that is not finite"):
        step_profile(small("batch"), broken, classes, [1.0])
