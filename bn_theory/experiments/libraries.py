"""Whether the libraries of the experiments are installed."""

from __future__ import annotations

from bn_theory.errors import MissingExtraError


def need_libraries() -> None:
    """Do nothing where experiments can be run and their files be written.

    Raises:
        MissingExtraError: a library of the extra ``networks`` is not installed; the message has the command.
    """
    try:
        import h5netcdf  # noqa: F401
        import safetensors  # noqa: F401
        import torch  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"an experiment needs {error.name}, which is not installed: pip install '.[networks]' in the source folder"
        ) from error
