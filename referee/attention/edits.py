"""Interventions as data. An edit describes a change of a prompt's attention pattern in one layer.

Every edit is a frozen dataclass, so two edits with equal fields compare as equal. This module knows nothing about
running edits (batches, devices).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from referee.attention import patterns
from referee.prompts.tokens import AlignmentKind, Tokens, align


class Edit(Protocol):
    """A pure function of a pattern. `donor` is the prompt whose own pattern the edit needs, or None."""

    @property
    def donor(self) -> Tokens | None: ...

    def __call__(self, target: Tokens, own: Tensor, donor_pattern: Tensor | None) -> Tensor:
        """Return the edited pattern, [head, query, key], the same shape as `own`."""
        ...


@dataclass(frozen=True)
class Keep:
    """Write the pattern back unchanged. This is the self-check that must change nothing."""

    donor: None = None

    def __call__(self, target: Tokens, own: Tensor, donor_pattern: Tensor | None) -> Tensor:
        return own


@dataclass(frozen=True)
class Flatten:
    """Give every head uniform attention. This is the self-check that must change something."""

    donor: None = None

    def __call__(self, target: Tokens, own: Tensor, donor_pattern: Tensor | None) -> Tensor:
        return patterns.uniform(len(target)).to(own).expand_as(own)


@dataclass(frozen=True)
class TurnInward:
    """Let every row attend only to itself. This is the self-check for heads whose attention is already uniform."""

    donor: None = None

    def __call__(self, target: Tokens, own: Tensor, donor_pattern: Tensor | None) -> Tensor:
        return torch.eye(len(target)).to(own).expand_as(own)


@dataclass(frozen=True)
class ToFirstKey:
    """Let every row attend only to the first key.

    The head then adds the same vector to the residual stream at every position. It misleads when a head attends mostly
    to the first key already: the edit then changes little.
    """

    donor: None = None

    def __call__(self, target: Tokens, own: Tensor, donor_pattern: Tensor | None) -> Tensor:
        edited = torch.zeros_like(own)
        edited[..., 0] = 1
        return edited


@dataclass(frozen=True)
class Silence:
    """Make the output of every head zero: no row attends to any key.

    The rows then sum to zero, so the result is no attention pattern. It misleads when the later layers rely on a
    constant that the head adds at every position.
    """

    donor: None = None

    def __call__(self, target: Tokens, own: Tensor, donor_pattern: Tensor | None) -> Tensor:
        return torch.zeros_like(own)


@dataclass(frozen=True)
class Replace:
    """Replace the share `amount` of every head's pattern by the donor prompt's aligned pattern.

    With `informed=False` uniform attention on the same alignment takes the place of the donor's pattern. It moves
    attention in the same way, but it contains nothing of the donor's answer.
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
    """Apply another edit in the given heads only. The other heads keep their own patterns."""

    edit: Edit
    heads: tuple[int, ...]

    @property
    def donor(self) -> Tokens | None:
        return self.edit.donor

    def __call__(self, target: Tokens, own: Tensor, donor_pattern: Tensor | None) -> Tensor:
        return self.only(own, self.edit(target, own, donor_pattern))

    def only(self, own: Tensor, everywhere: Tensor) -> Tensor:
        """Take `everywhere` in the given heads and `own` in the other heads; both are [head, query, key]."""
        edited, chosen = own.clone(), list(self.heads)
        edited[chosen] = everywhere[chosen]
        return edited


@dataclass(frozen=True)
class SetShare:
    """Give exactly `share` of every row's mass to the keys of one category.

    Only the rows change that can see keys of the category and other keys.
    """

    share: float
    category: str
    donor: None = None

    def __call__(self, target: Tokens, own: Tensor, donor_pattern: Tensor | None) -> Tensor:
        return patterns.set_share(own, members(target, self.category), self.share)


@dataclass(frozen=True)
class Move:
    """Move the share `amount` of each row's mass on one category to another category."""

    amount: float
    source: str
    target: str
    donor: None = None

    def __call__(self, target: Tokens, own: Tensor, donor_pattern: Tensor | None) -> Tensor:
        return patterns.move(own, members(target, self.source), members(target, self.target), self.amount)


@dataclass(frozen=True)
class Mask:
    """Multiply one category's columns by 1 − strength, and renormalise the rows."""

    strength: float
    category: str
    donor: None = None

    def __call__(self, target: Tokens, own: Tensor, donor_pattern: Tensor | None) -> Tensor:
        return patterns.mask(own, members(target, self.category), self.strength)


@dataclass(frozen=True)
class MatchedPlacebo:
    """Move as much attention as another edit moves, but only between keys that are in none of the fixed categories.

    The amount is the same in each row of each head (total variation). Each fixed category keeps its mass. A row whose
    other keys have too little mass moves what they have.
    """

    edit: Edit
    fixed: tuple[str, ...]

    @property
    def donor(self) -> Tokens | None:
        return self.edit.donor

    def __call__(self, target: Tokens, own: Tensor, donor_pattern: Tensor | None) -> Tensor:
        amount = patterns.moved(own, self.edit(target, own.clone(), donor_pattern))
        free = torch.tensor([category not in self.fixed for category in target.categories])
        return patterns.shuffle(own, free, amount)


@dataclass(frozen=True)
class Exchange:
    """Give heads the pattern of another head on the same prompt.

    `taken` contains the heads (taker, giver). The taker gets the giver's pattern.
    """

    taken: tuple[tuple[int, int], ...]
    donor: None = None

    def __call__(self, target: Tokens, own: Tensor, donor_pattern: Tensor | None) -> Tensor:
        edited = own.clone()
        edited[[taker for taker, _ in self.taken]] = own[[giver for _, giver in self.taken]]
        return edited


@dataclass(frozen=True)
class KnockOut:
    """Remove edges, each (head, query, key), and renormalise the rows."""

    edges: tuple[tuple[int, int, int], ...]
    donor: None = None

    def __call__(self, target: Tokens, own: Tensor, donor_pattern: Tensor | None) -> Tensor:
        gone = torch.zeros_like(own, dtype=torch.bool)
        gone[tuple(torch.tensor(self.edges).T)] = True
        return patterns.knock_out(own, gone)


@dataclass(frozen=True)
class Together:
    """Apply several edits one after the other. None of them may need a donor."""

    edits: tuple[Edit, ...]
    donor: None = None

    def __call__(self, target: Tokens, own: Tensor, donor_pattern: Tensor | None) -> Tensor:
        for edit in self.edits:
            own = edit(target, own, donor_pattern)
        return own


def members(tokens: Tokens, category: str) -> Tensor:
    """Return whether each key of a prompt and its forced prefix belongs to a category; [key], boolean."""
    return torch.tensor([found == category for found in tokens.categories])
