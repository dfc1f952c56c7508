"""The case study: one prompt of each format of the seed document, as stated and as published, side by side.

A fact about one prompt is no claim about a model. So nothing here has an interval, and nothing is a verdict.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from claims.competition.as_published.checker import needs_bare_numbers, read
from claims.competition.as_published.measure import Sweep, written
from claims.competition.as_published.methods import (
    AS_PUBLISHED,
    AS_STATED,
    OF_DOCUMENT,
    OF_SCRIPTS,
    PUBLISHED_CASE,
    Method,
    Prompts,
    turned_one_by_one,
)
from claims.competition.as_published.outcomes import Course, courses
from claims.competition.head_subsets.measure import needed
from claims.competition.heads import even_heads
from claims.competition.prompts import INJECTION, POSITIONS, SIMPLE, Format
from referee.measuring.requests import Trial
from referee.measuring.session import Session
from referee.prompts.prompt import Answer

STATED = replace(AS_STATED, one_prompt=True)
"""The method as stated, on the one published prompt."""
_DECIDING = ("one_prompt", "repeated")
"""The switches that change nothing about one prompt. They change only what is concluded from it."""
_MAIN = (OF_SCRIPTS, OF_DOCUMENT)
"""The prompts on which every deviation runs. Odd heads and other layers are tried on these alone."""


@dataclass(frozen=True)
class Reply:
    """What the unedited subject says to one prompt.

    Attributes:
        format: the format of the prompt.
        margin_logits: the margin.
        text: what the subject writes.
        by_text: the answer by the published checker.
    """

    format: Format
    margin_logits: float
    text: str
    by_text: Answer

    def right(self, method: Method) -> bool:
        """Returns whether the answer is right by the score of a method."""
        return self.by_text == "right" if method.text else self.margin_logits > 0


@dataclass(frozen=True)
class CaseStudy:
    """The replies to each format, and what the replacements do to each prompt that has the bug.

    Attributes:
        bare: whether the text checker accepts bare numbers.
        replies: by name of the format. "Simple" and the published donor are among them.
        every_layer: whether the replacement ran at every other layer.
        found: the courses by method and name of the prompts. Odd heads and other layers are tried on two pairs of
            prompts only: those of the published scripts, and Simple with Q&A.
    """

    bare: bool
    replies: Mapping[str, Reply]
    every_layer: bool
    found: Mapping[tuple[Method, str], Course]

    def bugged(self, method: Method, prompts: Prompts) -> bool:
        """Returns whether the donor is right and the recipient is wrong, by the score of a method."""
        donor, recipient = (self.replies[of.name] for of in (prompts.donor, prompts.recipient))
        return donor.right(method) and not recipient.right(method)

    def course(self, method: Method, prompts: Prompts) -> Course | None:
        """Returns what the replacements do. None if there is no bug to repair."""
        return self.found.get((method, prompts.name))


def methods() -> Iterator[tuple[str | None, Method, Method]]:
    """Yields each method on one prompt: the switch that is turned, the method at whose end it is, and the method.

    The switch is None for the two methods themselves.
    """
    for start in (STATED, AS_PUBLISHED):
        yield None, start, start
        for name, turned in turned_one_by_one(start):
            if name not in _DECIDING:
                yield name, start, turned


def prompts_of(formats: Sequence[Format]) -> list[Prompts]:
    """Returns the seed document's prompts: Simple as donor, and each other format as recipient.

    `formats` are Simple, Q&A, and Chat if the subject has one. Formats with equal words occur once.
    """
    distinct = {format.segments: format for format in reversed((*formats, *INJECTION, *POSITIONS))}
    others = [format for format in reversed(distinct.values()) if format.segments != SIMPLE.segments]
    return [OF_DOCUMENT if of == OF_DOCUMENT.recipient else Prompts(of.name, SIMPLE, of) for of in others]


def case_study(
    session: Session, formats: Sequence[Format], layers: Sequence[int], *, progress: str | None = None
) -> CaseStudy:
    """Measures the one published case, 9.8 or 9.11, in all formats. `layers` are the other layers of a replacement."""
    every = [OF_SCRIPTS, *prompts_of(formats)]
    asked = list({of.name: of for prompts in every for of in (prompts.donor, prompts.recipient)}.values())
    cases = [PUBLISHED_CASE.asked(of) for of in asked]
    texts = written(session, cases, progress=progress)
    margins = session.margins([Trial(session.tokenize(case)) for case in cases], progress=progress)["margin_logits"]
    bare = needs_bare_numbers(texts, PUBLISHED_CASE.pair)
    read_as = [read(text, PUBLISHED_CASE.pair, bare=bare) for text in texts]
    replies = {of.name: Reply(of, *found) for of, *found in zip(asked, margins, texts, read_as, strict=True)}
    study = CaseStudy(bare, replies, len(layers) == session.subject.n_layers - 1, {})
    sweep = Sweep(session, bare)
    ran = [pair for prompts in every for pair in _runs(study, prompts)]
    counts = range(1, len(even_heads(session.subject)) + 1)
    for method, prompts in ran:
        few = method not in (STATED, AS_PUBLISHED)
        chosen = _half(session) if few else counts
        sweep.add(method, prompts, [PUBLISHED_CASE], chosen, layers, controls=prompts in _MAIN)
    table = sweep.run(progress=progress) if ran else pd.DataFrame()
    return replace(study, found={(m, p.name): courses(m, p, table)[0] for m, p in ran})


def _runs(study: CaseStudy, prompts: Prompts) -> Iterator[tuple[Method, Prompts]]:
    """Yields the methods that have a bug to repair on some prompts: all on the two pairs of prompts, else two."""
    for name, _, method in methods():
        if (prompts in _MAIN or name is None) and study.bugged(method, prompts):
            yield method, prompts


def _half(session: Session) -> list[int]:
    """Returns one fewer than half of the even heads, half of them, and all."""
    half = needed(session.subject)
    return [count for count in (half - 1, half, len(even_heads(session.subject))) if count]


def percent(share: float) -> str:
    """Returns a crossing in words."""
    return f"at {share:.0%}" if np.isfinite(share) else "at no share"
