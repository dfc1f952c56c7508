"""Tiny seeded models of every supported shape, the theory's own models, and the tokenizers under test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from hypothesis import settings
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from claims.competition.planted.model import build
from claims.competition.planted.tokenizer import theory_tokenizer
from referee.models import embedded, subjects
from referee.models.small_tokenizer import CHAT_TEMPLATE
from referee.models.subjects import Subject

# Several processes run the tests, and the models are tiny, so more threads would only make them slower.
os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)
settings.register_profile("tests", deadline=None, derandomize=True)
settings.load_profile("tests")

LLAMA_3 = embedded.Wheel(
    project="llama-models",
    version="0.3.0",
    sha256="7f77f78ff13fca09f70d76a376aff6414cd901623fb9d57e69c2f8367a73032f",
    member="llama_models/llama3/tokenizer.model",
    megabytes=7,
)

_MHA = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4}
_MHA |= {"num_hidden_layers": 3, "max_position_embeddings": 128}
_GQA = _MHA | {"num_key_value_heads": 2}
_MIXTURE = {"num_local_experts": 4, "num_experts_per_tok": 2}
# The window is shorter than the prompts, so local layers and global layers have different masks.
_LOCAL_AND_GLOBAL = {"head_dim": 8, "sliding_window": 8}
_LOCAL_AND_GLOBAL |= {"layer_types": ["full_attention", "sliding_attention", "full_attention"]}
_OPT = {"hidden_size": 32, "ffn_dim": 64, "num_attention_heads": 4, "num_hidden_layers": 3}
SHAPES = {
    "Llama": ("LlamaConfig", _GQA),
    "Qwen2": ("Qwen2Config", _GQA),
    "Qwen3": ("Qwen3Config", _GQA | {"head_dim": 8}),
    "Mistral": ("MistralConfig", _GQA),
    "Mixtral": ("MixtralConfig", _GQA | _MIXTURE),
    "Gemma": ("GemmaConfig", _GQA | {"head_dim": 8}),
    "Gemma2": ("Gemma2Config", _GQA | _LOCAL_AND_GLOBAL),
    "Gemma3": ("Gemma3TextConfig", _GQA | _LOCAL_AND_GLOBAL),
    "Phi": ("PhiConfig", _GQA),
    "Phi3": ("Phi3Config", _GQA),
    "OPT": ("OPTConfig", _OPT | {"word_embed_proj_dim": 32, "max_position_embeddings": 128}),
    "GPT2": ("GPT2Config", {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 128}),
    "GPTNeoX": ("GPTNeoXConfig", _MHA),
}
"""The class of the configuration and the sizes of a tiny model of each family that the suite can judge."""


@pytest.fixture(scope="session")
def grouped() -> PreTrainedTokenizerFast:
    """Returns a tokenizer with groups of up to three digits and with a BOS, like Llama 3."""
    return theory_tokenizer(digits_per_token=3)


@pytest.fixture(scope="session")
def single() -> PreTrainedTokenizerFast:
    """Returns a tokenizer with single digits and without a BOS, like SmolLM2."""
    return theory_tokenizer(digits_per_token=1, bos=False)


def built(name: str = "planted", dtype: str = "auto") -> Subject:
    """Returns a planted or random model, at the layer at which the theory studies it."""
    return subjects.load(name, depth=10 / 32, dtype=dtype, builders={"planted": build, "random": build})


def tiny(shape: str, tokenizer: PreTrainedTokenizerFast, *, seed: int = 0) -> Subject:
    """Returns a model of random weights with three layers and four heads."""
    name, sizes = SHAPES[shape]
    ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": None}
    config = getattr(transformers, name)(vocab_size=len(tokenizer), **sizes, **ids)
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    # Freshly initialised heads attend almost evenly. With larger weights, their patterns differ.
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.mul_(6)
    return subjects.assemble(model, tokenizer, name=f"tiny {shape}", layer=1)


@pytest.fixture(scope="session", params=list(SHAPES))
def shaped(request: pytest.FixtureRequest, grouped: PreTrainedTokenizerFast) -> Subject:
    """Returns one tiny subject of each supported shape."""
    return tiny(request.param, grouped)


@pytest.fixture(scope="session")
def llama(grouped: PreTrainedTokenizerFast) -> Subject:
    """Returns the tiny Llama model."""
    return tiny("Llama", grouped)


@pytest.fixture(scope="session")
def llama_folder(llama: Subject, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns the folder of a saved subject, as a user would give it to --model."""
    folder = tmp_path_factory.mktemp("tiny-llama")
    llama.model.save_pretrained(folder)
    llama.tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def llama3_tokenizer() -> PreTrainedTokenizerFast:
    """Returns the tokenizer of Llama 3, from a wheel that contains its vocabulary."""
    from tokenizers import AddedToken, processors
    from transformers.convert_slow_tokenizer import TikTokenConverter

    file = embedded.wheel_file(LLAMA_3)
    backend = TikTokenConverter(vocab_file=str(file)).converted()
    bos = "<|begin_of_text|>"
    special = [bos, "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    backend.add_special_tokens([AddedToken(token, special=True) for token in special])
    backend.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A", special_tokens=[(bos, backend.token_to_id(bos))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=bos,
        eos_token="<|eot_id|>",
        chat_template=CHAT_TEMPLATE,
    )


@pytest.fixture(scope="session")
def smollm2_tokenizer() -> PreTrainedTokenizerFast:
    """Returns the tokenizer of SmolLM2."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(embedded.smollm2())


@pytest.fixture(scope="module")
def service(llama_folder, tmp_path_factory):
    """Returns a stand-in service that hosts the tiny Llama model."""
    from hosting import hub_at, stand_in

    with pytest.MonkeyPatch.context() as patch, stand_in(llama_folder) as running:
        hub_at(running.host, tmp_path_factory.mktemp("hub"), patch)
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Returns a running Chromium. It ends with the module, because its event loop would disturb other tests."""
    from browsing import chromium

    with chromium() as running:
        yield running


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Returns a function that opens a page. The test fails if the page has an error or asks for another file."""
    from browsing import opener

    with opener(browser, tmp_path) as function:
        yield function
