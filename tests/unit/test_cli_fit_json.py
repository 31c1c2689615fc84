"""``bn-theory fit --json``: what the document holds, and that it is written whole or not at all."""

import hashlib
import json
import math
import os

import numpy as np
import pytest

import bn_theory as bn
from bn_theory import provenance
from bn_theory.report.fit import FITTED, OPTIONS
from bn_theory.report.read import read_document

FAMILY = ("--family", "power_law_rayleigh", "--s", "1", "--d", "40", "--method", "gd", "--rate", "1")
NUMPY = ("--engine", "numpy", "--steps", "3000")


@pytest.fixture
def fit(call, tmp_path):
    """``fit(*arguments)`` of ``bn-theory fit --json`` returns exit code, the document read back, stdout and stderr."""

    def run(*arguments):
        code, out, err = call("fit", *arguments, "--json", tmp_path / "fit.json")
        return code, read_document(tmp_path / "fit.json", ["fit"]), out, err

    return run


def numbers(value):
    """All leaves of plain values."""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return [value] if items is None else [leaf for item in items for leaf in numbers(item)]


def table(path, n=40):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 3))
    rows = np.c_[X, X @ [1, 2, 3] + rng.standard_normal(n)]
    np.savetxt(path, rows, delimiter=",", header="a,b,c,y", comments="")
    return path


def test_a_fit_is_the_one_that_the_library_makes(fit):
    code, document, out, _ = fit(*FAMILY, *NUMPY)
    assert code == 0 and document["exit"] == {"code": 0, "meaning": "a power law was fitted"}
    assert document["package"] == provenance.package()
    assert document["environment"] == provenance.environment() | {"engine": "numpy"}
    assert document["fitted"] == FITTED and document["zero_from"] is None
    loss = bn.power_law_rayleigh(1.0, d=40)
    runs = bn.run(loss, bn.GD(lr=bn.Power(1.0, 0.0)), steps=3000, engine="numpy")
    expected = bn.fit_exponent(runs.grad_norm2.isel(step=slice(1, None)))
    found = document["result"]["fit"]
    assert document["result"]["outcome"] == "fit" and document["loss"] == loss.name
    assert document["expression"] == runs.attrs["expression"]
    for name in ("exponent", "stat", "sys", "amplitude", "model", "models", "n_records", "n_replicas", "confidence"):
        assert found[name] == getattr(expected, name), name
    assert (tuple(found["interval"]), tuple(found["window"])) == (expected.interval, expected.window)
    for name in ("t", "value", "band"):
        assert found["local_exponents"][name] == getattr(expected.local_exponents, name).tolist()
    # the text speaks of the root
    assert float(out.split("at unit norm: ")[1].split()[0]) == pytest.approx(found["exponent"] / 2, abs=5e-6)
    assert out.splitlines()[0] == f"by      {provenance.described()}"


def test_options_are_all_that_determine_the_run_and_none_that_do_not_apply(fit):
    more = ("--window", "10", "inf", "--seed", 2**64 - 1, "--min-decades", "2")
    _, document, _, _ = fit(*FAMILY, *NUMPY, *more)
    options = document["options"]
    assert set(options) == set(OPTIONS)
    assert options["window"] == [10.0, "inf"] and options["seed"] == 2**64 - 1
    assert (options["family"], options["s"], options["d"], options["rate"]) == ("power_law_rayleigh", 1.0, 40, 1.0)
    unused = ("csv", "target", "sigma", "parts", "gamma_rate", "log_power")
    assert [options[name] for name in unused] == [None] * len(unused)
    _, document, _, _ = fit("--family", "rayleigh", "--d", "4", "--replicas", "8", *NUMPY)
    options = document["options"]
    assert (options["sigma"], options["replicas"], options["s"], options["gamma_rate"]) == (1.0, 8, None, None)


