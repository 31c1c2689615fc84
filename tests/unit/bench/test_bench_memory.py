"""Peaks of memory, where the system tells them, and reasons where it does not."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from bn_theory.bench import memory
from bn_theory.bench.memory import RESOLUTION, Peak, growth

SIZE = 2**26


def test_the_peak_is_seen_although_the_memory_is_free_again():
    called = []

    def call():
        called.append(np.ones(SIZE // 8).sum())

    # twice: memory that was freed by the first call must not hide what the second one takes
    for peak in (memory.peak_resident(call), memory.peak_resident(call)):
        if memory._CLEAR.exists():
            # nothing else runs: the array, and what the system counts late
            assert SIZE - RESOLUTION <= peak.bytes <= SIZE + 8 * RESOLUTION and peak.reason is None
        else:
            assert peak.bytes is None and peak.reason
    assert len(called) == 2


def test_a_call_that_takes_nothing_has_no_peak():
    peak = memory.peak_resident(lambda: None)
    assert peak.bytes is None or peak.bytes <= RESOLUTION


@pytest.mark.parametrize("missing", ["_CLEAR", "_STATUS"])
def test_where_the_system_does_not_tell_there_is_a_reason_and_the_call_is_made(monkeypatch, tmp_path, missing):
    (tmp_path / "clear").touch()
    monkeypatch.setattr(memory, "_CLEAR", tmp_path / "clear")  # a file that can be written
    monkeypatch.setattr(memory, missing, tmp_path / "absent" / "file")
    called = []
    peak = memory.peak_resident(lambda: called.append(1))
    assert peak.bytes is None and "absent" in peak.reason and called == [1]


def test_a_status_without_the_mark_is_a_reason(monkeypatch, tmp_path):
    (tmp_path / "status").write_text("VmRSS:  12 kB\n")
    monkeypatch.setattr(memory, "_CLEAR", tmp_path / "clear")
    monkeypatch.setattr(memory, "_STATUS", tmp_path / "status")
    assert "VmHWM" in memory.peak_resident(lambda: None).reason


def test_the_pool_s_peak_is_what_a_call_has_in_use_at_once(monkeypatch):
    hooks = []

    class MemoryHook:
        def __enter__(self):
            hooks.append(self)
            return self

        def __exit__(self, *_):
            hooks.remove(self)

    def call():
        (hook,) = hooks
        for action, address, size in (
            ("free", 9, 1000),  # from before the call
            ("malloc", 1, 100),
            ("malloc", 2, 50),
            ("free", 1, 100),
            ("malloc", 3, 70),
        ):
            getattr(hook, f"{action}_postprocess")(device_id=0, size=size, mem_size=size, mem_ptr=address, pmem_id=0)

    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(cuda=SimpleNamespace(MemoryHook=MemoryHook)))
    assert memory.peak_pool(call) == Peak(150) and hooks == []


def test_growth_counts_in_units_of_the_resolution():
    assert growth(Peak(2 * RESOLUTION), Peak(5 * RESOLUTION)) == 2.5
    assert growth(Peak(0), Peak(RESOLUTION // 2)) == 1.0
    assert growth(Peak(0), Peak(3 * RESOLUTION)) == 3.0
    assert growth(None, Peak(1)) is growth(Peak(1), None) is growth(Peak(None, "no"), Peak(1)) is None
