"""``bn-theory report``: from a document or a verification to files, with the verdict as exit code."""

import json
import os
import re

import pytest

from bn_theory.cli import report as command
from bn_theory.errors import BnTheoryError
from bn_theory.report import needs
from bn_theory.report.json_ import as_bytes, verify_document
from bn_theory.report.verification import NotRun, Verification
from bn_theory.theorems import evidence as judge
from bn_theory.theorems import registry
from bn_theory.theorems.statement import Result, Settings

SLUG = "li2020.effective_rate_recursion"  # verified in a fraction of a second
PIECES = {
    "supported": judge.bound("b", 0.5),
    "contradicted": judge.bound("b", 2.0),
    "inconclusive": judge.exponent("e", (-0.9, -0.1), -0.5, 0.1, 0.05),
}
EXIT = {"supported": 0, "contradicted": 1, "inconclusive": 3}


def write_document(path, *outcomes):
    package = {"name": "bn_theory", "version": "0.1.0", "commit": None}
    verification = Verification(Settings("quick", 0, "numpy"), outcomes, 1.0)
    path.write_bytes(as_bytes(verify_document(verification, package, {})))
    return path


def outcome(piece):
    return Result(registry.statement(SLUG), (piece,), (), 0.5, ())


@pytest.fixture
def document(tmp_path):
    return write_document(tmp_path / "verify.json", outcome(PIECES["supported"]))


@pytest.fixture
def no_run(monkeypatch):
    def refuse(*arguments):
        raise AssertionError("the verification ran")

    monkeypatch.setattr(command, "verify_all", refuse)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("verdict", PIECES)
def test_the_verdict_of_the_document_is_the_exit_code(call, tmp_path, verdict, no_run):
    document = write_document(tmp_path / "verify.json", outcome(PIECES[verdict]))
    code, out, err = call("report", "--from", document, "--html", tmp_path / "r.html")
    assert (code, err) == (EXIT[verdict], "")
    assert out.splitlines()[-1] == f"verdict: {verdict}"
    assert "A finite run supports an asymptotic statement; it never proves it." in out
    assert f"wrote {tmp_path / 'r.html'}\n" in out
    assert re.search(rf'class="overall {verdict}"', (tmp_path / "r.html").read_text())


def test_all_formats_at_once_come_from_the_same_document(call, tmp_path, document, no_run):
    formats = ("--html", tmp_path / "r.html", "--latex", tmp_path / "r.tex", "--markdown", tmp_path / "r.md")
    assert call("report", "--from", document, *formats)[0] == 0
    assert names(tmp_path) == ["r-latex", "r-markdown", "r.html", "r.md", "r.tex", "verify.json"]
    for folder in ("r-latex", "r-markdown"):
        assert (tmp_path / folder / "verify.json").read_bytes() == document.read_bytes()
    for text in ((tmp_path / "r.html").read_text(), (tmp_path / "r.md").read_text(encoding="utf-8")):
        assert registry.statement(SLUG).title in text
    assert r"\input{r-latex/body}" in (tmp_path / "r.tex").read_text()
    assert (tmp_path / "r-latex" / "00-overview.pdf").read_bytes().startswith(b"%PDF")
    assert "r-markdown/00-overview.svg" in (tmp_path / "r.md").read_text(encoding="utf-8")
    assert "00-overview.pdf" in (tmp_path / "r-latex" / "body.tex").read_text(encoding="utf-8")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert call("report", "--from", document, *formats)[0] == 0
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_without_a_document_it_verifies_first(call, tmp_path):
    code, out, err = call("report", SLUG, "--seed", 5, "--engine", "numpy", "--markdown", tmp_path / "r.md")
    assert code == 0 and "verdict: supported" in out and SLUG in err
    made = json.loads((tmp_path / "r-markdown" / "verify.json").read_text())
    assert [s["slug"] for s in made["statements"]] == [SLUG]
    assert (made["seed"], made["environment"]["engine"], made["profile"]) == (5, "numpy", "quick")
    # what it wrote is a document like any other
    code, _, err = call("report", "--from", tmp_path / "r-markdown" / "verify.json", "--html", tmp_path / "r.html")
    assert (code, err) == (0, "")
    assert f"bn-theory verify {SLUG} --profile quick --seed 5 --engine numpy" in (tmp_path / "r.html").read_text()


def test_statements_that_could_not_run_are_in_it(call, tmp_path, no_run):
    idle = NotRun(registry.statement("li2020.texp"), "needs torch: pip install torch")
    document = write_document(tmp_path / "verify.json", idle)
    assert call("report", "--from", document, "--html", tmp_path / "r.html")[0] == 3
    assert "Not run: needs torch: pip install torch" in (tmp_path / "r.html").read_text()


