"""An experiment's runs one after the other, with a checkpoint after every epoch."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path

import torch

from bn_theory.errors import DataFileError, DeviceError, DeviceMemoryError, InvalidInputError
from bn_theory.experiments import checkpoint as saved
from bn_theory.experiments.checkpoint import Checkpoint
from bn_theory.experiments.dataset import assemble
from bn_theory.experiments.experiment import DIGITS, Experiment, Setup
from bn_theory.experiments.lock import alone
from bn_theory.files import writable_target
from bn_theory.networks.data import Split

STATE, RESULTS = "state.safetensors", "results.nc"
VERSIONS = ("bn_theory", "torch", "numpy")
"""Of what the numbers depend on."""


def check_device(device: str) -> None:
    """Do nothing where torch can use it.

    Raises:
        DeviceError: it cannot; the message says what to do.
    """
    if device == "cuda" and not torch.cuda.is_available():
        built = torch.version.cuda
        how = (
            "this torch is built without CUDA: install one with it, see https://pytorch.org/get-started/locally"
            if built is None
            else f"torch is built for CUDA {built} but finds no NVIDIA GPU or no driver that fits"
        )
        raise DeviceError(f"--device cuda cannot be used: {how}; or run on --device cpu")


@contextmanager
def enough_memory(setup: Setup):
    """Tell of a GPU's memory that does not suffice within the block.

    Raises:
        DeviceMemoryError: it does not; the message names what to lower.
    """
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        raise DeviceMemoryError(
            f"{setup.experiment} does not fit into the GPU's memory at batch {setup.batch} and width {setup.width}; "
            "take less of one of them, with another --out, or --device cpu"
        ) from error


def configuration(setup: Setup, split: Split) -> dict:
    """What an experiment's numbers depend on, in JSON's types.

    Sums are taken in an order that depends on the number of threads, so that this is part of it: one for the small
    networks of the digits, which are slower with two.
    """
    versions = {name: _version(name) for name in VERSIONS}
    threads = 1 if setup.data == DIGITS else torch.get_num_threads()
    found = asdict(setup) | {"checksum": split.checksum, "versions": versions, "threads": threads}
    found["devices"] = _devices(setup)
    return json.loads(json.dumps(found))


def check_runs(experiment: Experiment, setup: Setup, split: Split) -> None:
    """Make every case's network and ``Trainer`` once, so that what they refuse is refused before the work.

    Raises:
        InvalidInputError: what they refuse: a batch of one under batch normalisation, a depth that cannot be, ...
    """
    few = replace(
        split, train_images=split.train_images[: setup.batch], train_classes=split.train_classes[: setup.batch]
    )
    for _, case in experiment.runs(replace(setup, seeds=setup.seeds[:1])):
        experiment.train(setup, case, setup.seeds[0], few)


def check_folder(folder, *, resume: bool) -> None:
    """Refuse a folder before the work whose results go there.

    Raises:
        InvalidInputError: it is something else than a folder; without ``resume`` it holds a state or results already,
            with it there is no state; it cannot be written, or it is missing and so is the folder above.
    """
    folder = Path(folder)
    if os.path.lexists(folder) and not folder.is_dir():
        raise InvalidInputError(
            f"{folder} is there and is not a folder, which the results need; give another --out, or move it away"
        )
    if resume and not (folder / STATE).is_file():
        raise InvalidInputError(f"there is nothing to resume in {folder}; leave out --resume to start")
    present = [name for name in (STATE, RESULTS) if (folder / name).exists()]
    if present and not resume:
        raise InvalidInputError(
            f"{folder} already holds {present[0]} of an experiment; go on with it by --resume, or give another --out"
        )
    writable_target(folder / RESULTS if folder.is_dir() else folder)


def _make(folder):
    try:
        Path(folder).mkdir(exist_ok=True)
    except OSError as error:
        raise InvalidInputError(f"cannot make the folder {folder}: {error.strerror}") from error


def finished(experiment: Experiment, setup: Setup, folder) -> bool:
    """Whether the folder's state has as many complete runs as the setup asks for: gathering them needs no device.

    Raises:
        DataFileError: the state is damaged.
    """
    path = Path(folder) / STATE
    return path.is_file() and saved.read(path).run >= len(experiment.runs(setup))


def begin(experiment: Experiment, setup: Setup, split: Split, folder, *, resume: bool) -> Checkpoint:
    """The state to start from: that of the folder, or a new one that is written there.

    Raises:
        InvalidInputError: what :func:`check_folder` refuses; a state of another configuration (naming what differs).
        DataFileError: the state is damaged.
    """
    check_folder(folder, resume=resume)
    path, new = Path(folder) / STATE, _new(experiment, setup, split)
    if not resume:
        _make(folder)
        saved.write(path, new)
        return new
    found = saved.read(path)
    saved.check_same(path, found.configuration, new.configuration)
    saved.check_fits(path, found, new, setup.epochs)
    if found.run == len(found.diverged):
        return found
    devices = dict.fromkeys([*found.configuration["devices"], *new.configuration["devices"]])
    return replace(found, configuration=found.configuration | {"devices": list(devices)})


def _new(experiment, setup, split):
    """The state before the first run."""
    labels = experiment.labels(setup, split)
    runs = len(experiment.runs(setup))
    shapes = {name: () if r.axis is None else (len(labels[r.axis]),) for name, r in experiment.records.items()}
    records = {
        name: torch.full((runs, setup.epochs + 1, *shape), torch.nan, dtype=torch.float64)
        for name, shape in shapes.items()
    }
    return Checkpoint(configuration(setup, split), 0, 0, records, torch.full((runs,), -1), {})


def _clear_drafts(folder):
    """Remove what a process left that was killed while it wrote."""
    for draft in Path(folder).glob(f".{STATE}.*.part"):
        draft.unlink(missing_ok=True)


def execute(
    experiment: Experiment,
    setup: Setup,
    split: Split,
    folder,
    *,
    resume: bool = False,
    doing: Callable[[str], None] = lambda text: None,
    done: Callable[[str], None] = lambda text: None,
):
    """Make all runs that are not made yet, and gather them.

    The state in the folder is replaced after every epoch. A process that is killed at any moment can go on from there,
    and then gives bit for bit the numbers of one that was not, on the CPU.

    Args:
        split: the data, on ``setup.device``; on any where all runs are made already.
        folder: gets the file ``STATE``; it is made where it is missing.
        doing: told what is under way, with the time left. done: told of each run that is complete.

    Returns:
        ``xarray.Dataset``, see :func:`bn_theory.experiments.dataset.assemble`.

    Raises:
        DeviceError: the device cannot be used; ``DeviceMemoryError`` where its memory is too small.
        InvalidInputError: see :func:`check_runs`, :func:`check_folder` and :func:`begin`; another process works there.
    """
    check_folder(folder, resume=resume)
    with enough_memory(setup):
        if not finished(experiment, setup, folder):
            check_device(setup.device)
            check_runs(experiment, setup, split)
        _make(folder)
        with alone(folder) as locked:
            if locked:
                _clear_drafts(folder)
            state = begin(experiment, setup, split, folder, resume=resume)
            return assemble(experiment, setup, split, _all_runs(experiment, setup, split, folder, state, doing, done))


def _all_runs(experiment, setup, split, folder, state, doing, done):
    """The state after the last run."""
    runs, clock = experiment.runs(setup), _Clock(state, setup)
    threads = torch.get_num_threads()
    torch.set_num_threads(state.configuration["threads"])
    try:
        while state.run < len(runs):
            seed, case = runs[state.run]
            place = f"run {state.run + 1} of {len(runs)} ({described(case)}, seed {seed})"
            doing(f"{place}: epoch {state.epoch} of {setup.epochs}{clock.left(state)}")
            for after in _run(experiment, setup, split, state, seed, case):
                ended = after.run > state.run
                state = after
                saved.write(Path(folder) / STATE, state)
                doing(f"{place}: epoch {setup.epochs if ended else state.epoch} of {setup.epochs}{clock.left(state)}")
            step = int(state.diverged[state.run - 1])
            loss = float(state.records["loss"][state.run - 1, -1])
            outcome = f"loss {loss:.4g}" if step < 0 else f"diverged at step {step}"
            done(f"{place}: {outcome}{clock.left(state)}")
    finally:
        torch.set_num_threads(threads)
    return state


def described(case) -> str:
    """A case in words.

    >>> described({"network": "batch normalisation", "rate": 0.01})
    'batch normalisation, rate 0.01'
    """
    return ", ".join(v if isinstance(v, str) else f"{name} {v:g}" for name, v in case.items())


def _run(experiment, setup, split, state, seed, case):
    """The states after each further epoch of the run under way, the last of which is that before the next run."""
    trainer = experiment.train(setup, case, seed, split)
    records = {name: tensor.clone() for name, tensor in state.records.items()}
    diverged = state.diverged.clone()

    def measure(epoch):
        for name, value in experiment.measure(trainer, setup, case, split, epoch).items():
            records[name][state.run, epoch] = torch.as_tensor(value, dtype=torch.float64)

    if state.trainer:
        trainer.load({name: tensor.to(setup.device) for name, tensor in state.trainer.items()})
        if trainer.step != state.epoch * trainer.steps_per_epoch:
            raise DataFileError(
                f"{STATE} is damaged: it has {trainer.step} steps of the run under way, and epoch {state.epoch} ends "
                f"at {state.epoch * trainer.steps_per_epoch}; move it away to start anew"
            )
    else:
        measure(0)
    for epoch in range(state.epoch + 1, setup.epochs + 1):
        trainer.steps(trainer.steps_per_epoch)
        measure(epoch)
        if trainer.diverged is not None:
            diverged[state.run] = trainer.diverged
        elif epoch == setup.epochs and not _finite(trainer.model, [r[state.run, epoch] for r in records.values()]):
            diverged[state.run] = trainer.step  # no step follows at which the trainer would find it
        if epoch == setup.epochs or trainer.diverged is not None:
            break
        yield replace(state, epoch=epoch, records=records, diverged=diverged, trainer=trainer.state())
    yield replace(state, run=state.run + 1, epoch=0, records=records, diverged=diverged, trainer={})


def _finite(model, values):
    return all(bool(torch.isfinite(tensor).all()) for tensor in (*model.parameters(), *values))


class _Clock:
    """How long the rest takes at the pace since the start of this process."""

    def __init__(self, state, setup):
        self.epochs, self.total = setup.epochs, len(state.diverged) * setup.epochs
        self.first, self.born = self._at(state), time.monotonic()

    def _at(self, state):
        return state.run * self.epochs + state.epoch

    def left(self, state) -> str:
        made = self._at(state) - self.first
        if made <= 0 or state.run == self.total // self.epochs:
            return ""
        seconds = (time.monotonic() - self.born) / made * (self.total - self._at(state))
        return f", about {duration(seconds)} left"


def duration(seconds: float) -> str:
    """Seconds in words of one unit.

    >>> duration(41), duration(3000), duration(20000)
    ('41 s', '50 min', '5.6 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _devices(setup):
    """Names of what the runs are made on; none for a GPU where there is none."""
    if setup.device == "cpu":
        return ["cpu"]
    return [torch.cuda.get_device_name()] if torch.cuda.is_available() else []


def _version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:  # run from a source tree that is not installed
        return "not installed"
