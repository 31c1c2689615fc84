"""Documents read back: what is right is taken as it is, what is not is named with the way out."""

import json
import sys
from importlib.resources import files
from pathlib import Path

import pytest
from report_documents import edited

from bn_theory.errors import InvalidInputError, MissingExtraError, ReportError
from bn_theory.report import bench, calibration, fit, json_, tested
from bn_theory.report.read import COMMANDS, kind_of, read_document, schema
from bn_theory.report.verification import NotRun, Verification
from bn_theory.theorems import evidence as judge
from bn_theory.theorems.statement import Result, Settings, Source, Statement

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
PACKAGE = {"name": "bn_theory", "version": "1", "commit": "0123456789abcdef0123456789abcdef01234567+changes"}


def made(slug):
    return Statement(slug, "A title", Source("A paper", "Theorem 1", "paper"), lambda _: ())


@pytest.fixture
def document(monkeypatch):
    """A document of ``bn-theory verify`` with one statement that ran and one that did not."""
    monkeypatch.setattr(json_, "_proof", lambda statement: None)
    curves = (judge.Curves("a figure", "What is shown.", {"t": [1, 2], "y": [0.1, float("inf")]}),)
    ran = Result(made("p.one"), (judge.bound("ratio", 0.5), judge.bound("other", 0.25)), (), 1.5, curves)
    found = Verification(Settings("quick", 3, "numpy"), (ran, NotRun(made("p.two"), "needs torch")), 2.5)
    return json_.verify_document(found, PACKAGE, {"python": "3"})


@pytest.fixture
def write(tmp_path):
    """``write(bytes, text or document)`` returns the path of a file that holds it."""
    path = tmp_path / "a document.json"

    def put(content):
        if not isinstance(content, (str, bytes)):
            content = json_.as_bytes(content)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return put


def refused(path, *words, kinds=tuple(COMMANDS)):
    """The message of the refusal, in which the file and the words are named."""
    with pytest.raises(ReportError) as caught:
        read_document(path, kinds)
    message = str(caught.value)
    assert isinstance(caught.value, InvalidInputError) and str(path) in message
    for word in words:
        assert word in message, message
    assert len(message) < 600 and "\n" not in message
    return message


def test_a_document_comes_back_as_it_was_written(document, write):
    path = write(document)
    assert read_document(path) == read_document(path, ["verify"]) == read_document(str(path)) == document
    assert kind_of(document) == "verify"
    assert document["environment"] == {"python": "3", "engine": "numpy", "engine_used": "numpy"}


@pytest.mark.parametrize(
    "name, kind", [("bench", "bench"), ("bench_replicas", "bench"), ("calibration", "calibration")]
)
def test_the_committed_results_are_documents(name, kind):
    assert read_document(RESULTS / f"{name}.json", [kind])["package"]["name"] == "bn_theory"


@pytest.mark.parametrize(
    "kind, module",
    [("verify", json_), ("fit", fit), ("bench", bench), ("calibration", calibration), ("pytest", tested)],
)
def test_schemas_are_those_of_the_documents(kind, module):
    assert schema(kind)["properties"]["schema"] == {"const": module.SCHEMA}
    assert module.SCHEMA.startswith(f"bn-theory.{kind}/")


def test_every_schema_is_of_a_kind_and_names_the_package_alike():
    shipped = sorted(path.name for path in (files("bn_theory") / "schemas").iterdir())
    assert shipped == sorted(f"{kind}.json" for kind in COMMANDS)
    packages = [schema(kind)["properties"]["package"] for kind in COMMANDS]
    assert packages == [packages[0]] * len(COMMANDS)
    for kind in COMMANDS:
        assert {"package", "environment"} <= set(schema(kind)["required"])


# --- files that cannot be read ---


def test_what_is_no_file(tmp_path):
    refused(tmp_path / "absent.json", "there is no such file")
    refused(tmp_path, "cannot be read")
    with pytest.raises(ReportError, match="cannot be the name of a file"):
        read_document("a\0b")


