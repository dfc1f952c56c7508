"""Keeps what the trials of a prompt share: the residual stream below the edited layer, and keys and values of rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from referee.attention.kv_cache import Keys, first_rows, gathered, of_prompt, remembers_keys_alone
from referee.attention.tracing import Attention
from referee.measuring.batches import Batches, bytes_of_keys, of_one_length, of_one_start, tokens_at_once
from referee.measuring.memory import free_bytes
from referee.measuring.prefixes import Prefix, shared_prefixes
from referee.measuring.requests import Reading
from referee.models.subjects import Subject
from referee.prompts.tokens import Tokens

PROMPTS = 1024
"""The largest number of prompts that a cache keeps."""


class PrefixCache:
    """Keeps the residual stream before one layer, the pattern of this layer, and keys and values, for some prompts.

    If prompts share a prefix, the cache computes the prompt with the prefix first. It computes the other prompts only
    from the end of the prefix on.

    Attributes:
        keeps: whether the cache keeps keys and values. It does not if a layer needs more of earlier rows than these.
    """

    def __init__(self, attention: Attention) -> None:
        self._attention, self._subject = attention, attention.subject
        self.keeps = remembers_keys_alone(self._subject)
        self._known: dict[Tokens, tuple[Tensor, Tensor]] = {}
        self._prefixes: dict[Tokens, Prefix] = {}
        self._lower: dict[Tokens, Keys] = {}
        self._upper: dict[Tokens, tuple[int, Keys]] = {}

    def prepare(self, prompts: Sequence[Tokens], progress: str | None) -> None:
        """Computes the prompts that are not known yet, in batches. `progress` is the label of the progress bar."""
        new = [t for t in dict.fromkeys(prompts) if t not in self._known]
        if new and len(self._known) + len(new) > prompts_kept(self._subject, new):
            for part in (self._known, self._prefixes, self._lower, self._upper):
                part.clear()
            new = list(dict.fromkeys(prompts))
        found = shared_prefixes(new, tokens_at_once(self._subject) // 2) if self.keeps else {}
        # Discards the prefixes of prompts that were never computed, because the run was interrupted.
        self._prefixes = {t: prefix for t, prefix in self._prefixes.items() if t in self._known} | found
        sources = {prefix.prompt for prefix in found.values()}
        self._compute([t for t in new if t in sources], progress)
        self._compute([t for t in new if t not in sources], progress)

    def _compute(self, prompts: Sequence[Tokens], progress: str | None) -> None:
        """Computes prompts. Their prefixes must be known already."""

        def measured(requests: Sequence[Reading]) -> list[None]:
            some = [request.tokens for request in requests]
            start = self.prefix(some[0]).rows
            before = first_rows([self._lower[self.prefix(t).prompt] for t in some], start) if start else None
            hidden, pattern, keys = self._attention.enter(padded_ids(some), before, keep=self.keeps)
            for i, tokens in enumerate(some):
                new, length = len(tokens) - start, len(tokens)
                self._lower[tokens] = of_prompt(keys, i)
                # This line is the last one because it marks the prompt as known, even if the run is interrupted.
                self._known[tokens] = self._whole(tokens, hidden[i, :new], pattern[i, :, :new, :length])
            return [None] * len(some)

        batches = Batches(
            [Reading(tokens) for tokens in prompts],
            self._subject,
            rows=lambda request: len(request.tokens) - self.prefix(request.tokens).rows,
            joined_by=of_one_start,
            keys_of=self._subject.layer + 1,
            progress=progress and f"{progress} (prompts)",
        )
        for some in batches:
            batches.measure(measured, some)

    def _whole(self, tokens: Tokens, hidden: Tensor, pattern: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the residual stream and the pattern of a prompt. The rows of its prefix come first."""
        source, rows = self.prefix(tokens)
        if not rows:
            return hidden, pattern
        first = self.pattern(source)[:, :rows, : len(tokens)]
        return torch.cat((self.hidden(source)[:rows], hidden)), torch.cat((first, pattern), dim=1)

    def prefix(self, tokens: Tokens) -> Prefix:
        """Returns the prefix that a prompt shares with another one. It has 0 rows if there is no such prefix."""
        return self._prefixes.get(tokens, Prefix(tokens, 0))

    def hidden(self, tokens: Tokens) -> Tensor:
        """Returns the residual stream before the layer, [token, size], on the subject's device."""
        return self._known[tokens][0]

    def pattern(self, tokens: Tokens) -> Tensor:
        """Returns the pattern of the layer, [head, query, key], in float32 on the subject's device."""
        return self._known[tokens][1]

    def hiddens(self, prompts: Sequence[Tokens]) -> Tensor:
        """Returns the residual stream before the layer, [prompt, token, size].

        Shorter prompts are padded at the end with their last row.
        """
        longest = max(map(len, prompts))

        def padded(tokens: Tokens) -> Tensor:
            hidden, missing = self.hidden(tokens), longest - len(tokens)
            return torch.cat((hidden, hidden[-1:].expand(missing, -1))) if missing else hidden

        return gathered(prompts, padded)

    def patterns(self, prompts: Sequence[Tokens]) -> Tensor:
        """Returns the patterns of the layer for prompts of equal length, [prompt, head, query, key]."""
        return gathered(prompts, self.pattern)

    def prepare_keys(self, wanted: Mapping[Tokens, int], progress: str | None) -> None:
        """Computes missing keys and values of the layer and all layers above it.

        `wanted` has the number of first rows whose keys are needed, by prompt.
        """
        new = {tokens: rows for tokens, rows in wanted.items() if rows > self.rows_known(tokens)}
        of_sources: dict[Tokens, int] = {}
        for tokens, rows in new.items():
            source, shared = self.prefix(tokens)
            of_sources[source] = max(min(rows, shared), of_sources.get(source, 0))
        for rows_of in (of_sources, new):
            self._add_keys({t: rows for t, rows in rows_of.items() if rows > self.rows_known(t)}, progress)

    def _add_keys(self, wanted: Mapping[Tokens, int], progress: str | None) -> None:
        """Like `prepare_keys`, for prompts whose prefixes already have keys."""

        def measured(requests: Sequence[Reading]) -> list[tuple[int, Keys]]:
            some = [request.tokens for request in requests]
            count = max(wanted[tokens] for tokens in some)
            before = self.keys(some, min(map(self.rows_known, some)))
            ids = torch.tensor([tokens.ids[:count] for tokens in some])
            keys = self._attention.keys(ids, self.hiddens(some)[:, :count], before)
            return [(count, of_prompt(keys, i)) for i in range(len(some))]

        batches = Batches(
            [Reading(tokens) for tokens in wanted],
            self._subject,
            rows=lambda request: wanted[request.tokens],  # or fewer, if some of them are known already
            joined_by=of_one_length,
            keys_of=self._subject.n_layers,
            progress=progress and f"{progress} (prompts)",
        )
        for some in batches:
            found = batches.measure(measured, some)
            self._upper |= {request.tokens: keys for request, keys in zip(some, found, strict=True)}

    def rows_known(self, tokens: Tokens) -> int:
        """Returns the number of first rows with known keys, from the prompt itself or from its prefix."""
        source, shared = self.prefix(tokens)
        return max(self._own_rows(tokens), min(shared, self._own_rows(source)))

    def keys(self, prompts: Sequence[Tokens], rows: int) -> Keys:
        """Returns keys and values of the first `rows` rows of prompts, for the layer and all layers above it."""
        return first_rows([self._upper[self._source(tokens, rows)][1] for tokens in prompts], rows) if rows else {}

    def all_keys(self, prompts: Sequence[Tokens], rows: int) -> Keys:
        """Returns keys and values of the first `rows` rows of prompts, for every layer."""
        if not rows:
            return {}
        return first_rows([self._lower[tokens] for tokens in prompts], rows) | self.keys(prompts, rows)

    def _source(self, tokens: Tokens, rows: int) -> Tokens:
        """Returns the prompt that has keys of the first rows: the prompt itself, or the one with the same prefix."""
        assert rows <= self.rows_known(tokens), "keys are prepared before they are asked for"
        return tokens if self._own_rows(tokens) >= rows else self.prefix(tokens).prompt

    def _own_rows(self, tokens: Tokens) -> int:
        return self._upper[tokens][0] if tokens in self._upper else 0


def prompts_kept(subject: Subject, prompts: Iterable[Tokens]) -> int:
    """Returns about how many prompts of this length a cache can keep. Their keys take a quarter of the free memory."""
    longest = max(map(len, prompts), default=1)
    fit = min(map(free_bytes, subject.devices)) // (4 * bytes_of_keys(subject, longest, subject.n_layers))
    return max(1, min(PROMPTS, fit))


def padded_ids(prompts: Sequence[Tokens]) -> Tensor:
    """Returns the ids of prompts as one batch, [prompt, token].

    Shorter prompts are padded at the end with their last token. Their own tokens do not attend to the padding.
    """
    longest = max(map(len, prompts))
    return torch.tensor([tokens.ids + tokens.ids[-1:] * (longest - len(tokens)) for tokens in prompts])
