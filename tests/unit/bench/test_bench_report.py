"""How the figures are shown."""

import json
from importlib.resources import files

import jsonschema
import pytest

from bn_theory.bench.benchmark import Benchmark, Settings
from bn_theory.bench.measure import ENGINE, REFERENCE, Contender, LeftOut, Measured, Run
from bn_theory.bench.memory import Peak
from bn_theory.bench.roofline import Limit, Roofline
from bn_theory.bench.summary import summarise
from bn_theory.report import bench as report
from bn_theory.report.tables import as_plain

SCHEMA = json.loads((files("bn_theory") / "schemas" / "bench.json").read_text())
ENVIRONMENT = {
    "processor": "A processor",
    "cores": 2,
    "cores_of_machine": 2,
    "load_before": 0.1,
    "system": "Linux",
    "python": "3.12",
    "versions": {"numpy": "2"},
    "date": "2026-01-02T03:04:05+00:00",
}
GPU = {
    "name": "A device",
    "memory_bytes": 1,
    "compute_capability": "9.0",
    "driver": None,
    "cuda_of_driver": "13.0",
    "cuda_of_runtime": "13.0",
    "cupy": "14.0",
}
CPU_LIMITS = Roofline(Limit(5e10, 1e9, (0.02,), 2, 4), Limit(3e10, 1e9, (1 / 30,), 2, 1))


def benchmark(gpu=None, gpu_limits=None):
    seconds, peak = (1.0, 2.0), Peak(3 * 2**20)
    items = [
        Measured("gd", Contender("numba", ENGINE), 10, Run(100, 4, seconds, peak), Run(10, 4, seconds, peak), None),
        Measured("gd", Contender("jax", REFERENCE), 10, Run(50, 4, seconds, Peak(None, "unknown")), None, None),
    ]
    rows = summarise(items, lambda m: 8000.0)
    left = (LeftOut("torch", None, "torch is not installed"), LeftOut("jax_bits", "gd", "the same"))
    settings = Settings(("numba", "jax", "torch", "jax_bits"), ("gd",))
    return Benchmark(settings, dict(ENVIRONMENT), gpu, CPU_LIMITS, gpu_limits, tuple(rows), left, 3.5)


def test_rows_say_what_was_measured():
    table = report.rows(benchmark())
    names = [column.lstrip(">") for column in table.columns]
    numba, jax = (dict(zip(names, row, strict=True)) for row in table.rows)
    # 10 coordinates x 4 replicas x 100 steps in 1 and 2 s
    assert numba["coordinate-steps/s"] == "3e+03" and numba["ns"] == "3.75e+05"
    assert numba["x fastest *"] == "2" and numba["x numpy"] == "-"
    assert numba["of limit"] == "37.5 %" and numba["peak MiB"] == "3.0"
    assert numba["time 10T"] == "1" and numba["time 10R"] == numba["memory 10R"] == "-"
    assert jax["engine"] == "jax*" and jax["x fastest *"] == "1" and jax["peak MiB"] == "-"
    assert jax["memory 10T"] == "-"


def test_what_was_left_out_is_shown():
    text = as_plain(report.left_out(benchmark()))
    assert "torch     all       torch is not installed" in text and "jax_bits  gd        the same" in text


def test_limits_name_the_device_only_where_it_took_part():
    assert report.limits(benchmark()).count("\n") == 0
    assert "50.0 GFMA/s in float64 (2 threads of 4 lanes), 30.0 GB/s (A processor)" in report.limits(benchmark())
    both = report.limits(benchmark(GPU, CPU_LIMITS))
    assert "A device" in both.splitlines()[1] and "50 GFMA/s" in both.splitlines()[1]


@pytest.mark.parametrize(("load", "words"), [(None, None), (0.1, None), (2.7, "load average 2.7")])
def test_a_busy_machine_is_told(load, words):
    found = benchmark()
    found.environment["load_before"] = load
    text = report.disturbance(found)
    assert text is words is None or words in text


def test_documents_with_and_without_a_device_are_valid():
    for found in (benchmark(), benchmark(GPU, CPU_LIMITS)):
        document = report.document(found, {"name": "bn_theory", "version": "1", "commit": None})
        jsonschema.validate(document, SCHEMA, cls=jsonschema.Draft202012Validator)
        assert [r["fastest_reference"] for r in document["results"]] == ["jax", "jax"]
