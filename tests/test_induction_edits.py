"""Claims about copying, knocked-out heads and moved attention on simulated tables of known truth."""

from __future__ import annotations

import re

import numpy as np
import pytest
from induction_by_hand import SWEPT, judged, reason_of, rng

from claims.induction.copying import test_copying as of_copying
from claims.induction.copying import worlds as copies
from claims.induction.copying.evidence import Copying
from claims.induction.head_scores import worlds as scores
from claims.induction.head_scores.evidence import HeadScores
from claims.induction.idle_attention import test_idle_attention as of_idle
from claims.induction.idle_attention import worlds as moves
from claims.induction.idle_attention.measure import BETWEEN_OTHERS, FROM_FIRST
from claims.induction.named import Named
from claims.induction.predictions import ACCURACY, UNEDITED
from claims.induction.previous_tokens import test_previous_tokens as of_previous
from claims.induction.previous_tokens import worlds as falls
from claims.induction.sequences import SECOND
from claims.induction.simulated_sequences import simulated_predictions
from claims.induction.theory import COMPARED, HEADS_MATCH, MATCHING
from claims.operating import too_many
from referee.judging.verdict import Verdict

PREDICTED = of_copying.test_what_was_seen_once_is_predicted_when_it_comes_again
COPY = of_copying.test_without_the_induction_heads_copying_fails
FED = of_previous.test_previous_token_heads_feed_the_induction_heads
IDLE = of_idle.test_attention_on_the_first_token_is_idle
TABLES = 40


# I2


def copying(first, second, without=None):
    """Returns unedited predictions from the shares that are predicted, [sequence]."""
    first, second = np.asarray(first, float), np.asarray(second, float)
    other = first[:SWEPT] if without is None else np.asarray(without, float)
    return Copying(
        simulated_predictions({UNEDITED: second}, first), simulated_predictions({UNEDITED: other}, first[:SWEPT])
    )


def test_a_repetition_that_is_predicted_is_found():
    """World: 5 % of the first half and 60 % of the second half are predicted."""
    found = judged(PREDICTED, copying=copying(np.full(36, 0.05), 0.6 + 0.05 * rng().normal(size=36)))

    assert found.verdict is Verdict.SUPPORTED
    assert found.evidence.notes == (
        "The model predicts 5.0% of the first half, 59.5% of the second half, and 5.0% of a second half that repeats"
        " nothing.",
    )


@pytest.mark.parametrize(("second", "verdict"), [(0.1, Verdict.REFUTED), (0.04, Verdict.REFUTED)])
def test_a_model_that_does_not_copy_is_refuted(second, verdict):
    """World: the second half is predicted as well as the first half, or less."""
    assert judged(PREDICTED, copying=copying(np.full(36, 0.1), np.full(36, second))).verdict is verdict


def test_a_second_half_that_is_easier_without_repetition_is_not_distinguished():
    """World: later tokens are predicted better, repeated or not."""
    found = judged(PREDICTED, copying=copying(np.full(36, 0.1), np.full(36, 0.5), without=np.full(SWEPT, 0.5)))

    assert found.verdict is Verdict.INCONCLUSIVE
    assert "sequences without repetition" in found.reason


def test_a_model_that_does_not_copy_has_no_copies_to_lose():
    """Claim I3 then does not apply. The reason has the accuracies."""
    assert reason_of(copying(np.full(36, 0.1), np.full(36, 0.1)).right) == (
        "the model does not copy: it predicts 10.0% of the first half, 10.0% of the second half, and 10.0% of a second"
        " half that repeats nothing; median difference 0.000 [0.000, 0.000]"
    )


def test_only_sequences_with_a_right_copy_can_lose_copies():
    """Ten of twelve sequences have a right copy. With nine, the interval of the gain contains zero."""
    second = np.array([0.4] * 9 + [0.0] * 3)
    assert reason_of(copying(np.zeros(12), second).right).startswith("the model does not copy: it predicts 0.0%")

    second[10] = 0.04
    assert reason_of(copying(np.zeros(12), second).right) == [*range(9), 10]


# I3


