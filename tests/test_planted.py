"""The planted models are what they say: behaviour, attention and repair by construction."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from claims.competition import behaviour
from claims.competition.bandwidth_distribution import measure as bandwidth
from claims.competition.chat import chat_format
from claims.competition.pattern_replacement import measure as thresholds
from claims.competition.planted import model as planted
from claims.competition.prompts import INJECTION, ORDERS, POSITIONS, QA, SIMPLE, Prompt, ask, pairs
from referee.attention import patterns
from referee.attention.edits import Exchange, InHeads, Mask, Move, Replace, SetShare
from referee.errors import UnknownModel
from referee.measuring.requests import Trial, Whole
from referee.measuring.session import Session
from referee.models import subjects
from referee.prompts.tokens import tokenize

PAIRS = pairs(30, seed=5)


@pytest.fixture(scope="module")
def subject():
    return subjects.load("planted")


@pytest.fixture(scope="module")
def formats(subject):
    return [SIMPLE, QA, chat_format(subject.tokenizer)]


@pytest.fixture(scope="module")
def answers(subject, formats):
    return behaviour.behaviour(Session(subject), ask(PAIRS, formats))


def test_it_is_an_ordinary_llama(subject, tmp_path):
    """Saved and loaded by the Auto classes, it gives the same logits; nothing of it is custom code."""
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
    """A path goes the very same way as any other model's."""
    subject.model.save_pretrained(tmp_path)
    subject.tokenizer.save_pretrained(tmp_path)

    loaded = subjects.load(str(tmp_path))

    assert (loaded.layer, loaded.fingerprint) == (4, subject.fingerprint)


def test_right_in_simple_wrong_in_question_and_chat(answers):
    """For every conflict pair in both orders, by margin, by the next token and greedily."""
    simple = answers["format"] == "Simple"

    assert answers.loc[simple, "correct"].all()
    assert not answers.loc[~simple, "correct"].any()
    for column in ("top_answer", "greedy_answer"):
        assert (answers.loc[simple, column] == "right").all()
        assert (answers.loc[~simple, column] == "wrong").all()


def test_control_pairs_are_right_everywhere(subject, formats):
    """Where decimal and version order agree there is no bug."""
    table = behaviour.behaviour(Session(subject), ask(pairs(20, kind="control"), formats))

    assert table["correct"].all()


def test_even_heads_hold_and_odd_heads_fall_because_of_format_tokens(subject, formats):
    """Above 40 % in all formats; above in Simple and below in Q&A and Chat."""
    table = bandwidth.bandwidth_distribution(Session(subject), ask(PAIRS[:5], formats))
    shares = bandwidth.per_head(table)

    assert (shares[subject.even_heads] > 0.40).all(axis=None)
    assert (shares.loc["Simple", subject.odd_heads] > 0.40).all()
    assert (shares.loc[["Q&A", "Chat"], subject.odd_heads] < 0.40).all(axis=None)


def test_the_share_falls_with_the_number_of_format_tokens(subject):
    """Competition in one softmax: the inverse of the last row's share is linear in that number."""
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


def repaired(subject, heads, case=(PAIRS[4], ORDERS[0])):
    target, donor = (tokenize(Prompt(*case, f), subject.tokenizer) for f in (QA, SIMPLE))
    return (
        Session(subject).margins([Trial(target, InHeads(Replace(donor, 1.0), tuple(heads)))])["margin_logits"].item()
        > 0
    )


@pytest.mark.parametrize("seed", range(4))
def test_any_eight_even_heads_repair_and_seven_do_not(subject, seed):
    """Which eight does not matter."""
    generator = torch.Generator().manual_seed(seed)
    even = torch.tensor(subject.even_heads)[torch.randperm(16, generator=generator)].tolist()

    assert repaired(subject, even[:8])
    assert not repaired(subject, even[:7])


def test_odd_heads_repair_nothing(subject):
    """Not even all sixteen, and seven even ones are not helped by them."""
    assert not repaired(subject, subject.odd_heads)
    assert not repaired(subject, subject.odd_heads + subject.even_heads[:7])


def test_four_suffice_where_the_dial_says_so():
    """heads=4: any four and not three."""
    subject = subjects.load("planted:heads=4")

    assert repaired(subject, subject.even_heads[3:7])
    assert not repaired(subject, subject.even_heads[:3])


def test_only_every_fourth_head_matters_where_the_dial_says_so():
    """parity=mod4: the other even heads look alike and are not read."""
    subject = subjects.load("planted:parity=mod4")

    assert repaired(subject, list(range(0, 32, 4)))
    assert not repaired(subject, list(range(2, 32, 4)))


def test_taking_format_mass_from_odd_heads_repairs(subject):
    """Which their own Simple patterns do not."""
    prompts = [tokenize(prompt, subject.tokenizer) for prompt in ask(PAIRS[:3], [QA])]

    found = Session(subject).margins(
        [Trial(tokens, InHeads(Move(0.5), tuple(subject.odd_heads))) for tokens in prompts]
    )

    assert (found["margin_logits"] > 0).all()


