"""What can be asked of a model, as frozen values: equal requests are equal, and are answered once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from bandwidth.edits import Edit
from bandwidth.tokens import Tokens


@dataclass(frozen=True)
class Trial:
    """One forward pass: a prompt, and what is done to its patterns at the layer of interest."""

    tokens: Tokens
    edit: Edit | None = None


@dataclass(frozen=True)
class Reading:
    """An unedited prompt that is read: its patterns, their gradients, or what the model writes after it."""

    tokens: Tokens

    @property
    def edit(self) -> None:
        return None


Request = Trial | Reading


class Measure(Protocol):
    """A pure function of a prompt's patterns, as data: a frozen dataclass, so that equal measures are equal."""

    def __call__(self, tokens: Tokens, pattern: Tensor) -> Tensor:
        """A small tensor of a pattern [layer, head, query, key] in float32."""
        ...


class GradientMeasure(Protocol):
    """As Measure, of one layer's pattern and of the margin's gradient with respect to it."""

    def __call__(self, tokens: Tokens, pattern: Tensor, gradient: Tensor) -> Tensor:
        """A small tensor of the layer of interest's pattern and gradient, both [head, query, key] in float32."""
        ...


class Observer(Protocol):
    """Something that looks at the margins of every sweep."""

    def __call__(self, layer: int, trials: Sequence[Trial], margins: Sequence[float]) -> None: ...


@dataclass(frozen=True)
class Whole:
    """The measure that is the pattern itself."""

    def __call__(self, tokens: Tokens, pattern: Tensor) -> Tensor:
        return pattern
