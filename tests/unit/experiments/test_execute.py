"""Runs of experiments: what is recorded, and that a run killed at any checkpoint and resumed gives the same numbers."""

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from subprocess import PIPE

import numpy as np
import pytest
import torch
import xarray as xr

import bn_theory
from bn_theory import provenance
from bn_theory.errors import DataFileError, DeviceError, DeviceMemoryError, InvalidInputError
from bn_theory.experiments import checkpoint, dataset, experiment, lock
from bn_theory.experiments.execute import STATE, begin, check_device, configuration, execute
from bn_theory.experiments.lock import LOCK
from bn_theory.networks import Trainer, evaluate
from bn_theory.networks.data import augment, digits_split
from bn_theory.networks.threads import one_thread

SIZES = {
    "learning_rate_sweep": {"width": 4, "epochs": 2, "batch": 32, "rates": [0.1, 100.0], "seeds": 1},
    "rate_and_generalisation": {"width": 1, "epochs": 2, "batch": 32, "rates": [0.1, 1e4], "depth": [8], "seeds": 1},
    "largest_rate_by_depth": {"width": 1, "epochs": 2, "batch": 32, "rates": [0.1, 1e4], "depth": [8], "seeds": 1},
}


def small(name, **sizes):
    """An experiment and a small setup of it."""
    found = experiment(name)
    return found, found.setup(**(SIZES[name] | sizes))


@pytest.fixture(scope="module")
def digits():
    """A few of them."""
    split = digits_split()
    few = {
        name: getattr(split, name)[:128] for name in ("train_images", "train_classes", "test_images", "test_classes")
    }
    return replace(split, **few)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, digits):
    """``whole(name)`` is an uninterrupted run of the small experiment of that name, made once."""
    made = {}

    def run(name):
        if name not in made:
            made[name] = execute(*small(name), digits, tmp_path_factory.mktemp("whole") / name)
        return made[name]

    return run


class Killed(BaseException):
    """Stands for the end of the process: nothing catches it."""


def killer(after):
    """A listener that ends the run when it is told of something for the ``after``-th time."""
    left = [after]

    def doing(text):
        left[0] -= 1
        if left[0] < 0:
            raise Killed

    return doing


# momentum and a run that diverges; the projection
@pytest.mark.parametrize("name, sizes", [("rate_and_generalisation", {}), ("learning_rate_sweep", {"rates": [100.0]})])
def test_killed_at_every_checkpoint_and_resumed_gives_the_same_numbers(tmp_path, digits, name, sizes):
    found, setup = small(name, **sizes)
    whole = execute(found, setup, digits, tmp_path / "whole")
    resume, kills = False, 0
    while True:
        try:
            # one checkpoint, then the end: every one is left and taken up
            ended = execute(found, setup, digits, tmp_path / "out", resume=resume, doing=killer(1))
            break
        except Killed:
            resume, kills = True, kills + 1
    assert kills > len(found.runs(setup))
    xr.testing.assert_identical(ended, whole)


def test_a_checkpoint_without_the_momentum_would_be_noticed(tmp_path, digits):
    found, setup = small("rate_and_generalisation", rates=[0.1])
    whole = execute(found, setup, digits, tmp_path / "whole")
    with pytest.raises(Killed):
        execute(found, setup, digits, tmp_path / "out", doing=killer(1))
    state = checkpoint.read(tmp_path / "out" / STATE)
    kept = {name: tensor for name, tensor in state.trainer.items() if not name.startswith("optimizer")}
    assert len(kept) < len(state.trainer)
    checkpoint.write(tmp_path / "out" / STATE, replace(state, trainer=kept))
    ended = execute(found, setup, digits, tmp_path / "out", resume=True)
    assert not np.array_equal(ended.loss, whole.loss, equal_nan=True)


def test_other_seeds_give_other_numbers(tmp_path, digits, whole):
    found, setup = small("learning_rate_sweep", seed=1)
    other = execute(found, setup, digits, tmp_path / "out")
    assert not np.array_equal(other.loss, whole("learning_rate_sweep").loss, equal_nan=True)


def test_threads_are_given_back(tmp_path, digits):
    before = torch.get_num_threads()
    with pytest.raises(Killed):
        execute(*small("learning_rate_sweep"), digits, tmp_path / "out", doing=killer(0))
    assert torch.get_num_threads() == before


