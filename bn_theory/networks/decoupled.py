"""An optimiser that trains the direction and the magnitude of every weight vector at separate rates."""

from __future__ import annotations

import torch
from torch.optim import LBFGS, SGD, Optimizer, Rprop, SparseAdam

from bn_theory.errors import DivergedError, InvalidInputError

UNFIT = LBFGS, Rprop, SparseAdam
"""Bases whose updates are not proportional to ``lr``, or which need a closure or sparse gradients."""
OF_A_GROUP = {"params", "param_names", "lr", "initial_lr", "gain_lr", "relative", "leading", "decoupled"}
"""What a group may hold: options of the base are those of all groups."""


class Decoupled(Optimizer):
    """Keeps ``w = g v`` with ``|v| = 1``: a base optimiser steps v along the sphere's tangent, SGD steps the gain g.

    With p the gradient by w, the base optimiser is given ``g (p - <p, v> v)`` and returns an update u for the rate 1;
    u is made tangential once more (Adam's is not), and

        v <- (v - lr u)/|v - lr u|,   or with relative=True   (v - lr u/|u|)/|v - lr u/|u||,   g <- g - gain_lr <p, v>.

    With ``relative=True`` every step turns v by ``cos = 1/sqrt(1 + lr^2)``, whatever the width. The vectors of a
    parameter are its slices along the first ``leading`` axes: the rows of a linear layer, the filters of a convolution.
    For weights that are scale-invariant (before a batch normalisation) the gain is inert.

    The gain is stepped by SGD whatever the base: where it is inert its gradient is rounding, and Adam would make steps
    of full size of it. Parameters of a group with ``decoupled=False`` (biases, which may be zero vectors) are trained
    by SGD at the group's ``lr``. The weights must not be written to from elsewhere while it runs.

    ::

        rows = [p for p in model.parameters() if p.ndim > 1]
        rest = [p for p in model.parameters() if p.ndim <= 1]
        groups = [{"params": rows}, {"params": rest, "decoupled": False, "lr": 0.1}]
        optimizer = Decoupled(groups, lr=0.03, gain_lr=0.1, base=torch.optim.Adam, relative=True)

    Args:
        params: as ``torch.optim`` takes them.
        lr: of the directions; a number >= 0, or a tensor that broadcasts against the parameters (a stack of models with
            a rate each). Schedulers may set a number.
        gain_lr: of the gains, likewise.
        base: class of the base optimiser, of which ``lr=1`` is asked; its updates must be proportional to ``lr``. Where
            a gradient is 0 and the update 0/0 (Adam with ``eps=0``), the update is 0.
        relative: whether ``lr`` is the relative size of a step.
        leading: how many axes number the vectors, >= 1.
        options: further ones of the base, such as ``betas`` or ``momentum``.

    Raises:
        InvalidInputError: a rate that is negative or not finite, a zero or non-finite weight vector, ``leading`` that
            leaves no axis for the vectors, a weight decay for the base (the norm is kept, it would have no effect), a
            base of ``UNFIT``, an option of the base in a group, a state that is not of this class.
        DivergedError: a gradient that is not finite, or a step that leaves the finite numbers.

    Source: derived in this package, after Haegele, Hernandez-Cano, Kosson and Jaggi (arXiv:2606.25971).

    >>> w = torch.nn.Parameter(torch.tensor([[3.0, 4.0]], dtype=torch.float64))
    >>> optimizer = Decoupled([w], lr=0.75, gain_lr=0.1, relative=True)
    >>> w[0, 1].backward()  # the gradient is (0, 1): 0.8 along the row
    >>> optimizer.step()
    >>> round(optimizer.gain(w).item(), 3), [round(x, 3) for x in optimizer.direction(w)[0].tolist()]
    (4.92, [0.96, 0.28])
    """

    def __init__(
        self,
        params,
        lr,
        *,
        gain_lr=0.0,
        base: type[Optimizer] = SGD,
        relative: bool = False,
        leading: int = 1,
        **options,
    ):
        """See the class."""
        if options.get("weight_decay", 0):
            raise InvalidInputError(
                f"weight_decay={options['weight_decay']} has no effect on a direction, whose norm is kept; leave it out"
            )
        if not (isinstance(base, type) and issubclass(base, Optimizer)) or issubclass(base, (Decoupled, *UNFIT)):
            raise InvalidInputError(
                f"base must be a class of torch.optim whose updates are proportional to lr and need no closure, such "
                f"as SGD or Adam, not {base!r:.80}"
            )
        self._base_class, self._options, self._base, self._moves = base, options, None, {}
        super().__init__(
            params, {"lr": lr, "gain_lr": gain_lr, "relative": relative, "leading": leading, "decoupled": True}
        )

    def add_param_group(self, param_group):
        """Add a group, as ``torch.optim.Optimizer`` does it; the directions are those of its present weights."""
        _check_group(self.defaults | param_group)
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        if not group["decoupled"]:
            return
        moves = []
        for p in group["params"]:
            if p.ndim <= group["leading"]:
                raise InvalidInputError(
                    f"a parameter of shape {tuple(p.shape)} has no axis left for its vectors (leading="
                    f"{group['leading']}); put it into a group with decoupled=False"
                )
            size = _lengths(p.detach(), group["leading"])
            if not (torch.isfinite(size).all() and (size > 0).all()):
                bad = size[~(torch.isfinite(size) & (size > 0))][0].item()
                raise InvalidInputError(
                    f"a weight vector of a parameter of shape {tuple(p.shape)} has the length {bad} and so no "
                    "direction; give it a start, or put it into a group with decoupled=False"
                )
            # what the base steps: a displacement from 0, so that no update is lost in the rounding of v
            self._moves[p] = torch.nn.Parameter(torch.zeros_like(p))
            self.state[p] = {"direction": p.detach() / size, "gain": size.clone()}
            moves.append(self._moves[p])
        if self._base is None:
            self._base = self._base_class(moves, lr=1.0, **self._options)
        else:
            self._base.add_param_group({"params": moves})

    def direction(self, p: torch.Tensor) -> torch.Tensor:
        """The unit vectors v of a parameter, of its shape."""
        return self.state[p]["direction"]

    def gain(self, p: torch.Tensor) -> torch.Tensor:
        """The gains g of a parameter, one for each vector, with axes of length 1 for the vectors'."""
        return self.state[p]["gain"]

    @torch.no_grad()
    def step(self, closure=None):
        """One step of all directions, gains and other parameters that have a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for name in ("lr", "gain_lr"):
                _check_rate(name, group[name])
            for p in group["params"]:
                if p.grad is None:
                    continue
                if not torch.isfinite(p.grad).all():
                    raise DivergedError(f"a gradient is not finite: {DIVERGED}")
                if not group["decoupled"]:
                    p.sub_(group["lr"] * p.grad)
                    continue
                state = self.state[p]
                v, gain = state["direction"], state["gain"]
                along = _dot(p.grad, v, group["leading"])
                self._moves[p].grad = gain * (p.grad - along * v)
                state["gain"] = gain - group["gain_lr"] * along
        if self._base is not None:
            self._base.step()
        for group in self.param_groups:
            for p in group["params"] if group["decoupled"] else ():
                if p.grad is not None:
                    self._move(p, group)
        return loss

    def _move(self, p, group):
        state, leading = self.state[p], group["leading"]
        v, move = state["direction"], self._moves[p]
        # 0/0 of a base without eps, where all gradients were 0; any other NaN stays one and is told below
        move.copy_(torch.where(torch.isnan(move) & (move.grad == 0), 0.0, move))
        part = move - _dot(move, v, leading) * v
        if group["relative"]:
            size = _lengths(part, leading)
            part = torch.where(size != 0, part / torch.where(size != 0, size, 1.0), 0.0)
        after = v + group["lr"] * part
        after = after / _lengths(after, leading)
        if not (torch.isfinite(after).all() and torch.isfinite(state["gain"]).all()):
            raise DivergedError(f"a step of the optimiser left the finite numbers: {DIVERGED}")
        state["direction"] = after
        p.copy_(state["gain"] * after)
        move.zero_()
        move.grad = None

    def state_dict(self):
        """The state of directions and gains and, under ``"base"``, that of the base optimiser."""
        found = super().state_dict()
        found["base"] = None if self._base is None else self._base.state_dict()
        return found

    def load_state_dict(self, state_dict):
        """Go back to a ``state_dict`` of the same groups; the weights are loaded with the model.

        Raises:
            InvalidInputError: a state of another optimiser.
        """
        states = state_dict.get("state", {}).values()
        both = any(set(one) == {"direction", "gain"} for one in states)
        if "base" not in state_dict or (both, state_dict["base"] is None) != (
            self._base is not None,
            self._base is None,
        ):
            raise InvalidInputError(
                "this is no state of a Decoupled optimiser with such groups; give what its state_dict() returned"
            )
        super().load_state_dict({key: value for key, value in state_dict.items() if key != "base"})
        if self._base is not None:
            self._base.load_state_dict(state_dict["base"])

    def __getstate__(self):
        """All of it, so that a copy (``copy.deepcopy``, ``pickle``) has a base optimiser of its own."""
        return super().__getstate__() | {name: getattr(self, name) for name in _OWN}


_OWN = "_base_class", "_options", "_base", "_moves"
DIVERGED = "lower lr or gain_lr, or look at the gradients"
"""What to do about it."""


def _check_group(group):
    if others := sorted(set(group) - OF_A_GROUP):
        raise InvalidInputError(
            f"{', '.join(others)} of a group would be ignored; give options of the base to the optimiser, for all"
        )
    leading = group["leading"]
    if isinstance(leading, bool) or not isinstance(leading, int) or leading < 1:
        raise InvalidInputError(f"leading must be a whole number of at least 1, not {leading!r}")
    for name in ("lr", "gain_lr"):
        _check_rate(name, group[name])


def _check_rate(name, rate):
    try:
        values = torch.as_tensor(rate)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InvalidInputError(f"{name} must be a number or a tensor, not {rate!r}") from error
    if not bool(torch.all(torch.isfinite(values) & (values >= 0))):
        raise InvalidInputError(f"{name} must be finite and >= 0, not {rate}")


def _dot(x, y, leading):
    return (x * y).sum(dim=tuple(range(leading, x.ndim)), keepdim=True)


def _lengths(x, leading):
    return torch.linalg.vector_norm(x, dim=tuple(range(leading, x.ndim)), keepdim=True)
