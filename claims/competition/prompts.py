"""Pairs of numbers, and the formats in which a model is asked to compare them.

A prompt is text with labelled spans. The labels come from the template and never from what a token looks like.
So the "1" of "Number 1:" is a format token. The "is" inside "This" is not a format token by itself.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, cached_property
from itertools import cycle, islice
from typing import Literal, NamedTuple, Protocol, TypeVar

from claims.competition.phrasings import FILLERS, INSTRUCTIONS, WORDINGS
from claims.competition.reading import first_named
from referee.prompts.prompt import Answer, Span

Label = Literal["first", "second", "format", "cue", "separator"]
Kind = Literal["conflict", "control"]
Order = Literal["bigger first", "bigger second"]
ORDERS: tuple[Order, Order] = ("bigger first", "bigger second")
Category = Literal["numerical", "format", "other"]
CATEGORIES: tuple[Category, ...] = ("numerical", "format", "other")
"""The categories of a prompt's tokens."""


def in_words(order: Order) -> str:
    """Returns "bigger number first" or "bigger number second"."""
    return order.replace(" ", " number ")


@dataclass(frozen=True)
class Pair:
    """Two decimals with the same integer part, as text. The bigger number is first: `Pair("9.8", "9.11")`.

    In a *conflict* pair the bigger number has one fraction digit and the smaller number has two. Decimal order
    and version order disagree about it. In a *control* pair both fractions have the same length, and the two
    orders agree. In both kinds the numbers differ in a digit that both have, so neither is a prefix of the other.

    The constructor raises ValueError for text that is no such pair.
    """

    bigger: str
    smaller: str

    def __post_init__(self) -> None:
        bigger, smaller = self.bigger.split("."), self.smaller.split(".")
        shaped = len(bigger) == len(smaller) == 2 and all(part.isdecimal() for part in bigger + smaller)
        if not shaped or bigger[0] != smaller[0] or Decimal(self.bigger) <= Decimal(self.smaller):
            raise ValueError(f"A pair is two decimals of one integer part, the bigger first; got {self}")
        lengths = (len(bigger[1]), len(smaller[1]))
        if lengths != (1, 2) and lengths[0] != lengths[1]:
            raise ValueError(f"A pair has fractions of equal length, or of one and two digits; got {self}")

    def __str__(self) -> str:
        return f"{self.bigger} > {self.smaller}"

    @classmethod
    def parse(cls, text: str) -> Pair:
        """Read a pair from the text that `str` gives. Raises ValueError as the constructor does."""
        return cls(*text.split(" > "))

    @property
    def kind(self) -> Kind:
        return "control" if len(self.bigger) == len(self.smaller) else "conflict"

    def ordered(self, order: Order) -> tuple[str, str]:
        return (self.bigger, self.smaller) if order == "bigger first" else (self.smaller, self.bigger)


DOCUMENT_PAIRS = (Pair("9.8", "9.11"), Pair("8.7", "8.12"), Pair("3.4", "3.25"))


def pairs(count: int, *, kind: Kind = "conflict", seed: int = 0) -> list[Pair]:
    """Return `count` different pairs with integer parts from 1 to 9.

    Conflict pairs begin with the three pairs of the seed document. `seed` decides the random order of all
    other pairs. No fraction ends in 0, because 9.10 and 9.1 are the same number.

    Raises ValueError when `count` is larger than the number of existing pairs.
    """
    everything = list(_every_pair(kind))
    always = list(DOCUMENT_PAIRS) if kind == "conflict" else []
    if count > len(everything):
        raise ValueError(f"There are {len(everything)} {kind} pairs; got a request for {count}")
    random.Random(f"{kind} {seed}").shuffle(everything)
    return (always + [pair for pair in everything if pair not in always])[:count]


