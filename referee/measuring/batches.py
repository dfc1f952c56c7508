"""Groups requests of one shape into batches and chooses the size of each batch.

A batch has as many requests as fit into memory and make the run faster. It has fewer after memory runs out.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from tqdm import tqdm

from referee.attention.grouping import alike
from referee.measuring.memory import free_bytes, out_of_memory
from referee.measuring.requests import Request
from referee.models.subjects import Subject

Asked = TypeVar("Asked", bound=Request)
Found = TypeVar("Found")

TOKENS_AT_ONCE = {"cpu": 1200, "cuda": 65_536, "cuda, again in float32": 8192}
"""The number of tokens of a batch (requests × computed tokens each), by kind of device.

On a CPU, matrix products reach full speed at about 400 rows. Larger products only leave its caches. A GPU needs larger
products, and it has the memory for them. If margins of a short dtype are measured again in float32, products take about
ten times as long, so smaller batches keep the GPU busy."""
LONG = 60.0
"""The search for a better batch size runs only while at least this many seconds are left."""
WORTH_A_PLAN = 20.0
"""A plan is printed only when more than this many seconds are left."""
_PAYS = 0.9
"""A larger batch size is kept when a token then costs less than this share of its cost before.

Only batches with more than this share of half of the current size are compared."""
_BATCH_COSTS = 20
"""One more batch costs as much as 1/20 of the tokens of a full batch."""


class Batches(Generic[Asked]):
    """Iterates over batches of requests of one shape, or of similar shapes. Long prompts come first.

    Long prompts need the most memory, so a run that must fail fails early. A batch has as many tokens as are useful on
    the device, and it uses at most half of the free memory. While at least `LONG` seconds are left, a batch of double
    size is tried. The double size is kept if a token then costs a tenth less. In shorter sweeps, the sizes do not
    depend on time.
    """

    def __init__(
        self,
        requests: Sequence[Asked],
        subject: Subject,
        *,
        rows: Callable[[Asked], int] | None = None,
        joined_by: Callable[[Shape], Any] | None = None,
        layers_kept: int = 1,
        keys_of: int = 1,
        progress: str | None = None,
    ) -> None:
        """Groups the requests.

        Args:
            requests: all requests, in any order.
            subject: the model that runs the batches.
            rows: returns how many tokens of a request are computed. By default, all tokens are computed.
            joined_by: returns a key for a shape. Shapes with equal keys share a batch if this adds few rows. By
                default, only equal shapes share a batch.
            layers_kept: the number of layers whose activations a batch keeps at the same time. Gradients need more
                than one.
            keys_of: the number of layers for which a batch has keys.
            progress: the label of the progress bar, and of the printed plan of a long sweep. The bar shows the rate
                and the time left. Without a label there is neither.
        """
        self._subject, self._layers_kept, self._keys_of, self._progress = subject, layers_kept, keys_of, progress
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
        """The time for the remaining tokens at the rate so far, in seconds; None before the first batch."""
        return self._seconds / self._done * self._left if self._done else None

    def __iter__(self) -> Iterator[list[Asked]]:
        """Yields each batch and measures the time until the caller asks for the next one."""
        total = sum(len(group) for _, group in self._groups)
        off = None if self._progress else True
        with tqdm(total=total, desc=self._progress, unit="row", leave=False, disable=off) as bar:
            # The memory is asked for only once, because a GPU needs milliseconds for the answer.
            free = min(map(free_bytes, self._subject.devices)) if self._groups else 0
            for shape, group in self._groups:
                room = self._that_fit(shape, free)
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
        """Returns `measured(some)`. When memory runs out, it measures each half separately, down to one request.

        All later batches are then smaller, too. It raises the error of a single request that does not fit, and every
        error that is not a lack of memory.
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
        """Returns one line: the number of requests, the prompt lengths, and the time left at the rate so far."""
        each = [len(request.tokens) for _, group in self._groups for request in group]
        shortest, longest = min(each), max(each)
        lengths = f"{shortest}" if shortest == longest else f"{shortest} to {longest}"
        return f"{self._progress}: {total:,} rows of {lengths} tokens, about {self.seconds_left:.0f} s"

    def _learn(self, tokens: int, seconds: float) -> None:
        """Adds a batch of `tokens` computed tokens to the totals and decides whether its size is better."""
        self._left, self._done, self._seconds = self._left - tokens, self._done + tokens, self._seconds + seconds
        full = tokens > _PAYS * self._at_once / 2
        if self._settled or not full or (self.seconds_left or 0) < LONG:
            return
        cost = seconds / tokens
        if self._cost_before is None or cost < _PAYS * self._cost_before:
            self._cost_before, self._at_once = cost, 2 * self._at_once
        else:
            self._at_once, self._settled = self._at_once // 2, True

    def _that_fit(self, shape: Shape, free: int) -> int:
        """Returns how many requests of a shape fit into half of the free memory, `free` bytes.

        The memory of one request is an estimate from the widths of the model.
        """
        subject = self._subject
        config, number = subject.model.config.get_text_config(), subject.itemsize
        size, wide = config.hidden_size, getattr(config, "intermediate_size", None) or 4 * config.hidden_size
        streams = shape.rows * (8 * size + 4 * wide) * number
        keys = 2 * bytes_of_keys(subject, shape.tokens, self._keys_of)
        patterns = 4 * subject.n_heads * shape.tokens**2 * torch.float32.itemsize
        return free // 2 // (self._layers_kept * (streams + keys + patterns))


