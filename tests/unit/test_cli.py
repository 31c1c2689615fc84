"""The command line: exit codes, what is printed where, and that bad input costs one line and no half-done file."""

import json
import os
import subprocess
import sys
from importlib import metadata
from importlib.resources import files

import jsonschema
import numpy as np
import pytest

import proofs_check
from bn_theory import provenance
from bn_theory.cli import extras
from bn_theory.errors import InvalidInputError, MissingExtraError
from bn_theory.report.read import read_document
from bn_theory.theorems import evidence as judge
from bn_theory.theorems import registry
from bn_theory.theorems.statement import Source, Statement

SCHEMA = json.loads((files("bn_theory") / "schemas" / "verify.json").read_text())


class Proof:
    """As much of a proof as the command line needs."""

    checked = (1, 2)
    assumptions = (3,)

    def as_text(self):
        return "Claim. One is one.\n"

    def as_latex(self):
        return "\\paragraph{Claim.} $1 = 1$\n"

    def as_plain(self):
        return {"title": "T", "claim": "C", "source": "S", "origin": "paper", "steps": [], "parts": []}


def supported(settings):
    yield judge.exponent("rate", (-0.501, -0.499), -0.5, 0.002, 0.002, rates=np.array([0.1, 1.0]))
    yield judge.Outside("rate 100", "no burn-in")


def contradicted(settings):
    yield judge.bound("too large", np.float64(np.inf), where="step 3")


def undecided(settings):
    yield judge.exponent("wide", (-0.6, -0.4), -0.5, 0.002, 0.002)


def failing(settings):
    yield judge.bound("before", 0.5)
    yield judge.Outside("rate 7", "of the wrong kind")
    raise InvalidInputError("a rate of 7\nis no rate")


def interrupted(settings):
    yield judge.bound("before", 0.5)
    raise KeyboardInterrupt


def lacking(settings):
    raise MissingExtraError("networks are missing: pip install 'bn_theory[networks]'")
    yield


def defective(settings):
    raise ZeroDivisionError("a defect")
    yield


@pytest.fixture
def statements(monkeypatch):
    """``statements(paper.slug=evidence function)`` is all that the registry then holds."""

    def install(extra=None, **named):
        table = {
            slug.replace("__", "."): Statement(
                slug.replace("__", "."),
                f"Title of {slug}",
                Source("A paper", "Theorem 1", "paper"),
                found,
                extra,
            )
            for slug, found in named.items()
        }
        monkeypatch.setattr(registry, "SLUGS", tuple(table))
        monkeypatch.setattr(proofs_check, "prove", lambda slug: Proof())
        monkeypatch.setattr(registry, "statement", lambda slug: table[slug])

    return install


def process(*arguments, **keywords):
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=60, check=False, **keywords
    )


# --- help, version, usage ---


def test_help_imports_nothing_heavy():
    heavy = (
        "numpy",
        "scipy",
        "sympy",
        "numba",
        "xarray",
        "rich",
        "sklearn",
        "matplotlib",
        "proofs_check",
        "jsonschema",
    )
    program = f"""
import sys
from bn_theory.cli import main
try:
    main(["--help"])
except SystemExit as stop:
    assert stop.code == 0
loaded = [name for name in {heavy} if name in sys.modules]
assert not loaded, loaded
"""
    done = process("-c", program)
    assert done.returncode == 0, done.stderr
    for command in ("list", "verify", "fit", "calibrate", "prove", "schedule", "bench", "experiment", "rerun", "cite"):
        assert command in done.stdout


@pytest.mark.parametrize(
    "command",
    ["list", "verify", "fit", "calibrate", "prove", "schedule", "bench", "experiment", "rerun", "cite"],
)
def test_every_command_has_help(call, command):
    code, out, _ = call(command, "--help")
    assert code == 0 and out.startswith(f"usage: bn-theory {command}")


def test_version(call, monkeypatch):
    monkeypatch.setattr(metadata, "version", lambda name: {"bn_theory": "1.2.3"}[name])
    monkeypatch.setattr(provenance, "commit", lambda: "0123456789abcdef0123456789abcdef01234567+changes")
    assert call("--version") == (0, "bn_theory 1.2.3 (commit 0123456789ab+changes)\n", "")
    monkeypatch.setattr(provenance, "commit", lambda: None)
    assert call("--version") == (0, "bn_theory 1.2.3 (commit unknown)\n", "")


