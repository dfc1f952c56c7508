"""The theory of bandwidth competition: every statement, its threshold and its source.

Nothing else in the project holds a threshold. The digest of this file goes into every report.
"""

from __future__ import annotations

from referee.judging.claims import Claim, Theory
from referee.judging.verdict import above, at_least, at_most, below, within

PAPER = "Sandoval 2025, arXiv 2508.19414"
SEED_DOCUMENT = "the theory's experimental framework"

CONFIDENCE = 0.95
"""The level of every interval. A claim that names heads must also beat this share of random head groups."""

MOST = 0.50
"""An edit breaks or repairs most answers if it does so for more than this share of the prompts."""

DUE_TO_FORMAT = 0.50
"""Format tokens cost more than other tokens if as many others cause less than this share of the loss."""

CROSSING_BAND = (0.55, 0.65)
"""The shares of replacement that count as 60 %."""

EVEN_TARGETS, ODD_SHARE = (0.10, 0.20, 0.30), 0.50
"""The numerical shares that experiment 1.2 sets, for even heads and for odd heads."""

BUG_SET_MINIMUM = 10
"""The fewest units for a verdict, and the fewest pairs that have the bug for a claim about repair."""

BUG_LEVEL = 0.05
"""The bug exists in an order of the numbers if chance gives it with at most half this probability; two orders."""


EVEN_HEADS_HOLD = Claim(
    id="1.1a",
    statement="Even heads put more than 40 % of their attention on the numbers, in every format.",
    quantity="mean numerical bandwidth of the even heads, median pair, lowest format",
    criterion=above(0.40),
    source=f"{SEED_DOCUMENT}, experiment 1.1; {PAPER}",
    headline=1,
    published="Llama-3.1-8B-Instruct, layer 10, last row: even heads 8.2 % Simple, 4.2 % Q&A, 1.6 % Chat; no head"
    " reaches 40 % (author's own later run)",
)

EVEN_HEADS_HOLD_MORE = Claim(
    id="1.1c",
    statement="Even heads put more of their attention on the numbers than the other heads, in every format.",
    quantity="numerical bandwidth, even minus other heads, median pair, lowest format",
    criterion=above(0.0),
    source=f"{SEED_DOCUMENT}, experiment 1.1; {PAPER}",
    headline=1,
    published="Llama-3.1-8B-Instruct, layer 10, last row: −2.1 % Simple, −2.3 % Q&A, −1.6 % Chat (author's own later"
    " run)",
)

ODD_HEADS_LOW = Claim(
    id="1.1b",
    statement="Odd heads put less than 40 % of their attention on the numbers in the Q&A format.",
    quantity="mean numerical bandwidth of the odd heads in Q&A, median pair",
    criterion=below(0.40),
    source=f"{SEED_DOCUMENT}, experiment 1.1; {PAPER}",
    headline=2,
    published="Llama-3.1-8B-Instruct, layer 10, last row: odd heads 10.3 % Simple, 6.5 % Q&A, 3.2 % Chat"
    " (author's own later run)",
)

ODD_HEADS_FALL = Claim(
    id="1.1d",
    statement="Odd heads put more than 40 % of their attention on the numbers in the Simple format.",
    quantity="mean numerical bandwidth of the odd heads in Simple, median pair",
    criterion=above(0.40),
    source=f"{SEED_DOCUMENT}, experiment 1.1; {PAPER}",
    headline=2,
)

ODD_HEADS_LOWER = Claim(
    id="1.1e",
    statement="Odd heads put less of their attention on the numbers than the other heads, in Q&A.",
    quantity="numerical bandwidth in Q&A, odd minus other heads, median pair",
    criterion=below(0.0),
    source=f"{SEED_DOCUMENT}, experiment 1.1; {PAPER}",
    headline=2,
)