def test_records_of_the_sweep(digits, whole):
    found, setup = small("learning_rate_sweep")
    data = whole("learning_rate_sweep")
    assert data.loss.dims == ("setting", "rate", "seed", "epoch")
    assert data.norm2.dims == ("setting", "rate", "seed", "epoch", "kernel")
    case = {"setting": "SGD", "rate": 0.1}
    run = found.train(setup, case, 0, digits)
    start = [p.detach().double().square().sum().item() for p in run.model.parameters() if p.ndim > 1]
    with one_thread():
        run.steps(2 * run.steps_per_epoch)
    end = [p.detach().double().square().sum().item() for p in run.model.parameters() if p.ndim > 1]
    one = data.sel(**case, seed=0)
    losses = np.array(run.losses).reshape(2, -1)
    # fsum and numpy's mean: one rounding a term at most
    np.testing.assert_allclose(one.loss[1:], losses.mean(1), rtol=losses.shape[1] * np.finfo(float).eps)
    assert np.isnan(one.loss[0])
    # the same float32 numbers, at most a hundred of them summed in float64, in another order
    np.testing.assert_allclose(one.norm2[[0, 2]], [start, end], rtol=100 * np.finfo(float).eps)
    np.testing.assert_array_equal(one.effective_rate, 0.1 / one.norm2)
    # projected SGD keeps the norms, to float32's rounding a step; SGD does not
    steps, eps = 2 * run.steps_per_epoch, np.finfo(np.float32).eps
    ratio = data.norm2.isel(epoch=-1) / data.norm2.isel(epoch=0)
    assert np.abs(ratio.sel(setting="projected SGD") - 1).max() < 8 * steps * eps
    assert np.abs(ratio.sel(setting="SGD", rate=100.0) - 1).min() > 1e3 * 8 * steps * eps


def test_the_twin_starts_at_the_same_kernels(whole):
    start = whole("learning_rate_sweep").norm2.isel(epoch=0, rate=0)
    assert np.array_equal(start.sel(setting="SGD"), start.sel(setting="no normalisation"))


def test_scale_variant_parameters_have_their_own_rate(digits):
    found, setup = small("learning_rate_sweep", others_rate=0.25)
    run = found.train(setup, {"setting": "projected SGD", "rate": 100.0}, 0, digits)
    swept, others = run.optimizer.param_groups
    assert (swept["lr"], others["lr"]) == (100.0, 0.25)
    last = {id(p) for p in run.model.last_norm.parameters()}
    assert {id(p) for p in others["params"]} == last
    assert {id(p) for group in run.projected for p in group} == {id(p) for p in swept["params"]}
    # kernels by themselves, (gamma, beta) together
    assert {len(group) for group in run.projected if group[0].ndim > 1} == {1}
    assert {len(group) for group in run.projected if group[0].ndim == 1} == {2}


def test_of_the_twin_the_kernels_are_swept(digits):
    found, setup = small("learning_rate_sweep")
    run = found.train(setup, {"setting": "no normalisation", "rate": 0.1}, 0, digits)
    (swept,) = run.optimizer.param_groups
    assert len(swept["params"]) == len(list(run.model.parameters())) and not run.projected


def test_accuracies_are_those_of_eval_mode(digits, whole):
    found, setup = small("rate_and_generalisation")
    run = found.train(setup, {"network": "batch normalisation", "rate": 0.1}, 0, digits)
    with one_thread():
        loss, accuracy = evaluate(run.model, digits.test_images, digits.test_classes)
    first = whole("rate_and_generalisation").sel(network="batch normalisation", rate=0.1, seed=0).isel(epoch=0)
    assert float(first.test_accuracy) == accuracy
    assert float(first.test_loss) == loss
    assert run.optimizer.param_groups[0]["momentum"] == 0.9 and run.optimizer.param_groups[0]["weight_decay"] == 5e-4
    assert run.augment is None


def test_divergence_is_a_result(whole):
    data = whole("rate_and_generalisation").sel(network="no normalisation", rate=1e4, seed=0)
    assert int(data.diverged) >= 0
    assert not np.isfinite(data.loss.isel(epoch=-1)) and np.isnan(data.final_test_accuracy)
    assert np.isfinite(data.test_accuracy.isel(epoch=0))
    assert int(whole("rate_and_generalisation").diverged.sel(network="batch normalisation", rate=0.1, seed=0)) == -1


