"""The planted induction model attends and copies as its description says. Plain transformers measures it."""

from __future__ import annotations

import pytest
import torch
from plain_induction import (
    HALF,
    RESTING,
    attention,
    copied,
    matching,
    of,
    planted,
    previous,
    resting,
    sequences,
    strongest,
    value_moved,
    values,
    without,
)
from transformers import AutoModelForCausalLM, AutoTokenizer

from claims.induction.planted.residual import MATCHING, PREVIOUS
from claims.induction.planted.tokens import codes
from referee.models.small_tokenizer import SPECIAL


def test_it_is_an_ordinary_llama(tmp_path):
    """The Auto classes load a saved model. It gives the same logits without custom code."""
    model, tokenizer = planted("induction")
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path)
    ids = sequences(tokenizer)[:1]

    assert type(again).__name__ == "LlamaForCausalLM"
    assert AutoTokenizer.from_pretrained(tmp_path).get_vocab() == tokenizer.get_vocab()
    with torch.no_grad():
        assert torch.allclose(again(ids).logits, model(ids).logits, atol=1e-4)


def test_the_tokenizer_has_a_bos_and_many_words():
    """There are 150 made-up words, with and without a space before them."""
    _, tokenizer = planted("induction")
    words = [token for token in tokenizer.get_vocab() if len(token) == 4 and token.isalpha() and token != "user"]

    assert len(words) == 150
    assert tokenizer(words[0])["input_ids"][0] == tokenizer.bos_token_id


def test_codes_differ_clearly():
    """Each token but the special ones has a code. Its product with another code is at most 16, with itself 40."""
    _, tokenizer = planted("induction")
    found = torch.tensor(list(codes(tokenizer).values()))
    products = found @ found.T

    assert len(found) == len(tokenizer) - len(SPECIAL)
    assert (products.diagonal() == 40).all()
    assert (products - 40 * torch.eye(len(found))).max() <= 16


def test_two_heads_match_and_no_other():
    """In the second half they attend to the token after the first occurrence. Without repetition they do not."""
    scores = matching()
    others = scores.clone()
    for layer, head in MATCHING:
        others[layer, head] = 0

    assert strongest(scores, 2) == set(MATCHING)
    assert (of(scores, MATCHING) > 0.7).all()
    assert others.max() < 0.05
    assert of(matching(repeated=False), MATCHING).max() < 0.01


def test_matching_heads_rest_on_bos_where_nothing_matches():
    """In the first half every token is new."""
    patterns = attention()[..., 1 : 1 + HALF, 0].mean((0, -1))

    assert (of(patterns, MATCHING) > 0.95).all()


def test_two_heads_attend_to_the_token_before_and_no_other():
    """Each of the first two layers has one."""
    scores = previous()

    assert strongest(scores, 2) == set(PREVIOUS)
    assert (of(scores, PREVIOUS) > 0.9).all()
    assert sorted(scores.flatten())[-3] < 0.1


def test_all_other_heads_rest_on_bos():
    """Most of them have more than half of their attention there. Less than a sixth rest weakly, and none rests wholly.

    Their attention on other tokens differs."""
    shares = of(resting(), RESTING)
    rest = attention()[0, 2, 0, -1, 1:]

    assert 0.8 < (shares > 0.5).float().mean() < 0.95
    assert 0.1 < shares.min() < shares.max() < 0.95
    assert rest.max() > 2 * rest.median()


def test_the_second_half_is_copied_and_the_first_is_not():
    """About one token in four is not copied, because of the noise. Without repetition nothing is."""
    assert 0.65 < copied() < 0.85
    assert copied(second=False) < 0.01
    assert copied(repeated=False) < 0.01


def test_nothing_is_copied_without_the_matching_heads():
    """One of them alone still copies. The same number of other heads of their layers changes almost nothing."""
    with without(MATCHING):
        assert copied() == 0
    for head in MATCHING:
        with without([head]):
            assert copied() > 0.3
    before = copied()
    with without([(layer, head + 1) for layer, head in MATCHING]):
        assert copied() == pytest.approx(before, abs=0.02)


def test_matching_heads_do_not_match_without_the_previous_token_heads():
    """Either of them is necessary. Other heads of their layers are not."""
    for heads in (PREVIOUS, PREVIOUS[:1], PREVIOUS[1:]):
        with without(heads):
            assert of(matching(), MATCHING).max() < 0.1
    before = of(matching(), MATCHING)
    with without([(layer, head + 1) for layer, head in PREVIOUS]):
        assert of(matching(), MATCHING).tolist() == pytest.approx(before.tolist(), abs=1e-3)


def test_the_first_token_has_no_value_and_others_have_nearly_equal_values():
    """So attention that moves from BOS to others changes what a resting head writes. Between others it does not."""
    value, special = values("induction")
    from_bos, between = value_moved("induction")

    assert (value[special] == 0).all()
    assert 0.05 < value[~special].std() < 0.15
    assert value[~special].mean() == pytest.approx(1, abs=0.03)
    assert (from_bos.abs() > 5 * between.abs()).all()


def test_what_resting_heads_write_lowers_the_sharpness():
    """Without them, the right token is more likely."""
    model, tokenizer = planted("induction")
    ids = sequences(tokenizer)

    def log_probability():
        found = model(ids).logits[:, HALF:-1].log_softmax(-1)
        return found.gather(-1, ids[:, HALF + 1 :, None]).mean().item()

    before = log_probability()
    with without([place for place in RESTING if place[0] >= 2]):
        assert log_probability() > before + 0.02
