"""The one door to the model: prompts × edits → margins, and prompts × measures of their patterns.

Experiments say what they want as data. Here equal wishes are granted once, what is known from an earlier run is
looked up, the rest is grouped by length, batched and put back in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from bandwidth import backends, entered, scoring, store
from bandwidth.attention import Attention
from bandwidth.backends import Backend
from bandwidth.batches import Batches, of_one_length
from bandwidth.edits import Edit
from bandwidth.entered import Entered
from bandwidth.errors import SelfCheckFailed
from bandwidth.subjects import Subject
from bandwidth.tokens import Tokens, alike


@dataclass(frozen=True)
class Trial:
    """One forward pass: a prompt, and what is done to its patterns at the layer of interest."""

    tokens: Tokens
    edit: Edit | None = None


Row = tuple[float, float, str | None]
"""What is measured of a trial: `margin_logits`, `output_norm` and, where it was asked for, `top_answer`."""
Observer = Callable[[Subject, Sequence[Trial], Sequence[float]], None]
observers: list[Observer] = []
"""Told the margins of every sweep."""


class Measure(Protocol):
    """A pure function of a prompt's patterns, as data: a frozen dataclass, so that equal measures are equal."""

    def __call__(self, tokens: Tokens, pattern: Tensor) -> Tensor:
        """A small tensor of a pattern [layer, head, query, key] in float32."""
        ...


class GradientMeasure(Protocol):
    """As Measure, of one layer's pattern and of the margin's gradient with respect to it."""

    def __call__(self, tokens: Tokens, pattern: Tensor, gradient: Tensor) -> Tensor:
        """A small tensor of the layer of interest's pattern and gradient, both [head, query, key] in float32."""
        ...


@dataclass(frozen=True)
class Whole:
    """The measure that is the pattern itself."""

    def __call__(self, tokens: Tokens, pattern: Tensor) -> Tensor:
        return pattern


def read(
    subject: Subject,
    prompts: Sequence[Tokens],
    measure: Measure,
    *,
    layers: Sequence[int] | None = None,
    progress: str | None = None,
) -> list[Tensor]:
    """The measure of each prompt's patterns, in order.

    `layers` is the layer of interest unless given; `progress` names the work on a progress bar.
    """
    chosen = (subject.layer,) if layers is None else tuple(layers)
    # At the layer of interest, trials of the same prompts will need what was computed on the way there.
    held = Entered.of(subject) if chosen == (subject.layer,) else None

    def patterns(some: Sequence[Tokens]) -> Iterable[Tensor]:
        if held:
            return (held.pattern(tokens)[None] for tokens in some)
        return Attention(subject).read(_ids(some), chosen).float().cpu()

    def measured(some: Sequence[Tokens]) -> list[Tensor]:
        found = []
        for tokens, pattern in zip(some, patterns(some), strict=True):
            _require_finite(pattern.numpy(), "attention pattern")
            found.append(measure(tokens, pattern))
        return found

    way = ("read", measure, chosen)
    return _granted(subject, prompts, measured, way, progress, prepare=held.prepare if held else None)


def gradients(
    subject: Subject, prompts: Sequence[Tokens], measure: GradientMeasure, *, progress: str | None = None
) -> list[Tensor]:
    """The measure of each prompt's pattern at the layer of interest and of its margin's gradient there, in order."""
    entering = Entered.of(subject)

    def measured(some: Sequence[Tokens]) -> list[Tensor]:
        hidden = torch.stack([entering.hidden(tokens) for tokens in some])
        found = Attention(subject).gradients(_ids(some), hidden, partial(_total_margin, some))
        pattern, gradient = (held.cpu() for held in found)
        for held in (pattern, gradient):
            _require_finite(held.numpy(), "gradient of an attention pattern")
        return [measure(t, own, slope) for t, own, slope in zip(some, pattern, gradient, strict=True)]

    above = subject.n_layers - subject.layer
    way = ("gradient", measure)
    return _granted(subject, prompts, measured, way, progress, prepare=entering.prepare, layers_held=above)


def answers(subject: Subject, prompts: Sequence[Tokens], *, progress: str | None = None) -> list[str]:
    """What the subject writes by itself after each prompt: "right", "wrong" or "neither"; see `greedy_answers`."""
    held = Entered.of(subject)
    starts: dict[Tokens, int] = {}

    def prepare(some: Sequence[Tokens], progress: str | None) -> None:
        held.prepare(some, progress)
        # The prompt's last row says what is written next.
        before = {tokens: tokens.n_prompt - 1 if held.keeps else 0 for tokens in some}
        held.prepare_keys(before, progress)
        starts.update(before)

    def measured(some: Sequence[Tokens]) -> list[scoring.Answer]:
        return scoring.greedy_answers(subject, some, held.all_keys(some, starts[some[0]]))

    def rows(tokens: Tokens) -> int:
        return len(tokens) - starts[tokens]

    return _granted(
        subject, prompts, measured, ("greedy",), progress, prepare=prepare, rows=rows, keys_of=subject.n_layers
    )


