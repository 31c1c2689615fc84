"""The proofs of all statements in a report: every formula is typeset, in a browser's form and by TeX."""

import re
from xml.etree import ElementTree

import pytest
from report_documents import HOSTILE, all_proofs, steps
from tex import compiled, needs_tex

from bn_theory.report import latex
from bn_theory.report.content import contents
from bn_theory.report.formulas import is_formula, mathml


def formulas():
    for statement in all_proofs()["statements"]:
        yield from ((s["latex"], s["text"]) for s in steps(statement["proof"]) if s["latex"] is not None)


def test_every_formula_of_every_proof_has_its_mathml():
    found = list(formulas())
    assert len(found) > 700
    for source, text in found:
        root = ElementTree.fromstring(mathml(source, text))
        assert root.get("alttext") == text
        # what the converter does not know it leaves as a command
        assert "\\" not in "".join(root.itertext()), source


@needs_tex
def test_all_proofs_compile_and_stay_on_the_page(tmp_path):
    document = all_proofs()
    report = contents(document, [()] * len(document["statements"]), b"{}")
    log = compiled(tmp_path, latex.render(report, "proofs-latex"), "proofs")
    over = [float(points) for points in re.findall(r"Overfull \\hbox \(([\d.]+)pt", log)]
    # a formula that is not scaled would run out by hundreds; a word that does not break, by a few
    assert max(over, default=0.0) < 10


@pytest.mark.parametrize(
    "source",
    [
        r"\input{/etc/passwd}", r"\write18{ls}", r"\def\x{\x}\x", r"\href{javascript:alert(1)}{x}",
        r"\csname input\endcsname",
        r"\begin{array}{c} a \end{array}", r"\text{a}", "a $ b", "a % b", "a ~ b", "^^5cinput", "# 1", "a & b",
        "{ a", "a }{",
        r"\left( a", r"\right) a \left(", "é", "a\nb", "a\\", "", "  ", None, HOSTILE,
    ],
)  # fmt: skip
def test_what_is_not_mathematics_alone_is_no_formula(source):
    assert not is_formula(source)
    assert mathml(source, "text") is None


def test_function_names_keep_their_distance_and_text_is_escaped():
    made = mathml(r"x \log{\left(y \right)} < 1", '"x" < <y>')
    root = ElementTree.fromstring(made)
    assert root.get("alttext") == '"x" < <y>'
    log = next(e for e in root.iter() if e.text == "log")
    assert log.tag.endswith("mo") and log.get("lspace") == "0.167em"


def test_a_formula_that_the_converter_refuses_is_left_out(monkeypatch):
    from latex2mathml import converter

    def refuse(*arguments, **options):
        raise KeyError("of the converter's own")

    monkeypatch.setattr(converter, "convert", refuse)
    assert mathml("a = b", "a = b") is None


def test_an_element_that_typesetting_does_not_need_is_left_out(monkeypatch):
    from latex2mathml import converter

    made = '<math xmlns="http://www.w3.org/1998/Math/MathML"><mtext><a href="x">b</a></mtext></math>'
    monkeypatch.setattr(converter, "convert", lambda *a, **o: made)
    assert mathml("a = b", "a = b") is None
    made = (
        '<math xmlns="http://www.w3.org/1998/Math/MathML"><mi href="x" onclick="y" mathvariant="normal">b</mi></math>'
    )
    monkeypatch.setattr(converter, "convert", lambda *a, **o: made)
    root = ElementTree.fromstring(mathml("a = b", None))
    assert dict(root[0].attrib) == {"mathvariant": "normal"}
