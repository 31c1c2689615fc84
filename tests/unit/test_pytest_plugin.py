"""The pytest plugin in projects of its own, each run in a process as a user would run it."""

import configparser
import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

import bn_theory as bn

PACKAGE = Path(bn.__file__).parent
SCHEMA = json.loads((PACKAGE / "schemas" / "pytest.json").read_text(encoding="utf-8"))
# by its module's name, so that it is the checkout's and comes once, whatever is installed
PLUGIN = ("-p", "no:bn_theory", "-p", "bn_theory.pytest_plugin", "-p", "no:cacheprovider", "-p", "no:nbmake")


@pytest.fixture
def run(pytester):
    """``run(*options)`` of pytest with the plugin, in this test's folder."""
    return lambda *options: pytester.runpytest_subprocess(*PLUGIN, *options)


@pytest.fixture
def report(pytester):
    """``report()``, the document that was written, valid by the schema."""

    def read(name="out.json"):
        document = json.loads((pytester.path / name).read_text(encoding="utf-8"))
        jsonschema.validate(document, SCHEMA)
        return document

    return read


def by_name(document):
    return {test["nodeid"].partition("::")[2]: test for test in document["tests"]}


# --- loading ---


def test_the_entry_point():
    config = configparser.ConfigParser()
    config.read(PACKAGE.parent / "setup.cfg", encoding="utf-8")
    assert config["options.entry_points"]["pytest11"].split() == ["bn_theory", "=", "bn_theory.pytest_plugin"]


HEAVY = ("numpy", "sympy", "scipy", "numba", "xarray", "torch", "matplotlib", "rich", "proofs_check")
MODULES = (
    "import sys; print('LOADED', *sorted("
    f"m for m in sys.modules if m.split('.')[0] in {(*HEAVY, 'bn_theory')!r} and '.' not in "
    "m.removeprefix('bn_theory.')))"
)


def test_loading_imports_nothing():
    code = f"import bn_theory.pytest_plugin; {MODULES}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert done.stdout.split() == ["LOADED", "bn_theory", "bn_theory.pytest_plugin"]


def test_a_project_that_does_not_use_it_does_not_pay(pytester, run):
    pytester.makeconftest(f"def pytest_unconfigure():\n    {MODULES}")
    pytester.makepyfile("def test_it():\n    assert True\n\ndef test_wrong():\n    assert False")
    done = run("-p", "no:xdist")
    done.assert_outcomes(passed=1, failed=1)
    (loaded,) = [line.split()[1:] for line in done.outlines if line.startswith("LOADED")]
    # what keeps a test's evidence, which needs the standard library only
    assert set(loaded) == {"bn_theory", "bn_theory.errors", "bn_theory.pytest_plugin", "bn_theory.theorems"}
    assert not any("theorem evidence" in line for line in done.outlines)


# --- a project ---

