"""The machine's limit: what is compiled is what is counted."""

import platform
import re

import pytest
from llvmlite import binding

from bn_theory.bench import roofline
from bn_theory.bench.roofline import ACCUMULATORS, SWEEPS, Limit, Roofline

WIDTH = roofline.lanes()


def test_the_kernel_is_a_loop_of_packed_fused_multiply_adds():
    (code,) = roofline.fma_kernel(WIDTH).inspect_asm().values()
    if platform.machine().lower() in ("arm64", "aarch64"):
        packed = re.findall(r"fmla.*\.2d", code)
    elif binding.get_host_cpu_features().get("fma"):
        packed = re.findall(rf"vfmadd\d+pd.*%{'zmm' if WIDTH == 8 else 'ymm'}", code)
    else:
        packed = re.findall("v?mulpd", code)
    # One turn of the loop, neither folded away nor split; a compiler may unroll it further.
    assert len(packed) >= ACCUMULATORS * SWEEPS and len(packed) % (ACCUMULATORS * SWEEPS) == 0


def test_the_registers_are_as_wide_as_the_machine_s():
    features = binding.get_host_cpu_features()
    widest = 8 if features.get("avx512f") else 4 if features.get("avx") else 2
    assert widest == WIDTH


@pytest.mark.parametrize("turns", [0, 1, 3])
def test_the_kernel_computes_what_it_says(turns):
    # Halving and adding 1 is exact for the 12 steps of three turns; so is the sum of all lanes.
    sums = [0.5 * i for i in range(ACCUMULATORS)]
    for _ in range(turns * SWEEPS):
        sums = [0.5 * s + 1.0 for s in sums]
    assert roofline.fma_kernel(WIDTH)(turns, 0.5, 1.0) == WIDTH * sum(sums)


def test_limits_are_amounts_over_the_fastest_trial():
    found = roofline.measure_roofline(scale=0.01)
    for limit in (found.fma, found.triad):
        assert limit.per_second == limit.amount / min(limit.seconds)
        assert limit.threads == roofline.cores()
    assert (len(found.fma.seconds), len(found.triad.seconds)) == (roofline.TRIALS, roofline.STREAMS)
    assert found.fma.amount % (WIDTH * ACCUMULATORS * SWEEPS * found.fma.threads) == 0
    assert found.triad.amount % 24 == 0


def test_of_two_measurements_the_higher_limit_counts_each_for_itself():
    low, high = Limit(1.0, 1.0, (1.0,), 1, 1), Limit(2.0, 1.0, (0.5,), 1, 1)
    assert roofline.faster(Roofline(low, high), Roofline(high, low)) == Roofline(high, high)


def test_the_last_cache_is_read_where_the_system_tells_it(monkeypatch, tmp_path):
    for index, size in enumerate(("32K", "1M", "nonsense")):
        (tmp_path / f"index{index}").mkdir()
        (tmp_path / f"index{index}" / "size").write_text(size + "\n")
    monkeypatch.setattr(roofline, "Path", lambda _: tmp_path)
    assert roofline.last_cache_bytes() == 2**20
    monkeypatch.setattr(roofline, "Path", lambda _: tmp_path / "absent")
    assert roofline.last_cache_bytes() == 2**25
