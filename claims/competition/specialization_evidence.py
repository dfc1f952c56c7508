"""Evidence of experiment set 3: similarity of even heads, and the effect of their patterns on the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from claims.competition import figures, interventions
from claims.competition.base import Evidence
from claims.competition.edited import Edited
from claims.competition.head_similarity import measure as specialization
from claims.competition.parity import Groups, Parity
from claims.competition.prompts import Prompt
from fixtures.options import Settings
from referee.judging.statistics import Estimate
from referee.models.subjects import Subject

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class SimilarityEvidence(Evidence):
    """Reduces experiment 3.1: correlations between the patterns of heads, [prompt, head, head] for each measure."""

    def __init__(
        self,
        similarities: Mapping[str, NDArray[np.float64]],
        prompts: list[Prompt],
        subject: Subject,
        settings: Settings,
    ) -> None:
        super().__init__(settings)
        self._similarities = similarities
        self._index = pd.MultiIndex.from_tuples([(str(p.pair), p.order) for p in prompts], names=["pair", "order"])
        self.parity = Parity(subject, settings)

    def advantage(self, order: str | None = None, measure: str = specialization.WHOLE) -> dict[str, Estimate]:
        """Returns the correlation of two even heads minus the correlation of an even and an odd head."""
        even = self.parity.members(self.parity.heads["even"])
        values = [_advantage(one, even)[0] for one in self._similarities[measure]]
        return self.mean(pd.Series(values, self._index), order)

    def alike(self) -> dict[str, Any]:
        """Returns the evidence on the claim that even heads are alike. The test permutes the labels of the heads."""
        mean = self._similarities[specialization.WHOLE].mean(0)
        groups = {**self.parity.heads, "key-value": None}
        means = []
        for name, heads in groups.items():
            if heads is None:
                means.append(f"heads of one key-value group {_mean_within_groups(mean, self.parity.kv_groups):.3f}")
            else:
                means.append(f"two {name} heads {specialization.within(mean, self.parity.members(heads))[0]:.3f}")
        across = specialization.between(mean, self.parity.members(self.parity.heads["even"]))[0]
        return {
            "parts": self.advantage,
            "chance": self.parity.chance("even", lambda groups: _advantage(mean, groups), sign=1),
            "variants": {measure: self.advantage(measure=measure) for measure in specialization.MEASURES[1:]},
            "notes": (f"Mean correlations: {'; '.join(means)}; an even and an odd head {across:.3f}.",),
            "figure": self.figure(),
            "alt": f"Matrix of correlations between heads, even before odd, and box plots: {'; '.join(means)}.",
            "data": pd.DataFrame(mean).rename_axis("head").reset_index(),
        }

    def figure(self) -> Figure:
        mean = self._similarities[specialization.WHOLE].mean(0)
        n = self._index.get_level_values("pair").nunique()
        return figures.head_similarity(mean, self.parity.kv_groups, n=n)


def _advantage(similarity: NDArray[np.float64], groups: Groups) -> NDArray[np.float64]:
    return specialization.within(similarity, groups) - specialization.between(similarity, groups)


def _mean_within_groups(similarity: NDArray[np.float64], kv_groups: list[int]) -> float:
    """Returns the mean over pairs of different heads in the same key-value group.

    Returns not-a-number if every group has only one head.
    """
    same = np.equal.outer(kv_groups, kv_groups) & ~np.eye(len(kv_groups), dtype=bool)
    return float(similarity[same].mean()) if same.any() else float("nan")


class SwapEvidence:
    """Reduces experiment 3.2: neighbour heads exchange patterns, on the bug set or on right answers."""

    def __init__(self, edited: Edited) -> None:
        self.edited = edited

    def even_into_odd(self) -> dict[str, Any]:
        """Returns the evidence on the claim that even patterns in odd heads raise the margin."""
        return self._moved(interventions.EVEN_INTO_ODD, interventions.ODD_INTO_ODD, sign=1)

    def odd_into_even(self) -> dict[str, Any]:
        """Returns the evidence on the claim that odd patterns in even heads lower the margin."""
        return self._moved(interventions.ODD_INTO_EVEN, interventions.EVEN_INTO_EVEN, sign=-1)

    def _moved(self, arm: str, placebo: str, *, sign: int) -> dict[str, Any]:
        """Returns the evidence on an exchange that should raise (`sign` +1) or lower (`sign` −1) the margin.

        The placebo is an exchange within one parity. It carries no information about the other parity.
        """
        edited = self.edited
        shift = edited.shifts(arm)
        random_arms = [a for a in edited.table["arm"].unique() if a.startswith(interventions.RANDOM)]
        null = [float(edited.shifts(random_arm).mean()) for random_arm in random_arms]
        arms = [arm, placebo]
        return {
            "parts": lambda order: edited.shift(arm, order),
            "chance": (
                edited.placebo(placebo, shift, edited.shifts(placebo), sign=sign),
                *edited.among("random choices of which neighbour takes the other's pattern",
                              float(shift.mean()), null, sign=sign),
            ),
            "notes": tuple(filter(None, (
                f"{edited.turned(arm).mean():.0%} of the answers turn; {edited.turned(placebo).mean():.0%} with"
                f" {placebo}.",
                edited.bug_in_one_order(),
            ))),
            "counterexample": self._counterexample(shift, arm, sign),
            "figure": figures.paired_margins(
                {name: edited.before_and_after(name) for name in arms}, n=edited.n,
                title="Margins before and after heads take each other's patterns",
            ),
            "alt": f"Paired margins: {arm} move them by {shift.mean():+.2f} logits on average.",
            "data": edited.table,
        }  # fmt: skip

    @staticmethod
    def _counterexample(shift: pd.Series, arm: str, sign: int) -> str | None:
        worst = (sign * shift).idxmin()
        if sign * shift[worst] > 0:
            return None
        pair, order, format = worst
        return f"{format} with {pair}, {order}: {arm} move the margin by {shift[worst]:+.2f} logits"
