"""Families of separable losses with what is known of them: infimum, constants, minimum, un-normalised twin.

The constants are proved in ``proofs_check.arora2019.hessian_constants`` and checked against a numerical
supremum in the tests. "Derived in this package" holds for all of them.
"""

from __future__ import annotations

import numpy as np
import sympy

from bn_theory.errors import InvalidInputError, LossError
from bn_theory.losses.checks import real_array
from bn_theory.losses.facts import Blocks, Facts, Minimum
from bn_theory.losses.language import RademacherNoise, data, noise, parameter, total, weights
from bn_theory.losses.loss import Loss


def finite_array(name, value, ndims) -> np.ndarray:
    """A checked float array with one of the allowed numbers of axes."""
    array = real_array(name, value)
    if array.ndim not in ndims or array.size == 0:
        raise InvalidInputError(f"{name} has shape {array.shape}; it needs {' or '.join(map(str, ndims))} axes")
    if not np.all(np.isfinite(array)):
        raise InvalidInputError(f"{name} must be finite, but has an entry {array[~np.isfinite(array)][0]}")
    return array


def rayleigh(eigenvalues) -> Loss:
    """Half the Rayleigh quotient, ``L(w) = sum a_i w_i^2 / (2 sum w_i^2)``.

    ``inf L = a_min/2``; ``|Hess| <= a_max - a_min`` and ``|grad| <= (a_max - a_min)/2`` on the sphere.
    Un-normalised twin: ``sum a_i w_i^2 / 2``.

    Args:
        eigenvalues: ``a``, shape ``(d,)`` or ``(cases, d)``, d >= 2, dimensionless.

    Raises:
        InvalidInputError: not finite, or fewer than two.

    >>> import bn_theory as bn
    >>> bn.rayleigh([0.0, 2.0]).facts.infimum
    0.0
    """
    a = finite_array("eigenvalues", eigenvalues, (1, 2))
    if a.shape[-1] < 2:
        raise InvalidInputError("eigenvalues: a Rayleigh quotient needs at least two; with one it is constant")
    w, c = weights("w"), data("a")
    low, high = a.min(axis=-1), a.max(axis=-1)
    minimum = None
    if a.ndim == 1 and np.sum(a == low) == 1:
        minimum = Minimum(hessian=np.diag(np.delete(a - low, np.argmin(a))))
    facts = Facts(
        infimum=_plain(low / 2),
        blocks=Blocks({("w", "w"): _plain(high - low)}, gradient={"w": _plain((high - low) / 2)}),
        minimum=minimum,
    )
    loss = Loss(total(c * w**2) / (2 * total(w**2)), a=a)
    return loss.replace(facts=facts, name=f"rayleigh(d={a.shape[-1]})", _twin=lambda: _quadratic(a))


def _quadratic(a):
    w, c = weights("w"), data("a")
    return Loss(total(c * w**2) / 2, a=a).replace(name=f"quadratic(d={a.shape[-1]})")


