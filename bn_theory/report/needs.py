"""What a report needs beyond the package's own requirements."""

from __future__ import annotations

from importlib.util import find_spec

from bn_theory.errors import MissingExtraError

LIBRARIES = ("jinja2", "latex2mathml", "matplotlib")
"""Of the extra ``report``; each is imported under the name that it is installed by."""


def need_libraries(libraries=LIBRARIES) -> None:
    """Do nothing where a report can be made.

    Raises:
        MissingExtraError: a library is not installed; the message has the command that installs it.
    """
    if absent := [name for name in libraries if find_spec(name) is None]:
        raise MissingExtraError(
            f"a report needs {', '.join(absent)}: pip install {' '.join(absent)} (or pip install '.[report]' in the "
            "source folder)"
        )
