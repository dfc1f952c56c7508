"""A token view that the tests make without a model: four heads, two layers, two prompts."""

from __future__ import annotations

import numpy as np

from reports.attention_view import AttentionView, EditedPattern, PromptTokens, ViewedPrompt, packed

HEADS = 4
LABELS = ("numbers", "format", "other")
TEXTS, CATEGORIES = ("Q:", "9", ".", "<b>8</b>", "A:"), (1, 0, 0, 0, 1)
ON_NUMBERS = (0.2, 0.4, 0.6, 0.8)
"""The share of the last token's attention that each head puts on the numbers, in the first prompt at layer 1."""


def pattern(on_numbers: tuple[float, ...] = ON_NUMBERS, length: int = 5) -> str:
    """Returns the text of a pattern. The last row puts these shares on the numbers; other rows attend to themselves.

    The numbers are the tokens 1 to 3, and token 1 gets half of their share. The rest goes to the first token.
    """
    found = bytearray()
    for share in on_numbers:
        shares = np.eye(length)
        shares[-1] = [1 - share, share / 2, share / 4, share / 4, 0] if length == 5 else [share, 1 - share]
        found += np.round(255 * np.sqrt(shares[np.tril_indices(length)])).astype(np.uint8).tobytes()
    return packed(bytes(found))


def sample_view(**changed: object) -> AttentionView:
    """Returns a view. The layer of interest is 1, and the even heads of its first prompt put 0.4 on the numbers."""
    first = ViewedPrompt(
        name="Q&A: 9.8 or 9.11",
        tokens=PromptTokens(texts=TEXTS, labels=LABELS, categories=CATEGORIES),
        right="9.8",
        wrong="9.11",
        margin=-0.5,
        patterns={0: pattern((0.0, 0.0, 0.0, 0.0)), 1: pattern()},
        edits=(EditedPattern(name="60 % of the pattern of Simple", pattern=pattern((0.9,) * 4), margin=0.25),),
    )
    second = ViewedPrompt(
        name="Simple: 9.8 or 9.11",
        tokens=PromptTokens(texts=("9", "?"), labels=LABELS, categories=(0, 1)),
        right="9.8",
        wrong="9.11",
        margin=1.0,
        patterns={layer: pattern((0.3,) * 4, length=2) for layer in (0, 1)},
        edits=(),
    )
    fields = {
        "theory": "a_theory",
        "caption": "The bandwidth is a share.",
        "quantity": "numerical bandwidth",
        "category": 0,
        "level": 0.4,
        "layer": 1,
        "n_heads": HEADS,
        "heads": {"even heads": (0, 2), "odd heads": (1, 3)},
        "prompts": (first, second),
    }
    return AttentionView.model_validate(fields | changed)