def test_a_file_that_must_not_be_read(write, document, monkeypatch):
    path = write(document)

    def forbidden(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", forbidden)
    refused(path, "cannot be read: Permission denied")


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xff\xfe{}", "not text in UTF-8 (byte 0)"),
        ("verdict: supported\n", "is not JSON, at line 1"),
        ('{"a": 1,}', "is not JSON"),
        ('{"a": NaN}', "NaN is no number of JSON"),
        ('{"a": -Infinity}', "-Infinity is no number of JSON"),
        ('{"a": 1e999}', "1e999 is beyond float64"),
        ('{"a": ' + "9" * 5000 + "}", "not strict JSON"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_not_json(write, content, words):
    refused(write(content), words, "write it again")


def test_every_truncation_is_refused(write, document):
    whole = json_.as_bytes(document)
    assert b'"nan"' not in whole
    for end in {1, 2, 10, len(whole) // 2, len(whole) - 3}:
        refused(write(whole[:end]), "ends in the middle")


@pytest.mark.parametrize(
    "content",
    ["3", "[]", '"bn-theory.verify/2"', "{}", '{"schema": 2}', '{"schema": "x"}', '{"schema": "bn-theory.x/1"}'],
)
def test_json_of_somebody_else(write, content):
    refused(write(content), "no document of this package", "bn-theory fit --json PATH", kinds=("verify", "fit"))


def test_a_kind_that_is_of_no_use(write, document):
    message = refused(write(document), "kind 'verify'", "bn-theory bench --json PATH", kinds=("bench",))
    assert "verify --json PATH" not in message


# --- versions ---


@pytest.mark.parametrize("kind", COMMANDS)
def test_another_version_says_what_to_do(write, kind):
    name, _, own = schema(kind)["properties"]["schema"]["const"].rpartition("/")
    older, newer = f"{name}/{int(own) - 1}", f"{name}/{int(own) + 1}"
    words = refused(write({"schema": older}), f"older schema {older}", f"reads {name}/{own}")
    assert f"write it again with this version: {COMMANDS[kind]}" in words
    words = refused(write({"schema": newer}), f"newer schema {newer}", f"reads {name}/{own}")
    assert "install a newer bn_theory" in words


# --- contents that the schema refuses ---


@pytest.mark.parametrize(
    "path, value, words",
    [
        (["seed"], ..., ("the document: 'seed' is a required property",)),
        (["seed"], "3", ("seed: '3' is not of type 'integer'",)),
        (["package", "commit"], "abc", ("package.commit: 'abc' does not match",)),
        (["statements", 0, "verdict"], "proved", ("statements[0].verdict",)),
        (["statements", 0, "evidence", 1, "kind"], "guess", ("statements[0].evidence[1].kind: 'guess' is not one of",)),
        (["statements", 0, "evidence", 1, "extra"], 1, ("statements[0].evidence[1]", "'extra' was unexpected")),
        (["statements", 1, "not_run"], ..., ("statements[1]", "'not_run' is a required property")),
    ],
)
def test_the_first_fault_is_named_with_its_place(write, document, path, value, words):
    refused(write(edited(document, path, value)), "is not as the schema bn-theory.verify/", *words)


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda d: d["statements"][0].update(verdict="contradicted"), "p.one is 'contradicted', but 'supported'"),
        (lambda d: d["statements"][0]["evidence"][0].update(verdict="contradicted"), "p.one is 'supported'"),
        (lambda d: d.update(verdict="inconclusive"), "the overall verdict is 'inconclusive'"),
        (lambda d: d.update(statements=[]), "'inconclusive' follows"),
        (lambda d: d["statements"].append(d["statements"][0]), "has p.one twice"),
        (lambda d: d["statements"][0].update(slug="p.one\n"), "slug"),
        (lambda d: d.update(seed=0.0), "seed: 0.0 is not of type 'integer'"),
        (lambda d: d.update(seed=2**64), "seed"),
        (lambda d: d.update(seconds=10**400), "beyond float64"),
    ],
)
def test_what_does_not_follow_from_the_rest_is_damage(write, document, change, words):
    assert read_document(write(document))
    change(document)
    refused(write(document), words)


def test_half_a_character_is_refused(write, document):
    refused(write(json_.as_bytes(document).replace(b"ratio", b"\\ud800")), "half of a character")


def test_a_long_fault_quotes_the_rule_and_not_the_document(write, document):
    document["statements"][0]["source"] = ["x" * 50] * 50
    message = refused(write(document), 'statements[0].source: does not satisfy type "object"')
    assert "xxx" not in message


def test_without_jsonschema_the_command_is_named(write, document, monkeypatch):
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    with pytest.raises(MissingExtraError, match="pip install jsonschema"):
        read_document(write(document))


def test_what_was_read_is_strictly_what_json_says(write, document):
    document["statements"][0]["evidence"][0]["measured"] = 0.1 + 0.2
    back = read_document(write(document))
    assert back["statements"][0]["evidence"][0]["measured"].hex() == (0.1 + 0.2).hex()
    assert json.loads(json.dumps(back)) == back
