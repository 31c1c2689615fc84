"""The LaTeX of a report: compiles whatever texts the document holds, alone and as the appendix of a paper."""

import re
from pathlib import Path

import pytest
from report_documents import HOSTILE, every_verdict, hostile
from tex import compiled, needs_tex, run

from bn_theory.errors import InvalidInputError
from bn_theory.report import latex
from bn_theory.report.content import contents
from bn_theory.report.json_ import as_bytes
from bn_theory.report.latex_text import breakable, latex_text
from bn_theory.report.pictures import overall, pictures

PAPER = r"""\documentclass{article}
\usepackage[T1]{fontenc}
%s
\begin{document}
\newcommand{\bntheoryfolder}{elsewhere}
See section~\ref{bntheory:arora2019.norm_growth}.
\appendix
\input{elsewhere/body}
\end{document}
"""


def render(document, folder="report-latex"):
    return latex.render(contents(document, pictures(document), as_bytes(document), overall(document)), folder)


@pytest.fixture(scope="module")
def made():
    return render(every_verdict())


@pytest.fixture(scope="module")
def body(made):
    return made.beside["body.tex"].decode()


def test_the_main_file_reads_the_body_beside_it(made):
    assert rb"\input{report-latex/body}" in made.main
    assert {"body.tex", "verify.json", "01-arora2019-norm_growth-1.pdf"} <= set(made.beside)
    assert made.beside["verify.json"] == as_bytes(every_verdict())
    for name, content in made.beside.items():
        assert content.startswith(b"%PDF") == name.endswith(".pdf")


def test_every_figure_is_used_and_there(made, body):
    used = re.findall(r"\\includegraphics\[.*\]\{\\bntheoryfolder/(.*?)\}", body)
    assert sorted(used) == sorted(name for name in made.beside if name.endswith(".pdf"))
    assert len(used) >= 3


def test_what_is_not_supported_is_in_a_frame(body):
    assert r"\textbf{Overall verdict:} \fbox{\textbf{contradicted}}" in body
    assert body.count(r"\fbox{\textbf{inconclusive}}") == 4  # table, section, list of what is not supported, evidence
    assert r"\textbf{Not run:} needs torch" in body
    assert r"\fbox{\textbf{supported}}" not in body


def test_steps_that_are_not_checked_are_marked_and_counted(body):
    assert "10 steps: 5 checked by algebra, 5 taken without a check" in body
    assert r"\textbf{(not checked here: assumed)}" in body
    assert r"(checked: lhs - rhs simplifies to 0)" in body


@needs_tex
def test_it_compiles(tmp_path, made):
    compiled(tmp_path, made, "report")


@needs_tex
def test_hostile_texts_are_typeset_and_do_nothing(tmp_path):
    made = render(hostile())
    log = compiled(tmp_path, made, "report")
    assert "passwd" not in re.sub(r"\s", "", "".join(re.findall(r"\((/[^\s()]*)", log)))  # files that TeX opened
    assert latex_text(HOSTILE) in made.beside["body.tex"].decode()


@needs_tex
def test_the_body_needs_of_a_paper_what_it_says_and_finds_its_figures(tmp_path, made, body):
    needed = re.findall(r"^%   (\\usepackage\{.*\})$", body, re.MULTILINE)
    assert len(needed) == 1
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    for name, content in made.beside.items():
        (folder / name).write_bytes(content)
    (tmp_path / "paper.tex").write_text(PAPER % needed[0])
    run(tmp_path, "paper")


@needs_tex
def test_texts_of_many_characters_compile(tmp_path):
    tried = [c for c in map(chr, (*range(1, 0x250), *range(0x370, 0x400), *range(0x2000, 0x2300), 0x4F8B, 0x1F600))]
    lines = "\n\n".join(latex_text(f"a{character}b") for character in tried)
    preamble = r"\documentclass{article}\usepackage[T1]{fontenc}\usepackage{amssymb}\begin{document}"
    (tmp_path / "text.tex").write_text(f"{preamble}\n{lines}\n\\end{{document}}\n", encoding="ascii")
    run(tmp_path, "text")


def test_two_signs_do_not_become_one():
    assert latex_text("--x ,, '' `") == r"-{}-x ,{}, '{}' \textasciigrave{}"
    assert latex_text("a\n\tb\x00c") == "a b c"


def test_names_may_break_and_still_read_the_same():
    text = "bn-theory verify arora2019.gd_rate --json=a/b.json"
    assert breakable(text).replace(r"\allowbreak{}", "") == latex_text(text)
    assert breakable(text).count(r"\allowbreak{}") == 5


def test_names_that_tex_does_not_read_are_refused():
    latex.check_name(Path("/some where/report_1.tex"))  # the folder above is not in the document
    with pytest.raises(InvalidInputError, match=r"a b\.tex.*' '.*another PATH"):
        latex.check_name(Path("a b.tex"))
    with pytest.raises(InvalidInputError, match=r"50%\.tex"):
        latex.check_name(Path("50%.tex"))
    with pytest.raises(InvalidInputError, match=r"report\.pdf.*must end in \.tex"):
        latex.check_name(Path("report.pdf"))


def test_the_same_document_gives_the_same_bytes(made):
    again = render(every_verdict())
    assert again.main == made.main and dict(again.beside) == dict(made.beside)
