"""Reading and checking what a fit is given, and reducing it to blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InvalidInputError
from .blocks import Blocks, Noise, block_means, measure_noise, thin

MIN_RECORDS = 10  # four parameters at most, and a window that may drop a third of the records
# With 7 degrees of freedom the spread is known to 27 %; with fewer the interval hardly knows its width.
MIN_REPLICAS = 8
# A record counts as above an earlier minimum beyond 4 standard errors: 60 records reach that by chance in
# 60 x 3e-5 = 2e-3 of all cases.
RISE_LIMIT = 4.0


@dataclass(frozen=True)
class Records:
    """Checked records: ``y`` is ``(replicas, records)``, with one row for a deterministic run."""

    t: np.ndarray
    y: np.ndarray

    @property
    def deterministic(self):
        return self.y.shape[0] == 1


def _is_data_array(value):
    return hasattr(value, "dims") and hasattr(value, "coords") and hasattr(value, "transpose")


def _from_data_array(array):
    if "step" not in array.dims or "step" not in array.coords:
        raise InvalidInputError(
            f"a DataArray needs a dimension and coordinate 'step', got dimensions {array.dims}; rename yours to 'step'"
        )
    extra = [d for d in array.dims if d not in ("step", "replica")]
    if any(array.sizes[d] != 1 for d in extra):
        raise InvalidInputError(
            f"a DataArray may have the dimensions 'replica' and 'step', got also {extra}; select one of each"
        )
    array = array.squeeze(extra) if extra else array
    order = ("replica", "step") if "replica" in array.dims else ("step",)
    array = array.transpose(*order)
    return np.asarray(array.coords["step"].values), np.asarray(array.values)


def _first_bad(mask, y):
    index = np.unravel_index(np.flatnonzero(mask)[0], mask.shape)
    where = f"record {index[-1]}" + (f" of replica {index[0]}" if len(index) == 2 and mask.shape[0] > 1 else "")
    return where, y[index]


def read(t, y=None, window=None):
    """Return checked `Records`, restricted to ``window``; every refusal names the value."""
    if y is None:
        if not _is_data_array(t):
            raise InvalidInputError(
                f"fit needs t and y, or one DataArray with coordinate 'step'; got only t of type {type(t).__name__}"
            )
        t, y = _from_data_array(t)
    try:
        t = np.asarray(t, dtype=float)
        y = np.asarray(y, dtype=float)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"t and y must be arrays of numbers: {error}") from error
    if t.ndim != 1:
        raise InvalidInputError(f"t must have shape (records,), got {t.shape}")
    if y.ndim not in (1, 2) or y.shape[-1] != t.size:
        raise InvalidInputError(
            f"y must have shape (records,) or (replicas, records) with records = {t.size} as in t, got {y.shape}"
        )
    if t.size == 0 or y.size == 0:
        raise InvalidInputError(f"there is nothing to fit: t has shape {t.shape}, y has shape {y.shape}")
    if not np.all(np.isfinite(t)):
        raise InvalidInputError("t must be finite, got {1!r} at {0}".format(*_first_bad(~np.isfinite(t), t)))
    if np.any(t == 0):
        raise InvalidInputError("t = 0 is among the records: log t does not exist there; drop step 0, or use t + 1")
    if np.any(t < 0):
        raise InvalidInputError("t must be positive, got {1!r} at {0}".format(*_first_bad(t < 0, t)))
    if np.any(np.diff(t) <= 0):
        k = int(np.flatnonzero(np.diff(t) <= 0)[0])
        raise InvalidInputError(f"t must increase strictly, got {t[k]!r} then {t[k + 1]!r} at record {k + 1}; sort it")
    if window is not None:
        try:
            low, high = (float(v) for v in window)
        except (TypeError, ValueError):
            raise InvalidInputError(f"window must be a pair (low, high) of t, got {window!r}") from None
        if not low < high:
            raise InvalidInputError(f"window must have low < high, got {window!r}")
        inside = (t >= low) & (t <= high)
        if not np.any(inside):
            raise InvalidInputError(f"window {window!r} holds no record: t runs from {t[0]!r} to {t[-1]!r}")
        t, y = t[inside], y[..., inside]
    if not np.all(np.isfinite(y)):
        raise InvalidInputError("y must be finite, got {1!r} at {0}".format(*_first_bad(~np.isfinite(y), y)))
    y = np.atleast_2d(y)
    if y.shape[0] > 1 and np.all(y == y[0]):
        y = y[:1]  # replicas of a run without noise are one run
    if y.shape[0] == 1 and np.any(y <= 0):
        raise InvalidInputError(
            "y must be positive, got {1!r} at {0}; log y does not exist".format(*_first_bad(y <= 0, y))
        )
    mean = y.mean(axis=0)
    if np.any(mean <= 0) or np.any(y < 0):
        bad = y < 0 if np.any(y < 0) else mean[None, :] <= 0
        where, value = _first_bad(bad, y if np.any(y < 0) else mean[None, :])
        raise InvalidInputError(f"y must be positive, got {value!r} at {where}; a decay law is fitted to log E[y]")
    if 1 < y.shape[0] < MIN_REPLICAS:
        raise InvalidInputError(
            f"an interval from a replica bootstrap needs at least {MIN_REPLICAS} replicas, got {y.shape[0]}; "
            "run more, or pass one run as shape (records,)"
        )
    return Records(t=t, y=y)


def _running_minimum(z, deviations, scale, seed=0):
    """Running minimum of ``E[y]``, from block means: expectation before minimum, and no minimum over noise.

    Where the mean still falls, the running minimum of the expectation *is* the expectation, so its
    unbiased estimate is the block mean itself and not the smallest of the noisy means so far. Only where a
    block lies above an earlier one by more than the noise can do is the earlier value taken, with its bias
    (a smallest of several noisy means is low) estimated by resampling replicas and added back.
    """
    earlier = np.arange(z.size)
    best = 0
    for k in range(1, z.size):
        if z[k] - z[best] > RISE_LIMIT * np.hypot(scale[k], scale[best]):
            earlier[k] = best
        elif z[k] <= z[best]:
            best = k
    held = earlier != np.arange(z.size)
    out = z[earlier]
    if np.any(held):
        from .averaging import resample

        draws = resample(deviations, 200, np.random.default_rng(seed))
        lowest = np.minimum.accumulate(z + draws, axis=1).mean(axis=0)
        bias = np.minimum(lowest - np.minimum.accumulate(z), 0.0)
        out = np.where(held, out - bias, out)
    return out, deviations[:, earlier]


def reduce_records(records, statistic="mean", seed=0):
    """Reduce records to log-spaced `Blocks`; see the module on blocks for what is averaged and why."""
    t, y = records.t, records.y
    if records.deterministic:
        row = y[0]
        if statistic == "running_min":
            row = np.minimum.accumulate(row)  # exact: without noise the minimum has no bias
        tb, row = thin(t, row)
        noise = Noise(scale=np.ones(tb.size), rho=np.zeros(tb.size))
        return Blocks(t=tb, z=np.log(row), deviations=None, noise=noise, n_records=t.size)
    tb, yb = block_means(t, y)
    mean = yb.mean(axis=0)
    deviations = yb / mean - 1.0
    noise = measure_noise(deviations)
    z = np.log(mean) + 0.5 * noise.scale**2  # E log(mean) = log E - var/2 to first order
    if statistic == "running_min":
        z, deviations = _running_minimum(z, deviations, noise.scale, seed)
    return Blocks(t=tb, z=z, deviations=deviations, noise=noise, n_records=t.size)
