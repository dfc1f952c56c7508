"""Builds the Chat format, in which the user asks the question, from a tokenizer's chat template."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from claims.competition.prompts import QUESTION, Format, Label
from referee.errors import UnusableTemplate

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def chat_format(tokenizer: PreTrainedTokenizerFast) -> Format | None:
    """Build the Chat format from the tokenizer's chat template. Return None for a tokenizer without one.

    Llama 3 gets the literal header text of the seed document, because its own template would add a system header with
    a date. Raises UnusableTemplate.
    """
    if not tokenizer.chat_template:
        return None
    special = {token.content for token in tokenizer.added_tokens_decoder.values()}
    if "<|start_header_id|>" in special:
        head = "<|start_header_id|>user<|end_header_id|>\n\n"
        tail = "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
    else:
        head, tail = _around_the_question(tokenizer)
    # The end-of-turn mark separates the user's turn from the answer's header. A tail of only one token is the cue.
    end_of_turn = max((t for t in special if tail.startswith(t) and tail.strip() != t), key=len, default=None)
    segments = (*_turns(head, "format", end_of_turn), *QUESTION.segments, *_turns(tail, "cue", end_of_turn))
    ends_open = tail[-1:].isspace() or tail.endswith(tuple(special))
    return Format("Chat", segments, answer_lead="" if ends_open else " ")


def _around_the_question(tokenizer: PreTrainedTokenizerFast) -> tuple[str, str]:
    """Return the text that the chat template puts before and after the user's message. Raises UnusableTemplate."""
    rule = "The chat template must contain the user's message exactly once"
    remedy = "Correct the chat template in the model's files."
    mark = "Which is bigger?"
    try:
        whole = tokenizer.apply_chat_template(
            [{"role": "user", "content": mark}], tokenize=False, add_generation_prompt=True
        )
    except Exception as problem:  # a template is a foreign program in transformers' sandbox and can raise anything
        raise UnusableTemplate(rule, f"{type(problem).__name__}: {str(problem)[:200]}", remedy) from problem
    if whole.count(mark) != 1:
        raise UnusableTemplate(rule, f"{whole[:200]!r} for the message {mark!r}", remedy)
    head, _, tail = whole.partition(mark)
    return head, tail


def _turns(text: str, label: Label, end_of_turn: str | None) -> list[tuple[str, Label]]:
    """Split template text into segments. The marks that end a turn become separators."""
    pieces = re.split(f"({re.escape(end_of_turn)})", text) if end_of_turn else [text]
    return [(piece, "separator" if piece == end_of_turn else label) for piece in pieces if piece]
