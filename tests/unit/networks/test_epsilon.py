"""The violation by eps: its exponent, its size by the derivative, rounding for eps = 0, and what is refused."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="bn_theory.networks needs torch: pip install '.[networks]'")

from bn_theory.errors import InvalidInputError  # noqa: E402
from bn_theory.networks.architectures import vgg  # noqa: E402
from bn_theory.networks.digits import digits  # noqa: E402
from bn_theory.networks.epsilon import epsilon_curve, normalisation_behind  # noqa: E402
from bn_theory.networks.threads import one_thread  # noqa: E402

SIZES = {"channels": (4, "pool", 4), "hidden": ()}
GROUPS = ("conv1.weight", "last.weight", ("norm1.weight", "norm1.bias"))


@pytest.fixture(autouse=True)
def single_thread():
    with one_thread():
        yield


def curve(eps, scales, groups=GROUPS, norm="batch", **options):
    images, classes = digits()
    return epsilon_curve(vgg(norm, eps=eps, **SIZES, **options), images[:32], classes[:32], groups, scales)


@pytest.mark.parametrize("norm", ["batch", "group", "instance"])
def test_exponent_and_size(norm):
    found = curve(1e-6, (1.0, 4.0, 16.0), norm=norm)
    assert found.groups == ("conv1.weight", "last.weight", "(norm1.weight, norm1.bias)")
    assert found.violation.shape == found.norms.shape == found.rounding.shape == found.from_eps.shape == (3, 3)
    np.testing.assert_allclose(found.norms / found.norms[0], np.outer([1, 4, 16], np.ones(3)), rtol=1e-14)
    # off by eps over a variance
    np.testing.assert_allclose(found.exponents, -2, atol=1e-3)
    assert np.all(found.violation > found.rounding)
    # a difference of losses that carry 1e-15 each, at the scale where it is largest
    np.testing.assert_allclose(found.from_eps[0], found.violation[0], rtol=1e-3)


def test_linear_in_eps():
    one, ten = (curve(eps, (4.0,)).violation for eps in (1e-7, 1e-6))
    np.testing.assert_allclose(ten / one, 10, rtol=1e-3)


def test_small_weights_are_not_scale_invariant_at_all():
    """Where eps is larger than the variance the law ends: the exponent is no longer -2, the violation of size 1e-2."""
    found = curve(1e-3, (1e-3, 1e-2), ["last.weight"])
    assert np.all(np.abs(found.exponents + 2) > 0.5) and np.all(found.violation > 1e-3)


def test_without_eps_only_rounding_is_left():
    found = curve(0.0, (1e-2, 1.0, 1e2))
    assert np.all(found.violation <= found.rounding) and np.max(found.rounding) < 1e-8
    # and the last (gamma, beta) has no normalisation behind it
    with pytest.raises(InvalidInputError, match="no normalisation follows last_norm"):
        curve(0.0, (1.0,), [("last_norm.weight", "last_norm.bias")])


def test_the_normalisation_behind():
    model = vgg(**SIZES)
    assert normalisation_behind(model, "conv1.weight") is model.norm1
    assert normalisation_behind(model, "norm1.bias") is model.norm2
    assert normalisation_behind(model, "last.weight") is model.last_norm
    with pytest.raises(InvalidInputError, match="no normalisation follows conv1"):
        normalisation_behind(vgg(None, **SIZES), "conv1.weight")


def test_the_model_is_left_as_it_was():
    model = vgg(eps=1e-5, **SIZES)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    images, classes = digits()
    epsilon_curve(model, images[:16], classes[:16], GROUPS, (0.5, 2.0))
    after = model.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert model.norm1.eps == 1e-5


@pytest.mark.parametrize("scales", [(), (0.0, 1.0), (-1.0,), (float("nan"),), (float("inf"),)])
def test_scales_must_be_positive_numbers(scales):
    with pytest.raises(InvalidInputError, match="scales must be positive and finite"):
        curve(1e-5, scales)
