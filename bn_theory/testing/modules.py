"""Torch tensors and modules for ``assert_scale_invariant``; needs the extra ``networks``."""

from __future__ import annotations

import math

import numpy as np

from bn_theory.errors import InvalidInputError
from bn_theory.testing.conclude import array, conclude
from bn_theory.testing.point import Point
from bn_theory.theorems import evidence as judge
from bn_theory.theorems.evidence import Evidence


def point_of_tensors(closure, tensors):
    """A :class:`Point` of a closure, all tensors scaled by one factor; they have their values back after every call.

    Raises:
        InvalidInputError: no floating-point tensors, or zeros, or a closure that returns no numbers.
    """
    import torch

    weights = list(tensors) if isinstance(tensors, (list, tuple)) else [tensors]
    for w in weights:
        if not isinstance(w, torch.Tensor) or not w.is_floating_point():
            raise InvalidInputError(f"w must be floating-point tensors, or one module, not {w!r}")
    start = [w.detach().clone() for w in weights]
    if not all(torch.isfinite(w).all() for w in start) or not any(torch.any(w != 0) for w in start):
        raise InvalidInputError("w must be finite and not all zero: a scale-invariant loss has no value at 0")
    sizes = [w.numel() for w in weights]
    cuts = np.cumsum(sizes)[:-1]
    trained = [w for w in weights if w.requires_grad]

    def at(factors):
        parts = [factors] * len(weights) if np.ndim(factors) == 0 else np.split(factors, cuts)
        try:
            with torch.no_grad():
                for w, first, factor in zip(weights, start, parts, strict=True):
                    # in double, and rounded once, as a product of the weights' own precision is
                    by = (
                        factor
                        if np.ndim(factor) == 0
                        else torch.from_numpy(factor).reshape(first.shape).to(first.device)
                    )
                    w.copy_(first.double() * by)
            loss = closure()
            values = array("f()", loss).astype(float)
            if len(trained) < len(weights) or values.size != 1 or not getattr(loss, "requires_grad", False):
                return values, None, None
            grads = torch.autograd.grad(loss.reshape(()), weights, allow_unused=True)
            terms = [
                (w.detach().double() * g.double()).reshape(-1).cpu()
                for w, g in zip(weights, grads, strict=True)
                if g is not None
            ]
            terms = torch.cat(terms) if terms else torch.zeros(1, dtype=torch.float64)
            return values, float(terms.sum()), float(terms.abs().sum())
        finally:
            with torch.no_grad():
                for w, first in zip(weights, start, strict=True):
                    w.copy_(first)

    coarsest = max(torch.finfo(w.dtype).eps for w in weights) / 2
    return Point(at, sum(sizes), coarsest)


def groups_of_module(name: str, closure, model, eps: float | None) -> Evidence:
    """Everything that the order of the layers says is scale-invariant, asked of the loss.

    Raises:
        ClaimFailedError: some of it is not.
        InvalidInputError: layers that are not known, or no scale-invariant parameter among them; what
            ``scale_invariant_groups`` refuses.
    """
    __tracebackhide__ = True
    from bn_theory.networks import expected_groups, scale_invariant_groups
    from bn_theory.networks.invariance import shown

    expected = expected_groups(model).invariant
    if not expected:
        raise InvalidInputError(
            "by the order of its layers nothing in the module is scale-invariant; name tensors as w"
        )
    joint = [tuple(names) for names in expected if not isinstance(names, str)]
    found = scale_invariant_groups(model, closure, joint=joint, eps=eps)
    findings = [found.findings[names if isinstance(names, str) else tuple(names)] for names in expected]
    worst = max(findings, key=lambda f: math.inf if math.isnan(f.violation) else f.violation / f.tolerance)
    details = {"worst": f"{worst.identity} of {shown(worst.name)}", "groups": [shown(f.name) for f in findings]}
    evidence = judge.identity(name, worst.violation, worst.tolerance, **details)
    wrong = [f for f in findings if not f.invariant]
    lines = [
        f"  {shown(f.name)}: {f.identity} misses by {f.violation:.2g}, rounding allows {f.tolerance:.2g}" for f in wrong
    ]
    usual = (
        ""
        if eps is not None
        else "; with the usual eps of a normalisation it is only nearly so, eps=1e-300 asks without"
    )
    return conclude(evidence, *lines, f"  look at: what is between these weights and the next normalisation{usual}")
