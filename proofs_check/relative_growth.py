"""The relative growth of a squared norm in one step, bounded by its logarithm: shared by the two rate
theorems."""

import sympy as sp

from .proof import Definition, Identity, Inequality, Step, instance


def steps(slower: Step, growth: Step, gradient: Step, longer: Step, *, rate, peak=None) -> dict[str, Step]:
    """Steps that lead to ``x <= rho log(1 + x)`` for ``x(i,t) = (G(i,t+1) - G(i,t))/G(i,t)``.

    ``slower`` is the concavity of the logarithm, ``growth`` the equation of the growth, ``gradient`` the
    bound n(i,t) <= C(i), ``longer`` G(i,0) <= G(i,t); ``rate`` the step size and ``peak`` the step ``rate
    <= eta(i)`` when the rate varies.
    """
    then, first, now = growth.relation.lhs, *longer.relation.args
    n, limit = gradient.relation.args
    i, t = now.args
    x, ratio, rho = sp.Function("x", nonnegative=True), *(sp.Function(s, positive=True) for s in ("r", "rho"))
    top = rate if peak is None else peak.relation.rhs
    varying = () if peak is None else ((limit**2 * (top + rate) / first**2, peak),)

    relative = Definition("relative growth x", x(i, t), rate**2 * n**2 / now**2)
    factor = Identity("growth factor", then, now * (1 + x(i, t)), "", ((1, growth), (-now, relative)))
    largest = Definition("r", ratio(i), (limit * top / first) ** 2)
    small = Inequality(
        "x <= r",
        x(i, t),
        ratio(i),
        (
            (rate**2 * (limit + n) / first**2, gradient),
            (rate**2 * n**2 * (now + first) / (first**2 * now**2), longer),
            (-1, largest),
            (1, relative),
            *varying,
        ),
    )
    constant = Definition("rho", rho(i), ratio(i) / sp.log(1 + ratio(i)))
    concave = Inequality(
        "x <= rho log(1+x)",
        x(i, t),
        rho(i) * sp.log(1 + x(i, t)),
        (
            (1 / sp.log(1 + ratio(i)), instance(slower, (small,), y=x(i, t), h=ratio(i) - x(i, t))),
            (-sp.log(1 + x(i, t)), constant),
        ),
    )
    logs = Identity("logarithm of the growth", sp.log(1 + x(i, t)), sp.log(then) - sp.log(now), rewrite=(factor,))
    return {
        "relative": relative,
        "factor": factor,
        "largest": largest,
        "small": small,
        "constant": constant,
        "concave": concave,
        "logs": logs,
    }
