"""Runs edits on the wrong prompts or on the right prompts of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claims.competition.prompts import QA, Case, Prompt, of_first_pairs
from fixtures.options import Settings
from fixtures.terminal import Visible

if TYPE_CHECKING:
    from claims.competition.edited import Edited
    from claims.competition.interventions import Arms
    from referee.measuring.session import Session
    from referee.models.subjects import Subject


class Sweeps:
    """Runs edits on the prompts of the first pairs. Each named edit is one arm."""

    def __init__(self, session: Session, settings: Settings, visible: Visible) -> None:
        self.session, self.settings, self._visible = session, settings, visible

    def on_bugs(self, cases: list[Case], arms: Arms, progress: str, layer: int | None = None) -> Edited:
        """Runs the Q&A prompts of the bug set under each arm. `layer` defaults to the layer of interest."""
        return self._edited([case.asked(QA) for case in cases], arms, progress, layer, wrong_before=True)

    def on_right(self, prompts: list[Prompt], arms: Arms, progress: str, layer: int | None = None) -> Edited:
        """Runs the right prompts under each arm. `layer` defaults to the layer of interest."""
        return self._edited(prompts, arms, progress, layer, wrong_before=False)

    def _edited(
        self, prompts: list[Prompt], arms: Arms, progress: str, layer: int | None, *, wrong_before: bool
    ) -> Edited:
        from claims.competition.edited import Edited
        from claims.competition.interventions import interventions
        from referee.measuring.self_checks import TOLERANCE_LOGITS

        chosen = of_first_pairs(prompts, self.settings.profile.swept)
        with self._visible():
            table = interventions(self.session, chosen, arms, layer=layer, progress=progress)
        # Float32 cannot distinguish a smaller shift from no shift. A shorter dtype has more noise, and that noise
        # already widens the interval.
        resolution = TOLERANCE_LOGITS["float32"]
        return Edited(table, self.settings, wrong_before=wrong_before, resolution=resolution)


def other_layers(subject: Subject, settings: Settings, *, observed: bool = False) -> list[int]:
    """Returns the layers that are compared with the layer of interest.

    Profile full returns all other layers. The other profiles return the layer three below and the layer three above
    for edits. They return no layer if `observed` is true, which means that the layers are only read and not edited.
    """
    others = [layer for layer in range(subject.n_layers) if layer != subject.layer]
    if settings.profile.layers >= len(others):
        return others
    return [] if observed else [layer for layer in (subject.layer - 3, subject.layer + 3) if layer in others]
