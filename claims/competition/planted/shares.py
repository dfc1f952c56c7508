"""The shares that a protected head gives to the numbers, computed from the tokens of a prompt and from nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count, pairwise
from math import exp
from typing import TYPE_CHECKING

from claims.competition.planted.dials import Dials
from claims.competition.planted.features import NEVER, features
from claims.competition.planted.residual import Residual
from claims.competition.prompts import DOCUMENT_PAIRS, QA, SIMPLE, Format, Prompt, injected

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PROTECTED_FORMAT, PROTECTED_SINK = 0.12, 0.2
"""The weights of a format token and of BOS in a protected head. A number token has the weight 1."""


@dataclass(frozen=True)
class Landmarks:
    """The share of a protected head on number tokens, in the row in which the model decides.

    Attributes:
        question, simple: the shares with the pattern of the Q&A prompt, and with that of the Simple prompt.
        turning: the share at which the answer turns.
    """

    question: float
    simple: float
    turning: float

    def at(self, amount: float) -> float:
        """Returns the share after the replacement of `amount` of the Q&A pattern."""
        return self.question + amount * (self.simple - self.question)


def landmarks(dials: Dials, tokenizer: PreTrainedTokenizerFast) -> Landmarks:
    """Returns the shares of a model with these dials."""
    question, simple = (_share(format, dials, tokenizer) for format in (QA, SIMPLE))
    turning = question + dials.threshold * (simple - question)
    if dials.format_share is not None:
        turning = _share_at(dials.format_share, dials, tokenizer)
    return Landmarks(question, simple, turning)


def _share(format: Format, dials: Dials, tokenizer: PreTrainedTokenizerFast) -> float:
    """Returns a protected head's share on number tokens, without the noise of the pair."""
    tokens = tokenizer.tokenize(_asked(format).text + format.answer_lead + "9.")
    numbers, others = 0.0, PROTECTED_SINK
    for before, token in pairwise(["", *tokens]):
        found = features(token, dials)
        if token.isdecimal() or (token == "." and before.isdecimal()):
            numbers += 1
        elif token == ".":  # a full stop
            others += PROTECTED_FORMAT * dials.dilution
        else:
            kinds = found.get(Residual.PUNCTUATION, 0.0) + found.get(Residual.WORD, 0.0)
            others += PROTECTED_FORMAT**kinds * exp(NEVER * found.get(Residual.OTHER, 0.0))
    return numbers / (numbers + others)


def _share_at(format_share: float, dials: Dials, tokenizer: PreTrainedTokenizerFast) -> float:
    """Returns the share between the last prompt below this share of format tokens and the first one at it or above."""
    bare = 1 + len(tokenizer.tokenize(_asked(injected(0)).text))  # with BOS
    for words in count(1):
        length = 1 + len(tokenizer.tokenize(_asked(injected(words)).text))
        if (length - bare) / length >= format_share:
            return sum(_share(injected(n), dials, tokenizer) for n in (words - 1, words)) / 2
    raise AssertionError("unreachable: count() does not end")


def _asked(format: Format) -> Prompt:
    return Prompt(DOCUMENT_PAIRS[0], "bigger first", format)
