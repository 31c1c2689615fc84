"""``assert_equivalent_schedule``: optimisers, trajectories and rates, right and wrong by how little."""

from dataclasses import replace

import numpy as np
import pytest

import bn_theory as bn
from bn_theory.errors import InvalidInputError
from bn_theory.testing import ClaimFailedError, assert_equivalent_schedule

D, STEPS = 12, 300
A = np.linspace(0.0, 1.0, D)
Z = np.random.default_rng(5).standard_normal((STEPS, D))
START = np.random.default_rng(1).standard_normal(D)
GIVEN = {
    "no momentum": (0.3, 5e-3, 0.0),
    "momentum": (0.3, 5e-3, 0.9),
    "cosine": (bn.Cosine(0.5, STEPS), 5e-3, 0.9),
}


def gradient(w, t):
    a, z = A.astype(w.dtype), Z[t].astype(w.dtype)
    tangent = z - (z @ w) / (w @ w) * w
    return (a * w - (w @ (a * w)) / (w @ w) * w) / (w @ w) + w.dtype.type(0.3) * tangent / np.sqrt(w @ w)


def step(w, buffer, t, lr, decay, momentum, slope=gradient):
    """As torch.optim.SGD."""
    number = w.dtype.type
    g = slope(w, t) + number(decay) * w
    buffer = g if buffer is None else number(momentum) * buffer + g
    return w - number(lr) * buffer, buffer


def decoupled(w, buffer, t, lr, decay, momentum):
    """As AdamW's decay: not in the buffer."""
    buffer = gradient(w, t) if buffer is None else momentum * buffer + gradient(w, t)
    return (1 - lr * decay) * w - lr * buffer, buffer


def schedule(name="momentum", steps=STEPS):
    return bn.equivalent_schedule(*GIVEN[name], steps=steps)


def failed(*arguments, **options):
    with pytest.raises(ClaimFailedError) as caught:
        assert_equivalent_schedule(*arguments, **options)
    return caught.value


# --- an optimiser ---


@pytest.mark.parametrize("name", GIVEN)
def test_an_optimiser(name, recorder):
    found = assert_equivalent_schedule(schedule(name), step=step, start=START, name="mine")
    assert (found.name, found.kind, found.verdict) == ("mine", "identity", "supported")
    assert found.measured < 0.5 and found.details["control_over_allowed"] > 1e6
    assert recorder.evidence == (found,)


def test_an_optimiser_in_float32():
    found = assert_equivalent_schedule(schedule(steps=100), step=step, start=START.astype(np.float32))
    assert 1e-8 < found.details["allowed"] < 1e-4


def test_corrections_of_the_buffer():
    given = [0.3, 0.03], [150], 5e-3, 0.9
    assert_equivalent_schedule(bn.texp_schedule(*given, steps=STEPS), step=step, start=START)
    wrong = bn.texp_schedule(*given, steps=STEPS, corrected=False)
    assert failed(wrong, step=step, start=START).evidence.verdict == "contradicted"


@pytest.mark.parametrize("relative", [1e-3, 1e-8, 1e-11])
def test_a_rate_that_is_off(relative):
    def off(w, buffer, t, lr, decay, momentum):
        return step(w, buffer, t, lr * (1 + relative * (decay == 0)), decay, momentum)

    error = failed(schedule(), step=off, start=START)
    assert error.evidence.verdict == "contradicted" and "coupled to the gradient" in str(error)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(decoupled, id="decoupled decay"),
        pytest.param(lambda w, b, *rest: (step(w, None, *rest)[0], None), id="a buffer that is lost"),
        pytest.param(
            lambda *given: step(*given, slope=lambda w, t: gradient(w, t) + 1e-9 * w), id="not scale-invariant"
        ),
        pytest.param(
            lambda *given: step(*given, slope=lambda w, t: np.clip(gradient(w, t), -0.1, 0.1)), id="clipped gradients"
        ),
    ],
)
def test_optimisers_for_which_it_does_not_hold(wrong):
    error = failed(schedule(), step=wrong, start=START)
    assert error.evidence.verdict == "contradicted" and error.evidence.measured > 10
    assert error.evidence.details["step"] <= STEPS and "first beyond it at step" in str(error)


def test_the_exponent_of_the_rate():
    """eta/p_t^2 in place of eta/(p_t p_{t+1})."""
    right = schedule()
    shift = np.exp(np.diff(right.log_p))

    def wrong(w, buffer, t, lr, decay, momentum):
        return step(w, buffer, t, lr * (shift[t] if decay == 0 else 1), decay, momentum)

    assert failed(right, step=wrong, start=START).evidence.measured > 1e6


