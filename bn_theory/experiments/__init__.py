"""Long training runs of real networks: described, run so that they can be killed and go on, gathered in one data set.

Importing this imports no torch; :func:`bn_theory.experiments.execute.execute` does.
"""

from bn_theory.experiments.experiment import Experiment, Setup
from bn_theory.experiments.registry import NAMES, experiment

__all__ = ["NAMES", "Experiment", "Setup", "experiment"]
