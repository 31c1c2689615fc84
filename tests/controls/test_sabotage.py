"""Break the package in one place and see that a statement notices: a suite that cannot fail is worthless."""

import dataclasses

import numpy as np
import pytest

import bn_theory as bn
from bn_theory import bounds, predictions
from bn_theory.engines import numba_, numpy_
from bn_theory.losses.facts import Facts
from bn_theory.theorems import evidence as judge
from bn_theory.theorems import workbench
from bn_theory.theorems.arora2019 import amplitude_law, descent, gd_rate, norm_growth, orthogonality, sgd_rate, sgd_runs
from bn_theory.theorems.evidence import CONTRADICTED, INCONCLUSIVE, SUPPORTED
from bn_theory.theorems.statement import Settings, Source, Statement, verify

SETTINGS = Settings()
QUOTIENT = bn.rayleigh(np.linspace(0.0, 1.0, 16))


def growth_verdict(loss, engine):
    settings = Settings(engine=engine)
    k = workbench.condition(loss, 0)
    return norm_growth.claim("x", loss, bn.SGD(0.5), settings, k, steps=300).verdict


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_a_gradient_that_leans_on_the_weights_is_noticed(engine, monkeypatch):
    noisy = bn.with_linear_noise(QUOTIENT, 0.5)
    assert growth_verdict(noisy, engine) == SUPPORTED
    derivatives = noisy.derivatives
    w = noisy.symbols["w"]
    # 1e-9 of the weights added to the step's gradient: no longer orthogonal
    leaning = {"w": derivatives.sample["w"] + 1e-9 * w}
    broken = noisy.replace()
    broken.__dict__["derivatives"] = dataclasses.replace(derivatives, sample=leaning)
    monkeypatch.setattr(workbench, "condition", lambda loss, seed: 1e3)
    assert growth_verdict(broken, engine) == CONTRADICTED


@pytest.mark.parametrize(("engine", "module"), [("numpy", numpy_.NumpyEngine), ("numba", numba_.NumbaEngine)])
def test_an_engine_that_miscounts_its_steps_is_noticed(engine, module, monkeypatch):
    noisy = bn.with_linear_noise(QUOTIENT, 0.5)
    honest = module.run

    def careless(self, problem):
        found = honest(self, problem)
        return dataclasses.replace(found, sum_step2=found.sum_step2 * (1 + 1e-9))

    monkeypatch.setattr(module, "run", careless)
    assert growth_verdict(noisy, engine) == CONTRADICTED


def test_curvatures_that_are_too_small_are_noticed_by_descent(monkeypatch):
    state, rates = descent._random(QUOTIENT, SETTINGS), np.array([0.3, 1.0])
    assert descent.claim("x", QUOTIENT, state, rates, SETTINGS).verdict == SUPPORTED
    honest = bounds.curvatures
    monkeypatch.setattr(bounds, "curvatures", lambda *a: {g: k / 3 for g, k in honest(*a).items()})
    assert descent.claim("x", QUOTIENT, state, rates, SETTINGS).verdict == CONTRADICTED


def test_a_norm_bound_that_is_too_small_is_noticed(monkeypatch):
    lr = {"w": np.array([0.3])}
    run = bn.run(QUOTIENT, bn.GD(lr), steps=1000, replicas=4)
    assert gd_rate.bound_claim("x", QUOTIENT, lr, run).verdict == SUPPORTED
    honest = bounds.largest_growth
    monkeypatch.setattr(bounds, "largest_growth", lambda k, delta: 0.05 * honest(k, delta))
    assert gd_rate.bound_claim("x", QUOTIENT, lr, run).verdict == CONTRADICTED


def test_an_infimum_that_is_too_high_is_noticed():
    lr = {"w": np.array([0.3])}
    wrong = QUOTIENT.with_facts(infimum=0.2)
    run = bn.run(wrong, bn.GD(lr), start=[1.0] + [0.9] * 15, steps=1000)
    assert gd_rate.bound_claim("x", wrong, lr, run).verdict == CONTRADICTED


def test_an_sgd_bound_without_the_noise_is_noticed():
    noisy = bn.with_linear_noise(QUOTIENT, 0.5)
    run = bn.run(noisy, bn.SGD(1.0), steps=2000, replicas=16)
    assert [e.verdict for e in sgd_rate.bound_claims("x", noisy, bn.SGD(1.0), run)] == 3 * [SUPPORTED]
    wrong = noisy.with_facts(sample_gradient=lambda start: {"w": 0.5})  # the full gradient's bound
    norm, *_ = sgd_rate.bound_claims("x", wrong, bn.SGD(1.0), run)
    assert norm.verdict == CONTRADICTED