PROJECT = """
    import math
    import numpy as np
    import pytest
    from bn_theory.testing import assert_bound, assert_exponent, assert_scale_invariant
    from bn_theory.theorems import evidence

    t = np.geomspace(100, 1e6, 40)

    @pytest.mark.theorem("arora2019.gd_rate")
    def test_rate():
        assert_exponent(t, t**-0.5, -0.5, 0.01, name="my rate")

    @pytest.mark.theorem("arora2019.orthogonality", claim="my loss")
    def test_not_invariant():
        assert_bound(1.0, 2.0)
        assert_scale_invariant(lambda w: w @ w, np.ones(3))

    @pytest.mark.theorem(claim="said in words")
    @pytest.mark.parametrize("x", [1, 2])
    def test_claim(theorem_evidence, x):
        found = evidence.measurement("a b", (x, math.inf), table=np.arange(2), text="\\u00e9")
        assert theorem_evidence.add(found) is found
        theorem_evidence.add(found, statement="li2020.toy")
        assert theorem_evidence.evidence[0] == found

    def test_unmarked():
        assert_bound([1.0, 1.0], [1.0, 3.0], slack=0.0)

    def test_of_something_else():
        assert True

    @pytest.mark.theorem("arora2019.descent")
    @pytest.mark.skip(reason="later")
    def test_skipped():
        pass

    @pytest.mark.theorem("arora2019.descent")
    @pytest.mark.xfail(strict=False)
    def test_expected_to_fail():
        assert_bound(2.0, 1.0)

    @pytest.mark.theorem("arora2019.descent")
    @pytest.mark.xfail(strict=False)
    def test_passes_all_the_same():
        assert_bound(1.0, 1.0)

    @pytest.fixture
    def breaks():
        assert_bound(0.5, 1.0, name="before it broke")
        raise ValueError("in setup")

    @pytest.fixture
    def late():
        yield
        assert_bound(0.5, 1.0, name="in teardown")
        raise ValueError("in teardown")

    @pytest.mark.theorem("arora2019.descent")
    def test_setup(breaks):
        pass

    @pytest.mark.theorem("arora2019.descent")
    def test_teardown(late):
        pass

    @pytest.mark.theorem("li2020.toy")
    class TestClass:
        def test_inherits(self):
            assert_bound(0.0, 1.0)

        @pytest.mark.theorem("li2020.texp")
        def test_own(self):
            assert_bound(0.0, 1.0)

    def test_subtests(subtests):
        for x in (1.0, 3.0):
            with subtests.test(x=x):
                assert_bound(x, 2.0)
"""
OUTCOMES = {
    "test_rate": "passed",
    "test_not_invariant": "failed",
    "test_claim[1]": "passed",
    "test_claim[2]": "passed",
    "test_unmarked": "passed",
    "test_skipped": "skipped",
    "test_expected_to_fail": "xfailed",
    "test_passes_all_the_same": "xpassed",
    "test_setup": "error",
    "test_teardown": "error",
    "TestClass::test_inherits": "passed",
    "TestClass::test_own": "passed",
    "test_subtests": "failed",
}


def has_subtests():
    return hasattr(pytest, "Subtests")


@pytest.fixture
def project(pytester):
    text = PROJECT if has_subtests() else PROJECT.partition("    def test_subtests")[0]
    pytester.makepyfile(test_project=text)
    pytester.makeini("[pytest]\naddopts = --strict-markers\nfilterwarnings = error")


def without_times(document):
    for test in document["tests"]:
        test["seconds"] = 0
    return document


def test_the_report_and_the_table(project, run, report):
    done = run("-p", "no:xdist", "--theorem-report", "out.json", "-rN")
    assert done.ret == 1
    document = report()
    tests = by_name(document)
    expected = {n: o for n, o in OUTCOMES.items() if has_subtests() or n != "test_subtests"}
    assert {name: test["outcome"] for name, test in tests.items()} == expected
    assert [t["nodeid"] for t in document["tests"]] == sorted(t["nodeid"] for t in document["tests"])
    assert (document["exit_code"], document["profile"], document["seed"]) == (1, "quick", 0)
    assert document["environment"]["pytest"] == pytest.__version__
    assert set(document["package"]) == {"name", "version", "commit"}

    (rate,) = tests["test_rate"]["evidence"]
    assert (rate["name"], rate["kind"], rate["verdict"]) == ("my rate", "exponent", "supported")
    assert (rate["statement"], rate["verified"]) == ("arora2019.gd_rate", False)
    assert [e["verdict"] for e in tests["test_not_invariant"]["evidence"]] == ["supported", "contradicted"]
    assert tests["test_not_invariant"]["claims"] == ["my loss"]

    one, two = tests["test_claim[2]"]["evidence"]
    assert (one["name"], one["interval"], one["verdict"]) == ("a b", [2, "inf"], "inconclusive")
    assert one["details"] == {"table": [0, 1], "text": "\u00e9"}
    assert (one["statement"], two["statement"], two["name"]) == (None, "li2020.toy", "a b (2)")
    assert tests["test_claim[2]"]["claims"] == ["said in words"] and tests["test_claim[2]"]["statements"] == []

    assert tests["test_unmarked"]["evidence"][0]["details"]["worst"] == "[0]"
    assert tests["test_skipped"]["statements"] == ["arora2019.descent"] and not tests["test_skipped"]["evidence"]
    assert [e["name"] for e in tests["test_setup"]["evidence"]] == ["before it broke"]
    assert [e["name"] for e in tests["test_teardown"]["evidence"]] == ["in teardown"]
    assert tests["TestClass::test_inherits"]["statements"] == ["li2020.toy"]
    assert tests["TestClass::test_own"]["statements"] == ["li2020.texp", "li2020.toy"]
    assert tests["TestClass::test_own"]["evidence"][0]["statement"] == "li2020.texp"

    done.stdout.fnmatch_lines(
        ["*= theorem evidence =*", "statement * evidence * kind * verdict * measured * allowed * test"]
    )
    done.stdout.fnmatch_lines(
        ["arora2019.gd_rate *my rate *exponent *supported *-0.5 *-0.5 +- 0.01  test_project.py::test_rate"]
    )
    done.stdout.fnmatch_lines(
        ["arora2019.orth* f(c w) = f(w) *identity *contradicted * <= * test_*::test_not_invariant"]
    )
    done.stdout.fnmatch_lines(
        ["said in words *a b *measurement *inconclusive * inf *- *test_project.py::test_claim?1?"]
    )
    done.stdout.fnmatch_lines(["- * measured <= bound * bound *supported * 1 *<= 1  test_project.py::test_unmarked"])
    done.stdout.fnmatch_lines(["theorem report written to *out.json"])
    if has_subtests():
        assert [e["verdict"] for e in tests["test_subtests"]["evidence"]] == ["supported", "contradicted"]