def knocked_out(own, others, *, seed=0, count=SWEPT, **losses):
    """Returns the finding of claim I3 from the true shares of copies that are lost."""
    return judged(COPY, knocked_out=copies.evidence(rng(seed), own, others, count, **losses))


def test_heads_without_which_copies_are_lost_are_found():
    """World: without the top heads nine tenths are lost, and without other heads a tenth."""
    found = knocked_out(0.9, [0.1] * 43)

    assert found.verdict is Verdict.SUPPORTED
    assert (
        found.evidence.against[0].world == "43 other sets of heads (same layers, same number of heads); no more exist"
    )
    assert found.evidence.against[0].p == pytest.approx(1 / 44)


def test_a_small_loss_is_refuted():
    """World: a fifth is lost, and nothing without other heads. The claim says more than a third."""
    assert knocked_out(0.2, [0.0] * 43).verdict is Verdict.REFUTED


@pytest.mark.parametrize("seed", range(5))
def test_any_heads_as_good_as_the_top_heads_prevent_support(seed):
    """World: the knock-out of any heads destroys copying."""
    found = knocked_out(0.9, [0.9] * 43, seed=seed)

    assert found.verdict is Verdict.INCONCLUSIVE
    assert "other sets of heads (same layers, same number of heads)" in found.reason


def test_two_sets_that_do_as_much_prevent_support():
    """World: two of 43 other sets do as much. With one such set p = 2 / 44, with two p = 3 / 44."""
    one, two = (knocked_out(0.6, [1.0] * some + [0.0] * (43 - some)) for some in (1, 2))

    assert (one.verdict, two.verdict) == (Verdict.SUPPORTED, Verdict.INCONCLUSIVE)
    assert "p = 0.068" in two.reason


@pytest.mark.parametrize("existing", [0, 1, 8, 18])
def test_too_few_other_sets_prevent_support(existing):
    """World: the layer has few other heads, or none. The reason says how many sets exist."""
    found = knocked_out(0.9, [0.0] * existing)

    assert found.verdict is Verdict.INCONCLUSIVE
    sets = f"{existing} other sets of heads (same layers, same number of heads); no more exist; too few for a test"
    assert found.reason == f"not distinguished from chance: p = {1 / (1 + existing):.3f} against {sets}"


def test_nineteen_other_sets_are_enough():
    """Then p can be 0.05."""
    assert knocked_out(0.9, [0.0] * 19).verdict is Verdict.SUPPORTED


def test_heads_with_a_large_output_are_shown_and_are_no_veto():
    """World: heads with the largest output destroy copying, too."""
    found = knocked_out(0.9, [0.0] * 43, largest=1.0)

    assert found.verdict is Verdict.SUPPORTED
    (shown,) = found.evidence.against[1:]
    assert shown.value == pytest.approx(1.0, abs=0.2)
    assert not shown.veto


def test_sets_are_compared_on_the_same_sequences():
    """All sets lose everything in the first four sequences. So do the top heads, which lose nothing in the others."""
    evidence = copies.evidence(rng(), 0.0, [1.0] * 43, SWEPT)
    for table in (evidence._edited, evidence._in_sets):
        table.loc[table["sequence"] < COMPARED, ACCURACY[SECOND]] = 0.0

    assert evidence.against()[0].p == 1.0
    assert evidence.lost()["all"].value < 0.5


def test_the_log_probability_has_another_unit():
    """It gets no verdict against the threshold of a third."""
    found = knocked_out(0.9, [0.0] * 43)

    verdicts = {variant.name: variant.verdict for variant in found.variants}
    assert verdicts == {"output zero": Verdict.SUPPORTED, "log probability lost, in nats": None}


# I4


def fed(own, others, seed=0):
    """Returns the finding of claim I4 from the true falls of the prefix-matching score."""
    return judged(FED, feeding=falls.evidence(rng(seed), own, others, SWEPT))


def test_heads_that_feed_the_induction_heads_are_found():
    """World: without the previous-token heads the score falls by 0.4, and without others by 0.02."""
    assert fed(0.4, [0.02] * 43).verdict is Verdict.SUPPORTED


