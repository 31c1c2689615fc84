"""What is known of a loss beyond its expression: the constants that the theorems' bounds need.

All are dimensionless, and may be arrays over cases. A family knows its own; a user's loss may be given
them with ``loss.with_facts(...)``; what needs a missing one says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from bn_theory.errors import MissingConstantError


@dataclass(frozen=True)
class Blocks:
    """Bounds at unit-norm directions, on a set that contains every iterate's ``(V; g)``.

    Attributes:
        weights: ``{(i, j): L_ij}``, operator norm of ``d2L/dw_i dw_j`` (symmetric; missing pairs are 0).
        mixed: ``{i: M_i}``, norm of ``d2L/dw_i dg``.
        parameter: ``L_g``, norm of ``d2L/dg2``; ``None`` when there are no scalar parameters.
        gradient: ``{i: bound on |grad_i L|}`` where one sharper than ``L_ii`` is known.
        largest_parameter_rate: the rate of the scalar parameters up to which a run stays in the set on which the
            bounds hold.
    """

    weights: Mapping
    mixed: Mapping = field(default_factory=dict)
    parameter: float | None = None
    gradient: Mapping = field(default_factory=dict)
    largest_parameter_rate: float = float("inf")

    def between(self, i: str, j: str):
        """``L_ij``, whichever way round it was given."""
        return self.weights.get((i, j), self.weights.get((j, i), 0.0))

    def gradient_bound(self, i: str):
        """A bound on ``|grad_i L(V)|``: the sharper one if given, else ``L_ii`` (as ``Hess_ii v_i = -grad_i``)."""
        return self.gradient.get(i, self.between(i, i))


@dataclass(frozen=True)
class Minimum:
    """A non-degenerate minimum of the full loss on the unit sphere (one group).

    Attributes:
        hessian: tangent Hessian ``H``, shape ``(d-1, d-1)``.
        noise: tangent covariance ``S`` of the gradient noise there, same shape and basis; ``None``
            without noise.
    """

    hessian: np.ndarray
    noise: np.ndarray | None = None


@dataclass(frozen=True)
class Facts:
    """Known constants; ``None`` where unknown.

    Attributes:
        infimum: ``inf L`` of the full loss.
        blocks: ``Blocks``, or a function of the start (``{name: array}``) that returns them, for losses
            whose constants depend on where the parameters start.
        sample_gradient: ``{i: C_i}``, almost-sure bound on ``|grad_i L_z|`` at unit norm, or a function of
            the start.
        parameter_sample_gradient: ``C_g`` with ``E|grad_g L_z|^2 <= C_g^2``, or a function of the start.
        minimum: the attracting minimum, for the amplitude law.
    """

    infimum: float | np.ndarray | None = None
    blocks: Blocks | Callable | None = None
    sample_gradient: Mapping | Callable | None = None
    parameter_sample_gradient: float | Callable | None = None
    minimum: Minimum | None = None

    def need(self, name: str, start=None):
        """The fact ``name``, evaluated at the start where it depends on it.

        Raises:
            MissingConstantError: the loss does not know it.
        """
        value = getattr(self, name)
        if value is None:
            raise MissingConstantError(
                f"this loss does not know its {name!r}; give it with loss.with_facts({name}=...)"
            )
        if not callable(value):
            return value
        try:
            return value(start)
        except (KeyError, TypeError) as error:
            raise MissingConstantError(
                f"the {name!r} of this loss depends on where its parameters start; give start={{name: array}} with "
                f"every parameter, not {start!r}"
            ) from error
