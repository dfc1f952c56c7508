"""Worlds in which only a part of the named heads matters: with noise, and in models with few heads."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from by_hand import finding_of, verdict

from claims.competition import simulated_edits as tables
from claims.competition.attention_moves import test_attention_moves as of_moves
from claims.competition.attention_moves.evidence import Moves
from claims.competition.attention_moves.measure import move_arm
from claims.competition.compared import InOtherHeads
from claims.competition.heads import compared_groups, odd_heads
from claims.competition.interventions import placebo_of
from claims.competition.observed import OverHeads
from claims.competition.prompts import ORDERS
from claims.competition.simulated_heads import SUBJECT
from claims.competition.strata import in_both_orders
from claims.competition.theory import EVEN_HEADS_HOLD
from fixtures.options import Settings
from referee.judging.evidence import Evidence
from referee.judging.verdict import Verdict

STANDARD = Settings("simulated", None, None, "cpu", "float32", 0, "standard", Path("unused"))


def moved(rng, effect_of_head):
    """Returns the finding of claim 5.1b if the edit changes margins by a sum over the heads of a group, in logits."""
    odd = odd_heads(SUBJECT)
    groups = {"odd": odd} | compared_groups(SUBJECT, odd, STANDARD.profile.groups, int(rng.integers(8)))
    effects = {move_arm(name): float(effect_of_head[list(heads)].sum()) for name, heads in groups.items()}
    asked = tables.bugged(rng, STANDARD.profile.swept)
    own = move_arm("odd")
    whole = tables.moved_by(rng, asked, {own: effects[own], placebo_of(own): 0.0}, STANDARD, wrong_before=True)
    few = tables.moved_by(rng, asked.few(STANDARD), effects, STANDARD, wrong_before=True)
    moves = Moves(whole, InOtherHeads(few, own))
    return finding_of(of_moves.test_moving_odd_heads_repairs_more_than_moving_other_heads, moves=moves)


@pytest.mark.slow
def test_half_of_the_named_heads_are_a_rival_in_spite_of_noise():
    """Only heads 1 mod 4 have an effect. Their group and all odd heads do the same, except for noise."""
    rng = np.random.default_rng(0)
    alone = np.where(np.arange(SUBJECT.n_heads) % 4 == 1, tables.EFFECT / 8, 0.0)
    every = np.where(np.arange(SUBJECT.n_heads) % 2 == 1, tables.EFFECT / 16, 0.0)

    found = [moved(rng, alone).verdict for _ in range(60)]
    true = [moved(rng, every).verdict for _ in range(30)]

    assert found.count(Verdict.SUPPORTED) <= 0.05 * 60
    assert true.count(Verdict.SUPPORTED) >= 0.7 * 30


@pytest.mark.parametrize("heads", [8, 9, 12, 32])
@pytest.mark.parametrize(("high", "expected"), [(4, Verdict.INCONCLUSIVE), (2, Verdict.SUPPORTED)])
def test_a_level_of_every_fourth_head_is_seen_with_few_heads(heads, high, expected):
    """Heads 0 mod 4 are high and the others low, or all even heads are high. Few heads leave too few divisions."""
    rng = np.random.default_rng(1)
    level = np.where(np.arange(heads) % high == 0, 0.85, 0.05)
    pairs = [(f"pair {i}", order) for i in range(30) for order in ORDERS]
    index = pd.MultiIndex.from_tuples(pairs, names=["pair", "order"])
    values = pd.DataFrame(level + rng.normal(0, 0.01, (60, heads)), index, range(heads))
    subject = SimpleNamespace(
        n_heads=heads, layer=10, n_layers=30, kv_group_of_head=[head * 4 // heads for head in range(heads)]
    )
    observed = OverHeads({(10, "all rows", "Simple"): values}, subject, STANDARD)

    against = observed.of_a_part("even", EVEN_HEADS_HOLD.criterion)
    found = verdict(EVEN_HEADS_HOLD, Evidence(in_both_orders(partial(observed.level, "even", None)), against))

    assert found.verdict is expected
    assert ("a rival explains" in (found.reason or "")) == (high == 4)
