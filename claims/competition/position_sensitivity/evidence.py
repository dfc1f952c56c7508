"""Evidence of experiment 2.3."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from claims.competition.bandwidth_distribution.measure import ALL_ROWS, ENRICHMENT, OTHER_MEASURES, UNIFORM
from claims.competition.estimates import OverPairs
from claims.competition.parity import Parity
from claims.competition.position_sensitivity.measure import by_placement, sensitivity
from fixtures.options import Settings
from referee.judging.evidence import Chance, Drawing
from referee.models.subjects import Subject

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from referee.judging.evidence import Parts


class Positions(OverPairs):
    """Reduces experiment 2.3: the variation of numerical bandwidth of each head over six placements of the numbers.

    Args:
        table: result of `bandwidth_by_placement`.
    """

    incomparable = (ENRICHMENT,)
    """The measures with another unit than a share of attention."""

    def __init__(self, table: pd.DataFrame, subject: Subject, settings: Settings) -> None:
        super().__init__(settings)
        self._table = table
        self._parity = Parity(subject, settings)

    def excess_of_even_heads(self, order: str | None = None, measure: str = ALL_ROWS) -> Parts:
        """Returns the standard deviation over placements, even heads minus odd heads."""
        spread = sensitivity(self._table, measure)
        even, odd = (spread[heads].mean(axis=1) for heads in self._parity.heads.values())
        return self.mean(even - odd, order)

    def excess_of_other_head_groups(self) -> tuple[Chance, ...]:
        """Returns the standard deviation of other groups of heads minus that of all heads outside."""
        return self._parity.chance("even", self._parity.difference(self._per_head), sign=-1)

    def other_measures(self) -> dict[str, Parts]:
        """Returns the estimate with each other measure of bandwidth, by its name."""
        return {measure: self.excess_of_even_heads(measure=measure) for measure in OTHER_MEASURES}

    def notes(self) -> tuple[str, ...]:
        """Returns the standard deviations of both groups, and the one under uniform attention."""
        even, odd = self._means()
        flat = sensitivity(self._table, UNIFORM).mean().mean()
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

    @property
    def _per_head(self) -> NDArray[np.float64]:
        """The mean standard deviation over pairs and orders, [head]."""
        return sensitivity(self._table).mean().to_numpy()

    def _means(self) -> tuple[float, float]:
        """Returns the mean standard deviation of the even heads and of the odd heads."""
        even, odd = (float(self._per_head[heads].mean()) for heads in self._parity.heads.values())
        return even, odd

    def _draw(self) -> Figure:
        from claims.competition.position_sensitivity import figure

        return figure.position_sensitivity(
            sensitivity(self._table).mean().rename("std_share").reset_index(),
            by_placement(self._table),
            even_heads=self._parity.heads["even"],
            odd_heads=self._parity.heads["odd"],
            n=self._table["pair"].nunique(),
        )
