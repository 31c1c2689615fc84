"""Li, Arora, *An Exponential Learning Rate Schedule for Deep Learning* (ICLR 2020, arXiv:1910.07454)."""

from functools import partial

from bn_theory.papers import PAPERS
from bn_theory.theorems.statement import Source

PAPER = PAPERS["li2020"].short

paper = partial(Source, PAPER, origin="paper")
"""``paper(statement)``: a source whose result is the paper's (constants are derived in this package)."""
derived = partial(Source, PAPER, origin="derived")
"""``derived(statement)``: a statement of this package, on the paper's subject."""
