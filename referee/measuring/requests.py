"""Requests to a model, and the measures and observers of their results.

Requests are frozen values. Two requests with equal content compare equal, so each is answered only once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from torch import Tensor

from referee.attention.edits import Edit
from referee.prompts.tokens import AlignmentKind, Tokens


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


@dataclass(frozen=True)
class Patch:
    """A prompt, and the replacement of its attention at one layer by that of a donor.

    Attributes:
        tokens: the rows that are computed together; see `without_prefix`.
        donor: the prompt from which the attention comes. Without a donor nothing is replaced.
        layer: the layer of the replacement.
        site: "pattern" replaces the patterns of heads. "output" replaces blocks of the attention module's output after
            W_O. There are as many blocks as heads, and each is a run of neighbouring coordinates, which is no head.
        amount: the share that is replaced, from 0 to 1.
        parts: the heads or the blocks that are replaced. None replaces all.
        alignment: which rows of the prompt and of the donor correspond.
        forced: tokens that follow, one row at a time. The model does not choose them.
        while_decoding: whether the rows after `tokens` get the replacement, too. Each of them then gets the donor's
            first row, because that row has the same index in a step of one row.
    """

    tokens: Tokens
    donor: Tokens | None
    layer: int
    site: Literal["pattern", "output"] = "pattern"
    amount: float = 1.0
    parts: tuple[int, ...] | None = None
    alignment: AlignmentKind = "meaning"
    forced: tuple[int, ...] = ()
    while_decoding: bool = False

    @property
    def layers(self) -> tuple[int, ...]:
        """The edited layer."""
        return (self.layer,)


def without_prefix(tokens: Tokens) -> Tokens:
    """Returns the tokens of a prompt without the forced prefix of its answer."""
    n = tokens.n_prompt
    return replace(
        tokens, ids=tokens.ids[:n], texts=tokens.texts[:n], categories=tokens.categories[:n], roles=tokens.roles[:n]
    )


Request = Trial | Reading | Patch


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
