"""``bn-theory experiment``: what a user sees and gets, bad input before any work, a killed process that goes on."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

import bn_theory
from bn_theory.errors import MissingExtraError
from bn_theory.experiments import checkpoint, dataset
from bn_theory.networks import Trainer
from bn_theory.networks.data import Split
from bn_theory.provenance import described
from bn_theory.report import figures

ROOT = Path(bn_theory.__file__).parents[1]
SMALL = ("learning_rate_sweep", "--width", 1, "--epochs", 2, "--batch", 256, "--rates", "0.1", "--seeds", 1)
STATE = Path("learning_rate_sweep", "state.safetensors")


def no_matplotlib():
    raise MissingExtraError("a figure needs matplotlib: pip install matplotlib")


@pytest.fixture
def call(call, tmp_path, monkeypatch):
    """``call(*arguments)`` of ``experiment`` in an empty folder returns exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    return partial(call, "experiment")


def test_from_an_empty_folder(call, tmp_path):
    code, out, err = call(*SMALL)
    assert code == 0 and out.isascii() and "\x1b" not in out
    lines = out.splitlines()
    assert lines[1] == "digits on cpu, seed 0; epochs 2, batch 256, rates 0.1, width 1, others-rate 0.1"
    assert lines[2] == described()
    assert lines[5].split("  ")[0] == "rate" and lines[6].startswith(" 0.1")
    assert lines[-1] == "written to learning_rate_sweep: results.nc, final_loss.png, effective_rate.png"
    assert [line.split(":")[0] for line in err.splitlines()] == [
        f"run {i} of 3 ({setting}, rate 0.1, seed 0)"
        for i, setting in enumerate(("SGD", "projected SGD", "no normalisation"), start=1)
    ]
    folder = tmp_path / "learning_rate_sweep"
    assert sorted(os.listdir(tmp_path)) == ["learning_rate_sweep"]
    assert sorted(os.listdir(folder)) == [
        ".lock", "effective_rate.png", "final_loss.png", "results.nc", "state.safetensors",
    ]  # fmt: skip
    found = dataset.read(folder / "results.nc")
    assert found.final_loss.shape == (3, 1, 1) and found.attrs["experiment"] == "learning_rate_sweep"
    assert (folder / "final_loss.png").read_bytes().startswith(b"\x89PNG")

    # a second time: nothing is lost, and what is finished can be drawn again
    code, _, err = call(*SMALL)
    assert code == 2 and "go on with it by --resume, or give another --out" in err
    (folder / "final_loss.png").unlink()
    code, again, err = call(*SMALL, "--resume")
    assert (code, again, err) == (0, out, "") and (folder / "final_loss.png").exists()
    code, _, err = call(*SMALL, "--resume", "--others-rate", 0.2)
    assert code == 2 and "others_rate was 0.1 and is now 0.2" in err
    xr.testing.assert_identical(dataset.read(folder / "results.nc"), found)


# kills its own process when the fourth file is complete and about to take its place
KILL = """
import os, signal, sys
from bn_theory import cli
replace, left = os.replace, [4]
def killed(old, new):
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(old, new)
os.replace = killed
cli.main(["experiment", *sys.argv[1:]])
"""


