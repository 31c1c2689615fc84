"""All experiments by name; each one's module is imported when it is asked for."""

from __future__ import annotations

import difflib
from importlib import import_module

from bn_theory.errors import UnknownNameError
from bn_theory.experiments.experiment import Experiment

NAMES = ("learning_rate_sweep", "rate_and_generalisation", "largest_rate_by_depth")


def experiment(name: str) -> Experiment:
    """The experiment of a name.

    Raises:
        UnknownNameError: there is none; the message has the nearest ones.

    >>> experiment("learning_rate_sweep").source
    'Arora, Li and Lyu (ICLR 2019, arXiv:1812.03981), appendix D'
    """
    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES, n=2, cutoff=0.4) or NAMES
        raise UnknownNameError(f"unknown experiment {name!r}; did you mean {' or '.join(near)}?")
    return import_module(f"bn_theory.experiments.{name}").EXPERIMENT
