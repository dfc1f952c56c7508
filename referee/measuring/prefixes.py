"""Finds prefixes that prompts share. A shared prefix is computed once, and each prompt computes only its own end.

For example, a chat template stands before every question. A token attends only to itself and to earlier tokens, so
equal prefixes have equal keys, values and patterns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from referee.attention.grouping import alike
from referee.prompts.tokens import Tokens

_SHARE = 4
"""A shared prefix of less than a quarter of a prompt is not used."""


class Prefix(NamedTuple):
    """A prompt begins with the first `rows` tokens of another prompt, `prompt`."""

    prompt: Tokens
    rows: int


def shared_prefixes(prompts: Sequence[Tokens], worth: int) -> dict[Tokens, Prefix]:
    """Returns the prefix of each prompt that begins like another prompt.

    The other prompt has no prefix itself. Prompts of one length whose prefixes are about equally long get prefixes of
    the same length, so that they can share a batch. The last token of a prompt is never part of its prefix, because
    each prompt must compute at least one row.

    Args:
        prompts: all different.
        worth: the fewest shared tokens in total. With fewer tokens, sharing costs more than it saves, and the result
            is empty.
    """
    order = sorted(prompts, key=len, reverse=True)
    ids = np.full((len(order), len(order[0]) if order else 0), -1)
    sources: list[int] = []
    found: dict[Tokens, Prefix] = {}
    for i, tokens in enumerate(order):
        ids[i, : len(tokens)] = tokens.ids
        shared = (ids[sources, : tokens.n_prompt - 1] == ids[i, : tokens.n_prompt - 1]).cumprod(1).sum(1)
        best = int(shared.argmax()) if sources else -1
        if sources and _SHARE * shared[best] >= len(tokens):
            found[tokens] = Prefix(order[sources[best]], int(shared[best]))
        else:
            sources.append(i)
    levelled = _levelled(found)
    return levelled if sum(prefix.rows for prefix in levelled.values()) >= worth else {}


def _levelled(found: dict[Tokens, Prefix]) -> dict[Tokens, Prefix]:
    """Shortens prefixes: prompts of one length with about equally long prefixes get the shortest of these lengths."""
    prompts = list(found)
    groups = alike(prompts, lambda tokens: (len(tokens), _SHARE * found[tokens].rows // len(tokens)))
    fewest = {prompts[i]: min(found[prompts[j]].rows for j in group) for group in groups for i in group}
    return {tokens: Prefix(prefix.prompt, fewest[tokens]) for tokens, prefix in found.items()}
