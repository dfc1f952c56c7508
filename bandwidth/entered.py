"""What trials share: layers below the layer of interest, rows that no edit reaches, beginnings that are alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from bandwidth.attention import Attention, Keys, remembers_keys_alone
from bandwidth.batches import Batches, tokens_at_once
from bandwidth.subjects import Subject
from bandwidth.tokens import Tokens
from bandwidth.trunks import Trunk, trunks

PROMPTS, _LAYERS = 1024, 3
"""How many of each are remembered."""
_entered: WeakKeyDictionary[Any, dict[int, Entered]] = WeakKeyDictionary()


class Entered:
    """Of prompts seen lately: the residual stream before the layer of interest, the pattern there, and keys.

    Where prompts begin alike, one of them, their trunk, is computed first, and the others from where they part.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._held: dict[Tokens, tuple[Tensor, Tensor]] = {}
        self._trunks: dict[Tokens, Trunk] = {}
        self._lower: dict[Tokens, Keys] = {}
        self._upper: dict[Tokens, tuple[int, Keys]] = {}

    @classmethod
    def of(cls, subject: Subject) -> Entered:
        """What is known of a subject's model at its layer of interest."""
        layers = _entered.setdefault(subject.model, {})
        layers[subject.layer] = layers.pop(subject.layer) if subject.layer in layers else cls(subject)
        if len(layers) > _LAYERS:
            del layers[next(iter(layers))]
        return layers[subject.layer]

    def prepare(self, prompts: Sequence[Tokens], progress: str | None) -> None:
        """Computes what is not known yet, in batches; `progress` names the work on a bar."""
        new = [t for t in dict.fromkeys(prompts) if t not in self._held]
        if len(self._held) + len(new) > PROMPTS:
            for held in (self._held, self._trunks, self._lower, self._upper):
                held.clear()
            new = list(dict.fromkeys(prompts))
        found = trunks(new, tokens_at_once(self._subject) // 2) if remembers_keys_alone(self._subject) else {}
        # What hangs on a trunk whose preparation did not come to its end hangs anew.
        self._trunks = {t: trunk for t, trunk in self._trunks.items() if t in self._held} | found
        bearing = {trunk.prompt for trunk in found.values()}
        self._enter([t for t in new if t in bearing], progress, keep=True)
        self._enter([t for t in new if t not in bearing], progress)

    def _enter(self, prompts: Sequence[Tokens], progress: str | None, *, keep: bool = False) -> None:
        """Computes what is known of prompts whose trunks are known; to `keep`, the lower keys, too."""
        port = Attention(self._subject)

        def entered(some: Sequence[Tokens]) -> list[None]:
            start = self.trunk(some[0]).rows
            before = _first_rows([self._lower[self.trunk(t).prompt] for t in some], start) if start else None
            hidden, pattern, keys = port.enter(torch.tensor([t.ids for t in some]), before, keep=keep)
            for i, tokens in enumerate(some):
                self._held[tokens] = self._whole(tokens, hidden[i], pattern[i].float().cpu())
                if keep:
                    self._lower[tokens] = {layer: (k[i], v[i]) for layer, (k, v) in keys.items()}
            return [None] * len(some)

        batches = Batches(
            prompts,
            self._subject,
            rows=lambda tokens: len(tokens) - self.trunk(tokens).rows,
            keys_of=self._subject.layer + 1,
            progress=progress and f"{progress} (prompts)",
        )
        for some in batches:
            batches.measure(entered, some)

    def _whole(self, tokens: Tokens, hidden: Tensor, pattern: Tensor) -> tuple[Tensor, Tensor]:
        """A prompt's residual stream and pattern, put together of its trunk's first rows and its own."""
        trunk, rows = self.trunk(tokens)
        if not rows:
            return hidden, pattern
        first = self.pattern(trunk)[:, :rows, : len(tokens)]
        return torch.cat((self.hidden(trunk)[:rows], hidden)), torch.cat((first, pattern), dim=1)

    def trunk(self, tokens: Tokens) -> Trunk:
        """Whose first rows a prompt has, and how many; where it has no other's, none of its own."""
        return self._trunks.get(tokens, Trunk(tokens, 0))

    def hidden(self, tokens: Tokens) -> Tensor:
        """[token, size], on the subject's device."""
        return self._held[tokens][0]

    def pattern(self, tokens: Tokens) -> Tensor:
        """[head, query, key], in float32 on the CPU."""
        return self._held[tokens][1]

    def prepare_keys(self, plain: Iterable[Tokens], edited: Mapping[Tokens, int]) -> dict[Tokens, int]:
        """Computes keys of first rows where they are not known yet.

        Args:
            plain: prompts that are to be run as they are.
            edited: of prompts, how many of their first rows.

        Returns:
            The first row of each plain prompt that is then left to compute.
        """
        plain = list(plain)
        rows = dict(edited)
        for trunk, shared in map(self.trunk, plain):
            rows[trunk] = max(shared, rows.get(trunk, 0))
        new = [t for t, count in rows.items() if count > self._rows_kept(t)]
        port = Attention(self._subject)

        def each(some: Sequence[Tokens]) -> list[tuple[int, Keys]]:
            count = rows[some[0]]
            ids = torch.tensor([tokens.ids[:count] for tokens in some])
            keys = port.keys(ids, torch.stack([self.hidden(tokens)[:count] for tokens in some]))
            return [(count, {layer: (k[i], v[i]) for layer, (k, v) in keys.items()}) for i in range(len(some))]

        batches = Batches(new, self._subject, rows=rows.__getitem__, keys_of=self._subject.n_layers)
        for some in batches:
            self._upper |= dict(zip(some, batches.measure(each, some), strict=True))
        return {tokens: max(rows.get(tokens, 0), self.trunk(tokens).rows) for tokens in plain}

    def keys(self, prompts: Sequence[Tokens], rows: int) -> Keys:
        """From the layer of interest on, of the first rows of some prompts; nothing where no row is asked for."""
        return _first_rows([self._upper[self._bearer(tokens, rows)][1] for tokens in prompts], rows) if rows else {}

    def all_keys(self, prompts: Sequence[Tokens], rows: int) -> Keys:
        """In every layer, of first rows that prompts share with a trunk, or trunks with other prompts."""
        if not rows:
            return {}
        lower = _first_rows([self._lower[self.trunk(tokens).prompt] for tokens in prompts], rows)
        known = lower | self.keys(prompts, rows)
        # Idle layers add nothing, whatever keys they have.
        any_keys, any_values = lower[0]
        return {
            layer: known.get(layer, (torch.zeros_like(any_keys), torch.zeros_like(any_values)))
            for layer in range(self._subject.n_layers)
        }

    def _bearer(self, tokens: Tokens, rows: int) -> Tokens:
        """Whose upper keys tell a prompt's first rows: its own, or its trunk's."""
        if self._rows_kept(tokens) >= rows:
            return tokens
        trunk, shared = self.trunk(tokens)
        assert rows <= shared, "keys are prepared before they are asked for"
        return trunk

    def _rows_kept(self, tokens: Tokens) -> int:
        return self._upper[tokens][0] if tokens in self._upper else 0


def _first_rows(each: Sequence[Keys], rows: int) -> Keys:
    """Keys of several prompts as one batch."""
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
