"""Simulated tables of known truth for claims I1 and S1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from claims.induction.head_scores import test_head_scores as claims
from claims.induction.head_scores.evidence import HeadScores
from claims.induction.head_scores.measure import SCORES
from claims.induction.named import Named
from claims.induction.simulated_sequences import SHAPES, Array, noise
from claims.induction.theory import MATCHING, RESTING
from claims.simulations import Simulation
from fixtures.options import Settings

LAYERS, HEADS = 24, 12
_ALIKE = 12
"""The number of heads with the same true prefix-matching score. Chance decides which of them are the top heads."""
OF_SEQUENCES, OF_HEADS = 0.08, 0.06
"""The standard deviations of scores between sequences, and of each head in a sequence."""
_UNIFORM = dict.fromkeys(SCORES, 0.09)


def table(scores: Mapping[str, Array]) -> pd.DataFrame:
    """Returns a table of `head_scores` from scores [sequence, layer, head], by name. Other scores are 0."""
    shape = next(iter(scores.values())).shape
    places = pd.MultiIndex.from_product(map(range, shape), names=["sequence", "layer", "head"])
    columns = {name: scores.get(name, np.zeros(shape)).ravel() for name in SCORES}
    return pd.DataFrame(columns, index=places).reset_index()


def matching(rng: np.random.Generator, settings: Settings, place: int) -> Mapping[str, Any]:
    """Draws heads of which twelve have the same true score, and chance decides which of them are chosen."""
    alike = rng.permutation(LAYERS * HEADS)[:_ALIKE]
    levels = rng.uniform(0, MATCHING / 2, LAYERS * HEADS)
    levels[alike] = MATCHING + place * OF_SEQUENCES

    def drawn(levels: Array, count: int) -> pd.DataFrame:
        scores = levels + OF_SEQUENCES * noise(rng, count)[:, None] + OF_HEADS * rng.normal(size=(count, len(levels)))
        return table({"prefix_matching": scores.reshape(count, LAYERS, HEADS)})

    named = Named.on(drawn(levels, settings.profile.swept))
    without = drawn(np.full(LAYERS * HEADS, _UNIFORM["prefix_matching"]), settings.profile.swept)
    return {"head_scores": HeadScores(drawn(levels, settings.profile.swept), without, named, _UNIFORM)}


def resting(rng: np.random.Generator, settings: Settings, place: int) -> Mapping[str, Any]:
    """Draws heads half of which are above the threshold in the median sequence, or an eighth more or fewer."""
    count, spread = settings.profile.swept, np.linspace(-1, 1, LAYERS * HEADS)
    levels = RESTING + 0.25 * (spread + place / 4) + OF_SEQUENCES * noise(rng, count)[:, None]
    scores = table({"first_token": rng.permuted(levels, axis=1).reshape(count, LAYERS, HEADS)})
    return {"head_scores": HeadScores(scores, scores, Named(((0, 0),), (), ()), _UNIFORM)}


_SEQUENCES = f"Sequences differ by {OF_SEQUENCES:g} in all heads ({SHAPES})"
SIMULATIONS = {
    "I1": Simulation(
        claims.test_some_heads_attend_to_what_followed_the_same_token_before,
        matching,
        f"{_SEQUENCES}, and each head by {OF_HEADS:g} (normal). Twelve of {LAYERS * HEADS} heads have the same true"
        f" score, and chance decides which of them are the top heads. It is at the threshold, or {OF_SEQUENCES:g} from"
        " it. The other heads have at most half of the threshold, and so have all heads without repetition.",
    ),
    "S1": Simulation(
        claims.test_most_heads_rest_on_the_first_token,
        resting,
        f"{_SEQUENCES}. The heads' first-token shares are evenly spread. In the median sequence half of the heads are"
        " above the threshold, or an eighth of the heads more or fewer.",
    ),
}
"""The simulations of experiments I1 and S1, by claim."""
