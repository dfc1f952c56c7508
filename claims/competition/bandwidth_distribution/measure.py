"""Experiment 1.1: the attention of each head by token category and format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from claims.competition.behaviour import describe
from claims.competition.prompts import CATEGORIES, Prompt
from claims.competition.reading import substring_categories
from claims.competition.wide import averaged
from referee.attention import patterns
from referee.measuring.session import Session
from referee.prompts.tokens import Tokens

ALL_ROWS, LAST_ROW, ENRICHMENT = "all rows", "last row", "enrichment"
OTHER_MEASURES = (LAST_ROW, "without BOS", "substring categories", ENRICHMENT)
"""The measures of a pattern beside the primary one, ALL_ROWS."""
UNIFORM = "uniform attention"
MEASURES = (ALL_ROWS, *OTHER_MEASURES, UNIFORM)


def bandwidth_distribution(
    session: Session,
    prompts: Sequence[Prompt],
    *,
    layers: Sequence[int] | None = None,
    kept: Sequence[str] | None = None,
    progress: str | None = None,
) -> pd.DataFrame:
    """Returns a table with one row per prompt × layer × measure × head.

    The columns with results are `numerical_share`, `format_share` and `other_share`. `kept` are the measures that the
    table has, by default all of MEASURES.

    Measures:
        all rows: share of all attention mass of the prompt. This is the measure of the seed document, and the
            primary one.
        last row: share of the attention of the last token. The model predicts the answer from this token.
        without BOS: the first key is left out and the rest is renormalised. Without BOS it equals "all rows".
        substring categories: "all rows", with the rule of the seed document for format tokens.
        enrichment: "all rows" divided by its value under uniform attention. It is a ratio, not a share.
        uniform attention: "all rows" for a head that attends evenly. It uses no measured pattern.
    """
    layers = [session.layer] if layers is None else list(layers)
    tokens = [session.tokenize(prompt) for prompt in prompts]
    shares = torch.stack(session.patterns(tokens, Shares(), layers=layers, progress=progress))
    places = pd.MultiIndex.from_product(
        [range(len(prompts)), layers, MEASURES, range(session.subject.n_heads)],
        names=["prompt", "layer", "measure", "head"],
    )
    columns = [f"{category}_share" for category in CATEGORIES]
    table = pd.DataFrame(shares.flatten(0, -2).numpy(), index=places, columns=columns).reset_index()
    table = table if kept is None else table[table["measure"].isin(kept)]
    return describe(prompts).join(table.set_index("prompt")).reset_index(drop=True)


@dataclass(frozen=True)
class Shares:
    """Computes shares of attention mass by category, [layer, measure, head, category].

    The measures have the order of MEASURES. The forced prefix of the answer is not part of the question. Therefore
    the shares use only the tokens of the prompt.
    """

    def __call__(self, tokens: Tokens, pattern: Tensor) -> Tensor:
        length = tokens.n_prompt
        pattern = pattern[..., :length, :length]
        members = _one_hot(tokens.categories[:length])
        whole = patterns.share(pattern, members)
        even_spread = patterns.share(patterns.uniform(length), members)
        without = patterns.share(patterns.without_first_key(pattern), members[1:]) if tokens.has_bos else whole
        shares = {
            ALL_ROWS: whole,
            LAST_ROW: patterns.share(pattern[..., -1:, :], members),
            "without BOS": without,
            "substring categories": patterns.share(pattern, _one_hot(substring_categories(tokens)[:length])),
            ENRICHMENT: whole / even_spread,
            UNIFORM: even_spread.expand_as(whole),
        }
        return torch.stack([shares[measure] for measure in MEASURES], dim=1)


def _one_hot(categories: Sequence[str]) -> Tensor:
    """Returns an array [key, category] with 1 for the category of each key and 0 for the others."""
    return torch.tensor([[float(of_key == category) for category in CATEGORIES] for of_key in categories])


def mean_shares(session: Session, prompts: Sequence[Prompt], heads: Sequence[int]) -> list[float]:
    """Returns the numerical share (all rows) on each prompt, as a mean over some heads of the layer of interest."""
    tokens = [session.tokenize(prompt) for prompt in prompts]
    found = torch.stack(session.patterns(tokens, Shares()))
    whole = found[:, 0, MEASURES.index(ALL_ROWS), :, CATEGORIES.index("numerical")]
    return whole[:, list(heads)].mean(1).tolist()


@dataclass(frozen=True)
class LastRowSink:
    """Computes the attention of the last token to the first key, [layer, head]."""

    def __call__(self, tokens: Tokens, pattern: Tensor) -> Tensor:
        return pattern[:, :, tokens.n_prompt - 1, 0]


def attention_to_bos(session: Session, prompts: Sequence[Prompt], *, progress: str | None = None) -> dict[str, float]:
    """Returns the attention of the last token to BOS by format, as a mean over heads, pairs and orders.

    Returns {} if the subject has no BOS.
    """
    tokens = [session.tokenize(prompt) for prompt in prompts]
    if not all(asked.has_bos for asked in tokens):
        return {}
    found = torch.stack(session.patterns(tokens, LastRowSink(), progress=progress)).mean((1, 2))
    table = describe(prompts).assign(share=found.numpy())
    return {str(name): float(share) for name, share in table.groupby("format", sort=False)["share"].mean().items()}


def per_head(table: pd.DataFrame, measure: str = ALL_ROWS) -> pd.DataFrame:
    """Returns the mean numerical share over pairs and orders; index format, columns head."""
    chosen = table[table["measure"] == measure]
    return averaged(chosen, ["format"], "head", "numerical_share")
