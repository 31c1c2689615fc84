"""The page of a report: read by the standard library's parser, and looked at by a real browser where there is one."""

import base64
import re
from html.parser import HTMLParser
from itertools import pairwise

import browser
import pytest
from report_documents import HOSTILE, every_verdict, hostile

from bn_theory.report import html
from bn_theory.report.content import contents
from bn_theory.report.html import SHORT
from bn_theory.report.json_ import as_bytes
from bn_theory.report.pictures import overall, pictures

VOID = {"meta", "img", "br", "link", "input", "hr"}
needs_browser = pytest.mark.skipif(browser.executable() is None, reason=f"needs {' or '.join(browser.NAMES)}")


class Page(HTMLParser):
    """Elements as ``(tag, attributes)`` and the text of each tag, with a check that all are closed in order."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.open, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        assert len(attrs) == len(dict(attrs)), (tag, attrs)
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else None, data))

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def text(self, *tags):
        return " ".join(" ".join(data for tag, data in self.texts if tag in tags or not tags).split())


def render(document):
    return html.render(contents(document, pictures(document), as_bytes(document), overall(document))).main


@pytest.fixture(scope="module")
def plain():
    return render(every_verdict())


@pytest.fixture(scope="module", params=[every_verdict, hostile], ids=lambda made: made.__name__)
def page(request, plain):
    return Page((plain if request.param is every_verdict else render(hostile())).decode())


def test_it_needs_nothing_from_elsewhere_and_runs_nothing(page):
    forbidden = {"script", "iframe", "object", "embed", "link", "base", "form", "audio", "video", "svg", "use"}
    assert not forbidden & {tag for tag, _ in page.elements}
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name in ("srcset", "action", "style")], tag
        for name in ("href", "src"):
            assert attributes.get(name, "#").startswith(
                ("#", "data:image/svg+xml;base64,", "data:application/json;base64,")
            )
    (css,) = (data for tag, data in page.texts if tag == "style")
    assert "url(" not in css and "@import" not in css
    assert page.all("meta")[-1]["content"].startswith("default-src 'none'")


def test_ids_are_unique_and_every_anchor_leads_somewhere(page):
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    anchors = [attributes["href"][1:] for attributes in page.all("a") if attributes["href"].startswith("#")]
    assert {"main", "provenance", "contents", "arora2019.norm_growth", "li2020.texp"} <= set(anchors) <= set(ids)
    labels = [attributes["aria-labelledby"] for _, attributes in page.elements if "aria-labelledby" in attributes]
    assert len(labels) >= 6 and set(labels) <= set(ids)


def test_headings_never_skip_a_level(page):
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_tables_have_captions_and_scopes_and_scroll_on_their_own(page):
    tables = len(page.all("table"))
    assert tables == len(page.all("caption")) == len([a for a in page.all("div") if a.get("class") == "scroll"]) >= 6
    assert {a.get("scope") for a in page.all("th")} == {"row", "col"}
    regions = [a["aria-label"] for a in page.all("div") if a.get("role") == "region"]
    assert len(regions) == len(set(regions)) == tables


def test_figures_have_words_for_who_cannot_see_them(page):
    images = page.all("img")
    assert len(images) >= 3
    for image in images:
        assert len(image["alt"]) > 40
        assert base64.b64decode(image["src"].partition(",")[2]).lstrip().startswith(b"<?xml")


def test_formulas_are_typeset_or_shown_as_text(plain):
    formulas = Page(plain.decode()).all("math")
    assert len(formulas) > 20
    assert all(formula["alttext"] and formula["display"] == "block" for formula in formulas)
    assert not Page(render(hostile()).decode()).all("math")


def test_texts_of_the_document_are_only_texts(plain):
    found = Page(render(hostile()).decode())
    # the same elements as with harmless texts, where these do not depend on what is empty
    kept = ("table", "tr", "td", "th", "li", "section", "h1", "h2", "h3", "img", "nav", "a", "details")
    harmless = Page(plain.decode())
    assert [tag for tag, _ in found.elements if tag in kept] == [tag for tag, _ in harmless.elements if tag in kept]
    assert HOSTILE in found.text("h2")
    assert HOSTILE in found.text("th") and HOSTILE in found.text("dd") and HOSTILE in found.text("title", "li", "p")


def test_what_is_not_supported_says_so_in_words_and_by_a_sign(plain):
    text = plain.decode()
    for verdict, sign in (("contradicted", "✗"), ("inconclusive", "?"), ("not-run", "–"), ("supported", "✓")):
        words = verdict.replace("-", " ")
        assert f'<span class="verdict {verdict}"><span aria-hidden="true">{sign}</span> {words}</span>' in text
    found = Page(text)
    assert "(contradicted) (inconclusive) (not run)" in found.text("strong")
    assert found.text("title").startswith("contradicted:")
    assert "Not run: needs torch" in found.text("p")
    assert "A finite run supports an asymptotic statement; it never proves it." in found.text("p")


def test_long_lists_are_folded_and_short_ones_are_not(plain):
    summaries = Page(plain.decode()).text("summary")
    assert len(every_verdict()["statements"][0]["evidence"]) - 1 > SHORT
    assert "14 pieces: all supported" in summaries
    assert "1 not supported" not in summaries  # two pieces: shown at once
    assert not [a for a in Page(plain.decode()).all("details") if "open" in a]


def test_numbers_units_answers_and_controls_are_there(plain):
    found = Page(plain.decode())
    cells = found.text("td")
    assert "0.5 .. 0.75" in cells and "0.625" in cells
    assert "in units of the rounding bound" in found.text("span")
    assert "It is between a half and three quarters." in found.text("dd")
    assert "the norm has not outgrown its start" in found.text("dd")
    assert "too weak (control of kind identity)" in found.text("li")
    assert "largest_at_step = 17" in found.text("span")
    assert (
        "10 steps: 5 checked by algebra, 5 taken without a check (assumed, defined, cited or in words)"
        in found.text("p")
    )


def test_provenance_says_how_to_do_it_again(plain):
    found = Page(plain.decode())
    again = "bn-theory verify arora2019.norm_growth arora2019.orthogonality arora2019.effective_rate li2020.texp"
    assert f"{again} --profile quick --seed 3 --engine numpy --json again.json" in found.text("code")
    assert "bn-theory rerun verify.json" in found.text("code")
    assert "0" * 39 + "1" in found.text("dd")
    (link,) = (a for a in found.all("a") if a.get("download") == "verify.json")
    assert base64.b64decode(link["href"].partition(",")[2]) == as_bytes(every_verdict())


def test_a_slug_that_comes_twice_has_two_places():
    document = every_verdict()
    document["statements"].append(document["statements"][0])
    found = Page(render(document).decode())
    ids = [attributes["id"] for _, attributes in found.elements if "id" in attributes]
    assert {"arora2019.norm_growth", "arora2019.norm_growth-2"} <= set(ids) and len(ids) == len(set(ids))


def test_a_proof_that_does_not_check_is_said(plain):
    document = every_verdict()
    document["statements"][1]["proof"] = None
    assert "A step of its proof does not check" in Page(render(document).decode()).text("p")
    assert "does not check" not in plain.decode()


def test_the_same_document_gives_the_same_bytes(plain):
    assert render(every_verdict()) == plain


@pytest.fixture(scope="module")
def call(tmp_path_factory):
    with browser.page(tmp_path_factory.mktemp("browser")) as talk:
        yield talk


@pytest.fixture
def shown(call, plain, tmp_path):
    path = tmp_path / "report.html"
    path.write_bytes(plain)

    def show(width, height, dark=False):
        browser.show(call, path, width, height, dark)
        return call

    return show


@needs_browser
@pytest.mark.parametrize("width,height", [(390, 844), (1280, 900)])
def test_nothing_runs_out_of_the_window(shown, width, height):
    call = shown(width, height)
    browser.value(call, "document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser.value(call, "document.documentElement.scrollWidth") == width
    # what is wider scrolls in a box of its own; were nothing wider, this would test nothing
    boxes = "[...document.querySelectorAll('.scroll, .formula, .picture')]"
    assert browser.value(call, f"{boxes}.filter(b => b.scrollWidth > b.clientWidth).length > 0") == (width == 390)
    assert browser.value(call, "[...document.images].every(i => i.complete && i.naturalWidth > 0)")


@needs_browser
def test_the_accessibility_tree_has_names(shown):
    call = shown(390, 844)
    nodes = [node for node in call("Accessibility.getFullAXTree")["nodes"] if not node["ignored"]]

    def named(role):
        return [node["name"]["value"] for node in nodes if node["role"]["value"] == role]

    assert named("RootWebArea")[0].startswith("contradicted: Do the theorems")
    assert named("navigation") == ["Contents"]
    assert len(named("main")) == 1
    assert named("heading")[:2] == ["Do the theorems about batch normalisation and scale invariance hold?", "Verdicts"]
    assert "Every step of GD and SGD adds its squared length to the squared norm" in named("heading")
    assert {"Verdicts of all statements", "Evidence of arora2019.orthogonality"} <= set(named("table"))
    assert "Verdicts of all statements" in named("region")
    assert any("contradicted" in name for name in named("link"))
    for role, least in (("image", 3), ("table", 5), ("region", 5), ("heading", 15), ("link", 8)):
        assert len(named(role)) >= least and all(name.strip() for name in named(role)), role
    levels = [
        p["value"]["value"]
        for n in nodes
        if n["role"]["value"] == "heading"
        for p in n["properties"]
        if p["name"] == "level"
    ]
    assert len(levels) == len(named("heading")) and all(b - a <= 1 for a, b in pairwise(levels))


@needs_browser
def test_light_and_dark_are_different_and_figures_stay_on_white(shown):
    grounds = []
    for dark in (False, True):
        call = shown(390, 844, dark)
        grounds.append(browser.value(call, "getComputedStyle(document.body).backgroundColor"))
        assert browser.value(call, "getComputedStyle(document.images[0]).backgroundColor") == "rgb(255, 255, 255)"
        assert browser.screenshot(call).startswith(b"\x89PNG")
    assert grounds[0] == "rgb(255, 255, 255)" and grounds[1] != grounds[0]


@needs_browser
def test_words_stand_out_from_their_ground(shown):
    """At least 4.5 to 1, as WCAG asks of texts, for every text that is shown."""
    lowest = """(() => {
      const channel = c => (c /= 255) <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
      const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).map(Number).map(channel);
        return .2126*r + .7152*g + .0722*b; };
      const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
        if (c !== 'rgba(0, 0, 0, 0)') return c; } return 'rgb(255, 255, 255)'; };
      let least = 99;
      for (const e of document.body.querySelectorAll('*')) {
        if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
        const [a, b] = [light(getComputedStyle(e).color), light(ground(e))].sort((x, y) => y - x);
        least = Math.min(least, (a + .05) / (b + .05)); }
      return least; })()"""
    for dark in (False, True):
        call = shown(390, 844, dark)
        assert 4.5 <= browser.value(call, lowest) <= 21


@needs_browser
def test_the_first_tab_leads_past_the_contents(shown):
    call = shown(390, 844)
    for kind in ("rawKeyDown", "keyUp"):
        call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
    assert browser.value(call, "document.activeElement.className") == "skip"
    assert browser.value(call, "document.activeElement.getAttribute('href')") == "#main"
    assert browser.value(call, "document.activeElement.getBoundingClientRect().left >= 0")
