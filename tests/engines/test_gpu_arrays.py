"""Array-function losses on a real CUDA device, against the NumPy engine."""

import numpy as np
import pytest
from array_api_compat import array_namespace
from own_quotient import by_branch, by_matmul, quotient, through_numpy

import bn_theory as bn
from bn_theory.engines.cupy_arrays import run_array_loss
from bn_theory.engines.numpy_ import NumpyEngine
from bn_theory.engines.problem import Problem
from bn_theory.errors import InvalidInputError
from bn_theory.losses import philox

pytestmark = pytest.mark.gpu

EPS = np.finfo(float).eps
SEED, REPLICAS = 2**32 + 3, np.array([0, 5, 2**31 + 3, 2**32 - 1])


def both(device, loss, method, start, records):
    problem = Problem(loss, method, start, REPLICAS, SEED, np.asarray(records), lambda done: None)
    return run_array_loss(problem, device), NumpyEngine().run(problem)


def close(found, expected, steps):
    """As between two engines elsewhere: rounding of some 100 operations a step, conditioned to 1e4, summed."""
    bound = steps * 100 * 1e4 * EPS
    for name in ("loss", "grad_norm2", "sum_grad_norm2", "norm2", "sum_step2", "parameters"):
        one, other = getattr(found, name), getattr(expected, name)
        assert np.all(np.abs(one - other) <= bound * (1 + np.abs(other))), name
    assert np.array_equal(found.diverged, expected.diverged)
    for name, array in expected.final.items():
        assert np.all(np.abs(found.final[name] - array) <= bound * (1 + np.abs(array))), name


@pytest.mark.parametrize("steps", [0, [5, 0, 4, 5, 2**34 + 1], np.arange(64, 96)], ids=str)
def test_philox_draws_the_bits_of_the_host(device, steps):
    replicas = device.asarray(REPLICAS)
    xp = array_namespace(replicas)
    for draw, size in ((philox.signs, 70), (philox.integers, 7)):
        found = draw(SEED, replicas, steps, size, 3, xp=xp)
        assert np.array_equal(device.asnumpy(found), draw(SEED, REPLICAS, steps, size, 3))
    for found, expected in zip(
        philox.uniform_pairs(SEED, replicas, np.atleast_1d(steps), 5, 3, xp=xp),
        philox.uniform_pairs(SEED, REPLICAS, np.atleast_1d(steps), 5, 3),
        strict=True,
    ):
        assert np.array_equal(device.asnumpy(found), expected)
    expected = philox.normals(SEED, REPLICAS, steps, 7, 3)
    found = device.asnumpy(philox.normals(SEED, replicas, steps, 7, 3, xp=xp))
    # CUDA's log, sin and cos are within 2 ulp, the host's within 1; log's halve in the root; root and product add half
    # an ulp each and side: 1.5 + 3 + 2
    assert np.all(np.abs(found - expected) <= 7 * np.spacing(np.abs(expected)))


@pytest.mark.parametrize("projected", [False, True])
def test_families(device, array_loss, points, projected):
    make = bn.SGD if array_loss.noises else bn.GD
    method = make(lr=[0.03, 0.3], projected=projected)
    found, expected = both(device, array_loss, method, points(array_loss, 2, len(REPLICAS)), range(41))
    assert found.notes["cuda_graph"] == "captured"
    close(found, expected, 40)


def test_tables_are_refilled(device, zoo, points):
    """More steps than a table of rates and a tile of noise hold."""
    loss = zoo("rayleigh_dense_noise")
    start = points(loss, 1, len(REPLICAS))
    found, expected = both(device, loss, bn.SGD(lr=0.01, decay=0.5), start, [0, 1023, 1024, 1025, 1300])
    assert found.notes["cuda_graph"] == "captured"
    close(found, expected, 1300)


@pytest.mark.parametrize(("product", "reason"), [(by_matmul, "cuBLAS"), (by_branch, "capturing")])
def test_what_cannot_be_captured_runs_step_by_step(device, points, product, reason):
    loss = quotient(product)
    found, expected = both(device, loss, bn.GD(lr=0.3), points(loss, 1, len(REPLICAS)), range(21))
    assert found.notes["cuda_graph"].startswith("not captured") and reason in found.notes["cuda_graph"]
    close(found, expected, 20)


def test_functions_that_leave_the_device(device, points):
    loss = quotient(through_numpy)
    with pytest.raises(InvalidInputError, match=r"value of made up does not run on arrays of .*TypeError"):
        both(device, loss, bn.GD(lr=0.3), points(loss, 1, len(REPLICAS)), [5])


def test_divergence(device):
    def value(w, sample):
        return array_namespace(w).sum(w**4, axis=-1)

    loss = bn.ArrayLoss((value, lambda w, sample: 4 * w * w * w), {"w": 1}, scale_invariant_groups=())
    start = {"w": np.array([1e-3, 3.0, 10.0, 1e3]).reshape(1, 4, 1)}
    found, expected = both(device, loss, bn.GD(lr=0.3), start, range(12))
    assert np.array_equal(found.diverged, expected.diverged) and found.diverged.max() > 0


def test_launches_write_to_no_array_of_others(device, zoo, points):
    """Arrays that are made on its stream while a run goes on keep what they hold; runs repeat bit for bit."""
    loss = zoo("minibatch_least_squares_bn")
    start, kept = points(loss, 1, len(REPLICAS)), []

    def keep(done):
        kept.append(device.asarray(np.full(4 * len(REPLICAS), float(len(kept)))))

    results = []
    for _ in range(2):
        problem = Problem(loss, bn.SGD(lr=0.1), start, REPLICAS, SEED, np.arange(301), keep)
        results.append(run_array_loss(problem, device))
    assert results[0].notes["cuda_graph"] == "captured"
    assert np.array_equal(results[0].loss, results[1].loss)
    assert all(np.all(device.asnumpy(array) == k) for k, array in enumerate(kept))
