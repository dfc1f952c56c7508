"""Self-checks of a hosted model: conditions that must hold before a claim about it may be judged.

They are those of `referee.measuring.self_checks` that can be made through a service. Nothing of them is kept on disk.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from referee.attention.edits import Flatten, Keep, Replace, TurnInward
from referee.measuring.measured import require_finite
from referee.measuring.requests import Trial
from referee.measuring.scores import Margin, margins
from referee.measuring.self_checks import OUTPUT, ROW_SUM, TOLERANCE_LOGITS, Check, require_passed
from referee.prompts.tokens import Tokens
from referee.remote.session import RemoteSession


def self_check(session: RemoteSession, prompts: Sequence[Tokens]) -> list[Check]:
    """Reads and edits the layer of interest on prompts of equal length, and returns all checks.

    Raises SelfCheckFailed for the first check that fails, and the faults of the service.
    """
    subject, layer = session.subject, session.layer
    pattern = session.read_whole(prompts)
    facts = session.own_output(prompts)
    rows = (pattern.sum(-1) - 1).abs().max().item()
    future = pattern.triu(1).abs().max().item()

    arms = [
        *([Trial(tokens, {layer: edit}) for tokens in prompts] for edit in (Keep(), Flatten(), TurnInward())),
        # The whole pattern of the prompt itself, as this process has read it.
        [Trial(tokens, {layer: Replace(tokens, 1.0, "left block")}) for tokens in prompts],
    ]
    found = torch.tensor(session.margins_once([trial for arm in arms for trial in arm])).view(len(arms), -1)
    require_finite(found, "margin")
    plain, flat, inward, back = found
    alone = torch.tensor(session.margins_alone(arms[0][:1])[Margin.column].tolist())
    own = margins(facts["logits"], prompts)

    def change(after: torch.Tensor, before: torch.Tensor = plain) -> float:
        return (after - before[: len(after)]).abs().max().item()

    dtype = subject.dtype if subject.dtype in OUTPUT else "bfloat16"  # weights of fewer bits are computed in bfloat16
    written, logits = OUTPUT[dtype], TOLERANCE_LOGITS[dtype]
    moved = max(change(flat), change(inward))
    limits = {
        "rows of a pattern sum to one": (rows, ROW_SUM),
        "no attention to later tokens": (future, 0.0),
        "pattern times values is the layer's own output, as a share of the largest": (facts["error"], written),
        "sending a pattern back changes no margin, in logits": (change(back), logits),
        "a trial alone equals the trial in a request with others, in logits": (change(alone), logits),
        "margins are differences of the model's own logits": (change(own), logits),
    }
    checks = [Check(rule, got, f"≤ {limit:g}", got <= limit) for rule, (got, limit) in limits.items()]
    checks.append(Check("uniform or inward attention changes a margin", moved, "> 0", moved > 0))
    require_passed(subject, checks)
    return checks
