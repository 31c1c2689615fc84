"""How far evidence is from its limit: where each kind lies on its axis, and what is drawn of it."""

import math

import pytest

from bn_theory.errors import InvalidInputError, NoPowerLawError
from bn_theory.report import figures
from bn_theory.report.figures.margins import (
    LONGEST,
    MARKS,
    NAMED,
    PANELS,
    RATIOS,
    group_of,
    margins,
    margins_in_words,
    place,
)
from bn_theory.report.figures.pieces import evidence_of
from bn_theory.report.json_ import plain
from bn_theory.theorems import evidence as judge
from bn_theory.theorems.evidence import CONTRADICTED, INCONCLUSIVE, SUPPORTED

REFUSED = judge.no_power_law("refused", -0.5, NoPowerLawError("no law", reason="plateau"))
PROOF = judge.Evidence("proof", "proof", SUPPORTED)
ONE_OF_EACH = [
    PROOF,
    judge.identity("identity", 0.02, 1.0),
    judge.bound("bound", 0.5),
    judge.exponent("exponent", (-0.51, -0.5), -0.5, 0.02, 0.02),
    judge.at_least_as_fast("fast", (-0.9, -0.8), -0.5, 0.1),
    judge.amplitude("amplitude", (0.99, 1.02), 0.05),
    judge.comparison("comparison", (0.5, 1.5), 0.25),
    judge.measurement("measurement", (2.0, 4.0)),
    judge.control(judge.bound("false bound", 30.0)),
]


def panels(figure):
    return {axes.get_title(loc="left").split(" (")[0]: axes for axes in figure.axes}


def marks(axes):
    """The points: ``(x, row, marker, hollow, colour)`` in the order drawn."""
    lines = [line for line in axes.lines if line.get_marker() not in ("None", None, "")]
    return [
        (
            line.get_xdata()[0],
            line.get_ydata()[0],
            line.get_marker(),
            line.get_markerfacecolor() == "white",
            line.get_color(),
        )
        for line in lines
    ]


@pytest.mark.parametrize(
    "piece, low, middle, high",
    [
        (judge.identity("a", 3e-16, 1e-16), 3.0, 3.0, 3.0),
        (judge.identity("a", 0.0, 0.0), 0.0, 0.0, 0.0),
        (judge.identity("a", 1e-300, 0.0), math.inf, math.inf, math.inf),
        (judge.bound("a", 1.2, 0.5), 0.8, 0.8, 0.8),
        (judge.exponent("a", (-0.54, -0.5), -0.5, 0.02, 0.1), -2.0, -1.0, 0.0),
        (judge.at_least_as_fast("a", (-0.7, -0.3), -0.5, 0.1), -2.0, 0.0, 2.0),
        (judge.amplitude("a", (1.0, 1.1), 0.05), 0.0, 1.0, 2.0),
        (judge.comparison("a", (1.0, 3.0), 0.5, measured=1.5), 0.5, 1.0, 2.5),
        (judge.measurement("a", (1.0, 3.0), measured=1.5), 1.0, 1.5, 3.0),
        (judge.control(judge.exponent("a", (-0.54, -0.5), -0.5, 0.02, 0.1)), -2.0, -1.0, 0.0),
        (judge.Evidence("diverged", "exponent", CONTRADICTED, math.inf), math.inf, math.inf, math.inf),
    ],
)
def test_places(piece, low, middle, high):
    found = place(piece)
    assert (found.low, found.middle, found.high) == pytest.approx((low, middle, high))
    assert found.control == (piece.kind == "control")


@pytest.mark.parametrize(
    "piece",
    [PROOF, REFUSED, judge.control(REFUSED), judge.bound("nan", math.nan), judge.control(PROOF)],
)
def test_what_has_no_number_has_no_place(piece):
    assert place(piece) is None


def test_a_verdict_and_the_shaded_part_agree():
    """Supported claims lie in it with their whole interval, contradicted ones outside, for every kind."""
    for piece in ONE_OF_EACH:
        spot = place(piece)
        inside = None if spot is None else PANELS[group_of(piece)].inside
        if inside is not None:
            within = inside[0] <= spot.low and spot.high <= inside[1]
            assert within == (piece.kind != "control"), piece.name
    for piece in (
        judge.exponent("a", (-0.6, -0.59), -0.5, 0.02, 0.02),
        judge.at_least_as_fast("a", (-0.3, -0.2), -0.5, 0.1),
    ):
        spot, (low, high) = place(piece), PANELS[group_of(piece)].inside
        assert piece.verdict == CONTRADICTED and (spot.high < low or spot.low > high)


