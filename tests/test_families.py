"""What families of models differ in: attention functions, sliding windows, sinks, and unusual shapes."""

from __future__ import annotations

import pytest
import torch
import transformers
from plain_pytorch import margin_of, recomputed, recomputed_trial
from transformers import AutoModelForCausalLM, ByT5Tokenizer
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from claims.competition.prompts import ORDERS, QA, SIMPLE, Pair, Prompt, injected
from conftest import SHAPES, tiny
from referee.attention.edits import Exchange, Flatten, InHeads, Replace, SetShare
from referee.attention.interface import Call, output_of, pattern_of
from referee.errors import NoOffsets, NoReadableAttention
from referee.measuring import prefix_cache, self_checks
from referee.measuring.requests import Trial, Whole
from referee.measuring.session import Session
from referee.models import subjects
from referee.prompts.tokens import tokenize

PAIR = Pair("9.8", "9.11")
WINDOW = {"layer_types": ["sliding_attention"] * 3, "sliding_window": 8}


def prompts(subject, form=QA):
    return [tokenize(Prompt(PAIR, order, form), subject.tokenizer) for order in ORDERS]


def tiny_with(monkeypatch, tokenizer, shape, **sizes):
    """Returns a tiny model of a family with some other sizes."""
    name, usual = SHAPES[shape]
    monkeypatch.setitem(SHAPES, "changed", (name, usual | sizes))
    return tiny("changed", tokenizer)


def assert_all_is_plain_pytorch(subject):
    """Patterns of every layer, and margins of edits at one and at two layers, are those of plain PyTorch."""
    asked = prompts(subject)
    _, expected = recomputed(subject, torch.tensor([tokens.ids for tokens in asked]), {})
    read = Session(subject).patterns(asked, Whole(), layers=range(subject.n_layers))
    for i, patterns in enumerate(read):
        for layer, pattern in enumerate(patterns):
            torch.testing.assert_close(pattern, expected[layer][i], atol=1e-5, rtol=0)
    last = subject.n_heads - 1
    trials = [
        Trial(target, edits)
        for target, donor in zip(asked, prompts(subject, SIMPLE), strict=True)
        for edits in (
            {},
            {1: Replace(donor, 0.5)},
            {1: InHeads(SetShare(0.3, "numerical"), (last,))},
            {0: Exchange(((0, last),)), 2: Replace(donor, 1.0, "last row")},
        )
    ]
    found = Session(subject).margins(trials)["margin_logits"]
    for margin, trial in zip(found, trials, strict=True):
        logits = recomputed_trial(subject, trial)
        assert margin == pytest.approx(margin_of(logits, trial.tokens), abs=1e-5 * logits.abs().max().item())
    assert all(check.passed for check in self_checks.self_check(Session(subject), asked))


WITHOUT_MASKS = "without a mask"


@pytest.fixture(params=["sdpa", WITHOUT_MASKS])
def around(request):
    """Returns the name of the attention function of the layers that are not edited."""
    return request.param


@pytest.fixture(params=list(SHAPES))
def other_function(request, around, grouped):
    """Returns a model of each family whose layers use another attention function than the eager one."""
    subject = tiny(request.param, grouped)
    if around == "sdpa" and not subject.model._supports_sdpa:
        pytest.skip("transformers has no sdpa attention for this family")
    subject.model.set_attn_implementation(around)
    return subject


def test_another_attention_function_changes_nothing(other_function, around):
    """The layers use a fused function, which gets boolean masks or none. Patterns and edits stay those of the model."""
    assert_all_is_plain_pytorch(other_function)

    assert other_function.model.config._attn_implementation == around


def test_prefixes_are_shared_under_another_attention_function(other_function, monkeypatch):
    """The margins of prompts that share rows are those that each prompt has alone."""
    monkeypatch.setattr(prefix_cache, "tokens_at_once", lambda subject: 2)
    asked = [tokens for words in (2, 9) for tokens in prompts(other_function, injected(words))]
    trials = [Trial(tokens, edits) for tokens in asked for edits in ({}, {1: Flatten()})]
    session = Session(other_function)

    found = session.margins(trials)["margin_logits"]

    alone = session.margins_alone(trials)["margin_logits"]
    assert any(session.prefixes().prefix(tokens).rows for tokens in asked)
    assert (found - alone).abs().max() < 1e-4 * found.abs().max()


@pytest.mark.parametrize("function", ["eager", "sdpa", WITHOUT_MASKS])
@pytest.mark.parametrize(
    ("shape", "window"), [("Mistral", {"sliding_window": 8}), ("Phi3", {"sliding_window": 8}), ("Gemma3", WINDOW)]
)
def test_no_layer_sees_beyond_its_window(grouped, monkeypatch, shape, window, function):
    """The window is shorter than the prompt. Patterns and edits are those of plain PyTorch."""
    subject = tiny_with(monkeypatch, grouped, shape, **window)
    subject.model.set_attn_implementation(function)

    assert_all_is_plain_pytorch(subject)

    (read, _) = Session(subject).patterns(prompts(subject), Whole())
    assert read.shape[-1] > 16
    assert not read.tril(-8).any()


GPT_OSS = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2}
GPT_OSS |= {"head_dim": 8, "num_hidden_layers": 2, "num_local_experts": 4, "num_experts_per_tok": 2}
GPT_OSS |= {"sliding_window": 8, "max_position_embeddings": 128}
GPT_OSS |= {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}}


