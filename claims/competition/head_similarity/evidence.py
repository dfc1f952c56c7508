"""Evidence of experiment 3.1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from claims.competition.estimates import OverPairs
from claims.competition.head_similarity.measure import (
    MEASURES,
    WHOLE,
    adjusted_rand_index,
    advantage,
    between,
    clusters,
    within,
)
from claims.competition.observed import RESOLUTION, hardest_values
from claims.competition.parity import Groups, Parity
from claims.competition.prompts import Prompt
from fixtures.options import Settings
from referee.judging.evidence import Chance, Drawing, NotApplicable
from referee.judging.verdict import Criterion
from referee.models.subjects import Subject

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from referee.judging.evidence import Parts


class Similarity(OverPairs):
    """Reduces experiment 3.1: correlations between the patterns of heads.

    Raises NotApplicable if there is only one even head.

    Args:
        similarities: result of `similarities`, [prompt, head, head] for each measure.
        prompts: the prompts, in the same order.
        elsewhere: result of `advantages` for the even heads at other layers. Empty if they were not measured.
    """

    def __init__(
        self,
        similarities: Mapping[str, NDArray[np.float64]],
        prompts: Sequence[Prompt],
        subject: Subject,
        settings: Settings,
        elsewhere: Mapping[int, NDArray[np.float64]] | None = None,
    ) -> None:
        super().__init__(settings)
        self._similarities = similarities
        self._mean = similarities[WHOLE].mean(0)
        self._index = pd.MultiIndex.from_tuples([(str(p.pair), p.order) for p in prompts], names=["pair", "order"])
        self._parity = Parity(subject, settings)
        self._layer, self._elsewhere = subject.layer, elsewhere or {}
        if len(self._parity.heads["even"]) < 2:
            raise NotApplicable("the only even head has no other even head to be like")

    def advantage_of_even_heads(self, order: str | None = None, measure: str = WHOLE) -> Parts:
        """Returns the correlation of two even heads minus the correlation of an even and an odd head."""
        even = self._members("even")
        return self._over_pairs([advantage(of_prompt, even)[0] for of_prompt in self._similarities[measure]], order)

    def advantage_of_other_head_groups(self) -> tuple[Chance, ...]:
        """Returns the same for other groups of heads. This is a test that permutes the labels of the heads."""

        def statistic(groups: Groups) -> NDArray[np.float64]:
            return advantage(self._mean, groups)

        worlds = self._parity.chance("even", statistic, sign=1)
        # A rival of one head has no pair of heads.
        return tuple(world for world in worlds if world.value is None or isfinite(world.value))

    def by_layer(self, criterion: Criterion) -> dict[int, float]:
        """Returns the advantage of the even heads at every layer. Returns {} if only one layer was measured."""
        if not self._elsewhere:
            return {}
        parts = {layer: self._over_pairs(values) for layer, values in self._elsewhere.items()}
        parts |= {self._layer: self.advantage_of_even_heads()}
        return hardest_values(criterion, dict(sorted(parts.items())))

    def other_measures(self) -> dict[str, Parts]:
        """Returns the estimate for each other part of the pattern, by its name."""
        return {measure: self.advantage_of_even_heads(measure=measure) for measure in MEASURES if measure != WHOLE}

    def notes(self) -> tuple[str, ...]:
        """Returns the mean correlations of each kind of head pair, and what a clustering of the heads agrees with."""
        across = between(self._mean, self._members("even"))[0]
        return (
            f"Mean correlations: {self._means()}; an even and an odd head {across:.3f}.",
            f"Clusters of heads (average linkage on 1 − correlation), adjusted Rand index: {self._agreement()}"
            " (published for Llama-3.1-8B-Instruct: −0.06 with parity, clusters by key-value group).",
        )

    def drawing(self) -> Drawing:
        """Returns the matrix of correlations, and box plots by kind of head pair."""
        alt = f"Matrix of correlations between heads, even before odd, and box plots: {self._means()}."
        return Drawing(draw=self._draw, alt=alt)

    @property
    def data(self) -> pd.DataFrame:
        """The mean correlations over prompts, one row and one column per head."""
        return pd.DataFrame(self._mean).rename_axis("head").reset_index()

    def _members(self, parity: str) -> Groups:
        """Returns the even or the odd heads as an array [1, head]."""
        return self._parity.members(self._parity.heads[parity])

    def _means(self) -> str:
        """Returns the mean correlation of heads of one parity, and of heads of one key-value group, in words."""
        by_parity = [
            f"two {parity} heads {within(self._mean, self._members(parity))[0]:.3f}" for parity in ("even", "odd")
        ]
        by_group = f"heads of one key-value group {_mean_within_groups(self._mean, self._parity.kv_groups):.3f}"
        return "; ".join([*by_parity, by_group])

    def _over_pairs(self, values: Sequence[float] | NDArray[np.float64], order: str | None = None) -> Parts:
        """Returns the median over pairs of one value for each prompt."""
        return self.median(pd.Series(values, self._index), order, resolution=RESOLUTION)

    def _agreement(self) -> str:
        """Returns the agreement of clusters of heads with parity and with the key-value groups, in words."""
        groups = self._parity.kv_groups
        divisions = {"parity": np.arange(len(groups)) % 2, "key-value groups": np.asarray(groups)}
        found = []
        for name, division in divisions.items():
            count = len(set(division.tolist()))
            index = adjusted_rand_index(clusters(self._mean, count).tolist(), division.tolist())
            value = f"{index:.2f}" if isfinite(index) else "undefined"
            found.append(f"{count} clusters and {name} {value}")
        return "; ".join(found)

    def _draw(self) -> Figure:
        from claims.competition.head_similarity import figure

        return figure.head_similarity(
            self._mean,
            self._parity.kv_groups,
            even_heads=self._parity.heads["even"],
            odd_heads=self._parity.heads["odd"],
            n=self._index.get_level_values("pair").nunique(),
        )


def _mean_within_groups(similarity: NDArray[np.float64], kv_groups: Sequence[int]) -> float:
    """Returns the mean over pairs of different heads in the same key-value group.

    Returns not-a-number if every group has only one head.
    """
    same = np.equal.outer(kv_groups, kv_groups) & ~np.eye(len(kv_groups), dtype=bool)
    return float(similarity[same].mean()) if same.any() else float("nan")
