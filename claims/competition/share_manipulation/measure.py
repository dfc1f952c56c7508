"""Experiment 1.2: edits that set the numerical share of a group of heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch

from claims.competition.bandwidth_distribution.measure import ALL_ROWS, MEASURES, Shares
from claims.competition.heads import even_heads, in_heads, odd_heads
from claims.competition.interventions import placebos
from claims.competition.prompts import CATEGORIES, Category, Prompt
from referee.attention.edits import Edit, InHeads, SetShare, Together
from referee.measuring.session import Session
from referee.models.subjects import Subject

TARGETS = (0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
"""Numerical shares that experiment 1.2 sets. Edits of all heads together use only COARSE_TARGETS."""
COARSE_TARGETS = (0.1, 0.5, 0.9)


def manipulation_arms(
    subject: Subject, group: Literal["even", "odd"], shares: Sequence[float], *, document: tuple[float, float]
) -> dict[str, Edit]:
    """Returns all arms of experiment 1.2 for a claim about one group at some shares, with its placebos.

    `document` has the shares of `document_arm`.
    """
    heads = {
        "even": even_heads(subject),
        "odd": odd_heads(subject),
        "all": list(range(subject.n_heads)),
    }
    return {
        **set_shares({name: heads[name] for name in ("even", "odd")}),
        **set_shares({"all": heads["all"]}, COARSE_TARGETS),
        **placebos(set_shares({group: heads[group]}, shares), named=("numerical",)),
        **document_arm(subject, *document),
    }


def set_shares(
    groups: Mapping[str, Sequence[int]], targets: Sequence[float] = TARGETS, category: Category = "numerical"
) -> dict[str, InHeads]:
    """Returns the edits of experiment 1.2: each group of heads at each target share. `share_arm` names the arms."""
    return {
        share_arm(group, target, category): InHeads(SetShare(target, category), tuple(heads))
        for group, heads in groups.items()
        for target in targets
    }


def share_arm(group: str, target: float, category: Category = "numerical") -> str:
    """Returns the name of an arm."""
    return f"{in_heads(group)}, {target:.0%} on {category} tokens"


def document_arm(subject: Subject, even: float, odd: float) -> dict[str, Edit]:
    """Returns one edit that sets the shares of the even heads and of the odd heads, as in the seed document."""
    edits = (
        InHeads(SetShare(even, "numerical"), tuple(even_heads(subject))),
        InHeads(SetShare(odd, "numerical"), tuple(odd_heads(subject))),
    )
    return {f"even heads at {even:.0%} and odd heads at {odd:.0%}": Together(edits)}


def even_shares(
    session: Session, prompts: Sequence[Prompt], layers: Sequence[int]
) -> dict[int, dict[tuple[str, str, str], float]]:
    """Returns the unedited numerical share (all rows) of the even heads, by layer and prompt (pair, order, format)."""
    tokens = [session.tokenize(prompt) for prompt in prompts]
    found = torch.stack(session.patterns(tokens, Shares(), layers=layers))
    whole = found[:, :, MEASURES.index(ALL_ROWS), even_heads(session.subject), CATEGORIES.index("numerical")].mean(-1)
    names = [(str(prompt.pair), prompt.order, prompt.format.name) for prompt in prompts]
    return {layer: dict(zip(names, whole[:, i].tolist(), strict=True)) for i, layer in enumerate(layers)}
