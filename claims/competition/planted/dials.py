"""The dials of a planted model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from claims.competition.planted.residual import HEADS, LAYER
from claims.dials import between, one_of, parsed, switch


@dataclass(frozen=True)
class Dials:
    """The properties of a planted model. With the default values the theory is true, except that two of its claims
    exclude each other (see `model`). Each dial with another value makes one named part of the theory false, or adds
    noise.

    Attributes:
        threshold: the share of replacement at which the answer turns.
        heads: the number of repaired protected heads that are enough for the repair.
        parity: the heads that are protected. They are the even heads, the odd heads, all heads ("none"), the first two
            of every four ("pairs"), every fourth head ("fourth"), or the even heads, of which later layers read only
            the heads 0, 4, 8, … ("mod4"). With "fourth" and "mod4", half of `heads` are enough, because only eight
            heads count.
        layer: the layer of the mechanism.
        spread: the protected and exposed heads below 16 work at `layer`, and the others work at the next layer. Both
            layers have all the patterns. A repair needs more protected heads than one layer has: half of all protected
            heads and half of `heads`, which is 12 of 16. So the Simple pattern at one layer repairs nothing. An answer
            breaks at one layer.
        graded: the heads and the count of heads respond gradually instead of sharply.
        relapse: in a prompt with many words, the answer turns wrong again when the protected heads have on average the
            share that they have after 97.5 % of the replacement. Sixteen repaired heads reach it, eight do not. The
            Simple prompt has few words, so its own answer is right.
        bug: "format", "none" (always right), "order" (gives the last number in every format) or "one_order" (as
            "format" if the bigger number comes first; if it comes second in a prompt with many words, the protected
            heads need a share of only 60 %, so Q&A is right; Simple has few words, so a lower share breaks it as ever).
        sink: the weight of the BOS token for exposed heads in every row. With 0, BOS has weight only in the deciding
            row.
        competition: whether format tokens take part in the softmax.
        dilution: every token that is neither a number nor BOS competes like a format token: "?", "or", blanks, fillers
            and line breaks. The transplanted Simple pattern has fewer of them than Simple itself if the alignment
            leaves them out. Then a smaller amount of it reaches the share at which the answer turns.
        linebreaks: line breaks count as format tokens for the attention.
        inert: the shares at the layer of interest are as in the theory, but the answer does not depend on them. The
            mechanism is at layer 1.
        format_share: the share of format tokens in the prompt at which accuracy drops. It replaces the bug in Q&A.
        pair_noise: how much the weights of numbers differ by pair. With 1, a fraction of two digits has a weight from
            0.4 to 1.6 and a fraction of one digit from 0.8 to 1.2. The answer then turns within about 0.03 (standard
            deviation) of the threshold.
        phrasing_noise: how much the weights of words differ. With 1, a word has from half to twice its weight. The
            weight depends on the word alone. The thresholds allow for it, so Q&A itself turns at `threshold`.
    """

    threshold: float = 0.6
    heads: int = 8
    parity: Literal["even", "odd", "none", "pairs", "fourth", "mod4"] = "even"
    layer: int = LAYER
    spread: bool = False
    graded: bool = False
    relapse: bool = False
    bug: Literal["format", "none", "order", "one_order"] = "format"
    sink: float = 0.0
    competition: bool = True
    dilution: bool = False
    linebreaks: bool = False
    inert: bool = False
    format_share: float | None = None
    pair_noise: float = 0.0
    phrasing_noise: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Dials:
        """Reads dials from text such as "threshold=0.35,graded". The dial "order" is short for "bug=order".

        Raises UnknownModel for an unknown dial or a value out of range.
        """
        words = ("bug=order" if word.partition("=")[0] == "order" else word for word in text.split(","))
        return parsed(cls(), ",".join(words), _VALUES, model="a planted model", example=_EXAMPLE)

    def protected(self, head: int) -> bool:
        """Returns whether the head is protected from format tokens."""
        return {
            "even": head % 2 == 0,
            "odd": head % 2 == 1,
            "none": True,
            "pairs": head % 4 < 2,
            "fourth": head % 4 == 0,
            "mod4": head % 2 == 0,
        }[self.parity]

    def is_read(self, head: int) -> bool:
        """Returns whether a later part of the model reads the head."""
        return self.parity != "mod4" or head % 2 == 1 or head % 4 == 0

    def needed(self) -> int:
        """Returns the number of heads above their thresholds that a right answer needs."""
        needed = max(1, self.heads // 2) if self.parity in ("mod4", "fourth") else self.heads
        if not self.spread:
            return needed
        return len(self.read_protected_heads()) // 2 + (needed + 1) // 2

    def read_protected_heads(self) -> list[int]:
        """Returns the protected heads that a later part of the model reads."""
        return [head for head in range(HEADS) if self.protected(head) and self.is_read(head)]

    def layers(self) -> dict[int, range]:
        """Returns the layers of the mechanism, and the heads that work in each."""
        first = 1 if self.inert else self.layer
        if not self.spread:
            return {first: range(HEADS)}
        return {first: range(HEADS // 2), first + 1: range(HEADS // 2, HEADS)}


_EXAMPLE = "Write for example planted:threshold=0.35, planted:graded or planted:parity=mod4."


_VALUES = {
    "threshold": between(float, 0.01, 0.99),
    "heads": between(int, 1, HEADS // 2),
    "parity": one_of("even", "odd", "none", "pairs", "fourth", "mod4"),
    "layer": between(int, 1, LAYER),
    "spread": switch,
    "graded": switch,
    "relapse": switch,
    "bug": one_of("format", "none", "order", "one_order"),
    "sink": between(float, 0, 1e6),
    "competition": switch,
    "dilution": switch,
    "linebreaks": switch,
    "inert": switch,
    "format_share": between(float, 0.01, 0.99),
    "pair_noise": between(float, 0, 1.6),
    "phrasing_noise": between(float, 0, 5),
}
