"""A report as files: one, or one with a folder beside it; written whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bn_theory.errors import InvalidInputError
from bn_theory.files import write_whole

LIST = "FILES.txt"
"""In every folder of a report: the names of its files. A folder without it is not ours to replace."""
_FIRST_LINE = "Files of a report of bn_theory, which replaces this folder as a whole:"


@dataclass(frozen=True)
class Publication:
    """What one format of a report is made of.

    Attributes:
        main: the file asked for.
        beside: ``{name: content}`` of the folder beside it; empty where it needs none.
    """

    main: bytes
    beside: Mapping[str, bytes] = field(default_factory=dict)


def folder_beside(target: Path, kind: str) -> Path:
    """The folder that belongs to a report's file: ``report-latex`` for ``report.tex`` and ``"latex"``.

    Raises:
        InvalidInputError: something else has that name: not a folder, or one with files that no report wrote.
    """
    folder = target.with_name(f"{target.stem}-{kind}")
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise InvalidInputError(f"cannot write the folder {folder}: it exists and is not a folder; give another PATH")
    if folder.is_dir():
        try:
            foreign = sorted(_names(folder) - _listed(folder))
        except OSError as error:
            raise InvalidInputError(f"cannot replace the folder {folder}: {error.strerror}") from error
        if foreign:
            shown = ", ".join(foreign[:3]) + (", ..." if len(foreign) > 3 else "")
            raise InvalidInputError(
                f"cannot replace the folder {folder}: no report wrote {shown}; move that away or give another PATH"
            )
    return folder


def write(publications: Sequence[tuple[Path, Path | None, Publication]]) -> None:
    """Write reports so that the folders are in place before the files that refer to them.

    Args:
        publications: ``(target, folder, publication)``, checked by ``writable_target`` and :func:`folder_beside`;
            ``folder`` is ``None`` for one that needs none.

    Raises:
        InvalidInputError: it could not be written; folders and files are then what they were.
    """
    with ExitStack() as stack:
        for _, folder, publication in publications:
            if folder is not None:
                stack.enter_context(_replaced(folder, publication.beside))
        for target, _, publication in publications:
            stack.enter_context(_taken_back(target))
            write_whole(target, publication.main)


@contextmanager
def _taken_back(target):
    """Put a file back as it was if what follows fails: a new page beside an old folder would not be one report."""
    before = target.read_bytes() if target.exists() else None
    try:
        yield
    except BaseException:
        if before is None:
            target.unlink(missing_ok=True)
        elif target.read_bytes() != before:
            write_whole(target, before)
        raise


@contextmanager
def _replaced(folder, files):
    """Put a folder in place; take it back if what follows fails."""
    draft, older = (folder.with_name(f".{folder.name}.{os.getpid()}.{state}") for state in ("part", "old"))
    had = folder.exists()
    try:
        try:
            draft.mkdir()
            for name, content in (*files.items(), (LIST, _list(files))):
                (draft / name).write_bytes(content)
            if had:
                os.rename(folder, older)
            try:
                os.rename(draft, folder)
            except OSError:
                if had:
                    os.rename(older, folder)
                raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)  # nothing is there once it was renamed
    except OSError as error:
        raise InvalidInputError(f"cannot write the folder {folder}: {error.strerror}") from error
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        if had:
            os.rename(older, folder)
        raise
    if had:
        shutil.rmtree(older, ignore_errors=True)


def _list(files):
    return "\n".join((_FIRST_LINE, *sorted(files), "")).encode()


def _names(folder):
    return {entry.name for entry in os.scandir(folder)}


def _listed(folder):
    """Names that a report wrote there, the list's own too; none where there is no such list."""
    try:
        first, *names = (folder / LIST).read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError, ValueError):
        return set()
    return {LIST, *names} if first == _FIRST_LINE else set()
