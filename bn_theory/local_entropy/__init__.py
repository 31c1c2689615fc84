"""Local entropy of a function of one variable, and the shock of its gradient.

    u(x, s) = -2 nu log( K_s * exp(-f/(2 nu)) )(x),    K_s(z) = exp(-z^2/(4 nu s)) / sqrt(4 pi nu s)

solves ``u_s + u_x^2/2 = nu u_xx``, and ``v = u_x`` the viscous Burgers equation. ``f`` is a function on the line, or of
the angle of a scale-invariant loss in the plane. Three ways to compute it, which share no code: the heat semigroup in
Fourier space (``spectral``), a mean over Gaussian draws (``sampling``), and quadrature in logarithms (``gibbs``), which
alone follows ``nu`` to 0. Proved in ``proofs_check.shock2026``. All quantities are dimensionless.
"""

from bn_theory.local_entropy.gibbs import Gibbs, gibbs
from bn_theory.local_entropy.laws import Law, before_law, jump_law, limit_before, shock_law
from bn_theory.local_entropy.potentials import Potential, circle, line, quotient
from bn_theory.local_entropy.sampling import Sampled, monte_carlo
from bn_theory.local_entropy.shock import Shock, crossing_time, shock_time
from bn_theory.local_entropy.spectral import Field, on_circle, spectral_rounding

__all__ = [
    "Field",
    "Gibbs",
    "Law",
    "Potential",
    "Sampled",
    "Shock",
    "before_law",
    "circle",
    "crossing_time",
    "gibbs",
    "jump_law",
    "limit_before",
    "line",
    "monte_carlo",
    "on_circle",
    "quotient",
    "shock_law",
    "shock_time",
    "spectral_rounding",
]
