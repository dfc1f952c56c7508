"""Evidence of experiment 1.3: bandwidth and accuracy against the share of format tokens."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from claims.competition.bandwidth_distribution.measure import ALL_ROWS
from claims.competition.edited import GREEDY
from claims.competition.estimates import OverPairs, of_order
from claims.competition.format_injection.measure import MEASURED, accuracy_curves, due_to_format, falls
from claims.competition.prompts import INJECTION
from fixtures.options import Settings
from referee.judging import curves, statistics
from referee.judging.curves import ChangePoint
from referee.judging.evidence import Chance, Drawing, NotApplicable
from referee.judging.statistics import Estimate
from referee.judging.verdict import Criterion

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from referee.judging.evidence import Parts

_FEWEST_FOR_SHAPES = 2
"""Fewest pairs for a comparison of curve shapes. The comparison tests each shape on held-out pairs."""


class Injection(OverPairs):
    """Reduces the table of `progressive_injection`.

    `share_threshold` is a numerical share, which only the figure shows. `drop` is the claimed range of the drop.
    """

    def __init__(self, table: pd.DataFrame, settings: Settings, *, share_threshold: float, drop: Criterion) -> None:
        super().__init__(settings)
        self.table = table
        self._share_threshold, self._claimed_drop = share_threshold, drop

    def correlation(self, order: str | None = None, measure: str = ALL_ROWS, column: str = "numerical_share") -> Parts:
        """Returns the rank correlation between format share and numerical share, as a mean over pairs."""
        values = falls(of_order(self.table, order), column, measure)
        return self.mean(values.rename_axis("pair"))

    def other_measures(self) -> Mapping[str, Parts]:
        """Returns the rank correlation by each other measure of the numerical share."""
        return {measure: self.correlation(measure=measure) for measure in MEASURED if measure != ALL_ROWS}

    def mostly_due_to_format(self, threshold: float, order: str | None = None) -> Parts:
        """Returns the share of pairs for which more than `threshold` of the fall is due to format tokens.

        The rest of the fall is the effect of an equal number of line breaks.
        """
        return self.share((due_to_format(of_order(self.table, order)) > threshold).rename_axis("pair"))

    def against_falling(self, threshold: float) -> tuple[Chance, ...]:
        """Returns the chance world with line breaks in place of format tokens.

        It vetoes the claim, unless more than `threshold` of the fall is due to format tokens for most pairs.
        """
        return (
            Chance(
                "as many line breaks in place of format tokens; p that they explain most of the fall",
                self.correlation(column="diluted_share")["all"].value,
                statistics.sign_test(due_to_format(self.table) - threshold),
                veto=True,
            ),
        )

    def notes_on_falling(self) -> tuple[str, ...]:
        """Returns further facts about the fall of the numerical share."""
        excess = due_to_format(self.table).median()
        correlations = [f"{measure}: {self.correlation(measure=measure)['all'].value:.2f}" for measure in MEASURED]
        return (
            f"Of the fall from the fewest to the most format tokens, {excess:.0%} (median pair) is due to"
            f" format and not to added tokens. Rank correlations: {'; '.join(correlations)}.",
        )

    def require_right_answers(self) -> None:
        """Raises NotApplicable if no answer is right. Then accuracy cannot drop."""
        if not self._accuracy[1].any():
            raise NotApplicable("accuracy can only drop where some answer is right, and none is")

    def drop_at(self, order: str | None = None, score: str = "correct") -> Parts:
        """Returns the change point of accuracy as a share of format tokens. Returns 1 if a constant predicts better.

        The comparison uses held-out pairs.
        """
        found = self._drop if (order, score) == (None, "correct") else self._change_point(order, score)
        n = self.table["pair"].nunique()
        return {"all": found.middle if found else Estimate(1.0, 1.0, 1.0, n)}

    def drop_by_token(self) -> Mapping[str, Parts]:
        """Returns the change point of accuracy by the most likely next token instead of the margin."""
        return {GREEDY: self.drop_at(score="greedy")}

    def against_dropping(self) -> tuple[Chance, ...]:
        """Returns a straight line as a chance world, if it predicts the accuracy of held-out pairs best.

        A straight decline also has a change point in its middle, but it has no drop at any one place.
        """
        errors = self._shape_errors
        if errors and errors["linear"] <= min(errors["logistic"], errors["step"]):
            return (Chance("a straight line, which predicts held-out pairs better", None, 1.0, veto=True),)
        return ()

    def notes_on_dropping(self) -> tuple[str, ...]:
        """Returns further facts about accuracy, one per note."""
        x, rows = self._accuracy
        ends = rows.mean(0)[[0, -1]]
        notes = [
            f"Accuracy is {ends[0]:.0%} at {x[0]:.0%} of format tokens and {ends[1]:.0%} at {x[-1]:.0%}.",
            "Two claims of the theory exclude each other: about half of the Q&A prompt's tokens are format tokens, so"
            " a bug in Q&A and a drop of accuracy at 60 % cannot both be true.",
        ]
        if self._drop:
            notes.append(f"The fall from 90 % to 10 % of its height takes {self._drop.width:.2f} of format share.")
        if self._shape_errors:
            listed = ", ".join(f"{shape} {error:.3g}" for shape, error in self._shape_errors.items())
            notes.append(f"Squared error of the predicted accuracy of held-out pairs: {listed}.")
        return tuple(notes)

    def furthest_from_drop(self) -> str | None:
        """Describes one prompt that contradicts the claimed drop. Returns None if there is none.

        The first choice is the wrong prompt below the drop with the lowest share of format tokens. The second choice
        is the right prompt above the drop with the highest share.
        """
        once, drop = self.table[self.table["measure"] == ALL_ROWS], self._claimed_drop
        early = once[~once["correct"] & (once["format_share"] < drop.low)].nsmallest(1, "format_share")
        late = once[once["correct"] & (once["format_share"] > drop.high)].nlargest(1, "format_share")
        for case in [*early.itertuples(), *late.itertuples()]:
            right = "right" if case.correct else "wrong"
            return (
                f"{case.format} ({case.format_share:.0%} format tokens) with {case.pair}, {case.order}: {right},"
                f" margin {case.margin_logits:.2f}"
            )
        return None

    def drawing(self) -> Drawing:
        """Returns the figure: numerical bandwidth and accuracy against the share of format tokens."""
        return Drawing(
            self._draw,
            "Numerical bandwidth and accuracy against the share of format tokens; rank correlation"
            f" {self.correlation()['all'].value:.2f}, accuracy falls "
            + (f"at {self._drop.middle.value:.2f}." if self._drop else "at no single place."),
        )

    @cached_property
    def _accuracy(self) -> tuple[np.ndarray, np.ndarray]:
        """The shares of format tokens, [format], and the shares of right answers, [pair, format]."""
        return accuracy_curves(self.table)

    @cached_property
    def _shape_errors(self) -> dict[str, float]:
        """The squared error of each curve shape on held-out pairs. It is empty if there are too few pairs."""
        x, rows = self._accuracy
        return curves.held_out_errors(x, rows) if len(rows) >= _FEWEST_FOR_SHAPES else {}

    @cached_property
    def _drop(self) -> ChangePoint | None:
        """The change point of accuracy by the margin. It is None if accuracy does not fall."""
        return self._change_point()

    def _change_point(self, order: str | None = None, score: str = "correct") -> ChangePoint | None:
        x, rows = accuracy_curves(of_order(self.table, order), score)
        found = curves.change_point(x, rows, seed=self.settings.seed, resamples=self.settings.profile.resamples)
        if found and len(rows) >= _FEWEST_FOR_SHAPES:
            errors = curves.held_out_errors(x, rows)
            if errors["constant"] <= min(errors["logistic"], errors["step"]):
                return None
        return found

    def _draw(self) -> Figure:
        from claims.competition.format_injection import figure

        once = self.table[self.table["measure"] == ALL_ROWS]
        columns = ["format_share", "numerical_share", "correct"]
        table = once.groupby("format", sort=False)[columns].mean().reset_index()
        table["generated"] = ~table["format"].isin([format.name for format in INJECTION])
        table["n"] = once["pair"].nunique()
        middle = self._drop.middle if self._drop else None
        return figure.format_injection(
            table,
            share_threshold=self._share_threshold,
            drop_band=(self._claimed_drop.low, self._claimed_drop.high),
            change=(middle.value, middle.low, middle.high) if middle else None,
        )
