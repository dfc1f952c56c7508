"""Is an answer right? By the margin of logits, and by what the model writes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional
from transformers import GenerationConfig, PreTrainedTokenizerFast, StoppingCriteria, StoppingCriteriaList

from bandwidth.kv_cache import Keys, cache_of
from bandwidth.subjects import Subject
from bandwidth.tokens import Tokens, alike

Answer = Literal["right", "wrong", "neither"]
_BLOCK = 2048
"""Tokens of the vocabulary whose logits are computed at once."""


def margins(logits: Tensor, prompts: Sequence[Tokens]) -> Tensor:
    """Logit of the right answer's first own token minus the wrong one's, in logits; [trial] from [trial, vocabulary].

    Positive means right. Both answers' shared beginning has been teacher-forced.
    """
    trial = torch.arange(len(prompts), device=logits.device)
    right = torch.tensor([tokens.right_id for tokens in prompts], device=logits.device)
    wrong = torch.tensor([tokens.wrong_id for tokens in prompts], device=logits.device)
    return logits[trial, right] - logits[trial, wrong]


def margins_of(subject: Subject, final: Tensor, prompts: Sequence[Tokens]) -> Tensor:
    """The margins of the normalised residual stream [trial, size] before the unembedding, in float32; [trial].

    Only the two answers' rows of the unembedding are used, in float32 whatever the model's dtype: in bfloat16 logits
    near 20 lie 0.125 apart, and a difference of two of them is hardly a measurement.
    """
    head = subject.model.get_output_embeddings()

    def logit(ids: list[int]) -> Tensor:
        rows = torch.tensor(ids, device=final.device)
        found = (final.float() * head.weight[rows].float()).sum(-1)
        found = found if head.bias is None else found + head.bias[rows].float()
        cap = getattr(subject.model.config.get_text_config(), "final_logit_softcapping", None)
        return found if cap is None else cap * torch.tanh(found / cap)

    with torch.no_grad():
        return logit([tokens.right_id for tokens in prompts]) - logit([tokens.wrong_id for tokens in prompts])


def most_likely(subject: Subject, final: Tensor) -> Tensor:
    """The next token with the highest logit, [trial], of the normalised residual stream [trial, size].

    A block of the vocabulary at a time: all logits of a batch would be larger than what they are made of.
    """
    head = subject.model.get_output_embeddings()
    weights = head.weight.split(_BLOCK)
    biases = [None] * len(weights) if head.bias is None else head.bias.split(_BLOCK)
    with torch.no_grad():
        best = [functional.linear(final, *block).max(-1) for block in zip(weights, biases, strict=True)]
    logits, tokens = torch.stack([b.values for b in best]), torch.stack([b.indices for b in best])
    block = logits.argmax(0)
    return tokens.gather(0, block[None])[0] + _BLOCK * block


def top_answers(tokens: Tensor, prompts: Sequence[Tokens]) -> list[Answer]:
    """Which answer each trial's most likely next token, [trial], continues."""
    best = tokens.tolist()
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


class _AllNamed(StoppingCriteria):
    """Ends a row's completion once it has named a number; two characters later, when its end is sure."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, prompts: Sequence[Tokens], start: int) -> None:
        self._tokenizer, self._prompts, self._start = tokenizer, [tokens.prompt for tokens in prompts], start

    def __call__(self, input_ids: Tensor, scores: Tensor, **_: object) -> Tensor:
        texts = self._tokenizer.batch_decode(input_ids[:, self._start :])
        named = [
            first_named(text[:-2], p.right, p.wrong) != "neither" for text, p in zip(texts, self._prompts, strict=True)
        ]
        return torch.tensor(named, device=input_ids.device)


def greedy_answers(
    subject: Subject, prompts: Sequence[Tokens], before: Keys | None = None, *, max_new_tokens: int = 12
) -> list[Answer]:
    """What the subject writes by itself after each prompt (no forced prefix), read by `first_named`.

    `before` are keys in all layers of the prompts' first rows, which are then not computed again.
    """
    tokenizer, model = subject.tokenizer, subject.model
    settings = GenerationConfig(
        max_new_tokens=max_new_tokens,
        do_sample=False,
        eos_token_id=model.generation_config.eos_token_id or tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id,
    )
    answers: dict[int, Answer] = {}
    # The model's own settings may penalise repetition, and with it the digits of the question; what is given to
    # `generate` is only laid over them.
    own, model.generation_config = model.generation_config, settings
    try:
        for group in alike(prompts, lambda tokens: tokens.n_prompt):
            ids = torch.tensor([prompts[i].ids[: prompts[i].n_prompt] for i in group], device=subject.device)
            stop = StoppingCriteriaList([_AllNamed(tokenizer, [prompts[i] for i in group], ids.shape[1])])
            known = {k: (keys[group], values[group]) for k, (keys, values) in (before or {}).items()}
            options = {"past_key_values": cache_of(known)} if known else {}
            written = model.generate(ids, attention_mask=torch.ones_like(ids), stopping_criteria=stop, **options)
            texts = tokenizer.batch_decode(written[:, ids.shape[1] :])
            for i, text in zip(group, texts, strict=True):
                answers[i] = first_named(text, prompts[i].prompt.right, prompts[i].prompt.wrong)
    finally:
        model.generation_config = own
    return [answers[i] for i in range(len(prompts))]
