"""Tests of `python -m referee doctor MODEL` on tiny models, on faulty ones, and on ones that are not there."""

from __future__ import annotations

import re
from pathlib import Path

import hostile
import pytest
import torch
import transformers
from transformers import AutoModelForCausalLM
from transformers.utils import logging

from conftest import SHAPES
from referee.doctor import model, report
from referee.models import embedded, placement, pretrained

AFTER_LOADING = {"one head", "a small vocabulary", "a short context", "a layer that is not there"}
"""Cases in which a theory or an option refuses a model that can be read."""
REFUSED = {case.name: case for case in hostile.LOADING if case.name not in AFTER_LOADING}


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """Gives each test empty caches, without a hub."""
    monkeypatch.setenv(embedded.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def faults(name: str | Path) -> list[str]:
    """Returns the lines on a model that say that something is missing."""
    return [line.text for line in model.lines(str(name)) if line.missing]


def saved(folder: Path, config: transformers.PretrainedConfig, tokenizer: transformers.PreTrainedTokenizerFast) -> Path:
    """Returns the folder of a saved model with random weights."""
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_a_model_that_can_be_judged(llama, llama_folder, capsys):
    """The report has the number of weights, their size, the structure, and the place of the patterns."""
    code = report.run(str(llama_folder))

    output = capsys.readouterr().out
    count = sum(weight.numel() for weight in llama.model.parameters())
    assert code == 0, output
    assert f"{count / 1e6:.1f} million parameters; complete" in output
    assert f"{count * 4 / 1e6:.1f} MB of weights in float32" in output
    assert "3 layers, 4 heads (an even number), 2 key-value heads" in output
    assert "128 positions" in output
    assert f"{len(llama.tokenizer)} tokens; with offsets; a BOS before each text" in output
    assert "patterns can be read at self_attn.attention_interface_1" in output
    assert output.splitlines()[-1] == "Everything that a run needs is there."


def test_no_weight_is_read(llama_folder, monkeypatch):
    """The weights are on the device "meta", where tensors have no values. Progress bars are as they were before."""
    seen, wrap, bars = [], model.wrap, logging.is_progress_bar_enabled()
    monkeypatch.setattr(model, "wrap", lambda subject: [seen.append(subject), wrap(subject)][1])

    assert faults(llama_folder) == []

    assert {weight.device.type for subject in seen for weight in subject.model.parameters()} == {"meta"}
    assert logging.is_progress_bar_enabled() == bars


@pytest.mark.parametrize("name", REFUSED)
def test_the_doctor_refuses_what_a_run_refuses(name, llama, tmp_path):
    """One line says the same as the error of the run."""
    folder = tmp_path / "model"
    llama.model.save_pretrained(folder)
    llama.tokenizer.save_pretrained(folder)
    REFUSED[name].model(folder)

    (fault,) = faults(folder)

    assert re.search(REFUSED[name].says, fault)


def test_a_bad_template_hides_nothing_else(llama, tmp_path):
    """Only prompts of a chat need the template, so the lines after it are still there."""
    llama.model.save_pretrained(tmp_path)
    llama.tokenizer.save_pretrained(tmp_path)
    REFUSED["a template that fails"].model(tmp_path)

    lines = {line.name: line.missing for line in model.lines(str(tmp_path))}

    assert lines["chat template"]
    assert not lines["attention"]


def test_a_model_without_an_attention_call(grouped, tmp_path):
    """Falcon computes its attention in no function that can be reached, as a run would say."""
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    folder = saved(tmp_path / "falcon", transformers.FalconConfig(vocab_size=len(grouped), **sizes), grouped)

    (fault,) = faults(folder)

    assert "must compute attention patterns in its layers where nnsight can reach them; got FalconForCausalLM" in fault


def test_a_model_with_layers_without_attention(grouped, tmp_path):
    """The kinds of its layers show without the weights, so the refusal is certain."""
    layers = ["full_attention", "conv", "full_attention"]
    sizes = {**SHAPES["Llama"][1], "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": None}
    config = transformers.Lfm2Config(vocab_size=len(grouped), layer_types=layers, **sizes)

    (fault,) = faults(saved(tmp_path, config, grouped))

    assert "got Lfm2ForCausalLM (no Lfm2Attention in layer 1)" in fault


def test_a_model_that_needs_values_to_run(llama, tmp_path):
    """Dynamic rotary embeddings look at the positions. The doctor does not call the model unreadable for that."""
    config = transformers.LlamaConfig(**llama.model.config.to_dict())
    config.rope_parameters = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}
    folder = saved(tmp_path / "dynamic", config, llama.tokenizer)

    lines = list(model.lines(str(folder)))

    assert [line.text for line in lines if line.missing] == []
    assert "cannot be tried without the weights" in lines[-1].text


