"""Evidence of experiment 3.2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claims.competition import estimates
from claims.competition.edited import Edited
from claims.competition.heads import RANDOM
from referee.judging.evidence import Chance, Drawing

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from referee.judging.evidence import Parts


class Swaps:
    """Reduces experiment 3.2: heads take the patterns of their neighbours, and the margin changes.

    Args:
        edited: the results of all arms of `swaps`.
        swap: the arm of the claim. It carries patterns from one parity to the other.
        placebo: an arm within one parity. It carries no information about the other parity.
        sign: +1 if the swap should raise the margin, −1 if it should lower it.
    """

    def __init__(self, edited: Edited, swap: str, *, placebo: str, sign: int) -> None:
        self._edited, self._swap, self._placebo, self._sign = edited, swap, placebo, sign

    def change_of_margin(self, order: str | None = None) -> Parts:
        """Returns the mean change of the margin, in logits."""
        return self._edited.shift(self._swap, order)

    def within_one_parity(self) -> Chance:
        """Returns the change of the margin under the placebo."""
        change, by_placebo = self._edited.shifts(self._swap), self._edited.shifts(self._placebo)
        return estimates.placebo(self._placebo, change, by_placebo, sign=self._sign)

    def by_random_neighbours(self) -> tuple[Chance, ...]:
        """Returns the change of the margin if chance decides which of two neighbours takes the other's pattern."""
        arms = [arm for arm in self.data["arm"].unique() if arm.startswith(RANDOM)]
        return estimates.among(
            "random choices of which neighbour takes the other's pattern",
            self._mean_change,
            [float(self._edited.shifts(arm).mean()) for arm in arms],
            sign=self._sign,
        )

    def counterexample(self) -> str | None:
        """Describes the prompt whose margin moves furthest in the other direction. Returns None if none does."""
        change = self._edited.shifts(self._swap)
        worst = (self._sign * change).idxmin()
        if self._sign * change[worst] > 0:
            return None
        pair, order, format = worst
        return f"{format} with {pair}, {order}: {self._swap} move the margin by {change[worst]:+.2f} logits"

    def notes(self) -> tuple[str, ...]:
        """Returns how many answers turn, and whether one order of the numbers has few prompts."""
        turned = {arm: self._edited.turned(arm).mean() for arm in (self._swap, self._placebo)}
        text = f"{turned[self._swap]:.0%} of the answers turn; {turned[self._placebo]:.0%} with {self._placebo}."
        return tuple(filter(None, (text, self._edited.bug_in_one_order())))

    def drawing(self) -> Drawing:
        """Returns the margins of every prompt before and after the swap and the placebo."""
        return Drawing(
            draw=self._draw,
            alt=f"Paired margins: {self._swap} move them by {self._mean_change:+.2f} logits on average.",
        )

    @property
    def data(self) -> pd.DataFrame:
        """The results of all arms, one row per prompt × arm."""
        return self._edited.table

    @property
    def _mean_change(self) -> float:
        """The mean change of the margin over prompts, in logits."""
        return float(self._edited.shifts(self._swap).mean())

    def _draw(self) -> Figure:
        from claims.competition.shared_figures import paired_margins

        return paired_margins(
            {arm: self._edited.before_and_after(arm) for arm in (self._swap, self._placebo)},
            n=self._edited.n,
            title="Margins before and after heads take each other's patterns",
        )
