"""What this theory gives to a run: prompts for the self-checks, and the planted model. The theory names no layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixtures.study import Study

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from referee.models.subjects import Subject
    from referee.prompts.tokens import Tokens


def _check_prompts(subject: Subject) -> list[Tokens]:
    from claims.induction.sequences import sequences

    return sequences(subject, 2, seed=0)


def _build(name: str) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    from claims.induction.planted import model

    return model.build(name)


STUDY = Study(
    summary=(
        "Induction heads copy what followed an equal token earlier in the text, and most heads rest on the first token"
        " when they have nothing to do."
    ),
    check_prompts=_check_prompts,
    builders={"induction": _build},
)
