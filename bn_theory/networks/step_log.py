"""Every step of a training run by group of parameters: norms, gradients, orthogonality, growth, effective rate.

For a scale-invariant group ``w`` and one step ``w' = w - eta g`` of SGD, ``g`` the gradient of the mini-batch at ``w``:

    <w, g> = 0,    |w'|^2 = |w|^2 + eta^2 |g|^2,    so eta/|w|^2 never grows at a rate that does not.

In floating point each holds up to rounding, and :class:`StepLog` says how far that may be, at every step and for every
group. With ``u`` the unit roundoff of the parameters and ``n`` the longest chain of additions (:func:`longest_chain`),

    |<w, g>| <= n u s + D |w| |g|
    | |w'|^2 - |w|^2 - eta^2 |g|^2 | <= 2 eta |<w, g>|  +  u |w'| (2 |w'| + 4 eta |g|)  +  D (|w'|^2 + |w|^2 + ..)

The first is the rounding of the gradient; the second adds that of the update ``w' = fl(w - fl(eta g))``, once per entry
for the difference and twice for the product (the rate too is rounded). ``D = (d + 4) 2^-53`` is that of the sums over
the group's ``d`` entries, and of the few operations on them, which measure all this: in float64 whatever the network
has. The gradient's sensitivity

    s = |w| |g| + |w| |change of g per relative change of all parameters| + max_j |w_j| |g_j|

is that of :func:`scale_invariant_groups` (where it is relative to ``|w| |g|``); the change is sampled at every step by
one random perturbation: an estimate, where all else is a bound.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from bn_theory.errors import InvalidInputError
from bn_theory.networks.invariance import Name, kept, members, shown
from bn_theory.networks.rounding import longest_chain, unit
from bn_theory.networks.training import Trainer, check_names

EXACT = unit(torch.float64)
"""Roundoff of the sums that measure."""


@dataclass(frozen=True, eq=False)
class StepLog:
    """What was measured at every step, and what rounding allows; ``steps`` by ``groups`` arrays, dimensionless.

    Attributes:
        groups: names of the groups, ``"(a, b)"`` for joint ones and ``"a[3]"`` for a single filter.
        sizes: entries of each group, ``(groups,)``.
        losses: of the mini-batch before each step, ``(steps,)``.
        lr: learning rate of each group, ``(steps, groups)``.
        norm2: ``G = |w|^2`` before each step and after the last, ``(steps + 1, groups)``.
        grad_norm: ``|g|`` at the weights as they were, ``(steps, groups)``.
        inner: ``<w, g>``, ``(steps, groups)``.
        sensitivity: ``s``, ``(steps, groups)``, infinite where it was not sampled.
        chain: ``n``.
        unit: ``u``.
    """

    groups: tuple[str, ...]
    sizes: np.ndarray
    losses: np.ndarray
    lr: np.ndarray
    norm2: np.ndarray
    grad_norm: np.ndarray
    inner: np.ndarray
    sensitivity: np.ndarray
    chain: int
    unit: float

    @property
    def cosine(self) -> np.ndarray:
        """``|<w, g>|/(|w| |g|)``, 0 where both are 0."""
        return _over(np.abs(self.inner), self.unit_grad_norm)

    @property
    def cosine_bound(self) -> np.ndarray:
        """What rounding may make of :attr:`cosine` in a scale-invariant group."""
        return _over(self.inner_bound, self.unit_grad_norm)

    @property
    def inner_bound(self) -> np.ndarray:
        """What rounding may make of ``|<w, g>|`` in a scale-invariant group."""
        return self.chain * self.unit * self.sensitivity + self._measuring * self.unit_grad_norm

    @property
    def growth(self) -> np.ndarray:
        """``|w'|^2 - |w|^2``."""
        return np.diff(self.norm2, axis=0)

    @property
    def step2(self) -> np.ndarray:
        """``eta^2 |g|^2``, which the growth of a scale-invariant group equals."""
        return (self.lr * self.grad_norm) ** 2

    @property
    def growth_error(self) -> np.ndarray:
        """``| |w'|^2 - |w|^2 - eta^2 |g|^2 |``."""
        return np.abs(self.growth - self.step2)

    @property
    def growth_bound(self) -> np.ndarray:
        """What rounding may make of :attr:`growth_error` in a scale-invariant group under plain SGD."""
        before, after = self.norm2[:-1], self.norm2[1:]
        length = np.sqrt(after)
        radial = 2 * self.lr * self.inner_bound
        update = self.unit * length * (2 * length + 4 * self.lr * self.grad_norm)
        return radial + update + self._measuring * (before + after + self.step2)

    @property
    def _measuring(self):
        return (self.sizes + 4) * EXACT

    @property
    def effective_lr(self) -> np.ndarray:
        """``eta/|w|^2`` before each step, infinite for a group of zeros."""
        with np.errstate(divide="ignore"):
            return self.lr / self.norm2[:-1]

    @property
    def unit_grad_norm(self) -> np.ndarray:
        """``|w| |g|``: for a scale-invariant group the norm of the gradient at ``w/|w|``."""
        return np.sqrt(self.norm2[:-1]) * self.grad_norm


