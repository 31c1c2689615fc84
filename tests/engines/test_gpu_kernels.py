"""The fused kernels on a real GPU: the law, the noise bits, and what happens when something is missing."""

import numpy as np
import pytest
from oracle import REPLICAS, SEED, bounded, check

import bn_theory as bn
from bn_theory.errors import DeviceMemoryError
from bn_theory.losses import philox

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("device")]
KINDS = ("cupy-thread", "cupy-block")


def test_every_loss_and_method_follows_the_law(loss_and_method, points, rounding):
    loss, make = loss_and_method
    method, steps = make(0.4, 0.25), 100
    start = points(loss, loss.cases or 1, len(REPLICAS))
    expected = bounded(loss, method, start, steps, rounding)
    for engine in KINDS:
        options = {"steps": steps, "replicas": REPLICAS, "seed": SEED, "record": "all"}
        check(loss, bn.run(loss, method, start, engine=engine, **options), *expected)


@pytest.mark.parametrize("engine", KINDS)
@pytest.mark.parametrize("d", [5, 33, 200])
def test_sign_bits(engine, d):
    w, z = bn.weights("w"), bn.noise("z")
    loss = bn.Loss(bn.total(z * w)).sized({"w": d})
    replicas, seed, steps = [0, 2**32 - 1], 2**63 + 5, 70
    options = {"start": {"w": np.zeros(d)}, "steps": steps, "replicas": replicas, "seed": seed}
    found = bn.run(loss, bn.SGD(lr=1.0), engine=engine, **options)
    assert np.array_equal(found.final_w.values, -philox.signs(seed, replicas, np.arange(steps), d).sum(axis=0))


@pytest.mark.parametrize("engine", KINDS)
def test_a_replica_alone(engine):
    loss = bn.with_linear_noise(bn.rayleigh(np.linspace(0.0, 1.0, 40)), 0.3)
    options = {"steps": 200, "seed": 3, "engine": engine}
    many = bn.run(loss, bn.SGD(lr=0.3), replicas=1000, **options)
    alone = bn.run(loss, bn.SGD(lr=0.3), replicas=[17], **options)
    for name in alone.data_vars:
        assert np.array_equal(many.sel(replica=[17])[name], alone[name]), name


def test_out_of_memory_names_what_fits(device):
    free, _ = device.cuda.runtime.memGetInfo()
    d = 1000
    replicas = int(2 * free / (8 * d))
    loss = bn.rayleigh(np.linspace(0.0, 1.0, d))
    one = np.ones((1, 1, d)) / np.sqrt(d)
    with pytest.raises(DeviceMemoryError, match=r"\d+ replicas fit"):
        # A view, not an array of that size: what is refused must not need the host's memory first.
        from bn_theory.engines.cupy_ import CupyDevice
        from bn_theory.engines.fused import run_fused
        from bn_theory.engines.problem import Problem

        start = {"w": np.broadcast_to(one, (1, replicas, d))}
        numbers = np.broadcast_to(np.int64(0), (replicas,))
        run_fused(Problem(loss, bn.GD(lr=0.1), start, numbers, 0, np.array([1]), lambda n: None), CupyDevice(device))
    assert np.isfinite(bn.run(loss, bn.GD(lr=0.1), steps=3, engine="cupy").loss).all()  # and it runs on


def test_auto_takes_the_gpu():
    assert bn.run(bn.rayleigh([0.0, 1.0]), bn.GD(lr=0.1), steps=2).attrs["engine"] == "cupy"


def test_single_precision_runs():
    loss = bn.with_linear_noise(bn.rayleigh(np.linspace(0.0, 1.0, 40)), 0.3)
    found = bn.run(loss, bn.SGD(lr=0.3), steps=100, replicas=8, dtype="float32")
    exact = bn.run(loss, bn.SGD(lr=0.3), steps=100, replicas=8, engine="numpy")
    # contraction towards the minimum: 100 steps of some 100 roundings of 6e-8
    assert np.allclose(found.loss, exact.loss, rtol=0, atol=100 * 100 * 2.0**-24)
    assert not np.array_equal(found.loss, exact.loss)
