"""Which commit the code is of: asked of git in repositories made here, or read where a build left it."""

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from bn_theory import provenance

ROOT = Path(provenance.__file__).parents[1]
IDENTITY = ("-c", "user.name=A", "-c", "user.email=a@b", "-c", "commit.gpgsign=false", "-c", "init.defaultBranch=main")


@pytest.fixture
def git(tmp_path, monkeypatch):
    """``git(*arguments)`` in a new repository, out of reach of any other and of the user's own settings."""
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    folder = tmp_path / "repository"
    folder.mkdir()

    def run(*arguments):
        done = subprocess.run(("git", *IDENTITY, *arguments), cwd=folder, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    run("init", "--quiet")
    return run


@pytest.fixture
def package(git, tmp_path):
    """A folder of that repository with one committed module."""
    folder = tmp_path / "repository" / "a_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("x = 1\n")
    git("add", ".")
    git("commit", "--quiet", "--message", "first")
    return folder


def test_the_commit_of_a_checkout(git, package):
    found = provenance.commit_of(package)
    assert found == git("rev-parse", "HEAD") and len(found) == 40


def test_changed_files_are_told_and_new_ones_are_not_the_code(git, package):
    clean = provenance.commit_of(package)
    (package / "notes.txt").write_text("untracked")
    assert provenance.commit_of(package) == clean
    (package / "__init__.py").write_text("x = 2\n")
    assert provenance.commit_of(package) == f"{clean}+changes"
    git("commit", "--quiet", "--all", "--message", "second")
    assert provenance.commit_of(package) == git("rev-parse", "HEAD") != clean


def test_a_package_that_lies_in_somebody_elses_repository_is_not_of_it(package, tmp_path):
    installed = tmp_path / "repository" / "site-packages" / "bn_theory"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("")
    assert provenance.commit_of(package) is not None
    assert provenance.commit_of(installed) is None


def test_without_a_repository_a_commit_or_git_there_is_none(git, package, tmp_path, monkeypatch):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "__init__.py").write_text("")
    assert provenance.commit_of(outside) is None
    git("update-ref", "-d", "HEAD")
    assert provenance.commit_of(package) is None
    monkeypatch.setenv("PATH", str(outside))
    assert provenance.commit_of(ROOT / "bn_theory") is None


@pytest.fixture
def fresh(monkeypatch):
    """The commit is looked up anew, before and after."""
    provenance.commit.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    provenance.commit.cache_clear()


@pytest.mark.parametrize(
    "kept, commit", [("a" * 40, "a" * 40), (f"{'b' * 40}+changes\n", f"{'b' * 40}+changes"), ("", None)]
)
def test_what_a_build_left_is_believed_and_git_is_not_asked(fresh, tmp_path, kept, commit):
    (tmp_path / provenance.COMMIT_FILE).write_text(kept)
    fresh.setattr(provenance, "HERE", tmp_path)
    fresh.setattr(provenance, "commit_of", None)
    assert provenance.commit() == commit
    assert provenance.package() == {"name": "bn_theory", "version": provenance.version(), "commit": commit}


def test_a_description_is_short_and_says_what_is_unknown():
    made = {"name": "bn_theory", "version": "1.2.3", "commit": "0123456789abcdef0123456789abcdef01234567"}
    assert provenance.described(made) == "bn_theory 1.2.3 (commit 0123456789ab)"
    assert provenance.described(made | {"commit": f"{made['commit']}+changes"}).endswith(
        "(commit 0123456789ab+changes)"
    )
    assert provenance.described(made | {"commit": None}).endswith("(commit unknown)")


def test_the_environment_names_the_commit():
    assert provenance.environment()["commit"] == (provenance.commit() or "unknown")
    changed = provenance.environment()
    changed["commit"] = "another"
    assert provenance.environment()["commit"] != "another"


# --- what setup.py writes ---


def build(source, target):
    """The commit that a build of a copy of the sources leaves, as text; ``None`` where it leaves no file."""
    subprocess.run(
        (sys.executable, "setup.py", "--quiet", "build_py", "--build-lib", str(target)),
        cwd=source,
        capture_output=True,
        check=True,
    )
    written = target / "bn_theory" / provenance.COMMIT_FILE
    return written.read_text() if written.is_file() else None


@pytest.fixture
def source(git, tmp_path):
    """The sources' skeleton in the new repository, not committed yet."""
    folder = tmp_path / "repository"
    (folder / "bn_theory").mkdir()
    (folder / "setup.py").write_bytes((ROOT / "setup.py").read_bytes())
    (folder / "setup.cfg").write_text("[metadata]\nname = bn_theory\nversion = 1\n[options]\npackages = bn_theory\n")
    (folder / ".gitignore").write_text("build\n*.egg-info\n")
    for name in ("__init__.py", "provenance.py"):
        (folder / "bn_theory" / name).write_bytes((ROOT / "bn_theory" / name).read_bytes())
    return folder


def test_a_build_notes_its_commit(git, source, tmp_path):
    assert build(source, tmp_path / "untracked") == ""
    git("add", ".")
    git("commit", "--quiet", "--message", "first")
    head = git("rev-parse", "HEAD")
    assert build(source, tmp_path / "clean") == head
    (source / "setup.cfg").write_text((source / "setup.cfg").read_text() + "\n")
    assert build(source, tmp_path / "changed") == f"{head}+changes"
    assert not (source / "bn_theory" / provenance.COMMIT_FILE).exists()
    # a source distribution carries it, and a build of that keeps it
    subprocess.run(
        (sys.executable, "setup.py", "--quiet", "sdist", "--formats", "gztar", "--dist-dir", str(tmp_path / "sdist")),
        cwd=source,
        capture_output=True,
        check=True,
    )
    with tarfile.open(next((tmp_path / "sdist").glob("*.tar.gz"))) as archive:
        (name,) = (n for n in archive.getnames() if n.endswith(f"/bn_theory/{provenance.COMMIT_FILE}"))
        assert archive.extractfile(name).read() == f"{head}+changes".encode()
    assert not (source / "bn_theory" / provenance.COMMIT_FILE).exists()
    (source / "bn_theory" / provenance.COMMIT_FILE).write_text("c" * 40)
    assert build(source, tmp_path / "carried") == "c" * 40