@pytest.mark.parametrize("epochs", [1, 2])
def test_weights_that_a_last_step_destroys_have_no_accuracy(tmp_path, epochs):
    # one step an epoch, on all images: of an epoch's loss nothing is seen that is not finite
    sizes = {"width": 1, "epochs": epochs, "batch": 1437, "rates": [0.01, 1e30]}
    data = execute(*small("rate_and_generalisation", **sizes), digits_split(), tmp_path / "out")
    lost = data.sel(rate=1e30, seed=0)
    assert np.isfinite(lost.loss.isel(epoch=1)).all() and (lost.diverged == 1).all()
    for part in ("train", "test"):
        assert np.isnan(lost[f"{part}_accuracy"].isel(epoch=slice(1, None))).all()
        assert np.isnan(lost[f"final_{part}_accuracy"]).all()
    kept = data.sel(rate=0.01, seed=0)
    assert (kept.diverged == -1).all() and np.isfinite(kept.final_test_accuracy).all()


def test_a_last_step_that_destroys_the_weights_did_not_train():
    found, setup = small("largest_rate_by_depth", seeds=1)
    dims = ("network", "depth", "rate", "seed")
    losses = np.broadcast_to([math.nan, 1.0, 0.5], (2, 1, 2, 1, 3))
    both = {"loss": ((*dims, "epoch"), losses), "level": ((*dims, "epoch"), losses / 2)}
    ended = {"diverged": (dims, np.array([-1, 6, -1, -1]).reshape(2, 1, 2, 1))}
    data = found.conclude(xr.Dataset(both | ended, {"rate": [0.1, 1e4]}), setup)
    assert data.trained.values.ravel().tolist() == [1, 0, 1, 1]
    assert data.largest_rate.values.ravel().tolist() == [0.1, 1e4]
    assert data.largest_rate.attrs["lower_bound_from"] == 1e4


def test_the_level_is_that_of_the_last_epoch_over_the_start(digits, whole):
    found, setup = small("largest_rate_by_depth")
    for case in (dict(network="batch normalisation", rate=0.1), dict(network="no normalisation", rate=0.1)):
        run = found.train(setup, case | {"depth": setup.depth[0]}, setup.seeds[0], digits)
        with one_thread():
            run.steps(setup.epochs * run.steps_per_epoch)
        expected = np.mean(run.losses[-run.steps_per_epoch :]) / min(run.losses[0], math.log(10))
        level = whole("largest_rate_by_depth").level.sel(**case).isel(depth=0, seed=0, epoch=-1)
        assert float(level) == pytest.approx(expected, rel=1e-14)  # sums of a few losses in another order


def test_largest_rate_is_the_largest_that_trained(whole):
    data = whole("largest_rate_by_depth")
    for place in np.ndindex(data.largest_rate.shape):
        network, depth, seed = place
        trained = data.trained.values[network, depth, :, seed].astype(bool)
        expected = data.rate.values[trained].max() if trained.any() else 0.0
        assert data.largest_rate.values[place] == expected
    np.testing.assert_array_equal(data.trained, (data.level.isel(epoch=-1) <= 0.9).astype(int))
    assert not data.trained.sel(network="no normalisation", rate=1e4).any()


def test_intervals_need_three_seeds(tmp_path, digits):
    data = execute(*small("learning_rate_sweep", seeds=3, epochs=1, rates=[0.1]), digits, tmp_path / "three")
    one = data.sel(setting="SGD", rate=0.1)
    assert one.final_loss_low < one.final_loss_mean < one.final_loss_high
    assert one.final_loss_mean == pytest.approx(float(one.final_loss.mean()))
    data = execute(*small("learning_rate_sweep", seeds=2, epochs=1, rates=[0.1]), digits, tmp_path / "two")
    assert np.isnan(data.final_loss_low).all() and np.isfinite(data.final_loss_mean.sel(setting="SGD")).all()


def test_netcdf_holds_everything(tmp_path, whole):
    data = whole("learning_rate_sweep")
    dataset.write(tmp_path / "results.nc", data)
    assert os.listdir(tmp_path) == ["results.nc"]
    read = dataset.read(tmp_path / "results.nc")
    xr.testing.assert_identical(read, data)
    assert read.attrs["data"] == "digits" and len(read.attrs["data_sha256"]) == 64
    assert "torch " in read.attrs["versions"] and read.attrs["device"] == "cpu"
    assert read.attrs["commit"] == (provenance.commit() or "unknown")
    assert json.loads(read.attrs["configuration"])["rates"] == [0.1, 100.0]
    (tmp_path / "results.nc").write_bytes(b"not NetCDF")
    with pytest.raises(DataFileError, match="cannot read"):
        dataset.read(tmp_path / "results.nc")


