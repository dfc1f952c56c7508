"""How many rows at once: trials of equal length together, as many as pay, fewer when memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import torch

from bandwidth.tokens import alike

Wish = TypeVar("Wish")
Found = TypeVar("Found")

TOKENS_AT_ONCE = {"cpu": 1600, "cuda": 65_536}
"""Rows × tokens of a batch. On a CPU matrix products are at full speed from about 600 rows, and larger ones only leave
its caches; a GPU wants more, and has the memory for it."""


def of_equal_length(wishes: Sequence[Wish], device: str = "cpu") -> Iterator[list[Wish]]:
    """The wishes in batches of prompts of one length, edited or unedited (longest first, to fail early if at all)."""
    groups = alike(list(wishes), _shape)
    groups.sort(key=lambda group: -_shape(wishes[group[0]])[0])
    for group in groups:
        length = _shape(wishes[group[0]])[0]
        size = max(1, TOKENS_AT_ONCE.get(device, TOKENS_AT_ONCE["cpu"]) // length)
        for start in range(0, len(group), size):
            yield [wishes[i] for i in group[start : start + size]]


def halved_when_too_large(measured: Callable[[Sequence[Wish]], list[Found]], wishes: Sequence[Wish]) -> list[Found]:
    """The measurement of all wishes; where memory runs out, of each half, and so on down to one row."""
    try:
        return measured(wishes)
    except (MemoryError, RuntimeError) as problem:
        if len(wishes) == 1 or not _out_of_memory(problem):
            raise
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    middle = len(wishes) // 2
    return [*halved_when_too_large(measured, wishes[:middle]), *halved_when_too_large(measured, wishes[middle:])]


def _out_of_memory(problem: BaseException) -> bool:
    told = str(problem).lower()
    return isinstance(problem, (torch.OutOfMemoryError, MemoryError)) or any(
        words in told for words in ("out of memory", "can't allocate memory", "not enough memory")
    )


def _shape(wish: Any) -> tuple[int, bool]:
    """Length in tokens, and whether anything is edited."""
    tokens = getattr(wish, "tokens", wish)
    return len(tokens), getattr(wish, "edit", None) is not None
