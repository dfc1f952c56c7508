"""The theory of induction heads and attention sinks: every statement, its threshold and its source.

All thresholds of the theory are in this file, and so are the choices of the analysis. The length of a sequence is in
`sequences.py`, because results that are kept on disk depend on it. All of this was fixed before the claims were judged
on any trained model.
"""

from __future__ import annotations

from referee.judging.claims import Claim, Theory
from referee.judging.verdict import above

OLSSON = "Olsson et al. 2022, arXiv 2209.11895"
CROSBIE = "Crosbie & Shutova 2024, arXiv 2407.07011"
GU = "Gu et al. 2024, arXiv 2410.10781"
COURSE = "the detector of the ARENA course on mechanistic interpretability"

CONFIDENCE = 0.95
"""The level of every interval. A claim that names heads must also beat this share of other sets of heads."""

FEWEST_UNITS = 10
"""The fewest sequences for a verdict."""

TOP_SHARE = 0.01
"""The share of all heads of the model that are the top heads, at least one head."""

COMPARED = 4
"""The number of sequences on which an edit is compared in many sets of heads."""

MATCHING = 0.40
"""The prefix-matching score above which a head is an induction head."""

LOST = 1 / 3
"""The share of the right copies that must be lost without the induction heads."""

RESTING = 0.3
"""The first-token share above which a head rests on the first token."""

OTHER_RESTING = (0.2, 0.4)
"""Other values of RESTING, for the variants of S1."""

LOWEST_RESTING_LAYER = 2
"""The lowest layer whose heads can rest on the first token. Layers 0 and 1 are left out."""


HEADS_MATCH = Claim(
    id="I1",
    statement="Some heads attend to the token that followed an equal token.",
    quantity="prefix-matching score, mean over the top 1 % of all heads, median sequence",
    criterion=above(MATCHING),
    source=f"{OLSSON}; threshold of {COURSE}",
)

REPETITION_PREDICTED = Claim(
    id="I2",
    statement="A repeated token is predicted better than a new one.",
    quantity="share of tokens predicted, second half minus first half, median sequence",
    criterion=above(0.0),
    source=OLSSON,
)

HEADS_COPY = Claim(
    id="I3",
    statement="Copying needs the induction heads.",
    quantity="share of the right copies that is lost without the top 1 % of all heads, median sequence",
    criterion=above(LOST),
    source=f"{OLSSON}; {CROSBIE}",
)

HEADS_FED = Claim(
    id="I4",
    statement="Previous-token heads feed the induction heads.",
    quantity="fall of the top heads' prefix-matching score without as many previous-token heads, median sequence",
    criterion=above(0.0),
    source=OLSSON,
)

MOST_REST = Claim(
    id="S1",
    statement="Most heads rest on the first token.",
    quantity="share of the heads of layers 2 and higher whose first-token share exceeds 0.3, median sequence",
    criterion=above(0.5),
    source=GU,
)

REST_IDLE = Claim(
    id="S2",
    statement="Attention on the first token is idle.",
    quantity="|change of log probability in nats| when attention moves from the first token to the others, minus"
    " |change| when the same amount moves between the others, median sequence",
    criterion=above(0.0),
    source=GU,
)

THEORY = Theory(
    name="Induction heads and attention sinks",
    unit="sequences",
    known=True,
    confidence=CONFIDENCE,
    fewest_units=FEWEST_UNITS,
    words={"I": "induction", "S": "sink"},
    # Every claim above, in the order of this file.
    claims=tuple(value for value in globals().copy().values() if isinstance(value, Claim)),
)
