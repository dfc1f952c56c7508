"""What this theory gives to a run: its layer, prompts for the self-checks, models that it builds, a token view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from claims.competition.prompts import CATEGORIES, DOCUMENT_PAIRS, ORDERS, QA, Case, Prompt
from fixtures.study import Study, View

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


def _view(subject: Subject, bug_cases: Sequence[Case]) -> View:
    from claims.competition.view import view

    return view(subject, bug_cases)


STUDY = Study(
    summary=(
        "Llama-3.1-8B-Instruct answers “9.8 or 9.11?” right (the format Simple), but to “Q: Which is bigger: 9.8 or"
        " 9.11? A:” (the format Q&A) it says 9.11. The theory says why: format tokens such as “Q:” compete with the"
        " numbers for the attention of one layer, and half of its heads, the odd ones, lose the numbers."
    ),
    check_prompts=_check_prompts,
    depth=10 / 32,
    builders={"planted": _build, "random": _build},
    categories=dict(zip(CATEGORIES, ("numbers", "format", "other"), strict=True)),
    view=_view,
)
