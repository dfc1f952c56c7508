"""The results of a forward pass. They are read at the last token of each trial, and padding may follow it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Readout:
    """The results of a forward pass at each trial's last token, or at all positions.

    Attributes:
        final: the normalised residual stream, [trial, size]. The unembedding computes logits from it.
        output_norm: the L2 norm of the residual stream after the layer of interest, at the trial's last token, [trial].
        rows: like `final`, at all positions, [trial, token, size]. None if only the last position was read.
        found: what scores have computed from these results. Other scores of the same trials use it again.
    """

    final: Tensor
    output_norm: Tensor
    rows: Tensor | None = None
    found: dict[Any, Any] = field(default_factory=dict)


def ends_of(lengths: Sequence[int], longest: int, start: int) -> Tensor | None:
    """Returns the index of each trial's last token among the rows from `start` on, [trial]. None if no trial is padded.

    `lengths` count the tokens of each trial without padding, and `longest` counts them with padding.
    """
    padded = any(length < longest for length in lengths)
    return torch.tensor(lengths) - start - 1 if padded else None


def at_end(stream: Tensor, ends: Tensor | None) -> Tensor:
    """Returns the row of each trial's last token, [trial, size], from all rows, [trial, row, size].

    `ends` is the result of `ends_of`.
    """
    if ends is None:
        return stream[:, -1]
    return stream[torch.arange(len(ends), device=stream.device), ends.to(stream.device)]
