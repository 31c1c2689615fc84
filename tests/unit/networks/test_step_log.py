"""The log of every step: sums by a second way, bounds that hold and are of use, and the run left as it was."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="bn_theory.networks needs torch: pip install '.[networks]'")

from bn_theory.errors import InvalidInputError  # noqa: E402
from bn_theory.networks.architectures import vgg  # noqa: E402
from bn_theory.networks.digits import digits  # noqa: E402
from bn_theory.networks.layers import normalisation  # noqa: E402
from bn_theory.networks.step_log import LoggedTrainer  # noqa: E402
from bn_theory.networks.structure import expected_groups  # noqa: E402
from bn_theory.networks.threads import one_thread  # noqa: E402
from bn_theory.networks.training import Trainer, sgd  # noqa: E402

SIZES = {"channels": (4, "pool", 4), "hidden": ()}
KERNELS = ("conv1.weight", "conv2.weight", "last.weight")
PAIR = ("norm1.weight", "norm1.bias")


@pytest.fixture(autouse=True)
def single_thread():
    with one_thread():
        yield


def make(norm="batch", **options):
    return vgg(norm, **SIZES, **options)


def train(model=None, lr=0.5, steps=5, groups=(*KERNELS, PAIR), optimizer=None, **options):
    model = make() if model is None else model
    images, classes = digits(next(model.parameters()).dtype)
    optimizer = sgd(model, lr) if optimizer is None else optimizer(model)
    run = LoggedTrainer(model, optimizer, images, classes, **({"batch": 16, "groups": groups} | options))
    run.steps(steps)
    return run


def test_numbers_by_hand():
    """One step, its norms and products written out."""
    model = make()
    run = train(model, steps=0, filters=["conv2.weight"])
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    run.steps(1)
    grads = {n: (before[n] - p.detach()) / 0.5 for n, p in model.named_parameters()}
    log = run.log
    assert log.groups == (*KERNELS, "(norm1.weight, norm1.bias)", *(f"conv2.weight[{i}]" for i in range(4)))
    assert log.sizes.tolist() == [36, 144, 640, 8, 36, 36, 36, 36]
    assert log.norm2.shape == (2, 8) and log.inner.shape == log.cosine.shape == log.growth_bound.shape == (1, 8)
    # the gradient is here a difference of weights of size 1, divided by the rate
    close = {"rel": 1e-12, "abs": 1e-12}
    for column, name in enumerate(KERNELS):
        assert log.norm2[0, column] == pytest.approx(before[name].square().sum().item(), rel=1e-14)
        assert log.grad_norm[0, column] == pytest.approx(grads[name].norm().item(), **close)
        assert log.inner[0, column] == pytest.approx((before[name] * grads[name]).sum().item(), **close)
    assert log.norm2[0, 3] == 4.0  # gamma = 1, beta = 0
    squares = sum(grads[n].square().sum().item() for n in PAIR)
    assert log.grad_norm[0, 3] ** 2 == pytest.approx(squares, **close)
    assert log.norm2[0, 5] == pytest.approx(before["conv2.weight"][1].square().sum().item(), rel=1e-14)
    np.testing.assert_allclose(log.norm2[:, 4:].sum(axis=1), log.norm2[:, 1], rtol=1e-14)
    np.testing.assert_allclose(log.effective_lr, 0.5 / log.norm2[:1], rtol=1e-15)
    np.testing.assert_allclose(log.unit_grad_norm, np.sqrt(log.norm2[:1]) * log.grad_norm, rtol=1e-15)
    assert log.losses == pytest.approx(run.losses)


@pytest.mark.parametrize("lr", [0.1, 10.0, 1000.0])
def test_the_laws_hold_within_bounds_that_are_of_use(lr):
    log = train(lr=lr, steps=10, filters=KERNELS).log
    assert np.all(np.abs(log.inner) <= log.inner_bound) and np.all(log.cosine <= log.cosine_bound)
    assert np.all(log.growth_error <= log.growth_bound)
    assert np.all(log.norm2[1:] >= log.norm2[:-1] - log.growth_bound)
    # ten thousand additions of a condition of some tens
    assert np.median(log.cosine_bound) < 1e-9
    if lr < 100:
        assert np.median(log.growth_bound[log.step2 > 0] / log.step2[log.step2 > 0]) < 1e-6


@pytest.mark.parametrize(
    "broken",
    [
        {"optimizer": lambda m: sgd(m, 0.5, weight_decay=1e-6)},
        {"optimizer": lambda m: sgd(m, 0.5, momentum=1e-3), "steps": 3},
        {"optimizer": lambda m: torch.optim.Adam(m.parameters(), lr=1e-3)},
        {"model": "eps"},
        {"model": "twin", "groups": KERNELS},
        {"groups": [("last_norm.weight", "last_norm.bias")]},
        {"groups": ["norm1.weight"], "steps": 3},  # one of a joint group; beta = 0 at first
        {"projected": KERNELS},
    ],
    ids=["decay", "momentum", "adam", "eps", "twin", "last", "gamma alone", "projected"],
)
def test_what_breaks_the_growth_law_is_seen(broken):
    models = {"eps": lambda: make(eps=1e-5), "twin": lambda: make(None)}
    broken = dict(broken)
    model = models[broken.pop("model")]() if "model" in broken else None
    log = train(model, **({"steps": 2} | broken)).log
    assert np.max(log.growth_error / log.growth_bound) > 1e3


def test_projection_keeps_norms_and_effective_rates():
    log = train(steps=5, groups=KERNELS, projected=KERNELS, lr=3.0).log
    np.testing.assert_allclose(log.norm2, np.broadcast_to(log.norm2[0], log.norm2.shape), rtol=1e-13)
    np.testing.assert_allclose(log.effective_lr, np.broadcast_to(3.0 / log.norm2[0], (5, 3)), rtol=1e-13)


def test_float32_has_its_own_roundoff():
    log = train(make(dtype=torch.float32), steps=5).log
    assert log.unit == 2.0**-24
    assert np.all(np.abs(log.inner) <= log.inner_bound) and np.all(log.growth_error <= log.growth_bound)
    # beyond what float64 would have to keep: rounding is seen, and measured in float64
    assert np.max(log.cosine) > 1e-9


@pytest.mark.parametrize("sampled", [True, False])
def test_the_run_is_the_unlogged_one_bit_for_bit(sampled):
    models = make(), make()
    images, classes = digits()
    augment = lambda x, generator: x + 0.1 * torch.rand(x.shape, generator=generator, dtype=x.dtype)  # noqa: E731
    options = {"batch": 16, "seed": 3, "augment": augment}
    plain = Trainer(models[0], sgd(models[0], 1.0, momentum=0.5), images, classes, **options)
    plain.steps(4)
    optimizer = sgd(models[1], 1.0, momentum=0.5)
    logged = LoggedTrainer(models[1], optimizer, images, classes, groups=KERNELS, sampled=sampled, **options)
    logged.steps(4)
    assert plain.losses == logged.losses
    one, two = plain.state(), logged.state()
    assert one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)
    grads = [[p.grad for p in m.parameters()] for m in models]
    assert all(torch.equal(a, b) for a, b in zip(*grads, strict=True))
    # augmented as the run's, or the change of the gradient would be that of other images
    assert np.all(np.isfinite(logged.log.growth_bound)) == sampled
    if sampled:
        assert np.max(logged.log.sensitivity / logged.log.unit_grad_norm) < 1e5


def test_the_sensitivity_is_a_derivative():
    """Sampled at another perturbation it is the same to a factor of a few: not rounding, not of second order."""
    one, two = (train(steps=1, seed=0), train(steps=0, seed=0))
    two._delta /= 64
    two.steps(1)
    ratio = one.log.sensitivity / two.log.sensitivity
    assert np.all((ratio > 0.5) & (ratio < 2))


def test_a_filter_whose_gradient_is_zero_has_no_cosine():
    """A dead unit: gamma = 0 and beta below 0 switch a channel's ReLU off for good."""
    model = make()
    with torch.no_grad():
        model.norm1.weight[0], model.norm1.bias[0] = 0.0, -1.0
    log = train(model, steps=2, filters=["conv1.weight"]).log
    dead = log.groups.index("conv1.weight[0]")
    assert np.all(log.cosine[:, dead] == 0) and np.all(log.growth[:, dead] == 0)
    assert np.all(log.growth_error <= log.growth_bound) and np.all(np.abs(log.inner) <= log.inner_bound)


