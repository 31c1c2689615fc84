"""One run of a loss and its fit, from the options of ``bn-theory fit``; prints nothing."""

from __future__ import annotations

import hashlib
from pathlib import Path

import bn_theory as bn
from bn_theory.cli import losses
from bn_theory.cli.environment import environment_of
from bn_theory.errors import DataFileError, DivergedError, InvalidInputError, NoPowerLawError
from bn_theory.provenance import package
from bn_theory.rates.data import MIN_REPLICAS
from bn_theory.report import fit as report


def perform(options) -> report.FitRun:
    """Run and fit; a run that diverges and one that is no power law are results.

    Args:
        options: with the attributes ``report.OPTIONS``.

    Raises:
        BnTheoryError: options or a data file that cannot be used.
    """
    _check_replicas(options)
    loss = losses.build(options)
    method = losses.method(options, loss)
    try:
        found = bn.run(
            loss, method, steps=options.steps, replicas=options.replicas, seed=options.seed, engine=options.engine
        )
    except DivergedError as error:
        return report.FitRun(*_names(error.dataset), diverged=error)
    series, zero_from = before_zero(found.grad_norm2.isel(step=slice(1, None)))  # a logarithmic axis has no step 0
    try:
        return report.FitRun(*_names(found), series, zero_from, fit=_fitted(options, series))
    except NoPowerLawError as error:
        return report.FitRun(*_names(found), series, zero_from, refused=error)


def document(run: report.FitRun, options, csv: dict | None) -> dict:
    """The document of a run, with this machine and this code as its origin.

    Args:
        csv: :func:`identity` of the data file, taken before the run; ``None`` where there is no file.
    """
    chosen = {name: getattr(options, name) for name in report.OPTIONS} | {"csv": csv}
    return report.document(run, chosen, package(), environment_of(run.engine))


def identity(path) -> dict[str, str]:
    """A data file as a document names it: its path as given, and the SHA-256 of its bytes.

    Raises:
        DataFileError: it cannot be read, or is none that could be read a second time.
    """
    if Path(path).exists() and not Path(path).is_file():
        raise DataFileError(f"{path}: is not a regular file, which a document could name; save the data in one")
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise DataFileError(f"{path}: there is no such file") from error
    except OSError as error:
        raise DataFileError(f"{path}: cannot be read: {error.strerror}") from error
    return {"path": str(path), "sha256": hashlib.sha256(content).hexdigest()}


def before_zero(series):
    """The records before the gradient is exactly 0 in every replica (fast decay ends there, in float64), and the
    first step where it is, or ``None``."""
    zero = (series == 0).all("replica").values
    if not zero.any():
        return series, None
    first = int(zero.argmax())
    return series.isel(step=slice(0, first)), int(series.step[first])


def _check_replicas(options):
    """Refuse before the run what the fit would refuse after it."""
    if options.replicas >= MIN_REPLICAS or (options.method == "gd" and options.replicas == 1):
        return
    other = " (or 1, for one run without statistics)" if options.method == "gd" else ""
    raise InvalidInputError(
        f"--replicas {options.replicas} is too few for an expectation with an interval; "
        f"give {MIN_REPLICAS} or more{other}"
    )


def _names(dataset):
    return (dataset.attrs[name] for name in ("loss", "expression", "engine"))


def _fitted(options, series):
    if series.sizes["step"] == 0:
        raise NoPowerLawError("the gradient is exactly 0 from the first step on", reason="zero_gradient")
    return bn.fit_exponent(
        series,
        model=options.model,
        log_power=options.log_power,
        window=None if options.window is None else tuple(options.window),
        min_decades=options.min_decades,
        seed=options.seed,
    )