@pytest.mark.parametrize(
    ("format", "parity", "share", "right"),
    [
        (SIMPLE, "even", 0.39, False),
        (SIMPLE, "even", 0.3, False),
        (SIMPLE, "even", 0.95, True),
        (QA, "odd", 0.5, True),
        (QA, "odd", 0.3, False),
    ],
)
def test_setting_shares_breaks_and_repairs(subject, format, parity, share, right):
    """Even heads below 40 % break what was right; odd heads at 50 % repair what was wrong, at 30 % they do not."""
    heads = subject.even_heads if parity == "even" else subject.odd_heads
    prompts = [tokenize(prompt, subject.tokenizer) for prompt in ask(PAIRS[:3], [format])]

    found = Session(subject).margins([Trial(tokens, InHeads(SetShare(share), tuple(heads))) for tokens in prompts])

    assert ((found["margin_logits"] > 0) == right).all()


@pytest.mark.parametrize(("strength", "right"), [(0.0, False), (0.5, False), (1.0, True)])
def test_masking_format_tokens_in_odd_heads_repairs(subject, strength, right):
    """At full strength, not at half of it."""
    prompts = [tokenize(prompt, subject.tokenizer) for prompt in ask(PAIRS[:3], [QA])]

    found = Session(subject).margins(
        [Trial(tokens, InHeads(Mask(strength), tuple(subject.odd_heads))) for tokens in prompts]
    )

    assert ((found["margin_logits"] > 0) == right).all()


def test_patterns_carry_the_difference_between_even_and_odd_heads(subject):
    """Even patterns in odd heads repair the bug; odd patterns in even heads break what was right."""
    wrong, right = ([tokenize(p, subject.tokenizer) for p in ask(PAIRS[:3], [f])] for f in (QA, SIMPLE))

    to_odd, to_even = (
        Exchange(tuple((h, h ^ 1) for h in takers)) for takers in (subject.odd_heads, subject.even_heads)
    )
    repaired_margins = Session(subject).margins([Trial(t, to_odd) for t in wrong])["margin_logits"]
    broken_margins = Session(subject).margins([Trial(t, to_even) for t in right])["margin_logits"]

    assert (repaired_margins > 0).all()
    assert (broken_margins < 0).all()


def test_accuracy_drops_with_the_share_of_format_tokens(subject):
    """Right with three format tokens, wrong with nine and twelve; its kin is right up to 60 %."""
    kin = subjects.load("planted:format_share=0.6")
    prompts = ask(PAIRS[:3], [f for f in INJECTION if f.name in ("Light", "Medium", "Heavy", "Full")])
    table, of_kin = (
        behaviour.behaviour(Session(s), prompts).groupby("format", sort=False)["correct"].mean() for s in (subject, kin)
    )

    assert table.to_dict() == {"Light": 1, "Medium": 1, "Heavy": 0, "Full": 0}
    assert of_kin.to_dict() == {"Light": 1, "Medium": 1, "Heavy": 1, "Full": 1}


def test_even_heads_vary_less_with_position_and_resemble_each_other_more(subject):
    """Over the six variants of a comparison's place; by correlation of patterns below the diagonal."""
    table = bandwidth.bandwidth_distribution(Session(subject), ask(PAIRS[:2], POSITIONS))
    spread = bandwidth.per_head(table).std()
    (pattern,) = Session(subject).patterns([tokenize(ask(PAIRS[:1], [QA])[0], subject.tokenizer)], Whole())
    flat = pattern[0][:, torch.ones(pattern.shape[-2:]).tril().bool()]
    alike = torch.corrcoef(flat)
    within = {
        name: alike[heads][:, heads].mean()
        for name, heads in (("even", subject.even_heads), ("odd", subject.odd_heads))
    }

    assert spread[subject.even_heads].max() < spread[subject.odd_heads].min()
    assert within["even"] > within["odd"]
    assert within["even"] > alike[subject.even_heads][:, subject.odd_heads].mean()


def test_even_heads_route_a_tenth_of_the_last_row_to_the_numbers(subject):
    """In every format, and more than odd heads do."""
    table = bandwidth.bandwidth_distribution(Session(subject), ask(PAIRS[:2], [SIMPLE, QA]))
    last = bandwidth.per_head(table, "last row")

    assert (last[subject.even_heads] > 0.1).all(axis=None)
    assert (last[subject.even_heads].mean(axis=1) > last[subject.odd_heads].mean(axis=1)).all()


def test_left_alignment_repairs_nothing_even_where_the_theory_is_true(subject):
    """What published scripts do moves attention to the wrong tokens; alignment by meaning repairs the same prompts."""
    cases = [(pair, order) for pair in PAIRS[:4] for order in ORDERS]
    left = thresholds.Arm("left-aligned block", alignment="left block")

    by_meaning, from_left = (
        thresholds.replacement(Session(subject), cases, arm, amounts=(1.0,), refine=False)["margin_logits"]
        for arm in (thresholds.ALIGNED, left)
    )

    assert (by_meaning > 0).all()
    assert (from_left < 0).all()


