"""Evidence of experiment S2: what moved attention does to the log probability of the second half."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from claims.induction import estimates
from claims.induction.heads import Heads, in_words
from claims.induction.idle_attention.measure import BETWEEN_OTHERS, FROM_FIRST
from claims.induction.predictions import ACCURACY, LOG_PROBABILITY, of_arm
from claims.induction.sequences import SECOND
from referee.judging.evidence import Counterexample, Drawing
from referee.judging.verdict import Criterion

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from referee.judging.evidence import Parts

_SHOWN = 12
"""The number of resting heads that a note names."""


class Idle:
    """Reduces the edits of experiment S2.

    Args:
        before: the predictions of the unedited model, one row per sequence.
        edited: the arms of `moves`.
        resting: the heads that are edited, the strongest first.
        resolution: the largest change of a log probability without a real cause, in nats.
    """

    def __init__(self, before: pd.DataFrame, edited: pd.DataFrame, resting: Heads, *, resolution: float) -> None:
        self._before, self._edited, self._resting = before.set_index("sequence"), edited, resting
        self._resolution = resolution

    def excess(self, column: str = LOG_PROBABILITY[SECOND]) -> Parts:
        """Returns how much more it changes to move attention from the first token than between others, in nats.

        The value of a sequence is the difference of the two |changes|. The result is the median over sequences.
        `column` is what changes.
        """
        return estimates.median(self._excess(column), resolution=self._resolution)

    def variants(self) -> dict[str, Parts]:
        """Returns the same for the share of right copies instead of their log probability."""
        return {"right copies": self.excess(ACCURACY[SECOND])}

    def least_excess(self, criterion: Criterion) -> Counterexample | None:
        """Returns the sequence with the smallest excess. Returns None if all meet the criterion."""
        found = estimates.lowest(self._excess(), criterion)
        return found and Counterexample(
            f"sequence {found[0]}: moving attention from the first token changes the log probability by"
            f" {abs(found[1]):.3f} nats less than moving the same amount between other tokens"
        )

    def notes(self) -> tuple[str, ...]:
        """Returns the changes with their signs, and the heads that are edited."""
        more = len(self._resting) - _SHOWN
        rest = f" and {more} more" if more > 0 else ""
        return (
            f"Mean change of the log probability, with its sign: {self._means()}.",
            f"{len(self._resting)} heads rest on the first token, as layer.head, the strongest first:"
            f" {in_words(self._resting[:_SHOWN])}{rest}.",
        )

    def drawing(self) -> Drawing:
        """Returns the changes of the log probability by both moves."""
        return Drawing(self._draw, f"Change of the log probability of the second half: {self._means()}.")

    @property
    def data(self) -> pd.DataFrame:
        """The log probabilities of the edited model, one row per arm × sequence."""
        return self._edited

    def _change(self, arm: str, column: str = LOG_PROBABILITY[SECOND]) -> pd.Series:
        """Returns the change of the log probability in nats, or of another column; index sequence."""
        return (of_arm(self._edited, arm, column) - self._before[column]).dropna()

    def _excess(self, column: str = LOG_PROBABILITY[SECOND]) -> pd.Series:
        return self._change(FROM_FIRST, column).abs() - self._change(BETWEEN_OTHERS, column).abs()

    def _means(self) -> str:
        by_move, by_other = (self._change(arm).mean() for arm in (FROM_FIRST, BETWEEN_OTHERS))
        return f"{by_move:+.3f} nats {FROM_FIRST}, {by_other:+.3f} nats {BETWEEN_OTHERS}"

    def _draw(self) -> Figure:
        from claims.induction.idle_attention import figure

        arms = {"from the first token": FROM_FIRST, "between the other tokens": BETWEEN_OTHERS}
        changes = {name: self._change(arm).tolist() for name, arm in arms.items()}
        return figure.changes(changes, n=self._edited["sequence"].nunique())
