"""Comparison of even and odd heads with other divisions of the heads."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from claims.competition.heads import FEWEST_GROUPS, even_heads, odd_heads, rivals
from fixtures.options import Settings
from referee.judging import statistics
from referee.judging.evidence import Chance
from referee.models.subjects import Subject

Groups = NDArray[np.bool_]
"""Head groups, [group, head]. An entry is True if the head belongs to the group."""


class Parity:
    """The even and odd heads of the subject, and other divisions of its heads."""

    def __init__(self, subject: Subject, settings: Settings) -> None:
        self.heads = {"even": even_heads(subject), "odd": odd_heads(subject)}
        self.kv_groups = subject.kv_group_of_head
        self._settings = settings

    def members(self, heads: Sequence[int]) -> Groups:
        """Returns one group of heads as an array [1, head]."""
        return np.isin(np.arange(len(self.kv_groups)), heads)[None]

    def chance(
        self, parity: str, statistic: Callable[[Groups], NDArray[np.float64]], *, sign: int
    ) -> tuple[Chance, ...]:
        """Returns the chance worlds of a parity claim.

        The first world has random groups with the same number of heads. The second world balances these groups within
        key-value groups. The other worlds are fixed divisions of the heads.

        Args:
            parity: "even" or "odd", the group in the claim.
            statistic: function that computes the quantity of the claim, [group] from [group, head].
            sign: +1 if the claim expects a large value, −1 if it expects a small value.
        """
        value = float(statistic(self.members(self.heads[parity]))[0])
        found = []
        for balanced in (False, True):
            splits = statistics.group_splits(
                self.kv_groups, self.heads[parity], balanced=balanced,
                seed=self._settings.seed, count=self._settings.profile.splits,
            )  # fmt: skip
            where = ", balanced within key-value groups" if balanced else ""
            if balanced and len(splits) < FEWEST_GROUPS:
                found.append(Chance(f"only {len(splits)} other groups of as many heads{where}: no test", None))
                continue
            null = sign * statistic(splits)
            p = statistics.permutation_p(sign * value, null)
            world = f"{len(splits)} other groups of as many heads{where}"
            found.append(Chance(world, sign * float(np.quantile(null, 0.95)), p, veto=True))
        return (*found, *self._rivals_of(statistic, value, sign, self.heads[parity]))

    def _rivals_of(
        self, statistic: Callable[[Groups], NDArray[np.float64]], value: float, sign: int, named: Sequence[int]
    ) -> tuple[Chance, ...]:
        """Returns the statistic of each rival grouping. A rival whose statistic is at least as large explains it.

        The heads outside a rival are a rival, too: if one head in four is low, then all the others together are high.
        They are listed only if they explain the finding.
        """

        def chance(name: str, heads: list[int]) -> Chance:
            rival = float(statistic(self.members(heads))[0])
            as_strong = sign * value > 0 and sign * rival >= sign * value - 1e-9
            return Chance(name, rival, explains=as_strong, only_listed=True)

        # Parity itself is no rival, and a grouping without a head of the claim explains nothing about it.
        groups = self.rivals()
        found = [
            chance(name, heads)
            for name, heads in groups.items()
            if heads not in self.heads.values() and set(heads) & set(named)
        ]
        known = [*groups.values(), *self.heads.values()]
        outside = {name: [h for h in range(len(self.kv_groups)) if h not in heads] for name, heads in groups.items()}
        others = [chance(f"all heads but {name}", heads) for name, heads in outside.items() if heads not in known]
        return (*found, *(world for world in others if world.explains))

    def difference(self, per_head: NDArray[np.float64]) -> Callable[[Groups], NDArray[np.float64]]:
        """Returns a statistic: the mean of the group minus the mean of the other heads. `per_head` is [head]."""
        return lambda groups: _means(groups, per_head[None])[0] - _means(~groups, per_head[None])[0]

    def worst_mean(self, per_head: NDArray[np.float64], sign: int) -> Callable[[Groups], NDArray[np.float64]]:
        """Returns a statistic: the mean of the group in the condition that is worst for the claim.

        `per_head` is [condition, head].
        """
        return lambda groups: sign * (sign * _means(groups, per_head)).min(0)

    def worst_difference(self, per_head: NDArray[np.float64], sign: int) -> Callable[[Groups], NDArray[np.float64]]:
        """Returns a statistic: mean of the group minus mean of the others, in the worst condition for the claim.

        `per_head` is [condition, head].
        """
        return lambda groups: sign * (sign * (_means(groups, per_head) - _means(~groups, per_head))).min(0)

    def rivals(self) -> dict[str, list[int]]:
        """Returns other groupings by name. Where one explains a finding as well, parity does not explain it."""
        return rivals(len(self.kv_groups), self.kv_groups)


def _means(groups: Groups, per_head: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the mean over the heads of each group, [condition, group] from [group, head] and [condition, head].

    Heads without a value (not-a-number) are left out.
    """
    known = np.isfinite(per_head)
    sums = np.where(known, per_head, 0) @ groups.T.astype(float)
    return sums / np.maximum(known @ groups.T.astype(float), 1e-12)
