"""Every error that this package raises on purpose.

Each one says what was wrong, with which value, and what to do about it. This module imports nothing,
so that naming an error never costs the import of sympy or numba.
"""


class BnTheoryError(Exception):
    """Base of all errors of this package."""


class InvalidInputError(BnTheoryError, ValueError):
    """An argument has a value that cannot be used; the message names the value and the way out."""


class UnknownNameError(InvalidInputError):
    """A family, engine, method, slug or option that does not exist; the message lists the nearest names."""


class LossError(BnTheoryError, ValueError):
    """An expression is not a loss of the language: no weights, a symbol in the wrong place, ..."""


class NoiseError(LossError):
    """Noise does not enter the loss linearly and with mean zero, so the full loss is not defined."""


class NotScaleInvariantError(BnTheoryError):
    """Scale invariance was not proved; ``residual`` is what is left over and ``group`` what was scaled.

    The proof is sufficient and not necessary: a residual that sympy failed to simplify to zero has the
    same effect as a loss that is not scale-invariant.
    """

    def __init__(self, message, *, residual=None, group=None):
        super().__init__(message)
        self.residual = residual
        self.group = group


class MissingConstantError(BnTheoryError):
    """A bound needs a constant of the loss (its infimum, a Hessian bound, ...) that the loss does not know."""


class OutsideAssumptionsError(BnTheoryError):
    """A configuration violates an assumption of the statement it was used for."""


class DivergedError(BnTheoryError):
    """A run left the finite numbers; ``dataset`` keeps every record made before that.

    ``step`` is the first step whose result was not finite, ``replica`` and ``case`` say where, and
    ``dataset`` holds the other replicas' complete records (and the diverged ones' up to that step).
    """

    def __init__(self, message, *, step=None, replica=None, case=None, dataset=None):
        super().__init__(message)
        self.step = step
        self.replica = replica
        self.case = case
        self.dataset = dataset


class NoEquivalentScheduleError(InvalidInputError):
    """No weight-decay-free schedule of positive rates trains alike: decay carries the weights through 0.

    The message names the step or the condition, and what to lower.
    """


class NothingTrainsError(InvalidInputError):
    """A network trains at none of the rates that were tried; the message has them, ``tried`` as ``(rate, False)``."""

    def __init__(self, message, *, tried=()):
        super().__init__(message)
        self.tried = tried


class ScheduleEndedError(BnTheoryError, RuntimeError):
    """A scheduler was stepped beyond the last step of its schedule; the message says how many it has."""


class NoPowerLawError(BnTheoryError):
    """The data are not a power law over the window; ``reason`` is one word, ``partial`` the fit so far.

    ``reason`` is one of ``"exponential"``, ``"plateau"``, ``"rounding_floor"``, ``"too_few_decades"``,
    ``"too_few_records"``, ``"no_window"`` or, from ``bn-theory fit``, ``"zero_gradient"``.
    """

    def __init__(self, message, *, reason=None, partial=None):
        super().__init__(message)
        self.reason = reason
        self.partial = partial


class TruncatedGridError(BnTheoryError):
    """An envelope's maximiser lies on the edge of its grid, so the envelope is not the supremum."""

    def __init__(self, message, *, edge=None, t=None):
        super().__init__(message)
        self.edge = edge
        self.t = t


class ClaimFailedError(BnTheoryError, AssertionError):
    """A claim about a loss, an optimiser or a run does not hold, or the data do not decide it.

    The message has the values, what is allowed and what to look at; ``evidence`` is the judged piece.
    """

    def __init__(self, message, *, evidence=None):
        super().__init__(message)
        self.evidence = evidence


class DataFileError(InvalidInputError):
    """A data file cannot be used; the message names the file, the column and the row."""


class ReportError(InvalidInputError):
    """A document of this package cannot be read; the message names the file, what is wrong with it and the way out."""


class MissingExtraError(BnTheoryError, ImportError):
    """An optional dependency is not installed; the message holds the command that installs it."""


class LoweringError(LossError):
    """An expression has a function that the kernels of an engine cannot express; the message names both."""


class DeviceError(BnTheoryError, RuntimeError):
    """A GPU is missing, cannot be used or failed; the message says what is missing and how to get it.

    ``dataset`` keeps the records made before a failure, where there are any.
    """

    def __init__(self, message):
        super().__init__(message)
        self.trajectory = None
        self.dataset = None


class DeviceMemoryError(DeviceError):
    """A run does not fit into the device's memory; the message names a size that does."""


class RoundingFloorError(BnTheoryError):
    """Single precision cannot resolve the steps of a run; the message names the floor.

    ``dataset`` keeps the records, where the run was made before it was found.
    """

    def __init__(self, message, *, dataset=None):
        super().__init__(message)
        self.dataset = dataset


class EngineWarning(UserWarning):
    """An engine that the machine seems made for cannot be used, and another one was taken."""