@cache
def _every_pair(kind: Kind) -> tuple[Pair, ...]:
    """Return all pairs of a kind, in a fixed order."""
    two_digits = [str(n) for n in range(11, 100) if n % 10]
    one_digit = [str(n) for n in range(1, 10)]
    if kind == "conflict":
        fractions = [(big, small) for big in one_digit for small in two_digits if big > small[0]]
    else:
        fractions = [
            (big, small) for digits in (one_digit, two_digits) for big in digits for small in digits if big > small
        ]
    return tuple(Pair(f"{whole}.{big}", f"{whole}.{small}") for whole in range(1, 10) for big, small in fractions)


@dataclass(frozen=True)
class Format:
    """A template for the question: segments of text with their labels.

    The segments with the labels "first" and "second" are empty. The numbers are put there. `answer_lead` is the
    text between the end of the prompt and the number in the answer. It is empty when the prompt ends in the header of
    an answer, and otherwise it is a space.
    """

    name: str
    segments: tuple[tuple[str, Label], ...]
    answer_lead: str = " "

    @classmethod
    def parse(cls, name: str, markup: str) -> Format:
        """Read a format from marked text.

        `{first}` and `{second}` stand for the numbers. `{or}` and `{and}` are separators. Square brackets contain
        the answer cue.
        """
        segments: list[tuple[str, Label]] = []
        for piece in re.split(r"(\{first\}|\{second\}|\{or\}|\{and\}|\[[^]]*\])", markup):
            if piece in ("{first}", "{second}"):
                segments.append(("", "first" if piece == "{first}" else "second"))
            elif piece in ("{or}", "{and}"):
                segments.append((piece[1:-1], "separator"))
            elif piece.startswith("["):
                segments.append((piece[1:-1], "cue"))
            elif piece:
                segments.append((piece, "format"))
        return cls(name, tuple(segments))


SIMPLE = Format.parse("Simple", "{first} {or} {second}? [Answer:]")
QA = Format.parse("Q&A", "Q: Which is bigger: {first} {or} {second}? [A:]")

COMPARE = Format.parse("Compare", "Compare {first} {and} {second}[:]")
"""One of the prompts on which experiment 3.1 compares heads."""

QUESTION = Format.parse("Question", "Which is bigger: {first} {or} {second}?")
"""The user's message in the Chat format. The text around it depends on the tokenizer (`chat.chat_format`)."""

INJECTION = (
    Format.parse("Minimal", "{first} {or} {second}?"),
    Format.parse("Light", "Compare: {first} {or} {second}?"),
    Format.parse("Medium", "Q: {first} {or} {second}?"),
    Format.parse("Heavy", "Q: Which is bigger: {first} {or} {second}? [A:]"),
    Format.parse("Full", "User Question: Which number is bigger: {first} {or} {second}? [Assistant Answer:]"),
)
"""The formats of experiment 1.3. The first has almost no format tokens, and each next one has more."""


def injected(words: int, text: int = 0) -> Format:
    """Return a generated format of experiment 1.3: `words` words of an instruction after the two numbers.

    `text` is the index of the instruction in INSTRUCTIONS. Its words are repeated as often as necessary.
    The words stand after the numbers, so every added row can see the numbers. If the words stood before the
    numbers, their rows could not see the numbers. Then the share over all rows would fall with every added word,
    whatever the heads do.
    """
    added = "".join(f" {word}" for word in islice(cycle(INSTRUCTIONS[text].split()), words))
    name = f"text {text}, {words} words" if text else f"{words} words"
    return Format.parse(name, f"{{first}} {{or}} {{second}}{added}")


def filled(kind: str, words: int) -> Format:
    """Return a format with neutral words after the two numbers, in the place of the words of `injected`.

    `kind` is a key of FILLERS. The words are separators, so they are not format tokens. Tokenizers differ in the
    number of tokens for each word: line breaks are half a token, one token or two tokens each. A space stands before
    the answer even after a line break, because some tokenizers would split the last line break differently without it.
    """
    bare = Format.parse("", "{first} {or} {second}").segments
    added: tuple[tuple[str, Label], ...] = ((FILLERS[kind] * words, "separator"),) if words else ()
    return Format(f"{words} {kind}", (*bare, *added))


