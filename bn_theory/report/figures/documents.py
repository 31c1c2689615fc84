"""Fits, envelopes and runs as a document has them, back as the objects that figures take.

A document has lists for arrays, and the strings ``"inf"``, ``"-inf"``, ``"nan"`` for numbers that JSON has not.
"""

from __future__ import annotations

import numpy as np

from bn_theory.rates.envelope import Envelope
from bn_theory.rates.local import LocalExponents
from bn_theory.rates.result import ExponentFit


def fit_of(document) -> ExponentFit:
    """A fit with its local exponents."""
    local = {name: np.asarray(y, dtype=float) for name, y in document["local_exponents"].items()}
    numbers = {name: float(document[name]) for name in ("exponent", "stat", "sys", "amplitude", "confidence")}
    ends = {name: tuple(map(float, document[name])) for name in ("interval", "window")}
    return ExponentFit(**dict(document) | numbers | ends | {"local_exponents": LocalExponents(**local)})


def envelope_of(document) -> Envelope:
    """An envelope with its fit."""
    arrays = {name: np.asarray(document[name], dtype=float) for name in ("t", "sup", "argmax")}
    return Envelope(**dict(document) | arrays | {"fit": fit_of(document["fit"])})


def run_of(dims, document, names):
    """The data set of a run: ``step``, and the arrays ``names`` of these dims."""
    import xarray as xr

    values = {name: (dims, np.asarray(document[name], dtype=float)) for name in names}
    return xr.Dataset(values, {"step": np.asarray(document["step"], dtype=int)})
