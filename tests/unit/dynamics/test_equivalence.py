"""Weight decay as a schedule: ``p`` in exact arithmetic, published growth, overflow, units, and both runs by hand."""

import itertools
import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import bn_theory as bn
from bn_theory.dynamics import EquivalentSchedule
from bn_theory.dynamics.equivalence import roots
from bn_theory.dynamics.equivalent import LARGEST, RESCALE_BITS
from bn_theory.errors import InvalidInputError, NoEquivalentScheduleError

U = 2.0**-53
mp = mpmath.mp.clone()
mp.dps = 50


def exact_p(eta, decay, gamma, number=Fraction):
    """``p_t`` until it is not positive, by the recurrence that defines it, in the arithmetic of ``number``."""
    p, q, found = number(1), number(0), [number(1)]
    for rate, weight, momentum in zip(eta, decay, gamma, strict=True):
        q = number(momentum) * q + number(weight) * p
        p -= number(rate) * q
        found.append(p)
        if p <= 0:
            break
    return found


def exact_log(p):
    if not isinstance(p, Fraction):
        return mp.log(p)
    if p > Fraction(1, 2):  # 1 - 1e-100 keeps its digits
        return mp.log1p(mp.mpf((p - 1).numerator) / (p - 1).denominator)
    return mp.log(mp.mpf(p.numerator) / p.denominator)


def rounding(eta, decay, gamma):
    """First-order bounds on the error of the computed ``log p_t``, and on the relative error of every drop.

    A running error analysis of x' = gamma x + lambda, drop = eta x', log p += log1p(-drop), x = x'/(1 - drop): every
    operation rounds by u relatively, log1p by two ulps (4u); an error e of the drop is e drop/(1 - drop) in
    log1p(-drop) and in x. The compensated sum rounds once more. The factor 1.1 is for products of errors, as long as
    the error of 1 - drop stays below a tenth of it.
    """
    x = e = total = size = 0.0
    bounds, relative = [0.0], []
    for rate, weight, momentum in zip(eta, decay, gamma, strict=True):
        kept = momentum * x
        x = kept + weight
        e = (kept * (e + U) + x * U) / x if x else 0.0
        drop = rate * x
        relative.append(1.1 * (e + U))
        if drop >= 1:
            break
        pulled = drop / (1 - drop) * (e + U)
        size -= math.log1p(-drop)
        total += pulled - 4 * U * math.log1p(-drop)
        e += pulled + 2 * U
        x /= 1 - drop
        bounds.append(1.1 * (total + 2 * U * size))
    return np.array(bounds), relative


def close_to(schedule, exact):
    """Assert that ``log_p`` is within its rounding bound of exact values."""
    bounds, _ = rounding(schedule.eta, schedule.weight_decay, schedule.momentum)
    for t, p in enumerate(exact):
        assert abs(mp.mpf(float(schedule.log_p[t])) - exact_log(p)) <= bounds[t], t


# --- p ---


@given(data=st.data(), steps=st.integers(1, 40))
def test_log_p_is_that_of_exact_arithmetic_or_the_refusal_comes_where_p_changes_sign(data, steps):
    def some(numbers):
        return data.draw(st.lists(numbers, min_size=steps, max_size=steps))

    # 0, or large enough that no product of 40 of them underflows
    eta, gamma = some(st.floats(1e-4, 1)), some(st.just(0.0) | st.floats(1e-3, 0.95))
    decay = some(st.just(0.0) | st.floats(1e-100, data.draw(st.sampled_from([1e-3, 0.1, 2.0]))))
    exact = exact_p(eta, decay, gamma)
    # where 1 - drop is lost in the rounding of the drop, either answer is right
    _, relative = rounding(eta, decay, gamma)
    for (before, after), e in zip(itertools.pairwise(exact), relative, strict=False):
        assume(abs(after) > 10 * e * before)
    if exact[-1] <= 0:
        step = len(exact) - 1
        with pytest.raises(NoEquivalentScheduleError, match=rf"p_{step} = .* p_{step - 1} is not positive: at step"):
            bn.equivalent_schedule(eta, decay, gamma)
    else:
        close_to(bn.equivalent_schedule(eta, decay, gamma), exact)


def test_log_p_of_a_long_cosine_with_momentum():
    found = bn.equivalent_schedule(bn.Cosine(0.45, 3000), 5e-3, 0.9, 3000)
    exact = exact_p(found.eta, found.weight_decay, found.momentum, mp.mpf)
    close_to(found, exact)
    assert np.max(found.log_lr - found.log_lr[0]) > 25 * math.log(10)  # a run that matters


