"""Changes of a model or a prompt that must change nothing, or that must change the results in a known way."""

from __future__ import annotations

import copy

import pytest
import torch

from claims.competition.bandwidth_distribution import measure as bandwidth
from claims.competition.prompts import ORDERS, QA, SIMPLE, Prompt, ask, pairs
from conftest import built
from referee.attention.edits import Replace
from referee.measuring.requests import Trial
from referee.measuring.session import Session
from referee.models import subjects
from referee.prompts.tokens import tokenize

PAIRS = pairs(30, seed=5)


def test_permuted_heads_permute_the_results(llama):
    """A model in which query heads of one key-value group are exchanged, in W_Q and in W_O, is the same model."""
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
    """If the donor is the target, every alignment is the identity."""
    target = tokenize(Prompt(PAIRS[0], ORDERS[0], QA), llama.tokenizer)
    trials = [Trial(target), Trial(target, {llama.layer: Replace(target, 1.0, "right block")})]

    plain, patched = Session(llama).margins(trials)["margin_logits"]

    assert patched == pytest.approx(plain, abs=1e-4)


def test_exchanging_the_numbers_names_mirrors_the_margin():
    """If only the order decides, the exchange of the two numbers in prompt and answer changes the margin's sign."""
    subject = built("planted:order")
    prompts = [tokenize(prompt, subject.tokenizer) for prompt in ask(PAIRS[:5], [QA])]

    margins = Session(subject).margins([Trial(tokens) for tokens in prompts])["margin_logits"].to_numpy()

    assert margins[0::2] == pytest.approx(-margins[1::2], abs=1e-2)
    assert (abs(margins) > 1).all()
