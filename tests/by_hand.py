"""Tables made by hand, of what edits do in each order, and what a claim makes of them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from claims.competition.edited import Edited
from claims.competition.interventions import UNEDITED
from claims.competition.prompts import ORDERS
from fixtures.options import Settings
from referee.judging.findings import Finding, judged

SETTINGS = Settings("planted", None, None, "cpu", "float32", 0, "quick", Path("unused"))
PAIRS = [f"9.{big} > 9.{big - 1}1" for big in range(2, 10)] + [f"8.{big} > 8.{big - 1}1" for big in range(2, 10)]


def edited(turned: dict[str, dict[str, bool]]) -> Edited:
    """Wrong answers that turn right, or do not, under each arm in each order."""
    rows = [
        (pair, order, "Q&A", arm, 1.0 if right else -1.0, right, "right" if right else "wrong")
        for arm, by_order in ({UNEDITED: dict.fromkeys(ORDERS, False)} | turned).items()
        for pair in PAIRS
        for order, right in by_order.items()
    ]
    columns = ["pair", "order", "format", "arm", "margin_logits", "right", "top_answer"]
    return Edited(pd.DataFrame(rows, columns=columns), SETTINGS, wrong_before=True)


def verdict(claim, described) -> Finding:
    parts = described.pop("parts")
    return judged(claim, parts=parts(None), orders={order: parts(order) for order in ORDERS}, max_p=0.05, **described)


BOTH, NEITHER = dict.fromkeys(ORDERS, True), dict.fromkeys(ORDERS, False)
FIRST_ONLY = {ORDERS[0]: True, ORDERS[1]: False}
