"""The expected verdicts on models whose truth is known, by model and claim, with the reasons.

The letters are S for supported, R for refuted, I for inconclusive and N for not applicable. The sign "-" stands for
any verdict except SUPPORTED and ERROR. Every claim must have a column here. Otherwise the tests fail.
"""

from __future__ import annotations

from dataclasses import dataclass

CLAIM_IDS = (
    *("1.1a", "1.1b", "1.2a", "1.2b", "1.3a", "1.3b"),
    *("2.1a", "2.1b", "2.2", "2.3"),
    *("3.1", "3.2a", "3.2b"),
    *("4.1a", "4.1b", "4.2"),
    *("5.1", "5.2", "H5"),
    *("C1", "C2", "C3", "C4"),
)

WORDS = {"S": "SUPPORTED", "R": "REFUTED", "I": "INCONCLUSIVE", "N": "NOT APPLICABLE"}


@dataclass(frozen=True)
class Truth:
    """The expected verdicts on one planted model.

    Attributes:
        model: value of the option --model.
        verdicts: one letter for each claim of CLAIM_IDS, or "-" for any verdict except SUPPORTED and ERROR.
        why: reason for these verdicts.
    """

    model: str
    verdicts: str
    why: str

    def expects(self, claim_id: str) -> str:
        """Returns the expected verdict of a claim: SUPPORTED, …, or "not SUPPORTED"."""
        return WORDS.get(self.verdicts.split()[CLAIM_IDS.index(claim_id)], "not SUPPORTED")

    def allows(self, claim_id: str, verdict: str) -> bool:
        """Returns True if the verdict is correct for this model. ERROR is never correct."""
        expected = self.expects(claim_id)
        return verdict == expected if expected in WORDS.values() else verdict in set(WORDS.values()) - {"SUPPORTED"}


TRUTHS = (
    Truth(
        "planted",
        "S S  S S  S R  S S S S  S S S  S S S  S S S  S S S S",
        "The theory is true by construction, but for 1.3b: a bug in Q&A, half of whose tokens are format tokens, and a"
        " drop of accuracy at 60 % cannot both be.",
    ),
    Truth(
        "planted:threshold=0.35",
        "S S  S S  S R  S S S S  S S S  R S S  S S S  S S S S",
        "The answer turns, sharply, at 35 % replacement.",
    ),
    Truth(
        "planted:heads=4",
        "S S  S S  S R  S S S S  S S S  S S R  S S S  S S - S",
        "Four even heads suffice, so 4 to 7 repair where they must not, and eight drawn from all hold four even ones in"
        " two cases of three. All heads cross together, so how many are needed does not move the crossing.",
    ),
    Truth(
        "planted:parity=odd",
        "R R  R R  S R  I R R R  S R R  S S R  S S R  S S S S",
        "Even heads are the exposed ones and odd heads the protected ones: starving the former or half-feeding the"
        " latter does nothing. Even heads are alike in this, too, and odd heads recover without format mass.",
    ),
    Truth(
        "planted:parity=odd,sink=200",
        "R R  R R  S R  R R R S  S R S  S S R  S S R  S S S S",
        "As before, and the exposed even heads leave nearly everything on BOS: less than a tenth goes to the numbers,"
        " with little left to vary, and less to format tokens than in odd heads, whose patterns harm there.",
    ),
    Truth(
        "planted:parity=none",
        "I R  R R  S R  I - - -  - - -  S S S  S S R  S S R S",
        "All heads are protected, even ones do what the theory says and so does any other group; differences between"
        " equal heads are rounding errors of either sign. Any eight heads repair.",
    ),
    Truth(
        "planted:parity=pairs",
        "R I  R S  S R  I - - -  R - -  S S R  S S R  S S S S",
        "The first two of every four heads are protected: parity says nothing, and even heads are a mixture, less like"
        " each other than like odd ones. Half of either parity suffices where all of its eight protected heads are in.",
    ),
    Truth(
        "planted:parity=mod4",
        "S S  S S  S R  S S S S  S S S  S S R  S S S  S S S S",
        "Attention is as the theory says; only every fourth head is read downstream, so it matters which even heads.",
    ),
    Truth(
        "planted:layer=1",
        "R I  R R  I R  - - - -  - R R  R N R  R R R  S S S R",
        "Layer 4, the one of interest, attends evenly, about 16 % on Q&A's numbers in any head, and editing it turns"
        " nothing; layer 1, three below, does.",
    ),
    Truth(
        "planted:graded",
        "S S  S S  S R  S S S S  S S S  S R S  S S S  S S S S",
        "The answer turns at 60 %, after a gradual rise over most of the way.",
    ),
    Truth(
        "planted:bug=none",
        "S S  R N  S R  S S S S  S N S  N N N  N N N  N N N N",
        "Nothing is wrong, so nothing can be repaired or broken; only the hunch moves the margin a little.",
    ),
    Truth(
        "planted:competition=off",
        "S R  R N  R R  - - - -  S N S  N N N  N N N  N N N N",
        "Shares ignore format tokens: even heads stay above, odd heads do not fall, and with nothing lost nothing goes"
        " wrong. Odd heads alone suffice then, so starving even heads breaks nothing. What still tells the two apart is"
        " the odd heads' sink at decimal points.",
    ),
    Truth(
        "planted:inert",
        "S S  R R  S R  S S - S  S R R  R N R  R R R  S S S R",
        "Attention is as the theory says, and layer 4, the one of interest, has no say in the answer; layer 1 has.",
    ),
    Truth(
        "planted:order",
        "S S  R N  S R  S S S S  S N I  N N N  N N N  N N N N",
        "Wrong in every format when the bigger number comes first: no bug of format, and what is right is so in one"
        " order only.",
    ),
    Truth(
        "planted:format_share=0.6",
        "S S  I N  S S  S S S S  S N S  N N N  N N N  N N N N",
        "Accuracy drops at 60 % of format tokens, beyond Q&A's share of them: Q&A is right. With so low a threshold,"
        " starving even heads breaks Q&A and not Simple, where what is taken goes to the answer's own first digits.",
    ),
    Truth("random", " ".join("-" * 23), "Random weights obey no theory."),
)
