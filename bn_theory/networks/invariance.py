"""Which parameters of a network are scale-invariant, alone, per filter or jointly, found by evaluating its loss.

For a loss that is invariant in ``w``, at every ``w`` and for every ``c > 0``,

    <w, grad L(w)> = 0,    L(c w) = L(w),    c grad L(c w) = grad L(w).

Each is measured in float64 against what rounding may make of it. A finding is numerical: the identities hold, or not,
at one generic point and for a few ``c``. (Invariance in some parameters and not in others cannot hide there but for
coincidence, and for what is smaller than rounding: an ``eps`` of 1e-12, say.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from bn_theory.errors import InvalidInputError
from bn_theory.networks.rounding import longest_chain, unit

FACTORS = (0.7, 1.9)
"""The scales ``c``; not powers of two, whose scaling would not round."""
SAMPLES = 3
DELTA = 2.0**-30
"""Relative perturbation by which amplification is sampled: its answer is linear to 2^-30 and rounds to 2^-23."""

Name = str | tuple[str, ...]
"""Of one parameter, or the names of several that are taken together."""


def members(name: Name) -> tuple[str, ...]:
    """The names of the parameters that are meant.

    >>> members("conv1.weight"), members(("norm1.weight", "norm1.bias"))
    (('conv1.weight',), ('norm1.weight', 'norm1.bias'))
    """
    return (name,) if isinstance(name, str) else tuple(name)


def shown(name: Name) -> str:
    """A name as text.

    >>> shown("conv1.weight"), shown(("norm1.weight", "norm1.bias"))
    ('conv1.weight', '(norm1.weight, norm1.bias)')
    """
    return name if isinstance(name, str) else f"({', '.join(name)})"


@dataclass(frozen=True)
class Finding:
    """What was measured for one tensor, one block of its rows, or several tensors scaled together.

    Attributes:
        name: the tensor's name, or a tuple of names.
        rows: ``(first, last + 1)`` along the first axis, or ``None`` for all.
        identity: the identity that came closest to its tolerance or went furthest beyond: ``"<w, grad>"``,
            ``"L(c w)"``, ``"grad(c w)"``, or ``"grad = 0"`` where the gradient is no larger than rounding.
        violation: relative, by which it misses: ``|<w, g>|/(|w| |g|)``, ``|L(c w) - L(w)|/|L(w)|``,
            ``|c g(c w) - g(w)|/|g(w)|``; for ``"grad = 0"`` ``|w| |g|`` over the largest of any tensor.
        tolerance: what rounding may make of it.
    """

    name: Name
    rows: tuple[int, int] | None
    identity: str
    violation: float
    tolerance: float

    @property
    def invariant(self) -> bool:
        """Whether the violation is no larger than rounding."""
        return self.violation <= self.tolerance  # False for NaN


@dataclass(frozen=True)
class Blocks:
    """The finest invariant blocks of consecutive rows of a weight tensor (rows are filters of a convolution).

    Attributes:
        size: rows per block; 1 means every filter alone, ``None`` that no size will do, the whole tensor included.
        rows: rows of the tensor.
        variant: the single rows that are not invariant by themselves.
    """

    size: int | None
    rows: int
    variant: tuple[Finding, ...]

    def __str__(self):
        if self.size is None:
            alone = self.rows - len(self.variant)
            return f"{alone} of {self.rows} filters" if alone else "none"
        if self.size == 1:
            return f"every one of {self.rows} filters"
        return "only as a whole" if self.size == self.rows else f"blocks of {self.size} of {self.rows} filters"


@dataclass(frozen=True)
class Invariance:
    """Which parameters are scale-invariant, which not, and by how much; ``str()`` is a table.

    Attributes:
        invariant: names of tensors that are invariant as a whole, and tuples of names of those that are jointly (and
            not one by one). By how much each misses is in ``violations``, by the same name.
        variant: names of tensors, and tuples, that are not; a tensor that belongs to an invariant tuple is left out.
        findings: the measurement for each tensor and tuple, by its name.
        blocks: for tensors with two or more axes, their finest invariant blocks of rows.
        frozen: parameters that are not trained; they were not scaled.
    """

    invariant: tuple[Name, ...]
    variant: tuple[Name, ...]
    findings: dict[Name, Finding]
    blocks: dict[str, Blocks]
    frozen: tuple[str, ...]

    @property
    def violations(self) -> dict[Name, float]:
        """The measured violation of every name, invariant or not (dimensionless; see :class:`Finding`)."""
        return {name: found.violation for name, found in self.findings.items()}

    def __str__(self):
        rows = [("parameters", "invariant", "violation", "tolerance", "identity", "filters")]
        for name in (*self.invariant, *self.variant):
            found = self.findings[name]
            per_filter = str(self.blocks[name]) if name in self.blocks else ""
            answer = "yes" if name in self.invariant else "no"
            rows.append(
                (shown(name), answer, f"{found.violation:.1e}", f"{found.tolerance:.1e}", found.identity, per_filter)
            )
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        if self.frozen:
            lines.append(f"not trained: {', '.join(self.frozen)}")
        return "\n".join(lines)


def scale_invariant_groups(
    model: nn.Module,
    loss_closure: Callable[[], torch.Tensor],
    *,
    joint: Sequence[tuple[str, ...]] = (),
    eps: float | None = None,
    perturbation: float = 0.1,
    seed: int = 0,
) -> Invariance:
    """Find the scale-invariant parameters of a network, by the identities of this module, in float64.

    Tested are every trained tensor; for those with two or more axes all blocks of consecutive rows of equal size, from
    single filters up to the first size of which every block is invariant; the parameters of a module together (the
    ``(weight, bias)``, that is ``(gamma, beta)``, of a normalisation) where they are not invariant one by one; and the
    tuples in ``joint``.

    It is done at a point near the present parameters: each entry is moved by up to ``perturbation`` times its tensor's
    root mean square (times 1 for a tensor of zeros). Without that, ``gamma`` alone would look invariant as long as
    ``beta`` is 0, as it is at the start.

    **eps.** With the usual ``eps`` of a normalisation nothing before it is exactly scale-invariant: the answer is "no"
    for every kernel, with the size of the violation (some 1e-5 for ``eps = 1e-5``). The exception is a kernel with two
    more layer normalisations behind its own: they take out what it leaves, up to ``eps^3``, which rounding hides.
    ``eps=1e-300`` asks the other question, what would be invariant but for that: while it measures, every module with
    an ``eps`` has that one.

    Tolerances are ``n u`` times a condition: ``n`` the longest chain of additions of the model (:func:`longest_chain`),
    ``u = 2^-53``, and the condition 1 plus the relative change of the very quantity per relative perturbation of all
    parameters, the largest of three random samples. A gradient counts as zero, and its parameter as invariant, where
    ``|w| |grad|`` is below ``n u`` times the largest such product of any tensor: a bias before a batch normalisation,
    or a parameter that the loss does not depend on.

    Args:
        model: all parameters and floating-point buffers in float64, normalisations with running statistics in train
            mode, no dropout.
        loss_closure: ``loss_closure()`` gives the loss on fixed data as a scalar tensor, computed from the model's
            present parameters.
        joint: further tuples of parameter names to be scaled together, e.g. of layers joined by a shortcut.
        eps: of all normalisations while it measures, > 0 (torch refuses 0 in some); ``None`` leaves them alone. They
            have their own again afterwards, also after an error.
        perturbation: relative size, 0 for the present point itself.
        seed: of the perturbations.

    Returns:
        Invariance: ``.invariant`` and ``.variant`` names, ``.violations`` and ``.findings`` by name, ``.blocks`` of
        filters, ``.frozen``.

    Raises:
        InvalidInputError: a model that is not float64, has nothing to train or a normalisation in eval mode; a loss
            that is not a finite scalar with a gradient; two calls that do not agree bit for bit; anything in ``joint``
            but tuples of names of trained parameters; ``eps`` or ``perturbation`` that cannot be used.

    Parameters and buffers are as before afterwards, bit for bit, also after an error; ``.grad`` is not touched.

    Source: orthogonality and homogeneity, Arora, Li and Lyu (ICLR 2019, arXiv:1812.03981); the search and its
    tolerances are derived in this package.

    >>> from bn_theory.networks import small_net
    >>> net = small_net("group")
    >>> x = torch.randn(4, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    >>> found = scale_invariant_groups(net, lambda: nn.functional.cross_entropy(net(x), torch.arange(4)))
    >>> found.invariant, str(found.blocks["conv1.weight"])
    (('conv1.weight', 'conv2.weight', 'conv3.weight'), 'blocks of 4 of 8 filters')
    """
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    frozen = tuple(name for name, p in model.named_parameters() if not p.requires_grad)
    _check_model(model, trained)
    _check_joint(joint, trained)
    if not (math.isfinite(perturbation) and perturbation >= 0):
        raise InvalidInputError(f"perturbation must be finite and >= 0, not {perturbation}")
    if eps is not None and not (math.isfinite(eps) and eps > 0):
        raise InvalidInputError(f"eps must be finite and > 0, not {eps}")
    with kept(model), _with_eps(model, eps):
        judge = _Judge(model, loss_closure, trained, perturbation, torch.Generator().manual_seed(seed))
        findings, blocks = {}, {}
        for name, p in trained.items():
            findings[name] = judge.whole(name)
            if p.ndim >= 2:
                blocks[name] = judge.blocks(name, findings[name])
        together = [*_of_modules(model, trained, findings), *map(tuple, joint)]
        for names in dict.fromkeys(together):
            findings[names] = judge.together(names)
    invariant = [name for name, found in findings.items() if found.invariant]
    covered = {member for name in invariant if isinstance(name, tuple) for member in name}
    variant = [name for name in findings if name not in invariant and name not in covered]
    return Invariance(tuple(invariant), tuple(variant), findings, blocks, frozen)


def _of_modules(model, trained, findings):
    """The trained parameters of each module that has several, where not all are invariant by themselves."""
    for prefix, module in model.named_modules():
        names = tuple(f"{prefix}.{name}".lstrip(".") for name, _ in module.named_parameters(recurse=False))
        names = tuple(name for name in names if name in trained)
        if len(names) > 1 and not all(findings[name].invariant for name in names):
            yield names


def _check_joint(joint, trained):
    if isinstance(joint, str) or not isinstance(joint, Sequence):
        raise InvalidInputError(f"joint must be a list of tuples of parameter names, not {joint!r}; write [(...)]")
    for names in joint:
        if isinstance(names, str) or not isinstance(names, Sequence) or not names:
            raise InvalidInputError(
                f"joint must hold tuples of parameter names, not {names!r}; write [('a.weight', 'b.weight')]"
            )
        unknown = [name for name in names if name not in trained]
        if unknown:
            raise InvalidInputError(f"joint names {unknown}, but the trained parameters are {sorted(trained)}")


def _check_model(model, trained):
    if not trained:
        raise InvalidInputError("the model has no trained parameter; set requires_grad on what is to be tested")
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if tensor.is_floating_point() and tensor.dtype != torch.float64:
            raise InvalidInputError(
                f"{name} is {tensor.dtype}, in which rounding hides what is looked for; make the model float64 by "
                "model.double(), and its data too"
            )
    check_statistics(model)


def check_statistics(model: nn.Module) -> None:
    """Raise ``InvalidInputError`` for a normalisation that divides by its running averages."""
    for name, module in model.named_modules():
        if isinstance(module, _NormBase) and not module.training and module.running_mean is not None:
            raise InvalidInputError(
                f"{name} ({type(module).__name__}) is in eval mode and divides by its running averages, which do not "
                "follow the weights: nothing before it is scale-invariant; call model.train()"
            )


@contextmanager
def kept(model: nn.Module) -> Iterator[None]:
    """Give parameters and buffers their values back, whatever happens."""
    tensors = [*model.parameters(), *model.buffers()]
    values = [t.detach().clone() for t in tensors]
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, value in zip(tensors, values, strict=True):
                tensor.copy_(value)


@contextmanager
def _with_eps(model, eps):
    """Give every module that has an ``eps`` another one for a while."""
    # None is the default of an RMSNorm, which takes the type's roundoff then; a tensor is left to the model
    having = [m for m in model.modules() if isinstance(getattr(m, "eps", ""), int | float | None)]
    changed = [] if eps is None else having
    before = [module.eps for module in changed]
    try:
        for module in changed:
            module.eps = eps
        yield
    finally:
        for module, value in zip(changed, before, strict=True):
            module.eps = value


class _Judge:
    """The loss, its gradient and its conditions at one point, and judgements on scaled parts of the parameters."""

    def __init__(self, model, closure, trained, perturbation, generator):
        self.closure, self.trained, self.generator = closure, trained, generator
        self.device = next(iter(trained.values())).device
        with torch.no_grad():
            for p in trained.values():
                # a tensor of zeros has no scale of its own
                size = float(p.square().mean().sqrt()) or 1.0
                p.add_(perturbation * size * (2 * self._uniform(p.shape) - 1))
        self.rounding = longest_chain(model, self.evaluate) * unit(torch.float64)
        self.loss, self.grads = self.evaluate()
        again, _ = self.evaluate()
        if again != self.loss:
            raise InvalidInputError(
                f"loss_closure is not deterministic: two calls gave {self.loss!r} and {again!r}; use fixed data, "
                "and no dropout or other noise"
            )
        self.point = {name: p.detach().clone() for name, p in trained.items()}
        self.largest = max(float(self.point[n].norm() * self.grads[n].norm()) for n in trained)
        self._sample_conditions()

    def _uniform(self, shape):
        # drawn on the CPU, so that the numbers are the same wherever the model lies
        return torch.rand(shape, generator=self.generator, dtype=torch.float64).to(self.device)

    def evaluate(self):
        """The loss as a number, and the gradient by name."""
        loss = self.closure()
        if not isinstance(loss, torch.Tensor) or loss.numel() != 1 or loss.dtype != torch.float64:
            what = f"{loss.dtype} of shape {tuple(loss.shape)}" if isinstance(loss, torch.Tensor) else f"{loss!r}"
            raise InvalidInputError(f"loss_closure must return one float64 number as a tensor, not {what}")
        if not loss.requires_grad or not math.isfinite(loss.item()):
            raise InvalidInputError(
                f"loss_closure must return a finite loss with a gradient, not {loss.item()} with "
                f"requires_grad={loss.requires_grad}; compute it from the model's parameters, without no_grad"
            )
        grads = torch.autograd.grad(loss, list(self.trained.values()), allow_unused=True)
        named = {
            n: torch.zeros_like(p) if g is None else g for (n, p), g in zip(self.trained.items(), grads, strict=True)
        }
        return loss.item(), named

    @torch.no_grad()
    def _move(self, factors):
        """Set every parameter to its value at the point, times a factor (numbers or tensors by name)."""
        for name, p in self.trained.items():
            p.copy_(self.point[name] * factors[name] if name in factors else self.point[name])

    def at(self, factors):
        self._move(factors)
        return self.evaluate()

    def _sample_conditions(self):
        """Largest changes of loss and gradient, per relative perturbation of all parameters."""
        self.loss_change = 0.0
        self.grad_changes = []
        for _ in range(SAMPLES):
            signs = {n: 1 + DELTA * (2 * (self._uniform(p.shape) < 0.5) - 1) for n, p in self.point.items()}
            loss, grads = self.at(signs)
            self.loss_change = max(self.loss_change, abs(loss - self.loss) / DELTA)
            self.grad_changes.append({n: (grads[n] - self.grads[n]) / DELTA for n in grads})

    def _judge(self, name, rows, parts, scaled):
        """A finding from the evaluations ``(c, loss, grads)`` at scaled parameters.

        Args:
            parts: ``{tensor name: slice of rows}``, all scaled by ``c`` together.
            scaled: the evaluations.
        """
        w, g = self._flat(self.point, parts), self._flat(self.grads, parts)
        size, slope = float(w.norm()), float(g.norm())
        nothing = self.rounding * self.largest
        steepest = max([size * slope, *(c * size * float(self._flat(grads, parts).norm()) for c, _, grads in scaled)])
        if steepest <= nothing:
            relative = steepest / self.largest if self.largest else 0.0
            return Finding(name, rows, "grad = 0", relative, self.rounding)
        change = max(float(self._flat(changes, parts).norm()) for changes in self.grad_changes)
        # relative rounding of this gradient; its sums may cancel to less than those of the largest, hence the last term
        of_grad = self.rounding * (1 + change / slope + self.largest / (size * slope)) if slope else math.inf
        of_loss = self.rounding * (1 + self.loss_change / abs(self.loss)) if self.loss else math.inf
        found = [("<w, grad>", _over(abs(float(w @ g)), size * slope), of_grad)]
        for c, loss, grads in scaled:
            found.append(("L(c w)", _over(abs(loss - self.loss), abs(self.loss)), of_loss))
            found.append(("grad(c w)", _over(float((c * self._flat(grads, parts) - g).norm()), slope), of_grad))
        # the one furthest beyond its tolerance; NaN (an overflow at a scaled point) goes first
        identity, violation, tolerance = max(found, key=lambda x: math.inf if math.isnan(x[1]) else x[1] / x[2])
        return Finding(name, rows, identity, violation, tolerance)

    @staticmethod
    def _flat(values, parts):
        return torch.cat([values[name][rows].reshape(-1) for name, rows in parts.items()])

    def together(self, names):
        parts = dict.fromkeys(names, slice(None))
        scaled = [(c, *self.at(dict.fromkeys(names, c))) for c in FACTORS]
        return self._judge(names, None, parts, scaled)

    def whole(self, name):
        scaled = [(c, *self.at({name: c})) for c in FACTORS]
        return self._judge(name, None, {name: slice(None)}, scaled)

    def blocks(self, name, whole):
        """The finest size of which every block is invariant, and the single rows that are not."""
        rows = len(self.point[name])
        alone = self._blocks_of(name, 1)
        variant = tuple(found for found in alone if not found.invariant)
        if not variant:
            return Blocks(1, rows, ())
        for size in range(2, rows):
            if rows % size == 0 and all(found.invariant for found in self._blocks_of(name, size)):
                return Blocks(size, rows, variant)
        return Blocks(rows if whole.invariant else None, rows, variant)

    def _blocks_of(self, name, size):
        """A finding for each block of rows.

        All blocks are scaled at once, each by a factor of its own: where every block is invariant that is one
        evaluation per factor for all of them. Where it does not come out so, blocks are scaled one by one, but for
        those that ``<w, grad> = 0`` alone rules out.
        """
        count = len(self.point[name]) // size
        slices = [slice(i * size, (i + 1) * size) for i in range(count)]
        shape = (-1, *[1] * (self.point[name].ndim - 1))
        at_once = [[] for _ in slices]
        for _ in FACTORS:
            low, high = min(FACTORS), max(FACTORS)
            own = low + (high - low) * self._uniform((count,))
            loss, grads = self.at({name: own.repeat_interleave(size).reshape(shape)})
            for evaluations, c in zip(at_once, own.tolist(), strict=True):
                evaluations.append((c, loss, grads))
        found = [self._of_block(name, s, evaluations) for s, evaluations in zip(slices, at_once, strict=True)]
        if all(f.invariant for f in found):
            return found
        screened = [self._of_block(name, s, []) for s in slices]
        return [f if not f.invariant else self._alone(name, s) for f, s in zip(screened, slices, strict=True)]

    def _alone(self, name, rows):
        scaled = []
        for c in FACTORS:
            factor = torch.ones_like(self.point[name])
            factor[rows] = c
            scaled.append((c, *self.at({name: factor})))
        return self._of_block(name, rows, scaled)

    def _of_block(self, name, rows, scaled):
        return self._judge(name, (rows.start, rows.stop), {name: rows}, scaled)


def _over(error, size):
    return error / size if size else (0.0 if error == 0 else math.inf)
