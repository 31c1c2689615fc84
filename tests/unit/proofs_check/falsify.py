"""Statements made false on purpose: a step that says one of them must not build."""

import dataclasses

import pytest

import proofs_check
from proofs_check.proof import ProofError


def falsified(wrong):
    """Parametrise a test over ``(slug, step, field, the wrong value as a function of the right one)``."""
    names = [f"{slug}-{name}-{number}" for number, (slug, name, *_) in enumerate(wrong)]
    return pytest.mark.parametrize(("slug", "name", "field", "change"), wrong, ids=names)


def assert_rejected(slug, name, field, change):
    """The right step builds again and the wrong one does not."""
    step = proofs_check.prove(slug).step(name)
    dataclasses.replace(step)
    with pytest.raises(ProofError) as caught:
        dataclasses.replace(step, **{field: change(getattr(step, field))})
    assert caught.value.step == name
    assert caught.value.residual != 0
