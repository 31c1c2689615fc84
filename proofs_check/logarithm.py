"""The elementary bounds on the logarithm that the rate theorems use, as steps with a proof each."""

import sympy as sp

from .proof import AroundOne, Increasing, Step

_h, _y = sp.symbols("h y", nonnegative=True)
_z = sp.Symbol("z", positive=True)


def bounds() -> dict[str, Step]:
    """The steps, in an order in which each uses only earlier ones (h, y >= 0 and z > 0 are arbitrary)."""
    below = Increasing("log from below", _y / (1 + _y), sp.log(1 + _y), _y, ((_y / (1 + _y) ** 2, 1),))
    slower = Increasing(
        "log(1+y)/y decreases",
        _y * sp.log(1 + _y + _h),
        (_y + _h) * sp.log(1 + _y),
        _h,
        ((1, below), (1, _y * _h / ((1 + _y) * (1 + _y + _h)))),
        why="y log(1+r) <= r log(1+y) for r = y + h: concavity of the logarithm.",
    )
    above = Increasing("log from above", sp.log(1 + _y), _y, _y, ((_y / (1 + _y), 1),))
    tangent = AroundOne("tangent of log", sp.log(_z), _z - 1, _z, above, below, _y, "log z <= z - 1 for all z > 0.")
    gap = Increasing(
        "gap of the tangent",
        _y**2 / (2 * (1 + _y)),
        _y - sp.log(1 + _y),
        _y,
        ((_y**2 / (2 * (1 + _y) ** 2), 1),),
        why="A strictly positive gap for y > 0.",
    )
    root = Increasing(
        "log of a truncated exponential",
        sp.log(1 + _y + _y**2 / 2),
        _y,
        _y,
        ((_y**2 / 2 / (1 + _y + _y**2 / 2), 1),),
    )
    return {"below": below, "slower": slower, "above": above, "tangent": tangent, "gap": gap, "root": root}
