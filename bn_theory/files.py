"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from bn_theory.errors import InvalidInputError


def writable_target(path) -> Path:
    """The absolute path of a file that can be written; to be asked before the work whose result goes there.

    Raises:
        InvalidInputError: its folder is missing or not writable, or there is something else than a file.
    """
    # A link is followed: the file it leads to is replaced, not the link.
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise InvalidInputError(f"cannot write {path}: the folder {target.parent} does not exist")
    # Replacing /dev/null or a pipe by a regular file would break it for everybody else.
    if target.exists() and not target.is_file():
        raise InvalidInputError(f"cannot write {path}: it exists and is not a regular file")
    try:
        # Trying is the only test that also knows of read-only file systems.
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise InvalidInputError(f"cannot write {path}: {error.strerror} in {target.parent}") from error
    return target


def write_whole(path, content: bytes) -> None:
    """Write a file so that at any moment its old content or its new one is there, never a part.

    Raises:
        InvalidInputError: it could not be written; what was there before still is.
    """
    target = Path(os.path.realpath(path))
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        try:
            with open(draft, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, target)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise InvalidInputError(f"cannot write {path}: {error.strerror}") from error