USAGE = {
    "no command": ((), "required"),
    "unknown command": (("verfy",), "invalid choice"),
    "unknown profile": (("verify", "--profile", "fast"), "invalid choice"),
    "unknown engine": (("verify", "--engine", "nunba"), "unknown engine 'nunba'; did you mean numba"),
    "negative seed": (("verify", "--seed", "-1"), "not a whole number of at least 0"),
    "large seed": (("verify", "--seed", str(2**64)), "below 18446744073709551616"),
    "no source": (("fit",), "one of the arguments --family --csv is required"),
    "two sources": (("fit", "--family", "rayleigh", "--csv", "x", "--target", "y"), "not allowed with"),
    "unknown family": (("fit", "--family", "raleigh"), "unknown family 'raleigh'; did you mean rayleigh"),
    "no target": (("fit", "--csv", "x"), "belong together"),
    "target without file": (("fit", "--family", "rayleigh", "--target", "y"), "belong together"),
    "no steps": (("fit", "--family", "rayleigh", "--steps", "0"), "not a whole number of at least 1"),
    "half a step": (("fit", "--family", "rayleigh", "--steps", "1.5"), "not a whole number"),
    "a rate in words": (("fit", "--family", "rayleigh", "--rate", "fast"), "invalid float value"),
    "s of rayleigh": (("fit", "--family", "rayleigh", "--s", "1"), "--s belongs to --family power_law_rayleigh"),
    "noise under gd": (("fit", "--family", "rayleigh", "--method", "gd", "--sigma", "1"), "--sigma belongs to sgd"),
    "noise on data": (("fit", "--csv", "x", "--target", "y", "--sigma", "1"), "--sigma belongs to sgd"),
    "parts under gd": (("fit", "--family", "least_squares_bn", "--method", "gd", "--parts", "2"), "--parts belongs"),
    "gamma of rayleigh": (
        ("fit", "--family", "rayleigh", "--gamma-rate", "1"),
        "--gamma-rate belongs to least squares",
    ),
    "d of a file": (("fit", "--csv", "x", "--target", "y", "--d", "3"), "--d belongs to a family"),
    "power without logarithm": (("fit", "--family", "rayleigh", "--log-power", "1"), "belongs to --model log"),
    "empty window": (("fit", "--family", "rayleigh", "--window", "10", "1"), "LOW < HIGH"),
    "no repeats": (("calibrate", "--repeats", "0"), "not a whole number of at least 1"),
    "no slug": (("prove",), "required"),
}


@pytest.mark.parametrize("case", USAGE)
def test_usage_errors_exit_2(call, case):
    arguments, wanted = USAGE[case]
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert wanted in err and "Traceback" not in err


def test_whole_numbers_may_be_written_with_an_exponent():
    from bn_theory.cli.parser import parse

    assert parse(["fit", "--family", "rayleigh", "--steps", "1e6"]).steps == 1_000_000


# --- list and prove ---


def test_list_shows_slugs_titles_and_papers(call, statements):
    statements(p__one=supported, q__two=supported)
    code, out, _ = call("list")
    assert code == 0
    assert out.splitlines()[1].split() == ["p.one", "Title", "of", "p__one", "A", "paper", "Theorem", "1", "paper"]
    assert out.splitlines()[2].startswith("q.two")


def test_prove_prints_text_or_latex(call, statements):
    statements(p__one=supported)
    by = f"proved by {provenance.described()}\n"
    assert call("prove", "p.one") == (0, f"Claim. One is one.\n\n{by}", "")
    assert call("prove", "p.one", "--latex") == (0, f"% {by}\\paragraph{{Claim.}} $1 = 1$\n", "")


def test_prove_of_an_unknown_slug_names_the_nearest(call):
    code, out, err = call("prove", "arora2019.gd_rat")
    assert (code, out) == (2, "")
    assert "arora2019.gd_rate" in err and err.count("\n") == 1 and err.startswith("bn-theory: ")


