"""Scores and copies of the planted induction models, measured with plain transformers and not with the suite."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache

import torch

from claims.induction.planted.model import build
from claims.induction.planted.residual import HEADS, LAYERS, MATCHING, PREVIOUS, Residual
from referee.models.small_tokenizer import SPECIAL

HALF = 25
SECOND = torch.arange(1 + HALF, 1 + 2 * HALF)
"""The rows of the second half."""
RESTING = [
    (layer, head) for layer in range(LAYERS) for head in range(HEADS) if (layer, head) not in (*MATCHING, *PREVIOUS)
]


@cache
def planted(name):
    model, tokenizer = build(name)
    model.set_attn_implementation("eager")
    return model.eval(), tokenizer


def sequences(tokenizer, *, repeated=True):
    """Returns four sequences of a BOS, random tokens, and the same or other tokens, [sequence, token]."""
    ordinary = torch.tensor(sorted(i for token, i in tokenizer.get_vocab().items() if token not in SPECIAL))
    random = torch.Generator().manual_seed(11)
    found = []
    for _ in range(4):
        drawn = ordinary[torch.randperm(len(ordinary), generator=random)[: 2 * HALF]]
        second = drawn[:HALF] if repeated else drawn[HALF:]
        found.append(torch.cat([torch.tensor([tokenizer.bos_token_id]), drawn[:HALF], second]))
    return torch.stack(found)


def attention(name="induction", *, repeated=True):
    """Returns the patterns of the sequences, [sequence, layer, head, query, key]."""
    model, tokenizer = planted(name)
    return torch.stack(model(sequences(tokenizer, repeated=repeated), output_attentions=True).attentions, dim=1)


def matching(name="induction", **options):
    """Returns the attention to the position HALF − 1 before, mean over the second half and sequences, [layer, head]."""
    return attention(name, **options)[..., SECOND, SECOND - HALF + 1].mean((0, -1))


def previous(name="induction"):
    """Returns the attention to the token before, mean over all rows but the first and sequences, [layer, head]."""
    rows = torch.arange(1, 1 + 2 * HALF)
    return attention(name)[..., rows, rows - 1].mean((0, -1))


def resting(name="induction"):
    """Returns the share of attention on BOS, mean over all rows but the first and sequences, [layer, head]."""
    return attention(name)[..., 1:, 0].mean((0, -1))


def copied(name="induction", *, repeated=True, second=True):
    """Returns the share of the tokens of one half that are the most likely next token."""
    model, tokenizer = planted(name)
    ids = sequences(tokenizer, repeated=repeated)
    right = model(ids).logits[:, :-1].argmax(-1) == ids[:, 1:]
    return (right[:, HALF:] if second else right[:, :HALF]).float().mean().item()


@contextmanager
def without(heads, name="induction"):
    """Sets the output of heads to zero. BOS has no code and no value, so this equals attention to BOS alone."""
    model, _ = planted(name)
    size, kept = model.config.head_dim, {}
    for layer, head in heads:
        weight = model.model.layers[layer].self_attn.o_proj.weight
        columns = slice(size * head, size * (head + 1))
        kept[layer, head] = weight[:, columns].clone()
        weight[:, columns] = 0
    try:
        yield
    finally:
        for (layer, head), columns in kept.items():
            model.model.layers[layer].self_attn.o_proj.weight[:, size * head : size * (head + 1)] = columns


def strongest(scores, count):
    """Returns the places (layer, head) of the largest scores."""
    return {(int(i) // HEADS, int(i) % HEADS) for i in scores.flatten().topk(count).indices}


def of(scores, heads):
    return torch.stack([scores[layer, head] for layer, head in heads])


def values(name):
    """Returns the value of each token for resting heads, [token], and whether the token is special."""
    model, tokenizer = planted(name)
    special = torch.tensor([token in SPECIAL for token in sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)])
    return model.model.embed_tokens.weight[:, Residual.VALUE], special


def value_moved(name):
    """Returns how a resting head's mean value changes in the last row, as means over resting heads and sequences.

    Half of the attention on other tokens moves evenly: from BOS to them, and between them."""
    model, tokenizer = planted(name)
    found = model.model.embed_tokens.weight[sequences(tokenizer)][..., Residual.VALUE][:, None, None]
    last = attention(name)[:, 2:, :, -1]
    others = last[..., 1:].sum(-1)
    weighted, evenly = (last * found).sum(-1), found[..., 1:].mean(-1)
    from_bos, between = others / 2 * evenly, others / 2 * evenly - weighted / 2
    return from_bos.mean((1, 2)), between.mean((1, 2))
