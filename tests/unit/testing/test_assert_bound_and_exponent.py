"""``assert_bound`` and ``assert_exponent``: where and by how little they fail, and what they say."""

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from bn_theory.errors import InvalidInputError, NoPowerLawError, UnknownNameError
from bn_theory.testing import ClaimFailedError, assert_bound, assert_exponent, exponent

T = np.geomspace(100, 1e6, 60)


def failed(check, *arguments, **options):
    with pytest.raises(ClaimFailedError) as caught:
        check(*arguments, **options)
    return caught.value


def test_a_bound_holds():
    found = assert_bound(np.full((3, 5), 0.5), np.linspace(1, 2, 5), name="mine")
    assert (found.name, found.kind, found.verdict) == ("mine", "bound", "supported")
    # nearest to the bound, relative to its size, is the first column
    assert (found.measured, found.predicted, found.details["worst"]) == (0.5, 1.0, "[0, 0]")
    assert assert_bound(1.0, 1.0).measured == 1.0


@pytest.mark.parametrize("excess", [1.0, 1e-9, np.finfo(float).eps])
def test_one_place_is_enough(excess):
    measured = np.ones(100)
    measured[[40, 70]] = 1 + excess / 2, 1 + excess
    measured[40] = max(measured[40], np.nextafter(1, 2))
    error = failed(assert_bound, measured, 1.0)
    assert (error.evidence.verdict, error.evidence.details["failing"]) == ("contradicted", 2)
    assert error.evidence.details["first"] == "[40]"
    assert error.evidence.details["worst"] == ("[40]" if excess < 1e-12 else "[70]")
    assert "first at [40]: measured 1" in str(error) and "fails at 2 of 100 places" in str(error)
    assert_bound(measured, 1.0, slack=excess)


def test_bounds_that_are_zero_negative_or_infinite():
    assert_bound([0.0, -1.0], [0.0, -1.0])
    for slack in (0.0, 0.1):
        assert_bound([1e300, np.inf], [np.inf, np.inf], slack=slack)
    assert failed(assert_bound, [0.0, 1e-300], [0.0, 0.0]).evidence.details["worst"] == "[1]"
    assert failed(assert_bound, -1.0, -2.0).evidence.measured == -1.0
    assert_bound(-1.9, -2.0, slack=0.06)
    failed(assert_bound, -1.9, -2.0, slack=0.04)


@pytest.mark.parametrize(("measured", "bound"), [(np.nan, 1.0), (0.0, np.nan), (np.inf, 1.0)])
def test_no_number_is_no_agreement(measured, bound):
    error = failed(assert_bound, [0.5, measured, 5.0], [1.0, bound, 1.0])
    assert error.evidence.details["worst"] == "[1]" and error.evidence.details["first"] == "[1]"


def test_labelled_arrays():
    steps, replicas = {"step": [10, 20, 30]}, {"replica": [4, 5]}
    measured = xr.DataArray(np.ones((2, 3)), steps | replicas, ["replica", "step"])
    measured[1, 2] = 3.0
    bound = xr.DataArray([1.0, 1.0, 2.0], steps, ["step"])
    error = failed(assert_bound, measured, bound)
    assert error.evidence.details["worst"] == "replica 5, step 30"
    assert failed(assert_bound, measured, 2.0).evidence.details["worst"] == "replica 5, step 30"
    with pytest.raises(InvalidInputError, match="coordinates of measured and bound differ"):
        assert_bound(measured, bound.assign_coords(step=[10, 20, 31]))


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([1.0, 2.0], [1.0, 2.0, 3.0]), {}, r"shape \(2,\) and bound \(3,\)"),
        (([], []), {}, "empty"),
        ((["a"], [1.0]), {}, "real numbers"),
        ((1.0, 1.0), {"slack": -0.1}, "slack must be"),
        ((1.0, 1.0), {"slack": np.nan}, "slack must be"),
    ],
)
def test_bounds_that_cannot_be_used(arguments, options, message):
    with pytest.raises(InvalidInputError, match=message):
        assert_bound(*arguments, **options)


# --- exponents ---


def noisy(exponent, replicas=64, seed=1):
    """Chi-squared of 15 degrees about a power law: a mean of 64 is off by 4.6 %."""
    rng = np.random.default_rng(seed)
    return 3 * T**exponent * rng.chisquare(15, size=(replicas, len(T))) / 15