def test_without_momentum_every_factor_is_one_minus_rate_times_decay():
    eta, decay = np.linspace(0.5, 0.01, 30), np.linspace(0.0, 1.0, 30)
    found = bn.equivalent_schedule(eta, decay)
    expected = np.cumsum(np.log1p(-eta * decay))
    # 30 sums and logarithms, each within two roundings of a value below 8
    np.testing.assert_allclose(found.log_p[1:], expected, rtol=0, atol=30 * 2 * 8 * U)
    np.testing.assert_allclose(found.p[1:], np.cumprod(1 - eta * decay), rtol=30 * 4 * U + 30 * 2 * 8 * U)
    p = found.p
    # eight roundings, and exp of a sum with the error above
    np.testing.assert_allclose(found.lr, eta / (p[:-1] * p[1:]), rtol=8 * U + 4 * 30 * 2 * 8 * U)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_without_decay_nothing_changes(momentum):
    eta = np.random.default_rng(0).uniform(0, 1, 50)
    found = bn.equivalent_schedule(eta, 0.0, momentum)
    assert np.array_equal(found.lr, eta) and np.array_equal(found.p, np.ones(51))
    assert np.array_equal(found.rescaled().lr, eta) and not found.warnings
    assert found.rescaled().steps_with_rescaling.size == 0


def test_zero_rates_at_either_end():
    rising = np.r_[0.0, 0.0, np.linspace(0.1, 0.3, 20), 0.0]
    found = bn.equivalent_schedule(rising, 0.05, 0.5)
    close_to(found, exact_p(rising, [0.05] * 23, [0.5] * 23))
    assert np.array_equal(found.lr == 0, rising == 0)
    assert np.array_equal(found.log_lr == -np.inf, rising == 0)
    assert found.p[2] == 1.0  # nothing has moved, but the buffer has filled: more than decay * rate is lost at once
    assert 1 - found.p[3] > 1.7 * 0.05 * 0.1
    assert np.all(np.isfinite(found.rescaled().lr)) and found.overflow().first is None


def test_schedules_arrays_and_numbers_mean_the_same():
    given_ = bn.equivalent_schedule(bn.Warmup(bn.Cosine(0.2, 40), 5), bn.Power(0.1, 0.5), bn.Constant(0.5), 40)
    same = bn.equivalent_schedule(given_.eta, given_.weight_decay, 0.5)
    assert np.array_equal(given_.log_p, same.log_p) and given_.length == same.length == 40
    # a given length cuts an array
    assert np.array_equal(bn.equivalent_schedule(given_.eta, given_.weight_decay, 0.5, 7).log_p, same.log_p[:8])


# --- constant rates: roots and growth ---


@pytest.mark.parametrize("lr, decay, momentum", [(0.1, 5e-4, 0.9), (0.1, 0.02, 0.9), (1.0, 0.2, 0.25), (0.5, 0.1, 0.0)])
def test_roots_solve_the_quadratic(lr, decay, momentum):
    found = roots(lr, decay, momentum)
    assert len(found) == (2 if momentum else 1)
    b = 1 + mp.mpf(momentum) - mp.mpf(lr) * mp.mpf(decay)
    radical = mp.sqrt(b * b - 4 * mp.mpf(momentum))
    # about ten operations; the discriminant's cancellation is between numbers of the size of the discriminant or, near
    # the double root, amplifies by 1/discriminant
    slack = 10 * U * (1 + 1 / float(radical))
    for root, exact in zip(found, ((b + radical) / 2, (b - radical) / 2), strict=False):
        assert abs(root - exact) <= slack * exact


def test_both_roots_multiply_to_the_momentum_and_meet_at_the_limit():
    larger, smaller = roots(0.1, 0.02, 0.9)
    assert larger > smaller and larger * smaller == pytest.approx(0.9, rel=1e-14)  # ten roundings
    # sqrt(0.25) is exact: 1 * 0.25 = (1 - 1/2)^2 is the double root sqrt(gamma)
    assert roots(1.0, 0.25, 0.25) == (0.5, 0.5)
    assert np.all(np.isfinite(bn.equivalent_schedule(1.0, 0.25, 0.25, 200).log_p))
    close_to(bn.equivalent_schedule(1.0, 0.25, 0.25, 200), exact_p([1.0] * 200, [0.25] * 200, [0.25] * 200))


def test_the_published_growth_per_epoch():
    """Li and Arora: rate 0.1, momentum 0.9, decay 5e-4, 391 steps an epoch: 1.481 an epoch."""
    found = bn.equivalent_schedule(0.1, 5e-4, 0.9, steps=20 * 391, steps_per_epoch=391)
    assert roots(0.1, 5e-4, 0.9)[0] ** (-2 * 391) == pytest.approx(1.48123, abs=5e-6)
    growth = found.growth_per_epoch
    assert growth.shape == (19,) and found.growth_per_step.shape == (20 * 391 - 1,)
    assert growth[-1] == pytest.approx(1.48123, abs=5e-6)
    assert growth[0] < 1.475  # the first epoch starts from a zero buffer
    assert bn.equivalent_schedule(0.1, 5e-4, 0.9, steps=7).growth_per_epoch is None