def run(
    subject: Subject, trials: Sequence[Trial], *, top_answers: bool = False, progress: str | None = None
) -> pd.DataFrame:
    """One row a trial, in order: `margin_logits`, `output_norm` and, if asked for, `top_answer`.

    `output_norm` is the length of the residual stream after the layer of interest at the last position; `top_answer`
    says which answer the most likely next token continues, for which all logits are needed instead of two. Raises
    SelfCheckFailed when a margin is not a number.
    """
    backend = backends.of(subject)
    measured = partial(_rows, subject, backend, top_answers=top_answers)
    rows = _granted(
        subject,
        trials,
        measured,
        (backend.name,),
        progress,
        enough=lambda row: row[2] is not None or not top_answers,
        prepare=backend.prepare,
        rows=backend.rows,
        joined_by=of_one_length,
        keys_of=subject.n_layers - subject.layer,
    )
    table = _table(rows, top_answers=top_answers)
    for observer in observers:
        observer(subject, trials, table["margin_logits"].tolist())
    return table


def run_alone(subject: Subject, trials: Sequence[Trial]) -> pd.DataFrame:
    """As `run`, but every trial is a batch of its own that shares nothing with another; no observer is told."""

    def alone(trial: Trial) -> Row:
        with entered.forgetful(subject):
            backend = backends.of(subject)
            backend.prepare([trial], None)
            return _rows(subject, backend, [trial])[0]

    way = f"{backends.of(subject).name}, alone"
    return _table(_granted(subject, trials, lambda some: list(map(alone, some)), (way,), None))


def _rows(subject: Subject, backend: Backend, trials: Sequence[Trial], *, top_answers: bool = False) -> list[Row]:
    tokens = [trial.tokens for trial in trials]
    readout = backend.run(tokens, [trial.edit for trial in trials])
    margins = scoring.margins_of(subject, readout.final, tokens)
    _require_finite(margins.cpu().numpy(), "margin")
    _require_finite(readout.output_norm.cpu().numpy(), "residual stream")
    tops: Sequence[str | None] = [None] * len(trials)
    if top_answers:
        tops = scoring.top_answers(scoring.most_likely(subject, readout.final), tokens)
    return list(zip(margins.tolist(), readout.output_norm.tolist(), tops, strict=True))


def _table(rows: Sequence[Row], *, top_answers: bool = False) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["margin_logits", "output_norm", "top_answer"])
    return table if top_answers else table.drop(columns="top_answer")


def _granted(
    subject: Subject,
    wishes: Sequence[Any],
    measured: Callable[[Sequence[Any]], list],
    way: tuple[Any, ...],
    progress: str | None,
    *,
    enough: Callable[[Any], bool] = lambda _: True,
    prepare: Callable[[Sequence[Any], str | None], None] | None = None,
    **options: Any,
) -> list[Any]:
    """What is wished for, in order: from memory, from disk, or measured in batches and kept.

    `way` is all that a result depends on beside subject and wish; `enough` says whether what is on disk holds all that
    is asked for now. `prepare` is told what will be measured next, of a limited number of prompts; `options` are those
    of Batches.
    """
    distinct = list(dict.fromkeys(wishes))
    kept = store.current()
    known: dict[Any, Any] = {}
    keys: dict[Any, bytes] = {}
    if kept and not store.keepable(*way, *distinct):
        kept = None
    if kept:
        keys = {wish: store.key(subject, *way, wish) for wish in distinct}
        by_key = kept.find(list(keys.values()))
        known = {wish: by_key[k] for wish, k in keys.items() if k in by_key and enough(by_key[k])}
    for missing in _by_prompt(subject, [wish for wish in distinct if wish not in known]):
        if prepare:
            prepare(missing, progress)
        batches = Batches(missing, subject, progress=progress, **options)
        for some in batches:
            found = batches.measure(measured, some)
            known |= dict(zip(some, found, strict=True))
            if kept:
                kept.keep((keys[wish], value) for wish, value in zip(some, found, strict=True))
    return [known[wish] for wish in wishes]


def _by_prompt(subject: Subject, wishes: Sequence[Any]) -> Iterator[list[Any]]:
    """All wishes at once, or in parts about as many prompts as can be remembered."""
    groups = alike(wishes, _tokens)
    at_once = max(1, entered.remembered(subject, map(_tokens, wishes)) // 2)
    for start in range(0, len(groups), at_once):
        chosen = sorted(i for group in groups[start : start + at_once] for i in group)
        yield [wishes[i] for i in chosen]


def _tokens(wish: Any) -> Tokens:
    return getattr(wish, "tokens", wish)


def _ids(prompts: Sequence[Tokens]) -> Tensor:
    return torch.tensor([tokens.ids for tokens in prompts])


def _total_margin(prompts: Sequence[Tokens], logits: Tensor) -> Tensor:
    return scoring.margins(logits, prompts).sum()


def _require_finite(values: np.ndarray, what: str) -> None:
    lost = int((~np.isfinite(values)).sum())
    if lost:
        raise SelfCheckFailed(
            f"Every {what} must be finite", f"{lost} numbers that are not, of {values.size}", "Try --dtype float32."
        )
