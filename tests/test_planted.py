"""The planted models behave and attend as their dials say."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from claims.competition import behaviour
from claims.competition.bandwidth_distribution import measure as bandwidth
from claims.competition.chat import chat_format
from claims.competition.heads import even_heads, odd_heads
from claims.competition.planted.model import build
from claims.competition.prompts import INJECTION, ORDERS, POSITIONS, QA, SIMPLE, Format, Prompt, ask, pairs
from conftest import built
from referee.attention import patterns
from referee.errors import UnknownModel
from referee.measuring.requests import Whole
from referee.measuring.session import Session
from referee.models import subjects
from referee.prompts.tokens import tokenize

PAIRS = pairs(30, seed=5)


@pytest.fixture(scope="module")
def subject():
    return built()


@pytest.fixture(scope="module")
def formats(subject):
    return [SIMPLE, QA, chat_format(subject.tokenizer)]


@pytest.fixture(scope="module")
def answers(subject, formats):
    return behaviour.behaviour(Session(subject), ask(PAIRS, formats))


def test_it_is_an_ordinary_llama(subject, tmp_path):
    """The Auto classes load a saved model. It gives the same logits without custom code."""
    subject.model.save_pretrained(tmp_path)
    subject.tokenizer.save_pretrained(tmp_path)
    tokens = tokenize(Prompt(PAIRS[0], ORDERS[0], QA), AutoTokenizer.from_pretrained(tmp_path))
    ids = torch.tensor([tokens.ids])

    again = AutoModelForCausalLM.from_pretrained(tmp_path)

    assert type(again).__name__ == "LlamaForCausalLM"
    assert tokens == tokenize(Prompt(PAIRS[0], ORDERS[0], QA), subject.tokenizer)
    with torch.no_grad():
        assert torch.allclose(again(ids).logits, subject.model(ids).logits, atol=1e-4)


def test_a_saved_planted_model_is_judged_at_the_same_layer(subject, tmp_path):
    """A saved model is loaded like any other folder, and it is the same subject."""
    subject.model.save_pretrained(tmp_path)
    subject.tokenizer.save_pretrained(tmp_path)

    loaded = subjects.load(str(tmp_path), depth=10 / 32)

    assert (loaded.layer, loaded.fingerprint) == (4, subject.fingerprint)


def test_right_in_simple_wrong_in_question_and_chat(answers):
    """This is so for every conflict pair in both orders, by margin, by the next token and by the greedy answer."""
    simple = answers["format"] == "Simple"

    assert answers.loc[simple, "correct"].all()
    assert not answers.loc[~simple, "correct"].any()
    for column in ("top_answer", "greedy_answer"):
        assert (answers.loc[simple, column] == "right").all()
        assert (answers.loc[~simple, column] == "wrong").all()


def test_control_pairs_are_right_everywhere(subject, formats):
    """There is no bug where decimal order and version order agree."""
    table = behaviour.behaviour(Session(subject), ask(pairs(20, kind="control"), formats))

    assert table["correct"].all()


def test_even_heads_hold_and_odd_heads_fall_because_of_format_tokens(subject, formats):
    """Even heads are above 40 % in all formats. Odd heads are above 40 % in Simple and below in Q&A and Chat."""
    table = bandwidth.bandwidth_distribution(Session(subject), ask(PAIRS[:5], formats))
    shares = bandwidth.per_head(table)

    assert (shares[even_heads(subject)] > 0.40).all(axis=None)
    assert (shares.loc["Simple", odd_heads(subject)] > 0.40).all()
    assert (shares.loc[["Q&A", "Chat"], odd_heads(subject)] < 0.40).all(axis=None)


def test_the_share_falls_with_the_number_of_format_tokens(subject):
    """In a softmax, the inverse of the last row's share is a linear function of the number of format tokens."""
    inverse, counts = [], []
    for name in ("Medium", "Heavy", "Full"):
        format = next(f for f in INJECTION if f.name == name)
        tokens = tokenize(Prompt(PAIRS[0], ORDERS[0], format), subject.tokenizer)
        (pattern,) = Session(subject).patterns([tokens], Whole())
        row = pattern[0, 0, tokens.n_prompt - 1, : tokens.n_prompt]
        numbers = [i for i in range(tokens.n_prompt) if tokens.categories[i] == "numerical"]
        inverse.append(1 / row[numbers].sum().item())
        counts.append(tokens.categories.count("format"))

    slopes = [(inverse[i + 1] - inverse[i]) / (counts[i + 1] - counts[i]) for i in range(2)]
    assert counts == [3, 9, 12]
    assert slopes[0] == pytest.approx(slopes[1], rel=1e-3)
    assert slopes[0] == pytest.approx(0.12 / 6, rel=0.02)


