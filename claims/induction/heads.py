"""Sets of heads of several layers: the strongest, other sets with which they are compared, and edits in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import comb, prod

import numpy as np
import pandas as pd

from referee.attention.edits import Edit, InHeads, ToFirstKey

Head = tuple[int, int]
"""The layer and the index of a head."""
Heads = tuple[Head, ...]
RESOLUTION = 1e-6
"""Differences between shares of attention of at most this size are rounding errors."""


def strongest(scores: pd.Series, count: int) -> Heads:
    """Returns the heads with the largest scores, the largest first. The index of the scores is (layer, head).

    Heads with equal scores are in the order of layer and head.
    """
    steps = (-scores / RESOLUTION).round().rename("score").reset_index()
    ranked = steps.sort_values(["score", "layer", "head"])[["layer", "head"]].head(count)
    return tuple((int(layer), int(head)) for layer, head in ranked.itertuples(index=False))


def by_layer(heads: Iterable[Head]) -> dict[int, tuple[int, ...]]:
    """Returns the indices of heads by layer, both in increasing order."""
    found: dict[int, list[int]] = {}
    for layer, head in sorted(heads):
        found.setdefault(layer, []).append(head)
    return {layer: tuple(indices) for layer, indices in found.items()}


def in_heads(edit: Edit, heads: Iterable[Head]) -> dict[int, Edit]:
    """Returns an edit in some heads of several layers, as the edits of a trial."""
    return {layer: InHeads(edit, indices) for layer, indices in by_layer(heads).items()}


def in_words(heads: Sequence[Head]) -> str:
    """Returns the names of heads, each as layer.head."""
    return ", ".join(f"{layer}.{head}" for layer, head in heads)


@dataclass(frozen=True)
class OtherSets:
    """Other sets of as many heads of the same layers, for a comparison with the named heads.

    Attributes:
        sets: the sets. Each has one other head of its layer for each named head.
        existing: how many such sets exist.
    """

    sets: tuple[Heads, ...]
    existing: int

    def knock_outs(self) -> dict[str, dict[int, Edit]]:
        """Returns the edits that knock out each of the sets, by the name of the set."""
        return {f"set {i + 1}": in_heads(ToFirstKey(), heads) for i, heads in enumerate(self.sets)}


def other_sets(named: Sequence[Head], n_heads: int, *, count: int, seed: int) -> OtherSets:
    """Returns sets with one other head of the same layer for each named head. No set contains a named head.

    If at most `count` such sets exist, the result has all of them. Otherwise it has `count` different random ones. It
    has none if a layer has too few other heads.

    Args:
        named: the named heads.
        n_heads: the number of heads of each layer.
        count: the largest number of sets.
        seed: the seed of the random sets.
    """
    own = by_layer(named)
    others = {layer: [head for head in range(n_heads) if head not in indices] for layer, indices in own.items()}
    existing = prod(comb(len(others[layer]), len(indices)) for layer, indices in own.items())
    if existing <= count:
        parts = [[_at(layer, some) for some in combinations(others[layer], len(own[layer]))] for layer in own]
        return OtherSets(tuple(sum(chosen, ()) for chosen in product(*parts)), existing)
    rng = np.random.default_rng(seed)
    found: dict[Heads, None] = {}
    while len(found) < count:
        drawn = {layer: rng.choice(others[layer], len(indices), replace=False) for layer, indices in own.items()}
        found[sum((_at(layer, sorted(some.tolist())) for layer, some in drawn.items()), ())] = None
    return OtherSets(tuple(found), existing)


def _at(layer: int, indices: Sequence[int]) -> Heads:
    return tuple((layer, head) for head in indices)