def bytes_of_keys(subject: Subject, tokens: int, layers: int) -> int:
    """Returns the size of the keys and values of `tokens` tokens in `layers` layers, in bytes."""
    config = subject.model.config.get_text_config()
    width = (getattr(config, "head_dim", None) or config.hidden_size // subject.n_heads) * subject.n_kv_heads
    return 2 * layers * tokens * width * subject.itemsize


def of_one_length(shape: Shape) -> Any:
    """For `joined_by`: prompts of equal length can share a batch, even if the number of computed rows differs."""
    return shape.tokens, shape.layers


def of_any_length(shape: Shape) -> Any:
    """For `joined_by`: prompts of any length can share a batch, unless several layers are edited.

    The caller pads shorter prompts at the end.
    """
    return shape.tokens if len(shape.layers) > 1 else None, shape.layers


def of_one_start(shape: Shape) -> Any:
    """For `joined_by`: prompts of any length can share a batch if their computed rows start at the same row.

    The caller pads shorter prompts at the end.
    """
    return shape.tokens - shape.rows, shape.layers


def tokens_at_once(subject: Subject) -> int:
    """Returns the useful number of tokens of a batch on the subject's device; see `TOKENS_AT_ONCE`."""
    kind = subject.device.type + (", again in float32" if subject.float32 else "")
    return TOKENS_AT_ONCE.get(kind, TOKENS_AT_ONCE["cpu"])


class Shape(NamedTuple):
    """The shape of a request. Requests of one shape can share a batch.

    Attributes:
        tokens: the number of tokens of the prompt.
        rows: the number of tokens that are computed.
        layers: the edited layers.
    """

    tokens: int
    rows: int
    layers: tuple[int, ...]

    @property
    def start(self) -> int:
        """The index of the first computed row."""
        return self.tokens - self.rows


def _shape(request: Request, rows: Callable[[Any], int] | None) -> Shape:
    """Returns the shape of a request; `rows` is that of `Batches`."""
    tokens = len(request.tokens)
    return Shape(tokens, rows(request) if rows else tokens, request.layers)


def _joined(
    groups: list[tuple[Shape, list[Asked]]], by: Callable[[Shape], Any], *, worth: int
) -> list[tuple[Shape, list[Asked]]]:
    """Joins groups with fewer rows to larger groups with an equal key `by`.

    All joined requests compute the same rows: from the earliest first row to the latest last row. A group is joined
    only if this adds at most `worth` rows that no request needs.
    """
    found: list[tuple[Shape, list[Asked]]] = []
    order = sorted(groups, key=lambda group: group[0].rows, reverse=True)
    for places in alike(order, lambda group: by(group[0])):
        for shape, requests in (order[i] for i in places):
            known, others = found[-1] if found and by(found[-1][0]) == by(shape) else (shape, [])
            tokens = max(shape.tokens, known.tokens)
            both = known._replace(tokens=tokens, rows=tokens - min(shape.start, known.start))
            extra = len(requests) * (both.rows - shape.rows) + len(others) * (both.rows - known.rows)
            if others and extra <= worth:
                found[-1] = (both, [*others, *requests])
            else:
                found.append((shape, requests))
    return found


def _evenly(left: int, most: int) -> int:
    """Returns how many of `left` requests the next batch takes, at most `most`.

    The last two batches are about equal, because a request costs more in a small batch.
    """
    return min(left, most) if left <= most or left >= 2 * most else -(-left // 2)