def test_an_exponent_holds():
    found = assert_exponent(T, 3 * T**-0.5, -0.5, 1e-6, name="mine")
    assert (found.name, found.kind, found.verdict) == ("mine", "exponent", "supported")
    assert found.details["law"] == "pure" and found.details["amplitude"] == pytest.approx(3)
    found = assert_exponent(T, noisy(-0.5), -0.5, 0.02)
    assert found.interval[0] < -0.5 < found.interval[1] and found.details["replicas"] == 64
    array = xr.DataArray(noisy(-0.5), {"step": T}, ["replica", "step"])
    assert assert_exponent(array, None, -0.5, 0.02).interval == found.interval


@pytest.mark.parametrize("off", [0.5, 0.01, 2e-6])
def test_a_wrong_exponent(off):
    error = failed(assert_exponent, T, 3 * T**-0.5, -0.5 - off, 1e-6)
    assert error.evidence.verdict == "contradicted"
    assert "exponent of y: -0.5, 95 % interval" in str(error)


def test_the_whole_interval_counts():
    y = noisy(-0.5)
    low, high = assert_exponent(T, y, -0.5, 0.05).interval
    assert_exponent(T, y, (low + high) / 2, 1.001 * (high - low) / 2)
    # the middle is right, the ends are not inside
    assert failed(assert_exponent, T, y, (low + high) / 2, 0.9 * (high - low) / 2).evidence.verdict == "inconclusive"


def test_the_exponent_is_that_of_y_as_given():
    error = failed(assert_exponent, T, T**-1.0, -0.5, 0.01)
    assert "y looks like the square of what expected is about" in str(error)
    assert "expected looks like that of y^2" in str(failed(assert_exponent, T, T**-0.5, -1.0, 0.01))


@pytest.mark.parametrize(
    ("y", "reason", "verdict"),
    [
        (np.exp(-T / 1e5), "exponential", "contradicted"),
        (1 + T**-0.5, "plateau", "contradicted"),
        (np.maximum(T**-6.0, 1e-30), "rounding_floor", "inconclusive"),
    ],
)
def test_no_power_law(y, reason, verdict):
    error = failed(assert_exponent, T, y, -0.5, 0.01)
    assert (error.evidence.details["refused"], error.evidence.verdict) == (reason, verdict)
    assert f"no power law ({reason})" in str(error) and error.evidence.predicted == -0.5


def test_a_plateau_contradicts_only_what_is_steeper():
    error = failed(assert_exponent, T, 1 + T**-0.5, -0.5, 0.01)
    # the last decade's local exponents of y itself: -0.5 T^-0.5/(1 + T^-0.5), about -0.001
    assert -0.01 < error.evidence.details["local_exponent_at_least"] <= 0


@pytest.mark.parametrize(("expected", "verdict"), [(-0.25, "contradicted"), (-0.15, "inconclusive")])
def test_a_plateau_is_judged_by_exponents_of_y_itself(monkeypatch, expected, verdict):
    """Late local exponents of at least -0.2: nothing of squares or their halves."""
    local = SimpleNamespace(t=T, value=np.full(len(T), -0.19), band=np.full(len(T), 0.01))

    def refuse(*arguments, **options):
        raise NoPowerLawError("flat", reason="plateau", partial=SimpleNamespace(local_exponents=local))

    monkeypatch.setattr(exponent, "fit_exponent", refuse)
    found = failed(assert_exponent, T, T**-0.5, expected, 0.01).evidence
    assert found.verdict == verdict
    assert found.details["local_exponent_at_least"] == pytest.approx(-0.2)


def test_too_short():
    error = failed(assert_exponent, T[:20], T[:20] ** -0.5, -0.5, 0.01)
    assert (error.evidence.details["refused"], error.evidence.verdict) == ("too_few_decades", "inconclusive")
    assert_exponent(T[:20], T[:20] ** -0.5, -0.5, 0.01, min_decades=1.0)


def test_options_of_the_fit_are_passed_on():
    y = T**-0.5 * np.log(T) ** 0.5
    assert_exponent(T, y, -0.5, 1e-6, model="log", log_power=0.5)
    failed(assert_exponent, T, y, -0.5, 0.01, model="log", log_power=-0.5)
    y = np.where(T < 1000, 1.0, (T / 1000) ** -0.5)
    assert_exponent(T, y, -0.5, 1e-6, window=(1000, 1e6))
    with pytest.raises(UnknownNameError, match="statistic"):
        assert_exponent(T, y, -0.5, 0.1, statistic="median")
    for wrong in (0.0, -1, np.nan):
        with pytest.raises(InvalidInputError, match="tolerance must be one number, finite and > 0"):
            assert_exponent(T, y, -0.5, wrong)
    with pytest.raises(InvalidInputError, match="expected must be one number, finite"):
        assert_exponent(T, y, np.inf, 0.1)
