"""Simulated tables of known truth for the claims of experiment 4.1 and its controls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from claims.competition import simulated_edits as tables
from claims.competition.pattern_replacement import test_pattern_replacement as claims
from claims.competition.pattern_replacement.controls import Layers
from claims.competition.pattern_replacement.evidence import LATER, Replacement
from claims.competition.pattern_replacement.measure import ALIGNED, COARSE, OWN, REPLACED, UNINFORMED, wide_gaps
from claims.competition.theory import CROSSING_BAND, SHARP
from claims.simulations import EDGE, INSIDE, OUTSIDE, Simulation
from fixtures.options import Settings
from referee.judging.verdict import within
from referee.measuring.self_checks import TOLERANCE_LOGITS

_FINER = 4
"""The number of parts into which a gap between two amounts around the crossing is divided, in two halvings."""
_AMOUNTS = np.linspace(0, 1, _FINER * (len(COARSE) - 1) + 1)
_NOISE = TOLERANCE_LOGITS["float32"]
"""Noise of the margin at each amount in logits: what float32 cannot distinguish. All else belongs to the course."""
_OTHER_LAYERS = 31
_WIDTH = {OUTSIDE: 0.2, EDGE: SHARP.criterion.high, INSIDE: 0.07}
_FEW_PAIRS = 2
"""The number of pairs of a donor that decides nothing."""


class _Quiet(Replacement):
    """The evidence without its notes. They decide nothing, and it takes long to fit curves for them."""

    def notes(self) -> tuple[str, ...]:
        return ()


def placed(rng: np.random.Generator, settings: Settings, place: int) -> Mapping[str, Any]:
    """Returns crossings of which the true share is in the claimed interval. Others are before it, after it or never."""
    asked = tables.bugged(rng, settings.profile.swept)
    inside = tables.turns(rng, asked.pair, tables.LIKELY[place])
    return {"replacement": _replacement(rng, settings, asked, _places(rng, inside), 0.05 * np.ones(len(inside)))}


def wide(rng: np.random.Generator, settings: Settings, place: int) -> Mapping[str, Any]:
    """Returns rises whose median width is the true one."""
    asked = tables.bugged(rng, settings.profile.swept)
    of_pair = rng.normal(scale=0.3, size=asked.pair.max() + 1)[asked.pair]
    width = _WIDTH[place] * np.exp(of_pair + rng.normal(scale=0.1, size=len(asked.pair)))
    return {"replacement": _replacement(rng, settings, asked, rng.uniform(0.45, 0.7, len(asked.pair)), width)}


def uninformed(rng: np.random.Generator, settings: Settings, place: int) -> Mapping[str, Any]:
    """Returns crossings with uniform attention. The true share is later than with the Simple pattern, or never."""
    asked = tables.bugged(rng, settings.profile.swept)
    n = len(asked.pair)
    simple = rng.uniform(0.45, 0.7, n)
    later = tables.turns(rng, asked.pair, tables.LIKELY[place])
    after = np.where(rng.random(n) < 0.5, np.inf, simple + rng.uniform(2 * LATER, 0.2, n))
    other = np.where(later, after, simple + rng.uniform(-0.2, LATER / 2, n))
    return {"replacement": _replacement(rng, settings, asked, simple, np.full(n, 0.05), uninformed=other)}


def faulty_donor(rng: np.random.Generator, settings: Settings, place: int) -> Mapping[str, Any]:
    """Returns replacements by a faulty pattern, which turn the true share."""
    return {"layers": Layers(_whole(rng, settings, tables.RARE[place]), {})}


def other_layers(rng: np.random.Generator, settings: Settings, place: int) -> Mapping[str, Any]:
    """Returns replacements at other layers. One layer turns the true share, and the others turn few answers."""
    count = min(settings.profile.layers, _OTHER_LAYERS)
    shares = [tables.RARE[place], *[tables.RARE[INSIDE]] * (count - 1)]
    elsewhere = [_whole(rng, settings, share) for share in shares]
    return {"layers": Layers(_whole(rng, settings, shares[-1]), dict(enumerate(elsewhere)))}


def _whole(rng: np.random.Generator, settings: Settings, share: float) -> tables.Edited:
    asked = tables.bugged(rng, settings.profile.swept)
    return tables.turned_by(rng, asked, {REPLACED: share}, settings, wrong_before=True)


def _places(rng: np.random.Generator, inside: tables.Truths) -> tables.Array:
    """Returns crossings inside the claimed interval or outside of it, by a margin of the measured distance."""
    low, high = CROSSING_BAND
    n, gap = len(inside), 1 / (len(COARSE) - 1) / _FINER
    outside = [rng.uniform(0.2, low - gap, n), rng.uniform(high + gap, 0.85, n), np.full(n, np.inf)]
    return np.where(inside, rng.uniform(low + gap, high - gap, n), np.choose(rng.integers(3, size=n), outside))


def _replacement(
    rng: np.random.Generator,
    settings: Settings,
    asked: tables.Asked,
    crossing: tables.Array,
    width: tables.Array,
    uninformed: tables.Array | None = None,
) -> Replacement:
    """Returns the evidence. Each rise is a logistic curve through its crossing, with a width from 10 % to 90 %."""
    few = asked.pair < _FEW_PAIRS
    idle = tables.Asked(asked.pair[few], asked.order[few], asked.format[few])
    nothing = _table(rng, idle, np.full(len(idle.pair), np.inf), np.full(len(idle.pair), 1.0))
    other = nothing if uninformed is None else _table(rng, asked, uninformed, width)
    found = {ALIGNED.name: _table(rng, asked, crossing, width), UNINFORMED.name: other, OWN.name: nothing}
    return _Quiet(found, settings, band=within(*CROSSING_BAND), has_bos=True)


def _table(rng: np.random.Generator, asked: tables.Asked, crossing: tables.Array, width: tables.Array) -> pd.DataFrame:
    """Returns the margins at all amounts of COARSE, and at more where a margin rises. Infinity: it never does."""
    n, turns = len(crossing), np.isfinite(crossing)
    steepness = 2 * np.log(9) / width[:, None]
    rise = np.tanh(steepness / 2 * (_AMOUNTS - np.where(turns, crossing, 2.0)[:, None]))
    margin = rng.lognormal(sigma=0.5, size=(n, 1)) * rise + rng.normal(scale=_NOISE, size=rise.shape)
    measured = np.zeros(margin.shape, bool)
    measured[:, ::_FINER] = True
    for known, course in zip(measured, margin, strict=True):
        while gaps := wide_gaps(_AMOUNTS[known], course[known]):
            ends = np.flatnonzero(known)
            known[[(ends[end - 1] + ends[end]) // 2 for end in gaps]] = True
    case, amount = np.nonzero(measured)
    return pd.DataFrame(
        {
            "pair": asked.pair[case],
            "order": asked.order[case],
            "amount": _AMOUNTS[amount],
            "margin_logits": margin[case, amount],
            "output_norm": 1.0,
        }
    )


_COURSE = (
    f"Margins rise in logistic curves, with noise of {_NOISE:g} logits at each amount. The amounts are those of a run."
)
SIMULATIONS = {
    "4.1a": Simulation(
        claims.test_the_answer_turns_right_when_sixty_percent_of_the_pattern_is_replaced,
        placed,
        f"{tables.SHARES} {_COURSE} The true share of crossings in the interval is 20 %, 50 % or 95 %; a third of the"
        " others each is before, after or never.",
    ),
    "4.1b": Simulation(
        claims.test_the_answer_turns_sharply,
        wide,
        f"{_COURSE} The median width is 0.2, 0.1 or 0.07; widths differ between pairs (lognormal, 0.3) and between"
        " orders (lognormal, 0.1).",
    ),
    "4.1c": Simulation(
        claims.test_uniform_attention_does_not_turn_the_answer_as_early,
        uninformed,
        f"{tables.SHARES} {_COURSE} The true share that uniform attention turns later or never is 20 %, 50 % or 95 %.",
    ),
    "C1": Simulation(
        claims.test_a_donor_of_the_faulty_format_does_little,
        faulty_donor,
        f"{tables.SHARES} The true share is 80 %, 50 % or 5 %.",
    ),
    "C4": Simulation(
        claims.test_other_layers_do_little,
        other_layers,
        f"{tables.SHARES} At one layer the true share is 80 %, 50 % or 5 %, and at all others it is 5 %.",
    ),
}
"""The simulations of experiment 4.1, by claim."""
