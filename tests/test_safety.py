"""Hostile input gives one line and no verdict, and no code of a model runs (docs/security.md)."""

from __future__ import annotations

import io
import os
import re
import shutil

import pytest
import torch
from hostile import CODE, LOADING, OPTIONS, RAN, Case
from runs import ROOT, Run, process, run
from transformers import LlamaConfig, LlamaForCausalLM, dynamic_module_utils

from conftest import tiny
from referee.attention import wrapping
from referee.attention.tracing import Attention
from referee.models import subjects


def says_one_line(done: Run, case: Case) -> None:
    """Checks that a run prints the line once, and nothing that looks like a traceback."""
    assert done.code == case.code, done.output
    assert len(re.findall(case.says, done.output)) == 1, done.output
    assert not re.search(r"Traceback|INTERNALERROR|^E  |\.py:\d+: ", done.output, re.MULTILINE), done.output


@pytest.fixture
def model(llama_folder, tmp_path):
    """Returns the folder of a valid model, which a test makes hostile."""
    shutil.copytree(llama_folder, tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("case", [*LOADING, *OPTIONS], ids=lambda case: case.name)
def test_one_line_and_no_verdict(case, model, tmp_path, monkeypatch):
    """The run prints one line once. No code of the model runs, even if the user answers yes to every question."""
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 9))
    monkeypatch.setenv(RAN, str(tmp_path / "ran"))
    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    if case.model:
        case.model(model)

    done = run(f"--report={tmp_path / 'report'}", "-s", *(option.format(model=model) for option in case.options))

    says_one_line(done, case)
    assert not re.search("SUPPORTED|REFUTED", done.output)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("case", CODE, ids=lambda case: case.name)
def test_no_code_of_a_model_folder_runs(case, model, tmp_path):
    """pytest does not take the value of an option for a test path, or a model's configuration for its own."""
    case.model(model)

    done = process(*(option.format(model=model) for option in case.options), env={RAN: str(tmp_path / "ran")})

    assert done.code == case.code, done.output
    assert re.search(case.says, done.output)
    assert not (tmp_path / "ran").exists()


def test_fingerprints_depend_on_every_byte(llama, grouped):
    """Another bit in any tensor gives another fingerprint, and so does another column in a model of size 4096."""
    changed = tiny("Llama", grouped)
    seen = {llama.fingerprint}
    for weight in changed.model.parameters():
        place = weight.view(torch.int32).flatten()
        place[-2] ^= 1
        seen.add(subjects.assemble(changed.model, grouped, name="x").fingerprint)
        place[-2] ^= 1
    assert len(seen) == 1 + len(list(changed.model.parameters()))

    sizes = {"hidden_size": 4096, "head_dim": 16, "num_attention_heads": 256, "num_key_value_heads": 1}
    config = LlamaConfig(vocab_size=len(grouped), intermediate_size=8, num_hidden_layers=1, **sizes)
    with torch.device("meta"):
        wide = LlamaForCausalLM(config)
    wide = wide.to_empty(device="cpu")
    with torch.no_grad():
        for weight in wide.parameters():
            weight.zero_()
    output, seen = wide.model.layers[0].self_attn.o_proj.weight, set()
    for column in (7, 8):
        with torch.no_grad():
            output.zero_()[5, column] = 1
        seen.add(subjects.assemble(wide, grouped, name="wide").fingerprint)
    assert len(seen) == 2


def test_no_service_is_asked_to_convert_a_model(llama_folder, monkeypatch):
    """transformers reads this variable before it sends the name of a repository to such a service."""
    monkeypatch.delenv("DISABLE_SAFETENSORS_CONVERSION", raising=False)

    subjects.load(str(llama_folder))

    assert os.environ["DISABLE_SAFETENSORS_CONVERSION"] == "1"


def test_a_model_stays_on_the_device_that_was_asked_for(grouped, monkeypatch):
    """Without a device, the pipeline inside nnsight would move the model to the first GPU."""
    asked = []

    class Seen(Exception):
        pass

    def wrapped(model, **options):
        asked.append(options.get("device"))
        raise Seen

    monkeypatch.setattr(wrapping, "TransformersModel", wrapped)
    for device in ("cpu", "meta"):
        subject = tiny("Llama", grouped)
        subject.model.to(device)
        with pytest.raises(Seen):
            Attention(subject)
    spread = tiny("Llama", grouped)
    spread.model.hf_device_map = {"": 0}
    with pytest.raises(Seen):
        Attention(spread)

    assert asked == [torch.device("cpu"), torch.device("meta"), None]


@pytest.fixture
def clone(tmp_path):
    """Returns the folder of a copy of the suite, inside a project that has its own pytest configuration."""
    for name in ("referee", "claims", "fixtures", "reports"):
        shutil.copytree(ROOT / name, tmp_path / "clone" / name, ignore=shutil.ignore_patterns("__pycache__", "latest"))
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / "clone" / name)
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n")
    (tmp_path / "out").mkdir()
    return tmp_path / "clone"


def test_a_clone_inside_another_project(clone):
    """It uses its own configuration and reports folder. It refuses the configuration of the other project."""
    settings = {"cwd": clone.parent, "env": {"PYTHONPATH": str(clone)}}
    own = process("clone/claims", "--model=planted:layer=99", "-k", "headline2", **settings)
    mistaken = process("--report", "out", "clone/claims", "--collect-only", **settings)
    not_installed = process("clone/claims", "--collect-only", cwd=clone.parent)

    assert f"report: {clone}/reports/latest/index.html" in own.output
    assert (mistaken.code, "with the suite's own pytest configuration; got" in mistaken.output) == (4, True), (
        mistaken.output
    )
    assert (not_installed.code, "must be installed from the folder" in not_installed.output) == (4, True)
