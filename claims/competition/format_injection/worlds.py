"""Simulated tables for the claims of experiment 1.3. Phrasings are the units, and each has pairs of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from claims.competition.format_injection import test_format_injection as claims
from claims.competition.format_injection.evidence import Injection
from claims.competition.format_injection.measure import HIGHEST, MEASURED, OF_THE_DOCUMENT, STEP
from claims.competition.phrasings import FILLERS, INSTRUCTIONS
from claims.competition.prompts import ORDERS
from claims.competition.simulated_heads import Array, names_of_pairs
from claims.competition.theory import DROP_AT_SIXTY, EVEN_HEADS_HOLD
from claims.simulations import EDGE, OUTSIDE, Simulation
from fixtures.options import Settings
from referee.judging.curves import change_point

BARE = 8
"""The number of tokens of a prompt without format tokens. Each word is one token."""
WORDS = np.arange(int(BARE * HIGHEST / (1 - HIGHEST)) + 1)
SHARES = WORDS / (BARE + WORDS)
"""The share of format tokens for each number of words."""
OF_DOCUMENT = (1, 3, 4, 8, 11)
"""The numbers of format tokens in the five formats of the seed document."""
_OF_SLOPES, _OF_COSTS = 0.1, 0.05
_BAND = DROP_AT_SIXTY.criterion


def _graded() -> list[int]:
    """Returns the numbers of words whose shares lie about 5 % apart, as `graded_formats` does."""
    chosen = [0]
    for words in WORDS[1:]:
        if SHARES[words] >= SHARES[chosen[-1]] + STEP - 1e-9:
            chosen.append(int(words))
    return chosen


GRADED = _graded()


def series(settings: Settings) -> NDArray[np.int_]:
    """Returns the series of each pair, [pair], as the fixture deals them out. Series 0 is that of the seed document."""
    costly = settings.profile.costly
    phrasings = min(costly, len(INSTRUCTIONS))
    return np.arange(max(costly, phrasings + 1)) % (phrasings + 1)


def measured(
    of_pair: NDArray[np.int_], asked: NDArray[np.bool_], share: Array, margin: Array, fillers: Array
) -> Injection:
    """Returns the evidence. All measures of the numerical share have the same values.

    Args:
        of_pair: [pair], the result of `series`.
        asked: [pair, words], which numbers of words each pair is asked with.
        share: [pair, order, words], numerical shares.
        margin: [pair, order, words], margins in logits.
        fillers: [pair, order, filler], numerical shares with fillers in place of the most words.
    """
    pair, order, words = np.nonzero(np.broadcast_to(asked[:, None], share.shape))
    written = {"filler": "", "format": words.astype(str), "format_tokens": words}
    written |= {"numerical_share": share[pair, order, words], "margin_logits": margin[pair, order, words]}
    rows = [pd.DataFrame({"pair": pair, "order": order} | written)]
    pair, order, kind = (part[of_pair[part_of_pair] > 0] for part_of_pair, part in _with_pairs(fillers.shape))
    names = np.array(list(FILLERS))[kind]
    filled = {"filler": names, "format": names, "format_tokens": GRADED[-1]}
    filled |= {"numerical_share": fillers[pair, order, kind], "margin_logits": margin[pair, order, 0]}
    rows.append(pd.DataFrame({"pair": pair, "order": order} | filled))
    table = pd.concat(rows, ignore_index=True)
    right = table["margin_logits"] > 0
    texts = np.array([OF_THE_DOCUMENT, *(f"instruction {i + 1}" for i in range(of_pair.max()))])
    table = table.assign(
        phrasing=texts[of_pair[table["pair"]]],
        pair=names_of_pairs(len(of_pair))[table["pair"]],
        order=np.array(ORDERS)[table["order"]],
        format_share=table["format_tokens"] / (BARE + table["format_tokens"]),
        correct=right,
        top_answer=np.where(right, "right", "wrong"),
    )
    table = pd.concat([table.assign(measure=name) for name in MEASURED], ignore_index=True)
    return Injection(table, share_threshold=EVEN_HEADS_HOLD.criterion.low, drop=_BAND)


def _with_pairs(shape: tuple[int, ...]) -> list[tuple[NDArray[np.int_], NDArray[np.int_]]]:
    indices = [part.ravel() for part in np.indices(shape)]
    return [(indices[0], part) for part in indices]


def _asked(of_pair: NDArray[np.int_]) -> NDArray[np.bool_]:
    """Returns the numbers of words with which each pair is asked before accuracy is known, [pair, words]."""
    document, graded = (np.isin(WORDS, words) for words in (OF_DOCUMENT, GRADED))
    return np.where(of_pair[:, None] == 0, document, graded)


def falls(rng: np.random.Generator, settings: Settings, place: int) -> Mapping[str, Any]:
    """Draws shares with a slope of each phrasing, whose median is 0 or 1.5 standard deviations from 0."""
    of_pair = series(settings)
    sizes = (int(of_pair.max()) + 1, 1, len(WORDS))
    slopes = _OF_SLOPES * (rng.normal(size=(sizes[0], 1, 1)) - 1.5 * place)
    # Neighbouring lengths of a phrasing have similar noise.
    wander = 0.3 * rng.normal(size=sizes).cumsum(-1) / np.sqrt(len(WORDS)) + 0.3 * rng.normal(size=sizes)
    noise = 0.3 * rng.normal(size=(len(of_pair), len(ORDERS), len(WORDS)))
    share = 0.5 + (slopes * SHARES + _OF_SLOPES * wander)[of_pair] + _OF_SLOPES * noise
    fillers = np.full((*share.shape[:2], len(FILLERS)), 0.5)
    return {"injection": measured(of_pair, _asked(of_pair), share, np.ones_like(share), fillers)}


def costs(rng: np.random.Generator, settings: Settings, place: int) -> Mapping[str, Any]:
    """Draws how much less each filler costs than half of what format costs.

    The median phrasing's value is 0 for the hardest filler, or 1.5 standard deviations of the phrasings from 0. For all
    others it is 2.
    """
    of_pair = series(settings)
    more = rng.permutation([1.5 * place, 2, 2, 2]) + rng.normal(size=(int(of_pair.max()) + 1, 1, len(FILLERS)))
    noise = 0.5 * rng.normal(size=(len(of_pair), len(ORDERS), len(FILLERS)))
    share = 0.6 - 0.3 * SHARES + _OF_COSTS * rng.normal(size=(len(of_pair), len(ORDERS), len(WORDS)))
    half_way = (share[..., [GRADED[0]]] + share[..., [GRADED[-1]]]) / 2
    fillers = half_way + _OF_COSTS * (more[of_pair] + noise)
    return {"injection": measured(of_pair, _asked(of_pair), share, np.ones_like(share), fillers)}


def drops(rng: np.random.Generator, settings: Settings, place: int) -> Mapping[str, Any]:
    """Draws margins that turn negative at 60 % of format tokens, at an end of the band, or outside the band."""
    ends = (_BAND.low, _BAND.high)
    outside = (_BAND.low - 0.07, _BAND.high + 0.07)
    drop = rng.choice({EDGE: ends, OUTSIDE: outside}.get(place, (sum(ends) / 2,)))
    of_pair = series(settings)
    phrasings, orders = int(of_pair.max()) + 1, len(ORDERS)
    noise = rng.normal(size=(phrasings, 1, 1)) + 0.7 * rng.normal(size=(phrasings, 1, len(WORDS)))
    prompts = 0.5 * rng.normal(size=(len(of_pair), 1, 1)) + 0.5 * rng.normal(size=(len(of_pair), orders, len(WORDS)))
    of_order = 0.3 * rng.normal() * np.array([[1.0], [-1.0]])
    margin = 40 * (drop - SHARES) + noise[of_pair] + prompts + of_order
    share = np.broadcast_to(0.6 - 0.3 * SHARES, margin.shape)
    asked = _asked(of_pair)
    for phrasing in range(1, phrasings):
        own = of_pair == phrasing
        asked[own] |= _between(margin[own] > 0)
    return {"injection": measured(of_pair, asked, share, margin, np.full((*share.shape[:2], len(FILLERS)), 0.4))}


def _between(right: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Returns the numbers of words between the two graded ones between which accuracy falls, [words].

    The run asks them as well, as `_where_it_falls` in `measure` does. `right` is [pair, order, words].
    """
    found = change_point(SHARES[GRADED], right[..., GRADED].mean((0, 1)))
    behind = max(int((SHARES[GRADED] <= found.middle).sum()), 1) if found else len(GRADED)
    between = range(GRADED[behind - 1] + 1, GRADED[behind]) if behind < len(GRADED) else ()
    return np.isin(WORDS, list(between))


SIMULATIONS = {
    "1.3a": Simulation(
        claims.test_attention_on_the_numbers_falls_with_the_share_of_format_tokens,
        falls,
        "Each phrasing has its own slope (standard deviation 0.1 per unit of format share), noise that wanders along"
        " its lengths, and noise of each length, pair and order (0.03 each). The median slope is 0, or 0.15 to either"
        " side.",
    ),
    "1.3b": Simulation(
        claims.test_accuracy_drops_at_sixty_percent_of_format_tokens,
        drops,
        "The margin falls by 40 logits per unit of format share. Noise in logits: 1 between phrasings, 0.7 between"
        " their lengths, 0.5 between pairs, 0.5 from prompt to prompt, 0.3 between orders. So the phrasings'"
        " drops differ by about 0.03. Their median is at 0.60; at the edge at 0.55 or 0.65; outside at 0.48 or 0.72.",
    ),
    "1.3c": Simulation(
        claims.test_format_tokens_cost_more_attention_than_as_many_other_tokens,
        costs,
        "How far a filler stays below half of the cost of format differs by 0.05 between phrasings."
        " For the hardest filler the median is 0, or 1.5 such deviations to either side; for the others it is 2.",
    ),
}
