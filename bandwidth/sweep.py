"""The one door to the model: prompts × edits → margins, and prompts × measures of their patterns.

Experiments say what they want as data; here it is grouped by length, batched and put back in order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from bandwidth import attention, scoring
from bandwidth.edits import Edit
from bandwidth.errors import SelfCheckFailed
from bandwidth.subjects import Subject
from bandwidth.tokens import Tokens, alike

_ROWS_PER_BATCH = 32


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
    port = attention.of(subject)
    found: dict[int, Tensor] = {}
    for batch in _batches(prompts, progress):
        ids = torch.tensor([prompts[i].ids for i in batch])
        patterns = port.read(ids, [subject.layer] if layers is None else layers).float().cpu()
        _require_finite(patterns.numpy(), "attention pattern")
        found |= {i: measure(prompts[i], pattern) for i, pattern in zip(batch, patterns, strict=True)}
    return [found[i] for i in range(len(prompts))]


def gradients(
    subject: Subject, prompts: Sequence[Tokens], measure: GradientMeasure, *, progress: str | None = None
) -> list[Tensor]:
    """The measure of each prompt's pattern at the layer of interest and of its margin's gradient there, in order."""
    port = attention.of(subject)
    found: dict[int, Tensor] = {}
    for batch in _batches(prompts, progress):
        chosen = [prompts[i] for i in batch]
        score = partial(_total_margin, chosen)
        pattern, gradient = port.gradients(torch.tensor([tokens.ids for tokens in chosen]), score)
        for held in (pattern, gradient):
            _require_finite(held.cpu().numpy(), "gradient of an attention pattern")
        for i, own, slope in zip(batch, pattern.cpu(), gradient.cpu(), strict=True):
            found[i] = measure(prompts[i], own, slope)
    return [found[i] for i in range(len(prompts))]


def _total_margin(prompts: Sequence[Tokens], logits: Tensor) -> Tensor:
    return scoring.margins(logits, prompts).sum()


def run(subject: Subject, trials: Sequence[Trial], *, progress: str | None = None) -> pd.DataFrame:
    """One row a trial, in order: `margin_logits`, `top_answer`, `output_norm`.

    `output_norm` is the length of the residual stream after the layer of interest at the last position.
    Raises SelfCheckFailed when a margin is not a number.
    """
    port = attention.of(subject)
    edited = [trial for trial in trials if trial.edit is not None]
    # In order of appearance: the order of a set of prompts changes from process to process, and with it the batches.
    donors = [trial.edit.donor for trial in edited if trial.edit and trial.edit.donor]
    needed = list(dict.fromkeys([trial.tokens for trial in edited] + donors))
    own = {t: pattern[0] for t, pattern in zip(needed, read(subject, needed, Whole()), strict=True)}

    rows: dict[int, tuple[float, str, float]] = {}
    for batch in _batches([trial.tokens for trial in trials], progress, [t.edit is not None for t in trials]):
        chosen = [trials[i] for i in batch]
        prompts = [trial.tokens for trial in chosen]
        patterns = [_edited(trial, own) for trial in chosen if trial.edit is not None]
        ids = torch.tensor([tokens.ids for tokens in prompts])
        readout = port.run(ids, torch.stack(patterns) if patterns else None)
        margins = scoring.margins(readout.logits, prompts).tolist()
        tops = scoring.top_answers(readout.logits, prompts)
        rows |= dict(zip(batch, zip(margins, tops, readout.output_norm.tolist(), strict=True), strict=True))
    table = pd.DataFrame([rows[i] for i in range(len(trials))], columns=["margin_logits", "top_answer", "output_norm"])
    _require_finite(table["margin_logits"].to_numpy(), "margin")
    _require_finite(table["output_norm"].to_numpy(), "residual stream")
    return table


def _edited(trial: Trial, own: dict[Tokens, Tensor]) -> Tensor:
    assert trial.edit is not None
    donor = trial.edit.donor
    return trial.edit(trial.tokens, own[trial.tokens], own[donor] if donor else None)


def _batches(
    prompts: Sequence[Tokens], progress: str | None, edited: Sequence[bool] | None = None
) -> Iterator[list[int]]:
    """Indices of prompts of equal length (and alike in being edited), few enough to run at once."""
    flags = edited or [False] * len(prompts)
    groups = alike(list(zip(prompts, flags, strict=True)), lambda pair: (len(pair[0]), pair[1]))
    batches = [group[k : k + _ROWS_PER_BATCH] for group in groups for k in range(0, len(group), _ROWS_PER_BATCH)]
    with tqdm(total=len(prompts), desc=progress, unit="row", leave=False, disable=None if progress else True) as bar:
        for batch in batches:
            yield batch
            bar.update(len(batch))


def _require_finite(values: np.ndarray, what: str) -> None:
    lost = int((~np.isfinite(values)).sum())
    if lost:
        raise SelfCheckFailed(
            f"Every {what} must be finite", f"{lost} numbers that are not, of {values.size}", "Try --dtype float32."
        )
