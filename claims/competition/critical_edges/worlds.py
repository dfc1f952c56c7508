"""Simulated tables for claim 2.2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from claims.competition.critical_edges import test_critical_edges as claims
from claims.competition.critical_edges.evidence import Paths
from claims.competition.critical_edges.measure import PLAIN, TOP_EDGES
from claims.competition.prompts import ORDERS, QA, SIMPLE
from claims.competition.simulated_heads import APART, EVEN, HEADS, SUBJECT, own_levels, prompt_rows, simulated
from claims.simulations import Simulation, bent
from fixtures.options import Settings

OF_HEADS = 0.8
"""The standard deviation of the log odds of an edge on a number, between heads."""
_FORMATS = (SIMPLE, QA)


def draw(rng: np.random.Generator, settings: Settings, place: int) -> Mapping[str, Any]:
    """Draws which top edges lead to numbers. The log odds differ between heads at random, and between pairs.

    The log odds of the even heads are also higher, or lower, by two standard deviations between heads.
    """
    count, formats = settings.profile.swept, len(_FORMATS)
    odds = OF_HEADS * (own_levels(rng, formats) + place * APART * (EVEN - 0.5))
    of_pair = 0.5 * bent(rng, rng.normal(size=(count, 1, 1, 1))) + 0.3 * rng.normal(size=(count, len(ORDERS), 1, 1))
    odds = odds + of_pair * (1 + 0.3 * rng.normal(size=HEADS))
    hits = rng.random((TOP_EDGES, odds.size)) < 1 / (1 + np.exp(-odds.ravel()))
    rows = prompt_rows(count, tuple(format.name for format in _FORMATS))
    rows = rows.assign(prompt=np.arange(len(rows)) // HEADS, attribution=PLAIN, attribution_logits=1.0, query=0, key=0)
    table = pd.concat([rows.assign(rank=rank, on_numbers=hits[rank].astype(float)) for rank in range(TOP_EDGES)])
    removed = pd.DataFrame({"predicted_logits": [0.0, 1.0], "change_logits": [0.0, 1.0]})
    return {"paths": Paths(table, removed, {}, SUBJECT, simulated(rng, settings))}


SIMULATIONS = {
    "2.2": Simulation(
        claims.test_the_edges_that_matter_lead_to_numbers_in_even_heads,
        draw,
        "Each of a head's five edges leads to a number at random. The log odds differ by 0.8 between heads, also by"
        " key-value group and format, by 0.5 between pairs and by 0.3 between orders of a pair; heads respond to the"
        " pair in different strength. At the edge, heads differ at random and not by parity. Elsewhere even and odd"
        " heads also differ by two standard deviations between heads (1.6).",
    )
}
