"""The figure of all statements: what counts as used up, and that claims and controls lie on their sides."""

import math
from xml.etree import ElementTree

import pytest

pytest.importorskip("matplotlib", reason="figures need matplotlib: pip install '.[plots]'")

from bn_theory.errors import InvalidInputError
from bn_theory.report.figures.overview import overview, share
from bn_theory.report.figures.style import as_png
from bn_theory.report.json_ import plain
from bn_theory.report.pictures import overall, pictures
from bn_theory.theorems import evidence as judge

PIECES = [
    judge.identity("identity", 1e-17, 1e-15),
    judge.identity("identity off", 2e-15, 1e-15),
    judge.identity("nothing allowed, nothing found", 0.0, 0.0),
    judge.identity("nothing allowed", 1e-300, 0.0),
    judge.bound("bound", 0.25),
    judge.bound("at the bound", 1.0),
    judge.bound("bound with slack", 1.001, 0.002),
    judge.bound("bound broken", 1.1, 0.002),
    judge.bound("diverged", math.inf),
    judge.exponent("exponent", (-0.51, -0.5), -0.5, 0.02, 0.02),
    judge.exponent("exponent off", (-0.6, -0.55), -0.5, 0.02, 0.02),
    judge.at_least_as_fast("fast", (-3.0, -2.0), -0.5, 0.02),
    judge.at_least_as_fast("slow", (-0.4, -0.3), -0.5, 0.02),
    judge.amplitude("amplitude", (0.995, 1.005), 0.01),
    judge.amplitude("amplitude off", (1.02, 1.03), 0.01),
    judge.comparison("above", (1.0, 2.0), 0.5),
    judge.comparison("below", (0.1, 0.2), 0.5),
]


@pytest.mark.parametrize("piece", PIECES, ids=lambda p: p.name)
def test_a_claim_uses_up_at_most_what_is_allowed_where_it_is_supported(piece):
    assert (share(piece) <= 1) == (piece.verdict == judge.SUPPORTED)


def test_what_it_is_of_each_kind():
    found = {p.name: share(p) for p in PIECES}
    assert found["identity"] == pytest.approx(0.01)
    assert found["bound"] == 0.25
    assert found["exponent"] == pytest.approx(0.5)
    assert found["amplitude"] == pytest.approx(0.5)
    # the middle is 1 above what is claimed below it, the half-width 1/2
    assert found["above"] == pytest.approx(0.5)
    assert found["fast"] == 0.0 and found["below"] == math.inf
    assert share(judge.measurement("open", (1.0, 2.0))) is None
    assert share(judge.Evidence("proof", "proof", judge.SUPPORTED)) is None


def test_claims_and_controls_lie_on_their_sides_in_rows_of_their_own():
    claims = [p for p in PIECES if p.verdict == judge.SUPPORTED]
    controls = [judge.control(p) for p in PIECES if p.verdict == judge.CONTRADICTED]
    statements = [
        {"slug": "a.claims", "evidence": plain(claims)},
        {"slug": "a.controls", "evidence": controls},
        {"slug": "a.nothing", "evidence": []},
    ]
    figure = overview(statements, title="all")
    axes = figure.axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["a.claims", "a.controls", "a.nothing"]
    points = [(line.get_ydata()[0], line.get_xdata()[0]) for line in axes.lines if len(line.get_xdata()) == 1]
    rows = {0: [], 1: []}
    for y, x in points:
        rows[round(y)].append(x)
    assert len(rows[0]) == len(claims) and all(x <= 1 for x in rows[0])
    assert len(rows[1]) == len(controls) and all(x > 1 for x in rows[1])
    assert f"{len(controls)} of {len(controls)} supported" in figure.get_suptitle().replace("\n", " ")
    assert as_png(figure, 60).startswith(b"\x89PNG")


def test_the_label_below_stays_in_the_figure_however_long_the_slugs():
    figure = overview([{"slug": slug, "evidence": [judge.bound("a", 0.5)]} for slug in ("a" * 40, "b")])
    as_png(figure)  # lays it out
    (axes,) = figure.axes
    box = axes.xaxis.label.get_window_extent()
    assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1


def test_nothing_to_draw_is_refused():
    with pytest.raises(InvalidInputError, match="no statement"):
        overview([])


def test_in_a_report_it_is_said_in_words_and_left_out_where_there_is_nothing_to_show():
    supported = [p for p in PIECES if p.verdict == judge.SUPPORTED]
    document = {"statements": [{"slug": "a.all", "title": "t", "evidence": plain(PIECES)}]}
    found = overall(document)
    assert found.name == "00-overview" and found.file("svg").startswith(b"<?xml")
    assert f"Of {len(PIECES)} claims {len(supported)} lie within what is allowed, of 0 controls 0" in found.alt
    controls = {"statements": [{"slug": "a.all", "title": "t", "evidence": plain([judge.control(p) for p in PIECES])}]}
    assert f"of {len(PIECES)} controls {len(PIECES) - len(supported)} lie beyond" in overall(controls).alt
    assert overall({"statements": [{"slug": "a.none", "title": "t", "evidence": []}]}) is None


def test_a_control_character_in_a_name_leaves_the_picture_whole():
    piece = plain(judge.bound("a\x01\x0bb", 0.5))
    document = {"statements": [{"slug": "a.one", "title": "t", "evidence": [piece], "figures": []}]}
    ((picture,),) = pictures(document)
    ElementTree.fromstring(picture.file("svg"))
