"""A progress bar that stays away from pipes and from short runs."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager

PATIENCE = 1.0
"""Seconds before a bar appears by itself."""


@contextmanager
def progress_bar(wanted, steps: int, label: str):
    """Yield ``advance(n)``; ``wanted`` is ``True``, ``False`` or ``None`` (long runs in a terminal only)."""
    if wanted is False or (wanted is None and not sys.stderr.isatty()):
        yield lambda n: None
        return
    from rich.console import Console
    from rich.progress import Progress

    # The bar is on stderr: what the program prints to a piped stdout must not be drawn into it.
    bar = Progress(console=Console(stderr=True), transient=True, redirect_stdout=sys.stdout.isatty())
    task = bar.add_task(label, total=steps)
    born = time.monotonic()
    shown = False

    def advance(n):
        nonlocal shown
        if not shown and (wanted or time.monotonic() - born > PATIENCE):
            bar.start()
            shown = True
        bar.update(task, advance=n)

    try:
        yield advance
    finally:
        if shown:
            bar.stop()
