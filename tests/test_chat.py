"""The Chat format, from the chat templates of several families of models."""

from __future__ import annotations

import pytest
from test_tokens import PAIR, letters, text_of
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from claims.competition.chat import chat_format
from claims.competition.planted.tokenizer import theory_tokenizer
from claims.competition.prompts import Prompt
from referee.prompts.tokens import tokenize


@pytest.mark.network
def test_chat_of_smollm2(smollm2_tokenizer):
    """The template's own system turn is format. Marks that end a turn, line breaks and the leading BOS are not."""
    tokens = tokenize(Prompt(PAIR, "bigger first", chat_format(smollm2_tokenizer)), smollm2_tokenizer)

    assert tokens.has_bos
    assert set(text_of(tokens, smollm2_tokenizer, "other")) == {"<|im_start|>", "<|im_end|>", "\n", " ", " or"}
    assert text_of(tokens, smollm2_tokenizer, "answer") == ["9", "."]
    assert "".join(text_of(tokens, smollm2_tokenizer, "numerical")) == "9.89.11"
    assert smollm2_tokenizer.decode([tokens.ids[i] for i in tokens.prompt_tail]) == "\n<|im_start|>assistant\n"


@pytest.mark.network
def test_chat_of_llama_3(llama3_tokenizer):
    """The prompt has the literal header text, with one BOS and without the dated system turn of the template."""
    format = chat_format(llama3_tokenizer)
    tokens = tokenize(Prompt(PAIR, "bigger first", format), llama3_tokenizer)

    assert llama3_tokenizer.decode(tokens.ids) == (
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nWhich is bigger: 9.8 or 9.11?<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n9."
    )
    assert letters(tokens) == ".fff.ffff.nnn..nnnf.fff."


def test_no_template_no_chat():
    """A base model has no Chat format, though its tokenizer may know the header tokens."""
    tokenizer = theory_tokenizer()
    tokenizer.chat_template = None

    assert chat_format(tokenizer) is None


@pytest.mark.parametrize(
    ("template", "special", "cue", "lead"),
    [
        ("<t>user\n{{ messages[0]['content'] }}</t>\n<t>model{{ '\n' }}", ("<eos>", "<t>", "</t>"), "\n<t>model\n", ""),
        ("[I] {{ messages[0]['content'] }}[/I]", ("</s>", "[I]", "[/I]"), "[/I]", ""),
        ("Human: {{ messages[0]['content'] }}\nBot:", ("</s>",), "\nBot:", " "),
    ],
    ids=["end of turn is not eos, as in Gemma", "a tail of one token, as in Mistral", "plain words"],
)
def test_chat_formats_of_other_families(template, special, cue, lead):
    """The text that opens the answer is the cue. The mark that ends the user's turn is not part of it."""
    backend = Tokenizer(WordLevel({"?": 0}, unk_token="?"))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token=special[0], extra_special_tokens=list(special[1:])
    )
    tokenizer.chat_template = template

    format = chat_format(tokenizer)

    assert "".join(text for text, label in format.segments if label == "cue") == cue
    assert format.answer_lead == lead
