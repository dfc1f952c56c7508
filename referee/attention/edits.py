"""Interventions as data. An edit describes a change of a prompt's attention pattern in one layer.

Every edit is a frozen dataclass, so two edits with equal fields compare as equal. Edits of one type run together: one
function of tensors edits all their trials at once, on the device of the patterns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from referee.attention import patterns
from referee.attention.grouping import alike
from referee.attention.unedited import Unedited
from referee.prompts.tokens import AlignmentKind, Tokens


class Edit(Protocol):
    """A pure function of a pattern. `donor` is the prompt whose own pattern the edit needs, or None."""

    @property
    def donor(self) -> Tokens | None: ...

    @staticmethod
    def apply(edits: Sequence[Any], to: Unedited) -> Tensor:
        """Return the edited patterns, [trial, head, query, key], from one edit of this type for each trial.

        The function may change `to.own`, which is a copy.
        """
        ...


def edited(edits: Sequence[Edit], to: Unedited) -> Tensor:
    """Return the patterns after one edit for each trial, [trial, head, query, key]. Edits of one type run together."""
    if to.shared:
        places = alike(list(zip(to.prompts, edits, strict=True)), lambda case: case)
        if len(places) < len(edits):
            first = [group[0] for group in places]
            index = {trial: i for i, group in enumerate(places) for trial in group}
            distinct = edited([edits[i] for i in first], to.only(first))
            return distinct[torch.tensor([index[i] for i in range(len(edits))], device=distinct.device)]
    groups = alike(edits, type)
    if len(groups) == 1:
        return _applied(edits, replace(to, own=to.own.clone()))
    found = torch.empty_like(to.own)
    for group in groups:
        found[torch.tensor(group, device=found.device)] = _applied([edits[i] for i in group], to.only(group))
    return found


def _applied(edits: Sequence[Edit], to: Unedited) -> Tensor:
    """Return the patterns after edits of one type. Raise ValueError if their shape is not that of the own patterns."""
    kind = type(edits[0])
    found = kind.apply(edits, to)
    if found.shape != to.own.shape:
        raise ValueError(
            f"An edit must return patterns of the shape {tuple(to.own.shape)}; got {tuple(found.shape)} from"
            f" {kind.__name__}.apply. Return one pattern for each trial."
        )
    return found


def edited_pattern(edit: Edit, target: Tokens, own: Tensor, donor: Tensor | None = None) -> Tensor:
    """Return the pattern of one prompt after an edit, [head, query, key]. `donor` is the pattern of its donor."""
    return edited([edit], Unedited([target], own[None], [edit.donor], None if donor is None else donor[None]))[0]


@dataclass(frozen=True)
class Keep:
    """Write the pattern back unchanged. This is the self-check that must change nothing."""

    donor: None = None

    @staticmethod
    def apply(edits: Sequence[Keep], to: Unedited) -> Tensor:
        return to.own


@dataclass(frozen=True)
class Flatten:
    """Give every head uniform attention. This is the self-check that must change something."""

    donor: None = None

    @staticmethod
    def apply(edits: Sequence[Flatten], to: Unedited) -> Tensor:
        return patterns.uniform(to.own.shape[-1]).to(to.own).expand_as(to.own)


@dataclass(frozen=True)
class TurnInward:
    """Let every row attend only to itself. This is the self-check for heads whose attention is already uniform."""

    donor: None = None

    @staticmethod
    def apply(edits: Sequence[TurnInward], to: Unedited) -> Tensor:
        return torch.eye(to.own.shape[-1]).to(to.own).expand_as(to.own)


@dataclass(frozen=True)
class ToFirstKey:
    """Let every row attend only to the first key.

    The head then adds the same vector to the residual stream at every position. It misleads when a head attends mostly
    to the first key already: the edit then changes little.
    """

    donor: None = None

    @staticmethod
    def apply(edits: Sequence[ToFirstKey], to: Unedited) -> Tensor:
        found = torch.zeros_like(to.own)
        found[..., 0] = 1
        return found


@dataclass(frozen=True)
class Silence:
    """Zero ablation: make the output of every head zero, because no row attends to any key.

    The rows then sum to zero, so the result is no attention pattern. It misleads when the later layers rely on a
    constant that the head adds at every position.
    """

    donor: None = None

    @staticmethod
    def apply(edits: Sequence[Silence], to: Unedited) -> Tensor:
        return torch.zeros_like(to.own)


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

    @staticmethod
    def apply(edits: Sequence[Replace], to: Unedited) -> Tensor:
        assert to.donated is not None
        informed = torch.tensor([edit.informed for edit in edits], device=to.own.device)[:, None, None, None]
        uniform = patterns.uniform(to.donated.shape[-1]).to(to.donated)
        donated = torch.where(informed, to.donated, uniform)
        moved = patterns.transplant(to.own, donated, *to.aligned([edit.alignment for edit in edits]))
        return patterns.blend(to.own, moved, to.shares([edit.amount for edit in edits]))


@dataclass(frozen=True)
class InHeads:
    """Apply another edit in the given heads only. The other heads keep their own patterns."""

    edit: Edit
    heads: tuple[int, ...]

    @property
    def donor(self) -> Tokens | None:
        return self.edit.donor

    @staticmethod
    def apply(edits: Sequence[InHeads], to: Unedited) -> Tensor:
        everywhere = edited([edit.edit for edit in edits], to)
        return torch.where(to.heads([edit.heads for edit in edits]), everywhere, to.own)


@dataclass(frozen=True)
class SetShare:
    """Give exactly `share` of every row's mass to the keys of one category.

    Only the rows change that can see keys of the category and other keys.
    """

    share: float
    category: str
    donor: None = None

    @staticmethod
    def apply(edits: Sequence[SetShare], to: Unedited) -> Tensor:
        members = to.members([edit.category for edit in edits])
        return patterns.set_share(to.own, members, to.shares([edit.share for edit in edits]))


@dataclass(frozen=True)
class Move:
    """Move the share `amount` of each row's mass on one category to another category."""

    amount: float
    source: str
    target: str
    donor: None = None

    @staticmethod
    def apply(edits: Sequence[Move], to: Unedited) -> Tensor:
        source, target = to.members([edit.source for edit in edits]), to.members([edit.target for edit in edits])
        return patterns.move(to.own, source, target, to.shares([edit.amount for edit in edits]))


