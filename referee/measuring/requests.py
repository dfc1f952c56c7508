"""Requests to a model, and the measures and observers of their results.

Requests are frozen values. Two requests with equal content compare equal, so each is answered only once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from referee.attention.edits import Edit
from referee.prompts.tokens import Tokens


@dataclass(frozen=True, init=False)
class Trial:
    """One forward pass: a prompt, and the edits of its attention patterns.

    Attributes:
        edits: the layer and the edit, in the order of the layers. It is empty for an unedited prompt. An edit of a
            higher layer changes the pattern that this layer has after the edits of the lower layers.
    """

    tokens: Tokens
    edits: tuple[tuple[int, Edit], ...]

    def __init__(self, tokens: Tokens, edits: Mapping[int, Edit] | None = None) -> None:
        """`edits` has one edit for each edited layer, by the index of the layer."""
        object.__setattr__(self, "tokens", tokens)
        object.__setattr__(self, "edits", tuple(sorted((edits or {}).items(), key=lambda at: at[0])))

    @property
    def layers(self) -> tuple[int, ...]:
        """The edited layers, in order."""
        return tuple(layer for layer, _ in self.edits)


@dataclass(frozen=True)
class Reading:
    """An unedited prompt. The session reads its patterns, their gradients, or the text that the model adds to it."""

    tokens: Tokens

    @property
    def layers(self) -> tuple[int, ...]:
        """Always empty: a reading edits nothing."""
        return ()


def readings(prompts: Sequence[Tokens]) -> list[Reading]:
    """Returns one reading of each prompt."""
    return [Reading(tokens) for tokens in prompts]


Request = Trial | Reading


class Measure(Protocol):
    """A pure function of a prompt's patterns. It is a frozen dataclass, so that equal measures compare equal."""

    def __call__(self, tokens: Tokens, pattern: Tensor) -> Tensor:
        """Returns a small tensor from the pattern [layer, head, query, key], which is in float32."""
        ...


class GradientMeasure(Protocol):
    """Like Measure, but a function of one layer's pattern and of the gradient of the margin with respect to it."""

    def __call__(self, tokens: Tokens, pattern: Tensor, gradient: Tensor) -> Tensor:
        """Returns a small tensor from the pattern and the gradient at the layer of interest.

        Both are [head, query, key] in float32.
        """
        ...


class Observer(Protocol):
    """A function that receives the margins of every sweep: one margin for each trial, in logits."""

    def __call__(self, trials: Sequence[Trial], margins: Sequence[float]) -> None: ...


@dataclass(frozen=True)
class Whole:
    """The measure that returns the pattern itself."""

    def __call__(self, tokens: Tokens, pattern: Tensor) -> Tensor:
        return pattern
