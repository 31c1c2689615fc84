"""What is timed, in which order, with how many steps; what is left out and why."""

from types import SimpleNamespace

import numpy as np
import pytest

from bn_theory import engines
from bn_theory.bench import benchmark, measure, memory, references
from bn_theory.bench.measure import ENGINE, REFERENCE, Contender, LeftOut, Plan
from bn_theory.bench.workloads import workload
from bn_theory.errors import InvalidInputError, UnknownNameError

PLAN = Plan(seconds=1.0, repeats=2, growth_of=(ENGINE,))
NUMPY, EAGER = Contender("numpy", ENGINE), Contender("eager", REFERENCE)


@pytest.fixture
def journal(monkeypatch):
    """All calls, ``(name, replicas, steps)``, of contenders that take 1 ms a step and replica by their own clock."""
    calls, clock = [], SimpleNamespace(now=0.0)

    def prepare(contender, item, replicas):
        if contender.name == "jax":
            raise OSError("no such device")

        def call(steps):
            calls.append((contender.name, replicas, steps))
            clock.now += 1e-3 * steps * replicas

        return call

    monkeypatch.setattr(measure, "prepare", prepare)
    monkeypatch.setattr(measure.time, "perf_counter", lambda: clock.now)
    monkeypatch.setattr(memory, "peak_resident", lambda call: (call(), memory.Peak(7))[1])
    return calls


def test_all_contenders_take_turns_in_every_repeat(journal):
    found, left = measure.measure(workload("gd"), 2, [NUMPY, EAGER], PLAN)
    # 1 s at 2 ms a step: 500 steps; growth of the engine only
    repeat = [("numpy", 2, 500), ("eager", 2, 500), ("numpy", 2, 50), ("numpy", 20, 50)]
    assert journal[-8:] == 2 * repeat
    # every shape ran before it was timed: once to warm up, once for its memory
    for one in set(repeat):
        assert journal[:-8].count(one) >= 2
    engine, reference = found
    assert engine.main.seconds == pytest.approx((1.0, 1.0), rel=1e-12)  # sums of a thousand rounded numbers
    assert engine.short.seconds == pytest.approx((0.1, 0.1), rel=1e-11)
    assert (engine.main.steps, engine.short.steps, engine.wide.replicas) == (500, 50, 20)
    assert engine.main.peak.bytes == 7 and engine.coordinates == 128
    assert reference.short is reference.wide is None and left == []


def test_what_raises_or_refuses_is_left_out_and_the_others_run(journal):
    contenders = [Contender("jax", REFERENCE), Contender("jax_bits", REFERENCE), NUMPY]
    found, left = measure.measure(workload("gd"), 1, contenders, PLAN)
    assert [m.contender for m in found] == [NUMPY]
    assert left == [
        LeftOut("jax", "gd", "OSError: no such device"),
        LeftOut("jax_bits", "gd", "without noise it is jax"),
    ]


