"""A folder or a hub repository → tokenizer and weights; what is damaged, incomplete or brings code is refused.

What comes from strangers is read with care: no code of a model runs, no pickle is opened, and nothing is filled in.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from bandwidth.errors import ForeignCode, UnknownModel, UnreadableWeights

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

_WHOLE = "The safetensors files must contain exactly the weights of the causal language model in config.json"
_SAVE_AGAIN = "Download the model again, or save it again with save_pretrained()."
_NAMES_IN_MESSAGE = 3
"""A message names so many weights, and counts the others."""


def tokenizer(name: str, source: str, revision: str | None, *, named: Sequence[str]) -> PreTrainedTokenizerFast:
    """The tokenizer of a model whose configuration transformers can read.

    `named` are the models that have names of their own, for the message. Raises UnknownModel, ForeignCode or
    UnreadableWeights.
    """
    try:
        # The smallest file first: a name that leads nowhere fails after one round of retries, not after three.
        config = AutoConfig.from_pretrained(source, revision=revision, trust_remote_code=False)
        found = AutoTokenizer.from_pretrained(source, revision=revision, trust_remote_code=False)
    except Exception as problem:  # a damaged file can raise any exception
        _refuse_foreign_code(name, problem)
        raise UnknownModel(
            f"--model must be one of {', '.join(named)}, a folder with a saved causal"
            " language model and its tokenizer, or a hub id that can be reached",
            f"{name!r} ({first_line(problem)})",
            "Check the spelling and the connection; use `hf auth login` for a gated model; save a damaged one again.",
        ) from problem
    if getattr(config, "transformers_weights", None):
        raise UnreadableWeights(_WHOLE, f"{name!r}, whose config.json names another file of weights", _SAVE_AGAIN)
    return found


def model(name: str, source: str, revision: str | None, precision: torch.dtype) -> PreTrainedModel:
    """The model with all its weights; raises UnreadableWeights or ForeignCode."""
    # Otherwise transformers asks a service to convert a repository without safetensors files, and loads the answer.
    os.environ["DISABLE_SAFETENSORS_CONVERSION"] = "1"
    _require_safetensors(name, Path(source))
    before = logging.get_verbosity()
    logging.set_verbosity_error()  # what transformers reports about weights is judged below
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
        )
    except Exception as problem:
        _refuse_foreign_code(name, problem)
        raise UnreadableWeights(_WHOLE, f"{name!r} ({first_line(problem)})", _SAVE_AGAIN) from problem
    finally:
        logging.set_verbosity(before)
    # transformers fills what a checkpoint lacks with random numbers, and leaves out what the model has no place for.
    wrong = [f"no {key}" for key in sorted(found["missing_keys"])]
    wrong += [f"{key[0]} of another shape" for key in sorted(found["mismatched_keys"])]
    wrong += [f"{key}, for which there is no place" for key in sorted(found["unexpected_keys"])]
    if wrong:
        raise UnreadableWeights(_WHOLE, f"{name!r} with {_first_names(wrong)}", _SAVE_AGAIN)
    return loaded


def _require_safetensors(name: str, folder: Path) -> None:
    """Raises UnreadableWeights for a folder of pickles: a pickle may contain code."""
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
    """The first line of an error's text, for a message of one line."""
    return str(problem).strip().split("\n")[0][:200] or type(problem).__name__
