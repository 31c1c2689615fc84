"""Singular values under weight decay and under low-rank decay, ranks, polar factors by Newton-Schulz iterations.

For a matrix W of rank r with singular values ``s_1 >= .. >= s_r > 0`` and polar factor ``P = U V^T`` (singular vectors
only), eta a learning rate and lambda a decay:

    radial decay      W (1 - eta lambda)                    s_i (1 - eta lambda): no ratio changes
    low-rank decay    soft threshold of the s_i             max(s_i - eta lambda, 0): the nuclear norm's
    across W          T = P - (sum s/sum s^2) W             |T|_F^2 = r - (sum s)^2/sum s^2, 0 if all s_i are equal
    stable rank       |W|_F^2/|W|_2^2                       effective rank: exp of the entropy of s_i/sum s
    Newton-Schulz     X <- (3 X - X X^T X)/2                x <- x (3 - x^2)/2 of every singular value, from W/|W|_F

Proved in ``proofs_check.low_rank_decay2026``. All is dimensionless and takes stacks ``(..., m, n)`` of matrices, or
``(..., k)`` of singular values.
"""

from bn_theory.low_rank_decay.iterations import iterations_needed, newton_schulz, newton_schulz_values
from bn_theory.low_rank_decay.spectra import (
    effective_rank,
    effective_rank_of,
    polar_factor,
    singular_values,
    stable_rank,
    stable_rank_of,
    tangential_part,
    tangential_square_of,
)
from bn_theory.low_rank_decay.steps import (
    low_rank_step,
    low_rank_values,
    overshoots_above,
    radial_step,
    radial_values,
)

__all__ = [
    "effective_rank",
    "effective_rank_of",
    "iterations_needed",
    "low_rank_step",
    "low_rank_values",
    "newton_schulz",
    "newton_schulz_values",
    "overshoots_above",
    "polar_factor",
    "radial_step",
    "radial_values",
    "singular_values",
    "stable_rank",
    "stable_rank_of",
    "tangential_part",
    "tangential_square_of",
]