QUESTIONS = (
    QA,
    *(Format.parse(f"Q&A, {text}", f"Q: {text} {{first}} {{or}} {{second}}? [A:]") for text in WORDINGS[1:]),
)
"""Phrasings of the Q&A format. The first is Q&A itself."""

POSITIONS = (
    Format.parse("Original", "{first} {or} {second}? [Answer:]"),
    Format.parse("Prefix_Short", "Compare: {first} {or} {second}? [Answer:]"),
    Format.parse("Prefix_Long", "Please compare these numbers: {first} {or} {second}? [Answer:]"),
    Format.parse("Suffix", "Answer: {first} {or} {second}?"),
    Format.parse("Wrapped", "The question is {first} {or} {second}, what is the answer?"),
    Format.parse("Spaced", "Number 1: {first}    Number 2: {second}    Which is bigger?"),
)
"""The formats of experiment 2.3. They ask for the same comparison at different positions."""


@dataclass(frozen=True)
class Prompt:
    """One pair in one order and one format."""

    pair: Pair
    order: Order
    format: Format

    @cached_property
    def text(self) -> str:
        return "".join(text for text, _ in self._filled)

    @cached_property
    def spans(self) -> tuple[Span, ...]:
        spans: list[Span] = []
        for text, label in self._filled:
            start = spans[-1].stop if spans else 0
            if label in ("first", "second"):
                spans += _number_spans(text, label, start)
            else:
                category, priority = ("other", 0) if label == "separator" else ("format", 1)
                spans.append(Span(start, start + len(text), category, priority=priority, is_tail=label == "cue"))
        return tuple(spans)

    @property
    def right(self) -> str:
        return self.pair.bigger

    @property
    def wrong(self) -> str:
        return self.pair.smaller

    @property
    def answer_lead(self) -> str:
        return self.format.answer_lead

    def read(self, text: str) -> Answer:
        """Return which of the two numbers comes first in a completion. Only whole numbers count."""
        return first_named(text, self.right, self.wrong)

    @property
    def _filled(self) -> list[tuple[str, Label]]:
        numbers = dict(zip(("first", "second"), self.pair.ordered(self.order), strict=True))
        return [(numbers.get(label, text), label) for text, label in self.format.segments]


def _number_spans(number: str, which: str, start: int) -> list[Span]:
    """Return the spans of a number's integer, point and fraction, from character `start` on.

    A token that covers several of them counts as fraction before integer, and as integer before point.
    """
    integer, _, fraction = number.partition(".")
    parts = (("integer", integer, 3), ("point", ".", 2), ("fraction", fraction, 4))
    spans = []
    for part, text, priority in parts:
        spans.append(Span(start, start + len(text), "numerical", f"{which} {part}", priority))
        start += len(text)
    return spans


class Case(NamedTuple):
    """One pair in one order, without a format."""

    pair: Pair
    order: Order

    def asked(self, format: Format) -> Prompt:
        return Prompt(self.pair, self.order, format)


class _HasPair(Protocol):
    @property
    def pair(self) -> Pair: ...


Item = TypeVar("Item", bound=_HasPair)


def of_first_pairs(items: Sequence[Item], count: int) -> list[Item]:
    """Return the prompts or cases of the first `count` pairs that occur in the sequence."""
    first = list(dict.fromkeys(item.pair for item in items))[:count]
    return [item for item in items if item.pair in first]


def ask(pairs: Iterable[Pair], formats: Sequence[Format]) -> list[Prompt]:
    """Return one prompt for each combination of pair, order and format."""
    return [Prompt(pair, order, format) for pair in pairs for order in ORDERS for format in formats]
