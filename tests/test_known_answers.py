"""The suite on trial: verdicts on models of known truth, and broken instruments that must not get away."""

from __future__ import annotations

import pytest
import torch

from claims import trial
from claims.competition import ground_truth
from claims.competition.ground_truth import TRUTHS, Truth
from claims.competition.theory import CLAIMS
from referee.attention import edits
from referee.attention.tracing import Attention
from referee.measuring import scores
from referee.prompts import tokens
from referee.prompts.tokens import Alignment

PLANTED = TRUTHS[0]


def test_every_claim_has_its_column():
    """A claim without ground truth does not go in."""
    assert [claim.id for claim in CLAIMS] == list(ground_truth.CLAIM_IDS)
    assert all(len(truth.verdicts.split()) == len(CLAIMS) for truth in TRUTHS)


ALWAYS_IDLE = {"C1", "C2"}
"""Controls that no mechanism of the planted kind can break; tests/test_evidence.py breaks them by hand."""


def test_every_claim_can_be_supported_and_can_fail():
    """A test that always says the same is none."""
    for claim in CLAIMS:
        expected = {truth.expects(claim.id) for truth in TRUTHS}

        assert "SUPPORTED" in expected
        assert "REFUTED" in expected or claim.id in ALWAYS_IDLE


@pytest.mark.slow
@pytest.mark.parametrize("truth", TRUTHS, ids=lambda truth: truth.model)
def test_known_answers(truth):
    """The claims, run as a user runs them, say of each model what is true of it."""
    calls = trial.judge(truth, seed=0)

    assert [call.claim_id for call in calls] == list(ground_truth.CLAIM_IDS)
    assert {call.claim_id: call.verdict for call in calls if not call.right} == {}, truth.why


def shift_heads(patch):
    """Head h is reported, and written, as head h + 1."""
    read, enter, run = Attention.read, Attention.enter, Attention.run

    def entered(*given, **options):
        hidden, pattern, keys = enter(*given, **options)
        return hidden, pattern.roll(1, 1), keys

    def ran(self, ids, pattern=None, *others):
        return run(self, ids, None if pattern is None else pattern.roll(-1, 1), *others)

    patch.setattr(Attention, "read", lambda *given: read(*given).roll(1, 2))
    patch.setattr(Attention, "enter", entered)
    patch.setattr(Attention, "run", ran)


class _OutputAsInput:
    def __init__(self, projection):
        self._projection = projection

    @property
    def input(self):
        return self._projection.output


def slice_outputs(patch):
    """Blocks of the output after W_O are taken for heads, as in published scripts."""
    projection = Attention._projection
    patch.setattr(Attention, "_projection", lambda self, layer: _OutputAsInput(projection(self, layer)))


def misalign_donor(patch):
    """Every donor position is two too far to the left."""

    def shifted(*arguments):
        held = tokens.align(*arguments)
        return Alignment(held.target, tuple(max(0, position - 2) for position in held.donor), held.rows)

    patch.setattr(edits, "align", shifted)


def flip_margin(patch):
    """Wrong minus right."""
    margins, margins_of = scores.margins, scores.margins_of
    patch.setattr(scores, "margins", lambda logits, prompts: -margins(logits, prompts))
    patch.setattr(scores, "margins_of", lambda subject, final, prompts: -margins_of(subject, final, prompts))


def double_bos(patch):
    """A second BOS in front of every prompt."""
    encode = tokens._encode

    def doubled(text, tokenizer):
        ids, offsets = encode(text, tokenizer)
        return (tokenizer.bos_token_id, *ids), [(0, 0), *offsets]

    patch.setattr(tokens, "_encode", doubled)


def lose_edits(patch):
    """What is written never arrives."""
    run = Attention.run
    patch.setattr(Attention, "run", lambda self, ids, pattern=None, *rest: run(self, ids, None, *rest))


def edit_one_row_late(patch):
    """Edited rows land one position too far down."""
    run = Attention.run

    def late(self, ids, pattern=None, *rest):
        if pattern is not None:
            pattern = torch.cat([pattern[..., :1, :], pattern[..., :-1, :]], dim=-2)
        return run(self, ids, pattern, *rest)

    patch.setattr(Attention, "run", late)


@pytest.mark.slow
@pytest.mark.parametrize(
    "breakage",
    [shift_heads, slice_outputs, misalign_donor, flip_margin, double_bos, lose_edits, edit_one_row_late],
    ids=lambda breakage: breakage.__name__,
)
def test_a_broken_instrument_is_caught(breakage, monkeypatch):
    """On the model in which the theory is true, an instrument that is wrong does not find it true.

    It comes to other verdicts, or a named check stops it; a crash catches nothing. Two claims are enough to see it: one
    that reads patterns, one that writes them.
    """
    breakage(monkeypatch)

    calls = trial.judge(PLANTED, seed=0, only="headline1 or headline3")

    faults = [call.fault for call in calls if call.verdict == "ERROR"]
    assert [fault for fault in faults if not fault.startswith(CHECKED)] == []
    assert {call.verdict for call in calls} != {"SUPPORTED"}
    assert any(not call.right for call in calls)


CHECKED = ("Self-check on", "A prompt must begin with one BOS")
"""How the faults begin that say what of the instrument was found to be wrong."""


CALLS = [
    trial.Call(Truth("true", "S S S S", ""), 0, "1.1a", "SUPPORTED"),
    trial.Call(Truth("true", "S S S S", ""), 1, "1.1a", "REFUTED"),
    trial.Call(Truth("false", "R - N N", ""), 0, "1.1a", "SUPPORTED"),
    trial.Call(Truth("false", "R - N N", ""), 0, "1.1b", "INCONCLUSIVE"),
]


def test_calls_are_counted_by_hand():
    """One right support, one false refutation, one false support; anything but support is right for a dash."""
    counts = trial.tally(CALLS)

    assert counts["1.1a"] == {"calls": 3, "right": 1, "true": 2, "false_support": 1, "false_refutation": 1, "models": 2}
    assert counts["1.1b"] == {"calls": 1, "right": 1, "true": 0, "false_support": 0, "false_refutation": 0, "models": 1}


def test_the_matrix_marks_what_must_not_be():
    """A sign a seed, with ! behind what should have been otherwise."""
    lines = trial.matrix(CALLS).splitlines()

    assert lines[1].split() == ["true", "✓✗!"]
    assert lines[2].split() == ["false", "✓!", "?"]


def test_error_rates_have_wilson_intervals():
    """0 of few is not 0."""
    assert "false support 1 of 1 [20.7%, 100.0%]; false refutation 1 of 2 [9.5%, 90.5%]" in trial.summary(
        trial.tally(CALLS)
    )


def test_more_pairs_see_smaller_effects():
    """Power in standard deviations between pairs."""
    few, many = (trial.smallest_effect(pairs, simulations=60) for pairs in (10, 80))

    assert 0.2 < many < few < 1.5