def power_law_rayleigh(s=1.0, d: int = 360, smallest: float = 1e-10, largest: float = 1.0, mass: float = 1e-3) -> Loss:
    """A Rayleigh quotient whose gradient norm decays with the known exponent ``-(1+s)/2``.

    Eigenvalues: 0 and ``d - 1`` log-spaced ones in ``[smallest, largest]``. Start: unit norm, ``v_k^2``
    proportional to ``a_k^(s-1)`` with total ``mass`` off the minimiser, so that ``|grad L|^2`` is the sum of
    ``a_k^(1+s) exp(-2 a_k tau)`` up to a factor, i.e. ``tau^-(1+s)``, for ``1/largest << tau << 1/smallest``
    with ``tau = sum eta_t/|w_t|^2`` and ``mass (smallest tau)^(1-s) << 1``.

    Args:
        s: number in (0, 1], or one per case (dimensionless).
        d: coordinates, >= 3.
        smallest, largest: ends of the spectrum, 0 < smallest < largest.
        mass: squared sine of the angle to the minimiser at the start, in (0, 1).

    Raises:
        InvalidInputError: a value outside its range.

    >>> import bn_theory as bn
    >>> loss = bn.power_law_rayleigh(0.5, d=50)
    >>> round(float((loss.start["w"][1:] ** 2).sum()), 12)
    0.001
    """
    s = finite_array("s", s, (0, 1))
    if np.any(s <= 0) or np.any(s > 1):
        raise InvalidInputError(f"s must lie in (0, 1], not {s}")
    if not (isinstance(d, (int, np.integer)) and d >= 3):
        raise InvalidInputError(f"d must be a whole number >= 3, not {d!r}")
    smallest, largest, mass = (
        float(finite_array(name, value, (0,)))
        for name, value in (("smallest", smallest), ("largest", largest), ("mass", mass))
    )
    if not 0 < smallest < largest:
        raise InvalidInputError(f"the spectrum needs 0 < smallest < largest, not {smallest} and {largest}")
    if not 0 < mass < 1:
        raise InvalidInputError(f"mass must lie in (0, 1), not {mass}")
    eigenvalues = np.r_[0.0, np.geomspace(smallest, largest, d - 1)]
    v2 = eigenvalues[1:] ** (s[..., None] - 1)
    v2 = mass * v2 / v2.sum(axis=-1, keepdims=True)
    start = np.sqrt(np.concatenate([np.full((*v2.shape[:-1], 1), 1 - mass), v2], axis=-1))
    loss = rayleigh(eigenvalues if s.ndim == 0 else np.broadcast_to(eigenvalues, start.shape))
    return loss.replace(start={"w": start}, name=f"power_law_rayleigh(s={s.tolist()}, d={d})")


def bilinear(singular_values) -> Loss:
    """Two groups, ``L(u, v) = -sum a_i u_i v_i / (|u| |v|)``: the top singular pair of a matrix.

    ``inf L = -a_max``; block constants ``L_uv <= a_max``, ``L_uu, L_vv <= (2/sqrt 3) a_max`` and
    ``|grad_u|, |grad_v| <= a_max`` on the unit spheres. Un-normalised twin:
    ``a_max (|u|^2 + |v|^2)/2 - sum a_i u_i v_i``, the same bilinear form made convex so that it has a
    minimum (without the first term it is a saddle, which every method leaves at every rate).

    Args:
        singular_values: ``a >= 0``, shape ``(d,)`` or ``(cases, d)``, d >= 2.

    Raises:
        InvalidInputError: negative, not finite, all zero, or fewer than two.
    """
    a = finite_array("singular_values", singular_values, (1, 2))
    if np.any(a < 0) or not np.all(a.max(axis=-1) > 0) or a.shape[-1] < 2:
        raise InvalidInputError(f"singular values must be >= 0, not all 0, at least two; got {a}")
    u, v, c = weights("u"), weights("v"), data("a")
    top = a.max(axis=-1)
    diagonal = _plain(2 / np.sqrt(3) * top)
    facts = Facts(
        infimum=_plain(-top),
        blocks=Blocks(
            {("u", "u"): diagonal, ("v", "v"): diagonal, ("u", "v"): _plain(top)},
            gradient={"u": _plain(top), "v": _plain(top)},
        ),
    )

    def twin():
        m = data("m")
        convex = m * (total(u**2) + total(v**2)) / 2 - total(c * u * v)
        return Loss(convex, a=a, m=top).replace(name=f"convex_bilinear(d={a.shape[-1]})")

    loss = Loss(-total(c * u * v) / sympy.sqrt(total(u**2) * total(v**2)), a=a)
    return loss.replace(facts=facts, name=f"bilinear(d={a.shape[-1]})", _twin=twin)


