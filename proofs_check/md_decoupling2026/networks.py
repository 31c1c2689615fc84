"""Rows of a batch-normalised layer as directions and gains.

Statement.  A hidden layer's row w_j makes the numbers ``z_j = <w_j, x>``, which are normalised over the batch.

* The loss is scale-invariant in every row by itself, so every row's gain is inert; multiplying the other rows by
  positive numbers changes no row's gradient. Hence all rows at once, every one a group and at its own rate ``eta_t
  |w_{j,t}|^2``, are plain training that has the directions of training on the spheres
  (``md_decoupling2026.equivalent_schedule``).
* Adam's step of an entry, eps = 0, does not change with the scale of its gradients: on the sphere, its tangential part
  brought to the length eta turns the row by ``cos = 1/sqrt(1 + eta^2)`` whatever the width.
* A row of the last layer, which nothing normalises, has no inert gain.

Whether the best rate moves less with the width is not predicted: it is measured, at the sizes that were run.

Source.  The separation of magnitude and direction: Haegele, Hernandez-Cano, Kosson, Jaggi, arXiv:2606.25971. The
statements as written here are derived in this package.
"""

from functools import lru_cache

import sympy as sp

from ..arora2019 import networks, orthogonality
from ..li2020 import other_normalisations
from ..proof import Assumption, Citation, Identity, Proof, Source, eq
from ..vectors import dot, gram, vector
from . import equivalent_schedule, identity


@lru_cache(maxsize=1)
def prove() -> Proof:
    """The proof; see the module for the statement."""
    return Proof(
        "md_decoupling2026.networks",
        "Rows of a batch-normalised layer as directions and gains",
        "every row has an inert gain and, at its own rate eta_t |w_t|^2, the directions of training on the sphere; a "
        "row of the last layer has not",
        (*_rows(), *_together(), *_steps(), *_last()),
        Source(identity.PAPER, "directions and gains of a network's rows", "derived"),
    )


def _rows():
    """One row before a batch normalisation."""
    d = sp.Symbol("d", integer=True, positive=True)
    i = sp.Symbol("i", integer=True)
    c, s2 = sp.symbols("c s2", positive=True)
    m, z, g = sp.Symbol("m", real=True), sp.Symbol("z", real=True), sp.Symbol("g", positive=True)
    weight, feature = sp.Function("w", real=True), sp.Function("x", real=True)
    linear = Identity(
        "one row",
        sp.Sum(c * weight(i) * feature(i), (i, 1, d)),
        c * sp.Sum(weight(i) * feature(i), (i, 1, d)),
        "z = <w, x> of every sample of the batch is multiplied by c with the row.",
    )
    normalised = other_normalisations.prove()
    scaling = Citation(
        "batch normalisation",
        eq((c * z - c * m) / sp.sqrt(c**2 * s2), (z - m) / sp.sqrt(s2)),
        normalised,
        "scaling",
        (z,),
    )
    kernel = Citation(
        "all rows together",
        networks.prove().step("whole kernel").relation,
        networks.prove(),
        "whole kernel",
    )
    inert = Citation("gain of a row", eq(gram("p", "v"), 0), identity.prove(), "the gain is inert")
    product = Identity(
        "derivative by the gain of a row",
        dot(g * vector("v"), vector("p")),
        0,
        "<w, grad L> = g <v, grad L>.",
        ((g, inert),),
    )
    return linear, scaling, kernel, inert, product


def _together():
    """Every row at a rate of its own."""
    factor = sp.Symbol("R", positive=True)
    eta = sp.Symbol("eta", nonnegative=True)
    v, h = vector("v"), vector("h")
    groups = equivalent_schedule.prove()
    others = Citation(
        "gradient of one row, others scaled",
        groups.step("gradient by one group, others scaled").relation,
        groups,
        "gradient by one group, others scaled",
    )
    every = Citation(
        "all rows at once",
        groups.step("step of every group at its own rate").relation,
        groups,
        "step of every group at its own rate",
    )
    steps = Citation(
        "equivalent rate",
        equivalent_schedule.prove().step("plain step").relation,
        equivalent_schedule.prove(),
        "plain step",
    )
    length = Citation(
        "squared norm of a row",
        equivalent_schedule.prove().step("squared norm").relation,
        equivalent_schedule.prove(),
        "squared norm",
    )
    grown = Assumption(
        "length before the retraction",
        "|v - eta h|^2 = R^2 by 'length before the retraction' of md_decoupling2026.equivalent_schedule.",
        eq(gram("v", "v") - 2 * eta * gram("h", "v") + eta**2 * gram("h", "h"), factor**2),
        role="conclusion",
    )
    step = (1 / factor) * (v - eta * h)
    kept = Identity(
        "norm of a row's direction", dot(step, step), 1, "Exactly 1 after every step.", ((1 / factor**2, grown),)
    )
    return others, every, steps, length, grown, kept


def _steps():
    """Adam on the sphere."""
    eta, size = sp.symbols("eta D", positive=True)
    v, d = vector("v"), vector("d")
    scaled = Citation(
        "Adam's step at another scale",
        identity.prove().step("Adam's step, scaled").relation,
        identity.prove(),
        "Adam's step, scaled",
    )
    unit = Assumption("unit row", "|v| = 1.", eq(gram("v", "v"), 1))
    tangent = Assumption("tangential part", "<v, d> = 0.", eq(gram("d", "v"), 0))
    long = Assumption("its length", "|d| = D > 0.", eq(gram("d", "d"), size**2))
    moved = v + (eta / size) * d
    length = Identity(
        "a step of relative size eta",
        dot(moved, moved),
        1 + eta**2,
        "d brought to the length eta.",
        ((1, unit), (2 * eta / size, tangent), (eta**2 / size**2, long)),
    )
    along = Identity("along the row", dot(moved, v), 1, "", ((1, unit), (eta / size, tangent)))
    turn = Citation(
        "turn of a row",
        identity.prove().step("cosine of a tangential step").relation,
        identity.prove(),
        "cosine of a tangential step",
    )
    return scaled, unit, tangent, long, length, along, turn


def _last():
    """A row that is not normalised."""
    g, y = sp.symbols("g y", positive=True)
    homogeneous = Citation(
        "were it scale-invariant",
        orthogonality.prove().step("orthogonality").relation,
        orthogonality.prove(),
        "orthogonality",
    )
    slope = Identity(
        "last layer: by the gain",
        sp.Derivative(sp.log(1 + sp.exp(-g * y)), g),
        -y / (1 + sp.exp(g * y)),
        "Logistic loss of one sample on the right side, output g y: not 0 for any gain.",
    )
    return homogeneous, slope