def test_processes_and_a_missing_terminal_change_nothing(project, run, report):
    documents = []
    for i, options in enumerate((("-p", "no:xdist"), ("-n", "2"), ("-p", "no:terminal", "-p", "no:xdist"))):
        done = run(*options, "--theorem-report", f"{i}.json")
        assert done.ret == 1
        assert ("theorem evidence" in done.stdout.str()) == ("no:terminal" not in options)
        documents.append(without_times(report(f"{i}.json")))
    assert documents[0] == documents[1] == documents[2]


def test_only_the_process_that_was_started_writes(pytester, run):
    pytester.makeconftest("""
        from pathlib import Path

        def pytest_sessionfinish(session):  # before it tells the other one that it has finished
            if hasattr(session.config, "workerinput"):
                Path(f"{session.config.workerinput['workerid']} sees {Path('out.json').exists()}").touch()
    """)
    pytester.makepyfile("def test_it():\n    pass")
    run("-n", "2", "--theorem-report", "out.json").assert_outcomes(passed=1)
    assert sorted(p.name for p in pytester.path.glob("gw*")) == ["gw0 sees False", "gw1 sees False"]
    assert (pytester.path / "out.json").is_file()


def test_options_reach_the_fixture(pytester, run, report):
    pytester.makepyfile("""
        def test_it(theorem_settings):
            assert (theorem_settings.profile, theorem_settings.seed) == ("full", 7)
    """)
    for processes in (("-p", "no:xdist"), ("-n", "2")):
        run(*processes, "--theorem-profile=full", "--theorem-seed=7", "--theorem-report=out.json").assert_outcomes(
            passed=1
        )
        document = report()
        assert (document["profile"], document["seed"], document["tests"], document["exit_code"]) == ("full", 7, [], 0)


# --- statements verified by the package ---

QUICK = """
    from dataclasses import replace
    from pathlib import Path

    from bn_theory.theorems import evidence, registry

    real = registry.statement

    def quick(slug):
        def pieces(settings):
            with open("verified.txt", "a") as file:
                file.write(slug + "\\n")
            yield evidence.identity("exact", 0.0, 1.0)
            yield evidence.control(evidence.identity("wrong", 2.0, 1.0))
            if slug == "li2020.toy":
                yield evidence.bound("beyond", 2.0)
            if slug == "li2020.texp":
                raise ZeroDivisionError("mine")
        return replace(real(slug), evidence=pieces)

    registry.statement = quick
"""


