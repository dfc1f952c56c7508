"""Turns one level of a table's index into columns, in the order of the rows.

If rows are not sorted, pandas 3.0 mixes up the values of `unstack(sort=False)` without an error. So the functions here
let pandas sort, and restore the order afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd


def unstacked(values: pd.Series, level: str) -> pd.DataFrame:
    """Returns one column for each value of an index level. Rows and columns are in the order of their first appearance.

    Raises ValueError if two values have the same place.
    """
    rows = values.index.droplevel(level)
    return values.unstack(level).reindex(index=rows[~rows.duplicated()], columns=values.index.unique(level))


def averaged(table: pd.DataFrame, index: Sequence[str], columns: str, value: str) -> pd.DataFrame:
    """Returns the means of a column, with the named index and one column for each value of another column.

    Rows and columns are in the order of their first appearance.
    """
    return unstacked(table.groupby([*index, columns], sort=False)[value].mean(), columns)
