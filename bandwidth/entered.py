"""What trials of one prompt share: everything below the layer of interest, and rows that no edit reaches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from bandwidth.attention import Attention
from bandwidth.batches import Batches
from bandwidth.subjects import Subject
from bandwidth.tail import Keys
from bandwidth.tokens import Tokens

_PROMPTS, _LAYERS = 1024, 3
"""How many of each are remembered."""
_entered: WeakKeyDictionary[Any, dict[int, Entered]] = WeakKeyDictionary()


class Entered:
    """Of prompts seen lately: the residual stream before the layer of interest, the pattern there, keys above it."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._held: dict[Tokens, tuple[Tensor, Tensor]] = {}
        self._keys: dict[Tokens, list[Keys]] = {}

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
        if len(self._held) + len(new) > _PROMPTS:
            self._held.clear()
            self._keys.clear()
            new = list(dict.fromkeys(prompts))
        port = Attention(self._subject)
        for some in Batches(new, self._subject):
            hidden, pattern = port.enter(torch.tensor([tokens.ids for tokens in some]))
            self._held |= dict(zip(some, zip(hidden, pattern.float().cpu(), strict=True), strict=True))

    def hidden(self, tokens: Tokens) -> Tensor:
        """[token, size], on the subject's device."""
        return self._held[tokens][0]

    def pattern(self, tokens: Tokens) -> Tensor:
        """[head, query, key], in float32 on the CPU."""
        return self._held[tokens][1]

    def has_keys(self, tokens: Tokens, rows: int) -> bool:
        """Whether the keys of at least so many first rows are kept."""
        return tokens in self._keys and all(k.shape[1] >= rows for k, _ in self._keys[tokens])

    def keep_keys(self, prompts: Sequence[Tokens], keys: Sequence[Keys]) -> None:
        """Keeps `Tail.unedited` of some prompts, each prompt's by itself."""
        for i, tokens in enumerate(prompts):
            self._keys[tokens] = [(k[i], v[i]) for k, v in keys]

    def keys(self, prompts: Sequence[Tokens], rows: int) -> list[Keys]:
        """What was kept of the first rows of some prompts, together again."""
        layers = zip(*(self._keys[tokens] for tokens in prompts), strict=True)
        return [
            (torch.stack([k[:, :rows] for k, _ in layer]), torch.stack([v[:, :rows] for _, v in layer]))
            for layer in layers
        ]


@contextmanager
def forgetful(subject: Subject) -> Iterator[None]:
    """Inside, nothing is known of what was run before."""
    remembered = _entered.pop(subject.model, {})
    try:
        yield
    finally:
        _entered[subject.model] = remembered
