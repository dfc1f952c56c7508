"""The building blocks of hand-set weights, and the small tokenizer, without any theory."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from referee.models.planted_weights import PlantedWeights
from referee.models.small_tokenizer import small_tokenizer

ONE, A, B, TARGET = range(4)
LARGE = 1000.0


@pytest.fixture
def model():
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=3,
            hidden_size=16,
            intermediate_size=8,
            head_dim=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=1,
            rope_parameters={"rope_type": "default", "rope_theta": 1e12},
            tie_word_embeddings=False,
        )
    )


@pytest.fixture
def weights(model):
    return PlantedWeights(model, one=ONE, large=LARGE)


def residual(model, ids):
    """Returns the residual stream after the last normalisation, [token, size]."""
    return model(torch.tensor([ids]), output_hidden_states=True).hidden_states[-1][0]


def test_normalisations_leave_the_residual_stream_unchanged(model, weights):
    """With all other weights zero, the model passes on its embeddings."""
    weights.embed({0: {A: 0.25}, 1: {A: -3.0, B: 1.0}})

    found = residual(model, [0, 1])

    assert found[:, A].tolist() == pytest.approx([0.25, -3.0], abs=1e-4)
    assert found[:, ONE].tolist() == pytest.approx([LARGE, LARGE], rel=1e-4)
    assert found[:, TARGET].tolist() == [0, 0]


def test_logits_are_linear_functions_with_a_constant(model, weights):
    """The weight of the large coordinate is the constant."""
    weights.embed({0: {A: 0.25}, 1: {A: -3.0}})
    weights.unembed({2: {A: 2.0, ONE: 1.0}})

    logits = model(torch.tensor([[0, 1]])).logits[0]

    assert logits[:, 2].tolist() == pytest.approx([1.5, -5.0], abs=1e-3)
    assert logits[:, 0].tolist() == [0, 0]


def test_a_ramp_is_a_clamped_linear_function(model, weights):
    """It rises from 0 to 1 around the value at which the input and the bias cancel."""
    weights.embed({0: {A: 0.0}, 1: {A: 1.1}, 2: {A: 3.0}})
    weights.ramp(0, {A: 1.0}, -1.0, TARGET)

    assert residual(model, [0, 1, 2])[:, TARGET].tolist() == pytest.approx([0.0, 0.6, 1.0], abs=1e-3)


def test_a_block_is_passed_on_where_its_condition_is_positive(model, weights):
    """It is multiplied by the condition, and nothing passes where the condition is negative."""
    weights.embed({0: {A: 2.0, 4: 1.0, 5: 3.0}, 1: {A: -2.0, 4: 1.0, 5: 3.0}})
    weights.pass_on(0, {A: 1.0}, source=4, target=6, size=2)

    found = residual(model, [0, 1])

    assert found[0, 6:8].tolist() == pytest.approx([2.0, 6.0], abs=1e-3)
    assert found[1, 6:8].tolist() == pytest.approx([0.0, 0.0], abs=1e-3)


def test_a_head_copies_from_the_tokens_to_which_it_attends(model, weights):
    """The second head of a group attends by a product of query and key. It adds the value that it finds there."""
    weights.embed({0: {A: 1.0, B: 3.0}, 1: {B: 7.0}})
    weights.attend(0, head=1, dim=2, query={ONE: 1.0}, key={A: 100.0})
    weights.copy(0, head=1, source=[B], target=[TARGET], weight=0.5)

    assert residual(model, [0, 1, 1])[:, TARGET].tolist() == pytest.approx([1.5, 1.5, 1.5], abs=1e-3)


def test_a_head_can_prefer_near_tokens(model, weights):
    """Without another preference it attends to its own token."""
    weights.embed({0: {B: 3.0}, 1: {B: 7.0}})
    weights.prefer_near(0, head=0)
    weights.copy(0, head=0, source=[B], target=[TARGET])

    assert residual(model, [0, 1, 0])[:, TARGET].tolist() == pytest.approx([3.0, 7.0, 3.0], abs=1e-3)


def test_the_dimensions_that_do_not_turn_are_known(weights):
    """With the base 1e12 and 8 dimensions, the four pairs turn by 1, 1e-3, 1e-6 and 1e-9 radians per position."""
    assert weights.still() == [2, 3, 6, 7]


def test_a_head_can_prefer_a_distance(model, weights):
    """It attends to the token two positions before, and adds the value that it finds there."""
    weights.embed({0: {B: 3.0}, 1: {B: 7.0}, 2: {B: -2.0}})
    weights.prefer_distance(0, head=1, distance=2, strength=50.0)
    weights.copy(0, head=1, source=[B], target=[TARGET])

    found = residual(model, [0, 1, 2, 2, 0, 1])[2:, TARGET]

    assert found.tolist() == pytest.approx([3.0, 7.0, -2.0, -2.0], abs=1e-3)


def test_the_small_tokenizer_knows_the_words_of_its_texts():
    """It knows each word with and without a space before it, each sign, and groups of digits."""
    tokenizer = small_tokenizer(["How many apples ?"], digits_per_token=2)

    assert tokenizer.tokenize("many apples? 123 pears") == ["many", " apples", "?", " ", "12", "3", "<|unknown|>"]
    assert tokenizer("How")["input_ids"] == [tokenizer.bos_token_id, tokenizer.get_vocab()["How"]]
    assert tokenizer.decode(tokenizer("How many apples?")["input_ids"], skip_special_tokens=True) == "How many apples?"


def test_the_small_tokenizer_can_leave_out_the_bos():
    """With bos=False, the first token is the first word."""
    tokenizer = small_tokenizer([], bos=False)

    assert tokenizer.tokenize("user") == ["user"]
    assert len(tokenizer("user")["input_ids"]) == 1
