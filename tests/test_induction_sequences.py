"""The sequences of the theory of induction heads: random ordinary tokens, and the same tokens again."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from types import SimpleNamespace

import pytest

from claims.competition.prompts import SIMPLE, Pair, Prompt
from claims.induction.sequences import FIRST, LENGTH, SECOND, START, Sequence, number, sequences, vocabulary
from claims.induction.study import STUDY
from conftest import tiny
from referee.judging.evidence import NotApplicable
from referee.measuring.requests import Reading
from referee.measuring.result_keys import ResultKeys
from referee.prompts.tokens import tokenize

PROMPT = Prompt(Pair("9.8", "9.11"), "bigger first", SIMPLE)


@pytest.fixture(params=["grouped", "single"])
def subject(request):
    """Returns a tiny Llama model with a BOS, and one without."""
    return tiny("Llama", request.getfixturevalue(request.param))


def with_positions(subject, positions):
    """Returns a subject that differs in the number of its positions only."""
    names = ("tokenizer", "vocabulary_size")
    return SimpleNamespace(n_positions=positions, **{name: getattr(subject, name) for name in names})


def test_ordinary_tokens_have_a_text_and_an_embedding(subject):
    """Special tokens and white space are left out. The order is that of the ids."""
    tokenizer = subject.tokenizer
    known = vocabulary(subject)

    texts = [tokenizer.decode([id]) for id in known]
    assert known == sorted(set(known))
    assert all(text.strip() for text in texts)
    assert not set(known) & set(tokenizer.all_special_ids)
    assert tokenizer.convert_tokens_to_ids("\n") not in known
    assert tokenizer.convert_tokens_to_ids("7") in known
    cut = SimpleNamespace(tokenizer=tokenizer, vocabulary_size=known[-1])
    assert vocabulary(cut) == known[:-1]


def test_added_tokens_are_not_ordinary(grouped):
    """A token that was added to the tokenizer is left out, even if it is not special."""
    tokenizer = deepcopy(grouped)
    tokenizer.add_tokens(["<added>"])
    before, after = (
        vocabulary(SimpleNamespace(tokenizer=one, vocabulary_size=len(one))) for one in (grouped, tokenizer)
    )

    assert len(tokenizer) == len(grouped) + 1
    assert after == before


def test_the_second_half_is_the_first_half_again(subject):
    """Each half has 25 tokens, all different and ordinary. A BOS comes first if the tokenizer adds one."""
    bos = [subject.tokenizer.bos_token_id] if tokenize(PROMPT, subject.tokenizer).has_bos else []
    known = set(vocabulary(subject))

    for i, tokens in enumerate(sequences(subject, 3, seed=4)):
        ids = list(tokens.ids)
        first, second = ids[-2 * LENGTH : -LENGTH], ids[-LENGTH:]
        assert ids == [*bos, *first, *second]
        assert first == second
        assert len(set(first)) == LENGTH == 25
        assert set(first) <= known
        assert (tokens.prompt, number(tokens), tokens.has_bos) == (Sequence(4, i, True), i, bool(bos))
        assert (tokens.n_prompt, tokens.right_id, tokens.wrong_id) == (len(ids), first[0], first[1])
        assert [subject.tokenizer.decode([id]).strip() for id in ids] == list(tokens.texts)


def test_the_first_token_is_the_start(subject):
    """It is the BOS, or the first token of the first half. The second half always has 25 tokens."""
    (tokens,) = sequences(subject, 1, seed=0)

    assert tokens.categories[0] == START
    assert tokens.categories.count(START) == 1
    assert tokens.categories[1:] == (FIRST,) * (LENGTH - 1 + tokens.has_bos) + (SECOND,) * LENGTH


def test_without_repetition_all_tokens_differ(subject):
    """The first half is that of the repeated sequence, and the second half consists of 25 other tokens."""
    for own, other in zip(sequences(subject, 3, seed=1), sequences(subject, 3, seed=1, repeated=False), strict=True):
        assert own.ids[:-LENGTH] == other.ids[:-LENGTH]
        assert len(set(other.ids)) == len(other)
        assert own.categories == other.categories
        assert other.prompt == replace(own.prompt, repeated=False)


def test_a_sequence_depends_on_its_seed_and_number_only(subject):
    """Later sequences do not change earlier ones, and all of them differ."""
    some, more = sequences(subject, 2, seed=0), sequences(subject, 5, seed=0)
    others = sequences(subject, 5, seed=1)

    assert some == more[:2]
    assert len({tokens.ids for tokens in (*more, *others)}) == 10


def test_a_subject_with_few_tokens_or_positions_has_no_sequences(subject):
    """The claims do not apply, and the reason has both numbers."""
    needed = len(sequences(subject, 1, seed=0)[0])
    few = SimpleNamespace(tokenizer=subject.tokenizer, vocabulary_size=vocabulary(subject)[49], n_positions=None)

    try:  # NotApplicable would skip this test
        enough = [sequences(with_positions(subject, positions), 1, seed=0) for positions in (needed, None)]
    except NotApplicable as reason:
        pytest.fail(str(reason))
    assert enough[0] == enough[1]
    with pytest.raises(NotApplicable, match=f"the model has {needed - 1} positions, and a sequence needs {needed}"):
        sequences(with_positions(subject, needed - 1), 1, seed=0)
    with pytest.raises(NotApplicable, match="the tokenizer has 49 ordinary tokens, and a sequence needs 50"):
        sequences(few, 1, seed=0)


def test_the_prompts_of_the_self_checks_are_two_sequences(subject):
    """The theory names no layer of interest."""
    assert STUDY.check_prompts(subject) == sequences(subject, 2, seed=0)
    assert STUDY.depth is None


def test_results_of_sequences_can_be_kept(subject):
    """Every part of a request has a digest, and it does not depend on the thresholds of the theory."""
    keys = ResultKeys(subject)
    one, other = sequences(subject, 2, seed=0)

    assert keys.of("kind", Reading(one)) == keys.of("kind", Reading(sequences(subject, 1, seed=0)[0]))
    assert keys.of("kind", Reading(one)) != keys.of("kind", Reading(other))
