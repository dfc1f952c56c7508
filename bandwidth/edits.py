"""Interventions as data: what is done to a prompt's pattern at the layer of interest.

An edit is a frozen value, so that equal edits are equal and nothing about running them (batches,
devices) is known here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from bandwidth import patterns
from bandwidth.tokens import AlignmentKind, Category, Tokens, align


class Edit(Protocol):
    """A pure function of a pattern. `donor` is a prompt whose own pattern is needed, if any."""

    @property
    def donor(self) -> Tokens | None: ...

    def __call__(self, target: Tokens, own: Tensor, donor_pattern: Tensor | None) -> Tensor:
        """The edited pattern, [head, query, key] like `own`."""
        ...


@dataclass(frozen=True)
class Keep:
    """Writes the pattern back as it was read: the self-check that must change nothing at all."""

    donor: None = None

    def __call__(self, target: Tokens, own: Tensor, donor_pattern: Tensor | None) -> Tensor:
        return own


@dataclass(frozen=True)
class Flatten:
    """Uniform attention in every head: the self-check that must change something."""

    donor: None = None

    def __call__(self, target: Tokens, own: Tensor, donor_pattern: Tensor | None) -> Tensor:
        return patterns.uniform(len(target)).to(own).expand_as(own)


@dataclass(frozen=True)
class TurnInward:
    """Every row attends to itself alone: the self-check for heads whose attention is uniform already."""

    donor: None = None

    def __call__(self, target: Tokens, own: Tensor, donor_pattern: Tensor | None) -> Tensor:
        return torch.eye(len(target)).to(own).expand_as(own)


@dataclass(frozen=True)
class Replace:
    """`amount` of every head's pattern replaced by the donor prompt's, aligned (experiment 4.1).

    With `informed=False` the donor is uniform attention on the same alignment: what the same
    displacement of attention does when it carries nothing of the donor's answer.
    """

    donor: Tokens
    amount: float
    alignment: AlignmentKind = "meaning"
    informed: bool = True

    def __call__(self, target: Tokens, own: Tensor, donor_pattern: Tensor | None) -> Tensor:
        assert donor_pattern is not None
        if not self.informed:
            donor_pattern = patterns.uniform(len(self.donor)).to(own).expand_as(donor_pattern)
        moved = patterns.transplant(own, donor_pattern, align(target, self.donor, self.alignment))
        return patterns.blend(own, moved, self.amount)


@dataclass(frozen=True)
class InHeads:
    """Another edit, in some heads only; the others keep their own patterns."""

    edit: Edit
    heads: tuple[int, ...]

    @property
    def donor(self) -> Tokens | None:
        return self.edit.donor

    def __call__(self, target: Tokens, own: Tensor, donor_pattern: Tensor | None) -> Tensor:
        return self.only(own, self.edit(target, own, donor_pattern))

    def only(self, own: Tensor, everywhere: Tensor) -> Tensor:
        """The other edit's pattern in these heads, and the prompt's own in the others."""
        edited, chosen = own.clone(), list(self.heads)
        edited[chosen] = everywhere[chosen]
        return edited


@dataclass(frozen=True)
class SetShare:
    """Exactly `share` of every row to the keys of one category, on rows that can see both kinds (experiment 1.2)."""

    share: float
    category: Category = "numerical"
    donor: None = None

    def __call__(self, target: Tokens, own: Tensor, donor_pattern: Tensor | None) -> Tensor:
        return patterns.set_share(own, members(target, self.category), self.share)


@dataclass(frozen=True)
class Move:
    """`amount` of each row's mass on one category to another (experiment 5.1)."""

    amount: float
    source: Category = "format"
    target: Category = "numerical"
    donor: None = None

    def __call__(self, target: Tokens, own: Tensor, donor_pattern: Tensor | None) -> Tensor:
        return patterns.move(own, members(target, self.source), members(target, self.target), self.amount)


@dataclass(frozen=True)
class Mask:
    """One category's columns times 1 − strength, renormalised (experiment 5.2)."""

    strength: float
    category: Category = "format"
    donor: None = None

    def __call__(self, target: Tokens, own: Tensor, donor_pattern: Tensor | None) -> Tensor:
        return patterns.mask(own, members(target, self.category), self.strength)


@dataclass(frozen=True)
class Exchange:
    """Heads that take another head's pattern of the same prompt (experiment 3.2): (taker, giver), …"""

    taken: tuple[tuple[int, int], ...]
    donor: None = None

    def __call__(self, target: Tokens, own: Tensor, donor_pattern: Tensor | None) -> Tensor:
        edited = own.clone()
        edited[[taker for taker, _ in self.taken]] = own[[giver for _, giver in self.taken]]
        return edited


@dataclass(frozen=True)
class KnockOut:
    """Without some edges, (head, query, key), …; rows renormalised (experiment 2.2)."""

    edges: tuple[tuple[int, int, int], ...]
    donor: None = None

    def __call__(self, target: Tokens, own: Tensor, donor_pattern: Tensor | None) -> Tensor:
        gone = torch.zeros_like(own, dtype=torch.bool)
        gone[tuple(torch.tensor(self.edges).T)] = True
        return patterns.knock_out(own, gone)


@dataclass(frozen=True)
class Together:
    """Edits applied one after the other; none of them has a donor."""

    edits: tuple[Edit, ...]
    donor: None = None

    def __call__(self, target: Tokens, own: Tensor, donor_pattern: Tensor | None) -> Tensor:
        for edit in self.edits:
            own = edit(target, own, donor_pattern)
        return own


def members(tokens: Tokens, category: Category) -> Tensor:
    """Which keys of a prompt and its forced prefix belong to a category, [key]."""
    return torch.tensor([held == category for held in tokens.categories])
