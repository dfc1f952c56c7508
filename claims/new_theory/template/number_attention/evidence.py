"""Evidence of experiment X1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from claims.new_theory.template.theory import THRESHOLD
from referee.judging import statistics
from referee.judging.evidence import Chance, Counterexample, Drawing
from referee.judging.verdict import Criterion

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from referee.judging.evidence import Parts


class NumberAttention:
    """Reduces the table of `number_attention`."""

    def __init__(self, table: pd.DataFrame) -> None:
        self.data = table

    def times_uniform(self, column: str = "number") -> Parts:
        """Returns the attention in multiples of uniform attention, median over sentences."""
        return {"all": statistics.median(self.data[column])}

    def variants(self) -> dict[str, Parts]:
        """Returns the same, by the last row alone."""
        return {"last row": self.times_uniform("number_last_row")}

    def against(self) -> tuple[Chance, ...]:
        """Returns the value of uniform attention, and that of the noun after the number.

        The latter is a veto: most sentences must give the number more attention than the noun (sign test).
        """
        number, noun = self.data["number"], self.data["noun"]
        return (
            Chance("uniform attention", 1.0),
            Chance("the noun after the number", float(noun.median()), statistics.sign_test(number - noun), veto=True),
        )

    def lowest(self, criterion: Criterion) -> Counterexample | None:
        """Returns the sentence whose number gets the least attention. Returns None if it meets the criterion."""
        row = self.data.loc[self.data["number"].idxmin()]
        if criterion.admits(row["number"]):
            return None
        return Counterexample(f"{row['sentence']!r}: {row['number']:.2f}")

    def drawing(self, criterion: Criterion) -> Drawing:
        """Returns the figure: the number and the noun, one point for each sentence."""

        def draw() -> Figure:
            from claims.new_theory.template.number_attention import figure

            columns = {"number": self.data["number"].tolist(), "noun after it": self.data["noun"].tolist()}
            return figure.times_uniform(columns, threshold=THRESHOLD)

        number, noun = self.data["number"].median(), self.data["noun"].median()
        return Drawing(draw, f"Medians: the number {number:.2f}, the noun {noun:.2f} times uniform attention.")
