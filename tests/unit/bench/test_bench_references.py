"""The outside references run the same workloads: equal without noise, alike with it."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

import bn_theory as bn
from bn_theory.bench import references, workloads
from bn_theory.bench.names import REFERENCES, WORKLOADS
from bn_theory.errors import UnknownNameError

EPS = np.finfo(float).eps
REPLICAS, STEPS = 3, 5
HERE = [name for name in REFERENCES if references.unavailable(name) is None]
QUIET = [name for name in HERE if not name.endswith("_bits")]


@pytest.fixture
def fake_cupy(monkeypatch):
    """NumPy under CuPy's names, as far as the reference goes."""
    stream = SimpleNamespace(synchronize=lambda: None)
    runtime = SimpleNamespace(getDeviceCount=lambda: 1, CUDARuntimeError=OSError)
    cuda = SimpleNamespace(get_current_stream=lambda: stream, runtime=runtime)
    names = ("uint8", "uint32", "float64", "unpackbits", "sqrt", "tanh")
    fake = SimpleNamespace(
        cuda=cuda,
        asarray=np.array,
        random=SimpleNamespace(RandomState=np.random.RandomState),
        **{name: getattr(np, name) for name in names},
    )
    monkeypatch.setitem(sys.modules, "cupy", fake)
    return fake


def package(workload, replicas, steps):
    """The readable engine's run."""
    loss, method, start = workload.loss, workload.method, workload.start(replicas)
    return bn.run(loss, method, start, steps=steps, replicas=replicas, engine="numpy", progress=False)


def final(name, workload, replicas, steps):
    """The reference's state after some steps, in the shapes of the package."""
    state = references.prepare(name, workload, replicas)(steps)
    arrays = {key: np.asarray(array) for key, array in state.items()}
    return {key: a[:, 0] if key in workload.loss.parameters else a for key, a in arrays.items()}


def same_as_the_package(name, workload, bounds):
    expected = package(workload, REPLICAS, STEPS)
    for key, array in final(name, workload, REPLICAS, STEPS).items():
        error = np.abs(array - expected[f"final_{key}"].values)
        assert np.all(error <= bounds[key]), (key, error.max())
        assert np.any(array != np.reshape(workload.start(REPLICAS)[key], array.shape)), "it did not move"


@pytest.fixture(params=["gd", "least_squares"])
def separable_bounds(request, rounding):
    """A workload, and how far two runs of it may lie apart by rounding: a running error analysis of all steps."""
    workload = workloads.workload(request.param)
    start = workload.start(REPLICAS)
    state = {name: rounding.number(array[None]) for name, array in start.items()}
    for _ in range(STEPS):
        _, gradient, _ = rounding.gradient(workload.loss, state)
        state = {name: x - workload.rate * gradient[name] for name, x in state.items()}
    return workload, {name: 2 * x.error[0] for name, x in state.items()}


@pytest.mark.parametrize("name", QUIET)
def test_without_noise_the_final_state_is_the_package_s(name, separable_bounds):
    same_as_the_package(name, *separable_bounds)


@pytest.mark.parametrize("name", QUIET)
def test_the_neuron_s_final_state_is_the_package_s(name):
    workload = workloads.workload("neuron")
    # A step's error: n + d summands, rounded once each and some twenty times more on the way, every summand at most
    # the largest |x| (slopes sum to at most 1, |unit| <= sqrt(n)), times the rate; std and gamma stay within a factor
    # of 4 of 1. The Hessian is at most 4 * 4, so that each of the five steps stretches errors by at most 1 + 1.6.
    n, d = workload.data["rows"].shape
    largest = np.abs(workload.data["rows"]).max()
    bound = 2 * STEPS * 2.6**STEPS * workload.rate * (n + d + 20) * EPS * 4 * largest
    assert bound < 1e-9  # what a wrong gradient misses by is far above
    same_as_the_package(name, workload, dict.fromkeys(("w", "gamma", "beta"), bound))


def test_eager_cupy_runs_the_same(fake_cupy, separable_bounds):
    same_as_the_package("eager_cupy", *separable_bounds)


def norms_agree(name, workload):
    """Growth of |w|^2, which the noise makes, within 5 standard errors of the difference of two means."""
    replicas, steps = 200, 100
    expected = package(workload, replicas, steps).norm2.isel(step=-1).values.reshape(replicas, -1)
    state = final(name, workload, replicas, steps)
    for i, group in enumerate(workload.loss.groups):
        found = np.sum(state[group] ** 2, axis=-1)
        assert found.mean() > 1.01 and found.std() > 0
        error = np.sqrt((found.var(ddof=1) + expected[:, i].var(ddof=1)) / replicas)
        assert abs(found.mean() - expected[:, i].mean()) < 5 * error


