"""Measures margins that are close to zero again, in float32.

The sign of a margin says whether an answer is right. In a shorter dtype, the sign of a margin close to zero is noise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

_FIRST = 32
"""The number of margins of each call that are always measured again. They show how far margins move."""
_SAFETY = 2.0
"""Margins are measured again if they are closer to zero than this multiple of the largest change so far."""


@dataclass
class Precision:
    """What was found when margins were measured again in float32.

    Attributes:
        again: the number of margins that were measured again.
        change: their largest change, in logits.
        turned: the number of them that changed their sign.
    """

    again: int = 0
    change: float = 0.0
    turned: int = 0

    def settle(self, margins: Sequence[float], measured: Callable[[list[int]], Sequence[float]]) -> list[float]:
        """Returns margins, in logits, of which those close to zero were measured again.

        First, the margins closest to zero are measured again: at least 32, and all that are closer than twice the
        largest change in earlier calls. Then follow all margins that are closer to zero than twice the largest change
        so far, until none is left.

        Args:
            margins: [trial], in the dtype of the model.
            measured: returns the margins of some trials in float32, from their indices.
        """
        settled = list(margins)
        left = sorted(range(len(settled)), key=lambda i: abs(margins[i]))
        fewest = _FIRST
        while some := left[: max(fewest, sum(abs(margins[i]) < _SAFETY * self.change for i in left))]:
            for i, margin in zip(some, measured(some), strict=True):
                self.again += 1
                self.change = max(self.change, abs(margin - settled[i]))
                self.turned += (margin > 0) != (settled[i] > 0)
                settled[i] = margin
            left, fewest = left[len(some) :], 0
        return settled
