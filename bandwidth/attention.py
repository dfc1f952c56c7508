"""Reads and writes attention patterns of whole batches. The only module that knows nnsight.

Under eager attention, transformers multiplies the values by what comes out of the dropout that follows
the softmax; in evaluation that is the pattern itself. nnsight reaches this operation inside the attention
function by its name, which differs between versions of transformers and is therefore looked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from nnsight import TransformersModel
from torch import Tensor

from bandwidth.errors import NoReadableAttention, PromptTooLong, VocabularyTooSmall
from bandwidth.kv_cache import Keys, cache_of, held_in, rows_of
from bandwidth.subjects import Subject

_ATTENTION_MODULES = ("self_attn", "attn", "attention")
_PROJECTIONS = ("o_proj", "c_proj", "dense")
_ATTENTION_CALLS = ("attention_interface_1", "attention_interface_0")
_PATTERN_OPERATION = "nn_functional_dropout_0"


@dataclass(frozen=True)
class Readout:
    """What a forward pass left behind at its last position.

    Attributes:
        final: the normalised residual stream, of which the unembedding makes logits; [trial, size].
        output_norm: length of the residual stream after the layer of interest, [trial].
    """

    final: Tensor
    output_norm: Tensor

    @classmethod
    def joined(cls, parts: Sequence[Readout]) -> Readout:
        """Parts of a batch, in order."""
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in ("final", "output_norm")))


class Attention:
    """A subject's attention, readable at every layer and writable at the layer of interest.

    All prompts of one call have the same number of tokens; shorter ones can be filled up at the end, where nothing
    that is theirs looks. Raises NoReadableAttention when the model has no such place.
    """

    def __init__(self, subject: Subject, wrapped: Wrapped | None = None) -> None:
        """`wrapped` is the model as nnsight sees it, where it is known already; see `wrap`."""
        self.subject = subject
        self._wrapped = wrapped or wrap(subject)

    def read(self, ids: Tensor, layers: Sequence[int]) -> Tensor:
        """Patterns, [prompt, layer, head, query, key], of prompts [prompt, token]; stops after the last layer."""
        held: list[Tensor] = []
        with torch.no_grad(), self._trace(ids) as tracer:
            for layer in layers:
                held.append(self._wrapped.site(layer).output.clone().save())
            tracer.stop()
        return torch.stack(held, dim=1)

    def enter(self, ids: Tensor, before: Keys | None = None, *, keep: bool = False) -> tuple[Tensor, Tensor, Keys]:
        """What the layer of interest is given: the residual stream, the pattern and, to `keep`, keys up to this layer.

        [prompt, row, size] and [prompt, head, row, key] of prompts [prompt, token]. With `before`, keys of all layers
        up to this one, the first rows are neither computed nor returned.
        """
        layer, start = self.subject.layer, rows_of(before)
        cache = cache_of(before or {}) if keep or before else None
        with torch.no_grad(), self._trace(ids[:, start:], past_key_values=cache) as tracer:
            hidden = self._wrapped.layers[layer].input.clone().save()
            pattern = self._wrapped.site(layer).output.clone().save()
            tracer.stop()
        return hidden, pattern, held_in(cache, range(layer + 1)) if keep else {}

    def keys(self, ids: Tensor, hidden: Tensor, before: Keys | None = None) -> Keys:
        """Keys and values of unedited prompts [prompt, token] from the layer of interest on, given what enters it.

        With `before`, of the first rows, these are not computed again.
        """
        cache, start = cache_of(before or {}), rows_of(before)
        first, last = self.subject.layer, self.subject.n_layers - 1
        with torch.no_grad(), self._trace(ids[:, start:], past_key_values=cache) as tracer:
            self._start_with(hidden[:, start:])
            self._wrapped.site(last).output.save()
            tracer.stop()
        return held_in(cache, range(first, last + 1))

    def run(
        self, ids: Tensor, pattern: Tensor | None = None, hidden: Tensor | None = None, before: Keys | None = None
    ) -> Readout:
        """One forward pass of [trial, token], with [trial, head, row, key] written at the layer of interest.

        With `hidden`, of `enter`, the layers below are not computed again, and with `before`, of `keys`, nor are the
        first rows: `pattern` has the others. Stops before the unembedding.
        """
        layer, last, start = self.subject.layer, self.subject.n_layers - 1, rows_of(before)
        cache = cache_of(before) if before else None
        with torch.no_grad(), self._trace(ids[:, start:], past_key_values=cache) as tracer:
            if hidden is not None:
                self._start_with(hidden[:, start:])
            if pattern is not None:
                self._wrapped.site(layer).output = pattern.to(self.subject.device, self.subject.model.dtype)
            output = self._wrapped.layers[layer].output
            stream = output[0] if isinstance(output, tuple) else output
            norm = stream[:, -1].float().norm(dim=-1).save()
            if last > layer:
                self._narrow(last)
            final = self._wrapped.unembedding.input[:, -1].clone().save()
            tracer.stop()
        return Readout(final, norm)

    def _start_with(self, hidden: Tensor) -> None:
        """Inside a trace: what enters the layer of interest, without the layers below."""
        for below in range(self.subject.layer):
            self._wrapped.layers[below].skip(None)
        self._wrapped.layers[self.subject.layer].input = hidden

    def _narrow(self, last: int) -> None:
        """Inside a trace: computes the last layer's MLP for the last row alone, since no other row is looked at.

        What it adds is then added to all rows alike, and right in the last one.
        """
        if hasattr(self._wrapped.layers[last], "mlp"):
            entering = self._wrapped.layers[last].mlp.input
            self._wrapped.layers[last].mlp.input = entering[:, -1:]

    def gradients(self, ids: Tensor, hidden: Tensor, score: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """Patterns at the layer of interest and the gradient of a score with respect to them.

        Args:
            ids: [prompt, token].
            hidden: of `enter`, for all rows.
            score: from logits at the last position, [prompt, vocabulary], to a scalar: a sum over prompts.

        Returns:
            Two of [prompt, head, query, key], in float32.
        """
        site = self._wrapped.site
        with torch.enable_grad(), self._trace(ids, logits_to_keep=1):
            self._start_with(hidden)
            # A leaf: what lies below needs no gradient, and no parameter gets one.
            pattern = site(self.subject.layer).output.detach().requires_grad_().save()
            site(self.subject.layer).output = pattern
            logits = self._wrapped.traced.output.logits[:, -1].float().save()
        (gradient,) = torch.autograd.grad(score(logits), pattern)
        return pattern.detach().float(), gradient.float()

    def head_outputs(self, ids: Tensor, pattern: Tensor) -> Tensor:
        """What every head hands to the output projection under a written pattern, [trial, token, head, size]."""
        layer = self.subject.layer
        with torch.no_grad(), self._trace(ids) as tracer:
            self._wrapped.site(layer).output = pattern.to(self.subject.device, self.subject.model.dtype)
            mixed = self._projection(layer).input.clone().save()
            tracer.stop()
        return mixed.float().unflatten(-1, (self.subject.n_heads, -1))

    def _projection(self, layer: int) -> Any:
        attention = getattr(self._wrapped.layers[layer], self._wrapped.module)
        return getattr(attention, next(name for name in _PROJECTIONS if hasattr(attention, name)))

    def _trace(self, ids: Tensor, *, use_cache: bool = False, past_key_values: Any = None, **options: Any) -> Any:
        length = ids.shape[1]
        if past_key_values is not None:
            length += past_key_values.get_seq_length()
            options["past_key_values"] = past_key_values
        self._require_room(ids, length)
        ids = ids.to(self.subject.device)
        inputs = {"input_ids": ids, "attention_mask": ids.new_ones(len(ids), length)}
        return self._wrapped.traced.trace(inputs, use_cache=use_cache, **options)

    def _require_room(self, ids: Tensor, length: int) -> None:
        """Raises VocabularyTooSmall or PromptTooLong for what the model has no embedding or no position for."""
        name = self.subject.name
        rows, positions = self.subject.vocabulary_size, self.subject.n_positions
        if ids.max() >= rows:
            raise VocabularyTooSmall(
                f"{name} must have an embedding for each token of its tokenizer",
                f"token {ids.max()}, but only {rows} embeddings",
                "Use the tokenizer that the model was trained with.",
            )
        if positions and length > positions:
            raise PromptTooLong(
                f"A prompt must fit into the {positions} positions of {name}",
                f"{length} tokens",
                "Use a model with more positions.",
            )


@dataclass(frozen=True)
class Wrapped:
    """A model as nnsight sees it.

    Attributes:
        layers: its list of layers; module: what a layer calls its attention module.
        call: the operation of that module inside which the pattern is made.
    """

    traced: Any
    layers: Any
    module: str
    call: str
    unembedding: Any

    def site(self, layer: int) -> Any:
        """Where the pattern of a layer can be read and written, inside a trace."""
        attention = getattr(self.layers[layer], self.module)
        return getattr(getattr(attention.source, self.call).source, _PATTERN_OPERATION)


def wrap(subject: Subject) -> Wrapped:
    """A subject's model as nnsight sees it; raises NoReadableAttention."""
    # Left to itself, the pipeline inside moves the model to the first GPU. A model that is spread over several
    # devices has a map of them and must not be moved.
    where = {} if getattr(subject.model, "hf_device_map", None) else {"device": subject.device}
    traced = TransformersModel(subject.model, tokenizer=subject.tokenizer, task="text-generation", **where)
    head = subject.model.get_output_embeddings()
    name = next((name for name, module in subject.model.named_modules() if module is head), None)
    if name is None or "." in name:
        raise _unreadable(subject, "no unembedding of its own")
    layers, module = _find_layers(subject, traced)
    problems = []
    for call in _ATTENTION_CALLS:
        found = Wrapped(traced, layers, module, call, getattr(traced, name))
        held: list[Tensor] = []
        try:
            ids = torch.zeros(1, 2, dtype=torch.long, device=subject.device)
            with torch.no_grad(), traced.trace({"input_ids": ids}, use_cache=False) as tracer:
                held.append(found.site(0).output.save())
                tracer.stop()
        except Exception as problem:  # nnsight raises many kinds, from inside a rewritten frame
            problems.append(f"{call}: {type(problem).__name__}")
            continue
        if held and tuple(held[0].shape) == (1, subject.n_heads, 2, 2):
            return found
        problems.append(f"{call}: shape {[tuple(p.shape) for p in held]}")
    raise _unreadable(subject, "; ".join(problems))


def _find_layers(subject: Subject, traced: Any) -> tuple[Any, str]:
    """nnsight's view of the list of layers, and what a layer calls its attention module."""
    prefix = subject.model.base_model_prefix
    for name, child in getattr(subject.model, prefix, subject.model).named_children():
        if isinstance(child, torch.nn.ModuleList) and len(child) == subject.n_layers:
            for module in _ATTENTION_MODULES:
                if hasattr(child[0], module):
                    return getattr(getattr(traced, prefix), name), module
    raise _unreadable(subject, f"no layers with a module named {', '.join(_ATTENTION_MODULES)}")


def _unreadable(subject: Subject, found: str) -> NoReadableAttention:
    return NoReadableAttention(
        f"{subject.name} must compute attention patterns in its layers where nnsight can reach them",
        f"{type(subject.model).__name__} ({found})",
        "Try a Llama, Qwen, Mistral, Gemma, GPT-2 or GPT-NeoX model and the versions of constraints.txt.",
    )
