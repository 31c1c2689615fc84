"""Li, *Low-Rank Decay for Grokking in Scale-Invariant Transformers: A Spectral-Geometric View* (arXiv:2606.04405).

Only the abstract was available: the statements are derived in this package, the idea is the paper's.
"""

from functools import partial

from bn_theory.papers import PAPERS
from bn_theory.theorems.statement import Source

derived = partial(Source, PAPERS["low_rank_decay2026"].short, origin="derived")
"""``derived(statement)``: a statement of this package, on the paper's subject."""