def test_rows_that_do_not_sum_to_one_are_refused(grouped, monkeypatch):
    """GPT-OSS gives a part of each row to a sink that is no token, so it is refused in one line."""
    monkeypatch.setitem(SHAPES, "GPT-OSS", ("GptOssConfig", GPT_OSS))
    subject = tiny("GPT-OSS", grouped)

    with pytest.raises(NoReadableAttention, match=r"must sum to one; got a row that sums to 0\.\d+, because a sink"):
        Session(subject)


def test_patterns_with_a_sink_can_be_read(grouped, monkeypatch):
    """The reason to refuse them is their meaning: the interface reads and writes them to 1e-5."""
    monkeypatch.setitem(SHAPES, "GPT-OSS", ("GptOssConfig", GPT_OSS))
    subject = tiny("GPT-OSS", grouped)
    ids = torch.tensor([tokens.ids for tokens in prompts(subject)])
    read = []

    def rewritten(module, query, key, value, mask, **options):
        call = Call(module, query, key, value, mask, options)
        read.append(pattern_of(call))
        return output_of(call, read[-1])

    with torch.no_grad():
        own = subject.model(ids, output_attentions=True)
        ALL_ATTENTION_FUNCTIONS.register("rewritten", rewritten)
        subject.model.set_attn_implementation("rewritten")
        written = subject.model(ids)

    for found, expected in zip(read, own.attentions, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert (written.logits - own.logits).abs().max() < 1e-5 * own.logits.abs().max()


def test_the_text_part_of_a_model_with_vision_is_read(grouped):
    """Gemma 3 with vision keeps its text layers one level deeper, and its vision layers come first."""
    sizes = dict(SHAPES["Gemma3"][1], vocab_size=len(grouped))
    vision = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "num_hidden_layers": 3}
    vision |= {"image_size": 28, "patch_size": 14}
    config = transformers.Gemma3Config(text_config=sizes, vision_config=vision, mm_tokens_per_image=4)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    subject = subjects.assemble(model, grouped, name="Gemma 3 with vision", layer=1)

    assert (subject.n_layers, subject.n_heads) == (3, 4)
    assert_all_is_plain_pytorch(subject)


def test_the_smallest_opt_is_read(grouped, monkeypatch):
    """OPT-350M normalises after each block, and its embeddings are narrower than its layers."""
    assert_all_is_plain_pytorch(
        tiny_with(monkeypatch, grouped, "OPT", do_layer_norm_before=False, word_embed_proj_dim=16)
    )


def test_a_model_without_an_attention_call_is_refused(grouped, monkeypatch):
    """Some GPT-2 models compute attention in another order, without the call that is read."""
    subject = tiny_with(monkeypatch, grouped, "GPT2", reorder_and_upcast_attn=True)

    with pytest.raises(NoReadableAttention, match="where nnsight can reach them; got GPT2LMHeadModel"):
        Session(subject)


HYBRID = {
    "Lfm2": {"layer_types": ["full_attention", "conv", "full_attention"]},
    "GraniteMoeHybrid": {"layer_types": ["attention", "mamba", "attention"], "mamba_n_heads": 8, "mamba_d_head": 8},
    "MiniMax": {"layer_types": ["full_attention", "linear_attention", "full_attention"], "head_dim": 8},
}


@pytest.mark.parametrize("family", HYBRID)
def test_a_model_with_layers_without_attention_is_refused(family, grouped, monkeypatch):
    """The theories compare layers, so every layer must have patterns. The second layer has none."""
    monkeypatch.setitem(SHAPES, family, (f"{family}Config", SHAPES["Llama"][1] | HYBRID[family]))

    with pytest.raises(NoReadableAttention, match=r"ForCausalLM \(no \w+Attention in layer 1\)"):
        Session(tiny(family, grouped))


UNUSUAL = {
    "one head": {"num_attention_heads": 1, "num_key_value_heads": 1},
    "three heads that share keys": {"num_attention_heads": 3, "num_key_value_heads": 1, "hidden_size": 24},
    "tied embeddings": {"tie_word_embeddings": True},
}


@pytest.mark.parametrize("sizes", UNUSUAL.values(), ids=UNUSUAL)
@pytest.mark.parametrize("tokenizer", ["grouped", "single"])
def test_unusual_shapes_are_measured(request, monkeypatch, tmp_path, sizes, tokenizer):
    """This is true with and without a BOS, and after the model was saved and loaded."""
    own = tiny_with(monkeypatch, request.getfixturevalue(tokenizer), "Llama", **sizes)
    own.model.save_pretrained(tmp_path)
    own.tokenizer.save_pretrained(tmp_path)

    subject = subjects.load(str(tmp_path), layer=1)

    assert subject.fingerprint == own.fingerprint
    assert_all_is_plain_pytorch(subject)


def test_a_saved_tokenizer_without_offsets_is_refused(llama, tmp_path):
    """ByT5 has a tokenizer in Python only, which does not say which characters a token covers."""
    llama.model.save_pretrained(tmp_path)
    ByT5Tokenizer().save_pretrained(tmp_path)

    with pytest.raises(NoOffsets, match="which characters each token covers; got ByT5Tokenizer, which does not"):
        subjects.load(str(tmp_path))
