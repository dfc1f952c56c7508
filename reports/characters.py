"""Which characters of a text from outside can be shown as they are."""

from __future__ import annotations

import re

_CHANGES_OTHER_TEXT = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters except tab and line feed
    r"\ud800-\udfff"  # surrogates, which stand for bytes that are not UTF-8
    r"\u202a-\u202e\u2066-\u2069]"  # characters that change the direction of writing
)


def readable(text: str) -> str:
    """Returns a text with escapes such as \\x1b for the characters that would change how other text is shown.

    These are the characters that control a terminal, those that change the direction of writing, and bytes of a file
    name that are not UTF-8. Line ends and tabs stay.
    """
    return _CHANGES_OTHER_TEXT.sub(lambda found: found.group().encode("unicode_escape").decode(), text)
