"""Experiment 5.1: edits that move attention from format tokens to other tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from claims.competition.heads import in_heads, odd_heads
from claims.competition.prompts import QA, SIMPLE, Case, Category
from referee.attention.edits import InHeads, Move
from referee.measuring.requests import Trial
from referee.measuring.session import Session

MOVED = 0.5
"""Share of the format mass that experiment 5.1 moves."""


def moves(groups: Mapping[str, Sequence[int]], *, target: Category = "numerical") -> dict[str, InHeads]:
    """Returns the edits of experiment 5.1, one for each group of heads. `move_arm` names the arms.

    They move half of the mass on format tokens to the tokens of the category `target`.
    """
    return {move_arm(group, target): _move(heads, target) for group, heads in groups.items()}


def move_arm(group: str, target: Category = "numerical") -> str:
    """Returns the name of an arm."""
    return f"{in_heads(group)}, format mass to {target} tokens"


def margins_after_move(session: Session, cases: Sequence[Case]) -> list[float]:
    """Returns the margin (logits) of the Q&A prompt of each case, after the edit of experiment 5.1 in the odd heads.

    The margin is infinite if there was nothing to repair: if Simple is wrong, or if Q&A is right.
    """
    simple, asked = ([session.tokenize(case.asked(format)) for case in cases] for format in (SIMPLE, QA))
    unedited = session.margins([Trial(t) for t in (*simple, *asked)])["margin_logits"].to_numpy()
    simple_margins, asked_margins = unedited.reshape(2, -1)
    bugs = np.flatnonzero((simple_margins > 0) & (asked_margins <= 0))
    edit = _move(odd_heads(session.subject), "numerical")
    margins = np.full(len(cases), np.inf)
    margins[bugs] = session.margins([Trial(asked[i], {session.layer: edit}) for i in bugs])["margin_logits"]
    return margins.tolist()


def _move(heads: Sequence[int], target: Category) -> InHeads:
    return InHeads(Move(MOVED, source="format", target=target), tuple(heads))
