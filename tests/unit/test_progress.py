"""The progress bar appears in terminals, on long runs, and nowhere else."""

import io
import sys
from contextlib import contextmanager

import pytest

import bn_theory as bn
from bn_theory import progress, simulate


class Terminal(io.StringIO):
    def isatty(self):
        return True


def run(wanted, monkeypatch, stream, patience=0.0):
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "PATIENCE", patience)
    bn.run(bn.rayleigh([0.0, 1.0]), bn.GD(lr=0.1), steps=20, engine="numpy", progress=wanted)
    return stream.getvalue()


def test_off_when_not_a_terminal(monkeypatch):
    assert run(None, monkeypatch, io.StringIO()) == ""


def test_off_when_unwanted(monkeypatch):
    assert run(False, monkeypatch, Terminal()) == ""


def test_off_on_short_runs(monkeypatch):
    assert run(None, monkeypatch, Terminal(), patience=1e9) == ""


def test_on_when_wanted(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    assert "GD(lr=0.1)" in run(True, monkeypatch, Terminal(), patience=1e9)


def test_appears_by_itself_in_a_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    assert "GD(lr=0.1)" in run(None, monkeypatch, Terminal())


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_every_step_is_reported_once(monkeypatch, engine):
    seen = []

    @contextmanager
    def recording(wanted, steps, label):
        seen.append(("total", steps))
        yield lambda n: seen.append(("advance", n))

    monkeypatch.setattr(simulate, "progress_bar", recording)
    bn.run(bn.rayleigh([0.0, 1.0]), bn.GD(lr=0.1), steps=70, engine=engine)
    assert seen[0] == ("total", 70)
    assert sum(n for kind, n in seen if kind == "advance") == 70


def test_the_bar_is_taken_down_when_the_run_fails(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    with pytest.raises(RuntimeError), progress.progress_bar(True, 10, "label") as advance:
        advance(1)
        raise RuntimeError
    assert "\x1b[?25h" in stream.getvalue()  # the cursor is shown again
