"""Each self-check stops an instrument that is wrong in the way that the check looks for."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from claims.competition.prompts import ORDERS, QA, Pair, Prompt
from referee.attention.tracing import Attention
from referee.errors import SelfCheckFailed
from referee.measuring import self_checks
from referee.measuring.session import Session
from referee.prompts.tokens import tokenize


def check_prompts(subject):
    return [tokenize(Prompt(Pair("9.8", "9.11"), order, QA), subject.tokenizer) for order in ORDERS]


def weaker(pattern):
    """Rows that sum to less than one."""
    return pattern * 0.9


def looking_ahead(pattern):
    """Rows that sum to one, and in which the first token attends to the last one."""
    changed = pattern.clone()
    changed[..., 0, :] = 0
    changed[..., 0, -1] = 1
    return changed


@pytest.mark.parametrize(
    ("breakage", "rule"),
    [(weaker, "rows of a pattern sum to one"), (looking_ahead, "no attention to later tokens")],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_pattern_that_cannot_be_true_is_a_fault(llama, monkeypatch, breakage, rule):
    """The patterns that the instrument reads must be attention probabilities of a causal model."""
    read = Attention.read
    monkeypatch.setattr(Attention, "read", lambda self, *given: breakage(read(self, *given)))

    with pytest.raises(SelfCheckFailed, match=rule):
        self_checks.self_check(Session(llama), check_prompts(llama))


def test_heads_that_are_mixed_are_a_fault(llama, monkeypatch):
    """Blocks of the output after W_O are no heads: editing one head changes all blocks."""
    head_outputs = Attention.head_outputs

    def mixed(self, *given):
        outputs = head_outputs(self, *given)
        return outputs + outputs.mean(3, keepdim=True)

    monkeypatch.setattr(Attention, "head_outputs", mixed)
    with pytest.raises(SelfCheckFailed, match="editing one head changes the output of no other"):
        self_checks.self_check(Session(llama), check_prompts(llama))


def test_a_head_whose_edit_is_lost_is_a_fault(llama, monkeypatch):
    """Editing a head must change the output of this head."""
    head_outputs = Attention.head_outputs
    monkeypatch.setattr(Attention, "head_outputs", lambda self, *given: torch.zeros_like(head_outputs(self, *given)))

    with pytest.raises(SelfCheckFailed, match="editing one head changes its own output"):
        self_checks.self_check(Session(llama), check_prompts(llama))


def test_products_of_low_precision_are_a_fault(llama, monkeypatch):
    """World: the device multiplies float32 numbers in TF32, which keeps ten bits of each number."""

    def rounded(values):
        return (values.view(torch.int32) & ~0x1FFF).view(torch.float32) if values.dtype == torch.float32 else values

    linear = functional.linear
    monkeypatch.setattr(functional, "linear", lambda x, weight, bias=None: linear(rounded(x), rounded(weight), bias))

    with pytest.raises(SelfCheckFailed, match=r"matrix products in float32 .* got 0\.000\d.* turn off TF32"):
        self_checks.self_check(Session(llama, onednn=False), check_prompts(llama))
