"""Pure functions on attention patterns.

A pattern holds attention probabilities, `[..., query, key]`: causal (zero above the diagonal), each row
summing to one. Every function here returns such a pattern, or a share of its mass, and changes no argument.
"""

from __future__ import annotations

import math

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
    donor_row = dict(zip(alignment.target, alignment.donor, strict=True))
    rows = [row for row in alignment.rows if row in donor_row]
    mass = donor[..., [donor_row[row] for row in rows], :][..., list(alignment.donor)]
    total = mass.sum(-1, keepdim=True)
    replaced = torch.zeros_like(own[..., rows, :])
    replaced[..., list(alignment.target)] = mass / total.clamp_min(torch.finfo(mass.dtype).tiny)
    edited = own.clone()
    edited[..., rows, :] = torch.where(total > 0, replaced, own[..., rows, :])
    return edited


def blend(own: Tensor, other: Tensor, amount: float) -> Tensor:
    """(1 − amount) · own + amount · other; exactly `own` at 0 and exactly `other` at 1."""
    _require_share(amount)
    return torch.lerp(own, other, amount)


def set_share(pattern: Tensor, members: Tensor, share: float) -> Tensor:
    """Every row that can see both kinds of keys gives exactly `share` of its mass to the members.

    Members keep their proportions among themselves, and so do the rest; where a kind has no mass at all,
    its share is spread evenly. Rows that see only one kind keep their own.

    Args:
        pattern: [..., query, key].
        members: [key], boolean.
        share: from 0 to 1.
    """
    _require_share(share)
    inside, outside = _proportions(pattern, members), _proportions(pattern, ~members)
    wanted = share * inside + (1 - share) * outside
    sees_both = (_visible(pattern, members) & _visible(pattern, ~members))[..., None]
    return torch.where(sees_both, wanted, pattern)


def move(pattern: Tensor, source: Tensor, target: Tensor, amount: float) -> Tensor:
    """`amount` of each row's mass on source keys goes to its target keys, in proportion to what they have.

    Rows keep their sums; those that see no target keep their own.

    Args:
        pattern: [..., query, key].
        source, target: [key], boolean, disjoint.
        amount: from 0 to 1.
    """
    _require_share(amount)
    taken = torch.where(_visible(pattern, target)[..., None], pattern * source * amount, 0)
    return pattern - taken + taken.sum(-1, keepdim=True) * _proportions(pattern, target)


def mask(pattern: Tensor, members: Tensor, strength: float) -> Tensor:
    """Members' columns times 1 − strength, rows renormalised; a row left with nothing keeps its own.

    Renormalising gives the freed mass to all other keys in proportion, most of it to an attention sink.

    Args:
        pattern: [..., query, key].
        members: [key], boolean.
        strength: from 0 (nothing) to 1 (the members are gone).
    """
    _require_share(strength)
    return _renormalised(pattern * (1 - strength * members.to(pattern.dtype)), pattern)


def knock_out(pattern: Tensor, edges: Tensor) -> Tensor:
    """Without the named edges, rows renormalised; a row left with nothing keeps its own.

    Args:
        pattern: [..., head, query, key].
        edges: as `pattern`, boolean.
    """
    return _renormalised(pattern * ~edges, pattern)


def entropy(pattern: Tensor) -> Tensor:
    """Mean over rows of a row's entropy, in bits; [...] from [..., query, key] (Shannon 1948, logarithm to base 2).

    A row that attends to one key has 0 bits, one that attends to k keys evenly log2(k).
    """
    return -torch.xlogy(pattern, pattern).sum(-1).mean(-1) / math.log(2)


def similarity(pattern: Tensor) -> Tensor:
    """Correlation (Pearson) between heads over all edges on and below the diagonal; [..., head, head].

    Above the diagonal every head is zero, which would make any two of them alike. A head whose edges are
    all equal correlates with none (0), but with itself (1).
    """
    length = pattern.shape[-1]
    edges = pattern[..., torch.ones(length, length).tril().bool()]
    centred = edges - edges.mean(-1, keepdim=True)
    norms = centred.norm(dim=-1, keepdim=True)
    unit = torch.where(norms > 0, centred / norms.clamp_min(torch.finfo(edges.dtype).tiny), 0)
    alike = unit @ unit.transpose(-1, -2)
    return alike.clamp(-1, 1) - torch.diag_embed(alike.diagonal(dim1=-2, dim2=-1) - 1)


def _visible(pattern: Tensor, members: Tensor) -> Tensor:
    """Whether a row can see any member, whatever mass it has; [query]."""
    length = pattern.shape[-1]
    return (torch.ones(length, length).tril().bool() & members).any(-1)


def _proportions(pattern: Tensor, members: Tensor) -> Tensor:
    """Each row's mass on the members, as shares of it: even where there is none, zero where none can be seen."""
    length = pattern.shape[-1]
    held = pattern * members
    total = held.sum(-1, keepdim=True)
    seen = (torch.ones(length, length).tril().bool() & members).to(pattern.dtype)
    even = seen / seen.sum(-1, keepdim=True).clamp_min(1)
    tiny = torch.finfo(held.dtype).tiny
    return torch.where(total >= tiny, held / total.clamp_min(tiny), even)


def _renormalised(left: Tensor, own: Tensor) -> Tensor:
    """Rows of `left` scaled to the sums of `own`'s: to the bit `own`, where nothing was taken."""
    total = left.sum(-1, keepdim=True)
    tiny = torch.finfo(left.dtype).tiny
    scale = own.sum(-1, keepdim=True) / total.clamp_min(tiny)
    return torch.where(total >= tiny, left * scale, own)


def _require_share(amount: float) -> None:
    if not 0 <= amount <= 1:
        raise ValueError(f"An amount must be a share from 0 to 1; got {amount}")
