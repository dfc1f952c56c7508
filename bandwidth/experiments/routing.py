"""Experiment set 2: which positions the last token attends to, which edges matter, and what a shift of place does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from bandwidth.edits import KnockOut
from bandwidth.experiments.bandwidth import ALL_ROWS, per_head
from bandwidth.experiments.behaviour import describe
from bandwidth.prompts import Prompt
from bandwidth.requests import Trial
from bandwidth.session import Session
from bandwidth.subjects import Subject
from bandwidth.tokens import Part, Role, Tokens, tokenize

NUMBERS: tuple[Literal["first", "second"], ...] = ("first", "second")
PARTS: tuple[Part, ...] = get_args(Part)
PLACES = tuple(f"{number} {part}" for number in NUMBERS for part in PARTS)
"""Where a route can lead: integer, point and fraction of either number."""
TOP_EDGES = 5
ATTRIBUTIONS = ("gradient × probability", "gradient less its row's mean × probability")


@dataclass(frozen=True)
class Routes:
    """Attention of the prompt's last token to each place, [layer, head, place]; places as in PLACES.

    A part of several tokens counts with their sum.
    """

    def __call__(self, tokens: Tokens, pattern: Tensor) -> Tensor:
        last = pattern[:, :, tokens.n_prompt - 1]
        roles = [Role(number, part) for number in NUMBERS for part in PARTS]
        return torch.stack([last[..., list(tokens.positions(role))].sum(-1) for role in roles], dim=-1)


def routes(
    session: Session, prompts: Sequence[Prompt], layers: Sequence[int], *, progress: str | None = None
) -> pd.DataFrame:
    """Experiment 2.1: a row a prompt × layer × head × place, with `attention_share` of the last token's attention.

    `uniform_share` is what a last row without preferences would give to all six places together.
    """
    tokens = [tokenize(prompt, session.subject.tokenizer) for prompt in prompts]
    shares = torch.stack(session.patterns(tokens, Routes(), layers=layers, progress=progress))
    places = pd.MultiIndex.from_product(
        [range(len(prompts)), layers, range(session.subject.n_heads), PLACES],
        names=["prompt", "layer", "head", "place"],
    )
    table = pd.DataFrame({"attention_share": shares.flatten().numpy()}, index=places).reset_index()
    numbers = [sum(role is not None for role in held.roles) / held.n_prompt for held in tokens]
    described = describe(prompts).assign(uniform_share=numbers)
    return described.join(table.set_index("prompt")).reset_index(drop=True)


def neighbourhood(subject: Subject, reach: int = 2) -> list[int]:
    """The layers from `reach` below to `reach` above the layer of interest, as far as there are any."""
    return [layer for layer in range(subject.layer - reach, subject.layer + reach + 1) if 0 <= layer < subject.n_layers]


@dataclass(frozen=True)
class TopEdges:
    """Each head's edges of the largest attribution on keys of the prompt, by either attribution.

    [attribution, head, edge, (query, key, attribution in logits, key is numerical)]; an edge without any
    attribution is all not-a-number. Attributions as in ATTRIBUTIONS: gradient × probability, what the margin
    loses to first order when the edge's probability goes to zero by itself; and the same with the gradient less
    its mean over the row, where the probability goes to the row's other keys.
    """

    count: int = TOP_EDGES

    def __call__(self, tokens: Tokens, pattern: Tensor, gradient: Tensor) -> Tensor:
        centred = gradient - (pattern * gradient).sum(-1, keepdim=True)
        attribution = torch.stack([pattern * gradient, pattern * centred])[..., : tokens.n_prompt]
        flat = attribution.flatten(2)
        found = flat.abs().topk(min(self.count, flat.shape[2]), dim=2).indices
        value = flat.gather(2, found)
        query, key = found // tokens.n_prompt, found % tokens.n_prompt
        numerical = torch.tensor([category == "numerical" for category in tokens.categories])[key]
        edges = torch.stack([query.float(), key.float(), value, numerical.float()], dim=-1)
        return torch.where(value[..., None] != 0, edges, torch.nan)


def critical_paths(session: Session, prompts: Sequence[Prompt], *, progress: str | None = None) -> pd.DataFrame:
    """Experiment 2.2: a row a prompt × attribution × head × edge.

    Columns `query`, `key`, `attribution_logits`, `on_numbers` (0 or 1); `rank` from 0, the largest.
    Edges without any attribution are left out: a head that the margin does not depend on has none.
    """
    tokens = [tokenize(prompt, session.subject.tokenizer) for prompt in prompts]
    edges = torch.stack(session.gradients(tokens, TopEdges(), progress=progress))
    places = pd.MultiIndex.from_product(
        [range(len(prompts)), ATTRIBUTIONS, range(session.subject.n_heads), range(edges.shape[3])],
        names=["prompt", "attribution", "head", "rank"],
    )
    columns = ["query", "key", "attribution_logits", "on_numbers"]
    table = pd.DataFrame(edges.flatten(0, 3).numpy(), index=places, columns=columns).dropna().reset_index()
    table = table.astype({"query": int, "key": int})
    return describe(prompts).join(table.set_index("prompt"), how="inner").reset_index(names="prompt")


def knocked_out(
    session: Session, prompts: Sequence[Prompt], paths: pd.DataFrame, *, progress: str | None = None
) -> pd.DataFrame:
    """What removing top edges does, for the first of the prompts that `paths` is about: a row a prompt × head.

    Columns: `foretold_logits`, minus the summed attributions of the head's top edges, and `change_logits`, the
    margin's change when those edges are removed and their rows renormalised.
    """
    tokens = [tokenize(prompt, session.subject.tokenizer) for prompt in prompts]
    trials, labels = [Trial(held) for held in tokens], []
    paths = paths[paths["attribution"] == ATTRIBUTIONS[0]]
    for (prompt, head), edges in paths[paths["prompt"] < len(prompts)].groupby(["prompt", "head"]):
        chosen = tuple((int(e.head), int(e.query), int(e.key)) for e in edges.itertuples())
        trials.append(Trial(tokens[prompt], KnockOut(chosen)))
        labels.append((prompt, head, -edges["attribution_logits"].sum()))
    margins = session.margins(trials, progress=progress)["margin_logits"].to_numpy()
    table = pd.DataFrame(labels, columns=["prompt", "head", "foretold_logits"])
    table["change_logits"] = margins[len(tokens) :] - margins[table["prompt"].to_numpy()]
    return table


def landing(paths: pd.DataFrame, attribution: str = ATTRIBUTIONS[0]) -> pd.DataFrame:
    """Share of each head's top edges that land on numbers; index (pair, order), columns head, mean over formats."""
    paths = paths[paths["attribution"] == attribution]
    return paths.pivot_table(index=["pair", "order"], columns="head", values="on_numbers", aggfunc="mean", sort=False)


def sensitivity(table: pd.DataFrame, measure: str = ALL_ROWS) -> pd.DataFrame:
    """Experiment 2.3: how much each head's numerical share varies over formats (standard deviation, n − 1).

    Args:
        table: of `bandwidth_distribution` over position variants.

    Returns:
        Index (pair, order), columns head.
    """
    chosen = table[table["measure"] == measure]
    spread = chosen.groupby(["pair", "order", "head"], sort=False)["numerical_share"].std(ddof=1)
    return spread.unstack("head")


def by_format(table: pd.DataFrame) -> pd.DataFrame:
    """Mean numerical share, index head, columns format: the heat map of experiment 2.3."""
    return per_head(table).T


def agreement(table: pd.DataFrame) -> float:
    """Rank correlation of what attribution foretold and what knocking out did; NaN where either is constant."""
    if table["foretold_logits"].nunique() < 2 or table["change_logits"].nunique() < 2:
        return float("nan")
    return float(np.corrcoef(table["foretold_logits"].rank(), table["change_logits"].rank())[0, 1])
