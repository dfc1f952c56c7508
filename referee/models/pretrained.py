"""Reads the tokenizer and the weights from a folder or a hub repository.

The files may come from unknown people, so this module does not trust them. It runs no code of a model, it opens no
pickle, and it fills in no missing weights. It refuses a model that is damaged or incomplete, or that needs code of its
own.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from referee.errors import ForeignCode, UnknownModel, UnreadableWeights

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

_WHOLE = "The safetensors files must contain exactly the weights of the causal language model in config.json"
_SAVE_AGAIN = "Download the model again, or save it again with save_pretrained()."
_NAMES_IN_MESSAGE = 3
"""The number of weights that a message names. It counts the other weights."""


def tokenizer(name: str, source: str, revision: str | None, *, named: Sequence[str]) -> PreTrainedTokenizerFast:
    """Return the tokenizer of a model. First check that transformers can read the configuration of the model.

    `named` are the built-in names for the error message. Raises UnknownModel, ForeignCode or UnreadableWeights.
    """
    rule = (
        f"--model must be one of {', '.join(named)}, a folder with a saved causal language model and its tokenizer,"
        " or a hub id that can be reached"
    )
    similar = get_close_matches(name.partition(":")[0], named, n=1, cutoff=0.8)
    if similar and name not in named and not Path(source).is_dir():
        raise UnknownModel(rule, repr(name), f"Did you mean {similar[0]}?")
    # A path is never looked up at the hub: its name may be private.
    if name[:1] in (".", "/", "~", "") and not Path(source).is_dir():
        raise UnknownModel(rule, f"{name!r} (no such folder)", "Check the spelling.")
    try:
        # The configuration is the smallest file and is read first. A wrong name then fails after one round of retries
        # instead of three.
        config = AutoConfig.from_pretrained(source, revision=revision, trust_remote_code=False)
        found = AutoTokenizer.from_pretrained(source, revision=revision, trust_remote_code=False)
    except Exception as problem:  # a damaged file can raise any exception
        _refuse_foreign_code(name, problem)
        raise UnknownModel(
            rule,
            f"{name!r} ({first_line(problem)})",
            "Check the spelling and the connection; use `hf auth login` for a gated model; save a damaged one again.",
        ) from problem
    if getattr(config, "transformers_weights", None):
        raise UnreadableWeights(_WHOLE, f"{name!r}, whose config.json names another file of weights", _SAVE_AGAIN)
    return found


def bytes_of_weights(name: str, source: str, revision: str | None, precision: torch.dtype) -> int:
    """Return the size of a model's weights, without reading them. Raises UnreadableWeights."""
    try:
        empty = outline(source, revision)
    except Exception as problem:
        raise UnreadableWeights(_WHOLE, f"{name!r} ({first_line(problem)})", _SAVE_AGAIN) from problem
    return precision.itemsize * sum(tensor.numel() for tensor in (*empty.parameters(), *empty.buffers()))


def model(
    name: str,
    source: str,
    revision: str | None,
    precision: torch.dtype,
    *,
    device: str | None = None,
    max_memory: dict[int, int] | None = None,
) -> PreTrainedModel:
    """Return the model with all its weights. Raises UnreadableWeights or ForeignCode.

    On the device "meta", names and shapes of the weights are checked in the same way, but no weight is read. On the
    device "auto", accelerate spreads the layers over the GPUs. `max_memory` then has the bytes for each GPU.
    """
    # Without this setting, transformers asks a web service to convert a repository without safetensors files, and it
    # loads the converted files.
    os.environ["DISABLE_SAFETENSORS_CONVERSION"] = "1"
    _require_safetensors(name, Path(source))
    before = logging.get_verbosity()
    logging.set_verbosity_error()  # the code below judges the report about the weights
    try:
        loaded, found = AutoModelForCausalLM.from_pretrained(
            source,
            revision=revision,
            dtype=precision,
            attn_implementation="eager",
            trust_remote_code=False,
            use_safetensors=True,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
            device_map=device,
            max_memory=max_memory,
        )
    except Exception as problem:
        _refuse_foreign_code(name, problem)
        raise UnreadableWeights(_WHOLE, f"{name!r} ({first_line(problem)})", _SAVE_AGAIN) from problem
    finally:
        logging.set_verbosity(before)
    # transformers fills missing weights with random numbers, and it ignores weights that the model has no place for.
    wrong = [f"no {key}" for key in sorted(found["missing_keys"])]
    wrong += [f"{key[0]} of another shape" for key in sorted(found["mismatched_keys"])]
    wrong += [f"{key}, for which there is no place" for key in sorted(found["unexpected_keys"])]
    if wrong:
        raise UnreadableWeights(_WHOLE, f"{name!r} with {_first_names(wrong)}", _SAVE_AGAIN)
    return loaded


def set_eager(model: PreTrainedModel) -> None:
    """Let a model compute attention and experts with its own functions.

    The other implementations of experts convert the inputs to the dtype of the weights, also in a pass in float32.
    """
    model.set_attn_implementation("eager")
    with suppress(ValueError):  # the model has no experts, or only one implementation of them
        model.set_experts_implementation("eager")


def outline(source: str, revision: str | None) -> PreTrainedModel:
    """Return the model that a configuration describes, on the device "meta". It has no weights, and none are needed.

    `tokenizer` must have accepted the same source.
    """
    config = AutoConfig.from_pretrained(source, revision=revision, trust_remote_code=False)
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config, attn_implementation="eager", trust_remote_code=False)


def _require_safetensors(name: str, folder: Path) -> None:
    """Raise UnreadableWeights for a folder with pickles instead of safetensors, because a pickle may contain code.

    Also raise it for an index that is damaged, or that names anything but safetensors files in the same folder.
    """
    if not folder.is_dir():
        return
    index = folder / "model.safetensors.index.json"
    try:
        named = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values() if index.exists() else ()
        files = {str(file) for file in named} or {"model.safetensors"}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise UnreadableWeights(_WHOLE, f"{name!r} with a damaged {index.name}", _SAVE_AGAIN) from problem
    for file in sorted(files):
        if Path(file).name != file or not file.endswith(".safetensors"):
            raise UnreadableWeights(_WHOLE, f"{name!r}, whose index names {file!r}", _SAVE_AGAIN)
    pickles = [file.name for file in sorted(folder.glob("*.bin"))]
    if pickles and not any((folder / file).exists() for file in files):
        raise UnreadableWeights(
            _WHOLE, f"{name!r} with {pickles[0]}, a pickle, which may contain code", "Save it with save_pretrained()."
        )


def _refuse_foreign_code(name: str, problem: Exception) -> None:
    if "trust_remote_code" in str(problem):
        raise ForeignCode(
            "The model's architecture must be part of transformers",
            f"{name!r}, which needs Python code of its own",
            "Use a model that loads without trust_remote_code.",
        ) from problem


def _first_names(words: list[str]) -> str:
    more = f" and {len(words) - _NAMES_IN_MESSAGE} more" if len(words) > _NAMES_IN_MESSAGE else ""
    return ", ".join(words[:_NAMES_IN_MESSAGE]) + more


def first_line(problem: BaseException) -> str:
    """Return the first line of an error's text, at most 200 characters. An empty text gives the name of its type."""
    return str(problem).strip().split("\n")[0][:200] or type(problem).__name__
