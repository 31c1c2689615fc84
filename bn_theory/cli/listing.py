"""``bn-theory list``."""

from bn_theory.cli.output import show
from bn_theory.report import tables
from bn_theory.theorems import registry


def run(options) -> int:
    """Print all statements."""
    show(tables.statements(map(registry.statement, registry.SLUGS)))
    return 0
