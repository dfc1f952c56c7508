"""Lets a model write its answers, and reads them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

import torch
from torch import Tensor
from transformers import GenerationConfig, PreTrainedTokenizerFast, StoppingCriteria, StoppingCriteriaList

from referee.attention.grouping import alike
from referee.attention.kv_cache import Keys, cache_of
from referee.attention.tracing import Attention
from referee.measuring.prefix_cache import PrefixCache
from referee.measuring.requests import Reading
from referee.models.subjects import Subject
from referee.prompts.prompt import Answer
from referee.prompts.tokens import Tokens

NEW_TOKENS = 12
"""The largest number of tokens that a model writes as an answer."""


def end_tokens(subject: Subject) -> list[int]:
    """Return the ids of the tokens that end a text. There may be none."""
    ends = subject.model.generation_config.eos_token_id
    ends = subject.tokenizer.eos_token_id if ends is None else ends
    return [] if ends is None else list(ends) if isinstance(ends, (list, tuple)) else [ends]


def until_end(subject: Subject, ids: Sequence[int]) -> list[int]:
    """Return the tokens before the first one that ends the text."""
    ends = set(end_tokens(subject))
    return list(takewhile(lambda token: token not in ends, ids))


class _AllAnswered(StoppingCriteria):
    """Stop a row's completion after it has given one of the two answers.

    It stops only when at least two characters follow the answer. They show that the answer has ended.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast, prompts: Sequence[Tokens], start: int) -> None:
        self._tokenizer, self._prompts, self._start = tokenizer, [tokens.prompt for tokens in prompts], start

    def __call__(self, input_ids: Tensor, scores: Tensor, **_: object) -> Tensor:
        texts = self._tokenizer.batch_decode(input_ids[:, self._start :])
        answered = [p.read(text[:-2]) != "neither" for text, p in zip(texts, self._prompts, strict=True)]
        return torch.tensor(answered, device=input_ids.device)


def greedy_answers(
    subject: Subject, prompts: Sequence[Tokens], before: Keys | None = None, *, max_new_tokens: int = NEW_TOKENS
) -> list[Answer]:
    """Let the subject write an answer after each prompt, without the forced prefix, and return which answer it is.

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
    # The model's own settings may penalise repetition, and so they may penalise the words of the question. An argument
    # of `generate` would only be merged with these settings, so the settings themselves are replaced for a while.
    own, model.generation_config = model.generation_config, settings
    try:
        for group in alike(prompts, lambda tokens: tokens.n_prompt):
            ids = torch.tensor([prompts[i].ids[: prompts[i].n_prompt] for i in group], device=subject.device)
            stop = StoppingCriteriaList([_AllAnswered(tokenizer, [prompts[i] for i in group], ids.shape[1])])
            known = {k: (keys[group], values[group]) for k, (keys, values) in (before or {}).items()}
            options = {"past_key_values": cache_of(known)} if known else {}
            written = model.generate(ids, attention_mask=torch.ones_like(ids), stopping_criteria=stop, **options)
            texts = tokenizer.batch_decode(written[:, ids.shape[1] :])
            answers |= {i: prompts[i].prompt.read(text) for i, text in zip(group, texts, strict=True)}
    finally:
        model.generation_config = own
    return [answers[i] for i in range(len(prompts))]


class GreedyAnswers:
    """Measures batches of greedy answers. It computes the rows of the prompts, except the last, only once."""

    def __init__(self, attention: Attention, known: PrefixCache) -> None:
        self._attention, self._known = attention, known
        self._starts: dict[Tokens, int] = {}

    def prepare(self, some: Sequence[Reading], progress: str | None) -> None:
        """Computes what the prompts share; see `Dispatcher.answers`."""
        tokens = [request.tokens for request in some]
        self._known.prepare(tokens, progress)
        # The last row of the prompt is always computed, because it predicts the next token.
        before = {t: t.n_prompt - 1 if self._known.keeps else 0 for t in tokens}
        self._known.prepare_keys(before, progress)
        self._starts.update(before)

    def rows(self, request: Reading) -> int:
        """Returns the number of rows of a prompt that a batch computes."""
        return len(request.tokens) - self._starts[request.tokens]

    def __call__(self, some: Sequence[Reading]) -> list[Answer]:
        tokens = [request.tokens for request in some]
        with self._attention.products():
            keys = self._known.all_keys(tokens, self._starts[tokens[0]])
            return greedy_answers(self._attention.subject, tokens, keys)
