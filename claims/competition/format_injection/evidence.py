"""Evidence of experiment 1.3: bandwidth and accuracy against the share of format tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from claims.competition.bandwidth_distribution.measure import ALL_ROWS
from claims.competition.edited import GREEDY
from claims.competition.estimates import of_order
from claims.competition.format_injection.measure import LAYER, MEASURED, OF_THE_DOCUMENT
from claims.competition.format_injection.reductions import (
    RESOLUTION,
    change_points,
    correlations,
    excess,
    falls,
    points,
)
from claims.competition.named import tokens_of
from claims.competition.theory import DUE_TO_FORMAT
from referee.judging import curves, statistics
from referee.judging.evidence import Chance, Counterexample, Drawing, NotApplicable
from referee.judging.statistics import Estimate
from referee.judging.verdict import Criterion

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from referee.judging.evidence import Parts

_NO_FALL = 1.0
"""The change point of accuracy that does not fall, as a share of format tokens."""


class Injection:
    """Reduces the table of `progressive_injection`. The units are the phrasings, each with pairs of its own.

    `share_threshold` is a numerical share, which only the figure shows. `drop` is the claimed range of the drop.
    """

    def __init__(self, table: pd.DataFrame, *, share_threshold: float, drop: Criterion) -> None:
        self.table = table
        self._share_threshold, self._claimed_drop = share_threshold, drop

    def correlation(self, order: str | None = None, measure: str = ALL_ROWS) -> Parts:
        """Returns the median over phrasings of the rank correlation between format share and numerical share.

        The correlation of a phrasing is a mean over its pairs and orders.
        """
        return _median(of_order(self._correlations.loc[measure], order))

    def costs_more(self, order: str | None = None, measure: str = ALL_ROWS) -> Parts:
        """Returns the share of phrasings most of whose cost is due to format; a part for each filler.

        The cost is the fall of the numerical share from no added tokens to the most. It is mostly due to format if as
        many tokens of the filler cost less than half as much. A difference below the resolution counts as none.
        """
        return _share(of_order(self._excess.loc[measure], order))

    def other_measures(self, quantity: Callable[..., Parts]) -> Mapping[str, Parts]:
        """Returns `correlation` or `costs_more` by each other measure of the numerical share."""
        return {measure: quantity(measure=measure) for measure in MEASURED if measure != ALL_ROWS}

    def correlation_by_layer(self) -> Mapping[int, float]:
        """Returns the median rank correlation at every layer. It is empty if only one layer was measured."""
        return {layer: _median(correlations(self._once, column))["all"].value for layer, column in self._layers.items()}

    def costs_more_by_layer(self) -> Mapping[int, float]:
        """Returns `costs_more` at every layer, for the filler that costs most."""
        table = self.table[self.table["measure"] == ALL_ROWS]
        return {
            layer: min(part.value for part in _share(excess(falls(table, column), DUE_TO_FORMAT)).values())
            for layer, column in self._layers.items()
        }

    def notes_on_falling(self) -> tuple[str, ...]:
        """Returns further facts about the fall of the numerical share."""
        listed = [f"{measure}: {self.correlation(measure=measure)['all'].value:.2f}" for measure in MEASURED]
        ends = self._once.sort_values("format_tokens").groupby("phrasing", sort=False)["numerical_share"]
        return (
            f"Over {ends.ngroups} phrasings, the numerical share is {ends.first().median():.2f} in the prompt with the"
            f" fewest format tokens and {ends.last().median():.2f} in that with the most (medians). Rank correlations:"
            f" {'; '.join(listed)}.",
        )

    def notes_on_costs(self) -> tuple[str, ...]:
        """Returns the median fall of the numerical share with format tokens and with each filler."""
        means = self._falls.loc[ALL_ROWS].groupby("phrasing", sort=False).mean().median()
        right = self.table[self.table["measure"] == ALL_ROWS].groupby("filler")["correct"].mean()
        fillers = "; ".join(f"{kind}: {means[kind]:.3f} ({right[kind]:.0%} right)" for kind in self._excess)
        return (
            f"From no added tokens to the most, the numerical share falls by {means['format']:.3f} with format tokens"
            f" (median phrasing). With as many tokens of another kind it falls by: {fillers}.",
        )

    def require_right_answers(self) -> None:
        """Raises NotApplicable if no answer is right. Then accuracy cannot drop."""
        if not self._once["correct"].any():
            raise NotApplicable("accuracy can only drop where some answer is right, and none is")

    def drop_at(self, order: str | None = None, score: str = "correct") -> Parts:
        """Returns the median over phrasings of the share of format tokens at which accuracy falls.

        The place is the middle of the best falling logistic. It is 1 if accuracy does not fall. The interval also
        contains the gaps between neighbouring prompts, in which a fall has no exact place.
        """
        found = change_points(points(of_order(self._reaching, order), score))
        if not found:
            return {}
        middles, lows, highs = (
            statistics.median([getattr(fall, name) if fall else np.inf for fall in found])
            for name in ("middle", "low", "high")
        )

        def limits(tail: float) -> tuple[float, float]:
            return min(lows.interval(tail)[0], _NO_FALL), min(highs.interval(tail)[1], _NO_FALL)

        low, high = min(lows.low, _NO_FALL), min(highs.high, _NO_FALL)
        return {"all": Estimate(min(middles.value, _NO_FALL), low, high, middles.n, limits)}

    def drop_by_token(self) -> Mapping[str, Parts]:
        """Returns the change point of accuracy by the most likely next token instead of the margin."""
        return {GREEDY: self.drop_at(score="greedy")}

    def against_dropping(self) -> tuple[Chance, ...]:
        """Returns each curve without a drop that predicts the accuracy of held-out phrasings as well as a drop does.

        A straight decline also has a change point in its middle, but it has no drop at any one place. Noise has change
        points, too, but a constant predicts it best.
        """
        errors = self._shape_errors
        worlds = {
            "constant": "accuracy that does not depend on format: a constant predicts held-out phrasings as well",
            "linear": "a straight line, which predicts held-out phrasings as well as a drop at one place",
        }
        return tuple(
            Chance(world, None, 1.0, veto=True)
            for shape, world in worlds.items()
            if errors and errors[shape] <= min(errors["logistic"], errors["step"])
        )

    def notes_on_dropping(self) -> tuple[str, ...]:
        """Returns further facts about accuracy, one per note."""
        found = change_points(points(self._reaching))
        widths = [fall.width for fall in found if fall]
        ends = self._reaching.sort_values("format_tokens").groupby("phrasing", sort=False)["correct"]
        notes = [
            f"Accuracy falls in {len(widths)} of {len(found)} phrasings. {ends.first().mean():.0%} of the phrasings are"
            f" answered right at the lowest share of format tokens, and {ends.last().mean():.0%} at the highest.",
            "Two claims of the theory exclude each other: about half of the Q&A prompt's tokens are format tokens, so"
            " a bug in Q&A and a drop of accuracy at 60 % cannot both be true.",
        ]
        if widths:
            notes.append(f"The fall from 90 % to 10 % of its height takes {np.median(widths):.2f} of format share.")
        if self._shape_errors:
            listed = ", ".join(f"{shape} {error:.3g}" for shape, error in self._shape_errors.items())
            notes.append(f"Squared error of the predicted accuracy of held-out phrasings: {listed}.")
        return tuple(notes)

    def furthest_from_drop(self) -> Counterexample | None:
        """Returns one prompt that contradicts the claimed drop. Returns None if there is none.

        The first choice is the wrong prompt below the drop with the lowest share of format tokens. The second choice
        is the right prompt above the drop with the highest share.
        """
        once, drop = self._once, self._claimed_drop
        early = once[~once["correct"] & (once["format_share"] < drop.low)].nsmallest(1, "format_share")
        late = once[once["correct"] & (once["format_share"] > drop.high)].nlargest(1, "format_share")
        for case in [*early.itertuples(), *late.itertuples()]:
            right = "right" if case.correct else "wrong"
            return Counterexample(
                f"{case.format} ({case.format_share:.0%} format tokens) with {case.pair}, {case.order}: {right},"
                f" margin {case.margin_logits:.2f}",
                tokens_of(case.pair, case.order, case.format),
            )
        return None

    def drawing(self) -> Drawing:
        """Returns the figure: numerical bandwidth and accuracy against the share of format tokens."""
        fall = self.drop_at().get("all")
        place = f"at {fall.value:.2f}." if fall and fall.value < _NO_FALL else "at no single place."
        return Drawing(
            self._draw,
            "Numerical bandwidth and accuracy against the share of format tokens; rank correlation"
            f" {self.correlation()['all'].value:.2f}, accuracy falls {place}",
        )

    @cached_property
    def _once(self) -> pd.DataFrame:
        """One row for each prompt with format tokens."""
        return self.table[(self.table["measure"] == ALL_ROWS) & (self.table["filler"] == "")]

    @cached_property
    def _reaching(self) -> pd.DataFrame:
        """The rows of `_once` whose series has more format tokens than the claimed drop. Others could not show it."""
        return self._once[self._once.groupby("phrasing")["format_share"].transform("max") > self._claimed_drop.high]

    @cached_property
    def _correlations(self) -> pd.Series:
        return correlations(self.table)

    @cached_property
    def _falls(self) -> pd.DataFrame:
        return falls(self.table)

    @cached_property
    def _excess(self) -> pd.DataFrame:
        return excess(self._falls, DUE_TO_FORMAT)

    @property
    def _layers(self) -> dict[int, str]:
        """The columns with the numerical shares of other layers, by layer."""
        return {int(column.removeprefix(LAYER)): column for column in self.table if column.startswith(LAYER)}

    @cached_property
    def _shape_errors(self) -> dict[str, float]:
        """The squared error of each curve shape on held-out phrasings. It is empty if there are fewer than two."""
        found = points(self._reaching)
        return curves.errors_on_others(found.x, found.y, found.phrasing) if found.phrasing.any() else {}

    def _draw(self) -> Figure:
        from claims.competition.format_injection import figure

        columns = ["format_share", "numerical_share", "correct"]
        table = self._once.groupby(["phrasing", "format"], sort=False)[columns].mean().reset_index()
        table["generated"] = table["phrasing"] != OF_THE_DOCUMENT
        table["n"] = self._once["phrasing"].nunique()
        fall = self.drop_at().get("all")
        return figure.format_injection(
            table,
            share_threshold=self._share_threshold,
            drop_band=(self._claimed_drop.low, self._claimed_drop.high),
            change=(fall.value, fall.low, fall.high) if fall and fall.value < _NO_FALL else None,
        )


def _median(values: pd.Series) -> Parts:
    """Returns the median correlation over phrasings. Returns {} if there are no values."""
    if values.empty:
        return {}
    return {"all": statistics.median(values, values.index.get_level_values("phrasing").tolist())}


def _share(excess: pd.DataFrame) -> Parts:
    """Returns the share of phrasings with a positive excess, for each filler. Returns {} if there are no values."""
    more = excess.groupby("phrasing", sort=False).mean() > RESOLUTION
    units = range(len(more))
    return {str(kind): statistics.share(hits.to_numpy(), units) for kind, hits in more.items()} if len(more) else {}
