"""Evidence of experiments I1 and S1: the scores of heads, reduced to the named heads and to shares of heads."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from claims.induction import estimates
from claims.induction.heads import RESOLUTION, Head, in_words
from claims.induction.named import Named
from claims.induction.theory import CONFIDENCE, LOWEST_RESTING_LAYER, OTHER_RESTING, RESTING
from referee.judging.evidence import Chance, Counterexample, Drawing, NotApplicable
from referee.judging.verdict import Criterion, Verdict, decide

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from referee.judging.evidence import Parts


class HeadScores:
    """Reduces tables of `head_scores`.

    Args:
        table: the scores on the judged sequences.
        without_repetition: the scores on sequences without repetition. Their first halves are those of the
            judged sequences.
        named: the named heads.
        uniform: the scores of a head that attends evenly, by score.
    """

    def __init__(
        self, table: pd.DataFrame, without_repetition: pd.DataFrame, named: Named, uniform: Mapping[str, float]
    ) -> None:
        self.named = named
        self._table, self._without, self._uniform = table, without_repetition, uniform

    def prefix_matching(self, heads: tuple[Head, ...] | None = None) -> pd.Series:
        """Returns the prefix-matching score of each sequence, mean over some heads, by default the top heads."""
        return _mean_over(self._table, heads or self.named.top)

    def matching(self, heads: tuple[Head, ...] | None = None) -> Parts:
        """Returns the prefix-matching score of some heads, by default the top heads, median over sequences."""
        return estimates.median(self.prefix_matching(heads))

    def variants_of_matching(self) -> dict[str, Parts]:
        """Returns the same for the strongest of the top heads alone."""
        return {"the single top head": self.matching(self.named.top[:1])}

    def against_matching(self) -> tuple[Chance, ...]:
        """Returns the prefix-matching score of uniform attention, and of the top heads without repetition.

        The latter is a veto.
        """
        return (
            Chance("uniform attention", self._uniform["prefix_matching"]),
            estimates.placebo(
                "the same heads on sequences without repetition, attention over the same distance",
                self.prefix_matching(),
                _mean_over(self._without, self.named.top),
                resolution=RESOLUTION,
            ),
        )

    def least_matching(self, criterion: Criterion) -> Counterexample | None:
        """Returns the sequence with the lowest score of the top heads. Returns None if all meet the criterion."""
        found = estimates.lowest(self.prefix_matching(), criterion)
        return found and Counterexample(f"sequence {found[0]}: the top heads' prefix-matching score is {found[1]:.3f}")

    def notes_on_matching(self) -> tuple[str, ...]:
        """Returns which heads are the top heads, with their scores."""
        means = self._means["prefix_matching"]
        scores = ", ".join(f"{layer}.{head} {means[layer, head]:.2f}" for layer, head in self.named.top)
        return (f"The top heads as layer.head, chosen on other sequences, with their scores: {scores}.",)

    def require_matching(self, criterion: Criterion) -> None:
        """Raises NotApplicable unless the top heads are induction heads.

        The whole interval of their score must meet the criterion, and their score must be lower without repetition: a
        head can also attend over a fixed distance.
        """
        found = self.matching()["all"]
        if decide(criterion, found) is not Verdict.SUPPORTED:
            raise NotApplicable(
                f"the top heads are no induction heads: their prefix-matching score is {found.value:.3f}"
                f" [{found.low:.3f}, {found.high:.3f}], and {criterion} is needed"
            )
        *_, without = self.against_matching()
        if without.p is not None and without.p > 1 - CONFIDENCE:
            raise NotApplicable(
                f"the top heads are no induction heads: their prefix-matching score is {found.value:.3f}, and"
                f" {without.value:.3f} on sequences without repetition"
            )

    def resting(self, threshold: float = RESTING, score: str = "first_token") -> Parts:
        """Returns the share of the heads of layers 2 and higher that rest on the first token, median over sequences.

        Raises NotApplicable if there is no such layer.
        """
        return estimates.median(self._resting(threshold, score))

    def variants_of_resting(self) -> dict[str, Parts]:
        """Returns the same share with other thresholds, and by the last row alone."""
        found = {f"threshold {threshold:g}": self.resting(threshold) for threshold in OTHER_RESTING}
        return found | {"last row": self.resting(score="first_token_of_last_row")}

    def uniform_resting(self) -> Chance:
        """Returns the share of resting heads if all heads attend evenly."""
        return Chance("uniform attention", float(self._uniform["first_token"] > RESTING))

    def least_resting(self, criterion: Criterion) -> Counterexample | None:
        """Returns the sequence with the smallest share of resting heads. None if all meet the criterion."""
        found = estimates.lowest(self._resting(), criterion)
        return found and Counterexample(f"sequence {found[0]}: {found[1]:.1%} of the heads rest on the first token")

    def notes_on_resting(self) -> tuple[str, ...]:
        """Returns the mean first-token share over heads and sequences."""
        higher = self._means[self._means.index.get_level_values("layer") >= LOWEST_RESTING_LAYER]["first_token"]
        return (
            f"In layers {LOWEST_RESTING_LAYER} and higher, the mean first-token share is {higher.mean():.1%};"
            f" uniform attention gives {self._uniform['first_token']:.1%}.",
        )

    def drawing_of_matching(self, threshold: float) -> Drawing:
        """Returns the map of prefix-matching scores by layer and head."""
        scores, top = self._map("prefix_matching"), in_words(self.named.top)
        alt = f"Map of prefix-matching scores by layer and head. The top heads are {top}; the largest score is"
        return Drawing(partial(self._draw_map, threshold), f"{alt} {scores.max():.2f}.")

    def drawing_of_resting(self) -> Drawing:
        """Returns the first-token shares of the heads of each layer."""
        shares = self._map("first_token")
        medians = ", ".join(f"{median:.2f}" for median in np.median(shares, axis=1))
        return Drawing(self._draw_layers, f"Box plots of first-token shares by layer. Medians: {medians}.")

    @property
    def data(self) -> pd.DataFrame:
        """The data of the figures: mean scores over sequences, one row per layer × head, and which heads are named."""
        found = self._means.reset_index()
        named = {"top": self.named.top, "previous": self.named.previous, "resting": self.named.resting}
        return found.assign(**{name: self._means.index.isin(heads) for name, heads in named.items()})

    @cached_property
    def _means(self) -> pd.DataFrame:
        """The mean of each score over sequences; index (layer, head)."""
        return self._table.drop(columns="sequence").groupby(["layer", "head"]).mean()

    def _map(self, score: str) -> NDArray[np.float64]:
        """Returns the mean of a score over sequences, [layer, head]."""
        return self._means[score].unstack("head").to_numpy(float)

    def _resting(self, threshold: float = RESTING, score: str = "first_token") -> pd.Series:
        higher = self._table[self._table["layer"] >= LOWEST_RESTING_LAYER]
        if higher.empty:
            raise NotApplicable(
                f"the claim is about layers {LOWEST_RESTING_LAYER} and higher, and the highest layer of the model is"
                f" {self._table['layer'].max()}"
            )
        return (higher[score] > threshold).groupby(higher["sequence"]).mean()

    def _draw_map(self, threshold: float) -> Figure:
        from claims.induction.head_scores import figure

        n = self._table["sequence"].nunique()
        return figure.head_map(self._map("prefix_matching"), self.named.top, threshold=threshold, n=n)

    def _draw_layers(self) -> Figure:
        from claims.induction.head_scores import figure

        n = self._table["sequence"].nunique()
        uniform = self._uniform["first_token"]
        return figure.first_token_shares(self._map("first_token"), threshold=RESTING, uniform=uniform, n=n)


def _mean_over(table: pd.DataFrame, heads: tuple[Head, ...]) -> pd.Series:
    """Returns the prefix-matching score of each sequence, mean over some heads; index sequence."""
    chosen = table.set_index(["layer", "head"]).index.isin(heads)
    return table[chosen].groupby("sequence")["prefix_matching"].mean()