def test_a_run_in_which_any_rate_would_do_shows_nothing():
    error = failed(bn.equivalent_schedule(1e-9, 1e-9, steps=20), step=step, start=START)
    assert error.evidence.verdict == "inconclusive" and "nothing is shown" in str(error)


# --- pairs of arrays ---


@pytest.fixture(scope="module")
def runs():
    """Weights with decay, without, at unchanged rates, and perturbed."""
    s = schedule()

    def run(lr, decay, factors=None):
        w, buffer, kept = START, None, [START]
        for t in range(STEPS):
            w, buffer = step(w, buffer, t, lr[t], decay[t], 0.9)
            w = w if factors is None else w * factors[t]
            kept.append(w)
        return np.array(kept)

    nothing = np.zeros(STEPS)
    xi = np.random.default_rng(0).integers(-1, 2, size=(STEPS, D))
    return {
        "with": run(s.eta, s.weight_decay),
        "without": run(s.lr, nothing),
        "unchanged": run(s.eta, nothing),
        "perturbed": run(s.eta, s.weight_decay, 1 + np.finfo(float).eps * xi),
    }


@pytest.mark.parametrize("kind", ["weights", "directions"])
def test_trajectories(runs, kind):
    pair = runs["with"], runs["without"]
    assert assert_equivalent_schedule(schedule(), **{kind: pair}, tolerance=1e-11).measured < 0.1
    assert assert_equivalent_schedule(schedule(), **{kind: pair}, perturbed=runs["perturbed"]).measured < 1
    for bound in ({"tolerance": 1e-11}, {"perturbed": runs["perturbed"]}):
        wrong = failed(schedule(), **{kind: (runs["with"], runs["unchanged"])}, **bound)
        assert wrong.evidence.verdict == "contradicted" and wrong.evidence.measured > 1e6


def test_one_record_that_is_off(runs):
    w = runs["without"].copy()
    w[70, 3] += 1e-9
    found = failed(schedule(), weights=(runs["with"], w), tolerance=1e-11).evidence
    assert found.details["step"] == 70
    # a factor leaves the direction alone, the norm shows it
    w = runs["without"].copy()
    w[70] *= 1 + 1e-9
    assert_equivalent_schedule(schedule(), directions=(runs["with"], w), tolerance=1e-11)
    found = failed(schedule(), weights=(runs["with"], w), tolerance=1e-11).evidence
    assert (found.details["worst"], found.details["step"]) == ("logarithms of the norms", 70)
    w[70] = np.nan
    assert np.isnan(failed(schedule(), weights=(runs["with"], w), tolerance=1e-11).evidence.measured)


def test_records_and_units(runs):
    steps = [0, 50, STEPS]
    scale = np.array([0, 3, 5])
    stored = runs["without"][steps] / 2.0 ** scale[:, None]
    pair = runs["with"][steps], stored
    assert_equivalent_schedule(schedule(), weights=pair, steps=steps, log2_scale=scale, tolerance=1e-11)
    assert failed(schedule(), weights=pair, steps=steps, tolerance=1e-11).evidence.measured > 1e6
    failed(schedule(), weights=pair, steps=[0, 51, STEPS], log2_scale=scale, tolerance=1e-11)


def test_a_run_of_the_package(zoo):
    s = bn.equivalent_schedule(0.3, 5e-3, 0.9, steps=2000)
    options = {"steps": 2000, "replicas": 2, "record": [0, 1000, 2000]}
    loss = zoo("rayleigh_signs")
    one, two = (
        bn.run(loss, bn.SGD(0.3, momentum=0.9, weight_decay=5e-3), **options),
        bn.run(loss, s.method(), **options),
    )
    losses = (one.loss.transpose("step", "replica"), two.loss.transpose("step", "replica"))
    assert_equivalent_schedule(s, losses=losses, steps=one.step.values, tolerance=1e-11)
    final = one.final_w.values[:1], two.final_w.values[:1]
    start = np.ones_like(final[0])
    pair = tuple(np.concatenate([start, w]) for w in final)
    assert_equivalent_schedule(s, directions=pair, steps=[0, 2000], tolerance=1e-10)


def test_losses_that_part(runs):
    losses = [
        np.sum(A * w**2, axis=1) / np.sum(w**2, axis=1) for w in (runs["with"], runs["without"], runs["unchanged"])
    ]
    assert_equivalent_schedule(schedule(), losses=losses[:2], tolerance=1e-12)
    assert failed(schedule(), losses=(losses[0], losses[2]), tolerance=1e-12).evidence.details["worst"] == "losses"
    # what may differ by a tenth where it changes by less decides nothing
    assert failed(schedule(), losses=losses[:2], tolerance=0.1).evidence.verdict == "inconclusive"


# --- rates ---