@dataclass(frozen=True)
class Mask:
    """Multiply one category's columns by 1 − strength, and renormalise the rows."""

    strength: float
    category: str
    donor: None = None

    @staticmethod
    def apply(edits: Sequence[Mask], to: Unedited) -> Tensor:
        members = to.members([edit.category for edit in edits])
        return patterns.mask(to.own, members, to.shares([edit.strength for edit in edits]))


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

    @staticmethod
    def apply(edits: Sequence[MatchedPlacebo], to: Unedited) -> Tensor:
        amount = patterns.moved(to.own, edited([edit.edit for edit in edits], to))
        free = to.chosen(lambda fixed, category: category not in fixed, [edit.fixed for edit in edits])
        return patterns.shuffle(to.own, free, amount)


@dataclass(frozen=True)
class Exchange:
    """Give heads the pattern of another head on the same prompt.

    `taken` contains the heads (taker, giver). The taker gets the giver's pattern.
    """

    taken: tuple[tuple[int, int], ...]
    donor: None = None

    @staticmethod
    def apply(edits: Sequence[Exchange], to: Unedited) -> Tensor:
        giver = [list(range(to.own.shape[1])) for _ in edits]
        for heads, edit in zip(giver, edits, strict=True):
            for taker, given in edit.taken:
                heads[taker] = given
        index = torch.tensor(giver, device=to.own.device)[:, :, None, None]
        return to.own.gather(1, index.expand_as(to.own))


@dataclass(frozen=True)
class KnockOut:
    """Attention knockout: remove edges, each (head, query, key), and renormalise the rows."""

    edges: tuple[tuple[int, int, int], ...]
    donor: None = None

    @staticmethod
    def apply(edits: Sequence[KnockOut], to: Unedited) -> Tensor:
        edges = np.array([edge for edit in edits for edge in edit.edges], int).reshape(-1, 3)
        trials = np.repeat(np.arange(len(edits)), [len(edit.edges) for edit in edits])
        gone = torch.zeros_like(to.own, dtype=torch.bool)
        gone[tuple(torch.from_numpy(index).to(gone.device) for index in (trials, *edges.T))] = True
        return patterns.knock_out(to.own, gone)


@dataclass(frozen=True)
class Together:
    """Apply several edits one after the other. None of them may need a donor."""

    edits: tuple[Edit, ...]
    donor: None = None

    @staticmethod
    def apply(edits: Sequence[Together], to: Unedited) -> Tensor:
        for place in range(max(len(edit.edits) for edit in edits)):
            some = [edit.edits[place] if place < len(edit.edits) else Keep() for edit in edits]
            to = to.after(edited(some, to))
        return to.own
