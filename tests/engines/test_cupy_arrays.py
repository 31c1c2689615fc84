"""Array-function losses by the CuPy engine's loop, on a stand-in that captures and replays: see fake_cupy.py."""

from dataclasses import replace

import numpy as np
import pytest
from array_api_compat import array_namespace
from fake_cupy import FakeCupy
from own_quotient import by_branch, by_matmul, by_upload, quotient, through_numpy, with_numpy

import bn_theory as bn
from bn_theory.engines import cupy_arrays
from bn_theory.engines.numpy_ import NumpyEngine
from bn_theory.engines.problem import Problem
from bn_theory.errors import InvalidInputError
from bn_theory.losses import matvec

SEED, REPLICAS = 2**33 + 1, np.array([0, 5, 2**31 + 3])
FIELDS = (
    "loss",
    "grad_norm2",
    "min_grad_norm2",
    "sum_grad_norm2",
    "norm2",
    "sum_step2",
    "step_grad2",
    "parameters",
    "diverged",
)
UNITS = np.where(np.arange(50) % 7 == 3, 0.5, np.where(np.arange(50) % 7 == 5, 2.0, 1.0))
METHODS = {
    "GD": lambda lr: bn.GD(lr=lr),
    "SGD": lambda lr: bn.SGD(lr=lr, decay=0.25),
    "projected": lambda lr: bn.SGD(lr=lr, decay=0.5, projected=True),
    "heavy": lambda lr: bn.SGD(lr=lr, momentum=0.8, weight_decay=[0.0, 0.02], rescaling=bn.Table(UNITS)),
}


def problem(loss, method, start, records, advance=lambda n: None):
    return Problem(loss, method, start, REPLICAS, SEED, np.asarray(records), advance)


@pytest.fixture
def added(monkeypatch):
    """The NumPy engine adds the products of a matrix and a vector as CuPy's arrays do: then all bits are the same."""
    monkeypatch.setattr(matvec, "is_cupy_namespace", lambda xp: True)


def same(one, other):
    for name in FIELDS:
        assert np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True), name
    assert one.final.keys() == other.final.keys()
    for name in one.final:
        assert np.array_equal(one.final[name], other.final[name], equal_nan=True), name


def start(d=2, cases=1):
    return {"w": np.random.default_rng(0).standard_normal((cases, len(REPLICAS), d))}


@pytest.mark.parametrize("kind", METHODS)
def test_a_captured_run_is_the_numpy_engine_bit_for_bit(array_loss, points, kind, added, monkeypatch):
    """Tables of 8 rates and 4 samples, blocks of 3 records: all of them refilled on the way."""
    if kind != "GD" and not array_loss.noises:
        kind = "GD"
    monkeypatch.setattr(cupy_arrays, "RATES", 8)
    monkeypatch.setattr(cupy_arrays, "TILE", 4)
    monkeypatch.setattr(cupy_arrays, "BLOCK_BYTES", 3 * 8 * 8 * 2 * len(REPLICAS))
    method = METHODS[kind]([0.3, 2.0])
    state = points(array_loss, 2, len(REPLICAS))
    untouched = {name: array.copy() for name, array in state.items()}
    for records in ([0, 1, 2, 3, 8, 9, 17, 40], range(38), [37]):
        fake, done = FakeCupy(), []
        found = cupy_arrays.run_array_loss(problem(array_loss, method, state, records, done.append), fake)
        same(found, NumpyEngine().run(problem(array_loss, method, state, records)))
        last = records[-1]
        assert found.notes == {"cuda_graph": "captured"}
        assert fake.launches == last - 1 and sum(done) == last
        assert fake.captured_in_pool and not fake.given_later and not fake.off_stream
    for name in state:
        assert np.array_equal(state[name], untouched[name])


@pytest.mark.parametrize("steps", [1, 2])
def test_short_runs(zoo, points, steps, added):
    loss = zoo("rayleigh_dense_noise")
    given = problem(loss, bn.SGD(lr=0.5), points(loss, 1, len(REPLICAS)), range(steps + 1))
    found = cupy_arrays.run_array_loss(given, FakeCupy())
    same(found, NumpyEngine().run(given))
    assert found.notes["cuda_graph"].startswith("captured" if steps == 2 else "not captured: the run has fewer")


@pytest.mark.parametrize(
    ("product", "reason"),
    [
        (by_matmul, "NotImplementedError: calling cuBLAS API during stream capture"),
        (by_branch, "RuntimeError: the current stream is capturing, so synchronous"),
        (by_upload, "RuntimeError: the current stream is capturing, so H2D"),
    ],
)
def test_what_cannot_be_captured_runs_step_by_step_and_says_why(product, reason):
    loss = quotient(product)
    given = problem(loss, bn.GD(lr=0.5), start(), range(12))
    fake = FakeCupy()
    found = cupy_arrays.run_array_loss(given, fake)
    same(found, NumpyEngine().run(given))
    assert found.notes["cuda_graph"].startswith(f"not captured, every step launched by itself: {reason}")
    assert fake.launches == 0 and fake.tape is None


