"""Which characters of a text from outside can be shown as they are."""

from __future__ import annotations

import unicodedata

_DIRECTIONS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
"""The bidirectional classes of the characters that change the direction of the text after them."""


def readable(text: str) -> str:
    """Returns a text with escapes such as \\x1b for the characters that would change how other text is shown.

    These are the characters that control a terminal, those that change the direction of writing, and bytes of a file
    name that are not UTF-8. Line ends and tabs stay.
    """
    return "".join(char.encode("unicode_escape").decode() if _changes_other_text(char) else char for char in text)


def _changes_other_text(char: str) -> bool:
    category = unicodedata.category(char)
    return (category in ("Cc", "Cs") and char not in "\n\t") or unicodedata.bidirectional(char) in _DIRECTIONS