def test_a_run_that_diverges_is_logged_up_to_there():
    run = train(make(None), lr=1e120, steps=20, groups=KERNELS)
    assert run.diverged is not None and 1 <= run.diverged < 20
    assert len(run.log.inner) == len(run.log.losses) == run.diverged
    assert run.log.norm2.shape == (run.diverged + 1, 3)
    model = make(None)
    with torch.no_grad():
        model.last.weight.fill_(float("inf"))
    with pytest.raises(InvalidInputError, match="no step was logged: the first loss is not finite"):
        _ = train(model, groups=KERNELS).log


def test_refusals():
    with pytest.raises(InvalidInputError, match=r"groups has \['conv9.weight'\], but the trained parameters are"):
        train(groups=["conv9.weight"])
    with pytest.raises(InvalidInputError, match=r"filters has \['conv9.weight'\]"):
        train(filters=["conv9.weight"])
    with pytest.raises(InvalidInputError, match="no groups to log"):
        train(groups=())
    with pytest.raises(InvalidInputError, match=r"joint group .*norm1.weight.* has the rates \[0.1, 0.5\]"):
        train(optimizer=lambda m: sgd(m, 0.5, others=["norm1.bias"], others_lr=0.1))
    with pytest.raises(InvalidInputError, match="call steps"):
        _ = train(steps=0).log
    with pytest.raises(InvalidInputError, match=r"norm1 .* is in eval mode"):
        train(make().eval())
    with pytest.raises(InvalidInputError, match="batch 1 under norm1"):
        train(batch=1)
    model = make("layer")
    assert isinstance(normalisation("layer", 4, 8), type(model.norm1))
    assert np.all(np.isfinite(train(model, batch=1).log.norm2))  # no statistic over images


def test_what_is_expected_is_what_is_logged():
    model = make()
    expected = expected_groups(model)
    log = train(model, groups=expected.invariant).log
    assert np.all(log.growth_error <= log.growth_bound)
