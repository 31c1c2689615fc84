"""What is run: methods (GD, SGD, with momentum and weight decay), schedules, and schedules that train alike."""

from bn_theory.dynamics.equivalence import equivalent_schedule, texp_schedule
from bn_theory.dynamics.equivalent import EquivalentSchedule
from bn_theory.dynamics.methods import GD, SGD
from bn_theory.dynamics.schedules import (
    Constant,
    Cosine,
    Exponential,
    Polynomial,
    Power,
    Schedule,
    StepDecay,
    Table,
    Warmup,
)

__all__ = [
    "GD",
    "SGD",
    "Constant",
    "Cosine",
    "EquivalentSchedule",
    "Exponential",
    "Polynomial",
    "Power",
    "Schedule",
    "StepDecay",
    "Table",
    "Warmup",
    "equivalent_schedule",
    "texp_schedule",
]
