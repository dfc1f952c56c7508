"""Tests of the other analysis choices: each is another quantity, computed from the measured tables."""

import pandas as pd
import pytest
from by_hand import PAIRS, SETTINGS

from claims.competition.attention_moves.evidence import Moves
from claims.competition.attention_moves.measure import move_arm
from claims.competition.compared import TURNED, InOtherHeads
from claims.competition.edited import Edited
from claims.competition.heads import RANDOM
from claims.competition.interventions import UNEDITED
from claims.competition.last_token_routes.evidence import Routes
from claims.competition.pattern_replacement.controls import Control
from claims.competition.pattern_replacement.measure import REPLACED
from claims.competition.pattern_swaps import measure as swaps
from claims.competition.pattern_swaps.evidence import Swaps
from claims.competition.prompts import ORDERS
from claims.competition.simulated_heads import SUBJECT


def edited(after: dict[str, float], *, top_answer: str = "right") -> Edited:
    """Returns edits of wrong answers with the margin −1 before, the given margins after, and one most likely answer."""
    rows = [
        (pair, order, "Q&A", arm, margin, margin > 0, "wrong" if arm == UNEDITED else top_answer)
        for arm, margin in ({UNEDITED: -1.0} | after).items() for pair in PAIRS for order in ORDERS
    ]  # fmt: skip
    columns = ["pair", "order", "format", "arm", "margin_logits", "right", "top_answer"]
    return Edited(pd.DataFrame(rows, columns=columns), SETTINGS, wrong_before=True)


def test_turned_answers_are_compared_instead_of_logits():
    """The edit turns all answers in the odd heads, and in one of two random groups. Its margins move less there."""
    arms = {move_arm("odd"): 1.0, move_arm(f"{RANDOM} 1"): 4.0, move_arm(f"{RANDOM} 2"): -0.5}

    others = InOtherHeads(edited(arms), move_arm("odd"))

    assert others.variants()[TURNED]["all"].value == 0.5
    assert others.more()["all"].value == pytest.approx(2.0 - (5.0 + 0.5) / 2)


def test_a_control_is_also_judged_by_the_most_likely_token():
    """The margins are positive, but no answer is the most likely token."""
    control = Control({"layer 1": edited({REPLACED: 1.0}, top_answer="neither")}, "")

    assert control.turned()["layer 1"].value == 1.0
    assert control.variants()["greedy token"]["layer 1"].value == 0.0


def test_attention_moved_to_other_tokens_is_also_judged_by_the_most_likely_token():
    moves = Moves(edited({move_arm("odd", "other"): 1.0}, top_answer="neither"))

    assert moves.moved_to_other_tokens()["all"].value == 1.0
    assert moves.variants_of_other_tokens()["greedy token"]["all"].value == 0.0


def test_the_other_neighbours_of_an_even_head_are_the_odd_heads_before_it():
    own, other = (swaps.swaps(SUBJECT)[name].taken for name in (
        swaps.ODD_INTO_EVEN, swaps.ODD_INTO_EVEN + swaps.OTHER_NEIGHBOURS))  # fmt: skip
    back = swaps.swaps(SUBJECT)[swaps.EVEN_INTO_ODD + swaps.OTHER_NEIGHBOURS].taken

    assert own[:2] == ((0, 1), (2, 3))
    assert other[:2] == ((0, SUBJECT.n_heads - 1), (2, 1))
    assert {(giver, taker) for taker, giver in back} == set(other)


def test_a_swap_between_other_neighbours_is_another_choice():
    own = swaps.EVEN_INTO_ODD
    edits = edited({own: 1.0, "placebo": -1.0, own + swaps.OTHER_NEIGHBOURS: -3.0})
    found = Swaps(edits, own, placebo="placebo", sign=1, others=edits).variants()

    assert {name: parts["all"].value for name, parts in found.items()} == {"neighbours 2i − 1 and 2i": -2.0}


def test_the_excess_to_each_place_is_even_minus_odd():
    """Even heads give more to the first place, and odd heads give more to the second."""
    share = {("even", "a"): 0.3, ("odd", "a"): 0.1, ("even", "b"): 0.0, ("odd", "b"): 0.15}
    table = pd.DataFrame(
        [
            (pair, order, "Q&A", 0, head, place, share["odd" if head % 2 else "even", place], 0.1)
            for pair in PAIRS for order in ORDERS for head in range(SUBJECT.n_heads) for place in "ab"
        ],
        columns=["pair", "order", "format", "layer", "head", "place", "attention_share", "uniform_share"],
    )  # fmt: skip

    routes = Routes(table, SUBJECT, SETTINGS)

    found = {part: round(estimate.value, 6) for part, estimate in routes.excess_to_each_place().items()}
    assert found == {"Q&A, a": 0.2, "Q&A, b": -0.15}
    assert routes.excess("even")["Q&A"].value == pytest.approx(0.05)