# --- what is refused before the work ---


def test_another_configuration_is_refused_by_name(tmp_path, digits):
    found, setup = small("learning_rate_sweep")
    begin(found, setup, digits, tmp_path / "out", resume=False)
    before = (tmp_path / "out" / STATE).read_bytes()
    _, other = small("learning_rate_sweep", epochs=3, width=2)
    with pytest.raises(InvalidInputError, match=r"epochs was 2 and is now 3; width was 4 and is now 2\. Give the same"):
        execute(found, other, digits, tmp_path / "out", resume=True)
    assert (tmp_path / "out" / STATE).read_bytes() == before


def test_other_versions_and_data_are_refused_by_name(tmp_path, digits):
    found, setup = small("learning_rate_sweep")
    state = begin(found, setup, digits, tmp_path / "out", resume=False)
    for change in ({"checksum": "0"}, {"versions": {"torch": "1.0"}}):
        altered = checkpoint.Checkpoint(
            state.configuration | change, 0, 0, state.records, state.diverged, state.trainer
        )
        checkpoint.write(tmp_path / "out" / STATE, altered)
        with pytest.raises(InvalidInputError, match=f"{next(iter(change))} was"):
            execute(found, setup, digits, tmp_path / "out", resume=True)


def test_the_number_of_threads_is_taken_over(tmp_path, digits):
    found, setup = small("learning_rate_sweep")
    state = begin(found, setup, digits, tmp_path / "out", resume=False)
    altered = checkpoint.Checkpoint(
        state.configuration | {"threads": 3}, 0, 0, state.records, state.diverged, state.trainer
    )
    checkpoint.write(tmp_path / "out" / STATE, altered)
    assert begin(found, setup, digits, tmp_path / "out", resume=True).configuration["threads"] == 3


def test_nothing_is_overwritten_and_nothing_resumed_from_nothing(tmp_path, digits):
    found, setup = small("learning_rate_sweep")
    with pytest.raises(InvalidInputError, match=r"there is nothing to resume in .*absent; leave out --resume"):
        execute(found, setup, digits, tmp_path / "absent", resume=True)
    assert not (tmp_path / "absent").exists()
    begin(found, setup, digits, tmp_path / "out", resume=False)
    with pytest.raises(InvalidInputError, match=r"already holds state.safetensors of an experiment; go on .* --resume"):
        execute(found, setup, digits, tmp_path / "out")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "results.nc").touch()
    with pytest.raises(InvalidInputError, match=r"already holds results.nc"):
        execute(found, setup, digits, tmp_path / "old")
    with pytest.raises(InvalidInputError, match="does not exist"):
        execute(found, setup, digits, tmp_path / "no" / "where")


def test_a_draft_of_a_killed_process_is_cleared_away(tmp_path, digits):
    found, setup = small("learning_rate_sweep")
    begin(found, setup, digits, tmp_path, resume=False)
    (tmp_path / f".{STATE}.123.part").write_bytes(b"half of it")
    execute(found, setup, digits, tmp_path, resume=True)
    assert sorted(os.listdir(tmp_path)) == [LOCK, STATE]


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "is damaged or not a checkpoint"),
        (b"\x00" * 100, "is damaged or not a checkpoint"),
        (None, "is damaged or not a checkpoint"),
    ],
)
def test_a_damaged_state_is_named(tmp_path, digits, content, message):
    found, setup = small("learning_rate_sweep")
    begin(found, setup, digits, tmp_path, resume=False)
    path = tmp_path / STATE
    path.write_bytes(path.read_bytes()[:-8] if content is None else content)
    with pytest.raises(DataFileError, match=f"{STATE} {message}"):
        begin(found, setup, digits, tmp_path, resume=True)


