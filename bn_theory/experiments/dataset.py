"""The records of an experiment as a labelled data set, and that as a NetCDF file."""

from __future__ import annotations

import json
import tempfile
from importlib import metadata
from pathlib import Path

import xarray as xr

from bn_theory.errors import DataFileError
from bn_theory.experiments.checkpoint import Checkpoint
from bn_theory.experiments.experiment import Experiment, Setup
from bn_theory.files import write_whole
from bn_theory.networks.data import Split
from bn_theory.provenance import environment

LIBRARIES = ("torch", "safetensors", "h5netcdf")


def assemble(experiment: Experiment, setup: Setup, split: Split, state: Checkpoint) -> xr.Dataset:
    """All records with dims ``(axes..., seed, epoch)`` and their own further axis, and what follows from them.

    Epoch 0 is before the first step. What a run did not reach is ``nan``; ``diverged`` is the step at which its loss
    was not finite, the number of steps where only what the last one left is not, -1 where all was finite. Attributes
    name the experiment, its configuration, the data with their checksum, versions, processor and device.
    """
    axes = experiment.axes(setup)
    shape = (len(setup.seeds), *(len(values) for values in axes.values()))
    further = experiment.labels(setup, split)
    order = (*axes, "seed")

    def variable(tensor, dims, meaning):
        array = tensor.numpy().reshape(shape + tensor.shape[1:])
        made = xr.DataArray(array, dims=("seed", *axes, *dims), attrs={"meaning": meaning})
        return made.transpose(*order, *dims)

    variables = {
        name: variable(state.records[name], ("epoch", *([r.axis] if r.axis else [])), r.meaning)
        for name, r in experiment.records.items()
    }
    meaning = "step at which the loss, or after the last one a parameter or record, was not finite; -1 where all were"
    variables["diverged"] = variable(state.diverged, (), meaning)
    coordinates = axes | {"seed": list(setup.seeds), "epoch": list(range(setup.epochs + 1))} | further
    coordinates = {name: list(values) for name, values in coordinates.items()}
    dataset = xr.Dataset(variables, coordinates, _attributes(experiment, setup, split, state))
    return experiment.conclude(dataset, setup)


def _attributes(experiment, setup, split, state):
    own = environment()
    versions = ", ".join(
        [
            own["versions"],
            *(f"{name} {metadata.version(name)}" for name in LIBRARIES if f"{name} " not in own["versions"]),
        ]
    )
    return own | {
        "versions": versions,
        "experiment": experiment.name,
        "title": experiment.title,
        "source": experiment.source,
        "data": split.name,
        "data_sha256": split.checksum,
        "device": ", ".join(state.configuration["devices"]),
        "seeds": ", ".join(map(str, setup.seeds)),
        "configuration": json.dumps(state.configuration),
    }


def write(path, dataset: xr.Dataset) -> None:
    """Write a NetCDF file, whole or not at all.

    Raises:
        InvalidInputError: it cannot be written; what was there before still is.
    """
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "draft.nc"
        dataset.to_netcdf(draft, engine="h5netcdf")
        write_whole(path, draft.read_bytes())


def read(path) -> xr.Dataset:
    """What :func:`write` wrote, in memory.

    Raises:
        DataFileError: it cannot be read.
    """
    try:
        return xr.load_dataset(path, engine="h5netcdf")
    except (OSError, ValueError) as error:
        raise DataFileError(f"cannot read {path}: {error}") from error
