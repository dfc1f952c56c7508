"""Evidence of experiment 5.1: what edits that move attention from format tokens do to the bug set."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pandas as pd

from claims.competition.attention_moves.measure import move_arm
from claims.competition.compared import Compared, InOtherHeads
from claims.competition.edited import GREEDY, NOWHERE, Edited, Elsewhere
from referee.judging.evidence import Drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from referee.judging.evidence import Parts

_TO_NUMBERS, _TO_OTHERS = move_arm("odd"), move_arm("odd", "other")


class Moves:
    """Reduces the edits of experiment 5.1 on the bug set.

    Args:
        edited: the edits at the layer of interest.
        in_other_heads: the edit in other groups of heads, on few prompts.
        elsewhere: both edits of the odd heads at other layers.
        matched: the mass that the placebo moves, as a share of the mass that the edit moves.
    """

    def __init__(
        self,
        edited: Edited,
        in_other_heads: InOtherHeads | None = None,
        elsewhere: Elsewhere = NOWHERE,
        matched: float | None = None,
    ) -> None:
        self._edited, self._elsewhere = edited, elsewhere
        self.to_numbers = Compared(edited, _TO_NUMBERS, move_arm("even"), in_other_heads, elsewhere, matched)

    def moved_to_other_tokens(self, order: str | None = None, score: str = "right") -> Parts:
        """Returns the share that turns right when the format mass moves to tokens that are neither numbers nor format.

        The heads are the odd ones.
        """
        return self._edited.share_turned(_TO_OTHERS, order=order, score=score)

    def variants_of_other_tokens(self) -> dict[str, Parts]:
        """Returns the same share by the most likely next token instead of the margin."""
        return {GREEDY: self.moved_to_other_tokens(score="top_answer")}

    def moved_to_other_tokens_by_layer(self) -> dict[int, float]:
        """Returns the same share at every layer. Returns {} unless all layers are measured."""
        return self._elsewhere.by_layer(self._edited, lambda _, there: float(there.turned(_TO_OTHERS).mean()))

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
