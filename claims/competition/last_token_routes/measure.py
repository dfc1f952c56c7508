"""Experiment 2.1: the attention of the last token to each part of the two numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from claims.competition.behaviour import describe
from claims.competition.prompts import Prompt
from referee.measuring.session import Session
from referee.models.subjects import Subject
from referee.prompts.tokens import Tokens

PLACES = tuple(f"{number} {part}" for number in ("first", "second") for part in ("integer", "point", "fraction"))
"""The targets of a route: integer, point and fraction of each number. Each place is a role of tokens."""


@dataclass(frozen=True)
class LastTokenShares:
    """Computes the attention of the last prompt token to each place, [layer, head, place].

    The places have the order of PLACES. The attention to a place with several tokens is their sum.
    """

    def __call__(self, tokens: Tokens, pattern: Tensor) -> Tensor:
        last = pattern[:, :, tokens.n_prompt - 1]
        return torch.stack([last[..., list(tokens.positions(place))].sum(-1) for place in PLACES], dim=-1)


def routes(
    session: Session, prompts: Sequence[Prompt], layers: Sequence[int], *, progress: str | None = None
) -> pd.DataFrame:
    """Experiment 2.1: returns one row per prompt × layer × head × place.

    The column `attention_share` is the share of the attention of the last token. The column `uniform_share` is the
    share of all six places together if the last token attends evenly.
    """
    tokens = [session.tokenize(prompt) for prompt in prompts]
    shares = torch.stack(session.patterns(tokens, LastTokenShares(), layers=layers, progress=progress))
    places = pd.MultiIndex.from_product(
        [range(len(prompts)), layers, range(session.subject.n_heads), PLACES],
        names=["prompt", "layer", "head", "place"],
    )
    table = pd.DataFrame({"attention_share": shares.flatten().numpy()}, index=places).reset_index()
    numbers = [sum(role in PLACES for role in asked.roles) / asked.n_prompt for asked in tokens]
    described = describe(prompts).assign(uniform_share=numbers)
    return described.join(table.set_index("prompt")).reset_index(drop=True)


def neighbourhood(subject: Subject, reach: int = 2) -> list[int]:
    """Returns the existing layers from `reach` below to `reach` above the layer of interest."""
    return [layer for layer in range(subject.layer - reach, subject.layer + reach + 1) if 0 <= layer < subject.n_layers]
