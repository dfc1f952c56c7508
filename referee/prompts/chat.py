"""Splits a tokenizer's chat template into the text before the user's message and the text after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from referee.errors import UnusableTemplate

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_MESSAGE = "Which is it?"


@dataclass(frozen=True)
class ChatTurn:
    """The text around a user's message, up to the place where the assistant's answer begins.

    Attributes:
        head: the text before the message.
        tail: the text after the message.
        end_of_turn: the special token that ends the user's turn and begins `tail`. None if there is no such token, or
            if it is all of the tail.
        ends_open: whether the answer can follow without a space.
    """

    head: str
    tail: str
    end_of_turn: str | None
    ends_open: bool

    @classmethod
    def of(cls, head: str, tail: str, special: set[str]) -> ChatTurn:
        """Return the turn with these texts; `special` has the special tokens."""
        ends = [token for token in special if tail.startswith(token) and tail.strip() != token]
        end_of_turn = max(ends, key=len, default=None)
        return cls(head, tail, end_of_turn, tail[-1:].isspace() or tail.endswith(tuple(special)))


def special_tokens(tokenizer: PreTrainedTokenizerFast) -> set[str]:
    return {token.content for token in tokenizer.added_tokens_decoder.values()}


def chat_turn(tokenizer: PreTrainedTokenizerFast) -> ChatTurn | None:
    """Return the text around a user's message. Return None for a tokenizer without a chat template.

    Raises UnusableTemplate.
    """
    if not tokenizer.chat_template:
        return None
    rule = "The chat template must contain the user's message exactly once"
    remedy = "Correct the chat template in the model's files."
    try:
        whole = tokenizer.apply_chat_template(
            [{"role": "user", "content": _MESSAGE}], tokenize=False, add_generation_prompt=True
        )
    except Exception as problem:  # a template is a foreign program in transformers' sandbox and can raise anything
        raise UnusableTemplate(rule, f"{type(problem).__name__}: {str(problem)[:200]}", remedy) from problem
    if whole.count(_MESSAGE) != 1:
        raise UnusableTemplate(rule, f"{whole[:200]!r} for the message {_MESSAGE!r}", remedy)
    head, _, tail = whole.partition(_MESSAGE)
    return ChatTurn.of(head, tail, special_tokens(tokenizer))
