"""The figures of one statement of a document of ``bn-theory verify --json``."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace

import numpy as np

from bn_theory.errors import InvalidInputError
from bn_theory.report.figures.amplitude_law import amplitude_law
from bn_theory.report.figures.auto_tuning import auto_tuning
from bn_theory.report.figures.convergence import convergence
from bn_theory.report.figures.decoupling import rates_by_width
from bn_theory.report.figures.documents import envelope_of, fit_of, run_of
from bn_theory.report.figures.gd_rate import envelope
from bn_theory.report.figures.gradient_histograms import gradient_histograms
from bn_theory.report.figures.learning_rate_sweep import accuracies, learning_rate_sweep
from bn_theory.report.figures.local_entropy import blow_up, local_entropy
from bn_theory.report.figures.loss_along_step import loss_along_step
from bn_theory.report.figures.low_rank_decay import decayed_spectra, grokking
from bn_theory.report.figures.margins import group_of, margins, margins_in_words, place
from bn_theory.report.figures.norm_growth import norm_growth
from bn_theory.report.figures.pieces import evidence_of
from bn_theory.report.figures.relaxation import relaxation
from bn_theory.report.figures.schedules import rates_and_factor, ratios
from bn_theory.report.figures.singular_values import singular_values
from bn_theory.report.figures.style import need_matplotlib, verdicts
from bn_theory.report.figures.trainable_rates import trainable_rates

SUPPORTS = "supports"
"""Among a figure's data: the names of the pieces of evidence whose verdicts it shows; without it, all of them."""
FEW = 4
"""Up to so many of them are told in words one by one."""


def drawn(statement: Mapping) -> list[tuple]:
    """The figures of one statement: its own, then how far each piece of evidence is from its limit.

    Args:
        statement: of a document ``bn-theory.verify/2`` (``schemas/verify.json``), with ``slug``, ``title``,
            ``evidence`` and ``figures``.

    Returns:
        ``[(figure, caption, alt)]``: a ``matplotlib.figure.Figure``, a sentence to print below it, and a few in words
        with the main numbers, for who cannot see it. Empty for a statement that was not run.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InvalidInputError: a figure of an unknown name, data that its function does not take, damaged evidence.
    """
    need_matplotlib()
    title = f"{statement['slug']}: {statement['title']}"
    evidence = evidence_of(statement["evidence"])
    found = [_own(figure, title, evidence) for figure in statement["figures"]]
    if any(place(piece) is not None for piece in evidence):
        caption = "How far each piece of evidence is from its limit. Controls are hollow: they must lie outside."
        found.append((margins(evidence, title=title), caption, margins_in_words(evidence)))
    return found


def _own(figure, title, evidence):
    name, data = figure["figure"], dict(figure["data"])
    if name not in DRAW:
        raise InvalidInputError(f"no figure is called {name!r}; there are {', '.join(sorted(DRAW))}")
    names = data.pop(SUPPORTS, None)
    pieces = evidence if names is None else [piece for piece in evidence if piece.name in names]
    try:
        image = DRAW[name](data, title=title, evidence=pieces)
    except InvalidInputError:
        raise
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise InvalidInputError(f"the figure {name!r} cannot be drawn from the data given: {error!r:.200}") from error
    return image, figure["caption"], f"{figure['caption']} {_in_words(pieces)}"


# --- what a document carries, back as what figures take ---


def _plainly(function):
    """A figure whose arguments are what the data are, by name."""

    def draw(data, *, title="", evidence=()):
        return function(**data, title=title, evidence=evidence)

    return draw


def _convergence(data, *, title="", evidence=()):
    """``t``, ``grad_norm2`` (a mean where there is a band), ``fit``, ``bound`` and ``band``, each but the first two
    possibly missing."""
    fit, bound, band = (data.get(part) for part in ("fit", "bound", "band"))
    return convergence(
        data["t"],
        data["grad_norm2"],
        None if fit is None else fit_of(fit),
        bound=None if bound is None else (bound["t"], bound["grad_norm2"]),
        band=None if band is None else (band["low"], band["high"], band["replicas"]),
        title=title,
        evidence=evidence,
    )


