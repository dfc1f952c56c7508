"""The measurement of experiment 4.2, and the attack on its claim."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.competition.heads import even_heads
from claims.competition.prompts import QA
from claims.competition.sweeps import other_layers
from claims.competition.theory import EIGHT_HEADS
from fixtures.options import Settings
from fixtures.terminal import Visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from claims.competition.head_subsets.evidence import Subsets
    from claims.competition.prompts import Case
    from fixtures.attacks import Attack
    from referee.measuring.session import Session


_CONTROL_SUBSETS = 5
"""Largest number of subsets of odd heads, and of heads of any kind, for each prompt and number of heads."""


@pytest.fixture(scope="session")
def head_subsets(session: Session, bug_set: list[Case], settings: Settings, visible: Visible) -> Subsets:
    """Experiment 4.2: the aligned Simple pattern in subsets of the even heads, of the odd heads, and of all heads."""
    from claims.competition.head_subsets import measure
    from claims.competition.head_subsets.evidence import Subsets

    needed, profile = measure.needed(session.subject), settings.profile
    controls = measure.control_counts(session.subject, cheap=settings.profile_name == "quick")
    limits = {measure.EVEN: profile.subsets, **dict.fromkeys(controls, min(profile.subsets, _CONTROL_SUBSETS))}

    def measured(population: str, counts: Sequence[int] | None, per_count: int, layer: int) -> pd.DataFrame:
        return measure.head_subsets(
            session,
            bug_set,
            population,
            counts=counts,
            per_count=per_count,
            layer=layer,
            seed=settings.seed,
            progress=f"head subsets, {population}, layer {layer}",
        )

    with visible():
        tables = {
            population: measured(population, controls.get(population), limit, session.layer)
            for population, limit in limits.items()
        }
        at_limit = [count for count in (needed - 1, needed) if count]
        by_layer = {
            layer: {
                population: measured(population, at_limit if population == measure.EVEN else [needed], 1, layer)
                for population in limits
            }
            for layer in other_layers(session.subject, settings, observed=True)
        }
        information = measure.information(session, bug_set)
    return Subsets(
        tables,
        information,
        settings,
        needed=needed,
        sufficient=EIGHT_HEADS.criterion.low,
        by_layer={session.layer: tables, **by_layer} if by_layer else None,
    )


@pytest.fixture(scope="session")
def attack_on_subsets(session: Session, bug_set: list[Case], settings: Settings, visible: Visible) -> Attack:
    """Attacks claim 4.2 with any prompt of the bug set and any half of the even heads."""
    from hypothesis import strategies as st

    from claims.competition.head_subsets.measure import needed, repaired_margins
    from fixtures.attacks import attack
    from referee.judging.evidence import Counterexample

    count = needed(session.subject)
    heads = st.sets(st.sampled_from(even_heads(session.subject)), min_size=count, max_size=count)
    drawn = st.tuples(st.sampled_from(bug_set), heads.map(lambda chosen: tuple(sorted(chosen))))

    def describe(drawn: tuple[Case, tuple[int, ...]], margin: float) -> Counterexample:
        case, chosen = drawn
        listed = ", ".join(map(str, chosen))
        text = f"heads {listed} do not repair Q&A with {case.pair}, {case.order}: margin {margin:.2f}"
        return Counterexample(text, lambda session: session.tokenize(case.asked(QA)))

    with visible():
        return attack(
            drawn,
            lambda cases: repaired_margins(session, cases),
            describe,
            examples=settings.profile.examples,
            seed=settings.seed,
        )
