"""Seven questions that the reviews leave open, each answered on small networks by a sentence with an interval.

1. Are radial gradients large and limiting without batch normalisation (BN), and tangential ones small?
2. How large is the input-independent part of the gradient, and is it radial or tangential?
3. How far can one step along it, against a random direction?
4. Do an orthogonal start, or class biases that centre the outputs at the start, stand in for BN?
5. How do group, layer and batch renormalisation train at equal rates?
6. When does BN raise, and when lower, the noise of SGD?
7. Do a small batch and a small rate, matched in noise, stand in for BN?

What is exact is an identity, held to its rounding. An ordering is claimed where it is so clear that every seed shows
it; what remains is measured. The networks are the VGG variant and residual networks, with and without BN from the same
start, trained for two epochs of scikit-learn's digits: every number is theirs and no other network's. Shares are of
squared norms.

Torch is imported when the evidence is asked for, so that the statement can be listed and proved without it.
"""

from __future__ import annotations

from bn_theory.theorems.bjorck2018 import derived
from bn_theory.theorems.bjorck2018.review_gradients import gradients
from bn_theory.theorems.bjorck2018.review_training import Runs, noise, other_normalisations, small_batches, substitutes
from bn_theory.theorems.intervals import seeds_of
from bn_theory.theorems.statement import Statement

SEEDS_QUICK, SEEDS_FULL = 4, 6


def evidence(settings):
    """All questions in their order, each with its controls."""
    import bn_theory.networks  # noqa: F401  (first of all, as it says what to install where torch is missing)
    from bn_theory.networks.threads import one_thread

    seeds = seeds_of(settings, SEEDS_FULL if settings.full else SEEDS_QUICK)
    with one_thread():
        yield from gradients(seeds)
        runs = Runs(seeds)
        yield from substitutes(runs, settings)
        yield from other_normalisations(runs, settings)
        yield from noise(runs, settings)
        yield from small_batches(runs, settings)


STATEMENT = Statement(
    "bjorck2018.review_questions",
    "What the reviews ask: radial and input-independent gradients, substitutes for normalisation, noise",
    derived("questions of the reviews on gradients, starts, other normalisations and noise"),
    evidence,
    extra="networks",
)
