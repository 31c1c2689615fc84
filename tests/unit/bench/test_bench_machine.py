"""The description of machine and device."""

import sys
from types import SimpleNamespace

import pytest

from bn_theory.bench import machine


def test_the_environment_names_what_is_installed(monkeypatch):
    monkeypatch.setattr(machine, "LIBRARIES", ("numpy", "a-library-that-nobody-has"))
    found = machine.environment(0.25)
    assert list(found["versions"]) == ["numpy"]
    assert found["load_before"] == 0.25
    assert found["processor"] and found["cores"] >= 1 and found["date"].endswith("+00:00")


def test_a_system_that_counts_no_load(monkeypatch):
    assert machine.load() is None or machine.load() >= 0.0
    monkeypatch.delattr(machine.os, "getloadavg", raising=False)
    assert machine.load() is None


@pytest.mark.parametrize("text", ["NVRM version: NVIDIA 580.1\nGCC version: 13\n", None])
def test_the_device_is_described_as_cupy_tells_it(monkeypatch, tmp_path, text):
    runtime = SimpleNamespace(
        getDeviceProperties=lambda number: {"name": b"A device", "totalGlobalMem": 5, "major": 9, "minor": 0},
        driverGetVersion=lambda: 13010,
        runtimeGetVersion=lambda: 12040,
    )
    cuda = SimpleNamespace(runtime=runtime, Device=lambda: SimpleNamespace(id=0))
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(cuda=cuda, __version__="14.0"))
    monkeypatch.setattr(machine, "_DRIVER", tmp_path / "version")
    if text is not None:
        (tmp_path / "version").write_text(text)
    assert machine.gpu() == {
        "name": "A device",
        "memory_bytes": 5,
        "compute_capability": "9.0",
        "driver": None if text is None else "NVRM version: NVIDIA 580.1",
        "cuda_of_driver": "13.1",
        "cuda_of_runtime": "12.4",
        "cupy": "14.0",
    }