EVEN_HEADS_BREAK = Claim(
    id="1.2a",
    statement="Lowering the even heads' share on the numbers below 40 % breaks most answers that were right.",
    quantity="share of right answers that turn wrong, at the target (10 %, 20 % or 30 %) that breaks fewest",
    criterion=above(MOST),
    source=f"{SEED_DOCUMENT}, experiment 1.2",
    headline=5,
)

ODD_HEADS_REPAIR = Claim(
    id="1.2b",
    statement="Raising the odd heads' share on the numbers to 50 % turns most wrong Q&A answers right.",
    quantity="share of the bug set that turns right",
    criterion=above(MOST),
    source=f"{SEED_DOCUMENT}, experiment 1.2",
    headline=5,
)

EVEN_HEADS_BREAK_MORE = Claim(
    id="1.2c",
    statement="Lowering the even heads' share on the numbers lowers right margins more than the same in other heads.",
    quantity="fall of the margin in logits at 30 %, even heads minus random groups of as many heads, median pair",
    criterion=above(0.0),
    source=f"{SEED_DOCUMENT}, experiment 1.2",
)

ODD_HEADS_REPAIR_MORE = Claim(
    id="1.2d",
    statement="Raising the odd heads' share on the numbers raises wrong margins more than the same in other heads.",
    quantity="rise of the margin in logits, odd heads minus random groups of as many heads, median pair",
    criterion=above(0.0),
    source=f"{SEED_DOCUMENT}, experiment 1.2",
)

FALLS_WITH_FORMAT = Claim(
    id="1.3a",
    statement="Attention on the numbers falls as the share of format tokens rises.",
    quantity="rank correlation of the heads' mean numerical bandwidth with the share of format tokens, median phrasing",
    criterion=below(0.0),
    source=f"{SEED_DOCUMENT}, experiment 1.3",
    headline=5,
)

DROP_AT_SIXTY = Claim(
    id="1.3b",
    statement="Accuracy drops where format tokens make up about 60 % of the prompt.",
    quantity="share of format tokens at which accuracy falls, median phrasing (1: it does not fall)",
    criterion=within(0.55, 0.65),
    source=f"{SEED_DOCUMENT}, experiment 1.3",
)

FORMAT_COSTS_MORE = Claim(
    id="1.3c",
    statement="Format tokens cause most of the loss on the numbers: as many other tokens cause less than half of it.",
    quantity="share of phrasings in which as many filler tokens cause less than half of the loss, lowest filler",
    criterion=above(MOST),
    source=f"the theory's word “format”, which {SEED_DOCUMENT} does not compare with other tokens",
)

EVEN_HEADS_ROUTE = Claim(
    id="2.1a",
    statement="In even heads, the last token gives at least a tenth of its attention to the numbers, in every format.",
    quantity="attention of the last token to the two numbers, mean over even heads, median pair, lowest format",
    criterion=at_least(0.10),
    source=f"{SEED_DOCUMENT}, experiment 2.1",
    published="Llama-3.1-8B-Instruct, layer 10: 8.2 % Simple, 4.2 % Q&A, 1.6 % Chat (author's own later run)",
)

EVEN_ROUTE_MORE = Claim(
    id="2.1b",
    statement="The last token gives more attention to the numbers in even heads than in odd heads, in every format.",
    quantity="last token's attention to the numbers, even minus odd heads, median pair, lowest format",
    criterion=above(0.0),
    source=f"{SEED_DOCUMENT}, experiment 2.1",
    published="Llama-3.1-8B-Instruct, layer 10: −2.1 % Simple, −2.3 % Q&A, −1.6 % Chat (author's own later run)",
)

CRITICAL_EDGES = Claim(
    id="2.2",
    statement="The edges that matter most to the margin lead to the numbers more often in even than in odd heads.",
    quantity="share of a head's five strongest edges that lead to the numbers, even minus odd heads, median pair",
    criterion=above(0.0),
    source=f"{SEED_DOCUMENT}, experiment 2.2",
)

