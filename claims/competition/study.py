"""What this theory gives to a run: layer 10 of 32, prompts for the self-checks, and the planted and random models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claims.competition.prompts import DOCUMENT_PAIRS, ORDERS, QA, Prompt
from fixtures.study import Study

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from referee.models.subjects import Subject
    from referee.prompts.tokens import Tokens


def _check_prompts(subject: Subject) -> list[Tokens]:
    from referee.prompts.tokens import tokenize

    return [tokenize(Prompt(DOCUMENT_PAIRS[0], order, QA), subject.tokenizer) for order in ORDERS]


def _build(name: str) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    from claims.competition.planted import model

    return model.build(name)


STUDY = Study(check_prompts=_check_prompts, depth=10 / 32, builders={"planted": _build, "random": _build})
