"""Evidence of experiment 3.1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from claims.competition.estimates import OverPairs
from claims.competition.head_similarity.measure import MEASURES, WHOLE, between, within
from claims.competition.parity import Groups, Parity
from claims.competition.prompts import Prompt
from fixtures.options import Settings
from referee.judging.evidence import Chance, Drawing
from referee.models.subjects import Subject

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from referee.judging.evidence import Parts


class Similarity(OverPairs):
    """Reduces experiment 3.1: correlations between the patterns of heads.

    Args:
        similarities: result of `similarities`, [prompt, head, head] for each measure.
        prompts: the prompts, in the same order.
    """

    def __init__(
        self,
        similarities: Mapping[str, NDArray[np.float64]],
        prompts: Sequence[Prompt],
        subject: Subject,
        settings: Settings,
    ) -> None:
        super().__init__(settings)
        self._similarities = similarities
        self._mean = similarities[WHOLE].mean(0)
        self._index = pd.MultiIndex.from_tuples([(str(p.pair), p.order) for p in prompts], names=["pair", "order"])
        self._parity = Parity(subject, settings)

    def advantage_of_even_heads(self, order: str | None = None, measure: str = WHOLE) -> Parts:
        """Returns the correlation of two even heads minus the correlation of an even and an odd head."""
        even = self._members("even")
        values = [_advantage(of_prompt, even)[0] for of_prompt in self._similarities[measure]]
        return self.mean(pd.Series(values, self._index), order)

    def advantage_of_other_head_groups(self) -> tuple[Chance, ...]:
        """Returns the same for other groups of heads. This is a test that permutes the labels of the heads."""
        return self._parity.chance("even", lambda groups: _advantage(self._mean, groups), sign=1)

    def other_measures(self) -> dict[str, Parts]:
        """Returns the estimate for each other part of the pattern, by its name."""
        return {measure: self.advantage_of_even_heads(measure=measure) for measure in MEASURES if measure != WHOLE}

    def notes(self) -> tuple[str, ...]:
        """Returns the mean correlations of each kind of head pair."""
        across = between(self._mean, self._members("even"))[0]
        return (f"Mean correlations: {self._means()}; an even and an odd head {across:.3f}.",)

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

    def _draw(self) -> Figure:
        from claims.competition.head_similarity import figure

        return figure.head_similarity(
            self._mean,
            self._parity.kv_groups,
            even_heads=self._parity.heads["even"],
            odd_heads=self._parity.heads["odd"],
            n=self._index.get_level_values("pair").nunique(),
        )


def _advantage(similarity: NDArray[np.float64], groups: Groups) -> NDArray[np.float64]:
    """Returns the mean correlation within each group minus the one across its border; [group] from [group, head]."""
    return within(similarity, groups) - between(similarity, groups)


def _mean_within_groups(similarity: NDArray[np.float64], kv_groups: Sequence[int]) -> float:
    """Returns the mean over pairs of different heads in the same key-value group.

    Returns not-a-number if every group has only one head.
    """
    same = np.equal.outer(kv_groups, kv_groups) & ~np.eye(len(kv_groups), dtype=bool)
    return float(similarity[same].mean()) if same.any() else float("nan")
