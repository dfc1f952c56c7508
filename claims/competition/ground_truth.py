"""The right verdicts on models whose truth is known, with the reasons. Every claim must have an entry in EXPECTED."""

from __future__ import annotations

from claims.expectations import GroundTruth, expect

MODELS = {
    "planted": (
        "The theory is true by construction, except for claim 1.3b. The model has the bug in Q&A, where half of the"
        " tokens are format tokens. Therefore its accuracy cannot drop only at 60 % format tokens."
    ),
    "planted:threshold=0.35": "The answer turns sharply, but at 35 % replacement.",
    "planted:heads=4": (
        "Four even heads are enough for the repair, so 4 to 7 even heads repair and should not. Eight heads drawn from"
        " all heads contain four even heads in two of three cases. All heads cross their thresholds together, so the"
        " number of necessary heads does not move the crossing."
    ),
    "planted:parity=odd": (
        "Even heads are exposed and odd heads are protected. Therefore nothing happens when even heads lose their"
        " share on the numbers or when the share of odd heads is set to 50 %. The even heads also attend alike, and"
        " the odd heads recover without format mass."
    ),
    "planted:parity=odd,sink=200": (
        "As for parity=odd. In addition the exposed even heads put almost all attention on BOS. Less than a tenth goes"
        " to the numbers, so little can vary. Less than in the odd heads goes to format tokens, so patterns of odd"
        " heads do harm in even heads."
    ),
    "planted:parity=none": (
        "All heads are protected. Even heads do what the theory says, and so does every other group of heads. The"
        " differences between equal heads are rounding errors of either sign. Any eight heads repair."
    ),
    "planted:parity=pairs": (
        "The first two of every four heads are protected, so parity says nothing. Even heads are a mixture, and they"
        " are less like each other than like odd heads. Half of the heads of either parity are enough if they contain"
        " all eight protected heads of that parity."
    ),
    "planted:parity=mod4": (
        "The attention is as in the theory, but later layers read only every fourth head. Therefore it matters which"
        " even heads are replaced."
    ),
    "planted:layer=1": (
        "The layer of interest, layer 4, attends uniformly: every head puts about 16 % on the numbers in Q&A. Edits"
        " there turn no answer. The mechanism is at layer 1, three layers below."
    ),
    "planted:graded": "The answer turns at 60 % replacement, but the margin rises gradually over most of the way.",
    "planted:bug=none": (
        "No answer is wrong, so nothing can be repaired or broken. Only the linear term moves the margin a little."
    ),
    "planted:competition=off": (
        "The shares do not depend on format tokens. Even heads stay above 40 %, odd heads do not fall, and no answer"
        " is wrong. Odd heads alone are enough, so nothing breaks when even heads lose their share on the numbers."
        " Even and odd heads still differ, because odd heads have a sink at decimal points."
    ),
    "planted:inert": (
        "The attention at the layer of interest, layer 4, is as in the theory, but it does not decide the answer."
        " Layer 1 decides."
    ),
    "planted:order": (
        "The answer is wrong in every format when the bigger number comes first. So the format causes no bug, and what"
        " is right is right in only one order."
    ),
    "planted:format_share=0.6": (
        "Accuracy drops at 60 % format tokens. Q&A has fewer of them, so Q&A is right. With so low a threshold,"
        " answers in Q&A break when even heads lose their share on the numbers, but answers in Simple do not: there"
        " the lost attention goes to the first digits of the answer itself."
    ),
    "random": "Random weights follow no theory.",
}

ODD_PROTECTED = ("planted:parity=odd", "planted:parity=odd,sink=200")
NO_BUG_OF_FORMAT = ("planted:bug=none", "planted:competition=off", "planted:order", "planted:format_share=0.6")
"""Models without prompts that are right in Simple and wrong in Q&A. There is nothing to repair."""
OTHER_LAYER = ("planted:layer=1", "planted:inert")
"""Models in which the layer of interest does not decide the answer."""