def test_accuracy_drops_with_the_share_of_format_tokens(subject):
    """Three format tokens leave answers right; nine make them wrong. With format_share=0.6 twelve leave them right."""
    other = built("planted:format_share=0.6")
    prompts = ask(PAIRS[:3], [f for f in INJECTION if f.name in ("Light", "Medium", "Heavy", "Full")])
    table, of_other = (
        behaviour.behaviour(Session(s), prompts).groupby("format", sort=False)["correct"].mean()
        for s in (subject, other)
    )

    assert table.to_dict() == {"Light": 1, "Medium": 1, "Heavy": 0, "Full": 0}
    assert of_other.to_dict() == {"Light": 1, "Medium": 1, "Heavy": 1, "Full": 1}


def test_even_heads_vary_less_with_position_and_resemble_each_other_more(subject):
    """Variation is over the six placements. Similarity is the correlation of patterns below the diagonal."""
    even, odd = even_heads(subject), odd_heads(subject)
    table = bandwidth.bandwidth_distribution(Session(subject), ask(PAIRS[:2], POSITIONS))
    spread = bandwidth.per_head(table).std()
    (pattern,) = Session(subject).patterns([tokenize(ask(PAIRS[:1], [QA])[0], subject.tokenizer)], Whole())
    flat = pattern[0][:, torch.ones(pattern.shape[-2:]).tril().bool()]
    alike = torch.corrcoef(flat)
    within = {name: alike[heads][:, heads].mean() for name, heads in (("even", even), ("odd", odd))}

    assert spread[even].max() < spread[odd].min()
    assert within["even"] > within["odd"]
    assert within["even"] > alike[even][:, odd].mean()


def test_even_heads_route_a_tenth_of_the_last_row_to_the_numbers(subject):
    """They do so in every format, and they route more than odd heads."""
    table = bandwidth.bandwidth_distribution(Session(subject), ask(PAIRS[:2], [SIMPLE, QA]))
    last = bandwidth.per_head(table, "last row")

    assert (last[even_heads(subject)] > 0.1).all(axis=None)
    assert (last[even_heads(subject)].mean(axis=1) > last[odd_heads(subject)].mean(axis=1)).all()


def test_order_drives_the_answer_where_the_dial_says_so():
    """The model gives the number that comes last, in every format."""
    table = behaviour.behaviour(Session(built("planted:order")), ask(PAIRS[:5], [SIMPLE, QA]))

    assert (table["correct"] == (table["order"] == "bigger second")).all()


def test_a_full_stop_is_no_number(subject):
    """A head gives nothing to the full stop of a sentence, and the point of a number keeps its weight."""
    format = Format.parse("", "Compare the numbers. {first} {or} {second}? [Answer:]")
    tokens = tokenize(Prompt(PAIRS[0], ORDERS[0], format), subject.tokenizer)
    (pattern,) = Session(subject).patterns([tokens], Whole())
    stop, *points = [i for i, text in enumerate(tokens.texts) if text == "."]
    last = pattern[0, 0, -1]

    assert last[stop] < 1e-6
    assert (last[points] > 0.05).all()


def test_uniform_attention_is_what_inert_layers_do(subject):
    """A layer whose attention weights are zero attends uniformly, as in the chance world."""
    tokens = tokenize(Prompt(PAIRS[0], ORDERS[0], QA), subject.tokenizer)
    (pattern,) = Session(subject).patterns([tokens], Whole(), layers=[5])

    assert torch.allclose(pattern[0], patterns.uniform(len(tokens)).expand_as(pattern[0]), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("planted:heads", "heads must be a whole number from 1 to 16"),
        ("planted:head=3", "A dial of a planted model must be one of threshold, .*"),
        ("planted:parity=odder", "parity must be one of even, odd, none, pairs, fourth, mod4"),
        ("planted:graded=maybe", "graded must be on or off"),
    ],
)
def test_an_unknown_dial_is_refused(name, rule):
    """The message names the dials, or the values of the dial, and it gives an example."""
    with pytest.raises(UnknownModel, match=rf"{rule}; got .*Write for example planted:threshold"):
        build(name)


def test_a_model_of_random_weights_changes_with_its_seed():
    """Different seeds give different models. random and random:0 are the same model."""
    one, other, again = (built(name).fingerprint for name in ("random", "random:1", "random:0"))

    assert one == again != other
