"""Which code made a result: version and commit of this package, its libraries, the processor."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping
from functools import lru_cache
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).resolve().parent
COMMIT_FILE = "_commit.txt"
"""Written beside this module when the package is built from a checkout (setup.py); a checkout itself has none."""

_CUPY = ("cupy", "cupy-cuda12x", "cupy-cuda13x")  # one package under several names
_OPTIONAL = (*_CUPY, "torch")


def version() -> str:
    """The installed version of this package."""
    try:
        return metadata.version("bn_theory")
    except metadata.PackageNotFoundError:  # run from a source tree that is not installed
        return "(not installed)"


@lru_cache(maxsize=1)
def commit() -> str | None:
    """The commit that this code is of: 40 hexadecimal digits, with ``+changes`` if files differ from it.

    An installed package knows it from its build; a checkout asks git. ``None`` where neither knows.
    """
    built = HERE / COMMIT_FILE
    if built.is_file():
        return built.read_text(encoding="ascii").strip() or None
    return commit_of(HERE)


def commit_of(folder: Path) -> str | None:
    """The commit that git has checked out in a folder of tracked files, with ``+changes`` if they were changed."""
    # a package that merely lies inside of somebody's repository is not of that repository's commit
    if _git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    found = _git(folder, "rev-parse", "HEAD")
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return None if found is None else found + ("+changes" if changed else "")


def _git(folder, *arguments):
    try:
        done = subprocess.run(
            ("git", "-C", str(folder), *arguments), capture_output=True, text=True, check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def package() -> dict[str, str | None]:
    """Name, version and commit of this package, as every document has them."""
    return {"name": "bn_theory", "version": version(), "commit": commit()}


def described(made: Mapping | None = None) -> str:
    """Version and commit in a few words, as every text output has them.

    Args:
        made: a :func:`package`, for instance that of a document; by default this one.

    >>> described({"name": "bn_theory", "version": "1.2.3", "commit": None})
    'bn_theory 1.2.3 (commit unknown)'
    """
    made = package() if made is None else made
    found = made["commit"]
    # twelve digits tell commits apart in any repository of this size, and fit a line
    short = "commit unknown" if found is None else f"commit {found[:12]}{found[40:]}"
    return f"{made['name']} {made['version']} ({short})"


def environment() -> dict[str, str]:
    """Versions of this package and its libraries, its commit, Python's version, the processor's name."""
    return dict(_environment())


@lru_cache(maxsize=1)
def _environment():
    versions = {"bn_theory": version()}
    for name in ("numpy", "numba", "sympy", "scipy", "xarray", "scikit-learn", *_OPTIONAL):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            if name not in _OPTIONAL:
                versions[name] = "not installed"
    return {
        "versions": ", ".join(f"{k} {v}" for k, v in versions.items()),
        "commit": commit() or "unknown",
        "python": platform.python_version(),
        "processor": processor(),
    }


def processor() -> str:
    """The processor's name, or the kind of machine where the system does not tell it."""
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
