"""Accuracy under every decay, the share of the pairs from which on a run generalises, and the delay: measurements.

A run counts as one that generalises where its test accuracy after all steps reaches a threshold. There is no derived
one, so three are looked at. Of each seed the share at which the accuracy crosses it for the last time is interpolated
between the shares tried; a seed that crosses outside of them is censored and has an interval instead, from 0 to the
smallest or from the largest to 1. A widening is the share under another decay minus that under low-rank decay, seed by
seed (starts are the same and splits nested), and its interval is that over seeds: with censored seeds the hull of those
of all values that they may have. All of it is at one number of steps, at which the runs may not have ended to rise.

Intervals are cut to what is possible: shares and accuracies to [0, 1], differences of them to [-1, 1]. They are one by
one: of several at 95 % some may miss, and that a straight line is drawn between shares is not in them.
"""

from __future__ import annotations

import itertools

import numpy as np

from bn_theory.theorems import evidence as judge
from bn_theory.theorems.intervals import over_seeds
from bn_theory.theorems.low_rank_decay2026.records import end, under

THRESHOLDS = (0.3, 0.4, 0.5)
"""Test accuracies from which a run counts as one that generalises; guessing has ``1/p``, here below 0.1."""
MIDDLE = THRESHOLDS[1]
FITTED = 0.99
"""Training accuracy from which a run counts as one that has fitted."""
LATE = 0.25
"""The last part of the steps, over which a rise of the test accuracy is looked at."""


def within(interval, least=0.0, most=1.0) -> tuple[float, float]:
    """An interval cut to what is possible."""
    low, high = np.clip(interval, least, most)
    return float(low), float(high)


def accuracy(trained, decay, share):
    """Test accuracy at the end over seeds, the training accuracy next to it, and whether it still rises."""
    test, train = (end(trained, what, decay, share) for what in ("test", "train"))
    rise = test - trained.test[trained.of(decay, share), np.searchsorted(trained.step, (1 - LATE) * trained.step[-1])]
    return judge.measurement(
        f"{under(decay)}, share {share:g}: test accuracy",
        within(over_seeds(test)),
        measured=test.mean(),
        training_accuracy=float(train.mean()),
        test_accuracies=test.tolist(),
        rises=rise.tolist(),
        training_loss=float(end(trained, "loss", decay, share).mean()),
        answer=f"trained on {share:.0%} of the pairs, {train.mean():.1%} of them and {test.mean():.1%} of the others "
        f"are right after {trained.step[-1]} steps; over the last {LATE:.0%} of these it has changed by "
        f"{rise.mean():+.1%}.",
    )


# --- the share from which on a run generalises ---


def crossing(shares, accuracies, threshold) -> tuple[float, float]:
    """Where one seed's test accuracy crosses a threshold for the last time: the least and the largest possible share.

    Both are the same, interpolated linearly, where it is below the threshold at a share tried and not at all larger
    ones.

    >>> crossing((0.5, 0.6), (0.3, 0.7), 0.5)
    (0.55, 0.55)
    """
    above = np.asarray(accuracies) >= threshold
    if not above[-1]:
        return float(shares[-1]), 1.0
    if above.all():
        return 0.0, float(shares[0])
    k = int(np.flatnonzero(~above)[-1])
    part = (threshold - accuracies[k]) / (accuracies[k + 1] - accuracies[k])
    found = float(shares[k] + part * (shares[k + 1] - shares[k]))
    return found, found


def crossings(trained, decay, shares, threshold) -> np.ndarray:
    """:func:`crossing` of every seed, shape ``(seeds, 2)``."""
    by_seed = np.array([end(trained, "test", decay, share) for share in shares]).T
    return np.array([crossing(shares, one, threshold) for one in by_seed])


def hull(bounds) -> tuple[float, float]:
    """The least and the largest end of the intervals over seeds, of all values between bounds.

    ``mean -+ c s`` is concave or convex in the values, s being convex: both are found at ends of the bounds.

    Args:
        bounds: shape ``(seeds, 2)``.
    """
    ends = [sorted(set(pair)) for pair in np.asarray(bounds, dtype=float).tolist()]
    low, high = zip(*(over_seeds(values) for values in itertools.product(*ends)), strict=True)
    return min(low), max(high)


def is_censored(bounds) -> np.ndarray:
    """Which seeds have bounds instead of a value."""
    return bounds[:, 0] < bounds[:, 1]


def verdict(low, high) -> str:
    """Whether low-rank decay generalises with less data, by the interval of the difference."""
    if low > 0:
        return "widening"
    if high < 0:
        return "narrowing"
    return f"undecided: a widening of up to {high:.3f} is not excluded"


def differences(trained, shares, other, threshold) -> np.ndarray:
    """The share under another decay minus that under low-rank decay: bounds of each seed, shape ``(seeds, 2)``."""
    one, two = (crossings(trained, decay, shares, threshold) for decay in (other, "low-rank"))
    return one - two[:, ::-1]


def decided(bounds) -> tuple[float, float]:
    """The interval of the mean difference; with 0 in it where a seed is censored and the sign of any seed is open."""
    low, high = within(hull(bounds), -1.0)
    signs_open = not (np.all(bounds[:, 0] > 0) or np.all(bounds[:, 1] < 0))
    return (min(low, 0.0), max(high, 0.0)) if is_censored(bounds).any() and signs_open else (low, high)


