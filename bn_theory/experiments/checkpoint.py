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

FORMAT = 1
RECORDS, TRAINER = "records/", "trainer/"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Where an experiment stands.

    Args:
        configuration: what the numbers depend on, in JSON's types; ``threads`` is taken over on resuming.
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
    except OSError as error:
        raise DataFileError(f"cannot read {path}: {error.strerror or error}") from error
    except (SafetensorError, KeyError, ValueError) as error:
        raise DataFileError(
            f"{path} is damaged or not a checkpoint of bn-theory experiment ({error}); move it away to start anew"
        ) from error
    if text.get("format") != FORMAT:
        raise DataFileError(
            f"{path} has format {text.get('format')}, and this version of bn_theory reads format {FORMAT}; go on with "
            "the version that wrote it, or start anew in another folder"
        )

    def part(prefix):
        return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}

    position = text["position"]
    return Checkpoint(
        text["configuration"],
        position["run"],
        position["epoch"],
        part(RECORDS),
        tensors["diverged"],
        part(TRAINER),
    )


def check_same(path, found: dict, wanted: dict) -> None:
    """Refuse to go on under another configuration.

    Raises:
        InvalidInputError: naming each value that differs, as it was and as it is.
    """
    names = [name for name in dict.fromkeys([*found, *wanted]) if name != "threads"]
    differing = [name for name in names if found.get(name) != wanted.get(name)]
    if differing:
        each = "; ".join(f"{name} was {found.get(name)} and is now {wanted.get(name)}" for name in differing)
        raise InvalidInputError(
            f"{path} belongs to another configuration: {each}. Give the same options (and versions) to go on, or "
            "another --out to start anew"
        )
