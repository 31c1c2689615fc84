"""A claim that parameters are scale-invariant, refused where the loss says otherwise."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from bn_theory.errors import InvalidInputError, NotScaleInvariantError
from bn_theory.networks.invariance import Invariance, Name, scale_invariant_groups, shown


def require_scale_invariant(
    model: nn.Module,
    loss_closure: Callable[[], torch.Tensor],
    names: Sequence[Name],
    *,
    eps: float | None = None,
    seed: int = 0,
) -> Invariance:
    """Do nothing but return what was found, if all that is named is scale-invariant.

    Args:
        model, loss_closure, eps, seed: as for :func:`scale_invariant_groups`.
        names: of trained parameters, and tuples of names of those that are claimed to be invariant jointly.

    Returns:
        Invariance: of all parameters.

    Raises:
        NotScaleInvariantError: one of them is not; the message names it and the violation, ``group`` is the name and
            ``residual`` the :class:`Finding`.
        InvalidInputError: a name that is no trained parameter; what :func:`scale_invariant_groups` refuses.

    Source: derived in this package.

    >>> from bn_theory.networks import vgg
    >>> net = vgg(channels=(2,), hidden=())
    >>> x = torch.randn(16, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    >>> def loss():
    ...     return nn.functional.cross_entropy(net(x), torch.arange(16) % 10)
    >>> _ = require_scale_invariant(net, loss, ["conv1.weight", ("norm1.weight", "norm1.bias")])
    >>> require_scale_invariant(net, loss, [("last_norm.weight", "last_norm.bias")])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    bn_theory.errors.NotScaleInvariantError: (last_norm.weight, last_norm.bias) is not scale-invariant: ...
    """
    if isinstance(names, str):
        raise InvalidInputError(f"names must be a list of names and tuples of names, not {names!r}; write [{names!r}]")
    joint = [tuple(name) for name in names if not isinstance(name, str)]
    found = scale_invariant_groups(model, loss_closure, joint=joint, eps=eps, seed=seed)
    for name in names:
        key = name if isinstance(name, str) else tuple(name)
        if key not in found.findings:
            known = sorted(n for n in found.findings if isinstance(n, str))
            raise InvalidInputError(f"{key!r} is not a trained parameter; there are {known}")
        finding = found.findings[key]
        if not finding.invariant:
            raise NotScaleInvariantError(
                f"{shown(key)} is not scale-invariant: {finding.identity} misses by {finding.violation:.2g}, where "
                f"rounding allows {finding.tolerance:.2g}; leave it out, or ask with eps=1e-300 what would be "
                "invariant but for the eps of normalisations",
                residual=finding,
                group=key,
            )
    return found
