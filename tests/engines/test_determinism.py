"""The same numbers, bit for bit, whatever runs beside them and however the work is cut."""

import os
from contextlib import contextmanager

import numpy as np
import pytest

import bn_theory as bn
from bn_theory import simulate
from bn_theory.engines import numba_

SIGNS = ("rayleigh_signs", "bilinear_signs", "least_squares_bn_signs")


def same(one, other):
    """Every variable equal bit for bit (NaN included)."""
    assert set(one.data_vars) == set(other.data_vars)
    for name in one.data_vars:
        assert np.array_equal(one[name].values, other[name].values, equal_nan=True), name


def noisy_rayleigh(d=40):
    """More coordinates than one word of signs holds; the compiled loop is that of the zoo."""
    return bn.with_linear_noise(bn.rayleigh(np.linspace(0.0, 1.0, d)), 0.3)


@pytest.mark.parametrize("name", [*SIGNS, "rayleigh_gaussian"])
def test_replica_17_alone_is_replica_17_of_256(zoo, engine, name):
    loss, method = zoo(name), bn.SGD(lr=0.3, decay=0.25)
    many = bn.run(loss, method, steps=50, replicas=256, seed=3, engine=engine)
    alone = bn.run(loss, method, steps=50, replicas=[17], seed=3, engine=engine)
    same(many.sel(replica=[17]), alone)
    few = bn.run(loss, method, steps=50, replicas=[200, 17, 3], seed=3, engine=engine)
    same(many.sel(replica=[200, 17, 3]), few)


@pytest.mark.parametrize("d", [2, 31, 32, 33, 40, 129])
def test_replica_17_in_every_width(engine, d):
    loss, method = noisy_rayleigh(d), bn.SGD(lr=0.3)
    many = bn.run(loss, method, steps=70, replicas=33, engine=engine)
    same(many.sel(replica=[17]), bn.run(loss, method, steps=70, replicas=[17], engine=engine))


def test_replica_17_of_an_array_loss(array_loss):
    method = bn.SGD(lr=0.3) if array_loss.noises else bn.GD(lr=0.3)
    many = bn.run(array_loss, method, steps=20, replicas=256)
    same(many.sel(replica=[17]), bn.run(array_loss, method, steps=20, replicas=[17]))


def test_replicas_differ(engine):
    result = bn.run(noisy_rayleigh(), bn.SGD(lr=0.3), start=np.ones(40), steps=1, replicas=200, engine=engine)
    assert len(np.unique(result.final_w.values, axis=0)) == 200


def test_large_seeds_and_replica_numbers(engine):
    """Nothing is cut to 32 bits on the way to the noise."""
    loss, method = noisy_rayleigh(), bn.SGD(lr=0.3)
    results = [
        bn.run(loss, method, start=np.ones(40), steps=3, replicas=replicas, seed=seed, engine=engine).final_w.values
        for seed in (0, 2**32, 2**64 - 1)
        for replicas in ([0], [2**31], [2**32 - 1])
    ]
    assert len(np.unique(np.concatenate(results), axis=0)) == 9


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_thread_count(monkeypatch, threads):
    loss, method = noisy_rayleigh(), bn.SGD(lr=[0.1, 1.0], decay=0.25)
    expected = bn.run(loss, method, steps=100, replicas=5, engine="numba")
    monkeypatch.setattr(os, "cpu_count", lambda: threads)
    same(bn.run(loss, method, steps=100, replicas=5, engine="numba"), expected)


@pytest.mark.parametrize(
    ("name", "kind"),
    [(n, "SGD") for n in (*SIGNS, "rayleigh_gaussian")]
    + [("least_squares_bn", "GD"), ("two_axes", "projected GD")]
    + [("rayleigh_signs", "heavy SGD"), ("least_squares_bn_signs", "heavy SGD")],
)
def test_chunks(zoo, monkeypatch, name, kind):
    """Sums, noise tiles, records and rates survive the cut of a run into chunks of 64 steps."""
    loss = zoo(name)
    method = {
        "SGD": bn.SGD(lr=0.3, decay=0.25),
        "GD": bn.GD(lr=0.3),
        "projected GD": bn.GD(lr=0.3, projected=True),
        "heavy SGD": bn.SGD(
            lr=bn.Cosine(0.1, 200), momentum=0.8, weight_decay=0.02, rescaling=bn.Table(np.tile([0.5, 2.0, 1.0], 67))
        ),
    }[kind]
    for steps in (1, 63, 64, 65, 128, 200):
        chunks = []

        @contextmanager
        def counting(wanted, steps, label, chunks=chunks):
            yield chunks.append

        expected = bn.run(loss, method, steps=steps, replicas=2, record="all", engine="numba")
        with monkeypatch.context() as patch:
            patch.setattr(numba_, "_WORK", 1)
            patch.setattr(numba_, "_TABLE", 1)
            patch.setattr(simulate, "progress_bar", counting)
            found = bn.run(loss, method, steps=steps, replicas=2, record="all", engine="numba")
        same(found, expected)
        assert len(chunks) == -(-steps // 64) and sum(chunks) == steps


def test_chunks_of_odd_length(monkeypatch):
    """Chunks that do not align with the noise tiles of 64 steps."""
    loss, method = noisy_rayleigh(), bn.SGD(lr=0.3, decay=0.5)
    expected = bn.run(loss, method, steps=500, replicas=2, record=[0, 100, 101, 202, 499, 500], engine="numba")
    monkeypatch.setattr(numba_, "_TABLE", 101)
    found = bn.run(loss, method, steps=500, replicas=2, record=[0, 100, 101, 202, 499, 500], engine="numba")
    same(found, expected)


@pytest.mark.parametrize("name", ["rayleigh_signs", "least_squares_bn_signs"])
def test_records_do_not_change_the_run(zoo, engine, name):
    loss, method = zoo(name), bn.SGD(lr=0.3, decay=0.25)
    everything = bn.run(loss, method, steps=150, replicas=2, record="all", engine=engine)
    for record in ("log", [7, 3, 150], [0], [149]):
        some = bn.run(loss, method, steps=150, replicas=2, record=record, engine=engine)
        same(some, everything.sel(step=some.step))


def test_a_run_can_be_repeated(zoo, engine):
    loss, method = zoo("bilinear_signs"), bn.SGD(lr=0.3)
    same(*(bn.run(loss, method, steps=30, replicas=3, seed=9, engine=engine) for _ in range(2)))


def test_start_arrays_are_not_changed(zoo, engine):
    start = np.ones((1, 2, 5))
    bn.run(zoo("rayleigh_signs"), bn.SGD(lr=0.3), start=start, steps=10, replicas=2, engine=engine)
    assert np.all(start == 1)
