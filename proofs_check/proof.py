"""Proofs as checked steps: a step that does not check cannot be built.

A step is one claim ``lhs = rhs`` or ``lhs <= rhs`` with what makes it true.  The claim is checked in the
step's own constructor, by whatever route the step is made (``dataclasses.replace`` included), so a step
that exists has been checked.  A step may use earlier claims; the :class:`Proof` verifies that each of them
is a step that comes earlier or belongs to a lemma.  What is taken without a check is a visible kind of its
own (:class:`Assumption`, :class:`Citation`, :class:`Definition`) and is never counted as checked.

How an inequality is certified: ``rhs - lhs`` must equal, identically, a sum of ``multiplier * fact`` where
every fact is an earlier claim or an expression whose sign is evident (a square, a product of positive
symbols) and the multiplier of an inequality is evidently nonnegative.
"""

from dataclasses import dataclass

import sympy as sp
from sympy.core.function import AppliedUndef

from . import rendering
from .algebra import residual
from .signs import is_nonnegative, is_positive, is_smooth


def eq(left, right) -> sp.Eq:
    """The claim ``left = right``, kept as it is written."""
    return sp.Eq(sp.sympify(left), sp.sympify(right), evaluate=False)


def le(left, right) -> sp.Le:
    """The claim ``left <= right``, kept as it is written."""
    return sp.Le(sp.sympify(left), sp.sympify(right), evaluate=False)


class ProofError(Exception):
    """A step that does not check; ``step`` is its name and ``residual`` what should have vanished or had a
    sign."""

    def __init__(self, message, *, step, residual=None):
        super().__init__(f"step {step!r}: {message}")
        self.step = step
        self.residual = residual


@dataclass(frozen=True, eq=False)
class Step:
    """One named claim of a proof.  Use the subclasses: each checks itself when it is built."""

    name: str

    def __post_init__(self):
        # Only the kinds of this module are steps: a subclass that overrides the check is not one.
        if type(self) not in KINDS:
            raise ProofError(f"{type(self).__name__} is not a kind of step", step=self.name)
        self._check()

    def _check(self):
        raise NotImplementedError

    @property
    def claim(self):
        """The claim: a sympy relation, or text for an assumption that has no formula."""
        return self.relation

    @property
    def relation(self):
        return None

    @property
    def method(self) -> str:
        """How the claim was checked."""
        raise NotImplementedError

    @property
    def checked(self) -> bool:
        """Whether algebra established the claim (false for what is assumed, cited or defined)."""
        return True

    @property
    def facts(self) -> tuple:
        """The steps this one uses directly."""
        return ()

    @property
    def why(self) -> str:
        return ""


@dataclass(frozen=True, eq=False)
class Instance:
    """The claim of ``step`` with some of its universally quantified symbols replaced.

    A replacement must have the sign the symbol was declared with, evidently or by an earlier inequality
    named in ``because`` (``p <= q`` shows that ``q - p`` is nonnegative), and must not touch a symbol that
    an assumption behind the step speaks about (unless that assumption is stated for all its values).
    """

    step: Step
    values: tuple[tuple[sp.Basic, sp.Expr], ...]
    because: tuple = ()

    def __post_init__(self):
        for symbol, value in self.values:
            value = sp.sympify(value)
            if not isinstance(symbol, sp.Symbol):
                raise ProofError(f"{symbol} is not a symbol", step=self.step.name)
            if symbol.is_positive and not is_positive(value):
                raise ProofError(f"{symbol} is positive, {value} not provably", step=self.step.name, residual=value)
            if symbol.is_nonnegative and not is_nonnegative(value) and not self._shown(value):
                raise ProofError(f"{symbol} is nonnegative, {value} not provably", step=self.step.name, residual=value)
            if (symbol.is_integer and not value.is_integer) or (symbol.is_real and not value.is_real):
                raise ProofError(f"{value} is not of the kind of {symbol}", step=self.step.name, residual=value)
            for source in _sources(self.step):
                if symbol in source.relation.free_symbols - set(source.forall):
                    raise ProofError(f"{symbol} is fixed by {source.name!r}", step=self.step.name, residual=value)

    def _shown(self, value):
        claims = [step.relation for step in self.because]
        return any(isinstance(c, sp.Le) and residual(c.rhs - c.lhs - value) == 0 for c in claims)

    @property
    def name(self):
        return self.step.name

    @property
    def relation(self):
        return self.step.relation.func(
            *(side.subs(dict(self.values), simultaneous=True) for side in self.step.relation.args),
            evaluate=False,
        )


