"""Reads the dials of a planted model from text such as "threshold=0.35,graded"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import nan
from typing import Any, TypeVar

from referee.errors import UnknownModel

Dials = TypeVar("Dials", bound=Any)
Read = Callable[[str], Any]
"""Reads the value of a dial. Raises ValueError with a text that says what the value must be."""


def parsed(defaults: Dials, text: str, values: Mapping[str, Read], *, model: str, example: str) -> Dials:
    """Returns a copy of the dataclass `defaults` with the dials in a text.

    Args:
        values: how the value of each dial is read, by the name of the dial.
        model: the kind of model, for the message of an error, such as "a planted model".
        example: a sentence with examples, for the same message.

    Raises UnknownModel for an unknown dial or a value that cannot be read.
    """
    dials = defaults
    for word in filter(None, text.split(",")):
        name, _, value = word.partition("=")
        if name not in values:
            raise UnknownModel(f"A dial of {model} must be one of {', '.join(values)}", repr(word), example)
        try:
            dials = replace(dials, **{name: values[name](value)})
        except ValueError as problem:
            raise UnknownModel(f"{name} must be {problem}", repr(word), example) from None
    return dials


def switch(value: str) -> bool:
    """Reads "on" or "off". A switch without a value is on."""
    if value not in ("", "on", "off"):
        raise ValueError("on or off")
    return value != "off"


def one_of(*words: str) -> Read:
    """Returns a function that reads one of some words."""

    def read(value: str) -> str:
        if value not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return value

    return read


def between(kind: Callable[[str], float], low: float, high: float) -> Read:
    """Returns a function that reads a number of a kind, int or float, from `low` to `high`."""

    def read(value: str) -> float:
        try:
            number = kind(value)
        except ValueError:
            number = nan
        if not low <= number <= high:
            raise ValueError(f"a {'whole ' if kind is int else ''}number from {low:g} to {high:g}")
        return number

    return read
