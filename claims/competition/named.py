"""Finds the prompt that a row of a table or a sentence of the report names."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from claims.competition.chat import chat_format
from claims.competition.phrasings import FILLERS
from claims.competition.prompts import (
    COMPARE,
    INJECTION,
    POSITIONS,
    QUESTIONS,
    SIMPLE,
    Format,
    Order,
    Pair,
    Prompt,
    filled,
    injected,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from referee.measuring.session import Session
    from referee.prompts.tokens import Tokens

_WRITTEN = {format.name: format for format in (SIMPLE, COMPARE, *QUESTIONS, *INJECTION, *POSITIONS)}


def tokens_of(pair: str, order: str, format: str) -> Callable[[Session], Tokens]:
    """Returns a function that tokenizes a prompt, from the names with which tables identify it.

    The function raises ValueError if this theory has no prompt with these names.
    """

    def tokens(session: Session) -> Tokens:
        asked = _format_named(format, session.subject.tokenizer)
        return session.tokenize(Prompt(Pair.parse(pair), cast(Order, order), asked))

    return tokens


def _format_named(name: str, tokenizer: PreTrainedTokenizerFast) -> Format:
    """Returns the format of a name. Raises ValueError if there is none."""
    if name in _WRITTEN:
        return _WRITTEN[name]
    if (chat := chat_format(tokenizer)) and chat.name == name:
        return chat
    generated = re.fullmatch(r"(?:text (\d+), )?(\d+) (.+)", name)
    if generated and generated[3] == "words":
        return injected(int(generated[2]), int(generated[1] or 0))
    if generated and generated[3] in FILLERS:
        return filled(generated[3], int(generated[2]))
    raise ValueError(f"A format must be one of this theory; got {name!r}")
