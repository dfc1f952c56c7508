from __future__ import annotations

import pytest
import torch

from conftest import tiny
from referee.errors import LayerOutOfRange, NoOffsets, NoSuchDevice, UnknownModel
from referee.models import subjects


def test_a_saved_folder_is_a_subject(llama, llama_folder):
    """Loaded from disk it is the same model: same fingerprint, geometry and patterns."""
    loaded = subjects.load(str(llama_folder), layer=1)

    assert loaded.fingerprint == llama.fingerprint
    assert (loaded.n_layers, loaded.n_heads, loaded.n_kv_heads) == (3, 4, 2)
    assert (loaded.device.type, loaded.dtype) == ("cpu", "float32")


def test_heads_are_grouped_by_index_and_key_value_head(llama):
    """Four query heads share two key-value heads."""
    assert llama.even_heads == [0, 2]
    assert llama.odd_heads == [1, 3]
    assert llama.kv_group_of_head == [0, 0, 1, 1]


def test_the_default_layer_is_ten_of_thirty_two(llama):
    """Elsewhere in proportion: 1 of 3."""
    assert subjects.assemble(llama.model, llama.tokenizer, name="x").layer == 1


def test_fingerprints_tell_weights_apart(grouped, llama):
    """Another seed, or one changed weight, is another subject."""
    other = tiny("Llama", grouped, seed=1)
    changed = tiny("Llama", grouped)
    with torch.no_grad():
        changed.model.model.layers[2].mlp.down_proj.weight[3, 5] += 1e-3

    assert len({llama.fingerprint, other.fingerprint, changed.fingerprint}) == 3


def test_a_fingerprint_knows_the_chat_template(grouped, llama):
    """Prompts depend on it, so results do."""
    from referee.models.small_tokenizer import small_tokenizer

    tokenizer = small_tokenizer()
    tokenizer.chat_template = "{{ messages[0]['content'] }}"

    assert subjects.assemble(llama.model, tokenizer, name="x").fingerprint != llama.fingerprint


@pytest.mark.parametrize("layer", [-1, 3, 99])
def test_a_layer_that_is_not_there(llama, layer):
    """The rule names the layers there are."""
    with pytest.raises(LayerOutOfRange, match=f"must be 0 to 2; got {layer}. Give --layer another number"):
        subjects.assemble(llama.model, llama.tokenizer, name="tiny", layer=layer)


def test_a_tokenizer_without_offsets(llama):
    """Labels come from characters, so a token must say which it covers."""

    class Slow:
        is_fast = False

    with pytest.raises(NoOffsets, match="which characters each token covers; got Slow"):
        subjects.assemble(llama.model, Slow(), name="tiny")


def test_a_model_that_is_nowhere(tmp_path):
    """A folder without a model is not one; the built-in names are listed."""
    with pytest.raises(UnknownModel, match=r"one of smollm2, planted, random, llama-3.1-8b, a folder .* got '.*empty'"):
        subjects.load(str(tmp_path / "empty"))


def test_a_gpu_that_is_not_there():
    """Said before anything is loaded."""
    name = "cuda:7"
    with pytest.raises(NoSuchDevice, match=f"device of this machine; got '{name}'"):
        subjects.load("smollm2", device=name)


def test_an_unknown_device():
    """A misspelt device is told the same way."""
    with pytest.raises(NoSuchDevice, match="got 'gpu'"):
        subjects.load("smollm2", device="gpu")


@pytest.mark.parametrize("name", ["smollm2", "planted"])
def test_a_revision_of_what_has_none(name):
    """An option that would be ignored is refused."""
    with pytest.raises(UnknownModel, match=f"is for hub repositories; got 'v2' with {name}"):
        subjects.load(name, revision="v2")
