"""Tables that become wide keep each value at its place."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from claims.competition.observed import by_head
from claims.competition.wide import averaged, unstacked

LEVELS = {
    "layer": [4, 3],
    "measure": ["m", "a"],
    "format": ["Simple", "Q&A"],
    "pair": ["9.8", "3.4"],
    "order": ["second", "first"],
    "head": [2, 0, 1],
}


@pytest.fixture
def values():
    """A different value at each place, in rows of no order."""
    index = pd.MultiIndex.from_product(LEVELS.values(), names=LEVELS)
    return pd.Series(np.arange(len(index), dtype=float), index=index, name="share").sample(frac=1, random_state=0)


def test_each_value_stays_at_its_place(values):
    """World: with pandas 3.0, `unstack(sort=False)` gave heads the values that other heads had on other pairs."""
    found = unstacked(values, "head")

    assert {(*place, head): found.loc[place, head] for place in found.index for head in found} == values.to_dict()
    assert list(found.columns) == list(values.index.unique("head"))
    assert list(found.index) == list(dict.fromkeys(place[:-1] for place in values.index))


def test_means_are_those_of_each_place(values):
    """The mean over layers, measures and orders, for each format and pair."""
    found = averaged(values.reset_index(), ["format", "pair"], "head", "share")

    for (format, pair), row in found.iterrows():
        for head, mean in row.items():
            assert mean == values.xs((format, pair, head), level=("format", "pair", "head")).mean()


def test_a_missing_value_stays_missing(values):
    """It is not-a-number, and the others keep their places."""
    found = unstacked(values.iloc[1:], "head")

    assert np.isnan(found.loc[values.index[0][:-1], values.index[0][-1]])
    assert found.notna().sum().sum() == len(values) - 1


def test_every_head_keeps_its_values_on_every_pair(values):
    """Claims on unedited attention have each value at its layer, measure, format, pair, order and head."""
    found = by_head(values.reset_index(), "share")

    assert set(found) == set(values.index.droplevel(["pair", "order", "head"]))
    for key, wide in found.items():
        for (pair, order), row in wide.iterrows():
            for head, value in row.items():
                assert value == values[(*key, pair, order, head)]
