"""``bn-theory experiment``."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np

from bn_theory.cli.output import progress, show
from bn_theory.errors import InvalidInputError, MissingExtraError
from bn_theory.experiments.experiment import CIFAR, DIGITS
from bn_theory.experiments.libraries import need_libraries
from bn_theory.experiments.registry import NAMES, experiment
from bn_theory.files import write_whole
from bn_theory.provenance import described
from bn_theory.report import figures
from bn_theory.report.figures import networks as network_figures
from bn_theory.report.tables import Table

SIZES = ("epochs", "batch", "rates", "width", "depth", "momentum", "weight_decay", "others_rate")


def run(options) -> int:
    """Make the runs that are not made yet, write ``results.nc`` and figures, print what answers the experiment.

    Returns 0: a run that diverges is a result.

    Raises:
        BnTheoryError: what cannot be used, found before the work: sizes, the device, the folder, the data, another
            configuration than that of the checkpoint.
    """
    if options.list:
        show(*map(_described, NAMES))
        return 0
    chosen = experiment(options.experiment)
    sizes = {name: getattr(options, name) for name in SIZES}
    data = DIGITS if options.data is None else CIFAR
    setup = chosen.setup(data, device=options.device, seed=options.seed, seeds=options.seeds, **sizes)
    need_libraries()
    from bn_theory.experiments import dataset as files
    from bn_theory.experiments.execute import (
        RESULTS,
        STATE,
        check_device,
        check_folder,
        enough_memory,
        execute,
        finished,
    )

    folder = Path(options.out or chosen.name)
    check_folder(folder, resume=options.resume)
    made = finished(chosen, setup, folder)
    if not made:
        check_device(setup.device)
    functions = _functions(chosen)
    split = _data(options, setup)
    if not made:
        with enough_memory(setup):
            split = split.to(setup.device)
    print(f"{chosen.title}\n{_sizes(setup, split)}\n{described()}\n", flush=True)
    try:
        with progress() as (doing, done):
            found = execute(chosen, setup, split, folder, resume=options.resume, doing=doing, done=done)
    except KeyboardInterrupt:
        hint = "nothing was written; give the same command again"
        if (folder / STATE).is_file():
            hint = f"go on by the same command with --resume; the state is in {folder}"
        print(f"bn-theory: {hint}", file=sys.stderr)
        raise
    files.write(folder / RESULTS, found)
    show(_headline(chosen, found))
    drawn = _draw(functions, found, folder, f"{chosen.title}\n{split.name}")
    print(f"\nwritten to {folder}: {', '.join([RESULTS, *drawn])}")
    return 0


def _draw(functions, found, folder, title):
    """Write the figures and give the names of their files; one that has nothing to show is left out."""
    written = []
    for name, function in functions.items():
        file = f"{name}.png"
        try:
            figure = getattr(network_figures, function)(found, title=title)
        except InvalidInputError as error:
            print(f"bn-theory: {file} is left out: {error}", file=sys.stderr)
            continue
        write_whole(folder / file, figures.as_png(figure))
        written.append(file)
    return written


def _functions(chosen):
    """The figures, none where they cannot be drawn: a long run is not to be lost for that, nor to fail in the end."""
    try:
        figures.need_matplotlib()
    except MissingExtraError as error:
        print(f"bn-theory: no figures will be drawn: {error}; --resume draws them later", file=sys.stderr)
        return {}
    return chosen.figures


def _data(options, setup):
    from bn_theory.networks.data import cifar10, digits_split

    if options.data is None:
        return digits_split(seed=setup.seeds[0])
    return cifar10(options.data, verified=not options.unverified_data)


def _sizes(setup, split):
    shown = {name: getattr(setup, name) for name in SIZES if getattr(setup, name) is not None}
    seeds = f"seeds {setup.seeds[0]} to {setup.seeds[-1]}" if len(setup.seeds) > 1 else f"seed {setup.seeds[0]}"
    return f"{split.name} on {setup.device}, {seeds}; {_listed(shown)}"


def _listed(sizes):
    words = {name: " ".join(f"{x:g}" for x in v) if isinstance(v, tuple) else f"{v:g}" for name, v in sizes.items()}
    return ", ".join(f"{name.replace('_', '-')} {word}" for name, word in words.items())


def _described(name):
    chosen = experiment(name)
    rows = [("title", chosen.title), ("source", chosen.source)]
    rows += [(data, _listed({n: sizes[n] for n in SIZES if n in sizes})) for data, sizes in chosen.defaults.items()]
    return Table(name, ("", ""), tuple(rows))


def _headline(chosen, found):
    """The answer: one row for each value on its axis, one column for each setting; over seeds."""
    name, axis = chosen.headline
    values = found[name]
    setting = next(dim for dim in values.dims if dim not in (axis, "seed"))
    columns = (f">{axis}", *(f">{label}" for label in values[setting].values))
    rows = [
        (f"{place:g}", *(_cell(found, name, {axis: place, setting: label}) for label in values[setting].values))
        for place in values[axis].values.tolist()
    ]
    seeds = found.sizes["seed"]
    return Table(f"{values.attrs['meaning']}, {seeds} seed{'' if seeds == 1 else 's'}", columns, tuple(rows))


def _cell(found, name, place):
    values = found[name].sel(place)
    ended = int(np.sum(~np.isfinite(values)))
    if ended:
        return f"{ended} of {values.size} diverged"
    if f"{name}_low" in found and np.isfinite(found[f"{name}_low"].sel(place)):
        mean, low, high = (float(found[name + ending].sel(place)) for ending in ("_mean", "_low", "_high"))
        return f"{mean:.4g} ({low:.4g} .. {high:.4g})"
    top = values.attrs.get("lower_bound_from", math.inf)
    words = [f"{'>= ' if value >= top else ''}{value:.4g}" for value in (float(values.min()), float(values.max()))]
    return " .. ".join(dict.fromkeys(words))
