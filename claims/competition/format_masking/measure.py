"""Experiment 5.2: edits that mask the tokens of one category."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from claims.competition.heads import in_heads
from claims.competition.prompts import Category
from referee.attention.edits import InHeads, Mask

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of the format columns that experiment 5.2 takes away."""
MASKED = tuple(strength for strength in STRENGTHS if strength)
"""All strengths of the mask except 0."""
WHOLLY = 1.0
"""The strength at which masks in different heads are compared. It is fixed, so no heads have a choice of strengths."""


def masks(
    groups: Mapping[str, Sequence[int]], *, strengths: Sequence[float] = STRENGTHS, category: Category = "format"
) -> dict[str, InHeads]:
    """Returns the edits of experiment 5.2: a mask weakens the columns of one category. `mask_arm` names the arms."""
    return {
        mask_arm(group, strength, category): InHeads(Mask(strength, category), tuple(heads))
        for group, heads in groups.items()
        for strength in strengths
    }


def mask_arm(group: str, strength: float, category: Category = "format") -> str:
    """Returns the name of an arm."""
    return f"{in_heads(group)}, {category} tokens masked by {strength:.0%}"