class LoggedTrainer(Trainer):
    """A :class:`Trainer` that keeps a :class:`StepLog`; the run is the unlogged one, bit for bit.

    Source: derived in this package.

    >>> from bn_theory.networks.architectures import vgg
    >>> from bn_theory.networks.digits import digits
    >>> from bn_theory.networks.training import sgd
    >>> model = vgg(channels=(2,), hidden=())
    >>> run = LoggedTrainer(model, sgd(model, 1.0), *digits(), batch=16, groups=["conv1.weight"])
    >>> run.steps(3)
    >>> bool((run.log.growth_error <= run.log.growth_bound).all())
    True
    """

    def __init__(
        self,
        model,
        optimizer,
        images,
        classes,
        *,
        groups: Sequence[Name],
        filters: Sequence[str] = (),
        sampled: bool = True,
        **options,
    ):
        """See the class.

        Args:
            model, optimizer, images, classes: as for :class:`Trainer`.
            groups: names of parameters, and tuples of names of those that make one group.
            filters: names of parameters each of whose filters (rows along the first axis) is a group as well.
            sampled: sample the gradient's sensitivity at every step, which doubles the work. Without it there are no
                bounds (they are infinite).
            options: ``batch``, ``seed``, ``projected``, ``augment`` of :class:`Trainer`.

        Raises:
            InvalidInputError: as :class:`Trainer`; no groups, a name that is no trained parameter, or a joint group
                whose parameters have different rates.
        """
        super().__init__(model, optimizer, images, classes, **options)
        self._trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
        names = [members(name) for name in groups]
        if not names and not filters:
            raise InvalidInputError("there are no groups to log; name parameters, or tuples of them")
        check_names("groups", [name for group in names for name in group], self._trained)
        check_names("filters", filters, self._trained)
        self._sampled = sampled
        self._parts = _Parts(self._trained, names, tuple(filters))
        self._rates_of_groups()  # refuses a joint group of several rates before anything is trained
        self._signs = torch.Generator().manual_seed(self.seed)
        self._unit = unit(next(iter(self._trained.values())).dtype)
        # where a difference quotient's rounding u/delta and its second order delta are of one size
        self._delta = math.sqrt(self._unit)
        self._chain: int | None = None
        self._rows: dict[str, list] = {key: [] for key in ("lr", "norm2", "grad_norm", "inner", "sensitivity")}
        self._after: np.ndarray | None = None

    @property
    def log(self) -> StepLog:
        """Everything so far.

        Raises:
            InvalidInputError: no step was made.
        """
        if not self._rows["lr"]:
            reason = "the first loss is not finite" if self.diverged is not None else "call steps(n) first"
            raise InvalidInputError(f"no step was logged: {reason}")
        kept = {key: np.array(rows) for key, rows in self._rows.items()}
        kept["norm2"] = np.vstack([kept["norm2"], self._after])
        return StepLog(
            groups=self._parts.names,
            sizes=self._parts.sizes,
            losses=np.array(self.losses[: len(kept["lr"])]),
            chain=self._chain,
            unit=self._unit,
            **kept,
        )

    def _step(self, images, classes):
        given = images if self.augment is None else self.augment(images, self._generator(self.step, 1))
        if self._chain is None:
            with kept(self.model), torch.no_grad():
                self._chain = longest_chain(self.model, lambda: self.model(given))
        rates, w = self._rates_of_groups(), self._parts.flat(p.detach() for p in self._trained.values())
        super()._step(images, classes)
        if self.diverged is not None:
            return
        grads = [_gradient(p) for p in self._trained.values()]
        g = self._parts.flat(grads)
        for key, row in (
            ("lr", rates),
            ("norm2", self._parts.products(w, w)),
            ("grad_norm", np.sqrt(self._parts.products(g, g))),
            ("inner", self._parts.products(w, g)),
            ("sensitivity", self._sensitivity(w, g, grads, given, classes)),
        ):
            self._rows[key].append(row)
        after = self._parts.flat(p.detach() for p in self._trained.values())
        self._after = self._parts.products(after, after)

    def _rates_of_groups(self):
        rate = {p: float(group["lr"]) for group in self.optimizer.param_groups for p in group["params"]}
        found = []
        for names in self._parts.members:
            rates = {rate.get(self._trained[name], 0.0) for name in names}
            if len(rates) > 1:
                raise InvalidInputError(f"the joint group {names} has the rates {sorted(rates)}; give it one")
            found += rates
        return np.array(found)

    def _sensitivity(self, w, g, grads, images, classes):
        """``s`` of every group: see the module."""
        if not self._sampled:
            return np.full(len(self._parts.names), math.inf)
        signs = 2.0 * torch.randint(2, (len(w),), generator=self._signs).numpy() - 1
        with kept(self.model):
            self._parts.put(w * (1 + self._delta * signs))
            self.gradient(images, classes)
            change = (self._parts.flat(_gradient(p) for p in self._trained.values()) - g) / self._delta
        for p, gradient in zip(self._trained.values(), grads, strict=True):
            p.grad = gradient
        size, slope, changed = (np.sqrt(self._parts.products(x, x)) for x in (w, g, change))
        with np.errstate(invalid="ignore"):  # weights that overflow: no number, which no bound takes for agreement
            return size * (slope + changed) + self._parts.largest(w, g)