def widening(trained, setting, other, threshold):
    """Whether generalisation sets in with less data under low-rank decay than under another one."""
    bounds = {one: differences(trained, setting.shares, other, one) for one in THRESHOLDS}
    found = bounds[threshold]
    low, high = decided(found)
    censored, middle = int(is_censored(found).sum()), found.mean(axis=1)
    outside = (
        f" Seeds that cross outside of these shares and count by what is possible: {censored}." if censored else ""
    )
    apart = float(np.max(np.diff(setting.shares)))
    return judge.measurement(
        f"share at which test accuracy crosses {threshold:g}, {under(other)} minus low-rank decay",
        (low, high),
        measured=middle.mean(),
        bounds=found.tolist(),
        censored=censored,
        shares=list(setting.shares),
        steps=setting.steps,
        half_width=(high - low) / 2,
        verdicts={f"{one:g}": verdict(*decided(values)) for one, values in bounds.items()},
        answer=f"{verdict(low, high)} ({middle.mean():+.3f}, {low:+.3f} to {high:+.3f}), against {under(other)}, "
        f"{setting.words}, at a test accuracy of {threshold:g}, interpolated between shares {apart:.2f} apart; a mean "
        f"difference of less than {(high - low) / 2:.3f} would not have shown.{outside}",
    )


def smallest_share(trained, setting, decay):
    """Of one decay: the share at which the test accuracy crosses the middle threshold, the others in the details."""
    bounds = {one: crossings(trained, decay, setting.shares, one) for one in THRESHOLDS}
    found = bounds[MIDDLE]
    return judge.measurement(
        f"{under(decay)}: share at which test accuracy crosses {MIDDLE:g}",
        within(hull(found)),
        measured=found.mean(),
        bounds={f"{one:g}": values.tolist() for one, values in bounds.items()},
        steps=setting.steps,
        answer=f"at a share of {found.mean():.3f}, {setting.words}, {int(is_censored(found).sum())} of them outside of "
        f"{setting.shares[0]:g} to {setting.shares[-1]:g} (counted there by the middle of what is possible).",
    )


# --- delay, and accuracy on the whole ---


def first(step, right, level) -> np.ndarray:
    """The step of the first record at which every run's accuracy reaches a level; the last step where none does."""
    reached = right >= level
    return np.where(reached.any(axis=1), step[reached.argmax(axis=1)], step[-1])


def delay(trained, decay, share, threshold=MIDDLE):
    """Steps from fitting the training pairs to generalising, each seed's, at one share.

    A run that has not generalised counts up to the end of training (so that the mean is at least what is given), one
    that generalises before it has fitted by a negative number. Steps are those of records.
    """
    rows = trained.of(decay, share)
    test, train = trained.test[rows], trained.train[rows]
    steps = first(trained.step, test, threshold) - first(trained.step, train, FITTED)
    missing = int(np.sum(~(test >= threshold).any(axis=1)))
    unfitted = int(np.sum(~(train >= FITTED).any(axis=1)))
    never = f"; {missing} of {len(rows)} had not by the end and count up to it" if missing else ""
    never += f"; {unfitted} had not fitted and count as if they had at the end" if unfitted else ""
    return judge.measurement(
        f"{under(decay)}, share {share:g}: delay of test accuracy {threshold:g} after fitting",
        within(over_seeds(steps.astype(float)), -float(trained.step[-1]), float(trained.step[-1])),
        measured=float(steps.mean()),
        delays=steps.tolist(),
        not_generalised=missing,
        not_fitted=unfitted,
        records_are_apart=int(np.max(np.diff(trained.step))),
        answer=f"test accuracy {threshold:g} comes {steps.mean():.0f} steps after a training accuracy of {FITTED:.0%}, "
        f"on the average of seeds, of {trained.step[-1]} steps in all{never}.",
    )


def gain(trained, setting, other):
    """The test accuracy under low-rank minus that under another decay, the mean over shares, seed by seed."""
    difference = np.mean(
        [end(trained, "test", "low-rank", f) - end(trained, "test", other, f) for f in setting.shares], axis=0
    )
    low, high = within(over_seeds(difference), -1.0)
    no_sign = "no difference is established: " if low <= 0 <= high else ""
    return judge.measurement(
        f"test accuracy, mean over shares, low-rank minus {under(other)}",
        (low, high),
        measured=difference.mean(),
        differences=difference.tolist(),
        steps=setting.steps,
        answer=f"{no_sign}low-rank decay changes the test accuracy by {difference.mean():+.1%} ({low:+.1%} to "
        f"{high:+.1%}) from that under {under(other)}, {setting.words}.",
    )


def evidence(trained, setting):
    """Accuracies, crossings, delays; comparisons with low-rank decay."""
    decays = ("none", "radial", "low-rank")
    for decay in decays:
        for share in setting.shares:
            yield accuracy(trained, decay, share)
    for decay in decays:
        yield smallest_share(trained, setting, decay)
        yield delay(trained, decay, setting.shares[-1])
    for other in ("radial", "none"):
        for threshold in THRESHOLDS:
            yield widening(trained, setting, other, threshold)
        yield gain(trained, setting, other)
