"""The tokenizer of the planted models. It knows the words of every format of the theory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claims.competition.phrasings import FILLERS, INSTRUCTIONS
from claims.competition.prompts import COMPARE, INJECTION, POSITIONS, QUESTION, QUESTIONS, SIMPLE
from referee.models.small_tokenizer import small_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def theory_tokenizer(*, digits_per_token: int = 3, bos: bool = True) -> PreTrainedTokenizerFast:
    """Returns a small tokenizer for the prompts of the theory; see `small_tokenizer`."""
    formats = (SIMPLE, *QUESTIONS, QUESTION, COMPARE, *INJECTION, *POSITIONS)
    texts = [text for format in formats for text, _ in format.segments]
    return small_tokenizer(
        [*texts, *INSTRUCTIONS, *FILLERS.values(), ".", " ", "\n"], digits_per_token=digits_per_token, bos=bos
    )
