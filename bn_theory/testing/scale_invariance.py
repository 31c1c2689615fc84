"""``assert_scale_invariant``: a function does not change when its weights are multiplied by a positive number."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bn_theory.errors import InvalidInputError, NotScaleInvariantError
from bn_theory.testing.conclude import array, conclude, number, ratio
from bn_theory.testing.point import point_of_function
from bn_theory.testing.ulps import SAFETY, perturbations, reach, rounding_of
from bn_theory.theorems import evidence as judge
from bn_theory.theorems.evidence import Evidence

SCALES = (1e-6, 1e-3, 0.3, 7.0, 1e3, 1e6)
"""The factors ``c`` in float64: twelve decades, and none a power of two, whose scaling would not round."""
NARROW_SCALES = (1e-3, 1e-2, 0.3, 7.0, 1e2, 1e3)
"""In float32 and less, where squares and fourth powers of the others leave the range."""
VISIBLE = 1e-3
"""A function of which rounding could change more than this part decides nothing."""


@dataclass(frozen=True)
class _Miss:
    what: str
    error: float
    rounding: float
    reach: float
    radial: bool


def assert_scale_invariant(
    f,
    w=None,
    *,
    scales=None,
    gradient=None,
    rounding: float | None = None,
    eps: float | None = None,
    name: str | None = None,
) -> Evidence:
    """Assert ``f(c w) = f(w)`` for all ``c > 0``, and ``<w, grad f(w)> = 0`` where there is a gradient.

    A loss of the language is proved, for every ``w``. All else is evaluated at one point for a few ``c`` over twelve
    decades (six below float64), and must agree within rounding:

    ==============================  ==============================================================================
    ``f``, ``w``                    what is done
    ==============================  ==============================================================================
    ``bn.Loss``, nothing            proof in generic dimension; where it fails, the numbers of a point say by how much
    ``bn.ArrayLoss``, a state       full loss and one sample, every group that is claimed to be scale-invariant
    function of an array, array     ``f(c w)`` (numbers of any shape), and ``gradient(w)`` if it is given
    function without arguments,     ``f()`` with the tensors multiplied jointly by ``c``; the gradient by autograd if
    torch tensor or a list of them  ``f()`` is one number. The tensors are as before afterwards, bit for bit
    function without arguments,     what the layers say is scale-invariant (``expected_groups``) is asked of the loss
    ``torch.nn.Module`` (float64)   (``scale_invariant_groups``), tensor by tensor
    ==============================  ==============================================================================

    Rounding: ``f`` is not known, so how it rounds is estimated from what it makes of a relative change of ``w`` by an
    ulp (see :mod:`bn_theory.testing.ulps`), for ``f`` and for ``<w, grad f>``, times 8. The last row's bounds are those
    of ``scale_invariant_groups``.

    Args:
        f: see the table; the same values at every call (fix seeds and the batch).
        w: array of any shape, not zero, float32 or float64 in the precision in which ``f`` computes; state of an
            ``ArrayLoss`` as ``{name: array}`` or as an array if there is one group (default: a seeded random one);
            torch tensors or a module. A ``bn.Loss`` needs none.
        scales: the factors ``c > 0``; default ``SCALES``, or ``NARROW_SCALES`` below float64. Not for a module.
        gradient: for a function of an array: ``gradient(w)``, of the shape of ``w``.
        rounding: what rounding may make of ``f(c w) - f(w)`` and of ``<w, grad f>``, >= 0 (dimension of ``f``), where
            it is known better than by the estimate. Not for a module.
        eps: for a module: the ``eps`` of all its normalisations while it is measured, such as 1e-300: with a usual one
            nothing before a normalisation is exactly scale-invariant.
        name: of the evidence.

    Returns:
        Evidence: of kind ``proof``, or ``identity`` with the worst error (``measured``) and its rounding
        (``tolerance``); ``details["notices_power"]`` is the power ``p`` of ``f(c w) = c^p f(w)`` that would be noticed.

    Raises:
        ClaimFailedError: it is not (contradicted); or a proof fails though the numbers agree, or rounding could hide a
            thousandth of ``f`` (inconclusive).
        InvalidInputError: weights, factors or values that cannot be used, an ``f`` that is not deterministic, an
            argument that does not belong to this kind of ``f``.

    Source: Arora, Li and Lyu (ICLR 2019, arXiv:1812.03981), Lemma 2.4; the rounding bounds are derived in this package.

    >>> import numpy as np
    >>> assert_scale_invariant(lambda w: w[0] ** 2 / np.sum(w**2), np.array([1.0, 2.0])).verdict
    'supported'
    """
    __tracebackhide__ = True
    if rounding is not None:
        rounding = number("rounding", rounding, least=0.0)
    name = "f(c w) = f(w)" if name is None else name
    tensors = _is_torch(w)
    module = tensors and hasattr(w, "named_parameters")
    own = hasattr(f, "scale_invariant_groups")
    if eps is not None and not module:
        raise InvalidInputError(f"eps={eps!r} is of a module's normalisations; give the module as w, or leave it out")
    if gradient is not None and (own or tensors):
        raise InvalidInputError("gradient= belongs to a function of an array; a loss and torch have their own")
    if module:
        if scales is not None or rounding is not None:
            raise InvalidInputError("a module is measured by scale_invariant_groups; leave scales and rounding out")
        from bn_theory.testing.modules import groups_of_module

        return groups_of_module(name, f, w, eps)
    if not callable(f) and not own:
        raise InvalidInputError(f"f must be a function, a bn.Loss or a bn.ArrayLoss, not {f!r}")
    if own:
        from bn_theory.testing.own_losses import points_of_loss, proof_of

        if hasattr(f, "prove"):
            return _proved(name, f, w, _checked(scales, 2.0**-53), rounding, proof_of, points_of_loss)
        points = points_of_loss(f, w)
    elif tensors:
        from bn_theory.testing.modules import point_of_tensors

        points = [point_of_tensors(f, w)]
    else:
        points = [point_of_function(f, w, gradient)]
    found, lines = _measured(name, points, _checked(scales, points[0].roundoff), rounding)
    return conclude(found, *lines)


def _proved(name, loss, w, scales, rounding, proof_of, points_of_loss) -> Evidence:
    __tracebackhide__ = True
    try:
        return conclude(proof_of(name, loss))
    except NotScaleInvariantError as error:
        residual = str(error)
    # a proof that was not found says nothing by itself: numbers do
    found, lines = _measured(name, points_of_loss(loss, w, all_groups=True), scales, rounding)
    details = found.details | {"not_proved": residual}
    verdict = judge.CONTRADICTED if found.verdict == judge.CONTRADICTED else judge.INCONCLUSIVE
    if verdict == judge.INCONCLUSIVE:  # of which the numbers are no proof either
        seen = f"it misses by {found.measured:.2g}, rounding allows {found.tolerance:.2g}"
        lines = [f"  not proved, and not refuted: at one point {seen}"]
    return conclude(replace(found, verdict=verdict, details=details), f"  {residual}", *lines)


def _measured(name, points, scales, rounding):
    """The worst of all points as evidence, and the lines of its message."""
    misses, table = [], []
    for point in points:
        ours, shown = _misses(point, scales, rounding)
        misses += ours
        table += shown
    over = [float(ratio(m.error, m.rounding)) for m in misses]
    # a change of the values, if there is one, says more than a radial derivative; numpy takes a NaN for the largest
    changed = [r if not (m.radial or r <= 1) else -np.inf for m, r in zip(misses, over, strict=True)]
    worst = misses[int(np.argmax(changed if max(changed) > -np.inf or np.isnan(changed).any() else over))]
    widest = max(misses, key=lambda m: m.rounding / m.reach if m.reach else 0.0)
    value = max(p.reach for p in misses)
    span = float(np.log(max(scales) / min(scales)))
    notices = float(ratio(widest.rounding, widest.reach * span))
    details = {"worst": worst.what, "scales": list(scales), "notices_power": notices, "size_of_f": value}
    found = judge.identity(name, worst.error, worst.rounding, **details)
    lines = [
        f"  {worst.what} is {worst.error:.3g}, where rounding allows {worst.rounding:.2g}",
        *table,
        f"  look at: {_advice(points, scales, worst)}",
    ]
    if found.verdict == judge.SUPPORTED and widest.rounding > VISIBLE * widest.reach:
        found = replace(found, verdict=judge.INCONCLUSIVE)
        lines = [
            f"  {widest.what}: rounding alone may change it by {widest.rounding:.2g}, and it is of size "
            f"{widest.reach:.2g}, so that nothing is seen",
            "  look at: float64, another point w (f is flat here, or a difference of large numbers), rounding=",
        ]
    return found, lines


def _misses(point, scales, rounding):
    label = f"{point.label}: " if point.label else ""
    values, inner, terms = point.at(1.0)
    if not np.all(np.isfinite(values)):
        raise InvalidInputError(f"{label}f(w) is {values}, which is not finite; give weights at which f has a value")
    again = point.at(1.0)
    if not np.array_equal(again[0], values) or (inner is not None and again[1] != inner):
        raise InvalidInputError(
            f"{label}f is not deterministic: two calls at the same weights gave {values} and {again[0]}; fix the data, "
            "and use no dropout or other noise"
        )
    scattered = [point.at(factors) for factors in perturbations(point.size, point.roundoff)]
    allowed = rounding
    if rounding is None:
        allowed = rounding_of(values, np.stack([s[0] for s in scattered]), point.roundoff)
    far = reach(lambda factors: point.at(factors)[0], point.size, values)
    misses, table = [], []
    if inner is not None:
        of_inner = rounding
        if rounding is None:
            drawn = np.array([s[1] for s in scattered])
            # products and their sum round once more than what an ulp shows
            of_inner = rounding_of(np.zeros(()), drawn - inner, point.roundoff) + SAFETY * point.roundoff * terms
        misses.append(_Miss(f"{label}|<w, grad f(w)>|", abs(inner), of_inner, max(far, terms), True))
    for c in scales:
        here, radial, here_terms = point.at(c)
        error = np.abs(here - values)
        misses.append(_Miss(f"{label}|f({c:g} w) - f(w)|", float(np.max(error)), allowed, far, False))
        at = int(np.argmax(error))
        table.append(
            f"  {label}f({c:g} w) - f(w) = {here.flat[at] - values.flat[at]:.3g}, f(w) = {values.flat[at]:.6g}"
        )
        if inner is not None:
            what = f"{label}|<v, grad f(v)>| at v = {c:g} w"
            misses.append(_Miss(what, abs(radial), of_inner, max(far, here_terms), True))
    return misses, table


def _advice(points, scales, worst):
    if worst.radial:
        return "the gradient: the values agree, so it is not that of f (a detached part, a wrong formula)"
    if not np.isfinite(worst.error):
        return "overflow at that scale, or a normalisation that divides by 0 there; scales= asks about nearer ones"
    powers = []
    for point in points:
        if point.label and not worst.what.startswith(f"{point.label}:"):
            continue
        start = float(np.max(np.abs(point.at(1.0)[0])))
        for c in (min(scales), max(scales)):
            there = float(np.max(np.abs(point.at(c)[0])))
            powers.append(float(np.log(there / start) / np.log(c)) if there > 0 and start > 0 and c != 1 else np.nan)
    low, high = powers[:2]
    if abs(low - high) <= 0.05 * abs(high):  # False for NaN
        return f"f(c w) goes like c^{high:.3g}: divide by the norm to that power, or by what f is homogeneous in"
    return (
        "a constant beside the weights, such as the eps of a normalisation, if it fails at small scales; a term that "
        "grows, such as weight decay in the loss or a layer without normalisation, if it fails at large ones"
    )


def _checked(scales, u):
    if scales is None:
        return SCALES if u <= 2.0**-53 else NARROW_SCALES
    found = array("scales", scales).astype(float).ravel()
    if not np.all(np.isfinite(found) & (found > 0)) or not np.any(found != 1):
        raise InvalidInputError(f"scales must be positive, finite and not all 1, not {found.tolist()}")
    return tuple(found.tolist())


def _is_torch(w):
    first = w[0] if isinstance(w, (list, tuple)) and len(w) else w
    return hasattr(first, "named_parameters") or hasattr(first, "requires_grad")
