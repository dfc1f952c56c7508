"""Reads numbers in a completion, and categories from what a token looks like."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from referee.prompts.prompt import Answer

if TYPE_CHECKING:
    from referee.prompts.tokens import Tokens

_FORMAT = ["Q", ":", "A", "Which", "is", "bigger", "?", "<|start_header_id|>", "<|end_header_id|>", "user", "assistant"]
_NUMERICAL = (".", *"0123456789")
"""The texts by which the seed document recognises format tokens and numerical tokens."""


def first_named(text: str, right: str, wrong: str) -> Answer:
    """Return which of two numbers comes first in a text. Only whole numbers count.

    For example, "9.11" does not contain 9.1, but "9.8." contains 9.8.
    """
    found: dict[Answer, int] = {}
    answers: tuple[tuple[Answer, str], ...] = (("right", right), ("wrong", wrong))
    for answer, number in answers:
        if match := re.search(rf"(?<!\d)(?<!\d[.,]){re.escape(number)}(?![.,]?\d)", text):
            found[answer] = match.start()
    return min(found, key=found.__getitem__) if found else "neither"


def substring_categories(tokens: Tokens) -> tuple[str, ...]:
    """Return the category of each token by the seed document's rule, which the suite keeps for comparison.

    This rule calls "This" a format token, because the word contains "is". Tokens of the forced prefix are "answer".
    """
    prompt = [_by_substring(text) for text in tokens.texts[: tokens.n_prompt]]
    return tuple(prompt) + tokens.categories[tokens.n_prompt :]


def _by_substring(text: str) -> str:
    if any(part in text for part in _FORMAT):
        return "format"
    return "numerical" if any(part in text for part in _NUMERICAL) else "other"
