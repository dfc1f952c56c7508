"""What the model of a run needs of this theory: the layer of interest, and prompts for the self-checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claims.new_theory.template.sentences import Sentence
from fixtures.study import Study

if TYPE_CHECKING:
    from referee.models.subjects import Subject
    from referee.prompts.tokens import Tokens


def _check_prompts(subject: Subject) -> list[Tokens]:
    """Returns two prompts of equal length, on which the self-checks read and edit attention."""
    from referee.prompts.tokens import tokenize

    return [tokenize(Sentence(number, "lamps", "house"), subject.tokenizer) for number in (3, 7)]


# Layer 10 of 32, in proportion: the layer of interest of the planted models. Theories of one run must name the same
# depth. A theory that names no layer has the depth None.
STUDY = Study(
    summary="Write one or two sentences for a reader who does not know the theory.",
    check_prompts=_check_prompts,
    depth=10 / 32,
)
