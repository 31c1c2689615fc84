"""A user's own table: a comma-separated file in, ``X`` and ``y`` for BN least squares out, or one clear error."""

from __future__ import annotations

import csv
import difflib
import math
import re
from contextlib import contextmanager

import numpy as np

from bn_theory.errors import DataFileError, InvalidInputError


def read_csv(path, target: str):
    """Read a CSV file with a header line and numbers below it, checked for use in BN least squares.

    Every column but the target becomes a column of ``X``, in the file's order and in the file's units.
    Blank lines are skipped; nothing is filled in, dropped or rescaled.

    Args:
        path: of a comma-separated file in UTF-8, its first line the column names.
        target: name of the column to be predicted.

    Returns:
        ``(X, y, names)``: shapes ``(n, d)`` and ``(n,)``, and the d names of the columns of ``X``.

    Raises:
        DataFileError: a file that cannot be read, an empty one, a header that is missing or has a name twice, a
            target that is not in it, a missing, textual or non-finite cell, a constant column or target, columns
            that depend on each other, too few rows. The message names file, column and row.

    Source: derived in this package.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "measured.csv")
    ...     _ = path.write_text("size,age,price\\n1,3,1\\n2,1,3\\n4,2,2\\n7,5,9\\n")
    ...     X, y, names = read_csv(path, "price")
    >>> X.shape, y.tolist(), names
    ((4, 2), [1.0, 3.0, 2.0, 9.0], ('size', 'age'))
    """
    from bn_theory.losses.families import centred_moments  # sympy, not needed to find a bad cell

    records = _records(path)
    names = _header(path, *records[0])
    if target not in names:
        near = difflib.get_close_matches(str(target), names, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"it has {', '.join(map(repr, names))}"
        raise DataFileError(f"{path}: no column {target!r} for the target; {hint}")
    if len(names) < 2:
        raise DataFileError(f"{path}: only the target {target!r}; at least one more column is needed to predict it")
    if len(records) < 2:
        raise DataFileError(f"{path}: there are no rows below the header")
    table = np.array([_numbers(path, names, row, *record) for row, record in enumerate(records[1:], 1)])
    at = names.index(target)
    X, y, others = np.delete(table, at, axis=1), table[:, at], names[:at] + names[at + 1 :]
    with columns_named(path, target, X, others):
        centred_moments(X, y)
    return X, y, others


@contextmanager
def columns_named(path, target: str, X, names):
    """Turn a refusal of ``X`` or ``y`` by a loss into a ``DataFileError`` that speaks of the file's columns.

    Raises:
        DataFileError: in place of any ``InvalidInputError`` inside.
    """
    try:
        yield
    except InvalidInputError as error:
        message = re.sub(r"\bcolumn (\d+) of X\b", lambda found: f"column {names[int(found[1])]!r}", str(error))
        message = re.sub(r"^y is constant", f"the target {target!r} is constant", message)
        if "depend on each other" in message:
            message = f"column {names[_dependent(X)]!r} is a combination of others; {message}"
        raise DataFileError(f"{path}: {message}") from error


def _dependent(X):
    """A column that is a combination of the others: what pivoted QR leaves for last."""
    from scipy.linalg import qr

    centred = X - X.mean(axis=0)
    return int(qr(centred / np.linalg.norm(centred, axis=0), mode="r", pivoting=True)[-1][-1])


def _records(path):
    """``[(line of the file, cells), ...]`` without blank lines, at least one."""
    records = []
    try:
        # utf-8-sig: spreadsheets put a byte-order mark first, which would become part of the first name
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            records.extend((reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells))
    except FileNotFoundError as error:
        raise DataFileError(f"{path}: there is no such file") from error
    except OSError as error:
        raise DataFileError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataFileError(f"{path}: is not text in UTF-8 (byte {error.start}); save it as CSV in UTF-8") from error
    except (csv.Error, ValueError) as error:
        raise DataFileError(f"{path}: line {reader.line_num} is not comma-separated text: {error}") from error
    if not records:
        raise DataFileError(f"{path}: is empty; the first line must hold the column names")
    return records


def _header(path, line, cells):
    names = tuple(cell.strip() for cell in cells)
    if all(_number(name) is not None for name in names):
        raise DataFileError(f"{path}: line {line} holds numbers only; the first line must hold the column names")
    for position, name in enumerate(names, 1):
        if not name:
            raise DataFileError(f"{path}: column {position} has no name in the header")
    for name in names:
        if names.count(name) > 1:
            raise DataFileError(f"{path}: the header has {name!r} {names.count(name)} times; rename all but one")
    for separator in ";\t":
        if len(names) == 1 and separator in names[0]:
            raise DataFileError(f"{path}: the header is separated by {separator!r}; save it separated by commas")
    return names


def _numbers(path, names, row, line, cells):
    where = f"row {row} (line {line})"
    if len(cells) > len(names):
        raise DataFileError(f"{path}: {where} has {len(cells)} cells, but the header names {len(names)} columns")
    if len(cells) < len(names):
        raise DataFileError(f"{path}: column {names[len(cells)]!r}, {where}: the cell is missing")
    return [_cell(f"{path}: column {name!r}, {where}", cell.strip()) for name, cell in zip(names, cells, strict=True)]


def _cell(where, text):
    if not text:
        raise DataFileError(f"{where}: the cell is empty; fill it in or leave the row out")
    number = _number(text)
    if number is None:
        raise DataFileError(f"{where}: {text!r} is not a number")
    if not math.isfinite(number):
        raise DataFileError(f"{where}: {text!r} is not finite")
    return number


def _number(text):
    # float() takes 1_000, which is a number in Python source and a label in a table.
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None
