"""Evidence of experiment 2.1."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd

from claims.competition.last_token_routes.measure import neighbourhood
from claims.competition.observed import RESOLUTION, Group, OverHeads, by_head, hardest_values
from fixtures.options import Settings
from referee.judging.evidence import Chance, Drawing
from referee.judging.verdict import Criterion
from referee.models.subjects import Subject

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from referee.judging.evidence import Parts

_ALL_PLACES = "both numbers"


class Routes(OverHeads):
    """Reduces experiment 2.1: the attention of the last token to each place of the two numbers.

    The level and the excess are those of the attention to all six places together.

    Args:
        table: result of `routes`, with the layer of interest and all layers that are compared with it.
    """

    def __init__(self, table: pd.DataFrame, subject: Subject, settings: Settings) -> None:
        keys = ["pair", "order", "format", "layer", "head"]
        whole = table.groupby(keys, sort=False)["attention_share"].sum().reset_index().assign(measure=_ALL_PLACES)
        # The layer of interest comes first.
        values = by_head(whole[whole["layer"] == subject.layer], "attention_share")
        super().__init__(values | by_head(whole, "attention_share"), subject, settings)
        self._table = table
        self._nearby = [layer for layer in neighbourhood(subject) if layer != subject.layer]

    def uniform_attention(self) -> Chance:
        """Returns the chance world of uniform attention.

        The numbers get k/n if k of the n prompt tokens are numbers.
        """
        return Chance("uniform attention", float(self._table.groupby("format")["uniform_share"].first().min()))

    def at_nearby_layers(self, criterion: Criterion, quantity: Callable[..., Parts]) -> tuple[Chance, ...]:
        """Returns the quantity at each nearby layer, in the format in which the criterion is hardest to meet.

        `quantity` is a partial of `level` or `excess`.
        """
        values = hardest_values(criterion, {layer: quantity(layer=layer) for layer in self._nearby})
        return tuple(Chance(f"the same at layer {layer}", value) for layer, value in values.items())

    def to_each_place(self) -> Parts:
        """Returns the attention of even heads to each single place; one part for each format and place.

        This is the strictest interpretation of the claim.
        """
        return self._by_place(self._to_places("even"))

    def excess_to_each_place(self) -> Parts:
        """Returns the attention to each single place, even minus odd heads; one part for each format and place."""
        return self._by_place(self._to_places("even") - self._to_places("odd"))

    def _to_places(self, group: Group) -> pd.Series:
        """Returns the attention to each place, mean over the heads; index (format, place, pair, order)."""
        here = self._table[(self._table["layer"] == self._layer) & self._table["head"].isin(self.parity.heads[group])]
        return here.groupby(["format", "place", "pair", "order"], sort=False)["attention_share"].mean()

    def _by_place(self, values: pd.Series) -> Parts:
        return {
            f"{name}, {place}": self.median(found.droplevel(["format", "place"]), resolution=RESOLUTION)["all"]
            for (name, place), found in values.groupby(["format", "place"], sort=False)
        }

    def drawing(self, *, threshold: float) -> Drawing:
        """Returns the box plots of the attention by place. `threshold` is the position of the threshold line."""
        even = ", ".join(f"{e.value:.0%} in {name}" for name, e in self.level("even").items())
        excess = ", ".join(f"{e.value:+.0%} in {name}" for name, e in self.excess("even").items())
        alt = (
            f"Box plots of the last token's attention by place: even heads give {even}; their excess over odd heads is"
            f" {excess}."
        )
        return Drawing(draw=partial(self._draw, threshold), alt=alt)

    @property
    def data(self) -> pd.DataFrame:
        """The mean attention over pairs and orders, one row per layer × format × head × place."""
        keys = ["layer", "format", "head", "place"]
        return self._table.groupby(keys, sort=False)["attention_share"].mean().reset_index()

    def _draw(self, threshold: float) -> Figure:
        from claims.competition.last_token_routes import figure

        even = set(self.parity.heads["even"])
        means = self.data[self.data["layer"] == self._layer]
        means = means.assign(group=["even" if head in even else "odd" for head in means["head"]])
        return figure.routes(means, threshold=threshold, n=self._table["pair"].nunique())
