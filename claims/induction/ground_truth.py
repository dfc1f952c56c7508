"""The right verdicts on models whose truth is known, with the reasons. Every claim must have an entry in EXPECTED."""

from __future__ import annotations

from claims.expectations import GroundTruth, expect

MODELS = {
    "induction": "The theory is true by construction. About one token in four is not copied, because of the noise.",
    "induction:noise=0": (
        "The theory is true by construction, and the model copies every token that it can. Resting heads divide their"
        " remaining attention evenly."
    ),
    "induction:matching=off": (
        "No head matches, so nothing is copied. Claims about lost copies and about what feeds the matching heads do not"
        " apply. All other heads still rest on BOS."
    ),
    "induction:read=off": (
        "The matching heads attend to the right token, but they write nothing. So nothing is copied, and no copy can be"
        " lost. They still need the previous-token heads."
    ),
    "induction:feeders=others": (
        "The matching heads need previous-token heads, but not the strongest ones, which write nothing. They need two"
        " others, which attend less to the token before."
    ),
    "induction:backup": (
        "Four heads match, and the top 1 % are two of them. The other two are enough for most copies. The copies are so"
        " certain that the log probability changes little when attention moves."
    ),
    "induction:position": (
        "The matching heads attend to the position 24 before. In repeated sequences, the token there followed the same"
        " token before, so the heads copy. But they attend there without repetition, too. So they are no induction"
        " heads, and claims about what induction heads do or need do not apply."
    ),
    "induction:uniform": (
        "Every head attends uniformly. So no head matches or rests, and the model cannot know which token comes next."
    ),
    "induction:rest=off": (
        "The resting heads prefer no token to the first one, and the matching heads have no token to rest on. So there"
        " is no sink head. The model still copies."
    ),
    "induction:rest=read": (
        "The value of the first token equals the mean value of the others. So attention that moves from the first token"
        " to all others evenly changes little. Heads prefer tokens of high value, so attention that moves evenly"
        " between the others changes more."
    ),
    "induction:brittle": (
        "Copying fails as soon as any head of the layers of the matching heads is knocked out. So the loss does not"
        " depend on which heads they are."
    ),
    "random": "Random weights copy nothing and follow no theory.",
}

NO_MATCHING = ("induction:matching=off", "induction:uniform")
"""Models without heads that attend to the token that followed an equal token. Random weights have none, either."""
NO_INDUCTION_HEADS = (*NO_MATCHING, "induction:position", "random")
"""Models whose top heads do not attend by what the tokens are."""

EXPECTED = {
    "I1": expect(refuted=NO_MATCHING, inconclusive=["induction:position"], unsupported=["random"]),
    "I2": expect(refuted=["induction:matching=off", "induction:read=off"], unsupported=["induction:uniform", "random"]),
    "I3": expect(
        refuted=["induction:backup"],
        inconclusive=["induction:brittle"],
        not_applicable=[*NO_INDUCTION_HEADS, "induction:read=off"],
    ),
    "I4": expect(refuted=["induction:feeders=others"], not_applicable=NO_INDUCTION_HEADS),
    "S1": expect(refuted=["induction:uniform", "induction:rest=off"], unsupported=["random"]),
    "S2": expect(
        refuted=["induction:rest=read"],
        not_applicable=["induction:uniform", "induction:rest=off"],
        unsupported=["random"],
    ),
}

TRUTH = GroundTruth(MODELS, EXPECTED, seeded=("random",))
