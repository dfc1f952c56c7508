"""Experiment S2: edits that move attention from the first token, and as much between the other tokens."""

from __future__ import annotations

from claims.induction.heads import Heads, in_heads
from claims.induction.idle_attention.edits import FromFirstToken
from claims.induction.predictions import Arms
from claims.induction.sequences import START
from referee.attention.edits import MatchedPlacebo

FROM_FIRST, BETWEEN_OTHERS = "moved from the first token", "moved between the other tokens"
"""The names of the arms. Both move the same amount of attention."""


def moves(resting: Heads) -> Arms:
    """Returns the edits of experiment S2. They are made in all resting heads at once."""
    return {
        FROM_FIRST: in_heads(FromFirstToken(), resting),
        BETWEEN_OTHERS: in_heads(MatchedPlacebo(FromFirstToken(), fixed=(START,)), resting),
    }
