"""The matrices that the statements share, and how far rounding may move what is computed of them.

A decomposition ``W = U D V^T`` is found by m + n Householder reflections and as many rotations, each of which errs by a
few roundings of ``|W|_F``: computed singular values are those of a matrix within ``rho |W|_F`` of W, ``rho = 8 (m+n)
u``, and by Weyl each is within ``rho |W|_F`` of its own. U and V are orthonormal to rho likewise. The growth with m + n
is that of the number of steps; the 8 is not derived (a proved constant of the library's decomposition is not known to
us) but checked: against 40 digits, less than a quarter of rho is seen. Claims are told from ones off by 1e-10, some 1e4
rho, whatever it is exactly.
"""

from __future__ import annotations

import numpy as np

from bn_theory.theorems import workbench

SIZE = 12
"""Of the square matrices."""


def rho(W) -> float:
    """Relative rounding of a decomposition of a matrix (or of each of a stack), in units of its Frobenius norm."""
    m, n = np.shape(W)[-2:]
    return 8 * (m + n) * workbench.EPS / 2


def cases(settings) -> dict[str, np.ndarray]:
    """Random matrices by name: square, tall, wide, of low rank, with a graded spectrum; more of them in full."""
    rng = np.random.default_rng((settings.seed, 31))
    found = {}
    for copy in range(8 if settings.full else 2):
        which = f", no. {copy + 1}"
        found[f"square {SIZE} x {SIZE}{which}"] = rng.normal(size=(SIZE, SIZE))
        found[f"tall 15 x 6{which}"] = rng.normal(size=(15, 6))
        found[f"wide 5 x 14{which}"] = rng.normal(size=(5, 14))
        found[f"10 x 8 of rank 3{which}"] = rng.normal(size=(10, 3)) @ rng.normal(size=(3, 8))
        found[f"graded 9 x 7{which}"] = with_values(rng, (9, 7), np.geomspace(1.0, 1e-2, 7))
    return found


def with_values(rng, shape, values) -> np.ndarray:
    """A matrix with these singular values and random singular vectors."""
    u, v = (np.linalg.qr(rng.normal(size=(size, size)))[0] for size in shape)
    return (u[:, : len(values)] * values) @ v[:, : len(values)].T


def orthogonal(settings) -> np.ndarray:
    """A matrix all of whose singular values are 2: the exception to what low-rank decay does."""
    return with_values(np.random.default_rng((settings.seed, 32)), (SIZE, SIZE), np.full(SIZE, 2.0))


def kept(s) -> np.ndarray:
    """The non-zero ones of singular values."""
    return s[s > 0]


def stable_rank_rounding(s, moved) -> float:
    """How far a stable rank moves where each singular value moves by at most ``moved``.

    ``sum 2 s_i moved/s_1^2 + 2 (sum s_i^2) moved/s_1^3``, to first order, and ``r + 4`` roundings of its sum.
    """
    x = s / s.max()
    rank = float(np.sum(x**2))
    return 2 * float(np.sum(x) + rank) * moved / float(s.max()) + (len(s) + 4) * workbench.EPS / 2 * rank


def effective_rank_rounding(s, moved) -> float:
    """The same for the effective rank R: ``R sum |log q_i + H| moved/sum s``, ``dH/ds_i = -(log q_i + H)/sum s``.

    Rounding of q and of its logarithm adds ``(r + 4) u`` of each ``q_i (1 + |log q_i|)``. Singular values that count
    as 0 (up to ``max(m, n) 2^-52`` of the largest) are among what moves: one has ``q |log q|`` less than 40 times
    that.
    """
    q = kept(s) / s.sum()
    entropy = -float(np.sum(q * np.log(q)))
    rank = np.exp(entropy)
    slope = float(np.sum(np.abs(np.log(q) + entropy))) / float(s.sum())
    zeros = 40 * (len(s) - len(q)) / float(s.sum())
    own = (len(s) + 4) * workbench.EPS / 2 * float(np.sum(q * (1 + np.abs(np.log(q)))))
    return float(rank * ((slope + zeros) * moved + own))
