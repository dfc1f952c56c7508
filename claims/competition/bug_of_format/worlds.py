"""Simulated tables for claim B1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from claims.competition.bug_of_format import test_bug_of_format as claims
from claims.competition.bug_of_format.evidence import BugOfFormat
from claims.competition.prompts import ORDERS, QA, SIMPLE
from claims.competition.screening import BATCH
from claims.competition.simulated_heads import Array, names_of_pairs
from claims.simulations import Simulation, bent
from fixtures.options import Settings

FORMATS = (SIMPLE.name, QA.name)


def screened(margins: Array, found: int) -> Array:
    """Returns the margins [pair, order, format] of the pairs that `screening.screen` asks until it ends.

    It ends after the batch with which at least `found` pairs have the bug.
    """
    has_bug = ((margins[..., 0] > 0) & (margins[..., 1] <= 0)).any(axis=1)
    before = int(np.searchsorted(np.cumsum(has_bug), found))
    return margins[: (before // BATCH + 1) * BATCH]


def draw(rng: np.random.Generator, settings: Settings, place: int) -> Mapping[str, Any]:
    """Draws answers. In one order, the margins are higher in Simple by 1.5 logits.

    In the other order, they are also higher by 0.7, or they are equal, or lower by 0.7.
    """
    count = settings.profile.asked
    contrast = rng.permutation([1.5, 0.7 * place])[:, None] * [0.5, -0.5]
    of_pair = bent(rng, rng.normal(size=(count, 1, 1))) + 0.5 * rng.normal(size=(count, len(ORDERS), 1))
    noise = 0.7 * rng.normal(size=(count, len(ORDERS), len(FORMATS)))
    margins = screened(0.3 * rng.normal() + contrast + of_pair + noise, settings.profile.found)
    pair, order, format = (part.ravel() for part in np.indices(margins.shape))
    columns = {"pair": names_of_pairs(count)[pair], "order": np.array(ORDERS)[order]}
    table = pd.DataFrame(columns | {"format": np.array(FORMATS)[format], "margin_logits": margins.ravel()})
    right = table["margin_logits"] > 0
    table = table.assign(correct=right, top_answer=np.where(right, "right", "wrong"))
    return {"bug_of_format": BugOfFormat(table, settings)}


SIMULATIONS = {
    "B1": Simulation(
        claims.test_the_bug_is_one_of_format,
        draw,
        "Margins differ by 1 logit between pairs (normal, skewed or with heavy tails), by 0.5 between the orders of a"
        " pair, and by 0.7 from prompt to prompt. The search ends as in a run. In one order, Simple is better by 1.5"
        " logits. In the other order the formats are alike at the edge, elsewhere Simple is better or worse by 0.7.",
    )
}
