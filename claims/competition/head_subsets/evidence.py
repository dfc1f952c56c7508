"""Evidence of experiment 4.2: how many heads a repair needs, and whether it matters which heads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from claims.competition import figures
from claims.competition.base import Evidence, of_order
from claims.competition.edited import GREEDY
from claims.competition.head_subsets import measure as subsets
from fixtures.attacks import Attack
from fixtures.options import Settings
from referee.judging.findings import Chance
from referee.judging.statistics import Estimate

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class SubsetEvidence(Evidence):
    """Reduces the success of head subsets by population, and the entropy of the donor patterns."""

    def __init__(
        self, tables: dict[str, pd.DataFrame], information: pd.DataFrame, settings: Settings, *, needed: int,
        sufficient: float,
    ) -> None:  # fmt: skip
        super().__init__(settings)
        self.tables, self.information, self.needed, self._sufficient = tables, information, needed, sufficient

    def as_claimed(self, order: str | None = None, score: str = "right") -> dict[str, Estimate]:
        """Returns the share of subsets that behave as claimed, by number of heads.

        Subsets with `needed` heads or more should repair the answer. Smaller subsets should not.
        """
        table = of_order(self.tables[subsets.EVEN], order)
        found = {}
        for count, chosen in table.groupby("count"):
            repaired = chosen["right"] if score == "right" else chosen["top_answer"] == "right"
            enough = int(count) >= self.needed
            name = f"{count} {'repair' if enough else 'do not repair'}"
            hits = pd.Series((repaired == enough).to_numpy(), pd.MultiIndex.from_frame(chosen[["pair", "order"]]))
            found[name] = self.share(hits)["all"]
        return found

    def counted(self, attack: Attack) -> dict[str, Any]:
        """Returns the evidence on the claim that half of the even heads are enough and one fewer is not."""
        explained = subsets.explained(self.tables[subsets.EVEN])
        sizes = {population: int(table["count"].max()) for population, table in self.tables.items()}
        bits = self.information.groupby("head")["entropy_bits"].mean()
        return {
            "parts": self.as_claimed,
            "chance": tuple(
                Chance(f"repair by {self.needed} {population} heads", self._success(population, self.needed))
                for population in (subsets.ODD, subsets.ANY) if sizes[population] >= self.needed
            ),
            "variants": {GREEDY: self.as_claimed(score="top_answer")},
            "notes": (
                f"The number of heads explains {explained.by_count:.0%} of the variance of success, number and"
                f" identity together {explained.by_count_and_identity:.0%} (adjusted R²).",
                f"A row of a donor pattern holds {bits.mean():.2f} bits on average, {bits.min():.2f} to"
                f" {bits.max():.2f} by head.",
                attack.summary,
            ),
            "counterexample": attack.counterexample or self._counterexample(),
            "figure": self.figure(),
            "alt": self._alt(),
            "data": pd.concat(self.tables.values(), ignore_index=True).assign(
                heads=lambda table: [" ".join(map(str, heads)) for heads in table["heads"]]),
        }  # fmt: skip

    def random_heads(self) -> dict[str, Any]:
        """Returns the evidence of the control: the same number of heads, drawn from all heads."""
        return {
            "parts": lambda order: self.share(self._hits(subsets.ANY, self.needed), order),
            "figure": self.figure(),
            "alt": self._alt(),
            "notes": (f"{self.needed} heads, drawn from all.",),
        }

    def _hits(self, population: str, count: int) -> pd.Series:
        table = self.tables[population]
        return table[table["count"] == count].set_index(["pair", "order"])["right"]

    def _success(self, population: str, count: int) -> float:
        return self.share(self._hits(population, count))["all"].value

    def _counterexample(self) -> str | None:
        """Describes a subset that contradicts the claim. Returns None if there is none.

        The function chooses the subset whose size is closest to the limit. The first row in the table wins a tie.
        """
        table = self.tables[subsets.EVEN]
        enough = table["count"] >= self.needed
        failed = table[table["right"] != enough]
        if failed.empty:
            return None
        case = failed.loc[(failed["count"] - self.needed + 0.5).abs().idxmin()]
        does = "repair" if case["right"] else "do not repair"
        listed = ", ".join(map(str, case["heads"]))
        return f"heads {listed} ({case['count']}) {does} Q&A with {case['pair']}, {case['order']}"

    def _alt(self) -> str:
        texts = [
            f"{count} even heads repair {self._success(subsets.EVEN, count):.0%}"
            for count in (self.needed - 1, self.needed) if count
        ]  # fmt: skip
        return f"Success and information against the number of repaired heads: {', '.join(texts)}."

    def figure(self) -> Figure:
        rows = []
        for population, table in self.tables.items():
            for count in sorted(table["count"].unique()):
                found = self.share(self._hits(population, count))["all"]
                rows.append((population, count, found.value, found.low, found.high))
        success = pd.DataFrame(rows, columns=["population", "count", "share_right", "low", "high"])
        even = self.tables[subsets.EVEN]
        bits = self.information.groupby("head")["entropy_bits"].mean()
        summed = even["heads"].map(lambda heads: bits[list(heads)].sum()).groupby(even["count"])
        information = pd.DataFrame({"bits": summed.mean(), "low": summed.min(), "high": summed.max()}).reset_index()
        return figures.head_subsets(
            success, information, needed=self.needed, high=self._sufficient, low=1 - self._sufficient,
            n=even["pair"].nunique(),
        )  # fmt: skip
