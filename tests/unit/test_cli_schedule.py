"""``bn-theory schedule``: what it prints and writes against the schedule itself, and bad input before any file."""

import csv
import math
import os
import subprocess
import sys
from functools import partial

import numpy as np
import pytest

import bn_theory as bn
from bn_theory.cli import schedule as command
from bn_theory.dynamics.equivalence import roots
from bn_theory.provenance import described

ANCHOR = ("--lr", 0.1, "--weight-decay", 5e-4, "--momentum", 0.9, "--steps-per-epoch", 391)
SMALL = ("--lr", 0.1, "--weight-decay", 0.02, "--momentum", 0.5, "--epochs", 9, "--steps-per-epoch", 10)


@pytest.fixture
def call(call):
    """``call(*arguments)`` of ``schedule`` returns exit code, stdout and stderr."""
    return partial(call, "schedule")


def table(out, title):
    """The cells of a printed table's rows."""
    lines = out.splitlines()
    start = lines.index(title) + 2
    end = next((i for i in range(start, len(lines)) if not lines[i]), len(lines))
    return [line.split("  ") for line in lines[start:end]]


def cells(row):
    return [cell.strip() for cell in row if cell.strip()]


def prose(out):
    return " ".join(out.split())


# --- what is printed ---


def test_the_published_anchor(call):
    code, out, err = call(*ANCHOR, "--decay", "80:0.1,120:0.1", "--epochs", 160)
    assert (code, err) == (0, "") and out.isascii() and "\x1b" not in out
    assert out.splitlines()[0] == f"by          {described()}"
    assert out.splitlines()[1] == (
        "given       rate 0.1, times 0.1 at epoch 80, times 0.1 at epoch 120; weight decay 0.0005, momentum 0.9; "
        "160 epochs of 391 steps"
    )
    first, second, third = map(cells, table(out, "Growth of the equivalent rate"))
    assert first[:5] == ["0 to 79", "0.1", "1.0010053", "1.48123", "1.48123"]
    assert (second[:2], third[:2]) == (["80 to 119", "0.01"], ["120 to 159", "0.001"])
    assert "float32 and float64 hold the whole schedule" in out
    found = bn.equivalent_schedule(
        bn.StepDecay(0.1, {80 * 391: 0.1, 120 * 391: 0.1}), 5e-4, 0.9, 160 * 391, steps_per_epoch=391
    )
    for row, (begin, end) in zip((first, second, third), ((0, 80), (80, 120), (120, 160)), strict=True):
        a = roots(float(row[1]), 5e-4, 0.9)[0]
        assert float(row[2]) == pytest.approx(a**-2, rel=1e-8)
        assert float(row[3]) == float(f"{a ** (-2 * 391):.6g}")
        assert float(row[4]) == float(f"{math.exp(found.log_lr[end * 391 - 1] - found.log_lr[end * 391 - 392]):.6g}")
        logs = found.log_lr[[begin * 391, end * 391 - 1]] / math.log(10)
        assert row[5:] == [f"{x:.4f}" for x in logs]
    assert f"first rate  {found.lr[0]:.6g} (" in out and f"last rate   {found.lr[-1]:.6g} (" in out
    # the transient from the zero buffer
    settled = f"{roots(0.1, 5e-4, 0.9)[0] ** -2:.9g}"
    assert f"first grows by {found.growth_per_step[0]:.9g} a step, not by the settled {settled}" in prose(out)
    near = np.abs(np.log(found.growth_per_step) / math.log(float(settled)) - 1) <= 0.01
    assert f"within 1 % of it after {np.argmax(near)} steps" in prose(out)