def test_rates_by_the_formula():
    s = bn.equivalent_schedule(0.1, 5e-4, steps=62560)
    t = np.arange(s.length)
    found = assert_equivalent_schedule(s, rates=0.1 * (1 - 0.1 * 5e-4) ** (-2.0 * t - 1))
    assert found.measured < 0.5
    assert_equivalent_schedule(s, log_rates=np.log(0.1) - (2 * t + 1) * np.log1p(-0.1 * 5e-4))


def test_rates_by_a_root():
    s = bn.texp_schedule([0.1], [], 5e-4, 0.9, steps=20000)
    small, large = np.sort(np.roots([1, -(1.9 - 5e-5), 0.9]))
    t = np.arange(s.length)
    assert_equivalent_schedule(s, log_rates=np.log(0.1) - (2 * t + 1) * np.log(large))
    error = failed(s, log_rates=np.log(0.1) - (2 * t + 1) * np.log(small))
    assert "larger root" in str(error) and error.evidence.measured > 1e6
    # from a buffer of zeros p starts otherwise: the two schedules are not the same
    plain = bn.equivalent_schedule(0.1, 5e-4, 0.9, steps=20000)
    failed(plain, log_rates=np.log(0.1) - (2 * t + 1) * np.log(large))


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (lambda s: s.eta / s.p[:-1] ** 2, "eta_t/p_t^2"),
        (lambda s: s.eta / s.p[1:] ** 2, "eta_t/p_{t+1}^2"),
        (lambda s: s.eta / s.p[:-1], "eta_t/p_t;"),
        (lambda s: s.eta, "eta_t, the rates with decay"),
        (lambda s: s.lr * np.where(np.arange(STEPS) == 7, 1 + 1e-12, 1), "recursion of p"),
    ],
)
def test_wrong_rates_are_recognised(wrong, named):
    s = schedule()
    error = failed(s, rates=wrong(s))
    assert named in str(error) and error.evidence.verdict == "contradicted"
    assert_equivalent_schedule(s, rates=s.lr)


def test_rates_of_zero_and_without_a_number():
    s = bn.equivalent_schedule(bn.Warmup(bn.Constant(0.3), 5), 5e-3, steps=20)
    s = replace(s, eta=np.where(np.arange(20) == 3, 0.0, s.eta))
    assert_equivalent_schedule(s, rates=s.lr)
    for wrong in (1e-300, np.nan, -1.0):
        with np.errstate(all="ignore"):
            assert failed(s, rates=np.where(np.arange(20) == 3, wrong, s.lr)).evidence.details["step"] == 3


# --- what is refused ---


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "not nothing"),
        ({"rates": [1.0], "log_rates": [0.0]}, "not rates and log_rates"),
        ({"step": step}, "belong together"),
        ({"start": START, "rates": [1.0]}, "belong together"),
        ({"step": 3, "start": START}, "must be a function"),
        ({"step": step, "start": np.zeros(3)}, "not zero"),
        ({"step": lambda w, *rest: w, "start": START}, "must return the new"),
        ({"step": lambda w, *rest: (w[:2], None), "start": START}, r"shape \(2,\)"),
        ({"rates": [1.0]}, r"shape \(1,\), but the schedule has 300"),
        ({"rates": np.ones(STEPS), "tolerance": 1e-3}, "tolerance= belongs to weights"),
        ({"losses": (np.ones(3), np.ones(3))}, "need a tolerance="),
        ({"losses": np.ones(3), "tolerance": 0.1}, "must be a pair"),
        ({"losses": (np.ones(3), np.ones(4)), "tolerance": 0.1}, "one shape"),
        ({"weights": (np.ones(3), np.ones(3)), "tolerance": 0.1}, "one shape"),
        ({"losses": (np.ones(3), np.ones(3)), "tolerance": -1}, "tolerance must be"),
        ({"losses": (np.ones(3), np.ones(3)), "tolerance": 0.1, "steps": [0, 1]}, "steps must be 3 whole numbers"),
        ({"losses": (np.ones(3), np.ones(3)), "tolerance": 0.1, "steps": [0, 1, 301]}, "from 0 to 300"),
        ({"losses": (np.ones(3), np.ones(3)), "tolerance": 0.1, "log2_scale": [0] * 3}, "belongs to weights"),
    ],
)
def test_what_cannot_be_used(options, message):
    with pytest.raises(InvalidInputError, match=message):
        assert_equivalent_schedule(schedule(), **options)


def test_schedules_that_cannot_be_used():
    with pytest.raises(InvalidInputError, match="must come from"):
        assert_equivalent_schedule([0.1, 0.2], rates=[0.1, 0.2])
    long = bn.equivalent_schedule(1.0, 0.1, steps=10_000)
    with pytest.raises(InvalidInputError, match="leave float64 within 10000 steps"):
        assert_equivalent_schedule(long, step=step, start=START)
