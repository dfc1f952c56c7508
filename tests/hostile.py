"""Hostile cases as data: the input of a run, and the one line that the run must print. A new case is one entry."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

from claims.competition.planted.tokenizer import theory_tokenizer

WEIGHTS = "model.safetensors"
RAN = "REFEREE_TEST_RAN"
"""The environment variable that names a file. Code of a model would write this file."""
_EVIL = f"import os\nopen(os.environ[{RAN!r}], 'w').close()\n"


@dataclass(frozen=True)
class Case:
    """A run that must end in one line.

    Attributes:
        says: a regular expression for the line. The run prints it once, and nothing else about the problem.
        options: options of the command line, after those of every case; {model} is the model's folder.
        model: makes the model's folder hostile. Without it, the folder contains a valid model.
        code: the exit code.
    """

    name: str
    says: str
    options: tuple[str, ...] = ("--model={model}",)
    model: Callable[[Path], None] | None = None
    code: int = 1


def edited_json(name: str, **changes: object) -> Callable[[Path], None]:
    """Returns a function that changes entries of a JSON file. The value None removes an entry."""

    def change(folder: Path) -> None:
        entries = json.loads((folder / name).read_text()) | changes
        (folder / name).write_text(json.dumps({k: v for k, v in entries.items() if v is not None}))

    return change


def without(*names: str) -> Callable[[Path], None]:
    """Returns a function that removes weights from the checkpoint."""

    def change(folder: Path) -> None:
        weights = load_file(folder / WEIGHTS)
        save_file({k: v for k, v in weights.items() if k not in names}, folder / WEIGHTS, metadata={"format": "pt"})

    return change


def misshapen(folder: Path) -> None:
    weights = load_file(folder / WEIGHTS)
    weights["model.norm.weight"] = torch.ones(7)
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})


def with_bytes(name: str, make: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).write_bytes(make((folder / name).read_bytes()))

    return change


def pickled(folder: Path) -> None:
    torch.save(load_file(folder / WEIGHTS), folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()


def indexed(file: str) -> Callable[[Path], None]:
    """Returns a function that adds an index, which names another file for all weights."""

    def make(folder: Path) -> None:
        weights = load_file(folder / WEIGHTS)
        torch.save(weights, folder / "pytorch_model.bin")
        (folder / WEIGHTS).rename(folder.parent / "other.safetensors")
        index = {"metadata": {}, "weight_map": dict.fromkeys(weights, file)}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))

    return make


def foreign_code(folder: Path) -> None:
    edited_json("config.json", model_type="foreign", architectures=["Foreign"],
                auto_map={"AutoConfig": "foreign.Config", "AutoModelForCausalLM": "foreign.Model"})(folder)  # fmt: skip
    (folder / "foreign.py").write_text(_EVIL)


def other_sizes(**sizes: int) -> Callable[[Path], None]:
    """Returns a function that replaces the model by one of random weights with other sizes."""

    def make(folder: Path) -> None:
        config = AutoConfig.from_pretrained(folder)
        for name, size in sizes.items():
            setattr(config, name, size)
        AutoModelForCausalLM.from_config(config).save_pretrained(folder)

    return make


def classifier(folder: Path) -> None:
    config = AutoConfig.from_pretrained(folder)
    transformers.LlamaForSequenceClassification(config).save_pretrained(folder)


def mamba(folder: Path) -> None:
    config = transformers.MambaConfig(vocab_size=len(theory_tokenizer()), hidden_size=16, num_hidden_layers=2)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)


def template(text: str) -> Callable[[Path], None]:
    """Returns a function that writes another chat template, and removes the header tokens of Llama 3.

    With these tokens, the suite would not use the template.
    """

    def change(folder: Path) -> None:
        for name in ("tokenizer.json", "tokenizer_config.json"):
            with_bytes(name, lambda content: content.replace(b"<|start_header_id|>", b"<|begin_header|>"))(folder)
        (folder / "chat_template.jinja").write_text(text)

    return change


def code(*names: str, ini: str | None = None) -> Callable[[Path], None]:
    """Returns a function that writes files which pytest would run if it took the folder for a folder of tests.

    `ini` is the text of a pytest.ini in the folder.
    """

    def make(folder: Path) -> None:
        for name in names:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(_EVIL)
        if ini is not None:
            (folder / "pytest.ini").write_text(f"[pytest]\n{ini}\n")

    return make


WHOLE = "The safetensors files must contain exactly the weights of the causal language model in config.json"
JUDGED = ("--model={model}", "-k", "headline2")
"""The options of a run with one claim. One claim is enough if the fault comes after loading."""

OF_COMPETITION = ("--model={model}", "-k", "competition")
"""The options of a run in which the prompts of one theory meet the fault."""

LOADING = (
    Case("no unembedding", f"{WHOLE}; got '.*' with no lm_head.weight", model=without("lm_head.weight")),
    Case("a classifier", f"{WHOLE}; got '.*' with no lm_head.weight", model=classifier),
    Case("a weight missing", f"{WHOLE}; .* with no model.layers.1.mlp.up_proj.weight",
         model=without("model.layers.1.mlp.up_proj.weight")),
    Case("more layers than weights", f"{WHOLE}; .* with no model.layers.3.input_layernorm.weight, .* and 15 more",
         model=edited_json("config.json", num_hidden_layers=5)),
    Case("misshapen weights", f"{WHOLE}; .* with model.norm.weight of another shape", model=misshapen),
    Case("truncated weights", WHOLE, model=with_bytes(WEIGHTS, lambda content: content[:-1000])),
    Case("garbage for weights", WHOLE, model=with_bytes(WEIGHTS, lambda content: b"\x07" * 5000)),
    Case("fewer layers than weights", f"{WHOLE}; .* with model.layers.2.* for which there is no place",
         model=edited_json("config.json", num_hidden_layers=2)),
    Case("pickled weights", f"{WHOLE}; .* with pytorch_model.bin, a pickle", model=pickled),
    Case("an index of pickles", f"{WHOLE}; .* index names 'pytorch_model.bin'", model=indexed("pytorch_model.bin")),
    Case("an index that leads elsewhere", f"{WHOLE}; .* index names '../other.safetensors'",
         model=indexed("../other.safetensors")),
    Case("weights by another name", f"{WHOLE}; .* names another file of weights",
         model=edited_json("config.json", transformers_weights="adapter_model.bin")),
    Case("garbage for a configuration", "--model must be one of", model=with_bytes("config.json", lambda _: b"{,")),
    Case("garbage for a tokenizer", "--model must be one of", model=with_bytes("tokenizer.json", lambda _: b"[]")),
    Case("code of its own", "must be part of transformers; .* needs Python code of its own", model=foreign_code),
    Case("Mamba", "got a configuration of type 'mamba' with 2 layers and 0 attention heads", model=mamba),
    Case("one head", "must have at least two heads, so that even and odd ones can be compared; got 1", OF_COMPETITION,
         model=other_sizes(num_attention_heads=1, num_key_value_heads=1)),
    Case("a small vocabulary", "an embedding for each token of its tokenizer; got token .*, but only 20 embeddings",
         OF_COMPETITION, model=other_sizes(vocab_size=20)),
    Case("a short context", "A prompt must fit into the 16 positions of .*; got 22 tokens", OF_COMPETITION,
         model=edited_json("config.json", max_position_embeddings=16)),
    Case("a template that fails", "must contain the user's message exactly once; got TemplateError: no", JUDGED,
         model=template("{{ raise_exception('no') }}")),
    Case("a template that loses the question", "must contain the user's message exactly once; got 'Hello' for", JUDGED,
         model=template("Hello")),
    Case("a layer that is not there", "must be 0 to 2; got 3", ("--model={model}", "--layer=3")),
)  # fmt: skip

OPTIONS = (
    Case("a negative seed", "--seed must be 0 to 4294967295; got -5", ("--model=planted", "--seed=-5"), code=4),
    Case("a device without numbers", "--device must name a device of this machine; got 'meta'",
         ("--model=planted", "--device=meta")),
    Case("a second CPU", "--device must name a device of this machine; got 'cpu:5'",
         ("--model=planted", "--device=cpu:5")),
    Case("a planted layer that is not there", "layer must be a whole number from 1 to 4; got 'layer=99'",
         ("--model=planted:layer=99",)),
    Case("a negative count", "heads must be a whole number from 1 to 16; got 'heads=-5'",
         ("--model=planted:heads=-5",)),
    Case("no number", "sink must be a number from 0 to 1e.06; got 'sink=nan'", ("--model=planted:sink=nan",)),
    Case("a dial that is none", "A dial of a planted model must be one of threshold, .*; got 'foo=1'",
         ("--model=planted:foo=1",)),
    Case("a seed that is none", "The seed of a random model must be a whole number, 0 or above; got 'foo'",
         ("--model=random:foo",)),
    Case("no terminal", "terminal plugin must be active, because it shows the verdicts",
         ("--model=planted", "-pno:terminal"), code=4),
    Case("several processes", "The claims must run in one process", ("--model=planted", "-n2"), code=4),
    Case("a folder that is not there", "--model must be one of .*; got './nowhere' .no such folder.",
         ("--model=./nowhere",)),
    Case("a user that is not there", "--report must lead to a folder",
         ("--model=planted", "--report=~nobody9/x"), code=4),
    Case("the current folder", "must not name the current folder", ("--model=planted", "--report=."), code=4),
    Case("a report below a file", "The report folder must be writable; got",
         ("--model=planted", "--report={model}/config.json/r"), code=4),
    Case("a report in a file", "which contains no files: it is a file itself",
         ("--model=planted", "--report={model}/config.json"), code=4),
    Case("a report in a folder of something else", "an unchanged report; got .* contains chat_template.jinja",
         ("--model=planted", "--report={model}"), code=4),
    Case("a name that is too long", "The report folder must be writable; got .*too long",
         ("--model=planted", "--report={model}/" + 300 * "n"), code=4),
)  # fmt: skip

AFTER = ("--collect-only", "-q", "claims/", "--model", "{model}")
BEFORE = ("--collect-only", "-q", "--model", "{model}", "claims/")
"""In this order, pytest itself takes the value of --model for a test path."""
OUR_OWN = "with the suite's own pytest configuration; got .*pytest.ini"
CODE = (
    Case("conftest.py", "1.1a", AFTER, code("conftest.py"), code=0),
    Case("tests/conftest.py", "1.1a", AFTER, code("tests/conftest.py"), code=0),
    Case("before the claims", "1.1a", BEFORE, code("conftest.py", "tests/conftest.py", "test_x.py"), code=0),
    Case("pytest.ini", OUR_OWN, BEFORE, code("conftest.py", ini=""), code=4),
    Case("pytest.ini with a path", OUR_OWN, BEFORE, code("conftest.py", "evil.py", ini="pythonpath = ."), code=4),
)