def test_a_statement_is_verified_once(pytester, run, report):
    pytester.makeconftest(QUICK)
    pytester.makepyfile("""
        import pytest

        @pytest.mark.theorem("arora2019.descent")
        @pytest.mark.parametrize("x", [1, 2])
        def test_it(theorem_result, x):
            assert theorem_result.verdict == "supported"
            assert theorem_result.statement.slug == "arora2019.descent"

        @pytest.mark.theorem("li2020.toy")
        def test_wrong(theorem_result):
            assert theorem_result.verdict == "supported"

        @pytest.mark.theorem("li2020.texp")
        @pytest.mark.parametrize("x", [1, 2])
        def test_breaks(theorem_result, x):
            pass

        @pytest.mark.parametrize("theorem_slug", ["arora2019.descent"])
        def test_parametrised(theorem_result):
            assert theorem_result.statement.slug == "arora2019.descent"

        def test_without(theorem_result):
            pass
    """)
    done = run("-p", "no:xdist", "--theorem-report", "out.json", "-rN")
    done.assert_outcomes(passed=3, failed=1, errors=3)
    done.stdout.fnmatch_lines(["*test_without needs a marker*"])
    assert (pytester.path / "verified.txt").read_text().split() == ["arora2019.descent", "li2020.toy", "li2020.texp"]
    tests = by_name(report())
    first = "test_a_statement_is_verified_once.py::test_it[1]"
    assert [(e["name"], e["verified"]) for e in tests["test_it[1]"]["evidence"]] == [
        ("proof", True),
        ("exact", True),
        ("wrong", True),
    ]
    for name in ("test_it[1]", "test_it[2]"):
        (verified,) = tests[name]["verified"]
        assert (verified["statement"], verified["verdict"]) == ("arora2019.descent", "supported")
        assert verified["evidence_in"] == first
    assert tests["test_it[2]"]["evidence"] == []
    assert tests["test_wrong"]["verified"][0]["verdict"] == "contradicted"
    # what was found before it broke is kept
    assert [e["name"] for e in tests["test_breaks[1]"]["evidence"]] == ["proof", "exact", "wrong"]
    done.stdout.fnmatch_lines(
        ["arora2019.descent *3 pieces *1 control, 1 identity, 1 proof *supported * test_a_*::test_it?1?"]
    )
    done.stdout.fnmatch_lines(["li2020.toy *4 pieces * contradicted (3 supported) *"])
    # one line for all pieces of a statement, in the one test that has them
    assert len([line for line in done.outlines if line.startswith("arora2019.descent")]) == 1


def test_a_statement_whose_extra_is_missing_is_skipped(pytester, run, report):
    pytester.makeconftest("""
        import sys

        class NoTorch:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] == "torch":
                    raise ModuleNotFoundError("No module named 'torch'", name="torch")

        sys.meta_path.insert(0, NoTorch())
    """)
    pytester.makepyfile("""
        import pytest

        @pytest.mark.theorem("li2020.other_normalisations")
        def test_it(theorem_result):
            pass
    """)
    done = run("-p", "no:xdist", "-rs", "--theorem-report", "out.json")
    done.assert_outcomes(skipped=1)
    done.stdout.fnmatch_lines(["*li2020.other_normalisations cannot run: *torch*pip install*"])
    assert by_name(report())["test_it"]["outcome"] == "skipped"


# --- markers ---


def test_the_marker_is_listed(run):
    run("--markers").stdout.fnmatch_lines(["@pytest.mark.theorem(slug, [*], claim=None): the test is about*"])


@pytest.mark.parametrize("processes", [("-p", "no:xdist"), ("-n", "2")], ids=["one process", "two"])
def test_an_unknown_statement_is_an_error_of_collection(pytester, run, report, processes):
    pytester.makepyfile(
        test_wrong="""
        import pytest

        @pytest.mark.theorem("arora2019.gd_rates")
        def test_it():
            pass
        """,
        test_right="""
        import pytest
        from bn_theory.testing import assert_bound

        @pytest.mark.theorem("arora2019.gd_rate")
        def test_it():
            assert_bound(1.0, 2.0)
        """,
    )
    done = run(*processes, "--continue-on-collection-errors", "--theorem-report", "out.json")
    done.assert_outcomes(passed=1, errors=1)
    done.stdout.fnmatch_lines(
        ["test_wrong.py::test_it: unknown statement*'arora2019.gd_rates'; did you mean arora2019.gd_rate*"]
    )
    document = report()
    assert document["not_collected"] == ["test_wrong.py"] and document["exit_code"] == 1
    assert [test["nodeid"] for test in document["tests"]] == ["test_right.py::test_it"]


