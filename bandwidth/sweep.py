"""The one door to the model: prompts × edits → margins, and prompts × measures of their patterns.

Experiments say what they want as data. Here equal wishes are granted once, what is known from an earlier run is
looked up, the rest is grouped by length, batched and put back in order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from bandwidth import backends, batches, scoring, store
from bandwidth.attention import Attention
from bandwidth.edits import Edit
from bandwidth.errors import SelfCheckFailed
from bandwidth.subjects import Subject
from bandwidth.tokens import Tokens


@dataclass(frozen=True)
class Trial:
    """One forward pass: a prompt, and what is done to its patterns at the layer of interest."""

    tokens: Tokens
    edit: Edit | None = None


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

    def measured(some: Sequence[Tokens]) -> list[Tensor]:
        patterns = Attention(subject).read(_ids(some), chosen).float().cpu()
        _require_finite(patterns.numpy(), "attention pattern")
        return [measure(tokens, pattern) for tokens, pattern in zip(some, patterns, strict=True)]

    keys = partial(store.key, subject, "read", measure, chosen)
    return _granted(prompts, keys, measured, progress, subject.device.type)


def gradients(
    subject: Subject, prompts: Sequence[Tokens], measure: GradientMeasure, *, progress: str | None = None
) -> list[Tensor]:
    """The measure of each prompt's pattern at the layer of interest and of its margin's gradient there, in order."""

    def measured(some: Sequence[Tokens]) -> list[Tensor]:
        score = partial(_total_margin, some)
        pattern, gradient = (held.cpu() for held in Attention(subject).gradients(_ids(some), score))
        for held in (pattern, gradient):
            _require_finite(held.numpy(), "gradient of an attention pattern")
        return [measure(t, own, slope) for t, own, slope in zip(some, pattern, gradient, strict=True)]

    return _granted(prompts, partial(store.key, subject, "gradient", measure), measured, progress, subject.device.type)


def answers(subject: Subject, prompts: Sequence[Tokens], *, progress: str | None = None) -> list[str]:
    """What the subject writes by itself after each prompt: "right", "wrong" or "neither"; see `greedy_answers`."""
    measured = partial(scoring.greedy_answers, subject)
    return _granted(prompts, partial(store.key, subject, "greedy"), measured, progress, subject.device.type)


def run(subject: Subject, trials: Sequence[Trial], *, progress: str | None = None) -> pd.DataFrame:
    """One row a trial, in order: `margin_logits`, `top_answer`, `output_norm`.

    `output_norm` is the length of the residual stream after the layer of interest at the last position.
    Raises SelfCheckFailed when a margin is not a number.
    """
    backend = backends.of(subject)

    def measured(some: Sequence[Trial]) -> list[tuple[float, str, float]]:
        tokens = [trial.tokens for trial in some]
        readout = backend.run(tokens, [trial.edit for trial in some])
        margins = scoring.margins_of(subject, readout.final, tokens)
        _require_finite(margins.cpu().numpy(), "margin")
        _require_finite(readout.output_norm.cpu().numpy(), "residual stream")
        tops = scoring.top_answers(readout.top, tokens)
        return list(zip(margins.tolist(), tops, readout.output_norm.tolist(), strict=True))

    keys = partial(store.key, subject, backend.name)
    rows = _granted(trials, keys, measured, progress, subject.device.type, prepare=backend.prepare)
    return pd.DataFrame(rows, columns=["margin_logits", "top_answer", "output_norm"])


def _granted(
    wishes: Sequence[Any],
    key: Callable[[Any], bytes],
    measured: Callable[[Sequence[Any]], list],
    progress: str | None,
    device: str,
    *,
    prepare: Callable[[Sequence[Any]], None] | None = None,
) -> list[Any]:
    """What is wished for, in order: from memory, from disk, or measured in batches and kept.

    `prepare` is told all that must be measured before the first batch of it is.
    """
    distinct = list(dict.fromkeys(wishes))
    kept = store.current()
    known: dict[Any, Any] = {}
    keys: dict[Any, bytes] = {}
    if kept and not all(map(store.keepable, distinct)):
        kept = None
    if kept:
        keys = {wish: key(wish) for wish in distinct}
        by_key = kept.find(list(keys.values()))
        known = {wish: by_key[k] for wish, k in keys.items() if k in by_key}
    missing = [wish for wish in distinct if wish not in known]
    if missing and prepare:
        prepare(missing)
    bar = tqdm(total=len(missing), desc=progress, unit="row", leave=False, disable=None if progress else True)
    with bar:
        for some in batches.of_equal_length(missing, device):
            found = batches.halved_when_too_large(measured, some)
            known |= dict(zip(some, found, strict=True))
            if kept:
                kept.keep((keys[wish], value) for wish, value in zip(some, found, strict=True))
            bar.update(len(some))
    return [known[wish] for wish in wishes]


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
