"""Experiment 2.2: the edges of the pattern on which the margin depends most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from claims.competition.behaviour import describe
from claims.competition.prompts import Prompt
from claims.competition.wide import averaged
from referee.attention.edits import KnockOut
from referee.measuring.requests import Trial
from referee.measuring.session import Session
from referee.prompts.tokens import Tokens

TOP_EDGES = 5
"""Number of edges with the largest attribution, for each head and prompt."""
PLAIN, CENTRED = ATTRIBUTIONS = ("gradient × probability", "gradient minus its row's mean × probability")


@dataclass(frozen=True)
class TopEdges:
    """Finds the edges of each head with the largest attribution, among the keys of the prompt.

    The result is [attribution, head, edge, (query, key, attribution in logits, key is numerical)]. An edge with
    attribution zero is all not-a-number. The attributions have the order of ATTRIBUTIONS. The first is gradient ×
    probability. It is the first-order loss of the margin if only the probability of this edge goes to zero. The
    second subtracts from the gradient its mean over the row. There the other keys of the row get the probability.
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
    """Experiment 2.2: returns one row per prompt × attribution × head × edge.

    The columns with results are `query`, `key`, `attribution_logits`, `on_numbers` (0 or 1) and `rank`. Rank 0 has the
    largest attribution. Edges with attribution zero are left out. Therefore a head without influence on the margin
    has no edges.
    """
    tokens = [session.tokenize(prompt) for prompt in prompts]
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
    """Removes the top edges of each head and returns one row per prompt × head.

    `prompts` must be the first prompts of the table `paths`. The column `predicted_logits` is minus the sum of the
    attributions of the top edges. The column `change_logits` is the change of the margin after the edges are removed
    and their rows are renormalised.
    """
    tokens = [session.tokenize(prompt) for prompt in prompts]
    trials, labels = [Trial(asked) for asked in tokens], []
    paths = paths[paths["attribution"] == PLAIN]
    for (prompt, head), edges in paths[paths["prompt"] < len(prompts)].groupby(["prompt", "head"]):
        chosen = tuple((int(e.head), int(e.query), int(e.key)) for e in edges.itertuples())
        trials.append(Trial(tokens[prompt], {session.layer: KnockOut(chosen)}))
        labels.append((prompt, head, -edges["attribution_logits"].sum()))
    margins = session.margins(trials, progress=progress)["margin_logits"].to_numpy()
    table = pd.DataFrame(labels, columns=["prompt", "head", "predicted_logits"])
    table["change_logits"] = margins[len(tokens) :] - margins[table["prompt"].to_numpy()]
    return table


def landing(paths: pd.DataFrame, attribution: str = PLAIN) -> pd.DataFrame:
    """Returns the share of top edges on numbers, as a mean over formats; index (pair, order), columns head."""
    paths = paths[paths["attribution"] == attribution]
    return averaged(paths, ["pair", "order"], "head", "on_numbers")


def landing_at(
    session: Session, prompts: Sequence[Prompt], layers: Sequence[int], *, progress: str | None = None
) -> dict[int, pd.DataFrame]:
    """Returns the result of `landing` at other layers than the layer of interest.

    A session computes gradients only at its layer of interest, so each layer has a session of its own.
    """
    return {
        layer: landing(critical_paths(Session(session.subject.at(layer)), prompts, progress=progress))
        for layer in layers
    }


def agreement(table: pd.DataFrame) -> float:
    """Returns the rank correlation of `predicted_logits` and `change_logits`. Returns NaN if either is constant."""
    if table["predicted_logits"].nunique() < 2 or table["change_logits"].nunique() < 2:
        return float("nan")
    return float(np.corrcoef(table["predicted_logits"].rank(), table["change_logits"].rank())[0, 1])
