"""What a forward pass returns, and where it is read: at the last token of each trial, which padding may follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Readout:
    """The results of a forward pass at the last position, or at all positions.

    Attributes:
        final: the normalised residual stream, [trial, size]. The unembedding computes logits from it.
        output_norm: the L2 norm of the residual stream after the layer of interest, at the last position, [trial].
        rows: like `final`, at all positions, [trial, token, size]. None if only the last position was read.
        found: what scores have computed from these results. Other scores of the same trials use it again.
    """

    final: Tensor
    output_norm: Tensor
    rows: Tensor | None = None
    found: dict[Any, Any] = field(default_factory=dict)


def ends_of(lengths: Sequence[int], longest: int, start: int) -> Tensor | None:
    """Returns the place of each trial's last token among the rows from `start` on; None if no trial is padded."""
    padded = any(length < longest for length in lengths)
    return torch.tensor(lengths) - start - 1 if padded else None


def at_end(stream: Tensor, ends: Tensor | None) -> Tensor:
    """Returns the row of each trial's last token, [trial, size], from all rows, [trial, row, size]."""
    if ends is None:
        return stream[:, -1]
    return stream[torch.arange(len(ends), device=stream.device), ends.to(stream.device)]
