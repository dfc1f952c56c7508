"""Runs the replacement by several methods at once: shares of it, numbers of heads or blocks, and other layers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from claims.competition.as_published.checker import read
from claims.competition.as_published.methods import NEW_TOKENS, SHARES, Method, Prompts
from claims.competition.behaviour import describe
from claims.competition.head_subsets.measure import needed
from claims.competition.heads import even_heads, odd_heads
from claims.competition.pattern_replacement.measure import COARSE
from claims.competition.prompts import Case, Prompt
from referee.measuring.requests import Patch, without_prefix
from referee.measuring.session import Session

SHARE, EVEN, ODD, MIXED, LAYER = "share", "even", "odd", "mixed", "layer"
"""What is replaced: a share of everything, a number of even, odd or mixed heads or blocks, or all at another layer."""


@dataclass
class Sweep:
    """Replacements by several methods, which run together.

    Attributes:
        bare: whether the text checker accepts bare numbers.
    """

    session: Session
    bare: bool
    _rows: list[tuple] = field(default_factory=list)
    _patches: list[Patch] = field(default_factory=list)

    def add(
        self,
        method: Method,
        prompts: Prompts,
        cases: Sequence[Case],
        counts: Sequence[int],
        layers: Iterable[int],
        seed: int = 0,
        *,
        controls: bool = True,
    ) -> None:
        """Adds all replacements of a method in each case.

        `counts` are numbers of even and of odd heads or blocks, and `layers` are other layers. `seed` draws random
        heads. Without `controls`, no odd or mixed heads and no other layers are replaced.
        """
        half = needed(self.session.subject)

        def add(case: Case, arm: str, level: float, **options: Any) -> None:
            self._rows.append((method, prompts.name, case, arm, level))
            self._patches.append(method.patch(self.session, case, prompts, **options))

        for place, case in enumerate(cases):
            rng = np.random.default_rng([seed, place])
            for amount in SHARES if method.text else COARSE:
                add(case, SHARE, amount, amount=amount)
            for count in counts:
                add(case, EVEN, count, parts=self._parts(method, EVEN, count, rng))
            if not controls:
                continue
            for count in sorted({half, *counts} & set(range(1, len(odd_heads(self.session.subject)) + 1))):
                add(case, ODD, count, parts=self._parts(method, ODD, count, rng))
            add(case, MIXED, half, parts=self._parts(method, MIXED, half, rng))
            for layer in layers:
                add(case, LAYER, layer, layer=layer)

    def run(self, *, progress: str | None = None) -> pd.DataFrame:
        """Returns one row for each replacement: `method`, `prompts`, `pair`, `order`, `arm`, `level` and `score`.

        `level` is the share, the number of heads, or the layer. `score` is the margin in logits. By text it is 1 for a
        right answer, and −1 for any other.
        """
        scores = np.empty(len(self._rows))
        texts = [i for i, row in enumerate(self._rows) if row[0].text]
        margins = [i for i, row in enumerate(self._rows) if not row[0].text]
        written = self.session.patched_texts([self._patches[i] for i in texts], NEW_TOKENS, progress=progress)
        for i, text in zip(texts, written, strict=True):
            scores[i] = 1 if read(text, self._rows[i][2].pair, bare=self.bare) == "right" else -1
        scores[margins] = self.session.patched_margins([self._patches[i] for i in margins], progress=progress)
        rows = [(method, name, str(case.pair), case.order, *rest) for method, name, case, *rest in self._rows]
        table = pd.DataFrame(rows, columns=["method", "prompts", "pair", "order", "arm", "level"])
        return table.assign(score=scores)

    def _parts(self, method: Method, which: str, count: int, rng: np.random.Generator) -> tuple[int, ...]:
        """Returns `count` heads or blocks: the first ones as in the published scripts, or random ones."""
        even, odd = even_heads(self.session.subject), odd_heads(self.session.subject)
        if method.one_prompt:
            few = -(-count // 2)
            return tuple({EVEN: even[:count], ODD: odd[:count], MIXED: sorted(even[:few] + odd[: count - few])}[which])
        heads = {EVEN: even, ODD: odd, MIXED: [*even, *odd]}[which]
        return tuple(sorted(rng.choice(heads, size=min(count, len(heads)), replace=False).tolist()))


def written(session: Session, prompts: Sequence[Prompt], *, progress: str | None = None) -> list[str]:
    """Returns what the unedited subject writes after each prompt."""
    patches = [Patch(without_prefix(session.tokenize(prompt)), None, session.layer) for prompt in prompts]
    return session.patched_texts(patches, NEW_TOKENS, progress=progress)


def answers_by_text(
    session: Session, cases: Sequence[Case], prompts: Prompts, *, bare: bool, progress: str | None = None
) -> pd.DataFrame:
    """Returns the columns of `screening.screen` that need no margin, with `correct` by the text checker."""
    asked = [case.asked(of) for case in cases for of in (prompts.donor, prompts.recipient)]
    texts = written(session, asked, progress=progress)
    answers = [read(text, prompt.pair, bare=bare) for text, prompt in zip(texts, asked, strict=True)]
    return describe(asked).assign(text=texts, answer=answers, correct=[answer == "right" for answer in answers])
