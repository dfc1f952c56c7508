"""Experiment 3.2: heads take the patterns of their neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from claims.competition.heads import RANDOM, even_heads, odd_heads
from referee.attention.edits import Edit, Exchange
from referee.models.subjects import Subject

EVEN_INTO_ODD, ODD_INTO_EVEN = "even patterns in odd heads", "odd patterns in even heads"
ODD_INTO_ODD, EVEN_INTO_EVEN = "odd patterns in other odd heads", "even patterns in other even heads"
OTHER_NEIGHBOURS = ", neighbours 2i − 1 and 2i"
"""The end of the name of a swap between each even head and the odd head before it; for head 0, the last odd head."""
_LISTED = 12
"""With at most this many pairs of neighbours, all choices are listed. With more, choices are drawn."""


def swaps(subject: Subject) -> dict[str, Edit]:
    """Returns the edits of experiment 3.2: heads take the patterns of their neighbours 2i and 2i + 1.

    The same edits between the neighbours 2i − 1 and 2i are other analysis choices. The controls exchange patterns
    within one parity.
    """
    even, odd = _neighbours(subject)
    before = odd[-1:] + odd[:-1]
    return {
        EVEN_INTO_ODD: Exchange(tuple(zip(odd, even, strict=True))),
        ODD_INTO_EVEN: Exchange(tuple(zip(even, odd, strict=True))),
        EVEN_INTO_ODD + OTHER_NEIGHBOURS: Exchange(tuple(zip(before, even, strict=True))),
        ODD_INTO_EVEN + OTHER_NEIGHBOURS: Exchange(tuple(zip(even, before, strict=True))),
        ODD_INTO_ODD: Exchange(tuple(zip(odd, odd[1:] + odd[:1], strict=True))),
        EVEN_INTO_EVEN: Exchange(tuple(zip(even, even[1:] + even[:1], strict=True))),
    }


def other_swaps(subject: Subject, swap: str, *, count: int, seed: int) -> dict[str, Edit]:
    """Returns the edits with which a swap is compared.

    `count` different random edits: chance decides which head of two neighbours takes the pattern of the other. The
    swap itself is not among them. If fewer exist, all are returned. The rivals make the swap only in some of the
    neighbours: where the even head is 0 or 2 modulo 4, and where it is in the first or the second half.

    Args:
        swap: EVEN_INTO_ODD or ODD_INTO_EVEN.
        count: number of random edits.
        seed: seed of the random edits.
    """
    even, odd = _neighbours(subject)
    into_even = swap == ODD_INTO_EVEN
    own = (into_even,) * len(even)
    choices = [choice for choice in _choices(len(even), count, seed) if choice != own][:count]
    found: dict[str, Edit] = {
        f"{RANDOM} {i + 1}": Exchange(
            tuple((e, o) if takes else (o, e) for e, o, takes in zip(even, odd, choice, strict=True))
        )
        for i, choice in enumerate(choices)
    }
    parts = {
        "heads 0 mod 4": [e for e in even if e % 4 == 0],
        "heads 2 mod 4": [e for e in even if e % 4 == 2],
        "the first half of the heads": [e for e in even if e < subject.n_heads // 2],
        "the second half of the heads": [e for e in even if e >= subject.n_heads // 2],
    }
    for name, chosen in parts.items():
        if 0 < len(chosen) < len(even):
            found[f"{swap}, only at {name}"] = Exchange(tuple((e, e + 1) if into_even else (e + 1, e) for e in chosen))
    return found


def _neighbours(subject: Subject) -> tuple[list[int], list[int]]:
    """Returns the even heads and their odd neighbours. A last even head without a neighbour is left out."""
    odd = odd_heads(subject)
    return even_heads(subject)[: len(odd)], odd


def _choices(length: int, count: int, seed: int) -> Sequence[tuple[bool, ...]]:
    """Returns different choices of true or false for each of `length` neighbours, in random order."""
    rng = np.random.default_rng(seed)
    if length <= _LISTED:
        every = list(product((False, True), repeat=length))
        return [every[i] for i in rng.permutation(len(every))]
    drawn = (rng.random((2 * count + 2, length)) < 0.5).tolist()
    return list(dict.fromkeys(map(tuple, drawn)))
