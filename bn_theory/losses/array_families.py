"""Families that are not separable, written on any array-API namespace."""

from __future__ import annotations

import numpy as np
from array_api_compat import array_namespace

from bn_theory.errors import InvalidInputError
from bn_theory.losses import philox
from bn_theory.losses.array_loss import ArrayLoss, Sampler
from bn_theory.losses.facts import Blocks, Facts, Minimum
from bn_theory.losses.families import bn_blocks, centred_moments, finite_array
from bn_theory.losses.matvec import matvec
from bn_theory.losses.resident import Resident


def rayleigh_dense_noise(eigenvalues, covariance) -> ArrayLoss:
    """A Rayleigh quotient with gradient noise of any covariance, ``+ <B z, w>/|w|`` with ``B B^T = covariance``.

    ``z`` are signs, so the noise is bounded: ``|grad L_z| <= |grad L| + |B| sqrt(d)`` (operator norm of B).

    Args:
        eigenvalues: ``a``, shape ``(d,)``, d >= 2; the Hessian is diagonal, the covariance need not be.
        covariance: positive semidefinite, shape ``(d, d)``.

    Raises:
        InvalidInputError: shapes that do not fit, a matrix that is not symmetric positive semidefinite.
    """
    a, covariance = finite_array("eigenvalues", eigenvalues, (1,)), finite_array("covariance", covariance, (2,))
    d = len(a)
    if d < 2 or covariance.shape != (d, d):
        raise InvalidInputError(f"{d} eigenvalues need a covariance of shape {(d, d)}, not {covariance.shape}")
    values, vectors = np.linalg.eigh(covariance)
    # eigh of a symmetric matrix errs by about d eps |C|; anything beyond is not rounding.
    slack = 4 * d * np.finfo(float).eps * np.abs(covariance).max()
    if not np.allclose(covariance, covariance.T, rtol=0, atol=slack) or values[0] < -slack:
        raise InvalidInputError(f"the covariance must be symmetric and positive semidefinite; lowest value {values[0]}")
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    data_a, data_root = Resident(a), Resident(root)

    def parts(w):
        xp = array_namespace(w)
        norm2 = xp.sum(w * w, axis=-1, keepdims=True)
        return xp, norm2, xp.sum(data_a.on(xp, w) * w * w, axis=-1, keepdims=True) / norm2

    def value(w, sample):
        xp, norm2, quotient = parts(w)
        result = quotient[..., 0] / 2
        if sample is not None:
            result = result + xp.sum(matvec(xp, data_root.on(xp, w), sample) * w, axis=-1) / xp.sqrt(norm2[..., 0])
        return result

    def grad(w, sample):
        xp, norm2, quotient = parts(w)
        result = (data_a.on(xp, w) - quotient) * w / norm2
        if sample is not None:
            push = matvec(xp, data_root.on(xp, w), sample)
            along = xp.sum(push * w, axis=-1, keepdims=True) / norm2
            result = result + (push - along * w) / xp.sqrt(norm2)
        return result

    low, spread = a.min(), a.max() - a.min()
    keep = np.arange(d) != np.argmin(a)
    bound = spread / 2 + np.linalg.norm(root, 2) * np.sqrt(d)
    facts = Facts(
        infimum=float(low / 2),
        blocks=Blocks({("w", "w"): float(spread)}, gradient={"w": float(spread / 2)}),
        sample_gradient={"w": float(bound)},
        minimum=Minimum(np.diag(a[keep] - low), covariance[np.ix_(keep, keep)]),
    )
    return ArrayLoss(
        (value, grad), {"w": d}, sampler=Sampler("rademacher", d), name=f"rayleigh_dense_noise(d={d})", facts=facts
    )


