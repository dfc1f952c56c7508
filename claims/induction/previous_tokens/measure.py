"""Experiment I4: the prefix-matching score of the top heads while previous-token heads are knocked out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import pandas as pd
import torch

from claims.induction.head_scores.measure import PrefixMatching
from claims.induction.heads import Heads, in_heads
from claims.induction.predictions import Arms
from claims.induction.sequences import number
from referee.attention.edits import Silence, ToFirstKey
from referee.measuring.requests import Trial
from referee.measuring.session import Session
from referee.prompts.tokens import Tokens

KNOCKED_OUT = "previous-token heads knocked out"
SILENT = "previous-token heads with output zero"
"""The names of the arms. A head that is knocked out attends to the first token alone."""


def knock_outs(previous: Heads) -> Arms:
    """Returns the edits of experiment I4."""
    return {
        KNOCKED_OUT: in_heads(ToFirstKey(), previous),
        SILENT: in_heads(Silence(), previous),
    }


def matching_after(
    session: Session, sequences: Sequence[Tokens], arms: Arms, top: Heads, *, progress: str | None = None
) -> pd.DataFrame:
    """Returns one row per arm × sequence: `sequence`, `arm`, and `prefix_matching`, mean over the top heads.

    All edits must be in layers below those of the top heads.
    """
    layers = sorted({layer for layer, _ in top})
    places = list(product(arms, sequences))
    trials = [Trial(tokens, arms[arm]) for arm, tokens in places]
    scores = session.edited_patterns(trials, PrefixMatching(), layers=layers, progress=progress)
    return pd.DataFrame(
        {
            "sequence": [number(tokens) for _, tokens in places],
            "arm": [arm for arm, _ in places],
            "prefix_matching": [_mean_over(top, found, layers) for found in scores],
        }
    )


def _mean_over(top: Heads, scores: torch.Tensor, layers: Sequence[int]) -> float:
    """Returns the mean over the top heads of scores [layer, head]."""
    return float(torch.stack([scores[layers.index(layer), head] for layer, head in top]).mean())
