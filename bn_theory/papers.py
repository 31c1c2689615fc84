"""The papers whose statements are verified, and this package as something to be cited: their one definition."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Paper:
    """A published paper, or a preprint.

    Attributes:
        key: short name, the first part of its statements' slugs.
        authors: ``(given names, family name)`` of each.
        title, venue: in full.
        short_venue: the venue's usual abbreviation.
        year: of the venue.
        arxiv: number on arXiv.
        kind: BibTeX's type of entry: ``"inproceedings"``, or ``"misc"`` for a preprint.
    """

    key: str
    authors: tuple[tuple[str, str], ...]
    title: str
    venue: str
    short_venue: str
    year: int
    arxiv: str
    kind: str = "inproceedings"

    @property
    def short(self) -> str:
        """Family names, venue, year and arXiv number.

        >>> PAPERS["li2020"].short
        'Li, Arora (ICLR 2020), arXiv:1910.07454'
        """
        families = ", ".join(family for _, family in self.authors)
        return f"{families} ({self.short_venue} {self.year}), arXiv:{self.arxiv}"


@dataclass(frozen=True)
class Software:
    """This package; version and commit are :mod:`bn_theory.provenance`'s.

    Attributes:
        key: in BibTeX.
        author, title: as they are cited.
        released: date of the release, ``YYYY-MM-DD``.
        licence: its name.
    """

    key: str
    author: str
    title: str
    released: str
    licence: str

    @property
    def year(self) -> int:
        """Of the release."""
        return int(self.released[:4])


_ICLR = "International Conference on Learning Representations (ICLR)"
_PREPRINT = ("arXiv preprint", "preprint")

PAPERS = {
    paper.key: paper
    for paper in (
        Paper(
            "arora2019",
            (("Sanjeev", "Arora"), ("Zhiyuan", "Li"), ("Kaifeng", "Lyu")),
            "Theoretical Analysis of Auto Rate-Tuning by Batch Normalization",
            _ICLR,
            "ICLR",
            2019,
            "1812.03981",
        ),
        Paper(
            "li2020",
            (("Zhiyuan", "Li"), ("Sanjeev", "Arora")),
            "An Exponential Learning Rate Schedule for Deep Learning",
            _ICLR,
            "ICLR",
            2020,
            "1910.07454",
        ),
        Paper(
            "bjorck2018",
            (("Johan", "Bjorck"), ("Carla", "Gomes"), ("Bart", "Selman"), ("Kilian Q.", "Weinberger")),
            "Understanding Batch Normalization",
            "Advances in Neural Information Processing Systems (NeurIPS)",
            "NeurIPS",
            2018,
            "1806.02375",
        ),
        Paper(
            "shock2026",
            (("Taiki", "Miyagawa"),),
            "A Link between Shock-wave Theory and Symmetry-reduced Stochastic Gradient Descent for Artificial Neural "
            "Networks",
            *_PREPRINT,
            2026,
            "2606.18303",
            "misc",
        ),
        Paper(
            "low_rank_decay2026",
            (("Mingyu", "Li"),),
            "Low-Rank Decay for Grokking in Scale-Invariant Transformers: A Spectral-Geometric View",
            *_PREPRINT,
            2026,
            "2606.04405",
            "misc",
        ),
        Paper(
            "md_decoupling2026",
            (
                ("Alexander", "Hägele"),
                ("Alejandro", "Hernández-Cano"),
                ("Atli", "Kosson"),
                ("Martin", "Jaggi"),
            ),
            "Improving Neural Network Training by Decoupling the Magnitude and Direction of Weight Vectors",
            *_PREPRINT,
            2026,
            "2606.25971",
            "misc",
        ),
    )
}
"""By key, in the order of the statements."""

SOFTWARE = Software(
    "bn_theory",
    "bn_theory developers",
    "bn_theory: theorems about batch normalisation and scale invariance, proved, run, fitted and judged",
    "2026-11-21",
    "MIT",
)
