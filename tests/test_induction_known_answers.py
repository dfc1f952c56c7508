"""The claims about induction get the right verdicts on models whose truth is known, and notice a broken instrument."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from claims import trial
from claims.induction.ground_truth import EXPECTED, MODELS, TRUTH
from claims.induction.study import STUDY
from claims.induction.theory import THEORY
from referee.attention.edits import InHeads
from referee.attention.tracing import Attention
from referee.judging.verdict import Verdict


def test_every_claim_has_ground_truth():
    """EXPECTED has one entry for each claim, in the order of the theory."""
    assert list(EXPECTED) == [claim.id for claim in THEORY.claims]


def test_every_claim_can_be_supported_and_refuted():
    """Each claim is true on one model and false on another. A test with only one verdict would show nothing."""
    for claim in THEORY.claims:
        expected = [TRUTH.right(claim.id, model) for model in MODELS]

        assert {Verdict.SUPPORTED} in expected
        assert {Verdict.REFUTED} in expected


def test_no_claim_is_true_of_random_weights():
    """The same holds for uniform attention in every head."""
    for model in ("random", "induction:uniform"):
        assert [claim_id for claim_id in EXPECTED if Verdict.SUPPORTED in TRUTH.right(claim_id, model)] == []


@pytest.mark.parametrize("model", [model for model in MODELS if model.startswith("induction")])
def test_every_model_can_be_built(model):
    """Its dials can be read."""
    STUDY.builders["induction"](model)


SOME = ("induction", "induction:rest=read")
"""Models that differ most in their truth. A weekly job runs `python -m claims.trial`, which judges all models."""


@pytest.mark.slow
@pytest.mark.parametrize("model", SOME)
def test_known_answers(model):
    """A run as a user starts it gives the right verdict on each claim."""
    calls = trial.judge("induction", model, seed=0)

    assert [call.claim_id for call in calls] == list(EXPECTED)
    assert {call.claim_id: call.verdict for call in calls if not call.right} == {}, MODELS[model]


@pytest.mark.slow
def test_known_answers_in_bfloat16():
    """Patterns, edits and margins are in float32 whatever the dtype of the weights, so the verdicts are the same."""
    calls = trial.judge("induction", "induction", seed=0, dtype="bfloat16", only="I1 or I2 or S1")

    assert {call.claim_id: call.verdict for call in calls} == dict.fromkeys(["I1", "I2", "S1"], Verdict.SUPPORTED)


def lose_edits(patch):
    """No edited pattern is written."""
    run = Attention.run

    def lost(self, ids, pattern=None, hidden=None, before=None, later=None, lengths=None):
        return run(self, ids, None, hidden, before, None, lengths)

    patch.setattr(Attention, "run", lost)


def lose_edits_of_heads(patch):
    """An edit of some heads changes no head."""
    patch.setattr(InHeads, "apply", staticmethod(lambda edits, to: to.own))


def lose_edits_of_higher_layers(patch):
    """Of several edited layers, only the lowest one is written."""
    patch.setattr(Attention, "_write_later", lambda self, later: None)


def shift_edited_heads(patch):
    """An edit of head h changes head h + 1."""
    apply = InHeads.apply

    def shifted(edits, to):
        count = to.own.shape[1]
        moved = [replace(edit, heads=tuple((head + 1) % count for head in edit.heads)) for edit in edits]
        return apply(moved, to)

    patch.setattr(InHeads, "apply", staticmethod(shifted))


def read_one_row_late(patch):
    """Each row of a pattern is reported as the next row."""
    read = Attention.read

    def late(*given, **options):
        pattern = read(*given, **options)
        return torch.cat([pattern[..., :1, :], pattern[..., :-1, :]], dim=-2)

    patch.setattr(Attention, "read", late)


def read_the_layer_below(patch):
    """If several layers are read, the pattern of each is reported as that of the next one."""
    read = Attention.read
    patch.setattr(Attention, "read", lambda *given, **options: read(*given, **options).roll(1, dims=1))


def predict_one_row_late(patch):
    """Each row of the residual stream is reported as the next row."""
    run = Attention.run

    def late(*given, **options):
        readout = run(*given, **options)
        return readout if readout.rows is None else replace(readout, rows=readout.rows.roll(1, dims=1))

    patch.setattr(Attention, "run", late)


@pytest.mark.slow
@pytest.mark.parametrize("breakage", [lose_edits, read_one_row_late], ids=lambda breakage: breakage.__name__)
def test_a_self_check_stops_a_broken_instrument(breakage, monkeypatch):
    """Nothing is judged, and the fault names the check."""
    breakage(monkeypatch)

    calls = trial.judge("induction", "induction", seed=0, only="I1")

    assert [call.verdict for call in calls] == [Verdict.ERROR]
    assert calls[0].fault.startswith("Self-check on induction, layer 2: ")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("breakage", "claim_ids"),
    [
        (lose_edits_of_heads, ["I3", "I4", "S2"]),
        (lose_edits_of_higher_layers, ["I3"]),
        (shift_edited_heads, ["I3", "I4"]),
        (read_the_layer_below, ["I3"]),
        (predict_one_row_late, ["I2"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_broken_instrument_changes_verdicts(breakage, claim_ids, monkeypatch):
    """The self-checks pass. On the model in which the theory is true, no claim is SUPPORTED, and none is an error."""
    breakage(monkeypatch)

    calls = trial.judge("induction", "induction", seed=0, only=" or ".join(claim_ids))

    assert [call.claim_id for call in calls] == claim_ids
    assert {call.verdict for call in calls} <= {Verdict.REFUTED, Verdict.INCONCLUSIVE, Verdict.NOT_APPLICABLE}
