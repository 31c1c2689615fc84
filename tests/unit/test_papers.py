"""The papers: one definition behind statements and CITATION.cff, which is valid by its own published schema."""

import configparser
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from bn_theory.papers import PAPERS, SOFTWARE
from bn_theory.theorems import registry

ROOT = Path(__file__).parents[2]
CITATION = ROOT / "CITATION.cff"


@pytest.fixture(scope="module")
def citation():
    return YAML(typ="safe").load(CITATION)


@pytest.fixture(scope="module")
def metadata():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser["metadata"]


def test_papers_are_those_of_the_statements():
    assert tuple(PAPERS) == registry.papers()
    assert all(paper.key == key for key, paper in PAPERS.items())
    for slug in registry.SLUGS:
        assert registry.statement(slug).source.paper == PAPERS[slug.split(".")[0]].short


def test_the_short_form():
    assert PAPERS["bjorck2018"].short == "Bjorck, Gomes, Selman, Weinberger (NeurIPS 2018), arXiv:1806.02375"


def test_citation_has_the_same_papers(citation):
    stated = [
        {
            "type": "conference-paper" if paper.kind == "inproceedings" else "article",
            "title": paper.title,
            "authors": [{"family-names": family, "given-names": given} for given, family in paper.authors],
            "year": paper.year,
            "collection-title" if paper.kind == "inproceedings" else "journal": paper.venue,
            "identifiers": [{"type": "other", "value": f"arXiv:{paper.arxiv}"}],
        }
        for paper in PAPERS.values()
    ]
    assert citation["references"] == stated


def test_citation_names_this_package(citation, metadata):
    assert citation["version"] == metadata["version"]
    assert citation["license"] == metadata["license"] == SOFTWARE.licence
    assert citation["title"] == SOFTWARE.title
    assert [author["name"] for author in citation["authors"]] == [SOFTWARE.author] == [metadata["author"]]
    assert str(citation["date-released"]) == SOFTWARE.released and SOFTWARE.year == int(SOFTWARE.released[:4])


# --- by the schema of the Citation File Format, which check-jsonschema carries (no network is needed) ---


def check(path):
    return subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.citation-file-format", path],
        capture_output=True,
        text=True,
        check=False,
    )


def test_citation_is_valid():
    done = check(CITATION)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "right, wrong",
    [
        ("cff-version: 1.2.0", "cff-version: one"),
        ("type: conference-paper", "type: rumour"),
        ("license: MIT", "license: MTI"),
        ("authors:\n  - name", "writers:\n  - name"),
    ],
)
def test_control_a_broken_citation_is_not(tmp_path, right, wrong):
    text = CITATION.read_text(encoding="utf-8")
    assert right in text
    path = tmp_path / "CITATION.cff"
    path.write_text(text.replace(right, wrong), encoding="utf-8")
    done = check(path)
    assert done.returncode == 1 and "Schema validation errors" in done.stdout
