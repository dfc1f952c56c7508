from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest
import torch

from claims.competition.heads import even_heads, odd_heads, require_two_heads
from claims.competition.planted.model import build
from claims.competition.planted.tokenizer import theory_tokenizer
from conftest import built, tiny
from referee.errors import LayerOutOfRange, NoOffsets, NoSuchDevice, TooFewHeads, UnknownModel
from referee.models import pretrained, subjects

BUILDERS = {"planted": build, "random": build}
"""The models that the theory builds."""


def test_a_saved_folder_is_a_subject(llama, llama_folder):
    """A model that is loaded from disk has the same fingerprint and geometry."""
    loaded = subjects.load(str(llama_folder), layer=1)

    assert loaded.fingerprint == llama.fingerprint
    assert (loaded.n_layers, loaded.n_heads, loaded.n_kv_heads) == (3, 4, 2)
    assert (loaded.device.type, loaded.dtype) == ("cpu", "float32")


def test_heads_are_grouped_by_index_and_key_value_head(llama):
    """Four query heads share two key-value heads."""
    assert even_heads(llama) == [0, 2]
    assert odd_heads(llama) == [1, 3]
    assert llama.kv_group_of_head == [0, 0, 1, 1]


def test_one_head_is_too_few_for_the_theory(llama):
    """The theory needs an even head and an odd head."""
    require_two_heads(llama)

    with pytest.raises(TooFewHeads, match=r"must have at least two heads, .*; got 1\. Use a model with more heads"):
        require_two_heads(replace(llama, n_heads=1))


def test_the_layer_of_the_theory_is_ten_of_thirty_two(llama):
    """In a model of another depth it is in proportion: 1 of 3. Without a theory it is the middle layer."""
    assert built("random").layer == 10
    assert subjects.assemble(llama.model, llama.tokenizer, name="x", depth=10 / 32).layer == 1
    assert subjects.assemble(llama.model, llama.tokenizer, name="x", layer=0, depth=10 / 32).layer == 0
    assert subjects.assemble(built("random").model, llama.tokenizer, name="x").layer == 16


def test_fingerprints_distinguish_weights(grouped, llama):
    """Another seed, or one changed weight, gives another fingerprint."""
    other = tiny("Llama", grouped, seed=1)
    changed = tiny("Llama", grouped)
    with torch.no_grad():
        changed.model.model.layers[2].mlp.down_proj.weight[3, 5] += 1e-3

    assert len({llama.fingerprint, other.fingerprint, changed.fingerprint}) == 3


def test_a_fingerprint_depends_on_buffers(llama):
    """The frequencies of the rotary position embedding are no parameters, and they change every pattern."""
    model = deepcopy(llama.model)
    next(model.buffers()).mul_(1.5)

    assert subjects.assemble(model, llama.tokenizer, name="x").fingerprint != llama.fingerprint


def test_a_fingerprint_depends_on_the_chat_template(llama):
    """Prompts depend on the template, and so do results."""
    tokenizer = theory_tokenizer()
    tokenizer.chat_template = "{{ messages[0]['content'] }}"

    assert subjects.assemble(llama.model, tokenizer, name="x").fingerprint != llama.fingerprint


@pytest.mark.parametrize("layer", [-1, 3, 99])
def test_a_layer_that_is_not_there(llama, layer):
    """The message names the layers of the model."""
    with pytest.raises(LayerOutOfRange, match=f"must be 0 to 2; got {layer}. Give --layer another number"):
        subjects.assemble(llama.model, llama.tokenizer, name="tiny", layer=layer)


def test_a_tokenizer_without_offsets(llama):
    """Categories come from characters, so the tokenizer must say which characters a token covers."""

    class Slow:
        is_fast = False

    with pytest.raises(NoOffsets, match="which characters each token covers; got Slow"):
        subjects.assemble(llama.model, Slow(), name="tiny")


def test_a_model_that_is_nowhere(tmp_path):
    """A folder without a model is refused. The message lists the built-in names and the names of the theory."""
    with pytest.raises(UnknownModel, match=r"one of smollm2, llama-3.1-8b, a folder .* got '.*empty'"):
        subjects.load(str(tmp_path / "empty"))
    with pytest.raises(UnknownModel, match=r"one of smollm2, planted, random, llama-3.1-8b, a folder .* got '.*empty'"):
        subjects.load(str(tmp_path / "empty"), builders=BUILDERS)


@pytest.mark.parametrize(("name", "meant"), [("plantd:graded", "planted"), ("smolm2", "smollm2")])
def test_a_misspelt_name_is_not_looked_up_at_the_hub(name, meant, monkeypatch):
    """The message suggests the built-in name at once, without a round of retries."""
    monkeypatch.setattr(pretrained.AutoConfig, "from_pretrained", lambda *_, **__: pytest.fail("looked up"))

    with pytest.raises(UnknownModel, match=rf"got '{name}'\. Did you mean {meant}\?"):
        subjects.load(name, builders=BUILDERS)


def test_a_gpu_that_is_not_there():
    """The error is raised before anything is loaded."""
    name = "cuda:7"
    with pytest.raises(NoSuchDevice, match=f"device of this machine; got '{name}'"):
        subjects.load("smollm2", device=name)


def test_an_unknown_device():
    """A misspelt device raises the same error."""
    with pytest.raises(NoSuchDevice, match="got 'gpu'"):
        subjects.load("smollm2", device="gpu")


@pytest.mark.parametrize("name", ["smollm2", "planted"])
def test_a_revision_of_what_has_none(name):
    """An option that would be ignored is refused."""
    with pytest.raises(UnknownModel, match=f"is for hub repositories; got 'v2' with {name}"):
        subjects.load(name, revision="v2", builders=BUILDERS)
