"""Sweeps of edits over prompts. Each edit has a name and is one arm of the sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from claims.competition.behaviour import describe, with_answers
from claims.competition.prompts import Prompt
from claims.competition.wide import unstacked
from referee.attention import patterns
from referee.attention.edits import Edit, InHeads, MatchedPlacebo, edited_pattern
from referee.measuring.requests import Trial
from referee.measuring.session import Session
from referee.prompts.tokens import ANSWER, Tokens

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


def outcomes(edits: pd.DataFrame, score: str = "right") -> pd.Series:
    """Returns True for each row that is right, from the rows of one arm.

    The `score` "right" uses the margin. The `score` "top_answer" uses the most likely next token.
    """
    return edits["right"] if score == "right" else edits["top_answer"] == "right"


def shifts(table: pd.DataFrame) -> pd.DataFrame:
    """Returns the margin minus the unedited margin in logits; index (pair, order, format), one column for each arm."""
    margins = unstacked(table.set_index([*PROMPT, "arm"])["margin_logits"], "arm")
    return margins.sub(margins[UNEDITED], axis=0)


def placebo_of(arm: str) -> str:
    """Returns the name of the placebo of an arm."""
    return f"placebo of {arm}"


def placebos(arms: Mapping[str, InHeads], *, named: Sequence[str]) -> dict[str, InHeads]:
    """Returns the placebo of each arm. It moves as much attention in the same heads, between tokens of other kinds.

    `named` are the categories of tokens that the claim names. They keep their attention, and so do the tokens of the
    forced prefix: they are the first digits of the answer, so to the model they are numbers.
    """
    fixed = (*named, ANSWER)
    return {placebo_of(arm): InHeads(MatchedPlacebo(edit.edit, fixed), edit.heads) for arm, edit in arms.items()}


@dataclass(frozen=True)
class _Moved:
    """Computes the mass that two edits of some heads move, summed over heads and rows; [edit]."""

    edits: tuple[InHeads, InHeads]

    def __call__(self, tokens: Tokens, pattern: Tensor) -> Tensor:
        (own,) = pattern
        return torch.stack([patterns.moved(own, edited_pattern(edit, tokens, own)).sum() for edit in self.edits])


def share_matched(session: Session, prompts: Sequence[Prompt], edit: InHeads, placebo: InHeads) -> float:
    """Returns how much mass a placebo moves, as a share of the mass that the edit moves.

    It is below 1 if tokens that the placebo may change have too little mass. It is 1 if the edit moves nothing.
    """
    tokens = [session.tokenize(prompt) for prompt in prompts]
    by_edit, by_placebo = torch.stack(session.patterns(tokens, _Moved((edit, placebo)))).sum(0).tolist()
    return by_placebo / by_edit if by_edit else 1.0
