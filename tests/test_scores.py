from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from claims.competition.prompts import ORDERS, QA, SIMPLE, Pair, Prompt, ask, pairs
from conftest import built
from referee.attention.edits import Flatten
from referee.attention.readout import Readout
from referee.measuring import scores
from referee.measuring.answers import greedy_answers
from referee.measuring.requests import Trial
from referee.measuring.scores import LogProbability, Margin, OutputNorm, TopToken
from referee.measuring.session import Session
from referee.prompts.tokens import tokenize

PAIR = Pair("9.8", "9.11")


def prompts_of(subject, formats=(QA, SIMPLE)):
    return [tokenize(Prompt(PAIR, order, format), subject.tokenizer) for format in formats for order in ORDERS]


@pytest.fixture(params=[100, 2048], ids=["several blocks", "one block"])
def blocks(request, monkeypatch):
    """The vocabulary of the tests is split into blocks, or it fits into one."""
    monkeypatch.setattr(scores, "_BLOCK", request.param)


def test_margin_is_right_minus_wrong(grouped):
    """A positive margin means that the right answer wins, whichever number comes first."""
    prompts = [tokenize(Prompt(PAIR, order, QA), grouped) for order in ORDERS]
    logits = torch.zeros(2, len(grouped))
    logits[:, prompts[0].right_id] = 3.0
    logits[:, prompts[0].wrong_id] = 1.0

    assert scores.margins(logits, prompts).tolist() == [2.0, 2.0]


@pytest.mark.usefixtures("blocks")
def test_scores_are_those_of_the_models_own_logits(shaped):
    """Log probability, top token and margin equal what PyTorch computes from the logits of a plain forward pass."""
    prompts = prompts_of(shaped)
    found = Session(shaped).scores([Trial(t) for t in prompts], TopToken(), LogProbability(), Margin())

    assert list(found.columns) == ["top_token", "log_probability", "margin_logits"]
    for row, tokens in zip(found.itertuples(), prompts, strict=True):
        with torch.no_grad():
            logits = shaped.model(torch.tensor([tokens.ids])).logits[0, -1]
        tolerance = 1e-5 * logits.abs().max().item()
        expected = logits.log_softmax(-1)[tokens.right_id].item()
        assert row.log_probability == pytest.approx(expected, abs=tolerance)
        assert row.top_token == logits.argmax().item()
        assert row.margin_logits == pytest.approx(
            (logits[tokens.right_id] - logits[tokens.wrong_id]).item(), abs=tolerance
        )


@pytest.mark.usefixtures("blocks")
def test_scores_use_the_bias_and_the_cap_of_the_unembedding(llama):
    """Some models add a bias to the logits, and some cap them."""
    model, prompts = copy.deepcopy(llama.model), prompts_of(llama)
    model.lm_head.bias = torch.nn.Parameter(torch.linspace(-9, 9, len(llama.tokenizer)), requires_grad=False)
    model.config.final_logit_softcapping = 5.0
    final = torch.randn(len(prompts), model.config.hidden_size, generator=torch.Generator().manual_seed(0))
    readout = Readout(final, final.norm(dim=-1))

    found = {
        score.column: score(replace(llama, model=model), readout, prompts)
        for score in (Margin(), TopToken(), LogProbability(), OutputNorm())
    }

    logits = 5 * torch.tanh(functional.linear(final, model.lm_head.weight, model.lm_head.bias) / 5)
    own = [logits.log_softmax(-1)[i, tokens.right_id] for i, tokens in enumerate(prompts)]
    torch.testing.assert_close(found["log_probability"], torch.stack(own), atol=1e-5, rtol=0)
    torch.testing.assert_close(found["margin_logits"], scores.margins(logits, prompts), atol=1e-5, rtol=0)
    assert torch.equal(found["top_token"], logits.argmax(-1))
    assert torch.equal(found["output_norm"], readout.output_norm)


@pytest.mark.usefixtures("blocks")
def test_a_log_probability_in_bfloat16_is_computed_in_float32(llama):
    """Logits near 20 in bfloat16 are too coarse: a probability would then be more than one."""
    model = copy.deepcopy(llama.model).to(torch.bfloat16)
    final = (6 * torch.randn(200, model.config.hidden_size, generator=torch.Generator().manual_seed(0))).bfloat16()
    logits = final.double() @ model.lm_head.weight.double().T
    likely = [replace(prompts_of(llama)[0], right_id=int(token)) for token in logits.argmax(-1)]

    found = LogProbability()(replace(llama, model=model), Readout(final, final.norm(dim=-1)), likely)

    expected = logits.log_softmax(-1)[range(200), [tokens.right_id for tokens in likely]]
    assert found.max() < 1e-5
    torch.testing.assert_close(found.double(), expected, atol=1e-4, rtol=0)


def test_output_norm_is_the_residual_stream_after_the_layer(llama):
    """It is hidden_states[layer + 1] at the last position, for the layer of interest in an unedited trial."""
    tokens = prompts_of(llama)[0]
    with torch.no_grad():
        states = llama.model(torch.tensor([tokens.ids]), output_hidden_states=True).hidden_states

    for layer in (0, 1):
        found = Session(llama.at(layer)).scores([Trial(tokens)], OutputNorm())
        assert found["output_norm"].item() == pytest.approx(states[layer + 1][0, -1].norm().item(), rel=1e-5)


def test_output_norm_of_an_edited_trial_is_measured_after_the_lowest_edited_layer(llama):
    """An edit of a higher layer does not change it, and an edit of the layer itself does."""
    tokens = prompts_of(llama)[0]
    every = [{}, {0: Flatten()}, {0: Flatten(), 2: Flatten()}, {1: Flatten()}, {1: Flatten(), 2: Flatten()}]

    found = Session(llama.at(0)).scores([Trial(tokens, edits) for edits in every], OutputNorm())["output_norm"]

    assert found[1] == pytest.approx(found[2], rel=1e-6)
    assert found[3] == pytest.approx(found[4], rel=1e-6)
    assert abs(found[0] - found[1]) > 1e-3 * found[0]
    assert abs(found[1] - found[3]) > 1e-3 * found[0]


def test_greedy_answers_do_not_depend_on_the_other_prompts():
    """Prompts of different lengths in one call get the answers that they get alone: right in Simple, wrong in Q&A."""
    subject = built("planted")
    prompts = [tokenize(prompt, subject.tokenizer) for prompt in ask(pairs(3), [SIMPLE, QA])]

    together = greedy_answers(subject, prompts)

    assert together == ["right", "wrong"] * 6
    assert together == [greedy_answers(subject, [tokens])[0] for tokens in prompts]


def test_greedy_answers_ignore_the_models_generation_settings():
    """A penalty for repetition would forbid the digits of the question."""
    subject = built("planted")
    subject.model.generation_config.repetition_penalty = 100.0
    prompts = [tokenize(prompt, subject.tokenizer) for prompt in ask(pairs(3), [SIMPLE])]

    assert greedy_answers(subject, prompts) == ["right"] * 6
