"""What runs together for the sake of a GPU is, bit for bit, what runs alone."""

import numpy as np

import bn_theory as bn
from bn_theory.theorems import workbench
from bn_theory.theorems.arora2019 import gd_rate, sgd_runs
from bn_theory.theorems.statement import Settings


def same(one, other):
    assert set(one.data_vars) == set(other.data_vars) and one.sizes == other.sizes
    for name in one.data_vars:
        assert np.array_equal(one[name].values, other[name].values, equal_nan=True), name


def test_sgd_configurations_of_a_length_in_one_run(monkeypatch):
    monkeypatch.setattr(sgd_runs, "wanted_replicas", lambda eta, alpha, steps: 5 if alpha else 9)
    sgd_runs._together.cache_clear()
    chosen = [(1.0, 0.0), (0.3, 0.25), (100.0, 0.5)]
    monkeypatch.setattr(sgd_runs, "configurations", lambda steps: chosen)
    alone = [sgd_runs.run.__wrapped__(*c, 500, 3, "numba") for c in chosen]
    runs = []
    plain = workbench.run
    monkeypatch.setattr(workbench, "run", lambda *a, **k: runs.append(1) or plain(*a, **k))
    monkeypatch.setattr(workbench, "on_gpu", lambda settings, loss: True)
    for c, expected in zip(chosen, alone, strict=True):
        same(sgd_runs.run.__wrapped__(*c, 500, 3, "numba"), expected)
    assert len(runs) == 1
    sgd_runs.run.__wrapped__(0.7, 0.0, 500, 3, "numba")  # of no statement: alone
    assert len(runs) == 2
    sgd_runs._together.cache_clear()


def test_the_configurations_are_those_that_the_statements_run():
    short, long = (sgd_runs.configurations(steps) for steps in (sgd_runs.SHORT, sgd_runs.LONG))
    assert (1.0, 0.0) in short  # of the controls
    full = Settings(profile="full")
    for eta in workbench.rates(full):
        for alpha in sgd_runs.alphas(full):
            for steps, reason in (sgd_runs.length(eta, alpha), sgd_runs.adiabatic_length(eta, alpha)):
                assert reason or (eta, alpha) in {sgd_runs.SHORT: short, sgd_runs.LONG: long}[steps]


def test_families_at_all_rates_in_one_run():
    settings = Settings(seed=0, engine="numba")
    together = gd_rate.family_runs(settings, (0.1, 10.0), steps=200)
    loss = bn.power_law_rayleigh(gd_rate.FAMILY_S)
    for eta, found in together.items():
        alone = workbench.run(settings, loss, bn.GD(eta), steps=200)
        for name in ("loss", "grad_norm2", "norm2", "min_grad_norm2", "sum_grad_norm2", "final_w"):
            assert np.array_equal(found[name].values, alone[name].values), name


def test_a_cpu_runs_what_is_asked_alone():
    assert not workbench.on_gpu(Settings(engine="numba"), sgd_runs.loss())
    assert not workbench.on_gpu(Settings(engine="numpy"), sgd_runs.loss())
