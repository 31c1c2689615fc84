"""Figures, drawn by matplotlib when they are asked for; no global state, no window.

A file a subject; what all share is in ``style``. Every function takes what is to be drawn, computes nothing but
quantiles over replicas, and returns a ``matplotlib.figure.Figure``; ``as_bytes`` makes a file of it.
"""

from bn_theory.report.figures.auto_tuning import auto_tuning
from bn_theory.report.figures.convergence import convergence
from bn_theory.report.figures.gd_rate import contrast, envelope, known_exponents, one_run, running_minimum
from bn_theory.report.figures.schedules import equivalent_schedule, ratios, three_curves, two_runs
from bn_theory.report.figures.style import DPI, FORMATS, as_bytes, as_png, format_of, need_matplotlib, verdicts

__all__ = [
    "DPI",
    "FORMATS",
    "as_bytes",
    "as_png",
    "auto_tuning",
    "contrast",
    "convergence",
    "envelope",
    "equivalent_schedule",
    "format_of",
    "known_exponents",
    "need_matplotlib",
    "one_run",
    "ratios",
    "running_minimum",
    "three_curves",
    "two_runs",
    "verdicts",
]
