"""Evidence of experiment 2.3."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from claims.competition.bandwidth_distribution.measure import ALL_ROWS, ENRICHMENT, OTHER_MEASURES, UNIFORM
from claims.competition.observed import ALL, Key, OverHeads
from claims.competition.position_sensitivity.measure import by_placement, sensitivity
from fixtures.options import Settings
from referee.judging.evidence import Drawing
from referee.models.subjects import Subject

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from referee.judging.evidence import Parts


class Positions(OverHeads):
    """Reduces experiment 2.3: the variation of numerical bandwidth of each head over six placements of the numbers.

    Args:
        table: result of `bandwidth_by_placement`.
        elsewhere: the same table for other layers, or None if they were not measured.
    """

    incomparable = (ENRICHMENT,)
    """The measures with another unit than a share of attention."""

    def __init__(
        self, table: pd.DataFrame, subject: Subject, settings: Settings, elsewhere: pd.DataFrame | None = None
    ) -> None:
        values: dict[Key, pd.DataFrame] = {
            (subject.layer, measure, ALL): sensitivity(table, measure)
            for measure in (ALL_ROWS, *OTHER_MEASURES, UNIFORM)
        }
        if elsewhere is not None:
            values |= {(layer, ALL_ROWS, ALL): sensitivity(rows) for layer, rows in elsewhere.groupby("layer")}
        super().__init__(values, subject, settings)
        self._table = table

    def other_measures(self) -> dict[str, Parts]:
        """Returns the excess of the even heads with each other measure of bandwidth, by its name."""
        return {measure: self.excess("even", measure=measure) for measure in OTHER_MEASURES}

    def notes(self) -> tuple[str, ...]:
        """Returns the standard deviations of both groups, and the one under uniform attention."""
        even, odd = self._means()
        flat = self.per_head(measure=UNIFORM).mean()
        return (
            f"Standard deviation over the six placements: even heads {even:.3f}, odd heads {odd:.3f}; uniform"
            f" attention {flat:.3f}.",
        )

    def drawing(self) -> Drawing:
        """Returns box plots of the standard deviations, and a map of the bandwidths."""
        even, odd = self._means()
        alt = (
            f"Standard deviation over six placements, {even:.3f} in even and {odd:.3f} in odd heads, and a map"
            " of numerical bandwidth by head and placement."
        )
        return Drawing(draw=self._draw, alt=alt)

    @property
    def data(self) -> pd.DataFrame:
        """The mean numerical bandwidth over pairs and orders, one row per head, one column per placement."""
        return by_placement(self._table).reset_index()

    def _means(self) -> tuple[float, float]:
        """Returns the mean standard deviation of the even heads and of the odd heads."""
        even, odd = (float(self.per_head()[0, heads].mean()) for heads in self.parity.heads.values())
        return even, odd

    def _draw(self) -> Figure:
        from claims.competition.position_sensitivity import figure

        return figure.position_sensitivity(
            sensitivity(self._table).mean().rename("std_share").reset_index(),
            by_placement(self._table),
            even_heads=self.parity.heads["even"],
            odd_heads=self.parity.heads["odd"],
            n=self._table["pair"].nunique(),
        )