EVEN_HEADS_STEADY = Claim(
    id="2.3",
    statement="The even heads' numerical bandwidth varies less with the place of the numbers than the odd heads'.",
    quantity="standard deviation of numerical bandwidth over six placements, even minus odd heads, median pair",
    criterion=below(0.0),
    source=f"{SEED_DOCUMENT}, experiment 2.3",
)

EVEN_HEADS_ALIKE = Claim(
    id="3.1",
    statement="Even heads attend more like each other than like odd heads.",
    quantity="correlation of two even heads' patterns, minus that of an even and an odd head, median pair",
    criterion=above(0.0),
    source=f"{SEED_DOCUMENT}, experiment 3.1",
    published="clustering of heads by parity on Llama-3.1-8B-Instruct: adjusted Rand index −0.06; heads cluster by"
    " key-value group (author's later notes)",
)

EVEN_PATTERNS_HELP = Claim(
    id="3.2a",
    statement="Even heads' patterns in odd heads raise the margin where the answer was wrong.",
    quantity="change of the margin on the bug set in logits, median pair",
    criterion=above(0.0),
    source=f"{SEED_DOCUMENT}, experiment 3.2",
)

ODD_PATTERNS_HARM = Claim(
    id="3.2b",
    statement="Odd heads' patterns in even heads lower the margin where the answer was right.",
    quantity="change of the margin on right answers in logits, median pair",
    criterion=below(0.0),
    source=f"{SEED_DOCUMENT}, experiment 3.2",
)

SIXTY_PERCENT = Claim(
    id="4.1a",
    statement="Most wrong answers turn right when about 60 % of the Q&A pattern is replaced by the Simple pattern.",
    quantity="share of the bug set that turns right at 55 % to 65 % replacement, and stays right for a further 10 %",
    criterion=above(MOST),
    source=f"{SEED_DOCUMENT}, experiment 4.1; {PAPER}",
    headline=3,
    published="60 % pattern replacement on Llama-3.1-8B-Instruct (paper's abstract; it replaced slices of the"
    " output after W_O, which are not heads)",
)

SHARP = Claim(
    id="4.1b",
    statement="The answer turns sharply: the margin makes 80 % of its rise within 10 % of the replacement.",
    quantity="width of the margin's rise from 10 % to 90 % as a share of the pattern replaced, median pair",
    criterion=at_most(0.10),
    source=f"{SEED_DOCUMENT}, experiment 4.1",
    headline=3,
)

RIGHT_PATTERN = Claim(
    id="4.1c",
    statement="The right pattern is needed: with uniform attention instead, most answers do not turn, or turn later.",
    quantity="share of the answers that the Simple pattern turns and uniform attention does not, or over 5 % later",
    criterion=above(MOST),
    source=f"the word “right” in {SEED_DOCUMENT}, experiment 4.1",
)

EIGHT_HEADS = Claim(
    id="4.2",
    statement="Half of the even heads (8 of 16) are enough for the repair, whichever they are, and one fewer is not.",
    quantity="share of head subsets that do as claimed (repair from half of the heads on, do not below), worst count",
    criterion=at_least(0.90),
    source=f"{SEED_DOCUMENT}, experiment 4.2; {PAPER}",
    headline=4,
    published="Llama-3.1-8B-Instruct: 40.4 % of subsets of 7 and 59.4 % of subsets of 8 even heads repair, 500 each"
    " (author's later notes; slices of the output after W_O)",
)

ONLY_EVEN_HEADS = Claim(
    id="4.2b",
    statement="As many odd heads repair fewer than half of the wrong answers, and so do as many heads drawn from all.",
    quantity="share of head subsets of this size that repair, odd heads or heads drawn from all, the larger share",
    criterion=below(MOST),
    source=f"{SEED_DOCUMENT}, experiment 4.2; {PAPER}",
    headline=4,
    published="Llama-3.1-8B-Instruct: odd heads repair at no number; 13 of 200 mixed subsets of 8 repair (author's"
    " later notes; slices of the output after W_O)",
)