def instance(step: Step, because=(), **values) -> Instance:
    """``step`` with the free symbols of the given names replaced: ``instance(young, a=x, b=y)``."""
    symbols = {symbol.name: symbol for symbol in step.relation.free_symbols}
    if missing := set(values) - set(symbols):
        raise ProofError(f"has no symbol {', '.join(sorted(missing))}", step=step.name)
    return Instance(step, tuple((symbols[name], sp.sympify(value)) for name, value in values.items()), tuple(because))


def _sources(step):
    """The unchecked claims with a formula that ``step`` rests on."""
    if not step.checked:
        return {step} if step.relation is not None else set()
    return set().union(*(_sources(used) for fact in step.facts for used in _steps_of(fact)))


def _steps_of(fact):
    return (fact.step, *fact.because) if isinstance(fact, Instance) else (fact,)


def _used(terms):
    return tuple(item for _, item in terms if isinstance(item, Step | Instance))


def _must_not_fix(step, variables):
    """Raise if an assumption behind ``step`` speaks about one value only of a variable that ranges over
    all."""
    for source in _sources(step):
        if set(variables) & (source.relation.free_symbols - set(getattr(source, "forall", ()))):
            raise ProofError("an assumption fixes the variable", step=step.name, residual=source.relation)


def _certify(name, difference, terms, *, equality, hypothesis=None):
    """Check ``difference >= 0`` (or ``== 0``) by the certificate ``terms``."""
    total = sp.S.Zero
    for multiplier, item in terms:
        multiplier = sp.sympify(multiplier)
        if not is_smooth(multiplier):
            raise ProofError("a multiplier may be undefined somewhere", step=name, residual=multiplier)
        if isinstance(item, Step | Instance):
            relation = item.relation
            if relation is None:
                raise ProofError(f"uses {item.name!r}, which has no formula", step=name)
            if isinstance(relation, sp.Le):
                if equality:
                    raise ProofError("an equation cannot rest on an inequality", step=name, residual=relation)
                if not is_nonnegative(multiplier):
                    raise ProofError(
                        "the multiplier of an inequality has no evident sign", step=name, residual=multiplier
                    )
            total += multiplier * (relation.rhs - relation.lhs)
            continue
        item = sp.sympify(item)
        if equality:
            raise ProofError("an equation has no room for a nonnegative term", step=name, residual=item)
        if not is_nonnegative(multiplier) or not is_nonnegative(item):
            raise ProofError("a term of the certificate has no evident sign", step=name, residual=multiplier * item)
        total += multiplier * item
    left = sp.sympify(difference) - total
    if hypothesis is not None:
        left = left.subs(*hypothesis)
    left = residual(left)
    if left != 0:
        raise ProofError(f"{left} is left over", step=name, residual=left)


_ROLES = {
    "assumption": "assumed",
    "fact": "standard fact",
    "case": "supposed, as a case",
    "conclusion": "concluded in words from the steps named",
}


@dataclass(frozen=True, eq=False)
class Assumption(Step):
    """Something the proof starts from: a hypothesis of the statement or a standard fact; never counted as
    checked.

    ``formula`` puts it in symbols for later steps; ``forall`` lists the symbols for all whose values it is
    stated. ``role`` is ``"assumption"``; ``"case"`` for what is supposed in part of the proof only;
    ``"fact"`` for textbook mathematics (calculus, an empty sum, ...); or ``"conclusion"`` for what the text
    concludes in words from checked steps that it names (a distinction of cases, a limit).
    """

    text: str
    formula: sp.Basic | None = None
    forall: tuple = ()
    role: str = "assumption"

    def _check(self):
        if self.role not in _ROLES:
            raise ProofError(f"no role {self.role!r}", step=self.name)
        if self.formula is not None and not isinstance(self.formula, sp.Eq | sp.Le):
            raise ProofError("a formula is an unevaluated Eq or Le", step=self.name, residual=self.formula)

    @property
    def relation(self):
        return self.formula

    @property
    def claim(self):
        return self.text if self.formula is None else self.formula

    @property
    def method(self):
        return _ROLES[self.role]

    @property
    def checked(self):
        return False

    @property
    def why(self):
        return self.text


