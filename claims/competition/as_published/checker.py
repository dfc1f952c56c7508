"""The published checker of a written answer."""

from __future__ import annotations

from collections.abc import Iterable

from claims.competition.prompts import Pair
from referee.prompts.prompt import Answer

_COMPARISONS = ("bigger", "larger", "greater")


def read(text: str, pair: Pair, *, bare: bool) -> Answer:
    """Returns the answer of a text by the published rule.

    The text is right if it contains "9.8 is bigger" (or larger, or greater) and not the same of 9.11. It is wrong if it
    contains only the latter. With `bare`, as for Pythia-160M, the number alone takes the place of the first sentence.
    So "9.8 is smaller than 9.11" is right, as in the published scripts.
    """
    right, wrong = (_says(text, number) for number in (pair.bigger, pair.smaller))
    if (right or (bare and pair.bigger in text)) and not wrong:
        return "right"
    return "wrong" if wrong or (bare and pair.smaller in text) else "neither"


def needs_bare_numbers(texts: Iterable[str], pair: Pair) -> bool:
    """Returns whether no text contains any of the checker's sentences. Then the checker must accept bare numbers."""
    return not any(_says(text, number) for text in texts for number in (pair.bigger, pair.smaller))


def _says(text: str, number: str) -> bool:
    return any(f"{number} is {word}" in text.lower() for word in _COMPARISONS)
