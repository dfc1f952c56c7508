"""The measurement of experiment 4.2, and the attack on its claim."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.competition.heads import even_heads, odd_heads
from claims.competition.theory import EIGHT_HEADS
from fixtures.options import Settings
from fixtures.terminal import Visible

if TYPE_CHECKING:
    from claims.competition.head_subsets.evidence import Subsets
    from claims.competition.prompts import Case
    from fixtures.attacks import Attack
    from referee.measuring.session import Session


@pytest.fixture(scope="session")
def head_subsets(session: Session, bug_set: list[Case], settings: Settings, visible: Visible) -> Subsets:
    """Experiment 4.2: the aligned Simple pattern in subsets of the even heads, of the odd heads, and of all heads."""
    from claims.competition.head_subsets import measure
    from claims.competition.head_subsets.evidence import Subsets

    needed, odd = measure.needed(session.subject), len(odd_heads(session.subject))
    counts = {
        measure.EVEN: None,
        measure.ODD: sorted({min(needed, odd), odd}),
        measure.ANY: sorted({needed, 2 * needed}),
    }
    with visible():
        tables = {
            population: measure.head_subsets(
                session,
                bug_set,
                population,
                counts=sizes,
                per_count=settings.profile.subsets,
                seed=settings.seed,
                progress=f"head subsets, {population}",
            )
            for population, sizes in counts.items()
        }
        information = measure.information(session, bug_set)
    return Subsets(tables, information, settings, needed=needed, sufficient=EIGHT_HEADS.criterion.low)


@pytest.fixture(scope="session")
def attack_on_subsets(session: Session, bug_set: list[Case], settings: Settings, visible: Visible) -> Attack:
    """Attacks claim 4.2 with any prompt of the bug set and any half of the even heads."""
    from hypothesis import strategies as st

    from claims.competition.head_subsets.measure import needed, repaired_margins
    from fixtures.attacks import attack

    count = needed(session.subject)
    heads = st.sets(st.sampled_from(even_heads(session.subject)), min_size=count, max_size=count)
    drawn = st.tuples(st.sampled_from(bug_set), heads.map(lambda chosen: tuple(sorted(chosen))))

    def describe(drawn: tuple[Case, tuple[int, ...]], margin: float) -> str:
        case, chosen = drawn
        listed = ", ".join(map(str, chosen))
        return f"heads {listed} do not repair Q&A with {case.pair}, {case.order}: margin {margin:.2f}"

    with visible():
        return attack(
            drawn,
            lambda cases: repaired_margins(session, cases),
            describe,
            examples=settings.profile.examples,
            seed=settings.seed,
        )
