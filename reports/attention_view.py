"""The token view of a report: the tokens of prompts by category, and the attention patterns of every head.

A pattern is text: each share is one byte, and the bytes are in base64. The byte of a share p is 255 √p, rounded. The
square root makes small shares more exact, and most shares are small. The shares of a category are exact to about 0.01.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from reports.entry_parts import Count, Model, Share, Text

Pattern = Annotated[Text, Field(pattern="^[A-Za-z0-9+/]*=*$")]
"""The patterns of all heads of one layer: head after head, row after row. The row of token i has i + 1 bytes."""
LARGEST_BYTE = 255


class PromptTokens(Model):
    """The tokens of a prompt, each with its category."""

    texts: tuple[Text, ...]
    """The text of each token. Blank tokens have a visible sign instead."""
    labels: tuple[Text, ...]
    """The labels of the categories of the theory, in the order of the legend."""
    categories: tuple[Count, ...]
    """The index of each token's category in `labels`."""

    def shares(self, row: Sequence[float]) -> tuple[float, ...]:
        """Returns the share of an attention row that goes to each category, in the order of the labels."""
        found = [0.0] * len(self.labels)
        for share, category in zip(row, self.categories, strict=False):
            found[category] += share
        return tuple(found)

    def mean_shares(self, rows: Sequence[Sequence[float]]) -> tuple[float, ...]:
        """Returns the share that goes to each category as a mean over rows, in the order of the labels."""
        return tuple(sum(shares) / len(rows) for shares in zip(*map(self.shares, rows), strict=True))


class EditedPattern(Model):
    """The attention of a prompt after an edit of the layer of interest."""

    name: Text
    """The edit in words."""
    pattern: Pattern
    margin: float
    """Margin after the edit, in logits."""


class ViewedPrompt(Model):
    """A prompt with its attention patterns."""

    name: Text
    tokens: PromptTokens
    right: Text | None
    """The right answer. Null if the prompt has no answers."""
    wrong: Text | None
    margin: float
    """Margin of the unedited model, in logits."""
    patterns: dict[int, Pattern]
    """The unedited patterns by layer, from 0."""
    edits: tuple[EditedPattern, ...]


class AttentionView(Model):
    """What one theory shows in the token view."""

    theory: Text
    """Folder of the theory."""
    caption: Text
    quantity: Text
    """The term of the theory for the share of attention that goes to the category."""
    category: Count
    """Index of the category that the theory is about, in the labels of every prompt."""
    level: Share
    """The share that the theory claims."""
    layer: int
    """The layer of interest, from 0."""
    n_heads: int
    heads: dict[Text, tuple[int, ...]]
    """The groups of heads that the theory compares. The view begins with the first one."""
    prompts: tuple[ViewedPrompt, ...]
    """The view begins with the first one."""

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers that have patterns, in order."""
        return tuple(sorted(self.prompts[0].patterns))

    @property
    def first_rows(self) -> tuple[tuple[float, ...], ...]:
        """The rows of every token, as means over the first group of heads, in the first prompt: what is shown first."""
        heads = unpacked(self.prompts[0].patterns[self.layer], self.n_heads)
        group = next(iter(self.heads.values()))
        rows = zip(*(heads[head] for head in group), strict=True)
        return tuple(tuple(sum(shares) / len(group) for shares in zip(*row, strict=True)) for row in rows)


def packed(shares: bytes) -> str:
    """Returns the text of a pattern, from the bytes of its shares."""
    return base64.b64encode(shares).decode("ascii")


def unpacked(pattern: str, n_heads: int) -> list[list[list[float]]]:
    """Returns the shares of a pattern, [head][query][key] with the keys up to the query."""
    content = base64.b64decode(pattern)
    found, place = [], 0
    for _ in range(n_heads):
        rows: list[list[float]] = []
        while sum(map(len, rows)) < len(content) // n_heads:
            row = content[place : place + len(rows) + 1]
            rows.append([(byte / LARGEST_BYTE) ** 2 for byte in row])
            place += len(row)
        found.append(rows)
    return found
