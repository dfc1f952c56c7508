"""The dials of a planted model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from claims.dials import between, one_of, parsed, switch
from claims.induction.planted.residual import BACKUP, MATCHING


@dataclass(frozen=True)
class Dials:
    """The properties of a planted model. With the default values the theory is true. Each dial with another value makes
    one named part of the theory false, or changes the noise.

    Attributes:
        matching: whether there are matching heads. Without them, they are resting heads like all others.
        read: whether the matching heads write the code that they find. Without it, they attend to the same
            tokens but write nothing.
        feeders: the heads that write the code that the matching heads compare. "strongest": the two heads that attend
            most to the token before. "others": two more heads, which attend less to the token before. The strongest two
            then write nothing.
        backup: there are two more matching heads. Any two of the four are enough.
        position: the matching heads attend to the token 24 positions before, whatever the tokens are. They have no
            noise, so repetition does not change their attention at all.
        uniform: every head attends uniformly.
        rest: the attention of the resting heads. "first": most of it is on the first token, whose value is zero; the
            other tokens have nearly equal values. "read": the same, but the values of the other tokens are −1 or 1, and
            each head prefers the tokens with the value 1. "off": no head prefers the first token.
        brittle: copying fails as soon as one head of the layers 2 and above attends to nothing but the first token, or
            writes nothing.
        noise: how much the attention of the heads, the values of the tokens and the weight of the unknown token differ
            at random. The random numbers are always the same. With 0 there is no noise.
    """

    matching: bool = True
    read: bool = True
    feeders: Literal["strongest", "others"] = "strongest"
    backup: bool = False
    position: bool = False
    uniform: bool = False
    rest: Literal["first", "read", "off"] = "first"
    brittle: bool = False
    noise: float = 1.0

    @classmethod
    def parse(cls, text: str) -> Dials:
        """Reads dials from text such as "matching=off,noise=0.5". A switch without a value is on.

        Raises UnknownModel for an unknown dial or a value out of range.
        """
        return parsed(cls(), text, _VALUES, model="an induction model", example=_EXAMPLE)

    def matchers(self) -> tuple[tuple[int, int], ...]:
        """Returns the heads that match, each (layer, head)."""
        if not self.matching:
            return ()
        return (*MATCHING, *BACKUP) if self.backup else MATCHING


_EXAMPLE = "Write for example induction:matching=off or induction:rest=read,noise=0.5."
_VALUES = {
    "matching": switch,
    "read": switch,
    "feeders": one_of("strongest", "others"),
    "backup": switch,
    "position": switch,
    "uniform": switch,
    "rest": one_of("first", "read", "off"),
    "brittle": switch,
    "noise": between(float, 0, 2),
}
