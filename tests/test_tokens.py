"""Token ids, categories and roles of prompts, and the forced prefix of their answers."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from claims.competition.prompts import (
    INJECTION,
    ORDERS,
    POSITIONS,
    QA,
    SIMPLE,
    Format,
    Pair,
    Prompt,
)
from claims.competition.reading import substring_categories
from referee.errors import SelfCheckFailed, UnscorableTokens
from referee.models.small_tokenizer import small_tokenizer
from referee.prompts.prompt import Span
from referee.prompts.tokens import align, tokenize

FORMATS = {format.name: format for format in (SIMPLE, QA, *INJECTION, *POSITIONS)}
PAIR = Pair("9.8", "9.11")

# n is a number token, f a format token, and . another token. BOS, if there is one, is the first dot.
# A space before a number is a token of its own in both tokenizers.
CATEGORIES = {
    "Simple": "nnn..nnnfff",
    "Q&A": "ffffff.nnn..nnnfff",
    "Minimal": "nnn..nnnf",
    "Light": "ff.nnn..nnnf",
    "Medium": "ff.nnn..nnnf",
    "Heavy": "ffffff.nnn..nnnfff",
    "Full": "ffffffff.nnn..nnnffff",
    "Original": "nnn..nnnfff",
    "Prefix_Short": "ff.nnn..nnnfff",
    "Prefix_Long": "fffff.nnn..nnnfff",
    "Suffix": "ff.nnn..nnnf",
    "Wrapped": "fff.nnn..nnnffffff",
    "Spaced": "f.ff.nnn.f.ff.nnn.ffff",
}


def letters(tokens):
    return "".join({"numerical": "n", "format": "f", "other": "."}[c] for c in tokens.categories[: tokens.n_prompt])


def text_of(tokens, tokenizer, category):
    return [tokenizer.decode([i]) for i, c in zip(tokens.ids, tokens.categories, strict=True) if c == category]


@pytest.mark.network
@pytest.mark.parametrize("name", FORMATS)
def test_categories_on_the_tokenizer_of_smollm2(name, smollm2_tokenizer):
    """Each digit is a token and there is no BOS, so "11" has two tokens."""
    tokens = tokenize(Prompt(PAIR, "bigger first", FORMATS[name]), smollm2_tokenizer)

    before, after = CATEGORIES[name].rsplit("nnn", 1)
    assert letters(tokens) == f"{before}nnnn{after}"


@pytest.mark.network
@pytest.mark.parametrize("name", FORMATS)
def test_categories_on_the_tokenizer_of_llama_3(name, llama3_tokenizer):
    """Digits are in groups and there is one BOS, so "11" has one token."""
    tokens = tokenize(Prompt(PAIR, "bigger first", FORMATS[name]), llama3_tokenizer)

    assert letters(tokens) == "." + CATEGORIES[name]


@pytest.mark.parametrize("name", FORMATS)
def test_categories_on_the_small_tokenizer(name, grouped):
    """The small tokenizer splits numbers as Llama 3 does. Each of several spaces is a token of its own."""
    tokens = tokenize(Prompt(PAIR, "bigger first", FORMATS[name]), grouped)

    assert text_of(tokens, grouped, "numerical") == ["9", ".", "8", "9", ".", "11"]
    assert grouped.unk_token_id not in tokens.ids


def test_digits_of_a_label_are_format(single):
    """The 1 of "Number 1:" is a format token, and the 1 of 9.11 is a number token."""
    tokens = tokenize(Prompt(PAIR, "bigger first", FORMATS["Spaced"]), single)

    assert "1" in text_of(tokens, single, "format")
    assert "".join(text_of(tokens, single, "numerical")) == "9.89.11"


def test_the_substring_rule_mislabels(single):
    """The rule of the seed document takes the digit of a label for a number, so it is only a variant."""
    tokens = tokenize(Prompt(PAIR, "bigger first", FORMATS["Spaced"]), single)

    by_substring = substring_categories(tokens)
    disagree = [i for i in range(tokens.n_prompt) if tokens.categories[i] != by_substring[i]]
    assert [single.decode([tokens.ids[i]]) for i in disagree if by_substring[i] == "numerical"] == ["1", "2"]
    assert by_substring[tokens.n_prompt :] == ("answer", "answer", "answer")


@pytest.mark.parametrize("order", ORDERS)
def test_roles(order, single):
    """Each part of both numbers is found, in both orders."""
    tokens = tokenize(Prompt(PAIR, order, QA), single)
    found = {
        role: "".join(single.decode([tokens.ids[i]]) for i in tokens.positions(role))
        for role in {*tokens.roles} - {None}
    }

    fractions = ("8", "11") if order == "bigger first" else ("11", "8")
    assert found == {
        "first integer": "9", "first point": ".", "first fraction": fractions[0],
        "second integer": "9", "second point": ".", "second fraction": fractions[1],
    }  # fmt: skip


@dataclass(frozen=True)
class OtherPrompt:
    """A prompt of another theory: two spans share the token "123"."""

    priority: int
    text: str = "go 123 now"
    right: str = "yes"
    wrong: str = "no"
    answer_lead: str = " "

    @property
    def spans(self):
        return (
            Span(3, 4, "one", "first digit"),
            Span(4, 6, "more", "other digits", priority=self.priority),
            Span(6, 10, "end", is_tail=True),
        )

    def read(self, text):
        return "right" if "yes" in text else "neither"


@pytest.mark.parametrize(("priority", "category", "role"), [(1, "more", "other digits"), (0, "one", "first digit")])
def test_the_span_of_the_highest_priority_describes_a_token(priority, category, role):
    """Between equal priorities, the first span decides. Categories and roles are words of the theory."""
    tokens = tokenize(OtherPrompt(priority), small_tokenizer(["go now yes no", " "]))

    assert tokens.texts == ("<|begin_of_text|>", "go", "", "123", "now")
    assert tokens.categories == ("other", "other", "other", category, "end")
    assert tokens.roles == (None, None, None, role, None)
    assert (tokens.prompt_tail, tokens.tail, tokens.has_bos) == ((4,), (4,), True)


def test_the_shared_beginning_is_forced(grouped, single):
    """After "9." the answers differ in one token: 8 and 11, or 8 and 1."""
    for tokenizer, wrong in ((grouped, "11"), (single, "1")):
        tokens = tokenize(Prompt(PAIR, "bigger first", QA), tokenizer)

        assert tokenizer.decode(tokens.ids[tokens.n_prompt :]) == " 9."
        assert tokenizer.decode([tokens.right_id]) == "8"
        assert tokenizer.decode([tokens.wrong_id]) == wrong


def test_a_longer_shared_beginning_is_forced_whole(single):
    """If each digit is a token, 9.85 and 9.82 share "9.8"."""
    tokens = tokenize(Prompt(Pair("9.85", "9.82"), "bigger first", SIMPLE), single)

    assert single.decode(tokens.ids[tokens.n_prompt :]) == " 9.8"
    assert single.decode([tokens.right_id]) == "5"


def test_one_bos(grouped, single):
    """A tokenizer that adds a BOS adds it once. No BOS is added for a tokenizer without one."""
    assert tokenize(Prompt(PAIR, "bigger first", SIMPLE), grouped).ids.count(grouped.bos_token_id) == 1
    assert single.bos_token_id not in tokenize(Prompt(PAIR, "bigger first", SIMPLE), single).ids


def test_a_written_bos_is_not_doubled(grouped):
    """A prompt has one BOS even if the chat template contains the BOS as text."""
    format = Format("Chat", ((grouped.bos_token, "format"), *QA.segments))
    tokens = tokenize(Prompt(PAIR, "bigger first", format), grouped)

    assert tokens.ids.count(grouped.bos_token_id) == 1
    assert tokens.categories[0] == "other"


def test_a_doubled_bos_is_a_fault(grouped):
    """A second BOS changes the results of real models without any other sign."""
    format = Format("Chat", ((grouped.bos_token * 2, "format"), *QA.segments))

    with pytest.raises(SelfCheckFailed, match="one BOS; got two"):
        tokenize(Prompt(PAIR, "bigger first", format), grouped)


def test_a_prompt_that_changes_under_its_answer_is_refused(grouped):
    """A prompt that ends in a digit would merge with the answer."""
    format = Format("Bad", (("", "first"), ("or", "separator"), ("", "second")), answer_lead="")

    with pytest.raises(UnscorableTokens, match="must follow the prompt's own tokens"):
        tokenize(Prompt(Pair("9.85", "9.12"), "bigger first", format), grouped)


def test_a_blank_that_a_tokenizer_puts_first_is_no_number():
    """SentencePiece tokenizers put "▁" before the text and report the position of the first character for it."""
    pieces = ["▁", "9", ".", "8", "1", "▁or", "?", "▁Answer", ":", "Q", "▁Which", "▁is", "▁bigger", "▁A", "▁Q"]
    backend = Tokenizer(WordLevel({piece: i for i, piece in enumerate(pieces)}, unk_token="?"))
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(prepend_scheme="always"),
            pre_tokenizers.Split(Regex(r"▁?[A-Za-z]+|[^A-Za-z]"), "isolated"),
        ]
    )
    backend.decoder = decoders.Metaspace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend)

    donor, target = (tokenize(Prompt(PAIR, "bigger first", f), tokenizer) for f in (SIMPLE, QA))

    assert tokenizer.convert_ids_to_tokens(donor.ids[0]) == "▁"
    assert donor.categories[0] == "other"
    assert [donor.ids[d] for d in align(target, donor).donor] == [
        target.ids[t] if target.roles[t] else donor.ids[d]
        for t, d in zip(align(target, donor).target, align(target, donor).donor, strict=True)
    ]
