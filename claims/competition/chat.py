"""Builds the Chat format, in which the user asks the question, from a tokenizer's chat template."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from claims.competition.prompts import QUESTION, Format, Label
from referee.prompts.chat import ChatTurn, chat_turn, special_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def chat_format(tokenizer: PreTrainedTokenizerFast) -> Format | None:
    """Build the Chat format from the tokenizer's chat template. Return None for a tokenizer without one.

    Llama 3 gets the literal header text of the seed document, because its own template would add a system header with
    a date. Raises UnusableTemplate.
    """
    special = special_tokens(tokenizer)
    turn: ChatTurn | None
    if tokenizer.chat_template and "<|start_header_id|>" in special:
        head = "<|start_header_id|>user<|end_header_id|>\n\n"
        tail = "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
        turn = ChatTurn.of(head, tail, special)
    else:
        turn = chat_turn(tokenizer)
    if turn is None:
        return None
    # The end-of-turn mark separates the user's turn from the answer's header. The rest of the tail is the cue.
    segments = (*_labelled(turn.head, "format", turn), *QUESTION.segments, *_labelled(turn.tail, "cue", turn))
    return Format("Chat", segments, answer_lead="" if turn.ends_open else " ")


def _labelled(text: str, label: Label, turn: ChatTurn) -> list[tuple[str, Label]]:
    """Split template text into segments. The marks that end a turn become separators."""
    mark = turn.end_of_turn
    pieces = re.split(f"({re.escape(mark)})", text) if mark else [text]
    return [(piece, "separator" if piece == mark else label) for piece in pieces if piece]
