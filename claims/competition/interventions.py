"""Sweeps of edits over prompts. Each edit has a name and is one arm of the sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from claims.competition.behaviour import describe, with_answers
from claims.competition.prompts import Prompt
from referee.attention.edits import Edit
from referee.measuring.requests import Trial
from referee.measuring.session import Session

UNEDITED = "unedited"
PROMPT = ["pair", "order", "format"]
"""The columns that together identify the prompt of a row."""
Arms = Mapping[str, Edit]
"""Edits by name."""


def interventions(
    session: Session, prompts: Sequence[Prompt], arms: Arms, *, layer: int | None = None, progress: str | None = None
) -> pd.DataFrame:
    """Returns one row per prompt × arm: `margin_logits`, `right`, `top_answer`. The arm UNEDITED is included.

    The edits are made at `layer`. By default, this is the layer of interest.
    """
    where = session.layer if layer is None else layer
    tokens = [session.tokenize(prompt) for prompt in prompts]
    trials = [Trial(asked) for asked in tokens]
    trials += [Trial(asked, {where: edit}) for edit in arms.values() for asked in tokens]
    table = pd.concat([describe(prompts).assign(arm=arm) for arm in (UNEDITED, *arms)], ignore_index=True)
    return with_answers(table, session, trials, progress=progress)


def outcomes(table: pd.DataFrame, arm: str, score: str = "right") -> pd.Series:
    """Returns True for each prompt that is right under an arm; index (pair, order, format).

    The `score` "right" uses the margin. The `score` "top_answer" uses the most likely next token.
    """
    chosen = table[table["arm"] == arm].set_index(PROMPT)
    return chosen["right"] if score == "right" else chosen["top_answer"] == "right"


def shifts(table: pd.DataFrame, arm: str) -> pd.Series:
    """Returns the margin under an arm minus the unedited margin, in logits; index (pair, order, format)."""
    margins = table.set_index(["arm", *PROMPT])["margin_logits"]
    return margins[arm] - margins[UNEDITED]
