"""Evidence of experiment 5.2: what masks on format tokens do to the bug set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from claims.competition.edited import GREEDY, Edited
from claims.competition.estimates import among, placebo
from claims.competition.format_masking.measure import STRENGTHS, mask_arm
from referee.judging.evidence import Chance, Drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from referee.judging.evidence import Parts

MASKED = tuple(strength for strength in STRENGTHS if strength)
"""All strengths of the mask except 0."""


class Masks:
    """Reduces the edits of experiment 5.2 on the bug set."""

    def __init__(self, edited: Edited) -> None:
        self._edited = edited

    def best_strength(self, group: str = "odd") -> float:
        """Returns the strength of the mask that repairs the most prompts. The smallest strength wins a tie."""
        return max(MASKED, key=lambda strength: (self._turned(group, strength).mean(), -strength))

    def hidden(self, order: str | None = None, score: str = "right") -> Parts:
        """Returns the share of the bug set that turns right when format tokens are masked in the odd heads.

        The strength is the best of all strengths.
        """
        return self._edited.share_turned(self._best_arm, order=order, score=score, looks=len(MASKED))

    def against(self) -> tuple[Chance, ...]:
        """Returns the same share for masks on other tokens and in other heads.

        The mask on tokens that are neither numbers nor format is a placebo, and it can veto the claim.
        """
        edited, best = self._edited, self.best_strength()
        even = mask_arm("even", self.best_strength("even"))
        return (
            placebo(
                f"tokens masked that are neither, by {best:.0%}",
                edited.turned(self._best_arm),
                edited.turned(mask_arm("odd", best, "other")),
            ),
            Chance("the same in even heads, at their best strength", edited.share_turned(even)["all"].value),
            *among(
                "random groups of as many heads, masked wholly",
                float(self._turned("odd", 1.0).mean()),
                edited.random_outcomes(mask_arm("odd", 1.0)),
            ),
        )

    def variants(self) -> dict[str, Parts]:
        """Returns the share by the most likely next token instead of the margin."""
        return {GREEDY: self.hidden(score="top_answer")}

    def unturned(self) -> str | None:
        """Describes the prompt that is furthest from turning right. Returns None if all prompts turn."""
        return self._edited.unturned(self._best_arm)

    def notes(self, most: float) -> tuple[str, ...]:
        """Returns notes on the strengths. `most` is the share of the prompts that a repair must exceed."""
        least = next((strength for strength in MASKED if self._turned("odd", strength).mean() > most), None)
        smallest = f"The smallest that repairs most is {least:.0%}." if least else "None repairs most."
        strengths = (
            f"Repaired by strength: {self._shares()}; judged at {self.best_strength():.0%}, which repairs most."
            f" {smallest}"
        )
        return tuple(filter(None, (strengths, self._edited.bug_in_one_order())))

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