def centred_moments(X, y):
    """Covariance ``C``, cross-covariance ``k`` and half the variance of ``y``, as BN's batch statistics see them.

    Raises:
        InvalidInputError: shapes that do not fit, too few rows, a constant column or target, columns that
            depend on each other.
    """
    X, y = finite_array("X", X, (2,)), finite_array("y", y, (1,))
    n, d = X.shape
    if y.shape != (n,):
        raise InvalidInputError(f"X has {n} rows but y has {y.shape[0]} values")
    if n < d + 2:
        raise InvalidInputError(f"{n} rows are too few for {d} columns; the centred covariance needs at least {d + 2}")
    x, t = X - X.mean(axis=0), y - y.mean()
    for name, spread, size in [("y", np.ptp(y), np.abs(y).max())] + [
        (f"column {i} of X", np.ptp(X[:, i]), np.abs(X[:, i]).max()) for i in range(d)
    ]:
        if spread <= 4 * np.finfo(float).eps * size:  # what rounding leaves of a constant
            why = "there is nothing to fit" if name == "y" else "batch normalisation would divide by zero"
            raise InvalidInputError(f"{name} is constant: {why}")
    # The rank of the correlation matrix, so that the columns' units do not matter.
    scaled = np.linalg.svd(x / np.linalg.norm(x, axis=0), compute_uv=False)
    if scaled[-1] <= max(n, d) * np.finfo(float).eps * scaled[0]:
        raise InvalidInputError(f"the {d} columns of X depend on each other (rank below {d}); drop some")
    covariance = x.T @ x / n
    spectrum = np.linalg.eigvalsh(covariance)
    if spectrum[0] <= d * np.finfo(float).eps * spectrum[-1]:
        raise InvalidInputError("the columns of X differ too much in scale for float64; standardise them first")
    return covariance, x.T @ t / n, float(t @ t / n / 2)


def least_squares_bn(X, y) -> Loss:
    """Least squares through one batch-normalised unit with learnable scale, full batch.

    ``L(w, gamma) = mean (gamma (x.w - mean)/std - (y - mean))^2 / 2
    = gamma^2/2 - gamma b.w/sqrt(w^T S w) + const`` in the eigenbasis of the input covariance, with
    ``S = diag(s)`` its eigenvalues, ``b`` the rotated cross-covariance and ``const`` half the variance of y.
    ``inf L = const - b^T S^-1 b / 2`` (ordinary least squares). The constants hold for
    ``|gamma| <= max(|gamma_0|, sqrt(b^T S^-1 b))``, which GD keeps for parameter rates up to 1.
    Un-normalised twin: ordinary least squares, ``w^T S w/2 - b.w + const``.

    ``E|grad_gamma L|^2 <= (Gamma + beta)^2`` with ``beta = sqrt(b^T S^-1 b)`` and ``Gamma = max(|gamma_0|, beta)``,
    as ``grad_gamma L = gamma - b.w/sqrt(w^T S w)``; noise added to ``w`` alone does not change it.

    Args:
        X: shape ``(n, d)``. The loss does not depend on the columns' units, but its constants grow with the ratio
            of the covariance's eigenvalues, and columns of very different scales are refused: standardise them.
        y: shape ``(n,)``.

    Raises:
        InvalidInputError: shapes that do not fit, n < d + 2, a constant column or target, dependent columns,
            columns whose scales differ so much that the covariance is singular in float64.
    """
    covariance, cross, const = centred_moments(X, y)
    s, basis = np.linalg.eigh(covariance)
    b = basis.T @ cross
    beta = float(np.sqrt(b @ (b / s)))
    w, gamma = weights("w"), parameter("gamma")
    ds, db, dc = data("s", positive=True), data("b"), data("const")
    expression = gamma**2 / 2 - gamma * total(db * w) / sympy.sqrt(total(ds * w**2)) + dc

    def twin():
        return Loss(total(ds * w**2) / 2 - total(db * w) + dc, s=s, b=b, const=const).replace(
            name=f"least_squares(d={len(s)})"
        )

    facts = Facts(
        infimum=const - float(b @ (b / s)) / 2,
        blocks=lambda start: bn_blocks(s, b, start["gamma"]),
        # |gamma - correlation| <= |gamma| + beta
        parameter_sample_gradient=lambda start: max(float(np.max(np.abs(start["gamma"]))), beta) + beta,
    )
    loss = Loss(expression, s=s, b=b, const=const).with_start(gamma=1.0)
    return loss.replace(facts=facts, name=f"least_squares_bn(d={len(s)})", _twin=twin)


