"""Splits, both decays and training on modular addition, against what is done by hand."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="bn_theory.networks needs torch: pip install '.[networks]'")

from bn_theory import low_rank_decay as lrd  # noqa: E402
from bn_theory.errors import DivergedError, InvalidInputError, UnknownNameError  # noqa: E402
from bn_theory.networks.attention import AttentionRuns  # noqa: E402
from bn_theory.networks.modular_addition import (  # noqa: E402
    DECAYS,
    ITERATIONS,
    Run,
    decay_step,
    newton_schulz,
    pairs,
    ranks,
    split,
    train,
)
from bn_theory.networks.threads import one_thread  # noqa: E402

SMALL = {"width": 6, "heads": 2, "hidden": 8}


def test_pairs_are_all_of_them_with_their_sums():
    both, sums = pairs(5)
    assert sorted(map(tuple, both.tolist())) == [(a, b) for a in range(5) for b in range(5)]
    assert all((a + b) % 5 == s for (a, b), s in zip(both.tolist(), sums.tolist(), strict=True))


def test_splits_are_nested_and_differ_by_seed():
    small, large, other = split(7, 0.3, 1), split(7, 0.6, 1), split(7, 0.3, 2)
    assert int(small.sum()) == 15 and int(large.sum()) == 29  # of 49
    assert bool((large | ~small).all()) and not torch.equal(small, other)


@pytest.mark.parametrize("fraction", [0.0, 1.0, 0.001, -0.5, math.nan, math.inf])
def test_fractions_that_leave_nothing(fraction):
    with pytest.raises(InvalidInputError, match="nothing to train or to test"):
        split(5, fraction, 0)


def test_each_run_decays_by_its_own():
    generator = torch.Generator().manual_seed(0)
    W = torch.randn(3, 4, 4, generator=generator, dtype=torch.float64)
    after = W.clone()
    decay_step(after, [Run(0, decay, 0.5) for decay in ("low-rank", "none", "radial")], 0.1)
    by_hand = lrd.low_rank_step(W[0].numpy(), 0.1, 1.0, ITERATIONS)
    np.testing.assert_allclose(after[0].numpy(), by_hand, rtol=1e-12, atol=1e-14)
    assert torch.equal(after[1], W[1])
    torch.testing.assert_close(after[2], 0.9 * W[2], rtol=1e-15, atol=1e-15)


def test_the_iterations_are_those_of_numpy():
    W = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    np.testing.assert_allclose(newton_schulz(W).numpy(), lrd.newton_schulz(W.numpy(), ITERATIONS), rtol=1e-11)


def test_ranks_are_means_of_queries_and_keys():
    model = AttentionRuns(3, [0, 1], **SMALL)
    stable, effective = ranks(model)
    W = np.stack([model.W_Q.detach().double().numpy(), model.W_K.detach().double().numpy()])
    np.testing.assert_allclose(stable, lrd.stable_rank(W).mean(0), rtol=1e-12)
    np.testing.assert_allclose(effective, lrd.effective_rank(W).mean(0), rtol=1e-12)


@pytest.fixture(scope="module")
def trained():
    # not in the order of seeds, decays or fractions
    runs = [Run(seed, decay, fraction) for fraction in (0.8, 0.5) for seed in (3, 2) for decay in reversed(DECAYS)]
    with one_thread():
        return train(5, runs, steps=30, rate=1e-2, decay=1.0, others=0.5, records=7, **SMALL)


def test_records(trained):
    assert trained.step.tolist() == [0, 5, 10, 15, 20, 25, 30]
    for name in ("loss", "train", "test", "stable", "effective"):
        values = getattr(trained, name)
        assert values.shape == (12, 7) and values.dtype == float and np.all(np.isfinite(values)), name
    assert np.all(trained.loss[:, -1] < trained.loss[:, 0])
    assert np.all((trained.train >= 0) & (trained.train <= 1) & (trained.test >= 0) & (trained.test <= 1))


def test_runs_of_a_decay_and_a_fraction_come_by_seed(trained):
    for decay in DECAYS:
        for fraction in (0.5, 0.8):
            found = [trained.runs[i] for i in trained.of(decay, fraction)]
            assert found == [Run(2, decay, fraction), Run(3, decay, fraction)]
    assert len(trained.of("radial", 0.7)) == 0


def test_runs_start_alike_whatever_their_decay(trained):
    for fraction in (0.5, 0.8):
        for what in ("loss", "train", "test", "effective"):
            start = [getattr(trained, what)[trained.of(decay, fraction), 0] for decay in DECAYS]
            # sums of other lengths of vectors may round otherwise: float32
            np.testing.assert_allclose(start[0], start[1], rtol=1e-5)
            np.testing.assert_allclose(start[0], start[2], rtol=1e-5)


def test_a_run_is_the_same_alone():
    """Up to rounding of float64, over a few steps."""
    one = Run(4, "low-rank", 0.5)
    options = {"steps": 5, "rate": 1e-2, "decay": 1.0, "others": 0.5, "records": 2, "dtype": torch.float64, **SMALL}
    with one_thread():
        alone = train(5, [one], **options)
        together = train(5, [Run(1, "radial", 0.8), one], **options)
    for name in ("W_Q", "E", "W_2"):
        torch.testing.assert_close(
            getattr(alone.model, name)[0].detach(), getattr(together.model, name)[1].detach(), rtol=1e-9, atol=1e-9
        )
    np.testing.assert_allclose(alone.test[0], together.test[1])


def test_a_step_by_hand():
    """Adam's first step is the rate times the sign of the gradient; then each decay."""
    rate, decay, others = 1e-2, 2.0, 0.5
    for kind in DECAYS:
        run = Run(0, kind, 0.6)
        start = AttentionRuns(5, [0], dtype=torch.float64, **SMALL)
        tokens, classes = pairs(5)
        mask = split(5, 0.6, 0)
        torch.nn.functional.cross_entropy(start(tokens)[0, mask], classes[mask]).backward()
        after = train(5, [run], steps=1, rate=rate, decay=decay, others=others, records=2, dtype=torch.float64, **SMALL)
        for name in ("W_Q", "W_V"):
            W, g = (x[0].detach() for x in (getattr(start, name), getattr(start, name).grad))
            if name == "W_V":
                W = W * (1 - rate * others)
            # Adam's epsilon of 1e-8 next to the gradient's size
            W = W - rate * g / (g.abs() + 1e-8)
            if name == "W_Q" and kind == "radial":
                W = W * (1 - rate * decay)
            if name == "W_Q" and kind == "low-rank":
                W = W - rate * decay * newton_schulz(W[None])[0]
            torch.testing.assert_close(getattr(after.model, name)[0].detach(), W, rtol=1e-9, atol=1e-11)


