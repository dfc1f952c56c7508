"""The measurement of experiment 5.1, and the attack on its claim."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.competition.heads import even_heads, odd_heads
from claims.competition.prompts import ORDERS, QA, pairs
from claims.competition.sweeps import Sweeps
from fixtures.options import Settings
from fixtures.terminal import Visible

if TYPE_CHECKING:
    from claims.competition.attention_moves.evidence import Moves
    from claims.competition.prompts import Case
    from fixtures.attacks import Attack
    from referee.measuring.session import Session


@pytest.fixture(scope="session")
def moves(sweeps: Sweeps, bug_set: list[Case]) -> Moves:
    """Experiment 5.1: edits move half of the format mass in odd heads, in even heads and in other groups of heads."""
    from claims.competition.attention_moves import measure
    from claims.competition.attention_moves.evidence import Moves
    from claims.competition.interventions import placebos

    subject = sweeps.session.subject
    odd, asked = odd_heads(subject), [case.asked(QA) for case in bug_set]
    there = sweeps.at_other_layers(bug_set)
    in_odd = measure.moves({"odd": odd})
    controls = placebos(in_odd, named=("numerical", "format"))
    both = {**in_odd, **measure.moves({"odd": odd}, target="other")}
    arms = {**both, **measure.moves({"even": even_heads(subject)}), **controls}
    progress = "moving attention from format"
    return Moves(
        sweeps.on_bugs(bug_set, arms, progress),
        sweeps.in_other_heads(asked, measure.moves, ("odd", odd), progress, bugs=True),
        sweeps.elsewhere(lambda layer: sweeps.on_bugs(there, both, f"{progress} at layer {layer}", layer)),
        sweeps.matched(asked, *in_odd.values(), *controls.values()),
    )


@pytest.fixture(scope="session")
def attack_on_bugs(session: Session, bug_set: list[Case], settings: Settings, visible: Visible) -> Attack:
    """Attacks claim 5.1 with drawn pairs. They need not be among the measured pairs.

    The claim applies only to cases that are right in Simple and wrong in Q&A.
    """
    from hypothesis import strategies as st

    from claims.competition.attention_moves.measure import margins_after_move
    from claims.competition.prompts import Case
    from fixtures.attacks import attack
    from referee.judging.evidence import Counterexample

    assert bug_set, "without a bug there is nothing to repair"
    drawn = st.builds(
        Case,
        st.sampled_from(pairs(settings.profile.units * 2, seed=settings.seed + 1)),
        st.sampled_from(ORDERS),
    )

    def describe(case: Case, margin: float) -> Counterexample:
        text = f"Q&A with {case.pair}, {case.order}: the margin is {margin:.2f} after moving the odd heads' format mass"
        return Counterexample(text, lambda session: session.tokenize(case.asked(QA)))

    with visible():
        return attack(
            drawn,
            lambda cases: margins_after_move(session, cases),
            describe,
            examples=settings.profile.examples,
            seed=settings.seed,
        )
