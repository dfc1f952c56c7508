"""Measures one batch of requests. A session passes these functions to its dispatcher.

Each function returns the results of the batch in order. It raises SelfCheckFailed when a number is not finite.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

import pandas as pd
import torch
from torch import Tensor

from referee.attention.tracing import Attention
from referee.errors import SelfCheckFailed
from referee.measuring.edited_rows import EditedRows
from referee.measuring.prefix_cache import PrefixCache
from referee.measuring.requests import GradientMeasure, Measure, Reading, Request, Trial
from referee.measuring.scores import Margin, Score, margins
from referee.models.subjects import Subject
from referee.prompts.tokens import Tokens

Row = dict[str, float]
"""The scores of a trial, by column."""


def patterns(attention: Attention, measure: Measure, layers: Sequence[int], some: Sequence[Reading]) -> list[Tensor]:
    """Returns the measures of the prompts' patterns in some layers."""
    return _measures(measure, some, attention.read(_ids(some), layers).cpu())


def known_patterns(known: PrefixCache, measure: Measure, some: Sequence[Reading]) -> list[Tensor]:
    """Returns the measures of the prompts' patterns that a prefix cache keeps."""
    found = known.patterns([request.tokens for request in some])[:, None]
    return _measures(measure, some, found.cpu())


def edited_patterns(edited: EditedRows, measure: Measure, layers: Sequence[int], some: Sequence[Trial]) -> list[Tensor]:
    """Returns the measures of the patterns that the trials have in layers above the edited ones."""
    return _measures(measure, some, edited.read(some, layers).cpu())


def _measures(measure: Measure, some: Sequence[Request], found: Iterable[Tensor]) -> list[Tensor]:
    """Returns the measure of each pattern, [layer, head, query, key]."""
    results = []
    for request, pattern in zip(some, found, strict=True):
        require_finite(pattern, "attention pattern")
        results.append(measure(request.tokens, pattern))
    return results


def gradients(
    attention: Attention, known: PrefixCache, measure: GradientMeasure, some: Sequence[Reading]
) -> list[Tensor]:
    """Returns the measures of the prompts' patterns and gradients at the layer of interest."""
    tokens = [request.tokens for request in some]
    found = attention.gradients(_ids(some), known.hiddens(tokens), partial(_total_margin, tokens))
    pattern, gradient = (part.cpu() for part in found)
    for part in (pattern, gradient):
        require_finite(part, "gradient of an attention pattern")
    return [measure(t, own, slope) for t, own, slope in zip(tokens, pattern, gradient, strict=True)]


def head_norms(attention: Attention, layers: Sequence[int], some: Sequence[Reading]) -> list[Tensor]:
    """Returns the mean L2 norm of each head's output over the tokens of each prompt, [layer, head]."""
    norms = attention.head_outputs(_ids(some), layers).norm(dim=-1).mean(2).cpu()
    require_finite(norms, "norm of a head's output")
    return list(norms)


def scores(subject: Subject, edited: EditedRows, wanted: Sequence[Score], some: Sequence[Trial]) -> list[Row]:
    """Returns the scores of the trials."""
    readout = edited.run(some)
    require_finite(readout.output_norm, "residual stream")
    columns = {}
    for score in wanted:
        values = score(subject, readout, [trial.tokens for trial in some]).cpu()
        require_finite(values, "margin" if score.column == Margin.column else "score")
        columns[score.column] = values.tolist()
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def table(rows: Sequence[Row], scores: Sequence[Score]) -> pd.DataFrame:
    """Returns a table with one row for each trial and one column for each score."""
    columns = list(dict.fromkeys(score.column for score in scores))
    return pd.DataFrame([[row[column] for column in columns] for row in rows], columns=columns)


def _ids(requests: Sequence[Request]) -> Tensor:
    """Returns the token ids of prompts of equal length, [prompt, token]."""
    return torch.tensor([request.tokens.ids for request in requests])


def _total_margin(prompts: Sequence[Tokens], logits: Tensor) -> Tensor:
    """Returns the sum of the margins over prompts, a scalar, from logits [prompt, vocabulary]."""
    return margins(logits, prompts).sum()


def require_finite(values: Tensor, what: str) -> None:
    """Raises SelfCheckFailed when a value is infinite or not a number."""
    lost = int((~values.isfinite()).sum())
    if lost:
        raise SelfCheckFailed(
            f"Every {what} must be finite", f"{lost} numbers that are not, of {values.numel()}", "Try --dtype float32."
        )