def test_only_training_pairs_are_learned():
    with one_thread():
        found = train(5, [Run(0, "none", 0.6)], steps=150, rate=1e-2, decay=0.0, records=2, **SMALL)
    assert found.train[0, -1] == 1.0 and found.loss[0, -1] < 0.1
    tokens, classes = pairs(5)
    with torch.no_grad():
        right = (found.model(tokens).argmax(-1) == classes)[0]
    mask = split(5, 0.6, 0)
    assert found.test[0, -1] == pytest.approx(float(right[~mask].double().mean()))
    assert found.train[0, -1] == pytest.approx(float(right[mask].double().mean()))


GOOD = {"steps": 1, "rate": 0.1, "decay": 0.1}


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 0},
        {"steps": 1.5},
        {"records": 1},
        {"rate": 0.0},
        {"rate": math.nan},
        {"decay": -1.0},
        {"decay": math.inf},
        {"decay": 20.0},
        {"others": -0.1},
    ],
)
def test_numbers_that_cannot_be_used(change):
    with pytest.raises(InvalidInputError):
        train(5, [Run(0, "none", 0.5)], **GOOD | change)


def test_runs_that_cannot_be_made():
    with pytest.raises(InvalidInputError, match="no runs"):
        train(5, [], **GOOD)
    with pytest.raises(UnknownNameError, match="low-rank"):
        train(5, [Run(0, "lowrank", 0.5)], **GOOD)


def test_the_same_run_twice_is_refused():
    with pytest.raises(InvalidInputError, match="more than once"):
        train(5, [Run(0, "none", 0.5), Run(1, "none", 0.5), Run(0, "none", 0.5)], **GOOD)


@pytest.mark.parametrize("seed", [-1, 1.0, True, None])
def test_seeds_that_are_none(seed):
    with pytest.raises(InvalidInputError, match="seed"):
        split(5, 0.5, seed)


def test_a_split_is_not_drawn_from_the_stream_of_the_start():
    """Torch's own permutation of the seed is what the start's generator would give."""
    for seed in range(3):
        same = torch.zeros(49, dtype=torch.bool)
        same[torch.randperm(49, generator=torch.Generator().manual_seed(seed))[:25]] = True
        assert not torch.equal(split(7, 25 / 49, seed), same)


def test_diverged_training_names_the_run_and_the_step():
    runs = [Run(7, "none", 0.6), Run(8, "none", 0.6)]
    with pytest.raises(DivergedError, match=r"seed=7.* 1 step.* lower the rate") as caught, one_thread():
        train(5, runs, steps=3, rate=1e30, decay=0.0, records=2, **SMALL)
    assert caught.value.step == 1 and caught.value.replica == 0


def test_matrices_of_zeros_have_no_polar_factor():
    with pytest.raises(InvalidInputError, match="zeros"):
        newton_schulz(torch.stack([torch.eye(3), torch.zeros(3, 3)]))
