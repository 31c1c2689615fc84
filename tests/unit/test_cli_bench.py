"""``bn-theory bench`` run small, its document against the schema, and bad input before any work."""

import json
import os
from functools import partial
from importlib.resources import files

import jsonschema
import pytest

from bn_theory import cli, engines
from bn_theory.bench import benchmark, references
from bn_theory.report import bench as report

SCHEMA = json.loads((files("bn_theory") / "schemas" / "bench.json").read_text())


@pytest.fixture
def call(call, monkeypatch):
    """``call(*arguments)`` of a ``bench`` with little to do returns exit code, stdout and stderr."""
    monkeypatch.setattr(engines, "unavailable", lambda name: None)
    return partial(call, "bench")


@pytest.fixture
def never(monkeypatch):
    """No work may be done."""

    def fail(*_, **__):
        raise AssertionError("the benchmark ran")

    monkeypatch.setattr(benchmark, "measure_roofline", fail)
    monkeypatch.setattr(benchmark, "measure", fail)


def figures(document):
    return {(r["workload"], r["engine"]): r for r in document["results"]}


def test_a_small_run_prints_figures_and_writes_a_valid_document(call, tmp_path, monkeypatch):
    find_spec = references.find_spec
    monkeypatch.setattr(references, "find_spec", lambda name: None if name == "torch" else find_spec(name))
    target = tmp_path / "bench.json"
    code, out, err = call(
        *("--engines", "numba", "numpy", "eager", "torch", "--workloads", "rayleigh_2", "neuron"),
        *("--scale", 0.002, "--json", target),
    )
    assert code == 0
    assert "rayleigh_2: " in err and "neuron: " in err
    document = json.loads(target.read_text())
    jsonschema.validate(document, SCHEMA, cls=jsonschema.Draft202012Validator)
    found = figures(document)
    assert set(found) == {
        *(("rayleigh_2", name) for name in ("numba", "numpy", "eager")),
        *(("neuron", name) for name in ("numpy", "eager")),
    }
    assert document["gpu"] is None and document["limits"]["gpu"] is None
    left = {(item["engine"], item["workload"]): item["reason"] for item in document["left_out"]}
    assert left["torch", None] == "torch is not installed" and "array functions" in left["numba", "neuron"]
    for (workload, engine), result in found.items():
        main, short, wide = (result["runs"][name] for name in ("main", "short", "wide"))
        assert len(main["seconds"]) == benchmark.QUICK.repeats
        assert (result["share_of_limit"] is None) == (workload == "neuron")
        if engine == "eager":
            assert short is wide is result["growth"]["time_steps"] is None
            assert result["ratio_to_fastest_reference"] == {"median": 1.0, "low": 1.0, "high": 1.0}
        else:
            assert main["steps"] == 10 * short["steps"] and wide["replicas"] == 10 * main["replicas"]
        # the document carries what its figures are made of
        work = result["coordinates"] * main["replicas"] * main["steps"]
        assert result["coordinate_steps_per_second"]["high"] == work / min(main["seconds"])
        baseline = found[workload, "numpy"]["runs"]["main"]
        ratios = sorted(
            main["steps"] / a / (baseline["steps"] / b)
            for a, b in zip(main["seconds"], baseline["seconds"], strict=True)
        )
        # four roundings on the one way, as many on the other
        assert result["ratio_to_numpy"]["median"] == pytest.approx(ratios[1], rel=1e-14)
    for text in ("GFMA/s", "GB/s", "Left out", "torch is not installed", "eager*", "rayleigh_2"):
        assert text in out
    assert os.listdir(tmp_path) == ["bench.json"]


def test_an_unknown_engine_or_workload_costs_one_line(call, never):
    for option, wrong, right in (
        ("--engines", "nupmy", "numpy"),
        ("--engines", "jaxbits", "jax_bits"),
        ("--workloads", "rayleigh_9", "rayleigh_"),
        ("--workloads", "bilinaer", "bilinear"),
    ):
        code, out, err = call(option, wrong)
        assert code == 2 and out == ""
        last = err.strip().splitlines()[-1]
        assert wrong in last and f"did you mean {right}" in last


@pytest.mark.parametrize("scale", ["0", "-1", "nan", "inf", "fast"])
def test_a_scale_is_a_positive_number(call, never, scale):
    code, _, err = call("--scale", scale)
    assert code == 2 and "not a number above 0" in err


def test_a_target_that_cannot_be_written_is_found_before_the_run(call, never, tmp_path):
    code, out, err = call("--json", tmp_path / "absent" / "bench.json")
    assert code == 2 and out == "" and len(err.splitlines()) == 1 and "does not exist" in err


def test_nothing_to_run_is_bad_input(call, never, monkeypatch):
    monkeypatch.setattr(references, "find_spec", lambda name: None)
    code, out, err = call("--engines", "jax", "torch")
    assert code == 2 and out == ""
    assert "nothing to run: jax: jax is not installed; torch: torch is not installed" in err


def test_an_interrupted_run_leaves_no_file(call, tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(benchmark, "measure", interrupt)
    target = tmp_path / "bench.json"
    target.write_text("before")
    code, _, _ = call("--engines", "numpy", "--workloads", "gd", "--scale", 0.001, "--json", target)
    assert code == cli.INTERRUPTED and target.read_text() == "before" and os.listdir(tmp_path) == ["bench.json"]


def test_help_names_everything(call):
    code, out, _ = call("--help")
    assert code == 0
    for name in ("numba", "eager_cupy", "jax_gpu_bits", "rayleigh_4096", "--full", "--scale"):
        assert name in out


def test_the_schema_rejects_what_it_should():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    peak = jsonschema.Draft202012Validator(SCHEMA["$defs"]["run"]["properties"]["peak"])
    assert peak.is_valid({"bytes": 0, "reason": None}) and peak.is_valid({"bytes": None, "reason": "no"})
    assert not peak.is_valid({"bytes": None, "reason": None}) and not peak.is_valid({"bytes": 1, "reason": "no"})
    assert SCHEMA["properties"]["schema"]["const"] == report.SCHEMA
