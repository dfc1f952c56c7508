"""The KV cache: keys and values of computed rows, and their conversion to and from the cache of transformers.

Attention needs nothing else of the rows that have been computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from referee.models.subjects import Subject

Item = TypeVar("Item")
KeysValues = tuple[Tensor, Tensor]
"""The keys and the values of some rows in one layer, each [prompt, key-value head, token, size].

The keys are after the rotary position embedding, where the model has one."""
Keys = dict[int, KeysValues]
"""Keys and values by the index of their layer."""


def of_prompt(keys: Keys, i: int) -> Keys:
    """Returns the keys and values of prompt `i` of a batch, each [key-value head, token, size]."""
    return {layer: (k[i], v[i]) for layer, (k, v) in keys.items()}


def first_rows(each: Sequence[Keys], rows: int) -> Keys:
    """Joins the keys and values of the first `rows` rows of several prompts into one batch.

    The same keys can occur several times in `each`. They are stacked once and then indexed.
    """

    def joined(layer: int, part: int) -> Tensor:
        return gathered(each, lambda keys: keys[layer][part][:, :rows])

    return {layer: (joined(layer, 0), joined(layer, 1)) for layer in each[0]}


def gathered(items: Sequence[Item], part: Callable[[Item], Tensor]) -> Tensor:
    """Returns `part(item)` of each item as one tensor, [item, ...]. An item that occurs often is stacked only once."""
    places = {id(item): i for i, item in enumerate(items)}
    distinct = [items[i] for i in places.values()]
    stacked = torch.stack([part(item) for item in distinct])
    if len(distinct) == len(items):
        return stacked
    index = {place: i for i, place in enumerate(places)}
    return stacked[torch.tensor([index[id(item)] for item in items], device=stacked.device)]


def remembers_keys_alone(subject: Subject) -> bool:
    """Returns whether every layer needs only keys and values of earlier rows.

    A layer with a recurrent state needs more, so the result is False for such a model.
    """
    layers = DynamicCache(config=subject.model.config).layers
    return all(type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) for layer in layers)


def cache_of(keys: Keys) -> DynamicCache:
    """Copies keys and values into a cache of transformers. A forward pass can add rows to the copy.

    The cache does not get the model's configuration. With it, the cache would drop the rows outside a sliding window.
    Layers without keys get zeros: the pass skips these layers, but transformers reads the length of the first one.
    """
    cache = DynamicCache()
    zeros = tuple(torch.zeros_like(part[:1, :1]) for part in next(iter(keys.values()), ()))
    for layer in range(max(keys, default=-1) + 1):
        cache.update(*keys.get(layer, zeros), layer)
    return cache


def keys_in(cache: DynamicCache, layers: Iterable[int]) -> Keys:
    """Returns the keys and values that a forward pass has stored in a cache, for some layers."""
    return {layer: (cache.layers[layer].keys, cache.layers[layer].values) for layer in layers}


def rows_of(before: Keys | None) -> int:
    """Returns the number of rows that `before` has keys of; 0 for None or no keys."""
    return next(iter(before.values()))[0].shape[2] if before else 0
