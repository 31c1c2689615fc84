"""Miyagawa, *A Link between Shock-wave Theory and Symmetry-reduced Stochastic Gradient Descent for Artificial Neural
Networks* (arXiv:2606.18303).

Only the abstract was available: the statements are derived in this package, the idea is the paper's.
"""

from functools import partial

from bn_theory.papers import PAPERS
from bn_theory.theorems.statement import Source

derived = partial(Source, PAPERS["shock2026"].short, origin="derived")
"""``derived(statement)``: a statement of this package, on the paper's subject."""
