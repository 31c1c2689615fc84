"""Which engine is taken, and what a machine without a GPU says."""

import sys
import warnings
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import sympy
from host_device import GXX, HostDevice

import bn_theory as bn
from bn_theory import engines
from bn_theory.cli import main
from bn_theory.engines import cupy_, fused
from bn_theory.errors import (
    DeviceError,
    DeviceMemoryError,
    EngineWarning,
    InvalidInputError,
    RoundingFloorError,
    UnknownNameError,
)


@pytest.fixture
def without_a_device(monkeypatch):
    """A machine on which cupy is not installed."""
    monkeypatch.setattr(cupy_, "installed", lambda: False)
    cupy_.unavailable.cache_clear()
    engines._say_once.cache_clear()
    yield
    monkeypatch.undo()
    cupy_.unavailable.cache_clear()
    engines._say_once.cache_clear()


@pytest.mark.parametrize("engine", ["cupy", "cupy-thread", "cupy-block"])
def test_cupy_without_a_device_says_what_to_install(without_a_device, zoo, engine):
    with pytest.raises(DeviceError, match=r"cupy is not installed; pip install '\.\[cuda12\]'"):
        bn.run(zoo("rayleigh"), bn.GD(lr=0.1), steps=1, engine=engine)


def test_auto_without_a_device_is_silent_where_nobody_expects_one(without_a_device, zoo, monkeypatch):
    monkeypatch.setattr(cupy_, "driver_present", lambda: False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert bn.run(zoo("rayleigh"), bn.GD(lr=0.1), steps=1).attrs["engine"] == "numba"


def test_auto_says_once_why_it_does_not_use_a_gpu_that_is_there(without_a_device, zoo, monkeypatch):
    monkeypatch.setattr(cupy_, "driver_present", lambda: True)  # the driver is installed, cupy is not
    with pytest.warns(EngineWarning, match="cupy is not installed"):
        assert bn.run(zoo("rayleigh"), bn.GD(lr=0.1), steps=1).attrs["engine"] == "numba"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bn.run(zoo("rayleigh"), bn.GD(lr=0.1), steps=1)


@pytest.mark.parametrize("command", [("verify",), ("fit", "--family", "rayleigh")])
def test_the_command_line_says_so_before_any_work(without_a_device, capsys, command):
    assert main([*command, "--engine", "cupy"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "cupy is not installed; pip install '.[cuda12]'" in err


class Broken:
    """A cupy whose driver is broken."""

    class cuda:
        class runtime:
            @staticmethod
            def getDeviceCount():
                raise RuntimeError("cudaErrorInsufficientDriver")


def test_a_broken_driver_is_named(monkeypatch, zoo):
    monkeypatch.setitem(sys.modules, "cupy", Broken)
    monkeypatch.setattr(cupy_, "installed", lambda: True)
    cupy_.unavailable.cache_clear()
    try:
        with pytest.raises(DeviceError, match=r"no CUDA device .*InsufficientDriver.* NVIDIA GPU with its driver"):
            bn.run(zoo("rayleigh"), bn.GD(lr=0.1), steps=1, engine="cupy")
    finally:
        monkeypatch.undo()
        cupy_.unavailable.cache_clear()


def test_names():
    assert engines.ENGINES == ("cupy", "numba", "numpy")
    for name in ("numba", "numpy", "auto"):
        assert engines.unavailable(name) is None
    with pytest.raises(UnknownNameError, match="'numba'"):
        engines.require("nunba")


def test_single_precision_belongs_to_the_gpu(without_a_device, zoo):
    for engine in ("numba", "numpy"):
        with pytest.raises(InvalidInputError, match="float64 only; float32 needs engine='cupy'"):
            bn.run(zoo("rayleigh"), bn.GD(lr=0.1), steps=1, engine=engine, dtype="float32")
    with pytest.raises(InvalidInputError, match="runs on engine 'cupy' only: cupy is not installed"):
        bn.run(zoo("rayleigh"), bn.GD(lr=0.1), steps=1, dtype="float32")
    with pytest.raises(InvalidInputError, match="dtype must be"):
        bn.run(zoo("rayleigh"), bn.GD(lr=0.1), steps=1, dtype="float16")


def stand_in(calls):
    """As much of cupy as the engine uses, with kernels run on the host."""
    runtime_error, driver_error, memory_error, compile_error = (type(n, (Exception,), {}) for n in "RDMC")

    class Module:
        def __init__(self, code, options):
            calls.append(options)
            self.code = code

        def get_function(self, name):
            assert name == "bn_theory_advance"
            return lambda grid, block, arguments: launch(self.code, grid, block, arguments)

    def launch(code, grid, block, arguments):
        kernel = next(k for k in made if k.text == code)
        for (kind, _), value in zip(kernel.parameters, arguments, strict=True):
            wanted = {"long long": np.int64, "unsigned": np.uint32}.get(kind, np.ndarray)
            assert type(value) is wanted, kind
        assert block == (kernel.threads,)
        HostDevice().launch(kernel, grid[0], arguments)
        if calls.count("fail"):
            raise runtime_error("cudaErrorLaunchFailure")

    pool = SimpleNamespace(free_bytes=lambda: 0)
    made = []
    runtime = SimpleNamespace(
        CUDARuntimeError=runtime_error, memGetInfo=lambda: (10**9, 10**9), getDeviceCount=lambda: 1
    )
    cuda = SimpleNamespace(
        runtime=runtime,
        driver=SimpleNamespace(CUDADriverError=driver_error),
        memory=SimpleNamespace(OutOfMemoryError=memory_error),
        compiler=SimpleNamespace(CompileException=compile_error),
        get_current_stream=lambda: SimpleNamespace(synchronize=lambda: calls.append("synchronised")),
    )
    found = ModuleType("cupy")
    found.__dict__.update(
        cuda=cuda, RawModule=Module, asarray=np.array, asnumpy=np.array, empty=np.empty,
        get_default_memory_pool=lambda: pool, made=made,
    )  # fmt: skip
    return found


@pytest.fixture
def pretended(monkeypatch):
    """``(cupy, calls)``: a stand-in for cupy with a device."""
    calls = []
    cupy = stand_in(calls)
    write = fused.kernel
    monkeypatch.setattr(fused, "kernel", lambda *a, **k: cupy.made.append(write(*a, **k)) or cupy.made[-1])
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setattr(cupy_, "installed", lambda: True)
    cupy_.unavailable.cache_clear()
    yield cupy, calls
    monkeypatch.undo()
    cupy_.unavailable.cache_clear()
    cupy_._function.cache_clear()


needs_gxx = pytest.mark.skipif(GXX is None, reason="g++ is not installed: no kernel can run on the host")


@needs_gxx
@pytest.mark.parametrize("engine", ["auto", "cupy", "cupy-block"])
def test_the_engine_hands_cupy_what_it_takes(pretended, zoo, engine):
    _, calls = pretended
    found = bn.run(zoo("rayleigh_signs"), bn.SGD(lr=0.3), steps=20, replicas=3, engine=engine)
    assert found.attrs["engine"] == ("cupy" if engine == "auto" else engine)
    assert "synchronised" in calls
    expected = bn.run(zoo("rayleigh_signs"), bn.SGD(lr=0.3), steps=20, replicas=3, engine="numpy")
    # 20 steps of some 100 roundings of numbers of size 1, not amplified (contraction)
    assert np.allclose(found.loss, expected.loss, rtol=0, atol=20 * 100 * np.finfo(float).eps)


@needs_gxx
def test_failures_of_cupy_are_errors_of_the_package(pretended, zoo, monkeypatch):
    cupy, calls = pretended
    calls.append("fail")
    with pytest.raises(DeviceError, match=r"the CUDA device failed \(cudaErrorLaunchFailure\).*engine='numba'"):
        bn.run(zoo("rayleigh"), bn.GD(lr=0.3), steps=2, engine="cupy")
    calls.clear()
    for name, error, expected in (
        ("empty", cupy.cuda.memory.OutOfMemoryError("full"), DeviceMemoryError),
        ("RawModule", cupy.cuda.compiler.CompileException("syntax"), DeviceError),
        ("asarray", cupy.cuda.driver.CUDADriverError("gone"), DeviceError),
    ):

        def fail(*arguments, error=error, **options):
            raise error

        cupy_._function.cache_clear()
        with monkeypatch.context() as patch:
            patch.setattr(cupy, name, fail)
            with pytest.raises(expected, match=str(error)):
                bn.run(zoo("rayleigh"), bn.GD(lr=0.3), steps=2, engine="cupy")


@needs_gxx
def test_a_rate_below_the_floor_is_refused_before_the_run(pretended, zoo):
    start, single = np.ones(5) / np.sqrt(5), {"steps": 1, "engine": "cupy", "dtype": "float32"}
    with pytest.raises(RoundingFloorError, match=r"first step of 'w' at learning rate 1e-09: .* no entry.*float64"):
        bn.run(zoo("rayleigh"), bn.GD(lr=1e-9), start, **single)
    with pytest.raises(RoundingFloorError, match="first step"):
        bn.run(zoo("rayleigh"), bn.GD(lr=[0.1, 1e-9]), start, **single)
    with pytest.raises(RoundingFloorError, match="first step of 'gamma'"):
        bn.run(zoo("least_squares_bn"), bn.GD(lr={"w": 1e-3, "gamma": 1e-9}), **single)
    bn.run(zoo("rayleigh"), bn.GD(lr=1e-3), start, **single)
    bn.run(zoo("rayleigh"), bn.GD(lr=1e-9), start, steps=1)  # in double precision nobody minds


@needs_gxx
@pytest.mark.parametrize("record", ["log", [20_000], [0, 10, 20_000]])
@pytest.mark.parametrize("engine", ["cupy-thread", "cupy-block"])
def test_a_run_that_comes_to_the_floor_is_refused_whatever_is_recorded(pretended, zoo, record, engine):
    steps = 20_000 if engine == "cupy-thread" else 200  # threads of a block take turns here, which is slow
    record = record if engine == "cupy-thread" else "log"
    options = {"steps": steps, "record": record, "engine": engine, "dtype": "float32"}
    with pytest.raises(RoundingFloorError, match=r"step \d+ of replica 0 changed no entry.*is .* for 'w'") as caught:
        bn.run(zoo("least_squares_bn"), bn.GD(lr=0.3), **options)
    assert caught.value.dataset.step.values[-1] == steps


@needs_gxx
def test_entries_near_zero_are_no_floor(pretended):
    """In its eigenbasis a run keeps its relative precision far below 2^-24 of the norm: nothing to refuse."""
    loss, start = bn.rayleigh([0.0, 1.0]), [1.0, 0.5]
    found = bn.run(loss, bn.GD(lr=0.3), start, steps=100, engine="cupy", dtype="float32")
    exact = bn.run(loss, bn.GD(lr=0.3), start, steps=100, engine="numpy")
    assert exact.final_w[0, 1] < 1e-10
    # a hundred contractions, each by a factor with a few roundings of 2^-24
    assert np.allclose(found.final_w, exact.final_w, rtol=100 * 10 * 2.0**-24, atol=0)


def test_numbers_beyond_single_precision_are_refused(pretended, zoo):
    single = {"steps": 1, "engine": "cupy", "dtype": "float32"}
    with pytest.raises(InvalidInputError, match=r"data 'a' has an entry of size 1e\+39.*range of float32"):
        bn.run(bn.rayleigh([0.0, 1e39]), bn.GD(lr=0.1), [1.0, 1.0], **single)
    with pytest.raises(InvalidInputError, match=r"\|w\|\^2 = .*below the range of float32"):
        bn.run(zoo("rayleigh"), bn.GD(lr=0.1), np.full(5, 1e-22), **single)
    with pytest.raises(InvalidInputError, match="learning rate of 'w'"):
        bn.run(zoo("rayleigh"), bn.GD(lr=1e-42), np.ones(5), **single)


def test_single_precision_and_auto(pretended, zoo):
    odd = bn.Loss(bn.total(sympy.besselj(0, bn.weights("w")) ** 2))
    with pytest.raises(InvalidInputError, match="besselj"):
        bn.run(odd, bn.GD(lr=0.1), [0.1, 0.2], steps=1, dtype="float32")
    with pytest.raises(InvalidInputError, match="array functions run in float64 only"):
        bn.run(zoo("bn_neuron_logistic"), bn.GD(lr=0.1), steps=1, dtype="float32")
