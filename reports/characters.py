"""Which characters of a text from outside can be shown as they are."""

from __future__ import annotations

import unicodedata

_TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
"""Classes of the characters that change the direction in which the text after them is written."""


def readable(text: str) -> str:
    """Returns a text in which some characters are escapes such as \\x1b: they would change how other text is shown.

    These are characters that control a terminal, those that change the direction of writing, and bytes of a file name
    that are not UTF-8. Line ends and tabs stay.
    """
    return "".join(char.encode("unicode_escape").decode() if _acts(char) else char for char in text)


def _acts(char: str) -> bool:
    category = unicodedata.category(char)
    return (category in ("Cc", "Cs") and char not in "\n\t") or unicodedata.bidirectional(char) in _TURNING
