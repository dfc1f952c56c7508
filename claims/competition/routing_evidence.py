"""Evidence of experiment set 2: routes, critical edges and sensitivity to place, for even and odd heads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from claims.competition import figures, routing
from claims.competition.bandwidth_distribution import measure as distribution
from claims.competition.base import Evidence, of_order
from claims.competition.parity import Parity
from claims.competition.prompts import QA, Pair, Prompt
from fixtures.ledger import NotApplicable
from fixtures.options import Settings
from referee.judging.findings import Chance
from referee.judging.statistics import Estimate
from referee.models.subjects import Subject
from referee.prompts.tokens import tokenize

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_HEADS_DRAWN = 4
"""Number of heads in the figure of edges. Half of them are even."""


class RoutesEvidence(Evidence):
    """Reduces experiment 2.1: the attention of the last token to each place of the two numbers."""

    def __init__(self, table: pd.DataFrame, subject: Subject, settings: Settings, *, threshold: float) -> None:
        super().__init__(settings)
        self.table, self.layer = table, subject.layer
        self.formats: list[str] = list(dict.fromkeys(table["format"]))
        self.parity = Parity(subject, settings)
        self._threshold = threshold
        # Attention to all six places together, one row per pair × order × format × layer × head.
        keys = ["pair", "order", "format", "layer", "head"]
        self._whole = table.groupby(keys, sort=False)["attention_share"].sum().reset_index()

    def shares(
        self, order: str | None = None, *, layer: int | None = None, less_odd: bool = False
    ) -> dict[str, Estimate]:
        """Returns the attention of even heads to the numbers, by format.

        With `less_odd`, the attention of odd heads is subtracted.
        """
        table = of_order(self._whole[self._whole["layer"] == (self.layer if layer is None else layer)], order)
        found = {}
        for name in self.formats:
            by_head = table[table["format"] == name].pivot_table(index=["pair", "order"], columns="head",
                                                              values="attention_share", sort=False)  # fmt: skip
            even, odd = (by_head[self.parity.heads[group]].mean(axis=1) for group in ("even", "odd"))
            found[name] = self.mean(even - odd if less_odd else even)["all"]
        return found

    def routed(self, *, less_odd: bool) -> dict[str, Any]:
        """Returns the evidence on the claim that even heads attend enough to the numbers.

        With `less_odd`, the claim is that even heads attend more to the numbers than odd heads.
        """
        here = self._whole[self._whole["layer"] == self.layer]
        per_head = here.pivot_table(index="format", columns="head", values="attention_share", sort=False).to_numpy()
        statistic = self.parity.worst_difference(per_head, 1) if less_odd else self.parity.worst_mean(per_head, 1)
        layers = sorted(set(self.table["layer"]) - {self.layer})
        elsewhere = [
            Chance(f"the same at layer {layer}, lowest format", min(e.value for e in found.values()))
            for layer in layers
            for found in [self.shares(layer=layer, less_odd=less_odd)]
        ]
        variants = {} if less_odd else {"each of the six places": self._places()}
        return {
            "parts": lambda order: self.shares(order, less_odd=less_odd),
            "chance": (*([] if less_odd else [self._uniform()]), *self.parity.chance("even", statistic, sign=1),
                       *elsewhere),
            "variants": variants,
            "figure": self.figure(),
            "alt": self.alt,
            "data": self.data,
        }  # fmt: skip

    def _places(self) -> dict[str, Estimate]:
        """Returns the attention of even heads to each single place, by format and place.

        This is the strictest interpretation of the claim.
        """
        here = self.table[(self.table["layer"] == self.layer) & self.table["head"].isin(self.parity.heads["even"])]
        values = here.groupby(["format", "place", "pair", "order"], sort=False)["attention_share"].mean()
        return {
            f"{name}, {place}": self.mean(group.droplevel(["format", "place"]))["all"]
            for (name, place), group in values.groupby(["format", "place"], sort=False)
        }

    def _uniform(self) -> Chance:
        """Returns the chance world of uniform attention.

        The numbers get k/n if k of the n prompt tokens are numbers.
        """
        return Chance("uniform attention", float(self.table.groupby("format")["uniform_share"].first().min()))

    def figure(self) -> Figure:
        even = set(self.parity.heads["even"])
        means = self.data[self.data["layer"] == self.layer]
        means = means.assign(group=["even" if head in even else "odd" for head in means["head"]])
        return figures.routes(means, threshold=self._threshold, n=self.table["pair"].nunique())

    @property
    def alt(self) -> str:
        """A description of the figure in words."""
        even = ", ".join(f"{e.value:.0%} in {name}" for name, e in self.shares().items())
        excess = ", ".join(f"{e.value:+.0%} in {name}" for name, e in self.shares(less_odd=True).items())
        return f"Box plots of the last token's attention by place: even heads give {even}, odd heads' excess: {excess}."

    @property
    def data(self) -> pd.DataFrame:
        keys = ["layer", "format", "head", "place"]
        return self.table.groupby(keys, sort=False)["attention_share"].mean().reset_index()


class PathsEvidence(Evidence):
    """Reduces experiment 2.2: where the strongest edges of each head lead, and what happens without these edges.

    Raises NotApplicable if the margin does not depend on any edge of the even heads, or of the odd heads.
    """

    def __init__(self, paths: pd.DataFrame, checked: pd.DataFrame, subject: Subject, settings: Settings) -> None:
        super().__init__(settings)
        self.paths, self.checked, self.subject = paths, checked, subject
        self.parity = Parity(subject, settings)
        main = paths[paths["attribution"] == routing.ATTRIBUTIONS[0]]
        for group, heads in self.parity.heads.items():
            if not main["head"].isin(heads).any():
                raise NotApplicable(f"the margin does not depend on any edge of the {group} heads at this layer")

    def difference(self, order: str | None = None, attribution: str = routing.ATTRIBUTIONS[0]) -> dict[str, Estimate]:
        """Returns the share of top edges on numbers, even heads minus odd heads."""
        landing = routing.landing(self.paths, attribution)
        columns = {g: [head for head in heads if head in landing] for g, heads in self.parity.heads.items()}
        found = landing[columns["even"]].mean(axis=1) - landing[columns["odd"]].mean(axis=1)
        return self.mean(found.dropna(), order)  # drops prompts on which no head of a group matters

    def leading(self) -> dict[str, Any]:
        """Returns the evidence on the claim that the strongest edges of even heads lead to numbers more often."""
        landing = routing.landing(self.paths)
        per_head = landing.mean().reindex(range(self.subject.n_heads)).to_numpy()
        even, odd = (float(np.nanmean(per_head[heads])) for heads in self.parity.heads.values())
        agreement = routing.agreement(self.checked)
        return {
            "parts": self.difference,
            "chance": self.parity.chance("even", self.parity.difference(per_head), sign=1),
            "variants": {routing.ATTRIBUTIONS[1]: self.difference(attribution=routing.ATTRIBUTIONS[1])},
            "notes": (
                f"{even:.0%} of the even heads' top edges lead to numbers, {odd:.0%} of the odd heads'.",
                f"Removing each head's top edges moves the margin as foretold: rank correlation {agreement:.2f}"
                f" (n = {len(self.checked)}).",
            ),
            "figure": self.figure(),
            "alt": f"The strongest edges on the token grid; {even:.0%} of the even heads' lead to numbers and {odd:.0%}"
            " of the odd heads'.",
            "data": self.paths,
        }

    def figure(self) -> Figure:
        """Draws the edges of the strongest heads on the first Q&A prompt."""
        main = self.paths[(self.paths["attribution"] == routing.ATTRIBUTIONS[0]) & (self.paths["format"] == QA.name)]
        first = main[main["prompt"] == main["prompt"].min()]
        strength = first.groupby("head")["attribution_logits"].apply(lambda values: values.abs().max())
        drawn = [
            head for heads in self.parity.heads.values()
            for head in strength[strength.index.isin(heads)].nlargest(_HEADS_DRAWN // 2).index
        ]  # fmt: skip
        pair, order = first.iloc[0][["pair", "order"]]
        tokens = tokenize(Prompt(Pair.parse(pair), order, QA), self.subject.tokenizer)
        words = [self.subject.tokenizer.decode([token]) for token in tokens.ids]
        return figures.edge_map(
            words,
            first[first["head"].isin(drawn)][["head", "query", "key", "attribution_logits"]],
            [category == "numerical" for category in tokens.categories],
            title=f"Strongest edges of four heads at layer {self.subject.layer}: {pair}, Q&A, {order}",
        )


class PositionEvidence(Evidence):
    """Reduces experiment 2.3: the variation of numerical bandwidth of each head over six placements of the numbers."""

    def __init__(self, table: pd.DataFrame, subject: Subject, settings: Settings) -> None:
        super().__init__(settings)
        self.table = table
        self.parity = Parity(subject, settings)

    def difference(self, order: str | None = None, measure: str = distribution.ALL_ROWS) -> dict[str, Estimate]:
        """Returns the standard deviation over placements, even heads minus odd heads."""
        spread = routing.sensitivity(self.table, measure)
        even, odd = (spread[heads].mean(axis=1) for heads in self.parity.heads.values())
        return self.mean(even - odd, order)

    def steadier(self) -> dict[str, Any]:
        """Returns the evidence on the claim that even heads vary less."""
        per_head = routing.sensitivity(self.table).mean().to_numpy()
        even, odd = (float(per_head[heads].mean()) for heads in self.parity.heads.values())
        flat = routing.sensitivity(self.table, "uniform attention").mean().mean()
        measures = [m for m in distribution.MEASURES if m not in (distribution.ALL_ROWS, "uniform attention")]
        return {
            "parts": self.difference,
            "chance": self.parity.chance("even", self.parity.difference(per_head), sign=-1),
            "variants": {measure: self.difference(measure=measure) for measure in measures},
            "incomparable": (distribution.ENRICHMENT,),
            "notes": (
                f"Standard deviation over the six placements: even heads {even:.3f}, odd heads {odd:.3f}; uniform"
                f" attention {flat:.3f}.",
            ),
            "figure": self.figure(),
            "alt": f"Standard deviation over six placements, {even:.3f} in even and {odd:.3f} in odd heads, and a map"
            " of numerical bandwidth by head and placement.",
            "data": distribution.per_head(self.table).T.reset_index(),
        }

    def figure(self) -> Figure:
        spread = routing.sensitivity(self.table).mean().rename("std_share").reset_index()
        even = set(self.parity.heads["even"])
        spread["group"] = ["even" if head in even else "odd" for head in spread["head"]]
        return figures.position_sensitivity(spread, routing.by_format(self.table), n=self.table["pair"].nunique())
