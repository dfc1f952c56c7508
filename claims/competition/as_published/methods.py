"""The published method and ours as six switches, and the prompts of both.

The published scripts differ in six ways from what the sentences of the theory say. Each way is one switch, so that each
can be turned on or off alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from claims.competition.prompts import DOCUMENT_PAIRS, ORDERS, QA, SIMPLE, Case, Format

if TYPE_CHECKING:
    from referee.measuring.requests import Patch
    from referee.measuring.session import Session

PUBLISHED_CASE = Case(DOCUMENT_PAIRS[0], ORDERS[0])
"""The one pair, in the one order, on which the published scripts run: 9.8 or 9.11."""
REPEATS = 1000
"""How often the published scripts repeat one deterministic generation. They count each time as a trial."""
NEW_TOKENS = 20
"""The number of tokens that the subject writes. The published scripts use 20 to 50."""
SHARES = tuple(round(step / 5, 1) for step in range(1, 6))
"""The shares of the replacement at which the published scripts read the text."""


@dataclass(frozen=True)
class Prompts:
    """The format that gives the attention, and the format that receives it."""

    name: str
    donor: Format
    recipient: Format


OF_DOCUMENT = Prompts("seed document's", SIMPLE, QA)
OF_SCRIPTS = Prompts(
    "published scripts'",
    Format.parse("Which is bigger, Answer", "Which is bigger: {first} {or} {second}?\n[Answer:]"),
    Format.parse("Q&A in two lines", "Q: Which is bigger: {first} {or} {second}?\n[A:]"),
)


@dataclass(frozen=True)
class Method:
    """How a claim about the repair is tested. Without any switch the method is as the theory states it.

    Attributes:
        blocks: blocks of the attention module's output after W_O are replaced, instead of the patterns of heads.
        left: rows correspond from the left, up to the shorter length, instead of by meaning.
        decoding: each row that is computed after the prompt gets the donor's first row. Without it, the rows of the
            answer's forced prefix get the donor's rows of the same prefix.
        one_prompt: one pair in one order and one choice of heads, instead of many pairs, both orders and random heads.
        text: a right answer is a text that the checker accepts, at five shares of the replacement, instead of a
            positive margin at 21 shares.
        repeated: each generation is counted 1000 times.
    """

    blocks: bool = False
    left: bool = False
    decoding: bool = False
    one_prompt: bool = False
    text: bool = False
    repeated: bool = False

    def patch(
        self,
        session: Session,
        case: Case,
        prompts: Prompts,
        *,
        amount: float = 1.0,
        parts: tuple[int, ...] | None = None,
        layer: int | None = None,
    ) -> Patch:
        """Returns the replacement in the recipient's prompt of a case; see `Patch` for the other arguments."""
        from referee.measuring.requests import Patch, without_prefix

        tokens, donor = (session.tokenize(case.asked(of)) for of in (prompts.recipient, prompts.donor))
        forced: tuple[int, ...] = ()
        if self.decoding:
            # A text is written from the end of the prompt on. A margin needs the forced prefix, row by row.
            forced = () if self.text else tokens.ids[tokens.n_prompt :]
            tokens, donor = without_prefix(tokens), without_prefix(donor)
        return Patch(
            tokens,
            donor,
            session.layer if layer is None else layer,
            site="output" if self.blocks else "pattern",
            amount=amount,
            parts=parts,
            alignment="left block" if self.left else "meaning",
            forced=forced,
            while_decoding=self.decoding,
        )


SWITCHES = {
    "blocks": "blocks after W_O instead of heads",
    "left": "left alignment",
    "decoding": "also while decoding",
    "one_prompt": "one prompt",
    "text": "text checker",
    "repeated": "repeated trials",
}
"""Each deviation in words."""
AS_STATED = Method()
AS_PUBLISHED = Method(**dict.fromkeys(SWITCHES, True))


def turned_one_by_one(start: Method) -> Iterator[tuple[str, Method]]:
    """Yields the name of each switch, and the method in which this switch alone differs from `start`."""
    for field in fields(start):
        yield field.name, replace(start, **{field.name: not getattr(start, field.name)})
