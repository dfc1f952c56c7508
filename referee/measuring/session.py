"""The session is the only object that runs a model. It returns margins of edited prompts and measures of patterns.

Experiments send frozen requests. The session answers equal requests only once, and it looks up the results of earlier
runs. It groups the other requests by length and runs them in batches. It returns the results in the order of requests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from referee.attention.tracing import Attention
from referee.attention.wrapping import wrap
from referee.errors import SelfCheckFailed
from referee.measuring.answers import greedy_answers
from referee.measuring.batches import of_one_length
from referee.measuring.dispatcher import Dispatcher
from referee.measuring.edited_rows import EditedRows
from referee.measuring.grouping import alike
from referee.measuring.prefix_cache import PrefixCache
from referee.measuring.requests import GradientMeasure, Measure, Observer, Reading, Request, Trial
from referee.measuring.result_cache import ResultCache
from referee.measuring.scores import Margin, Score, margins
from referee.models.subjects import Subject
from referee.prompts.prompt import Answer, Prompt
from referee.prompts.tokens import Tokens, tokenize

_LAYERS = 3
"""A session keeps the prefix caches of the latest layers of interest, at most this many."""
Row = dict[str, float]
"""The scores of a trial, by column."""


class Session:
    """Runs one model. It keeps the wrapped model, the prefix caches, the result cache and the observers.

    Attributes:
        subject: the model, and the layer of interest.
        observers: functions that receive the margins of every sweep.
    """

    def __init__(self, subject: Subject, results: ResultCache | None = None, *, onednn: bool = True) -> None:
        """Raises NoReadableAttention; see `wrap`.

        Args:
            results: keeps results on disk. Without it, no result is kept.
            onednn: whether matrix products use oneDNN where it is faster; see `onednn.quick`.
        """
        self.subject = subject
        self.observers: list[Observer] = []
        self._wrapped = wrap(subject)
        self._onednn = onednn
        self._dispatcher = Dispatcher(subject, results)
        self._prefixes: dict[int, PrefixCache] = {}
        self._tokens: dict[Prompt, Tokens] = {}

    @property
    def layer(self) -> int:
        """The layer of interest."""
        return self.subject.layer

    def tokenize(self, prompt: Prompt) -> Tokens:
        """Returns the tokens of a prompt; see `referee.prompts.tokens.tokenize`."""
        if prompt not in self._tokens:
            self._tokens[prompt] = tokenize(prompt, self.subject.tokenizer)
        return self._tokens[prompt]

    def attention(self, layer: int | None = None) -> Attention:
        """Returns the object that reads and writes patterns, at the layer of interest or at another one."""
        subject = self.subject if layer is None else self.subject.at(layer)
        return Attention(subject, self._wrapped, onednn=self._onednn)

    def prefixes(self, layer: int | None = None) -> PrefixCache:
        """Returns what the trials of a prompt share below a layer, by default the layer of interest."""
        layer, known = self.layer if layer is None else layer, self._prefixes
        known[layer] = known.pop(layer) if layer in known else PrefixCache(self.attention(layer))
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
        known = self.prefixes() if chosen == (layer,) else None

        def read(some: Sequence[Reading]) -> Iterable[Tensor]:
            if known:
                return (known.pattern(request.tokens)[None].clone() for request in some)
            return self.attention().read(_ids(some), chosen).float().cpu()

        def measured(some: Sequence[Reading]) -> list[Tensor]:
            found = []
            for request, pattern in zip(some, read(some), strict=True):
                _require_finite(pattern.numpy(), "attention pattern")
                found.append(measure(request.tokens, pattern))
            return found

        kind = ("read", measure, chosen)
        return self._dispatcher.answers(_readings(prompts), measured, kind, progress, prepare=_prompts_first(known))

    def gradients(
        self, prompts: Sequence[Tokens], measure: GradientMeasure, *, progress: str | None = None
    ) -> list[Tensor]:
        """Returns the measure of each prompt's pattern at the layer of interest and of the margin's gradient there.

        Raises SelfCheckFailed when a pattern or a gradient is not finite.
        """
        known = self.prefixes()

        def measured(some: Sequence[Reading]) -> list[Tensor]:
            tokens = [request.tokens for request in some]
            hidden = torch.stack([known.hidden(t) for t in tokens])
            found = self.attention().gradients(_ids(some), hidden, partial(_total_margin, tokens))
            pattern, gradient = (part.cpu() for part in found)
            for part in (pattern, gradient):
                _require_finite(part.numpy(), "gradient of an attention pattern")
            return [measure(t, own, slope) for t, own, slope in zip(tokens, pattern, gradient, strict=True)]

        above = self.subject.n_layers - self.subject.layer
        kind = ("gradient", measure)
        return self._dispatcher.answers(
            _readings(prompts), measured, kind, progress, prepare=_prompts_first(known), layers_kept=above
        )

    def answers(self, prompts: Sequence[Tokens], *, progress: str | None = None) -> list[str]:
        """Returns what the subject writes after each prompt: "right", "wrong" or "neither"; see `greedy_answers`."""
        known = self.prefixes()
        starts: dict[Tokens, int] = {}

        def prepare(some: Sequence[Reading], progress: str | None) -> None:
            tokens = [request.tokens for request in some]
            known.prepare(tokens, progress)
            # The last row of the prompt is always computed, because it predicts the next token.
            before = {t: t.n_prompt - 1 if known.keeps else 0 for t in tokens}
            known.prepare_keys(before, progress)
            starts.update(before)

        def measured(some: Sequence[Reading]) -> list[Answer]:
            tokens = [request.tokens for request in some]
            with self.attention().products():
                return greedy_answers(self.subject, tokens, known.all_keys(tokens, starts[tokens[0]]))

        def rows(request: Reading) -> int:
            return len(request.tokens) - starts[request.tokens]

        return self._dispatcher.answers(
            _readings(prompts),
            measured,
            ("greedy",),
            progress,
            prepare=prepare,
            rows=rows,
            keys_of=self.subject.n_layers,
        )

    def margins(self, trials: Sequence[Trial], *, progress: str | None = None) -> pd.DataFrame:
        """Returns a table with the column `margin_logits` and one row for each trial; see `scores`."""
        return self.scores(trials, Margin(), progress=progress)

    def scores(self, trials: Sequence[Trial], *scores: Score, progress: str | None = None) -> pd.DataFrame:
        """Returns a table with one row for each trial, in order, and one column for each score.

        `progress` is the label of the progress bar. Raises LayerOutOfRange for a layer that the model does not have,
        and SelfCheckFailed when a score or the residual stream is not finite.
        """
        if not scores:
            raise ValueError("At least one score must be given, for example Margin()")
        self._require_layers(trials)
        rows: dict[int, Row] = {}
        for group in alike(trials, self._lowest_layer):
            layer = self._lowest_layer(trials[group[0]])
            edited = EditedRows(self.attention(layer), self.prefixes)
            found = self._dispatcher.answers(
                [trials[i] for i in group],
                partial(self._rows, edited, scores),
                ("scores", scores),
                progress,
                prepare=edited.prepare,
                rows=edited.count,
                joined_by=of_one_length,
                keys_of=self.subject.n_layers - layer,
            )
            rows |= dict(zip(group, found, strict=True))
        table = _table([rows[i] for i in range(len(trials))], scores)
        if Margin.column in table:
            for observer in self.observers:
                observer(trials, table[Margin.column].tolist())
        return table

    def margins_alone(self, trials: Sequence[Trial]) -> pd.DataFrame:
        """Like `margins`, but each trial runs alone and shares nothing with others. Observers get no margins."""

        def alone(trial: Trial) -> Row:
            known: dict[int, PrefixCache] = {}

            def prefixes(layer: int) -> PrefixCache:
                return known.setdefault(layer, PrefixCache(self.attention(layer)))

            edited = EditedRows(self.attention(self._lowest_layer(trial)), prefixes)
            edited.prepare([trial], None)
            return self._rows(edited, [Margin()], [trial])[0]

        self._require_layers(trials)
        found = self._dispatcher.answers(trials, lambda some: list(map(alone, some)), ("margins, alone",), None)
        return _table(found, [Margin()])

    def _require_layers(self, trials: Sequence[Trial]) -> None:
        """Raises LayerOutOfRange for an edited layer that the model does not have."""
        for layer in {layer for trial in trials for layer in trial.layers}:
            self.subject.at(layer)

    def _lowest_layer(self, trial: Trial) -> int:
        """Returns the lowest edited layer of a trial, or the layer of interest for an unedited trial."""
        return trial.layers[0] if trial.edits else self.layer

    def _rows(self, edited: EditedRows, scores: Sequence[Score], trials: Sequence[Trial]) -> list[Row]:
        readout = edited.run(trials)
        _require_finite(readout.output_norm.cpu().numpy(), "residual stream")
        columns = {}
        for score in scores:
            values = score(self.subject, readout, [trial.tokens for trial in trials]).cpu()
            _require_finite(values.numpy(), "margin" if score.column == Margin.column else "score")
            columns[score.column] = values.tolist()
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _table(rows: Sequence[Row], scores: Sequence[Score]) -> pd.DataFrame:
    columns = list(dict.fromkeys(score.column for score in scores))
    return pd.DataFrame([[row[column] for column in columns] for row in rows], columns=columns)


def _readings(prompts: Sequence[Tokens]) -> list[Reading]:
    return [Reading(tokens) for tokens in prompts]


def _prompts_first(known: PrefixCache | None) -> Callable[[Sequence[Reading], str | None], None] | None:
    """For `prepare` of `Dispatcher.answers`: fills the prefix cache with the prompts before their batches run."""
    if known is None:
        return None
    return lambda some, progress: known.prepare([request.tokens for request in some], progress)


def _ids(requests: Sequence[Request]) -> Tensor:
    """Returns the token ids of prompts of equal length, [prompt, token]."""
    return torch.tensor([request.tokens.ids for request in requests])


def _total_margin(prompts: Sequence[Tokens], logits: Tensor) -> Tensor:
    """Returns the sum of the margins over prompts, a scalar, from logits [prompt, vocabulary]."""
    return margins(logits, prompts).sum()


def _require_finite(values: np.ndarray, what: str) -> None:
    """Raises SelfCheckFailed when a value is infinite or not a number."""
    lost = int((~np.isfinite(values)).sum())
    if lost:
        raise SelfCheckFailed(
            f"Every {what} must be finite", f"{lost} numbers that are not, of {values.size}", "Try --dtype float32."
        )
