"""``bn-theory prove``."""

from __future__ import annotations

import sys

from bn_theory.errors import InvalidInputError
from bn_theory.provenance import described
from bn_theory.theorems import registry


def run(options) -> int:
    """Print a proof; 1 when one of its steps does not check.

    Raises:
        UnknownNameError: no such slug. InvalidInputError: a paper instead of a statement.
    """
    if options.slug in registry.papers():
        raise InvalidInputError(
            f"prove takes one statement; of {options.slug}: {', '.join(registry.select([options.slug]))}"
        )
    statement = registry.statement(options.slug)
    from proofs_check.proof import ProofError

    try:
        proof = statement.prove()
    except ProofError as error:
        print(f"bn-theory: the proof of {statement.slug} does not check: {error}", file=sys.stderr)
        return 1
    if options.latex:
        print(f"% proved by {described()}\n{proof.as_latex().rstrip()}")
    else:
        print(f"{proof.as_text().rstrip()}\n\nproved by {described()}")
    return 0
