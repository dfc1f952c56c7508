"""Experiment 2.3: how the numerical share varies with the place of the numbers."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from claims.competition.bandwidth_distribution.measure import ALL_ROWS, bandwidth_distribution, per_head
from claims.competition.prompts import POSITIONS, Pair, ask
from referee.measuring.session import Session


def bandwidth_by_placement(
    session: Session,
    pairs: Sequence[Pair],
    *,
    layers: Sequence[int] | None = None,
    kept: Sequence[str] | None = None,
    progress: str | None = None,
) -> pd.DataFrame:
    """Experiment 2.3: returns the table of `bandwidth_distribution` for six placements of the same comparison."""
    return bandwidth_distribution(session, ask(pairs, POSITIONS), layers=layers, kept=kept, progress=progress)


def sensitivity(table: pd.DataFrame, measure: str = ALL_ROWS) -> pd.DataFrame:
    """Returns the standard deviation (n − 1) of the numerical share over placements.

    Args:
        table: result of `bandwidth_by_placement` for one layer.

    Returns:
        Table with index (pair, order) and columns head.
    """
    chosen = table[table["measure"] == measure]
    spread = chosen.groupby(["pair", "order", "head"], sort=False)["numerical_share"].std(ddof=1)
    return spread.unstack("head")


def by_placement(table: pd.DataFrame) -> pd.DataFrame:
    """Returns the mean numerical share over pairs and orders; index head, columns placement."""
    return per_head(table).T
