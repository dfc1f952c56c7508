"""Prompts that begin alike: the shared prefix is computed once, and each prompt needs only its own end.

A chat template stands before every question, and a prompt of few words may be the beginning of a longer one. Attention
looks back only, so equal prefixes have equal keys, values and patterns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from referee.prompts.tokens import Tokens, alike

_SHARE = 4
"""A shared prefix of less than a quarter of a prompt is not used."""


class Prefix(NamedTuple):
    """The first `rows` tokens of another prompt, which are also the first ones of a prompt."""

    prompt: Tokens
    rows: int


def shared_prefixes(prompts: Sequence[Tokens], worth: int) -> dict[Tokens, Prefix]:
    """The shared prefix of each prompt that has one. A prompt whose prefix others share has none itself.

    Prompts of one length that share about as many tokens share exactly as many, so that they can be batched. The last
    token of a prompt is never shared: something is left to compute.

    Args:
        prompts: all different.
        worth: with fewer shared tokens in all, sharing costs more than it saves, and no prompt gets a prefix.
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
    """The same, with as many shared rows in all prompts of one length that share about as many."""
    prompts = list(found)
    groups = alike(prompts, lambda tokens: (len(tokens), _SHARE * found[tokens].rows // len(tokens)))
    fewest = {prompts[i]: min(found[prompts[j]].rows for j in group) for group in groups for i in group}
    return {tokens: Prefix(prefix.prompt, fewest[tokens]) for tokens, prefix in found.items()}
