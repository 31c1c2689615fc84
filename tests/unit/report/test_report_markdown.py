"""The Markdown of a report: tables, formulas and folds of GitHub's flavour, whatever texts the document holds."""

import html
import re

import pytest
from markdown_it import MarkdownIt
from report_documents import HOSTILE, every_verdict, hostile

from bn_theory.report import markdown
from bn_theory.report.content import contents
from bn_theory.report.json_ import as_bytes
from bn_theory.report.markdown_text import markdown_text
from bn_theory.report.pictures import overall, pictures

FOLDER = "my report-markdown"
OURS = re.compile(r'</?details>|</?summary>|</?code>|<br>|<a id="[a-z0-9_.-]+">|</a>')


def render(document):
    return markdown.render(contents(document, pictures(document), as_bytes(document), overall(document)), FOLDER)


@pytest.fixture(scope="module", params=[every_verdict, hostile], ids=lambda made: made.__name__)
def made(request):
    return render(request.param())


@pytest.fixture(scope="module")
def harmless():
    return render(every_verdict())


def parsed(publication):
    return MarkdownIt("commonmark").enable("table").parse(publication.main.decode())


def inline(tokens):
    """All tokens, those inside of paragraphs, headings and cells too."""
    for token in tokens:
        yield token
        yield from token.children or ()


def shown(tokens):
    return " ".join(html.unescape(token.content) for token in inline(tokens) if token.type == "text")


def test_no_tag_is_there_that_the_template_did_not_write(made):
    tags = [t.content for t in inline(parsed(made)) if t.type in ("html_inline", "html_block")]
    assert len(tags) > 10
    for text in tags:
        for tag in re.findall(r"<[^>]*>?", text):
            assert OURS.fullmatch(tag), tag


def test_every_row_of_a_table_has_all_cells(made):
    width, rows = None, 0
    for line in made.main.decode().splitlines():
        if not line.startswith("|"):
            width = None
            continue
        cells = len(re.findall(r"(?<!\\)\|", line)) - 1
        width = cells if width is None else width
        assert cells == width
        rows += 1
    assert rows >= 30
    tables = sum(token.type == "table_open" for token in parsed(made))
    assert tables == 6  # verdicts; evidence of three statements; controls of two


def test_figures_and_the_document_are_beside_it(made):
    sources = [t.attrs["src"] for t in inline(parsed(made)) if t.type == "image"]
    names = [source.removeprefix("my%20report-markdown/") for source in sources]
    assert sorted((*names, "verify.json")) == sorted(made.beside)
    assert len(names) >= 3 and all(made.beside[name].lstrip().startswith(b"<?xml") for name in names)
    links = [t.attrs["href"] for t in inline(parsed(made)) if t.type == "link_open"]
    assert "my%20report-markdown/verify.json" in links


def test_links_lead_to_the_statements(made):
    places = set(re.findall(r'<a id="(.*?)"></a>', made.main.decode()))
    links = [t.attrs["href"] for t in inline(parsed(made)) if t.type == "link_open" and t.attrs["href"].startswith("#")]
    assert {link[1:] for link in links} == places and len(places) == 4


def test_formulas_are_blocks_of_math_with_the_proofs_own_latex(harmless):
    fences = [t for t in parsed(harmless) if t.type == "fence" and t.info == "math"]
    steps = [s for statement in every_verdict()["statements"] for s in statement["proof"]["steps"] if s["latex"]]
    assert [fence.content.strip() for fence in fences] == [step["latex"] for step in steps]
    # each belongs to a numbered step, the eleventh as well as the first
    assert {fence.level for fence in fences} == {2}
    assert not [t for t in parsed(render(hostile())) if t.type == "fence" and t.info == "math"]


def test_hostile_texts_are_shown_as_they_are():
    text = shown(parsed(render(hostile())))
    assert text.count(" ".join(HOSTILE.split())) > 30


def test_what_is_not_supported_is_loud(harmless):
    text = harmless.main.decode()
    assert "Overall verdict: **✗ CONTRADICTED**" in text
    assert "**? INCONCLUSIVE**" in text and "**– NOT RUN**" in text and "✓ supported" in text
    assert "> **Not run:** needs torch" in text
    assert "> A finite run supports an asymptotic statement; it never proves it." in text
    assert "(○ **not checked here**: assumed)" in text
    assert "10 steps: 5 checked by algebra, 5 taken without a check" in text


def test_details_are_closed_again(made):
    text = made.main.decode()
    assert text.count("<details>") == text.count("</details>") == text.count("</summary>") >= 8


@pytest.mark.parametrize("text", ["|", "a | b", "*x* _y_", "`x`", "<b>", "&lt;", "[a](b)", "\\", "$x$", "# a", "~~x~~"])
def test_any_text_in_a_cell_is_shown_as_it_is(text):
    source = f"| a | b |\n| --- | --- |\n| {markdown_text(text)} | x |"
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(source)
    cells = [t for t in tokens if t.type == "inline"]
    assert len(cells) == 4
    assert {child.type for child in cells[2].children} <= {"text", "text_special"}
    assert "".join(child.content for child in cells[2].children) == text


def test_the_same_document_gives_the_same_bytes(harmless):
    again = render(every_verdict())
    assert again.main == harmless.main and dict(again.beside) == dict(harmless.beside)
