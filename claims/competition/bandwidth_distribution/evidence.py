"""Evidence of experiment 1.1: attention by token category, reduced to groups of heads."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from claims.competition import figures
from claims.competition.bandwidth_distribution import measure as distribution
from claims.competition.base import Evidence, of_order
from claims.competition.parity import Parity
from fixtures.attacks import Attack
from fixtures.options import Settings
from referee.judging import statistics
from referee.judging.findings import Chance
from referee.judging.statistics import Estimate
from referee.judging.verdict import Criterion, hardest
from referee.models.subjects import Subject
from referee.prompts.tokens import CATEGORIES

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class BandwidthEvidence(Evidence):
    """The table of experiment 1.1.

    `elsewhere` is the same table for other layers, or None if they were not measured.
    """

    def __init__(
        self, table: pd.DataFrame, subject: Subject, settings: Settings, elsewhere: pd.DataFrame | None = None
    ) -> None:
        super().__init__(settings)
        self.table, self.elsewhere = table, elsewhere
        self.formats: list[str] = list(dict.fromkeys(table["format"]))
        self.parity = Parity(subject, settings)

    def shares(
        self, group: str, formats: Sequence[str], order: str | None = None, measure: str = distribution.ALL_ROWS
    ) -> dict[str, Estimate]:
        """Returns the mean numerical bandwidth of a group of heads, by format."""
        table = of_order(self.table, order)
        heads = self.parity.heads[group]
        found = {name: distribution.per_pair(table, heads, name, measure) for name in formats}
        return {name: self.mean(values)["all"] for name, values in found.items()}

    def asked(
        self, group: str, formats: Sequence[str], criterion: Criterion, attack: Attack | None = None
    ) -> dict[str, Any]:
        """Returns all arguments of the judge for a claim about the bandwidth of a group in some formats."""
        sign = 1 if np.isfinite(criterion.low) else -1
        measures = [m for m in distribution.MEASURES if m not in (distribution.ALL_ROWS, "uniform attention")]
        return {
            "parts": partial(self.shares, group, formats),
            "chance": self.chance(group, formats, sign=sign),
            "variants": {measure: self.shares(group, formats, measure=measure) for measure in measures},
            "incomparable": (distribution.ENRICHMENT,),
            "counterexample": (attack and attack.counterexample) or self.counterexample(group, formats, criterion),
            "figure": self.figure(criterion.low if sign > 0 else criterion.high),
            "alt": self.alt,
            "data": self.data,
        }

    def chance(self, group: str, formats: Sequence[str], *, sign: int) -> tuple[Chance, ...]:
        """Returns the chance worlds: uniform attention, other groups of heads, and other layers."""
        uniform = distribution.per_head(self.table, "uniform attention").loc[list(formats)]
        per_head = distribution.per_head(self.table).loc[list(formats)].to_numpy()
        statistic = self.parity.worst_mean(per_head, sign)
        flat = Chance("uniform attention", float((sign * uniform).min(axis=None)) * sign)
        return (flat, *self.parity.chance(group, statistic, sign=sign), *self._layers(group, formats, sign))

    def _layers(self, group: str, formats: Sequence[str], sign: int) -> tuple[Chance, ...]:
        if self.elsewhere is None:
            return ()
        chosen = self.elsewhere[
            (self.elsewhere["measure"] == distribution.ALL_ROWS)
            & self.elsewhere["format"].isin(formats)
            & self.elsewhere["head"].isin(self.parity.heads[group])
        ]
        means = sign * (sign * chosen.groupby(["layer", "format"])["numerical_share"].mean()).groupby("layer").min()
        best = (sign * means).idxmax()
        return (Chance(f"the {len(means)} other layers, at best layer {best}", float(means[best])),)

    def counterexample(self, group: str, formats: Sequence[str], criterion: Criterion) -> str | None:
        """Describes the prompt that misses the criterion by most, in the hardest format.

        Returns None if none misses it.
        """
        hardest_format = hardest(criterion, self.shares(group, formats))
        chosen = self.table[(self.table["measure"] == distribution.ALL_ROWS) & (self.table["format"] == hardest_format)]
        heads = self.parity.heads[group]
        shares = chosen[chosen["head"].isin(heads)].groupby(["pair", "order"])["numerical_share"].mean()
        (pair, order), share = min(shares.items(), key=lambda case: criterion.room(case[1]))
        if criterion.admits(share):
            return None
        return f"{hardest_format} with {pair}, {order}: {group} heads' numerical bandwidth is {share:.3f}"

    def heads_meeting(self, criterion: Criterion, format: str) -> str:
        """Returns a sentence that counts the heads of each parity that meet a criterion in a format."""
        whole = self.table[(self.table["measure"] == distribution.ALL_ROWS) & (self.table["format"] == format)]
        values = whole.pivot_table(index="pair", columns="head", values="numerical_share", sort=False).to_numpy()
        sign = 1 if np.isfinite(criterion.low) else -1
        beyond = statistics.heads_beyond(values, criterion.low if sign > 0 else criterion.high, sign=sign)
        counts = {g: f"{beyond[heads].sum()} of {len(heads)} {g} heads" for g, heads in self.parity.heads.items()}
        text = f"In {format}, {counts['even']} and {counts['odd']} are {criterion} taken singly"
        return f"{text} (false discovery rate 5 %)."

    def fall(self, criterion: Criterion) -> str:
        """Returns a sentence about the share of the odd heads in Simple.

        A share falls below the threshold only if it was above the threshold in Simple.
        """
        before = self.shares("odd", ["Simple"])["Simple"]
        text = f"In Simple it was {before.value:.3f} [{before.low:.3f}, {before.high:.3f}]"
        return text + ("." if before.low > criterion.high else ": it did not fall, it was low already.")

    def figure(self, threshold: float) -> Figure:
        whole = self.table[self.table["measure"] == distribution.ALL_ROWS]
        shares, intervals = [], []
        for group, heads in self.parity.heads.items():
            means = whole[whole["head"].isin(heads)].groupby("format")[[f"{c}_share" for c in CATEGORIES]].mean()
            shares += [(group, f, c, means.loc[f, f"{c}_share"]) for f in self.formats for c in CATEGORIES]
            intervals += [(group, f, e.low, e.high) for f, e in self.shares(group, self.formats).items()]
        uniform = distribution.per_head(self.table, "uniform attention").mean(axis=1)
        return figures.bandwidth_distribution(
            pd.DataFrame(shares, columns=["group", "format", "category", "share"]),
            pd.DataFrame(intervals, columns=["group", "format", "low", "high"]),
            {name: float(uniform[name]) for name in self.formats},
            threshold=threshold,
            n=self.table["pair"].nunique(),
        )

    @property
    def alt(self) -> str:
        """A description of the figure in words."""
        texts = []
        for group in self.parity.heads:
            shares = ", ".join(f"{e.value:.0%} in {name}" for name, e in self.shares(group, self.formats).items())
            texts.append(f"{group} heads' numerical bandwidth is {shares}")
        return f"Bars by format and token category: {'; '.join(texts)}."

    @property
    def data(self) -> pd.DataFrame:
        """The data of the figure: means over pairs and orders, one row per measure × format × head."""
        shares = [f"{category}_share" for category in CATEGORIES]
        return self.table.groupby(["measure", "format", "head"], sort=False)[shares].mean().reset_index()
