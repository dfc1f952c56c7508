"""Evidence of experiment 1.3: bandwidth and accuracy against the share of format tokens."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from claims.competition import figures
from claims.competition.bandwidth_distribution.measure import ALL_ROWS
from claims.competition.base import Evidence, of_order
from claims.competition.format_injection import measure as injection
from claims.competition.prompts import INJECTION
from fixtures.ledger import NotApplicable
from fixtures.options import Settings
from referee.judging import curves, statistics
from referee.judging.curves import ChangePoint
from referee.judging.findings import Chance
from referee.judging.statistics import Estimate
from referee.judging.verdict import Criterion

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FEWEST_FOR_SHAPES = 2
"""Fewest pairs for a comparison of curve shapes. The comparison tests each shape on held-out pairs."""


class InjectionEvidence(Evidence):
    """Reduces the table of `progressive_injection`.

    `share_threshold` is a numerical share, which only the figure shows. `drop` is the claimed range of the drop.
    """

    def __init__(self, table: pd.DataFrame, settings: Settings, *, share_threshold: float, drop: Criterion) -> None:
        super().__init__(settings)
        self.table = table
        self._share_threshold, self._drop = share_threshold, drop

    def fall(self, order: str | None = None, measure: str = ALL_ROWS, column: str = "numerical_share") -> Estimate:
        """Returns the rank correlation between format share and numerical share, as a mean over pairs."""
        values = injection.falls(of_order(self.table, order), column, measure)
        return self.mean(values.rename_axis("pair"))["all"]

    def due_to_format(self, threshold: float, order: str | None = None) -> Estimate:
        """Returns the share of pairs for which more than `threshold` of the fall is due to format tokens.

        The rest of the fall is the effect of an equal number of line breaks.
        """
        found = (injection.due_to_format(of_order(self.table, order)) > threshold).rename_axis("pair")
        return self.share(found)["all"]

    def falling(self, threshold: float) -> dict[str, Any]:
        """Returns the evidence on the claim that numerical bandwidth falls with the share of format tokens."""
        excess = injection.due_to_format(self.table)
        correlations = [f"{measure}: {self.fall(measure=measure).value:.2f}" for measure in injection.MEASURED]
        return {
            "parts": lambda order: {"all": self.fall(order)},
            "chance": (
                Chance(
                    "as many line breaks in place of format tokens; p that they explain most of the fall",
                    self.fall(column="diluted_share").value,
                    statistics.sign_test(excess - threshold),
                    veto=True,
                ),
            ),
            "variants": {m: {"all": self.fall(measure=m)} for m in injection.MEASURED if m != ALL_ROWS},
            "notes": (
                f"Of the fall from the fewest to the most format tokens, {excess.median():.0%} (median pair) is due to"
                f" their being format tokens. Rank correlations: {'; '.join(correlations)}.",
            ),
            **self._described,
        }

    @cached_property
    def drop(self) -> ChangePoint | None:
        """The change point of accuracy. None if accuracy does not fall."""
        return self._change_point()

    def drop_at(self, order: str | None = None, score: str = "correct") -> dict[str, Estimate]:
        """Returns the change point of accuracy as a share of format tokens. Returns 1 if a constant predicts better.

        The comparison uses held-out pairs.
        """
        found = self.drop if (order, score) == (None, "correct") else self._change_point(order, score)
        n = self.table["pair"].nunique()
        return {"all": found.middle if found else Estimate(1.0, 1.0, 1.0, n)}

    def _change_point(self, order: str | None = None, score: str = "correct") -> ChangePoint | None:
        x, rows = injection.accuracy_curves(of_order(self.table, order), score)
        found = curves.change_point(x, rows, seed=self.settings.seed, resamples=self.settings.profile.resamples)
        if found and len(rows) >= _FEWEST_FOR_SHAPES:
            errors = curves.held_out_errors(x, rows)
            if errors["constant"] <= min(errors["logistic"], errors["step"]):
                return None
        return found

    def dropping(self) -> dict[str, Any]:
        """Returns the evidence on the claim that accuracy drops near 60 % of format tokens.

        Raises NotApplicable if no answer is right.
        """
        x, rows = injection.accuracy_curves(self.table)
        if not rows.any():
            raise NotApplicable("accuracy can only drop where some answer is right, and none is")
        ends = rows.mean(0)[[0, -1]]
        line: tuple[Chance, ...] = ()
        notes = [
            f"Accuracy is {ends[0]:.0%} at {x[0]:.0%} of format tokens and {ends[1]:.0%} at {x[-1]:.0%}.",
            "The theory excludes itself here: about half of the Q&A prompt's tokens are format tokens, so a bug in Q&A"
            " and a drop of accuracy at 60 % cannot both be.",
        ]
        if self.drop:
            notes.append(f"The fall from 90 % to 10 % of its height takes {self.drop.width:.2f} of format share.")
        if len(rows) >= _FEWEST_FOR_SHAPES:
            errors = curves.held_out_errors(x, rows)
            listed = ", ".join(f"{shape} {error:.3g}" for shape, error in errors.items())
            notes.append(f"Squared error in foretelling the accuracy of held-out pairs: {listed}.")
            # A straight decline also has a middle, but it has no drop at any one place.
            if errors["linear"] <= min(errors["logistic"], errors["step"]):
                line = (Chance("a straight line, which foretells held-out pairs better", None, 1.0, veto=True),)
        return {
            "parts": self.drop_at,
            "chance": line,
            "variants": {"greedy token": self.drop_at(score="greedy")},
            "notes": tuple(notes),
            "counterexample": self._counterexample(),
            **self._described,
        }

    def _counterexample(self) -> str | None:
        """Describes one prompt that contradicts the claimed drop. Returns None if there is none.

        The first choice is the wrong prompt below the drop with the lowest share of format tokens. The second choice
        is the right prompt above the drop with the highest share.
        """
        once = self.table[self.table["measure"] == ALL_ROWS]
        early = once[~once["correct"] & (once["format_share"] < self._drop.low)].nsmallest(1, "format_share")
        late = once[once["correct"] & (once["format_share"] > self._drop.high)].nlargest(1, "format_share")
        for case in [*early.itertuples(), *late.itertuples()]:
            right = "right" if case.correct else "wrong"
            return (
                f"{case.format} ({case.format_share:.0%} format tokens) with {case.pair}, {case.order}: {right},"
                f" margin {case.margin_logits:.2f}"
            )
        return None

    @property
    def _described(self) -> dict[str, Any]:
        correlation = self.fall().value
        return {
            "figure": self.figure(),
            "alt": f"Numerical bandwidth and accuracy against the share of format tokens; rank correlation"
            f" {correlation:.2f}, accuracy falls "
            + (f"at {self.drop.middle.value:.2f}." if self.drop else "nowhere in particular."),
            "data": self.table,
        }

    def figure(self) -> Figure:
        once = self.table[self.table["measure"] == ALL_ROWS]
        columns = ["format_share", "numerical_share", "correct"]
        table = once.groupby("format", sort=False)[columns].mean().reset_index()
        table["generated"] = ~table["format"].isin([format.name for format in INJECTION])
        table["n"] = once["pair"].nunique()
        middle = self.drop.middle if self.drop else None
        return figures.format_injection(
            table,
            share_threshold=self._share_threshold,
            drop_band=(self._drop.low, self._drop.high),
            change=(middle.value, middle.low, middle.high) if middle else None,
        )