class _Parts:
    """All trained parameters as one vector in float64, and sums over the groups' parts of it."""

    def __init__(self, trained, groups, filters):
        self._parameters = list(trained.values())
        counts = np.array([p.numel() for p in self._parameters])
        self._starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        index = {name: i for i, name in enumerate(trained)}
        self._whole = [[index[name] for name in names] for names in groups]
        self._rows = [(self._place(index[f], counts), len(trained[f])) for f in filters]
        self.names = tuple(
            [shown(names[0] if len(names) == 1 else names) for names in groups]
            + [f"{f}[{row}]" for f in filters for row in range(len(trained[f]))]
        )
        self.members = (*groups, *((f,) for f in filters for _ in range(len(trained[f]))))
        ones = np.ones(int(counts.sum()))
        self.sizes = self.products(ones, ones)

    def _place(self, i, counts):
        return slice(int(self._starts[i]), int(self._starts[i] + counts[i]))

    def flat(self, tensors):
        return torch.cat([t.reshape(-1) for t in tensors]).double().cpu().numpy()

    def products(self, x, y):
        """Inner products of every group's parts of two vectors; infinite where they overflow (a diverging run)."""
        with np.errstate(over="ignore"):
            values = x * y
            tensors = np.add.reduceat(values, self._starts)
            found = [np.array([tensors[group].sum() for group in self._whole])]
            return np.concatenate(found + [values[where].reshape(rows, -1).sum(axis=1) for where, rows in self._rows])

    def largest(self, w, g):
        """``max_j |w_j| |g_j|`` over all tensors."""
        with np.errstate(over="ignore"):
            w2, g2 = (np.add.reduceat(x * x, self._starts) for x in (w, g))
        return float(np.max(np.sqrt(w2) * np.sqrt(g2)))

    @torch.no_grad()
    def put(self, values):
        """Set the parameters."""
        whole = torch.from_numpy(values)
        for p, start in zip(self._parameters, self._starts.tolist(), strict=True):
            p.copy_(whole[start : start + p.numel()].reshape(p.shape))


def _gradient(p):
    return torch.zeros_like(p) if p.grad is None else p.grad


def _over(error, size):
    """``error/size``; 0 where both are 0, infinite where only the size is."""
    error, size = np.broadcast_arrays(np.asarray(error, dtype=float), size)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(error == 0, 0.0, error / size)