def test_killed_by_the_system_and_resumed(call, tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "need_matplotlib", no_matplotlib)
    process = subprocess.run(
        [sys.executable, "-c", KILL, *map(str, SMALL)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert process.returncode == -signal.SIGKILL
    state = checkpoint.read(tmp_path / STATE)
    assert (state.run, state.epoch) == (1, 0)
    left = sorted(os.listdir(tmp_path / "learning_rate_sweep"))
    assert len(left) == 3 and left[1].endswith(".part") and left[::2] == [".lock", "state.safetensors"]
    assert call(*SMALL, "--resume")[0] == 0
    assert sorted(os.listdir(tmp_path / "learning_rate_sweep")) == [".lock", "results.nc", "state.safetensors"]
    assert call(*SMALL, "--out", "whole")[0] == 0
    resumed, whole = (dataset.read(tmp_path / name / "results.nc") for name in ("learning_rate_sweep", "whole"))
    xr.testing.assert_identical(resumed, whole)


@pytest.fixture
def interruptible():
    """Ctrl-C interrupts, also where the tests were started in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_interrupted_and_resumed(call, tmp_path, monkeypatch):
    write, left = checkpoint.write, [3]

    def interrupted(path, state):
        write(path, state)
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(checkpoint, "write", interrupted)
    code, _, err = call(*SMALL)
    assert code == 130 and "go on by the same command with --resume; the state is in learning_rate_sweep" in err
    assert err.splitlines()[-1] == "bn-theory: interrupted"
    assert sorted(os.listdir(tmp_path / "learning_rate_sweep")) == [".lock", "state.safetensors"]
    monkeypatch.setattr(figures, "need_matplotlib", no_matplotlib)
    code, _, err = call(*SMALL, "--resume")
    assert code == 0 and len(err.splitlines()) == 1 + 2  # no figures; the runs that were left


@pytest.mark.usefixtures("interruptible")
def test_interrupted_before_the_first_state(call, tmp_path, monkeypatch):
    made = Trainer.__init__

    def interrupted(*arguments, **named):
        made(*arguments, **named)
        os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:  # the networks are first made by check_runs
        patch.setattr(Trainer, "__init__", interrupted)
        code, _, err = call(*SMALL)
    assert code == 130 and "nothing was written; give the same command again" in err and "--resume" not in err
    assert os.listdir(tmp_path) == []
    assert call(*SMALL)[0] == 0


# both networks' weights are destroyed: by the only step of the run; by the first of many
LAST = ("rate_and_generalisation", "--depth", 8, "--width", 1, "--epochs", 1, "--batch", 1437, "--rates", "1e30")
FIRST = ("rate_and_generalisation", "--depth", 8, "--width", 2, "--epochs", 2, "--batch", 256, "--rates", "1e37")


@pytest.mark.parametrize("arguments", [LAST, FIRST], ids=["in the last step", "early"])
def test_where_every_run_diverges_the_answer_is_that(call, tmp_path, arguments):
    code, out, err = call(*arguments, "--seeds", 1)
    rows = [line.split("  ") for line in out.splitlines() if line.lstrip().startswith("1e+3")]
    assert code == 0 and len(rows) == 1 and out.count("1 of 1 diverged") == 2
    assert err.count("diverged at step 1") == 2
    assert "bn-theory: accuracy.png is left out: no final_train_accuracy is finite" in err
    assert out.splitlines()[-1] == "written to rate_and_generalisation: results.nc, training.png"
    folder = tmp_path / "rate_and_generalisation"
    assert sorted(os.listdir(folder)) == [".lock", "results.nc", "state.safetensors", "training.png"]
    found = dataset.read(folder / "results.nc")
    assert np.all(found.diverged == 1) and np.isnan(found.test_accuracy.isel(epoch=-1)).all()


def test_a_largest_rate_at_the_grids_end_is_told_as_a_bound(call, monkeypatch):
    monkeypatch.setattr(figures, "need_matplotlib", no_matplotlib)
    sizes = ("--depth", 8, "--width", 2, "--epochs", 2, "--batch", 64, "--seeds", 1)
    code, out, _ = call("largest_rate_by_depth", *sizes, "--rates", "0.01,0.1")
    assert code == 0 and out.count(">= 0.1") == 1  # normalised; without, neither rate trains
    code, out, _ = call("largest_rate_by_depth", *sizes, "--rates", "0.1,1e30", "--out", "wide")
    assert code == 0 and ">=" not in out and out.splitlines()[-3].split() == ["8", "0.1", "0"]


def test_a_finished_folder_of_a_gpu_can_be_drawn_without_one(call, tmp_path, monkeypatch):
    assert call(*SMALL)[0] == 0
    whole = dataset.read(tmp_path / "learning_rate_sweep" / "results.nc")
    state = checkpoint.read(tmp_path / STATE)
    altered = state.configuration | {"device": "cuda", "devices": ["a GPU"]}
    checkpoint.write(tmp_path / STATE, replace(state, configuration=altered))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    code, out, err = call(*SMALL, "--resume", "--device", "cuda")
    assert (code, err) == (0, "") and "final_loss.png" in out
    found = dataset.read(tmp_path / "learning_rate_sweep" / "results.nc")
    assert found.attrs["device"] == "a GPU" and found.equals(whole)
    # one run is left: that needs it
    checkpoint.write(tmp_path / STATE, replace(state, run=2, configuration=altered))
    code, _, err = call(*SMALL, "--resume", "--device", "cuda")
    assert code == 2 and "--device cuda cannot be used" in err


def test_images_that_do_not_fit_into_the_gpu(call, tmp_path, monkeypatch):
    def full(*_):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Split, "to", full)
    code, _, err = call(*SMALL)
    assert code == 2 and "does not fit into the GPU's memory" in err and os.listdir(tmp_path) == []


def test_without_matplotlib_the_results_are_written_all_the_same(call, monkeypatch, tmp_path):
    monkeypatch.setattr(figures, "need_matplotlib", no_matplotlib)
    code, out, err = call(*SMALL)
    assert code == 0 and out.splitlines()[-1] == "written to learning_rate_sweep: results.nc"
    assert err.splitlines()[0].startswith("bn-theory: no figures will be drawn: a figure needs matplotlib")


def write_cifar(folder):
    """Six small files of the binary version."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        records = rng.integers(0, 256, (2, 3073), dtype=np.uint8)
        records[:, 0] %= 10
        (folder / f"{name}.bin").write_bytes(records.tobytes())


def test_cifar_from_a_folder(call, tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "need_matplotlib", no_matplotlib)
    write_cifar(tmp_path / "data")
    sizes = ("--width", 1, "--depth", 8, "--epochs", 1, "--batch", 5, "--seeds", 1, "--rates", "1e30")
    code, _, err = call("rate_and_generalisation", "--data", "data", *sizes)
    assert code == 2 and "data_batch_1.bin is not that of the distribution" in err
    assert os.listdir(tmp_path) == ["data"]
    code, out, err = call("rate_and_generalisation", "--data", "data", "--unverified-data", *sizes, "--out", "out")
    assert code == 0 and out.splitlines()[1].startswith("CIFAR-10 on cpu, seed 0; epochs 1, batch 5, rates 1e+30")
    found = dataset.read(tmp_path / "out" / "results.nc")
    assert found.attrs["data"] == "CIFAR-10"
    assert found.diverged.sel(network="no normalisation").item() == 1
    assert "1 of 1 diverged" in out and "diverged at step 1" in err


def test_list_names_experiments_and_sizes(call):
    code, out, _ = call("--list")
    assert code == 0
    for part in ("learning_rate_sweep", "rate_and_generalisation", "largest_rate_by_depth", "others-rate 0.1"):
        assert part in out


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((), "give the NAME of an experiment, or --list"),
        (("learning_rate_sweep", "--list"), "give the NAME of an experiment, or --list"),
        (("learning_rate",), "unknown experiment 'learning_rate'; did you mean learning_rate_sweep"),
        (("learning_rate_sweep", "--rates", "0.1,0"), "'0' is not a number above 0"),
        (("learning_rate_sweep", "--rates", "0.1,-1"), "'-1' is not a number above 0"),
        (("learning_rate_sweep", "--rates", "0.1,0.1"), "0.1 is given twice"),
        (("learning_rate_sweep", "--rates", "fast"), "'fast' is not a number above 0"),
        (("learning_rate_sweep", "--epochs", "0"), "'0' is not a whole number of at least 1"),
        (("learning_rate_sweep", "--depth", "8"), "learning_rate_sweep has no depth"),
        (("learning_rate_sweep", "--momentum", "1"), "'1' is not a number of at least 0 and below 1"),
        (("learning_rate_sweep", "--device", "tpu"), "invalid choice: 'tpu'"),
        (("learning_rate_sweep", "--unverified-data"), "--unverified-data belongs to --data DIR"),
        (("learning_rate_sweep", "--batch", "1"), "batch 1 under norm1 "),
        (("learning_rate_sweep", "--data", "absent"), "there is no folder absent; nothing is downloaded"),
        (("learning_rate_sweep", "--data", "."), "holds no CIFAR-10"),
        (("learning_rate_sweep", "--out", "no/where"), "does not exist"),
        (("learning_rate_sweep", "--resume"), "there is nothing to resume in learning_rate_sweep"),
        (("rate_and_generalisation", "--depth", "8,14"), "takes one depth"),
        (("largest_rate_by_depth", "--depth", "8,10"), "depth must be 6 n"),
    ],
)
def test_bad_input_is_told_before_any_work(call, tmp_path, arguments, message):
    code, _, err = call(*arguments)
    assert code == 2 and message in err and "Traceback" not in err
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_missing_gpu(call, tmp_path):
    code, _, err = call("learning_rate_sweep", "--device", "cuda")
    assert code == 2 and "--device cuda cannot be used" in err and "or run on --device cpu" in err
    assert os.listdir(tmp_path) == []


def test_a_file_in_the_folders_place(call, tmp_path):
    (tmp_path / "out").touch()
    # before the data are looked for and networks are made
    for further in ((), ("--resume",), ("--data", "absent"), ("--batch", 1)):
        code, out, err = call(*SMALL, *further, "--out", "out")
        assert code == 2 and out == ""
        assert err == (
            "bn-theory: out is there and is not a folder, which the results need; give another --out, or move it away\n"
        )
