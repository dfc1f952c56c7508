"""The dials of a planted model, and how they are read from text such as "threshold=0.35,graded"."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from math import nan
from typing import Literal

from claims.competition.planted.residual import HEADS, LAYER
from referee.errors import UnknownModel


@dataclass(frozen=True)
class Dials:
    """The properties of a planted model. With the default values the theory is true, except that two of its claims
    exclude each other (see `model`). Each dial with another value makes one named part of the theory false.

    Attributes:
        threshold: the share of replacement at which the answer turns.
        heads: the number of repaired protected heads that are enough for the repair.
        parity: the heads that are protected. They are the even heads, the odd heads, all heads ("none"), the first two
            of every four ("pairs"), or the even heads, of which later layers read only the heads 0, 4, 8, … ("mod4").
        layer: the layer of the mechanism.
        graded: the heads and the count of heads respond gradually instead of sharply.
        bug: "format", "none" (always right) or "order" (gives the last number in every format).
        sink: the weight of the BOS token for exposed heads in every row. With 0, BOS has weight only in the deciding
            row.
        competition: whether format tokens take part in the softmax.
        inert: the shares at the layer of interest are as in the theory, but the answer does not depend on them. The
            mechanism is at layer 1.
        format_share: the share of format tokens in the prompt at which accuracy drops. It replaces the bug in Q&A.
    """

    threshold: float = 0.6
    heads: int = 8
    parity: Literal["even", "odd", "none", "pairs", "mod4"] = "even"
    layer: int = LAYER
    graded: bool = False
    bug: Literal["format", "none", "order"] = "format"
    sink: float = 0.0
    competition: bool = True
    inert: bool = False
    format_share: float | None = None

    @classmethod
    def parse(cls, text: str) -> Dials:
        """Reads dials from text such as "threshold=0.35,graded".

        Raises UnknownModel for an unknown dial or a value out of range.
        """
        dials = cls()
        for word in filter(None, text.split(",")):
            name, _, value = word.partition("=")
            if name == "order":
                name, value = "bug", "order"
            try:
                dials = replace(dials, **{name: _VALUES[name](value)})
            except KeyError:
                names = ", ".join(field.name for field in fields(cls))
                raise UnknownModel(f"A dial of a planted model must be one of {names}", repr(word), _EXAMPLE) from None
            except ValueError as problem:
                raise UnknownModel(f"{name} must be {problem}", repr(word), _EXAMPLE) from None
        return dials

    def protected(self, head: int) -> bool:
        """Returns whether the head is protected from format tokens."""
        return {
            "even": head % 2 == 0,
            "odd": head % 2 == 1,
            "none": True,
            "pairs": head % 4 < 2,
            "mod4": head % 2 == 0,
        }[self.parity]

    def is_read(self, head: int) -> bool:
        """Returns whether a later part of the model reads the head."""
        return self.parity != "mod4" or head % 2 == 1 or head % 4 == 0


_EXAMPLE = "Write for example planted:threshold=0.35, planted:graded or planted:parity=mod4."


def _one_of(*words: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if value not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return value

    return check


def _switch(value: str) -> bool:
    if value not in ("", "on", "off"):
        raise ValueError("on or off")
    return value != "off"


def _between(kind: Callable[[str], float], low: float, high: float) -> Callable[[str], float]:
    def check(value: str) -> float:
        try:
            number = kind(value)
        except ValueError:
            number = nan
        if not low <= number <= high:
            raise ValueError(f"a {'whole ' if kind is int else ''}number from {low:g} to {high:g}")
        return number

    return check


_VALUES: dict = {
    "threshold": _between(float, 0.01, 0.99),
    "heads": _between(int, 1, HEADS // 2),
    "parity": _one_of("even", "odd", "none", "pairs", "mod4"),
    "layer": _between(int, 1, LAYER),
    "graded": _switch,
    "bug": _one_of("format", "none", "order"),
    "sink": _between(float, 0, 1e6),
    "competition": _switch,
    "inert": _switch,
    "format_share": _between(float, 0.01, 0.99),
}
