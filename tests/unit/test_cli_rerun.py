"""``bn-theory rerun``: identical is identical, and whatever is not is found and named."""

import json
import os
import subprocess
import sys
from itertools import count

import numpy as np
import pytest

import proofs_check
from bn_theory import provenance
from bn_theory.errors import MissingExtraError
from bn_theory.report.json_ import as_bytes
from bn_theory.report.read import read_document
from bn_theory.theorems import evidence as judge
from bn_theory.theorems import registry
from bn_theory.theorems.statement import Source, Statement

FIT = ("--family", "rayleigh", "--d", "4", "--method", "gd", "--steps", "1000", "--engine", "numpy")  # from its seed


class Proof:
    """As much of a proof as a document needs."""

    checked = (1,)
    assumptions = ()

    def as_plain(self):
        return {"title": "T", "claim": "C", "source": "S", "origin": "paper", "steps": [], "parts": []}


def seeded(settings):
    rng = np.random.default_rng(settings.seed)
    yield judge.exponent("rate", (-0.501, -0.499), -0.5, 0.002, 0.002, numbers=rng.standard_normal(3))
    yield judge.Outside("rate 100", "no burn-in")
    yield judge.Curves("a figure", "What is shown.", {"y": rng.standard_normal(20)})


def lacking(settings):
    raise MissingExtraError("needs torch: pip install torch")
    yield


@pytest.fixture
def statements(monkeypatch):
    """``statements({slug: evidence function})`` is all that the registry then holds."""

    def install(named, extra=None):
        table = {
            slug: Statement(slug, f"Title of {slug}", Source("A paper", "Theorem 1", "paper"), found, extra)
            for slug, found in named.items()
        }
        monkeypatch.setattr(registry, "SLUGS", tuple(table))
        monkeypatch.setattr(proofs_check, "prove", lambda slug: Proof())
        monkeypatch.setattr(registry, "statement", lambda slug: table[slug])

    return install


@pytest.fixture
def document(call, statements, tmp_path):
    """Path of a document of two statements, made with seed 5."""
    statements({"p.one": seeded, "p.two": seeded})
    path = tmp_path / "before.json"
    call("verify", "--seed", 5, "--engine", "numpy", "--profile", "full", "--json", path)
    return path


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_bytes(as_bytes(content))


# --- verify ---


