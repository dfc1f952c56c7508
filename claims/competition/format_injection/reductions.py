"""Reduces the table of experiment 1.3 to one value for each series of prompts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from referee.judging.curves import ChangePoint, change_point

RESOLUTION = 1e-6
"""Shares that differ by less are equal."""
SMALLEST_FALL = 0.25
"""A smaller fall of the share of right answers is no fall. If one of the two orders turns wrong, the fall is 0.5."""
CASE = ["measure", "phrasing", "pair", "order"]
"""The columns that identify one pair in one order, in one series of prompts, by one measure."""


def correlations(table: pd.DataFrame, column: str = "numerical_share") -> pd.Series:
    """Returns the rank correlation of a share with the share of format tokens; index CASE.

    The correlation is 0 if the share does not change.
    """
    rows = table[table["filler"] == ""]
    x, y = rows["format_share"].to_numpy(), np.round(rows[column].to_numpy() / RESOLUTION)
    groups = rows.groupby(CASE, sort=False).indices
    found = [_rank_correlation(x[chosen], y[chosen]) for chosen in groups.values()]
    return pd.Series(found, pd.MultiIndex.from_tuples(groups, names=CASE), dtype=float)


def _rank_correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Returns the rank correlation of Spearman. Returns 0 if one of the two is constant."""
    a, b = rankdata(x), rankdata(y)
    a, b = a - a.mean(), b - b.mean()
    spread = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / spread) if spread > 0 else 0.0


def falls(table: pd.DataFrame, column: str = "numerical_share") -> pd.DataFrame:
    """Returns how far a share falls from no added tokens to the most; index CASE, a column per kind of added tokens.

    The column `format` has the fall with the most format tokens. The column of a filler has the fall with as many
    tokens of this filler. Series without fillers are left out.
    """
    ordered = table.sort_values("format_tokens", kind="stable")
    written = ordered[ordered["filler"] == ""].groupby(CASE, sort=False)[column]
    bare, most = written.first(), written.last()
    fillers = table[table["filler"] != ""].pivot(index=CASE, columns="filler", values=column)
    found = fillers.rsub(bare, axis=0).assign(format=bare - most)
    return found.loc[fillers.index]


def excess(falls: pd.DataFrame, due: float) -> pd.DataFrame:
    """Returns by how much a filler's fall stays below a part of the fall with format tokens; a column per filler.

    The part is 1 − `due`: then more than `due` of the fall is due to format. Without a fall the result is at most 0.
    """
    fillers, whole = falls.drop(columns="format"), falls["format"]
    found = fillers.rsub((1 - due) * whole, axis=0)
    return found.where(whole > RESOLUTION, found.clip(upper=0))


class Points(NamedTuple):
    """Shares of right answers along the share of format tokens; one element per phrasing and format.

    Attributes:
        phrasing: index of the phrasing, in the order of the table.
        x: share of format tokens, mean over pairs.
        y: share of right answers over pairs and orders.
    """

    phrasing: np.ndarray
    x: np.ndarray
    y: np.ndarray


def points(rows: pd.DataFrame, score: str = "correct") -> Points:
    """Returns the shares of right answers of rows of the table, one row for each prompt with format tokens.

    The score "correct" uses the margin. The score "greedy" uses the most likely next token.
    """
    right = rows["correct"] if score == "correct" else rows["top_answer"] == "right"
    (phrasing, _), (format, names) = pd.factorize(rows["phrasing"]), pd.factorize(rows["format"])
    keys, group = np.unique(phrasing * (len(names) + 1) + format, return_inverse=True)
    counts = np.bincount(group)
    x, y = (np.bincount(group, values.to_numpy(float)) / counts for values in (rows["format_share"], right))
    return Points(keys // (len(names) + 1), x, y)


def change_points(found: Points) -> list[ChangePoint | None]:
    """Returns the place where the accuracy of each phrasing falls. None: it does not fall."""
    falls = []
    for phrasing in np.unique(found.phrasing):
        own = found.phrasing == phrasing
        fall = change_point(found.x[own], found.y[own])
        falls.append(fall if fall and fall.height >= SMALLEST_FALL else None)
    return falls