def test_devices_that_capture_nothing():
    loss = quotient(by_matmul)
    given = problem(loss, bn.GD(lr=0.5), start(), range(12))
    found = cupy_arrays.run_array_loss(given, FakeCupy(capture=False))
    same(found, NumpyEngine().run(given))
    assert "streamBeginCapture is not supported" in found.notes["cuda_graph"]


def test_data_go_to_the_device_once():
    """Also where every step is launched by itself: the number of uploads does not grow with that of steps."""
    counts = []
    for steps in (5, 50):
        fake = FakeCupy()
        loss = quotient(by_matmul)
        cupy_arrays.run_array_loss(problem(loss, bn.GD(lr=0.5), start(), [steps]), fake)
        counts.append(fake.uploads)
    assert counts[0] == counts[1]


def test_divergence_is_marked_on_the_device():
    """Without normalisation and with a rate that is too large, replicas leave the numbers at different steps."""

    def value(w, sample):
        return array_namespace(w).sum(w**4, axis=-1)

    def grad(w, sample):
        return 4 * w**3

    loss = bn.ArrayLoss((value, grad), {"w": 2}, scale_invariant_groups=())
    given = problem(loss, bn.GD(lr=0.3), {"w": start()["w"] * np.array([1e-3, 3.0, 10.0])[:, None]}, range(12))
    found = cupy_arrays.run_array_loss(given, FakeCupy())
    same(found, NumpyEngine().run(given))
    assert found.notes["cuda_graph"] == "captured"
    assert found.diverged[0, 0] == -1 and len(set(found.diverged[0])) == 3


def test_gradients_that_are_the_state_itself():
    """A gradient that shares the state's memory is read before the state is written."""
    loss = bn.ArrayLoss(
        (lambda w, sample: array_namespace(w).sum(w * w, axis=-1) / 2, lambda w, sample: w),
        {"w": 2},
        scale_invariant_groups=(),
    )
    given = problem(loss, bn.GD(lr=0.25), start(), range(12))
    same(cupy_arrays.run_array_loss(given, FakeCupy()), NumpyEngine().run(given))


def test_gradients_that_are_the_state_itself_at_times():
    """What is measured has its own memory: otherwise the second kind of gradient would be written into the state."""

    def grad(w, sample):
        return w if array_namespace(w).sum(w * w) > 0.5 else w / 2

    loss = bn.ArrayLoss(
        (lambda w, sample: array_namespace(w).sum(w * w, axis=-1) / 2, grad), {"w": 2}, scale_invariant_groups=()
    )
    given = problem(loss, bn.GD(lr=0.25), start(), range(12))
    found = cupy_arrays.run_array_loss(given, FakeCupy())
    assert np.sum(start()["w"] ** 2) > 0.5 > found.norm2[..., -1, :].sum()
    same(found, NumpyEngine().run(given))


@pytest.mark.parametrize("product", [through_numpy, with_numpy])
def test_functions_that_leave_their_namespace(product):
    for loss, name in ((quotient(product, by_matmul), "value"), (quotient(by_matmul, product), "grad")):
        with pytest.raises(InvalidInputError, match=rf"{name} of made up does not run .*TypeError.*engine=\"numpy\""):
            cupy_arrays.run_array_loss(problem(loss, bn.GD(lr=0.5), start(), [3]), FakeCupy())


def test_functions_that_return_numpy_arrays():
    for k, name in ((0, "value"), (1, "grad")):
        functions = list(quotient(by_matmul).functions)
        functions[k] = lambda w, sample, k=k: np.zeros(w.shape[: 2 + k])
        loss = bn.ArrayLoss(functions, {"w": 2}, name="made up")
        with pytest.raises(InvalidInputError, match=rf"{name} of made up does not run .*returns ndarray"):
            cupy_arrays.run_array_loss(problem(loss, bn.GD(lr=0.5), start(), [3]), FakeCupy())


def test_other_precisions_are_refused():
    given = replace(problem(quotient(by_matmul), bn.GD(lr=0.5), start(), [3]), dtype="float32")
    with pytest.raises(InvalidInputError, match=r"made up .* float64 only, not float32"):
        cupy_arrays.run_array_loss(given, FakeCupy())


def test_large_products_are_left_to_cublas(zoo, points, monkeypatch):
    """Beyond the limit the family multiplies matrices, which CuPy does not capture: the same law, step by step."""
    monkeypatch.setattr(matvec, "CUPY_BYTES", 8 * 5 * 5 * len(REPLICAS) - 1)
    loss = zoo("rayleigh_dense_noise")
    given = problem(loss, bn.SGD(lr=0.5), points(loss, 1, len(REPLICAS)), range(12))
    found = cupy_arrays.run_array_loss(given, FakeCupy())
    same(found, NumpyEngine().run(given))
    assert "cuBLAS" in found.notes["cuda_graph"]
    monkeypatch.setattr(matvec, "CUPY_BYTES", 8 * 5 * 5 * len(REPLICAS))
    assert cupy_arrays.run_array_loss(given, FakeCupy()).notes["cuda_graph"] == "captured"
