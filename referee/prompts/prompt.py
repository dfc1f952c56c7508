"""The protocol of prompts, with what the instrument needs to know. A theory writes its own class of prompts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

Answer = Literal["right", "wrong", "neither"]


@dataclass(frozen=True)
class Span:
    """The properties of the characters from `start` to `stop` (exclusive) of a prompt's text.

    A token that covers characters of several spans gets its category and role from the span of the highest priority.
    If their priorities are equal, the first span decides.

    Attributes:
        category: the category of the tokens.
        role: the role of the tokens. Tokens with equal roles correspond to each other in two prompts.
        priority: a higher priority wins.
        is_tail: whether the tokens belong to the tail. The tails of two prompts correspond to each other, from the
            right.
    """

    start: int
    stop: int
    category: str
    role: str | None = None
    priority: int = 0
    is_tail: bool = False

    def touches(self, start: int, stop: int) -> bool:
        """Return whether the span contains any of the characters from `start` to `stop`."""
        return self.start < stop and start < self.stop


class Prompt(Protocol):
    """A question with a right and a wrong answer. It must be a frozen dataclass, so that equal prompts compare equal.

    Attributes:
        text: the question, as the model reads it.
        spans: the labelled parts of the text, in order.
        right, wrong: the two answers.
        answer_lead: the text between the question and the answer. It is a space, or empty if the question ends in white
            space or in a special token.
    """

    @property
    def text(self) -> str: ...
    @property
    def spans(self) -> tuple[Span, ...]: ...
    @property
    def right(self) -> str: ...
    @property
    def wrong(self) -> str: ...
    @property
    def answer_lead(self) -> str: ...

    def read(self, text: str) -> Answer:
        """Return the answer that a completion of the prompt gives."""
        ...
