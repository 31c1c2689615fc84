"""The command line ``bn-theory``: list, verify, fit, calibrate, prove, bench, schedule, experiment, report, rerun,
cite.

Exit codes: 0 everything supported; 1 something contradicted (for ``fit``: the run diverged; for ``rerun``: the results
are not those of the document); 2 usage or bad input; 3 something inconclusive (for ``fit``: no power law); 70 a defect
of this program; 130 interrupted; 141 whoever read the output stopped reading. A crash must not look like a verdict,
hence 70 and not 1.

Nothing heavy is imported before a command needs it, so that ``--help`` answers at once.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

from bn_theory.cli.parser import parse
from bn_theory.errors import BnTheoryError

BAD_INPUT, DEFECT, INTERRUPTED, BROKEN_PIPE = 2, 70, 130, 141


def main(arguments=None) -> int:
    """Run one command and return its exit code.

    Args:
        arguments: list of strings; ``None`` for the process's own.

    Raises:
        SystemExit: from argparse, for ``--help``, ``--version`` and usage errors (code 2).
    """
    options = parse(arguments)
    try:
        code = import_module(f"bn_theory.cli.{options.command}").run(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _stop("interrupted", INTERRUPTED)
    except BrokenPipeError:
        # Python flushes stdout once more when it exits, which would fail with a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except BnTheoryError as error:
        return _stop(" ".join(str(error).split()), BAD_INPUT)
    except Exception:
        import traceback

        traceback.print_exc()
        return _stop("this is a defect of the program, not a verdict", DEFECT)
    return code


def _stop(message, code):
    print(f"bn-theory: {message}", file=sys.stderr)
    return code
