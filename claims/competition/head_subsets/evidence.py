"""Evidence of experiment 4.2: how many heads a repair needs, and whether it matters which heads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from claims.competition.edited import GREEDY
from claims.competition.estimates import OverPairs, of_order
from claims.competition.head_subsets.measure import ANY, EVEN, ODD, explained
from fixtures.options import Settings
from referee.judging.evidence import Chance, Drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from referee.judging.evidence import Parts
    from referee.judging.statistics import Estimate


class Subsets(OverPairs):
    """Reduces the success of head subsets, and the entropy of the donor patterns.

    Args:
        tables: one table of `head_subsets` for each population, by its name.
        information: the table of `information`.
        needed: the number of heads that is enough according to the claim.
        sufficient: lowest claimed success with at least `needed` heads, for the figure.
    """

    def __init__(
        self,
        tables: Mapping[str, pd.DataFrame],
        information: pd.DataFrame,
        settings: Settings,
        *,
        needed: int,
        sufficient: float,
    ) -> None:
        super().__init__(settings)
        self._tables, self._needed, self._sufficient = tables, needed, sufficient
        self._bits = information.groupby("head")["entropy_bits"].mean()

    def as_claimed(self, order: str | None = None, score: str = "right") -> Parts:
        """Returns the share of subsets of even heads that behave as claimed, by number of heads.

        Subsets with `needed` heads or more should repair the answer. Smaller subsets should not.
        """
        found: dict[str, Estimate] = {}
        for count, chosen in of_order(self._tables[EVEN], order).groupby("count"):
            repaired = chosen["right"] if score == "right" else chosen["top_answer"] == "right"
            enough = int(count) >= self._needed
            name = f"{count} {'repair' if enough else 'do not repair'}"
            hits = pd.Series((repaired == enough).to_numpy(), pd.MultiIndex.from_frame(chosen[["pair", "order"]]))
            found[name] = self.share(hits)["all"]
        return found

    def repaired_by_any(self, order: str | None = None) -> Parts:
        """Returns the share of subsets of `needed` heads that repair the answer, drawn from all heads."""
        return self.share(self._repaired(ANY, self._needed), order)

    def other_populations(self) -> tuple[Chance, ...]:
        """Returns the success of `needed` odd heads, and of as many heads drawn from all heads."""
        return tuple(
            Chance(f"repair by {self._needed} {population} heads", self._success(population, self._needed).value)
            for population in (ODD, ANY)
            if int(self._tables[population]["count"].max()) >= self._needed
        )

    def variants(self) -> dict[str, Parts]:
        """Returns the shares by the most likely next token instead of the margin."""
        return {GREEDY: self.as_claimed(score="top_answer")}

    def closest_to_the_limit(self) -> str | None:
        """Describes a subset of even heads that contradicts the claim. Returns None if there is none.

        The function chooses the subset whose size is closest to the limit. The first row in the table wins a tie.
        """
        table = self._tables[EVEN]
        enough = table["count"] >= self._needed
        failed = table[table["right"] != enough]
        if failed.empty:
            return None
        case = failed.loc[(failed["count"] - self._needed + 0.5).abs().idxmin()]
        does = "repair" if case["right"] else "do not repair"
        listed = ", ".join(map(str, case["heads"]))
        return f"heads {listed} ({case['count']}) {does} Q&A with {case['pair']}, {case['order']}"

    def notes(self) -> tuple[str, ...]:
        """Returns notes on what explains the success, and on the entropy of the donor patterns."""
        shares = explained(self._tables[EVEN])
        return (
            f"The number of heads explains {shares.by_count:.0%} of the variance of success, number and"
            f" identity together {shares.by_count_and_identity:.0%} (adjusted R²).",
            f"The entropy of a row of a donor pattern is {self._bits.mean():.2f} bits on average, and"
            f" {self._bits.min():.2f} to {self._bits.max():.2f} by head.",
        )

    def note_on_number(self) -> str:
        """Returns a note on the number of heads in `repaired_by_any`."""
        return f"{self._needed} heads, drawn from all."

    def drawing(self) -> Drawing:
        """Returns the drawing of success and entropy against the number of heads."""
        counts = (count for count in (self._needed - 1, self._needed) if count)
        texts = [f"{count} even heads repair {self._success(EVEN, count).value:.0%}" for count in counts]
        return Drawing(
            self._figure, alt=f"Success and information against the number of repaired heads: {', '.join(texts)}."
        )

    @property
    def data(self) -> pd.DataFrame:
        """The tables of all populations. The heads of a subset are text."""
        found = pd.concat(self._tables.values(), ignore_index=True)
        return found.assign(heads=[" ".join(map(str, heads)) for heads in found["heads"]])

    def _repaired(self, population: str, count: int) -> pd.Series:
        """Returns True for each subset of `count` heads that repairs the answer; index (pair, order)."""
        table = self._tables[population]
        return table[table["count"] == count].set_index(["pair", "order"])["right"]

    def _success(self, population: str, count: int) -> Estimate:
        return self.share(self._repaired(population, count))["all"]

    def _figure(self) -> Figure:
        from claims.competition.head_subsets.figure import head_subsets

        rows = []
        for population, table in self._tables.items():
            for count in sorted(table["count"].unique()):
                found = self._success(population, count)
                rows.append((population, count, found.value, found.low, found.high))
        even = self._tables[EVEN]
        summed = even["heads"].map(lambda heads: self._bits[list(heads)].sum()).groupby(even["count"])
        return head_subsets(
            pd.DataFrame(rows, columns=["population", "count", "share_right", "low", "high"]),
            pd.DataFrame({"bits": summed.mean(), "low": summed.min(), "high": summed.max()}).reset_index(),
            needed=self._needed,
            high=self._sufficient,
            low=1 - self._sufficient,
            n=even["pair"].nunique(),
        )
