"""Evidence of claim B1: the answers that differ between Simple and Q&A, in each order of the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from claims.competition.edited import GREEDY
from claims.competition.estimates import OverPairs
from claims.competition.named import tokens_of
from claims.competition.prompts import ORDERS, QA, SIMPLE
from claims.competition.screening import contrasts, in_both_formats, orders_with_bug, without_document_pairs
from fixtures.options import Settings
from referee.judging.evidence import Chance, Counterexample, Drawing, NotApplicable
from referee.judging.statistics import Estimate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from referee.judging.evidence import Parts

_UNKNOWN = Estimate(0.5, 0.0, 1.0, 0)
"""The estimate of a share without observations."""


class BugOfFormat(OverPairs):
    """Reduces the table of `screening.screen`."""

    def __init__(self, table: pd.DataFrame, settings: Settings) -> None:
        super().__init__(settings)
        self.table = table

    def right_in_simple(self, score: str = "correct") -> Parts:
        """Returns the share of the answers that differ in the two formats that are right in Simple, by order.

        An order without such answers has a part without observations. Raises NotApplicable if no answer differs.
        """
        right = in_both_formats(without_document_pairs(self.table), score=score)
        differ = right.loc[right["simple"] != right["question"], "simple"]
        found = {order: self.share(differ, order) for order in ORDERS}
        if not any(found.values()):
            raise NotApplicable("every prompt is answered alike in Simple and in Q&A, so there is no bug of format")
        return {order: parts.get("all", _UNKNOWN) for order, parts in found.items()}

    def variants(self) -> dict[str, Parts]:
        """Returns the share by the most likely next token instead of the margin. Returns {} if no answer differs."""
        try:
            return {GREEDY: self.right_in_simple(score="top_answer")}
        except NotApplicable:
            return {}

    def against(self) -> tuple[Chance, ...]:
        """Returns the chance world in which an answer that differs is right in either format, for each order."""
        return tuple(
            Chance(f"{order}: either format is equally likely to be the right one (McNemar)", 0.5, found.p)
            for order, found in contrasts(self.table).items()
        )

    def counterexample(self) -> Counterexample | None:
        """Returns the prompt that is right in Q&A and wrong in Simple, with the largest difference of the margins.

        Returns None if there is none.
        """
        right = in_both_formats(self.table)
        reverse = right.index[~right["simple"] & right["question"]]
        if not len(reverse):
            return None
        margins = self.table.set_index(["format", "pair", "order"])["margin_logits"]
        in_question, in_simple = margins[QA.name].loc[reverse], margins[SIMPLE.name].loc[reverse]
        pair, order = worst = (in_question - in_simple).idxmax()
        return Counterexample(
            f"{pair}, {order}: right in Q&A (margin {in_question[worst]:.2f}) and wrong in Simple"
            f" (margin {in_simple[worst]:.2f})",
            tokens_of(pair, order, QA.name),
        )

    def notes(self) -> tuple[str, ...]:
        """Returns further facts, one per note."""
        found = contrasts(self.table)
        pairs = without_document_pairs(self.table)["pair"].nunique()
        counted = "; ".join(
            f"{order}, {c.better} right in Simple alone and {c.worse} right in Q&A alone" for order, c in found.items()
        )
        notes = [f"Of {pairs} pairs, without those of the seed document: {counted}."]
        notes += [
            f"With the {order}, no prompt is answered differently in the two formats, so nothing shows the claim there."
            for order, c in found.items()
            if not c.better + c.worse
        ]
        orders = " and ".join(orders_with_bug(self.table)) or "neither order"
        notes.append(f"Claims about the repair are judged on the prompts of the orders with a bug: {orders}.")
        return tuple(notes)

    def drawing(self) -> Drawing:
        """Returns the figure: the share of right answers by format and order."""
        texts = [
            f"{c.simple:.0%} right in Simple and {c.question:.0%} in Q&A with {order}"
            for order, c in contrasts(self.table).items()
        ]
        return Drawing(self._draw, f"Share of right answers by format and order of the numbers: {'; '.join(texts)}.")

    def _draw(self) -> Figure:
        from claims.competition.bug_of_format import figure

        right = in_both_formats(self.table)
        rows = []
        for order in ORDERS:
            for name, column in ((SIMPLE.name, "simple"), (QA.name, "question")):
                for estimate in self.share(right[column], order).values():
                    rows.append((name, order, estimate.value, estimate.low, estimate.high))
        accuracy = pd.DataFrame(rows, columns=["format", "order", "share_right", "low", "high"])
        return figure.accuracy_by_order(accuracy, n=self.table["pair"].nunique())
