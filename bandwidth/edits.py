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
from bandwidth.tokens import AlignmentKind, Tokens, align


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
