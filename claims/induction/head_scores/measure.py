"""Experiments I1 and S1: the scores of each head in each layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from claims.induction.sequences import SECOND, number
from referee.attention import patterns
from referee.measuring.session import Session
from referee.prompts.tokens import Tokens

SCORES = ("prefix_matching", "previous_token", "first_token", "first_token_of_last_row")
"""The scores of a head. All of them are shares of attention."""


def head_scores(session: Session, sequences: Sequence[Tokens], *, progress: str | None = None) -> pd.DataFrame:
    """Returns one row per sequence × layer × head, with the columns SCORES. See `AttentionScores`."""
    subject = session.subject
    layers = range(subject.n_layers)
    scores = torch.stack(session.patterns(sequences, AttentionScores(), layers=layers, progress=progress))
    places = pd.MultiIndex.from_product(
        [map(number, sequences), layers, range(subject.n_heads)], names=["sequence", "layer", "head"]
    )
    return pd.DataFrame(scores.flatten(0, -2).numpy(), index=places, columns=list(SCORES)).reset_index()


@dataclass(frozen=True)
class AttentionScores:
    """Computes four scores of each head, [layer, head, score], in the order of SCORES.

    Scores:
        prefix_matching: see `PrefixMatching`.
        previous_token: the attention to the token before, as a mean over all rows but the first.
        first_token: the attention to the first token, as a mean over all rows but the first.
        first_token_of_last_row: the attention of the last token to the first token.
    """

    def __call__(self, tokens: Tokens, pattern: Tensor) -> Tensor:
        rows = torch.arange(1, len(tokens))
        scores = (
            PrefixMatching()(tokens, pattern),
            pattern[..., rows, rows - 1].mean(-1),
            pattern[..., rows, 0].mean(-1),
            pattern[..., -1, 0],
        )
        return torch.stack(scores, dim=-1)


@dataclass(frozen=True)
class PrefixMatching:
    """Computes the prefix-matching score of each head, [layer, head] (Olsson et al. 2022).

    It is the attention of a token of the second half to the token that followed its first occurrence, as a mean over
    the second half. Without repetition it is the attention over the same distance.
    """

    def __call__(self, tokens: Tokens, pattern: Tensor) -> Tensor:
        rows = torch.tensor([row for row, category in enumerate(tokens.categories) if category == SECOND])
        return pattern[..., rows, rows - len(rows) + 1].mean(-1)


def of_uniform_attention(tokens: Tokens) -> dict[str, float]:
    """Returns the scores of a head that attends evenly to all tokens that it sees, by score."""
    scores = AttentionScores()(tokens, patterns.uniform(len(tokens)))
    return dict(zip(SCORES, scores.tolist(), strict=True))
