"""Files of a report: whole or not at all, and never over what no report wrote."""

import os

import pytest

from bn_theory.errors import InvalidInputError
from bn_theory.report import publication
from bn_theory.report.publication import LIST, Publication, folder_beside, write


@pytest.fixture
def target(tmp_path):
    return tmp_path / "report.tex"


def publish(target, main=b"main", **beside):
    folder = folder_beside(target, "latex")
    write([(target, folder, Publication(main, beside))])
    return folder


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != LIST}


def test_a_file_and_its_folder(target):
    folder = publish(target, body=b"body", figure=b"figure")
    assert folder == target.with_name("report-latex")
    assert target.read_bytes() == b"main"
    assert content(folder) == {"body": b"body", "figure": b"figure"}
    assert sorted(path.name for path in target.parent.iterdir()) == ["report-latex", "report.tex"]


def test_an_older_folder_of_ours_is_replaced_as_a_whole(target):
    publish(target, body=b"body", figure=b"figure")
    folder = publish(target, b"newer", body=b"other")
    assert target.read_bytes() == b"newer" and content(folder) == {"body": b"other"}
    assert sorted(path.name for path in target.parent.iterdir()) == ["report-latex", "report.tex"]


def test_an_empty_folder_may_be_used(target):
    target.with_name("report-latex").mkdir()
    assert content(publish(target, body=b"body")) == {"body": b"body"}


def test_a_folder_with_files_of_others_is_refused(target):
    folder = publish(target, body=b"body")
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(InvalidInputError, match=r"report-latex: no report wrote notes\.txt; .*another PATH"):
        folder_beside(target, "latex")
    (folder / "notes.txt").unlink()
    (folder / LIST).write_text("a list of something else\nbody\n")
    with pytest.raises(InvalidInputError, match=r"no report wrote FILES\.txt, body"):
        folder_beside(target, "latex")
    (folder / LIST).write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidInputError, match=r"no report wrote FILES\.txt, body"):
        folder_beside(target, "latex")


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_is_no_folder_is_refused(target, tmp_path, kind):
    place = target.with_name("report-latex")
    if kind == "file":
        place.write_text("")
    else:
        (tmp_path / "elsewhere").mkdir()
        place.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidInputError, match="exists and is not a folder"):
        folder_beside(target, "latex")


@pytest.mark.parametrize("before", [False, True], ids=["new", "older"])
def test_when_the_file_fails_the_folder_is_what_it_was(target, monkeypatch, before):
    if before:
        publish(target, b"old", body=b"old")

    def fail(path, main):
        assert content(folder_beside(target, "latex")) == {"body": b"new"}  # the folder comes first
        raise InvalidInputError("the disk is full")

    monkeypatch.setattr(publication, "write_whole", fail)
    with pytest.raises(InvalidInputError, match="the disk is full"):
        publish(target, b"new", body=b"new")
    folder = target.with_name("report-latex")
    if before:
        assert target.read_bytes() == b"old" and content(folder) == {"body": b"old"}
    else:
        assert not target.exists() and not folder.exists()
    assert not [path for path in target.parent.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("failing", [1, 2], ids=["setting the older aside", "putting the new in place"])
def test_when_the_folder_fails_nothing_has_changed(target, monkeypatch, failing):
    publish(target, b"old", body=b"old")
    calls, rename = [], os.rename

    def fail_once(source, place):
        calls.append(source)
        if len(calls) == failing:
            raise OSError(28, "No space left on device")
        rename(source, place)

    monkeypatch.setattr(publication.os, "rename", fail_once)
    with pytest.raises(InvalidInputError, match=r"cannot write the folder .*report-latex: No space left"):
        publish(target, b"new", body=b"new")
    assert target.read_bytes() == b"old" and content(target.with_name("report-latex")) == {"body": b"old"}
    assert sorted(path.name for path in target.parent.iterdir()) == ["report-latex", "report.tex"]


@pytest.mark.parametrize("before", [None, b"old"])
def test_when_the_second_file_fails_the_first_report_is_what_it_was(target, monkeypatch, before):
    other = target.with_name("report.md")
    if before is not None:
        publish(target, before, x=before)
    both = [
        (path, folder_beside(path, path.suffix[1:]), Publication(b"new", {"x": b"new"})) for path in (target, other)
    ]
    written = publication.write_whole

    def failing(path, content):
        if path == other:
            raise InvalidInputError(f"cannot write {path}")
        written(path, content)

    monkeypatch.setattr(publication, "write_whole", failing)
    with pytest.raises(InvalidInputError, match=r"report\.md"):
        write(both)
    assert (target.read_bytes() if target.exists() else None) == before
    assert not other.exists()


def test_when_the_second_folder_fails_the_first_is_taken_back(target, monkeypatch):
    other = target.with_name("report.md")
    both = [
        (target, folder_beside(target, "latex"), Publication(b"a", {"x": b"a"})),
        (other, folder_beside(other, "markdown"), Publication(b"b", {"no/such/place": b"b"})),
    ]
    with pytest.raises(InvalidInputError, match="report-markdown"):
        write(both)
    assert list(target.parent.iterdir()) == []
