"""What trials of one prompt share: everything below the layer of interest, and rows that no edit reaches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from bandwidth.attention import Attention, Keys
from bandwidth.batches import Batches
from bandwidth.subjects import Subject
from bandwidth.tokens import Tokens

PROMPTS, _LAYERS = 1024, 3
"""How many of each are remembered."""
_entered: WeakKeyDictionary[Any, dict[int, Entered]] = WeakKeyDictionary()


class Entered:
    """Of prompts seen lately: the residual stream before the layer of interest, the pattern there, keys above it."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._held: dict[Tokens, tuple[Tensor, Tensor]] = {}
        self._keys: dict[Tokens, Keys] = {}

    @classmethod
    def of(cls, subject: Subject) -> Entered:
        """What is known of a subject's model at its layer of interest."""
        layers = _entered.setdefault(subject.model, {})
        layers[subject.layer] = layers.pop(subject.layer) if subject.layer in layers else cls(subject)
        if len(layers) > _LAYERS:
            del layers[next(iter(layers))]
        return layers[subject.layer]

    def prepare(self, prompts: Sequence[Tokens]) -> None:
        """Computes what is not known yet, in batches."""
        new = [t for t in dict.fromkeys(prompts) if t not in self._held]
        if len(self._held) + len(new) > PROMPTS:
            self._held.clear()
            self._keys.clear()
            new = list(dict.fromkeys(prompts))
        port = Attention(self._subject)

        def entered(some: Sequence[Tokens]) -> list[tuple[Tensor, Tensor]]:
            hidden, pattern = port.enter(torch.tensor([tokens.ids for tokens in some]))
            return list(zip(hidden, pattern.float().cpu(), strict=True))

        batches = Batches(new, self._subject)
        for some in batches:
            self._held |= dict(zip(some, batches.measure(entered, some), strict=True))

    def hidden(self, tokens: Tokens) -> Tensor:
        """[token, size], on the subject's device."""
        return self._held[tokens][0]

    def pattern(self, tokens: Tokens) -> Tensor:
        """[head, query, key], in float32 on the CPU."""
        return self._held[tokens][1]

    def prepare_keys(self, rows: Mapping[Tokens, int]) -> None:
        """Computes the keys of the first rows of prompts, so many of each, where they are not known yet."""
        new = [t for t, count in rows.items() if count > self._rows_kept(t)]
        port = Attention(self._subject)

        def each(some: Sequence[Tokens]) -> list[Keys]:
            count = rows[some[0]]
            ids = torch.tensor([tokens.ids[:count] for tokens in some])
            keys = port.keys(ids, torch.stack([self.hidden(tokens)[:count] for tokens in some]))
            return [{layer: (k[i], v[i]) for layer, (k, v) in keys.items()} for i in range(len(some))]

        batches = Batches(new, self._subject, rows=rows.__getitem__)
        for some in batches:
            self._keys |= dict(zip(some, batches.measure(each, some), strict=True))

    def _rows_kept(self, tokens: Tokens) -> int:
        return next(iter(self._keys[tokens].values()))[0].shape[1] if tokens in self._keys else 0

    def keys(self, prompts: Sequence[Tokens], rows: int) -> Keys:
        """Of the first rows of some prompts; nothing where no row is asked for."""
        each = [self._keys[tokens] for tokens in prompts] if rows else [{}]
        return {
            layer: (
                torch.stack([held[layer][0][:, :rows] for held in each]),
                torch.stack([held[layer][1][:, :rows] for held in each]),
            )
            for layer in each[0]
        }


@contextmanager
def forgetful(subject: Subject) -> Iterator[None]:
    """Inside, nothing is known of what was run before."""
    remembered = _entered.pop(subject.model, {})
    try:
        yield
    finally:
        _entered[subject.model] = remembered