@pytest.mark.parametrize("lr, decay, momentum", [(0.1, 5e-4, 0.9), (0.1, 0.02, 0.9), (1.0, 0.2, 0.25), (0.5, 0.1, 0.0)])
def test_growth_tends_to_that_of_the_larger_root(lr, decay, momentum):
    a, *others = roots(lr, decay, momentum)
    found = bn.equivalent_schedule(lr, decay, momentum, steps=1000)
    # log_lr has an error of an ulp of itself (below 1000), taken twice; (b/a)^999 is below it
    slack = 4 * U * np.abs(found.log_lr[-1]) + 40 * U
    assert not others or (others[0] / a) ** 900 < slack
    assert math.log(found.growth_per_step[-1]) == pytest.approx(-2 * math.log(a), rel=0, abs=slack)
    if momentum:
        assert found.growth_per_step[0] < a**-2


def test_complex_roots_are_refused_with_what_happens_instead():
    # b = 1.9 - 0.1 = 1.8 and gamma = 0.9: cos theta = 0.9/sqrt(0.9), a change of sign every pi/theta = 9.8 steps
    period = math.pi / math.acos(0.9 / math.sqrt(0.9))
    with pytest.raises(NoEquivalentScheduleError, match=rf"changes sign about every {period:.3g} steps.*lower lr"):
        bn.equivalent_schedule(0.1, 1.0, 0.9, steps=5)
    signs = np.sign([float(p) for p in sign_changes(0.1, 1.0, 0.9, 2000)])
    assert 2000 / np.count_nonzero(np.diff(signs)) == pytest.approx(period, rel=0.01)  # 200 of them, one at either end


def sign_changes(lr, decay, momentum, steps):
    """``p_t`` beyond its zero, rescaled so that it stays in range (signs are all that matters)."""
    p, q, found = 1.0, 0.0, []
    for _ in range(steps):
        q = momentum * q + decay * p
        p -= lr * q
        size = abs(p) + abs(q)
        p, q = p / size, q / size
        found.append(p)
    return found


@pytest.mark.parametrize("decay", [10.0, 11.0, 50.0])
def test_without_momentum_a_decay_of_one_or_more_is_refused(decay):
    with pytest.raises(NoEquivalentScheduleError, match=r"only up to .*already p_1 = 1 - weight_decay"):
        bn.equivalent_schedule(0.1, decay, steps=5)
    with pytest.raises(NoEquivalentScheduleError, match=r"p_1 = .* p_0 is not positive: at step 0 \(lr 0.1, weight"):
        bn.equivalent_schedule([0.1], decay)


def test_an_error_of_a_schedule_is_bad_input():
    assert issubclass(NoEquivalentScheduleError, InvalidInputError)


# --- overflow and units ---


def brute_force(found, dtype):
    """First steps beyond a type, from exact ``p`` and rates."""
    p = exact_p(found.eta, found.weight_decay, found.momentum, mp.mpf)
    limit = mp.mpf(LARGEST[dtype])
    rates = [mp.mpf(float(r)) / (a * b) for r, (a, b) in zip(found.eta, itertools.pairwise(p), strict=True)]
    quantities = (rates, [1 / x for x in p], [1 / x**2 for x in p])
    return tuple(next((t for t, x in enumerate(q) if x > limit), None) for q in quantities)


@pytest.mark.parametrize(
    "steps, momentum, scale", [(4000, 0.3, 0.2), (4000, 0.0, 0.3), (700, 0.3, 0.2), (40, 0.3, 0.2)]
)
def test_the_first_steps_that_overflow(steps, momentum, scale):
    eta = np.random.default_rng(1).uniform(0.1, 1, steps)
    found = bn.equivalent_schedule(eta, scale, momentum)
    for dtype in LARGEST:
        over = found.overflow(dtype)
        expected = brute_force(found, dtype)
        assert (over.lr, over.weights, over.squares) == expected
        assert over.first == min((t for t in expected if t is not None), default=None)
        warned = [w for w in found.warnings if w.startswith(dtype)]
        assert len(warned) == (over.first is not None)
        for what, step in zip(("the learning rate", "weights", r"|w|^2"), expected, strict=True):
            assert all((f"{what} at step {step}" in w) == (step is not None) for w in warned)
    with pytest.raises(InvalidInputError, match="'float32' or 'float64', not 'float16'"):
        found.overflow("float16")


