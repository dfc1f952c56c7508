"""Evidence of experiment 3.2."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from claims.competition import estimates
from claims.competition.edited import NOWHERE, Edited, Elsewhere
from claims.competition.heads import RANDOM
from claims.competition.interventions import UNEDITED
from claims.competition.named import tokens_of
from claims.competition.pattern_swaps.measure import OTHER_NEIGHBOURS
from referee.judging.evidence import Chance, Counterexample, Drawing

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from referee.judging.evidence import Parts


class Swaps:
    """Reduces experiment 3.2: heads take the patterns of their neighbours, and the margin changes.

    Args:
        edited: the swap of the claim, its placebo, and the swap between other neighbours.
        swap: the arm of the claim. It carries patterns from one parity to the other.
        placebo: an arm within one parity. It carries no information about the other parity.
        sign: +1 if the swap should raise the margin, −1 if it should lower it.
        others: the swap and all arms of `other_swaps`, on few prompts.
        elsewhere: the swap at other layers.
    """

    def __init__(
        self,
        edited: Edited,
        swap: str,
        *,
        placebo: str,
        sign: int,
        others: Edited,
        elsewhere: Elsewhere = NOWHERE,
    ) -> None:
        self._edited, self._swap, self._placebo, self._sign = edited, swap, placebo, sign
        self._others, self._elsewhere = others, elsewhere

    def change_of_margin(self, order: str | None = None) -> Parts:
        """Returns the median change of the margin over pairs, in logits."""
        return self._edited.shift(self._swap, order)

    def against(self) -> tuple[Chance, ...]:
        """Returns the mean change of the margin under other swaps, in logits.

        The placebo and the random choices are vetoes. A rival that changes the margin as much explains the finding.
        """
        change, by_placebo = self._edited.shifts(self._swap), self._edited.shifts(self._placebo)
        return (
            estimates.placebo(self._placebo, change, by_placebo, sign=self._sign),
            *self._by_random_neighbours(),
            *self._rivals(),
            *self._elsewhere.chances(self._median_change),
        )

    def variants(self) -> dict[str, Parts]:
        """Returns the change of the margin if each even head exchanges with the odd head before it."""
        other = self._swap + OTHER_NEIGHBOURS
        return {OTHER_NEIGHBOURS.removeprefix(", "): self._edited.shift(other)} if other in self._edited.arms else {}

    def by_layer(self) -> dict[int, float]:
        """Returns the median change of the margin at every layer. Returns {} unless all layers are measured."""
        return self._elsewhere.by_layer(self._edited, self._median_change)

    def counterexample(self) -> Counterexample | None:
        """Returns the prompt whose margin moves furthest in the other direction. Returns None if none does."""
        change = self._edited.shifts(self._swap)
        worst = (self._sign * change).idxmin()
        if self._sign * change[worst] > 0:
            return None
        pair, order, format = worst
        text = f"{format} with {pair}, {order}: {self._swap} move the margin by {change[worst]:+.2f} logits"
        return Counterexample(text, tokens_of(pair, order, format))

    def notes(self) -> tuple[str, ...]:
        """Returns how many answers turn, and whether one order of the numbers has few prompts."""
        turned = {arm: self._edited.turned(arm).mean() for arm in (self._swap, self._placebo)}
        text = f"{turned[self._swap]:.0%} of the answers turn; {turned[self._placebo]:.0%} with {self._placebo}."
        return tuple(filter(None, (text, self._edited.bug_in_one_order())))

    def drawing(self) -> Drawing:
        """Returns the margins of every prompt before and after the swap and the placebo."""
        mean = _mean(self._edited, self._swap)
        return Drawing(self._draw, alt=f"Paired margins: {self._swap} move them by {mean:+.2f} logits on average.")

    @property
    def data(self) -> pd.DataFrame:
        """The swap and its placebo, one row per prompt × arm."""
        return self._edited.table

    def _by_random_neighbours(self) -> tuple[Chance, ...]:
        """Returns the change of the margin if chance decides which of two neighbours takes the other's pattern."""
        mean = partial(_mean, self._others)
        return estimates.among(
            "random choices of which neighbour takes the other's pattern",
            mean(self._swap),
            [mean(arm) for arm in self._others.arms if arm.startswith(RANDOM)],
            sign=self._sign,
        )

    def _rivals(self) -> tuple[Chance, ...]:
        own, resolution = self._others.shifts(self._swap), self._others.resolution
        rivals = [arm for arm in self._others.arms if arm not in (UNEDITED, self._swap) and not arm.startswith(RANDOM)]
        return tuple(
            Chance(
                arm,
                _mean(self._others, arm),
                explains=estimates.as_large(self._others.shifts(arm), own, sign=self._sign, resolution=resolution),
            )
            for arm in rivals
        )

    def _median_change(self, _: int, there: Edited) -> float:
        return there.shift(self._swap)["all"].value

    def _draw(self) -> Figure:
        from claims.competition.shared_figures import paired_margins

        return paired_margins(
            {arm: self._edited.before_and_after(arm) for arm in (self._swap, self._placebo)},
            n=self._edited.n,
            title="Margins before and after heads take each other's patterns",
        )


def _mean(edited: Edited, arm: str) -> float:
    """Returns the mean change of the margin over prompts, in logits."""
    return float(edited.shifts(arm).mean())