SURGERY_REPAIRS = Claim(
    id="5.1",
    statement="Moving half of the odd heads' attention on format tokens to the numbers repairs most wrong answers.",
    quantity="share of the bug set that turns right",
    criterion=above(MOST),
    source=f"{SEED_DOCUMENT}, experiment 5.1",
    headline=5,
)

SURGERY_REPAIRS_MORE = Claim(
    id="5.1b",
    statement="Moving attention from format to numbers raises wrong margins more in odd heads than in as many others.",
    quantity="rise of the margin in logits, odd heads minus random groups of as many heads, median pair",
    criterion=above(0.0),
    source=f"{SEED_DOCUMENT}, experiment 5.1",
)

MASK_REPAIRS = Claim(
    id="5.2",
    statement="Masking format tokens in the odd heads repairs most wrong answers, at one strength or more.",
    quantity="share of the bug set that turns right, at the one strength that repairs the largest share",
    criterion=above(MOST),
    source=f"{SEED_DOCUMENT}, experiment 5.2",
    headline=5,
)

MASK_REPAIRS_MORE = Claim(
    id="5.2b",
    statement="Masking format tokens wholly raises wrong margins more in odd heads than in as many others.",
    quantity="rise of the margin in logits, odd heads minus random groups of as many heads, median pair",
    criterion=above(0.0),
    source=f"{SEED_DOCUMENT}, experiment 5.2",
)

BUG_OF_FORMAT = Claim(
    id="B1",
    statement="The bug is one of format: in either order of the numbers, Q&A turns more answers wrong than right.",
    quantity="share right in Simple among the answers that differ between Simple and Q&A, lower order",
    criterion=above(0.5),
    source=f"{SEED_DOCUMENT}; {PAPER}",
    published="Llama-3.1-8B-Instruct: swapping the two numbers removes the bug; 1 of 9 phrasings and 0 of 70 other"
    " pairs have it (author's later notes)",
)

FAULTY_DONOR_IDLE = Claim(
    id="C1",
    statement="Replacing the pattern by that of another pair's Q&A prompt turns fewer than half of the wrong answers.",
    quantity="share of the bug set that turns right",
    criterion=below(MOST),
    source="control of experiment 4.1",
    control=True,
)

OTHER_TOKENS_IDLE = Claim(
    id="C2",
    statement="Moving odd heads' attention from format to other tokens turns fewer than half of the wrong answers.",
    quantity="share of the bug set that turns right",
    criterion=below(MOST),
    source="control of experiment 5.1",
    control=True,
)

OTHER_LAYERS_IDLE = Claim(
    id="C4",
    statement="Replacing the whole pattern of another layer turns fewer than half of the wrong answers.",
    quantity="share of the bug set that turns right, at the layer where most do",
    criterion=below(MOST),
    source="control of experiment 4.1",
    control=True,
)

THEORY = Theory(
    name="Bandwidth Competition",
    unit="pairs",
    stratum="order of the numbers",
    confidence=CONFIDENCE,
    fewest_units=BUG_SET_MINIMUM,
    headlines={
        1: "Even heads put more than 40 % of their attention on the numbers in every format, and more than others do.",
        2: "The attention of odd heads on the numbers falls below 40 % in Q&A, and below that of other heads.",
        3: "The answer turns right sharply when 60 % of the faulty pattern is replaced.",
        4: "Half of the even heads (8 of 16) are necessary and sufficient for the repair.",
        5: "Format tokens compete with the numbers for attention, and the competition decides the answer.",
    },
    words={"B": "bug", "1": "bandwidth", "2": "routing", "3": "specialization", "4": "threshold", "5": "repair"},
    # Every claim above, in the order of this file.
    claims=tuple(value for value in globals().copy().values() if isinstance(value, Claim)),
)
