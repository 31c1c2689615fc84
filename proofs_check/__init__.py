"""Symbolic proofs of the statements this project tests: every step is checked while the proof is built.

>>> "arora2019.norm_growth" in slugs()
True
"""

import importlib
import pkgutil

__all__ = ["prove", "slugs"]


def _locations() -> dict[str, str]:
    # A statement is a module of a subpackage (one subpackage a paper); finding them imports none of them.
    # Its slug is "paper.statement".
    found: dict[str, str] = {}
    for folder in __path__:
        for package in pkgutil.iter_modules([folder]):
            if not package.ispkg:
                continue
            for module in pkgutil.iter_modules([f"{folder}/{package.name}"]):
                slug = f"{package.name}.{module.name}"
                found[slug] = f"{__name__}.{slug}"
    return found


def slugs() -> tuple[str, ...]:
    """The slugs of every statement that has a proof, sorted."""
    return tuple(sorted(_locations()))


def prove(slug: str):
    """Build, and so check, the proof of the statement called ``slug``.

    Returns a :class:`proofs_check.proof.Proof`; raises ``KeyError`` for an unknown slug and
    :class:`proofs_check.proof.ProofError` when a step does not check.
    """
    locations = _locations()
    if slug not in locations:
        raise KeyError(f"no statement is called {slug!r}; there are: {', '.join(sorted(locations))}")
    return importlib.import_module(locations[slug]).prove()
