"""The groups of heads that the theory compares: even heads, odd heads, and random groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from referee.errors import TooFewHeads

if TYPE_CHECKING:
    from referee.models.subjects import Subject


def even_heads(subject: Subject) -> list[int]:
    """Returns the heads 0, 2, 4, … of a layer."""
    return list(range(0, subject.n_heads, 2))


def odd_heads(subject: Subject) -> list[int]:
    """Returns the heads 1, 3, 5, … of a layer."""
    return list(range(1, subject.n_heads, 2))


def require_two_heads(subject: Subject) -> None:
    """Raises TooFewHeads for a model with one head per layer."""
    if subject.n_heads < 2:
        raise TooFewHeads(
            f"{subject.name} must have at least two heads, so that even and odd ones can be compared",
            subject.n_heads,
            "Use a model with more heads.",
        )


RANDOM = "random group"


def random_groups(n_heads: int, size: int, count: int, seed: int) -> dict[str, tuple[int, ...]]:
    """Returns `count` random groups of `size` heads by name, drawn from all heads."""
    import numpy as np

    rng = np.random.default_rng(seed)
    drawn = (sorted(rng.choice(n_heads, size, replace=False).tolist()) for _ in range(count))
    return {f"{RANDOM} {i + 1}": tuple(heads) for i, heads in enumerate(drawn)}
