"""Every statement of the registry that trains networks (extra ``networks``): nothing may be contradicted or open."""

import pytest
from checks_of_statements import *  # noqa: F403

from bn_theory.theorems import registry
from bn_theory.theorems.registry import statement

pytest.importorskip("torch", reason="statements on networks need torch: pip install '.[networks]'")

SLUGS = tuple(slug for slug in registry.SLUGS if statement(slug).extra is not None)


def test_there_are_some():
    assert len(SLUGS) >= 1
