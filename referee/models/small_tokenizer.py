"""A small tokenizer for models with hand-set or random weights.

Its tokens are whole words, signs and groups of digits. It reports character offsets, and it has the chat header of
Llama 3.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers, processors
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

BOS, END_OF_TURN, UNKNOWN = "<|begin_of_text|>", "<|eot_id|>", "<|unknown|>"
SPECIAL = (UNKNOWN, BOS, END_OF_TURN, "<|start_header_id|>", "<|end_header_id|>")
CHAT_TEMPLATE = (
    "{% for message in messages %}<|start_header_id|>{{ message['role'] }}<|end_header_id|>\n\n"
    "{{ message['content'] }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
_OF_THE_TEMPLATE = ("\n\n", "user", "assistant")


def small_tokenizer(texts: Iterable[str], *, digits_per_token: int = 3, bos: bool = True) -> PreTrainedTokenizerFast:
    """Return a tokenizer that knows all words and signs of the texts and all groups of up to `digits_per_token` digits.

    With three digits per token it splits numbers as Llama 3 does. With one digit it splits them as SmolLM2 does. The
    token of a word includes the space before the word. The token of a number does not. `bos` says whether the
    tokenizer adds a BOS.
    """
    pattern = rf"\d{{1,{digits_per_token}}}| ?[A-Za-z]+|\n+| |[^\sA-Za-z0-9]"
    words = _words([*texts, *_OF_THE_TEMPLATE], pattern)
    vocabulary = dict.fromkeys([*SPECIAL, *_groups_of_digits(digits_per_token), *words])
    backend = Tokenizer(WordLevel({word: i for i, word in enumerate(vocabulary)}, unk_token=UNKNOWN))
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), behavior="isolated")
    backend.decoder = decoders.Fuse()
    if bos:
        special = [(BOS, SPECIAL.index(BOS))]
        backend.post_processor = processors.TemplateProcessing(single=f"{BOS} $A", special_tokens=special)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        chat_template=CHAT_TEMPLATE,
        bos_token=BOS,
        eos_token=END_OF_TURN,
        pad_token=END_OF_TURN,
        unk_token=UNKNOWN,
        extra_special_tokens=list(SPECIAL[3:]),
        clean_up_tokenization_spaces=False,
    )


def _groups_of_digits(longest: int) -> Iterable[str]:
    for length in range(1, longest + 1):
        yield from (f"{n:0{length}d}" for n in range(10**length))


def _words(texts: Iterable[str], pattern: str) -> Iterable[str]:
    """Yield every sign of the texts, and every word of them with and without a space before it."""
    for text in texts:
        for word in re.findall(pattern, text):
            yield word
            if word.strip().isalpha():
                yield from (word.strip(), " " + word.strip())
