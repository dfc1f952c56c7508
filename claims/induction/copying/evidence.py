"""Evidence of experiments I2 and I3: how many tokens of a repetition are predicted, and how many copies are lost."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd

from claims.induction import estimates
from claims.induction.copying.measure import KNOCKED_OUT, LARGEST, SILENT
from claims.induction.heads import Heads, in_words
from claims.induction.predictions import ACCURACY, LOG_PROBABILITY, of_arm
from claims.induction.sequences import FIRST, SECOND
from claims.induction.theory import COMPARED
from referee.judging.evidence import Chance, Counterexample, Drawing, NotApplicable
from referee.judging.verdict import Criterion

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from referee.judging.evidence import Parts

_OF_ROUNDING = 1e-6
"""Differences of at most this size are rounding errors."""
_NATS = "log probability lost, in nats"


class Copying:
    """Reduces the unedited predictions of experiment I2. A right copy is a predicted token of the second half.

    Args:
        table: the unedited `predictions` of both halves of the judged sequences.
        without_repetition: the accuracies of both halves of sequences without repetition. Their first halves are those
            of the judged sequences.
    """

    def __init__(self, table: pd.DataFrame, without_repetition: pd.DataFrame) -> None:
        self.table, self._without = table, without_repetition

    @property
    def accuracy(self) -> pd.Series:
        """The share of right copies in the second half; index sequence."""
        return self.table.set_index("sequence")[ACCURACY[SECOND]]

    @property
    def log_probability(self) -> pd.Series:
        """The mean log probability of the second half in nats; index sequence."""
        return self.table.set_index("sequence")[LOG_PROBABILITY[SECOND]]

    def gain(self, columns: Mapping[str, str] = ACCURACY) -> Parts:
        """Returns the share predicted in the second half minus that in the first half, median over sequences."""
        return estimates.median(_gain(self.table, columns), resolution=_OF_ROUNDING)

    def variants(self) -> dict[str, Parts]:
        """Returns the same difference of the mean log probability, in nats."""
        return {"log probability": self.gain(LOG_PROBABILITY)}

    def without_repetition(self) -> Chance:
        """Returns the same difference on sequences without repetition. It is a veto."""
        gains = (_gain(table, ACCURACY) for table in (self.table, self._without))
        return estimates.placebo("sequences without repetition", *gains)

    def least_gain(self, criterion: Criterion) -> Counterexample | None:
        """Returns the sequence with the smallest difference. Returns None if all meet the criterion."""
        found = estimates.lowest(_gain(self.table, ACCURACY), criterion)
        return found and Counterexample(
            f"sequence {found[0]}: the share predicted changes by {found[1]:+.0%} in the second half"
        )

    def notes(self) -> tuple[str, ...]:
        """Returns the mean accuracies of both halves."""
        return (f"The model predicts {self._accuracies()}.",)

    def drawing(self) -> Drawing:
        """Returns the share predicted in each half, with and without repetition."""
        return Drawing(self._draw, f"Box plots of the share of tokens predicted: {self._accuracies()}.")

    @property
    def data(self) -> pd.DataFrame:
        """The predictions, one row per sequence, with and without repetition."""
        tables = {True: self.table, False: self._without}
        return pd.concat([table.assign(repeated=repeated) for repeated, table in tables.items()], ignore_index=True)

    def right(self) -> list[int]:
        """Returns the numbers of the sequences with a right copy. Raises NotApplicable if the model does not copy."""
        found, accuracy = self.gain()["all"], self.accuracy
        if found.low <= 0:
            raise NotApplicable(
                f"the model does not copy: it predicts {self._accuracies()}; median difference {found.value:.3f}"
                f" [{found.low:.3f}, {found.high:.3f}]"
            )
        return [int(sequence) for sequence in accuracy.index[accuracy > 0]]

    def _accuracies(self) -> str:
        first, second = (self.table[ACCURACY[half]].mean() for half in (FIRST, SECOND))
        without = self._without[ACCURACY[SECOND]].mean()
        return (
            f"{first:.1%} of the first half, {second:.1%} of the second half, and {without:.1%} of a second half that"
            " repeats nothing"
        )

    def _draw(self) -> Figure:
        from claims.induction.copying import figure

        both = {"repeated": self.table, "not repeated": self._without}
        shares = {name: [table[ACCURACY[half]].tolist() for half in (FIRST, SECOND)] for name, table in both.items()}
        return figure.predicted(shares, (FIRST, SECOND), n=len(self.table))


class KnockedOut:
    """Reduces the edits of experiment I3: heads are knocked out, and copies are lost.

    Only sequences with a right copy count.

    Args:
        copying: the unedited predictions.
        edited: the arms of `knock_outs`, on the sequences with a right copy.
        in_sets: the knock-outs of other sets of heads, on the first of these sequences. Only the accuracy is needed.
        existing: how many other sets of heads exist, with the same layers and the same number of heads.
        top: the heads that are knocked out.
        largest: the other heads with the largest output.
    """

    def __init__(
        self,
        copying: Copying,
        edited: pd.DataFrame,
        in_sets: pd.DataFrame,
        *,
        existing: int,
        top: Heads,
        largest: Heads,
    ) -> None:
        self._copying, self._edited, self._in_sets, self._existing = copying, edited, in_sets, existing
        self._top, self._largest = top, largest

    def lost(self, arm: str = KNOCKED_OUT) -> Parts:
        """Returns the share of the right copies that is lost, median over sequences.

        New right copies are subtracted, so it is a net loss.
        """
        return estimates.median(self._lost(arm))

    def variants(self) -> dict[str, Parts]:
        """Returns the loss if the output of the heads is zero, and the loss of log probability in nats."""
        after = of_arm(self._edited, KNOCKED_OUT, LOG_PROBABILITY[SECOND])
        lost = (self._copying.log_probability - after).dropna()
        return {"output zero": self.lost(SILENT), _NATS: estimates.median(lost, resolution=_OF_ROUNDING)}

    incomparable = (_NATS,)
    """The names of the variants whose unit differs from that of the threshold."""

    def against(self) -> tuple[Chance, ...]:
        """Returns the mean loss in other sets of heads, which is a veto, and in the heads with the largest output."""
        own, largest = (float(self._lost(arm).iloc[:COMPARED].mean()) for arm in (KNOCKED_OUT, LARGEST))
        return (
            estimates.among_other_sets(own, self._lost_in_sets, self._existing),
            Chance("the same number of other heads, with the largest output", largest),
        )

    def least_lost(self, criterion: Criterion) -> Counterexample | None:
        """Returns the sequence that loses the smallest share. Returns None if all meet the criterion."""
        found = estimates.lowest(self._lost(KNOCKED_OUT), criterion)
        return found and Counterexample(f"sequence {found[0]}: {found[1]:.0%} of the right copies are lost")

    def notes(self) -> tuple[str, ...]:
        """Returns which heads are knocked out, and the shares of right copies before and after."""
        after = {arm: of_arm(self._edited, arm, ACCURACY[SECOND]).mean() for arm in (KNOCKED_OUT, SILENT, LARGEST)}
        shares = ", ".join(f"{share:.1%} with {arm}" for arm, share in after.items())
        return (
            f"Right copies: {self._before.mean():.1%} unedited, {shares}.",
            f"As layer.head, the top heads are {in_words(self._top)}, and the other heads with the largest output are"
            f" {in_words(self._largest)}. Sets of heads are compared on {COMPARED}"
            f" sequences, where the top heads lose {self._lost(KNOCKED_OUT).iloc[:COMPARED].mean():.0%} of the copies.",
        )

    def drawing(self, threshold: float) -> Drawing:
        """Returns the share of right copies that is lost by each knock-out."""
        losses = ", ".join(f"{self._lost(arm).median():.0%} with {arm}" for arm in (KNOCKED_OUT, SILENT, LARGEST))
        alt = f"Share of right copies lost in the median sequence: {losses}. The figure also shows other sets of heads."
        return Drawing(partial(self._draw, threshold), alt)

    @property
    def data(self) -> pd.DataFrame:
        """The predictions of the second half, one row per arm × sequence."""
        before = self._copying.table[self._copying.table["sequence"].isin(self._before.index)]
        return pd.concat([before[self._edited.columns], self._edited, self._in_sets], ignore_index=True)

    @property
    def _before(self) -> pd.Series:
        """The share of right copies of the unedited model, for the edited sequences; index sequence."""
        return self._copying.accuracy.loc[self._edited["sequence"].unique()]

    @property
    def _lost_in_sets(self) -> list[float]:
        """The share of right copies that is lost in each other set of heads, mean over sequences."""
        after = self._in_sets.assign(before=self._in_sets["sequence"].map(self._before))
        return (1 - after[ACCURACY[SECOND]] / after["before"]).groupby(after["arm"], sort=False).mean().tolist()

    def _lost(self, arm: str) -> pd.Series:
        return 1 - of_arm(self._edited, arm, ACCURACY[SECOND]) / self._before

    def _draw(self, threshold: float) -> Figure:
        from claims.induction.copying import figure

        arms = {arm: self._lost(arm).tolist() for arm in (KNOCKED_OUT, SILENT, LARGEST)}
        return figure.lost(arms, self._lost_in_sets, threshold=threshold, n=len(self._before))


def _gain(table: pd.DataFrame, columns: Mapping[str, str]) -> pd.Series:
    """Returns the second half minus the first half; index sequence. `columns` names the columns of the halves."""
    by_sequence = table.set_index("sequence")
    return by_sequence[columns[SECOND]] - by_sequence[columns[FIRST]]