def test_another_file_of_the_same_kind_is_no_checkpoint(tmp_path):
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(2)}, tmp_path / STATE)
    with pytest.raises(DataFileError, match="is damaged or not a checkpoint"):
        checkpoint.read(tmp_path / STATE)
    save_file({"x": torch.zeros(2)}, tmp_path / STATE, {"bn_theory": '{"format": 99}'})
    with pytest.raises(DataFileError, match="has format 99, and this version of bn_theory reads format 2"):
        checkpoint.read(tmp_path / STATE)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "1",
        "null",
        '"format"',
        "{}",
        '{"format": 2}',
        '{"format": 2, "configuration": {}, "position": {}}',
        '{"format": 2, "configuration": {"threads": 1, "devices": []}, "position": {}}',
        '{"format": 2, "configuration": {"threads": 1, "devices": []}, "position": []}',
        '{"format": 2, "configuration": [], "position": {"run": 0, "epoch": 0}}',
        '{"format": 2, "configuration": {"threads": 0, "devices": []}, "position": {"run": 0, "epoch": 0}}',
        '{"format": 2, "configuration": {"threads": 1, "devices": "cpu"}, "position": {"run": 0, "epoch": 0}}',
        '{"format": 2, "configuration": {"threads": 1, "devices": []}, "position": {"run": -1, "epoch": 0}}',
        '{"format": 2, "configuration": {"threads": 1, "devices": []}, "position": {"run": 0, "epoch": 0.5}}',
        # all of the text is right here, but the tensor of divergence is missing
        '{"format": 2, "configuration": {"threads": 1, "devices": []}, "position": {"run": 0, "epoch": 0}}',
    ],
)
def test_a_text_of_something_else_is_no_checkpoint(tmp_path, text):
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(2)}, tmp_path / STATE, {"bn_theory": text})
    with pytest.raises(DataFileError, match=f"{STATE} is damaged or not a checkpoint"):
        checkpoint.read(tmp_path / STATE)


def test_a_state_that_no_run_can_have_left_is_refused(tmp_path, digits):
    found, setup = small("learning_rate_sweep")
    whole = begin(found, setup, digits, tmp_path, resume=False)
    loss = whole.records["loss"]
    with pytest.raises(Killed):
        execute(found, setup, digits, tmp_path / "under way", doing=killer(1))
    trainer = checkpoint.read(tmp_path / "under way" / STATE).trainer
    for change, message in (
        ({"records": whole.records | {"loss": loss[:, :-1]}}, "its records are"),
        ({"records": whole.records | {"loss": loss.float()}}, "its records are"),
        ({"records": whole.records | {"more": loss.clone()}}, "its records are"),
        ({"records": {"loss": loss}}, "its records are"),
        ({"diverged": whole.diverged[:-1]}, "its records are"),
        ({"run": 7}, "it stands at run 7 and epoch 0 of 6 runs of 2 epochs"),
        ({"run": 6, "epoch": 1, "trainer": trainer}, "it stands at run 6 and epoch 1 of 6 runs"),
        ({"epoch": 2, "trainer": trainer}, "it stands at run 0 and epoch 2 of 6 runs of 2 epochs"),
        ({"epoch": 1}, "it stands at epoch 1 with 0 tensors"),
        ({"trainer": trainer}, "it stands at epoch 0 with"),
        ({"epoch": 1, "trainer": trainer | {"losses": trainer["losses"][:-1]}}, "it has 3 steps of the run under way"),
    ):
        checkpoint.write(tmp_path / STATE, replace(whole, **change))
        with pytest.raises(DataFileError, match=f"{STATE} is damaged: {message}"):
            execute(found, setup, digits, tmp_path, resume=True)
    checkpoint.write(tmp_path / STATE, replace(whole, epoch=1, trainer=trainer))
    execute(found, setup, digits, tmp_path, resume=True)


# --- one process at a time ---

