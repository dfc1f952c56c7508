"""Pure functions on attention patterns.

A pattern is a tensor of attention probabilities, `[..., query, key]`. It is causal: all values above the diagonal are
zero. The sum of each row is one. The functions return such a pattern, or a number for each pattern or head. No function
changes its arguments.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

Amount = float | Tensor
"""A share from 0 to 1: one for all patterns, or a tensor that broadcasts to [..., query, key]."""


def uniform(length: int) -> Tensor:
    """Return the pattern of a head without preferences, [query, key]. Row q gives equal mass to the keys 0 to q."""
    seen = torch.ones(length, length).tril()
    return seen / seen.sum(-1, keepdim=True)


def share(pattern: Tensor, members: Tensor) -> Tensor:
    """Return the share of the attention mass that each class of keys receives.

    Args:
        pattern: [..., query, key], only the rows that count.
        members: [key, class], one-hot.

    Returns:
        [..., class]. The sum is 1 when every key has a class.

    Over all rows, this share favours early keys: the first row can attend only to itself. In a short prompt, a uniform
    pattern gives more than half of its mass to the first third of the keys.
    """
    received = pattern.sum(-2)
    return received @ members.to(received.dtype) / received.sum(-1, keepdim=True)


def without_first_key(pattern: Tensor) -> Tensor:
    """Remove the first row and the first column, and renormalise the rows; [..., query-1, key-1].

    The result is the attention without the BOS sink. It misleads when a head gives almost all of its mass to BOS:
    renormalising then turns a very small rest into a large share. A row without any rest is zero.
    """
    rest = pattern[..., 1:, 1:]
    return rest / rest.sum(-1, keepdim=True).clamp_min(torch.finfo(rest.dtype).tiny)


def transplant(own: Tensor, donor: Tensor, rows: Tensor, keys: Tensor) -> Tensor:
    """Replace rows of the target's pattern `own` by the corresponding rows of a donor; [..., query, key] of `own`.

    A replaced row has the donor's mass on the corresponding keys, renormalised. It has no mass on keys without a
    counterpart. A row keeps its own values when it has no counterpart, or when its donor row has no mass on any
    corresponding key.

    The result misleads when most of the donor's mass lies on keys without a counterpart: renormalising then enlarges
    the small rest.

    Args:
        own, donor: [..., query, key], with equal leading axes. The donor can have another length.
        rows: [..., query] of `own`, the donor's row that replaces each row, or -1. The leading axes broadcast.
        keys: [..., key] of `own`, the donor's key that corresponds to each key, or -1. The leading axes broadcast.
    """
    lead = own.shape[:-2]
    row = rows.clamp_min(0).expand(*lead, -1)[..., None].expand(*own.shape[:-1], donor.shape[-1])
    key = keys.clamp_min(0).expand(*lead, -1)[..., None, :].expand(own.shape)
    mass = torch.where((keys >= 0)[..., None, :], donor.gather(-2, row).gather(-1, key), 0)
    total = mass.sum(-1, keepdim=True)
    replaced = mass / total.clamp_min(torch.finfo(mass.dtype).tiny)
    return torch.where((rows >= 0)[..., None] & (total > 0), replaced, own)


def blend(own: Tensor, other: Tensor, amount: Amount) -> Tensor:
    """Return (1 − amount) · own + amount · other. The result is exactly `own` at 0 and exactly `other` at 1."""
    _require_share(amount)
    return torch.lerp(own, other, amount)


def set_share(pattern: Tensor, members: Tensor, share: Amount) -> Tensor:
    """Give exactly `share` of each row's mass to the members, in every row that sees members and other keys.

    The proportions among the members stay the same, and so do the proportions among the other keys. If one of the two
    kinds has no mass in a row, its share is spread evenly over its keys. A row that sees only one kind keeps its own
    values. Raises ValueError for a share outside 0 to 1.

    Args:
        pattern: [..., query, key].
        members: [..., key], boolean.
        share: from 0 to 1.
    """
    _require_share(share)
    inside, outside = _proportions(pattern, members), _proportions(pattern, ~members)
    wanted = share * inside + (1 - share) * outside
    sees_both = (_visible(pattern, members) & _visible(pattern, ~members))[..., None]
    return torch.where(sees_both, wanted, pattern)


def move(pattern: Tensor, source: Tensor, target: Tensor, amount: Amount) -> Tensor:
    """Move the share `amount` of each row's mass on the source keys to its target keys.

    The target keys receive it in proportion to their mass. If they have no mass, they receive equal parts. The sums
    of the rows stay the same. A row that sees no target key keeps its own values. Raises ValueError for an amount
    outside 0 to 1.

    Args:
        pattern: [..., query, key].
        source, target: [..., key], boolean, disjoint.
        amount: from 0 to 1.
    """
    _require_share(amount)
    taken = torch.where(_visible(pattern, target)[..., None], pattern * source[..., None, :] * amount, 0)
    return pattern - taken + taken.sum(-1, keepdim=True) * _proportions(pattern, target)


def mask(pattern: Tensor, members: Tensor, strength: Amount) -> Tensor:
    """Multiply the members' columns by 1 − strength, and renormalise the rows.

    Renormalising gives the removed mass to the remaining keys in proportion to their mass. An attention sink receives
    most of it. A row that would lose all of its mass keeps its own values. Raises ValueError for a strength outside 0
    to 1.

    Args:
        pattern: [..., query, key].
        members: [..., key], boolean.
        strength: from 0 (no change) to 1 (the members have no mass).
    """
    _require_share(strength)
    return _renormalised(pattern * (1 - strength * members.to(pattern.dtype)[..., None, :]), pattern)


def knock_out(pattern: Tensor, edges: Tensor) -> Tensor:
    """Remove the given edges, and renormalise the rows.

    A row that would lose all of its mass keeps its own values.

    Args:
        pattern: [..., head, query, key].
        edges: [..., head, query, key], boolean, true for the edges to remove.
    """
    return _renormalised(pattern * ~edges, pattern)


def shuffle(pattern: Tensor, free: Tensor, amount: Tensor) -> Tensor:
    """Move `amount` of each row's mass between its free keys. The other keys keep their mass.

    The free keys of a row are divided alternately into two sets, in their order. The set with more mass gives, in
    proportion to its mass, and the visible keys of the other set receive equal parts. The total variation of a row
    (half the sum of the absolute changes) is then `amount`. It is less if the giving set has less mass, and 0 if the
    row sees fewer than two free keys.

    Args:
        pattern: [..., query, key].
        free: [..., key], boolean.
        amount: [..., query].
    """
    second = (free & (free.cumsum(-1) % 2 == 0))[..., None, :]
    first = free[..., None, :] & ~second
    masses = [(pattern * members).sum(-1, keepdim=True) for members in (first, second)]
    first_gives = masses[0] >= masses[1]
    gives = torch.where(first_gives, first, second)
    seen = torch.where(first_gives, second, first) & _causal(pattern)
    count = seen.sum(-1, keepdim=True)
    total = torch.maximum(*masses)
    moved = torch.where(count > 0, torch.minimum(amount[..., None], total), 0)
    taken = pattern * gives * (moved / total.clamp_min(torch.finfo(pattern.dtype).tiny))
    return pattern - taken + seen / count.clamp_min(1) * taken.sum(-1, keepdim=True)


def moved(own: Tensor, edited: Tensor) -> Tensor:
    """Return how much of each row's mass lies on other keys after an edit (total variation); [..., query]."""
    return (edited - own).abs().sum(-1) / 2