def test_a_defect_of_an_engine_is_not_left_out(monkeypatch):
    def fail(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(measure, "prepare", fail)
    with pytest.raises(ZeroDivisionError):
        measure.measure(workload("gd"), 1, [NUMPY], PLAN)


def test_an_engine_s_own_error_is_a_reason(monkeypatch):
    def fail(*_):
        raise InvalidInputError("does not fit")

    monkeypatch.setattr(measure, "prepare", fail)
    assert measure.measure(workload("gd"), 1, [NUMPY], PLAN) == ([], [LeftOut("numpy", "gd", "does not fit")])


def test_too_many_coordinates_are_left_out_or_do_not_grow(journal, monkeypatch):
    monkeypatch.setattr(measure, "LARGEST_STATE", 128 * 15)
    (found,), _ = measure.measure(workload("gd"), 2, [NUMPY], PLAN)
    assert found.short is not None and found.wide is None
    found, (left,) = measure.measure(workload("gd"), 16, [NUMPY], PLAN)
    assert found == [] and "16 replicas" in left.reason
    # a fused loop holds less
    found, left = measure.measure(workload("gd"), 16, [Contender("numba", ENGINE)], PLAN)
    assert len(found) == 1 and left == []


@pytest.mark.parametrize(("per_step", "steps"), [(0.5, 10), (0.1, 50), (0.02, 100), (1e-3, 1000), (1e-6, 1_000_000)])
def test_steps_are_planned_to_the_aimed_length(monkeypatch, per_step, steps):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(measure.time, "perf_counter", lambda: clock.now)

    def call(n):
        clock.now += per_step * n

    assert measure.planned_steps(call, 1.0) == steps
    assert clock.now < 30 * max(1.0, per_step)  # planning costs no more than what is planned for


def test_array_functions_run_only_where_they_can():
    neuron = workload("neuron")
    assert "array functions" in measure.refuses(Contender("numba", ENGINE), neuron)
    assert measure.refuses(NUMPY, neuron) is measure.refuses(EAGER, neuron) is None


def test_an_engine_is_timed_as_a_user_calls_it():
    dataset = measure.prepare(NUMPY, workload("gd"), 2)(3)
    assert dataset.attrs["engine"] == "numpy" and dataset.sizes["replica"] == 2
    assert np.all(np.isfinite(dataset.final_w))


@pytest.mark.parametrize(
    ("name", "kind", "where"),
    [
        ("numba", ENGINE, False),
        ("cupy", ENGINE, True),
        ("cupy-block", ENGINE, True),
        ("eager", REFERENCE, False),
        ("jax", REFERENCE, False),
        ("eager_cupy", REFERENCE, True),
        ("jax_gpu", REFERENCE, True),
        ("jax_gpu_bits", REFERENCE, True),
    ],
)
def test_who_works_on_the_gpu_is_known(name, kind, where):
    assert Contender(name, kind).on_gpu is where


def test_memory_of_the_gpu_is_asked_of_who_knows_it():
    assert measure._peak(Contender("cupy", ENGINE)) is memory.peak_pool
    assert measure._peak(NUMPY) is memory.peak_resident
    assert measure._peak(Contender("jax_gpu", REFERENCE))(lambda: None).reason


# --- the whole ---


@pytest.fixture
def engines_here(monkeypatch):
    monkeypatch.setattr(engines, "ENGINES", ("numba", "numpy", "cupy"))
    monkeypatch.setattr(engines, "unavailable", lambda name: "cupy is not installed" if name == "cupy" else None)


def test_what_cannot_run_is_listed_once_with_its_reason(engines_here, monkeypatch):
    monkeypatch.setattr(references, "find_spec", lambda name: None)
    able, left = benchmark.contenders(("numpy", "cupy", "jax", "numpy"))
    assert able == [NUMPY]
    assert left == [LeftOut("cupy", None, "cupy is not installed"), LeftOut("jax", None, "jax is not installed")]


def test_unknown_names_and_nothing_to_run(engines_here):
    with pytest.raises(UnknownNameError, match="did you mean 'numpy'"):
        benchmark.run(benchmark.Settings(("numpi",)))
    with pytest.raises(UnknownNameError, match="did you mean 'bilinear'"):
        benchmark.run(benchmark.Settings(("numpy",), ("bilinea",)))
    with pytest.raises(InvalidInputError, match="nothing to run: cupy: cupy is not installed"):
        benchmark.run(benchmark.Settings(("cupy",)))


def test_full_runs_the_reference_workload_with_more_replicas(engines_here, monkeypatch):
    asked = []

    def fake(item, replicas, able, plan, doing):
        asked.append((item.name, replicas, plan.repeats, plan.growth_of))
        return [], []

    monkeypatch.setattr(benchmark, "measure", fake)
    for full in (False, True):
        benchmark.run(benchmark.Settings(("numpy",), ("rayleigh_2", "gd"), full=full, scale=0.001))
    quick, whole = benchmark.QUICK, benchmark.FULL
    assert asked == [
        ("rayleigh_2", 64, quick.repeats, (ENGINE,)),
        ("gd", 64, quick.repeats, (ENGINE,)),
        *(("rayleigh_2", r, whole.repeats, (ENGINE, REFERENCE)) for r in (1, 64, 10_000)),
        ("gd", 64, whole.repeats, (ENGINE, REFERENCE)),
    ]