@pytest.mark.parametrize(
    "arguments", ["", "1", "'li2020.toy', 'li2020.texp'", "slug='li2020.toy'", "claim=3", "'li2020.toy', claims='x'"]
)
def test_markers_that_say_nothing_usable(pytester, run, arguments):
    pytester.makepyfile(f"import pytest\n@pytest.mark.theorem({arguments})\ndef test_it():\n    pass")
    done = run("-p", "no:xdist")
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(
        ["*test_it: pytest.mark.theorem takes the slug of one statement, claim= in words, or both*"]
    )


def test_a_wrong_marker_that_comes_after_collection(pytester, run):
    pytester.makeconftest("""
        import pytest

        def pytest_collection_modifyitems(items):
            items[0].add_marker(pytest.mark.theorem("li2020.tox"))
    """)
    pytester.makepyfile("def test_it():\n    pass\n\ndef test_other():\n    pass")
    done = run("-p", "no:xdist")
    done.assert_outcomes(errors=1, passed=1)
    done.stdout.fnmatch_lines(["*unknown statement*'li2020.tox'; did you mean li2020.toy*"])


# --- reports that cannot be written, runs that end early ---


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--theorem-report", "missing/out.json"),
            "--theorem-report: cannot write missing/out.json: the folder * does not exist",
        ),
        (("--theorem-report", "."), "--theorem-report: cannot write .: it exists and is not a regular file"),
        (("--theorem-seed", "-1"), "--theorem-seed must be >= 0, not -1"),
        (("--theorem-profile", "slow"), "*invalid choice: 'slow'*"),
    ],
)
def test_options_that_cannot_be_used(pytester, run, options, message):
    pytester.makepyfile("from pathlib import Path\nPath('imported').touch()\ndef test_it():\n    pass")
    done = run(*options)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([f"*{message}".replace("**", "*")])
    assert not (pytester.path / "imported").exists()


def test_a_folder_that_goes_away(pytester, run):
    (pytester.path / "there").mkdir()
    pytester.makepyfile("""
        from pathlib import Path
        from bn_theory.testing import assert_bound

        def test_it():
            assert_bound(1.0, 2.0)
            Path("there").rmdir()
    """)
    done = run("-p", "no:xdist", "--theorem-report", "there/out.json")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*--theorem-report: cannot write *there/out.json: No such file*"])
    done.stdout.fnmatch_lines(["*= theorem evidence =*"])
    assert not any("written to" in line for line in done.outlines)


def test_an_older_report_is_replaced_whole_or_kept(pytester, run, report):
    (pytester.path / "out.json").write_text("old")
    pytester.makepyfile("""
        import os
        import pytest
        from bn_theory.testing import assert_bound

        @pytest.mark.theorem("li2020.toy")
        def test_it():
            assert_bound(1.0, 2.0)
            if os.environ.get("STOP"):
                raise KeyboardInterrupt

        @pytest.mark.theorem("li2020.toy")
        def test_other():
            pass
    """)
    run("--collect-only", "-p", "no:xdist", "--theorem-report", "out.json")
    assert (pytester.path / "out.json").read_text() == "old"
    pytester.chdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STOP", "1")
        assert run("-p", "no:xdist", "--theorem-report", "out.json").ret == pytest.ExitCode.INTERRUPTED
    document = report()
    assert document["exit_code"] == 2
    assert {name: test["outcome"] for name, test in by_name(document).items()} == {"test_it": "unfinished"}
    run("-p", "no:xdist", "--theorem-report", "out.json").assert_outcomes(passed=2)
    assert len(report()["tests"]) == 2
    assert sorted(p.name for p in pytester.path.iterdir() if "out.json" in p.name) == ["out.json"]


def test_a_process_that_ends(pytester, run, report):
    pytester.makepyfile("""
        import os
        import pytest

        @pytest.mark.theorem("li2020.toy")
        def test_it():
            os._exit(3)

        @pytest.mark.theorem("li2020.toy")
        def test_other():
            pass
    """)
    assert run("-n", "1", "--theorem-report", "out.json").ret == 1
    tests = by_name(report())
    assert {name: test["outcome"] for name, test in tests.items()} == {"test_it": "crashed", "test_other": "passed"}
    assert tests["test_it"]["statements"] == ["li2020.toy"]
