"""Every statement of the registry that needs no extra: nothing may be contradicted or open."""

from pathlib import Path

from checks_of_statements import *  # noqa: F403

import bn_theory.theorems as theorems
import proofs_check
from bn_theory.theorems import registry
from bn_theory.theorems.registry import statement

SLUGS = tuple(slug for slug in registry.SLUGS if statement(slug).extra is None)


def test_proof_module_and_statement_share_the_slug():
    folder = Path(theorems.__file__).parent
    for slug in registry.SLUGS:
        paper, name = slug.split(".")
        assert (folder / paper / f"{name}.py").is_file()
        assert slug in proofs_check.slugs()
        assert statement(slug).slug == slug
        assert proofs_check.prove(slug).slug == slug
