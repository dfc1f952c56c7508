"""The groups of heads that the theory compares: even heads, odd heads, random groups, and rivals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from referee.errors import TooFewHeads

if TYPE_CHECKING:
    from referee.models.subjects import Subject


def even_heads(subject: Subject) -> list[int]:
    """Returns the heads 0, 2, 4, … of a layer."""
    return list(range(0, subject.n_heads, 2))


def odd_heads(subject: Subject) -> list[int]:
    """Returns the heads 1, 3, 5, … of a layer."""
    return list(range(1, subject.n_heads, 2))


def require_two_heads(subject: Subject) -> None:
    """Raises TooFewHeads for a model with one head per layer."""
    if subject.n_heads < 2:
        raise TooFewHeads(
            f"{subject.name} must have at least two heads, so that even and odd ones can be compared",
            subject.n_heads,
            "Use a model with more heads.",
        )


RANDOM, BALANCED = "random group", "balanced group"
"""Beginnings of the names of random groups: drawn from all heads, and with as many heads of each key-value group."""
COMPARED = 16
"""Largest number of prompts, one of each pair, on which an edit is compared in many groups of heads.

With 16 prompts, an effect that is positive in nine of ten prompts beats a rival that does half as much.
"""
FEWEST_GROUPS = 19
"""Fewest other groups for a test. With fewer groups, p cannot reach 0.05."""


def random_groups(subject: Subject, heads: Sequence[int], count: int, seed: int) -> dict[str, tuple[int, ...]]:
    """Returns `count` different random groups of as many heads as `heads` by name, drawn from all heads.

    None of them is `heads` itself. If there are fewer such groups, the result contains all of them.
    """
    return _groups(RANDOM, subject, heads, count, seed, balanced=False)


def balanced_groups(subject: Subject, heads: Sequence[int], count: int, seed: int) -> dict[str, tuple[int, ...]]:
    """Returns random groups like `random_groups`, each with as many heads of each key-value group as `heads` has.

    The result is empty if there are fewer than FEWEST_GROUPS such groups.
    """
    found = _groups(BALANCED, subject, heads, count, seed, balanced=True)
    return found if len(found) >= FEWEST_GROUPS else {}


def _groups(
    name: str, subject: Subject, heads: Sequence[int], count: int, seed: int, *, balanced: bool
) -> dict[str, tuple[int, ...]]:
    import numpy as np

    from referee.judging.statistics import group_splits

    splits = group_splits(subject.kv_group_of_head, heads, balanced=balanced, seed=seed)
    named = tuple(sorted(heads))
    shuffled = splits[np.random.default_rng(seed).permutation(len(splits))]
    # More than `count` are turned into indices, because some may be equal to each other or to the named heads.
    groups = dict.fromkeys(tuple(np.flatnonzero(split).tolist()) for split in shuffled[: 10 * count])
    return {f"{name} {i + 1}": group for i, group in enumerate([g for g in groups if g != named][:count])}


def rivals(n_heads: int, kv_group_of_head: Sequence[int]) -> dict[str, list[int]]:
    """Returns coarser and finer groupings of the heads by name. Some may explain a finding as well as parity does.

    They are the residues of the index modulo 4, the two halves, and the heads of every second key-value group. A group
    without heads, or with all heads, is left out.
    """
    heads = range(n_heads)
    found = {f"heads {residue} mod 4": [h for h in heads if h % 4 == residue] for residue in range(4)}
    found["first half of the heads"] = [h for h in heads if h < n_heads // 2]
    found["second half of the heads"] = [h for h in heads if h >= n_heads // 2]
    for rest, name in enumerate(("even", "odd")):
        found[f"heads of {name} key-value groups"] = [h for h in heads if kv_group_of_head[h] % 2 == rest]
    return {name: group for name, group in found.items() if 0 < len(group) < n_heads}


def compared_groups(subject: Subject, heads: Sequence[int], count: int, seed: int) -> dict[str, tuple[int, ...]]:
    """Returns all groups by name in which an edit is compared with the same edit in `heads`.

    They are the random groups, the balanced groups and the rivals. `heads` itself is not among them.
    """
    others = {name: tuple(group) for name, group in rivals(subject.n_heads, subject.kv_group_of_head).items()}
    return {
        **random_groups(subject, heads, count, seed),
        **balanced_groups(subject, heads, count, seed),
        **{name: group for name, group in others.items() if group != tuple(sorted(heads))},
    }


def in_heads(group: str) -> str:
    """Returns the words for the heads of a group, with which the name of an arm begins."""
    return group if "heads" in group else f"{group} heads"