def test_induction_heads_that_match_more_without_them_refute_it():
    """World: the score rises by 0.2."""
    assert fed(-0.2, [0.0] * 43).verdict is Verdict.REFUTED


def test_any_heads_of_the_layers_that_feed_as_much_prevent_support():
    """World: the score falls by 0.4 whichever heads of the same layers are knocked out."""
    found = fed(0.4, [0.4] * 43)

    assert found.verdict is Verdict.INCONCLUSIVE
    assert "43 other sets" in found.reason


def test_one_head_in_a_layer_prevents_support():
    """World: the layers of the previous-token heads have no other heads."""
    found = fed(0.4, [])

    assert found.verdict is Verdict.INCONCLUSIVE
    assert (
        "0 other sets of heads (same layers, same number of heads); no more exist; too few for a test" in found.reason
    )


def test_heads_that_do_not_match_are_no_induction_heads():
    """Claims I3 and I4 apply only if the whole interval is above the threshold of I1. The reason has the figures."""
    criterion = HEADS_MATCH.criterion
    assert reason_of(measured(0.5, 0.03).require_matching, criterion) is None
    for level in (0.2, MATCHING):
        reason = reason_of(measured(level, 0.03).require_matching, criterion)
        figures = r"score is 0\.\d+ \[0\.\d+, 0\.\d+\], and > 0\.4 is needed"
        assert re.fullmatch(f"the top heads are no induction heads: their prefix-matching {figures}", reason)


def test_heads_that_attend_over_a_fixed_distance_are_no_induction_heads():
    """World: their score is as high on sequences without repetition."""
    reason = reason_of(measured(0.9, 0.9).require_matching, HEADS_MATCH.criterion)

    assert re.fullmatch(r"the top heads are no .*score is 0\.\d+, and 0\.\d+ on sequences without repetition", reason)


def measured(level, without):
    """Returns scores of a head with these prefix-matching scores, with and without repetition, plus noise."""
    tables = [scores.table({"prefix_matching": x + 0.02 * rng(i).normal(size=(36, 4, 4))})
              for i, x in enumerate((level, without))]  # fmt: skip
    return HeadScores(*tables, Named(((1, 1),), ((0, 0),), ()), {"prefix_matching": 0.03})


# S2


def idle(by_move, by_placebo):
    """Returns the finding of claim S2 from changes of the log probability in nats, [sequence]."""
    by_move, by_placebo = np.asarray(by_move, float), np.asarray(by_placebo, float)
    return judged(IDLE, idle=moves.evidence({FROM_FIRST: by_move, BETWEEN_OTHERS: by_placebo}))


@pytest.mark.parametrize("sign", [1, -1])
def test_idle_attention_is_found(sign):
    """World: the move from the first token changes 1 nat, and the move between others 0.1, in either direction."""
    found = idle(sign * (1 + 0.1 * rng().normal(size=SWEPT)), -sign * np.full(SWEPT, 0.1))

    assert found.verdict is Verdict.SUPPORTED
    assert f"{sign:+d}." in found.evidence.notes[0]


@pytest.mark.parametrize("sign", [1, -1])
def test_attention_that_is_used_is_refuted(sign):
    """World: to move as much between other tokens changes ten times as much."""
    found = idle(np.full(SWEPT, 0.1), sign * (1 + 0.1 * rng().normal(size=SWEPT)))

    assert found.verdict is Verdict.REFUTED
    assert "less than moving the same amount between other tokens" in str(found.evidence.counterexample)


def test_a_placebo_as_strong_as_the_edit_prevents_support():
    """World: both moves change as much, with noise between sequences."""
    drawn = [idle(*np.exp(rng(seed).normal(size=(2, SWEPT)))).verdict for seed in range(TABLES)]

    assert not too_many(drawn.count(Verdict.SUPPORTED), TABLES)
    assert drawn.count(Verdict.INCONCLUSIVE) > TABLES / 2


def test_changes_below_the_resolution_are_none():
    """World: the move changes 0.0005 nats in every sequence, and the placebo nothing."""
    found = idle(np.full(SWEPT, 5e-4), np.zeros(SWEPT))

    assert found.estimate.value == 0
    assert found.verdict is Verdict.REFUTED
