"""Documents compared: every bit counts, times do not, and what differs is named."""

import copy

import pytest
from report_documents import edited

from bn_theory.report import compare

EVIDENCE = {
    "name": "rate",
    "kind": "exponent",
    "verdict": "supported",
    "measured": -0.5,
    "predicted": -0.5,
    "interval": [-0.501, -0.499],
    "tolerance": 0.002,
    "seconds": 1.0,
    "details": {"rates": [0.1, 1.0], "where": "step 3", "seconds": 7.0},
}
STATEMENT = {
    "slug": "p.one",
    "title": "A title",
    "source": {"paper": "A paper", "statement": "Theorem 1", "origin": "paper"},
    "verdict": "supported",
    "seconds": 2.0,
    "proof": {"title": "T", "steps": [{"name": "first", "checked": True}], "parts": []},
    "outside": [{"case": "rate 100", "reason": "no burn-in"}],
    "evidence": [EVIDENCE, copy.deepcopy(EVIDENCE) | {"name": "other"}],
    "figures": [{"figure": "envelope", "caption": "C", "data": {"t": [1, 2, 3], "y": [0.5, 0.25, "inf"]}}],
}


def changed(path, value, document=STATEMENT):
    return edited(copy.deepcopy(document), path, value)


def test_the_same_is_the_same_whatever_time_it_took():
    assert compare.statements(STATEMENT, copy.deepcopy(STATEMENT)) == ()
    slower = changed(["seconds"], 99.0)
    slower["evidence"][0]["seconds"] = 99.0
    assert compare.statements(STATEMENT, slower) == ()


@pytest.mark.parametrize(
    "path, value, part, place",
    [
        (["verdict"], "contradicted", "verdict", ""),
        (["title"], "Another", "title", ""),
        (["source", "origin"], "derived", "source", ".origin"),
        (["proof"], None, "proof", ""),
        (["proof", "steps", 0, "checked"], False, "proof", ".steps[0].checked"),
        (["outside", 0, "reason"], "burn-in", "outside", "[0].reason"),
        (["outside"], [], "outside", "length of it"),
        (["evidence", 0, "verdict"], "inconclusive", "rate: verdict", ""),
        (["evidence", 0, "measured"], -0.5000000000000001, "rate: measured", ""),
        (["evidence", 0, "predicted"], None, "rate: predicted", ""),
        (["evidence", 1, "interval", 1], -0.498, "other: interval", "[1]"),
        (["evidence", 0, "tolerance"], 0.003, "rate: tolerance", ""),
        (["evidence", 0, "details", "rates", 1], 1.5, "rate: rates", "[1]"),
        (["evidence", 0, "details", "where"], "step 4", "rate: where", ""),
        (["evidence", 0, "details", "where"], ..., "rate: where", ""),
        # only the time that the program itself took is left out
        (["evidence", 0, "details", "seconds"], 8.0, "rate: seconds", ""),
        (["figures", 0, "data", "y", 1], 0.26, "figure envelope", ".data.y[1]"),
        (["figures", 0, "caption"], "D", "figure envelope", ".caption"),
    ],
)
def test_every_change_is_found_and_named(path, value, part, place):
    for before, now in ((STATEMENT, changed(path, value)), (changed(path, value), STATEMENT)):
        (found,) = compare.statements(before, now)
        assert (found.name, found.worst.place, found.count) == (part, place, 1)
        assert not compare.same(found.worst.before, found.worst.now)


@pytest.mark.parametrize("value", [-0.0, 0, "0.0", None, False, 5e-324])
def test_bits_and_types_count(value):
    assert not compare.same(0.0, value) and not compare.same(value, 0.0)
    assert compare.same(value, value)


def test_what_only_one_has_is_absent_in_the_other():
    fewer = changed(["evidence", 1], ...)
    parts = compare.statements(STATEMENT, fewer)
    assert {p.name for p in parts} >= {"other: measured", "other: verdict", "other: rates"}
    assert {p.worst.now for p in parts} == {compare.ABSENT}
    assert {p.worst.before for p in compare.statements(fewer, STATEMENT)} == {compare.ABSENT}


@pytest.mark.parametrize("key", ["evidence", "figures"])
def test_another_order_is_found(key):
    two = changed(["figures"], [{"figure": name, "caption": "C", "data": {}} for name in "ab"])
    (found,) = compare.statements(two, changed([key], two[key][::-1], two))
    assert (found.name, found.count) == (f"order of {key}", 2)


def test_pieces_of_one_name_are_not_lost():
    twice = changed(["evidence", 1, "name"], "rate")
    assert compare.statements(twice, twice) == ()
    other = changed(["evidence", 0, "measured"], 7.0, twice)
    assert [p.name for p in compare.statements(twice, other)] == ["rate: measured"]
    other = changed(["evidence", 1, "measured"], 7.0, twice)
    assert [p.name for p in compare.statements(twice, other)] == ["rate (2): measured"]


def test_the_largest_relative_difference_stands_for_a_part():
    now = changed(["figures", 0, "data", "y"], [0.5000001, 0.5, "inf"])
    (part,) = compare.statements(STATEMENT, now)
    assert part.count == 2 and part.worst.place == ".data.y[1]" and part.worst.relative == 0.5
    now["figures"][0]["data"]["y"][2] = 3.0
    (part,) = compare.statements(STATEMENT, now)
    assert part.count == 3 and part.worst.place == ".data.y[2]" and part.worst.relative is None


def test_not_run_is_compared_as_that_alone():
    idle = {"slug": "p.one", "verdict": "not run", "not_run": "needs torch", "evidence": [], "figures": []}
    assert compare.statements(idle, dict(idle)) == ()
    assert [p.name for p in compare.statements(STATEMENT, idle)] == ["verdict", "not_run"]


def test_environments_are_compared_library_by_library():
    def document(versions, **more):
        package = {"name": "bn_theory", "version": "1", "commit": more.pop("commit", None)}
        return {"package": package, "environment": {"versions": versions, "commit": "twice", "python": "3"} | more}

    before = document("bn_theory 1, numpy 2.0, torch 2", processor="A")
    assert compare.environments(before, before) == ()
    now = document("bn_theory 1, numpy 2.1, z3 4", processor="B", commit="a" * 40)
    found = {d.place: (d.before, d.now) for d in compare.environments(before, now)}
    assert found == {
        ".numpy": ("2.0", "2.1"),
        ".torch": ("2", compare.ABSENT),
        ".z3": (compare.ABSENT, "4"),
        ".processor": ("A", "B"),
        ".commit": ("unknown", "a" * 40),
    }
