"""Evidence of experiment 2.1."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from claims.competition.estimates import OverPairs, of_order
from claims.competition.parity import Parity
from fixtures.options import Settings
from referee.judging.evidence import Chance, Drawing
from referee.models.subjects import Subject

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from referee.judging.evidence import Parts


class Routes(OverPairs):
    """Reduces experiment 2.1: the attention of the last token to each place of the two numbers.

    Args:
        table: result of `routes`, with the layer of interest and all layers that are compared with it.
    """

    def __init__(self, table: pd.DataFrame, subject: Subject, settings: Settings) -> None:
        super().__init__(settings)
        self._table, self._layer = table, subject.layer
        self._formats: list[str] = list(dict.fromkeys(table["format"]))
        self._parity = Parity(subject, settings)
        # Attention to all six places together, one row per pair × order × format × layer × head.
        keys = ["pair", "order", "format", "layer", "head"]
        self._whole = table.groupby(keys, sort=False)["attention_share"].sum().reset_index()

    def of_even_heads(self, order: str | None = None, layer: int | None = None) -> Parts:
        """Returns the attention to the two numbers, a share, as a mean over even heads; one part for each format.

        `layer` defaults to the layer of interest.
        """
        return self._by_format(self._even_mean, order, layer)

    def excess_of_even_heads(self, order: str | None = None, layer: int | None = None) -> Parts:
        """Returns the mean over even heads minus the mean over odd heads; otherwise as `of_even_heads`."""
        return self._by_format(lambda by_head: self._even_mean(by_head) - self._odd_mean(by_head), order, layer)

    def uniform_attention(self) -> Chance:
        """Returns the chance world of uniform attention.

        The numbers get k/n if k of the n prompt tokens are numbers.
        """
        return Chance("uniform attention", float(self._table.groupby("format")["uniform_share"].first().min()))

    def of_other_head_groups(self) -> tuple[Chance, ...]:
        """Returns the mean of other groups of heads, in the lowest format."""
        return self._parity.chance("even", self._parity.worst_mean(self._per_head, 1), sign=1)

    def excess_of_other_head_groups(self) -> tuple[Chance, ...]:
        """Returns the mean of other groups of heads minus the mean of all heads outside, in the lowest format."""
        return self._parity.chance("even", self._parity.worst_difference(self._per_head, 1), sign=1)

    def at_other_layers(self, quantity: Callable[[str | None, int | None], Parts]) -> tuple[Chance, ...]:
        """Returns the same quantity at each other layer, in the lowest format.

        `quantity` takes an order of the numbers, or None for both, and a layer.
        """
        layers = sorted(set(self._table["layer"]) - {self._layer})
        return tuple(
            Chance(f"the same at layer {layer}, lowest format", min(e.value for e in quantity(None, layer).values()))
            for layer in layers
        )

    def to_each_place(self) -> Parts:
        """Returns the attention of even heads to each single place; one part for each format and place.

        This is the strictest interpretation of the claim.
        """
        here = self._table[(self._table["layer"] == self._layer) & self._table["head"].isin(self._parity.heads["even"])]
        values = here.groupby(["format", "place", "pair", "order"], sort=False)["attention_share"].mean()
        return {
            f"{name}, {place}": self.mean(group.droplevel(["format", "place"]))["all"]
            for (name, place), group in values.groupby(["format", "place"], sort=False)
        }

    def drawing(self, *, threshold: float) -> Drawing:
        """Returns the box plots of the attention by place. `threshold` is the position of the threshold line."""
        even = ", ".join(f"{e.value:.0%} in {name}" for name, e in self.of_even_heads().items())
        excess = ", ".join(f"{e.value:+.0%} in {name}" for name, e in self.excess_of_even_heads().items())
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

    @property
    def _per_head(self) -> NDArray[np.float64]:
        """The mean attention to the two numbers at the layer of interest, as an array [format, head]."""
        here = self._whole[self._whole["layer"] == self._layer]
        return here.pivot_table(index="format", columns="head", values="attention_share", sort=False).to_numpy()

    def _by_format(self, quantity: Callable[[pd.DataFrame], pd.Series], order: str | None, layer: int | None) -> Parts:
        """Returns the mean of a quantity over pairs; one part for each format.

        `quantity` takes the attention to the two numbers, with index (pair, order) and columns head. It returns one
        value for each row.
        """
        table = of_order(self._whole[self._whole["layer"] == (self._layer if layer is None else layer)], order)
        found = {}
        for name in self._formats:
            by_head = table[table["format"] == name].pivot_table(
                index=["pair", "order"], columns="head", values="attention_share", sort=False
            )
            found[name] = self.mean(quantity(by_head))["all"]
        return found

    def _even_mean(self, by_head: pd.DataFrame) -> pd.Series:
        return by_head[self._parity.heads["even"]].mean(axis=1)

    def _odd_mean(self, by_head: pd.DataFrame) -> pd.Series:
        return by_head[self._parity.heads["odd"]].mean(axis=1)

    def _draw(self, threshold: float) -> Figure:
        from claims.competition.last_token_routes import figure

        even = set(self._parity.heads["even"])
        means = self.data[self.data["layer"] == self._layer]
        means = means.assign(group=["even" if head in even else "odd" for head in means["head"]])
        return figure.routes(means, threshold=threshold, n=self._table["pair"].nunique())
