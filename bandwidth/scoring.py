"""Is an answer right? By the margin of logits, and by what the model writes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from bandwidth.prompts import Prompt
from bandwidth.subjects import Subject
from bandwidth.tokens import Tokens, alike

Answer = Literal["right", "wrong", "neither"]


def margins(logits: Tensor, prompts: Sequence[Tokens]) -> Tensor:
    """Logit of the right answer's first own token minus the wrong one's, in logits; [trial] from [trial, vocabulary].

    Positive means right. Both answers' shared beginning has been teacher-forced.
    """
    trial = torch.arange(len(prompts))
    right = torch.tensor([tokens.right_id for tokens in prompts])
    wrong = torch.tensor([tokens.wrong_id for tokens in prompts])
    logits = logits.cpu()
    return logits[trial, right] - logits[trial, wrong]


def top_answers(logits: Tensor, prompts: Sequence[Tokens]) -> list[Answer]:
    """Which answer the most likely next token continues, for each of [trial, vocabulary]."""
    best = logits.argmax(-1).tolist()
    named: list[dict[int, Answer]] = [{t.right_id: "right", t.wrong_id: "wrong"} for t in prompts]
    return [names.get(token, "neither") for names, token in zip(named, best, strict=True)]


def first_named(text: str, right: str, wrong: str) -> Answer:
    """Which of two numbers a text names first, on number boundaries: "9.11" does not name 9.1, "9.8." does name 9.8."""
    found = {
        answer: match.start()
        for answer, number in (("right", right), ("wrong", wrong))
        if (match := re.search(rf"(?<!\d)(?<!\d[.,]){re.escape(number)}(?![.,]?\d)", text))
    }
    if not found:
        return "neither"
    return "right" if min(found, key=found.__getitem__) == "right" else "wrong"


def greedy_answers(subject: Subject, prompts: Sequence[Tokens], *, max_new_tokens: int = 12) -> list[Answer]:
    """What the subject writes by itself after each prompt (no forced prefix), read by `first_named`."""
    answers: dict[int, Answer] = {}
    for group in alike(prompts, lambda tokens: tokens.n_prompt):
        ids = torch.tensor([prompts[i].ids[: prompts[i].n_prompt] for i in group], device=subject.device)
        written = subject.model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=max_new_tokens,
            do_sample=False,
            pad_token_id=subject.tokenizer.pad_token_id or subject.tokenizer.eos_token_id or 0,
        )
        for i, text in zip(group, subject.tokenizer.batch_decode(written[:, ids.shape[1] :]), strict=True):
            prompt: Prompt = prompts[i].prompt
            answers[i] = first_named(text, prompt.right, prompt.wrong)
    return [answers[i] for i in range(len(prompts))]
