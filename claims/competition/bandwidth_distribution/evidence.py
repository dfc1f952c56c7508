"""Evidence of experiment 1.1: attention by token category, reduced to groups of heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from claims.competition.bandwidth_distribution.measure import ALL_ROWS, ENRICHMENT, OTHER_MEASURES, UNIFORM, per_head
from claims.competition.observed import Group, OverHeads, by_head, criterion_sign
from claims.competition.prompts import CATEGORIES
from claims.competition.wide import averaged
from fixtures.options import Settings
from referee.judging import statistics
from referee.judging.evidence import Chance, Counterexample, Drawing
from referee.judging.verdict import Criterion
from referee.models.subjects import Subject

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from referee.judging.evidence import Parts

_PUBLISHED_SINK = "published for Llama-3.1-8B-Instruct, layer 10: 72.7 % in Simple, 60.7 % in Q&A"


class Distribution(OverHeads):
    """Reduces the table of `bandwidth_distribution` to the numerical bandwidth of the even or odd heads.

    Attributes:
        formats: the names of all formats in the table.
        other_units: the names of the variants that are no shares of attention.
    """

    other_units = (ENRICHMENT,)

    def __init__(
        self,
        table: pd.DataFrame,
        subject: Subject,
        settings: Settings,
        elsewhere: pd.DataFrame | None = None,
        to_bos: Mapping[str, float] | None = None,
    ) -> None:
        """Takes the tables and the attention to BOS.

        `elsewhere` is the same table for other layers, or None if they were not measured. `to_bos` is the result of
        `attention_to_bos`.
        """
        values = by_head(table, "numerical_share")
        if elsewhere is not None:
            values |= by_head(elsewhere, "numerical_share")
        super().__init__(values, subject, settings)
        self.table, self._to_bos = table, to_bos or {}
        self.formats = self.conditions
        self._other_layers = [] if elsewhere is None else sorted(set(elsewhere["layer"]))

    def level_measures(self, group: Group, formats: Sequence[str]) -> Mapping[str, Parts]:
        """Returns the same as `level` by each other measure of the numerical bandwidth."""
        return {measure: self.level(group, formats, measure=measure) for measure in OTHER_MEASURES}

    def excess_measures(self, group: Group, formats: Sequence[str]) -> Mapping[str, Parts]:
        """Returns the same as `excess` by each other measure of the numerical bandwidth."""
        return {measure: self.excess(group, formats, measure=measure) for measure in OTHER_MEASURES}

    def against(self, group: Group, formats: Sequence[str], criterion: Criterion) -> tuple[Chance, ...]:
        """Returns what a level is compared with: uniform attention, random groups, a part of the heads, other layers.

        Each value is the numerical bandwidth in the format in which the criterion is hardest to meet.
        """
        uniform = self.per_head(formats, UNIFORM)
        return (
            Chance(UNIFORM, float(min(uniform.flat, key=criterion.room))),
            *self.of_random_groups(group, criterion, formats),
            *self.of_a_part(group, criterion, formats),
            *self._at_other_layers(group, formats, criterion),
        )

    def _at_other_layers(self, group: Group, formats: Sequence[str], criterion: Criterion) -> tuple[Chance, ...]:
        values = self.by_layer(criterion, partial(self.level, group, formats))
        others = {layer: values[layer] for layer in self._other_layers if layer in values}
        if not others:
            return ()
        best = max(others, key=lambda layer: criterion.room(others[layer]))
        return (Chance(f"the {len(others)} other layers, at best layer {best}", others[best]),)

    def level_missed(self, criterion: Criterion, group: Group, formats: Sequence[str]) -> Counterexample | None:
        """Returns the prompt whose level misses the criterion by most. None if no prompt misses it."""
        return self.furthest(criterion, group, formats, what=f"{group} heads' numerical bandwidth is {{:.3f}}")

    def excess_missed(self, criterion: Criterion, group: Group, formats: Sequence[str]) -> Counterexample | None:
        """Returns the prompt whose excess misses the criterion by most. None if no prompt misses it."""
        what = f"{group} heads' numerical bandwidth minus that of the others is {{:+.3f}}"
        return self.furthest(criterion, group, formats, what=what, excess=True)

    def heads_meeting(self, criterion: Criterion, format: str) -> str:
        """Returns a sentence that counts the heads of each parity that meet a criterion in a format."""
        whole = self.table[(self.table["measure"] == ALL_ROWS) & (self.table["format"] == format)]
        values = averaged(whole, ["pair"], "head", "numerical_share").to_numpy()
        beyond = statistics.heads_beyond(values, _threshold(criterion), sign=criterion_sign(criterion))
        counts = {g: f"{beyond[heads].sum()} of {len(heads)} {g} heads" for g, heads in self.parity.heads.items()}
        text = f"In {format}, {counts['even']} and {counts['odd']} are {criterion} taken singly"
        return f"{text} (false discovery rate 5 %)."

    def sink(self) -> str:
        """Returns a sentence about the attention of the last token to BOS, beside the published shares."""
        if not self._to_bos:
            return f"This subject has no BOS, to which the last token could attend ({_PUBLISHED_SINK})."
        shares = ", ".join(f"{share:.1%} in {name}" for name, share in self._to_bos.items())
        return f"The last token's attention to BOS, mean over heads, is {shares} ({_PUBLISHED_SINK})."

    def drawing(self, criterion: Criterion) -> Drawing:
        """Returns the figure: bars by format and token category, with the threshold of the criterion."""
        groups: tuple[Group, ...] = ("even", "odd")
        texts = []
        for group in groups:
            shares = ", ".join(f"{e.value:.0%} in {name}" for name, e in self.level(group).items())
            texts.append(f"{group} heads' numerical bandwidth is {shares}")
        alt = f"Bars by format and token category: {'; '.join(texts)}."
        return Drawing(partial(self._draw, _threshold(criterion)), alt)

    def _draw(self, threshold: float) -> Figure:
        from claims.competition.bandwidth_distribution import figure

        whole = self.table[self.table["measure"] == ALL_ROWS]
        columns = [f"{category}_share" for category in CATEGORIES]
        shares, intervals = [], []
        groups: tuple[Group, ...] = ("even", "odd")
        for group in groups:
            of_group = whole[whole["head"].isin(self.parity.heads[group])]
            medians = of_group.groupby(["format", "pair"])[columns].mean().groupby("format").median()
            shares += [(group, f, c, medians.loc[f, f"{c}_share"]) for f in self.formats for c in CATEGORIES]
            intervals += [(group, f, e.low, e.high) for f, e in self.level(group).items()]
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


def _threshold(criterion: Criterion) -> float:
    """Returns the threshold of a one-sided criterion."""
    return criterion.low if np.isfinite(criterion.low) else criterion.high
