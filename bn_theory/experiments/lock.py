"""One process at a time in a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bn_theory.errors import InvalidInputError

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None

LOCK = ".lock"


@contextmanager
def alone(folder) -> Iterator[bool]:
    """Keep other processes that ask for the same out of a folder, until the end of the block or of the process.

    The file that is locked stays: if it were removed, two processes could lock two files of that name.

    Yields:
        Whether the folder is locked; not so on systems and file systems without such locks.

    Raises:
        InvalidInputError: another process has it, or the file to be locked cannot be made.
    """
    if fcntl is None:
        yield False
        return
    try:
        file = os.open(Path(folder) / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise InvalidInputError(f"cannot write {Path(folder) / LOCK}: {error.strerror}") from error
    try:
        yield _locked(file, folder)
    finally:
        os.close(file)  # which unlocks it


def _locked(file, folder):
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InvalidInputError(
            f"another process is at work in {folder}; wait for its end and go on by --resume, or give another --out"
        ) from error
    except OSError:  # a file system without locks
        return False
    return True