def test_a_proof_that_does_not_check_exits_1(call, monkeypatch):
    from proofs_check.proof import ProofError

    def prove(slug):
        raise ProofError("x is left over", step="first")

    broken = Statement("p.one", "Title", Source("A paper", "Theorem 1", "paper"), supported)
    monkeypatch.setattr(proofs_check, "prove", prove)
    monkeypatch.setattr(registry, "statement", lambda slug: broken)
    code, out, err = call("prove", "p.one")
    assert (code, out) == (1, "")
    assert "step 'first'" in err and "Traceback" not in err


# --- verify ---


@pytest.mark.parametrize(
    "named, code, verdict",
    [
        ({"p__one": supported}, 0, "supported"),
        ({"p__one": supported, "p__two": contradicted}, 1, "contradicted"),
        ({"p__one": undecided, "p__two": supported}, 3, "inconclusive"),
        ({"p__one": undecided, "p__two": contradicted}, 1, "contradicted"),
        ({"p__one": failing}, 3, "inconclusive"),
        ({"p__one": lacking}, 3, "inconclusive"),
        ({"p__one": lacking, "p__two": supported}, 0, "supported"),
    ],
)
def test_the_exit_code_is_the_overall_verdict(call, statements, tmp_path, named, code, verdict):
    statements(**named)
    found, out, _ = call("verify", "--json", tmp_path / "out.json")
    assert found == code
    assert out.splitlines()[-1].startswith(f"verdict: {verdict} (")
    document = json.loads((tmp_path / "out.json").read_text(), parse_constant=pytest.fail)
    jsonschema.validate(document, SCHEMA)
    assert document["verdict"] == verdict
    assert [s["slug"] for s in document["statements"]] == [slug.replace("__", ".") for slug in named]


def test_the_output_in_a_pipe_is_plain_and_complete(call, statements):
    statements(p__one=supported, p__two=contradicted)
    _, out, err = call("verify", "--profile", "full", "--seed", "7", "--engine", "numpy")
    assert "profile full, seed 7, engine numpy" in out
    header, proof, rate = out.splitlines()[2:5]
    assert header.split() == ["statement", "name", "kind", "verdict", "measured", "predicted", "interval", "tolerance"]
    assert proof.split()[:4] == ["p.one", "proof", "proof", "supported"]
    assert rate.split() == ["p.one", "rate", "exponent", "supported", "-0.5", "-0.5", "-0.501", "..", "-0.499", "0.002"]
    assert "rate 100  no burn-in" in out
    assert "where = step 3" in out
    assert "A finite run supports an asymptotic statement; it never proves it." in out
    for stream in (out, err):
        assert stream.isascii() and "\x1b" not in stream and "\r" not in stream
    assert [line.split(" (")[0] for line in err.splitlines()] == ["p.one: supported", "p.two: contradicted"]


def test_names_select_statements_in_registry_order(call, statements):
    statements(p__one=supported, q__two=supported, p__three=supported)
    _, _, err = call("verify", "q.two", "p")
    assert [line.split(":")[0] for line in err.splitlines()] == ["p.one", "q.two", "p.three"]


def test_settings_reach_the_statements(call, statements):
    seen = []

    def evidence(settings):
        seen.append((settings.profile, settings.seed, settings.engine))
        yield from supported(settings)

    statements(p__one=evidence)
    call("verify")
    call("verify", "--profile", "full", "--seed", 3, "--engine", "numba")
    assert seen == [("quick", 0, "auto"), ("full", 3, "numba")]


def test_an_error_costs_its_statement_no_evidence_and_the_others_nothing(call, statements, tmp_path):
    statements(p__one=failing, p__two=supported)
    code, out, err = call("verify", "--json", tmp_path / "out.json")
    assert code == 3 and "Traceback" not in err
    one, two = json.loads((tmp_path / "out.json").read_text())["statements"]
    assert [e["name"] for e in one["evidence"]] == ["proof", "before", "error"]
    assert one["evidence"][-1]["details"] == {"error": "InvalidInputError", "message": "a rate of 7\nis no rate"}
    assert one["outside"] == [{"case": "rate 7", "reason": "of the wrong kind"}]
    assert (one["verdict"], two["verdict"]) == ("inconclusive", "supported")
    assert "message = a rate of 7 is no rate" in out


