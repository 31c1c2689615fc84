"""Any plain text as GitHub flavoured Markdown that shows it as it is."""

from __future__ import annotations

import re

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_MARKS = frozenset("\\`*_[]#|~$")


def markdown_text(text: str) -> str:
    r"""A text for one line, a cell or a heading; nothing of it is markup.

    It must not come first on a line, where a dash or a number with a dot would begin a list.

    >>> print(markdown_text("|w_t|^2 <b> [x](y)"))
    \|w\_t\|^2 &lt;b&gt; \[x\](y)
    """
    return "".join(map(_character, re.sub(r"[\s\x00-\x1f\x7f]+", " ", text)))


def _character(character):
    return _ENTITIES.get(character) or (f"\\{character}" if character in _MARKS else character)
