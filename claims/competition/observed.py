"""What the claims about unedited attention have in common: one value of every head on every prompt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from claims.competition.estimates import OverPairs
from claims.competition.heads import FEWEST_GROUPS
from claims.competition.named import tokens_of
from claims.competition.parity import Groups, Parity
from claims.competition.sweeps import other_layers
from claims.competition.theory import CONFIDENCE
from claims.competition.wide import unstacked
from fixtures.options import Settings
from referee.judging import statistics
from referee.judging.evidence import Chance, Counterexample
from referee.judging.verdict import Criterion
from referee.models.subjects import Subject

if TYPE_CHECKING:
    from referee.judging.evidence import Parts

Group = Literal["even", "odd"]
Key = tuple[int, str, str]
"""The layer, the measure and the condition. For most experiments the condition is the format."""
ALL = "all"
"""The condition of an experiment that has only one."""
RESOLUTION = 1e-6
"""Differences between heads of at most this size are rounding errors. They count as zero."""


class OverHeads(OverPairs):
    """Reduces a quantity of every head to its level in a group of heads, and to the group's excess over other heads.

    Heads are never units. Every pair has one value, which is a mean over heads.

    Attributes:
        parity: the even and odd heads, and other divisions of the heads.
        conditions: the conditions at the layer of interest.
    """

    def __init__(self, values: Mapping[Key, pd.DataFrame], subject: Subject, settings: Settings) -> None:
        """Takes the values of each key, with index (pair, order) and columns head.

        The first key has the layer of interest and the primary measure. A head may have no value on a prompt
        (not-a-number). Then it is left out there.
        """
        super().__init__(settings)
        self._values = values
        self._layer, self._measure, _ = next(iter(values))
        self._every_layer = bool(other_layers(subject, settings, observed=True))
        self.parity = Parity(subject, settings)
        self.conditions = list(dict.fromkeys(condition for layer, _, condition in values if layer == self._layer))

    def level(
        self,
        group: Group,
        conditions: Sequence[str] | None = None,
        order: str | None = None,
        *,
        measure: str | None = None,
        layer: int | None = None,
    ) -> Parts:
        """Returns the mean over the heads of a group, median over pairs; one part for each condition.

        The defaults are all conditions, both orders, the primary measure, and the layer of interest.
        """
        found = self._chosen(conditions, measure, layer)
        return self._parts({name: self._level(values, group) for name, values in found.items()}, order)

    def excess(
        self,
        group: Group,
        conditions: Sequence[str] | None = None,
        order: str | None = None,
        *,
        measure: str | None = None,
        layer: int | None = None,
    ) -> Parts:
        """Returns the mean over the heads of a group minus the mean over all other heads; otherwise as `level`."""
        found = self._chosen(conditions, measure, layer)
        excesses = {name: self._excess(values, group) for name, values in found.items()}
        return self._parts(excesses, order, resolution=RESOLUTION)

    def per_head(self, conditions: Sequence[str] | None = None, measure: str | None = None) -> NDArray[np.float64]:
        """Returns the mean over pairs and orders at the layer of interest, [condition, head].

        A head without any value is not-a-number.
        """
        columns = range(len(self.parity.kv_groups))
        found = self._chosen(conditions, measure).values()
        return np.stack([values.mean().reindex(columns).to_numpy(float) for values in found])

    def of_random_groups(
        self, group: Group, criterion: Criterion, conditions: Sequence[str] | None = None
    ) -> tuple[Chance, ...]:
        """Returns the level of random groups of as many heads, where the criterion is hardest to meet.

        It is no veto: a level may be the same in all heads.
        """
        sign = criterion_sign(criterion)
        statistic = self.parity.worst_mean(self.per_head(conditions), sign)
        worlds = self.parity.chance(group, statistic, sign=sign)
        return tuple(replace(world, veto=False) for world in worlds if world.p is not None)

    def of_a_part(
        self, group: Group, criterion: Criterion, conditions: Sequence[str] | None = None
    ) -> tuple[Chance, ...]:
        """Returns each rival grouping that divides the named heads into a part that meets the criterion and a rest.

        If the rest misses the criterion in any condition in which the part meets it, the level is that of the part
        alone. Random divisions of the named heads must not do as well, because heads also differ by chance. The value
        is the mean of the rest.
        """
        named, found = set(self.parity.heads[group]), {}
        per_head = self.per_head(conditions)
        for name, heads in self.parity.rivals().items():
            part, rest = sorted(named & set(heads)), sorted(named - set(heads))
            if not part or not rest:
                continue
            missed = [
                float(values[rest].mean())
                for values in per_head
                if criterion.admits(values[part].mean())
                and not criterion.admits(values[rest].mean())
                and self._differ(values, part, rest) <= 1 - CONFIDENCE
            ]
            if missed:
                value = float(min(missed, key=criterion.room))
                found[tuple(part)] = Chance(f"only {name}, not the other {group} heads", value, explains=True)
        return tuple(found.values())

    def _differ(self, values: NDArray[np.float64], part: list[int], rest: list[int]) -> float:
        """Returns the p-value of the distance between two groups of heads, among random divisions of both together.

        With so few heads that no p-value could be small, the result is 0: chance cannot be excluded as the reason of
        the distance, and then the level may be that of a part.
        """
        heads = np.array(part + rest)
        splits = statistics.group_splits([0] * len(heads), range(len(part)), balanced=False, seed=0, count=999)
        if len(splits) < FEWEST_GROUPS or (2 * len(part) == len(heads) and len(splits) < 2 * FEWEST_GROUPS):
            return 0.0
        own, others = values[heads], np.abs(_contrast(values[heads], splits))
        return statistics.permutation_p(abs(float(own[: len(part)].mean() - own[len(part) :].mean())), others)

    def of_other_groups(
        self, group: Group, criterion: Criterion, conditions: Sequence[str] | None = None
    ) -> tuple[Chance, ...]:
        """Returns the excess of other groups of heads over all heads outside, where the criterion is hardest to meet.

        Random groups are a veto, because the claim names its heads as special.
        """
        sign = criterion_sign(criterion)
        statistic = self.parity.worst_difference(self.per_head(conditions), sign)
        return self.parity.chance(group, statistic, sign=sign)

    def by_layer(self, criterion: Criterion, quantity: Callable[..., Parts]) -> dict[int, float]:
        """Returns the value of the hardest part at every layer. Returns {} unless the run observes all layers.

        `quantity` is a method of this object that takes `layer`, for example a partial of `level`.
        """
        if not self._every_layer:
            return {}
        layers = sorted({layer for layer, *_ in self._values})
        return hardest_values(criterion, {layer: quantity(layer=layer) for layer in layers})

    def furthest(
        self,
        criterion: Criterion,
        group: Group,
        conditions: Sequence[str] | None = None,
        *,
        what: str,
        excess: bool = False,
    ) -> Counterexample | None:
        """Returns the prompt that misses the criterion by most. Returns None if no prompt misses it.

        `what` names the quantity and has a place for its value, for example "their share is {:.3f}".
        """
        reduce = self._excess if excess else self._level
        found = (
            (value, (pair, order, name))
            for name, values in self._chosen(conditions).items()
            for (pair, order), value in reduce(values, group).items()
        )
        value, (pair, order, name) = min(found, key=lambda case: criterion.room(case[0]))
        if criterion.admits(value):
            return None
        return Counterexample(f"{name} with {pair}, {order}: {what.format(value)}", tokens_of(pair, order, name))

    def _chosen(
        self, conditions: Sequence[str] | None, measure: str | None = None, layer: int | None = None
    ) -> dict[str, pd.DataFrame]:
        """Returns the values of each condition, with index (pair, order) and columns head."""
        layer, measure = self._layer if layer is None else layer, measure or self._measure
        names = self.conditions if conditions is None else conditions
        return {name: self._values[layer, measure, name] for name in names if (layer, measure, name) in self._values}

    def _parts(self, values: Mapping[str, pd.Series], order: str | None, *, resolution: float = 0.0) -> Parts:
        found = {name: self.median(series, order, resolution=resolution) for name, series in values.items()}
        return {name: estimates["all"] for name, estimates in found.items() if estimates}

    def _level(self, values: pd.DataFrame, group: Group) -> pd.Series:
        return values[values.columns.intersection(self.parity.heads[group])].mean(axis=1).dropna()

    def _excess(self, values: pd.DataFrame, group: Group) -> pd.Series:
        named = values.columns.isin(self.parity.heads[group])
        return (values.loc[:, named].mean(axis=1) - values.loc[:, ~named].mean(axis=1)).dropna()


def _contrast(values: NDArray[np.float64], splits: Groups) -> NDArray[np.float64]:
    """Returns the mean inside each group minus the mean outside it; [group] from [head] and [group, head]."""
    return splits @ values / splits.sum(1) - ~splits @ values / (~splits).sum(1)


def by_head(
    table: pd.DataFrame, value: str, *, condition: str = "format", measure: str = "measure"
) -> dict[Key, pd.DataFrame]:
    """Returns the values of a table by layer, measure and condition; index (pair, order), columns head.

    Args:
        table: columns `pair`, `order`, `layer`, `head`, and those that are named in the other arguments.
        value: the name of the column with the values.
        condition, measure: the names of the columns with the condition and the measure.
    """
    keys = ["layer", measure, condition]
    wide = unstacked(table.set_index([*keys, "pair", "order", "head"])[value], "head")
    return {
        (int(key[0]), str(key[1]), str(key[2])): values.droplevel(keys)
        for key, values in wide.groupby(level=keys, sort=False)
    }


def hardest_values(criterion: Criterion, by_layer: Mapping[int, Parts]) -> dict[int, float]:
    """Returns the value of the part with the least room at each layer. A layer without estimates is left out.

    A value of at most the size RESOLUTION is 0.
    """
    hardest = {
        layer: min((part.value for part in parts.values()), key=criterion.room)
        for layer, parts in by_layer.items()
        if parts
    }
    return {layer: value if abs(value) > RESOLUTION else 0.0 for layer, value in hardest.items()}


def criterion_sign(criterion: Criterion) -> int:
    """Returns the direction of a one-sided criterion: +1 for above, −1 for below."""
    return 1 if np.isfinite(criterion.low) else -1
