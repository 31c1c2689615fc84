"""Instructions per coordinate, against counts by hand."""

import bn_theory as bn
from bn_theory.dynamics.methods import Kind
from bn_theory.engines.operations import count


def test_gd_on_a_quotient():
    """f = x (h + a h'): 2; f f added: 1; x - rate f: 1; x x: 1; to the norm: 1; a x x added: 1."""
    assert count(bn.rayleigh([0.0, 1.0, 2.0]), Kind()).per_coordinate == 7


def test_sgd_with_signs():
    """s = z h + x (h' + a h''): 3 more; s s added: 1; z x added: 1."""
    assert count(bn.with_linear_noise(bn.rayleigh([0.0, 1.0, 2.0]), 0.1), Kind(sampled=True)).per_coordinate == 12


def test_projecting_measures_and_scales():
    loss = bn.rayleigh([0.0, 1.0, 2.0])
    assert count(loss, Kind(projected=True)).per_coordinate == count(loss, Kind()).per_coordinate + 2


def test_two_groups_share_their_coordinates():
    """Per pair of coordinates: a h x_v + h' x_u takes 3, twice; 2 squares, 2 steps, 2 norms; a u v added: 2."""
    assert count(bn.bilinear([1.0, 0.5]), Kind()).per_coordinate == (3 + 3 + 2 + 2 + 2 + 2) / 2
