"""Bjorck, Gomes, Selman, Weinberger, *Understanding Batch Normalization* (NeurIPS 2018, arXiv:1806.02375)."""

from functools import partial

from bn_theory.papers import PAPERS
from bn_theory.theorems.statement import Source

PAPER = PAPERS["bjorck2018"].short

paper = partial(Source, PAPER, origin="paper")
"""``paper(statement)``: a source whose result is the paper's (constants are derived in this package)."""
derived = partial(Source, PAPER, origin="derived")
"""``derived(statement)``: a statement of this package, on the paper's subject."""
