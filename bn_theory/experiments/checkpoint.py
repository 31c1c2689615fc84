"""The state of an unfinished experiment as one file: tensors, and a text that says what they belong to.

One file, replaced as a whole, so that whenever the program is killed tensors and text belong together. The format is
safetensors', which holds numbers and texts only and runs nothing when it is read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from bn_theory.errors import DataFileError, InvalidInputError
from bn_theory.files import write_whole

FORMAT = 2
TAKEN_OVER = ("threads", "devices")
"""Of the configuration: what goes on as it was, whatever the machine that resumes has."""
RECORDS, TRAINER = "records/", "trainer/"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Where an experiment stands.

    Args:
        configuration: what the numbers depend on, in JSON's types; ``TAKEN_OVER`` is taken over on resuming.
        run: number of runs that are complete, which is the position of the one under way.
        epoch: epochs of that one that are complete.
        records: by name, shape ``(runs, epochs + 1, ...)``, ``nan`` where nothing is recorded yet.
        diverged: step at which each run ended early, ``-1`` for none; shape ``(runs,)``.
        trainer: ``Trainer.state()`` of the run under way; empty before its first epoch is complete.
    """

    configuration: dict
    run: int
    epoch: int
    records: dict[str, torch.Tensor]
    diverged: torch.Tensor
    trainer: dict[str, torch.Tensor]


def write(path, checkpoint: Checkpoint) -> None:
    """Replace the file as a whole.

    Raises:
        InvalidInputError: it cannot be written; what was there before still is.
    """
    tensors = {RECORDS + name: tensor for name, tensor in checkpoint.records.items()}
    tensors |= {TRAINER + name: tensor for name, tensor in checkpoint.trainer.items()}
    tensors["diverged"] = checkpoint.diverged
    position = {"run": checkpoint.run, "epoch": checkpoint.epoch}
    text = {"format": FORMAT, "configuration": checkpoint.configuration, "position": position}
    tensors = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    write_whole(path, save(tensors, {"bn_theory": json.dumps(text)}))


def read(path) -> Checkpoint:
    """What :func:`write` wrote.

    Raises:
        DataFileError: the file is missing, damaged or none of this package.
    """
    try:
        with safe_open(Path(path), framework="pt") as file:
            text = json.loads((file.metadata() or {})["bn_theory"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dictionary)
        if text["format"] != FORMAT:
            raise DataFileError(
                f"{path} has format {text['format']}, and this version of bn_theory reads format {FORMAT}; go on with "
                "the version that wrote it, or start anew in another folder"
            )
        return _checkpoint(text, tensors)
    except DataFileError:
        raise
    except OSError as error:
        raise DataFileError(f"cannot read {path}: {error.strerror or error}") from error
    except (SafetensorError, AttributeError, TypeError, KeyError, ValueError) as error:
        raise DataFileError(
            f"{path} is damaged or not a checkpoint of bn-theory experiment ({error}); move it away to start anew"
        ) from error


def _checkpoint(text, tensors):
    def part(prefix):
        return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}

    configuration, position = text["configuration"], text["position"]
    run, epoch, threads = position["run"], position["epoch"], configuration["threads"]
    for name, value, least in (("run", run, 0), ("epoch", epoch, 0), ("threads", threads, 1)):
        if type(value) is not int or value < least:
            raise ValueError(f"{name} is {value!r}")
    devices = configuration["devices"]
    if not isinstance(devices, list) or not all(isinstance(name, str) for name in devices):
        raise ValueError(f"devices are {devices!r}")
    return Checkpoint(configuration, run, epoch, part(RECORDS), tensors["diverged"], part(TRAINER))


def check_same(path, found: dict, wanted: dict) -> None:
    """Refuse to go on under another configuration.

    Raises:
        InvalidInputError: naming each value that differs, as it was and as it is.
    """
    names = [name for name in dict.fromkeys([*found, *wanted]) if name not in TAKEN_OVER]
    differing = [name for name in names if found.get(name) != wanted.get(name)]
    if differing:
        each = "; ".join(f"{name} was {found.get(name)} and is now {wanted.get(name)}" for name in differing)
        raise InvalidInputError(
            f"{path} belongs to another configuration: {each}. Give the same options (and versions) to go on, or "
            "another --out to start anew"
        )


def check_fits(path, found: Checkpoint, new: Checkpoint, epochs: int) -> None:
    """Refuse a state that no run under its configuration can have left.

    Args:
        new: that of the same configuration before the first run. epochs: of each run.

    Raises:
        DataFileError: records of other names, shapes or types, or a position beyond the last run or epoch.
    """

    def kinds(state):
        tensors = state.records | {"diverged": state.diverged}
        return {name: (tuple(tensor.shape), str(tensor.dtype)) for name, tensor in tensors.items()}

    runs, wrong = len(new.diverged), ""
    if kinds(found) != kinds(new):
        wrong = f"its records are {kinds(found)}, not {kinds(new)}"
    elif found.run > runs or found.epoch >= (epochs if found.run < runs else 1):
        wrong = f"it stands at run {found.run} and epoch {found.epoch} of {runs} runs of {epochs} epochs"
    elif (found.epoch > 0) != ({"losses", "diverged"} <= set(found.trainer)):
        wrong = f"it stands at epoch {found.epoch} with {len(found.trainer)} tensors of the run under way"
    if wrong:
        raise DataFileError(f"{path} is damaged: {wrong}; move it away to start anew")
