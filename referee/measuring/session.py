"""The session is the only object that runs a model. It returns margins of edited prompts and measures of patterns.

Experiments send frozen requests. The session answers equal requests once and looks up the results of earlier runs. It
runs the others in batches of prompts of similar length, and it returns the results in the order of the requests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial

import pandas as pd
from torch import Tensor

from referee.attention.grouping import alike
from referee.attention.outputs import Outputs
from referee.attention.tracing import Attention
from referee.attention.wrapping import Wrapped, wrap
from referee.measuring import measured
from referee.measuring.answers import GreedyAnswers
from referee.measuring.base_session import BaseSession, require_scores
from referee.measuring.batches import of_any_length, of_one_length
from referee.measuring.dispatcher import Dispatcher
from referee.measuring.edited_rows import EditedRows
from referee.measuring.patches import patched_margins, patched_texts
from referee.measuring.prefix_cache import PrefixCache
from referee.measuring.requests import GradientMeasure, Measure, Patch, Reading, Trial, readings
from referee.measuring.result_cache import ResultCache
from referee.measuring.scores import Margin, Score
from referee.models.subjects import Subject
from referee.prompts.tokens import Tokens

_LAYERS = 3
"""A session keeps the prefix caches of the latest layers of interest, at most this many."""


class Session(BaseSession):
    """Runs one model. It keeps the wrapped model, the prefix caches, the result cache and the observers."""

    def __init__(
        self,
        subject: Subject,
        results: ResultCache | None = None,
        *,
        onednn: bool = True,
        wrapped: Wrapped | None = None,
    ) -> None:
        """Raises NoReadableAttention; see `wrap`.

        Args:
            results: keeps results on disk. Without it, no result is kept.
            onednn: whether matrix products use oneDNN where it is faster; see `onednn.quick`.
            wrapped: the result of an earlier `wrap` of this model.
        """
        super().__init__(subject)
        self._wrapped = wrapped or wrap(subject)
        self._onednn = onednn
        self._results = results
        self._dispatcher = Dispatcher(subject, results)
        self._prefixes: dict[int, PrefixCache] = {}

    def attention(self, layer: int | None = None, *, every_row: bool = False) -> Attention:
        """Returns the object that reads and writes patterns, at the layer of interest or at another one.

        With `every_row`, it returns the residual stream of all positions, not only of the last one.
        """
        subject = self.subject if layer is None else self.subject.at(layer)
        return Attention(subject, self._wrapped, onednn=self._onednn, every_row=every_row)

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
        chosen = (self.layer,) if layers is None else self._chosen(layers)
        requests, kind = readings(prompts), ("read", measure, chosen)
        if chosen != (self.layer,):
            read = partial(measured.patterns, self.attention(), measure, chosen)
            return self._dispatcher.answers(requests, read, kind, progress)
        # Later trials of the same prompts need the same layers below, so the prefix cache keeps them.
        known = self.prefixes()
        find = partial(measured.known_patterns, known, measure)
        return self._dispatcher.answers(requests, find, kind, progress, prepare=_prompts_first(known))

    def edited_patterns(
        self,
        trials: Sequence[Trial],
        measure: Measure,
        *,
        layers: Sequence[int],
        progress: str | None = None,
    ) -> list[Tensor]:
        """Returns the measure of the patterns that each trial has after its edits, in the order of the trials.

        `layers` are the layers to read, above all edited layers of each trial. The forward passes stop after the last
        of them. Raises ValueError for a layer that is not above them, LayerOutOfRange for a layer that the model does
        not have, and SelfCheckFailed when a pattern is not finite.
        """
        chosen = self._chosen_above_edits(layers, trials)
        found: dict[int, Tensor] = {}
        for group in alike(trials, lambda trial: trial.layers[:1]):
            some = [trials[i] for i in group]
            if some[0].edits:
                rows = EditedRows(self.attention(some[0].layers[0], every_row=True), self.prefixes)
                read = partial(measured.edited_patterns, rows, measure, chosen)
                kind = ("read, edited", measure, chosen)
                results = self._dispatcher.answers(some, read, kind, progress, prepare=rows.prepare)
            else:
                results = self.patterns([trial.tokens for trial in some], measure, layers=chosen, progress=progress)
            found |= dict(zip(group, results, strict=True))
        return [found[i] for i in range(len(trials))]

    def head_norms(
        self, prompts: Sequence[Tokens], *, layers: Sequence[int], progress: str | None = None
    ) -> list[Tensor]:
        """Returns the L2 norm of each head's output, as a mean over the tokens of each prompt, [layer, head].

        The output of a head is the sum of the values, weighted by its pattern, before the output projection W_O.
        Raises LayerOutOfRange, NoReadableAttention for a model without W_O, and SelfCheckFailed when a norm is not
        finite.
        """
        chosen = self._chosen(layers)
        read, kind = partial(measured.head_norms, self.attention(), chosen), ("norms of heads", chosen)
        return self._dispatcher.answers(readings(prompts), read, kind, progress, layers_kept=len(chosen))

    def gradients(
        self, prompts: Sequence[Tokens], measure: GradientMeasure, *, progress: str | None = None
    ) -> list[Tensor]:
        """Returns the measure of each prompt's pattern at the layer of interest and of the margin's gradient there.

        Raises SelfCheckFailed when a pattern or a gradient is not finite.
        """
        known = self.prefixes()
        return self._dispatcher.answers(
            readings(prompts),
            partial(measured.gradients, self.attention(), known, measure),
            ("gradient", measure),
            progress,
            prepare=_prompts_first(known),
            layers_kept=self.subject.n_layers - self.layer,
        )

    def answers(self, prompts: Sequence[Tokens], *, progress: str | None = None) -> list[str]:
        """Returns what the subject writes after each prompt: "right", "wrong" or "neither"; see `greedy_answers`."""
        written = GreedyAnswers(self.attention(), self.prefixes())
        return self._dispatcher.answers(
            readings(prompts),
            written,
            ("greedy",),
            progress,
            prepare=written.prepare,
            rows=written.rows,
            keys_of=self.subject.n_layers,
        )

    def patched_margins(self, patches: Sequence[Patch], *, progress: str | None = None) -> list[float]:
        """Returns the margin of each patch in logits; see `referee.measuring.patches`. Observers get no margins."""
        measure = partial(patched_margins, self.subject, self._outputs)
        return self._dispatcher.answers(patches, measure, ("patched margins",), progress, keys_of=self.subject.n_layers)

    def patched_texts(self, patches: Sequence[Patch], new_tokens: int, *, progress: str | None = None) -> list[str]:
        """Returns what the subject writes after each patch; see `referee.measuring.patches`."""
        kind, measure = ("texts", new_tokens), partial(patched_texts, self.subject, self._outputs, new_tokens)
        return self._dispatcher.answers(patches, measure, kind, progress, keys_of=self.subject.n_layers)

    def _outputs(self, layer: int) -> Outputs:
        return Outputs(self.subject.at(layer), self._wrapped, onednn=self._onednn)

    def scores(self, trials: Sequence[Trial], *scores: Score, progress: str | None = None) -> pd.DataFrame:
        """Returns a table with one row for each trial, in order, and one column for each score.

        If the model is not in float32, margins close to zero are measured again in float32; see `Precision.settle`.
        `progress` is the label of the progress bar. Raises LayerOutOfRange for a layer that the model does not have,
        and SelfCheckFailed when a score or the residual stream is not finite.
        """
        require_scores(scores)
        self._edited_layers(trials)
        every_row = any(score.every_row for score in scores)
        rows: dict[int, measured.Row] = {}
        for group in alike(trials, self._lowest_layer):
            layer = self._lowest_layer(trials[group[0]])
            edited = EditedRows(self.attention(layer, every_row=every_row), self.prefixes)
            found = self._dispatcher.answers(
                [trials[i] for i in group],
                partial(measured.scores, self.subject, edited, scores),
                ("scores", scores),
                progress,
                prepare=edited.prepare,
                rows=edited.count,
                joined_by=of_one_length if every_row else of_any_length,
                keys_of=self.subject.n_layers - layer,
            )
            rows |= dict(zip(group, found, strict=True))
        table = measured.table([rows[i] for i in range(len(trials))], scores)
        if Margin.column in table:
            table[Margin.column] = self._settled(trials, table[Margin.column].tolist())
        return self._observe(trials, table)

    def _settled(self, trials: Sequence[Trial], margins: list[float]) -> list[float]:
        """Returns the margins of trials, of which those close to zero were measured in float32."""
        if (precise := self.precise) is self:
            return margins
        return self.precision.settle(margins, lambda some: list(precise.margins([trials[i] for i in some]).iloc[:, 0]))

    @cached_property
    def precise(self) -> Session:
        """A session of the same model that computes in float32: this one, if the model is in float32."""
        if self.subject.dtype == "float32":
            return self
        return Session(self.subject.in_float32(), self._results, onednn=self._onednn, wrapped=self._wrapped)

    def margins_alone(self, trials: Sequence[Trial]) -> pd.DataFrame:
        """Like `margins`, but each trial runs alone and shares nothing with others. Observers get no margins."""

        def alone(trial: Trial) -> measured.Row:
            known: dict[int, PrefixCache] = {}

            def prefixes(layer: int) -> PrefixCache:
                return known.setdefault(layer, PrefixCache(self.attention(layer)))

            edited = EditedRows(self.attention(self._lowest_layer(trial)), prefixes)
            edited.prepare([trial], None)
            return measured.scores(self.subject, edited, [Margin()], [trial])[0]

        self._edited_layers(trials)
        found = self._dispatcher.answers(trials, lambda some: list(map(alone, some)), ("margins, alone",), None)
        return measured.table(found, [Margin()])

    def _lowest_layer(self, trial: Trial) -> int:
        """Returns the lowest edited layer of a trial, or the layer of interest for an unedited trial."""
        return trial.layers[0] if trial.edits else self.layer


def _prompts_first(known: PrefixCache) -> Callable[[Sequence[Reading], str | None], None]:
    """For `prepare` of `Dispatcher.answers`: fills the prefix cache with the prompts before their batches run."""
    return lambda some, progress: known.prepare([request.tokens for request in some], progress)
