"""The theory: every statement, its threshold and its source. All thresholds of the theory are in this file."""

from __future__ import annotations

from referee.judging.claims import Claim, Theory
from referee.judging.verdict import above

THRESHOLD = 2.0
"""How many times its share under uniform attention a number must get."""

NUMBER_DRAWS = Claim(
    id="X1",
    statement="The number of a sentence gets more than twice its share of attention.",
    quantity="attention to the number, in multiples of uniform attention, mean over heads, median sentence",
    criterion=above(THRESHOLD),
    source="an example",
)

THEORY = Theory(
    name="Name of the Theory",
    unit="sentences",
    fewest_units=10,
    # Every claim above, in the order of this file.
    claims=tuple(value for value in globals().copy().values() if isinstance(value, Claim)),
)
