"""``bn.Loss`` and ``bn.ArrayLoss`` for ``assert_scale_invariant``: the proof, or the groups at a point."""

from __future__ import annotations

import numpy as np

from bn_theory.errors import InvalidInputError
from bn_theory.losses import philox
from bn_theory.testing.conclude import array
from bn_theory.testing.point import Point
from bn_theory.theorems.evidence import SUPPORTED, Evidence

EXACT = 2.0**-53


def proof_of(name: str, loss) -> Evidence:
    """Scale invariance of every group, in generic dimension.

    Raises:
        NotScaleInvariantError: of a group it was not proved.
    """
    proof = loss.prove()
    return Evidence(name, "proof", SUPPORTED, details={"checked_steps": len(proof.checked), "groups": loss.groups})


def points_of_loss(loss, w, *, all_groups: bool = False) -> list:
    """A :class:`Point` for each group: the full loss, and one sample if the loss has noise.

    Args:
        w: state ``{name: array}``, an array if there is one group and no parameter, or ``None`` for a random one.
        all_groups: also those that are not claimed, or not proved, to be scale-invariant.

    Raises:
        InvalidInputError: a state that does not fit, or no group to look at.
    """
    groups = loss.groups if all_groups else loss.scale_invariant_groups
    if not groups:
        raise InvalidInputError(f"{loss.name} claims no scale-invariant group; there is nothing to assert")
    state = _state(loss, w)
    if not hasattr(loss, "prove"):
        loss.check(state)
    sized = loss.sized({g: state[g].shape[-1] for g in loss.groups})
    samples = [None, sized.draw(0, np.arange(1), 0)] if loss.noises else [None]
    return [_point(sized, state, g, sample) for g in groups for sample in samples]


def _point(loss, state, group, sample):
    def at(factors):
        moved = state | {group: state[group] * factors}
        if sample is None or hasattr(loss, "prove"):
            value, gradient, sampled = loss.evaluate(moved, sample)
            gradient = gradient if sample is None else sampled
        else:
            value, gradient = loss.value(moved, sample), loss.gradient(moved, sample)
        values = np.asarray(value, dtype=float).ravel()
        terms = np.asarray(moved[group] * gradient[group], dtype=float)
        inner = np.sum(terms, axis=-1).ravel()
        at_worst = int(np.argmax(np.abs(inner)))
        return values, float(inner[at_worst]), float(np.max(np.sum(np.abs(terms), axis=-1)))

    what = "" if sample is None else " of a sample"
    label = f"{group}{what}" if len(loss.groups) > 1 or loss.noises else ""
    return Point(at, state[group].shape[-1], EXACT, label)


def _state(loss, w):
    """Checked arrays ``(1, 1, d)`` and ``(1, 1)``: one case, one replica."""
    names = (*loss.groups, *loss.parameters)
    if w is None:
        return _random(loss)
    if not isinstance(w, dict):
        if len(names) > 1:
            raise InvalidInputError(f"the loss has {', '.join(names)}; give w={{name: array}}")
        w = {names[0]: w}
    if set(w) != set(names):
        raise InvalidInputError(f"w has {sorted(w)}, but the loss has {list(names)}")
    state = {}
    for name in names:
        value = array(name, w[name]).astype(float)
        known = loss.dimensions.get(name)
        if name in loss.groups:
            if (
                value.ndim != 1
                or known not in (None, len(value))
                or not np.any(value)
                or not np.all(np.isfinite(value))
            ):
                raise InvalidInputError(
                    f"{name!r} must be finite, not zero and of shape ({'d' if known is None else known},), not {value}"
                )
            state[name] = value[None, None]
        else:
            if value.size != 1 or not np.all(np.isfinite(value)):
                raise InvalidInputError(f"the parameter {name!r} must be one finite number, not {value}")
            state[name] = value.reshape(1, 1)
    return state


def _random(loss):
    unknown = [g for g in loss.groups if loss.dimensions[g] is None]
    if unknown:
        raise InvalidInputError(f"the size of {unknown[0]!r} is not known from the loss's data; give w=")
    state = {g: philox.unit_starts(0, [0], loss.dimensions[g], i)[None] for i, g in enumerate(loss.groups)}
    return state | {p: np.full((1, 1), 0.7) for p in loss.parameters}
