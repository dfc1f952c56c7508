"""The published figures of the repair, and the rule by which a measured figure reproduces one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from claims.competition.theory import (
    BUG_OF_FORMAT,
    EIGHT_HEADS,
    ONLY_EVEN_HEADS,
    OTHER_LAYERS_IDLE,
    PAPER,
    SHARP,
    SIXTY_PERCENT,
)
from referee.judging.claims import Claim

Reproduction = Literal["REPRODUCED", "NOT REPRODUCED"]
LLAMA, PYTHIA = "Llama-3.1-8B-Instruct", "pythia-160m"
SCRIPTS, NOTES = f"{PAPER}, and its scripts", "the author's later notes"


@dataclass(frozen=True)
class Figure:
    """A published figure.

    Attributes:
        claim: the claim that it speaks of.
        subject: the end of the model's name.
        measure: what was measured, as `measured_figures` names it. None if the suite does not compute the same.
        value: the published value of this measure, in words.
        source: where it was published.
    """

    claim: Claim
    subject: str
    measure: str | None
    value: str
    source: str

    def compared(self, subject: str, measured: dict[str, str]) -> Reproduction | None:
        """Returns whether a measured value reproduces the published one.

        Returns None unless the same measure was computed on the same subject. `subject` is the name of the model, such
        as a hub id, and `measured` has the value of each measure.
        """
        same = subject.rpartition("/")[2].lower() == self.subject.lower()
        if not same or self.measure is None or self.measure not in measured:
            return None
        return "REPRODUCED" if measured[self.measure] == self.value else "NOT REPRODUCED"

    def __str__(self) -> str:
        return f"{self.value} ({self.subject}, {self.source})"


BUG, SHARE, COUNTS, ODD, LAYERS = "bug", "share", "even blocks", "odd blocks", "other layers"
"""The measures of `measured_figures` on the published prompt, by the published method."""
FIGURES = (
    Figure(BUG_OF_FORMAT, LLAMA, BUG, "right in the donor, wrong in the recipient", SCRIPTS),
    Figure(BUG_OF_FORMAT, LLAMA, None, "1 of 9 phrasings, 0 of 70 other pairs, not with the numbers swapped", NOTES),
    Figure(SIXTY_PERCENT, LLAMA, SHARE, "60 %", SCRIPTS),
    Figure(SHARP, LLAMA, None, "0 % of texts below 60 %, 100 % from 60 % on", SCRIPTS),
    Figure(EIGHT_HEADS, LLAMA, COUNTS, "8 of 16 repair, 7 do not", SCRIPTS),
    Figure(EIGHT_HEADS, LLAMA, None, "40.4 % of 500 subsets of 7 and 59.4 % of 500 subsets of 8", NOTES),
    Figure(EIGHT_HEADS, PYTHIA, None, "all even blocks: 25 of 25 texts with the bare number, layer 6", SCRIPTS),
    Figure(ONLY_EVEN_HEADS, LLAMA, ODD, "no number of odd blocks repairs", SCRIPTS),
    Figure(ONLY_EVEN_HEADS, LLAMA, None, "13 of 200 mixed subsets of 8", NOTES),
    Figure(ONLY_EVEN_HEADS, LLAMA, None, "7 even and 5 odd blocks always repair, 7 even and 9 odd never do", NOTES),
    Figure(ONLY_EVEN_HEADS, PYTHIA, None, "all odd blocks: 0 of 25 texts with the bare number, layer 6", SCRIPTS),
    Figure(OTHER_LAYERS_IDLE, LLAMA, LAYERS, "no other layer repairs", SCRIPTS),
    Figure(OTHER_LAYERS_IDLE, LLAMA, None, "layers 10 and 15 only", NOTES),
)
CLAIMS = tuple(dict.fromkeys(figure.claim for figure in FIGURES))
"""The claims for which the published scripts have an experiment."""
