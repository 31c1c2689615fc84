"""Any plain text as LaTeX that pdflatex sets with T1 and amssymb alone."""

from __future__ import annotations

import re
import unicodedata

from bn_theory.report.formulas import COMMANDS
from proofs_check.rendering import escape

_SIGNS = {
    "≤": "le", "≥": "ge", "≠": "ne", "≈": "approx", "≡": "equiv", "∼": "sim", "∝": "propto", "∈": "in", "∉": "notin",
    "→": "to", "←": "leftarrow", "↔": "leftrightarrow", "⇒": "Rightarrow", "±": "pm", "×": "times", "÷": "div",
    "·": "cdot", "∞": "infty", "∂": "partial", "∇": "nabla", "∑": "sum", "∏": "prod", "∫": "int", "√": "surd",
    "⟨": "langle", "⟩": "rangle", "‖": "Vert", "∀": "forall", "∃": "exists", "⊥": "perp", "ℓ": "ell", "∘": "circ",
    "µ": "mu", "✓": "checkmark", "✗": "times",
}  # fmt: skip
_MARKS = {
    "–": r"\textendash{}", "—": r"\textemdash{}", "‘": r"\textquoteleft{}", "’": r"\textquoteright{}",
    "“": r"\textquotedblleft{}", "”": r"\textquotedblright{}", "…": r"\ldots{}", "§": r"\S{}",
    "ß": r"\ss{}", "æ": r"\ae{}", "Æ": r"\AE{}", "ø": r"\o{}", "Ø": r"\O{}", "ł": r"\l{}", "Ł": r"\L{}", "ı": r"\i{}",
    "−": "$-$", "²": "$^2$", "³": "$^3$", "½": r"$\frac12$", "°": r"$^\circ$",
}  # fmt: skip
# TeX's accents by the Unicode characters that combine with the letter before them
_ACCENTS = dict(zip("\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c", "`'^~=u.\"rHv", strict=True))


def latex_text(text: str) -> str:
    r"""A text as LaTeX in which nothing of it is a command.

    A character that has no place here is shown by its number, so that no report fails on a name.

    >>> print(latex_text("50% of \\input{x} & α--β, Gödel, 例"))
    50\% of \textbackslash{}input\{x\} \& $\alpha$-{}-$\beta$, G\"{o}del, \texttt{U+4F8B}
    """
    found = "".join(map(_character, re.sub(r"[\s\x00-\x1f\x7f]+", " ", text)))
    return re.sub(r"([-',])(?=\1)", r"\1{}", found)  # two of them would be one other sign


def breakable(text: str) -> str:
    r"""The same for names and commands, which may break behind ``_``, ``.``, ``/``, ``=`` and ``:``.

    >>> print(breakable("arora2019.gd_rate"))
    arora2019.\allowbreak{}gd\_\allowbreak{}rate
    """
    parts = re.split(r"(?<=[._/=:])(?=\S)", text)
    return r"\allowbreak{}".join(map(latex_text, parts))


def _character(character):
    if character == "`":
        return r"\textasciigrave{}"
    if character.isascii():
        return escape(character)
    if character in _MARKS:
        return _MARKS[character]
    if name := _SIGNS.get(character) or _greek(character):
        return rf"$\{name}$"
    letters = unicodedata.normalize("NFD", character)
    if len(letters) == 2 and letters[0].isascii() and letters[1] in _ACCENTS:
        return rf"\{_ACCENTS[letters[1]]}{{{letters[0]}}}"
    return rf"\texttt{{U+{ord(character):04X}}}"


def _greek(character):
    """The command of a Greek letter, or ``None``; Unicode names them as TeX does, but for one."""
    found = re.fullmatch(r"GREEK (SMALL|CAPITAL) LETTER (\w+)", unicodedata.name(character, ""))
    if found is None:
        return None
    name = found[2].lower().replace("lamda", "lambda")
    name = name.capitalize() if found[1] == "CAPITAL" else name
    return name if name in COMMANDS else None
