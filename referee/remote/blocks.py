"""The code that runs on the service, as source text.

None of the suite's modules can be imported on the service, and the lists of this process cannot be seen there. So this
module imports only torch, and its functions get and return nothing but numbers, texts, tensors, and lists and
dictionaries of them. The service may compute in bfloat16 by default, also where a tensor is in float32. So every tensor
gets its dtype here, and products run without autocast.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

Plain = dict[str, Any]
"""Numbers, texts, tensors, and lists of them; see `referee.remote.messages`."""
_BLOCK = 8192
"""The number of vocabulary tokens whose logits are computed at one time."""
_ROWS = 16384
"""The number of tokens of one forward pass."""


def run(model: Plain, backend: Any, block: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Runs another function of this module on the service, as one request, and returns its list or dictionary.

    This is the only session of nnsight in the suite. Only `model`, `block` and `arguments` are sent.
    """
    with model["traced"].session(backend=backend):
        found = block(model, *arguments).save()
    return found  # noqa: RET504 — a block that is sent cannot return


def scores(model: Plain, groups: list[Plain], head: Plain) -> list[Plain]:
    """Returns logits of edited prompts, for each group of trials; the groups are those of `messages.trials_of`.

    Returns for each group:
        logits: [trial, row, asked token] in float32.
        norm: the L2 norm of the residual stream after the group's first edited layer, at the last position, [trial].
        best, log_sum: the most likely next token of each row, and the logarithm of the sum of the exponentials of its
            logits, [trial, row]; only if `head["whole"]` is true.
    """
    traced, layers, unembedding = model["traced"], model["layers"], model["unembedding"]
    attention = model["attention"]
    found: list[Any] = []
    with torch.no_grad():
        for group in groups:
            start, ids, prompt = group["start"], group["ids"], group["prompt"]
            with traced.trace(inputs(ids), use_cache=False) as tracer:
                entering = layers[start].input.clone()
                tracer.stop()
            parts = []
            for some in torch.arange(len(prompt)).split(max(1, _ROWS // ids.shape[1])):
                with traced.trace(inputs(ids[prompt[some]]), use_cache=False) as tracer:
                    for below in range(start):
                        layers[below].skip(None)
                    layers[start].input = entering[prompt[some].to(entering.device)]
                    for write in group["writes"]:
                        site = call(getattr(layers[write["layer"]], attention))
                        called = site.inputs
                        site.output = written(called, edited(pattern(called), write, some))
                        if write["layer"] == start:
                            norm = last_norm(layers[start].output)
                    final = unembedding.input.clone()
                    tracer.stop()
                rows, asked = group["rows"][some], group["asked"][some]
                parts.append({**answers(final, unembedding, rows, asked, head), "norm": norm})
            found.append({name: torch.cat([part[name].cpu() for part in parts]) for name in parts[0]})
    return found


def patterns(model: Plain, groups: list[Plain], chosen: list[int]) -> list[torch.Tensor]:
    """Returns the patterns of some layers, [trial, layer, head, query, key] in float32, for each group of trials.

    All edited layers are below the chosen ones, which are in order.
    """
    traced, layers, attention = model["traced"], model["layers"], model["attention"]
    found: list[Any] = []
    with torch.no_grad():
        for group in groups:
            ids, prompt = group["ids"], group["prompt"]
            parts = []
            for some in torch.arange(len(prompt)).split(max(1, _ROWS // ids.shape[1])):
                own = []
                with traced.trace(inputs(ids[prompt[some]]), use_cache=False) as tracer:
                    for write in group["writes"]:
                        site = call(getattr(layers[write["layer"]], attention))
                        called = site.inputs
                        site.output = written(called, edited(pattern(called), write, some))
                    for layer in chosen:
                        own.append(pattern(call(getattr(layers[layer], attention)).inputs).cpu())
                    tracer.stop()
                parts.append(torch.stack(own, dim=1))
            found.append(torch.cat(parts))
    return found


def head_norms(model: Plain, groups: list[torch.Tensor], chosen: list[int]) -> list[torch.Tensor]:
    """Returns the L2 norms of the heads' outputs before W_O, as means over the tokens, [prompt, layer, head].

    There is one result for each of `groups`, which are token ids [prompt, token]. The chosen layers are in order.
    """
    traced, layers, attention = model["traced"], model["layers"], model["attention"]
    found: list[Any] = []
    with torch.no_grad():
        for ids in groups:
            norms = []
            with traced.trace(inputs(ids), use_cache=False) as tracer:
                for layer in chosen:
                    output = call(getattr(layers[layer], attention)).output[0]
                    norms.append(output.float().norm(dim=-1).mean(1).cpu())
                tracer.stop()
            found.append(torch.stack(norms, dim=1))
    return found


def continuations(model: Plain, groups: list[torch.Tensor], count: int, head: Plain) -> list[Any]:
    """Returns the `count` tokens that the model writes after each prompt, always the most likely one; [prompt, token].

    There is one result for each of `groups`, which are token ids [prompt, token]. Every new token costs a whole forward
    pass, because no keys are kept.
    """
    traced, unembedding = model["traced"], model["unembedding"]
    found: list[Any] = []
    with torch.no_grad():
        for ids in groups:
            text = ids
            for _ in range(count):
                with traced.trace(inputs(text), use_cache=False) as tracer:
                    final = unembedding.input[:, -1:].clone()
                    tracer.stop()
                best, _ = over_vocabulary(final, unembedding, head)
                text = torch.cat([text, best.cpu()], dim=1)
            found.append(text[:, ids.shape[1] :].clone())
    return found


def own_output(model: Plain, ids: torch.Tensor, layer: int) -> Plain:
    """Returns what the model itself computes for prompts [prompt, token].

    Returns:
        logits: the logits at the last position, [prompt, vocabulary] in float32.
        error: how far the written output of a layer is from the model's own output. It is the largest absolute
            difference, divided by the largest absolute output.
    """
    with torch.no_grad(), model["traced"].trace(inputs(ids), use_cache=False):
        site = call(getattr(model["layers"][layer], model["attention"]))
        called = site.inputs
        own = site.output[0].float()
        output = written(called, pattern(called))[0].float()
        error = ((output - own).abs().max() / own.abs().max()).item()
        logits = model["traced"].output.logits[:, -1].float().cpu()
    return {"logits": logits, "error": error}


def facts(model: Plain) -> Plain:
    """Returns facts about the hosted model: `dtype` of its weights, and its numbers of `layers`, `heads` and `keys`."""
    traced, layers, attention, unembedding = (model[k] for k in ("traced", "layers", "attention", "unembedding"))
    ids = torch.zeros(1, 2, dtype=torch.long)
    found: Plain = {}
    found["dtype"] = str(unembedding.weight.dtype)
    found["layers"] = len(layers)
    with torch.no_grad(), traced.trace(inputs(ids), use_cache=False) as tracer:
        found["shape"] = list(pattern(call(getattr(layers[0], attention)).inputs).shape)
        tracer.stop()
    return found


def inputs(ids: torch.Tensor) -> Plain:
    """Returns the arguments of a forward pass, without padding."""
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def call(module: Any) -> Any:
    """Inside a trace: returns the attention call of an attention module.

    The version of transformers decides how often the name of the function occurs before the call.
    """
    source = module.source
    return getattr(source, [name for name in source.names if name.startswith("attention_interface_")][-1])


def pattern(called: Any) -> torch.Tensor:
    """Returns the pattern [trial, head, row, key] of an attention call in float32, from the call's inputs."""
    (_, query, key, _, mask, *_), options = called
    key = key.float().repeat_interleave(query.shape[1] // key.shape[1], dim=1)
    with torch.autocast(query.device.type, enabled=False):
        found = query.float() @ key.transpose(-1, -2) * (options.get("scaling") or query.shape[-1] ** -0.5)
    if (cap := options.get("softcap")) is not None:
        found = cap * torch.tanh(found / cap)
    rows, keys = found.shape[-2:]
    if mask is None:  # the function itself then masks later tokens
        mask = torch.ones(rows, keys, dtype=torch.bool, device=found.device).tril(keys - rows)
        if (window := options.get("sliding_window")) is not None:
            mask = mask.triu(keys - rows - window + 1)
    lowest = torch.finfo(torch.float32).min
    mask = mask[..., :keys]
    found = found.masked_fill(~mask, lowest) if mask.dtype == torch.bool else found + mask.float()
    if (sinks := options.get("s_aux")) is not None:  # logits that take part in the softmax but are no keys
        sinks = sinks.float().reshape(1, -1, 1, 1).expand(len(found), -1, rows, 1)
        return torch.cat([found, sinks], dim=-1).softmax(-1)[..., :-1]
    return found.softmax(-1)


def edited(own: torch.Tensor, write: Plain, some: torch.Tensor) -> torch.Tensor:
    """Returns the patterns to write for some trials; see `messages.Write`."""
    share = write["amount"][some].to(own.device)[:, None, None, None]
    heads = write["heads"][some].to(own.device)[:, :, None, None]
    whole = write["whole"][write["index"][some]].to(own.device)
    return torch.where(heads, torch.lerp(own, whole.expand_as(own), share), own)


def written(called: Any, edited: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns what the attention function returns for a pattern: the output of the heads, and the pattern."""
    (_, query, _, value, *_), _ = called
    value = value.float().repeat_interleave(query.shape[1] // value.shape[1], dim=1)
    with torch.autocast(query.device.type, enabled=False):
        output = edited @ value
    return output.transpose(1, 2).contiguous().to(query.dtype), edited


def last_norm(output: Any) -> torch.Tensor:
    """Returns the L2 norm of a layer's output at the last position, [trial]."""
    stream = output[0] if isinstance(output, tuple) else output
    return stream[:, -1].float().norm(dim=-1)


def answers(final: torch.Tensor, unembedding: Any, rows: torch.Tensor, asked: torch.Tensor, head: Plain) -> Plain:
    """Returns the results of `scores` except the norm, from the normalised residual stream [trial, token, size]."""
    weight, bias = unembedding.weight, unembedding.bias
    rows, asked = rows.to(final.device), asked.to(weight.device)
    read = final[torch.arange(len(rows), device=final.device)[:, None], rows].float().to(weight.device)
    logits = (read[:, :, None] * weight[asked].float()).sum(-1)
    found = {"logits": capped(logits if bias is None else logits + bias[asked].float(), head)}
    if head["whole"]:
        found["best"], found["log_sum"] = over_vocabulary(read, unembedding, head)
    return found


def over_vocabulary(read: torch.Tensor, unembedding: Any, head: Plain) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the most likely token of each row, and the logarithm of the sum of the exponentials of its logits.

    `read` is the normalised residual stream, [trial, row, size]. All logits together would need too much memory.
    """
    weight, bias = unembedding.weight, unembedding.bias
    read = read.float().to(weight.device)
    best, sums = [], []
    for start in range(0, len(weight), _BLOCK):
        part = weight[start : start + _BLOCK].float()
        with torch.autocast(read.device.type, enabled=False):
            logits = read @ part.T
        logits = capped(logits if bias is None else logits + bias[start : start + _BLOCK].float(), head)
        best.append(logits.max(-1))
        sums.append(logits.logsumexp(-1))
    block = torch.stack([b.values for b in best]).argmax(0)
    within = torch.stack([b.indices for b in best]).gather(0, block[None])[0]
    return within + _BLOCK * block, torch.stack(sums).logsumexp(0)


def capped(logits: torch.Tensor, head: Plain) -> torch.Tensor:
    """Returns the logits after the model's soft cap, if it has one."""
    cap = head["cap"]
    return logits if cap is None else cap * torch.tanh(logits / cap)
