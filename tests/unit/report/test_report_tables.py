"""Tables: the same cells on a terminal and in a pipe."""

import io
import math

import pytest
from rich.console import Console

from bn_theory.rates import fit_exponent
from bn_theory.report import tables
from bn_theory.report.verification import NotRun, Verification
from bn_theory.theorems import evidence as judge
from bn_theory.theorems.statement import Result, Settings, Source, Statement


def made(slug):
    return Statement(slug, f"Title of {slug}", Source("A paper", "Theorem 1", "paper"), lambda _: ())


def verification():
    evidence = (
        judge.exponent("fits", (-0.501, -0.4990001), -0.5, 0.002, 0.002),
        judge.bound("fails", math.inf, where="step 3"),
    )
    ran = Result(made("p.one"), evidence, (judge.Outside("rate 100", "no burn-in"),), 1.25)
    return Verification(Settings(), (ran, NotRun(made("p.two"), "needs torch")), 2.0)


def test_plain_columns_are_aligned_and_two_spaces_apart():
    text = tables.as_plain(tables.evidence(verification()))
    lines = text.splitlines()
    assert len({line.index("exponent" if "fits" in line else "bound") for line in lines[1:]}) == 1
    row = [cell for cell in lines[1].split("  ") if cell]
    assert [cell.strip() for cell in row] == [
        "p.one", "fits", "exponent", "supported", "-0.5", "-0.5", "-0.501 .. -0.499", "0.002",
    ]  # fmt: skip
    assert lines[2].split() == ["p.one", "fails", "bound", "contradicted", "inf", "1", "-", "0"]
    assert text.isascii() and not any(line != line.rstrip() for line in lines)


def test_the_other_tables_of_a_verification():
    v = verification()
    assert tables.reasons(v).rows == (("p.one", "fails", "contradicted", "where = step 3"),)
    assert tables.outside(v).rows == (("p.one", "rate 100", "no burn-in"),)
    assert tables.not_run(v).rows == (("p.two", "needs torch"),)
    assert [row[2:] for row in tables.summary(v).rows] == [
        ("contradicted", "2", "1", "1.2"),
        ("not run", "0", "0", "0.0"),
    ]
    assert tables.closing(v) == "verdict: contradicted (1 statement, 1 not run, 2 pieces of evidence, 2.0 s)"


def test_nothing_that_ran_is_inconclusive():
    assert Verification(Settings(), (NotRun(made("p.two"), "needs torch"),), 0.0).verdict == "inconclusive"


def test_rich_shows_the_same_cells_and_reads_no_markup():
    table = tables.Table("What [b]is", (">x[b]", "name"), (("[-1, 2]", "[red]a"), ("supported", "b")))
    file = io.StringIO()
    Console(file=file, width=80, force_terminal=False).print(tables.as_rich(table))
    for text in ("What [b]is", "x[b]", "[-1, 2]", "[red]a", "supported"):
        assert text in file.getvalue()
    coloured = io.StringIO()
    Console(file=coloured, width=80, force_terminal=True, color_system="standard").print(tables.as_rich(table))
    assert "\x1b[32msupported" in coloured.getvalue()


def test_on_a_terminal_a_repeated_first_column_becomes_headings():
    table = tables.Table("", ("statement", "name"), (("p.one", "a"), ("p.one", "b"), ("p.two", "c")))
    file = io.StringIO()
    Console(file=file, width=80, force_terminal=False).print(tables.as_rich(table))
    lines = [line.strip() for line in file.getvalue().splitlines()]
    assert [line for line in lines if line and line.isascii()] == ["name", "p.one", "a", "b", "p.two", "c"]


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_a_narrow_terminal_folds_cells_and_loses_none(width):
    table = tables.evidence(verification())
    file = io.StringIO()
    Console(file=file, width=width, force_terminal=False).print(tables.as_rich(table))
    assert max(map(len, file.getvalue().splitlines())) <= width
    shown = sorted(c for c in file.getvalue() if c.isascii() and not c.isspace())
    cells = "p.one" + "".join(column.lstrip(">") for column in table.columns[1:])
    cells += "".join("".join(row[1:]) for row in table.rows)
    assert shown == sorted(cells.replace(" ", ""))


def test_long_details_are_cut_to_one_line():
    evidence = judge.bound("fails", 2.0, why="many\nlines " * 100)
    (row,) = tables.reasons(Verification(Settings(), (Result(made("p.one"), (evidence,), (), 0.0),), 0.0)).rows
    assert len(row[-1]) == tables.LONGEST_DETAIL and "\n" not in row[-1] and row[-1].endswith("...")


def test_local_exponents_every_half_decade_and_scaled():
    t = [10 ** (k / 10) for k in range(41)]
    table = tables.local_exponents(fit_exponent(t, [x**-1.5 for x in t]), 0.5)
    assert [row[0] for row in table.rows] == [f"{10 ** (k / 2):.4g}" for k in range(9)]
    assert {row[1] for row in table.rows} == {"-0.7500"}
