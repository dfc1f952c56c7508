"""Forward passes of edited prompts in plain PyTorch, with an attention function of their own."""

from __future__ import annotations

from copy import deepcopy
from functools import lru_cache

import torch
from transformers import AutoModelForCausalLM
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from referee.attention.edits import edited_pattern


def plain_weights(query, key, scaling=None, dropout=0.0, softcap=None, sliding_window=None, **_):
    """Returns the attention pattern, [prompt, head, query, key], of the last rows in plain PyTorch."""
    scores = query @ key.repeat_interleave(query.shape[1] // key.shape[1], 1).transpose(2, 3)
    scores = scores * (scaling if scaling is not None else query.shape[-1] ** -0.5)
    if softcap is not None:
        scores = torch.tanh(scores / softcap) * softcap
    place = torch.arange(key.shape[2])
    distance = place[-query.shape[2] :, None] - place
    unseen = (distance < 0) | (distance >= (sliding_window or len(place)))
    return scores.masked_fill(unseen, -torch.inf).softmax(-1)


def weighted(weights, value):
    """Returns the outputs of the heads, [prompt, query, head, size]."""
    return (weights @ value.repeat_interleave(weights.shape[1] // value.shape[1], 1)).transpose(1, 2).contiguous()


def without_mask(module, query, key, value, mask, **options):
    """An attention function of transformers that gets no mask, like those of fused kernels."""
    assert mask is None
    return weighted(plain_weights(query, key, **options), value), None


ALL_ATTENTION_FUNCTIONS.register("without a mask", without_mask)


def recomputed(subject, ids, edits):
    """Returns the last logits, [prompt, vocabulary], and the patterns of a plain PyTorch forward pass.

    `edits` is that of `recomputed_rows`.
    """
    logits, seen = recomputed_rows(subject, ids, edits)
    return logits[:, -1], seen


def recomputed_rows(subject, ids, edits):
    """Returns all logits, [prompt, token, vocabulary], and the patterns of each layer of a plain PyTorch forward pass.

    `edits` has a function of the pattern [prompt, head, query, key] for each edited layer. Each function gets the
    pattern that the layer has after the edits of the lower layers.
    """
    seen = {}

    def edited(module, query, key, value, mask, **options):
        weights = plain_weights(query, key, **options)
        if module.layer_idx in edits:
            weights = edits[module.layer_idx](weights)
        seen[module.layer_idx] = weights
        return weighted(weights, value), weights

    ALL_ATTENTION_FUNCTIONS.register("edited by hand", edited)
    plain = _of_equal_shape(subject.model)
    plain.load_state_dict(subject.model.state_dict())
    with torch.no_grad():
        return plain(input_ids=ids, use_cache=False).logits, seen


@lru_cache(maxsize=2)
def _of_equal_shape(model):
    """Returns a model of the same shape that calls the attention function "edited by hand".

    Its weights have any values. Later calls return the same object.
    """
    plain = AutoModelForCausalLM.from_config(deepcopy(model.config)).eval()
    plain.set_attn_implementation("edited by hand")
    return plain


def recomputed_trial(subject, trial, *, unedited_higher=False):
    """Returns the last logits of a trial, [vocabulary]; see `recomputed_trial_rows`."""
    return recomputed_trial_rows(subject, trial, unedited_higher=unedited_higher)[0][-1]


def recomputed_trial_rows(subject, trial, *, unedited_higher=False):
    """Returns the logits of a trial, [token, vocabulary], and its patterns [head, query, key] of each layer.

    With `unedited_higher`, every edit gets the pattern of the unedited prompt, as a wrong instrument might do it.
    """
    ids = torch.tensor([trial.tokens.ids])
    _, unedited = recomputed(subject, ids, {})

    def of_layer(layer, edit):
        donor = None
        if edit.donor:
            donor = recomputed(subject, torch.tensor([edit.donor.ids]), {})[1][layer][0]
        return lambda own: edited_pattern(edit, trial.tokens, unedited[layer][0] if unedited_higher else own[0], donor)[
            None
        ]

    logits, seen = recomputed_rows(subject, ids, {layer: of_layer(layer, edit) for layer, edit in trial.edits})
    return logits[0], [seen[layer][0] for layer in range(subject.n_layers)]


def margin_of(logits, tokens):
    return (logits[tokens.right_id] - logits[tokens.wrong_id]).item()
