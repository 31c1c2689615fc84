"""What is run: methods (GD, SGD, their projected variants) and learning-rate schedules."""

from bn_theory.dynamics.methods import GD, SGD
from bn_theory.dynamics.schedules import Constant, Power, Schedule

__all__ = ["GD", "SGD", "Constant", "Power", "Schedule"]
