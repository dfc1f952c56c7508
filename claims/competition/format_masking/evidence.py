"""Evidence of experiment 5.2: what masks on format tokens do to the bug set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from claims.competition.compared import Compared, InOtherHeads
from claims.competition.edited import GREEDY, NOWHERE, Edited, Elsewhere, of_several
from claims.competition.format_masking.measure import MASKED, STRENGTHS, WHOLLY, mask_arm
from referee.judging.evidence import Chance, Counterexample, Drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from referee.judging.evidence import Parts


class Masks:
    """Reduces the edits of experiment 5.2 on the bug set.

    Args:
        edited: the edits at the layer of interest.
        in_other_heads: the mask of full strength in other groups of heads, on few prompts.
        elsewhere: the masks of the odd heads at other layers.
        matched: the mass that the placebo of the mask of full strength moves, as a share of the mass that the mask
            moves.
    """

    def __init__(
        self,
        edited: Edited,
        in_other_heads: InOtherHeads | None = None,
        elsewhere: Elsewhere = NOWHERE,
        matched: float | None = None,
    ) -> None:
        self._edited, self._elsewhere = edited, elsewhere
        self._in_other_heads, self._matched = in_other_heads, matched

    def best_strength(self, group: str = "odd") -> float:
        """Returns the strength of the mask that repairs the most prompts. The smallest strength wins a tie."""
        return max(MASKED, key=lambda strength: (self._turned(group, strength).mean(), -strength))

    def hidden(self, order: str | None = None, score: str = "right") -> Parts:
        """Returns the share of the bug set that turns right when format tokens are masked in the odd heads.

        The strength is the best of all strengths. The intervals allow for this choice.
        """
        found = self._edited.share_turned(self._best_arm, order=order, score=score)
        return {part: of_several(estimate, len(MASKED)) for part, estimate in found.items()}

    def against(self) -> tuple[Chance, ...]:
        """Returns the same share for the placebo, in other heads and at other layers. Only the placebo is a veto."""
        edited, best = self._edited, self.best_strength()
        other = mask_arm("odd", best, "other")
        even = mask_arm("even", self.best_strength("even"))
        veto, _, *shown = Compared(edited, self._best_arm, even, self._in_other_heads).against()
        return (
            veto,
            Chance(f"tokens masked that are neither, by {best:.0%}", float(edited.turned(other).mean())),
            Chance("the same in even heads, at their best strength", float(edited.turned(even).mean())),
            *(Chance(f"{world.world}, masked wholly", world.value) for world in shown),
            *self._elsewhere.chances(_best_share),
        )

    @property
    def wholly(self) -> Compared:
        """The mask of full strength, which is compared in different heads."""
        arm, even = mask_arm("odd", WHOLLY), mask_arm("even", WHOLLY)
        return Compared(self._edited, arm, even, self._in_other_heads, self._elsewhere, self._matched)

    def by_layer(self) -> dict[int, float]:
        """Returns the share at the best strength at every layer. Returns {} unless all layers are measured."""
        return self._elsewhere.by_layer(self._edited, _best_share)

    def variants(self) -> dict[str, Parts]:
        """Returns the share by the most likely next token instead of the margin."""
        return {GREEDY: self.hidden(score="top_answer")}

    def unturned(self) -> Counterexample | None:
        """Returns the prompt that is furthest from turning right. Returns None if all prompts turn."""
        return self._edited.unturned(self._best_arm)

    def notes(self, most: float) -> tuple[str, ...]:
        """Returns notes on the strengths. `most` is the share of the prompts that a repair must exceed."""
        least = next((strength for strength in MASKED if self._turned("odd", strength).mean() > most), None)
        smallest = f"The smallest that repairs most is {least:.0%}." if least else "None repairs most."
        strengths = (
            f"Repaired by strength: {self._shares()}; judged at {self.best_strength():.0%}, which repairs most."
            f" {smallest}"
        )
        return (strengths, *self.wholly.notes())

    def drawing(self) -> Drawing:
        """Returns the drawing of success against the strength of the mask."""
        return Drawing(self._figure, alt=f"Success against strength of the mask in odd heads; {self._shares()}.")

    @property
    def data(self) -> pd.DataFrame:
        """The table of all edits."""
        return self._edited.table

    @property
    def _best_arm(self) -> str:
        return mask_arm("odd", self.best_strength())

    def _turned(self, group: str, strength: float) -> pd.Series:
        return self._edited.turned(mask_arm(group, strength))

    def _shares(self) -> str:
        """Returns the share of the prompts that turn at each strength, as text."""
        return ", ".join(f"{strength:.0%}: {self._turned('odd', strength).mean():.0%}" for strength in MASKED)

    def _figure(self) -> Figure:
        from claims.competition.format_masking.figure import mask_strength

        curve = self._edited.curve(
            {group: [(strength, mask_arm(group, strength)) for strength in STRENGTHS] for group in ("odd", "even")},
            along="strength",
        )
        return mask_strength(curve, n=self._edited.n)


def _best_share(_: int, edited: Edited) -> float:
    return max(float(edited.turned(mask_arm("odd", strength)).mean()) for strength in MASKED)