@pytest.mark.parametrize(
    "arguments,message",
    [
        ([], "give --html PATH, --latex PATH or --markdown PATH"),
        (["--from", "x.json"], "give --html PATH"),
        (["--from", "x.json", "--html", "r.html", SLUG], f"leave out {SLUG}"),
        (["--from", "x.json", "--html", "r.html", "--profile", "quick"], "leave out --profile"),
        (["--from", "x.json", "--html", "r.html", "--seed", "0"], "leave out --seed"),
        (["--from", "x.json", "--html", "r.html", "--engine", "auto"], "leave out --engine"),
        (["--html", "r.html", "--engine", "nunba"], "did you mean numba"),
    ],
)
def test_usage(call, arguments, message, no_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = call("report", *arguments)
    assert (code, out) == (2, "") and message in err
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "arguments,message",
    [
        (["--html", "missing/r.html"], "the folder .*missing does not exist"),
        (["--html", "."], "exists and is not a regular file"),
        (["--latex", "r.txt"], r"r\.txt: its name must end in \.tex"),
        (["--latex", "a b.tex"], "TeX does not read a name with ' '"),
        (["--html", "r.html", "--latex", "missing/r.tex"], "missing does not exist"),
        (["--html", "same.md", "--markdown", "same.md"], "two formats would go into one file"),
        (["--markdown", "taken.md"], r"taken-markdown: no report wrote notes\.txt"),
        (["--html", "r.html", "nobody"], "unknown statement or paper 'nobody'"),
    ],
)
def test_bad_targets_are_found_before_the_run(call, arguments, message, no_run, tmp_path, monkeypatch):
    (tmp_path / "taken-markdown").mkdir()
    (tmp_path / "taken-markdown" / "notes.txt").write_text("mine")
    monkeypatch.chdir(tmp_path)
    code, out, err = call("report", *arguments)
    assert (code, out) == (2, "") and re.search(message, err)
    assert names(tmp_path) == ["taken-markdown"] and names(tmp_path / "taken-markdown") == ["notes.txt"]


def test_the_document_is_not_written_over(call, document, tmp_path, no_run):
    before = document.read_bytes()
    (tmp_path / "link.html").symlink_to(document)
    for path in (document, tmp_path / "link.html"):
        code, _, err = call("report", "--from", document, "--html", path)
        assert code == 2 and "that is the document of --from" in err
    assert document.read_bytes() == before


@pytest.mark.parametrize(
    "damage,message",
    [
        (lambda text: text[: len(text) // 2], "ends in the middle|is not JSON"),
        (lambda text: text.replace("bn-theory.verify/2", "bn-theory.verify/1"), "older schema bn-theory.verify/1"),
        (lambda text: text.replace('"supported"', '"certain"'), "not as the schema"),
        (lambda text: "", "is empty"),
    ],
    ids=["half", "older", "verdict", "empty"],
)
def test_a_document_that_cannot_be_used_leaves_nothing(call, document, tmp_path, damage, message, no_run):
    document.write_text(damage(document.read_text()))
    code, out, err = call("report", "--from", document, "--html", tmp_path / "r.html", "--latex", tmp_path / "r.tex")
    assert (code, out) == (2, "") and re.search(message, err) and str(document) in err
    assert names(tmp_path) == ["verify.json"]


def test_a_figure_that_cannot_be_drawn_leaves_nothing(call, document, tmp_path, no_run):
    changed = json.loads(document.read_text())
    changed["statements"][0]["figures"] = [{"figure": "no such figure", "caption": "c", "data": {}}]
    document.write_text(json.dumps(changed))
    code, out, err = call("report", "--from", document, "--html", tmp_path / "r.html")
    assert (code, out) == (2, "") and "no such figure" in err
    assert names(tmp_path) == ["verify.json"]


@pytest.mark.parametrize("absent", needs.LIBRARIES)
def test_a_missing_library_is_said_before_the_run(call, tmp_path, absent, no_run, monkeypatch):
    found = needs.find_spec
    monkeypatch.setattr(needs, "find_spec", lambda name: None if name == absent else found(name))
    code, out, err = call("report", SLUG, "--html", tmp_path / "r.html")
    assert (code, out) == (2, "")
    assert f"needs {absent}: pip install {absent} (or pip install '.[report]' in the source folder)" in err
    assert names(tmp_path) == []


def test_the_libraries_are_those_of_the_extra():
    from configparser import ConfigParser
    from pathlib import Path

    setup = ConfigParser()
    setup.read(Path(__file__).resolve().parents[2] / "setup.cfg")
    extras = setup["options.extras_require"]
    listed = [re.match(r"[\w-]+", line)[0] for line in extras["report"].split()]
    assert sorted(listed) == sorted(needs.LIBRARIES)
    assert set(listed) <= {re.match(r"[\w-]+", line)[0] for line in extras["test"].split()}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_no_target(call, document, tmp_path, no_run):
    os.mkfifo(tmp_path / "pipe")
    code, _, err = call("report", "--from", document, "--html", tmp_path / "pipe")
    assert code == 2 and "not a regular file" in err


def test_errors_are_the_packages_own(document, tmp_path):
    from bn_theory.cli.parser import parse

    options = parse(["report", "--from", str(tmp_path / "none.json"), "--html", str(tmp_path / "r.html")])
    with pytest.raises(BnTheoryError, match="there is no such file"):
        command.run(options)
