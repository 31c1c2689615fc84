"""Compiling a report where a TeX is installed."""

import shutil
import subprocess

import pytest

COMMANDS = {
    "pdflatex": ("pdflatex", "-interaction=nonstopmode", "-no-shell-escape"),
    "tectonic": ("tectonic", "--keep-logs", "--untrusted"),
}
FOUND = next((name for name in COMMANDS if shutil.which(name)), None)
needs_tex = pytest.mark.skipif(FOUND is None, reason=f"needs {' or '.join(COMMANDS)}")


def compiled(folder, publication, stem):
    """Write a publication and compile it until its references are known; returns the last log.

    No error, no undefined reference and no warning that a label changed may be in it.
    """
    beside = folder / f"{stem}-latex"
    beside.mkdir()
    for name, content in publication.beside.items():
        (beside / name).write_bytes(content)
    (folder / f"{stem}.tex").write_bytes(publication.main)
    return run(folder, stem)


def run(folder, stem):
    # the table of contents moves the pages, and columns of long tables need one more run
    for _ in range(4):
        done = subprocess.run(
            (*COMMANDS[FOUND], f"{stem}.tex"), cwd=folder, capture_output=True, text=True, errors="replace", timeout=300
        )
    log = (folder / f"{stem}.log").read_text(encoding="utf-8", errors="replace")
    assert done.returncode == 0, [line for line in log.splitlines() if line.startswith("!")] or done.stderr[-2000:]
    for fault in ("\n!", "undefined references", "Reference `", "Label(s) may have changed", "multiply defined"):
        assert fault not in log, fault
    assert (folder / f"{stem}.pdf").stat().st_size > 0
    return log