@pytest.mark.slow
def test_a_real_document_is_repeated_by_another_process(call, tmp_path):
    path = tmp_path / "verify.json"
    code, _, _ = call("verify", "arora2019.norm_growth", "--seed", 3, "--json", path)
    assert code == 0
    environment = os.environ | {"PYTHONHASHSEED": "17"}
    done = subprocess.run(
        [sys.executable, "-m", "bn_theory.cli", "rerun", path, "--json", tmp_path / "again.json"],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "identical: 1 of 1, bit for bit"
    before, now = (read_document(tmp_path / name, ["verify"]) for name in ("verify.json", "again.json"))
    assert (now["seed"], now["profile"], now["environment"]) == (3, "quick", before["environment"])


def test_the_same_settings_give_the_same_bits(call, document, tmp_path):
    code, out, err = call("rerun", document, "--json", tmp_path / "now.json")
    assert code == 0
    assert "p.one  identical  2 pieces of evidence, proof, 1 figures" in out
    assert out.splitlines()[0] == (f"{provenance.described()}: rerun of {document}, made by {provenance.described()}")
    assert out.splitlines()[-1] == "identical: 2 of 2, bit for bit" and "differ" not in out
    assert [line.split(":")[0] for line in err.splitlines()] == ["p.one", "p.two"]
    now = read_document(tmp_path / "now.json", ["verify"])
    assert (now["seed"], now["profile"], now["environment"]["engine"]) == (5, "full", "numpy")


def test_a_changed_number_is_found_and_named(call, document):
    def change(content):
        content["statements"][1]["evidence"][1]["measured"] = -0.5000000000000001

    edit(document, change)
    code, out, _ = call("rerun", document)
    assert code == 1
    assert "p.one  identical" in out and "p.two  different" in out
    row = next(line for line in out.splitlines() if "rate: measured" in line)
    assert row.split()[-4:] == ["-0.5000000000000001", "-0.5", "2.2e-16", "1"]
    assert out.splitlines()[-1].startswith("different: 1 of 2; ")


def test_times_do_not_count(call, document):
    def change(content):
        content["seconds"] = content["statements"][0]["seconds"] = 1e6
        content["statements"][0]["evidence"][1]["seconds"] = 1e6

    edit(document, change)
    assert call("rerun", document)[0] == 0


def test_another_seed_differs_wherever_chance_came_in(call, document):
    edit(document, lambda content: content.update(seed=6))
    code, out, _ = call("rerun", document)
    assert code == 1
    assert "rate: numbers" in out and "figure a figure" in out and "rate: measured" not in out
    row = next(line for line in out.splitlines() if line.startswith("p.one") and "figure a figure" in line)
    assert row.split()[-1] == "20"


def test_an_overall_verdict_that_is_not_theirs_is_refused(call, document):
    edit(document, lambda content: content.update(verdict="contradicted"))
    code, out, err = call("rerun", document)
    assert (code, out) == (2, "")
    assert "the overall verdict is 'contradicted', but 'supported' follows from the evidence" in err


def test_what_is_not_reproducible_is_found(call, statements, tmp_path):
    calls = count(1)

    def drifting(settings):
        yield judge.bound("ratio", 0.1 * next(calls))

    statements({"p.one": drifting})
    call("verify", "--json", tmp_path / "before.json")
    code, out, _ = call("rerun", tmp_path / "before.json")
    assert code == 1 and "ratio: measured" in out
    known = (provenance.commit() or "+changes").endswith("+changes")
    reason = "the code may be the reason" if known else "or this is a defect of the program"
    assert reason in out.splitlines()[-1]


def test_another_environment_is_the_likely_reason(call, document):
    def change(content):
        content["environment"]["processor"] = "Another one"
        content["environment"]["versions"] = "numpy 1.0, left 2"
        content["package"]["commit"] = "a" * 40
        content["statements"][0]["evidence"][1]["measured"] = -0.6

    edit(document, change)
    code, out, _ = call("rerun", document)
    assert code == 1 and "the environment differs, which is the likely reason" in out
    shown = out[out.index("The environment differs") :]
    rows = [line.split() for line in shown.splitlines()]
    assert ["numpy", "1.0", np.__version__] in rows and ["left", "2", "(absent)"] in rows
    assert "Another one" in shown and "a" * 40 in shown
    edit(document, lambda content: content["statements"][0]["evidence"][1].update(measured=-0.5))
    code, out, _ = call("rerun", document)
    assert code == 0 and "The environment differs" in out and out.splitlines()[-1].startswith("identical")


def test_the_engine_is_the_one_that_auto_meant_then(call, statements, tmp_path):
    seen = []

    def evidence(settings):
        seen.append(settings.engine)
        yield judge.bound("ratio", 0.5)

    statements({"p.one": evidence})
    path = tmp_path / "before.json"
    call("verify", "--json", path)
    meant = read_document(path)["environment"]["engine_used"]
    assert meant in ("cupy", "numba")
    assert call("rerun", path)[0] == 0
    edit(path, lambda content: content["environment"].update(engine_used="numpy"))
    assert call("rerun", path)[0] == 0
    assert seen == ["auto", "auto", "numpy"]


def test_a_gpu_is_part_of_the_environment_where_it_ran(monkeypatch):
    from bn_theory.bench import machine
    from bn_theory.cli.environment import environment_of

    monkeypatch.setattr(machine, "gpu", lambda: {"name": "A device", "memory_bytes": 1})
    assert environment_of("numba") == environment_of("numpy") == provenance.environment()
    for engine in ("cupy", "cupy-block"):
        assert environment_of(engine) == provenance.environment() | {"device": "A device"}


def test_a_device_that_is_not_there_is_said_before_any_work(call, document, monkeypatch):
    from bn_theory import engines

    monkeypatch.setattr(engines, "unavailable", lambda name: "no device" if name.startswith("cupy") else None)
    edit(document, lambda content: content["environment"].update(engine="cupy", engine_used="cupy"))
    code, out, err = call("rerun", document)
    assert (code, out) == (2, "") and "no device" in err and err.count("\n") == 1


def test_what_was_not_run_then_is_not_run_now(call, statements, tmp_path):
    path = tmp_path / "before.json"
    statements({"p.one": lacking, "p.two": seeded})
    call("verify", "--json", path)
    statements({"p.one": seeded, "p.two": seeded})
    code, out, err = call("rerun", path)
    assert code == 0 and "p.one" not in err
    assert "not run then, nothing to compare  needs torch: pip install torch" in out
    assert out.splitlines()[-1] == "identical: 1 of 1, bit for bit"
    statements({"p.one": lacking})
    call("verify", "--json", path)
    code, out, _ = call("rerun", path)
    assert code == 0 and out.splitlines()[-1] == "nothing to compare: nothing ran then"


def test_what_ran_then_and_cannot_now_is_no_agreement(call, document, statements, monkeypatch):
    from bn_theory.cli import extras

    statements({"p.one": lacking, "p.two": seeded})
    code, out, _ = call("rerun", document)
    rows = [line.split() for line in out.splitlines() if line.startswith("p.one")]
    assert code == 1 and rows[0][:2] == ["p.one", "different"]
    assert rows[1] == ["p.one", "verdict", "supported", "not", "run", "-", "1"]
    assert rows[2][:3] == ["p.one", "not_run", "(absent)"] and len(rows) == 3
    monkeypatch.setattr(extras, "missing", lambda extra: ("torch",) if extra else ())
    statements({"p.one": seeded, "p.two": seeded}, extra="networks")
    code, out, err = call("rerun", document)
    assert (code, out) == (2, "") and "p.one, which cannot run here: needs torch" in err and err.count("\n") == 1


def test_a_statement_that_there_is_no_more(call, document, monkeypatch):
    monkeypatch.undo()
    code, out, err = call("rerun", document)
    assert (code, out) == (2, "") and "unknown statement or paper 'p.one'" in err and err.count("\n") == 1


def test_a_document_that_cannot_be_read_exits_2(call, document, tmp_path):
    path = tmp_path / "cut.json"
    path.write_bytes(document.read_bytes()[:200])
    for wrong, words in ((path, "ends in the middle"), (tmp_path / "absent", "no such file"), (tmp_path, "cannot be")):
        code, out, err = call("rerun", wrong)
        assert (code, out) == (2, "") and words in err and err.count("\n") == 1


@pytest.mark.parametrize("name", ["bench", "calibration"])
def test_times_do_not_repeat(call, name, request):
    path = request.config.rootpath / "tests" / "benchmarks" / "results" / f"{name}.json"
    code, out, err = call("rerun", path)
    assert (code, out) == (2, "") and f"kind '{name}' cannot be done once more" in err and "times do not repeat" in err


def test_targets_are_checked_before_the_work(call, document, statements, tmp_path):
    statements({"p.one": None, "p.two": None})
    content = document.read_bytes()
    for target, words in ((document, "is the document that is compared with"), (tmp_path / "no" / "x", "not exist")):
        code, out, err = call("rerun", document, "--json", target)
        assert (code, out) == (2, "") and words in err
    assert document.read_bytes() == content


# --- fit ---


@pytest.fixture
def fitted(call, tmp_path):
    """Path of a document of a small fit."""
    call("fit", *FIT, "--json", tmp_path / "fit.json")
    return tmp_path / "fit.json"


def test_a_fit_is_repeated(call, fitted, tmp_path):
    code, out, err = call("rerun", fitted, "--json", tmp_path / "again.json")
    assert (code, err) == (0, "") and out.splitlines()[-1] == "identical: 1 of 1, bit for bit"
    assert (tmp_path / "again.json").read_bytes() == fitted.read_bytes()


def test_another_seed_or_a_changed_number_of_a_fit_is_found(call, fitted):
    edit(fitted, lambda content: content["options"].update(seed=1))
    code, out, _ = call("rerun", fitted)
    assert code == 1 and "fit   different" in out and "result" in out
    edit(fitted, lambda content: content["options"].update(seed=0))
    assert call("rerun", fitted)[0] == 0
    edit(fitted, lambda content: content["exit"].update(code=1))
    code, out, _ = call("rerun", fitted)
    assert code == 1 and ".code" in out


def test_infinite_options_come_back(call, tmp_path):
    path = tmp_path / "fit.json"
    call("fit", *FIT, "--window", "10", "inf", "--json", path)
    assert call("rerun", path)[0] == 0


def test_a_data_file_is_found_again_and_must_be_the_same(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    X = np.random.default_rng(0).standard_normal((40, 4))
    rows = "\n".join(",".join(map(repr, row.tolist())) for row in X)
    data = tmp_path / "d.csv"
    data.write_text(f"a,b,c,y\n{rows}\n")
    call("fit", "--csv", "d.csv", "--target", "y", "--replicas", "8", "--steps", "300", "--json", "fit.json")
    assert call("rerun", "fit.json")[0] == 0
    # elsewhere it is looked for beside the document
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert call("rerun", tmp_path / "fit.json")[0] == 0
    data.write_text(data.read_text() + "1,2,3,4\n")
    code, out, err = call("rerun", tmp_path / "fit.json")
    assert (code, out) == (2, "") and "is not the file that" in err and "SHA-256" in err
    data.unlink()
    code, out, err = call("rerun", tmp_path / "fit.json")
    assert (code, out) == (2, "") and "put it beside the document" in err