def test_a_million_steps_through_the_underflow_of_p():
    lr, decay, momentum, steps = 0.1, 5e-3, 0.9, 1_000_000
    found = bn.equivalent_schedule(lr, decay, momentum, steps)
    assert np.all(np.isfinite(found.log_p)) and found.p[-1] == 0.0 and found.lr[-1] == np.inf
    assert np.all(np.isfinite(found.log_lr))
    # p_t = c a^t + (1 - c) b^t from p_0 = 1 and p_1 = 1 - lambda eta = a + b - gamma
    eta, g = mp.mpf(lr), mp.mpf(momentum)
    half = (1 + g - eta * mp.mpf(decay)) / 2
    root = mp.sqrt(half * half - g)
    a, b = half + root, half - root
    c = (a - g) / (a - b)

    def p(t):
        return c * a**t + (1 - c) * b**t

    bounds, _ = rounding(found.eta, found.weight_decay, found.momentum)
    for t in (1, 10, 1000, 300_000, 999_999, steps):
        assert abs(mp.mpf(float(found.log_p[t])) - mp.log(p(t))) <= bounds[t]
    quantities = {
        "lr": lambda t: eta / (p(t) * p(t + 1)),
        "weights": lambda t: 1 / p(t),
        "squares": lambda t: p(t) ** -2,
    }
    warnings = found.warnings
    for (dtype, limit), warning in zip(LARGEST.items(), warnings, strict=True):
        over = found.overflow(dtype)
        for name, value in quantities.items():
            first = getattr(over, name)
            assert value(first - 1) <= mp.mpf(limit) < value(first)
            assert f" at step {first}" in warning
    units = found.rescaled()
    assert np.all(np.isfinite(units.lr)) and units.lr.max() < LARGEST["float32"]
    first = units.steps_with_rescaling[0]
    assert f"after step {first}," in warnings[0]
    assert p(int(first)) > mp.mpf(2) ** -RESCALE_BITS >= p(int(first) + 1)


@pytest.mark.parametrize("bits", [1, 7, RESCALE_BITS, 256])
def test_units_that_change(bits):
    eta = np.random.default_rng(2).uniform(0.1, 1, 3000)
    eta[[5, 900]] = 0.0
    found = bn.equivalent_schedule(eta, 0.2, 0.3)
    units = found.rescaled(bits)
    assert units.lr.shape == units.factors.shape == (3000,) and units.log2_scale.shape == (3001,)
    # powers of two: their product is exact, here by their exponents
    mantissa, exponent = np.frexp(units.factors)
    assert np.all(mantissa == 0.5) and units.log2_scale[0] == 0
    assert np.array_equal(np.cumsum(exponent - 1), -units.log2_scale[1:])
    assert np.all(units.log2_scale % bits == 0) and units.steps_with_rescaling.size > 1
    # stored weights, of size 1/p_t / 2^scale, stay within 2^bits
    assert np.all(np.abs(-found.log_p / math.log(2) - units.log2_scale) < bits)
    # the true rate is the stored one times 4^scale; both logarithms are below 1500 and computed in a few roundings
    moving = eta > 0
    true = np.log(units.lr[moving]) + 2 * math.log(2) * units.log2_scale[:-1][moving]
    np.testing.assert_allclose(true, found.log_lr[moving], rtol=0, atol=1500 * 8 * U)
    assert np.all(units.lr[~moving] == 0) and not np.any(units.correction)


def test_growth_is_that_of_the_rates_themselves():
    """Under a cosine no two steps and no two epochs grow alike."""
    found = bn.equivalent_schedule(bn.Cosine(0.3, 40), 5e-3, 0.9, steps=40, steps_per_epoch=7)
    assert np.array_equal(found.growth_per_step, np.exp(np.diff(found.log_lr)))
    assert np.array_equal(found.growth_per_epoch, np.exp(np.diff(found.log_lr[[0, 7, 14, 21, 28, 35]])))


@pytest.mark.parametrize(("lr", "decay"), [(1e20, 0.9999999e-20), (1e19, 0.9999999e-19)])
def test_a_rate_near_the_largest_float32_is_not_told_to_change_units_in_time(lr, decay):
    """Rates above 2^64 of what float32 holds overflow before the weights have grown by 2^32; below, units help."""
    (only,) = bn.equivalent_schedule(lr, decay, steps=5).warnings
    assert ("after step" in only) == (lr <= float(np.finfo(np.float32).max) / 2**64)


@pytest.mark.parametrize("bits", [0, 257, 1.0, True, "8"])
def test_other_sizes_of_units_are_refused(bits):
    with pytest.raises(InvalidInputError, match="bits must be a whole number from 1 to 256"):
        bn.equivalent_schedule(0.1, 0.1, steps=3).rescaled(bits)


