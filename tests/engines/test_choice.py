"""Which engine is taken, and what a machine without a GPU says."""

import warnings

import numpy as np
import pytest

import bn_theory as bn
from bn_theory import engines
from bn_theory.cli import main
from bn_theory.engines import cupy_
from bn_theory.errors import DeviceError, EngineWarning, InvalidInputError, RoundingFloorError, UnknownNameError


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
    monkeypatch.setitem(__import__("sys").modules, "cupy", Broken)
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


class Pretending:
    """The readable engine, taken for one of single precision: its steps are judged by the floor all the same."""

    name = "pretending"
    dtypes = ("float32",)

    def refuses(self, loss):
        return None

    def run(self, problem):
        return engines.engine_named("numpy").run(problem)


def test_a_rate_below_the_floor_is_refused_before_the_run(monkeypatch, zoo):
    monkeypatch.setattr("bn_theory.simulate.choose", lambda *arguments: Pretending())
    start = np.ones(5) / np.sqrt(5)
    with pytest.raises(RoundingFloorError, match=r"learning rate 1e-08: .* below the floor 2\^-24 .*float64"):
        bn.run(zoo("rayleigh"), bn.GD(lr=1e-8), start, steps=1, dtype="float32")
    with pytest.raises(RoundingFloorError, match="first step"):
        bn.run(zoo("rayleigh"), bn.GD(lr=[0.1, 1e-8]), start, steps=1, dtype="float32")
    bn.run(zoo("rayleigh"), bn.GD(lr=1e-3), start, steps=1, dtype="float32")


def test_a_run_that_comes_to_the_floor_is_refused_with_its_records(monkeypatch, zoo):
    monkeypatch.setattr("bn_theory.simulate.choose", lambda *arguments: Pretending())
    with pytest.raises(RoundingFloorError, match=r"from step \d+ on .* below 2\^-24") as caught:
        bn.run(zoo("rayleigh"), bn.GD(lr=1.0), np.ones(5), steps=10_000, dtype="float32")
    assert caught.value.dataset.sizes["step"] > 20
    # In double precision nobody minds.
    bn.run(zoo("rayleigh"), bn.GD(lr=1.0), np.ones(5), steps=10_000, engine="numpy")
    # Noise keeps the steps long.
    bn.run(zoo("rayleigh_signs"), bn.SGD(lr=1.0), np.ones(5), steps=1000, dtype="float32")
