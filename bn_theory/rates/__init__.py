"""Decay exponents with honest intervals, envelopes of families, and the calibration of both."""

from .calibration import CalibrationRow, calibrate, format_table
from .envelope import Envelope, envelope, envelope_amplitude
from .fit import fit_exponent
from .local import LocalExponents, local_exponents
from .result import ExponentFit

__all__ = [
    "CalibrationRow",
    "Envelope",
    "ExponentFit",
    "LocalExponents",
    "calibrate",
    "envelope",
    "envelope_amplitude",
    "fit_exponent",
    "format_table",
    "local_exponents",
]