def test_rates_that_are_too_large_from_the_start_are_told_apart():
    found = bn.equivalent_schedule(1e39, 0.0, steps=3)
    assert found.overflow("float32").first == 0 and found.overflow("float64").first is None
    (warning,) = found.warnings
    assert "float32 overflows (the learning rate at step 0" in warning and "divided by k^2" in warning
    assert bn.equivalent_schedule(1e10, 1e-12, steps=3000).warnings == ()
    assert "multiply weights" in bn.equivalent_schedule(1e10, 1e-12, steps=4000).warnings[0]


# --- as a method and as a schedule ---


def test_methods_carry_what_is_needed_and_no_more():
    plain = bn.equivalent_schedule(0.1, 0.1, steps=50).method()
    assert (plain.sampled, plain.kind.momentum, plain.kind.decay, plain.kind.rescaling) == (True, False, False, False)
    found = bn.equivalent_schedule(1.0, 0.2, 0.1, steps=2000)
    method = found.method(sampled=False)
    assert (method.sampled, method.kind.momentum, method.kind.decay, method.kind.rescaling) == (
        False,
        True,
        False,
        True,
    )
    units = found.rescaled()
    for name, values in (("rate", units.lr), ("momentum", np.full(2000, 0.1)), ("rescaling", units.factors)):
        assert np.array_equal(method.coefficient(name, "w").values(0, 2000)[0], values)
    assert np.array_equal(method.coefficient("decay", "w").values(0, 3)[0], np.zeros(3))
    with pytest.raises(InvalidInputError, match="leaves the range of float64 at step"):
        found.method(rescale=False)
    short = bn.equivalent_schedule(1.0, 0.2, 0.1, steps=500)
    assert short.rescaled().steps_with_rescaling.size > 0
    method = short.method(rescale=False)
    assert not method.kind.rescaling and np.array_equal(method.coefficient("rate", "w").table, short.lr)
    kind = bn.texp_schedule([0.1, 0.01], [3], 0.05, 0.5, steps=6).method().kind
    assert kind.momentum and kind.decay and not kind.rescaling
    assert not bn.texp_schedule([0.1, 0.01], [3], 0.05, 0.5, steps=6, corrected=False).method().kind.decay


def test_what_is_not_invariant_keeps_its_own_rate_and_does_not_decay():
    found = bn.texp_schedule([0.1, 0.01], [3], 0.05, 0.5, steps=6)
    method = found.method(others={"gamma": 0.25})
    assert np.array_equal(method.coefficient("rate", "w").values(0, 6)[0], found.lr)
    assert method.coefficient("rate", "gamma").values(0, 2).tolist() == [[0.25, 0.25]]
    assert np.any(method.coefficient("decay", "w").values(0, 6))
    assert not np.any(method.coefficient("decay", "gamma").values(0, 6))
    assert method.coefficient("momentum", "gamma").values(0, 1).tolist() == [[0.5]]


def test_it_is_a_schedule_of_its_rates():
    found = bn.equivalent_schedule(bn.Cosine(0.5, 60), 0.2, 0.3, 60)
    assert isinstance(found, bn.dynamics.Schedule) and isinstance(found, EquivalentSchedule)
    assert found.cases is None and str(found) == "equivalent schedule of 60 steps"
    whole = found.values(0, 60)
    assert whole.shape == (1, 60) and np.array_equal(whole[0], found.lr)
    assert np.array_equal(whole, np.concatenate([found.values(t, t + 1) for t in range(60)], axis=1))
    assert found.values(58, 62)[0, 2:].tolist() == [found.lr[-1]] * 2  # for the last record
    long = bn.equivalent_schedule(1.0, 0.5, steps=600)
    first = long.overflow().lr
    assert np.all(np.isfinite(long.values(0, first)))
    with pytest.raises(InvalidInputError, match=f"leaves the range of float64 at step {first};"):
        long.values(first - 3, first + 3)


# --- TEXP ---


def test_texp_grows_and_switches_by_the_closed_form():
    rates, switches, decay, gamma = [0.1, 0.01, 0.03], [40, 100], 0.02, 0.9
    found = bn.texp_schedule(rates, switches, decay, gamma, steps=150, steps_per_epoch=10)
    a = [roots(rate, decay, gamma)[0] for rate in rates]
    growth = found.growth_per_step
    for first, last, root in ((0, 39, a[0]), (40, 99, a[1]), (100, 149, a[2])):
        np.testing.assert_allclose(growth[first:last], root**-2, rtol=40 * U)  # logs below 3, ten roundings
    for i, switch in enumerate(switches):
        closed = rates[i + 1] / rates[i] / (a[i] * a[i + 1])
        assert growth[switch - 1] == pytest.approx(closed, rel=40 * U)
    assert found.log_lr[0] == pytest.approx(math.log(0.1 / a[0]), abs=40 * U)
    np.testing.assert_allclose(found.p[[40, 100]], [a[0] ** 40, a[0] ** 40 * a[1] ** 60], rtol=500 * U)
    assert found.growth_per_epoch.shape == (14,) and found.name == "TEXP schedule"


