"""The very text of the CUDA kernels, compiled for the host and run: the law, the noise, the order of threads.

Needs g++; the tests that hand the text to nvcc need nvcc.
"""

import shutil
import subprocess
import weakref

import host_device
import numpy as np
import pytest
import sympy
from host_device import HostDevice
from oracle import REPLICAS, SEED, accumulated, bounded, check

import bn_theory as bn
from bn_theory import simulate
from bn_theory.dynamics.methods import Kind
from bn_theory.engines import fused
from bn_theory.engines.cuda_source import kernel, kernel_kind
from bn_theory.engines.cupy_ import CupyEngine
from bn_theory.engines.program import lower
from bn_theory.errors import DeviceError, DeviceMemoryError, LoweringError
from bn_theory.losses import philox

needs_gxx = pytest.mark.skipif(host_device.GXX is None, reason="g++ is not installed: no kernel can run on the host")
NVCC = shutil.which("nvcc")
EPS, EPS32 = np.finfo(float).eps, float(np.finfo(np.float32).eps)
KINDS = ("thread", "block")


class HostEngine:
    """The GPU engine's run on another device."""

    name = "host"
    dtypes = ("float64", "float32")

    def __init__(self, device, kind):
        self.device, self.kind = device, kind

    def refuses(self, loss):
        return None

    def run(self, problem):
        return fused.run_fused(problem, self.device, self.kind)


@pytest.fixture
def on_host(monkeypatch):
    """``on_host(loss, method, start, kind=..., device=..., **options)``: ``bn.run`` with the kernels on the host."""

    def run(loss, method, start=None, *, kind=None, device=None, **options):
        engine = HostEngine(device or HostDevice(), kind)
        with monkeypatch.context() as patch:
            patch.setattr(simulate, "choose", lambda *arguments: engine)
            return bn.run(loss, method, start, **options)

    return run


def same(one, other):
    assert set(one.data_vars) == set(other.data_vars)
    for name in one.data_vars:
        assert np.array_equal(one[name].values, other[name].values, equal_nan=True), name


@needs_gxx
def test_every_loss_and_method_follows_the_law(loss_and_method, points, rounding, on_host):
    """Both kernels within the rounding bound of the plain loop, as the other engines are."""
    loss, make = loss_and_method
    method, steps = make(0.4, 0.25), 100
    start = points(loss, loss.cases or 1, len(REPLICAS))
    expected = bounded(loss, method, start, steps, rounding)
    assert expected[-1].max() < 1e-9
    for kind in KINDS:
        options = {"steps": steps, "replicas": REPLICAS, "seed": SEED, "record": "all"}
        found = on_host(loss, method, start, kind=kind, **options)
        check(loss, found, *expected)
        accumulated(loss, method, found, *expected)


@needs_gxx
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("d", [5, 33, 100, 200])
def test_sign_bits(kind, d, on_host):
    """With ``<z, w>`` alone as the loss and rate 1 the weights are sums of signs, exactly: every bit shows."""
    w, z = bn.weights("w"), bn.noise("z")
    loss = bn.Loss(bn.total(z * w)).sized({"w": d})
    replicas, seed = [0, 2**32 - 1], 2**63 + 5
    signs = philox.signs(seed, replicas, np.arange(70), d)
    for steps in (1, 3, 4, 5, 8, 70):
        options = {"start": {"w": np.zeros(d)}, "steps": steps, "replicas": replicas, "seed": seed}
        found = on_host(loss, bn.SGD(lr=1.0), kind=kind, **options)
        assert np.array_equal(found.final_w.values, -signs[:steps].sum(axis=0)), steps
        same_bits = bn.run(loss, bn.SGD(lr=1.0), engine="numba", **options)
        assert np.array_equal(found.final_w.values, same_bits.final_w.values)


