"""Evidence of edited patterns: how many answers turn, and how far the margin moves."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import pandas as pd

from claims.competition.estimates import OverPairs, of_order
from claims.competition.heads import RANDOM
from claims.competition.interventions import PROMPT, UNEDITED, outcomes, shifts
from claims.competition.named import tokens_of
from claims.competition.prompts import ORDERS
from claims.competition.wide import averaged
from fixtures.options import Settings
from referee.judging.evidence import Chance, Counterexample
from referee.judging.statistics import TAIL, Estimate

GREEDY = "greedy token"
"""Name of the variant that uses the most likely next token instead of the margin."""


class Edited(OverPairs):
    """Reduces a table of `interventions`. An answer turns if an edit changes it from wrong to right or back.

    Args:
        wrong_before: True if all unedited prompts are wrong, so edits can repair them. False if all are right, so
            edits can break them.
        resolution: largest change of the margin without a real cause, in logits.
    """

    def __init__(self, table: pd.DataFrame, settings: Settings, *, wrong_before: bool, resolution: float = 0.0) -> None:
        super().__init__(settings)
        self.table = table
        self.wrong_before, self.resolution = wrong_before, resolution
        self._turned: dict[tuple[str, str], pd.Series] = {}

    @property
    def n(self) -> int:
        """Number of pairs."""
        return self.table["pair"].nunique()

    @property
    def arms(self) -> list[str]:
        """The names of all arms, in the order of the table."""
        return self.table["arm"].unique().tolist()

    def only(self, prompts: Collection[tuple[str, str, str]]) -> Edited:
        """Returns the same edits on some prompts only, each (pair, order, format)."""
        chosen = self.table.set_index(PROMPT).index.isin(list(prompts))
        return Edited(self.table[chosen], self.settings, wrong_before=self.wrong_before, resolution=self.resolution)

    def turned(self, arm: str, score: str = "right") -> pd.Series:
        """Returns True for each prompt that turns under an arm; index (pair, order, format).

        Only prompts that can turn by this score are included. By a score other than the margin, some prompts may
        already have the final answer before the edit.
        """
        if (arm, score) not in self._turned:
            found = outcomes(self._by_arm[arm], score) == self.wrong_before
            self._turned[arm, score] = found[outcomes(self._by_arm[UNEDITED], score) != self.wrong_before]
        return self._turned[arm, score]

    def share_turned(self, arm: str, *, order: str | None = None, score: str = "right") -> dict[str, Estimate]:
        """Returns the share of prompts that turn. Returns {} if there are no prompts."""
        return self.share(self.turned(arm, score), order)

    def curve(self, groups: dict[str, Sequence[tuple[float, str]]], along: str) -> pd.DataFrame:
        """Returns the data of the figure: share right and median margin (logits) of each group at each strength.

        Args:
            groups: list of (strength, arm) for each group name.
            along: column name of the strength.
        """
        rows = []
        for group, arms in groups.items():
            for strength, arm in arms:
                right = self.share(outcomes(self._by_arm[arm]))["all"]
                margin = self.table.loc[self.table["arm"] == arm, "margin_logits"].median()
                rows.append((group, strength, right.value, right.low, right.high, margin))
        return pd.DataFrame(rows, columns=["group", along, "share_right", "low", "high", "margin_logits"])

    def before_and_after(self, arm: str) -> pd.DataFrame:
        """Returns the margins in logits, one row per prompt, with columns `before` and `after`."""
        margins = averaged(self.table, PROMPT, "arm", "margin_logits")
        return margins[[UNEDITED, arm]].set_axis(["before", "after"], axis=1).reset_index(drop=True)

    def shifts(self, arm: str) -> pd.Series:
        """Returns the change of each margin, in logits. A change within the resolution is set to 0."""
        return self._shifts[arm]

    def mean_shift(self, arms: Sequence[str]) -> pd.Series:
        """Returns the change of each margin, mean over several arms, in logits."""
        return self._shifts[list(arms)].mean(axis=1)

    def shift(self, arm: str, order: str | None = None) -> dict[str, Estimate]:
        """Returns the median change of the margin over pairs, in logits."""
        return self.median(self.shifts(arm), order, resolution=self.resolution)

    def unturned(self, arm: str) -> Counterexample | None:
        """Returns the prompt that is furthest from turning under an arm. Returns None if all prompts turn."""
        margins = self.table[self.table["arm"] == arm].set_index(PROMPT)["margin_logits"]
        margins_unturned = margins[~self.turned(arm).loc[margins.index]]
        if margins_unturned.empty:
            return None
        pair, order, format = (margins_unturned if self.wrong_before else -margins_unturned).idxmin()
        text = f"{format} with {pair}, {order}: the margin is {margins_unturned[pair, order, format]:.2f} with {arm}"
        return Counterexample(text, tokens_of(pair, order, format))

    @cached_property
    def _by_arm(self) -> dict[str, pd.DataFrame]:
        by_prompt = self.table.set_index(PROMPT)
        return dict(iter(by_prompt.groupby("arm", sort=False, observed=True)))

    @cached_property
    def _shifts(self) -> pd.DataFrame:
        found = shifts(self.table)
        return found.mask(found.abs() <= self.resolution, 0.0)

    def random_arms(self, arm: str, kind: str = RANDOM) -> list[str]:
        """Returns the arms with the same edit in random groups of heads. `kind` begins the names of the groups."""
        edit_name = arm.partition(" heads")[2]
        return [other for other in self.arms if other.startswith(kind) and other.endswith(edit_name)]

    def random_outcomes(self, arm: str) -> list[float]:
        """Returns the share of prompts that turn under the same edit in each random group of heads."""
        return [float(self.turned(other).mean()) for other in self.random_arms(arm)]

    def bug_in_one_order(self) -> str | None:
        """Returns a note if one order of the numbers has prompts of fewer than a tenth of the pairs.

        Else returns None.
        """
        counts = {order: len(of_order(self.table, order)["pair"].unique()) for order in ORDERS}
        fewest, most = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
        if counts[fewest] >= 0.1 * self.n:
            return None
        few = counts[fewest] or "none"
        return (
            f"Of the {self.n} pairs, {few} {'is' if counts[fewest] < 2 else 'are'} here with the {fewest}. The verdict"
            f" is about prompts with the {most}."
        )


def of_several(estimate: Estimate, looks: int) -> Estimate:
    """Returns the estimate of a quantity that is the best of several. Its intervals are simultaneous (Bonferroni).

    `looks` is the number of quantities from which this one was chosen.
    """

    def limits(tail: float) -> tuple[float, float]:
        return estimate.interval(tail / looks)

    low, high = limits(TAIL)
    return replace(estimate, low=low, high=high, limits=limits)


@dataclass(frozen=True)
class Elsewhere:
    """The same edits at other layers.

    Attributes:
        layer: the layer of interest.
        tables: the edits at each other layer.
        complete: True if all other layers are here.
    """

    layer: int
    tables: Mapping[int, Edited]
    complete: bool = False

    def chances(self, value: Callable[[int, Edited], float]) -> tuple[Chance, ...]:
        """Returns a quantity at the other layers as chance worlds. Returns () if `by_layer` has all layers.

        `value` computes the quantity from a layer and its edits.
        """
        if self.complete:
            return ()
        return tuple(Chance(f"the same at layer {layer}", value(layer, there)) for layer, there in self.tables.items())

    def by_layer(self, here: Edited, value: Callable[[int, Edited], float]) -> dict[int, float]:
        """Returns a quantity at every layer, in the order of the layers. Returns {} if some layers are missing.

        `here` are the edits at the layer of interest.
        """
        if not self.complete:
            return {}
        return {layer: value(layer, edits) for layer, edits in sorted({**self.tables, self.layer: here}.items())}


NOWHERE = Elsewhere(0, {})
"""No edits at other layers."""
