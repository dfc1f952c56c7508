"""Evidence of experiment 2.2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from claims.competition.critical_edges import measure
from claims.competition.observed import ALL, Key, OverHeads
from claims.competition.prompts import QA, Prompt
from fixtures.options import Settings
from referee.judging.evidence import Drawing, NotApplicable
from referee.models.subjects import Subject
from referee.prompts.tokens import Tokens

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from referee.judging.evidence import Parts

_HEADS_DRAWN = 4
"""Number of heads in the figure of edges. Half of them are even."""


class Paths(OverHeads):
    """Reduces experiment 2.2: where the strongest edges of each head lead, and what happens without these edges.

    Raises NotApplicable if the margin does not depend on any edge of the even heads, or of the odd heads.

    Args:
        paths: result of `critical_paths`.
        removed: result of `knocked_out`.
        asked: the tokens of each prompt. The column `prompt` of `paths` counts the prompts in this order.
        elsewhere: result of `landing_at`.
    """

    def __init__(
        self,
        paths: pd.DataFrame,
        removed: pd.DataFrame,
        asked: Mapping[Prompt, Tokens],
        subject: Subject,
        settings: Settings,
        elsewhere: Mapping[int, pd.DataFrame] | None = None,
    ) -> None:
        values: dict[Key, pd.DataFrame] = {
            (subject.layer, attribution, ALL): measure.landing(paths, attribution)
            for attribution in measure.ATTRIBUTIONS
        }
        values |= {(layer, measure.PLAIN, ALL): landing for layer, landing in (elsewhere or {}).items()}
        super().__init__(values, subject, settings)
        self.data = paths
        self._removed, self._asked, self._subject = removed, asked, subject
        self._main = paths[paths["attribution"] == measure.PLAIN]
        for group, heads in self.parity.heads.items():
            if not self._main["head"].isin(heads).any():
                raise NotApplicable(f"the margin does not depend on any edge of the {group} heads at this layer")

    def other_attribution(self) -> dict[str, Parts]:
        """Returns the excess of the even heads with the other attribution, by its name."""
        return {measure.CENTRED: self.excess("even", measure=measure.CENTRED)}

    def notes(self) -> tuple[str, ...]:
        """Returns the shares of both groups, and a check of the attributions."""
        even, odd = self._means()
        agreement = measure.agreement(self._removed)
        return (
            f"{even:.0%} of the even heads' top edges lead to numbers, {odd:.0%} of the odd heads'.",
            f"If each head's strongest edges are removed, the predicted and the measured change of the margin have"
            f" rank correlation {agreement:.2f}"
            f" (n = {len(self._removed)}).",
        )

    def drawing(self) -> Drawing:
        """Returns the map of the strongest edges on the first Q&A prompt."""
        even, odd = self._means()
        alt = (
            f"The strongest edges on the token grid; {even:.0%} of the even heads' lead to numbers and {odd:.0%}"
            " of the odd heads'."
        )
        return Drawing(draw=self._draw, alt=alt)

    def _means(self) -> tuple[float, float]:
        """Returns the mean share over even heads and over odd heads. Heads without edges are left out."""
        even, odd = (float(np.nanmean(self.per_head()[0, heads])) for heads in self.parity.heads.values())
        return even, odd

    def _draw(self) -> Figure:
        """Draws the edges of the strongest heads on the first Q&A prompt with edges."""
        from claims.competition.critical_edges import figure

        in_qa = [i for i, prompt in enumerate(self._asked) if prompt.format == QA]
        found = self._main[self._main["prompt"].isin(in_qa)]
        place = found["prompt"].min() if len(found) else in_qa[0]
        edges = found[found["prompt"] == place]
        prompt, tokens = list(self._asked.items())[place]
        strongest = edges[edges["head"].isin(self._strongest_heads(edges))]
        return figure.edge_map(
            [self._subject.tokenizer.decode([token]) for token in tokens.ids],
            strongest[["head", "query", "key", "attribution_logits"]],
            [category == "numerical" for category in tokens.categories],
            title=f"Strongest edges of four heads at layer {self._subject.layer}: {prompt.pair}, Q&A, {prompt.order}",
        )

    def _strongest_heads(self, edges: pd.DataFrame) -> list[int]:
        """Returns the heads with the largest attributions, equally many even and odd heads."""
        strength = edges["attribution_logits"].abs().groupby(edges["head"]).max()
        return [
            head
            for heads in self.parity.heads.values()
            for head in strength[strength.index.isin(heads)].nlargest(_HEADS_DRAWN // 2).index
        ]
