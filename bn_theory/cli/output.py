"""Where output goes: tables by rich on a terminal, plain text in a pipe."""

from __future__ import annotations

import sys
from contextlib import contextmanager

from bn_theory.report import tables


def show(*tables_shown) -> None:
    """Print tables to stdout, one blank line between them; without rows a table is left out."""
    present = [table for table in tables_shown if table.rows]
    if sys.stdout.isatty():
        from rich.console import Console

        console = Console(file=sys.stdout)
        for table in present:
            console.print(tables.as_rich(table))
        return
    print("\n\n".join(map(tables.as_plain, present)))


@contextmanager
def progress():
    """Yield ``(doing, done)`` that show on stderr what is being done and keep a line of what was.

    On a terminal the first is a live line that vanishes; elsewhere only the kept lines are written.
    """
    if not sys.stderr.isatty():
        yield (lambda text: None), (lambda text: print(text, file=sys.stderr, flush=True))
        return
    from rich.console import Console
    from rich.live import Live
    from rich.spinner import Spinner
    from rich.text import Text

    console, spinner = Console(file=sys.stderr), Spinner("dots")
    # rich would send what is printed meanwhile to its own console: right for a terminal, wrong for a pipe
    with Live(spinner, console=console, transient=True, redirect_stdout=sys.stdout.isatty()):
        yield (lambda text: spinner.update(text=Text(text))), (lambda text: console.print(Text(text)))
