"""Whether an optional extra is installed, asked of the package's own metadata (no second list to keep)."""

from __future__ import annotations

import re
from importlib import metadata


def missing(extra: str | None) -> tuple[str, ...]:
    """Distributions of an extra that are not installed; their versions are left to the installer.

    From a source tree that is not installed nothing is known of extras: then nothing counts as missing here, and
    the statement itself raises ``MissingExtraError`` when it comes to what it lacks.
    """
    if extra is None:
        return ()
    try:
        requirements = metadata.requires("bn_theory") or ()
    except metadata.PackageNotFoundError:
        return ()
    marker = re.compile(rf"""extra\s*==\s*["']{re.escape(extra)}["']""")
    names = [re.match(r"[\w.-]+", line)[0] for line in requirements if marker.search(line.partition(";")[2])]
    return tuple(name for name in names if not _installed(name))


def install_command(extra: str) -> str:
    """What to type to get an extra."""
    return f"pip install '.[{extra}]' in the source folder"


def _installed(name):
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True
