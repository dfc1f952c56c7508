"""Simulated tables of known truth for the claims of experiment 5.1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from claims.competition import simulated_edits as tables
from claims.competition.attention_moves import test_attention_moves as claims
from claims.competition.attention_moves.evidence import Moves
from claims.competition.attention_moves.measure import move_arm
from claims.competition.interventions import placebo_of
from claims.competition.theory import MOST
from claims.simulations import Simulation
from fixtures.attacks import Attack
from fixtures.options import Settings

_OWN, _OTHER = move_arm("odd"), move_arm("odd", "other")


def moved(rng: np.random.Generator, settings: Settings, place: int) -> Mapping[str, Any]:
    """Returns wrong answers of which the edit of the odd heads repairs the true share."""
    return {"moves": _moves(rng, settings, tables.LIKELY[place], tables.IDLE), "attack_on_bugs": Attack(0, None)}


def moved_to_other_tokens(rng: np.random.Generator, settings: Settings, place: int) -> Mapping[str, Any]:
    """Returns wrong answers of which the move to other tokens repairs the true share."""
    return {"moves": _moves(rng, settings, MOST, tables.RARE[place])}


def moved_more(rng: np.random.Generator, settings: Settings, place: int) -> Mapping[str, Any]:
    """Returns wrong answers on which the odd heads are compared with other groups of heads."""
    asked = tables.bugged(rng, settings.profile.swept)
    compared = tables.compared(rng, settings, place, move_arm, "odd", asked)
    return {"moves": Moves(compared.edited, compared.in_other_heads)}


def _moves(rng: np.random.Generator, settings: Settings, to_numbers: float, to_others: float) -> Moves:
    asked = tables.bugged(rng, settings.profile.swept)
    shares = {_OWN: to_numbers, _OTHER: to_others, move_arm("even"): MOST, placebo_of(_OWN): tables.IDLE}
    return Moves(tables.turned_by(rng, asked, shares, settings, wrong_before=True))


SIMULATIONS = {
    "5.1": Simulation(
        claims.test_moving_odd_heads_from_format_to_numbers_repairs,
        moved,
        f"{tables.SHARES} The true share is 20 %, 50 % or 95 %, and 5 % for the placebo.",
    ),
    "5.1b": Simulation(claims.test_moving_odd_heads_repairs_more_than_moving_other_heads, moved_more, tables.GROUPS),
    "C2": Simulation(
        claims.test_attention_moved_to_other_tokens_does_little,
        moved_to_other_tokens,
        f"{tables.SHARES} The true share is 80 %, 50 % or 5 %.",
    ),
}
"""The simulations of experiment 5.1, by claim."""