def test_an_unknown_name_exits_2_before_anything_runs(call, tmp_path):
    code, out, err = call("verify", "arora2019.gd_rat", "--json", tmp_path / "out.json")
    assert (code, out) == (2, "")
    assert err.startswith("bn-theory: ") and "arora2019.gd_rate" in err and err.count("\n") == 1
    assert os.listdir(tmp_path) == []


def test_a_json_file_that_cannot_be_written_is_refused_before_the_run(call, statements, tmp_path):
    statements(p__one=defective)
    for target in (tmp_path, tmp_path / "absent" / "out.json"):
        code, out, err = call("verify", "--json", target)
        assert (code, out) == (2, "") and err.startswith("bn-theory: cannot write")


def test_a_json_file_that_fails_late_does_not_cost_the_table(call, statements, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    statements(p__one=supported)
    monkeypatch.setattr(os, "replace", fail)
    code, out, err = call("verify", "--json", tmp_path / "out.json")
    assert code == 2 and "verdict: supported" in out and "No space left" in err
    assert os.listdir(tmp_path) == []


def test_an_interrupt_exits_130_and_leaves_the_old_json(call, statements, tmp_path):
    target = tmp_path / "out.json"
    target.write_text("old")
    statements(p__one=supported, p__two=interrupted)
    code, out, err = call("verify", "--json", target)
    assert (code, out) == (130, "")
    assert err.splitlines()[-1] == "bn-theory: interrupted"
    assert target.read_text() == "old" and os.listdir(tmp_path) == ["out.json"]


def test_a_defect_is_no_verdict(call, statements, tmp_path):
    statements(p__one=defective)
    code, _, err = call("verify", "--json", tmp_path / "out.json")
    assert code == 70 and "ZeroDivisionError" in err and os.listdir(tmp_path) == []


def test_a_reader_who_stops_reading_gets_no_traceback():
    program = """
import sys
from bn_theory.cli import main
from bn_theory.theorems import registry
registry.SLUGS = ()
sys.exit(main(["list"]))
"""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run([sys.executable, "-c", program], stdout=writer, stderr=subprocess.PIPE, check=False)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


# --- extras ---


@pytest.fixture
def metadata_says(monkeypatch):
    def install(requires, installed=()):
        def distribution(name):
            if name not in installed:
                raise metadata.PackageNotFoundError(name)

        monkeypatch.setattr(metadata, "requires", lambda _: requires)
        monkeypatch.setattr(metadata, "distribution", distribution)
        monkeypatch.setattr(metadata, "version", lambda _: "1.2.3")

    return install


REQUIRES = ["numpy>=1.26", 'torch>=2; extra == "networks"', "powerlaw ; extra=='networks'", 'z3-solver; extra == "z"']


def test_missing_distributions_of_an_extra(metadata_says):
    metadata_says(REQUIRES, installed=("torch",))
    assert extras.missing("networks") == ("powerlaw",)
    assert extras.missing("z") == ("z3-solver",)
    assert extras.missing(None) == extras.missing("unheard") == ()


def test_from_a_source_tree_nothing_is_known_to_be_missing(monkeypatch):
    def requires(_):
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(metadata, "requires", requires)
    assert extras.missing("networks") == ()


def test_a_statement_without_its_extra_is_not_run(call, statements, metadata_says, tmp_path):
    metadata_says(REQUIRES)
    statements(extra="networks", p__one=defective)
    code, out, err = call("verify", "p", "--json", tmp_path / "out.json")
    assert code == 3
    assert "needs torch, powerlaw: pip install '.[networks]'" in out
    assert "p.one: not run" in err
    document = json.loads((tmp_path / "out.json").read_text())
    jsonschema.validate(document, SCHEMA)
    assert document["statements"][0]["verdict"] == "not run"


def test_asked_for_by_its_slug_a_statement_without_its_extra_exits_2(call, statements, metadata_says, tmp_path):
    metadata_says(REQUIRES)
    statements(extra="networks", p__one=defective)
    code, out, err = call("verify", "p.one", "--json", tmp_path / "out.json")
    assert (code, out) == (2, "") and "pip install '.[networks]'" in err and err.count("\n") == 1
    assert os.listdir(tmp_path) == []


def test_asked_for_by_its_slug_a_statement_that_finds_its_extra_missing_exits_2(call, statements):
    statements(p__one=lacking, p__two=supported)
    code, _, err = call("verify", "p.one")
    assert code == 2 and "pip install 'bn_theory[networks]'" in err
    assert call("verify", "p")[0] == 0


# --- fit ---

QUICK = ("--engine", "numpy", "--steps", "3000")


def test_fit_prints_half_of_the_exponent_of_the_square(call, tmp_path):
    png = tmp_path / "out.png"
    arguments = ("fit", "--family", "power_law_rayleigh", "--s", "1", "--d", "40", "--method", "gd", "--rate", "1")
    code, out, err = call(*arguments, *QUICK, "--png", png)
    assert (code, err) == (0, "")
    assert "GD, rate 1" in out and "3000 steps, 1 replicas, seed 0, engine numpy" in out
    exponent = float(out.split("at unit norm: ")[1].split()[0])
    square = float(out.split("|^2, exponent ")[1].split(";")[0])
    # known to be -(1+s)/2 = -1 for 1 << t << 1e8; 1/t at the end of the window and 40 levels on
    # 8 decades leave a ripple of a percent
    assert exponent == pytest.approx(-1, abs=0.02)
    assert square == pytest.approx(2 * exponent, abs=2e-5)
    assert "Local exponents" in out and "it never proves it" in out and "\x1b" not in out
    assert png.read_bytes().startswith(b"\x89PNG")


def test_fit_sgd_from_a_family(call):
    code, out, _ = call("fit", "--family", "rayleigh", "--d", "4", "--replicas", "8", "--alpha", "0.5", *QUICK)
    assert code in (0, 3)  # what 8 replicas show of an exponent is not the point here
    assert "SGD, rate 0.1 (t+1)^-0.5" in out and "8 replicas" in out


def test_fit_on_a_file_runs_minibatches_with_gamma(call, tmp_path):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 3))
    np.savetxt(tmp_path / "d.csv", np.c_[X, X @ [1, 2, 3] + rng.standard_normal(40)], delimiter=",", header="a,b,c,y",
               comments="")  # fmt: skip
    arguments = ("fit", "--csv", tmp_path / "d.csv", "--target", "y", "--parts", "4", "--replicas", "8")
    code, out, _ = call(*arguments, *QUICK)
    assert code in (0, 3)
    assert "minibatch_least_squares_bn(d=3, parts=4)" in out and "gamma's rate 0.5 (t+1)^-0.5" in out


