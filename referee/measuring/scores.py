"""Scores: numbers that are computed from the model's output at the last position, or at all positions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from referee.attention.readout import Readout
from referee.errors import UnscorableTokens
from referee.models.subjects import Subject
from referee.prompts.tokens import Tokens

_BLOCK = 2048
"""The number of vocabulary tokens whose logits are computed at one time.

All logits of a batch together would need more memory than the tensors from which they are computed."""


class Score(Protocol):
    """A score is a frozen dataclass, so that equal scores compare equal.

    Attributes:
        column: its column in tables.
        every_row: whether the score needs the rows of all positions, `Readout.rows`. A pass that computes only the last
            position is faster.
    """

    @property
    def column(self) -> str: ...
    @property
    def every_row(self) -> bool: ...

    def __call__(self, subject: Subject, readout: Readout, prompts: Sequence[Tokens]) -> Tensor:
        """Return the score of each trial, [trial], from the results of a forward pass."""
        ...


@dataclass(frozen=True)
class Margin:
    """The logit of the right answer minus the logit of the wrong answer; see `margins`."""

    column: ClassVar[str] = "margin_logits"
    every_row: ClassVar[bool] = False

    def __call__(self, subject: Subject, readout: Readout, prompts: Sequence[Tokens]) -> Tensor:
        return margins_of(subject, readout.final, prompts)


@dataclass(frozen=True)
class LogProbability:
    """The natural logarithm of the probability of the right answer's token, where the two answers first differ."""

    column: ClassVar[str] = "log_probability"
    every_row: ClassVar[bool] = False

    def __call__(self, subject: Subject, readout: Readout, prompts: Sequence[Tokens]) -> Tensor:
        right = _logits_of(subject, readout.final, [tokens.right_id for tokens in prompts])
        parts = [block.logsumexp(-1) for block in _logit_blocks(subject, readout.final.float())]
        return right - torch.stack(parts).logsumexp(0)


@dataclass(frozen=True)
class TopToken:
    """The id of the token with the highest logit."""

    column: ClassVar[str] = "top_token"
    every_row: ClassVar[bool] = False

    def __call__(self, subject: Subject, readout: Readout, prompts: Sequence[Tokens]) -> Tensor:
        return most_likely(subject, readout.final)


@dataclass(frozen=True)
class OutputNorm:
    """The L2 norm of the residual stream at the last position.

    It is measured after the lowest edited layer, and after the layer of interest in an unedited trial.
    """

    column: ClassVar[str] = "output_norm"
    every_row: ClassVar[bool] = False

    def __call__(self, subject: Subject, readout: Readout, prompts: Sequence[Tokens]) -> Tensor:
        return readout.output_norm


@dataclass(frozen=True)
class NextTokenAccuracy:
    """The share of a category's tokens that are the most likely token after the tokens before them.

    The first token of a prompt does not count, because no token comes before it. Raises UnscorableTokens for a prompt
    in which the category has no other token.
    """

    category: str
    every_row: ClassVar[bool] = True

    @property
    def column(self) -> str:
        return f"accuracy, {self.category}"

    def __call__(self, subject: Subject, readout: Readout, prompts: Sequence[Tokens]) -> Tensor:
        found = _predictions(subject, readout, prompts, self.category)
        return _means(found.right, found.counts)


@dataclass(frozen=True)
class NextTokenLogProbability:
    """The natural logarithm of the probability of a token after the tokens before it: a mean over a category's tokens.

    The first token of a prompt does not count, because no token comes before it. Raises UnscorableTokens for a prompt
    in which the category has no other token.
    """

    category: str
    every_row: ClassVar[bool] = True

    @property
    def column(self) -> str:
        return f"log probability, {self.category}"

    def __call__(self, subject: Subject, readout: Readout, prompts: Sequence[Tokens]) -> Tensor:
        found = _predictions(subject, readout, prompts, self.category)
        return _means(found.log_probability, found.counts)


def margins(logits: Tensor, prompts: Sequence[Tokens]) -> Tensor:
    """Return the logit of the right answer minus the logit of the wrong answer; [trial] from [trial, vocabulary].

    Each logit is that of the first token in which the answers differ. The forced prefix already contains the tokens
    that they share. The unit is logits. A positive margin means that the right answer wins.
    """
    trial = torch.arange(len(prompts), device=logits.device)
    right = torch.tensor([tokens.right_id for tokens in prompts], device=logits.device)
    wrong = torch.tensor([tokens.wrong_id for tokens in prompts], device=logits.device)
    return logits[trial, right] - logits[trial, wrong]


def margins_of(subject: Subject, final: Tensor, prompts: Sequence[Tokens]) -> Tensor:
    """Return the margins in float32, [trial], from the normalised residual stream before the unembedding.

    `final` is that stream, [trial, size]. The function uses only the two answers' rows of the unembedding. It computes
    in float32 for every dtype of the model: in bfloat16, neighbouring logits near 20 differ by 0.125, and a difference
    of two such logits is too coarse to be a measurement.
    """
    right, wrong = ([getattr(tokens, name) for tokens in prompts] for name in ("right_id", "wrong_id"))
    return _logits_of(subject, final, right) - _logits_of(subject, final, wrong)


