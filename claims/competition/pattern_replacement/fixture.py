"""The measurements of experiment 4.1 and of its controls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.competition.prompts import SIMPLE, of_first_pairs
from claims.competition.sweeps import other_layers
from claims.competition.theory import BUG_SET_MINIMUM, CROSSING_BAND
from fixtures.options import Settings
from fixtures.terminal import Visible
from referee.judging.verdict import within

if TYPE_CHECKING:
    from claims.competition.edited import Edited
    from claims.competition.pattern_replacement.controls import Layers
    from claims.competition.pattern_replacement.evidence import Replacement
    from claims.competition.prompts import Case, Format
    from referee.measuring.session import Session


_RANKED = 2 * BUG_SET_MINIMUM
"""Number of pairs at each of the other layers."""


@pytest.fixture(scope="session")
def replacement(
    session: Session, bug_set: list[Case], formats: list[Format], settings: Settings, visible: Visible
) -> Replacement:
    """Experiment 4.1: margins of the bug set while the Simple pattern replaces more and more of the Q&A pattern."""
    from claims.competition.pattern_replacement import measure
    from claims.competition.pattern_replacement.evidence import Replacement

    swept = of_first_pairs(bug_set, settings.profile.swept)
    few = of_first_pairs(bug_set, max(BUG_SET_MINIMUM, settings.profile.swept // 4))
    others = other_layers(session.subject, settings, observed=True)
    with visible():
        tables = {
            # Their crossings are compared, so they have the same prompts and amounts.
            arm.name: measure.replacement(session, swept, arm, progress=f"replacing, {arm.name}")
            for arm in (measure.ALIGNED, measure.UNINFORMED)
        }
        for arm in (measure.OWN, *measure.VARIANTS):
            tables[arm.name] = measure.replacement(
                session, few, arm, amounts=measure.COARSER, progress=f"replacing, {arm.name}"
            )
        for start in measure.starts(formats):
            tables[f"starting from {start.name}"] = measure.replacement(
                session, few, start=start, amounts=measure.COARSER, progress=f"replacing, from {start.name}"
            )
        by_layer = {
            layer: {
                arm.name: measure.replacement(
                    session,
                    of_first_pairs(bug_set, _RANKED),
                    arm,
                    amounts=measure.COARSER,
                    layer=layer,
                    progress=f"replacing more and more at layer {layer}",
                )
                for arm in (measure.ALIGNED, measure.UNINFORMED)
            }
            for layer in others
        }
    return Replacement(
        tables,
        settings,
        band=within(*CROSSING_BAND),
        has_bos=session.tokenize(bug_set[0].asked(SIMPLE)).has_bos,
        by_layer={session.layer: tables, **by_layer} if by_layer else None,
    )


@pytest.fixture(scope="session")
def layers(session: Session, bug_set: list[Case], settings: Settings, visible: Visible) -> Layers:
    """Controls of experiment 4.1: replacement by a faulty pattern, and replacement at other layers."""
    from claims.competition.edited import Edited
    from claims.competition.pattern_replacement.controls import Layers
    from claims.competition.pattern_replacement.measure import whole_replacement

    cases = of_first_pairs(bug_set, settings.profile.swept)

    def edited(layer: int, *, faulty: bool = False) -> Edited:
        table = whole_replacement(session, cases, layer=layer, faulty=faulty, progress=f"replacing at layer {layer}")
        return Edited(table, settings, wrong_before=True)

    with visible():
        elsewhere = {layer: edited(layer) for layer in other_layers(session.subject, settings)}
        return Layers(edited(session.layer, faulty=True), elsewhere)