def test_fit_of_a_bad_file_names_it(call, tmp_path):
    path = tmp_path / "d.csv"
    path.write_text("a,y\n1,2\n3,x\n")
    code, out, err = call("fit", "--csv", path, "--target", "y")
    assert (code, out) == (2, "")
    assert err == f"bn-theory: {path}: column 'y', row 2 (line 3): 'x' is not a number\n"


def test_fit_without_a_power_law_exits_3_with_the_reason(call, tmp_path):
    png = tmp_path / "out.png"
    arguments = ("fit", "--family", "least_squares_bn", "--d", "3", "--method", "gd", *QUICK)
    code, out, err = call(*arguments, "--png", png)
    assert (code, err) == (3, "")
    assert "no power law (" in out
    assert png.read_bytes().startswith(b"\x89PNG")


def test_fit_stops_where_the_gradient_is_exactly_zero():
    import xarray as xr

    from bn_theory.cli.fitting import before_zero

    y = xr.DataArray(
        [[3.0, 0.0, 1.0, 0.0], [2.0, 1.0, 0.0, 0.0]], dims=("replica", "step"), coords={"step": [1, 2, 4, 8]}
    )
    kept, zero_from = before_zero(y)
    assert kept.step.values.tolist() == [1, 2, 4] and zero_from == 8
    kept, zero_from = before_zero(y.isel(step=slice(0, 3)))
    assert kept.sizes["step"] == 3 and zero_from is None


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # it overflows: that is the point
def test_a_run_that_diverges_exits_1(call):
    arguments = ("fit", "--family", "least_squares_bn", "--d", "3", "--method", "gd", "--gamma-rate", "3")
    code, _, err = call(*arguments, *QUICK)
    assert code == 1 and err.startswith("bn-theory: the run left the finite numbers") and err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments, wanted",
    [
        (("--rate", "0"), "learning rate must be finite and > 0"),
        (("--rate", "inf"), "learning rate must be finite and > 0"),
        (("--alpha", "-1"), "decay must be finite"),
        (("--sigma", "-1"), "sigma must be >= 0"),
        (("--d", "1"), "at least two"),
        (("--replicas", "7"), "--replicas 7 is too few"),
        (("--method", "gd", "--replicas", "2"), "or 1, for one run"),
        (("--png", "absent/out.png"), "does not exist"),
        (("--window", "1e7", "1e8"), "holds no record"),
    ],
)
def test_values_that_cannot_be_used_exit_2(call, arguments, wanted):
    code, _, err = call("fit", "--family", "rayleigh", "--engine", "numpy", "--steps", "50", *arguments)
    assert code == 2
    assert wanted in err and err.startswith("bn-theory: ") and err.count("\n") == 1


