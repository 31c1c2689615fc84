"""Files appear whole or not at all."""

import errno
import os
import tempfile

import pytest

from bn_theory.errors import InvalidInputError
from bn_theory.files import writable_target, write_whole


def test_writes_and_replaces_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "out.json"
    write_whole(writable_target(path), b"one")
    write_whole(path, b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["out.json"]


def test_permissions_are_those_of_any_new_file(tmp_path):
    (tmp_path / "usual").touch()
    write_whole(tmp_path / "ours", b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.parametrize("name", ["replace", "fsync"])
def test_a_failure_on_the_way_keeps_the_old_file(tmp_path, monkeypatch, name):
    path = tmp_path / "out.json"
    path.write_bytes(b"old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, name, fail)
    with pytest.raises(InvalidInputError, match="No space left"):
        write_whole(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["out.json"]


def test_an_interrupt_on_the_way_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "out.json"
    path.write_bytes(b"old")

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["out.json"]


def test_a_link_is_followed(tmp_path):
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    write_whole(writable_target(tmp_path / "link"), b"new")
    assert (tmp_path / "real").read_bytes() == b"new"
    assert (tmp_path / "link").is_symlink()


def test_targets_that_cannot_be_written_are_refused_beforehand(tmp_path):
    with pytest.raises(InvalidInputError, match="does not exist"):
        writable_target(tmp_path / "absent" / "out.json")
    with pytest.raises(InvalidInputError, match="not a regular file"):
        writable_target(tmp_path)
    with pytest.raises(InvalidInputError, match="not a regular file"):
        writable_target(os.devnull)


def test_a_folder_without_write_permission_is_refused(tmp_path, monkeypatch):
    # Root may write everywhere, so the system's refusal is made here rather than by permissions.
    def refuse(*args, **options):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(InvalidInputError, match="Permission denied"):
        writable_target(tmp_path / "out.json")
