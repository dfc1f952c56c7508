"""How many rows at once: trials of like shape together, as many as fit and pay, fewer when memory runs out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from tqdm import tqdm

from bandwidth.memory import free_bytes, out_of_memory
from bandwidth.requests import Request
from bandwidth.subjects import Subject
from bandwidth.tokens import alike

Asked = TypeVar("Asked", bound=Request)
Found = TypeVar("Found")

TOKENS_AT_ONCE = {"cpu": 1200, "cuda": 65_536}
"""Rows × tokens of a batch. On a CPU matrix products are at full speed from about 400 rows, and larger ones only leave
its caches; a GPU wants more, and has the memory for it."""
LONG = 60.0
"""Seconds left from which on it pays to look for a better size."""
WORTH_A_PLAN = 20.0
"""Seconds left from which on a plan is printed."""
_PAYS = 0.9
_BATCH_COSTS = 20
"""A batch more costs as much as this part of a full one."""


class Batches(Generic[Asked]):
    """Requests in batches of one shape, or of like ones; long ones first, to fail early if at all.

    A batch is as large as pays on the device and as half of the free memory holds. While more than `LONG` seconds are
    left, a batch of double size is tried and kept if it makes a token a tenth cheaper. In shorter sweeps the sizes do
    not depend on time.
    """

    def __init__(
        self,
        requests: Sequence[Asked],
        subject: Subject,
        *,
        rows: Callable[[Asked], int] | None = None,
        joined_by: Callable[[Shape], Any] | None = None,
        layers_held: int = 1,
        keys_of: int = 1,
        progress: str | None = None,
    ) -> None:
        """
        Args:
            rows: how many of a request's tokens are computed, all unless given.
            joined_by: shapes of which this tells the same can share a batch that has the rows of the largest; small
                groups then do. Unless given, only equal shapes can.
            layers_held: how many layers' activations a batch keeps at once; more than one for gradients.
            keys_of: of how many layers a batch has keys.
            progress: names the work on a bar with rate and time left, and in the plan of what will take long.
        """
        self._subject, self._layers_held, self._keys_of, self._progress = subject, layers_held, keys_of, progress
        shapes = [_shape(request, rows) for request in requests]
        groups = [
            (shapes[group[0]], [requests[i] for i in group])
            for group in alike(range(len(requests)), shapes.__getitem__)
        ]
        if joined_by:
            groups = _joined(groups, joined_by, worth=tokens_at_once(subject) // _BATCH_COSTS)
        self._groups = sorted(groups, key=lambda group: -group[0].tokens)
        self._left = sum(shape.rows * len(group) for shape, group in self._groups)
        self._done, self._seconds = 0, 0.0
        self._at_once = tokens_at_once(subject)
        self._cost_before: float | None = None
        self._settled = False

    @property
    def seconds_left(self) -> float | None:
        """What is left will take this long at the rate so far; None before the first batch."""
        return self._seconds / self._done * self._left if self._done else None

    def __iter__(self) -> Iterator[list[Asked]]:
        total = sum(len(group) for _, group in self._groups)
        off = None if self._progress else True
        with tqdm(total=total, desc=self._progress, unit="row", leave=False, disable=off) as bar:
            for shape, group in self._groups:
                room = self._that_fit(shape)
                start = 0
                while start < len(group):
                    most, left = max(1, min(self._at_once // shape.rows, room)), len(group) - start
                    some = group[start : start + _evenly(left, most)]
                    first, began = not self._done, perf_counter()
                    yield some
                    self._learn(len(some) * shape.rows, perf_counter() - began)
                    bar.update(len(some))
                    start += len(some)
                    if first and self._progress and (self.seconds_left or 0) > WORTH_A_PLAN:
                        bar.write(self._plan(total), file=sys.stderr)

    def measure(self, measured: Callable[[Sequence[Asked]], list[Found]], some: Sequence[Asked]) -> list[Found]:
        """The measurement of some requests; where memory runs out, of each half, and so on down to one.

        Later batches stay as small.
        """
        try:
            return measured(some)
        except (MemoryError, RuntimeError) as problem:
            if len(some) == 1 or not out_of_memory(problem):
                raise
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        middle = len(some) // 2
        self._at_once, self._settled = self._at_once // 2, True
        return [*self.measure(measured, some[:middle]), *self.measure(measured, some[middle:])]

    def _plan(self, total: int) -> str:
        """How much there is to do, at the rate of the first batch."""
        shortest, longest = self._groups[-1][0].tokens, self._groups[0][0].tokens
        lengths = f"{shortest}" if shortest == longest else f"{shortest} to {longest}"
        return f"{self._progress}: {total:,} rows of {lengths} tokens, about {self.seconds_left:.0f} s"

    def _learn(self, tokens: int, seconds: float) -> None:
        """Counts a batch, and looks whether its size paid."""
        self._left, self._done, self._seconds = self._left - tokens, self._done + tokens, self._seconds + seconds
        full = tokens > _PAYS * self._at_once / 2
        if self._settled or not full or (self.seconds_left or 0) < LONG:
            return
        cost = seconds / tokens
        if self._cost_before is None or cost < _PAYS * self._cost_before:
            self._cost_before, self._at_once = cost, 2 * self._at_once
        else:
            self._at_once, self._settled = self._at_once // 2, True

    def _that_fit(self, shape: Shape) -> int:
        """How many whose activations take half of the free memory, estimated from the model's widths."""
        subject = self._subject
        config, number = subject.model.config.get_text_config(), subject.model.dtype.itemsize
        size, wide = config.hidden_size, getattr(config, "intermediate_size", None) or 4 * config.hidden_size
        streams = shape.rows * (8 * size + 4 * wide) * number
        keys = 2 * bytes_of_keys(subject, shape.tokens, self._keys_of)
        patterns = 4 * subject.n_heads * shape.tokens**2 * torch.float32.itemsize
        return free_bytes(subject.device) // 2 // (self._layers_held * (streams + keys + patterns))


