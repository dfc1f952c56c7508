"""Keys and values: all that attention needs of rows that have been computed, and how transformers takes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from bandwidth.subjects import Subject

KeysValues = tuple[Tensor, Tensor]
"""Of rows: keys, turned where the model turns them, and values; both [prompt, key-value head, token, size]."""
Keys = dict[int, KeysValues]
"""The same by layer."""


def of_prompt(keys: Keys, i: int) -> Keys:
    """One prompt's of a batch."""
    return {layer: (k[i], v[i]) for layer, (k, v) in keys.items()}


def first_rows(each: Sequence[Keys], rows: int) -> Keys:
    """Keys of several prompts as one batch."""
    return {
        layer: (
            torch.stack([held[layer][0][:, :rows] for held in each]),
            torch.stack([held[layer][1][:, :rows] for held in each]),
        )
        for layer in each[0]
    }


def remembers_keys_alone(subject: Subject) -> bool:
    """Whether keys and values are all that a layer needs of earlier rows: a recurrent state is something else."""
    layers = DynamicCache(config=subject.model.config).layers
    return all(type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) for layer in layers)


def cache_of(keys: Keys) -> DynamicCache:
    """Keys and values as transformers takes them; a copy, to which a forward pass can add.

    Told the model's configuration, it would forget rows that a sliding window has left. Layers without keys get some
    that are none: they are not computed, but the first one's length is looked at.
    """
    cache = DynamicCache()
    nothing = tuple(torch.zeros_like(held[:1, :1]) for held in next(iter(keys.values()), ()))
    for layer in range(max(keys, default=-1) + 1):
        cache.update(*keys.get(layer, nothing), layer)
    return cache


def held_in(cache: DynamicCache, layers: Iterable[int]) -> Keys:
    """What a forward pass has left in a cache, in some layers."""
    return {layer: (cache.layers[layer].keys, cache.layers[layer].values) for layer in layers}


def rows_of(before: Keys | None) -> int:
    """How many rows there are keys of."""
    return next(iter(before.values()))[0].shape[2] if before else 0
