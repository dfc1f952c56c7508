"""The heads that the theory names."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from claims.induction.heads import Heads, strongest
from claims.induction.theory import LOWEST_RESTING_LAYER, RESTING, TOP_SHARE
from referee.judging.evidence import NotApplicable


@dataclass(frozen=True)
class Named:
    """The heads that the claims name. They are chosen on other sequences than those on which the claims are judged.

    Attributes:
        top: the heads with the largest prefix-matching scores, the largest first. They are 1 % of all heads, at least
            one head.
        previous: the heads with the largest previous-token scores in the layers below the lowest top head, as many as
            there are top heads. They are fewer if these layers have fewer heads.
        resting: all heads of layers 2 and higher that rest on the first token, the strongest first.
    """

    top: Heads
    previous: Heads
    resting: Heads

    @classmethod
    def on(cls, scores: pd.DataFrame) -> Named:
        """Returns the named heads from a table of `head_scores`."""
        means = scores.groupby(["layer", "head"])[["prefix_matching", "previous_token", "first_token"]].mean()
        layer = means.index.get_level_values("layer")
        top = strongest(means["prefix_matching"], max(1, round(TOP_SHARE * len(means))))
        lower = layer < min(layer for layer, _ in top)
        resting = (layer >= LOWEST_RESTING_LAYER) & (means["first_token"] > RESTING)
        return cls(
            top,
            strongest(means["previous_token"][lower], len(top)),
            strongest(means["first_token"][resting], int(resting.sum())),
        )

    def require_previous(self) -> None:
        """Raises NotApplicable if a top head is in layer 0, because no head is below it."""
        if not self.previous:
            raise NotApplicable("a top head is in layer 0, so no layer below it can have previous-token heads")

    def require_resting(self) -> None:
        """Raises NotApplicable if no head rests on the first token."""
        if not self.resting:
            raise NotApplicable(
                f"no head of layers {LOWEST_RESTING_LAYER} and higher gives more than {RESTING:g} of its attention to"
                " the first token"
            )