def _envelope(data, *, title="", evidence=()):
    """``values`` of the members that are drawn, ``found`` and ``predicted`` by label, ``tolerance``."""
    found = {label: envelope_of(one) for label, one in data["found"].items()}
    return envelope(
        data["values"], found, data["predicted"], tuple(data["tolerance"]), title=title, evidence=evidence
    )  # fmt: skip


def _auto_tuning(data, *, title="", evidence=()):
    """``step``, ``labels`` and, of shape (cases, replicas, records), ``grad_norm2``, ``norm2``, ``effective_lr``."""
    run = run_of(("case", "replica", "step"), data, ("grad_norm2", "norm2", "effective_lr"))
    return auto_tuning(run, data["labels"], title=title, evidence=evidence)


def _norm_growth(data, *, title="", evidence=()):
    """``runs``: by label ``step`` and, of shape (replicas, records), ``norm2``, ``sum_step2``; ``controls``."""
    names = ("norm2", "sum_step2")
    runs = {label: run_of(("replica", "step"), run, names) for label, run in data["runs"].items()}
    return norm_growth(runs, controls=data["controls"], title=title, evidence=evidence)


def _loss_along_step(data, *, title="", evidence=()):
    """``multiples``, ``losses`` by label, of shape (starts, multiples), and ``limit``."""
    lengths = np.asarray(data["multiples"], dtype=float)
    profiles = {
        label: [SimpleNamespace(multiples=lengths, losses=np.asarray(one, dtype=float)) for one in several]
        for label, several in data["losses"].items()
    }
    return loss_along_step(profiles, limit=data["limit"], title=title, evidence=evidence)


def _ratios(_, *, title="", evidence=()):
    """Drawn are the pieces of evidence themselves."""
    return ratios(evidence, title=title)


DRAW = {
    "accuracies": _plainly(accuracies),
    "amplitude_law": _plainly(amplitude_law),
    "auto_tuning": _auto_tuning,
    "blow_up": _plainly(blow_up),
    "convergence": _convergence,
    "decayed_spectra": _plainly(decayed_spectra),
    "envelope": _envelope,
    "equivalent_schedule": _plainly(rates_and_factor),
    "gradient_histograms": _plainly(gradient_histograms),
    "grokking": _plainly(grokking),
    "learning_rate_sweep": _plainly(learning_rate_sweep),
    "local_entropy": _plainly(local_entropy),
    "loss_along_step": _loss_along_step,
    "norm_growth": _norm_growth,
    "rates_by_width": _plainly(rates_by_width),
    "ratios": _ratios,
    "relaxation": _plainly(relaxation),
    "singular_values": _plainly(singular_values),
    "trainable_rates": _plainly(trainable_rates),
}
"""``{name: function(data, title=..., evidence=...)}``: what draws the data that a statement's ``Curves`` name."""


# --- in words ---


def _in_words(pieces):
    """Verdicts and, of a few pieces, what was measured."""
    if not pieces:
        return ""
    said = [f"Verdict: {verdicts(pieces)}."]
    if len(pieces) <= FEW:
        said += [f"{piece.name}: {_measured(piece)}{piece.verdict}." for piece in pieces]
    return " ".join(said)


def _measured(piece):
    if piece.measured is None:
        return ""
    if group_of(piece) in ("identity", "bound"):
        return f"{place(piece).middle:.3g} of what is allowed, "
    interval = "" if piece.interval is None else f" ({piece.interval[0]:.4g} to {piece.interval[1]:.4g})"
    predicted = "" if piece.predicted is None else f", predicted {piece.predicted:.4g}"
    return f"measured {piece.measured:.4g}{interval}{predicted}, "