def bytes_of_keys(subject: Subject, tokens: int, layers: int) -> int:
    """What keys and values of so many tokens take in so many layers."""
    config = subject.model.config.get_text_config()
    width = (getattr(config, "head_dim", None) or config.hidden_size // subject.n_heads) * subject.n_kv_heads
    return 2 * layers * tokens * width * subject.model.dtype.itemsize


def of_one_length(shape: Shape) -> Any:
    """For `joined_by`: prompts of one length, whichever rows of them are computed."""
    return shape.tokens, shape.edited


def of_one_start(shape: Shape) -> Any:
    """For `joined_by`: prompts of any length, computed from the same row on and filled up at the end."""
    return shape.tokens - shape.rows, shape.edited


def tokens_at_once(subject: Subject) -> int:
    """How many rows × tokens of a batch pay on a subject's device."""
    return TOKENS_AT_ONCE.get(subject.device.type, TOKENS_AT_ONCE["cpu"])


class Shape(NamedTuple):
    """Requests of one shape can share a batch: tokens of a prompt, how many are computed, whether it is edited."""

    tokens: int
    rows: int
    edited: bool


def _shape(request: Request, rows: Callable[[Any], int] | None) -> Shape:
    tokens = len(request.tokens)
    return Shape(tokens, rows(request) if rows else tokens, request.edit is not None)


def _joined(
    groups: list[tuple[Shape, list[Asked]]], by: Callable[[Shape], Any], *, worth: int
) -> list[tuple[Shape, list[Asked]]]:
    """Groups that take in those with fewer rows, as long as these cost no more than so many rows for it."""
    found: list[tuple[Shape, list[Asked]]] = []
    order = sorted(groups, key=lambda group: group[0].rows, reverse=True)
    for places in alike(order, lambda group: by(group[0])):
        for shape, requests in (order[i] for i in places):
            largest = found[-1][0] if found and by(found[-1][0]) == by(shape) else None
            if largest and len(requests) * (largest.rows - shape.rows) <= worth:
                tokens = max(shape.tokens, largest.tokens)
                found[-1] = (largest._replace(tokens=tokens), [*found[-1][1], *requests])
            else:
                found.append((shape, requests))
    return found


def _evenly(left: int, most: int) -> int:
    """How many of those left to take, at most so many; the last two batches are about equal: small ones cost more."""
    return min(left, most) if left <= most or left >= 2 * most else -(-left // 2)