@dataclass(frozen=True, eq=False)
class Citation(Step):
    """The claim of a step proved elsewhere, written in the notation of this proof.

    The cited step must exist in ``proof`` and be checked; that ``formula`` says the same in other letters
    is for the reader to see, hence it is not counted as checked again.
    """

    formula: sp.Basic
    proof: "Proof"
    step: str
    forall: tuple = ()

    def _check(self):
        if not isinstance(self.proof, Proof) or not any(s.checked for s in self.proof.steps if s.name == self.step):
            raise ProofError(f"cites {self.step!r}, which is no checked step", step=self.name)

    @property
    def relation(self):
        return self.formula

    @property
    def method(self):
        return f"proved in {self.proof.slug!r}, step {self.step!r}"

    @property
    def checked(self):
        return False


@dataclass(frozen=True, eq=False)
class Definition(Step):
    """A new name for an expression; the proof checks that the name is new and the sign it was given is
    right."""

    symbol: sp.Basic
    value: sp.Expr
    text: str = ""

    def _check(self):
        if not isinstance(self.symbol, sp.Symbol | AppliedUndef) or _heads(self.symbol) & _heads(self.value):
            raise ProofError("is circular or names no symbol", step=self.name, residual=self.value)
        right_sign = (not self.symbol.is_positive or is_positive(self.value)) and (
            not self.symbol.is_nonnegative or is_nonnegative(self.value)
        )
        if not right_sign:
            raise ProofError("the value has not provably the sign of its name", step=self.name, residual=self.value)

    @property
    def relation(self):
        return eq(self.symbol, self.value)

    @property
    def forall(self):
        return tuple(a for a in self.symbol.args if isinstance(a, sp.Symbol))

    @property
    def method(self):
        return "definition"

    @property
    def checked(self):
        return False

    @property
    def why(self):
        return self.text


def _heads(expression):
    """What a definition introduces or uses: symbols and the names of undefined functions."""
    expression = sp.sympify(expression)
    if isinstance(expression, AppliedUndef):  # the arguments of a defined function are bound, not used
        return {expression.func}
    bound = {index for s in expression.atoms(sp.Sum) for index in s.variables}
    return (expression.free_symbols - bound) | {f.func for f in expression.atoms(AppliedUndef)}


@dataclass(frozen=True, eq=False)
class Identity(Step):
    """``lhs = rhs`` wherever both sides are defined, using earlier equations if ``terms`` names any.

    ``rewrite`` names equations ``f(..) = value`` whose left side is replaced by the right one, inside
    functions too.
    """

    lhs: sp.Expr
    rhs: sp.Expr
    why: str = ""
    terms: tuple = ()
    rewrite: tuple = ()

    def _check(self):
        gap = sp.sympify(self.rhs) - self.lhs
        for fact in self.rewrite:
            if not isinstance(fact.relation, sp.Eq) or not isinstance(fact.relation.lhs, sp.Symbol | AppliedUndef):
                raise ProofError("rewrites by something that is no equation for a name", step=self.name)
            gap = gap.subs(*fact.relation.args)
        _certify(self.name, gap, self.terms, equality=True)

    @property
    def relation(self):
        return eq(self.lhs, self.rhs)

    @property
    def method(self):
        return "lhs - rhs simplifies to 0" + (" using the steps named" if self.facts else "")

    @property
    def facts(self):
        return _used(self.terms) + tuple(self.rewrite)


@dataclass(frozen=True, eq=False)
class Inequality(Step):
    """``lhs <= rhs`` for all values with the declared signs, by the certificate ``terms``."""

    lhs: sp.Expr
    rhs: sp.Expr
    terms: tuple
    why: str = ""

    def _check(self):
        _certify(self.name, sp.sympify(self.rhs) - self.lhs, self.terms, equality=False)

    @property
    def relation(self):
        return le(self.lhs, self.rhs)

    @property
    def method(self):
        return "rhs - lhs is a sum of nonnegative terms"

    @property
    def facts(self):
        return _used(self.terms)


