"""A small tokenizer for models with hand-set weights.

Its tokens are whole words and groups of digits. It reports character offsets, and it has the chat header of Llama 3.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers, processors
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from claims.competition.prompts import COMPARE, INJECTION, POSITIONS, QA, QUESTION, SIMPLE, injected

if TYPE_CHECKING:
    from collections.abc import Iterable

BOS, END_OF_TURN, UNKNOWN = "<|begin_of_text|>", "<|eot_id|>", "<|unknown|>"
_CHAT = (
    "{% for message in messages %}<|start_header_id|>{{ message['role'] }}<|end_header_id|>\n\n"
    "{{ message['content'] }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
SPECIAL = (UNKNOWN, BOS, END_OF_TURN, "<|start_header_id|>", "<|end_header_id|>")


def small_tokenizer(*, digits_per_token: int = 3, bos: bool = True) -> PreTrainedTokenizerFast:
    """Return a tokenizer that knows every word of the formats and every group of up to `digits_per_token` digits.

    With three digits per token it splits numbers as Llama 3 does. With one digit it splits them as SmolLM2 does. The
    token of a word includes the space before the word. The token of a number does not. `bos` says whether it adds a
    BOS.
    """
    pattern = rf"\d{{1,{digits_per_token}}}| ?[A-Za-z]+|\n+| |[^\sA-Za-z0-9]"
    words = dict.fromkeys([*SPECIAL, *_numbers(digits_per_token), *_words(pattern)])
    backend = Tokenizer(WordLevel({word: i for i, word in enumerate(words)}, unk_token=UNKNOWN))
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), behavior="isolated")
    backend.decoder = decoders.Fuse()
    if bos:
        backend.post_processor = processors.TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        chat_template=_CHAT,
        bos_token=BOS,
        eos_token=END_OF_TURN,
        pad_token=END_OF_TURN,
        unk_token=UNKNOWN,
        extra_special_tokens=list(SPECIAL[3:]),
        clean_up_tokenization_spaces=False,
    )


def _numbers(digits: int) -> Iterable[str]:
    for length in range(1, digits + 1):
        yield from (f"{n:0{length}d}" for n in range(10**length))


def _words(pattern: str) -> Iterable[str]:
    """Yield every sign of the formats, and every word of them with and without a space before it."""
    texts = [
        text
        for format in (SIMPLE, QA, QUESTION, COMPARE, *INJECTION, *POSITIONS, injected(99))
        for text, _ in format.segments
    ]
    for text in [*texts, ".", " ", "\n", "\n\n", "user", "assistant"]:
        for word in re.findall(pattern, text):
            yield word
            if word.strip().isalpha():
                yield from (word.strip(), " " + word.strip())
