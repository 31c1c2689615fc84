"""Magnitude and direction of weights: ``w = g v``, v a unit vector, trained at separate rates.

A step of the direction moves it along the sphere's tangent and retracts it, ``v <- (v - eta u)/|v - eta u|``; the gain
g has a rate of its own. For a scale-invariant loss the gain is inert, and the run is plain SGD on w at the rates
``eta_t |w_t|^2`` with ``|w_{t+1}|^2 = |w_t|^2 (1 + eta_t^2 |grad L(v_t)|^2)``.

All quantities are dimensionless; vectors are along the last axis, leading axes (rates, seeds) broadcast. Proved in
``proofs_check.md_decoupling2026``. The idea: Haegele, Hernandez-Cano, Kosson and Jaggi (arXiv:2606.25971).
"""

from bn_theory.decoupling.adam import BETAS, adam_update
from bn_theory.decoupling.checks import checked_rates
from bn_theory.decoupling.schedules import EquivalentRates, equivalent_rates, norm_keeping_decay
from bn_theory.decoupling.steps import (
    decoupled_step,
    moved,
    relative_update,
    retract,
    split_gradient,
    tangential,
    turned_cosine,
)

__all__ = [
    "BETAS",
    "EquivalentRates",
    "adam_update",
    "checked_rates",
    "decoupled_step",
    "equivalent_rates",
    "moved",
    "norm_keeping_decay",
    "relative_update",
    "retract",
    "split_gradient",
    "tangential",
    "turned_cosine",
]
