"""Groups items that can be computed together."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def alike(items: Sequence[Item], key: Callable[[Item], Hashable]) -> list[list[int]]:
    """Return the indices of the items, grouped by key. The groups are in the order in which their keys appear."""
    groups: dict[Hashable, list[int]] = {}
    for i, item in enumerate(items):
        groups.setdefault(key(item), []).append(i)
    return list(groups.values())
