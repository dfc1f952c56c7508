"""Reads and writes the attention patterns of whole batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from referee.attention.float32 import InFloat32
from referee.attention.interface import call_of, output_of, pattern_of
from referee.attention.kv_cache import Keys, cache_of, keys_in, rows_of
from referee.attention.onednn import quick
from referee.attention.readout import Readout, at_end, ends_of
from referee.attention.wrapping import Wrapped, wrap
from referee.errors import NoReadableAttention
from referee.models.subjects import Subject

_PROJECTIONS = ("o_proj", "out_proj", "c_proj", "dense")
"""The names of the output projection W_O in the attention modules of transformers."""

Later = Mapping[int, Callable[[Tensor], Tensor]]
"""For each edited layer above the layer of interest, a function from its pattern to the pattern to write.

Both are [trial, head, row, key] in float32."""


class Attention:
    """Reads a subject's attention at every layer and writes it at the layer of interest.

    All prompts of one call have the same number of tokens, padding included. The caller can pad shorter prompts at the
    end, because no token of the prompt itself attends to the padding. The constructor raises NoReadableAttention when
    nnsight finds no attention pattern in the model.

    Attributes:
        every_row: whether `run` returns the rows of all positions.
        products: returns the context manager in which forward passes run. It chooses the library of matrix products,
            and their dtype.
    """

    def __init__(
        self, subject: Subject, wrapped: Wrapped | None = None, *, onednn: bool = True, every_row: bool = False
    ) -> None:
        """`wrapped` is the result of an earlier `wrap` of this model. Without it, `wrap` is called here.

        Without `onednn`, all matrix products are those of PyTorch's default library; see `onednn.quick`.
        """
        self.subject, self.every_row = subject, every_row
        plain = subject.dtype == "float32" and subject.device.type == "cpu"
        self.products = InFloat32 if subject.float32 else quick if onednn and plain else nullcontext
        self._wrapped = wrapped or wrap(subject)

    def read(
        self,
        ids: Tensor,
        layers: Sequence[int],
        pattern: Tensor | None = None,
        hidden: Tensor | None = None,
        later: Later | None = None,
    ) -> Tensor:
        """Returns the patterns [prompt, layer, head, query, key] of the prompts `ids` [prompt, token], in float32.

        The forward pass stops after the last of `layers`. `pattern`, `hidden` and `later` are those of `run`. With
        them, the prompts are edited, and all edited layers are below `layers`.
        """
        patterns: list[Tensor] = []
        upwards = sorted(set(layers))
        with torch.no_grad(), self.products(), self._trace(ids) as tracer:
            if hidden is not None:
                self._start_with(hidden)
            if pattern is not None:
                self._write(self.subject.layer, pattern)
            self._write_later(later)
            for layer in upwards:
                patterns.append(self._pattern(layer).save())
            tracer.stop()
        return self._stacked([patterns[upwards.index(layer)] for layer in layers])

    def enter(self, ids: Tensor, before: Keys | None = None, *, keep: bool = False) -> tuple[Tensor, Tensor, Keys]:
        """Runs prompts [prompt, token] up to the attention of the layer of interest.

        Args:
            ids: token ids, [prompt, token].
            before: keys and values of the first rows, for all layers up to the layer of interest. The pass does not
                compute or return these rows.
            keep: whether to return keys and values.

        Returns:
            The residual stream that enters the layer of interest, [prompt, row, size]. The pattern of this layer,
            [prompt, head, row, key] in float32. The keys and values of all layers up to this one; empty without `keep`.
        """
        layer, start = self.subject.layer, rows_of(before)
        cache = cache_of(before or {}) if keep or before else None
        with torch.no_grad(), self.products(), self._trace(ids[:, start:], past_key_values=cache) as tracer:
            hidden = self._wrapped.layers[layer].input.clone().save()
            pattern = self._pattern(layer).save()
            tracer.stop()
        return hidden, pattern, keys_in(cache, range(layer + 1)) if keep else {}

    def keys(self, ids: Tensor, hidden: Tensor, before: Keys | None = None) -> Keys:
        """Returns keys and values of unedited prompts, for the layer of interest and all layers above it.

        Args:
            ids: token ids, [prompt, token].
            hidden: the residual stream that enters the layer of interest, for all rows; see `enter`.
            before: keys and values of the first rows. The pass does not compute these rows again.
        """
        cache, start = cache_of(before or {}), rows_of(before)
        first, last = self.subject.layer, self.subject.n_layers - 1
        with torch.no_grad(), self.products(), self._trace(ids[:, start:], past_key_values=cache) as tracer:
            self._start_with(hidden[:, start:])
            call_of(self._wrapped.site(last).inputs)  # the pass stops when the last layer has its keys
            tracer.stop()
        return keys_in(cache, range(first, last + 1))

    def run(
        self,
        ids: Tensor,
        pattern: Tensor | None = None,
        hidden: Tensor | None = None,
        before: Keys | None = None,
        later: Later | None = None,
        lengths: Sequence[int] | None = None,
    ) -> Readout:
        """Runs one forward pass and stops before the unembedding.

        Args:
            ids: token ids, [trial, token].
            pattern: the pattern to write at the layer of interest, [trial, head, row, key] in float32. It has only the
                rows that the pass computes. Without it, the unedited pattern is written. So an edited trial differs
                from an unedited one by its pattern alone, in every dtype.
            hidden: the residual stream from `enter`, for all rows. The pass does not compute the layers below again.
            before: keys and values from `keys`. The pass does not compute these first rows again.
            later: the edits of layers above the layer of interest.
            lengths: the number of tokens of each trial without padding, [trial]. Results are read at the last of them.
                By default, there is no padding.
        """
        layer, last, start = self.subject.layer, self.subject.n_layers - 1, rows_of(before)
        ends = ends_of(lengths or (), ids.shape[1], start)
        assert ends is None or not self.every_row, "no row may be padding if all rows are read"
        cache = cache_of(before) if before else None
        with torch.no_grad(), self.products(), self._trace(ids[:, start:], past_key_values=cache) as tracer:
            if hidden is not None:
                self._start_with(hidden[:, start:])
            self._write(layer, pattern)
            output = self._wrapped.layers[layer].output
            stream = output[0] if isinstance(output, tuple) else output
            norm = at_end(stream, ends).float().norm(dim=-1).save()
            self._write_later(later)
            if last > layer and not self.every_row:
                self._narrow(last, ends)
            final = self._wrapped.unembedding.input
            rows: Any = (final if self.every_row else at_end(final, ends)[:, None]).clone()
            rows = rows.save()
            tracer.stop()
        return Readout(rows[:, -1], norm, rows if self.every_row else None)

    def _pattern(self, layer: int) -> Any:
        """Inside a trace: returns the pattern of a layer, [trial, head, row, key], in float32."""
        return pattern_of(call_of(self._wrapped.site(layer).inputs))

    def _write(self, layer: int, edited: Tensor | Callable[[Tensor], Tensor] | None) -> None:
        """Inside a trace: writes a pattern at a layer. A function gets the layer's own pattern; None writes it back."""
        site = self._wrapped.site(layer)
        call = call_of(site.inputs)
        if not isinstance(edited, Tensor):
            own = pattern_of(call)
            edited = edited(own) if edited else own
        site.output = output_of(call, edited)

    def _write_later(self, later: Later | None) -> None:
        """Inside a trace: writes the patterns of the edited layers above the layer of interest."""
        for layer, edited in sorted((later or {}).items()):
            self._write(layer, edited)

    def _start_with(self, hidden: Tensor) -> None:
        """Inside a trace: skips the layers below the layer of interest and sets the input of this layer to `hidden`."""
        for below in range(self.subject.layer):
            self._wrapped.layers[below].skip(None)
        self._wrapped.layers[self.subject.layer].input = hidden

    def _narrow(self, last: int, ends: Tensor | None) -> None:
        """Inside a trace: computes the last layer's MLP only for the last token of each trial.

        Only this row is read. The layer adds this MLP output to every row, so only this row is correct. `ends` is the
        result of `ends_of`.
        """
        if hasattr(self._wrapped.layers[last], "mlp"):
            entering = self._wrapped.layers[last].mlp.input
            self._wrapped.layers[last].mlp.input = at_end(entering, ends)[:, None]

    def gradients(self, ids: Tensor, hidden: Tensor, score: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """Returns the patterns at the layer of interest and the gradient of a score with respect to them.

        Args:
            ids: token ids, [prompt, token].
            hidden: the residual stream from `enter`, for all rows.
            score: a function from the logits at the last position, [prompt, vocabulary], to a scalar. The scalar is a
                sum over prompts.

        Returns:
            The patterns and the gradients, each [prompt, head, query, key] in float32.
        """
        with torch.enable_grad(), self._trace(ids, logits_to_keep=1):
            self._start_with(hidden)
            # The pattern is a leaf of the graph. So the layers below need no gradient, and no parameter gets one.
            site = self._wrapped.site(self.subject.layer)
            call = call_of(site.inputs)
            pattern: Any = pattern_of(call).detach().requires_grad_()
            pattern = pattern.save()
            site.output = output_of(call, pattern)
            logits = self._wrapped.traced.output.logits[:, -1].float().save()
        (gradient,) = torch.autograd.grad(score(logits), pattern)
        return pattern.detach(), gradient

    def error(self, ids: Tensor) -> float:
        """Returns how far the written output of the layer of interest is from the model's own output.

        It is the largest absolute difference, divided by the largest absolute output. `ids` are [prompt, token].
        """
        with torch.no_grad(), self.products(), self._trace(ids) as tracer:
            site = self._wrapped.site(self.subject.layer)
            call = call_of(site.inputs)
            own = site.output[0].float()
            written = output_of(call, pattern_of(call))[0].float()
            error = ((written - own).abs().max() / own.abs().max()).save()
            tracer.stop()
        return error.item()

    def head_outputs(self, ids: Tensor, layers: Sequence[int], pattern: Tensor | None = None) -> Tensor:
        """Returns the output of each head in some layers, [prompt, layer, token, head, size], in float32.

        The outputs are the input of the output projection W_O, split by head. The forward pass stops after the last of
        `layers`. `pattern` is written at the layer of interest, [prompt, head, query, key]; then no layer below it may
        be read. Raises NoReadableAttention if the attention modules have no W_O.
        """
        outputs: list[Tensor] = []
        upwards = sorted(set(layers))
        projections = [self.projection(layer) for layer in upwards]
        with torch.no_grad(), self.products(), self._trace(ids) as tracer:
            if pattern is not None:
                self._write(self.subject.layer, pattern)
            for projection in projections:
                outputs.append(projection.input.clone().save())
            tracer.stop()
        stacked = self._stacked([outputs[upwards.index(layer)] for layer in layers])
        return stacked.float().unflatten(-1, (self.subject.n_heads, -1))

    def _stacked(self, parts: Sequence[Tensor]) -> Tensor:
        """Returns one tensor [prompt, layer, ...] of the parts of each layer, which can be on several devices."""
        return torch.stack([part.to(self.subject.device) for part in parts], dim=1)

    def projection(self, layer: int) -> Any:
        """Returns the output projection W_O of a layer. Raises NoReadableAttention if there is none."""
        attention = getattr(self._wrapped.layers[layer], self._wrapped.module)
        name = next((name for name in _PROJECTIONS if hasattr(attention, name)), None)
        if name is None:
            raise NoReadableAttention(
                f"The attention modules of {self.subject.name} must have an output projection",
                f"no module named {', '.join(_PROJECTIONS)}",
                "Try a Llama, Qwen, Mistral, Gemma, GPT-2 or GPT-NeoX model.",
            )
        return getattr(attention, name)

    def _trace(self, ids: Tensor, *, use_cache: bool = False, past_key_values: Any = None, **options: Any) -> Any:
        length = ids.shape[1]
        if past_key_values is not None:
            length += past_key_values.get_seq_length()
            options["past_key_values"] = past_key_values
        self.subject.require_room(int(ids.max()), length)
        ids = ids.to(self.subject.device)
        inputs = {"input_ids": ids, "attention_mask": ids.new_ones(len(ids), length)}
        return self._wrapped.traced.trace(inputs, use_cache=use_cache, **options)
