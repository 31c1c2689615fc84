"""``bn-theory cite``: every paper and the package once, as text and as entries that BibTeX takes."""

import re

import pytest

from bn_theory import provenance
from bn_theory.papers import PAPERS
from bn_theory.report.citing import bibtex, derived, software_bibtex
from bn_theory.theorems import registry
from proofs_check.rendering import escape

DERIVED = [s for s in map(registry.statement, registry.SLUGS) if s.source.origin == "derived"]
NEEDED = {
    "inproceedings": {"author", "title", "booktitle", "year", "eprint", "archiveprefix"},
    "misc": {"author", "title", "howpublished", "year"},
}
ENTRY = re.compile(r"@(\w+)\{([\w-]+),\n((?:  \w+ *= \{.*\},\n)+)\}")


def entries(text):
    """``{key: (kind, fields)}``, after a check that nothing else is there but comments."""
    found = {}
    for kind, key, body in ENTRY.findall(text):
        assert key not in found
        fields = dict(re.findall(r"^  (\w+) *= \{(.*)\},$", body, flags=re.MULTILINE))
        for value in fields.values():
            assert balanced(value) and not re.search(r"(?<!\\)[%#$&_~^]", value), value
        found[key] = kind, fields
    rest = ENTRY.sub("", text)
    assert "@" not in rest and all(not line or line.startswith("%") for line in rest.splitlines())
    return found


def balanced(value):
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", value):
        depth += 1 if brace == "{" else -1
        if depth < 0:
            return False
    return depth == 0


def test_bibtex_of_all(call):
    code, out, err = call("cite", "--bibtex")
    assert (code, err) == (0, "") and out.isascii()
    found = entries(out)
    assert list(found) == [*PAPERS, "bn_theory"]
    for kind, fields in found.values():
        assert set(fields) >= NEEDED[kind]
        assert fields["title"].startswith("{") and fields["title"].endswith("}")  # keeps its capitals
    assert found["li2020"][1] == {
        "author": "Li, Zhiyuan and Arora, Sanjeev",
        "title": "{An Exponential Learning Rate Schedule for Deep Learning}",
        "booktitle": "International Conference on Learning Representations (ICLR)",
        "year": "2020",
        "eprint": "1910.07454",
        "archiveprefix": "arXiv",
    }
    assert found["md_decoupling2026"] == (
        "misc",
        {
            "author": r"H{\"{a}}gele, Alexander and Hern{\'{a}}ndez-Cano, Alejandro and Kosson, Atli and Jaggi, Martin",
            "title": "{Improving Neural Network Training by Decoupling the Magnitude and Direction of Weight Vectors}",
            "howpublished": "arXiv preprint",
            "year": "2026",
            "eprint": "2606.25971",
            "archiveprefix": "arXiv",
        },
    )
    assert escape(provenance.described()) in found["bn_theory"][1]["howpublished"]
    note = found["bn_theory"][1]["note"].replace("\\_", "_")
    assert note.endswith(", ".join(s.slug for s in DERIVED)) and DERIVED


def test_only_what_was_asked_for_each_once(call):
    _, out, _ = call("cite", "--bibtex", "li2020.texp", "li2020", "li2020.texp")
    assert list(entries(out)) == ["li2020", "bn_theory"]
    _, out, _ = call("cite", "--bibtex", "arora2019.gd_rate")
    assert list(entries(out)) == ["arora2019", "bn_theory"] and "note" not in entries(out)["bn_theory"][1]


def test_text_names_statements_and_what_is_derived_here(call):
    code, out, err = call("cite", "arora2019.gd_rate", "arora2019.amplitude_law")
    assert (code, err) == (0, "")
    paper, software = out.split("\n\n")
    assert paper.startswith("Sanjeev Arora, Zhiyuan Li, Kaifeng Lyu. Theoretical Analysis of Auto Rate-Tuning")
    rate, law = paper.splitlines()[-2:]
    assert rate.split()[0] == "arora2019.gd_rate" and "derived here" not in rate
    assert law.split()[0] == "arora2019.amplitude_law" and law.endswith("derived here: cite the package")
    assert provenance.described() in software and "in none of the papers" in software
    title = registry.statement("arora2019.amplitude_law").title
    assert re.search(rf"arora2019\.amplitude_law +{re.escape(title)}", software) and "gd_rate" not in software


def test_text_of_a_paper_statement_claims_no_more(call):
    _, out, _ = call("cite", "arora2019.gd_rate")
    assert "none of the papers" not in out and out.count("arXiv:1812.03981") == 1


def test_text_of_all_has_every_statement(call):
    _, out, _ = call("cite")
    assert all(slug in out for slug in registry.SLUGS)
    assert out.count("derived here: cite the package") == len(DERIVED)
    for paper in PAPERS.values():
        assert out.count(f"{paper.title}. {paper.venue}, {paper.year}. arXiv:{paper.arxiv}") == 1


def test_an_unknown_name_is_bad_input(call):
    code, out, err = call("cite", "arora2091")
    assert (code, out) == (2, "") and "did you mean arora2019" in err and err.count("\n") == 1


def test_a_commit_with_changes_or_none_is_said():
    package = {"name": "bn_theory", "version": "1.0_x", "commit": "a" * 40 + "+changes"}
    ((_, fields),) = entries(software_bibtex(package, ())).values()
    assert fields["howpublished"] == f"Python package bn\\_theory 1.0\\_x (commit {'a' * 12}+changes), MIT licence"
    ((_, fields),) = entries(software_bibtex(package | {"commit": None}, ())).values()
    assert "commit unknown" in fields["howpublished"]


def test_latex_sees_no_commands_in_text():
    assert escape(r"a_b {c} \d ~e ^f 50% #1 $x & y") == (
        r"a\_b \{c\} \textbackslash{}d \textasciitilde{}e \textasciicircum{}f 50\% \#1 \$x \& y"
    )


@pytest.mark.parametrize("value", ["{", "}", "}{", "{{}", "a}b{c"])
def test_control_the_check_sees_unbalanced_braces(value):
    assert not balanced(value) and balanced(bibtex(PAPERS["li2020"]))


def test_derived_statements_are_told_from_the_papers():
    everything = [registry.statement(slug) for slug in registry.SLUGS]
    assert derived(everything) == tuple(DERIVED) and 0 < len(DERIVED) < len(everything)
