"""What the suite must say of models whose truth is known: verdict by model and claim, with the argument.

S supported, R refuted, I inconclusive, N not applicable; `not S` stands for any verdict but SUPPORTED. A claim
without a column here fails the tests: no claim goes in untried.
"""

from __future__ import annotations

from dataclasses import dataclass

CLAIM_IDS = ("1.1a", "1.1b", "4.1a", "4.1b")

WORDS = {"S": "SUPPORTED", "R": "REFUTED", "I": "INCONCLUSIVE", "N": "NOT APPLICABLE"}


@dataclass(frozen=True)
class Truth:
    """The expected verdicts on one planted model.

    Attributes:
        model: as given to --model.
        verdicts: a letter for each claim of CLAIM_IDS; "-" for anything but SUPPORTED.
        why: the argument.
    """

    model: str
    verdicts: str
    why: str

    def expects(self, claim_id: str) -> str:
        """SUPPORTED, …, or "not SUPPORTED"."""
        return WORDS.get(self.verdicts.split()[CLAIM_IDS.index(claim_id)], "not SUPPORTED")

    def allows(self, claim_id: str, verdict: str) -> bool:
        expected = self.expects(claim_id)
        return verdict == expected if expected in WORDS.values() else verdict in set(WORDS.values()) - {"SUPPORTED"}


TRUTHS = (
    Truth("planted", "S S S S", "The theory is true by construction."),
    Truth("planted:threshold=0.35", "S S R S", "The answer turns, sharply, at 35 % replacement."),
    Truth("planted:heads=4", "S S S S", "All heads cross together, so how many are needed does not move the crossing."),
    Truth("planted:parity=odd", "R R S S", "Even heads are the exposed ones and odd heads the protected ones."),
    Truth(
        "planted:parity=none",
        "I R S S",
        "All heads are protected: even heads do stay above 40 %, and so does any other group; odd heads do not fall.",
    ),
    Truth("planted:parity=mod4", "S S S S", "Attention is as the theory says; only who is read downstream differs."),
    Truth(
        "planted:layer=7",
        "R I R N",
        "Layer 10 attends evenly: about 16 % on Q&A's numbers in any head, and replacing its pattern turns nothing.",
    ),
    Truth("planted:graded", "S S S R", "The answer turns at 60 %, after a gradual rise over most of the way."),
    Truth("planted:bug=none", "S S N N", "Nothing is wrong, so nothing can be repaired."),
    Truth(
        "planted:competition=off",
        "S R N N",
        "Shares ignore format tokens: even heads stay above, odd heads do not fall, and with nothing lost nothing goes"
        " wrong.",
    ),
    Truth("planted:inert", "S S R N", "Attention is as the theory says, and layer 10 has no say in the answer."),
    Truth("planted:order", "S S N N", "Wrong in every format when the bigger number comes first: no bug of format."),
    Truth("planted:format_share=0.6", "S S N N", "Accuracy drops beyond Q&A's share of format tokens: Q&A is right."),
    Truth("random", "- - - -", "Random weights obey no theory."),
)
