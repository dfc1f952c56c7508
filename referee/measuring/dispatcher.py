"""Answers requests: equal requests only once, known ones from the result cache, and all others in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from referee.attention.grouping import alike
from referee.measuring import prefix_cache
from referee.measuring.batches import Batches
from referee.measuring.requests import Request
from referee.measuring.result_cache import ResultCache
from referee.measuring.result_keys import NotKeepable, ResultKeys
from referee.models.subjects import Subject


class Dispatcher:
    """Answers the requests to one subject. With `results`, it keeps the answers on disk."""

    def __init__(self, subject: Subject, results: ResultCache | None) -> None:
        self._subject, self._results = subject, results
        self._keys = ResultKeys(subject) if results else None

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
        distinct = list(dict.fromkeys(requests))
        keys = self._keys_of(kind, distinct)
        known: dict[Any, Any] = {}
        if keys and self._results:
            kept = self._results.find(list(keys.values()))
            known = {request: kept[key] for request, key in keys.items() if key in kept}
        for missing in self._by_prompt([request for request in distinct if request not in known]):
            if prepare:
                prepare(missing, progress)
            batches = Batches(missing, self._subject, progress=progress, **options)
            for some in batches:
                found = batches.measure(measured, some)
                known |= dict(zip(some, found, strict=True))
                if keys and self._results:
                    self._results.keep((keys[request], value) for request, value in zip(some, found, strict=True))
        return [known[request] for request in requests]

    def _keys_of(self, kind: tuple[Any, ...], requests: Sequence[Request]) -> dict[Any, bytes]:
        """Returns the key of each request. Returns {} if results are not kept, or if a request cannot have a key."""
        if self._keys is None:
            return {}
        try:
            return {request: self._keys.of(*kind, request) for request in requests}
        except (NotKeepable, TypeError):  # a part without a hash has no key either
            return {}

    def _by_prompt(self, requests: Sequence[Request]) -> Iterator[list[Request]]:
        """Yields all requests in parts. Each part has at most half as many prompts as the prefix cache can keep."""
        groups = alike(requests, lambda request: request.tokens)
        at_once = max(1, prefix_cache.prompts_kept(self._subject, (request.tokens for request in requests)) // 2)
        for start in range(0, len(groups), at_once):
            chosen = sorted(i for group in groups[start : start + at_once] for i in group)
            yield [requests[i] for i in chosen]
