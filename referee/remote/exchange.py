"""Sends trials and prompts to a service and yields the results of one request after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from referee.attention.grouping import alike
from referee.judging.evidence import NotApplicable
from referee.measuring.requests import Trial
from referee.measuring.scores import Score
from referee.models.subjects import Subject
from referee.prompts.tokens import Tokens
from referee.remote import answered, blocks, messages
from referee.remote.answered import Answer
from referee.remote.messages import Plain
from referee.remote.service import Service

_OWN_BYTES = 500_000_000
"""The largest size of the patterns that this process keeps of a hosted model."""
_MOST_READ = 1_000_000_000
"""The largest number of bytes that may be sent only to read patterns between the edits of several layers."""
_TRIAL_BYTES = 25_000
"""What a trial adds to the size of a request. So a request has at most 2,000 trials, and a lost one costs no more."""


class Exchange:
    """Sends requests about one hosted model. It keeps the patterns that edits were computed from, for later sweeps."""

    def __init__(self, subject: Subject, service: Service, revision: str | None) -> None:
        """Raises NoReadableAttention; see `Service.wrap`."""
        self._subject, self._service = subject, service
        self._model = service.wrap(subject, revision)
        self._own: dict[tuple[int, Trial], Tensor] = {}
        self._own_bytes = 0
        self._cap = getattr(subject.model.config.get_text_config(), "final_logit_softcapping", None)

    def patterns(
        self, trials: Sequence[Trial], layers: Sequence[int], progress: str | None
    ) -> Iterator[tuple[list[Trial], list[Tensor]]]:
        """Yields trials with their patterns in some layers, [layer, head, query, key]. These are above all edits."""
        with self._bar(trials, progress) as bar:
            for some in self._prepared(trials):
                for part, found in self._read(some, layers):
                    yield part, found
                    bar.update(len(part))

    def scores(
        self, trials: Sequence[Trial], scores: Sequence[Score], progress: str | None
    ) -> Iterator[tuple[list[Trial], list[dict[str, float]]]]:
        """Yields trials with their scores by column."""
        head = {"cap": self._cap, "whole": answered.needs_vocabulary(scores)}
        layer, n_heads = self._subject.layer, self._subject.n_heads
        with self._bar(trials, progress) as bar:
            for some in self._prepared(trials):
                for part in messages.requests(
                    some, lambda trial: messages.sizes(trial, layer, n_heads), own=_TRIAL_BYTES
                ):
                    shapes = alike(part, lambda trial: (len(trial.tokens), trial.layers or (layer,)))
                    groups = [[part[i] for i in shape] for shape in shapes]
                    sent = [self._asked(group, scores) for group in groups]
                    results = self._service.send(blocks.scores, self._model, sent, head)
                    rows: dict[Trial, dict[str, float]] = {}
                    for group, result in zip(groups, results, strict=True):
                        rows |= dict(zip(group, _rows(group, scores, result), strict=True))
                    yield part, [rows[trial] for trial in part]
                    bar.update(len(part))

    def head_norms(
        self, prompts: Sequence[Tokens], layers: Sequence[int], progress: str | None
    ) -> Iterator[tuple[list[Tokens], list[Tensor]]]:
        """Yields prompts with the mean norms of the heads' outputs, [layer, head]."""
        upwards = sorted(set(layers))
        columns = [upwards.index(layer) for layer in layers]
        with self._bar(prompts, progress) as bar:
            for part in messages.requests(prompts, lambda _: {}, own=_TRIAL_BYTES):
                groups = alike(part, len)
                ids = [torch.tensor([part[i].ids for i in group]) for group in groups]
                results = self._service.send(blocks.head_norms, self._model, ids, upwards)
                yield part, [each[columns] for each in _in_order(groups, results)]
                bar.update(len(part))

    def continuations(
        self, prompts: Sequence[Tokens], count: int, progress: str | None
    ) -> Iterator[tuple[list[Tokens], list[Tensor]]]:
        """Yields prompts, without the forced prefix of the answer, with `count` tokens that the model adds, [token]."""
        head = {"cap": self._cap, "whole": True}
        with self._bar(prompts, progress) as bar:
            for part in messages.requests(prompts, lambda _: {}, own=_TRIAL_BYTES):
                groups = alike(part, lambda tokens: tokens.n_prompt)
                ids = [torch.tensor([part[i].ids[: part[i].n_prompt] for i in group]) for group in groups]
                results = self._service.send(blocks.continuations, self._model, ids, count, head)
                yield part, _in_order(groups, results)
                bar.update(len(part))

    def own_output(self, prompts: Sequence[Tokens], layer: int) -> Plain:
        """Returns the result of `blocks.own_output` for prompts of equal length."""
        ids = torch.tensor([tokens.ids for tokens in prompts])
        return self._service.send(blocks.own_output, self._model, ids, layer)

    def _bar(self, items: Sequence[Any], progress: str | None) -> tqdm:
        return tqdm(total=len(items), desc=progress, unit="row", leave=False, disable=None if progress else True)

    def _prepared(self, trials: Sequence[Trial]) -> Iterator[list[Trial]]:
        """Yields all trials in parts, after the patterns that the edits of a part need have been read.

        Long prompts come first, and trials that share most of what is sent are neighbours. Raises NotApplicable if the
        patterns between the edits of several layers would need too many bytes.
        """
        n_heads = self._subject.n_heads
        between = sum(messages.bytes_to_read(trial, n_heads) for trial in trials)
        if between > _MOST_READ:
            raise NotApplicable(
                "the edit of a layer depends on the edits of the layers below, so the service would have to return the"
                f" patterns of each layer in turn; {between / 1e9:.1f} GB would be sent for that, and"
                f" {_MOST_READ / 1e9:g} GB is the limit"
            )
        ordered = sorted(trials, key=lambda trial: (-len(trial.tokens), trial.layers, trial.tokens.ids))

        def own_sizes(trial: Trial) -> dict[tuple[int, Trial], int]:
            return {key: self._bytes(key[1]) for key in messages.needed(trial)}

        for some in messages.requests(ordered, own_sizes, most=_OWN_BYTES):
            self._read_own(dict.fromkeys(key for trial in some for key in messages.needed(trial)))
            yield some

    def _read_own(self, keys: dict[tuple[int, Trial], None]) -> None:
        """Reads patterns from which edits are computed, layer by layer; see `messages.Own`."""
        if self._own_bytes + sum(self._bytes(trial) for key in keys if key not in self._own for trial in key[1:]) > (
            _OWN_BYTES
        ):
            self._own, self._own_bytes = {}, 0
        for layer in sorted({layer for layer, _ in keys}):
            missing = [trial for at, trial in keys if at == layer and (at, trial) not in self._own]
            for part, found in self._read(missing, [layer]):
                for trial, pattern in zip(part, found, strict=True):
                    self._own[layer, trial] = pattern[0]
                    self._own_bytes += self._bytes(trial)

    def _bytes(self, trial: Trial) -> int:
        """Returns the size of the pattern of one layer."""
        return torch.float32.itemsize * self._subject.n_heads * len(trial.tokens) ** 2

    def _read(self, trials: Sequence[Trial], layers: Sequence[int]) -> Iterator[tuple[list[Trial], list[Tensor]]]:
        """Like `patterns`. The patterns that the edits need have been read."""
        upwards, n_heads = sorted(set(layers)), self._subject.n_heads
        columns = [upwards.index(layer) for layer in layers]

        def sizes(trial: Trial) -> dict[Any, int]:
            return {trial: self._bytes(trial) * len(upwards)} | messages.sizes(trial, None, n_heads)

        for part in messages.requests(trials, sizes):
            groups = alike(part, lambda trial: (len(trial.tokens), trial.layers))
            sent = [messages.trials_of([part[i] for i in group], None, n_heads, self._own) for group in groups]
            results = self._service.send(blocks.patterns, self._model, sent, upwards)
            yield part, [each[columns] for each in _in_order(groups, results)]

    def _asked(self, trials: Sequence[Trial], scores: Sequence[Score]) -> Plain:
        """Returns what is sent of trials of one shape whose scores are asked."""
        rows = [[row for score in scores for row in answered.asked(score, trial.tokens)] for trial in trials]
        sent = messages.trials_of(trials, self._subject.layer, self._subject.n_heads, self._own)
        return sent | messages.asked_of(rows)


def _rows(trials: Sequence[Trial], scores: Sequence[Score], result: Plain) -> list[dict[str, float]]:
    """Returns the scores of trials by column, from the result of `blocks.scores` for them."""
    found = []
    for i, trial in enumerate(trials):
        row, start = {}, 0
        for score in scores:
            count = len(answered.asked(score, trial.tokens))
            best, log_sum = (result[k][i, start : start + count] if k in result else None for k in ("best", "log_sum"))
            answer = Answer(result["logits"][i, start : start + count], result["norm"][i], best, log_sum)
            row[score.column] = answered.value(score, trial.tokens, answer)
            start += count
        found.append(row)
    return found


def _in_order(groups: Sequence[Sequence[int]], results: Sequence[Tensor]) -> list[Tensor]:
    """Returns the results of all groups, in the order of the indices in the groups."""
    found: dict[int, Tensor] = {}
    for group, result in zip(groups, results, strict=True):
        found |= dict(zip(group, result, strict=True))
    return [found[i] for i in range(len(found))]
