"""What the functions on low-rank decay must refuse, and what they say of it."""

import math

import numpy as np
import pytest

from bn_theory import low_rank_decay as lrd
from bn_theory.errors import InvalidInputError

NOT_MATRICES = [np.zeros((2, 2)), [[1.0, math.nan]], [[math.inf, 1.0]], [1.0, 2.0], np.zeros((0, 3)), 3.0]


@pytest.mark.parametrize("W", NOT_MATRICES)
@pytest.mark.parametrize(
    "function",
    [
        lrd.singular_values,
        lrd.stable_rank,
        lrd.effective_rank,
        lrd.polar_factor,
        lrd.tangential_part,
        lambda W: lrd.newton_schulz(W, 1),
        lambda W: lrd.radial_step(W, 0.1, 0.1),
        lambda W: lrd.low_rank_step(W, 0.1, 0.1),
        lambda W: lrd.low_rank_step(W, 0.1, 0.1, 3),
    ],
)
def test_matrices_that_have_no_ranks_are_refused(function, W):
    with pytest.raises(InvalidInputError):
        function(W)


def test_a_stack_with_one_matrix_of_zeros_is_refused():
    with pytest.raises(InvalidInputError, match="zeros"):
        lrd.stable_rank(np.stack([np.eye(2), np.zeros((2, 2))]))


@pytest.mark.parametrize(
    ("rate", "decay", "named"),
    [
        (math.nan, 0.1, "rate"),
        (math.inf, 0.1, "rate"),
        (-0.1, 0.1, "rate"),
        (0.1, -1.0, "lambda"),
        (0.1, math.nan, "lambda"),
    ],
)
def test_rates_and_decays_out_of_range_are_named(rate, decay, named):
    for function in (lrd.radial_step, lrd.low_rank_step):
        with pytest.raises(InvalidInputError, match=named):
            function(np.eye(2), rate, decay)
    for function in (lrd.radial_values, lrd.low_rank_values):
        with pytest.raises(InvalidInputError, match=named):
            function([1.0], rate, decay, 1)


def test_radial_decay_must_not_turn_the_matrix_round():
    for function, value in ((lrd.radial_step, np.eye(2)), (lambda s, r, d: lrd.radial_values(s, r, d, 1), [1.0])):
        with pytest.raises(InvalidInputError, match="below 1"):
            function(value, 2.0, 0.5)


@pytest.mark.parametrize("s", [[], [0.0, 0.0], [-1.0, 2.0], [math.nan], 1.0])
def test_singular_values_that_are_none_are_refused(s):
    for function in (lrd.stable_rank_of, lrd.effective_rank_of, lrd.tangential_square_of):
        with pytest.raises(InvalidInputError):
            function(s)


@pytest.mark.parametrize("count", [-1, 1.0, True, 10**9, "3"])
def test_iterations_and_steps_are_whole_numbers(count):
    with pytest.raises(InvalidInputError):
        lrd.newton_schulz(np.eye(2), count)
    with pytest.raises(InvalidInputError):
        lrd.newton_schulz_values([0.5], count)
    if count != 10**9:
        with pytest.raises(InvalidInputError):
            lrd.low_rank_values([1.0], 0.1, 0.1, count)


def test_other_input_that_is_refused():
    with pytest.raises(InvalidInputError, match="Frobenius"):
        lrd.newton_schulz_values([1.5], 1)
    with pytest.raises(InvalidInputError, match="shape"):
        lrd.tangential_part(np.eye(2), np.eye(3))
    for smallest, within in ((0.0, 0.1), (2.0, 0.1), (0.5, 0.0), (0.5, 1.0), (math.nan, 0.1)):
        with pytest.raises(InvalidInputError):
            lrd.iterations_needed(smallest, within)


@pytest.mark.parametrize("W", [np.eye(2) * 1j, None, "text", [["a", "b"]], [[None, 1.0]], [[1.0], [1.0, 2.0]], {1: 2}])
def test_what_is_no_real_matrix_is_named(W):
    for function in (lrd.singular_values, lrd.polar_factor, lambda M: lrd.low_rank_step(M, 0.1, 0.1)):
        with pytest.raises(InvalidInputError, match="real numbers, not"):
            function(W)


@pytest.mark.parametrize("value", [None, "0.1", 1j, [0.1, 0.2]])
def test_what_is_no_number_is_named(value):
    for rate, decay, named in ((value, 0.1, "learning rate"), (0.1, value, "lambda")):
        with pytest.raises(InvalidInputError, match=named):
            lrd.radial_step(np.eye(2), rate, decay)
    with pytest.raises(InvalidInputError, match="smallest"):
        lrd.iterations_needed(value, 0.1)
    with pytest.raises(InvalidInputError, match="does not fit"):
        lrd.low_rank_step(np.eye(2), 1e200, 1e200)


def test_the_first_value_that_is_none_is_named():
    with pytest.raises(InvalidInputError, match=r"not -0\.25"):
        lrd.stable_rank_of([1.0, -0.25, -1.0])
    with pytest.raises(InvalidInputError, match=r"not 1\.5"):
        lrd.newton_schulz_values([0.5, 1.5], 1)
    with pytest.raises(InvalidInputError, match=r"shape \(\)"):
        lrd.stable_rank_of(1.0)


def test_overshoots_above_is_a_harmonic_mean_of_positive_numbers():
    assert lrd.overshoots_above([4.0, 1e200, 1e-200], 1.0) == pytest.approx(np.array([1.6, 2.0, 2e-200]), rel=1e-14)
    assert float(lrd.overshoots_above(1e308, 1e308)) == 1e308
    for wrong in (0.0, -1.0, math.nan, math.inf, None, "3"):
        for values in ((wrong, 1.0), (1.0, wrong)):
            with pytest.raises(InvalidInputError):
                lrd.overshoots_above(*values)