def test_a_figure_without_matplotlib_is_refused_before_the_run(call, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    code, out, err = call("fit", "--family", "rayleigh", "--png", tmp_path / "out.png")
    assert (code, out) == (2, "") and "pip install matplotlib" in err


# --- calibrate ---


@pytest.fixture
def calibration(monkeypatch):
    """The calibration reduced to one regime with the coverage asked for."""
    from bn_theory.rates import calibration

    def install(coverage):
        def calibrate(repeats, seed, progress):
            row = calibration.CalibrationRow(
                regime="pure", replicas=64, repeats=repeats, truth=-0.5, coverage=coverage, median_width=0.01,
                oracle_width=0.01, ratio=1.0, bias=0.0, refused=0.0, seconds=0.1, required=True,
            )  # fmt: skip
            progress(row)
            return [row]

        monkeypatch.setattr(calibration, "calibrate", calibrate)

    return install


@pytest.mark.parametrize(
    "coverage, repeats, code", [(0.95, 1000, 0), (0.8, 1000, 1), (0.8, 20, 3), (float("nan"), 1000, 1)]
)
def test_calibrate_prints_and_writes(call, calibration, tmp_path, monkeypatch, coverage, repeats, code):
    monkeypatch.chdir(tmp_path)
    calibration(coverage)
    found, out, _ = call("calibrate", "--repeats", repeats, "--seed", 5)
    assert found == code
    assert [line.startswith("|") for line in out.splitlines()[:3]] == [True] * 3
    document = json.loads((tmp_path / "calibration.json").read_text(), parse_constant=pytest.fail)
    assert (document["repeats"], document["seed"]) == (repeats, 5)
    assert document["rows"][0]["coverage"] == (coverage if coverage == coverage else "nan")
    assert read_document(tmp_path / "calibration.json", ["calibration"]) == document
    assert out.splitlines()[4] == f"written to calibration.json by {provenance.described()}"


def test_calibrate_refuses_its_target_before_the_work(call, tmp_path):
    code, out, err = call("calibrate", "--output", tmp_path / "absent" / "c.json")
    assert (code, out) == (2, "") and "does not exist" in err


def test_a_small_calibration_for_real(call, tmp_path, monkeypatch):
    from bn_theory.rates import calibration

    pure = {"pure": calibration.regimes()["pure"]}
    monkeypatch.setattr(calibration, "regimes", lambda: pure)
    code, out, _ = call("calibrate", "--repeats", 3, "--output", tmp_path / "c.json")
    assert code in (0, 3)  # 3 repeats decide nothing
    assert "| pure | 64 |" in out
    assert len(json.loads((tmp_path / "c.json").read_text())["rows"]) == 1


# --- on a terminal ---


def test_a_terminal_gets_tables_by_rich(call, statements, monkeypatch):
    statements(p__one=supported, p__two=contradicted)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "160")
    code, out, err = call("verify")
    assert code == 1
    assert "-0.501 .. -0.499" in out and "─" in out
    assert "p.one: supported" in err


def test_progress_on_a_terminal_takes_nothing_from_a_piped_stdout(capsys, monkeypatch):
    from bn_theory.cli.output import progress

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress() as (doing, done):
        doing("working [b]")
        print("a row")
        done("worked [b]")
    out, err = capsys.readouterr()
    assert out == "a row\n"
    assert "worked [b]" in err
