"""Parts of simulated tables: a subject with 32 heads, noise between pairs and between heads, and quick settings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from types import SimpleNamespace
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from claims.competition.prompts import ORDERS, pairs
from claims.simulations import bent
from fixtures.options import Profile, Settings
from referee.models.subjects import Subject

Array = NDArray[np.float64]
Texts = NDArray[np.str_]
HEADS, KV_GROUPS = 32, 8
EVEN = np.arange(HEADS) % 2 == 0
KV_GROUP_OF_HEAD = np.arange(HEADS) * KV_GROUPS // HEADS
# Other layers decide no verdict about unedited attention, so the subject has one layer.
SUBJECT = cast(
    Subject,
    SimpleNamespace(
        n_heads=HEADS, n_kv_heads=KV_GROUPS, kv_group_of_head=KV_GROUP_OF_HEAD.tolist(), layer=0, n_layers=1
    ),
)
"""What the evidence on unedited attention needs of a subject."""
APART, FAR_APART = 2.0, 3.0
"""The difference between even and odd heads in a clear world, in standard deviations between heads.

It is the larger one where a head's value also depends on other chance than its own level.
"""
_SPLITS = 999


@dataclass(frozen=True)
class FewerSplits(Settings):
    """Settings with 999 random head splits instead of 10,000. The rule is the same, and p has steps of 0.001."""

    @property
    def profile(self) -> Profile:
        return replace(super().profile, splits=_SPLITS)


def simulated(rng: np.random.Generator, settings: Settings) -> Settings:
    """Returns the settings of one simulated run: fewer random head splits, and a random seed for them."""
    return FewerSplits(**(vars(settings) | {"seed": int(rng.integers(2**32))}))


def own_levels(rng: np.random.Generator, conditions: int = 1, *, same_mean: bool = False) -> Array:
    """Returns how far each head deviates from the mean, [condition, head]. The standard deviation is 1.

    Of the variance, 60 % belong to the head, 20 % to its key-value group, and 20 % to the head in one condition. Parity
    has no effect. With `same_mean`, the even heads have the mean 0 in each condition, and the odd heads, too.
    """
    of_head, of_group = rng.normal(size=HEADS), rng.normal(size=KV_GROUPS)[KV_GROUP_OF_HEAD]
    here = rng.normal(size=(conditions, HEADS))
    found = np.sqrt(0.6) * of_head + np.sqrt(0.2) * of_group + np.sqrt(0.2) * here
    return without_group_means(found) if same_mean else found


def without_group_means(values: Array) -> Array:
    """Returns the values minus the mean of the even heads, or of the odd heads; the last axis is the head."""
    return np.where(
        EVEN, values - values[..., EVEN].mean(-1, keepdims=True), values - values[..., ~EVEN].mean(-1, keepdims=True)
    )


def between_prompts(rng: np.random.Generator, count: int, conditions: int, *, same_mean: bool = False) -> Array:
    """Returns noise between prompts, [pair, order, condition, head].

    Each pair has noise in all heads (`bent`, standard deviation 1, correlation 0.7 between conditions). The heads
    respond to it in different strength. Each prompt and head has normal noise of its own, of the same size. The two
    orders differ by a third of this, on average and for each pair. The mean over orders and heads has the median 0.

    With `same_mean`, the even heads' mean is exactly the noise of the pair, and so is the odd heads'.
    """
    normal = np.sqrt(0.7) * rng.normal(size=(count, 1)) + np.sqrt(0.3) * rng.normal(size=(count, conditions))
    response = 1 + 0.3 * rng.normal(size=HEADS)
    own = rng.normal(size=(count, len(ORDERS), conditions, HEADS))
    if same_mean:
        response, own = 1 + without_group_means(response), without_group_means(own)
    of_order = (rng.normal() + rng.normal(size=(count, conditions))) / 3
    both = np.stack([of_order, -of_order], axis=1)
    return bent(rng, normal)[:, None, :, None] * response + both[..., None] + own


@lru_cache(maxsize=8)
def names_of_pairs(count: int) -> Texts:
    """Returns the names of the first pairs of numbers, [pair], as an array of text."""
    return np.array([str(pair) for pair in pairs(count)])


@lru_cache(maxsize=8)
def prompt_rows(count: int, formats: tuple[str, ...]) -> pd.DataFrame:
    """Returns one row per pair × order × format × head, in this order; columns `pair`, `order`, `format`, `head`.

    The table must not be changed, because later calls return it again.
    """
    sizes = (count, len(ORDERS), len(formats), HEADS)
    pair, order, format, head = (part.ravel() for part in np.indices(sizes))
    columns = {"pair": names_of_pairs(count)[pair], "order": np.array(ORDERS)[order]}
    return pd.DataFrame(columns | {"format": np.array(formats)[format], "head": head})
