"""Templates whose every output is escaped, unless it is marked as being in the format already."""

from __future__ import annotations

from collections.abc import Callable


class Raw(str):
    """Text that is in the format of the template already."""


def environment(escape: Callable[[str], str], **options):
    """A jinja2 environment over this package's templates.

    Args:
        escape: plain text to the format of the templates. options: of ``jinja2.Environment``.

    Returns:
        ``jinja2.Environment`` with the filter ``raw`` (as it is).
    """
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.PackageLoader("bn_theory.report"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: value if isinstance(value, Raw) else escape(str(value)),
        **options,
    )
    made.filters["raw"] = Raw
    return made
