"""Evidence of experiment I4: how far the top heads' prefix-matching score falls without previous-token heads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from claims.induction import estimates
from claims.induction.heads import RESOLUTION, in_words
from claims.induction.named import Named
from claims.induction.predictions import of_arm
from claims.induction.previous_tokens.measure import KNOCKED_OUT, SILENT
from claims.induction.theory import COMPARED
from referee.judging.evidence import Chance, Counterexample, Drawing
from referee.judging.verdict import Criterion

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from referee.judging.evidence import Parts


class Feeding:
    """Reduces the tables of `matching_after`.

    Args:
        before: the prefix-matching score of the top heads in the unedited model, mean over these heads; index sequence.
        edited: the arms of `knock_outs`.
        in_sets: the knock-outs of other sets of heads, on few of the sequences.
        existing: how many other sets of heads exist, with the same layers and the same number of heads.
        named: the named heads.
    """

    def __init__(
        self, before: pd.Series, edited: pd.DataFrame, in_sets: pd.DataFrame, *, existing: int, named: Named
    ) -> None:
        self._before = before.loc[edited["sequence"].unique()]
        self._edited, self._in_sets, self._existing, self._named = edited, in_sets, existing, named

    def fall(self, arm: str = KNOCKED_OUT) -> Parts:
        """Returns how far the prefix-matching score of the top heads falls, median over sequences."""
        return estimates.median(self._fall(arm), resolution=RESOLUTION)

    def differs_by_more_than(self, noise: float) -> bool:
        """Returns whether the scores change by more than `noise`: the median of the absolute changes of sequences."""
        return bool(self._fall(KNOCKED_OUT).abs().median() > noise)

    def variants(self) -> dict[str, Parts]:
        """Returns the fall if the output of the previous-token heads is zero."""
        return {"output zero": self.fall(SILENT)}

    def against(self) -> tuple[Chance, ...]:
        """Returns the mean fall when other sets of heads are knocked out. It is a veto."""
        own = float(self._fall(KNOCKED_OUT).iloc[:COMPARED].mean())
        return (estimates.among_other_sets(own, self._falls_in_sets, self._existing),)

    def least_fall(self, criterion: Criterion) -> Counterexample | None:
        """Returns the sequence with the smallest fall. Returns None if all meet the criterion."""
        found = estimates.lowest(self._fall(KNOCKED_OUT), criterion)
        return found and Counterexample(
            f"sequence {found[0]}: the prefix-matching score falls by {round(found[1], 3) + 0.0:.3f}"
        )

    def notes(self) -> tuple[str, ...]:
        """Returns which heads are knocked out, and the scores before and after."""
        after = ", ".join(f"{self._after(arm).mean():.3f} with {arm}" for arm in (KNOCKED_OUT, SILENT))
        return (
            f"Prefix-matching score of the top heads: {self._before.mean():.3f} unedited, {after}.",
            f"As layer.head, the top heads are {in_words(self._named.top)}, and the previous-token heads are"
            f" {in_words(self._named.previous)}. Sets of heads are compared on {COMPARED}"
            f" sequences, where the score falls by {self._fall(KNOCKED_OUT).iloc[:COMPARED].mean():.3f}.",
        )

    def drawing(self) -> Drawing:
        """Returns the fall by each knock-out."""
        falls = ", ".join(f"{self._fall(arm).median():.3f} with {arm}" for arm in (KNOCKED_OUT, SILENT))
        return Drawing(self._draw, f"Fall of the prefix-matching score in the median sequence: {falls}.")

    @property
    def data(self) -> pd.DataFrame:
        """The scores, one row per arm × sequence."""
        return pd.concat([self._edited, self._in_sets], ignore_index=True)

    @property
    def _falls_in_sets(self) -> list[float]:
        """The fall when each other set of heads is knocked out, mean over sequences."""
        falls = self._in_sets["sequence"].map(self._before) - self._in_sets["prefix_matching"]
        return falls.groupby(self._in_sets["arm"], sort=False).mean().tolist()

    def _after(self, arm: str) -> pd.Series:
        return of_arm(self._edited, arm, "prefix_matching")

    def _fall(self, arm: str) -> pd.Series:
        return self._before - self._after(arm)

    def _draw(self) -> Figure:
        from claims.induction.previous_tokens import figure

        arms = {arm: self._fall(arm).tolist() for arm in (KNOCKED_OUT, SILENT)}
        return figure.falls(arms, self._falls_in_sets, n=len(self._before))
