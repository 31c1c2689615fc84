"""The largest learning rate at which a network still trains: what "trains" means, and a search in the logarithm."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bn_theory.errors import InvalidInputError, NothingTrainsError


@dataclass(frozen=True)
class Trains:
    """A run trains if its loss is finite at all steps and its last losses have fallen below a fraction of the start's.

    ``mean(last losses) <= fraction * min(first loss, loss of guessing)``: a network that starts far above guessing and
    falls to it, its output dead, has not trained.

    Attributes:
        steps: how many losses a whole run has.
        last: how many of them the mean is taken over, at the end.
        fraction: of the start, in (0, 1].
        guessing: loss of an output that knows nothing, ``log(classes)`` for cross-entropy; infinite if there is none.

    Raises:
        InvalidInputError: numbers that make no such rule.

    Source: derived in this package.

    >>> rule = Trains(steps=4, last=2, fraction=0.5)
    >>> rule([2.0, 1.0, 0.75, 0.25]), rule([2.0, 1.0, math.inf]), rule.level([2.0, 1.0, 0.75, 0.25])
    (True, False, 0.25)
    """

    steps: int
    last: int
    fraction: float
    guessing: float = math.inf

    def __post_init__(self):
        if not 1 <= self.last <= self.steps:
            raise InvalidInputError(f"last must be from 1 to the {self.steps} steps, not {self.last}")
        if not 0 < self.fraction <= 1:
            raise InvalidInputError(f"fraction must be above 0 and at most 1, not {self.fraction}")
        if not self.guessing > 0:
            raise InvalidInputError(
                f"guessing must be above 0, not {self.guessing}; leave it out if there is no such loss"
            )

    def level(self, losses: Sequence[float]) -> float:
        """Mean of the last losses over ``min(first loss, guessing)``; infinite for a run that left the finite numbers.

        Args:
            losses: one a step, dimensionless; fewer than ``steps`` are allowed only if the last is not finite.

        Raises:
            InvalidInputError: a run with too few steps.
        """
        if not losses or not all(map(math.isfinite, losses)):
            return math.inf
        if len(losses) != self.steps:
            raise InvalidInputError(f"the run has {len(losses)} steps, but the rule is about {self.steps}")
        return sum(losses[-self.last :]) / self.last / min(losses[0], self.guessing)

    def __call__(self, losses: Sequence[float]) -> bool:
        """Whether a run with these losses trains."""
        return self.level(losses) <= self.fraction


@dataclass(frozen=True)
class TrainableRate:
    """The largest rate that was found to train.

    Attributes:
        rate: the largest tried rate below every one that failed in the search; it trains.
        fails: the next larger rate that was tried; it does not. The threshold, if it is one, lies between the two.
        tried: every rate that was tried with its answer, in the order of the search.
    """

    rate: float
    fails: float
    tried: tuple[tuple[float, bool], ...]

    @property
    def bracket(self) -> tuple[float, float]:
        """``(rate, fails)``."""
        return self.rate, self.fails


def largest_trainable_rate(
    trains: Callable[[float], bool],
    low: float,
    high: float,
    *,
    stretch: float = 4.0,
    factor: float = 1.5,
) -> TrainableRate:
    """Search for the largest rate that trains: down from ``high`` in large steps, then by bisection in the logarithm.

    That a smaller rate trains where a larger one does is not assumed on the way down: every rate ``high/stretch^k``
    above the answer was tried and fails. Between the first of them that trains and the one before, bisection finds a
    crossing; if there are several within that one ``stretch``, it is any of them. What lies below was not tried.

    Args:
        trains: whether a run at this rate trains (:class:`Trains` of its losses), the same at every call.
        low: no smaller rate is tried.
        high: a rate at which it does not train.
        stretch: ratio of neighbouring rates on the way down, > 1.
        factor: the answer's ``fails/rate`` is at most this, from above 1 to ``stretch``.

    Returns:
        TrainableRate: with the bracket and everything that was tried.

    Raises:
        NothingTrainsError: it trains at none of the rates down to ``low``.
        InvalidInputError: it still trains at ``high``; numbers that cannot be used.

    Source: derived in this package.

    >>> found = largest_trainable_rate(lambda rate: rate < 0.7, 1e-3, 100.0, factor=1.01)
    >>> 0.69 < found.rate < 0.7 <= found.fails < 0.71
    True
    """
    if not (0 < low < high < math.inf):
        raise InvalidInputError(f"rates must be finite with 0 < low < high, not low={low}, high={high}")
    if not 1 < factor <= stretch < math.inf:
        raise InvalidInputError(f"there must be 1 < factor <= stretch, not factor={factor}, stretch={stretch}")
    tried = []

    def answer(rate):
        tried.append((rate, bool(trains(rate))))
        return tried[-1][1]

    if answer(high):
        raise InvalidInputError(
            f"it still trains at the rate high={high:g}, so that nothing bounds the answer; raise high"
        )
    rate, fails = max(high / stretch, low), high
    while not answer(rate):
        if rate <= low:
            rates = ", ".join(f"{r:.3g}" for r, _ in tried)
            raise NothingTrainsError(
                f"it trains at none of the rates {rates}; lower low={low:g}, or train for more steps where small rates "
                "are merely slow",
                tried=tuple(tried),
            )
        rate, fails = max(rate / stretch, low), rate
    while fails / rate > factor:
        middle = math.sqrt(rate * fails)
        if answer(middle):
            rate = middle
        else:
            fails = middle
    return TrainableRate(rate, fails, tuple(tried))
