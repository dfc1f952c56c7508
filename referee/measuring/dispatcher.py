"""Answers requests: equal ones once, known ones from the result cache, and the others in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from referee.attention.grouping import alike
from referee.measuring import prefix_cache
from referee.measuring.batches import Batches
from referee.measuring.kept import Kept
from referee.measuring.requests import Request
from referee.measuring.result_cache import ResultCache
from referee.models.subjects import Subject


class Dispatcher:
    """Answers the requests to one subject. With `results`, it keeps the answers on disk."""

    def __init__(self, subject: Subject, results: ResultCache | None) -> None:
        self._subject, self._kept = subject, Kept(subject, results)

    def answers(
        self,
        requests: Sequence[Request],
        measured: Callable[[Sequence[Any]], list],
        kind: tuple[Any, ...],
        progress: str | None,
        *,
        prepare: Callable[[Sequence[Any], str | None], None] | None = None,
        **options: Any,
    ) -> list[Any]:
        """Returns the results of requests, in order.

        Args:
            measured: returns the results of one batch, in order.
            kind: everything that a result depends on, except the subject and the request.
            progress: the label of the progress bar.
            prepare: computes what a limited number of prompts share, before their batches.
            options: other arguments of Batches.
        """

        def in_batches(missing: list[Any]) -> Iterator[tuple[list[Any], list]]:
            for part in self._by_prompt(missing):
                if prepare:
                    prepare(part, progress)
                batches = Batches(part, self._subject, progress=progress, **options)
                for some in batches:
                    yield some, batches.measure(measured, some)

        return self._kept.answers(requests, kind, in_batches)

    def _by_prompt(self, requests: Sequence[Request]) -> Iterator[list[Request]]:
        """Yields all requests in parts. Each part has at most half as many prompts as the prefix cache can keep."""
        groups = alike(requests, lambda request: request.tokens)
        at_once = max(1, prefix_cache.prompts_kept(self._subject, (request.tokens for request in requests)) // 2)
        for start in range(0, len(groups), at_once):
            chosen = sorted(i for group in groups[start : start + at_once] for i in group)
            yield [requests[i] for i in chosen]