@pytest.mark.parametrize("workload", ["rayleigh_8", "bilinear", "momentum"])
@pytest.mark.parametrize("name", HERE)
def test_with_noise_the_norm_grows_as_in_the_package(name, workload):
    norms_agree(name, workloads.workload(workload))


def test_eager_cupy_has_the_same_noise(fake_cupy):
    norms_agree("eager_cupy", workloads.workload("rayleigh_8"))


@pytest.mark.parametrize("name", HERE)
def test_every_call_starts_anew(name):
    workload = workloads.workload("gd")
    call = references.prepare(name, workload, 1)
    first = np.asarray(call(3)["w"])
    np.testing.assert_array_equal(np.asarray(call(3)["w"]), first)


@pytest.mark.parametrize("name", HERE)
def test_one_coordinate_block_may_be_left_unfilled(name):
    # 3 signs: neither a whole byte nor a whole word
    workload = workloads.workload("rayleigh_2")
    assert final(name, workload, 1, 2)["w"].shape == (1, 2)
    assert final(name, workloads.workload("rayleigh_8"), 3, 2)["w"].shape == (3, 8)


# --- what cannot run here ---


def test_eager_numpy_runs_everywhere():
    assert references.unavailable("eager") is None


@pytest.mark.parametrize(
    ("name", "module"),
    [("jax", "jax"), ("jax_bits", "jax"), ("jax_gpu", "jax"), ("torch", "torch"), ("eager_cupy", "cupy")],
)
def test_a_library_that_is_not_installed_is_named(monkeypatch, name, module):
    monkeypatch.setattr(references, "find_spec", lambda wanted: None if wanted == module else object())
    assert references.unavailable(name) == f"{module} is not installed"


def test_cupy_without_a_device_is_unavailable(monkeypatch, fake_cupy):
    monkeypatch.setattr(references, "find_spec", lambda name: object())
    assert references.unavailable("eager_cupy") is None
    monkeypatch.setattr(fake_cupy.cuda.runtime, "getDeviceCount", lambda: 0)
    assert "no CUDA device" in references.unavailable("eager_cupy")

    def fail():
        raise OSError("driver too old")

    monkeypatch.setattr(fake_cupy.cuda.runtime, "getDeviceCount", fail)
    assert "driver too old" in references.unavailable("eager_cupy")


def test_jax_without_a_gpu_is_unavailable(monkeypatch):
    def devices(kind):
        raise RuntimeError(f"no {kind}")

    fake = SimpleNamespace(devices=devices, config=SimpleNamespace(update=lambda *_: None))
    monkeypatch.setitem(sys.modules, "jax", fake)
    monkeypatch.setattr(references, "find_spec", lambda name: object())
    assert references.unavailable("jax_gpu") == references.unavailable("jax_gpu_bits") == "JAX finds no GPU"
    assert references.unavailable("jax") is None


def test_two_ways_to_draw_signs_are_one_without_noise():
    quiet, noisy = workloads.workload("gd"), workloads.workload("rayleigh_2")
    assert "without noise" in references.refuses("jax_bits", quiet)
    assert references.refuses("jax", quiet) is references.refuses("jax_bits", noisy) is None


@pytest.mark.parametrize("function", [references.unavailable, lambda name: references.prepare(name, None, 1)])
def test_unknown_references_are_named_with_the_nearest(function):
    with pytest.raises(UnknownNameError, match="'jux'; did you mean 'jax'"):
        function("jux")


# --- workloads ---


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_workload_can_be_built(name):
    workload = workloads.workload(name)
    assert workload.name == name and bool(workload.sigma) == workload.method.sampled
    start = workload.start(2)
    assert set(start) == {*workload.loss.groups, *workload.loss.parameters}
    assert workload.coordinates == sum(start[g].shape[1] for g in workload.loss.groups)
    # unit norm: a division and d products, each rounded once
    for g in workload.loss.groups:
        np.testing.assert_allclose(np.linalg.norm(start[g], axis=-1), 1.0, rtol=start[g].shape[1] * EPS)


def test_unknown_workloads_are_named_with_the_nearest():
    with pytest.raises(UnknownNameError, match="'rayleigh_33'; did you mean 'rayleigh_32'"):
        workloads.workload("rayleigh_33")
