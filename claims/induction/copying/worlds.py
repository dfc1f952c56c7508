"""Simulated tables of known truth for claims I2 and I3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from claims.induction.copying import test_copying as claims
from claims.induction.copying.evidence import Copying, KnockedOut
from claims.induction.copying.measure import KNOCKED_OUT, LARGEST, SILENT
from claims.induction.predictions import UNEDITED
from claims.induction.simulated_sequences import SHAPES, Array, copied, noise, simulated_predictions
from claims.induction.theory import COMPARED, LOST
from claims.simulations import EDGE, INSIDE, OUTSIDE, Simulation
from fixtures.options import Settings

IN_FIRST = 0.1
"""The true share of tokens that are predicted without a repetition."""
IN_SECOND = {OUTSIDE: 0.02, EDGE: IN_FIRST, INSIDE: 0.7}
"""The true share of the second half that is predicted, by place."""
LOSS = {OUTSIDE: 0.1, EDGE: LOST, INSIDE: 0.7}
"""The true share of right copies that is lost, by place."""
OF_SEQUENCES, OF_SETS = 0.1, 0.05
"""The standard deviations of the loss between sequences, and of each knock-out in a sequence."""


def gained(rng: np.random.Generator, settings: Settings, place: int) -> Mapping[str, Any]:
    """Draws the predicted tokens of both halves. At the edge they are equally many."""
    count = settings.profile.swept
    tables = [
        simulated_predictions({UNEDITED: copied(rng, share, count)}, copied(rng, IN_FIRST, count))
        for share in (IN_SECOND[place], IN_FIRST)
    ]
    return {"copying": Copying(*tables)}


def knocked_out(rng: np.random.Generator, settings: Settings, place: int) -> Mapping[str, Any]:
    """Draws the losses of knock-outs.

    At the edge there are two kinds of tables: the loss is at the threshold and other sets of heads lose nothing, or
    the loss is large and the top heads are like any other set.
    """
    count, profile = settings.profile.swept, settings.profile
    losses = [LOSS[place], *[0.0] * profile.groups]
    if place == EDGE and rng.random() < 0.5:
        losses = rng.normal((LOST + 1) / 2, 0.1, 1 + profile.groups).tolist()
    return {"knocked_out": evidence(rng, losses[0], losses[1:], count)}


def evidence(
    rng: np.random.Generator, own: float, others: Sequence[float], count: int, *, largest: float = 0.0
) -> KnockedOut:
    """Returns the evidence of knock-outs from the true share of copies that is lost.

    Args:
        rng: source of the noise.
        own: the loss without the top heads.
        others: the loss without other sets of heads, [set].
        count: the number of sequences.
        largest: the loss without the heads with the largest output.
    """
    before, of_sequence = 0.5 + 0.5 * rng.random(count), OF_SEQUENCES * noise(rng, count)

    def after(loss: float) -> Array:
        return before * (1 - loss * (1 + of_sequence) - OF_SETS * rng.normal(size=count))

    sets = {f"set {i + 1}": after(loss)[:COMPARED] for i, loss in enumerate(others)}
    unedited = simulated_predictions({UNEDITED: before}, np.zeros(count))
    return KnockedOut(
        Copying(unedited, unedited),
        simulated_predictions({KNOCKED_OUT: after(own), SILENT: after(own), LARGEST: after(largest)}),
        simulated_predictions(sets) if sets else unedited.iloc[:0],
        existing=len(sets),
        top=((5, 0), (6, 1)),
        largest=((1, 0), (2, 0)),
    )


SIMULATIONS = {
    "I2": Simulation(
        claims.test_what_was_seen_once_is_predicted_when_it_comes_again,
        gained,
        "Each half of each sequence has its own chance that a token is predicted (beta distribution); 25 tokens are"
        f" drawn from it. The mean chance is {IN_FIRST:.0%} in the first half and without repetition, and"
        f" {IN_SECOND[OUTSIDE]:.0%}, {IN_SECOND[EDGE]:.0%} or {IN_SECOND[INSIDE]:.0%} in the second half.",
    ),
    "I3": Simulation(
        claims.test_without_the_induction_heads_copying_fails,
        knocked_out,
        f"Losses differ by {OF_SEQUENCES:.0%} between sequences ({SHAPES}), and by {OF_SETS:g} between knock-outs of a"
        f" sequence. Without the top heads {LOSS[OUTSIDE]:.0%}, a third or {LOSS[INSIDE]:.0%} is lost, and without"
        " other sets nothing. In half of the tables at the edge, the top heads are instead like any other set: two"
        " thirds are lost, and sets differ by 0.1.",
    ),
}
"""The simulations of experiments I2 and I3, by claim."""
