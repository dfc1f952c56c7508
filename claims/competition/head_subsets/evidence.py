"""Evidence of experiment 4.2: how many heads a repair needs, and whether it matters which heads."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING

import pandas as pd

from claims.competition.edited import GREEDY
from claims.competition.estimates import OverPairs, of_order
from claims.competition.head_subsets.identity import explained, hints
from claims.competition.head_subsets.measure import ANY, EVEN, ODD
from claims.competition.named import tokens_of
from claims.competition.prompts import ORDERS, QA
from fixtures.options import Settings
from referee.judging.evidence import Chance, Counterexample, Drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from referee.judging.evidence import Parts
    from referee.judging.statistics import Estimate


_OTHERS = {ODD: "odd heads", ANY: "heads of any kind"}
"""The populations that should not repair: a name for each."""


class Subsets(OverPairs):
    """Reduces the success of head subsets, and the entropy of the donor patterns.

    Args:
        tables: one table of `head_subsets` for each population, by its name.
        information: the table of `information`.
        needed: the number of heads that is enough according to the claim.
        sufficient: lowest claimed success with at least `needed` heads, for the figure.
        by_layer: the tables of the populations at each layer. Empty if only the layer of interest was measured.
    """

    def __init__(
        self,
        tables: Mapping[str, pd.DataFrame],
        information: pd.DataFrame,
        settings: Settings,
        *,
        needed: int,
        sufficient: float,
        by_layer: Mapping[int, Mapping[str, pd.DataFrame]] | None = None,
    ) -> None:
        super().__init__(settings)
        self._tables, self._needed, self._sufficient = tables, needed, sufficient
        self._bits = information.groupby("head")["entropy_bits"].mean()
        self._by_layer = by_layer or {}

    def as_claimed(self, order: str | None = None, score: str = "right") -> Parts:
        """Returns the share of subsets of even heads that behave as claimed, by number of heads.

        Subsets with `needed` heads or more should repair the answer. Smaller subsets should not.
        """
        return self._as_claimed(of_order(self._tables[EVEN], order), score)

    def repaired_by_others(self, order: str | None = None, score: str = "right") -> Parts:
        """Returns the share of subsets of `needed` heads that repair, for odd heads and for heads of any kind."""
        return self._repaired_by_others(self._tables, order, score)

    def _repaired_by_others(
        self, tables: Mapping[str, pd.DataFrame], order: str | None = None, score: str = "right"
    ) -> dict[str, Estimate]:
        found: dict[str, Estimate] = {}
        for population, name in _OTHERS.items():
            table = tables[population]
            repaired = _repaired(table[table["count"] == self._needed], score)
            if share := self.share(repaired, order):
                found[name] = share["all"]
        return found

    def as_claimed_by_layer(self) -> dict[int, float]:
        """Returns the smaller share of `as_claimed` for `needed` heads and for one fewer, at each measured layer."""
        found = {}
        for layer, tables in self._by_layer.items():
            table = tables[EVEN]
            at_limit = table[table["count"].isin(self._at_limit)]
            found[layer] = min(share.value for share in self._as_claimed(at_limit).values())
        return found

    def repaired_by_others_by_layer(self) -> dict[int, float]:
        """Returns the larger share of `repaired_by_others` at each measured layer."""
        return {
            layer: max(share.value for share in self._repaired_by_others(tables).values())
            for layer, tables in self._by_layer.items()
        }

    def other_populations(self) -> tuple[Chance, ...]:
        """Returns the success of `needed` odd heads, and of as many heads of any kind."""
        return tuple(
            Chance(f"repair by {self._needed} {name}", share.value, only_listed=True)
            for name, share in self.repaired_by_others().items()
        )

    def even_heads_alone(self) -> tuple[Chance, ...]:
        """Returns the success of `needed` even heads."""
        share = self._success(EVEN, self._needed).value
        return (Chance(f"repair by {self._needed} even heads", share, only_listed=True),)

    def variants(self) -> dict[str, Parts]:
        """Returns the shares by the most likely next token instead of the margin."""
        return {GREEDY: self.as_claimed(score="top_answer")}

    def variants_of_others(self) -> dict[str, Parts]:
        """Returns the shares of `repaired_by_others` by the most likely next token instead of the margin."""
        return {GREEDY: self.repaired_by_others(score="top_answer")}

    def closest_to_the_limit(self) -> Counterexample | None:
        """Returns a subset of even heads that contradicts the claim. Returns None if there is none.

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
        text = f"heads {listed} ({case['count']}) {does} Q&A with {case['pair']}, {case['order']}"
        return Counterexample(text, tokens_of(case["pair"], case["order"], QA.name))

    def notes(self) -> tuple[str, ...]:
        """Returns notes on what explains the success, and on the entropy of the donor patterns."""
        return (
            self._count_against_identity(),
            *hints(self._tables[EVEN], self._at_limit),
            f"The entropy of a row of a donor pattern is {self._bits.mean():.2f} bits on average, and"
            f" {self._bits.min():.2f} to {self._bits.max():.2f} by head.",
            self._prompts(),
        )

    def _count_against_identity(self) -> str:
        shares = explained(self._tables[EVEN])
        if not isfinite(shares.low + shares.high):
            return "Success does not vary enough to say whether the number of heads or their identity explains it."
        gain, low, high = (f"{round(x, 3) + 0.0:.1%}" for x in (shares.gain, shares.low, shares.high))
        return (
            f"The number of heads explains {shares.by_count:.0%} of the variance of success. Their identity adds"
            f" {gain} [{low}, {high}] (adjusted R², jackknife over {shares.n} pairs)."
        )

    def notes_on_numbers(self) -> tuple[str, ...]:
        """Returns notes on the success of every measured number of heads of the other populations."""
        lines = []
        for population, name in _OTHERS.items():
            counts = sorted(self._tables[population]["count"].unique())
            listed = ", ".join(f"{count}: {self._success(population, count).value:.0%}" for count in counts)
            lines.append(f"Subsets of {name} that repair, by the number of heads: {listed}.")
        return (*lines, self._prompts())

    def drawing(self) -> Drawing:
        """Returns the drawing of success and entropy against the number of heads."""
        texts = [f"{count} even heads repair {self._success(EVEN, count).value:.0%}" for count in self._at_limit]
        return Drawing(
            self._figure, alt=f"Success and information against the number of repaired heads: {', '.join(texts)}."
        )

    @property
    def data(self) -> pd.DataFrame:
        """The tables of all populations. The heads of a subset are text."""
        found = pd.concat(self._tables.values(), ignore_index=True)
        return found.assign(heads=[" ".join(map(str, heads)) for heads in found["heads"]])

    @property
    def _at_limit(self) -> list[int]:
        """The number of heads that is enough according to the claim, after one fewer."""
        return [count for count in (self._needed - 1, self._needed) if count]

    def _as_claimed(self, table: pd.DataFrame, score: str = "right") -> dict[str, Estimate]:
        found: dict[str, Estimate] = {}
        repaired, counts = _repaired(table, score), table["count"].to_numpy()
        for count in sorted(set(counts.tolist())):
            enough = count >= self._needed
            hits = repaired[counts == count] == enough
            found[f"{count} even heads {'repair' if enough else 'do not repair'}"] = self.share(hits)["all"]
        return found

    def _success(self, population: str, count: int) -> Estimate:
        table = self._tables[population]
        return self.share(_repaired(table[table["count"] == count]))["all"]

    def _prompts(self) -> str:
        """Returns a note on the orders of the prompts of the bug set."""
        orders = self._tables[EVEN][["pair", "order"]].drop_duplicates()["order"]
        return f"Prompts: {', '.join(f'{(orders == order).sum()} with {order}' for order in ORDERS)}."

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


def _repaired(table: pd.DataFrame, score: str = "right") -> pd.Series:
    """Returns True for each subset that repairs the answer; index (pair, order)."""
    chosen = table.set_index(["pair", "order"])
    return chosen["right"] if score == "right" else chosen["top_answer"] == "right"