def with_linear_noise(loss: Loss, sigma, kind: str = "rademacher") -> Loss:
    """Add ``sigma <z, w>/|w|`` for every group: noise that is scale-invariant for every ``z``.

    Its gradient at unit norm is ``sigma (I - v v^T) z``: bounded by ``sigma sqrt(d)`` almost surely for
    signs, with covariance ``sigma^2 (I - v v^T)`` of trace ``sigma^2 (d - 1)``. The un-normalised twin
    gets ``sigma <z, w>``.

    Args:
        loss: a separable loss without noise.
        sigma: >= 0, a number or one per case (dimensionless).
        kind: ``"rademacher"``, or ``"gaussian"``, which has no almost-sure bound.

    Raises:
        InvalidInputError: a negative sigma. LossError: a loss that has noise, or unknown sizes.
    """
    sigma = finite_array("sigma", sigma, (0, 1))
    if np.any(sigma < 0):
        raise InvalidInputError(f"sigma must be >= 0, not {sigma}")
    if loss.noises:
        raise LossError(f"{loss.name} has noise already")
    if None in loss.dimensions.values():
        raise LossError(f"{loss.name} has groups of unknown size; give them data or use loss.sized(...)")
    noisy = _noisy(loss, sigma, kind, normalised=True)
    facts = loss.facts
    if kind == "rademacher" and facts.blocks is not None:
        # |grad_i L_z| <= |grad_i L| + sigma |(I - v v^T) z| <= |grad_i L| + sigma sqrt(d)
        def sample_gradient(start):
            blocks = facts.need("blocks", start)
            return {g: blocks.gradient_bound(g) + _plain(sigma) * np.sqrt(loss.dimensions[g]) for g in loss.groups}

        noisy = noisy.with_facts(sample_gradient=sample_gradient)
    if facts.minimum is not None and sigma.ndim == 0:
        size = facts.minimum.hessian.shape[0]
        noisy = noisy.with_facts(minimum=Minimum(facts.minimum.hessian, sigma**2 * np.eye(size)))
    if loss._twin is not None:
        noisy = noisy.replace(_twin=lambda: _noisy(loss.unnormalised, sigma, kind, normalised=False))
    return noisy


def _noisy(loss, sigma, kind, normalised):
    if "sigma" in loss.symbols:
        raise LossError(f"{loss.name} uses the name 'sigma' itself; rename it before noise is added")
    expression, factor = loss.expression, data("sigma")
    for g in loss.groups:
        w = loss.symbols[g]
        z = noise("z" if len(loss.groups) == 1 else f"z_{g}", kind)
        term = factor * total(z * w)
        expression += term / sympy.sqrt(total(w**2)) if normalised else term
    other = Loss(expression, sigma=sigma, **loss.data).sized({g: loss.dimensions[g] for g in loss.groups})
    described = f"{loss.name} + {sigma.tolist()} linear {kind} noise"
    return other.replace(facts=loss.facts, start=loss.start, name=described)


def almost_sure(loss) -> bool:
    """Whether every noise of the loss is bounded, as the SGD theorem assumes."""
    return all(isinstance(loss.symbols[n], RademacherNoise) for n in loss.noises)


def _plain(x):
    """A float for a single number, the array for one per case."""
    return float(x) if np.ndim(x) == 0 else np.asarray(x)


def bn_blocks(s, b, gamma_start) -> Blocks:
    """Block constants of ``gamma^2/2 - gamma b.w/sqrt(w^T S w)``, ``S = diag(s)``, on unit-norm ``w``.

    With ``q = S^(1/2) w`` and ``beta = S^(-1/2) b`` the second term is ``-gamma beta.q/|q|``, whose gradient
    and Hessian in q are at most ``|beta|/|q|`` and ``(2/sqrt 3)|beta|/|q|^2``, where ``|q|^2 >= s_min``:

        L_ww <= Gamma (2/sqrt 3) |beta| s_max/s_min,  M_w <= |beta| sqrt(s_max/s_min),  L_g = 1,
        |grad_w| <= Gamma M_w,  Gamma = max(|gamma_0|, |beta|).

    Args:
        s, b: shape ``(d,)``.
        gamma_start: the starts of gamma, any shape; the largest counts.
    """
    beta = float(np.sqrt(b @ (b / s)))
    gamma = max(float(np.max(np.abs(gamma_start))), beta)
    condition = float(s.max() / s.min())
    mixed = beta * np.sqrt(condition)
    return Blocks(
        {("w", "w"): gamma * 2 / np.sqrt(3) * beta * condition},
        mixed={"w": mixed},
        parameter=1.0,
        gradient={"w": gamma * mixed},
        # A step at a rate in (0, 1] is a mean of gamma and a number in [-beta, beta].
        largest_parameter_rate=1.0,
    )
