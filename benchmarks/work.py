"""What every way of the comparison is given, and must give back. Needs nothing but torch: peers live elsewhere."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor


class Work:
    """Can be handed to another process."""

    def save(self, file: Path) -> None:
        torch.save(asdict(self), file)


@dataclass(frozen=True)
class Sweep(Work):
    """Edited forward passes of one prompt.

    Attributes:
        model: folder of the saved model.
        layer: where patterns are written.
        ids: the prompt, [token].
        patterns: what is written, [trial, head, query, key].
        right, wrong: the tokens whose logits are compared at the last position.
        expected: their difference in each trial, computed in float64.
        last_row: whether only the last row of the patterns is another.
    """

    model: str
    layer: int
    ids: Tensor
    patterns: Tensor
    right: int
    wrong: int
    expected: Tensor
    last_row: bool

    def margins(self, logits: Tensor) -> Tensor:
        """[trial] from [trial, vocabulary]."""
        return logits[:, self.right] - logits[:, self.wrong]


@dataclass(frozen=True)
class Reading(Work):
    """Patterns of some layers for many prompts.

    Attributes:
        model: folder of the saved model.
        layers: which, in order.
        prompts: ids of each.
        expected: the sum over layers, heads and rows of the attention to the first token, for each prompt.
    """

    model: str
    layers: list[int]
    prompts: list[list[int]]
    expected: Tensor


def load(file: Path) -> Sweep | Reading:
    held = torch.load(file)
    return Sweep(**held) if "patterns" in held else Reading(**held)


def to_first(pattern: Tensor) -> Tensor:
    """Attention to the first token, summed over all but the prompts: [prompt] from [prompt, …, query, key]."""
    return pattern[..., 0].flatten(1).sum(1)