def test_drops_at_once_in_all_and_by_texp(call):
    _, out, _ = call(*SMALL, "--decay", "3:0.1,6:2")
    found = bn.equivalent_schedule(bn.StepDecay(0.1, {30: 0.1, 60: 2}), 0.02, 0.5, 90)
    a = [roots(rate, 0.02, 0.5)[0] for rate in (0.1, 0.01, 0.02)]
    for i, row in enumerate(map(cells, table(out, "Drops: factor on the rate"))):
        step, factor, end = (30, 0.1, 59) if i == 0 else (60, 2.0, 89)
        assert [int(row[0]), int(row[1]), float(row[2])] == [step // 10, step, factor]
        at_once, in_all, texp = map(float, row[3:])
        assert at_once == pytest.approx(found.lr[step] / found.lr[step - 1], rel=1e-6)
        assert texp == pytest.approx(factor / (a[i] * a[i + 1]), rel=1e-6)
        line = found.lr[end] * a[i + 1] ** (2 * (end - step))
        assert in_all == pytest.approx(line / found.lr[step - 1], rel=1e-6)
        # settled phases: p_{T+m} -> c p_T a^m, c = (p_{T+1}/p_T - b)/(a - b), and b^29 is below 1e-8 of it
        b = 0.5 / a[i + 1]
        c = (found.p[step + 1] / found.p[step] - b) / (a[i + 1] - b)
        assert in_all == pytest.approx(texp / c**2, rel=1e-6)
        assert abs(in_all / texp - 1) > 1e-6  # two numbers of seven digits are known to 5e-7
    assert "'at once'" in out


def test_without_momentum_a_drop_is_the_closed_form_and_nothing_is_said_of_a_buffer(call):
    code, out, _ = call(*SMALL, "--momentum", 0, "--decay", "3:0.1")
    (row,) = map(cells, table(out, "Drops: factor on the rate"))
    assert row[3] == row[4] == row[5] and float(row[3]) == pytest.approx(0.1 / (0.998 * 0.9998), rel=1e-6)
    assert code == 0 and "no momentum" in out and "buffer" not in out


def test_cosine_with_warm_up_is_cut_into_pieces(call):
    _, out, _ = call(*SMALL, "--cosine", "--warmup", 1)
    found = bn.equivalent_schedule(bn.Warmup(bn.Cosine(0.1, 90), 10), 0.02, 0.5, 90)
    rows = list(map(cells, table(out, "Growth of the equivalent rate")))
    assert [row[0] for row in rows] == [f"{k} to {k}" for k in range(9)]
    assert rows[0][1] == f"{0.1 / 10:.4g} to {found.eta[9]:.4g}"
    assert all(row[2:4] == ["-", "-"] for row in rows) and "Drops" not in out
    assert [row[5] for row in rows] == [f"{x / math.log(10):.4f}" for x in found.log_lr[::10]]


def test_a_warm_up_ends_where_it_says_and_a_drop_inside_it_has_no_settled_rates(call):
    _, out, _ = call(*SMALL, "--warmup", 4, "--decay", "2:0.5,6:0.1")
    rows = list(map(cells, table(out, "Growth of the equivalent rate")))
    assert [row[0] for row in rows] == ["0 to 1", "2 to 3", "4 to 5", "6 to 8"]
    assert [row[2] == "-" for row in rows] == [True, True, False, False]
    inside, outside = map(cells, table(out, "Drops: factor on the rate"))
    assert inside[4:] == ["-", "-"] and "-" not in outside
    found = bn.equivalent_schedule(bn.Warmup(bn.StepDecay(0.1, {20: 0.5, 60: 0.1}), 40), 0.02, 0.5, 90)
    assert float(inside[3]) == pytest.approx(found.lr[20] / found.lr[19], rel=1e-6)


@pytest.mark.parametrize("epochs, types", [(2, 0), (12, 1), (70, 2)])
def test_overflow_is_printed_with_its_steps_and_its_remedy(call, epochs, types):
    code, out, _ = call("--lr", 1, "--weight-decay", 0.1, "--epochs", epochs, "--steps-per-epoch", 50)
    warnings = bn.equivalent_schedule(1.0, 0.1, steps=50 * epochs).warnings
    assert code == 0 and len(warnings) == types
    assert all(f"{warning}." in prose(out) for warning in warnings)
    assert ("no rescaling is needed" in out) == (types == 0)


def test_rates_beyond_float64_are_shown_by_their_logarithm(call):
    _, out, _ = call("--lr", 1, "--weight-decay", 0.5, "--epochs", 2, "--steps-per-epoch", 2000)
    exponent = bn.equivalent_schedule(1.0, 0.5, steps=4000).log_lr[-1] / math.log(10)
    assert f"last rate   log10 {exponent:.4f}, beyond float64" in out
    (row,) = map(cells, table(out, "Growth of the equivalent rate"))
    assert row[3] == f"10^{2000 * 2 * math.log10(2):.3f}"


def test_a_million_steps(call):
    code, out, _ = call(*SMALL, "--epochs", 1000, "--steps-per-epoch", 1000)
    assert code == 0 and "beyond float64" in out


# --- files ---


def test_the_csv_has_every_step_in_full_precision(call, tmp_path):
    path = tmp_path / "schedule.csv"
    code, out, _ = call("--lr", 1, "--weight-decay", 0.5, "--epochs", 7, "--steps-per-epoch", 100, "--csv", path)
    assert code == 0 and f"schedule written to {path}" in out and os.listdir(tmp_path) == ["schedule.csv"]
    lines = path.read_text().splitlines()
    assert lines[0] == "step,epoch,lr_with_decay,log_lr,lr,rescaled_lr,weight_factor"
    rows = list(csv.DictReader(lines))
    assert lines[0] == ",".join(command.COLUMNS)
    found = bn.equivalent_schedule(1.0, 0.5, steps=700)
    units = found.rescaled()
    steps = np.arange(700)
    expected = (steps, steps // 100, found.eta, found.log_lr, found.lr, units.lr, units.factors)
    for name, values in zip(command.COLUMNS, expected, strict=True):
        assert np.array_equal([float(row[name]) for row in rows], values)
    assert rows[-1]["lr"] == "inf" and np.all(np.isfinite(units.lr)) and units.steps_with_rescaling.size > 1


def test_figures_are_written_in_the_format_of_their_name(call, tmp_path):
    for ending, start in (("png", b"\x89PNG"), ("svg", b"<?xml"), ("PDF", b"%PDF")):
        path = tmp_path / f"out.{ending}"
        code, out, _ = call(*SMALL, "--decay", "3:0.1", "--plot", path)
        assert code == 0 and path.read_bytes().startswith(start) and f"figure written to {path}" in out
    assert len(os.listdir(tmp_path)) == 3


REFUSED = {
    "no rate": (("--weight-decay", 1, "--epochs", 1, "--steps-per-epoch", 1), "required: --lr"),
    "rate 0": ((*SMALL, "--lr", 0), "'0' is not a number above 0"),
    "a negative decay": ((*SMALL, "--weight-decay=-1e-4"), "'-1e-4' is not a number of at least 0"),
    "a decay in words": ((*SMALL, "--weight-decay", "some"), "'some' is not a number of at least 0"),
    "momentum 1": ((*SMALL, "--momentum", 1), "'1' is not a number of at least 0 and below 1"),
    "no epoch": ((*SMALL, "--epochs", 0), "'0' is not a whole number of at least 1"),
    "half a step": ((*SMALL, "--steps-per-epoch", 1.5), "'1.5' is not a whole number"),
    "too many steps": ((*SMALL, "--epochs", "1e9"), "1000000000 epochs of 10 are 10000000000 steps; at most 10000000"),
    "no colon": ((*SMALL, "--decay", "3"), "'3' is not EPOCH:FACTOR (there is no colon in it); write for instance"),
    "no factor": ((*SMALL, "--decay", "3:"), "'3:' is not EPOCH:FACTOR ('' is not a number above 0)"),
    "no epoch of a drop": ((*SMALL, "--decay", ":0.1"), "':0.1' is not EPOCH:FACTOR ('' is not a whole number"),
    "an empty drop": ((*SMALL, "--decay", "3:0.1,"), "'' is not EPOCH:FACTOR"),
    "a negative factor": ((*SMALL, "--decay", "3:-0.1"), "'-0.1' is not a number above 0"),
    "half an epoch": ((*SMALL, "--decay", "3.5:0.1"), "'3.5' is not a whole number of at least 1"),
    "a drop at the start": ((*SMALL, "--decay", "0:0.1"), "'0' is not a whole number of at least 1"),
    "a drop too late": ((*SMALL, "--decay", "9:0.1"), "--decay at epoch 9 is outside of the run"),
    "two drops": ((*SMALL, "--decay", "3:0.1,3:0.2"), "two drops at epoch 3"),
    "two shapes": ((*SMALL, "--decay", "3:0.1", "--cosine"), "not allowed with argument"),
    "a long warm-up": ((*SMALL, "--warmup", 10), "--warmup 10 is longer than --epochs 9"),
    "complex roots": ((*SMALL, "--weight-decay", 1), "p_t oscillates and changes sign about every"),
    "a p below 0": ((*SMALL, "--weight-decay", 1, "--warmup", 2), "is not positive: at step"),
    "a decay of 1": (
        (*SMALL, "--weight-decay", 11, "--momentum", 0),
        "already p_1 = 1 - weight_decay * lr = -0.1 is not positive",
    ),
    "another format": ((*SMALL, "--plot", "out.gif"), "cannot draw out.gif: its name must end in .png, .svg, .pdf"),
    "no folder of a table": ((*SMALL, "--csv", "absent/out.csv"), "does not exist"),
    "no folder of a figure": ((*SMALL, "--plot", "absent/out.png"), "does not exist"),
    "one file for both": ((*SMALL, "--csv", "out.png", "--plot", "./out.png"), "--csv and --plot are both out.png"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_exits_2_and_leaves_no_file(call, case, tmp_path, monkeypatch):
    arguments, wanted = REFUSED[case]
    monkeypatch.chdir(tmp_path)
    files = () if "--csv" in arguments or "--plot" in arguments else ("--csv", "out.csv", "--plot", "out.png")
    code, out, err = call(*arguments, *files)
    assert (code, out) == (2, "")
    assert wanted in prose(err) and "Traceback" not in err and os.listdir(tmp_path) == []
    if err.startswith("bn-theory: "):
        assert err.count("\n") == 1


def test_a_figure_without_matplotlib_is_refused_before_anything_is_printed(call, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    code, out, err = call(*SMALL, "--plot", "out.png")
    assert (code, out) == (2, "") and "pip install matplotlib" in err


def test_a_file_that_fails_late_leaves_none(call, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    code, out, err = call(*SMALL, "--csv", tmp_path / "out.csv")
    assert code == 2 and "Growth" in out and "No space left" in err and os.listdir(tmp_path) == []


# --- help ---


def test_help_names_every_option_and_imports_nothing_heavy(call):
    code, out, _ = call("--help")
    assert code == 0 and out.startswith("usage: bn-theory schedule")
    program = """
import sys
from bn_theory.cli import main
try:
    main(["schedule", "--help"])
except SystemExit as stop:
    assert stop.code == 0
loaded = {"numpy", "scipy", "sympy", "numba", "xarray", "rich", "matplotlib"} & set(sys.modules)
assert not loaded, loaded
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    options = (
        "lr",
        "weight-decay",
        "momentum",
        "epochs",
        "steps-per-epoch",
        "decay",
        "cosine",
        "warmup",
        "csv",
        "plot",
    )
    assert all(f"--{option}" in done.stdout for option in options)