def test_corrections_follow_their_formula():
    rates, switches, decay, gamma = [0.1, 0.01, 0.03], [40, 100], 0.02, 0.9
    found = bn.texp_schedule(rates, switches, decay, gamma, steps=150)
    log, sign = found.correction
    assert np.flatnonzero(sign).tolist() == [0, 40, 100]
    before = 0.0
    for t, rate in zip((0, *switches), rates, strict=True):
        buffer = (1 / roots(rate, decay, gamma)[0] - 1) / rate
        bracket = rate * buffer - rate * before
        # b~ <- b~ - (p^2/eta) bracket w~ is a decay of -gamma (p^2/eta) bracket in the step that follows; the bracket
        # cancels: its terms are 1/a - 1, known to u, of which the difference is more than 1e-4
        expected = -gamma * found.p[t] ** 2 / rate * bracket
        assert sign[t] * math.exp(log[t]) == pytest.approx(expected, rel=8 * U / 1e-4 + 500 * U)
        before = buffer
    small = found.rescaled(1)  # a one-step decay goes by k^2
    np.testing.assert_allclose(small.correction, sign * np.exp(log) * 4.0 ** small.log2_scale[:-1], rtol=20 * U)
    none = bn.texp_schedule(rates, switches, decay, gamma, steps=150, corrected=False)
    assert not np.any(none.correction[1]) and np.array_equal(none.log_p, found.log_p)
    assert not np.any(bn.texp_schedule(rates, switches, decay, steps=150).correction[1])


def test_the_exact_schedule_settles_onto_texp():
    """The same growth a step in the end of every phase, and totals that differ by O(lambda eta) and not by nothing."""
    rates, switches, decay, gamma = [0.1, 0.01], [600], 5e-3, 0.9
    texp = bn.texp_schedule(rates, switches, decay, gamma, steps=1200)
    exact = bn.equivalent_schedule(bn.StepDecay(0.1, {600: 0.1}), decay, gamma, 1200)
    # after 590 steps the smaller root's part is (b/a)^590 < 1e-25; logarithms below 20 in a few roundings
    for end in (590, 1190):
        np.testing.assert_allclose(
            np.log(exact.growth_per_step[end : end + 9]), np.log(texp.growth_per_step[end : end + 9]), atol=160 * U
        )
    gap = exact.log_p - texp.log_p
    c = [(a - gamma) / (a - b) for a, b in (roots(rate, decay, gamma) for rate in rates)]
    # p_t -> c a^t from a zero buffer: the zero buffer is worth c_0, in all digits
    assert gap[599] == pytest.approx(math.log(c[0]), abs=600 * 20 * U)
    assert 1e-5 < abs(gap[-1] - gap[599]) < 10 * decay * rates[0]


def test_the_smaller_root():
    found = bn.texp_schedule(0.1, [], 0.02, 0.9, steps=30, larger_root=False)
    smaller = roots(0.1, 0.02, 0.9)[1]
    np.testing.assert_allclose(found.log_p, np.arange(31) * math.log(smaller), rtol=20 * U, atol=20 * U)


# --- both runs by hand ---

D, STEPS = 6, 300
EIGENVALUES = np.linspace(0.0, 1.0, D)
START = np.random.default_rng(5).standard_normal(D)
SIGNS = np.random.default_rng(6).choice([-1.0, 1.0], (4000, D))


def invariant(w, z):
    """Gradient of ``w'Aw/|w|^2 + 0.3 z'w/|w|``."""
    n2 = w @ w
    return 2 * (EIGENVALUES * w - (w @ (EIGENVALUES * w)) / n2 * w) / n2 + 0.3 * (z - (z @ w) / n2 * w) / np.sqrt(n2)


def quadratic(w, z):
    """Gradient of ``w'(A + 1/5)w/2 + 0.3 z'w``, which is not invariant."""
    return (EIGENVALUES + 0.2) * w + 0.3 * z


def trajectory(grad, eta, decay, gamma, factors=None, jitter=0.0, seed=0):
    """Directions of a hand-written SGD run, ``(steps, D)``; ``jitter`` kicks every step by that part of its terms."""
    rng = np.random.default_rng(seed)
    w, b, found = START.copy(), np.zeros(D), np.empty((len(eta), D))
    for t in range(len(eta)):
        g = grad(w, SIGNS[t])
        b = gamma[t] * b + g + decay[t] * w
        if jitter:
            size = np.linalg.norm(b) + np.linalg.norm(g) + decay[t] * np.linalg.norm(w) + 1 / np.linalg.norm(w)
            b += jitter * size * rng.choice([-1.0, 1.0], D)
        w = w - eta[t] * b
        if jitter:
            w += jitter * np.linalg.norm(w) * rng.choice([-1.0, 1.0], D)
        if factors is not None:
            w, b = w * factors[t], b / factors[t]
        found[t] = w / np.linalg.norm(w)
    return found


