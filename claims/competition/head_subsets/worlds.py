"""Simulated tables of known truth for the claims of experiment 4.2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from claims.competition import simulated_edits as tables
from claims.competition.head_subsets import test_head_subsets as claims
from claims.competition.head_subsets.evidence import Subsets
from claims.competition.head_subsets.measure import ANY, EVEN, ODD, distinct_subsets
from claims.competition.head_subsets.measure import needed as half_of_the_even_heads
from claims.competition.heads import even_heads, odd_heads
from claims.competition.simulated_heads import SUBJECT
from claims.competition.theory import EIGHT_HEADS
from claims.simulations import EDGE, INSIDE, OUTSIDE, Simulation
from fixtures.attacks import Attack
from fixtures.options import Settings

_HEADS = {EVEN: even_heads(SUBJECT), ODD: odd_heads(SUBJECT), ANY: list(range(SUBJECT.n_heads))}
_NEEDED = half_of_the_even_heads(SUBJECT)
_CONTROLS = 5
"""The largest number of subsets of odd heads, and of heads of any kind, for each prompt."""
_AS_CLAIMED = {OUTSIDE: 0.7, EDGE: EIGHT_HEADS.criterion.low, INSIDE: 0.9999}
"""The true share of subsets that do as claimed, by place."""
_BITS = pd.DataFrame({"head": range(SUBJECT.n_heads), "entropy_bits": 2.0})


class _Quiet(Subsets):
    """The evidence without its notes and its data. They decide nothing, and it takes long to make them."""

    data = _BITS

    def notes(self) -> tuple[str, ...]:
        return ()

    def notes_on_numbers(self) -> tuple[str, ...]:
        return ()


def enough(rng: np.random.Generator, settings: Settings, place: int) -> Mapping[str, Any]:
    """Returns subsets of even heads. At each number of heads the true share does as claimed. Outside, one does not."""
    asked, counts = tables.bugged(rng, settings.profile.found), range(1, len(_HEADS[EVEN]) + 1)
    shares = dict.fromkeys(counts, _AS_CLAIMED[INSIDE if place == OUTSIDE else place])
    shares[_NEEDED - 1] = _AS_CLAIMED[place]
    as_claimed = _table(rng, asked, EVEN, shares, settings.profile.subsets)
    even = as_claimed.assign(right=as_claimed["right"] == (as_claimed["count"] >= _NEEDED))
    others = {kind: _table(rng, asked, kind, {_NEEDED: tables.IDLE}, 1) for kind in (ODD, ANY)}
    return {"head_subsets": _subsets({EVEN: even, **others}, settings), "attack_on_subsets": Attack(0, None)}


def necessary(rng: np.random.Generator, settings: Settings, place: int) -> Mapping[str, Any]:
    """Returns subsets of odd heads, of which the true share repairs, and of heads of any kind, of which few repair."""
    asked, per_count = tables.bugged(rng, settings.profile.found), min(settings.profile.subsets, _CONTROLS)
    odd = _table(rng, asked, ODD, {_NEEDED: tables.RARE[place]}, per_count)
    any_kind = _table(rng, asked, ANY, {_NEEDED: tables.RARE[INSIDE]}, per_count)
    even = _table(rng, asked, EVEN, {_NEEDED - 1: 0.0, _NEEDED: 1.0}, 1)
    return {"head_subsets": _subsets({EVEN: even, ODD: odd, ANY: any_kind}, settings)}


def _subsets(found: Mapping[str, pd.DataFrame], settings: Settings) -> Subsets:
    with_answers = {
        name: table.assign(top_answer=np.where(table["right"], "right", "wrong")) for name, table in found.items()
    }
    return _Quiet(with_answers, _BITS, settings, needed=_NEEDED, sufficient=EIGHT_HEADS.criterion.low)


def _table(
    rng: np.random.Generator, asked: tables.Asked, population: str, shares: Mapping[int, float], per_count: int
) -> pd.DataFrame:
    """Returns a table in which the true share of subsets is right, by number of heads."""
    listed = [_listed(population, count, per_count) for count in shares]
    parts = []
    for (count, share), heads in zip(shares.items(), listed, strict=True):
        prompt = np.repeat(np.arange(len(asked.pair)), len(heads))
        pair = asked.pair[prompt]
        part = {"pair": pair, "order": asked.order[prompt], "population": population, "count": count}
        right = tables.turns(rng, pair, share) if 0 < share < 1 else np.full(len(pair), share == 1)
        parts.append(pd.DataFrame(part | {"heads": list(heads) * len(asked.pair), "right": right}))
    return pd.concat(parts, ignore_index=True)


@lru_cache
def _listed(population: str, count: int, limit: int) -> Sequence[tuple[int, ...]]:
    """Returns subsets of the heads of a population. All prompts have the same ones, because only chance decides."""
    return distinct_subsets(_HEADS[population], count, limit, np.random.default_rng(0))


SIMULATIONS = {
    "4.2": Simulation(
        claims.test_half_of_the_even_heads_are_enough_and_one_fewer_is_not,
        enough,
        f"{tables.SHARES} Edge: 90 % of the subsets do as claimed at each of the sixteen numbers of heads. Outside:"
        " 70 % at one number. Inside: all but one of ten thousand.",
    ),
    "4.2b": Simulation(
        claims.test_as_many_other_heads_do_not_turn_the_answer,
        necessary,
        f"{tables.SHARES} The true share of subsets of odd heads that repair is 80 %, 50 % or 5 %, and 5 % of subsets"
        " of heads of any kind do.",
    ),
}
"""The simulations of experiment 4.2, by claim."""