def test_one_panel_a_kind_with_its_limit_and_rows_by_name():
    figure = margins(ONE_OF_EACH, title="a title")
    found = panels(figure)
    assert list(found) == [
        "identities",
        "bounds",
        "exponents",
        "exponents, one-sided",
        "amplitudes",
        "comparisons",
        "measurements, nothing predicted",
    ]
    assert figure.get_suptitle().startswith("a title\nverdict: proof: 1 of 1 supported")
    bounds = found["bounds"]
    (claim, control) = marks(bounds)
    assert claim[:4] == (0.5, 0, "o", False) and control[:4] == (30.0, 1, "o", True)
    assert [text.get_text() for text in bounds.get_yticklabels()] == ["bound", "false bound"]
    assert bounds.get_xscale() == "log" and 1.0 in [line.get_xdata()[0] for line in bounds.lines]
    assert found["exponents"].get_xscale() == "symlog"
    ends = {line.get_xdata()[0] for line in found["exponents"].lines if len(set(line.get_xdata())) == 1}
    assert {-1.0, 1.0} <= ends  # both ends of the tolerance
    fast = [line.get_xdata()[0] for line in found["exponents, one-sided"].lines if len(set(line.get_xdata())) == 1]
    assert 1.0 in fast and -1.0 not in fast  # only one
    assert all(axes.get_xlabel() for axes in figure.axes)
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert {"claim, supported", "control, supported", "where a claim is supported"} <= set(texts)
    for kind in ("png", "svg", "pdf"):
        assert figures.as_bytes(figure, kind, dpi=50)


def test_marks_say_the_verdict_without_colour():
    assert len({mark for _, mark in MARKS.values()}) == len(MARKS) == 3
    pieces = [judge.bound("good", 0.5), judge.bound("bad", 2.0), judge.amplitude("open", (0.5, 1.5), 0.1)]
    found = panels(margins(pieces))
    assert [mark[2] for mark in marks(found["bounds"])] == [MARKS[SUPPORTED][1], MARKS[CONTRADICTED][1]]
    assert marks(found["amplitudes"])[0][2] == MARKS[INCONCLUSIVE][1]


def test_many_pieces_are_a_strip_in_order_with_controls_last():
    claims = [judge.bound(f"claim {k}", 0.5 + 0.001 * k) for k in range(120)]
    controls = [judge.control(judge.bound(f"control {k}", 2.0)) for k in range(10)]
    figure = margins([*controls, *claims])
    (axes,) = figure.axes
    found = marks(axes)
    assert len(found) == 130 > NAMED and not axes.get_yticklabels()
    assert [x for x, *_ in found[:120]] == [0.5 + 0.001 * k for k in range(120)]
    assert [hollow for _, _, _, hollow, _ in found] == 120 * [False] + 10 * [True]
    assert "120 and 10 controls" in axes.get_title(loc="left")
    assert figure.get_figheight() < 9  # fits a page


@pytest.mark.parametrize("measured, edge, mark", [(0.0, 0, "<"), (math.inf, 1, ">"), (1e40, 1, ">")])
def test_what_lies_beyond_the_axis_is_an_arrow_at_its_end(measured, edge, mark):
    figure = margins([judge.bound("inside", 0.5), judge.bound("beyond", measured)])
    (axes,) = figure.axes
    x, _, found, _, _ = marks(axes)[1]
    assert x == axes.get_xlim()[edge] and found == mark and RATIOS[0] <= x <= RATIOS[1]
    assert "beyond the axis, or 0" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_what_is_not_drawn_is_named():
    figure = margins([judge.bound("a", 0.5), REFUSED])
    assert "refused" in figure.legends[0].get_title().get_text()
    assert "Without a number: refused." in margins_in_words([judge.bound("a", 0.5), REFUSED])


def test_words_have_the_ranges_of_claims_and_controls():
    words = margins_in_words(ONE_OF_EACH)
    assert "Bounds: 1 claimed, 0.5 of what is allowed; 1 as controls, 30 of what is allowed." in words
    assert "Exponents: 1 claimed, -0.5 to 0 tolerances from what is predicted." in words
    assert "Comparisons: 1 claimed, 0.25 to 1.25 from what is claimed to lie below." in words
    assert "Measurements, nothing predicted: 1 claimed, 2 to 4." in words


@pytest.mark.parametrize("pieces", [[], [PROOF], [REFUSED]])
def test_nothing_to_draw_is_refused(pieces):
    with pytest.raises(InvalidInputError, match="no margins to draw"):
        margins(pieces)


def test_long_names_keep_both_ends():
    name = "a" * 50 + " " + "z" * 50
    (axes,) = margins([judge.bound(name, 0.5)]).axes
    (label,) = [text.get_text() for text in axes.get_yticklabels()]
    assert len(label) <= LONGEST + 1 and label.startswith("aaa") and label.endswith("zzz") and "…" in label


# --- evidence of a document ---


def test_a_document_gives_its_evidence_back():
    pieces = [
        *ONE_OF_EACH,
        judge.bound("inf", math.inf),
        judge.measurement("open", (-math.inf, math.inf), measured=0.0),
    ]
    assert evidence_of(plain(pieces)) == pieces
    assert evidence_of(pieces) == pieces
    (back,) = evidence_of(plain([judge.bound("nan", math.nan)]))
    assert math.isnan(back.measured)


def damaged(**changes):
    return {k: v for k, v in (plain(judge.amplitude("a", (0.9, 1.1), 0.2)) | changes).items() if v != "left out"}


@pytest.mark.parametrize(
    "piece",
    [
        3,
        damaged(measured="left out"),
        damaged(measured="three"),
        damaged(kind="opinion"),
        damaged(interval=[1.0]),
        damaged(interval=1.0),
        damaged(details=None),
    ],
)
def test_damaged_evidence_is_refused(piece):
    with pytest.raises(InvalidInputError, match="piece of evidence"):
        evidence_of([piece])
