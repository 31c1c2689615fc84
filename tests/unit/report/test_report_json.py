"""JSON documents: strictly valid, faithful, and as their schema says."""

import json
import math
from dataclasses import dataclass
from importlib.resources import files

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_documents import edited

from bn_theory.report.json_ import as_bytes, plain, verify_document
from bn_theory.report.verification import NotRun, Verification
from bn_theory.theorems import evidence as judge
from bn_theory.theorems.statement import Result, Settings, Source, Statement

SCHEMA = json.loads((files("bn_theory") / "schemas" / "verify.json").read_text())


def refuse(constant):
    raise AssertionError(f"{constant} is not JSON")


def parse(document):
    return json.loads(as_bytes(document), parse_constant=refuse)


@dataclass(frozen=True)
class Pair:
    low: float
    high: object


def test_everything_that_results_hold_becomes_plain():
    value = {
        "array": np.arange(4.0).reshape(2, 2),
        "scalar": np.float32(0.5),
        "whole": np.int64(3),
        "truth": np.bool_(True),
        "text": np.str_("x"),
        "pair": Pair(1.0, np.array([np.inf, np.nan])),
        "set": {"b", "a"},
        7: (None, -math.inf),
        "type": Pair,
    }
    assert parse(value) == {
        "array": [[0.0, 1.0], [2.0, 3.0]],
        "scalar": 0.5,
        "whole": 3,
        "truth": True,
        "text": "x",
        "pair": {"low": 1.0, "high": ["inf", "nan"]},
        "set": ["a", "b"],
        "7": [None, "-inf"],
        "type": str(Pair),
    }
    types = {type(value) for value in plain(value).values()}
    assert types <= {list, float, int, bool, str, dict}


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.floats().map(np.float64)
values = st.recursive(leaves, lambda v: st.lists(v, max_size=4) | st.dictionaries(st.text(), v, max_size=4))


@given(values)
def test_any_nested_value_is_strictly_valid_and_plain_once_is_plain(value):
    once = plain(value)
    assert parse(value) == once == plain(once)


@given(st.floats())
def test_non_finite_numbers_can_be_read_back(x):
    back = float(plain(x))
    assert back == x or (math.isnan(x) and math.isnan(back))


PACKAGE = {"name": "bn_theory", "version": "1", "commit": None}


def made(slug="arora2019.norm_growth"):
    return Statement(slug, "A title", Source("A paper", "Theorem 1", "paper"), lambda _: ())


def verification():
    evidence = (
        judge.identity("identity", np.float64(1e-17), 1e-16),
        judge.bound("bound", np.inf),
        judge.exponent("exponent", (np.float64(-0.501), -0.499), -0.5, 0.002, 0.002, rates=np.array([0.1, 1.0])),
        judge.amplitude("amplitude", (np.nan, np.nan), 0.01),
    )
    ran = Result(made(), evidence, (judge.Outside("rate 100", "no burn-in"),), 1.5)
    return Verification(
        Settings("full", 2**64 - 1, "numpy"), (ran, NotRun(made("arora2019.networks"), "needs torch")), 2.5
    )


def test_the_document_of_a_verification_is_as_the_schema_says():
    document = parse(verify_document(verification(), PACKAGE, {"python": "3"}))
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(document, SCHEMA)
    assert document["verdict"] == "contradicted"
    assert (document["profile"], document["seed"], document["seconds"]) == ("full", 2**64 - 1, 2.5)
    first, second = document["statements"]
    assert first["source"] == {"paper": "A paper", "statement": "Theorem 1", "origin": "paper"}
    assert first["outside"] == [{"case": "rate 100", "reason": "no burn-in"}]
    assert [e["measured"] for e in first["evidence"]] == [1e-17, "inf", -0.5, "nan"]
    assert first["evidence"][2]["details"]["rates"] == [0.1, 1.0]
    assert second["verdict"] == "not run" and second["not_run"] == "needs torch" and second["evidence"] == []


def broken(path, value):
    return edited(verify_document(verification(), PACKAGE, {}), path, value)


@pytest.mark.parametrize(
    "path, value",
    [
        (["schema"], "bn-theory.verify/1"),
        (["verdict"], "proved"),
        (["seed"], -1),
        (["environment"], ...),
        (["environment", "engine_used"], ...),
        (["statements", 0, "source", "origin"], "rumour"),
        (["statements", 0, "verdict"], "not run"),
        (["statements", 1, "not_run"], ...),
        (["statements", 0, "evidence", 0, "kind"], "guess"),
        (["statements", 0, "evidence", 0, "measured"], "many"),
        (["statements", 0, "evidence", 2, "interval"], [0.0]),
        (["statements", 0, "evidence", 0, "extra"], 1),
    ],
)
def test_the_schema_refuses_what_is_not_a_verification(path, value):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken(path, value), SCHEMA)
