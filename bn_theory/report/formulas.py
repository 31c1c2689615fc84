"""Formulas of proof steps, given as LaTeX in a document that anybody may have written.

LaTeX is a programming language and MathML can hold links, so a formula is taken as one only if it is made of the
commands of ``COMMANDS`` alone, and its MathML of the elements and attributes that typesetting needs. What is not is
shown as the plain text that every step has beside it.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

_WORDS = """
    alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi rho sigma tau
    upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell hbar infty partial
    nabla left right langle rangle lfloor rfloor lceil rceil frac binom sqrt sum prod int limits substack operatorname
    bar hat tilde dot ddot vec overline mathbb mathbf mathcal mathrm mathit boldsymbol
    sin cos tan cot sec csc sinh cosh tanh coth arcsin arccos arctan log ln exp min max sup inf lim det
    gcd deg dim ker arg le leq ge geq ne neq equiv approx sim propto in to cdot times pm mp ldots dots cdots quad qquad
    forall exists top perp wedge vee neg cup cap subset mid
    """
COMMANDS = frozenset(_WORDS.split())
"""Commands of mathematics: each typesets, none reads, writes, defines or includes anything."""

_TOKEN = re.compile(r"\\(?:[A-Za-z]+|.)|\^\^|.", re.DOTALL)
_PLAIN = frozenset(" {}^_()[]<>=+-*/|!,.:;'@")
_SYMBOLS = frozenset("\\" + character for character in "\\,;:!{}|_ ")

_ELEMENT_NAMES = """
    math mrow mi mn mo mtext mspace mstyle mfrac msqrt mroot msub msup msubsup munder mover munderover mtable mtr mtd
    mpadded mphantom
    """
_ELEMENTS = frozenset(_ELEMENT_NAMES.split())
_ATTRIBUTE_NAMES = """
    display stretchy fence form separator symmetric largeop movablelimits accent accentunder lspace rspace minsize
    maxsize linethickness scriptlevel displaystyle mathvariant columnalign rowspacing columnspacing width height depth
    """
_ATTRIBUTES = frozenset(_ATTRIBUTE_NAMES.split())
_NAMESPACE = "http://www.w3.org/1998/Math/MathML"


def is_formula(latex: str | None) -> bool:
    r"""Whether a text is mathematics alone, safe to hand to TeX.

    >>> is_formula(r"\frac{a}{b} \le \sqrt{c}"), is_formula(r"\input{secrets}"), is_formula("a $ b"), is_formula("{a")
    (True, False, False, False)
    """
    if not latex or not latex.strip():
        return False
    depth = delimiters = 0
    for token in _TOKEN.findall(latex):
        if token[0] == "\\":
            known = token[1:] in COMMANDS or token in _SYMBOLS
        else:
            known = token in _PLAIN or (token.isascii() and token.isalnum())
        depth += (token == "{") - (token == "}")
        delimiters += (token == r"\left") - (token == r"\right")
        if not known or depth < 0 or delimiters < 0:
            return False
    return depth == 0 and delimiters == 0


def mathml(latex: str | None, text: str | None) -> str | None:
    """A formula as a MathML element in display style; ``None`` where it cannot be made.

    Args:
        latex: the formula. text: the same as plain text, which a reader that does not know MathML gets.
    """
    if not is_formula(latex):
        return None
    from latex2mathml.converter import convert

    try:
        root = ElementTree.fromstring(convert(latex, display="block"))
    except Exception:  # the library has no common base of its errors, and a formula is not worth a report
        return None
    for element in root.iter():
        element.tag = element.tag.removeprefix(f"{{{_NAMESPACE}}}")
        if element.tag not in _ELEMENTS:
            return None
        element.attrib = {name: value for name, value in element.attrib.items() if name in _ATTRIBUTES}
        if element.tag == "mi" and len(element.text or "") > 1:  # a function's name, with TeX's thin space before it
            element.tag = "mo"
            element.attrib = {"form": "prefix", "stretchy": "false", "lspace": "0.167em", "rspace": "0em"}
        elif element.get("fence") == "true":  # parentheses stand close, as TeX sets them
            element.attrib |= {"lspace": "0em", "rspace": "0em"}
    root.set("xmlns", _NAMESPACE)
    if text:
        root.set("alttext", text)
    return ElementTree.tostring(root, encoding="unicode")