HOLD = """
import sys
from bn_theory.experiments.lock import alone
with alone(sys.argv[1]) as locked:
    print(locked, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def held(tmp_path):
    """A process that works in the folder ``out``."""
    pytest.importorskip("fcntl", reason="there are no such locks on this system")
    (tmp_path / "out").mkdir()
    environment = os.environ | {"PYTHONPATH": str(Path(bn_theory.__file__).parents[1])}
    command = [sys.executable, "-c", HOLD, str(tmp_path / "out")]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True, env=environment) as process:
        assert process.stdout.readline() == "True\n"
        yield process
        process.kill()


def test_a_folder_has_one_process_at_a_time(tmp_path, digits, held):
    found, setup = small("learning_rate_sweep")
    with pytest.raises(InvalidInputError, match=r"another process is at work in .*out; wait for its end"):
        execute(found, setup, digits, tmp_path / "out")
    assert os.listdir(tmp_path / "out") == [LOCK]
    begin(found, setup, digits, tmp_path / "out", resume=False)
    draft = tmp_path / "out" / f".{STATE}.123.part"
    draft.touch()
    with pytest.raises(InvalidInputError, match="another process is at work"):
        execute(found, setup, digits, tmp_path / "out", resume=True)
    assert draft.exists()
    # killed, not ended: its lock is gone
    held.kill()
    held.wait()
    execute(found, setup, digits, tmp_path / "out", resume=True)
    assert not draft.exists()


def test_without_locks_nothing_is_locked_nor_cleared_away(tmp_path, digits, monkeypatch):
    monkeypatch.setattr(lock, "fcntl", None)
    found, setup = small("learning_rate_sweep", rates=[0.1], epochs=1)
    begin(found, setup, digits, tmp_path, resume=False)
    (tmp_path / f".{STATE}.123.part").touch()
    execute(found, setup, digits, tmp_path, resume=True)
    assert sorted(os.listdir(tmp_path)) == [f".{STATE}.123.part", STATE]


def test_a_batch_of_one_and_bad_depths_are_refused_before_anything_is_written(tmp_path, digits):
    for name, sizes, message in (
        ("learning_rate_sweep", {"batch": 1}, "batch 1 under norm1 "),
        ("learning_rate_sweep", {"batch": 5000}, "batch must be from 1 to the 128 images, not 5000"),
        ("largest_rate_by_depth", {"depth": [8, 9]}, "depth must be 6 n"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            execute(*small(name, **sizes), digits, tmp_path / "out")
        assert not (tmp_path / "out").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_missing_gpu_is_told_with_what_to_do():
    with pytest.raises(DeviceError, match=r"--device cuda cannot be used: .*; or run on --device cpu"):
        check_device("cuda")
    check_device("cpu")


def test_the_configuration_is_plain_json(digits):
    _, setup = small("largest_rate_by_depth")
    found = configuration(setup, digits)
    assert json.loads(json.dumps(found)) == found and found["threads"] == 1 and found["depth"] == [8]


def test_too_little_memory_on_the_gpu_is_told(tmp_path, digits, monkeypatch):
    found, setup = small("learning_rate_sweep")

    def full(*_, **__):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    # raised while the networks are tried, and while they are trained
    for method in ("__init__", "steps"):
        with monkeypatch.context() as patch:
            patch.setattr(Trainer, method, full)
            with pytest.raises(DeviceMemoryError, match="does not fit into the GPU's memory at batch 32 and width 4"):
                execute(found, setup, digits, tmp_path / "out")
        assert (tmp_path / "out").exists() == (method == "steps")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no NVIDIA GPU here")
def test_killed_and_resumed_on_the_gpu(tmp_path, digits):
    found, setup = small("rate_and_generalisation", device="cuda", rates=[0.01])
    there = digits.to("cuda")
    with pytest.raises(Killed):
        execute(found, setup, there, tmp_path / "out", doing=killer(1))
    state = checkpoint.read(tmp_path / "out" / STATE)
    assert (state.run, state.epoch) == (0, 1)
    ended = execute(found, setup, there, tmp_path / "out", resume=True)
    first = ended.isel(network=0, rate=0, seed=0)
    assert first.loss.values[1] == float(state.records["loss"][0, 1])  # kept, not made again
    assert np.isfinite(ended.final_test_accuracy).all() and (ended.diverged == -1).all()
    assert ended.attrs["device"] == torch.cuda.get_device_name()
    # gathered from images on the CPU
    again = execute(found, setup, digits, tmp_path / "out", resume=True)
    xr.testing.assert_identical(again, ended)


def test_cifar_is_augmented_where_generalisation_is_measured(digits):
    colours = replace(digits, train_images=torch.zeros(4, 3, 32, 32), train_classes=torch.zeros(4, dtype=torch.long))
    sizes = {"width": 1, "batch": 4}
    found = experiment("rate_and_generalisation")
    case = {"network": "batch normalisation", "rate": 0.1}
    assert found.train(found.setup("CIFAR-10", depth=[8], **sizes), case, 0, colours).augment is augment
    # what the sweep is after is the training loss of the images themselves
    found = experiment("learning_rate_sweep")
    case = {"setting": "SGD", "rate": 0.1}
    run = found.train(found.setup("CIFAR-10", **sizes), case, 0, colours)
    assert run.augment is None
    assert sum(p.ndim == 4 for p in run.model.parameters()) == 13
