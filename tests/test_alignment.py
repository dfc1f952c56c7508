"""The positions that correspond in two prompts, and prompts that are lengthened to align them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claims.competition.chat import chat_format
from claims.competition.planted.tokenizer import theory_tokenizer
from claims.competition.prompts import INJECTION, ORDERS, POSITIONS, QA, SIMPLE, Pair, Prompt, pairs
from referee.errors import UnscorableTokens
from referee.prompts.tokens import align, lengthened, tokenize

FORMATS = {format.name: format for format in (SIMPLE, QA, *INJECTION, *POSITIONS)}
PAIR = Pair("9.8", "9.11")
TOKENIZERS = {1: theory_tokenizer(digits_per_token=1, bos=False), 3: theory_tokenizer()}


@given(order=st.sampled_from(ORDERS), index=st.integers(0, 99), digits=st.sampled_from([1, 3]),
       names=st.tuples(st.sampled_from(list(FORMATS)), st.sampled_from(list(FORMATS))))  # fmt: skip
def test_alignment_keeps_meaning_and_order(order, index, digits, names):
    """Corresponding positions have the same number token or lie in the tails, and they never cross."""
    tokenizer = TOKENIZERS[digits]
    pair = pairs(100)[index]
    target, donor = (tokenize(Prompt(pair, order, FORMATS[name]), tokenizer) for name in names)

    alignment = align(target, donor)

    for mine, theirs in zip(alignment.target, alignment.donor, strict=True):
        assert target.roles[mine] == donor.roles[theirs]
        if target.roles[mine]:
            assert target.ids[mine] == donor.ids[theirs]
    assert list(alignment.target) == sorted(set(alignment.target))
    assert list(alignment.donor) == sorted(set(alignment.donor))
    assert sum(role is not None for role in target.roles) == sum(target.roles[i] is not None for i in alignment.target)


def test_alignment_of_simple_to_question_by_hand(grouped):
    """BOS, the numbers, the cue and the forced " 9." correspond. "Q: Which is bigger:" and "or" have no counterpart."""
    target = tokenize(Prompt(PAIR, "bigger first", QA), grouped)
    donor = tokenize(Prompt(PAIR, "bigger first", SIMPLE), grouped)
    alignment = align(target, donor)

    texts = [(grouped.decode([target.ids[t]]), grouped.decode([donor.ids[d]]))
             for t, d in zip(alignment.target, alignment.donor, strict=True)]  # fmt: skip
    assert texts == [
        ("<|begin_of_text|>", "<|begin_of_text|>"), ("9", "9"), (".", "."), ("8", "8"), ("9", "9"), (".", "."),
        ("11", "11"), (" A", " Answer"), (":", ":"), (" ", " "), ("9", "9"), (".", "."),
    ]  # fmt: skip
    assert alignment.rows == alignment.target


def test_last_row_alignment_edits_the_prompts_last_row(grouped):
    """It has the same columns but only one row, which is the last row before the forced prefix."""
    target = tokenize(Prompt(PAIR, "bigger first", QA), grouped)
    donor = tokenize(Prompt(PAIR, "bigger first", SIMPLE), grouped)

    assert align(target, donor, "last row").rows == (target.n_prompt - 1,)
    assert align(target, donor, "last row").target == align(target, donor).target


def test_tails_of_other_lengths_correspond_from_the_right(grouped):
    """The last tokens before the answer correspond, and the beginning of the longer tail has no counterpart."""
    target = tokenize(Prompt(PAIR, "bigger first", chat_format(grouped)), grouped)
    donor = tokenize(Prompt(PAIR, "bigger first", SIMPLE), grouped)

    alignment = align(target, donor)

    assert len(target.tail) > len(donor.tail)
    assert alignment.target[-len(donor.tail) :] == target.tail[-len(donor.tail) :]
    assert alignment.donor[-len(donor.tail) :] == donor.tail


def test_left_block_puts_numbers_on_format_tokens(grouped):
    """Alignment from the left, as in published scripts, pairs tokens of different meaning."""
    target = tokenize(Prompt(PAIR, "bigger first", QA), grouped)
    donor = tokenize(Prompt(PAIR, "bigger first", SIMPLE), grouped)
    left = align(target, donor, "left block")

    crossed = [(target.categories[t], donor.categories[d]) for t, d in zip(left.target, left.donor, strict=True)]
    assert ("format", "numerical") in crossed


@pytest.mark.parametrize("tokenizer", [1, 3])
def test_a_lengthened_donor_lies_on_its_target(tokenizer):
    """Filler moves each number token of Simple to the position that it has in Q&A."""
    target = tokenize(Prompt(PAIR, "bigger first", QA), TOKENIZERS[tokenizer])
    donor = lengthened(
        tokenize(Prompt(PAIR, "bigger first", SIMPLE), TOKENIZERS[tokenizer]), len(target), TOKENIZERS[tokenizer]
    )

    assert len(donor) == len(target)
    assert donor.roles == target.roles
    assert donor.ids[donor.n_prompt :] == target.ids[target.n_prompt :]


@pytest.mark.parametrize("tokenizer", [1, 3])
def test_filler_can_stand_behind_a_prompt(tokenizer):
    """Only the forced prefix moves. The tokens of the prompt keep their positions and their properties."""
    tokens = tokenize(Prompt(PAIR, "bigger first", QA), TOKENIZERS[tokenizer])
    longer = lengthened(tokens, len(tokens) + 2, TOKENIZERS[tokenizer], behind=True)
    n = tokens.n_prompt

    assert (len(longer), longer.n_prompt) == (len(tokens) + 2, n + 2)
    assert longer.prompt_tail == tokens.prompt_tail
    for name in ("ids", "texts", "categories", "roles"):
        assert getattr(longer, name)[:n] == getattr(tokens, name)[:n]
        assert getattr(longer, name)[n + 2 :] == getattr(tokens, name)[n:]
    assert longer.categories[n : n + 2] == ("other", "other")


def test_a_prompt_is_not_shortened(grouped):
    """Filler can only be added, so a smaller length raises ValueError."""
    tokens = tokenize(Prompt(PAIR, "bigger first", QA), grouped)

    with pytest.raises(ValueError, match="cannot be lengthened to 3"):
        lengthened(tokens, 3, grouped)


def test_numbers_that_split_differently_cannot_be_aligned(grouped, single):
    """An alignment needs the same number of tokens for the same part of both prompts."""
    target = tokenize(Prompt(PAIR, "bigger first", QA), grouped)
    donor = tokenize(Prompt(PAIR, "bigger first", SIMPLE), single)

    with pytest.raises(UnscorableTokens, match="1 and 2 for the second fraction of"):
        align(target, donor)
