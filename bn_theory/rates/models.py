"""The nested decay laws, fitted in batches by variable projection and a damped Gauss-Newton polish.

Every law is written in the log domain, ``log mu = a - p x + h``, with ``x = log(t / t_ref)``:

==========  =============================  ==========================================
name        law                            ``h``
==========  =============================  ==========================================
pure        ``A t^-p``                     0
corrected   ``A t^-p (1 + B t^-q)``        ``log(1 + b u)``, ``u = (t / t_first)^-q``
floor       ``A t^-p + E``                 ``log(1 + b u)``, ``u = (t / t_last)^p``
log         ``A t^-p (log t)^q``           ``q (log log t - mean)``
exponential ``A t^-p exp(-c t)``           ``-beta t / t_last`` (only to be refused)
==========  =============================  ==========================================

With ``b = exp(beta) - 1`` the two-term laws are unconstrained in ``beta``, exact for ``beta = 0`` and close
to linear for a small and for a huge second term alike. ``q`` of the corrected law is on a grid and averaged
over where the data do not resolve it (a correction of the size of the noise leaves ``q`` free to run away),
and a fourth parameter ``kappa = log q`` where they do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PURE, CORRECTED, FLOOR, LOG, EXPONENTIAL = "pure", "corrected", "floor", "log", "exponential"
MODELS = (PURE, CORRECTED, FLOOR, LOG)

# Below 1/3 a correction falls by less than 10 over three decades: it then reads as a change of exponent. Above
# 4 it is gone within a few records, where the start-of-window scan removes it. Steps of 2^(1/2): neighbouring
# powers of a correction of relative size b at the start of the window differ by less than b/8 anywhere.
CORRECTION_POWERS = tuple(2.0 ** (k / 2) for k in range(-3, 5))


@dataclass(frozen=True)
class Candidates:
    """One law each: its name, its fixed power, its first record, and what was fitted."""

    name: np.ndarray  # (candidates,) of str
    power: np.ndarray  # (candidates,) q of a correction or a logarithm where given, nan where fitted
    start: np.ndarray  # (candidates,) index of the first record
    stop: np.ndarray  # (candidates,) one past the last record
    theta: np.ndarray  # (candidates, 4): a, p, beta, kappa
    chi2: np.ndarray  # (candidates,)
    n_parameters: np.ndarray  # (candidates,) linear and nonlinear ones, a gridded q included
    gradient: np.ndarray  # (candidates, records) d p / d z: the one-step response of the exponent to the data
    error: np.ndarray  # (candidates,) standard error of p as the noise model has it
    spread: np.ndarray  # (candidates,) standard error of kappa where it is fitted, else nan
    curve: np.ndarray  # (candidates, records) log mu inside the window, nan outside


def shape_of(name, theta, x, log_log, power, first, last):
    """Return ``h`` and its derivatives by ``p``, ``beta`` and ``kappa`` for a batch: (batch, records)."""
    zero = np.zeros((theta.shape[0], x.size))
    beta = theta[:, 2:3]
    if name == PURE:
        return zero, zero, zero, zero
    if name == LOG:
        fixed = np.isfinite(power)[:, None]
        h = np.where(fixed, power[:, None], beta) * log_log
        return h, zero, np.where(fixed, 0.0, 1.0) * log_log, zero
    if name == EXPONENTIAL:
        u = np.exp(np.minimum(x - last[:, None], 0.0))
        return -beta * u, zero, -u, zero
    b = np.expm1(np.clip(beta, -30.0, 600.0))
    if name == CORRECTED:
        q = np.where(np.isfinite(power), power, np.exp(np.clip(theta[:, 3], -3.0, 3.0)))[:, None]
        # above 0 outside the window only, where nothing is used
        log_u = np.minimum(-q * (x - first[:, None]), 1.0)
        u = np.exp(log_u)
        du_dp, du_dk = 0.0, log_u * u
    else:
        u = np.exp(np.minimum(theta[:, 1:2] * (x - last[:, None]), 30.0))
        du_dp, du_dk = (x - last[:, None]) * u, 0.0
    s = np.maximum(1.0 + b * u, 1e-300)
    return np.log(s), b * du_dp / s + zero, (1.0 + b) * u / s, b * du_dk / s + zero


def whiten(columns, noise, start, stop):
    """Apply the inverse square root of the noise covariance of each candidate's window, record axis second.

    Between neighbours the noise is first-order autoregressive with correlation ``rho``, so that row ``k`` of
    the whitened data is ``(z_k / s_k - rho_k z_{k-1} / s_{k-1}) / sqrt(1 - rho_k^2)``; the first record of a
    window has no predecessor.
    """
    k = np.arange(noise.scale.size)
    tail = (1,) * (columns.ndim - 2)
    scaled = columns / noise.scale.reshape(1, -1, *tail)
    out = scaled.copy()
    rho = noise.rho.reshape(1, -1, *tail)
    out[:, 1:] = (scaled[:, 1:] - rho[:, 1:] * scaled[:, :-1]) / np.sqrt(1.0 - rho[:, 1:] ** 2)
    first = (k[None, :] == start[:, None]).reshape(start.size, k.size, *tail)
    inside = ((k[None, :] >= start[:, None]) & (k[None, :] < stop[:, None])).reshape(start.size, k.size, *tail)
    return np.where(first, scaled, np.where(inside, out, 0.0))


def whiten_transposed(columns, noise, start, stop):
    """Apply the transpose of `whiten`: from whitened rows back to a functional of the data."""
    k = np.arange(noise.scale.size)
    tail = (1,) * (columns.ndim - 2)
    first = (k[None, :] == start[:, None]).reshape(start.size, k.size, *tail)
    inside = ((k[None, :] > start[:, None]) & (k[None, :] < stop[:, None])).reshape(start.size, k.size, *tail)
    rho = noise.rho.reshape(1, -1, *tail)
    body = np.where(inside, columns / np.sqrt(1.0 - rho**2), 0.0)
    out = np.where(first, columns, body)
    out[:, :-1] -= rho[:, 1:] * body[:, 1:]
    return out / noise.scale.reshape(1, -1, *tail)


def _project(name, x, z, noise, power, start, stop, first, last, p_grid):
    """Start values by variable projection: for every ``p`` of a grid solve the two linear amplitudes."""
    k = np.arange(x.size)
    inside = (k[None, :] >= start[:, None]) & (k[None, :] < stop[:, None])
    weight = np.where(inside, 1.0 / noise.scale**2, 0.0)
    f = np.exp(-p_grid[:, None] * x - z)  # (grid, records): t^-p / y, so that the data are 1
    if name == CORRECTED:
        g_shape = np.exp(-np.clip(power[:, None] * (x - first[:, None]), 0.0, None))  # (cand, records)
        ff = weight @ (f**2).T
        fg = (weight * g_shape) @ (f**2).T
        gg = (weight * g_shape**2) @ (f**2).T
        fy = weight @ f.T
        gy = (weight * g_shape) @ f.T
    else:
        g = np.exp(-z)[None, :]
        lift = np.exp(-p_grid[None, :] * last[:, None])  # A t_last^-p: b is E over this
        ff = weight @ (f**2).T
        fg = (weight @ (f * g).T) * lift
        gg = (weight @ (g**2).T) * lift**2
        fy = weight @ f.T
        gy = (weight @ g.T) * lift
    yy = weight.sum(axis=1, keepdims=True)
    det = ff * gg - fg**2
    with np.errstate(all="ignore"):
        amplitude = (gg * fy - fg * gy) / det
        second = (ff * gy - fg * fy) / det
        b = second / amplitude
        rss = yy - amplitude * fy - second * gy
    good = (amplitude > 0) & (b > -1.0 + 1e-6) & np.isfinite(rss)
    best = np.argmin(np.where(good, rss, np.inf), axis=1)
    rows = np.arange(start.size)
    found = good[rows, best]
    theta = np.zeros((start.size, 4))
    theta[:, 1] = p_grid[best]
    theta[:, 0] = np.log(np.where(found, amplitude[rows, best], 1.0))
    theta[:, 2] = np.log1p(np.where(found, b[rows, best], 0.0))
    return theta, found


def fit_family(name, x, z, noise, log_log, power, start, stop, p_grid, begin=None, max_iterations=30):
    """Fit one law to every window of a batch, by weighted least squares on ``z = log y``.

    ``power`` holds ``q`` where it is given and nan where it is fitted, all alike; ``begin`` replaces the
    start values.
    """
    m = start.size
    first, last = x[start], x[stop - 1]
    # a - p x - log(law): the linear laws are solved exactly by the first step
    theta = np.zeros((m, 4))
    found = np.zeros(m, dtype=bool)
    if begin is not None:
        theta, found = begin.copy(), np.ones(m, dtype=bool)
    elif name in (CORRECTED, FLOOR):
        theta, found = _project(name, x, z, noise, power, start, stop, first, last, p_grid)
    open_power = name in (CORRECTED, LOG) and not np.all(np.isfinite(power))
    free = np.array([True, True, True, name == CORRECTED and open_power])
    free[2] = not (name == PURE or (name == LOG and not open_power))
    linear = name in (PURE, LOG, EXPONENTIAL)
    if not linear and not np.all(found):
        pure = fit_family(PURE, x, z, noise, log_log, power, start, stop, p_grid)
        theta[~found] = pure.theta[~found]

    def model(th, sel):
        h, dp, db, dk = shape_of(name, th, x, log_log, power[sel], first[sel], last[sel])
        mu = th[:, :1] - th[:, 1:2] * x + h
        return mu, np.stack([np.ones_like(dp), -x + dp, db, dk], axis=2)[:, :, free]

    def residual(th, sel):
        mu, jac = model(th, sel)
        r = whiten(z - mu, noise, start[sel], stop[sel])
        return r, np.sum(r * r, axis=1), jac

    everyone = np.arange(m)
    r, chi2, slopes = residual(theta, everyone)
    damping = np.zeros(m) if linear else np.full(m, 1e-3)
    active = everyone
    for _ in range(2 if linear else max_iterations):
        jac = whiten(slopes[active], noise, start[active], stop[active])
        norm = np.sqrt(np.sum(jac * jac, axis=1)) + 1e-300
        jac = jac / norm[:, None, :]
        gram = np.einsum("mki,mkj->mij", jac, jac)
        # 1e-14 is a few ulp of the unit diagonal: a singular batch member stays finite
        ridge = np.maximum(damping[active], 1e-14)
        gram = gram + ridge[:, None, None] * np.eye(gram.shape[1])
        step = np.linalg.solve(gram, np.einsum("mki,mk->mi", jac, r[active])[..., None])[..., 0] / norm
        trial = theta[active].copy()
        trial[:, free] += step
        r_new, chi2_new, slopes_new = residual(trial, active)
        better = chi2_new <= chi2[active]
        took = active[better]
        gain = chi2[took] - chi2_new[better]
        theta[took], r[took], chi2[took] = trial[better], r_new[better], chi2_new[better]
        slopes[took] = slopes_new[better]
        damping[took] *= 0.1
        damping[active[~better]] = 10.0 * np.maximum(damping[active[~better]], 1e-6)
        # converged: a step gains less than 1e-6 of chi2's own unit and less than 1e-9 of what is left
        done = np.zeros(m, dtype=bool)
        done[took] = gain <= 1e-6 * np.minimum(1.0, 1e-3 * chi2[took])
        done[damping > 1e8] = True
        active = active[~done[active]] if not linear else active
        if active.size == 0:
            break
    jac = whiten(slopes, noise, start, stop)
    q_factor, r_factor = np.linalg.qr(jac)
    diagonal = np.abs(np.einsum("mii->mi", r_factor))
    # a direction that the window does not see at all (1e-12 of the largest) is taken out, not inverted
    size = diagonal.max(axis=1, keepdims=True)
    weak = diagonal < 1e-12 * size
    n_free = int(free.sum())
    r_factor = r_factor + np.where(weak, size, 0.0)[:, :, None] * np.eye(n_free)
    inverse = np.linalg.inv(r_factor)
    row_p = np.einsum("mi,mki->mk", inverse[:, 1, :], q_factor)
    k = np.arange(x.size)
    inside = (k[None, :] >= start[:, None]) & (k[None, :] < stop[:, None])
    curve = np.where(inside, model(theta, everyone)[0], np.nan)
    return Candidates(
        name=np.full(m, name, dtype=object),
        power=power.astype(float),
        start=start,
        stop=stop,
        theta=theta,
        chi2=chi2,
        n_parameters=np.full(m, n_free + (name == CORRECTED and not open_power)),
        gradient=whiten_transposed(row_p, noise, start, stop),
        error=np.linalg.norm(inverse[:, 1, :], axis=1),
        spread=np.linalg.norm(inverse[:, 3, :], axis=1) if free[3] else np.full(m, np.nan),
        curve=curve,
    )


def join(parts):
    """Put several families into one list of candidates."""
    fields = Candidates.__dataclass_fields__
    return Candidates(**{f: np.concatenate([getattr(p, f) for p in parts]) for f in fields})


def take(candidates, keep):
    """Some of the candidates."""
    return Candidates(**{f: getattr(candidates, f)[keep] for f in Candidates.__dataclass_fields__})