EXPECTED = {
    "1.1a": expect(
        refuted=[*ODD_PROTECTED, "planted:parity=pairs", "planted:layer=1"],
        inconclusive=["planted:parity=none"],
        unsupported=["random"],
    ),
    "1.1b": expect(
        refuted=[*ODD_PROTECTED, "planted:parity=none", "planted:competition=off"],
        inconclusive=["planted:parity=pairs", "planted:layer=1"],
        unsupported=["random"],
    ),
    "1.2a": expect(
        refuted=[
            *ODD_PROTECTED,
            *OTHER_LAYER,
            "planted:parity=none",
            "planted:parity=pairs",
            "planted:bug=none",
            "planted:competition=off",
            "planted:order",
        ],
        inconclusive=["planted:format_share=0.6"],
        unsupported=["random"],
    ),
    "1.2b": expect(
        refuted=[*ODD_PROTECTED, *OTHER_LAYER, "planted:parity=none"],
        not_applicable=NO_BUG_OF_FORMAT,
        unsupported=["random"],
    ),
    "1.3a": expect(refuted=["planted:competition=off"], inconclusive=["planted:layer=1"], unsupported=["random"]),
    "1.3b": expect(refuted=set(MODELS) - {"planted:format_share=0.6", "random"}, unsupported=["random"]),
    "2.1a": expect(
        refuted=["planted:parity=odd,sink=200"],
        inconclusive=["planted:parity=odd", "planted:parity=none", "planted:parity=pairs"],
        unsupported=["planted:layer=1", "planted:competition=off", "random"],
    ),
    "2.1b": expect(
        refuted=ODD_PROTECTED,
        unsupported=[
            "planted:parity=none",
            "planted:parity=pairs",
            "planted:layer=1",
            "planted:competition=off",
            "random",
        ],
    ),
    "2.2": expect(
        refuted=ODD_PROTECTED,
        unsupported=[*OTHER_LAYER, "planted:parity=none", "planted:parity=pairs", "planted:competition=off", "random"],
    ),
    "2.3": expect(
        refuted=["planted:parity=odd"],
        unsupported=[
            "planted:parity=none",
            "planted:parity=pairs",
            "planted:layer=1",
            "planted:competition=off",
            "random",
        ],
    ),
    "3.1": expect(refuted=["planted:parity=pairs"], unsupported=["planted:parity=none", "planted:layer=1", "random"]),
    "3.2a": expect(
        refuted=[*ODD_PROTECTED, *OTHER_LAYER],
        not_applicable=NO_BUG_OF_FORMAT,
        unsupported=["planted:parity=none", "planted:parity=pairs", "random"],
    ),
    "3.2b": expect(
        refuted=[*OTHER_LAYER, "planted:parity=odd"],
        inconclusive=["planted:order"],
        unsupported=["planted:parity=none", "planted:parity=pairs", "random"],
    ),
    "4.1a": expect(
        refuted=[*OTHER_LAYER, "planted:threshold=0.35"], not_applicable=NO_BUG_OF_FORMAT, unsupported=["random"]
    ),
    "4.1b": expect(
        refuted=["planted:graded"], not_applicable=[*NO_BUG_OF_FORMAT, *OTHER_LAYER], unsupported=["random"]
    ),
    "4.2": expect(
        refuted=[*ODD_PROTECTED, *OTHER_LAYER, "planted:heads=4", "planted:parity=pairs", "planted:parity=mod4"],
        not_applicable=NO_BUG_OF_FORMAT,
        unsupported=["random"],
    ),
    "5.1": expect(refuted=OTHER_LAYER, not_applicable=NO_BUG_OF_FORMAT, unsupported=["random"]),
    "5.2": expect(refuted=OTHER_LAYER, not_applicable=NO_BUG_OF_FORMAT, unsupported=["random"]),
    "H5": expect(
        refuted=[*ODD_PROTECTED, *OTHER_LAYER, "planted:parity=none", "planted:parity=pairs"],
        not_applicable=NO_BUG_OF_FORMAT,
        unsupported=["random"],
    ),
    "C1": expect(not_applicable=NO_BUG_OF_FORMAT, unsupported=["random"]),
    "C2": expect(not_applicable=NO_BUG_OF_FORMAT, unsupported=["random"]),
    "C3": expect(
        refuted=["planted:parity=none"], not_applicable=NO_BUG_OF_FORMAT, unsupported=["planted:heads=4", "random"]
    ),
    "C4": expect(refuted=OTHER_LAYER, not_applicable=NO_BUG_OF_FORMAT, unsupported=["random"]),
}

TRUTH = GroundTruth(MODELS, EXPECTED, seeded=("random",))
