"""The README's test file for somebody else's project: run as it stands, and with a loss for which it must fail."""

import json
from pathlib import Path

import jsonschema
import pytest

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "bn_theory" / "schemas" / "pytest.json").read_text(encoding="utf-8"))
FIRST = "# test_my_loss.py\n"
LOSS = "w[0] ** 2 / (w @ w)"
# by its module's name, so that it is the checkout's and comes once, whatever is installed
PLUGIN = ("-p", "no:bn_theory", "-p", "bn_theory.pytest_plugin", "-p", "no:cacheprovider", "-p", "no:nbmake")


@pytest.fixture(scope="module")
def text():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = [rest.partition("```")[0] for rest in readme.split("```python\n")[1:] if rest.startswith(FIRST)]
    return block


@pytest.fixture
def run(pytester):
    """``run(text)`` gives pytest's result and the report."""

    def go(text):
        (pytester.path / "test_my_loss.py").write_text(text, encoding="utf-8")
        done = pytester.runpytest_subprocess(
            *PLUGIN, "--strict-markers", "-p", "no:xdist", "--theorem-report", "theorems.json"
        )
        document = json.loads((pytester.path / "theorems.json").read_text(encoding="utf-8"))
        jsonschema.validate(document, SCHEMA)
        return done, document

    return go


def test_it_passes(text, run):
    done, document = run(text)
    tests = {test["nodeid"]: test for test in document["tests"]}
    done.assert_outcomes(passed=len(tests))
    assert text.count("assert_") - text.partition("def ")[0].count("assert_") == sum(
        len(test["evidence"]) for test in tests.values()
    )
    assert all(e["verdict"] == "supported" for test in tests.values() for e in test["evidence"])
    assert {slug for test in tests.values() for slug in test["statements"]}
    done.stdout.fnmatch_lines(["*= theorem evidence =*", "arora2019.* supported *", "theorem report written to *"])


@pytest.mark.parametrize("wrong", ["w[0] ** 2", "w[0] ** 2 / (w @ w + 1e-9)", "w[0] ** 2 / (w @ w) ** 1.0000001"])
def test_it_fails_where_the_loss_is_not_scale_invariant(text, run, wrong):
    assert text.count(LOSS) == 1
    done, document = run(text.replace(LOSS, wrong))
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines(["*f(c w) = f(w): contradicted"])
    assert "contradicted" in [e["verdict"] for test in document["tests"] for e in test["evidence"]]
    assert any(test["outcome"] == "failed" for test in document["tests"])
