"""Helpers that make tables of edited answers by hand, and the findings of claims on such tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from claims import simulations
from claims.competition.edited import Edited
from claims.competition.interventions import UNEDITED
from claims.competition.prompts import ORDERS
from claims.competition.theory import THEORY
from fixtures.options import Settings
from referee.judging.claims import Claim
from referee.judging.evidence import Evidence
from referee.judging.findings import Finding, judged

SETTINGS = Settings("planted", None, None, "cpu", "float32", 0, "quick", Path("unused"))
PAIRS = [f"9.{big} > 9.{big - 1}1" for big in range(2, 10)] + [f"8.{big} > 8.{big - 1}1" for big in range(2, 10)]
BOTH, NEITHER = dict.fromkeys(ORDERS, True), dict.fromkeys(ORDERS, False)
FIRST_ONLY = {ORDERS[0]: True, ORDERS[1]: False}


def edited(turned: dict[str, dict[str, bool]]) -> Edited:
    """Returns wrong answers made by hand. `turned` says for each arm and each order whether they turn right."""
    rows = [
        (pair, order, "Q&A", arm, 1.0 if right else -1.0, right, "right" if right else "wrong")
        for arm, by_order in ({UNEDITED: dict.fromkeys(ORDERS, False)} | turned).items()
        for pair in PAIRS
        for order, right in by_order.items()
    ]
    columns = ["pair", "order", "format", "arm", "margin_logits", "right", "top_answer"]
    return Edited(pd.DataFrame(rows, columns=columns), SETTINGS, wrong_before=True)


def verdict(claim: Claim, evidence: Evidence) -> Finding:
    """Returns the finding on a claim of the theory."""
    return judged(claim, evidence, THEORY)


def finding_of(test: Callable[..., None], **measurements: Any) -> Finding:
    """Returns the finding of a claim's own test, from measurements made by hand with the names of the fixtures."""
    return simulations.finding_of(test, THEORY, **measurements)
