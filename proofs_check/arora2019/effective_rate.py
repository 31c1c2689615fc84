"""Only eta/|w|^2 matters: scaling w by c and eta by c^2 leaves every direction as it is.

Statement.  For a scale-invariant loss, GD or SGD (same samples, any schedule) from (c w_0, c^2 eta_t)
visits c w_t when it visits w_t from (w_0, eta_t): the directions v_t = w_t/|w_t| agree at every step.  In
terms of v the step is ``w_{t+1} = |w_t| (v_t - (eta_t/|w_t|^2) grad L(v_t))``, so eta_t/|w_t|^2 is the
effective learning rate.

Source.  The role of eta/|w|^2 is that of Arora, Li, Lyu, ICLR 2019, arXiv:1812.03981; this form is derived
here.
"""

from functools import lru_cache

import sympy as sp

from ..proof import Assumption, Citation, Identity, Induction, Instance, Proof, Source, eq
from . import norm_growth, orthogonality


@lru_cache(maxsize=1)
def prove() -> Proof:
    """The proof; see the module for the statement."""
    c, norm, eta = sp.symbols("c G eta", positive=True)
    length = sp.Symbol("n2", nonnegative=True)  # |grad L(v)|^2
    t = sp.Symbol("t", integer=True, nonnegative=True)
    x, v = sp.symbols("x v", real=True)  # stand for vectors: only linear operations touch them
    w, scaled, rate = (
        sp.Function("w", real=True),
        sp.Function("W", real=True),
        sp.Function("eta", positive=True),
    )
    field = sp.Function("grad_t", real=True)  # the gradient field of the sample of step t

    homogeneous = orthogonality.homogeneous_field(field, t, c, x)
    run = Assumption(
        "run",
        "The run from w_0 with rates eta(t); w(t) stands for a vector, all operations are linear.",
        eq(w(t + 1), w(t) - rate(t) * field(t, w(t))),
        (t,),
    )
    other = Assumption(
        "scaled run",
        "The run from c w_0 with rates c^2 eta(t), on the same samples.",
        eq(scaled(t + 1), scaled(t) - c**2 * rate(t) * field(t, scaled(t))),
        (t,),
    )
    start = Assumption("scaled start", "It starts at c w_0.", eq(scaled(0), c * w(0)))
    growth = Citation(
        "growth",
        eq(sp.Symbol("G'", positive=True), norm + eta**2 * length / norm),
        norm_growth.prove(),
        "growth at unit norm",
    )
    return Proof(
        "arora2019.effective_rate",
        "Only the effective learning rate matters",
        "(w_0, eta_t) -> (c w_0, c^2 eta_t) multiplies every w_t by c and changes no direction",
        (
            homogeneous,
            run,
            other,
            start,
            Induction(
                "every step",
                scaled(t),
                c * w(t),
                t,
                ((1, start),),
                ((1, other), (-c, run), (-(c**2) * rate(t), Instance(homogeneous, ((x, w(t)),)))),
                why="W_{t+1} = c w_t - c^2 eta grad L(c w_t) = c w_t - c eta grad L(w_t) = c w_{t+1}.",
            ),
            Identity("same effective rate", c**2 * eta / (c**2 * norm), eta / norm, "c^2 eta/|c w|^2 = eta/|w|^2."),
            Identity(
                "step in the direction",
                sp.sqrt(norm) * v - eta * field(t, sp.sqrt(norm) * v),
                sp.sqrt(norm) * (v - eta / norm * field(t, v)),
                "w = sqrt(G) v: up to length, the step depends on eta/G alone.",
                ((-eta, Instance(homogeneous, ((c, sp.sqrt(norm)), (x, v)))),),
            ),
            growth,
            Identity(
                "relative growth",
                growth.relation.lhs / norm,
                1 + (eta / norm) ** 2 * length,
                "The norm's growth factor too depends on eta/G alone.",
                ((1 / norm, growth),),
            ),
        ),
        Source(
            "Arora, Li, Lyu, ICLR 2019, arXiv:1812.03981",
            "effective learning rate; this form derived here",
            "derived",
        ),
    )
