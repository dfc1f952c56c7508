"""The session is the only object that runs a model. It returns margins of edited prompts and measures of patterns.

Experiments send frozen requests. The session answers equal requests only once, and it looks up the results of earlier
runs. It groups the other requests by length and runs them in batches. It returns the results in the order of requests.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from referee.attention.tracing import Attention, wrap
from referee.errors import SelfCheckFailed
from referee.measuring import onednn, prefix_cache, scores
from referee.measuring.batches import Batches, of_one_length
from referee.measuring.edited_rows import EditedRows
from referee.measuring.prefix_cache import PrefixCache
from referee.measuring.requests import GradientMeasure, Measure, Observer, Reading, Request, Trial
from referee.measuring.result_cache import Store, keepable, key
from referee.models.subjects import Subject
from referee.prompts.tokens import Tokens, alike

_LAYERS = 3
"""A session keeps the prefix caches of the latest layers of interest, at most this many."""
Row = tuple[float, float, str | None]
"""The results of a trial: `margin_logits`, `output_norm`, and `top_answer`, which is None if not requested."""


class Session:
    """Runs one model. It keeps the wrapped model, the prefix caches, the result cache and the observers.

    Attributes:
        subject: the model, and the layer of interest. Patterns are edited at this layer.
        observers: functions that receive the margins of every sweep.
    """

    def __init__(self, subject: Subject, results: Store | None = None) -> None:
        """`results` keeps results on disk; without it, no result is kept. Raises NoReadableAttention; see `wrap`."""
        self.subject = subject
        self.observers: list[Observer] = []
        self._results = results
        self._wrapped = wrap(subject)
        self._prefixes: dict[int, PrefixCache] = {}

    def at(self, layer: int) -> Session:
        """Returns this session, with its caches and observers, at another layer. Raises LayerOutOfRange."""
        moved = copy.copy(self)
        moved.subject = self.subject.at(layer)
        return moved

    @property
    def attention(self) -> Attention:
        """The object that reads and writes patterns at the layer of interest."""
        return Attention(self.subject, self._wrapped)

    @property
    def prefixes(self) -> PrefixCache:
        """The prefix cache of the layer of interest. It has what the trials of a prompt share."""
        layer, known = self.subject.layer, self._prefixes
        known[layer] = known.pop(layer) if layer in known else PrefixCache(self.attention)
        if len(known) > _LAYERS:
            del known[next(iter(known))]
        return known[layer]

    def patterns(
        self,
        prompts: Sequence[Tokens],
        measure: Measure,
        *,
        layers: Sequence[int] | None = None,
        progress: str | None = None,
    ) -> list[Tensor]:
        """Returns the measure of each prompt's patterns, in the order of the prompts.

        `layers` are the layers to read; by default, only the layer of interest is read. `progress` is the label of the
        progress bar. Raises SelfCheckFailed when a pattern is not finite.
        """
        layer = self.subject.layer
        chosen = (layer,) if layers is None else tuple(layers)
        # Later trials of the same prompts need the same layers below, so the prefix cache keeps them.
        known = self.prefixes if chosen == (layer,) else None

        def read(some: Sequence[Reading]) -> Iterable[Tensor]:
            if known:
                return (known.pattern(request.tokens)[None] for request in some)
            return self.attention.read(_ids(some), chosen).float().cpu()

        def measured(some: Sequence[Reading]) -> list[Tensor]:
            found = []
            for request, pattern in zip(some, read(some), strict=True):
                _require_finite(pattern.numpy(), "attention pattern")
                found.append(measure(request.tokens, pattern))
            return found

        way = ("read", measure, chosen)
        return self._answered(_readings(prompts), measured, way, progress, prepare=_prompts_first(known))

    def gradients(
        self, prompts: Sequence[Tokens], measure: GradientMeasure, *, progress: str | None = None
    ) -> list[Tensor]:
        """Returns the measure of each prompt's pattern at the layer of interest and of the margin's gradient there.

        Raises SelfCheckFailed when a pattern or a gradient is not finite.
        """
        known = self.prefixes

        def measured(some: Sequence[Reading]) -> list[Tensor]:
            tokens = [request.tokens for request in some]
            hidden = torch.stack([known.hidden(t) for t in tokens])
            found = self.attention.gradients(_ids(some), hidden, partial(_total_margin, tokens))
            pattern, gradient = (part.cpu() for part in found)
            for part in (pattern, gradient):
                _require_finite(part.numpy(), "gradient of an attention pattern")
            return [measure(t, own, slope) for t, own, slope in zip(tokens, pattern, gradient, strict=True)]

        above = self.subject.n_layers - self.subject.layer
        way = ("gradient", measure)
        return self._answered(
            _readings(prompts), measured, way, progress, prepare=_prompts_first(known), layers_kept=above
        )

    def answers(self, prompts: Sequence[Tokens], *, progress: str | None = None) -> list[str]:
        """Returns what the subject writes after each prompt: "right", "wrong" or "neither"; see `greedy_answers`."""
        known = self.prefixes
        starts: dict[Tokens, int] = {}

        def prepare(some: Sequence[Reading], progress: str | None) -> None:
            tokens = [request.tokens for request in some]
            known.prepare(tokens, progress)
            # The last row of the prompt is always computed, because it predicts the next token.
            before = {t: t.n_prompt - 1 if known.keeps else 0 for t in tokens}
            known.prepare_keys(before, progress)
            starts.update(before)

        def measured(some: Sequence[Reading]) -> list[scores.Answer]:
            tokens = [request.tokens for request in some]
            return scores.greedy_answers(self.subject, tokens, known.all_keys(tokens, starts[tokens[0]]))

        def rows(request: Reading) -> int:
            return len(request.tokens) - starts[request.tokens]

        return self._answered(
            _readings(prompts),
            measured,
            ("greedy",),
            progress,
            prepare=prepare,
            rows=rows,
            keys_of=self.subject.n_layers,
        )

    def margins(
        self, trials: Sequence[Trial], *, top_answers: bool = False, progress: str | None = None
    ) -> pd.DataFrame:
        """Returns a table with one row for each trial, in order.

        Its columns are `margin_logits`, `output_norm` and, with `top_answers`, `top_answer`. `output_norm` is the L2
        norm of the residual stream after the layer of interest, at the last position. `top_answer` is the answer that
        the most likely next token continues. It needs all logits instead of two. Raises SelfCheckFailed when a margin
        or a norm is not finite.
        """
        edited = EditedRows(self.attention, self.prefixes)
        rows = self._answered(
            trials,
            partial(self._rows, edited, top_answers=top_answers),
            ("margins",),
            progress,
            enough=lambda row: row[2] is not None or not top_answers,
            prepare=edited.prepare,
            rows=edited.count,
            joined_by=of_one_length,
            keys_of=self.subject.n_layers - self.subject.layer,
        )
        table = _table(rows, top_answers=top_answers)
        for observer in self.observers:
            observer(self.subject.layer, trials, table["margin_logits"].tolist())
        return table

    def margins_alone(self, trials: Sequence[Trial]) -> pd.DataFrame:
        """Like `margins`, but each trial runs alone and shares nothing with others. Observers get no margins."""

        def alone(trial: Trial) -> Row:
            edited = EditedRows(self.attention, PrefixCache(self.attention))
            edited.prepare([trial], None)
            return self._rows(edited, [trial])[0]

        return _table(self._answered(trials, lambda some: list(map(alone, some)), ("margins, alone",), None))

    def _rows(self, edited: EditedRows, trials: Sequence[Trial], *, top_answers: bool = False) -> list[Row]:
        tokens = [trial.tokens for trial in trials]
        readout = edited.run(trials)
        margins = scores.margins_of(self.subject, readout.final, tokens)
        _require_finite(margins.cpu().numpy(), "margin")
        _require_finite(readout.output_norm.cpu().numpy(), "residual stream")
        tops: Sequence[str | None] = [None] * len(trials)
        if top_answers:
            tops = scores.top_answers(scores.most_likely(self.subject, readout.final), tokens)
        return list(zip(margins.tolist(), readout.output_norm.tolist(), tops, strict=True))

    def _answered(
        self,
        requests: Sequence[Request],
        measured: Callable[[Sequence[Any]], list],
        way: tuple[Any, ...],
        progress: str | None,
        *,
        enough: Callable[[Any], bool] = lambda _: True,
        prepare: Callable[[Sequence[Any], str | None], None] | None = None,
        **options: Any,
    ) -> list[Any]:
        """Returns the results of requests, in order: from the result cache, or measured in batches and then kept.

        Args:
            measured: returns the results of one batch, in order.
            way: everything that a result depends on, except the subject and the request.
            enough: returns whether a kept result has everything that this call needs.
            prepare: computes what a limited number of prompts share, before their batches.
            options: other arguments of Batches.
        """
        distinct = list(dict.fromkeys(requests))
        kept = self._results
        known: dict[Any, Any] = {}
        keys: dict[Any, bytes] = {}
        if kept and not keepable(*way, *distinct):
            kept = None
        if kept:
            keys = {request: key(self.subject, *way, request) for request in distinct}
            by_key = kept.find(list(keys.values()))
            known = {request: by_key[k] for request, k in keys.items() if k in by_key and enough(by_key[k])}
        for missing in self._by_prompt([request for request in distinct if request not in known]):
            if prepare:
                with onednn.quick():
                    prepare(missing, progress)
            batches = Batches(missing, self.subject, progress=progress, **options)
            for some in batches:
                with onednn.quick():
                    found = batches.measure(measured, some)
                known |= dict(zip(some, found, strict=True))
                if kept:
                    kept.keep((keys[request], value) for request, value in zip(some, found, strict=True))
        return [known[request] for request in requests]

    def _by_prompt(self, requests: Sequence[Request]) -> Iterator[list[Request]]:
        """Yields all requests in parts. Each part has at most half as many prompts as the prefix cache can keep."""
        groups = alike(requests, lambda request: request.tokens)
        at_once = max(1, prefix_cache.prompts_kept(self.subject, (request.tokens for request in requests)) // 2)
        for start in range(0, len(groups), at_once):
            chosen = sorted(i for group in groups[start : start + at_once] for i in group)
            yield [requests[i] for i in chosen]


def _table(rows: Sequence[Row], *, top_answers: bool = False) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["margin_logits", "output_norm", "top_answer"])
    return table if top_answers else table.drop(columns="top_answer")


def _readings(prompts: Sequence[Tokens]) -> list[Reading]:
    return [Reading(tokens) for tokens in prompts]


def _prompts_first(known: PrefixCache | None) -> Callable[[Sequence[Reading], str | None], None] | None:
    """For `prepare` of `_answered`: fills the prefix cache with the prompts before their batches run."""
    if known is None:
        return None
    return lambda some, progress: known.prepare([request.tokens for request in some], progress)


def _ids(requests: Sequence[Request]) -> Tensor:
    """Returns the token ids of prompts of equal length, [prompt, token]."""
    return torch.tensor([request.tokens.ids for request in requests])


def _total_margin(prompts: Sequence[Tokens], logits: Tensor) -> Tensor:
    """Returns the sum of the margins over prompts, a scalar, from logits [prompt, vocabulary]."""
    return scores.margins(logits, prompts).sum()


def _require_finite(values: np.ndarray, what: str) -> None:
    """Raises SelfCheckFailed when a value is infinite or not a number."""
    lost = int((~np.isfinite(values)).sum())
    if lost:
        raise SelfCheckFailed(
            f"Every {what} must be finite", f"{lost} numbers that are not, of {values.size}", "Try --dtype float32."
        )
