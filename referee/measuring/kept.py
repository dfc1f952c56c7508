"""Answers requests: equal requests once, and known ones from the result cache."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from referee.measuring.requests import Request
from referee.measuring.result_cache import ResultCache
from referee.measuring.result_keys import NotKeepable, ResultKeys
from referee.models.subjects import Subject


class Kept:
    """The results of one subject. With `results`, they are kept on disk."""

    def __init__(self, subject: Subject, results: ResultCache | None, *parts: str) -> None:
        """`parts` are what the results depend on beside the subject, the kind of result and the request."""
        self._results, self._parts = results, parts
        self._keys = ResultKeys(subject) if results else None

    def answers(
        self,
        requests: Sequence[Any],
        kind: tuple[Any, ...],
        measured: Callable[[list[Any]], Iterable[tuple[Sequence[Any], Sequence[Any]]]],
    ) -> list[Any]:
        """Returns the results of requests, in order.

        Args:
            kind: everything that a result depends on, except the subject and the request.
            measured: yields some of the missing requests with their results, until none is left. Each part is kept on
                disk before the next one is measured.
        """
        distinct = list(dict.fromkeys(requests))
        keys = self._keys_of(kind, distinct)
        known: dict[Any, Any] = {}
        if keys and self._results:
            kept = self._results.find(list(keys.values()))
            known = {request: kept[key] for request, key in keys.items() if key in kept}
        if missing := [request for request in distinct if request not in known]:
            for some, found in measured(missing):
                known |= dict(zip(some, found, strict=True))
                if keys and self._results:
                    self._results.keep((keys[request], value) for request, value in zip(some, found, strict=True))
        return [known[request] for request in requests]

    def _keys_of(self, kind: tuple[Any, ...], requests: Sequence[Request]) -> dict[Any, bytes]:
        """Returns the key of each request. Returns {} if results are not kept, or if a request cannot have a key."""
        if self._keys is None:
            return {}
        try:
            return {request: self._keys.of(*self._parts, *kind, request) for request in requests}
        except (NotKeepable, TypeError):  # a part without a hash has no key either
            return {}
