"""Fixtures of the measurements with edited attention: experiments 1.2, 3.2, 4.x and 5.x, and the controls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claims.competition.observations import other_layers
from claims.competition.theory import BUG_SET_MINIMUM, EIGHT_HEADS, EVEN_HEADS_HOLD, EVEN_TARGETS, ODD_SHARE
from fixtures.options import Settings
from fixtures.terminal import Visible

if TYPE_CHECKING:
    from claims.competition.edited import Edited
    from claims.competition.format_injection.evidence import InjectionEvidence
    from claims.competition.head_subsets.evidence import SubsetEvidence
    from claims.competition.interventions import Arms
    from claims.competition.pattern_replacement.evidence import ReplacementEvidence
    from claims.competition.prompts import Order, Pair, Prompt
    from claims.competition.repair_evidence import CompetitionEvidence, LayerEvidence, RepairEvidence
    from claims.competition.share_manipulation.evidence import ManipulationEvidence
    from claims.competition.specialization_evidence import SwapEvidence
    from referee.attention.edits import Edit
    from referee.measuring.session import Session

    Case = tuple[Pair, Order]


class Sweeps:
    """Runs edits on the wrong prompts or on the right prompts of this session. Each named edit is one arm."""

    def __init__(self, session: Session, settings: Settings, visible: Visible) -> None:
        self.session, self.settings, self._visible = session, settings, visible

    def on_bugs(self, cases: list[Case], arms: Arms, progress: str, layer: int | None = None) -> Edited:
        """Runs the Q&A prompts of the bug set under each arm. `layer` defaults to the layer of interest."""
        from claims.competition.prompts import QA, Prompt

        return self._edited([Prompt(*case, QA) for case in cases], arms, progress, layer, wrong_before=True)

    def on_right(self, prompts: list[Prompt], arms: Arms, progress: str, layer: int | None = None) -> Edited:
        """Runs the right prompts under each arm. `layer` defaults to the layer of interest."""
        return self._edited(prompts, arms, progress, layer, wrong_before=False)

    def _edited(
        self, prompts: list[Prompt], arms: Arms, progress: str, layer: int | None, *, wrong_before: bool
    ) -> Edited:
        from claims.competition.edited import Edited
        from claims.competition.interventions import interventions
        from referee.measuring.self_checks import DRIFT_LOGITS

        where = self.session if layer is None else self.session.at(layer)
        kept = {prompt.pair: None for prompt in prompts}
        kept_pairs = list(kept)[: self.settings.profile.swept]
        chosen = [prompt for prompt in prompts if prompt.pair in kept_pairs]
        with self._visible():
            table = interventions(where, chosen, arms, progress=progress)
        # Float32 cannot distinguish a smaller shift from no shift. A shorter dtype has more noise, and that noise
        # already widens the interval.
        resolution = DRIFT_LOGITS["float32"]
        return Edited(table, self.settings, wrong_before=wrong_before, resolution=resolution)


@pytest.fixture(scope="session")
def sweeps(session: Session, settings: Settings, visible: Visible) -> Sweeps:
    """The runner of edits on this session."""
    return Sweeps(session, settings, visible)


@pytest.fixture(scope="session")
def manipulation(
    sweeps: Sweeps, bug_cases: list[Case], right_cases: list[Prompt], settings: Settings
) -> ManipulationEvidence:
    """Experiment 1.2: edits set the numerical shares exactly. Prompt sets that are too small are left out."""
    from claims.competition.interventions import manipulation_arms, set_shares
    from claims.competition.share_manipulation.evidence import ManipulationEvidence

    session, profile = sweeps.session, settings.profile
    subject = session.subject
    options = {"groups": profile.groups, "seed": settings.seed}
    others = other_layers(subject, settings)
    breaking = mending = None
    shares_before: dict[tuple[str, str, str], float] = {}
    elsewhere: list[tuple[int, Edited]] = []
    if len({prompt.pair for prompt in right_cases}) >= BUG_SET_MINIMUM:
        arms = manipulation_arms(subject, "even", max(EVEN_TARGETS), **options)
        breaking = sweeps.on_right(right_cases, arms, "starving heads of numbers")
        shares_before = even_shares(session, right_cases)
        alone = set_shares({"even": subject.even_heads}, [max(EVEN_TARGETS)])
        elsewhere += [(k, sweeps.on_right(right_cases, alone, f"the same at layer {k}", k)) for k in others]
    if len({pair for pair, _ in bug_cases}) >= BUG_SET_MINIMUM:
        arms = manipulation_arms(subject, "odd", ODD_SHARE, **options)
        mending = sweeps.on_bugs(bug_cases, arms, "feeding heads with numbers")
        alone = set_shares({"odd": subject.odd_heads}, [ODD_SHARE])
        elsewhere += [(k, sweeps.on_bugs(bug_cases, alone, f"the same at layer {k}", k)) for k in others]
    threshold = EVEN_HEADS_HOLD.criterion.low
    return ManipulationEvidence(breaking, mending, elsewhere, shares_before=shares_before, threshold=threshold)


def even_shares(session: Session, prompts: list[Prompt]) -> dict[tuple[str, str, str], float]:
    """Returns the unedited numerical bandwidth of the even heads for each prompt, by (pair, order, format)."""
    from claims.competition.bandwidth_distribution.measure import mean_shares

    shares = mean_shares(session, prompts, session.subject.even_heads)
    return {(str(p.pair), p.order, p.format.name): share for p, share in zip(prompts, shares, strict=True)}


@pytest.fixture(scope="session")
def swaps_on_bugs(sweeps: Sweeps, bug_set: list[Case], settings: Settings) -> SwapEvidence:
    """Experiment 3.2 on the wrong answers."""
    from claims.competition.interventions import swaps
    from claims.competition.specialization_evidence import SwapEvidence

    arms = swaps(sweeps.session.subject, groups=settings.profile.groups, seed=settings.seed)
    return SwapEvidence(sweeps.on_bugs(bug_set, arms, "swapping patterns, wrong answers"))


@pytest.fixture(scope="session")
def swaps_on_right(sweeps: Sweeps, right_answers: list[Prompt], settings: Settings) -> SwapEvidence:
    """Experiment 3.2 on the right answers."""
    from claims.competition.interventions import swaps
    from claims.competition.specialization_evidence import SwapEvidence

    arms = swaps(sweeps.session.subject, groups=settings.profile.groups, seed=settings.seed)
    return SwapEvidence(sweeps.on_right(right_answers, arms, "swapping patterns, right answers"))


@pytest.fixture(scope="session")
def replacement(
    session: Session, bug_set: list[Case], formats: list, settings: Settings, visible: Visible
) -> ReplacementEvidence:
    """Experiment 4.1: margins of the bug set while the Simple pattern replaces more and more of the Q&A pattern."""
    from claims.competition.pattern_replacement import measure as thresholds
    from claims.competition.pattern_replacement.evidence import ReplacementEvidence
    from claims.competition.prompts import SIMPLE, Prompt
    from referee.prompts.tokens import tokenize

    pairs = list(dict.fromkeys(pair for pair, _ in bug_set))
    swept, few = ([c for c in bug_set if c[0] in pairs[:count]] for count in (settings.profile.swept, BUG_SET_MINIMUM))
    with visible():
        tables = {
            thresholds.ALIGNED.name: thresholds.replacement(session, swept, progress="replacing the pattern"),
        }
        others = few if settings.profile_name == "quick" else swept
        for arm in (thresholds.UNINFORMED, thresholds.OWN, *thresholds.VARIANTS):
            tables[arm.name] = thresholds.replacement(
                session, others, arm, amounts=thresholds.COARSER, progress=f"replacing, {arm.name}"
            )
        for start in thresholds.starts(formats):
            tables[f"starting from {start.name}"] = thresholds.replacement(
                session, others, start=start, amounts=thresholds.COARSER, progress=f"replacing, from {start.name}"
            )
    has_bos = tokenize(Prompt(*bug_set[0], SIMPLE), session.subject.tokenizer).has_bos
    return ReplacementEvidence(tables, settings, has_bos=has_bos)


@pytest.fixture(scope="session")
def head_subsets(session: Session, bug_set: list[Case], settings: Settings, visible: Visible) -> SubsetEvidence:
    """Experiment 4.2: the aligned Simple pattern in subsets of the even heads, of the odd heads, and of all heads."""
    from claims.competition.head_subsets import measure as subsets
    from claims.competition.head_subsets.evidence import SubsetEvidence

    subject = session.subject
    needed = subsets.needed(subject)
    options = {"per_count": settings.profile.subsets, "seed": settings.seed}
    counts = {
        subsets.EVEN: None,
        subsets.ODD: sorted({min(needed, len(subject.odd_heads)), len(subject.odd_heads)}),
        subsets.ANY: sorted({needed, 2 * needed}),
    }
    with visible():
        tables = {
            population: subsets.head_subsets(
                session, bug_set, population, counts=sizes, progress=f"head subsets, {population}", **options
            )
            for population, sizes in counts.items()
        }
        information = subsets.information(session, bug_set)
    return SubsetEvidence(tables, information, settings, needed=needed, sufficient=EIGHT_HEADS.criterion.low)


@pytest.fixture(scope="session")
def repair(sweeps: Sweeps, bug_set: list[Case], settings: Settings) -> RepairEvidence:
    """Experiments 5.1 and 5.2: edits move or mask the format mass in odd heads, in even heads and in random heads."""
    from claims.competition.interventions import masks, moves, random_groups
    from claims.competition.repair_evidence import RepairEvidence

    subject = sweeps.session.subject
    odd, even = subject.odd_heads, subject.even_heads
    drawn = random_groups(subject.n_heads, len(odd), settings.profile.groups, settings.seed)
    arms: dict[str, Edit] = {
        **moves({"odd": odd, "even": even, **drawn}),
        **moves({"odd": odd}, target="other"),
        **masks({"odd": odd, "even": even}),
        **masks({"odd": odd}, category="other"),
        **masks(drawn, strengths=[1.0]),
    }
    edited = sweeps.on_bugs(bug_set, arms, "taking attention from format")
    layers = other_layers(subject, settings, observed=True)
    elsewhere = {
        layer: sweeps.on_bugs(bug_set, moves({"odd": odd}), f"the same at layer {layer}", layer) for layer in layers
    }
    return RepairEvidence(edited, elsewhere)


@pytest.fixture(scope="session")
def layers(session: Session, bug_set: list[Case], settings: Settings, visible: Visible) -> LayerEvidence:
    """Controls of experiment 4.1: replacement by a faulty pattern, and replacement at other layers."""
    from claims.competition.edited import Edited
    from claims.competition.pattern_replacement.measure import whole_replacement
    from claims.competition.repair_evidence import LayerEvidence

    pairs = list(dict.fromkeys(pair for pair, _ in bug_set))[: settings.profile.swept]
    cases = [case for case in bug_set if case[0] in pairs]

    def edited(layer: int, *, faulty: bool = False) -> Edited:
        table = whole_replacement(session.at(layer), cases, faulty=faulty, progress=f"replacing at layer {layer}")
        return Edited(table, settings, wrong_before=True)

    with visible():
        others = {layer: edited(layer) for layer in other_layers(session.subject, settings)}
        return LayerEvidence(edited(session.subject.layer, faulty=True), others)


@pytest.fixture(scope="session")
def competition(
    injection: InjectionEvidence,
    right_answers: list[Prompt],
    bug_set: list[Case],
    manipulation: ManipulationEvidence,
    repair: RepairEvidence,
) -> CompetitionEvidence:
    """Headline 5: the combined evidence of experiments 1.2, 1.3, 5.1 and 5.2."""
    from claims.competition.repair_evidence import CompetitionEvidence

    return CompetitionEvidence(injection, manipulation, repair)