@pytest.mark.parametrize("threshold", [0.2, 0.35, 0.6, 0.8])
def test_the_answer_turns_where_the_dial_says(threshold):
    """For every prompt, within jitter."""
    subject = subjects.load(f"planted:threshold={threshold}")
    found = thresholds.crossings(thresholds.replacement(Session(subject), [(pair, ORDERS[1]) for pair in PAIRS[:6]]))

    assert (found["crossing_share"] - threshold).abs().max() < 0.03
    assert (found["width_share"] < 0.10).all()
    assert found["monotone"].all()


def test_order_drives_the_answer_where_the_dial_says_so():
    """The number that comes last, in every format."""
    subject = subjects.load("planted:order")
    table = behaviour.behaviour(Session(subject), ask(PAIRS[:5], [SIMPLE, QA]))

    assert (table["correct"] == (table["order"] == "bigger second")).all()


def test_replacing_at_another_layer_does_nothing(subject):
    """Layers without the mechanism are inert."""
    other = subjects.assemble(subject.model, subject.tokenizer, name="planted", layer=5)

    assert not repaired(other, list(range(32)))


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("planted:heads", "heads must be a whole number from 1 to 16"),
        ("planted:head=3", "A dial of a planted model must be one of threshold, .*"),
        ("planted:parity=odder", "parity must be one of even, odd, none, pairs, mod4"),
        ("planted:graded=maybe", "graded must be on or off"),
    ],
)
def test_an_unknown_dial_is_refused(name, rule):
    """With the dials there are, or what the dial can be, and an example."""
    with pytest.raises(UnknownModel, match=rf"{rule}; got .*Write for example planted:threshold"):
        planted.build(name)


def test_a_model_of_random_weights_changes_with_its_seed():
    """random:1 is another model than random:0, and random:0 is always the same."""
    one, other, again = (subjects.load(name).fingerprint for name in ("random", "random:1", "random:0"))

    assert one == again != other


def test_permuted_heads_permute_the_results(llama):
    """Exchanging query heads of one key-value group, with their rows of W_Q and columns of W_O, is the same model."""
    import copy

    permutation, size = [1, 0, 2, 3], 8
    model = copy.deepcopy(llama.model)
    attention = model.model.layers[llama.layer].self_attn
    with torch.no_grad():
        rows = attention.q_proj.weight.view(4, size, -1)
        rows.copy_(rows[permutation].clone())
        columns = attention.o_proj.weight.view(-1, 4, size)
        columns.copy_(columns[:, permutation].clone())
    permuted = subjects.assemble(model, llama.tokenizer, name="permuted", layer=llama.layer)
    prompts = ask(PAIRS[:3], [SIMPLE, QA])

    before, after = (
        bandwidth.per_head(bandwidth.bandwidth_distribution(Session(s), prompts)) for s in (llama, permuted)
    )
    trials = [Trial(tokenize(prompt, llama.tokenizer)) for prompt in prompts]
    assert after.to_numpy() == pytest.approx(before[permutation].to_numpy(), abs=1e-5)
    assert (after - before).abs().max(axis=None) > 1e-3
    margins = [Session(s).margins(trials)["margin_logits"] for s in (llama, permuted)]
    assert (margins[0] - margins[1]).abs().max() < 1e-3


def test_patching_a_prompt_with_itself_changes_nothing(llama):
    """A donor that is the target: every alignment is the identity, up to the renormalisation of its rows."""
    target = tokenize(Prompt(PAIRS[0], ORDERS[0], QA), llama.tokenizer)
    trials = [Trial(target), Trial(target, Replace(target, 1.0, "right block"))]

    plain, patched = Session(llama).margins(trials)["margin_logits"]

    assert patched == pytest.approx(plain, abs=1e-4)


def test_exchanging_the_numbers_names_mirrors_the_margin():
    """Where only the order counts, exchanging the two numbers in prompt and answer exchanges right and wrong."""
    subject = subjects.load("planted:order")
    prompts = [tokenize(prompt, subject.tokenizer) for prompt in ask(PAIRS[:5], [QA])]

    margins = Session(subject).margins([Trial(tokens) for tokens in prompts])["margin_logits"].to_numpy()

    assert margins[0::2] == pytest.approx(-margins[1::2], abs=1e-2)
    assert (abs(margins) > 1).all()


def test_uniform_attention_is_what_inert_layers_do(subject):
    """Zero weights attend evenly, which is the yardstick of chance."""
    tokens = tokenize(Prompt(PAIRS[0], ORDERS[0], QA), subject.tokenizer)
    (pattern,) = Session(subject).patterns([tokens], Whole(), layers=[5])

    assert torch.allclose(pattern[0], patterns.uniform(len(tokens)).expand_as(pattern[0]), atol=1e-6)
