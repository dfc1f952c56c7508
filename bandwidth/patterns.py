"""Pure functions on attention patterns.

A pattern holds attention probabilities, `[..., query, key]`: causal (zero above the diagonal), each row
summing to one. Every function here returns such a pattern, or a share of its mass, and changes no argument.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bandwidth.tokens import Alignment


def uniform(length: int) -> Tensor:
    """The pattern of a head without preferences: row q spreads its mass evenly on keys 0 to q; [query, key]."""
    seen = torch.ones(length, length).tril()
    return seen / seen.sum(-1, keepdim=True)


def share(pattern: Tensor, members: Tensor) -> Tensor:
    """The share of all attention mass that falls on each class of keys.

    Args:
        pattern: [..., query, key]; give only the rows that are to count.
        members: [key, class], one-hot.

    Returns:
        [..., class], summing to 1 when every key has a class.

    Over all rows this is dragged towards early keys: the first row can attend to nothing but itself,
    and a uniform pattern of a short prompt puts more than half of its mass on the numbers.
    """
    received = pattern.sum(-2)
    return received @ members.to(received.dtype) / received.sum(-1, keepdim=True)


def without_first_key(pattern: Tensor) -> Tensor:
    """Rows and columns after the first, renormalised: attention apart from the BOS sink; [..., query-1, key-1].

    Misleads where a head leaves almost everything on BOS: the rest is then a small number made large.
    Rows with nothing left are zero.
    """
    rest = pattern[..., 1:, 1:]
    return rest / rest.sum(-1, keepdim=True).clamp_min(torch.finfo(rest.dtype).tiny)


def transplant(own: Tensor, donor: Tensor, alignment: Alignment) -> Tensor:
    """The target's pattern with the aligned rows taken from the donor; [..., query, key] of `own`.

    A replaced row holds the donor's mass on the corresponding keys, renormalised, and nothing on keys
    without a counterpart. Rows without a counterpart, and rows whose donor has no mass on any
    corresponding key, keep their own.

    Misleads where most of the donor's mass lies on keys without a counterpart: renormalising then
    enlarges what is left.
    """
    edited = own.clone()
    columns = torch.tensor(alignment.target)
    donor_columns = torch.tensor(alignment.donor)
    donor_row = dict(zip(alignment.target, alignment.donor, strict=True))
    for row in (row for row in alignment.rows if row in donor_row):
        mass = donor[..., donor_row[row], donor_columns]
        total = mass.sum(-1, keepdim=True)
        replaced = torch.zeros_like(own[..., row, :])
        replaced[..., columns] = mass / total.clamp_min(torch.finfo(mass.dtype).tiny)
        edited[..., row, :] = torch.where(total > 0, replaced, own[..., row, :])
    return edited


def blend(own: Tensor, other: Tensor, amount: float) -> Tensor:
    """(1 − amount) · own + amount · other; exactly `own` at 0 and exactly `other` at 1."""
    if not 0 <= amount <= 1:
        raise ValueError(f"An amount of replacement is a share from 0 to 1; got {amount}")
    return torch.lerp(own, other, amount)