def entropy(pattern: Tensor) -> Tensor:
    """Return the mean entropy of the rows in bits; [...] from [..., query, key] (Shannon 1948, logarithm to base 2).

    A row that attends to only one key has 0 bits. A row that attends to k keys evenly has log2(k) bits.
    """
    return -torch.xlogy(pattern, pattern).sum(-1).mean(-1) / math.log(2)


def similarity(pattern: Tensor) -> Tensor:
    """Return Pearson's correlation between heads over all edges on and below the diagonal; [..., head, head].

    The edges above the diagonal do not count: they are zero in every head, so they would make all heads similar. A
    head whose edges are all equal has correlation 0 with every other head and 1 with itself.
    """
    length = pattern.shape[-1]
    edges = pattern[..., torch.ones(length, length).tril().bool()]
    centred = edges - edges.mean(-1, keepdim=True)
    norms = centred.norm(dim=-1, keepdim=True)
    unit = torch.where(norms > 0, centred / norms.clamp_min(torch.finfo(edges.dtype).tiny), 0)
    alike = unit @ unit.transpose(-1, -2)
    return alike.clamp(-1, 1) - torch.diag_embed(alike.diagonal(dim1=-2, dim2=-1) - 1)


def _causal(pattern: Tensor) -> Tensor:
    """Return which keys each row can see, [query, key], boolean."""
    return torch.ones(pattern.shape[-2:], dtype=torch.bool, device=pattern.device).tril()


def _visible(pattern: Tensor, members: Tensor) -> Tensor:
    """Return whether each row can see any member, [..., query]. The mass of the members does not matter."""
    return (_causal(pattern) & members[..., None, :]).any(-1)


def _proportions(pattern: Tensor, members: Tensor) -> Tensor:
    """Return each row's mass on the members, divided by its sum; [..., query, key].

    In a row without any mass on the members, all visible members get equal shares. A row that sees no member is zero.
    """
    mass = pattern * members[..., None, :]
    total = mass.sum(-1, keepdim=True)
    seen = (_causal(pattern) & members[..., None, :]).to(pattern.dtype)
    evenly = seen / seen.sum(-1, keepdim=True).clamp_min(1)
    tiny = torch.finfo(mass.dtype).tiny
    return torch.where(total >= tiny, mass / total.clamp_min(tiny), evenly)


def _renormalised(left: Tensor, own: Tensor) -> Tensor:
    """Scale the rows of `left` to the sums of the rows of `own`.

    A row from which nothing was removed equals the row of `own` to the last bit. A row without any mass left is the
    row of `own`.
    """
    total = left.sum(-1, keepdim=True)
    tiny = torch.finfo(left.dtype).tiny
    scale = own.sum(-1, keepdim=True) / total.clamp_min(tiny)
    return torch.where(total >= tiny, left * scale, own)


def _require_share(amount: Amount) -> None:
    """Raise ValueError for a number outside 0 to 1. A tensor is checked by the caller that makes it."""
    if not isinstance(amount, Tensor) and not 0 <= amount <= 1:
        raise ValueError(f"An amount must be a share from 0 to 1; got {amount}")
