"""Experiment X1: the attention to the number of a sentence, and to the noun after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from claims.new_theory.template.sentences import NOUN, NUMBER, Sentence
from referee.attention import patterns
from referee.measuring.session import Session
from referee.prompts.tokens import Tokens


@dataclass(frozen=True)
class TimesUniform:
    """Computes the attention to the tokens of a category, in multiples of uniform attention, [layer, 2].

    The first value is a mean over all rows of the prompt after these tokens. The second value is that of the last row.
    Both are means over heads. A frozen dataclass lets the session keep its results on disk.
    """

    category: str

    def __call__(self, tokens: Tokens, pattern: Tensor) -> Tensor:
        keys = [key for key, category in enumerate(tokens.categories) if category == self.category]
        rows = range(keys[-1] + 1, tokens.n_prompt)

        def received(pattern: Tensor) -> Tensor:
            """Returns the attention of each row to the keys, [..., row]."""
            return pattern[..., rows, :][..., keys].sum(-1)

        own, even = received(pattern).mean(1), received(patterns.uniform(len(tokens)))
        return torch.stack([own.mean(-1) / even.mean(-1), own[..., -1] / even[-1]], dim=-1)


def number_attention(session: Session, sentences: Sequence[Sentence], *, progress: str | None = None) -> pd.DataFrame:
    """Returns one row per sentence: `sentence`, and the multiples of uniform attention at the layer of interest.

    The columns are `number`, `number_last_row` and `noun`; see `TimesUniform`.
    """
    tokens = [session.tokenize(sentence) for sentence in sentences]
    number = session.patterns(tokens, TimesUniform(NUMBER), progress=progress)
    noun = session.patterns(tokens, TimesUniform(NOUN), progress=progress)
    return pd.DataFrame(
        {
            "sentence": [sentence.text for sentence in sentences],
            "number": [float(times[0, 0]) for times in number],
            "number_last_row": [float(times[0, 1]) for times in number],
            "noun": [float(times[0, 0]) for times in noun],
        }
    )
