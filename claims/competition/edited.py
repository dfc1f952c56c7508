"""Evidence of edited patterns: how many answers turn, and how far the margin moves."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from claims.competition.estimates import OverPairs, of_order
from claims.competition.heads import RANDOM
from claims.competition.interventions import PROMPT, UNEDITED, outcomes, shifts
from claims.competition.prompts import ORDERS
from fixtures.options import Settings
from referee.judging.statistics import Estimate

GREEDY = "greedy token"
"""Name of the variant that uses the most likely next token instead of the margin."""


class Edited(OverPairs):
    """Reduces a table of `interventions`. An answer turns if an edit changes it from wrong to right or back.

    Args:
        wrong_before: True if all unedited prompts are wrong, so edits can repair them. False if all are right, so
            edits can break them.
        resolution: largest change of the margin without a real cause, in logits.
    """

    def __init__(self, table: pd.DataFrame, settings: Settings, *, wrong_before: bool, resolution: float = 0.0) -> None:
        super().__init__(settings)
        self.table = table
        self._wrong_before, self._resolution = wrong_before, resolution

    @property
    def n(self) -> int:
        """Number of pairs."""
        return self.table["pair"].nunique()

    def turned(self, arm: str, score: str = "right") -> pd.Series:
        """Returns True for each prompt that turns under an arm; index (pair, order, format).

        Only prompts that can turn by this score are included. By a score other than the margin, some prompts may
        already have the final answer before the edit.
        """
        found = outcomes(self.table, arm, score) == self._wrong_before
        return found[outcomes(self.table, UNEDITED, score) != self._wrong_before]

    def share_turned(
        self, arm: str, *, order: str | None = None, score: str = "right", looks: int = 1
    ) -> dict[str, Estimate]:
        """Returns the share of prompts that turn. `looks` has the same meaning as in `proportion_over_units`."""
        return self.share(self.turned(arm, score), order, looks=looks)

    def curve(self, groups: dict[str, Sequence[tuple[float, str]]], along: str) -> pd.DataFrame:
        """Returns the data of the figure: share right and median margin (logits) of each group at each strength.

        Args:
            groups: list of (strength, arm) for each group name.
            along: column name of the strength.
        """
        rows = []
        for group, arms in groups.items():
            for strength, arm in arms:
                right = self.share(outcomes(self.table, arm))["all"]
                margin = self.table.loc[self.table["arm"] == arm, "margin_logits"].median()
                rows.append((group, strength, right.value, right.low, right.high, margin))
        return pd.DataFrame(rows, columns=["group", along, "share_right", "low", "high", "margin_logits"])

    def before_and_after(self, arm: str) -> pd.DataFrame:
        """Returns the margins in logits, one row per prompt, with columns `before` and `after`."""
        margins = self.table.pivot_table(index=PROMPT, columns="arm", values="margin_logits", sort=False)
        return margins[[UNEDITED, arm]].set_axis(["before", "after"], axis=1).reset_index(drop=True)

    def shifts(self, arm: str) -> pd.Series:
        """Returns the change of each margin, in logits. A change within the resolution is set to 0."""
        found = shifts(self.table, arm)
        return found.where(found.abs() > self._resolution, 0.0)

    def shift(self, arm: str, order: str | None = None) -> dict[str, Estimate]:
        """Returns the mean change of the margin, in logits."""
        return self.mean(self.shifts(arm), order)

    def unturned(self, arm: str) -> str | None:
        """Describes the prompt that is furthest from turning under an arm. Returns None if all prompts turn."""
        margins = self.table[self.table["arm"] == arm].set_index(PROMPT)["margin_logits"]
        margins_unturned = margins[~self.turned(arm).loc[margins.index]]
        if margins_unturned.empty:
            return None
        pair, order, format = (margins_unturned if self._wrong_before else -margins_unturned).idxmin()
        return f"{format} with {pair}, {order}: the margin is {margins_unturned[pair, order, format]:.2f} with {arm}"

    def random_outcomes(self, arm: str) -> list[float]:
        """Returns the share of prompts that turn under the same edit in each random group of heads."""
        edit_name = arm.partition(" heads")[2]
        arms = [a for a in self.table["arm"].unique() if a.startswith(RANDOM) and a.endswith(edit_name)]
        return [float(self.turned(other).mean()) for other in arms]

    def bug_in_one_order(self) -> str | None:
        """Returns a note if one order of the numbers has prompts of fewer than a tenth of the pairs.

        Else returns None.
        """
        counts = {order: len(of_order(self.table, order)["pair"].unique()) for order in ORDERS}
        fewest = min(counts, key=counts.__getitem__)
        if counts[fewest] >= 0.1 * self.n:
            return None
        few = counts[fewest] or "none"
        return f"Of the {self.n} pairs, {few} {'is' if counts[fewest] < 2 else 'are'} here with the {fewest}."
