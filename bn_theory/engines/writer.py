"""A program as the text of a loop: the order in which a step runs, once for every language and layout.

The whole step of a replica is one pass over its coordinates: it updates the weights with the gradient of this step and,
while each new weight is still in a register, adds it to the sums of the next one. A subclass says how a coordinate is
read, how a sum is gathered and where things are kept; this class says what happens when.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod

import sympy

from bn_theory.dynamics.methods import RESCALING
from bn_theory.engines.program import Program

LARGEST = repr(sys.float_info.max)


class Writer(ABC):
    """The parts of a kernel, written in the order in which they run.

    Names beyond those of a program: ``n_S`` a sum of the next step as it grows, ``full2_G`` and the like the summed
    squares of ``Program.squares``, ``travelled_G`` the summed squares of the steps, ``awaited`` the step of the next
    record.
    """

    watches = False
    """Whether steps that rounding swallows whole are looked for (single precision)."""

    def __init__(self, program: Program):
        self.program = program
        self.lines: list[str] = []
        self.level = 0

    def put(self, line):
        """Add a line at the current indentation."""
        self.lines.append("    " * self.level + line)

    def bits(self):
        """``{symbol of a noise of signs: name of the words with its bits}``, of this step and of the next."""
        signs = [n.name for n in self.program.noises if n.signs]
        return {_named(letter, n): f"b{letter}_{n}" for letter in "zy" for n in signs}

    def once(self, assignments):
        """The assignments once a step, in the form that suits the processor."""
        return assignments

    # --- to be said by a language ---

    semicolon: str
    """What ends an assignment."""

    @abstractmethod
    def begin(self, head):
        """Open a block."""

    @abstractmethod
    def otherwise(self):
        """Turn to the other branch of the block."""

    @abstractmethod
    def end(self):
        """Close a block."""

    @abstractmethod
    def let(self, name, text):
        """A scalar of a replica that is not changed after."""

    @abstractmethod
    def declare(self, name, text):
        """A scalar of a replica that is changed later by ``put``."""

    @abstractmethod
    def local(self, name, text):
        """A number of one coordinate that is not changed after."""

    @abstractmethod
    def steps(self):
        """Open the loop over the steps ``t``."""

    @abstractmethod
    def scalar(self, expression):
        """Text of an expression once a step."""

    @abstractmethod
    def coordinate(self, expression):
        """Text of an expression once a coordinate."""

    @abstractmethod
    def pick(self, a, b, chosen, other):
        """``chosen`` where ``a <= b``, else ``other``."""

    @abstractmethod
    def magnitude(self, name):
        """Absolute value of a scalar."""

    @abstractmethod
    def root(self, text):
        """Square root of a scalar."""

    @abstractmethod
    def while_moving(self, text, other):
        """``text`` in a step, the number ``other`` in the last evaluation, which moves nothing."""

    # --- to be said by a layout ---

    @abstractmethod
    def slot(self, name):
        """A scalar as the last call left it."""

    @abstractmethod
    def keep(self, name, text):
        """Leave a scalar to the next call."""

    @abstractmethod
    def coefficient(self, name, other):
        """A coefficient's number in this step, ``other`` in the last evaluation, which moves nothing."""

    @abstractmethod
    def draw(self, step, entering=False):
        """The noise of a step, as that of the next one; ``entering`` when nothing was drawn before it."""

    @abstractmethod
    def turn(self):
        """The noise of the next step becomes that of this one."""

    @abstractmethod
    def over(self, number, axis, names, body):
        """``body()`` for every coordinate of an axis, its weights read, and the data, noise and buffers among the
        names."""

    @abstractmethod
    def write_weight(self, g):
        """Put the coordinate ``x_G`` back."""

    @abstractmethod
    def write_velocity(self, g):
        """Put the coordinate ``v_G`` of a momentum buffer back."""

    @abstractmethod
    def clear(self, names):
        """Sums over the coordinates start at 0."""

    @abstractmethod
    def add(self, name, e):
        """Add a coordinate's expression to a sum."""

    @abstractmethod
    def gather(self, squares, carried):
        """What was added over the coordinates: squares as ``NAME``, sums of the next step as ``n_NAME``."""

    @abstractmethod
    def record(self):
        """Write a record if one is due."""

    # --- the order of things ---

    def body(self):
        """Everything of one replica (or one vector of them)."""
        program = self.program
        for p in program.parameters:
            self.declare(f"p_{p}", self.slot(f"p_{p}"))
        for name in program.carried:
            self.declare(f"n_{name}", self.slot(name))
        self.begin("if first == 0")
        self.draw("0", entering=True)
        self.sums_alone()
        self.otherwise()
        self.draw("first", entering=True)
        self.end()
        kept = [name for name in program.slots if name != "swallowed" or self.watches]
        for name in kept:
            if name not in program.carried and not name.startswith("p_"):
                self.declare(name, self.slot(name))
        self.steps()
        self.step()
        self.end()
        for name in kept:
            self.keep(name, f"n_{name}" if name in program.carried else name)

    def sums_alone(self):
        """The sums of the present weights; later they are made while the weights move."""
        self.clear(self.program.carried)
        for number, axis in enumerate(self.program.axes):
            self.over(number, axis, _names(axis.common, axis.sums), lambda axis=axis: self.accumulate(axis))
        self.gather((), self.program.carried)

    def step(self):
        """One evaluation and, if it is not the last, one step."""
        program = self.program
        for name in program.carried:
            self.let(name, f"n_{name}")
        for p in program.parameters:
            self.let(f"was_{p}", f"p_{p}")
        for name, e in self.once(program.at_step):
            self.let(name, self.scalar(e))
        for name, target in program.coefficients:
            without_effect = "1.0" if name == RESCALING else "0.0"
            self.let(f"{name}_{target}", self.coefficient(f"{name}_{target}", without_effect))
        for g in program.invariant if program.kind.rescaling else ():
            self.let(f"unscaling_{g}", self.scalar(1 / _named(RESCALING, g)))
        for p, _, step in program.parameter_steps:
            direction = step
            for name, e in program.move(p, _symbol(step), _named("was", p), _named("velocity", p)):
                # the buffer goes on to the next step, what is between is of this step alone
                if name == f"velocity_{p}":
                    self.put(f"{name} = {self.scalar(e)}{self.semicolon}")
                else:
                    self.let(name, self.scalar(e))
                direction = name
            self.put(f"p_{p} = p_{p} - rate_{p} * {direction}{self.semicolon}")
        if program.noises:
            self.turn()
            self.draw("t + 1")
        squares = tuple(f"{name}_{g}" for g in program.groups for name in self.summed())
        together = () if program.kind.projected else program.carried
        self.clear((*squares, *together))
        for number, axis in enumerate(program.axes):
            later = () if program.kind.projected else (axis.common, axis.sums)
            names = _names(axis.gradients, *later)
            names |= {f"v_{g}" for g in axis.groups if program.kind.momentum}
            self.over(number, axis, names, lambda axis=axis: self.move(axis))
        self.gather(squares, together)
        if program.kind.projected:
            self.project()
        self.let("grad_norm2", self.scalar(program.grad_norm2))
        self.record()
        self.count()

    def summed(self):
        """What is summed for every group beside the sums of the next step."""
        optional = {"moved2": self.program.kind.projected, "changed": self.watches}
        return (*self.program.squares, *(name for name, wanted in optional.items() if wanted))

    def move(self, axis):
        """One coordinate: gradients, their squares, the step, and the sums of the next step."""
        program = self.program
        for name, e in axis.gradients:
            self.local(name, self.coordinate(e))
        directions = {}
        for g in axis.groups:
            gradient, velocity = _named(program.followed, g), _named("v", g)
            directions[g] = gradient
            for name, e in program.move(g, gradient, _named("x", g), velocity):
                directions[g] = _symbol(name)
                if directions[g] == velocity:
                    self.put(f"{name} = {self.coordinate(e)}{self.semicolon}")
                else:
                    self.local(name, self.coordinate(e))
            squared = {"full2": _named("f", g), "step2": directions[g], "sample2": gradient}
            for name in program.squares:
                self.add(f"{name}_{g}", squared[name] ** 2)
        for g in axis.groups:
            moved = _named("x", g) - _named("rate", g) * directions[g]
            self.put(f"x_{g} = {self.coordinate(moved)}{self.semicolon}")
            if self.watches:
                self.watch(g)
            if program.kind.rescaling and g in program.invariant:
                self.put(f"x_{g} = {self.coordinate(_named('x', g) * _named(RESCALING, g))}{self.semicolon}")
            self.write_weight(g)
            if program.kind.momentum:
                if program.kind.rescaling and g in program.invariant:
                    self.put(f"v_{g} = {self.coordinate(_named('v', g) * _named('unscaling', g))}{self.semicolon}")
                self.write_velocity(g)
            if program.kind.projected:
                self.add(f"moved2_{g}", _named("x", g) ** 2)
        if not program.kind.projected:
            self.accumulate(axis)

    def accumulate(self, axis):
        """That coordinate's share of the sums, with the noise of the next step."""
        for name, e in axis.common:
            self.local(name, self.coordinate(e))
        for name, e in axis.sums:
            self.add(name, e)

    def project(self):
        """A second pass: scale-invariant groups back to their previous norm, then the sums."""
        program = self.program
        for g in program.invariant:
            back = self.root(f"norm2_{g} / moved2_{g}")
            self.let(f"scale_{g}", self.while_moving(back, "1.0"))
        self.clear(program.carried)

        def body(axis):
            for g in axis.groups:
                if g in program.invariant:
                    self.put(f"x_{g} = x_{g} * scale_{g}{self.semicolon}")
                    self.write_weight(g)
            self.accumulate(axis)

        for number, axis in enumerate(program.axes):
            self.over(number, axis, _names(axis.common, axis.sums), lambda axis=axis: body(axis))
        self.gather((), program.carried)

    def count(self):
        """Divergence, and what is accumulated over every step."""
        program = self.program
        health = " + ".join(["value", "grad_norm2", *(f"norm2_{g}" for g in program.groups)])
        self.let("health", health)
        fresh = self.pick("diverged", "-0.5", "t", "diverged")
        self.put(f"diverged = {self.pick(self.magnitude('health'), LARGEST, 'diverged', fresh)}{self.semicolon}")
        if self.watches:
            self.swallow()
        self.begin("if moving")
        self.put(f"lowest = {self.pick('grad_norm2', 'lowest', 'grad_norm2', 'lowest')}{self.semicolon}")
        self.put(f"summed = summed + grad_norm2{self.semicolon}")
        for g in program.groups:
            self.put(f"travelled_{g} = travelled_{g} + rate_{g} * rate_{g} * {program.step2}_{g}{self.semicolon}")
        self.end()


def _symbol(name):
    return sympy.Symbol(name, real=True)


def _named(letter, name):
    return _symbol(f"{letter}_{name}")


def _names(*assignments):
    return {s.name for many in assignments for _, e in many for s in e.free_symbols}
