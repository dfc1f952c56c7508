"""Scores of a hosted model: what is asked of the service for a score, and the score from the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from referee.judging.evidence import NotApplicable
from referee.measuring.scores import (
    LogProbability,
    Margin,
    NextTokenAccuracy,
    NextTokenLogProbability,
    OutputNorm,
    Score,
    TopToken,
    predicted_positions,
)
from referee.prompts.tokens import Tokens


class Answer(NamedTuple):
    """What the service returns for the rows of one score of one trial.

    Attributes:
        logits: the logits of the asked tokens, [row, token].
        norm: the L2 norm of the residual stream after the lowest edited layer, at the last position; a scalar.
        best, log_sum: [row], see `blocks.scores`. None if no score needs them.
    """

    logits: Tensor
    norm: Tensor
    best: Tensor | None
    log_sum: Tensor | None


def asked(score: Score, tokens: Tokens) -> list[tuple[int, tuple[int, ...]]]:
    """Returns the rows of a prompt that a score reads, each with the tokens whose logits it needs there.

    Raises NotApplicable for a score that the service cannot compute.
    """
    last = len(tokens) - 1
    if isinstance(score, Margin):
        return [(last, (tokens.right_id, tokens.wrong_id))]
    if isinstance(score, (LogProbability, TopToken, OutputNorm)):
        return [(last, (tokens.right_id,))]
    if isinstance(score, (NextTokenAccuracy, NextTokenLogProbability)):
        # The row before a token predicts it.
        return [(p - 1, (tokens.ids[p],)) for p in predicted_positions(tokens, score.category)]
    raise NotApplicable(f"{type(score).__name__} needs the model's weights, and they are on the service")


def needs_vocabulary(scores: Sequence[Score]) -> bool:
    """Returns whether a score needs the logits of all tokens of the vocabulary."""
    return not all(isinstance(score, (Margin, OutputNorm)) for score in scores)


def value(score: Score, tokens: Tokens, answer: Answer) -> float:
    """Returns the score of one trial."""
    if isinstance(score, Margin):
        return (answer.logits[0, 0] - answer.logits[0, 1]).item()
    if isinstance(score, OutputNorm):
        return answer.norm.item()
    assert answer.best is not None, "needs_vocabulary is true for these scores"
    assert answer.log_sum is not None, "needs_vocabulary is true for these scores"
    if isinstance(score, TopToken):
        return answer.best[0].item()
    if isinstance(score, NextTokenAccuracy):
        wanted = answer.best.new_tensor([ids[0] for _, ids in asked(score, tokens)])
        return (answer.best == wanted).float().mean().item()
    return (answer.logits[:, 0] - answer.log_sum).mean().item()
