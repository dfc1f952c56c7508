"""The shares that a protected head gives to the numbers, computed from the tokens of a prompt and from nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count, pairwise
from math import exp, frexp
from typing import TYPE_CHECKING

from claims.competition.planted.dials import Dials
from claims.competition.planted.features import NEVER, features
from claims.competition.planted.residual import SQRT_HEAD_SIZE, Residual
from claims.competition.prompts import DOCUMENT_PAIRS, QA, SIMPLE, Format, Prompt, injected

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PROTECTED_FORMAT, PROTECTED_SINK = exp(-6 / SQRT_HEAD_SIZE), exp(-4.5 / SQRT_HEAD_SIZE)
"""The weights of a format token and of BOS in a protected head, 0.12 and 0.2. A number token has the weight 1."""
_RELAPSE = 0.975
"""The amount of replacement at which the answer turns wrong again."""
EXPOSED_THRESHOLD = 0.45
"""The share on number tokens above which an exposed head counts as active."""


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

    @property
    def relapse(self) -> float:
        """The share above which the answer turns wrong again, with the dial `relapse`."""
        return self.question + _RELAPSE * (self.simple - self.question)


@dataclass(frozen=True)
class Scale:
    """A threshold on a head's share that rounding does not move.

    A head writes `weight` × its share, rounded. From 0.5 to 1, neighbouring numbers of bfloat16 differ by 1/256. The
    shares in Q&A and Simple differ by only about 19 such steps. So `weight` puts the threshold midway between two
    neighbours, where one rounding moves no share across it. This holds for thresholds above 0.5.

    Attributes:
        weight: the factor, a number that bfloat16 can represent.
        threshold: the midpoint of two neighbouring numbers that is nearest to `weight` × the threshold on the share.
    """

    weight: float
    threshold: float

    @classmethod
    def around(cls, threshold: float) -> Scale:
        """Returns the scale that fits a threshold on the share best. Its weight is from 200/256 to 1."""
        scales = [cls(weight, _midpoint(weight * threshold)) for weight in (n / 256 for n in range(200, 257))]
        return min(scales, key=lambda scale: abs(scale.threshold - scale.weight * threshold))


def _midpoint(value: float) -> float:
    """Returns the midpoint of the two neighbouring numbers of bfloat16 around a value."""
    gap = 2.0 ** (frexp(value)[1] - 8)
    return (value // gap + 0.5) * gap


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
