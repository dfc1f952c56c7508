"""Experiment 4.2: how many heads a repair needs, and which heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from claims.competition.behaviour import with_answers
from claims.competition.heads import even_heads, odd_heads
from claims.competition.prompts import QA, SIMPLE, Case
from referee.attention import patterns
from referee.attention.edits import InHeads, Replace
from referee.measuring.requests import Trial
from referee.measuring.session import Session
from referee.models.subjects import Subject
from referee.prompts.tokens import Tokens

EVEN, ODD, ANY = "even", "odd", "any"
"""The populations from which subsets are drawn: the even heads, the odd heads, and all heads."""


def head_subsets(
    session: Session,
    cases: Sequence[Case],
    population: str = EVEN,
    *,
    counts: Sequence[int] | None = None,
    per_count: int = 50,
    layer: int | None = None,
    seed: int = 0,
    progress: str | None = None,
) -> pd.DataFrame:
    """Returns one row per case × subset: `heads` (a tuple), `count`, `margin_logits`, `top_answer`, `right`.

    The heads of the subset get the aligned Simple pattern of the same case, at `layer`. By default, this is the layer
    of interest. New subsets are drawn from the heads of the population for each case and each count. There are
    `per_count` different subsets. If no more than that exist, all of them are used. The counts are 1 to all heads,
    unless `counts` is given.
    """
    heads = {
        EVEN: even_heads(session.subject),
        ODD: odd_heads(session.subject),
        ANY: list(range(session.subject.n_heads)),
    }[population]
    counts = range(1, len(heads) + 1) if counts is None else counts
    rng = np.random.default_rng([seed, len(population)])
    trials, labels = [], []
    for case in cases:
        for count in counts:
            for chosen in distinct_subsets(heads, count, per_count, rng):
                trials.append(_repaired(session, case, chosen, layer))
                labels.append((str(case.pair), case.order, population, count, chosen))
    table = pd.DataFrame(labels, columns=["pair", "order", "population", "count", "heads"])
    return with_answers(table, session, trials, progress=progress)


def repaired_margins(session: Session, cases: Sequence[tuple[Case, tuple[int, ...]]]) -> list[float]:
    """Returns the margin (logits) of each Q&A prompt when some heads get the aligned Simple pattern.

    Each item has a case and the heads.
    """
    trials = [_repaired(session, case, heads) for case, heads in cases]
    return session.margins(trials)["margin_logits"].tolist()


def _repaired(session: Session, case: Case, heads: tuple[int, ...], layer: int | None = None) -> Trial:
    target, donor = (session.tokenize(case.asked(format)) for format in (QA, SIMPLE))
    where = session.layer if layer is None else layer
    return Trial(target, {where: InHeads(Replace(donor, 1.0), heads)})


def distinct_subsets(heads: Sequence[int], count: int, limit: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """Returns all subsets of `count` heads if at most `limit` exist. Else returns `limit` different random subsets."""
    if comb(len(heads), count) <= limit:
        return list(combinations(heads, count))
    found: dict[tuple[int, ...], None] = {}
    while len(found) < limit:
        found[tuple(sorted(rng.choice(heads, count, replace=False).tolist()))] = None
    return list(found)


def needed(subject: Subject) -> int:
    """Returns the number of repaired heads that the theory requires: half of the even heads, rounded up (8 of 16)."""
    return -(-len(even_heads(subject)) // 2)


def control_counts(subject: Subject, *, cheap: bool) -> dict[str, list[int]]:
    """Returns the numbers of odd heads, and of heads of any kind, in the subsets of the controls.

    They are all numbers up to the number that the theory requires, and some beyond. `cheap` keeps three of them.
    """
    required, odd = needed(subject), len(odd_heads(subject))
    few = [max(1, required // 2), required] if cheap else list(range(1, required + 1))
    beyond = [] if cheap else [2 * required]
    return {
        ODD: sorted({count for count in few if count <= odd} | {odd}),
        ANY: sorted({count for count in [*few, *beyond] if count <= subject.n_heads} | {subject.n_heads}),
    }


@dataclass(frozen=True)
class Entropy:
    """Computes the mean row entropy of the pattern of each head, in bits, at the layer of interest; [head]."""

    def __call__(self, tokens: Tokens, pattern: Tensor) -> Tensor:
        return patterns.entropy(pattern[0])


def information(session: Session, cases: Sequence[Case]) -> pd.DataFrame:
    """Returns the mean row entropy of the donor patterns, `entropy_bits`, one row per case × head."""
    donors = [session.tokenize(case.asked(SIMPLE)) for case in cases]
    bits = torch.stack(session.patterns(donors, Entropy()))
    places = pd.MultiIndex.from_tuples(
        [(str(case.pair), case.order, head) for case in cases for head in range(session.subject.n_heads)],
        names=["pair", "order", "head"],
    )
    return pd.DataFrame({"entropy_bits": bits.flatten().numpy()}, index=places).reset_index()
