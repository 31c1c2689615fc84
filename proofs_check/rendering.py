"""Proofs as text and as LaTeX."""

import re

import sympy as sp

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
}


def escape(text: str) -> str:
    """Plain text made safe for LaTeX."""
    return "".join(_ESCAPES.get(character, character) for character in text)


def as_plain(proof) -> dict:
    """``proof`` as texts, numbers and lists alone: what a report is made of.

    A step has its claim twice where it is a relation, as ``text`` and as ``latex`` (without delimiters, for amsmath);
    both are ``None`` where it is in words, which ``why`` holds then.
    """
    return {
        "title": proof.title,
        "claim": proof.claim,
        "source": str(proof.source),
        "origin": proof.source.origin,
        "steps": [_step_plain(step) for step in proof.steps],
        "parts": [as_plain(part) for part in proof.parts],
    }


def _step_plain(step):
    return {
        "name": step.name,
        "method": step.method,
        "checked": step.checked,
        "why": step.why,
        "using": list(_used_names(step)),
        "text": None if step.relation is None else _relation_text(step.relation),
        "latex": None if step.relation is None else _relation_latex(step.relation),
    }


def as_text(proof) -> str:
    """``proof`` as plain text."""
    lines = [
        proof.title,
        "=" * len(proof.title),
        f"Claim. {proof.claim}",
        f"Source. {proof.source} ({_origin(proof)})",
    ]
    for number, step in enumerate(proof.steps, 1):
        lines.append(f"{number}. [{step.method}] {step.name}")
        if step.relation is not None:
            lines.append(f"     {_relation_text(step.relation)}")
        if step.why:
            lines.append(f"     {step.why}")
        if step.facts:
            lines.append("     using: " + ", ".join(_used_names(step)))
    if proof.steps:
        checked = sum(step.checked for step in proof.steps)
        lines.append(
            f"{checked} of {len(proof.steps)} steps checked; "
            "the others are assumptions, definitions, standard facts or steps of other proofs."
        )
    return "\n".join(["\n".join(lines) + "\n", *(as_text(part) for part in proof.parts)])


def as_latex(proof) -> str:
    """``proof`` as LaTeX for a document that loads amsmath; plain text is escaped."""
    lines = [
        rf"\paragraph{{{escape(proof.title)}.}}",
        escape(proof.claim),
        "",
        rf"\emph{{Source:}} {escape(str(proof.source))} ({escape(_origin(proof))}).",
    ]
    if proof.steps:
        lines += [r"\begin{enumerate}", *_steps_latex(proof.steps), r"\end{enumerate}"]
    return "\n".join(["\n".join(lines) + "\n", *(as_latex(part) for part in proof.parts)])


def _steps_latex(steps):
    lines = []
    for step in steps:
        lines.append(rf"\item \emph{{{escape(step.name)}}} ({escape(step.method)}).")
        if step.why:
            lines.append(escape(step.why))
        if step.facts:
            lines.append("Using: " + ", ".join(escape(name) for name in _used_names(step)) + ".")
        if step.relation is not None:
            lines.append(rf"\[ {_relation_latex(step.relation)} \]")
    return lines


def _origin(proof):
    return "stated in the paper" if proof.source.origin == "paper" else "derived in this package"


def _used_names(step):
    return dict.fromkeys(fact.name for fact in step.facts)


def _relation_text(relation):
    sign = "=" if isinstance(relation, sp.Eq) else "<="
    return f"{relation.lhs} {sign} {relation.rhs}"


def _relation_latex(relation):
    # Gram symbols are called "<x,y>" or "<x A y>" and traces "tr(A B)": not names sympy can typeset by
    # itself.
    names = {}
    for symbol in relation.free_symbols:
        if match := re.fullmatch(r"<(.*)>", symbol.name):
            names[symbol] = rf"\langle {_words(match[1])} \rangle"
        elif match := re.fullmatch(r"tr\((.*)\)", symbol.name):
            names[symbol] = rf"\operatorname{{tr}}({_words(match[1])})"
        elif "''" in symbol.name:  # so that a power of it is no second superscript
            names[symbol] = f"{{{sp.latex(symbol)}}}"
    sign = "=" if isinstance(relation, sp.Eq) else r"\le"
    return f"{sp.latex(relation.lhs, symbol_names=names)} {sign} {sp.latex(relation.rhs, symbol_names=names)}"


def _words(text):
    return re.sub(r"[A-Za-z0-9_]+", lambda word: sp.latex(sp.Symbol(word[0])), text)
