"""Simulated tables of edited answers. Their truth is known, and their sizes are those of measured tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from claims.competition.compared import Compared, InOtherHeads
from claims.competition.edited import Edited
from claims.competition.heads import COMPARED, compared_groups, even_heads, odd_heads
from claims.competition.interventions import UNEDITED, placebo_of
from claims.competition.prompts import ORDERS, QA, SIMPLE
from claims.competition.simulated_heads import SUBJECT
from claims.competition.theory import MOST
from claims.simulations import EDGE, INSIDE, OUTSIDE
from fixtures.options import Settings

Array = NDArray[np.float64]
Truths = NDArray[np.bool_]

LIKELY = {OUTSIDE: 0.2, EDGE: MOST, INSIDE: 0.95}
"""For a claim that most prompts turn: the true share, by place."""
RARE = {OUTSIDE: 0.8, EDGE: MOST, INSIDE: 0.05}
"""For a claim that few prompts turn: the true share, by place."""
IDLE = 0.05
"""The true share of prompts that a placebo turns."""
EFFECT, NOISE = 2.0, 0.5
"""Change of the margin by an edit in the named heads, and its standard deviation between prompts, in logits."""
_DIFFERENT_SEEDS = 32

SHARES = (
    "Each pair has its own chance to turn (beta distribution, uniform at one half), and each order of the numbers is"
    " drawn from it. In half of the tables the bug is in one order only; in the others half of the pairs have it in"
    " both."
)
GROUPS = (
    f"The change of the margin is a sum over the heads, {EFFECT:g} logits for 16 heads, times a factor of the pair"
    f" (lognormal, 0.3), plus noise of {NOISE:g} logits in each group and prompt; the placebo does nothing. Edge: the"
    " effects of the heads differ as much as their mean, and the named heads are not special. Outside: the named heads"
    " have no effect. Inside: only they have."
)


@dataclass(frozen=True)
class Asked:
    """Prompts.

    Attributes:
        pair: [prompt], the number of the pair. A pair's prompts follow each other.
        order: [prompt], the order of the numbers.
        format: [prompt], the name of the format.
    """

    pair: NDArray[np.int_]
    order: NDArray[np.str_]
    format: NDArray[np.str_]

    def few(self, settings: Settings) -> Asked:
        """Returns the prompts on which groups of heads are compared: one of each pair, and orders alternate."""
        pairs, first, count = np.unique(self.pair, return_index=True, return_counts=True)
        chosen = (first + np.arange(len(pairs)) % count)[: min(settings.profile.swept, COMPARED)]
        return Asked(self.pair[chosen], self.order[chosen], self.format[chosen])


def bugged(rng: np.random.Generator, pairs: int) -> Asked:
    """Returns wrong Q&A prompts. The bug is in one order of the numbers only, or some pairs have it in both."""
    has = np.ones((pairs, 2), bool)
    if rng.random() < 0.5:
        has[:, rng.integers(2)] = False
    else:
        has[np.arange(pairs), rng.integers(2, size=pairs)] = rng.random(pairs) < 0.5
    pair, order = np.nonzero(has)
    return Asked(pair, np.asarray(ORDERS)[order], np.full(len(pair), QA.name))


def right(rng: np.random.Generator, pairs: int) -> Asked:
    """Returns right prompts: nine tenths of both orders on average, at least one of each pair. Formats take turns."""
    has = rng.random((pairs, 2)) < 0.8
    has[np.arange(pairs), rng.integers(2, size=pairs)] = True
    pair, order = np.nonzero(has)
    return Asked(pair, np.asarray(ORDERS)[order], np.asarray([SIMPLE.name, QA.name])[pair % 2])


def turns(rng: np.random.Generator, pair: NDArray[np.int_], share: float) -> Truths:
    """Returns for each trial whether it turns. Pairs have different chances, whose mean is `share`; [trial].

    The chances have a beta distribution that is uniform if the mean is one half.
    """
    chance = rng.beta(2 * share, 2 * (1 - share), pair.max() + 1)
    return rng.random(len(pair)) < chance[pair]


def edited(
    asked: Asked, before: Array, after: Mapping[str, Array], settings: Settings, *, wrong_before: bool
) -> Edited:
    """Returns the edits of prompts. `before` and `after` are margins in logits, [prompt], `after` by arm."""
    margins = {UNEDITED: before, **after}
    margin = np.concatenate(list(margins.values()))
    copies = len(margins)
    table = pd.DataFrame(
        {
            "pair": np.tile(asked.pair, copies),
            "order": np.tile(asked.order, copies),
            "format": np.tile(asked.format, copies),
            "arm": pd.Categorical.from_codes(np.repeat(np.arange(copies), len(before)), list(margins)),
            "margin_logits": margin,
            "right": margin > 0,
            "top_answer": np.where(margin > 0, "right", "wrong"),
        }
    )
    return Edited(table, settings, wrong_before=wrong_before)


def turned(
    rng: np.random.Generator, asked: Asked, arms: Mapping[str, Truths], settings: Settings, *, wrong_before: bool
) -> Edited:
    """Returns edits after which the given prompts have turned, [prompt] by arm."""

    def margins(are_right: Truths) -> Array:
        return np.where(are_right, 1.0, -1.0) * (0.1 + np.abs(rng.normal(size=len(asked.pair))))

    before = margins(np.full(len(asked.pair), not wrong_before))
    after = {arm: margins(found == wrong_before) for arm, found in arms.items()}
    return edited(asked, before, after, settings, wrong_before=wrong_before)


def turned_by(
    rng: np.random.Generator, asked: Asked, shares: Mapping[str, float], settings: Settings, *, wrong_before: bool
) -> Edited:
    """Returns edits with these true shares of prompts that turn, by arm."""
    arms = {arm: turns(rng, asked.pair, share) for arm, share in shares.items()}
    return turned(rng, asked, arms, settings, wrong_before=wrong_before)


def moved_by(
    rng: np.random.Generator, asked: Asked, effects: Mapping[str, float], settings: Settings, *, wrong_before: bool
) -> Edited:
    """Returns edits that move the margin in the claimed direction by a true effect in logits, by arm, with noise."""
    n, sign = len(asked.pair), 1 if wrong_before else -1
    before = -sign * (0.1 + np.abs(rng.normal(size=n)))
    strength = rng.lognormal(sigma=0.3, size=asked.pair.max() + 1)[asked.pair]
    after = {
        arm: before + sign * (strength * effect + rng.normal(scale=NOISE, size=n)) for arm, effect in effects.items()
    }
    return edited(asked, before, after, settings, wrong_before=wrong_before)


def compared(
    rng: np.random.Generator,
    settings: Settings,
    place: int,
    arm: Callable[[str], str],
    named: str,
    asked: Asked,
    *,
    wrong_before: bool = True,
) -> Compared:
    """Returns an edit in the named heads, its placebo, and the same edit in other groups of heads.

    Args:
        rng: source of the noise.
        settings: the sizes of the run.
        place: where the truth lies. At the edge the named heads are like any others.
        arm: returns the name of the arm with the edit in a group of heads.
        named: "even" or "odd", the heads of the claim.
        asked: the prompts.
        wrong_before: False if the edit should harm right answers.
    """
    groups = _groups(named, settings.profile.groups, int(rng.integers(_DIFFERENT_SEEDS)))
    effects = _effects_of_heads(rng, groups[named], place)
    by_group = {arm(group): float(effects[heads].sum()) for group, heads in groups.items()}
    own = arm(named)
    whole = {own: by_group[own], placebo_of(own): 0.0}
    return Compared(
        moved_by(rng, asked, whole, settings, wrong_before=wrong_before),
        own,
        arm("even" if named == "odd" else "odd"),
        InOtherHeads(moved_by(rng, asked.few(settings), by_group, settings, wrong_before=wrong_before), own),
    )


def _effects_of_heads(rng: np.random.Generator, named: list[int], place: int) -> Array:
    """Returns the effect of the edit in each head, in logits, [head]."""
    each = EFFECT / len(named)
    if place == EDGE:
        return each * (1 + rng.normal(size=SUBJECT.n_heads))
    is_named = np.isin(np.arange(SUBJECT.n_heads), named)
    return np.where(is_named == (place == INSIDE), each, 0.0)


@lru_cache(maxsize=4 * _DIFFERENT_SEEDS)
def _groups(named: str, count: int, seed: int) -> dict[str, list[int]]:
    """Returns the named heads, and then all groups with which they are compared, by name."""
    heads = even_heads(SUBJECT) if named == "even" else odd_heads(SUBJECT)
    return {named: heads} | {name: list(group) for name, group in compared_groups(SUBJECT, heads, count, seed).items()}