def allowed(found):
    """How far the directions of two runs that are the same in exact arithmetic may lie apart.

    A step commits at most K = 3 d + 20 roundings of u of the terms that ``jitter`` kicks (three dot products, the terms
    of g, b and w), in both runs; a rate has a relative error of 8 |log p| u besides. What becomes of such errors is
    measured: twins that are kicked by 2^-30 of the same terms with random signs. Errors with one sign would add up to
    sqrt(steps) times that.
    """
    given_ = (found.eta, found.weight_decay, found.momentum)
    base = trajectory(invariant, *given_)
    kick = 2.0**-30
    moved = max(np.max(np.abs(trajectory(invariant, *given_, jitter=kick, seed=s) - base)) for s in range(2))
    assert moved < 1e-3  # the response is linear
    each = 2 * (3 * D + 20) + 8 * np.max(np.abs(found.log_p))
    return base, each * U * math.sqrt(found.length) * moved / kick


def without_decay(grad, found, **options):
    """The decay-free run in units that change."""
    units = found.rescaled(**options)
    return trajectory(grad, units.lr, units.correction, found.momentum, units.factors)


def apart(a, b):
    return float(np.max(np.abs(a - b)))


TABLE = np.random.default_rng(7).uniform(0.0, 0.1, STEPS)
TABLE[::17] = 0.0
SCHEDULES = {
    "constant": bn.Constant(0.1),
    "power": bn.Power(0.1, 0.3),
    "step decay": bn.StepDecay(0.1, {100: 0.1, 200: 3.0}),
    "cosine": bn.Cosine(0.1, STEPS - 1),
    "polynomial": bn.Polynomial(0.1, STEPS - 1, 2.0),
    "exponential": bn.Exponential(0.1, 0.99),
    "warm-up of a cosine": bn.Warmup(bn.Cosine(0.1, STEPS - 1), 30),
    "table with zeros": bn.Table(TABLE),
}


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("name", SCHEDULES)
def test_both_runs_take_the_same_directions(name, momentum):
    for decay in (1e-3, 0.2 * (1 - momentum)):
        found = bn.equivalent_schedule(SCHEDULES[name], decay, momentum, STEPS)
        base, bound = allowed(found)
        assert bound < 1e-9
        assert apart(without_decay(invariant, found), base) <= bound
        assert apart(without_decay(invariant, found, bits=1), base) <= bound
        assert apart(trajectory(invariant, found.lr, np.zeros(STEPS), found.momentum), base) <= bound
        # false claims, by the same measure: exponent -2t, the given rates, a loss that is not invariant
        early = found.eta / found.p[:-1] ** 2
        wrong = trajectory(invariant, early, np.zeros(STEPS), found.momentum)
        assert apart(wrong, base) > 1e3 * bound
        assert apart(trajectory(invariant, found.eta, np.zeros(STEPS), found.momentum), base) > 1e3 * bound
        not_invariant = trajectory(quadratic, found.eta, found.weight_decay, found.momentum)
        with np.errstate(all="ignore"):  # growing rates may carry that run beyond float64, where it has no direction
            assert not apart(without_decay(quadratic, found), not_invariant) <= 1e3 * bound


def test_everything_may_change_at_once():
    gamma = bn.Table(0.5 + 0.4 * np.sin(np.arange(STEPS)))
    found = bn.equivalent_schedule(bn.Warmup(bn.Cosine(0.1, STEPS), 30), bn.Exponential(0.03, 0.99), gamma, STEPS)
    base, bound = allowed(found)
    assert bound < 1e-9 and apart(without_decay(invariant, found), base) <= bound


def test_beyond_float64_the_units_carry_the_run():
    found = bn.equivalent_schedule(0.1, 1.0, steps=4000)
    assert found.lr[-1] == np.inf
    base, bound = allowed(found)
    assert bound < 1e-6 and apart(without_decay(invariant, found), base) <= bound


@pytest.mark.parametrize("larger_root", [True, False])
@pytest.mark.parametrize("momentum, decay", [(0.5, 0.02), (0.9, 2e-3)])
def test_texp_is_exact_with_its_corrections_only(momentum, decay, larger_root):
    steps = STEPS if larger_root else 60  # the smaller root is near the momentum: rates grow by 2 to 4 a step
    drop = steps // 3
    texp = [
        bn.texp_schedule([0.1, 0.03], [drop], decay, momentum, steps, corrected=c, larger_root=larger_root)
        for c in (True, False)
    ]
    base, bound = allowed(bn.equivalent_schedule(bn.StepDecay(0.1, {drop: 0.3}), decay, momentum, steps))
    assert bound < 1e-9
    assert apart(without_decay(invariant, texp[0]), base) <= bound
    assert apart(without_decay(invariant, texp[1]), base) > 1e3 * bound


