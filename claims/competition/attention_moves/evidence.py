"""Evidence of experiment 5.1: what edits that move attention from format tokens do to the bug set."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd

from claims.competition.attention_moves.measure import move_arm
from claims.competition.edited import GREEDY, Edited
from claims.competition.estimates import among, placebo
from referee.judging.evidence import Chance, Drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from referee.judging.evidence import Parts

_TO_NUMBERS, _TO_OTHERS = move_arm("odd"), move_arm("odd", "other")


class Moves:
    """Reduces the edits of experiment 5.1 on the bug set.

    Args:
        edited: the edits at the layer of interest.
        elsewhere: the edit in the odd heads at each other layer.
    """

    def __init__(self, edited: Edited, elsewhere: Mapping[int, Edited]) -> None:
        self._edited, self._elsewhere = edited, elsewhere

    def moved(self, order: str | None = None) -> Parts:
        """Returns the share of the bug set that turns right when format mass of odd heads moves to the numbers."""
        return self._edited.share_turned(_TO_NUMBERS, order=order)

    def moved_to_other_tokens(self, order: str | None = None) -> Parts:
        """Returns the same share when the format mass moves to tokens that are neither numbers nor format."""
        return self._edited.share_turned(_TO_OTHERS, order=order)

    def against(self) -> tuple[Chance, ...]:
        """Returns the same share for other targets of the move, other heads and other layers.

        The move to tokens that are neither numbers nor format is a placebo, and it can veto the claim.
        """
        edited = self._edited
        turned = edited.turned(_TO_NUMBERS)
        random = edited.random_outcomes(_TO_NUMBERS)
        return (
            placebo("moved to tokens that are neither", turned, edited.turned(_TO_OTHERS)),
            Chance("the same in even heads", edited.share_turned(move_arm("even"))["all"].value),
            *among("random groups of as many heads", float(turned.mean()), random),
            *(
                Chance(f"the same at layer {layer}", there.share_turned(_TO_NUMBERS)["all"].value)
                for layer, there in self._elsewhere.items()
            ),
        )

    def variants(self) -> dict[str, Parts]:
        """Returns the share by the most likely next token instead of the margin."""
        return {GREEDY: self._edited.share_turned(_TO_NUMBERS, score="top_answer")}

    def unturned(self) -> str | None:
        """Describes the prompt that is furthest from turning right. Returns None if all prompts turn."""
        return self._edited.unturned(_TO_NUMBERS)

    def notes(self) -> tuple[str, ...]:
        """Returns a note if the bug set has almost no prompts of one order."""
        return tuple(filter(None, (self._edited.bug_in_one_order(),)))

    def drawing(self) -> Drawing:
        """Returns the drawing of the margins before and after the moves to numbers and to other tokens."""
        numbers, others = (self._edited.turned(arm).mean() for arm in (_TO_NUMBERS, _TO_OTHERS))
        title = "Margins of the bug set before and after moving attention"
        return Drawing(
            partial(self._figure, (_TO_NUMBERS, _TO_OTHERS), title),
            alt=f"Paired margins: {numbers:.0%} turn right when moved to numbers, {others:.0%} when moved elsewhere.",
        )

    def drawing_of_other_tokens(self) -> Drawing:
        """Returns the drawing of the margins before and after the move to other tokens."""
        return Drawing(
            partial(self._figure, (_TO_OTHERS,), "A control: attention moved elsewhere"),
            alt="Paired margins before and after moving attention to tokens that are neither numbers nor format.",
        )

    @property
    def data(self) -> pd.DataFrame:
        """The table of the edits at the layer of interest."""
        return self._edited.table

    def _figure(self, arms: tuple[str, ...], title: str) -> Figure:
        from claims.competition.shared_figures import paired_margins

        panels = {arm: self._edited.before_and_after(arm) for arm in arms}
        return paired_margins(panels, n=self._edited.n, title=title)
