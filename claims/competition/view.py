"""What the token view of the report shows of this theory: one prompt of each format, before and after its edits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from claims.competition.chat import chat_format
from claims.competition.heads import even_heads, odd_heads
from claims.competition.prompts import DOCUMENT_PAIRS, ORDERS, QA, SIMPLE, Case, Format
from claims.competition.share_manipulation.measure import set_shares
from claims.competition.theory import CROSSING_BAND, EVEN_HEADS_HOLD, EVEN_TARGETS, ODD_SHARE
from fixtures.study import View, ViewedPrompt
from referee.attention.edits import Edit, Replace
from referee.prompts.tokens import tokenize

if TYPE_CHECKING:
    from referee.models.subjects import Subject
    from referee.prompts.tokens import Tokens

_CAPTION = (
    "Each token attends to itself and to the tokens before it. A head's attention pattern has the share that each of"
    " them gets, and the shares of a token sum to 1. The numerical bandwidth of a head is the share of its attention"
    " that goes to the two numbers. The theory says that it is more than {:.0f} % in the even heads, in every format."
)


def view(subject: Subject, bug_cases: Sequence[Case]) -> View:
    """Returns the prompts of the first pair of the seed document, and one Q&A prompt with the bug if there is one."""
    of_document = Case(DOCUMENT_PAIRS[0], ORDERS[0])
    chat = chat_format(subject.tokenizer)
    asked = [(of_document, format) for format in (QA, SIMPLE, *filter(None, [chat]))]
    asked = [*((case, QA) for case in bug_cases[:1] if case != of_document), *asked]
    return View(
        caption=_CAPTION.format(100 * EVEN_HEADS_HOLD.criterion.low),
        quantity="numerical bandwidth",
        category="numerical",
        level=EVEN_HEADS_HOLD.criterion.low,
        heads={"even heads": even_heads(subject), "odd heads": odd_heads(subject)},
        prompts=[_viewed(subject, case, format, bugged=case in bug_cases) for case, format in asked],
    )


def _viewed(subject: Subject, case: Case, format: Format, *, bugged: bool) -> ViewedPrompt:
    tokens, simple = (tokenize(case.asked(chosen), subject.tokenizer) for chosen in (format, SIMPLE))
    wrong = ", wrong here and right in Simple" if bugged and format is QA else ""
    name = f"{format.name}: {' or '.join(case.pair.ordered(case.order))}{wrong}"
    return ViewedPrompt(name, tokens, _breaking(subject) if format is SIMPLE else _repair(subject, simple))


def _repair(subject: Subject, simple: Tokens) -> Mapping[str, Edit]:
    """Returns the edits that should repair a wrong answer: those of experiments 4.1 and 1.2."""
    crossing = round(sum(CROSSING_BAND) / len(CROSSING_BAND), 2)
    replaced = {f"{100 * amount:.0f} % of the pattern of Simple": Replace(simple, amount) for amount in (crossing, 1.0)}
    return {**replaced, **set_shares({"odd": odd_heads(subject)}, [ODD_SHARE])}


def _breaking(subject: Subject) -> Mapping[str, Edit]:
    """Returns the edit of experiment 1.2 that should break a right answer."""
    return set_shares({"even": even_heads(subject)}, [min(EVEN_TARGETS)])
