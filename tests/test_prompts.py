"""Pairs, formats and prompts of the theory."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claims.competition.phrasings import FILLERS, INSTRUCTIONS
from claims.competition.prompts import (
    DOCUMENT_PAIRS,
    INJECTION,
    ORDERS,
    POSITIONS,
    QA,
    QUESTIONS,
    SIMPLE,
    Pair,
    Prompt,
    ask,
    filled,
    injected,
    pairs,
)
from referee.prompts.tokens import tokenize

GENERATED = [*(injected(30, text) for text in range(len(INSTRUCTIONS))), *(filled(kind, 9) for kind in FILLERS)]


def test_formats_read_as_in_the_seed_document():
    """Each format has exactly the text of the document that proposed the experiments."""
    texts = {f.name: Prompt(Pair("9.8", "9.11"), "bigger first", f).text for f in (SIMPLE, QA, *INJECTION, *POSITIONS)}

    assert texts == {
        "Simple": "9.8 or 9.11? Answer:",
        "Q&A": "Q: Which is bigger: 9.8 or 9.11? A:",
        "Minimal": "9.8 or 9.11?",
        "Light": "Compare: 9.8 or 9.11?",
        "Medium": "Q: 9.8 or 9.11?",
        "Heavy": "Q: Which is bigger: 9.8 or 9.11? A:",
        "Full": "User Question: Which number is bigger: 9.8 or 9.11? Assistant Answer:",
        "Original": "9.8 or 9.11? Answer:",
        "Prefix_Short": "Compare: 9.8 or 9.11? Answer:",
        "Prefix_Long": "Please compare these numbers: 9.8 or 9.11? Answer:",
        "Suffix": "Answer: 9.8 or 9.11?",
        "Wrapped": "The question is 9.8 or 9.11, what is the answer?",
        "Spaced": "Number 1: 9.8    Number 2: 9.11    Which is bigger?",
    }


def test_spans_tile_the_text():
    """Every character of a prompt belongs to exactly one span."""
    for prompt in ask(DOCUMENT_PAIRS, [SIMPLE, *QUESTIONS, *INJECTION, *POSITIONS, *GENERATED]):
        edges = [0, *(span.stop for span in prompt.spans)]

        assert [span.start for span in prompt.spans] == edges[:-1]
        assert edges[-1] == len(prompt.text)


@given(count=st.integers(0, 300), seed=st.integers(0, 5))
def test_conflict_pairs_disagree_as_versions(count, seed):
    """The bigger decimal of a conflict pair is the smaller version, and all pairs are different."""
    drawn = pairs(count, seed=seed)

    assert len(set(drawn)) == count
    assert drawn[:3] == list(DOCUMENT_PAIRS)[:count]
    for pair in drawn:
        assert pair.kind == "conflict"
        assert Decimal(pair.bigger) > Decimal(pair.smaller)
        assert int(pair.bigger.split(".")[1]) < int(pair.smaller.split(".")[1])


@pytest.mark.parametrize("seed", range(6))
def test_control_pairs_agree_as_versions(seed):
    """Decimal and version order of a control pair are the same."""
    for pair in pairs(300, kind="control", seed=seed):
        assert pair.kind == "control"
        assert int(pair.bigger.split(".")[1]) > int(pair.smaller.split(".")[1])


def test_fewer_pairs_are_the_first_of_more():
    """The order of the pairs does not depend on their number."""
    for kind in ("conflict", "control"):
        assert pairs(300, kind=kind)[:60] == pairs(60, kind=kind)


@given(st.sampled_from([*pairs(50), *pairs(50, kind="control")]))
def test_a_pair_is_read_from_its_text(pair):
    """Reading gives back what `str` wrote."""
    assert Pair.parse(str(pair)) == pair


def test_seeds_draw_other_pairs():
    """Another seed gives other pairs after the three pairs of the seed document."""
    assert set(pairs(40, seed=0)) != set(pairs(40, seed=1))


@pytest.mark.parametrize(
    ("bigger", "smaller"),
    [("9.11", "9.8"), ("9.8", "8.11"), ("9", "8"), ("9.8", "9.8"), ("9.x", "9.1"), ("9.85", "9.8")],
)
def test_what_is_no_pair_is_refused(bigger, smaller):
    """A pair has one integer part, the bigger number first, and a shape in which neither begins the other."""
    with pytest.raises(ValueError, match="A pair"):
        Pair(bigger, smaller)


def test_asking_for_more_pairs_than_there_are_is_refused():
    """The message says how many there are."""
    with pytest.raises(ValueError, match="There are 2916 conflict pairs; got a request for 5000"):
        pairs(5000)


def test_every_pair_is_asked_in_both_orders():
    """Both orders of a pair occur equally often."""
    prompts = ask(DOCUMENT_PAIRS, [SIMPLE])

    assert [prompt.order for prompt in prompts] == [*ORDERS] * 3
    assert prompts[1].text == "9.11 or 9.8? Answer:"
    assert prompts[1].right == "9.8"


def test_instructions_are_many_short_and_different():
    """Apart from the first one there are at least 24. Each has 6 to 20 words and signs, and no full stop or digit."""
    assert len(INSTRUCTIONS) >= 25
    assert len({frozenset(re.findall("[a-z]+", text.lower())) for text in INSTRUCTIONS}) == len(INSTRUCTIONS)
    for text in INSTRUCTIONS[1:]:
        assert 6 <= len(text.split()) <= 20
        assert re.fullmatch("[A-Za-z,:?' ]+", text)


@pytest.mark.parametrize("text", range(len(INSTRUCTIONS)))
def test_an_instruction_is_repeated_word_by_word(text):
    """Words are added one at a time behind the numbers, and the instruction starts anew at its end."""
    words = INSTRUCTIONS[text].split()
    count = len(words) + 2

    asked = Prompt(Pair("9.8", "9.11"), "bigger first", injected(count, text)).text

    assert asked == " ".join(["9.8 or 9.11", *words, *words[:2]])
    assert Prompt(Pair("9.8", "9.11"), "bigger first", injected(0, text)).text == "9.8 or 9.11"


def test_generated_formats_have_different_names():
    """The name of the format distinguishes results. The first instruction needs no number."""
    names = [format.name for format in [*GENERATED, *QUESTIONS, *INJECTION, *POSITIONS, SIMPLE]]

    assert len(set(names)) == len(names)
    assert injected(3).name == "3 words"
    assert injected(3, 2).name == "text 2, 3 words"


def test_questions_share_a_frame():
    """There are at least twelve, the first is Q&A, and only the wording of the question differs."""
    texts = [Prompt(Pair("9.8", "9.11"), "bigger first", format).text for format in QUESTIONS]

    assert QUESTIONS[0] is QA
    assert len(set(texts)) == len(texts) >= 12
    assert all(re.fullmatch(r"Q: [A-Za-z ]+: 9\.8 or 9\.11\? A:", text) for text in texts)


@pytest.mark.parametrize("tokenizer", ["grouped", "single"])
def test_every_word_is_a_token_of_the_planted_models(request, tokenizer):
    """No instruction, question or filler has an unknown word. Fillers are no format tokens."""
    tokenizer = request.getfixturevalue(tokenizer)
    for prompt in ask(DOCUMENT_PAIRS[:1], [*QUESTIONS, *GENERATED]):
        tokens = tokenize(prompt, tokenizer)

        assert tokenizer.unk_token_id not in tokens.ids
        assert ("format" in tokens.categories) == (prompt.format not in [filled(kind, 9) for kind in FILLERS])


@pytest.mark.parametrize("tokenizer", ["grouped", "single", "smollm2_tokenizer", "llama3_tokenizer"])
def test_more_filler_is_more_tokens(request, tokenizer):
    """In every tokenizer twenty words are at least eight tokens more than two, and the answer can be scored."""
    tokenizer = request.getfixturevalue(tokenizer)
    for kind in FILLERS:
        two, twenty = (
            tokenize(Prompt(DOCUMENT_PAIRS[0], "bigger first", filled(kind, words)), tokenizer) for words in (2, 20)
        )

        assert len(twenty) >= len(two) + 8
        assert set(twenty.categories) == {"numerical", "other", "answer"}
