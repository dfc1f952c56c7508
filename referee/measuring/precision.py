"""Measures margins that are close to zero again, in float32.

The sign of a margin says whether an answer is right. In a shorter dtype, the sign of a margin close to zero is noise.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from referee.measuring.memory import out_of_memory
from referee.models.subjects import Subject

_AT_ONCE = 32
"""The number of margins that are measured again before the next ones are considered."""
_SAFETY = 2.0
"""Margins are measured again if they are closer to zero than this multiple of the largest change so far."""


@dataclass
class Precision:
    """What was found when margins were measured again in float32.

    Attributes:
        again: the number of margins that were measured again.
        change: their largest change, in logits.
        turned: the number of them that changed their sign.
        possible: False if memory has no room for a float32 copy of the model. Then no margin is measured again.
    """

    again: int = 0
    change: float = 0.0
    turned: int = 0
    possible: bool = True

    def settle(self, margins: Sequence[float], measured: Callable[[list[int]], Sequence[float]]) -> list[float]:
        """Returns margins, in logits, of which those close to zero were measured again.

        The margins closest to zero come first. The search goes on until the next margin is so far from zero that no
        change seen so far, on any earlier call either, could turn it, with a factor of two for safety.

        Args:
            margins: [trial], in the dtype of the model.
            measured: returns the margins of some trials in float32, from their indices.
        """
        settled = list(margins)
        left = sorted(range(len(settled)), key=lambda i: abs(settled[i]))
        first = True
        while left and (first or abs(settled[left[0]]) < _SAFETY * self.change):
            some, left, first = left[:_AT_ONCE], left[_AT_ONCE:], False
            for i, margin in zip(some, measured(some), strict=True):
                self.again += 1
                self.change = max(self.change, abs(margin - settled[i]))
                self.turned += (margin > 0) != (settled[i] > 0)
                settled[i] = margin
        return settled


def in_float32(subject: Subject) -> Subject | None:
    """Returns the subject with a float32 copy of its weights, or None if memory has no room for it."""
    try:
        model = copy.deepcopy(subject.model).float()
    except (MemoryError, RuntimeError) as problem:
        if not out_of_memory(problem):
            raise
        return None
    found = replace(subject, model=model)
    # The values are those of the subject. A digest of the copy would read all weights once more.
    found.__dict__["fingerprint"] = f"{subject.fingerprint} in float32"
    return found