@needs_gxx
@pytest.mark.parametrize("kind", KINDS)
def test_normal_numbers(kind, on_host):
    """One step from 0 at rate 1 gives the numbers themselves: the same uniform bits through two libraries."""
    w, z = bn.weights("w"), bn.noise("z", "gaussian")
    loss = bn.Loss(bn.total(z * w)).sized({"w": 41})
    found = on_host(loss, bn.SGD(lr=1.0), start={"w": np.zeros(41)}, steps=1, replicas=3, seed=9, kind=kind)
    expected = -philox.normals(9, np.arange(3), 0, 41)
    # 2.5 ulp a side, as derived in test_noise_bits
    assert np.all(np.abs(found.final_w.values - expected) <= 5 * np.spacing(np.abs(expected)))


def noisy(d):
    return bn.with_linear_noise(bn.rayleigh(np.linspace(0.0, 1.0, d)), 0.3)


@needs_gxx
@pytest.mark.parametrize(
    ("name", "method"),
    [("signs", "SGD"), ("gaussian", "SGD"), ("bilinear", "projected SGD")],
)
def test_the_order_of_threads_changes_nothing(name, method, on_host):
    """Several warps, run forwards and backwards between barriers: where one is missing, the two differ."""
    loss = {
        "signs": lambda: noisy(300),
        "gaussian": lambda: bn.with_linear_noise(bn.rayleigh(np.linspace(0.0, 1.0, 300)), 0.3, kind="gaussian"),
        "bilinear": lambda: bn.with_linear_noise(bn.bilinear(np.linspace(0.1, 1.0, 300)), 0.2),
    }[name]()
    made = bn.SGD(lr=0.3, decay=0.25, projected=method.startswith("projected"))
    runs = [
        on_host(loss, made, kind="block", device=HostDevice(backwards), steps=21, replicas=2, record="all")
        for backwards in (False, True)
    ]
    same(*runs)


@needs_gxx
def test_a_missing_barrier_is_seen(monkeypatch, on_host):
    """The control of the test above: without the barriers of the sums the two orders disagree."""

    def without_barriers(*arguments, **options):
        found = kernel(*arguments, **options)
        text = found.text.replace("__syncthreads();\n        n_", "n_").replace(
            "__syncthreads();\n        real ", "real "
        )
        assert text != found.text
        return type(found)(text, found.parameters, found.kind, found.threads)

    monkeypatch.setattr(fused, "kernel", without_barriers)
    runs = [
        on_host(noisy(300), bn.SGD(lr=0.3), kind="block", device=HostDevice(backwards), steps=9, replicas=1)
        for backwards in (False, True)
    ]
    assert not np.array_equal(runs[0].final_w, runs[1].final_w)


