"""Loads a Subject from a name, a hub id or a path: a causal language model with its tokenizer, in one exact state."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from referee.errors import (
    LayerOutOfRange,
    NoOffsets,
    NoReadableAttention,
    NoSuchDevice,
    PromptTooLong,
    UnknownModel,
    VocabularyTooSmall,
)
from referee.models import embedded, pretrained
from referee.models.devices import DTYPES, default_device, default_dtype
from referee.models.placement import Placement, of_size

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    Builder = Callable[[str], tuple[PreTrainedModel, PreTrainedTokenizerFast]]
    """Builds a model and its tokenizer from a name such as "kind" or "kind:details"."""

EMBEDDED: dict[str, Callable[[], Path]] = {"smollm2": embedded.smollm2}
HUB_NAMES = {"llama-3.1-8b": "meta-llama/Llama-3.1-8B-Instruct"}
MIDDLE = 0.5
"""The depth of the layer of interest, unless a caller gives another one."""
_DEVICES = ("cpu", "cuda", "mps", "xpu")
_IGNORED_CONFIG_KEYS = ("architectures", "dtype", "transformers_version", "_name_or_path")
"""Configuration entries that change when a model is saved, although the model stays the same."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A causal language model with its tokenizer, and the layer in which its heads are studied.

    Attributes:
        name: the name that the user gave.
        revision: the commit on the hub, or "local" for a model without one.
        layer: the index of the layer of interest, from 0.
        n_layers, n_heads, n_kv_heads: how many layers, query heads and key-value heads there are. A key-value group has
            `n_heads // n_kv_heads` query heads.
        float32: whether to compute in float32 if the weights have a shorter dtype.
        fingerprint: the digest of weights, configuration, tokenizer and chat template.
    """

    name: str
    revision: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    layer: int
    n_layers: int
    n_heads: int
    n_kv_heads: int
    float32: bool = False

    def at(self, layer: int) -> Subject:
        """Return the same model with another layer of interest. Raises LayerOutOfRange."""
        _require_layer(self.name, layer, self.n_layers)
        return self._with(layer=layer)

    def in_float32(self) -> Subject:
        """Return the same model, to be computed in float32. Its weights keep their dtype."""
        return self._with(float32=True)

    def _with(self, **changes: Any) -> Subject:
        """Return the same model with other fields. Its fingerprint does not depend on them."""
        changed = replace(self, **changes)
        if "fingerprint" in self.__dict__:
            changed.__dict__["fingerprint"] = self.fingerprint
        return changed

    @property
    def kv_group_of_head(self) -> list[int]:
        """The key-value group of each query head; [head]."""
        return [head * self.n_kv_heads // self.n_heads for head in range(self.n_heads)]

    @property
    def vocabulary_size(self) -> int:
        """The number of tokens with an embedding."""
        return self.model.get_input_embeddings().weight.shape[0]

    @property
    def n_positions(self) -> int | None:
        """The largest number of tokens in a prompt. It is None if the configuration sets no limit."""
        return getattr(self.model.config.get_text_config(), "max_position_embeddings", None)

    @property
    def device(self) -> torch.device:
        """The device of the embedding."""
        return self.model.device

    @property
    def devices(self) -> list[torch.device]:
        """All devices with weights, `device` first. There are several if the model is too large for one GPU."""
        return list(dict.fromkeys(weight.device for weight in self.model.parameters()))

    @property
    def place(self) -> str:
        """Where the model runs, in words."""
        return ", ".join(map(str, self.devices))

    @property
    def dtype(self) -> str:
        """The dtype of the activations."""
        return "float32" if self.float32 else str(self.model.dtype).removeprefix("torch.")

    @property
    def itemsize(self) -> int:
        """The size of one number of the activations, in bytes."""
        return 4 if self.float32 else self.model.dtype.itemsize

    def require_room(self, highest: int, length: int) -> None:
        """Raise VocabularyTooSmall for a token without an embedding, and PromptTooLong for too many tokens.

        `highest` is the largest id of a token in a prompt of `length` tokens.
        """
        if highest >= self.vocabulary_size:
            raise VocabularyTooSmall(
                f"{self.name} must have an embedding for each token of its tokenizer",
                f"token {highest}, but only {self.vocabulary_size} embeddings",
                "Use the tokenizer that the model was trained with.",
            )
        if self.n_positions and length > self.n_positions:
            raise PromptTooLong(
                f"A prompt must fit into the {self.n_positions} positions of {self.name}",
                f"{length} tokens",
                "Use a model with more positions.",
            )

    @cached_property
    def fingerprint(self) -> str:
        """The digest of the subject, 32 hexadecimal digits.

        It depends on every byte of the weights that the model uses. It also depends on the configuration, the
        tokenizer, the chat template, and the BOS and EOS tokens.
        """
        own = self.tokenizer
        config = {k: v for k, v in self.model.config.to_diff_dict().items() if k not in _IGNORED_CONFIG_KEYS}
        parts = [json.dumps(config, sort_keys=True, default=str), own.backend_tokenizer.to_str(), own.chat_template]
        parts += [own.bos_token, own.eos_token, self.model.generation_config.eos_token_id]
        digest = hashlib.sha256("\n".join(map(str, parts)).encode())
        with ThreadPoolExecutor() as pool:  # hashlib releases the interpreter's lock
            for weight in pool.map(_digest, _weights(self.model)):
                digest.update(weight)
        return digest.hexdigest()[:32]


def _weights(model: PreTrainedModel) -> Iterator[tuple[str, Tensor]]:
    """Yield the name and the tensor of every parameter and buffer. A tied weight appears once."""
    yield from model.named_parameters()
    yield from model.named_buffers()


def _digest(named: tuple[str, Tensor]) -> bytes:
    """Return the SHA-256 digest of a tensor's name, shape, dtype and bytes."""
    name, weight = named
    digest = hashlib.sha256(f"{name} {tuple(weight.shape)} {weight.dtype}".encode())
    digest.update(weight.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.digest()


def load(
    name: str = "smollm2",
    *,
    revision: str | None = None,
    layer: int | None = None,
    depth: float = MIDDLE,
    device: str = "auto",
    dtype: str = "auto",
    builders: Mapping[str, Builder] | None = None,
) -> Subject:
    """Load the subject with a built-in name, a hub id or a local folder, ready to be measured.

    The function never runs code that comes with a model, and it never reads pickled weights.

    Args:
        layer, depth: see `assemble`.
        device: "auto" is a GPU if the machine has one, and several if the model does not fit on any of them.
        dtype: "auto" is float32 on a CPU and bfloat16 on a GPU. It is always float32 for a model that is built.
        builders: functions that build models, by the part of the name before a colon.

    Raises UnknownModel, ForeignCode, UnreadableWeights, LayerOutOfRange, NoOffsets, NoReadableAttention or
    NoSuchDevice. For an embedded model it also raises the errors of `embedded`.
    """
    built = builders or {}
    kind = name.partition(":")[0]
    if revision is not None and (kind in (*EMBEDDED, *built) or Path(name).is_dir()):
        raise UnknownModel(
            "--revision is for hub repositories", f"{revision!r} with {name}", "Leave it out; this model has only one."
        )
    where = _device(device)
    precision = DTYPES[default_dtype(where) if dtype == "auto" else dtype]
    if kind in built:
        # These models are small, so a shorter data type would save nothing.
        model, tokenizer = built[kind](name)
        precision = torch.float32 if dtype == "auto" else DTYPES[dtype]
        return assemble(model.to(where, precision), tokenizer, name=name, layer=layer, depth=depth)
    embedded.quiet_unless_watched()
    source = str(EMBEDDED[name]()) if name in EMBEDDED else str(Path(HUB_NAMES.get(name, name)).expanduser())
    tokenizer = pretrained.tokenizer(name, source, revision, named=[*EMBEDDED, *built, *HUB_NAMES])
    placement = Placement(where)
    if device == "auto" and where.type == "cuda" and torch.cuda.device_count() > 1:
        placement = of_size(name, pretrained.bytes_of_weights(name, source, revision, precision))
    model = pretrained.model(name, source, revision, precision, **placement.options)
    subject = assemble(model, tokenizer, name=name, layer=layer, depth=depth)
    if placement.rooms is None:
        _ = subject.fingerprint  # now, because copying the weights back from a GPU takes longer than the digest
    placement.put(name, model)
    return subject


def assemble(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    *,
    name: str,
    layer: int | None = None,
    depth: float = MIDDLE,
) -> Subject:
    """Make a subject from a model and a tokenizer that are in memory.

    The function changes the model itself: it sets evaluation mode, eager attention, eager experts and weights without
    gradients. If the weights change later, the caller must assemble a new subject and measure it in a new session.

    Without `layer`, the layer of interest is at `depth`, a share of the number of layers. Raises LayerOutOfRange,
    NoOffsets or NoReadableAttention.
    """
    config = model.config.get_text_config()
    n_layers, n_heads = _geometry(name, config)
    if layer is None:
        layer = round(depth * n_layers)
    _require_layer(name, layer, n_layers)
    if not getattr(tokenizer, "is_fast", False):
        raise NoOffsets(
            "The tokenizer must report which characters each token covers",
            f"{type(tokenizer).__name__}, which does not",
            "Save the model with a fast tokenizer (tokenizer.json) and give that folder to --model.",
        )
    pretrained.set_eager(model)
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


def _geometry(name: str, config: Any) -> tuple[int, int]:
    """Return the number of layers and the number of query heads. Raises NoReadableAttention."""
    counts = [getattr(config, what, None) for what in ("num_hidden_layers", "num_attention_heads")]
    n_layers, n_heads = (count if isinstance(count, int) else 0 for count in counts)
    if n_layers < 1 or n_heads < 1:
        raise NoReadableAttention(
            f"{name} must have layers with attention heads",
            f"a configuration of type {config.model_type!r} with {n_layers} layers and {n_heads} attention heads",
            "Use a transformer, such as a Llama, Qwen, Mistral, Gemma, GPT-2 or GPT-NeoX model.",
        )
    return n_layers, n_heads


def _require_layer(name: str, layer: int, n_layers: int) -> None:
    if not 0 <= layer < n_layers:
        raise LayerOutOfRange(
            f"A layer of {name} must be 0 to {n_layers - 1}",
            layer,
            "Give --layer another number.",
        )


def _device(name: str) -> torch.device:
    if name == "auto":
        return default_device()
    rule = "--device must name a device of this machine"
    remedy = "Use --device cpu, or leave the option out to take a GPU when there is one."
    try:
        device = torch.device(name)
        if device.type not in _DEVICES or (device.type == "cpu" and device.index):
            raise RuntimeError(f"use one of {', '.join(_DEVICES)}; there is one CPU device")
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as problem:
        raise NoSuchDevice(rule, f"{name!r} ({pretrained.first_line(problem)})", remedy) from problem
    return device