@dataclass(frozen=True, eq=False)
class Increasing(Step):
    """``lhs <= rhs`` for all ``variable >= 0``: it holds at 0 and the derivative of the gap is nonnegative.

    ``start`` certifies the gap at 0 (empty: it vanishes) and ``terms`` its derivative; the gap must be
    smooth.
    """

    lhs: sp.Expr
    rhs: sp.Expr
    variable: sp.Symbol
    terms: tuple
    start: tuple = ()
    why: str = ""

    def _check(self):
        if not (isinstance(self.variable, sp.Symbol) and self.variable.is_nonnegative):
            raise ProofError("the variable must be a nonnegative symbol", step=self.name, residual=self.variable)
        if not is_smooth(self.gap):
            raise ProofError("the gap may fail to be smooth", step=self.name, residual=self.gap)
        _must_not_fix(self, [self.variable])
        _certify(self.name, self.gap.subs(self.variable, 0), self.start, equality=False)
        _certify(self.name, self.slope, self.terms, equality=False)

    @property
    def gap(self):
        return sp.sympify(self.rhs) - self.lhs

    @property
    def slope(self):
        return sp.diff(self.gap, self.variable)

    @property
    def relation(self):
        return le(self.lhs, self.rhs)

    @property
    def method(self):
        return f"the gap is nonnegative at {self.variable} = 0 and its derivative is a sum of nonnegative terms"

    @property
    def facts(self):
        return _used(self.terms) + _used(self.start)


@dataclass(frozen=True, eq=False)
class Induction(Step):
    """``lhs(n) = rhs(n)`` (or ``<=``) for all integers n >= 0, from a base and a step.

    With ``D(n) = rhs(n) - lhs(n)``: ``base`` certifies ``D(0)`` and ``terms`` certifies ``D(n+1) - D(n)``.
    An equation whose left side is a single ``f(n)`` may instead replace it by ``rhs(n)`` in what is left of
    ``D(n+1)``.
    """

    lhs: sp.Expr
    rhs: sp.Expr
    variable: sp.Symbol
    base: tuple
    terms: tuple
    equality: bool = True
    why: str = ""

    def _check(self):
        n = self.variable
        if not (isinstance(n, sp.Symbol) and n.is_integer and n.is_nonnegative):
            raise ProofError("the variable must be a nonnegative integer symbol", step=self.name, residual=n)
        _must_not_fix(self, [n])
        _certify(self.name, self.gap(0), self.base, equality=self.equality)
        if self.equality and isinstance(self.lhs, AppliedUndef):
            _certify(self.name, self.gap(n + 1), self.terms, equality=True, hypothesis=(self.lhs, self.rhs))
        else:
            _certify(self.name, self.gap(n + 1) - self.gap(n), self.terms, equality=self.equality)

    def gap(self, n):
        """``rhs - lhs`` at ``n``."""
        return (sp.sympify(self.rhs) - self.lhs).subs(self.variable, n)

    @property
    def relation(self):
        return (eq if self.equality else le)(self.lhs, self.rhs)

    @property
    def method(self):
        return f"induction on {self.variable}: base and step checked"

    @property
    def facts(self):
        return _used(self.terms) + _used(self.base)


@dataclass(frozen=True, eq=False)
class Summed(Step):
    """``sum lhs <= sum rhs`` (or ``=``) over the index ranges ``limits``, any number of terms, from the
    summands.

    Two indices over the same range may be exchanged in the summand, so it is the summand averaged over that
    exchange that is certified: this is what ``sum_ij L_ij a_i^2 = sum_ij L_ij a_j^2`` for symmetric L
    needs.
    """

    lhs: sp.Expr
    rhs: sp.Expr
    limits: tuple
    terms: tuple = ()
    equality: bool = False
    why: str = ""

    def _check(self):
        indices = [limit[0] for limit in self.limits]
        if len(indices) > 2 or len({limit[1:] for limit in self.limits}) > 1:
            raise ProofError("sums run over one index, or two over one range", step=self.name)
        _must_not_fix(self, indices)
        _certify(self.name, self.summand_gap, self.terms, equality=self.equality)

    @property
    def summand_gap(self):
        gap = sp.sympify(self.rhs) - self.lhs
        if len(self.limits) == 2:
            i, j = self.limits[0][0], self.limits[1][0]
            gap = (gap + gap.subs({i: j, j: i}, simultaneous=True)) / 2
        return gap

    @property
    def relation(self):
        kind = eq if self.equality else le
        return kind(sp.Sum(self.lhs, *self.limits), sp.Sum(self.rhs, *self.limits))

    @property
    def method(self):
        return "summand by summand" + (", averaged over exchanging the indices" if len(self.limits) == 2 else "")

    @property
    def facts(self):
        return _used(self.terms)


