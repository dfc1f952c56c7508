"""Tests of what is sent to a service: how trials are packed, and the functions that run there."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
import zstandard
from nnsight.intervention.serialization import dumps
from transformers.models.gemma2 import modeling_gemma2
from transformers.models.gpt_oss import modeling_gpt_oss

from claims.competition.prompts import QA, SIMPLE, ask, pairs
from referee.attention.edits import Exchange, Flatten, InHeads, Keep, KnockOut, Mask, Replace, Silence, edited_pattern
from referee.attention.interface import call_of, pattern_of
from referee.attention.wrapping import wrap
from referee.measuring.requests import Trial
from referee.prompts.tokens import tokenize
from referee.remote import blocks, messages

HEADS = 32


@pytest.fixture(scope="module")
def prompts(grouped):
    """Returns twenty prompts in the Simple format and the same in Q&A."""
    asked = [tokenize(prompt, grouped) for prompt in ask(pairs(10, seed=0), (SIMPLE, QA))]
    return [[t for t in asked if t.prompt.format == format] for format in (SIMPLE, QA)]


def some_pattern(tokens):
    """Returns a random pattern, [head, query, key]."""
    generator = torch.Generator().manual_seed(sum(tokens.ids))
    scores = torch.randn(HEADS, len(tokens), len(tokens), generator=generator)
    return scores.masked_fill(torch.ones_like(scores).triu(1).bool(), -torch.inf).softmax(-1)


def own_of(*prompts):
    """Returns random unedited patterns of prompts at layer 1, as a request needs them."""
    return {(1, Trial(tokens)): some_pattern(tokens) for tokens in prompts}


def test_what_is_written_there_is_what_the_edits_give_here(prompts):
    """A pattern is sent once. Each trial has its index, its share and its heads."""
    donor, targets = prompts[0][0], prompts[1][:2]
    edits = [
        Keep(),
        Flatten(),
        Replace(donor, 0.3),
        InHeads(Replace(donor, 0.7), (1, 5)),
        InHeads(InHeads(Silence(), (2, 3)), (3, 4)),
        InHeads(Mask(0.5, "numerical"), (0,)),
        Exchange(((0, 1),)),
        KnockOut(((0, 5, 2),)),
    ]
    own = own_of(donor, *targets)
    trials = [Trial(target, {1: edit}) for edit in edits for target in targets]

    (write,) = messages.trials_of(trials, 1, HEADS, own)["writes"]
    given = torch.stack([own[1, Trial(trial.tokens)] for trial in trials])
    found = blocks.edited(given, write, torch.arange(len(trials)))

    expected = [
        edited_pattern(edit, trial.tokens, pattern.clone(), own[1, Trial(donor)])
        for trial, pattern in zip(trials, given, strict=True)
        for _, edit in trial.edits
    ]
    assert len(targets[0]) == len(targets[1])
    assert (found - torch.stack(expected)).abs().max() < 1e-6
    assert write["layer"] == 1
    assert len(write["whole"]) == 2 + 4 * 2  # the same in all prompts: zeros and uniform attention


def test_800_trials_of_32_heads_weigh_less_than_a_megabyte(prompts):
    """Twenty prompts with forty trials each: shares of the donor's pattern, in sets of heads."""
    trials = [
        Trial(target, {1: InHeads(Replace(donor, (i % 10 + 1) / 10), tuple(range(i % 7, HEADS, 2)))})
        for donor, target in zip(*prompts, strict=True)
        for i in range(40)
    ]
    longest = max(len(trial.tokens) for trial in trials)
    own = own_of(*prompts[0], *prompts[1])
    groups = {len(trial.tokens): [t for t in trials if len(t.tokens) == len(trial.tokens)] for trial in trials}
    sent = [messages.trials_of(group, 1, HEADS, own) for group in groups.values()]

    packed = zstandard.ZstdCompressor(level=6).compress(dumps(sent))  # as nnsight packs them

    assert len(trials) == 800
    assert 20 <= longest <= 25
    assert len(packed) < 1_000_000


def test_a_request_has_a_limited_size():
    """Parts that items share count once. One item that is too large is sent alone."""
    sizes = {"a": {"x": 6, "y": 3}, "b": {"x": 6, "z": 3}, "c": {"w": 20}, "d": {"z": 1}, "e": {"z": 1}}

    found = list(messages.requests("abcde", sizes.__getitem__, own=1, most=15))

    assert ["".join(items) for items in found] == ["ab", "c", "de"]


@pytest.mark.parametrize("function", ["eager", "sdpa"])
def test_the_pattern_there_is_the_pattern_here(function, shaped):
    """It is computed from the inputs of the call, whatever function runs, and in float32 also under autocast."""
    if function == "sdpa" and not shaped.model._supports_sdpa:
        pytest.skip("transformers has no sdpa for this family")
    shaped.model.set_attn_implementation(function)
    wrapped = wrap(shaped)
    ids = torch.arange(5, 29)[None]
    found = []
    try:
        with torch.no_grad(), wrapped.traced.trace({"input_ids": ids}, use_cache=False) as tracer:
            inputs = wrapped.site(2).inputs
            found.append(pattern_of(call_of(inputs)).save())
            with torch.autocast("cpu", torch.bfloat16):
                found.append(blocks.pattern(inputs).save())
            tracer.stop()
    finally:
        shaped.model.set_attn_implementation("eager")
    here, there = found

    assert there.dtype == torch.float32
    assert (there - here).abs().max() < 1e-6


def test_soft_caps_sinks_and_windows_are_those_of_transformers():
    """Tiny models have scores near zero, where a soft cap changes nothing. So the inputs are larger here."""
    torch.manual_seed(0)
    query, key = 3 * torch.randn(2, 4, 6, 8), 3 * torch.randn(2, 2, 6, 8)
    unseen = torch.full((1, 1, 6, 6), torch.finfo(torch.float32).min).triu(1)
    module = SimpleNamespace(num_key_value_groups=2, training=False, head_dim=8, sinks=torch.randn(4))

    def there(mask, **options):
        return blocks.pattern(((module, query, key, key, mask), {"scaling": 0.5} | options))

    _, capped = modeling_gemma2.eager_attention_forward(module, query, key, key, unseen, scaling=0.5, softcap=2.0)
    _, sunk = modeling_gpt_oss.eager_attention_forward(module, query, key, key, unseen, scaling=0.5)
    near = (torch.ones(6, 6).tril() * torch.ones(6, 6).triu(-2)).bool()

    assert (there(unseen, softcap=2.0) - capped).abs().max() < 1e-6
    assert (there(unseen, s_aux=module.sinks) - sunk).abs().max() < 1e-6
    assert (there(None) - there(unseen)).abs().max() == 0
    assert (there(None, sliding_window=3) - there(near)).abs().max() == 0
