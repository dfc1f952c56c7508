"""The evidence of claim 1.3b on simulated accuracies along the share of format tokens."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from by_hand import PAIRS, SETTINGS

from claims.competition.bandwidth_distribution.measure import ALL_ROWS
from claims.competition.format_injection.evidence import Injection
from claims.competition.prompts import ORDERS
from claims.competition.theory import DROP_AT_SIXTY
from referee.judging.evidence import NotApplicable


def injected(accuracy):
    """Returns the evidence of random answers whose accuracy is a function of the share of format tokens."""
    shares = np.round(np.arange(0, 0.9, 0.05), 2)
    rng = np.random.default_rng(0)
    rows = [
        (pair, order, f"{share}", share, ALL_ROWS, 0.5, 0.5, right, 1.0, "right" if right else "wrong")
        for pair in PAIRS
        for order in ORDERS
        for share in shares
        for right in [bool(rng.random() < accuracy(share))]
    ]
    columns = ["pair", "order", "format", "format_share", "measure", "numerical_share", "diluted_share", "correct"]
    table = pd.DataFrame(rows, columns=[*columns, "margin_logits", "top_answer"])
    return Injection(table, SETTINGS, share_threshold=0.4, drop=DROP_AT_SIXTY.criterion)


def test_a_straight_decline_does_not_drop_at_its_middle():
    """A line predicts held-out pairs of a straight decline better than a drop does. It does not do so for a step."""
    curves = (lambda s: 1.2 - 1.2 * s, lambda s: 0.05 + 0.9 * (s < 0.6))
    line, step = (injected(curve).against_dropping() for curve in curves)

    assert [world.veto for world in line] == [True]
    assert step == ()


def test_nothing_drops_where_nothing_is_right():
    """Without any right answer, the claim is NOT APPLICABLE."""
    with pytest.raises(NotApplicable, match="none is"):
        injected(lambda share: 0.0).require_right_answers()