def minibatch_least_squares_bn(X, y, parts: int = 4, seed: int = 0) -> ArrayLoss:
    """BN least squares on minibatches: one part of a fixed partition of the rows per step.

    A step draws part ``p`` uniformly and follows ``gamma^2/2 - gamma b_p.w/sqrt(w^T C_p w) + const_p`` with the
    part's own batch statistics; the full loss is the mean over the parts. The constants hold for
    ``|gamma| <= max(|gamma_0|, max_p |beta_p|)``, kept for parameter rates up to 1. The ``infimum`` is the
    mean of the parts' infima, a lower bound of ``inf L``.

    Args:
        X: shape ``(n, d)``. y: shape ``(n,)``.
        parts: number of parts, each with at least ``2 d`` rows, so that its covariance is well conditioned.
        seed: of the shuffle before the partition.

    Raises:
        InvalidInputError: as for ``least_squares_bn``, or parts that are too small.
    """
    X, y = finite_array("X", X, (2,)), finite_array("y", y, (1,))
    n, d = X.shape
    if not (isinstance(parts, (int, np.integer)) and parts >= 1):
        raise InvalidInputError(f"parts must be a whole number >= 1, not {parts!r}")
    if n // parts < 2 * d:
        raise InvalidInputError(
            f"{parts} parts of {n} rows hold {n // parts} each; {d} columns need {2 * d} or more; "
            "take fewer parts or more rows"
        )
    order = np.argsort(philox.normals(seed, [0], 0, n, philox.SHUFFLE_STREAM)[0])
    moments = [centred_moments(X[rows], y[rows]) for rows in np.array_split(order, parts)]
    covariances = np.stack([m[0] for m in moments])
    crosses = np.stack([m[1] for m in moments])
    constants = np.array([m[2] for m in moments])
    data = tuple(map(Resident, (covariances, crosses, constants)))

    def choose(xp, w, sample):
        """The drawn part per replica, or all of them on a leading axis that the caller averages."""
        C, b, c = (m.on(xp, w) for m in data)
        if sample is None:
            return C[:, None, None, ...], b[:, None, None, ...], c[:, None, None]
        index = xp.asarray(sample)
        return xp.take(C, index, axis=0), xp.take(b, index, axis=0), xp.take(c, index)

    def statistics(state, sample):
        w, gamma = state["w"], state["gamma"]
        xp = array_namespace(w)
        C, b, c = choose(xp, w, sample)
        Cw = matvec(xp, C, w)
        deviation = xp.sqrt(xp.sum(w * Cw, axis=-1))
        correlation = xp.sum(b * w, axis=-1) / deviation
        return xp, gamma, b, c, Cw, deviation, correlation

    def averaged(xp, array, sample):
        return xp.mean(array, axis=0) if sample is None else array

    def value(state, sample):
        xp, gamma, _, c, _, _, correlation = statistics(state, sample)
        return averaged(xp, gamma**2 / 2 - gamma * correlation + c, sample)

    def grad(state, sample):
        xp, gamma, b, _, Cw, deviation, correlation = statistics(state, sample)
        slope = -gamma[..., None] * (b - (correlation / deviation)[..., None] * Cw) / deviation[..., None]
        return {"w": averaged(xp, slope, sample), "gamma": averaged(xp, gamma - correlation, sample)}

    spectra = [np.linalg.eigh(C) for C in covariances]
    turned = [(s, Q.T @ b) for (s, Q), b in zip(spectra, crosses, strict=True)]
    betas = np.array([np.sqrt(b @ (b / s)) for s, b in turned])

    def largest_gamma(start):
        return max(float(np.max(np.abs(start["gamma"]))), float(betas.max()))

    def blocks(start):
        each = [bn_blocks(s, b, largest_gamma(start)) for s, b in turned]
        return Blocks(
            {("w", "w"): float(np.mean([k.weights["w", "w"] for k in each]))},
            mixed={"w": float(np.mean([k.mixed["w"] for k in each]))},
            parameter=1.0,
            gradient={"w": float(np.mean([k.gradient["w"] for k in each]))},
            largest_parameter_rate=1.0,
        )

    facts = Facts(
        infimum=float(np.mean(constants - betas**2 / 2)),
        blocks=blocks,
        sample_gradient=lambda start: {
            "w": max(bn_blocks(s, b, largest_gamma(start)).gradient["w"] for s, b in turned)
        },
        # |gamma - correlation_p| <= |gamma| + |beta_p|
        parameter_sample_gradient=lambda start: largest_gamma(start) + float(betas.max()),
    )
    return ArrayLoss(
        (value, grad),
        {"w": d},
        ("gamma",),
        Sampler("parts", parts),
        name=f"minibatch_least_squares_bn(d={d}, parts={parts})",
        facts=facts,
        start={"gamma": np.asarray(1.0)},
    )


def bn_neuron_logistic(X, labels) -> ArrayLoss:
    """A batch-normalised neuron with logistic loss on a data matrix, full batch.

    ``L = mean log(1 + exp(-label (gamma (x.w - mean)/std + beta)))``: scale-invariant in ``w``, with scalar
    parameters ``gamma`` and ``beta``.

    Args:
        X: shape ``(n, d)``. labels: -1 or +1, shape ``(n,)``.

    Raises:
        InvalidInputError: as for ``least_squares_bn``, or labels other than -1 and +1.
    """
    X, labels = finite_array("X", X, (2,)), finite_array("labels", labels, (1,))
    if not np.all(np.abs(labels) == 1):
        raise InvalidInputError(f"labels must be -1 or +1, not {labels[np.abs(labels) != 1][0]}")
    covariance, _, _ = centred_moments(X, labels)
    centred = X - X.mean(axis=0)
    n, d = X.shape
    data_C, data_X, data_labels = Resident(covariance), Resident(centred), Resident(labels)

    def forward(state):
        w = state["w"]
        xp = array_namespace(w)
        Cw = matvec(xp, data_C.on(xp, w), w)
        deviation = xp.sqrt(xp.sum(w * Cw, axis=-1))
        unit = matvec(xp, data_X.on(xp, w), w) / deviation[..., None]
        margin = data_labels.on(xp, w) * (state["gamma"][..., None] * unit + state["beta"][..., None])
        return xp, Cw, deviation, unit, margin

    def value(state, sample):
        xp, _, _, _, margin = forward(state)
        # log(1 + exp(-m)) without overflow
        return xp.mean(xp.log1p(xp.exp(-xp.abs(margin))) + (xp.abs(margin) - margin) / 2, axis=-1)

    def grad(state, sample):
        xp, Cw, deviation, unit, margin = forward(state)
        # d/dlogit = -label * sigmoid(-margin), by tanh so that nothing overflows
        slope = -data_labels.on(xp, state["w"]) * (1 - xp.tanh(margin / 2)) / 2 / n
        pull = matvec(xp, data_X.on(xp, slope).T, slope) / deviation[..., None]
        along = xp.sum(slope * unit, axis=-1)
        radial = (along / deviation**2)[..., None] * Cw
        return {
            "w": state["gamma"][..., None] * (pull - radial),
            "gamma": along,
            "beta": xp.sum(slope, axis=-1),
        }

    return ArrayLoss(
        (value, grad),
        {"w": d},
        ("gamma", "beta"),
        name=f"bn_neuron_logistic(d={d}, n={n})",
        facts=Facts(infimum=0.0),
        start={"gamma": np.asarray(1.0), "beta": np.asarray(0.0)},
    )
