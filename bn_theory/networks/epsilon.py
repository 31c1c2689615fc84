"""By how much ``eps`` in a normalisation violates scale invariance, against the norm of the weights before it.

Multiplying by ``r`` what a normalisation takes out again is the same as dividing its ``eps`` by ``r^2``. Hence, for a
group ``w`` of parameters and the ``eps`` of the first normalisation behind it,

    <w, grad L(w)> = -2 eps dL/deps,

and for ``w = r v`` the violation ``|<w, grad L>|/(|w| |grad L|)`` falls as ``eps r^-2`` once ``eps`` is small against
``r^2`` times the variances at ``v``. With ``eps = 0`` it stays at rounding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from bn_theory.errors import InvalidInputError
from bn_theory.networks.invariance import Name, kept, members
from bn_theory.networks.step_log import LoggedTrainer
from bn_theory.networks.structure import NORMALISATIONS
from bn_theory.networks.training import sgd

DIFFERENCE = 2.0**-7
"""Relative step of the derivative by ``eps``: its square times ``eps`` over a variance is the relative error."""


@dataclass(frozen=True, eq=False)
class EpsilonCurve:
    """The violation of scale invariance, group by group, each multiplied by itself; dimensionless.

    Attributes:
        groups: names of the groups.
        scales: factors ``r`` of the given weights, ``(scales,)``.
        norms: ``|w|``, ``(scales, groups)``.
        violation: ``|<w, grad L>|/(|w| |grad L|)``, ``(scales, groups)``.
        rounding: what rounding may make of it (:class:`StepLog`), ``(scales, groups)``.
        from_eps: ``2 eps |dL/deps|/(|w| |grad L|)``, to which it is equal, by central differences in ``eps``; of size
            0 for ``eps = 0``, ``(scales, groups)``.
    """

    groups: tuple[str, ...]
    scales: np.ndarray
    norms: np.ndarray
    violation: np.ndarray
    rounding: np.ndarray
    from_eps: np.ndarray

    @property
    def exponents(self) -> np.ndarray:
        """``d log violation/d log |w|`` between neighbouring scales, ``(scales - 1, groups)``."""
        return np.diff(np.log(self.violation), axis=0) / np.diff(np.log(self.norms), axis=0)


def epsilon_curve(
    model: nn.Module,
    images: torch.Tensor,
    classes: torch.Tensor,
    groups: Sequence[Name],
    scales: Sequence[float],
) -> EpsilonCurve:
    """Measure the violation of every group at every scale, on one batch, by cross-entropy; float64 is best.

    Args:
        model: in train mode, normalisations in the order of its modules; it is as before afterwards.
        images, classes: the batch, shapes ``(n, channels, height, width)`` and ``(n,)``.
        groups: names of parameters, and tuples of names of those that are scaled together, each before a normalisation.
        scales: factors, > 0.

    Raises:
        InvalidInputError: no scales or one that is not positive and finite, a group without a normalisation behind
            it, or anything that :class:`LoggedTrainer` refuses.

    Source: derived in this package (``bn-theory prove arora2019.networks``).

    >>> from bn_theory.networks.architectures import vgg
    >>> from bn_theory.networks.digits import digits
    >>> images, classes = digits()
    >>> model = vgg(channels=(4,), hidden=(), eps=1e-5)
    >>> found = epsilon_curve(model, images[:32], classes[:32], ["conv1.weight"], (1.0, 2.0))
    >>> [round(float(x), 3) for x in found.exponents[0]]
    [-2.0]
    """
    scales = np.asarray(scales, dtype=float)
    if scales.ndim != 1 or not len(scales) or not np.all(np.isfinite(scales) & (scales > 0)):
        raise InvalidInputError(f"scales must be positive and finite numbers, not {scales.tolist()}")
    names = [members(name) for name in groups]
    parameters = dict(model.named_parameters())
    shape = len(scales), len(names)
    norms, violation, rounding, from_eps = (np.zeros(shape) for _ in range(4))
    shown = []
    for column, group in enumerate(names):
        for row, scale in enumerate(scales):
            with kept(model):
                run = LoggedTrainer(model, sgd(model, 0.0), images, classes, batch=len(images), groups=[groups[column]])
                behind = normalisation_behind(model, group[-1])
                with torch.no_grad():
                    for name in group:
                        parameters[name].mul_(float(scale))
                run.steps(1)
                slope = _derivative_by_eps(run, behind)
            log = run.log
            norms[row, column] = math.sqrt(log.norm2[0, 0])
            violation[row, column] = log.cosine[0, 0]
            rounding[row, column] = log.cosine_bound[0, 0]
            from_eps[row, column] = 2 * abs(slope) / log.unit_grad_norm[0, 0]
        shown.append(log.groups[0])
    return EpsilonCurve(tuple(shown), scales, norms, violation, rounding, from_eps)


def normalisation_behind(model: nn.Module, parameter: str) -> nn.Module:
    """The first normalisation, in the order of the modules, after the one that has this parameter.

    Raises:
        InvalidInputError: there is none.
    """
    modules = dict(model.named_modules())
    order = list(modules)
    owner = parameter.rpartition(".")[0]
    for name in order[order.index(owner) + 1 :]:
        if isinstance(modules[name], NORMALISATIONS):
            return modules[name]
    raise InvalidInputError(f"no normalisation follows {owner}, so that its parameters are not scale-invariant")


def _derivative_by_eps(run, module):
    """``eps dL/deps`` by a central difference."""
    eps, losses = module.eps, []
    try:
        for factor in (1 + DIFFERENCE, 1 - DIFFERENCE):
            module.eps = eps * factor
            losses.append(run.gradient(run.images, run.classes))
    finally:
        module.eps = eps
    return (losses[0] - losses[1]) / (2 * DIFFERENCE)
