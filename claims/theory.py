"""The theory of bandwidth competition: every statement, its threshold and its source.

Nothing else in the project holds a threshold. The digest of this file goes into every report.
"""

from __future__ import annotations

from dataclasses import dataclass

from bandwidth.verdict import Criterion, above, at_most, below, within

PAPER = "Sandoval 2025, arXiv 2508.19414"
SKETCH = "the theory's experimental framework"

CONFIDENCE = 0.95
"""Nominal level of every interval; a parity claim must also beat this share of random head splits."""

BUG_SET_MINIMUM = 10
"""Repair claims need at least this many pairs that are right in Simple and wrong in Q&A."""


@dataclass(frozen=True)
class Claim:
    """A sentence that can be false.

    Attributes:
        id: experiment and number within it.
        statement: the sentence, as a reader of the report meets it.
        quantity: what the estimate is, with its unit.
        criterion: what the estimate must be for the sentence to be true.
        source: where the sentence comes from.
        headline: its number among the theory's five headline claims, if it is one of them.
        published: what earlier work reports of the same quantity; printed beside the result, never used.
    """

    id: str
    statement: str
    quantity: str
    criterion: Criterion
    source: str
    headline: int | None = None
    published: str | None = None


EVEN_HEADS_HOLD = Claim(
    id="1.1a",
    statement="Even heads put more than 40 % of their attention on the numbers, in every format.",
    quantity="mean numerical bandwidth of the even heads, lowest format",
    criterion=above(0.40),
    source=f"{SKETCH}, experiment 1.1; {PAPER}",
    headline=1,
    published="Llama-3.1-8B-Instruct, layer 10, last row: even heads 8.2 % Simple, 4.2 % Q&A, 1.6 % Chat; no head"
    " reaches 40 % (author's own later run)",
)

ODD_HEADS_FALL = Claim(
    id="1.1b",
    statement="Odd heads put less than 40 % of their attention on the numbers in the Q&A format.",
    quantity="mean numerical bandwidth of the odd heads in Q&A",
    criterion=below(0.40),
    source=f"{SKETCH}, experiment 1.1; {PAPER}",
    headline=2,
    published="Llama-3.1-8B-Instruct, layer 10, last row: odd heads 10.3 % Simple, 6.5 % Q&A, 3.2 % Chat"
    " (author's own later run)",
)

SIXTY_PERCENT = Claim(
    id="4.1a",
    statement="Replacing 60 % of the faulty Q&A pattern by the Simple pattern is what turns the answer right.",
    quantity="median share of the pattern replaced when the margin turns positive (1: not even at full replacement)",
    criterion=within(0.55, 0.65),
    source=f"{SKETCH}, experiment 4.1; {PAPER}",
    headline=3,
    published="60 % pattern replacement on Llama-3.1-8B-Instruct (paper's abstract; it replaced slices of the"
    " output after W_O, which are not heads)",
)

SHARP = Claim(
    id="4.1b",
    statement="The turn is sharp: the margin makes most of its way within 10 % of the replacement.",
    quantity="median width of the margin's rise from 10 % to 90 %, as a share of the pattern replaced",
    criterion=at_most(0.10),
    source=f"{SKETCH}, experiment 4.1",
)

CLAIMS = (EVEN_HEADS_HOLD, ODD_HEADS_FALL, SIXTY_PERCENT, SHARP)