def test_a_tokenizer_without_a_template_or_a_bos(llama, single, tmp_path):
    """The missing template is no fault, and fewer embeddings than tokens are shown."""
    config = transformers.LlamaConfig(**llama.model.config.to_dict())
    config.vocab_size = len(single) - 1
    folder = saved(tmp_path / "plain", config, single)
    (folder / "chat_template.jinja").unlink()

    texts = {line.name: line.text for line in model.lines(str(folder)) if not line.missing}

    assert texts["chat template"] == "none; claims that need one are left out"
    assert texts["tokenizer"] == (f"{len(single)} tokens, but only {len(single) - 1} embeddings; with offsets; no BOS")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("./nowhere", r"got './nowhere' \(no such folder\)"),
        ("someone/some-model", "got 'someone/some-model', which is in neither, and the hub is not asked"),
        ("not a name", "got 'not a name', which is in neither"),
        ("planted", "A model that a theory builds has no files and needs no check"),
        ("smollm2", "got 'smollm2', which is not in .*cache. The first run .* downloads 93 MB"),
    ],
)
def test_a_model_that_is_nowhere(name, says):
    """One line says where the model is not, and what to do."""
    (fault,) = faults(name)

    assert re.search(says, fault)


def test_a_model_in_the_cache_of_the_hub(llama_folder, tmp_path):
    """It is found by its hub id, without a network."""
    repository = tmp_path / "hub" / "models--someone--tiny"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc")
    (repository / "snapshots").mkdir()
    (repository / "snapshots" / "abc").symlink_to(llama_folder)

    assert faults("someone/tiny") == []


def test_a_model_on_the_hub(llama_folder, monkeypatch):
    """If the hub answers, configuration and tokenizer come from there, and the weights are not checked."""
    tokenizer, outline, folder = pretrained.tokenizer, pretrained.outline, str(llama_folder)
    monkeypatch.setattr(model.network, "ask_hub", lambda: lambda: "answers")
    monkeypatch.setattr(
        pretrained, "tokenizer", lambda name, hub_id, *rest, **named: tokenizer(name, folder, *rest, **named)
    )
    monkeypatch.setattr(pretrained, "outline", lambda hub_id, revision: outline(folder, revision))

    lines = {line.name: line for line in model.lines("someone/tiny")}

    assert [line.text for line in lines.values() if line.missing] == []
    assert lines["files"].text == "someone/tiny"
    assert lines["weights"].text.endswith("million parameters; on the hub, not checked")
    assert "patterns can be read" in lines["attention"].text


def memory(monkeypatch, *, cpu: int, gpu: int | None) -> None:
    """Gives the machine so many free bytes, and a GPU if `gpu` is not None."""
    there = gpu is not None
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: int(there))
    monkeypatch.setattr(model, "free_bytes", lambda device: cpu if device.type == "cpu" else gpu)


def test_a_model_that_is_too_large_for_the_machine(llama, llama_folder, monkeypatch):
    """Without a GPU, float32 weights must fit into the memory of the machine."""
    size = 4 * sum(weight.numel() for weight in llama.model.parameters())

    memory(monkeypatch, cpu=size, gpu=None)
    assert faults(llama_folder) == []
    memory(monkeypatch, cpu=size - 1, gpu=None)
    (fault,) = faults(llama_folder)
    assert "must fit on cpu, and into the memory" in fault
    assert "in float32, 100.0% of the free memory. Use another --device or --dtype." in fault


def test_a_model_that_is_too_large_for_the_gpu(llama, llama_folder, monkeypatch):
    """With a GPU, half as many bytes must fit on it, and the CPU no longer counts as the device of the run."""
    half = 2 * sum(weight.numel() for weight in llama.model.parameters())

    memory(monkeypatch, cpu=half, gpu=half)
    assert faults(llama_folder) == []
    memory(monkeypatch, cpu=10 * half, gpu=half - 1)
    (fault,) = faults(llama_folder)
    assert "must fit on cuda:0" in fault
    memory(monkeypatch, cpu=half - 1, gpu=10 * half)
    (fault,) = faults(llama_folder)
    assert "into the memory of the machine while it is loaded" in fault


@pytest.mark.parametrize(
    ("room", "says"),
    [
        (1.01, "a run without --device puts the weights on cuda:0"),
        (0.51, "a run without --device spreads the weights over 2 GPUs"),
        (0.49, None),
    ],
)
def test_a_machine_with_two_gpus(room, says, llama, llama_folder, monkeypatch):
    """A model that fits on no GPU alone is spread, as a run does it. It is too large only if both have no room."""
    half = 2 * sum(weight.numel() for weight in llama.model.parameters())
    free = int(room * half / placement.WEIGHTS_SHARE)
    memory(monkeypatch, cpu=4 * half, gpu=int(room * half))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda index: (free, free))

    lines = {line.name: line for line in model.lines(str(llama_folder))}

    missing = [line.text for line in lines.values() if line.missing]
    if says:
        assert missing == []
        assert lines["fits on the GPUs"].text == says
    else:
        assert len(missing) == 1
        assert "must fit on all GPUs together" in missing[0]