@pytest.fixture(scope="module")
def stationary():
    return sgd_runs.run(1.0, 0.0, sgd_runs.SHORT, 0, "auto")


def test_a_wrong_exponent_of_sgd_is_noticed(stationary):
    assert sgd_rate.exponent_claim("x", stationary, 0.0).verdict == SUPPORTED
    for wrong in (-1 / 3, -0.27, -0.23, -0.5):
        assert sgd_rate.exponent_claim("x", stationary, 0.0, predicted=wrong).verdict == CONTRADICTED


def test_an_amplitude_wrong_by_a_factor_is_noticed(stationary, monkeypatch):
    minimum = sgd_runs.loss().facts.minimum
    assert amplitude_law.closed_form_claim("x", stationary, minimum, 0.0).verdict == SUPPORTED
    assert amplitude_law.finite_time_claim("x", stationary, minimum, 1.0, 0.0).verdict == SUPPORTED
    for factor in (0.95, 1.05, 2**0.5, 0.5):
        assert amplitude_law.closed_form_claim("x", stationary, minimum, 0.0, factor).verdict == CONTRADICTED
    honest = predictions.gradient
    monkeypatch.setattr(predictions, "gradient", lambda *a: 1.06 * honest(*a))
    assert amplitude_law.finite_time_claim("x", stationary, minimum, 1.0, 0.0).verdict == CONTRADICTED


def test_noise_of_another_size_is_noticed_by_the_amplitude(stationary):
    minimum = sgd_runs.loss().facts.minimum
    wrong = dataclasses.replace(minimum, noise=1.2 * minimum.noise)  # amplitude times sqrt(1.2)
    assert amplitude_law.closed_form_claim("x", stationary, wrong, 0.0).verdict == CONTRADICTED


def test_what_a_bound_needs_and_the_loss_lacks_is_named():
    w = bn.weights("w")
    loss = bn.Loss(bn.total(w**4) / bn.total(w**2) ** 2)
    assert loss.facts == Facts()
    with pytest.raises(bn.BnTheoryError, match=r"with_facts\(blocks"):
        gd_rate.bound_claim("x", loss, {"w": np.array([1.0])}, bn.run(loss, bn.GD([1.0]), start=[1.0, 2.0], steps=20))


def test_nan_is_never_taken_for_agreement():
    class Silent:
        """A loss whose gradients are NaN everywhere."""

        def __init__(self, loss):
            self.loss = loss

        def __getattr__(self, name):
            return getattr(self.loss, name)

        def gradient(self, state, noise=None):
            return {g: np.full_like(v, np.nan) for g, v in self.loss.gradient(state, noise).items()}

    silent = Silent(QUOTIENT)
    assert orthogonality.orthogonality_claim("x", silent, 0, [1.0]).verdict == CONTRADICTED
    assert orthogonality.homogeneity_claim("x", silent, 0).verdict == CONTRADICTED
    assert orthogonality.hessian_claim("x", silent, 0).verdict == CONTRADICTED
    assert np.isnan(judge.largest([0.0, np.nan, 1.0]))


def test_a_run_that_diverges_contradicts_its_statement():
    def evidence(settings):
        yield judge.identity("before", 0.0, 1.0)
        bn.run(QUOTIENT.unnormalised, bn.GD(5.0), steps=2000, engine="numpy")

    found = verify(Statement("arora2019.norm_growth", "t", Source("p", "s", "paper"), evidence), SETTINGS)
    assert found.verdict == CONTRADICTED
    assert [e.verdict for e in found.evidence] == [SUPPORTED, SUPPORTED, CONTRADICTED]


def test_a_wide_interval_that_happens_to_hold_zero_is_no_contradiction():
    @dataclasses.dataclass
    class Local:
        t = np.geomspace(1, 1e4, 9)
        value = np.zeros(9)
        band = np.full(9, 3.0)

    @dataclasses.dataclass
    class Partial:
        local_exponents = Local

    error = bn.NoPowerLawError("a plateau, perhaps", reason="plateau", partial=Partial)
    assert judge.no_power_law("x", -0.5, error).verdict == INCONCLUSIVE
    Local.band = np.full(9, 0.05)
    assert judge.no_power_law("x", -0.5, error).verdict == CONTRADICTED
