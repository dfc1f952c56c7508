"""What edits are applied to: the unedited patterns of a batch of trials, and facts about their prompts as tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from referee.prompts.tokens import AlignmentKind, Tokens, align


@dataclass(frozen=True)
class Unedited:
    """The patterns of the trials of a batch before their edits. All prompts have the same number of tokens.

    The prompts of a batch are few, and its trials are many. So the methods compute each fact once for each prompt and
    then index it, on the device of the patterns.

    Attributes:
        prompts: the prompt of each trial.
        own: the pattern of each trial, [trial, head, query, key], in float32.
        donors: the prompt of each trial's donor, or None.
        donated: the patterns of the donors, [trial, head, query, key]. Shorter donors have zeros at the end. It is None
            if no trial has a donor.
        shared: whether trials of the same prompt have the same patterns. Then equal edits of them are computed once.
    """

    prompts: Sequence[Tokens]
    own: Tensor
    donors: Sequence[Tokens | None]
    donated: Tensor | None = None
    shared: bool = False

    def only(self, trials: Sequence[int]) -> Unedited:
        """Returns some of the trials, by their indices."""
        index = self._tensor(trials)
        return Unedited(
            [self.prompts[i] for i in trials],
            self.own[index],
            [self.donors[i] for i in trials],
            None if self.donated is None else self.donated[index],
            self.shared,
        )

    def after(self, edited: Tensor) -> Unedited:
        """Returns the same trials with other patterns: those after a first edit."""
        return replace(self, own=edited, shared=False)

    def shares(self, amounts: Sequence[float]) -> Tensor:
        """Returns one share for each trial, [trial, 1, 1, 1]. Raises ValueError for a share outside 0 to 1."""
        for amount in amounts:
            if not 0 <= amount <= 1:
                raise ValueError(f"An amount must be a share from 0 to 1; got {amount}")
        return self._tensor(amounts)[:, None, None, None]

    def members(self, categories: Sequence[str]) -> Tensor:
        """Returns whether each key belongs to a category, one category for each trial; [trial, 1, key], boolean."""
        return self.chosen(lambda category, found: found == category, categories)

    def chosen(self, belongs: Callable[..., bool], each: Sequence) -> Tensor:
        """Returns the keys for which `belongs(each[trial], category of the key)` is true; [trial, 1, key], boolean."""
        return self._by_case(
            list(zip(each, self.prompts, strict=True)),
            lambda wanted, prompt: [belongs(wanted, category) for category in prompt.categories],
        )[:, None]

    def heads(self, chosen: Sequence[tuple[int, ...]]) -> Tensor:
        """Returns whether each head is among the chosen ones of its trial; [trial, head, 1, 1], boolean."""
        found = np.zeros((len(chosen), self.own.shape[1]), bool)
        for row, heads in zip(found, chosen, strict=True):
            row[list(heads)] = True
        return torch.from_numpy(found).to(self.own.device)[:, :, None, None]

    def aligned(self, kinds: Sequence[AlignmentKind]) -> tuple[Tensor, Tensor]:
        """Returns the donor's row of each row and the donor's key of each key, or -1; see `patterns.transplant`.

        Each is [trial, 1, token]. `kinds` has the alignment of each trial.
        """
        cases = list(zip(self.prompts, self.donors, kinds, strict=True))
        both = self._by_case(cases, lambda target, donor, kind: align(target, donor, kind).counterparts(len(target)))
        return both[:, None, 0], both[:, None, 1]

    def _by_case(self, cases: Sequence[tuple], values: Callable[..., Sequence]) -> Tensor:
        """Returns `values(*case)` for each case as one tensor. Equal cases are computed once and then indexed."""
        index = {case: i for i, case in enumerate(dict.fromkeys(cases))}
        found = self._tensor([values(*case) for case in index])
        return found if len(index) == len(cases) else found[self._tensor([index[case] for case in cases])]

    def _tensor(self, values: Sequence) -> Tensor:
        return torch.tensor(values, device=self.own.device)
