"""What trials share: layers below the layer of interest, rows that no edit reaches, beginnings that are alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from bandwidth.attention import Attention
from bandwidth.batches import Batches, bytes_of_keys, of_one_length, of_one_start, tokens_at_once
from bandwidth.keys import Keys, first_rows, of_prompt, remembers_keys_alone
from bandwidth.memory import free_bytes
from bandwidth.requests import Reading
from bandwidth.subjects import Subject
from bandwidth.tokens import Tokens
from bandwidth.trunks import Trunk, trunks

PROMPTS = 1024
"""How many are remembered at most."""


class Entered:
    """Of prompts seen lately: the residual stream before the layer of interest, the pattern there, and keys.

    Where prompts begin alike, one of them, their trunk, is computed first, and the others from where they part.

    Attributes:
        keeps: whether keys are kept: not where a layer needs something else of earlier rows.
    """

    def __init__(self, attention: Attention) -> None:
        self._attention, self._subject = attention, attention.subject
        self.keeps = remembers_keys_alone(self._subject)
        self._held: dict[Tokens, tuple[Tensor, Tensor]] = {}
        self._trunks: dict[Tokens, Trunk] = {}
        self._lower: dict[Tokens, Keys] = {}
        self._upper: dict[Tokens, tuple[int, Keys]] = {}

    def prepare(self, prompts: Sequence[Tokens], progress: str | None) -> None:
        """Computes what is not known yet, in batches; `progress` names the work on a bar."""
        new = [t for t in dict.fromkeys(prompts) if t not in self._held]
        if new and len(self._held) + len(new) > remembered(self._subject, new):
            for held in (self._held, self._trunks, self._lower, self._upper):
                held.clear()
            new = list(dict.fromkeys(prompts))
        found = trunks(new, tokens_at_once(self._subject) // 2) if self.keeps else {}
        # Drops the trunks of prompts whose own rows were never computed.
        self._trunks = {t: trunk for t, trunk in self._trunks.items() if t in self._held} | found
        bearing = {trunk.prompt for trunk in found.values()}
        self._enter([t for t in new if t in bearing], progress)
        self._enter([t for t in new if t not in bearing], progress)

    def _enter(self, prompts: Sequence[Tokens], progress: str | None) -> None:
        """Computes what is known of prompts whose trunks are known."""

        def entered(requests: Sequence[Reading]) -> list[None]:
            some = [request.tokens for request in requests]
            start = self.trunk(some[0]).rows
            before = first_rows([self._lower[self.trunk(t).prompt] for t in some], start) if start else None
            hidden, pattern, keys = self._attention.enter(_filled_up(some), before, keep=self.keeps)
            for i, tokens in enumerate(some):
                new, length = len(tokens) - start, len(tokens)
                self._lower[tokens] = of_prompt(keys, i)
                # Last, since it says that a prompt is known, whatever comes in between.
                self._held[tokens] = self._whole(tokens, hidden[i, :new], pattern[i, :, :new, :length].float().cpu())
            return [None] * len(some)

        batches = Batches(
            [Reading(tokens) for tokens in prompts],
            self._subject,
            rows=lambda request: len(request.tokens) - self.trunk(request.tokens).rows,
            joined_by=of_one_start,
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

    def prepare_keys(self, wanted: Mapping[Tokens, int], progress: str | None) -> None:
        """Computes keys of so many first rows of prompts, from the layer of interest on, where they are not known."""
        new = {tokens: rows for tokens, rows in wanted.items() if rows > self.rows_known(tokens)}
        of_trunks: dict[Tokens, int] = {}
        for tokens, rows in new.items():
            trunk, shared = self.trunk(tokens)
            of_trunks[trunk] = max(min(rows, shared), of_trunks.get(trunk, 0))
        for rows_of in (of_trunks, new):
            self._add_keys({t: rows for t, rows in rows_of.items() if rows > self.rows_known(t)}, progress)

    def _add_keys(self, wanted: Mapping[Tokens, int], progress: str | None) -> None:
        """As `prepare_keys`, where what trunks have to give is known."""

        def added(requests: Sequence[Reading]) -> list[tuple[int, Keys]]:
            some = [request.tokens for request in requests]
            count = max(wanted[tokens] for tokens in some)
            before = self.keys(some, min(map(self.rows_known, some)))
            ids = torch.tensor([tokens.ids[:count] for tokens in some])
            keys = self._attention.keys(ids, torch.stack([self.hidden(tokens)[:count] for tokens in some]), before)
            return [(count, of_prompt(keys, i)) for i in range(len(some))]

        batches = Batches(
            [Reading(tokens) for tokens in wanted],
            self._subject,
            rows=lambda request: wanted[request.tokens],  # at most: a batch starts where all of it is known
            joined_by=of_one_length,
            keys_of=self._subject.n_layers,
            progress=progress and f"{progress} (prompts)",
        )
        for some in batches:
            found = batches.measure(added, some)
            self._upper |= {request.tokens: keys for request, keys in zip(some, found, strict=True)}

    def rows_known(self, tokens: Tokens) -> int:
        """Of how many first rows keys are known from the layer of interest on, the prompt's own or its trunk's."""
        trunk, shared = self.trunk(tokens)
        return max(self._rows_kept(tokens), min(shared, self._rows_kept(trunk)))

    def keys(self, prompts: Sequence[Tokens], rows: int) -> Keys:
        """From the layer of interest on, of the first rows of some prompts; nothing where no row is asked for."""
        return first_rows([self._upper[self._bearer(tokens, rows)][1] for tokens in prompts], rows) if rows else {}

    def all_keys(self, prompts: Sequence[Tokens], rows: int) -> Keys:
        """In every layer, of the first rows of some prompts; nothing where no row is asked for."""
        if not rows:
            return {}
        return first_rows([self._lower[tokens] for tokens in prompts], rows) | self.keys(prompts, rows)

    def _bearer(self, tokens: Tokens, rows: int) -> Tokens:
        """Whose upper keys tell a prompt's first rows: its own, or its trunk's."""
        assert rows <= self.rows_known(tokens), "keys are prepared before they are asked for"
        return tokens if self._rows_kept(tokens) >= rows else self.trunk(tokens).prompt

    def _rows_kept(self, tokens: Tokens) -> int:
        return self._upper[tokens][0] if tokens in self._upper else 0


def remembered(subject: Subject, prompts: Iterable[Tokens]) -> int:
    """How many prompts as long as these are remembered, about: their keys take a quarter of the free memory."""
    longest = max(map(len, prompts), default=1)
    fit = free_bytes(subject.device) // (4 * bytes_of_keys(subject, longest, subject.n_layers))
    return max(1, min(PROMPTS, fit))


def _filled_up(prompts: Sequence[Tokens]) -> Tensor:
    """Ids of prompts as one batch, [prompt, token]; shorter ones end in tokens that none of their own looks at."""
    longest = max(map(len, prompts))
    return torch.tensor([tokens.ids + tokens.ids[-1:] * (longest - len(tokens)) for tokens in prompts])
