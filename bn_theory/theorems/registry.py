"""All statements by slug, in the order of the theory; modules are imported when asked for."""

from __future__ import annotations

import difflib
from importlib import import_module

from bn_theory.errors import UnknownNameError
from bn_theory.theorems.statement import Statement

SLUGS = (
    "arora2019.orthogonality",
    "arora2019.norm_growth",
    "arora2019.effective_rate",
    "arora2019.descent",
    "arora2019.gd_rate",
    "arora2019.sgd_rate",
    "arora2019.amplitude_law",
    "arora2019.networks",
    "li2020.constant_rate",
    "li2020.texp",
    "li2020.any_schedule",
    "li2020.effective_rate_recursion",
    "li2020.equilibrium",
    "li2020.toy",
    "li2020.other_normalisations",
    "bjorck2018.sgd_noise",
    "bjorck2018.gaussian_products",
    "bjorck2018.gradients_at_init",
    "bjorck2018.largest_rate",
    "bjorck2018.rate_and_generalisation",
    "bjorck2018.review_questions",
    "shock2026.identity",
    "shock2026.run",
    "shock2026.shock_time",
    "low_rank_decay2026.identity",
    "low_rank_decay2026.run",
    "low_rank_decay2026.grokking",
    "md_decoupling2026.identity",
    "md_decoupling2026.equivalent_schedule",
    "md_decoupling2026.run",
    "md_decoupling2026.networks",
)


def papers() -> tuple[str, ...]:
    """The papers' short names."""
    return tuple(dict.fromkeys(slug.split(".")[0] for slug in SLUGS))


def statement(slug: str) -> Statement:
    """The statement of a slug.

    Raises:
        UnknownNameError: no such slug; the message has the nearest ones.
    """
    if slug not in SLUGS:
        raise _unknown(slug)
    return import_module(f"bn_theory.theorems.{slug}").STATEMENT


def select(names=()) -> tuple[str, ...]:
    """Slugs for a mix of slugs and papers, in registry order; all of them for no names.

    Raises:
        UnknownNameError: a name that is neither.

    >>> select(["arora2019.gd_rate"])
    ('arora2019.gd_rate',)
    """
    for name in names:
        if name not in SLUGS and name not in papers():
            raise _unknown(name)
    return tuple(s for s in SLUGS if not names or s in names or s.split(".")[0] in names)


def _unknown(name):
    near = difflib.get_close_matches(name, (*SLUGS, *papers()), n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else "see bn-theory list"
    return UnknownNameError(f"unknown statement or paper {name!r}; {hint}")