# --- bad input ---

REFUSED = {
    "no length": (lambda: bn.equivalent_schedule(0.1, 0.1), "steps is None and nothing has a length"),
    "no steps": (
        lambda: bn.equivalent_schedule(0.1, 0.1, steps=0),
        "steps must be a whole number of at least 1, not 0",
    ),
    "half a step": (lambda: bn.equivalent_schedule(0.1, 0.1, steps=1.5), "steps must be a whole number"),
    "no epoch": (
        lambda: bn.equivalent_schedule(0.1, 0.1, steps=5, steps_per_epoch=0),
        "steps_per_epoch must be a whole",
    ),
    "two lengths": (lambda: bn.equivalent_schedule([0.1] * 3, [0.1] * 4), "lr has 3, weight_decay has 4"),
    "a short array": (lambda: bn.equivalent_schedule([0.1] * 3, 0.1, steps=4), "lr has 3 values, but steps is 4"),
    "a negative rate": (lambda: bn.equivalent_schedule(-0.1, 0.1, steps=3), r"lr must be finite and >= 0.*-0\.1"),
    "a negative rate at a step": (
        lambda: bn.equivalent_schedule([0.1, -0.2], 0.1),
        "lr must be finite and >= 0, but at step 1 it is -0.2",
    ),
    "a negative decay": (lambda: bn.equivalent_schedule(0.1, -0.1, steps=3), "weight_decay must be finite and >= 0"),
    "a momentum of 1": (
        lambda: bn.equivalent_schedule(0.1, 0.1, 1.0, steps=3),
        r"momentum must be in \[0, 1\), but at step 0 it is 1.0",
    ),
    "a rate that is nan": (lambda: bn.equivalent_schedule(math.nan, 0.1, steps=3), "lr must be finite"),
    "a rate in words": (lambda: bn.equivalent_schedule("0.1", 0.1, steps=3), "lr is not an array of numbers"),
    "no rate": (lambda: bn.equivalent_schedule(None, 0.1, steps=3), "lr is not an array of numbers"),
    "ragged rates": (lambda: bn.equivalent_schedule([[0.1, 0.2], [0.1]], 0.1), "lr is not an array of numbers"),
    "a schedule of cases": (lambda: bn.equivalent_schedule(bn.Constant([0.1, 0.2]), 0.1, steps=3), "lr=.* has 2 cases"),
    "an array of cases": (lambda: bn.equivalent_schedule([[0.1, 0.2]], 0.1), "lr=.* has 1 cases"),
    "too many switches": (lambda: bn.texp_schedule(0.1, [3], 0.1, steps=6), "1 phases need 0 increasing switches"),
    "no switch": (lambda: bn.texp_schedule([0.1, 0.2], [], 0.1, steps=6), "2 phases need 1 increasing switches"),
    "a late switch": (lambda: bn.texp_schedule([0.1, 0.2], [6], 0.1, steps=6), "below 6 steps"),
    "an early switch": (lambda: bn.texp_schedule([0.1, 0.2], [0], 0.1, steps=6), "a switch must be a whole number"),
    "switches in disorder": (lambda: bn.texp_schedule([0.1] * 3, [4, 2], 0.1, steps=6), "increasing switches"),
    "a switch twice": (lambda: bn.texp_schedule([0.1] * 3, [2, 2], 0.1, steps=6), "increasing switches"),
    "no steps of TEXP": (lambda: bn.texp_schedule(0.1, [], 0.1), "steps must be a whole number"),
    "a phase of rate 0": (lambda: bn.texp_schedule([0.1, 0.0], [2], 0.1, steps=6), "lr must be finite and > 0"),
    "decays per phase": (lambda: bn.texp_schedule(0.1, [], [0.1, 0.2], steps=6), "weight_decay must be one number"),
    "TEXP of momentum 1": (lambda: bn.texp_schedule(0.1, [], 0.1, 1.0, steps=6), "momentum must be below 1, not 1.0"),
    "one root only": (lambda: bn.texp_schedule(0.1, [], 0.1, steps=6, larger_root=False), "there is one root only"),
    "a phase without roots": (lambda: bn.texp_schedule([0.1, 1.0], [2], 0.1, 0.9, steps=6), "p_t oscillates"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_used_is_refused_by_name_and_value(case):
    make, message = REFUSED[case]
    with pytest.raises(InvalidInputError, match=message):
        make()
