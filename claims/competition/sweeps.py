"""Runs edits on the wrong prompts or on the right prompts of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from claims.competition.heads import COMPARED, RANDOM, compared_groups
from claims.competition.prompts import QA, Case, Pair, Prompt, of_first_pairs
from fixtures.options import Settings
from fixtures.terminal import Visible

if TYPE_CHECKING:
    from claims.competition.compared import InOtherHeads
    from claims.competition.edited import Edited, Elsewhere
    from claims.competition.interventions import Arms
    from referee.attention.edits import InHeads
    from referee.measuring.session import Session
    from referee.models.subjects import Subject

    InGroups = Callable[[Mapping[str, Sequence[int]]], Arms]
    """Returns an edit in each of several groups of heads, one arm for each group, in the same order."""

Item = TypeVar("Item", Prompt, Case)
_GROUPS_ELSEWHERE = 5
"""The number of random groups with which an edit is compared at other layers."""
_SAFETY = 2.0
"""A comparison is measured again in float32 if its difference is at most this multiple of the noise. The noise is the
largest change so far of a margin that was measured again."""


class Sweeps:
    """Runs edits on the prompts of the first pairs. Each named edit is one arm."""

    def __init__(self, session: Session, settings: Settings, visible: Visible) -> None:
        self.session, self.settings, self._visible = session, settings, visible

    def on_bugs(self, cases: Sequence[Case], arms: Arms, progress: str, layer: int | None = None) -> Edited:
        """Runs the Q&A prompts of the bug set under each arm. `layer` defaults to the layer of interest."""
        return self._edited([case.asked(QA) for case in cases], arms, progress, layer, wrong_before=True)

    def on_right(self, prompts: Sequence[Prompt], arms: Arms, progress: str, layer: int | None = None) -> Edited:
        """Runs the right prompts under each arm. `layer` defaults to the layer of interest."""
        return self._edited(prompts, arms, progress, layer, wrong_before=False)

    def few(self, items: Sequence[Item]) -> list[Item]:
        """Returns the prompts or cases on which an edit is compared in many groups of heads: one of each pair."""
        return one_of_each_pair(items, min(self.settings.profile.swept, COMPARED))

    def in_other_heads(
        self, prompts: Sequence[Prompt], edit: InGroups, heads: tuple[str, Sequence[int]], progress: str, *, bugs: bool
    ) -> InOtherHeads:
        """Runs an edit in the named heads and in the groups with which they are compared, on few prompts.

        If the model has a shorter dtype than float32, and named heads differ from random groups or from a rival by no
        more than twice its noise, all edits run in float32 instead.

        Args:
            prompts: the prompts from which the few are chosen.
            edit: makes the edit for each group.
            heads: the name of the named heads, and the heads.
            progress: the label of the progress bar.
            bugs: True if the prompts are the bug set, False if they are right answers.
        """
        from claims.competition.compared import InOtherHeads

        name, named = heads
        profile, subject = self.settings.profile, self.session.subject
        drawn = compared_groups(subject, named, profile.groups, self.settings.seed)
        (arm, own), *others = edit({name: named, **drawn}).items()
        random = dict(others[: sum(group.startswith(RANDOM) for group in drawn)][:_GROUPS_ELSEWHERE])
        few = self.few(prompts)

        def run(arms: Arms, layer: int | None, session: Session = self.session) -> Edited:
            there = "in other heads" if layer is None else f"in other heads at layer {layer}"
            there += "" if session is self.session else ", in float32"
            return self._edited(few, arms, f"{progress} {there}", layer, wrong_before=bugs, session=session)

        all_groups, session = {arm: own, **dict(others)}, self.session
        found = run(all_groups, None)
        noise = _SAFETY * session.precision.change
        if session.precise is not session and not InOtherHeads(found, arm).differs_by_more_than(noise):
            session = session.precise
            found = run(all_groups, None, session)
        elsewhere = self.elsewhere(lambda layer: run({arm: own, **random}, layer, session), if_all=True)
        return InOtherHeads(found, arm, elsewhere)

    def at_other_layers(self, items: Sequence[Item]) -> Sequence[Item]:
        """Returns the prompts or cases for other layers: all if all layers are compared, else only few."""
        return items if self._complete else self.few(items)

    def elsewhere(self, run: Callable[[int], Edited], *, if_all: bool = False) -> Elsewhere:
        """Runs edits at other layers; `run` takes a layer. With `if_all`, it runs nothing unless all layers are run."""
        from claims.competition.edited import Elsewhere

        subject = self.session.subject
        layers = other_layers(subject, self.settings, observed=if_all)
        return Elsewhere(subject.layer, {layer: run(layer) for layer in layers}, complete=self._complete)

    @property
    def _complete(self) -> bool:
        """True if every other layer is measured."""
        subject = self.session.subject
        return len(other_layers(subject, self.settings)) == subject.n_layers - 1

    def matched(self, prompts: Sequence[Prompt], edit: InHeads, placebo: InHeads) -> float:
        """Returns the mass that a placebo moves, as a share of the mass that the edit moves, on few prompts."""
        from claims.competition.interventions import share_matched

        return share_matched(self.session, self.few(prompts), edit, placebo)

    def _edited(
        self,
        prompts: Sequence[Prompt],
        arms: Arms,
        progress: str,
        layer: int | None,
        *,
        wrong_before: bool,
        session: Session | None = None,
    ) -> Edited:
        from claims.competition.edited import Edited
        from claims.competition.interventions import interventions
        from referee.measuring.self_checks import TOLERANCE_LOGITS

        chosen = of_first_pairs(prompts, self.settings.profile.swept)
        with self._visible():
            table = interventions(session or self.session, chosen, arms, layer=layer, progress=progress)
        # Float32 cannot distinguish a smaller shift from no shift. A shorter dtype has more noise, and that noise
        # already widens the interval.
        resolution = TOLERANCE_LOGITS["float32"]
        return Edited(table, self.settings, wrong_before=wrong_before, resolution=resolution)


def one_of_each_pair(items: Sequence[Item], count: int) -> list[Item]:
    """Returns one prompt or case of each of the first `count` pairs.

    The first pair gives its first one, the second pair its second one, and so on. So orders and formats alternate.
    """
    by_pair: dict[Pair, list[Item]] = {}
    for item in items:
        by_pair.setdefault(item.pair, []).append(item)
    return [found[i % len(found)] for i, found in enumerate(list(by_pair.values())[:count])]


def other_layers(subject: Subject, settings: Settings, *, observed: bool = False) -> list[int]:
    """Returns the layers that are compared with the layer of interest.

    Profile full returns all other layers. The other profiles return the layer three below and the layer three above
    for edits. They return no layer if `observed` is true, which means that the layers are only read and not edited.
    """
    others = [layer for layer in range(subject.n_layers) if layer != subject.layer]
    if settings.profile.layers >= len(others):
        return others
    return [] if observed else [layer for layer in (subject.layer - 3, subject.layer + 3) if layer in others]
