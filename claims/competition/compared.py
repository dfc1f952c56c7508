"""Comparison of an edit in named heads with its placebo, with the same edit in other heads, and with other layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from claims.competition.edited import GREEDY, NOWHERE, Edited, Elsewhere
from claims.competition.estimates import as_large, placebo
from claims.competition.heads import BALANCED, FEWEST_GROUPS, RANDOM
from claims.competition.interventions import UNEDITED, placebo_of
from claims.competition.named import tokens_of
from claims.competition.strata import in_both_orders
from referee.judging import statistics
from referee.judging.evidence import Chance, Counterexample, Evidence, NotApplicable

if TYPE_CHECKING:
    from referee.judging.evidence import Parts


@dataclass(frozen=True)
class InOtherHeads:
    """Compares an edit in the named heads with the same edit in other groups of heads, on few prompts.

    Attributes:
        edited: the edit in the named heads and in each group of `heads.compared_groups`.
        arm: the arm with the edit in the named heads.
        elsewhere: the edit in the named heads and in some random groups, at each other layer.
    """

    edited: Edited
    arm: str
    elsewhere: Elsewhere = NOWHERE

    def more(self, order: str | None = None) -> Parts:
        """Returns the median over pairs of how much more the edit does in the named heads, in logits.

        For each prompt, this is the change of the margin in the claimed direction, minus its mean over random groups.
        """
        return self.edited.median(self._excess(self.edited), order, resolution=self.edited.resolution)

    def differs_by_more_than(self, noise: float) -> bool:
        """Returns whether the named heads differ by more than `noise`, in logits, from random groups and each rival.

        A difference is the median of absolute values over the prompts of one order. It must be larger in both orders.
        """
        own = self.edited.shifts(self.arm)
        differences = [self._excess(self.edited), *(own - self.edited.shifts(rival) for rival in self._rivals)]
        return all((found.abs().groupby("order").median() > noise).all() for found in differences)

    def against(self) -> tuple[Chance, ...]:
        """Returns the same excess in random groups, in balanced groups, and in the rivals.

        Random groups veto the claim. A rival that does as much as the named heads explains the finding as well.
        """
        means = {arm: self._mean(arm) for arm in self.edited.arms if arm != UNEDITED}
        drawn = {kind: self.edited.random_arms(self.arm, kind) for kind in (RANDOM, BALANCED)}
        middle = float(np.mean([means[arm] for arm in drawn[RANDOM]]))
        own = means[self.arm]
        found = []
        for kind, where in ((RANDOM, ""), (BALANCED, ", balanced within key-value groups")):
            null = [means[arm] for arm in drawn[kind]]
            if null:
                world = f"{len(null)} other groups of as many heads{where}"
                p = statistics.permutation_p(own, null)
                found.append(Chance(world, float(np.quantile(null, 0.95)) - middle, p, veto=True))
            else:
                found.append(Chance(f"fewer than {FEWEST_GROUPS} other groups{where}: no test", None))
        edit_name = self.arm.partition(" heads")[2]
        rivals = (
            Chance(arm.removesuffix(edit_name), means[arm] - middle, explains=self._explains(arm), only_listed=True)
            for arm in self._rivals
        )
        return (*found, *rivals)

    @property
    def _rivals(self) -> list[str]:
        """The arms with the same edit in rival groups of heads."""
        drawn = {arm for kind in (RANDOM, BALANCED) for arm in self.edited.random_arms(self.arm, kind)}
        return [arm for arm in self.edited.arms if arm not in {UNEDITED, self.arm, *drawn}]

    def _explains(self, rival: str) -> bool:
        own, other = self.edited.shifts(self.arm), self.edited.shifts(rival)
        return as_large(other, own, sign=self._sign, resolution=self.edited.resolution)

    def shown(self) -> tuple[Chance, ...]:
        """Returns the share of prompts that turn with the same edit in random groups. It is no veto."""
        found = self.edited.random_outcomes(self.arm)
        return (Chance(f"{len(found)} random groups of as many heads, their mean", float(np.mean(found))),)

    def by_layer(self) -> dict[int, float]:
        """Returns the excess at every layer, in logits. Returns {} unless all layers are measured."""
        return self.elsewhere.by_layer(self.edited, lambda _, there: float(self._excess(there).median()))

    def variants(self) -> dict[str, Parts]:
        """Returns how many more answers turn in the named heads than in random groups, instead of logits.

        The value of a prompt is 1 if it turns in the named heads, else 0. The share of random groups in which it turns
        is subtracted.
        """
        turned = self.edited.turned
        drawn = [turned(arm) for arm in self.edited.random_arms(self.arm)]
        return {TURNED: self.edited.median(turned(self.arm) - pd.concat(drawn, axis=1).mean(axis=1))}

    def counterexample(self) -> Counterexample | None:
        """Returns the prompt on which random groups do most compared with the named heads. Returns None if none."""
        excess = self._excess(self.edited)
        if excess.min() > 0:
            return None
        pair, order, format = excess.idxmin()
        return Counterexample(
            f"{format} with {pair}, {order}: the margin moves {-excess.min():.2f} logits less than in random groups,"
            f" with {self.arm}",
            tokens_of(pair, order, format),
        )

    def notes(self) -> tuple[str, ...]:
        """Returns the mean changes of the margin, and how many prompts they come from."""
        arms = self.edited.random_arms(self.arm)
        drawn = self._sign * float(np.mean([self._mean(arm) for arm in arms]))
        own = self._sign * self._mean(self.arm)
        return (
            f"On {len(self.edited.shifts(self.arm))} prompts, one of each pair, the margin changes by {own:+.2f} logits"
            f" on average in the named heads, and by {drawn:+.2f} in {len(arms)} random groups.",
        )

    @property
    def data(self) -> pd.DataFrame:
        """The edits in all groups of heads."""
        return self.edited.table

    @property
    def _sign(self) -> int:
        return 1 if self.edited.wrong_before else -1

    def _mean(self, arm: str) -> float:
        """Returns the mean change of the margin in the claimed direction, in logits."""
        return self._sign * float(self.edited.shifts(arm).mean())

    def _excess(self, edited: Edited) -> pd.Series:
        return self._sign * (edited.shifts(self.arm) - edited.mean_shift(edited.random_arms(self.arm)))


@dataclass(frozen=True)
class Compared:
    """An edit in the named heads on all prompts, with everything with which it is compared.

    Attributes:
        edited: the edit in the named heads and in the heads of the other parity, and its placebo.
        arm: the arm with the edit in the named heads.
        other: the arm with the same edit in the heads of the other parity.
        in_other_heads: the same edit in other groups. None if too few prompts can be used.
        elsewhere: the edit at other layers.
        matched: the mass that the placebo moves, as a share of the mass that the edit moves. None if it is unknown.
    """

    edited: Edited
    arm: str
    other: str
    in_other_heads: InOtherHeads | None = None
    elsewhere: Elsewhere = NOWHERE
    matched: float | None = None

    def share(self, order: str | None = None, score: str = "right") -> Parts:
        """Returns the share of prompts that turn with the edit in the named heads."""
        return self.edited.share_turned(self.arm, order=order, score=score)

    def variants(self) -> dict[str, Parts]:
        """Returns the share by the most likely next token instead of the margin."""
        return {GREEDY: self.share(score="top_answer")}

    def against(self) -> tuple[Chance, ...]:
        """Returns the share for the placebo, for other heads and at other layers. Only the placebo is a veto."""
        turned = [self.edited.turned(arm) for arm in (self.arm, placebo_of(self.arm))]
        return (
            placebo(PLACEBO, *turned),
            Chance("the same in the heads of the other parity", float(self.edited.turned(self.other).mean())),
            *(self.in_other_heads.shown() if self.in_other_heads else ()),
            *self.elsewhere.chances(self._share_there),
        )

    def evidence_of_more(self, notes: tuple[str, ...]) -> Evidence:
        """Returns the evidence that the edit does more in the named heads than in other groups of as many heads.

        `notes` follow the notes of the comparison. Raises NotApplicable if too few prompts can be used.
        """
        return Evidence(
            estimate=in_both_orders(self.others.more),
            against=self.against_more(),
            variants=self.others.variants(),
            counterexample=self.others.counterexample(),
            notes=(*self.others.notes(), *notes),
            data=self.others.data,
            by_layer=self.others.by_layer(),
        )

    def against_more(self) -> tuple[Chance, ...]:
        """Returns the same excess in other groups of heads, and the change of the margin under the placebo."""
        moved = [self.edited.shifts(arm) for arm in (self.arm, placebo_of(self.arm))]
        sign = 1 if self.edited.wrong_before else -1
        return (*self.others.against(), placebo(f"{PLACEBO}, change of the margin", *moved, sign=sign))

    def by_layer(self) -> dict[int, float]:
        """Returns the share of prompts that turn at every layer. Returns {} unless all layers are measured."""
        return self.elsewhere.by_layer(self.edited, self._share_there)

    def unturned(self) -> Counterexample | None:
        """Returns the prompt that is furthest from turning. Returns None if all prompts turn."""
        return self.edited.unturned(self.arm)

    def notes(self) -> tuple[str, ...]:
        """Returns notes on the order of the numbers and on the strength of the placebo."""
        weak = self.matched is not None and self.matched < 0.995
        strength = (
            f"The placebo moves {self.matched:.0%} of the attention that the edit moves: the tokens that the claim does"
            " not name have no more."
            if weak
            else None
        )
        return tuple(filter(None, (self.edited.bug_in_one_order(), strength)))

    @property
    def others(self) -> InOtherHeads:
        """The same edit in other groups of heads. Raises NotApplicable if too few prompts can be used."""
        if self.in_other_heads is None:
            raise NotApplicable("too few pairs have a prompt on which the edit can be compared in other heads")
        return self.in_other_heads

    def _share_there(self, _: int, there: Edited) -> float:
        return float(there.turned(self.arm).mean())


TURNED = "answers that turn, not logits"
"""Name of the variant that counts turned answers instead of measuring the margin."""
PLACEBO = "as much attention moved between tokens that the claim does not name"
"""The description of the placebo."""
