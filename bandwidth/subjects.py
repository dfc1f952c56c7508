"""A name, hub id or path → Subject: a causal language model with its tokenizer, at one exact state."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from bandwidth import belongings, embedded, memory, planted, products
from bandwidth.errors import LayerOutOfRange, NoOffsets, NoSuchDevice, UnknownModel

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

EMBEDDED: dict[str, Callable[[], Path]] = {"smollm2": embedded.smollm2}
PLANTED = ("planted", "random")
HUB_NAMES = {"llama-3.1-8b": "meta-llama/Llama-3.1-8B-Instruct"}
_BITS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_OF_THE_MODEL = ("fingerprint", "idle_layers")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True, eq=False)
class Subject:
    """A causal language model with its tokenizer, and the layer in which its heads are studied.

    Attributes:
        name: what the user called it.
        revision: the hub's commit, or "local" where there is none.
        layer: index of the layer of interest, from 0.
        n_layers, n_heads, n_kv_heads: geometry; a key-value group is `n_heads // n_kv_heads` query heads.
        fingerprint: digest of weights, configuration, tokenizer and chat template.
    """

    name: str
    revision: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    layer: int
    n_layers: int
    n_heads: int
    n_kv_heads: int

    def at(self, layer: int) -> Subject:
        """The same model with another layer of interest. Raises LayerOutOfRange."""
        _require_layer(self.name, layer, self.n_layers)
        moved = replace(self, layer=layer)
        # What is known of the model is true of it at any layer.
        moved.__dict__.update({name: self.__dict__[name] for name in _OF_THE_MODEL if name in self.__dict__})
        return moved

    @property
    def even_heads(self) -> list[int]:
        return list(range(0, self.n_heads, 2))

    @property
    def odd_heads(self) -> list[int]:
        return list(range(1, self.n_heads, 2))

    @property
    def kv_group_of_head(self) -> list[int]:
        """The key-value group of each query head, [head]."""
        return [head * self.n_kv_heads // self.n_heads for head in range(self.n_heads)]

    @cached_property
    def idle_layers(self) -> frozenset[int]:
        """Layers of a Llama-shaped model that add nothing, all their output weights being zero.

        A model made by hand has many; leaving them out changes no number. Of other models none is known.
        """
        if type(self.model).__name__ != "LlamaForCausalLM":
            return frozenset()
        outputs = [(layer.self_attn.o_proj, layer.mlp.down_proj) for layer in self.model.model.layers]
        return frozenset(k for k, both in enumerate(outputs) if not any(p.any() for m in both for p in m.parameters()))

    @property
    def device(self) -> torch.device:
        return self.model.device

    @property
    def dtype(self) -> str:
        return str(self.model.dtype).removeprefix("torch.")

    @cached_property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(self.model.config.to_json_string().encode())
        for name, weight in self.model.state_dict().items():
            digest.update(f"{name} {tuple(weight.shape)} {weight.dtype}".encode())
            # The sum of the bits as integers is exact in any order, on any device, and notices a change anywhere;
            # the sample notices a permutation that keeps the sum.
            bits = weight.view(_BITS[weight.element_size()]).sum(dtype=torch.int64).item()
            digest.update(str(bits).encode())
            sample = weight.flatten()[:: max(1, weight.numel() // 4096)]
            digest.update(sample.float().cpu().contiguous().numpy().tobytes())
        digest.update(self.tokenizer.backend_tokenizer.to_str().encode())
        digest.update(str(self.tokenizer.chat_template).encode())
        return digest.hexdigest()[:16]


def load(
    name: str = "smollm2",
    *,
    revision: str | None = None,
    layer: int | None = None,
    device: str = "auto",
    dtype: str = "auto",
) -> Subject:
    """The subject of a built-in name, a hub id or a local folder, ready to be measured.

    `device` "auto" takes a GPU when there is one; `dtype` "auto" is float32 on a CPU and bfloat16 on
    a GPU. Raises UnknownModel, LayerOutOfRange, NoOffsets, NoSuchDevice, or what `embedded` raises.
    """
    if revision is not None and (name.partition(":")[0] in (*EMBEDDED, *PLANTED) or Path(name).is_dir()):
        raise UnknownModel(
            "--revision is for hub repositories", f"{revision!r} with {name}", "Leave it out; this model has only one."
        )
    where = _device(device)
    precision = DTYPES["float32" if where.type == "cpu" else "bfloat16"] if dtype == "auto" else DTYPES[dtype]
    if name.partition(":")[0] in PLANTED:
        # Hand-set weights need the precision that they were calculated for.
        model, tokenizer = planted.build(name)
        precision = torch.float32 if dtype == "auto" else DTYPES[dtype]
        return assemble(model.to(where, precision), tokenizer, name=name, layer=layer)
    embedded.quiet_unless_watched()
    source = str(EMBEDDED[name]()) if name in EMBEDDED else HUB_NAMES.get(name, name)
    try:
        # The smallest file first: a name that leads nowhere is told after one round of retries, not after three.
        AutoConfig.from_pretrained(source, revision=revision)
        tokenizer = AutoTokenizer.from_pretrained(source, revision=revision)
        model = AutoModelForCausalLM.from_pretrained(
            source, revision=revision, dtype=precision, attn_implementation="eager"
        )
    except (OSError, ValueError, ImportError, KeyError) as problem:
        raise UnknownModel(
            f"--model must be one of {', '.join([*EMBEDDED, *PLANTED, *HUB_NAMES])}, a folder with a saved causal"
            " language model, or a hub id that can be reached",
            f"{name!r} ({_first_line(problem)})",
            "Check the spelling, the connection, and `hf auth login` for a gated model.",
        ) from problem
    try:
        model = model.to(where)
    except torch.OutOfMemoryError as problem:
        raise NoSuchDevice(
            f"{name} must fit on {where}", _first_line(problem), "Use another --device or --dtype."
        ) from problem
    return assemble(model, tokenizer, name=name, layer=layer)


def assemble(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, *, name: str, layer: int | None = None
) -> Subject:
    """A subject of a model and a tokenizer that are in memory.

    The model itself is made ready: evaluation, eager attention, weights without gradients, quick products. Once its
    weights are others, it is assembled anew: of an earlier subject, what was computed before stays known.

    Raises LayerOutOfRange or NoOffsets.
    """
    config = model.config.get_text_config()
    n_layers, n_heads = config.num_hidden_layers, config.num_attention_heads
    if layer is None:
        layer = round(10 / 32 * n_layers)
    _require_layer(name, layer, n_layers)
    if not getattr(tokenizer, "is_fast", False):
        raise NoOffsets(
            "The tokenizer must report which characters each token covers",
            f"{type(tokenizer).__name__}, which does not",
            "Save the model with a fast tokenizer (tokenizer.json) and give that folder to --model.",
        )
    memory.keep_freed()
    belongings.forget(model, "entered", "tail")
    model.set_attn_implementation("eager")
    products.quicken(model)
    return Subject(
        name=name,
        revision=getattr(model.config, "_commit_hash", None) or "local",
        model=model.eval().requires_grad_(False),
        tokenizer=tokenizer,
        layer=layer,
        n_layers=n_layers,
        n_heads=n_heads,
        n_kv_heads=getattr(config, "num_key_value_heads", None) or n_heads,
    )


def _require_layer(name: str, layer: int, n_layers: int) -> None:
    if not 0 <= layer < n_layers:
        raise LayerOutOfRange(
            f"The layer of interest of {name} must be 0 to {n_layers - 1}",
            layer,
            "Give --layer another number.",
        )


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    rule = "--device must name a device of this machine"
    remedy = "Use --device cpu, or leave the option out to take a GPU when there is one."
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as problem:
        raise NoSuchDevice(rule, f"{name!r} ({_first_line(problem)})", remedy) from problem
    return device


def _first_line(problem: BaseException) -> str:
    return str(problem).strip().split("\n")[0][:200] or type(problem).__name__