@dataclass(frozen=True, eq=False)
class AroundOne(Step):
    """``lhs <= rhs`` for all ``variable > 0``, from the claim at ``1 + h`` and at ``1/(1 + h)`` for all h
    >= 0."""

    lhs: sp.Expr
    rhs: sp.Expr
    variable: sp.Symbol
    above: Step
    below: Step
    h: sp.Symbol
    why: str = ""

    def _check(self):
        if not (self.variable.is_positive and self.h.is_nonnegative):
            raise ProofError("needs a positive variable and a nonnegative h", step=self.name, residual=self.variable)
        _must_not_fix(self, [self.h, self.variable])
        for fact, value in ((self.above, 1 + self.h), (self.below, 1 / (1 + self.h))):
            gap = (sp.sympify(self.rhs) - self.lhs).subs(self.variable, value)
            _certify(self.name, gap, ((1, fact),), equality=False)

    @property
    def relation(self):
        return le(self.lhs, self.rhs)

    @property
    def method(self):
        return f"cases {self.variable} = 1 + h and {self.variable} = 1/(1 + h)"

    @property
    def facts(self):
        return (self.above, self.below)


KINDS = frozenset({Assumption, Citation, Definition, Identity, Inequality, Increasing, Induction, Summed, AroundOne})


@dataclass(frozen=True, eq=False)
class Source:
    """Where a statement comes from; ``origin`` is ``"paper"`` or ``"derived"`` (in this package)."""

    paper: str
    statement: str
    origin: str

    def __post_init__(self):
        if self.origin not in ("paper", "derived"):
            raise ValueError(f"origin is 'paper' or 'derived', not {self.origin!r}")

    def __str__(self):
        return f"{self.paper}; {self.statement}"


@dataclass(frozen=True, eq=False)
class Proof:
    """A claim with the checked steps that lead to it; building one that does not hold together raises
    ProofError.

    ``parts`` are whole proofs that make the claim together (one for every group of weights, say); each keeps
    its own names.
    """

    slug: str
    title: str
    claim: str
    steps: tuple[Step, ...]
    source: Source
    parts: tuple["Proof", ...] = ()

    def __post_init__(self):
        if any(type(part) is not Proof for part in self.parts):
            raise ProofError("a part is not a proof", step=self.slug)
        if not self.parts and not any(step.checked for step in self.steps if isinstance(step, Step)):
            raise ProofError("no step of the proof is checked", step=self.slug)
        seen, names, heads = set(), set(), set()
        for step in self.steps:
            if type(step) not in KINDS:
                raise ProofError("not a step", step=str(step))
            if step.name in names:
                raise ProofError("two steps have this name", step=step.name)
            for used in (used for fact in step.facts for used in _steps_of(fact)):
                if used not in seen:
                    raise ProofError(f"uses {used.name!r}, which does not come earlier", step=step.name)
            if isinstance(step, Definition) and _heads(step.symbol) & heads:
                raise ProofError("defines a name that is already in use", step=step.name, residual=step.symbol)
            if step.relation is not None:
                heads |= _heads(step.relation)
            names.add(step.name)
            seen.add(step)

    @property
    def assumptions(self) -> tuple[Step, ...]:
        """What the statement assumes; standard facts and conclusions in words are not among them."""
        own = (step for step in self.steps if isinstance(step, Assumption) and step.role == "assumption")
        return (*own, *(step for part in self.parts for step in part.assumptions))

    @property
    def lemmas(self) -> tuple["Proof", ...]:
        """The proofs this one cites, each once."""
        return tuple(dict.fromkeys(step.proof for step in self.steps if isinstance(step, Citation)))

    @property
    def checked(self) -> tuple[Step, ...]:
        """The steps that were established by algebra, those of the parts included."""
        own = (step for step in self.steps if step.checked)
        return (*own, *(step for part in self.parts for step in part.checked))

    def step(self, name: str) -> Step:
        """The step called ``name``."""
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(f"{self.slug} has no step {name!r}")

    def as_text(self) -> str:
        """The proof as plain text."""
        return rendering.as_text(self)

    def as_latex(self) -> str:
        """The proof as LaTeX for a document that loads amsmath."""
        return rendering.as_latex(self)

    def as_plain(self) -> dict:
        """The proof as texts, numbers and lists alone, each step with its claim as text and as LaTeX."""
        return rendering.as_plain(self)

    def __str__(self):
        return self.as_text()