def test_a_data_file_is_named_by_its_content(fit, tmp_path):
    path = table(tmp_path / "d.csv")
    code, document, _, _ = fit("--csv", path, "--target", "y", "--replicas", "8", "--steps", "3000")
    assert code in (0, 3)  # what 8 replicas show of an exponent is not the point here
    assert document["options"]["csv"] == {
        "path": str(path),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    assert document["options"]["target"] == "y" and document["options"]["family"] is None
    # asked for was "auto", which for array functions is the readable engine
    assert (document["options"]["engine"], document["environment"]["engine"]) == ("auto", "numpy")


def test_a_refusal_says_why_with_what_could_be_fitted(fit):
    code, document, out, _ = fit("--family", "least_squares_bn", "--d", "3", "--method", "gd", *NUMPY)
    result = document["result"]
    assert code == document["exit"]["code"] == 3 and result["outcome"] == "refused"
    assert f"no power law ({result['reason']}): {result['message']}" in out
    assert result["partial"]["exponent"] < 0 and "fit" not in result


def test_too_few_records_leave_nothing_to_quote(fit):
    code, document, _, _ = fit(*FAMILY, "--engine", "numpy", "--steps", "3")
    assert code == 3 and document["result"]["reason"] == "too_few_records" and document["result"]["partial"] is None


@pytest.fixture
def zero_from(monkeypatch):
    """``zero_from(step)``: gradients are exactly 0 from that step on."""
    run = bn.run

    def install(step):
        def cut(*arguments, **keywords):
            found = run(*arguments, **keywords)
            return found.assign(grad_norm2=found.grad_norm2.where(found.step < step, 0.0))

        monkeypatch.setattr(bn, "run", cut)

    return install


def test_a_gradient_that_is_zero_from_the_start(fit, zero_from, tmp_path):
    zero_from(1)
    code, document, out, err = fit(*FAMILY, *NUMPY, "--png", tmp_path / "out.png")
    assert code == 3 and document["zero_from"] == 1
    assert document["result"]["reason"] == "zero_gradient" and document["result"]["partial"] is None
    assert "no power law (zero_gradient): the gradient is exactly 0 from the first step on" in out
    assert "nothing to draw" in err and os.listdir(tmp_path) == ["fit.json"]


def test_what_comes_before_a_zero_is_fitted_and_the_step_is_told(fit, zero_from):
    zero_from(2000)
    code, document, out, _ = fit(*FAMILY, *NUMPY, "--min-decades", "2")
    assert code == 0 and 2000 <= document["zero_from"] < 3000
    assert f"from step {document['zero_from']} on the gradient is exactly 0" in out
    assert document["result"]["fit"]["window"][1] < 2000


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # it overflows: that is the point
def test_a_divergence_is_a_result(fit):
    arguments = ("--family", "least_squares_bn", "--d", "3", "--method", "gd", "--gamma-rate", "3")
    code, document, _, err = fit(*arguments, *NUMPY)
    result = document["result"]
    assert code == document["exit"]["code"] == 1 and result["outcome"] == "diverged"
    assert err == f"bn-theory: {result['message']}\n"
    assert f"at step {result['step']} " in result["message"] and result["replica"] == 0


def test_everything_in_it_is_plain_and_finite_or_said(fit):
    _, document, _, _ = fit(*FAMILY, *NUMPY)
    assert all(not isinstance(x, float) or math.isfinite(x) for x in numbers(document))


# --- targets ---


@pytest.mark.parametrize("where", [".", "absent/fit.json"])
def test_a_target_that_cannot_be_written_is_found_before_the_run(call, tmp_path, monkeypatch, where):
    monkeypatch.setattr(bn, "run", None)
    code, out, err = call("fit", *FAMILY, *NUMPY, "--json", tmp_path / where)
    assert (code, out) == (2, "") and err.startswith("bn-theory: cannot write") and err.count("\n") == 1


def test_two_targets_of_one_name_are_refused(call, tmp_path, monkeypatch):
    monkeypatch.setattr(bn, "run", None)
    code, out, err = call("fit", *FAMILY, *NUMPY, "--json", tmp_path / "x", "--png", tmp_path / "x")
    assert (code, out) == (2, "") and "give two names" in err


def test_a_failed_write_costs_no_text_and_no_file(call, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    target = tmp_path / "fit.json"
    target.write_text("old")
    monkeypatch.setattr(os, "replace", fail)
    code, out, err = call("fit", *FAMILY, *NUMPY, "--json", target)
    assert code == 2 and "exponent of the gradient norm" in out and "No space left" in err
    assert target.read_text() == "old" and os.listdir(tmp_path) == ["fit.json"]


def test_bad_input_leaves_no_document(call, tmp_path):
    code, _, err = call("fit", *FAMILY, *NUMPY, "--window", "1e7", "1e8", "--json", tmp_path / "fit.json")
    assert code == 2 and "holds no record" in err and os.listdir(tmp_path) == []


def test_data_that_cannot_be_read_again_cannot_be_named(call, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    arguments = ("--target", "y", "--json", tmp_path / "fit.json")
    code, out, err = call("fit", "--csv", tmp_path / "pipe", *arguments)
    assert (code, out) == (2, "") and "is not a regular file" in err
    code, out, err = call("fit", "--csv", tmp_path / "absent.csv", *arguments)
    assert (code, out) == (2, "") and "there is no such file" in err


def test_the_document_is_strict_json(call, tmp_path):
    call("fit", *FAMILY, *NUMPY, "--window", "10", "inf", "--json", tmp_path / "fit.json")
    json.loads((tmp_path / "fit.json").read_text(), parse_constant=pytest.fail)


def test_the_families_of_the_schema_are_those_of_the_command():
    from bn_theory.cli.parser import FAMILIES
    from bn_theory.report.read import schema

    assert schema("fit")["properties"]["options"]["properties"]["family"]["enum"] == [*FAMILIES, None]
