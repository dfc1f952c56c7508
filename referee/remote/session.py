"""A session of a model that a service hosts. It has the methods of `referee.measuring.session.Session`.

Own patterns are read from the service, edits run here in float32, and the service returns scores. A sweep is at most
one request for the patterns that are not known yet, and one for its trials. Larger sweeps need several of each, and the
results of each request are kept on disk before the next one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd
import torch
from torch import Tensor

from referee.judging.evidence import NotApplicable
from referee.measuring.answers import NEW_TOKENS, until_end
from referee.measuring.base_session import BaseSession, require_scores
from referee.measuring.kept import Kept
from referee.measuring.measured import require_finite, table
from referee.measuring.requests import GradientMeasure, Measure, Reading, Trial
from referee.measuring.result_cache import ResultCache
from referee.measuring.scores import Margin, Score
from referee.models.subjects import Subject
from referee.prompts.tokens import Tokens
from referee.remote.exchange import Exchange
from referee.remote.service import Service


class RemoteSession(BaseSession):
    """Runs one hosted model. It keeps the patterns that it has read, the result cache and the observers.

    No margin is measured again in float32, so `precision` stays empty.
    """

    def __init__(self, subject: Subject, service: Service, results: ResultCache | None = None) -> None:
        """Raises NoReadableAttention; see `Service.wrap`. `results` keeps results on disk."""
        super().__init__(subject)
        self._exchange = Exchange(subject, service, getattr(subject, "asked", None))
        self._kept = Kept(subject, results, _code())

    @property
    def precise(self) -> RemoteSession:
        """This session: the weights on the service cannot be converted, so no margin is measured again in float32."""
        return self

    def patterns(
        self,
        prompts: Sequence[Tokens],
        measure: Measure,
        *,
        layers: Sequence[int] | None = None,
        progress: str | None = None,
    ) -> list[Tensor]:
        """Returns the measure of each prompt's patterns; see `Session.patterns`."""
        chosen = (self.layer,) if layers is None else self._chosen(layers)
        return self._measured([Trial(tokens) for tokens in prompts], measure, chosen, progress)

    def edited_patterns(
        self,
        trials: Sequence[Trial],
        measure: Measure,
        *,
        layers: Sequence[int],
        progress: str | None = None,
    ) -> list[Tensor]:
        """Returns the measure of the patterns that each trial has after its edits; see `Session.edited_patterns`."""
        chosen = self._chosen_above_edits(layers, trials)
        return self._measured(trials, measure, chosen, progress)

    def head_norms(
        self, prompts: Sequence[Tokens], *, layers: Sequence[int], progress: str | None = None
    ) -> list[Tensor]:
        """Returns the mean L2 norm of each head's output, [layer, head]; see `Session.head_norms`."""
        chosen = self._chosen(layers)

        def measured(some: list[Reading]) -> Iterator[tuple[list[Reading], list[Tensor]]]:
            for part, found in self._exchange.head_norms([request.tokens for request in some], chosen, progress):
                require_finite(torch.stack(found), "norm of a head's output")
                yield [Reading(tokens) for tokens in part], found

        return self._kept.answers(self._readings(prompts), ("norms of heads", chosen), measured)

    def answers(self, prompts: Sequence[Tokens], *, progress: str | None = None) -> list[str]:
        """Returns what the subject writes after each prompt; see `Session.answers`.

        Every new token costs a forward pass over the whole text.
        """
        tokenizer = self.subject.tokenizer

        def measured(some: list[Reading]) -> Iterator[tuple[list[Reading], list[str]]]:
            prompts = [request.tokens for request in some]
            for part, found in self._exchange.continuations(prompts, NEW_TOKENS, progress):
                texts = [tokenizer.decode(until_end(self.subject, ids.tolist())) for ids in found]
                yield (
                    [Reading(tokens) for tokens in part],
                    [tokens.prompt.read(text) for tokens, text in zip(part, texts, strict=True)],
                )

        return self._kept.answers(self._readings(prompts), ("greedy",), measured)

    def gradients(
        self, prompts: Sequence[Tokens], measure: GradientMeasure, *, progress: str | None = None
    ) -> NoReturn:
        """Raises NotApplicable."""
        raise NotApplicable("gradients need the model's weights, and they are on the service")

    def margins_alone(self, trials: Sequence[Trial]) -> pd.DataFrame:
        """Like `margins`, but each trial runs alone. Observers get no margins, and nothing is kept on disk."""
        found = [margin for trial in trials for margin in self.margins_once([trial])]
        return pd.DataFrame({Margin.column: found})

    def margins_once(self, trials: Sequence[Trial]) -> list[float]:
        """Returns margins in logits. Observers get none, and nothing is looked up or kept on disk."""
        found = {
            trial: row[Margin.column]
            for part, rows in self._exchange.scores(trials, [Margin()], None)
            for trial, row in zip(part, rows, strict=True)
        }
        return [found[trial] for trial in trials]

    def read_whole(self, prompts: Sequence[Tokens]) -> Tensor:
        """Returns the patterns at the layer of interest, [prompt, head, query, key]; nothing is kept on disk."""
        trials = [Trial(tokens) for tokens in prompts]
        read = {
            trial: pattern[0]
            for part, patterns in self._exchange.patterns(trials, [self.layer], None)
            for trial, pattern in zip(part, patterns, strict=True)
        }
        return torch.stack([read[trial] for trial in trials])

    def own_output(self, prompts: Sequence[Tokens]) -> dict[str, Any]:
        """Returns `logits` and `error` of the model itself at the layer of interest; see `blocks.own_output`."""
        return self._exchange.own_output(prompts, self.layer)

    def scores(self, trials: Sequence[Trial], *scores: Score, progress: str | None = None) -> pd.DataFrame:
        """Returns a table with one row for each trial, in order, and one column for each score; see `Session.scores`.

        Raises NotApplicable for a score that needs the model's weights, and for edits in several layers that would
        need too much data.
        """
        require_scores(scores)
        self._edited_layers(trials)
        self._require_room([trial.tokens for trial in trials])

        def measured(some: list[Trial]) -> Iterator[tuple[list[Trial], list[dict[str, float]]]]:
            for part, found in self._exchange.scores(some, scores, progress):
                require_finite(torch.tensor([list(row.values()) for row in found]), "score")
                yield part, found

        rows = self._kept.answers(trials, ("scores", scores), measured)
        return self._observe(trials, table(rows, scores))

    def _measured(
        self, trials: Sequence[Trial], measure: Measure, chosen: tuple[int, ...], progress: str | None
    ) -> list[Tensor]:
        """Returns the measure of the patterns of trials in some layers."""
        self._require_room([trial.tokens for trial in trials])

        def measured(some: list[Trial]) -> Iterator[tuple[list[Trial], list[Tensor]]]:
            for part, found in self._exchange.patterns(some, chosen, progress):
                for pattern in found:
                    require_finite(pattern, "attention pattern")
                yield part, [measure(trial.tokens, own) for trial, own in zip(part, found, strict=True)]

        return self._kept.answers(trials, ("read", measure, chosen), measured)

    def _readings(self, prompts: Sequence[Tokens]) -> list[Reading]:
        self._require_room(prompts)
        return [Reading(tokens) for tokens in prompts]

    def _require_room(self, prompts: Sequence[Tokens]) -> None:
        """Raises VocabularyTooSmall or PromptTooLong; see `Subject.require_room`."""
        for tokens in prompts:
            self.subject.require_room(max(tokens.ids), len(tokens))


def _code() -> str:
    """Returns a digest of the source text of this package. The key of a local result does not contain it."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()
