"""Loads a subject whose weights are on a service: its configuration and its tokenizer, without weights."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import torch
from huggingface_hub import try_to_load_from_cache
from transformers import AutoConfig, AutoModelForCausalLM

from referee.errors import NoReadableAttention, UnknownModel
from referee.models import pretrained, subjects
from referee.models.subjects import MIDDLE, Subject
from referee.remote import blocks
from referee.remote.service import Service


@dataclass(frozen=True, eq=False)
class HostedSubject(Subject):
    """A model that a service hosts. `model` has no weights, so only its configuration and its shapes can be used.

    Attributes:
        asked: the revision that the user asked for, or None.
        host: the address of the service.
        weights: the dtype of the weights on the service.
        versions: the name and the version of Python and of each library on the service.
    """

    asked: str | None = None
    host: str = ""
    weights: str = ""
    versions: tuple[tuple[str, str], ...] = ()

    @property
    def dtype(self) -> str:
        return self.weights

    @property
    def place(self) -> str:
        """Where the model runs: the address of the service."""
        return self.host

    @cached_property
    def fingerprint(self) -> str:
        """The digest of what a result depends on, 32 hexadecimal digits.

        The weights cannot be read. So it depends on the id of the model, its revision, the host, the dtype and the
        versions of the libraries there, and on the configuration and the tokenizer here.
        """
        parts = [self.model.name_or_path, self.asked, self.revision, self.host, self.weights, self.versions]
        config = self.model.config.to_diff_dict()
        parts += [json.dumps(config, sort_keys=True, default=str), self.tokenizer.backend_tokenizer.to_str()]
        parts += [self.tokenizer.chat_template]
        return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:32]


def load(
    name: str, service: Service, *, revision: str | None = None, layer: int | None = None, depth: float = MIDDLE
) -> HostedSubject:
    """Loads the subject with a hub id, or with a built-in name for one, from a service that hosts it.

    `layer` and `depth` are those of `subjects.assemble`. Raises UnknownModel, ForeignCode, LayerOutOfRange, NoOffsets,
    NoReadableAttention, NoAccess, NotHosted, ConnectionLost or RemoteFailure.
    """
    source = subjects.HUB_NAMES.get(name, name)
    if "/" not in source or source[:1] in (".", "/", "~") or Path(source).is_dir():
        raise UnknownModel(
            "--remote needs a model of the hub", repr(name), "Give --model a hub id, such as llama-3.1-8b."
        )
    versions = service.versions()  # fails first when the service cannot be reached
    tokenizer = pretrained.tokenizer(name, source, revision, named=list(subjects.HUB_NAMES))
    config = AutoConfig.from_pretrained(source, revision=revision, trust_remote_code=False)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    usual = model.config._attn_implementation
    local = subjects.assemble(model, tokenizer, name=name, layer=layer, depth=depth)
    model.set_attn_implementation(usual)  # the service runs the function that it runs for everyone
    facts = service.send(blocks.facts, service.wrap(local, revision))
    if facts["layers"] != local.n_layers or facts["shape"] != [1, local.n_heads, 2, 2]:
        raise NoReadableAttention(
            f"{name} must have {local.n_layers} layers with {local.n_heads} heads on the service, as configured",
            f"{facts['layers']} layers, and a pattern of the shape {facts['shape']} for two tokens",
            "Choose another model.",
        )
    return HostedSubject(
        **{field.name: getattr(local, field.name) for field in fields(Subject) if field.name != "revision"},
        revision=_commit(source, revision),
        asked=revision,
        host=service.host,
        weights=facts["dtype"].removeprefix("torch."),
        versions=tuple(versions.items()),
    )


def _commit(source: str, revision: str | None) -> str:
    """Returns the commit whose configuration has been read, from its place in the cache of the hub."""
    file = try_to_load_from_cache(source, "config.json", revision=revision)
    return Path(file).parent.name if isinstance(file, str) else "unknown"
