"""The right verdicts on models whose truth is known, with the reasons. Every claim must have an entry in EXPECTED."""

from __future__ import annotations

from claims.expectations import GroundTruth, expect

MODELS = {
    "planted": (
        "The theory is true by construction, except for claim 1.3b. The model has the bug in Q&A, where half of the"
        " tokens are format tokens. Therefore its accuracy cannot drop only at 60 % format tokens."
    ),
    "planted:threshold=0.35": (
        "The answer turns sharply, but at 35 % replacement. Uniform attention in place of the Simple pattern helps the"
        " exposed heads, and turns it only at about 48 %."
    ),
    "planted:threshold=0.57": "The answer turns at 57 % replacement, near an end of the claimed band.",
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
        " to the numbers, so little can vary, and nothing can be taken away: claims about lowered shares do not apply."
        " Patterns of odd heads do a little harm in even heads, and other swaps do more."
    ),
    "planted:sink=200": (
        "The exposed odd heads put almost all attention on BOS in every format. So they do not fall, they vary little,"
        " and too little of their attention is on format tokens for a repair by moving or masking it. Half of the swaps"
        " raise the margin as much as all of them."
    ),
    "planted:parity=none": (
        "All heads are protected. Even heads do what the theory says, and so does every other group of heads: claims on"
        " levels are true, and claims that even heads differ from others are false. Any eight heads repair. No head is"
        " helped by uniform attention, so the right pattern is needed."
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
    "planted:parity=fourth": (
        "Only heads 0 mod 4 are protected. What is true of even heads on average is true because of them, so claims"
        " that even heads differ from others must name this rival. Four of these eight heads are enough."
    ),
    "planted:layer=1": (
        "The layer of interest, layer 4, attends uniformly: every head puts about 16 % on the numbers in Q&A, and other"
        " tokens dilute as much as format. Edits there turn no answer. The mechanism is at layer 1, three layers below."
    ),
    "planted:graded": "The answer turns at 60 % replacement, but the margin rises gradually over most of the way.",
    "planted:bug=none": (
        "No answer is wrong, so nothing can be repaired or broken. Only the linear term moves the margin a little."
    ),
    "planted:bug=one_order": (
        "The bug of format exists only with the bigger number first. All that the theory says of the repair is true"
        " there. Whether Q&A also loses answers in the other order cannot be said, since no answer differs. Right Q&A"
        " answers of that order do not break, so two of three right answers do, which twelve pairs cannot show."
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
    "planted:spread": (
        "The attention is as in the theory, but half of the heads work at the next layer, and 12 of 16 are needed. So"
        " edits of layer 4 can break and not repair. The working heads of layer 4 are in the first half of the heads,"
        " which is a rival of parity."
    ),
    "planted:relapse": (
        "The answer turns right at 60 % replacement and wrong again at about 97 %. So all even heads together, replaced"
        " wholly, do not repair."
    ),
    "planted:dilution": (
        "All tokens that are not numbers compete equally. So the share falls with format, and as much with others."
        " The transplanted Simple pattern lacks Simple's own separators, so it turns the answer before 60 %. Moving or"
        " masking format leaves the separators, which is not enough."
    ),
    "planted:linebreaks": (
        "Line breaks take attention as format tokens do. So format is not the only cost, and all else is as in the"
        " theory."
    ),
    "planted:pair_noise=1": (
        "Pairs differ: the answer of about four in five turns inside the band. Twelve pairs may not be enough for that."
    ),
    "planted:phrasing_noise=1": "Words differ in the attention that they take, so phrasings differ.",
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
NO_BUG = (*NO_BUG_OF_FORMAT, "random")
"""The same with random weights, where such prompts exist by accident."""
OTHER_LAYER = ("planted:layer=1", "planted:inert")
"""Models in which the layer of interest does not decide the answer."""
NOT_ALONE = (*OTHER_LAYER, "planted:spread")
"""Models in which edits of the layer of interest alone repair nothing."""
ALIKE = ("planted:parity=none", "planted:layer=1")
"""Models in which all heads of the layer of interest attend alike, except for rounding errors."""
RIVALS = ("planted:parity=fourth", "random")
"""Models in which something else than parity explains what even heads have on average."""
UNIFORM_AS_EARLY = ("planted:sink=200", "planted:parity=odd,sink=200")
"""Models in which uniform attention turns the answer at about the same replacement as the Simple pattern."""
PATTERN_NEEDED = {"planted:parity=none", "planted:threshold=0.35"}
"""Models in which uniform attention does not turn the answer, or turns it later than the Simple pattern."""

EXPECTED = {
    "1.1a": expect(
        refuted=[*ODD_PROTECTED, "planted:parity=pairs", "planted:parity=fourth", "planted:layer=1"],
        unsupported=["random"],
    ),
    "1.1c": expect(refuted=[*ODD_PROTECTED, *ALIKE], unsupported=["planted:parity=pairs", *RIVALS]),
    "1.1b": expect(
        refuted=[*ODD_PROTECTED, "planted:parity=none", "planted:competition=off"],
        inconclusive=["planted:parity=pairs"],
        unrefuted=["random"],
    ),
    "1.1d": expect(refuted=["planted:sink=200"], any_of=["random"]),
    "1.1e": expect(refuted=[*ODD_PROTECTED, *ALIKE], unsupported=["planted:parity=pairs", *RIVALS]),
    "1.2a": expect(
        refuted=[
            "planted:parity=odd",
            *OTHER_LAYER,
            "planted:parity=none",
            "planted:parity=pairs",
            "planted:bug=none",
            "planted:competition=off",
            "planted:order",
        ],
        not_applicable=["planted:parity=odd,sink=200"],
        inconclusive=["planted:format_share=0.6"],
        unrefuted=["planted:bug=one_order"],
        unsupported=["random"],
    ),
    "1.2b": expect(refuted=[*ODD_PROTECTED, *NOT_ALONE, "planted:parity=none"], not_applicable=NO_BUG),
    "1.2c": expect(
        refuted=["planted:parity=odd", *OTHER_LAYER, "planted:parity=none", "planted:parity=pairs"],
        not_applicable=["planted:parity=odd,sink=200"],
        inconclusive=["planted:parity=mod4", "planted:parity=fourth", "planted:spread"],
        unsupported=["random"],
    ),
    "1.2d": expect(
        refuted=[*ODD_PROTECTED, *OTHER_LAYER, "planted:parity=none"],
        not_applicable=NO_BUG,
        any_of=["planted:parity=pairs", "planted:spread"],
    ),
    "1.3a": expect(refuted=["planted:competition=off"], any_of=["random"]),
    "1.3b": expect(refuted=set(MODELS) - {"planted:format_share=0.6", "random"}, unsupported=["random"]),
    "1.3c": expect(
        refuted=["planted:layer=1", "planted:competition=off", "planted:dilution", "planted:linebreaks"],
        unsupported=["random"],
    ),
    "2.1a": expect(refuted=["planted:parity=odd,sink=200"], any_of=["random"]),
    "2.1b": expect(
        refuted=[*ODD_PROTECTED, *ALIKE],
        unsupported=["planted:parity=pairs", "planted:competition=off", *RIVALS],
    ),
    "2.2": expect(
        refuted=ODD_PROTECTED,
        unsupported=[*NOT_ALONE, "planted:parity=none", "planted:parity=pairs", "planted:competition=off", *RIVALS],
    ),
    "2.3": expect(
        refuted=["planted:parity=odd", "planted:sink=200", *ALIKE],
        unsupported=["planted:parity=pairs", "planted:competition=off", *RIVALS],
        any_of=["planted:dilution"],
    ),
    "3.1": expect(refuted=["planted:parity=pairs", *ALIKE], unsupported=RIVALS),
    "3.2a": expect(
        refuted=[*ODD_PROTECTED, *OTHER_LAYER],
        not_applicable=NO_BUG,
        unrefuted=["planted:sink=200"],
        unsupported=["planted:parity=none", "planted:parity=pairs", "planted:parity=fourth", "planted:spread"],
    ),
    "3.2b": expect(
        refuted=[*OTHER_LAYER, "planted:parity=odd"],
        inconclusive=["planted:parity=mod4", "planted:parity=fourth", "planted:spread"],
        unsupported=["planted:parity=odd,sink=200", "planted:parity=none", "planted:parity=pairs", "random"],
        any_of=["planted:order"],
    ),
    "4.1a": expect(
        refuted=[*NOT_ALONE, "planted:threshold=0.35", "planted:dilution"],
        not_applicable=NO_BUG,
        unrefuted=["planted:pair_noise=1"],
    ),
    "4.1b": expect(refuted=["planted:graded"], not_applicable=[*NO_BUG, *NOT_ALONE]),
    "4.1c": expect(
        refuted=set(MODELS) - {*NO_BUG, *NOT_ALONE, *PATTERN_NEEDED, "planted:dilution", *UNIFORM_AS_EARLY},
        not_applicable=[*NO_BUG, *NOT_ALONE],
        any_of=["planted:dilution", *UNIFORM_AS_EARLY],
    ),
    "4.2": expect(
        refuted=[
            *ODD_PROTECTED,
            *NOT_ALONE,
            "planted:heads=4",
            "planted:parity=pairs",
            "planted:parity=mod4",
            "planted:parity=fourth",
            "planted:relapse",
        ],
        not_applicable=NO_BUG,
    ),
    "4.2b": expect(
        refuted=[*ODD_PROTECTED, "planted:parity=none"], unsupported=["planted:heads=4"], not_applicable=NO_BUG
    ),
    "5.1": expect(refuted=[*NOT_ALONE, "planted:dilution", "planted:sink=200"], not_applicable=NO_BUG),
    "5.1b": expect(
        refuted=["planted:parity=odd", *OTHER_LAYER, "planted:parity=none", "planted:parity=pairs"],
        not_applicable=NO_BUG,
        unsupported=["planted:parity=odd,sink=200"],
        any_of=["planted:spread", "planted:dilution", "planted:sink=200"],
    ),
    "5.2": expect(refuted=[*NOT_ALONE, "planted:dilution", "planted:sink=200"], not_applicable=NO_BUG),
    "5.2b": expect(
        refuted=["planted:parity=odd", *OTHER_LAYER, "planted:parity=none", "planted:parity=pairs"],
        not_applicable=NO_BUG,
        unsupported=["planted:parity=odd,sink=200"],
        any_of=["planted:spread", "planted:dilution", "planted:sink=200"],
    ),
    "B1": expect(not_applicable=NO_BUG_OF_FORMAT, inconclusive=["planted:bug=one_order"], unsupported=["random"]),
    "C1": expect(not_applicable=NO_BUG),
    "C2": expect(not_applicable=NO_BUG),
    "C4": expect(refuted=OTHER_LAYER, not_applicable=NO_BUG),
}

TRUTH = GroundTruth(MODELS, EXPECTED, seeded=("random",))
