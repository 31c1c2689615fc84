"""Arora, Li, Lyu, *Theoretical Analysis of Auto Rate-Tuning by Batch Normalization* (ICLR 2019, arXiv:1812.03981)."""

from bn_theory.papers import PAPERS
from bn_theory.theorems.statement import Source

PAPER = PAPERS["arora2019"].short


def paper(statement: str) -> Source:
    """A source whose result is the paper's (constants are derived in this package)."""
    return Source(PAPER, statement, "paper")


def derived(statement: str) -> Source:
    """A statement of this package, on the paper's subject."""
    return Source(PAPER, statement, "derived")