def most_likely(subject: Subject, final: Tensor) -> Tensor:
    """Return the next token with the highest logit, [trial], from the normalised residual stream [trial, size]."""
    return _highest([block.max(-1) for block in _logit_blocks(subject, final)])


class _Predictions(NamedTuple):
    """The predictions of a category's tokens: whether each is the most likely one, and its log probability, [token].

    The tokens of the first prompt come first. `counts` has the number of tokens of each prompt.
    """

    right: Tensor
    log_probability: Tensor
    counts: list[int]


def _predictions(subject: Subject, readout: Readout, prompts: Sequence[Tokens], category: str) -> _Predictions:
    """Return the predictions of a category's tokens. They are computed once for all scores of a readout."""
    if category not in readout.found:
        places = [predicted_positions(tokens, category) for tokens in prompts]
        assert readout.rows is not None, "a score that reads every row says so"
        # The row before a token predicts it. In bfloat16, the two highest logits of a row are often equal.
        rows = [own[[p - 1 for p in positions]] for own, positions in zip(readout.rows, places, strict=True)]
        ids = [tokens.ids[p] for tokens, positions in zip(prompts, places, strict=True) for p in positions]
        best, log_probability = _best_and_log_probability(subject, torch.cat(rows).float(), ids)
        right = (best == torch.tensor(ids, device=best.device)).float()
        readout.found[category] = _Predictions(right, log_probability, [len(positions) for positions in places])
    return readout.found[category]


def predicted_positions(tokens: Tokens, category: str) -> list[int]:
    """Return the positions of a category's tokens after the first token. Raises UnscorableTokens if there are none."""
    positions = [p for p, found in enumerate(tokens.categories) if found == category and p > 0]
    if not positions:
        raise UnscorableTokens(
            f"The category {category!r} must have a token after the first token of the prompt",
            f"none in {len(tokens)} tokens with the categories {', '.join(dict.fromkeys(tokens.categories))}",
            "Score another category.",
        )
    return positions


def _means(values: Tensor, counts: Sequence[int]) -> Tensor:
    """Return the means of the first `counts[0]` values, of the next `counts[1]` values, and so on; [prompt]."""
    return torch.stack([part.mean() for part in values.split(list(counts))])


def _best_and_log_probability(subject: Subject, final: Tensor, ids: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return the most likely next token of each row, [row], and the log probability of one next token, [row].

    `final` is the normalised residual stream, [row, size]. `ids` has one token of each row.
    """
    best, sums = [], []
    for block in _logit_blocks(subject, final):
        best.append(block.max(-1))
        sums.append(block.logsumexp(-1))
    return _highest(best), _logits_of(subject, final, ids) - torch.stack(sums).logsumexp(0)


def _highest(best: Sequence[Any]) -> Tensor:
    """Return the token with the highest logit, [row], from the maximum of each block of the vocabulary."""
    logits, tokens = torch.stack([b.values for b in best]), torch.stack([b.indices for b in best])
    block = logits.argmax(0)
    return tokens.gather(0, block[None])[0] + _BLOCK * block


def _logits_of(subject: Subject, final: Tensor, ids: Sequence[int]) -> Tensor:
    """Return the logit of one token of each trial, [trial], in float32."""
    head, final = _with_unembedding(subject, final)
    rows = torch.tensor(ids, device=final.device)
    with torch.no_grad():
        found = (final.float() * head.weight[rows].float()).sum(-1)
        found = found if head.bias is None else found + head.bias[rows].float()
        return _capped(subject, found)


def _logit_blocks(subject: Subject, final: Tensor) -> Iterator[Tensor]:
    """Yield the logits of one block of the vocabulary after the other, each [trial, token], in the dtype of `final`."""
    head, final = _with_unembedding(subject, final)
    weights = head.weight.split(_BLOCK)
    biases = [None] * len(weights) if head.bias is None else head.bias.split(_BLOCK)
    for weight, bias in zip(weights, biases, strict=True):
        with torch.no_grad():
            bias = None if bias is None else bias.to(final.dtype)
            yield _capped(subject, functional.linear(final, weight.to(final.dtype), bias))


def _with_unembedding(subject: Subject, final: Tensor) -> tuple[Any, Tensor]:
    """Return the unembedding and `final` on its device. The layers of a large model can be on other devices."""
    head: Any = subject.model.get_output_embeddings()
    return head, final.to(head.weight.device)


def _capped(subject: Subject, logits: Tensor) -> Tensor:
    """Return the logits after the model's soft cap, if it has one."""
    cap = getattr(subject.model.config.get_text_config(), "final_logit_softcapping", None)
    return logits if cap is None else cap * torch.tanh(logits / cap)
