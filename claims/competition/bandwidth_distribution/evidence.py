"""Evidence of experiment 1.1: attention by token category, reduced to groups of heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from claims.competition.bandwidth_distribution.measure import (
    ALL_ROWS,
    ENRICHMENT,
    OTHER_MEASURES,
    UNIFORM,
    per_head,
    per_pair,
)
from claims.competition.estimates import OverPairs, of_order
from claims.competition.parity import Parity
from claims.competition.prompts import CATEGORIES
from fixtures.options import Settings
from referee.judging import statistics
from referee.judging.evidence import Chance, Drawing
from referee.judging.verdict import Criterion, hardest
from referee.models.subjects import Subject

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from referee.judging.evidence import Parts

Group = Literal["even", "odd"]


class Distribution(OverPairs):
    """Reduces the table of `bandwidth_distribution` to estimates of the numerical bandwidth of the even or odd heads.

    Attributes:
        formats: the names of all formats in the table.
        other_units: the names of the variants that are no shares of attention.
    """

    other_units = (ENRICHMENT,)

    def __init__(
        self, table: pd.DataFrame, subject: Subject, settings: Settings, elsewhere: pd.DataFrame | None = None
    ) -> None:
        """`elsewhere` is the same table for other layers, or None if they were not measured."""
        super().__init__(settings)
        self.table, self.elsewhere = table, elsewhere
        self.formats: list[str] = list(dict.fromkeys(table["format"]))
        self.parity = Parity(subject, settings)

    def shares(self, group: Group, formats: Sequence[str], order: str | None = None, measure: str = ALL_ROWS) -> Parts:
        """Returns the mean numerical bandwidth of a group of heads, by format."""
        table = of_order(self.table, order)
        heads = self.parity.heads[group]
        found = {name: per_pair(table, heads, name, measure) for name in formats}
        return {name: self.mean(values)["all"] for name, values in found.items()}

    def other_measures(self, group: Group, formats: Sequence[str]) -> Mapping[str, Parts]:
        """Returns the same as `shares` by each other measure of the numerical bandwidth."""
        return {measure: self.shares(group, formats, measure=measure) for measure in OTHER_MEASURES}

    def against(self, group: Group, formats: Sequence[str], criterion: Criterion) -> tuple[Chance, ...]:
        """Returns the chance worlds: uniform attention, other groups of heads, and other layers.

        Each value is the numerical bandwidth in the format in which the criterion is hardest to meet.
        """
        sign, _ = _bound(criterion)
        uniform = per_head(self.table, UNIFORM).loc[list(formats)]
        own = per_head(self.table).loc[list(formats)].to_numpy()
        statistic = self.parity.worst_mean(own, sign)
        flat = Chance(UNIFORM, float((sign * uniform).min(axis=None)) * sign)
        return (flat, *self.parity.chance(group, statistic, sign=sign), *self._other_layers(group, formats, sign))

    def _other_layers(self, group: Group, formats: Sequence[str], sign: int) -> tuple[Chance, ...]:
        if self.elsewhere is None:
            return ()
        chosen = self.elsewhere[
            (self.elsewhere["measure"] == ALL_ROWS)
            & self.elsewhere["format"].isin(formats)
            & self.elsewhere["head"].isin(self.parity.heads[group])
        ]
        means = sign * (sign * chosen.groupby(["layer", "format"])["numerical_share"].mean()).groupby("layer").min()
        best = (sign * means).idxmax()
        return (Chance(f"the {len(means)} other layers, at best layer {best}", float(means[best])),)

    def furthest_from(self, criterion: Criterion, group: Group, formats: Sequence[str]) -> str | None:
        """Describes the prompt that misses the criterion by most, in the format in which it is hardest to meet.

        Returns None if no prompt of this format misses the criterion.
        """
        hardest_format = hardest(criterion, self.shares(group, formats))
        chosen = self.table[(self.table["measure"] == ALL_ROWS) & (self.table["format"] == hardest_format)]
        heads = self.parity.heads[group]
        shares = chosen[chosen["head"].isin(heads)].groupby(["pair", "order"])["numerical_share"].mean()
        (pair, order), share = min(shares.items(), key=lambda case: criterion.room(case[1]))
        if criterion.admits(share):
            return None
        return f"{hardest_format} with {pair}, {order}: {group} heads' numerical bandwidth is {share:.3f}"

    def heads_meeting(self, criterion: Criterion, format: str) -> str:
        """Returns a sentence that counts the heads of each parity that meet a criterion in a format."""
        whole = self.table[(self.table["measure"] == ALL_ROWS) & (self.table["format"] == format)]
        values = whole.pivot_table(index="pair", columns="head", values="numerical_share", sort=False).to_numpy()
        sign, threshold = _bound(criterion)
        beyond = statistics.heads_beyond(values, threshold, sign=sign)
        counts = {g: f"{beyond[heads].sum()} of {len(heads)} {g} heads" for g, heads in self.parity.heads.items()}
        text = f"In {format}, {counts['even']} and {counts['odd']} are {criterion} taken singly"
        return f"{text} (false discovery rate 5 %)."

    def share_before(self, criterion: Criterion) -> str:
        """Returns a sentence about the share of the odd heads in Simple.

        In Q&A, a share has fallen below the threshold only if it was above the threshold in Simple.
        """
        before = self.shares("odd", ["Simple"])["Simple"]
        text = f"In Simple it was {before.value:.3f} [{before.low:.3f}, {before.high:.3f}]"
        return text + ("." if before.low > criterion.high else ": it did not fall, it was low already.")

    def drawing(self, criterion: Criterion) -> Drawing:
        """Returns the figure: bars by format and token category, with the threshold of the criterion."""
        texts = []
        for group in ("even", "odd"):
            shares = ", ".join(f"{e.value:.0%} in {name}" for name, e in self.shares(group, self.formats).items())
            texts.append(f"{group} heads' numerical bandwidth is {shares}")
        alt = f"Bars by format and token category: {'; '.join(texts)}."
        return Drawing(partial(self._draw, _bound(criterion)[1]), alt)

    def _draw(self, threshold: float) -> Figure:
        from claims.competition.bandwidth_distribution import figure

        whole = self.table[self.table["measure"] == ALL_ROWS]
        shares, intervals = [], []
        for group in ("even", "odd"):
            of_group = whole[whole["head"].isin(self.parity.heads[group])]
            means = of_group.groupby("format")[[f"{c}_share" for c in CATEGORIES]].mean()
            shares += [(group, f, c, means.loc[f, f"{c}_share"]) for f in self.formats for c in CATEGORIES]
            intervals += [(group, f, e.low, e.high) for f, e in self.shares(group, self.formats).items()]
        uniform = per_head(self.table, UNIFORM).mean(axis=1)
        return figure.bandwidth_distribution(
            pd.DataFrame(shares, columns=["group", "format", "category", "share"]),
            pd.DataFrame(intervals, columns=["group", "format", "low", "high"]),
            {name: float(uniform[name]) for name in self.formats},
            threshold=threshold,
            n=self.table["pair"].nunique(),
        )

    @property
    def data(self) -> pd.DataFrame:
        """The data of the figure: means over pairs and orders, one row per measure × format × head."""
        shares = [f"{category}_share" for category in CATEGORIES]
        return self.table.groupby(["measure", "format", "head"], sort=False)[shares].mean().reset_index()


def _bound(criterion: Criterion) -> tuple[int, float]:
    """Returns the direction and the threshold of a one-sided criterion. The direction is +1 for above, −1 for below."""
    return (1, criterion.low) if np.isfinite(criterion.low) else (-1, criterion.high)
