"""``assert_norm_growth``: every step of plain (S)GD adds its squared length to the squared norm of the weights."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bn_theory.errors import InvalidInputError
from bn_theory.testing.conclude import array, conclude, first_worst, number, ratio, roundoff
from bn_theory.theorems import evidence as judge
from bn_theory.theorems.evidence import Evidence

VISIBLE = 0.1
"""Rounding that could hide more than this part of the growth, at every step, shows nothing."""
SHARES = 16
"""Roundings per term, in units of the roundoff, beyond one for each of a sum's terms (as in the package's proofs)."""
EXACT = 2.0**-53


@dataclass(frozen=True, eq=False)
class _Growth:
    """What is compared; arrays of one shape.

    Attributes:
        growth: of the squared norm.
        step2: the squared length that it has to equal.
        bound: what rounding may make of the difference.
        place: ``place(index)`` in words.
        advice: what to look at if it fails at an index.
    """

    growth: np.ndarray
    step2: np.ndarray
    bound: np.ndarray
    place: object
    advice: object


def assert_norm_growth(
    trajectory, learning_rates=None, gradients=None, *, gradient_rounding: float | None = None, name: str | None = None
) -> Evidence:
    """Assert ``|w_{t+1}|^2 - |w_t|^2 = eta_t^2 |g_t|^2`` at every step, within rounding.

    It holds for plain GD and SGD on what is scale-invariant, ``<w, g> = 0``; momentum, weight decay, clipping,
    projection, another rate than the one named, and a loss that is not scale-invariant all break it. Rounding may make

        2 eta_t r  +  u |w'| (2 |w'| + 4 eta_t |g|)  +  (d + 16) 2^-53 (|w|^2 + |w'|^2 + eta_t^2 |g|^2)

    of the difference, ``w' = w_{t+1}``, ``u`` the unit roundoff of the weights and ``d`` their number. The first term
    is what rounding of the gradient leaves of ``2 eta <w, g>``; the second that of the update, one rounding for the
    difference and two for the product; the third that of the sums that measure. All is derived but ``r``, the rounding
    of the gradient at unit norm, ``|w| |error of g|``: arrays do not show it. It is taken to be ``(d + 16) u`` times
    the largest ``|w| |g|`` of the trajectory (the terms that cancel in a small gradient being of the size of a large
    one).

    Args:
        trajectory: one of

            * weights, shape ``(T + 1, ...)``: of one scale-invariant group, before each step and after the last;
            * the data set of :func:`bn_theory.run`: all its groups and replicas (select a group by ``.sel``), steps
              next to each other one by one by the gradients, and the growth since the start at every record by the
              steps;
            * the ``StepLog`` of :class:`bn_theory.networks.LoggedTrainer`, which has bounds of its own.
        learning_rates: with weights only: a number, or shape ``(T,)``.
        gradients: with weights only: those that the steps followed, ``(T, ...)`` like the weights.
        gradient_rounding: ``r``, >= 0, where it is known better (dimensionless); not with a ``StepLog``.
        name: of the evidence.

    Returns:
        Evidence: of kind ``identity``; ``measured`` is the largest difference over its bound, allowed is 1;
        ``details["notices"]`` is the smallest relative violation that some step would have shown.

    Raises:
        ClaimFailedError: it fails at a step (contradicted); or rounding hides a tenth of the growth at every step, so
            that nothing is seen (inconclusive): give more precise weights, longer steps, or fewer of them.
        InvalidInputError: shapes that do not fit, rates that are missing, superfluous or negative.

    Source: Arora, Li and Lyu (ICLR 2019, arXiv:1812.03981), Lemma 2.4; the bound is derived in this package.

    >>> import numpy as np
    >>> w, g = np.array([[2.0, 0.0], [2.0, 1.0]]), np.array([[0.0, -10.0]])
    >>> assert_norm_growth(w, 0.1, g).verdict
    'supported'
    """
    __tracebackhide__ = True
    name = "|w'|^2 - |w|^2 = eta^2 |g|^2" if name is None else name
    if gradient_rounding is not None:
        gradient_rounding = number("gradient_rounding", gradient_rounding, least=0.0)
    if hasattr(trajectory, "growth_bound"):
        _only(learning_rates, gradients, "a StepLog has its own")
        if gradient_rounding is not None:
            raise InvalidInputError("a StepLog knows the rounding of its gradients; leave gradient_rounding out")
        parts = [_of_log(trajectory)]
    elif hasattr(trajectory, "data_vars"):
        _only(learning_rates, gradients, "a data set of bn.run has its own")
        parts = _of_dataset(trajectory, gradient_rounding)
    else:
        parts = [_of_arrays(trajectory, learning_rates, gradients, gradient_rounding)]
    return _judged(name, parts)


def _judged(name, parts) -> Evidence:
    __tracebackhide__ = True
    errors = [np.abs(p.growth - p.step2) for p in parts]
    ratios = [ratio(e, p.bound) for e, p in zip(errors, parts, strict=True)]
    largest = [float(np.max(r)) for r in ratios]  # a NaN wins
    i = int(np.argmax(largest))
    part, at = parts[i], first_worst(ratios[i])
    notices = min(float(np.min(ratio(p.bound, np.abs(p.step2)), initial=np.inf)) for p in parts)
    values = {
        "growth": part.growth[at],
        "step2": part.step2[at],
        "difference": errors[i][at],
        "allowed": part.bound[at],
    }
    details = {"worst": part.place(at), "notices": notices} | {key: float(v) for key, v in values.items()}
    found = judge.identity(name, judge.largest(largest), 1.0, unit="the rounding bound", **details)
    if found.verdict == judge.SUPPORTED and not notices <= VISIBLE:
        found = replace(found, verdict=judge.INCONCLUSIVE)
        return conclude(
            found,
            f"  rounding could hide {notices:.2g} of the growth at every step, so that nothing is seen",
            "  look at: weights in float64, larger learning rates, a trajectory that starts far from a minimum",
        )
    if found.verdict == judge.SUPPORTED:
        return conclude(found)
    return conclude(
        found,
        f"  at {part.place(at)}: |w|^2 grew by {values['growth']:.8g}, but eta^2 |g|^2 = {values['step2']:.8g}",
        f"  they differ by {values['difference']:.3g}, {found.measured:.3g} times what rounding allows "
        f"({values['allowed']:.2g})",
        f"  look at: {part.advice(at)}",
    )


def _only(learning_rates, gradients, why):
    for what, given in (("learning_rates", learning_rates), ("gradients", gradients)):
        if given is not None:
            raise InvalidInputError(f"{what} belong to arrays of weights; {why}")


def _of_arrays(weights, learning_rates, gradients, rounding) -> _Growth:
    w = array("weights", weights)
    for what, given in (("learning_rates", learning_rates), ("gradients", gradients)):
        if given is None:
            raise InvalidInputError(f"{what} are missing: weights alone do not say what they should have grown by")
    eta, g = array("learning_rates", learning_rates).astype(float), array("gradients", gradients)
    if w.ndim < 2 or len(w) < 2 or g.shape != (len(w) - 1, *w.shape[1:]) or eta.shape not in ((), (len(w) - 1,)):
        raise InvalidInputError(
            f"weights have shape {w.shape}, gradients {g.shape} and learning_rates {eta.shape}; they must be (T + 1, "
            "d), (T, d) and one number or (T,)"
        )
    if not np.all(eta >= 0):
        raise InvalidInputError(f"learning_rates must be >= 0, but one is {eta.min()}")
    u = roundoff(w)
    w, g = (x.reshape(len(x), -1).astype(float) for x in (w, g))
    eta = np.broadcast_to(eta, len(g))
    norm2, grad = np.sum(w * w, axis=1), np.linalg.norm(g, axis=1)
    before, after = norm2[:-1], norm2[1:]
    d = w.shape[1]
    unit_grad = np.sqrt(before) * grad
    r = (d + SHARES) * u * _largest_finite(unit_grad) if rounding is None else rounding
    step2, length = (eta * grad) ** 2, np.sqrt(after)
    bound = 2 * eta * r + u * length * (2 * length + 4 * eta * grad) + (d + SHARES) * EXACT * (before + after + step2)

    def advice(index):
        (t,) = index
        with np.errstate(invalid="ignore"):
            missed = np.linalg.norm(w[t + 1] - w[t] + eta[t] * g[t])
            if not missed <= 4 * u * (length[t] + 2 * eta[t] * grad[t]):
                return (
                    f"the step is not -eta g, it misses that by {missed:.2g} (|eta g| = {eta[t] * grad[t]:.2g}): "
                    "momentum, weight decay, clipping, another rate, or not the gradient that the step followed"
                )
            cosine = ratio(abs(float(w[t] @ g[t])), unit_grad[t])
        return (
            f"the step is -eta g, but g is not orthogonal to w: |<w, g>|/(|w| |g|) = {cosine:.2g}; the loss is not "
            "scale-invariant in these weights (assert_scale_invariant), or its gradient is not"
        )

    return _Growth(np.diff(norm2), step2, bound, lambda index: f"step {index[0]}", advice)


def _largest_finite(values):
    """One step without a number fails by itself; it must not make the others' bounds infinite."""
    return float(np.max(values, where=np.isfinite(values), initial=0.0))


_OF_THE_METHOD = (
    "momentum, weight decay or projection in the method (each breaks the identity), or a group in which the loss is "
    "not scale-invariant (loss.prove())"
)


def _of_dataset(run, rounding) -> list[_Growth]:
    needed = ("norm2", "sum_step2", "step_grad2", "effective_lr")
    missing = [variable for variable in needed if variable not in run]
    if missing or "step" not in run.dims or run.sizes["step"] < 2:
        what = f"lacks {', '.join(missing)}" if missing else "has fewer than two records"
        raise InvalidInputError(f"the data set {what}; give what bn.run returns, with two steps recorded or more")
    sizes = [n for dimension, n in run.sizes.items() if str(dimension).endswith("_coordinate")]
    d = max(sizes, default=1)
    u = EXACT if run.attrs.get("dtype", "float64") == "float64" else 2.0**-24
    names = [n for n in run.norm2.dims if n != "step"]
    norm2, total, grad2, phi = (run[v].transpose(*run.norm2.dims).transpose(..., "step") for v in needed)
    labels = {n: run[n].values if n in run.coords else np.arange(run.sizes[n]) for n in names}
    t = run.step.values
    g, s, h2 = norm2.values, total.values, grad2.values
    eta = phi.values * g
    r = (d + SHARES) * u * np.sqrt(_largest_finite(g * h2)) if rounding is None else rounding

    def words(index):
        parts = [f"{n} {labels[n][i]}" for n, i in zip(names, index, strict=False) if len(labels[n]) > 1]
        return "".join(f", {part}" for part in parts)

    # since the start, at every record: as many steps' rounding as there were, at the largest norm and rate so far
    many, top = t - t[0], np.maximum.accumulate(g, axis=-1)
    fastest = np.maximum.accumulate(eta, axis=-1)
    sums = 2 * (d + SHARES) * u * top + many * (6 * u * top + 2 * fastest * r)
    found = [
        _Growth(
            (g - g[..., :1])[..., 1:],
            (s - s[..., :1])[..., 1:],
            sums[..., 1:],
            lambda index: f"steps {t[0]} to {t[index[-1] + 1]}{words(index)}",
            lambda index: _OF_THE_METHOD,
        )
    ]
    (near,) = np.nonzero(np.diff(t) == 1)
    if len(near):
        before, after, rate = g[..., near], g[..., near + 1], eta[..., near]
        step2 = rate**2 * h2[..., near]
        length = np.sqrt(after)
        bound = (
            2 * rate * r + u * length * (2 * length + 4 * np.sqrt(step2)) + (d + SHARES) * u * (before + after + step2)
        )
        place = lambda index: f"step {t[near[index[-1]]]}{words(index)}"  # noqa: E731
        found.append(_Growth(after - before, step2, bound, place, lambda index: _OF_THE_METHOD))
    return found


def _of_log(log) -> _Growth:
    if not np.all(np.isfinite(log.growth_bound[np.isfinite(log.growth)])):
        raise InvalidInputError("the log has no bounds: make the LoggedTrainer with sampled=True")

    def advice(index):
        cosine, allowed = log.cosine[index], log.cosine_bound[index]
        if not cosine <= allowed:
            return (
                f"|<w, g>|/(|w| |g|) = {cosine:.2g}, where rounding allows {allowed:.2g}: {log.groups[index[1]]} is "
                "not scale-invariant (eps in a normalisation, a layer that no normalisation follows; "
                "scale_invariant_groups)"
            )
        return "the gradient is orthogonal to the weights: momentum, weight decay or clipping, or another rate"

    def place(index):
        return f"step {index[0]} of {log.groups[index[1]]}"

    return _Growth(log.growth, log.step2, log.growth_bound, place, advice)
