"""Hägele, Hernández-Cano, Kosson, Jaggi, *Improving Neural Network Training by Decoupling the Magnitude and Direction
of Weight Vectors* (arXiv:2606.25971).

Only the abstract was available: the statements are derived in this package, the idea is the paper's.
"""

from functools import partial

from bn_theory.papers import PAPERS
from bn_theory.theorems.statement import Source

derived = partial(Source, PAPERS["md_decoupling2026"].short, origin="derived")
"""``derived(statement)``: a statement of this package, on the paper's subject."""
