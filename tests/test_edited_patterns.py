"""Tests of the patterns of edited prompts, of the norms of heads' outputs, and of the edits that take a head out."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
import transformers
from plain_pytorch import recomputed_trial_rows
from token_rows import HALVES, in_halves
from transformers import AutoModelForCausalLM

from referee.attention.edits import Flatten, InHeads, Mask, Replace, Silence, ToFirstKey, edited_pattern
from referee.attention.tracing import Attention
from referee.errors import LayerOutOfRange, NoReadableAttention, SelfCheckFailed
from referee.measuring.requests import Trial, Whole
from referee.measuring.session import Session
from referee.models.subjects import assemble


@pytest.fixture
def subject(llama):
    """Returns the tiny Llama model with the layer of interest 1."""
    return llama


@dataclass(frozen=True)
class LastRow:
    """The measure that returns the last row of each head, [layer, head, key]."""

    def __call__(self, tokens, pattern):
        return pattern[:, :, -1]


def trials_below_layer_2(subject):
    """Returns trials of prompts of two lengths, edited in the layers 0, 1, both or none."""
    prompts = [in_halves(subject, 1), in_halves(subject, 2), in_halves(subject, 3, length=9)]
    donor = in_halves(subject, 4, length=13)
    every = [
        {},
        {0: InHeads(ToFirstKey(), (1, 2))},
        {1: InHeads(Silence(), (0, 3))},
        {0: InHeads(Silence(), (2,)), 1: InHeads(ToFirstKey(), (0, 1))},
        {0: Mask(0.7, HALVES[0]), 1: Replace(donor, 0.5, "right block")},
    ]
    return [Trial(tokens, edits) for edits in every for tokens in prompts]


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_patterns_above_the_edits_are_those_of_plain_pytorch(shaped, layer):
    """One call reads the patterns of unedited trials, and of trials with edits in one layer and in two."""
    trials = trials_below_layer_2(shaped)

    found = Session(shaped.at(layer)).edited_patterns(trials, Whole(), layers=[2])

    for pattern, trial in zip(found, trials, strict=True):
        _, seen = recomputed_trial_rows(shaped, trial)
        torch.testing.assert_close(pattern[0], seen[2], atol=1e-5, rtol=0)
    for i in range(3):
        assert all((found[i] - found[i + 3 * arm]).abs().max() > 1e-3 for arm in range(1, 5))


def test_several_layers_are_read_in_the_order_asked_for(shaped):
    """The layers 2 and 1 are read after an edit of layer 0, and after none."""
    tokens = in_halves(shaped, 1)

    for edits in ({0: InHeads(ToFirstKey(), (1,))}, {}):
        (found,) = Session(shaped).edited_patterns([Trial(tokens, edits)], Whole(), layers=[2, 1])

        _, seen = recomputed_trial_rows(shaped, Trial(tokens, edits))
        torch.testing.assert_close(found, torch.stack([seen[2], seen[1]]), atol=1e-5, rtol=0)


def test_one_pass_reads_a_batch_and_stops_after_the_highest_layer(subject, monkeypatch):
    """Equal trials are read once, prompts enter the edited layer once, and the last layer is not computed."""
    prompts = [in_halves(subject, seed) for seed in (1, 2)]
    trials = [Trial(tokens, {0: InHeads(Silence(), (head,))}) for tokens in prompts for head in range(4)]
    passes = {"read": [], "enter": [], "run": []}
    for name, sizes in passes.items():
        method = getattr(Attention, name)
        monkeypatch.setattr(
            Attention,
            name,
            lambda self, ids, *given, sizes=sizes, method=method, **options: (
                sizes.append(len(ids)) or method(self, ids, *given, **options)
            ),
        )
    last_layer = []
    handle = subject.model.model.layers[2].register_forward_hook(lambda *_: last_layer.append(1))

    Session(subject).edited_patterns([*trials, *trials], LastRow(), layers=[1])

    handle.remove()
    assert passes == {"read": [8], "enter": [2], "run": []}
    assert last_layer == []


@pytest.mark.parametrize("layers", [[1], [0, 2], [2, 1]])
def test_a_layer_that_is_not_above_all_edits_is_refused(subject, monkeypatch, layers):
    """Its pattern would be the edited one, or one that the edits cannot reach."""
    monkeypatch.setattr(Attention, "read", lambda *_, **__: pytest.fail("a forward pass"))
    trials = [Trial(in_halves(subject, 1)), Trial(in_halves(subject, 1), {0: Flatten(), 1: Flatten()})]

    with pytest.raises(ValueError, match=f"above all edited layers; got layer {min(layers)} to read and layer 1 to"):
        Session(subject).edited_patterns(trials, Whole(), layers=layers)


def test_layers_that_do_not_exist_are_refused(subject):
    """This is also true for edited layers, and for no layer at all."""
    session, tokens = Session(subject), in_halves(subject, 1)

    with pytest.raises(LayerOutOfRange, match="must be 0 to 2; got 3"):
        session.edited_patterns([Trial(tokens, {0: Flatten()})], Whole(), layers=[1, 3])
    for layer in (-1, 7):
        with pytest.raises(LayerOutOfRange, match=f"must be 0 to 2; got {layer}"):
            session.edited_patterns([Trial(tokens, {0: Flatten(), layer: Flatten()})], Whole(), layers=[1])
    with pytest.raises(LayerOutOfRange, match="must be 0 to 2; got 3"):
        session.head_norms([tokens], layers=[3])
    with pytest.raises(ValueError, match="At least one layer must be read; got none"):
        session.head_norms([tokens], layers=[])


def head_outputs(subject, tokens, layer, module):
    """Returns the input of W_O, [token, head, size], from a hook in plain PyTorch."""
    seen = []
    (projection,) = [part for name, part in subject.model.named_modules() if name.endswith(f".{layer}.{module}")]
    handle = projection.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.no_grad():
        subject.model(torch.tensor([tokens.ids]))
    handle.remove()
    return seen[0][0].unflatten(-1, (subject.n_heads, -1))


PROJECTIONS = {
    "GPT2": "attn.c_proj",
    "GPTNeoX": "attention.dense",
    "Phi": "self_attn.dense",
    "OPT": "self_attn.out_proj",
}


def test_norms_of_heads_are_those_of_plain_pytorch(shaped):
    """They are means over the tokens of each prompt, in the order of the layers asked for."""
    module = PROJECTIONS.get(shaped.name.split()[-1], "self_attn.o_proj")
    prompts = [in_halves(shaped, 1), in_halves(shaped, 2), in_halves(shaped, 3, length=9)]

    found = Session(shaped).head_norms(prompts, layers=[2, 0])

    for norms, tokens in zip(found, prompts, strict=True):
        for own, layer in zip(norms, (2, 0), strict=True):
            expected = head_outputs(shaped, tokens, layer, module).norm(dim=-1).mean(0)
            torch.testing.assert_close(own, expected, atol=1e-5, rtol=1e-5)


def test_w_o_is_found_under_each_name(grouped):
    """BioGPT has its output projection under another name than Llama, GPT-2 and GPT-NeoX."""
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4, "num_hidden_layers": 3}
    config = transformers.BioGptConfig(vocab_size=len(grouped), max_position_embeddings=128, pad_token_id=0, **sizes)
    torch.manual_seed(0)
    subject = assemble(AutoModelForCausalLM.from_config(config), grouped, name="tiny BioGPT")
    tokens = in_halves(subject, 1)

    (found,) = Session(subject).head_norms([tokens], layers=[1])

    expected = head_outputs(subject, tokens, 1, "self_attn.out_proj").norm(dim=-1).mean(0)
    torch.testing.assert_close(found[0], expected, atol=1e-5, rtol=1e-5)


def test_a_model_without_w_o_is_a_fault(subject, monkeypatch):
    """The message says which names were looked for."""
    monkeypatch.setattr("referee.attention.tracing._PROJECTIONS", ("proj",))

    with pytest.raises(NoReadableAttention, match="must have an output projection; got no module named proj"):
        Session(subject).head_norms([in_halves(subject, 1)], layers=[1])


def test_a_norm_or_a_pattern_that_is_no_number_is_a_fault(subject, monkeypatch):
    """It never counts as a measurement."""
    tokens = in_halves(subject, 1)
    for name, call in {
        "head_outputs": lambda session: session.head_norms([tokens], layers=[1]),
        "read": lambda session: session.edited_patterns([Trial(tokens, {0: Flatten()})], Whole(), layers=[1]),
    }.items():
        method = getattr(Attention, name)
        monkeypatch.setattr(Attention, name, lambda *given, method=method: method(*given).log().mul(torch.inf))
        with pytest.raises(SelfCheckFailed, match="must be finite"):
            call(Session(subject))


# --- edits that take a head out ---------------------------------------------------------------------------------------


def outputs_after(subject, tokens, edit):
    """Returns the outputs of the heads before and after an edit at the layer of interest, [token, head, size]."""
    attention, ids = Attention(subject), torch.tensor([tokens.ids])
    own = attention.read(ids, [subject.layer])[:, 0]
    edited = edited_pattern(edit, tokens, own[0])[None]
    return (attention.head_outputs(ids, [subject.layer], pattern)[0, 0] for pattern in (own, edited))


def test_silence_makes_the_output_of_a_head_zero(shaped):
    """The other heads keep their outputs to the last bit."""
    before, after = outputs_after(shaped, in_halves(shaped, 1), InHeads(Silence(), (1, 3)))

    assert torch.equal(after[:, [1, 3]], torch.zeros_like(after[:, [1, 3]]))
    assert torch.equal(after[:, [0, 2]], before[:, [0, 2]])
    assert before.abs().amax((0, 2)).min() > 1e-3


def test_to_first_key_makes_the_output_of_a_head_constant(shaped):
    """At every position it is the value of the first token, which is the head's own output there."""
    before, after = outputs_after(shaped, in_halves(shaped, 1), InHeads(ToFirstKey(), (0,)))

    torch.testing.assert_close(after[:, 0], before[:1, 0].expand_as(after[:, 0]), atol=1e-6, rtol=0)
    assert torch.equal(after[:, 1:], before[:, 1:])
    assert (after[1:, 0] - before[1:, 0]).abs().max() > 1e-3


def test_edited_rows_by_hand():
    """Every row of every head goes to key 0, or to no key. The pattern that the edit gets does not change."""
    own = torch.rand(2, 3, 3, generator=torch.Generator().manual_seed(0)).tril()
    kept = own.clone()

    first, silent = (edited_pattern(edit, None, own) for edit in (ToFirstKey(), Silence()))

    assert first.tolist() == [[[1.0, 0.0, 0.0]] * 3] * 2
    assert silent.tolist() == [[[0.0, 0.0, 0.0]] * 3] * 2
    assert torch.equal(own, kept)
