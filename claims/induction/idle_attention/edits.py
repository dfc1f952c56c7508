"""The edit of experiment S2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from referee.attention.unedited import Unedited


@dataclass(frozen=True)
class FromFirstToken:
    """Moves attention from the first token to all other visible tokens, to each of them the same amount.

    A row moves what it has on the first token, but at most half of what the others have. So an edit that only moves
    attention between the others can move as much. A row that sees fewer than two other tokens stays as it is.
    """

    donor: None = None

    @staticmethod
    def apply(edits: Sequence[FromFirstToken], to: Unedited) -> Tensor:
        own = to.own
        others = torch.ones(own.shape[-2:]).tril() * (torch.arange(own.shape[-1]) > 0)
        others = others.to(own)
        count = others.sum(-1)
        amount = torch.minimum(own[..., 0], (own * others).sum(-1) / 2) * (count >= 2)
        edited = own + others * (amount / count.clamp_min(1))[..., None]
        edited[..., 0] -= amount
        return edited
