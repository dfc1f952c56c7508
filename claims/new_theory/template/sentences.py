"""Sentences with one number, and a question about it. Each sentence is one unit of evidence."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import product

from referee.prompts.prompt import Answer, Span

NUMBER, NOUN = "number", "noun"
"""The categories of the number and of the word that follows it. All other tokens have none."""
_NOUNS = (
    *("apples", "birds", "boats", "books", "boxes", "chairs", "clocks", "coins", "cups", "dogs"),
    *("flowers", "horses", "keys", "lamps", "letters", "pictures", "rings", "stones", "tables", "trees"),
)
_PLACES = ("castle", "city", "forest", "garden", "hall", "house", "kitchen", "museum", "office", "park", "village")


@dataclass(frozen=True)
class Sentence:
    """A sentence with a number, and a question about the number. See `referee.prompts.prompt.Prompt`."""

    number: int
    noun: str
    place: str
    answer_lead: str = " "

    @property
    def text(self) -> str:
        return f"{self._beginning}{self.number} {self.noun}. How many {self.noun} are there? Answer:"

    @property
    def spans(self) -> tuple[Span, ...]:
        start = len(self._beginning)
        noun = start + len(f"{self.number} ")
        return Span(start, noun - 1, NUMBER), Span(noun, noun + len(self.noun), NOUN)

    @property
    def right(self) -> str:
        return str(self.number)

    @property
    def wrong(self) -> str:
        return str(11 - self.number)

    def read(self, text: str) -> Answer:
        """Returns the answer that a completion begins with."""
        word = (text.split() or [""])[0].strip(".,!")
        return "right" if word == self.right else "wrong" if word == self.wrong else "neither"

    @property
    def _beginning(self) -> str:
        return f"In the {self.place} there are "


def sentences(count: int, *, seed: int) -> list[Sentence]:
    """Returns different random sentences. There are at most 220."""
    rng = random.Random(seed)
    chosen = rng.sample(list(product(_NOUNS, _PLACES)), count)
    return [Sentence(rng.randint(2, 9), noun, place) for noun, place in chosen]
