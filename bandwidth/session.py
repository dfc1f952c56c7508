"""The one object that runs a model: prompts × edits → margins, and prompts × measures of their patterns.

Experiments ask for data by frozen requests. Equal requests are answered once. What an earlier run has measured is
looked up; the rest is grouped by length, run in batches and put back in order.
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

from bandwidth import onednn, prefix_cache, scores
from bandwidth.attention import Attention, wrap
from bandwidth.batches import Batches, of_one_length
from bandwidth.edited_rows import EditedRows
from bandwidth.errors import SelfCheckFailed
from bandwidth.prefix_cache import PrefixCache
from bandwidth.requests import GradientMeasure, Measure, Observer, Reading, Request, Trial
from bandwidth.result_cache import Store, keepable, key
from bandwidth.subjects import Subject
from bandwidth.tokens import Tokens, alike

_LAYERS = 3
"""Layers of interest whose prefixes are kept, the latest ones."""
Row = tuple[float, float, str | None]
"""What is measured of a trial: `margin_logits`, `output_norm` and, where it was asked for, `top_answer`."""


class Session:
    """Everything that is computed of one model: the wrapped model, the prefix caches, the result cache, the observers.

    Attributes:
        subject: the model, and the layer of interest, at which patterns are edited.
        observers: see the margins of every sweep.
    """

    def __init__(self, subject: Subject, results: Store | None = None) -> None:
        """`results` keeps what is measured on disk; without it nothing is kept. Raises NoReadableAttention."""
        self.subject = subject
        self.observers: list[Observer] = []
        self._results = results
        self._wrapped = wrap(subject)
        self._prefixes: dict[int, PrefixCache] = {}

    def at(self, layer: int) -> Session:
        """The same session, caches and observers, with another layer of interest; raises LayerOutOfRange."""
        moved = copy.copy(self)
        moved.subject = self.subject.at(layer)
        return moved

    @property
    def attention(self) -> Attention:
        """Reads and writes patterns at the layer of interest."""
        return Attention(self.subject, self._wrapped)

    @property
    def prefixes(self) -> PrefixCache:
        """What the trials of a prompt share at the layer of interest."""
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
        """The measure of each prompt's patterns, in order.

        `layers` is the layer of interest unless given; `progress` names the work on a progress bar.
        """
        layer = self.subject.layer
        chosen = (layer,) if layers is None else tuple(layers)
        # At the layer of interest, trials of the same prompts will need what was computed on the way there.
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
        """The measure of each prompt's pattern at the layer of interest and of the margin's gradient there."""
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
            _readings(prompts), measured, way, progress, prepare=_prompts_first(known), layers_held=above
        )

    def answers(self, prompts: Sequence[Tokens], *, progress: str | None = None) -> list[str]:
        """What the subject writes by itself after each prompt: "right", "wrong" or "neither"; see `greedy_answers`."""
        known = self.prefixes
        starts: dict[Tokens, int] = {}

        def prepare(some: Sequence[Reading], progress: str | None) -> None:
            tokens = [request.tokens for request in some]
            known.prepare(tokens, progress)
            # The prompt's last row says what is written next.
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
        """One row a trial, in order: `margin_logits`, `output_norm` and, if asked for, `top_answer`.

        `output_norm` is the length of the residual stream after the layer of interest at the last position.
        `top_answer` says which answer the most likely next token continues, for which all logits are needed instead
        of two. Raises SelfCheckFailed when a margin is not a number.
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
        """As `margins`, but every trial is a batch of its own that shares nothing with another; no observer sees it."""

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
        """The results of requests, in order: from the result cache, or measured in batches and kept there.

        `way` is all that a result depends on beside subject and request. `enough` says whether a kept result has all
        that is asked for now. `prepare` computes what a limited number of prompts share, before their batches;
        `options` are those of Batches.
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
        """All requests at once, or in parts of about as many prompts as can be kept."""
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
    """For `_answered`: computes what is kept of the prompts, before anything of them is measured."""
    if known is None:
        return None
    return lambda some, progress: known.prepare([request.tokens for request in some], progress)


def _ids(requests: Sequence[Request]) -> Tensor:
    return torch.tensor([request.tokens.ids for request in requests])


def _total_margin(prompts: Sequence[Tokens], logits: Tensor) -> Tensor:
    return scores.margins(logits, prompts).sum()


def _require_finite(values: np.ndarray, what: str) -> None:
    lost = int((~np.isfinite(values)).sum())
    if lost:
        raise SelfCheckFailed(
            f"Every {what} must be finite", f"{lost} numbers that are not, of {values.size}", "Try --dtype float32."
        )
