"""The names of everything that can be benchmarked; imported by the command line, so nothing heavy here."""

from __future__ import annotations

import difflib

from bn_theory.errors import UnknownNameError

DIMENSIONS = (2, 8, 32, 128, 512, 4096)
"""Of the reference workload, half a Rayleigh quotient with sign noise."""

REFERENCE_WORKLOADS = tuple(f"rayleigh_{d}" for d in DIMENSIONS)
WORKLOADS = (*REFERENCE_WORKLOADS, "bilinear", "momentum", "least_squares", "gd", "neuron")

REFERENCES = ("eager", "eager_cupy", "jax", "jax_bits", "jax_gpu", "jax_gpu_bits", "torch")
"""What the engines are compared with: no code of this package runs in their loops."""


def known(kind: str, name: str, names) -> str:
    """The name itself.

    Raises:
        UnknownNameError: it is not one of the names; the nearest ones are in the message.
    """
    if name not in names:
        near = difflib.get_close_matches(str(name), names, n=2, cutoff=0.0)
        raise UnknownNameError(f"unknown {kind} {name!r}; did you mean {' or '.join(map(repr, near))}?")
    return name
