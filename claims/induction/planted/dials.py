"""The dials of a planted model, and how they are read from text such as "matching=off,noise=0.5"."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from math import nan
from typing import Any, Literal

from claims.induction.planted.residual import BACKUP, MATCHING
from referee.errors import UnknownModel


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
        dials = cls()
        for word in filter(None, text.split(",")):
            name, _, value = word.partition("=")
            if name not in (names := [field.name for field in fields(cls)]):
                raise UnknownModel(
                    f"A dial of an induction model must be one of {', '.join(names)}", repr(word), _EXAMPLE
                )
            try:
                dials = replace(dials, **{name: _value(name, value)})
            except ValueError as problem:
                raise UnknownModel(f"{name} must be {problem}", repr(word), _EXAMPLE) from None
        return dials

    def matchers(self) -> tuple[tuple[int, int], ...]:
        """Returns the heads that match, each (layer, head)."""
        if not self.matching:
            return ()
        return (*MATCHING, *BACKUP) if self.backup else MATCHING


_EXAMPLE = "Write for example induction:matching=off or induction:rest=read,noise=0.5."
_CHOICES = {"feeders": ("strongest", "others"), "rest": ("first", "read", "off")}
_MOST_NOISE = 2


def _value(name: str, text: str) -> Any:
    """Returns the value of a dial. Raises ValueError that says what it must be."""
    if name in _CHOICES:
        if text not in _CHOICES[name]:
            raise ValueError(f"one of {', '.join(_CHOICES[name])}")
        return text
    if name == "noise":
        try:
            number = float(text)
        except ValueError:
            number = nan
        if not 0 <= number <= _MOST_NOISE:
            raise ValueError(f"a number from 0 to {_MOST_NOISE}")
        return number
    if text not in ("", "on", "off"):
        raise ValueError("on or off")
    return text != "off"