@needs_gxx
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["rayleigh_signs", "rayleigh_gaussian", "least_squares_bn_signs"])
def test_chunks_change_nothing(zoo, monkeypatch, kind, name, on_host):
    """Sums, noise, records and rates survive the cut of a run into launches."""
    loss, method = zoo(name), bn.SGD(lr=0.3, decay=0.25)
    for steps, record in ((1, "all"), (64, "all"), (65, [0, 3, 64]), (200, "all"), (200, [199])):
        expected = on_host(loss, method, steps=steps, replicas=3, record=record, kind=kind)
        with monkeypatch.context() as patch:
            patch.setattr(fused, "_WORK", 1)
            device = HostDevice()
            same(on_host(loss, method, steps=steps, replicas=3, record=record, kind=kind, device=device), expected)
            assert device.launches == -(-steps // 64)
        with monkeypatch.context() as patch:
            patch.setattr(fused, "_RECORDED", 1)  # one record a launch
            same(on_host(loss, method, steps=steps, replicas=3, record=record, kind=kind), expected)


@needs_gxx
@pytest.mark.parametrize("kind", KINDS)
def test_a_replica_alone_and_a_case_alone(kind, on_host):
    loss, options = noisy(40), {"steps": 30, "seed": 3, "kind": kind}
    grid = on_host(loss, bn.SGD(lr=[0.1, 1.0], decay=[0.25, 0.5]), replicas=130, **options)
    for case, (lr, decay) in enumerate(((0.1, 0.25), (1.0, 0.5))):
        alone = on_host(loss, bn.SGD(lr=lr, decay=decay), replicas=[17], **options)
        same(grid.isel(case=case, drop=True).sel(replica=[17]), alone)


def test_the_kernel_is_chosen_by_the_number_of_coordinates():
    program = lower(noisy(4), Kind(sampled=True))
    assert [kernel_kind([d]) for d in (1, 64, 65, 10_000)] == ["thread", "thread", "block", "block"]
    assert kernel(program, [64]).kind == "thread" and kernel(program, [65]).kind == "block"
    assert kernel(program, [64], kind="block").kind == "block"
    pair = lower(bn.bilinear([1.0, 0.5]), Kind())
    assert kernel(pair, [40]).kind == "block"  # two groups of 40


def test_more_signs_than_shared_memory_holds_are_refused():
    program = lower(noisy(4), Kind(sampled=True))
    kernel(program, [45_000])
    with pytest.raises(LoweringError, match=r"50000 coordinates.*shared memory.*engine='numba'"):
        kernel(program, [50_000])
    w, z = bn.weights("w"), bn.noise("z")
    loss = bn.Loss(bn.total(z * w) + bn.total(w**2))
    assert CupyEngine().refuses(loss.sized({"w": 45_000})) is None
    assert "shared memory" in CupyEngine().refuses(loss.sized({"w": 50_000}))


@needs_gxx
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("heavy", [False, True], ids=["plain", "heavy"])
@pytest.mark.parametrize("name", ["rayleigh_signs", "bilinear", "least_squares_bn"])
def test_single_precision_keeps_its_budget(zoo, kind, name, heavy, points, rounding, on_host):
    """The bound of float64 with the larger unit roundoff; and it is single precision: the bound of float64 fails."""
    loss, steps = zoo(name), 20  # before the steps come to the floor, where a run is refused
    units = bn.Table(np.where(np.arange(steps) % 5 == 2, 0.5, 1.0))
    options = {"momentum": 0.6, "weight_decay": 0.03, "rescaling": units} if heavy else {}
    method = bn.SGD(lr=0.1, **options) if loss.noises else bn.GD(lr=0.1, **options)
    start = points(loss, 1, len(REPLICAS))
    # what the device is given
    start = {n: x.astype(np.float32).astype(float) for n, x in start.items()}
    states, value, slope, bound = bounded(loss, method, start, steps, rounding, unit=EPS32)
    options = {"steps": steps, "replicas": REPLICAS, "seed": SEED, "record": "all", "dtype": "float32"}
    found = on_host(loss, method, start, kind=kind, **options)
    # Data and rates are rounded to float32 as well, half an eps each, and each stands in products of its own. The
    # analysis allows one eps an operation for two evaluations, of which the oracle's errs by nothing beside it: the
    # other half of every product's eps is left for its datum.
    check(loss, found, states, value, slope, bound, unit=EPS32)
    with pytest.raises(AssertionError):
        check(loss, found, states, value, slope, bound * EPS / EPS32)


@needs_gxx
@pytest.mark.parametrize("kind", KINDS)
def test_single_precision_goes_through_changes_of_units(kind, on_host):
    """Weights that would grow by 2^100, in units of 2^32: the losses of the run with decay in double precision."""
    steps, loss = 600, noisy(8)
    equivalent = bn.equivalent_schedule(0.5, 0.2, 0.3, steps=steps)
    assert -equivalent.log_p[-1] > 100 * np.log(2) and len(equivalent.rescaled().steps_with_rescaling) >= 3
    options = {"start": np.ones(8, dtype=np.float32), "steps": steps, "replicas": 3, "record": "all"}
    found = on_host(loss, equivalent.method(), kind=kind, dtype="float32", **options)
    expected = bn.run(loss, bn.SGD(0.5, momentum=0.3, weight_decay=0.2), engine="numba", **options)
    # some 100 roundings a step, amplified by 100 at most: noise and decay forget within a few steps here
    assert np.max(np.abs(found.loss.values - expected.loss.values)) <= 100 * 100 * EPS32 / 2


@needs_gxx
def test_too_small_a_device_names_what_fits(on_host):
    loss, options = noisy(40), {"steps": 10, "kind": "thread"}
    with pytest.raises(DeviceMemoryError, match=r"1000 replicas x 40 coordinates .* (\d+) replicas fit") as caught:
        on_host(loss, bn.SGD(lr=0.3), replicas=1000, device=HostDevice(free=200_000), **options)
    fit = int(str(caught.value).split(" replicas fit")[0].split()[-1])
    assert 0 < fit < 1000
    on_host(loss, bn.SGD(lr=0.3), replicas=fit, device=HostDevice(free=200_000), **options)
    with pytest.raises(DeviceMemoryError):
        on_host(loss, bn.SGD(lr=0.3), replicas=fit + 1, device=HostDevice(free=200_000), **options)
    with pytest.raises(DeviceMemoryError, match="not even one replica fits"):
        on_host(loss, bn.SGD(lr=0.3), replicas=1, device=HostDevice(free=100), **options)


@needs_gxx
@pytest.mark.parametrize("method", [bn.SGD(lr=0.3), bn.SGD(lr=0.3, momentum=0.9)], ids=["plain", "momentum"])
@pytest.mark.parametrize("recorded", [1000, 20_000])
def test_what_fits_fits_also_where_launches_are_cut_by_their_records(monkeypatch, on_host, recorded, method):
    monkeypatch.setattr(fused, "_RECORDED", recorded)
    options = {"steps": 100, "record": "all", "kind": "thread"}
    with pytest.raises(DeviceMemoryError) as caught:
        on_host(noisy(4), method, replicas=10_000, device=HostDevice(free=900_000), **options)
    fit = int(str(caught.value).split(" replicas fit")[0].split()[-1])
    assert fit > 1000
    device = Counting(free=900_000)
    on_host(noisy(4), method, replicas=fit, device=device, **options)
    assert device.peak <= 900_000


class Counting(HostDevice):
    """Counts the bytes that are held at once."""

    held = peak = 0

    def _counted(self, array):
        self.held += array.nbytes
        self.peak = max(self.peak, self.held)
        weakref.finalize(array, self._release, array.nbytes)
        return array

    def _release(self, size):
        self.held -= size

    def upload(self, array):
        return self._counted(super().upload(array))

    def empty(self, count, dtype):
        return self._counted(super().empty(count, dtype))


@needs_gxx
def test_memory_that_runs_out_in_between_keeps_the_records(monkeypatch, on_host):
    class Full(HostDevice):
        def launch(self, *arguments):
            if self.launches == 2:
                raise DeviceMemoryError("the device's memory is full")
            super().launch(*arguments)

    monkeypatch.setattr(fused, "_WORK", 1)
    with pytest.raises(DeviceMemoryError, match="memory is full") as caught:
        on_host(noisy(5), bn.SGD(lr=0.3), steps=300, replicas=2, record="all", device=Full())
    assert np.all(np.isfinite(caught.value.dataset.loss[:, :128]))


@needs_gxx
def test_a_lost_device_keeps_the_records_made_before(monkeypatch, on_host):
    class Failing(HostDevice):
        def launch(self, *arguments):
            if self.launches == 2:
                raise DeviceError("the device is gone")
            super().launch(*arguments)

    monkeypatch.setattr(fused, "_WORK", 1)  # 64 steps a launch
    loss, method = noisy(5), bn.SGD(lr=0.3)
    expected = on_host(loss, method, steps=300, replicas=2, record="all")
    with pytest.raises(DeviceError, match="gone") as caught:
        on_host(loss, method, steps=300, replicas=2, record="all", device=Failing())
    kept = caught.value.dataset
    assert np.array_equal(kept.loss[:, :128], expected.loss[:, :128])
    assert np.all(np.isnan(kept.loss[:, 128:])) and np.all(np.isnan(kept.final_w))


def test_a_function_without_a_form_is_named():
    w = bn.weights("w")
    loss = bn.Loss(bn.total(sympy.besselj(0, w) ** 2))
    with pytest.raises(LoweringError, match=r"besselj.*'cupy'.*engine='numpy'"):
        kernel(lower(loss, Kind()), [3])
    with pytest.raises(bn.InvalidInputError, match=r"besselj.*'numba'.*engine='numpy'"):
        bn.run(loss, bn.GD(lr=0.1), start=[0.1, 0.2, 0.3], steps=1, engine="numba")
    found = bn.run(loss, bn.GD(lr=0.1), start=[0.1, 0.2, 0.3], steps=1)  # auto takes the one that can
    assert found.attrs["engine"] == "numpy"


@needs_gxx
@pytest.mark.parametrize("function", ["erf", "tanh", "exp", "cos", "Max", "atan"])
def test_functions_of_the_language(function, on_host):
    w = bn.weights("w")
    f = (lambda x: sympy.Max(x, 0)) if function == "Max" else getattr(sympy, function)
    loss = bn.Loss(bn.total(f(w) ** 2) + bn.total(w**2))
    expected = bn.run(loss, bn.GD(lr=0.05), start=[0.5, -0.25, 1.5], steps=5, engine="numpy")
    for kind in KINDS:
        found = on_host(loss, bn.GD(lr=0.05), start=[0.5, -0.25, 1.5], steps=5, kind=kind)
        # contraction towards 0 from size 1; 5 steps of a dozen operations, functions within 4 ulp
        assert np.allclose(found.final_w, expected.final_w, rtol=0, atol=5 * 50 * EPS)


@needs_gxx
@pytest.mark.parametrize("kind", KINDS)
def test_divergence_is_found_at_its_step(zoo, kind, on_host):
    loss, options = zoo("quadratic"), {"start": np.ones(5), "steps": 5000, "record": "all"}
    errors = []
    for run in (lambda **o: on_host(**o, kind=kind), lambda **o: bn.run(**o, engine="numba")):
        with pytest.raises(bn.DivergedError) as caught:
            run(loss=loss, method=bn.GD(lr=3.0), **options)
        errors.append(caught.value)
    assert errors[0].step == errors[1].step


@pytest.mark.skipif(NVCC is None, reason="nvcc is not installed: the kernels cannot be compiled for a GPU")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_nvcc_takes_every_kernel_without_a_warning(zoo, tmp_path, kind, dtype):
    """The same text for compute capability 8.0 and 9.0, every warning an error; all losses in one file."""
    losses = ("rayleigh_gaussian", "bilinear_signs", "least_squares_bn_signs", "two_axes", "inside", "odd_powers")
    many = (noisy(4096), bn.with_linear_noise(bn.rayleigh(np.linspace(0.0, 1.0, 5000)), 0.3, kind="gaussian"))
    parts = []
    for loss in (*map(zoo, losses), *many):
        sampled = bool(loss.noises)
        heavy = Kind(sampled=sampled, momentum=True, decay=True, rescaling=True)
        kinds = [Kind(sampled=sampled), Kind(sampled=sampled, projected=True)]
        # momentum, decay and units add the same lines to every loss
        kinds += [heavy] if loss in (zoo("rayleigh_gaussian"), zoo("least_squares_bn_signs")) else []
        for method in kinds:
            program = lower(loss, method)
            found = kernel(program, [loss.dimensions[axis.groups[0]] for axis in program.axes], dtype, kind)
            body = "".join(line for line in found.text.splitlines(True) if not line.startswith("#define"))
            defines = "".join(line for line in found.text.splitlines(True) if line.startswith("#define"))
            undefine = "".join(f"#undef {line.split()[1]}\n" for line in defines.splitlines())
            body = body.replace('extern "C" ', "")
            parts.append(f"namespace n{len(parts)} {{\n{defines}{body}\n{undefine}}}\n")
    source = tmp_path / "kernels.cu"
    source.write_text("".join(parts))
    targets = [f"-gencode=arch=compute_{n},code=sm_{n}" for n in (80, 90)]
    command = [NVCC, *targets, "--threads", "2", "-fatbin", "--Werror", "all-warnings", "-o", "out.fatbin", str(source)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[:3000]
