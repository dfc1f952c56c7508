"""The measurement of experiment 5.1, and the attack on its claim."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.competition.heads import even_heads, odd_heads, random_groups
from claims.competition.prompts import ORDERS, pairs
from claims.competition.sweeps import Sweeps, other_layers
from fixtures.options import Settings
from fixtures.terminal import Visible

if TYPE_CHECKING:
    from claims.competition.attention_moves.evidence import Moves
    from claims.competition.prompts import Case
    from fixtures.attacks import Attack
    from referee.measuring.session import Session


@pytest.fixture(scope="session")
def moves(sweeps: Sweeps, bug_set: list[Case], settings: Settings) -> Moves:
    """Experiment 5.1: edits move half of the format mass in odd heads, in even heads and in random heads."""
    from claims.competition.attention_moves import measure
    from claims.competition.attention_moves.evidence import Moves

    subject = sweeps.session.subject
    odd, even = odd_heads(subject), even_heads(subject)
    drawn = random_groups(subject.n_heads, len(odd), settings.profile.groups, settings.seed)
    in_odd = measure.moves({"odd": odd})
    arms = {**in_odd, **measure.moves({"even": even, **drawn}), **measure.moves({"odd": odd}, target="other")}
    edited = sweeps.on_bugs(bug_set, arms, "moving attention from format")
    elsewhere = {
        layer: sweeps.on_bugs(bug_set, in_odd, f"the same at layer {layer}", layer)
        for layer in other_layers(subject, settings, observed=True)
    }
    return Moves(edited, elsewhere)


@pytest.fixture(scope="session")
def attack_on_bugs(session: Session, bug_set: list[Case], settings: Settings, visible: Visible) -> Attack:
    """Attacks claim 5.1 with drawn pairs. They need not be among the measured pairs.

    The claim applies only to cases that are right in Simple and wrong in Q&A.
    """
    from hypothesis import strategies as st

    from claims.competition.attention_moves.measure import margins_after_move
    from claims.competition.prompts import Case
    from fixtures.attacks import attack

    assert bug_set, "without a bug there is nothing to repair"
    drawn = st.builds(
        Case,
        st.sampled_from(pairs(settings.profile.units * 2, seed=settings.seed + 1)),
        st.sampled_from(ORDERS),
    )

    def describe(case: Case, margin: float) -> str:
        return f"Q&A with {case.pair}, {case.order}: the margin is {margin:.2f} after moving the odd heads' format mass"

    with visible():
        return attack(
            drawn,
            lambda cases: margins_after_move(session, cases),
            describe,
            examples=settings.profile.examples,
            seed=settings.seed,
        )
