"""The gradients of the workloads as one would write them by hand, with as few passes over the arrays as they allow.

Written apart from the package's own losses on purpose: they are what the engines are compared with. Every array
library runs the same text; what differs between libraries comes in ``maths``. ``state`` holds arrays ``(replicas, d)``
and parameters ``(replicas, 1)``, ``noise`` sigma times the signs of every group, or ``None``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Maths:
    """What an array library calls its functions.

    Attributes:
        dot: sums of products along the last axis, ``(replicas, d)`` twice in, ``(replicas, 1)`` out.
        sqrt, tanh: elementwise.
    """

    dot: Callable[[Any, Any], Any]
    sqrt: Callable[[Any], Any]
    tanh: Callable[[Any], Any]


def rayleigh(maths: Maths, state, noise, data):
    """Of ``sum a w^2 / (2 |w|^2) + <z, w>/|w|``."""
    w = state["w"]
    norm2 = maths.dot(w, w)
    aw = data["a"] * w
    radial = maths.dot(aw, w) / norm2**2
    if noise is None:
        return {"w": aw / norm2 - radial * w}
    z, norm = noise["w"], maths.sqrt(norm2)
    radial = radial + maths.dot(z, w) / (norm2 * norm)
    return {"w": aw / norm2 + z / norm - radial * w}


def bilinear(maths: Maths, state, noise, data):
    """Of ``-sum a u v / (|u| |v|) + <z_u, u>/|u| + <z_v, v>/|v|``."""
    u, v = state["u"], state["v"]
    au, av = data["a"] * u, data["a"] * v
    u2, v2 = maths.dot(u, u), maths.dot(v, v)
    u1, v1 = maths.sqrt(u2), maths.sqrt(v2)
    product = maths.dot(au, v) / (u1 * v1)
    zu, zv = noise["u"], noise["v"]
    along_u = (product - maths.dot(zu, u) / u1) / u2
    along_v = (product - maths.dot(zv, v) / v1) / v2
    return {
        "u": zu / u1 - av / (u1 * v1) + along_u * u,
        "v": zv / v1 - au / (u1 * v1) + along_v * v,
    }


def least_squares(maths: Maths, state, noise, data):
    """Of ``gamma^2/2 - gamma b.w / sqrt(sum s w^2)``."""
    w, gamma = state["w"], state["gamma"]
    sw = data["s"] * w
    deviation2 = maths.dot(sw, w)
    deviation = maths.sqrt(deviation2)
    correlation = (w @ data["b"])[:, None] / deviation
    slope = gamma / deviation
    return {"w": (slope * correlation / deviation) * sw - slope * data["b"], "gamma": gamma - correlation}


def neuron(maths: Maths, state, noise, data):
    """Of ``mean log(1 + exp(-label (gamma x.w / std + beta)))`` on centred rows ``x``: two products of matrices."""
    w, gamma, labels, rows = state["w"], state["gamma"], data["labels"], data["rows"]
    count = labels.shape[0]
    products = w @ rows.T
    deviation = maths.sqrt(maths.dot(products, products) / count)
    unit = products / deviation
    margin = labels * (gamma * unit + state["beta"])
    slope = labels * ((maths.tanh(margin / 2) - 1) / (2 * count))
    along = maths.dot(slope, unit)
    return {
        "w": ((slope - unit * (along / count)) @ rows) * (gamma / deviation),
        "gamma": along,
        "beta": slope.sum(-1)[:, None],
    }
