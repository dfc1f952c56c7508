"""Self-checks: conditions that must hold for this subject before a claim about it may be judged.

A failed check is an error of the measurement. It is never a verdict about a claim.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from referee.attention.edits import Edit, Flatten, Keep, TurnInward, edited
from referee.attention.tracing import Attention
from referee.attention.unedited import Unedited
from referee.errors import SelfCheckFailed
from referee.measuring import scores
from referee.measuring.session import Session
from referee.models.subjects import Subject
from referee.prompts.tokens import Tokens

TOLERANCE_LOGITS = {"float32": 1e-3, "float16": 5e-2, "bfloat16": 5e-1}
"""The largest allowed change of a margin when the same trial runs in another batch, by dtype, in logits."""
_PRODUCT = 1e-5
"""The largest allowed relative error of a float32 matrix product. That of TF32 is about thirty times larger."""
_OF_PRODUCTS = "matrix products in float32 have its precision"
_REMEDY = "try the versions of constraints.txt or --dtype float32"
_REMEDIES = {
    _OF_PRODUCTS: "turn off TF32: unset TORCH_ALLOW_TF32_CUBLAS_OVERRIDE, and set NVIDIA_TF32_OVERRIDE=0",
}
"""What a user can do about a failed check, by its rule, if it is not `_REMEDY`."""
ROW_SUM = 1e-5
"""The largest allowed difference between one and the sum of a pattern's row."""
OUTPUT = {"float32": 1e-5, "float16": 5e-3, "bfloat16": 4e-2}
"""The largest allowed difference between the written output and the model's own output of a layer, by dtype.

It is a share of the largest output."""


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes:
        rule: what must hold, in words.
        measured: the measured number.
        limit: the allowed range of this number, as text.
        passed: whether the number is in the range.
    """

    rule: str
    measured: float
    limit: str
    passed: bool


def self_check(session: Session, prompts: Sequence[Tokens]) -> list[Check]:
    """Reads and edits the layer of interest on prompts of equal length, and returns all checks.

    Raises SelfCheckFailed for the first check that fails.
    """
    checks = _of_attention(session.subject, session.attention(), prompts)
    require_passed(session.subject, checks)
    return checks


def require_passed(subject: Subject, checks: Sequence[Check]) -> None:
    """Raises SelfCheckFailed for the first check that failed."""
    for check in checks:
        if not check.passed:
            raise SelfCheckFailed(
                f"Self-check on {subject.name}, layer {subject.layer}: {check.rule} ({check.limit})",
                f"{check.measured:g}",
                f"Nothing can be judged; {_REMEDIES.get(check.rule, _REMEDY)}.",
            )


def _of_attention(subject: Subject, attention: Attention, prompts: Sequence[Tokens]) -> list[Check]:
    """Runs all checks on prompts of equal length."""
    ids = torch.tensor([tokens.ids for tokens in prompts])
    pattern = attention.read(ids, [subject.layer])[:, 0]

    def largest_change(edit: Edit, hidden: Tensor | None = None) -> float:
        """Returns the largest |change| of the final residual stream when an edit is written."""
        to = Unedited(prompts, pattern, [None] * len(prompts))
        return (attention.run(ids, edited([edit] * len(prompts), to), hidden).final - plain).abs().max().item()

    plain = attention.run(ids).final
    residual, _, _ = attention.enter(ids)
    with torch.no_grad():
        logits = subject.model(ids.to(subject.device)).logits[:, -1].float()
    margins = scores.margins_of(subject, plain, prompts)
    alone = scores.margins_of(subject, attention.run(ids[:1]).final, prompts[:1])
    row_error = (pattern.sum(-1) - 1).abs().max().item()
    future = pattern.triu(1).abs().max().item()
    # The check reads the outputs before W_O, where each head has its own block. W_O mixes the heads.
    last_inward = pattern.clone()
    last_inward[:, -1] = torch.eye(ids.shape[1]).to(pattern)
    before, after = (attention.head_outputs(ids, [subject.layer], written) for written in (pattern, last_inward))
    moved_heads = (after - before).abs().amax((0, 1, 2, 4))
    other_heads = moved_heads[:-1].max().item() if subject.n_heads > 1 else 0.0

    kept, moved = largest_change(Keep()), max(largest_change(Flatten()), largest_change(TurnInward()))
    change = (alone - margins[:1]).abs().max().item()
    own_logits = (margins.cpu() - scores.margins(logits, prompts).cpu()).abs().max().item()
    skipped = largest_change(Keep(), residual)

    output, written, tolerance = attention.error(ids), OUTPUT[subject.dtype], TOLERANCE_LOGITS[subject.dtype]
    product = _error_of_products(attention)
    return [
        Check(_OF_PRODUCTS, product, f"≤ {_PRODUCT:g}", product <= _PRODUCT),
        Check("rows of a pattern sum to one", row_error, f"≤ {ROW_SUM:g}", row_error <= ROW_SUM),
        Check("no attention to later tokens", future, "= 0", future == 0),
        Check(
            "pattern times values is the layer's own output", output, f"≤ {written:g} of the largest", output <= written
        ),
        Check("writing a pattern back changes no logit", kept, "= 0", kept == 0),
        Check("uniform or inward attention changes a logit", moved, "> 0", moved > 0),
        Check("editing one head changes the output of no other", other_heads, "= 0", other_heads == 0),
        Check("editing one head changes its own output", moved_heads[-1].item(), "> 0", moved_heads[-1].item() > 0),
        Check(
            "a trial alone equals the trial in a batch, in logits",
            change,
            f"≤ {tolerance:g}",
            change <= tolerance,
        ),
        Check("starting at the layer of interest changes no logit", skipped, "= 0", skipped == 0),
        Check(
            "margins are differences of the model's own logits", own_logits, f"≤ {tolerance:g}", own_logits <= tolerance
        ),
    ]


def _error_of_products(attention: Attention) -> float:
    """Returns the relative error of matrix products in float32 on the subject's device, against float64.

    Some installations let a GPU multiply float32 numbers in TF32, which keeps only ten bits of each number.
    """
    generator = torch.Generator().manual_seed(0)
    device = attention.subject.device
    a, b = (torch.randn(256, 256, generator=generator) for _ in range(2))
    exact = a.double() @ b.double().T
    with torch.no_grad(), attention.products():
        found = [a.to(device) @ b.to(device).T, functional.linear(a.to(device), b.to(device))]
    return max(((product.cpu().double() - exact).norm() / exact.norm()).item() for product in found)
