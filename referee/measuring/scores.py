"""Decides whether an answer is right, by the margin of logits and by the text that the model writes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional
from transformers import GenerationConfig, PreTrainedTokenizerFast, StoppingCriteria, StoppingCriteriaList

from referee.attention.kv_cache import Keys, cache_of
from referee.models.subjects import Subject
from referee.prompts.tokens import Tokens, alike

Answer = Literal["right", "wrong", "neither"]
_BLOCK = 2048
"""The number of vocabulary tokens whose logits are computed at one time."""


def margins(logits: Tensor, prompts: Sequence[Tokens]) -> Tensor:
    """Return the logit of the right answer minus the logit of the wrong answer; [trial] from [trial, vocabulary].

    Each logit is that of the first token in which the answers differ. The forced prefix already contains the tokens
    that they share. The unit is logits. A positive margin means that the right answer wins.
    """
    trial = torch.arange(len(prompts), device=logits.device)
    right = torch.tensor([tokens.right_id for tokens in prompts], device=logits.device)
    wrong = torch.tensor([tokens.wrong_id for tokens in prompts], device=logits.device)
    return logits[trial, right] - logits[trial, wrong]


def margins_of(subject: Subject, final: Tensor, prompts: Sequence[Tokens]) -> Tensor:
    """Return the margins in float32, [trial], from the normalised residual stream before the unembedding.

    `final` is that stream, [trial, size]. The function uses only the two answers' rows of the unembedding. It computes
    in float32 for every dtype of the model: in bfloat16, neighbouring logits near 20 differ by 0.125, and a difference
    of two such logits is too coarse to be a measurement.
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
    """Return the next token with the highest logit, [trial], from the normalised residual stream [trial, size].

    The function computes one block of the vocabulary at a time, because all logits of a batch together would need more
    memory than the tensors from which they are computed.
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
    """Return which answer each trial's most likely next token belongs to; `tokens` is [trial]."""
    best = tokens.tolist()
    named: list[dict[int, Answer]] = [{t.right_id: "right", t.wrong_id: "wrong"} for t in prompts]
    return [names.get(token, "neither") for names, token in zip(named, best, strict=True)]


def first_named(text: str, right: str, wrong: str) -> Answer:
    """Return which of two numbers comes first in a text. Only whole numbers count.

    For example, "9.11" does not contain 9.1, but "9.8." contains 9.8.
    """
    found = {
        answer: match.start()
        for answer, number in (("right", right), ("wrong", wrong))
        if (match := re.search(rf"(?<!\d)(?<!\d[.,]){re.escape(number)}(?![.,]?\d)", text))
    }
    if not found:
        return "neither"
    return "right" if min(found, key=found.__getitem__) == "right" else "wrong"


class _AllNamed(StoppingCriteria):
    """Stop a row's completion after it has named one of the two numbers.

    It stops only when at least two characters follow the number. They show that the number has ended.
    """

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
    """Let the subject write an answer after each prompt, without the forced prefix, and read it with `first_named`.

    The subject always takes the most likely token. `before` maps each layer to the keys and values of the prompts'
    first rows. Those rows are then not computed again.
    """
    tokenizer, model = subject.tokenizer, subject.model
    settings = GenerationConfig(
        max_new_tokens=max_new_tokens,
        do_sample=False,
        eos_token_id=model.generation_config.eos_token_id or tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id,
    )
    answers: dict[int, Answer] = {}
    # The model's own settings may penalise repetition, and so they may penalise the digits of the question. An argument
    # of `generate` would only be merged with these settings, so the settings themselves are replaced for a while.
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
