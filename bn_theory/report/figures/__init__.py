"""Figures, drawn by matplotlib when they are asked for; no global state, no window.

A file a subject; what all share is in ``style``. Every function takes what is to be drawn, computes nothing but
quantiles and intervals over replicas (a phase portrait also evaluates its loss), and returns a
``matplotlib.figure.Figure``; ``as_bytes`` makes a file of it. ``drawn`` has the figures of a statement of a document.
"""

from bn_theory.report.figures.amplitude_law import amplitude_law
from bn_theory.report.figures.auto_tuning import across_rates, auto_tuning
from bn_theory.report.figures.compensated import compensated
from bn_theory.report.figures.convergence import convergence
from bn_theory.report.figures.decoupling import rates_by_width
from bn_theory.report.figures.expectation_first import expectation_first
from bn_theory.report.figures.gd_rate import contrast, envelope, known_exponents, one_run, running_minimum
from bn_theory.report.figures.gradient_histograms import gradient_histograms
from bn_theory.report.figures.learning_rate_sweep import accuracies, learning_rate_sweep
from bn_theory.report.figures.local_entropy import blow_up, local_entropy
from bn_theory.report.figures.low_rank_decay import decayed_spectra, grokking
from bn_theory.report.figures.margins import margins
from bn_theory.report.figures.norm_growth import norm_growth
from bn_theory.report.figures.phase_portrait import phase_portrait
from bn_theory.report.figures.relaxation import relaxation
from bn_theory.report.figures.schedules import equivalent_schedule, rates_and_factor, ratios, three_curves, two_runs
from bn_theory.report.figures.singular_values import singular_values
from bn_theory.report.figures.statements import drawn
from bn_theory.report.figures.style import DPI, FORMATS, as_bytes, as_png, format_of, need_matplotlib, verdicts
from bn_theory.report.figures.trainable_rates import trainable_rates

__all__ = [
    "DPI",
    "FORMATS",
    "accuracies",
    "across_rates",
    "amplitude_law",
    "as_bytes",
    "as_png",
    "auto_tuning",
    "blow_up",
    "compensated",
    "contrast",
    "convergence",
    "decayed_spectra",
    "drawn",
    "envelope",
    "equivalent_schedule",
    "expectation_first",
    "format_of",
    "gradient_histograms",
    "grokking",
    "known_exponents",
    "learning_rate_sweep",
    "local_entropy",
    "margins",
    "need_matplotlib",
    "norm_growth",
    "one_run",
    "phase_portrait",
    "rates_and_factor",
    "rates_by_width",
    "ratios",
    "relaxation",
    "running_minimum",
    "singular_values",
    "three_curves",
    "trainable_rates",
    "two_runs",
    "verdicts",
]
