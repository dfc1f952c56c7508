"""The claims get the right verdicts on models whose truth is known, and a broken instrument is noticed."""

from __future__ import annotations

import pytest
import torch

from claims import trial
from claims.competition.ground_truth import EXPECTED, MODELS, TRUTH
from claims.competition.theory import THEORY
from claims.expectations import GroundTruth, expect
from referee.attention import unedited
from referee.attention.tracing import Attention
from referee.judging.verdict import Verdict
from referee.measuring import scores
from referee.prompts import tokens
from referee.prompts.tokens import Alignment


def test_every_claim_has_ground_truth():
    """EXPECTED has one entry for each claim, in the order of the theory."""
    ids = [claim.id for claim in THEORY.claims]
    assert set(ids) <= set(EXPECTED), f"ground_truth.py has no entry for {set(ids) - set(EXPECTED)}"
    assert list(EXPECTED) == ids


ALWAYS_IDLE = {"C1", "C2", "B1"}
"""Claims that no planted mechanism can break. test_evidence.py and test_bug_of_format.py refute them in tables."""


def test_every_claim_can_be_supported_and_can_fail():
    """Each claim is true on one model and false on another. A test with only one verdict would show nothing."""
    for claim in THEORY.claims:
        expected = [TRUTH.right(claim.id, model) for model in MODELS]

        assert {Verdict.SUPPORTED} in expected
        assert {Verdict.REFUTED} in expected or claim.id in ALWAYS_IDLE


def test_ground_truth_by_hand():
    """A model that no argument names must be SUPPORTED. For "unsupported" every other verdict but ERROR is right."""
    truth = GroundTruth(
        {"a": "", "b": "", "c": "", "d": "", "e": ""},
        {"1": expect(refuted=["a"], inconclusive=["b"], not_applicable=["c"], unsupported=["d"])},
    )

    assert [truth.right("1", model) for model in "abce"] == [
        {Verdict.REFUTED},
        {Verdict.INCONCLUSIVE},
        {Verdict.NOT_APPLICABLE},
        {Verdict.SUPPORTED},
    ]
    assert truth.right("1", "d") == {Verdict.REFUTED, Verdict.INCONCLUSIVE, Verdict.NOT_APPLICABLE}


def test_ground_truth_names_only_known_models():
    """A model that is misspelt in an entry would count as SUPPORTED, so it is an error."""
    with pytest.raises(ValueError, match=r"Claim 2\.3 names models that are not in MODELS: plantd; randm"):
        GroundTruth({"planted": "", "random": ""}, {"2.3": expect(refuted=["plantd"], unsupported=["randm"])})
    with pytest.raises(KeyError, match="plantd"):
        TRUTH.right("1.1a", "plantd")


def test_ground_truth_names_a_model_once():
    """Two expectations for one model contradict each other."""
    with pytest.raises(ValueError, match="The model random is named twice"):
        expect(refuted=["random"], unsupported=["random"])


SOME = ("planted:bug=one_order", "random")
"""Models that differ most in their truth. CI judges the model `planted` after the tests, and a weekly job runs
`python -m claims.trial`, which judges all models."""


@pytest.mark.slow
@pytest.mark.parametrize("model", SOME)
def test_known_answers(model):
    """A run as a user starts it gives the right verdict on each claim."""
    calls = trial.judge("competition", model, seed=0)

    assert [call.claim_id for call in calls] == list(EXPECTED)
    assert {call.claim_id: call.verdict for call in calls if not call.right} == {}, MODELS[model]


def change_run(patch, written, read=lambda pattern: pattern):
    """Changes the patterns that `run` writes, and the patterns that it reads for edits of higher layers."""
    run = Attention.run

    def changed(self, ids, pattern=None, hidden=None, before=None, later=None, lengths=None):
        pattern = None if pattern is None else written(pattern)
        later = {layer: lambda own, edit=edit: written(edit(read(own))) for layer, edit in (later or {}).items()}
        return run(self, ids, pattern, hidden, before, later, lengths)

    patch.setattr(Attention, "run", changed)


def shift_heads(patch):
    """Head h is reported, and written, as head h + 1."""
    read, enter = Attention.read, Attention.enter

    def shifted(*given, **options):
        hidden, pattern, keys = enter(*given, **options)
        return hidden, pattern.roll(1, 1), keys

    patch.setattr(Attention, "read", lambda *given: read(*given).roll(1, 2))
    patch.setattr(Attention, "enter", shifted)
    change_run(patch, written=lambda pattern: pattern.roll(-1, 1), read=lambda pattern: pattern.roll(1, 1))


class _OutputAsInput:
    def __init__(self, projection):
        self._projection = projection

    @property
    def input(self):
        return self._projection.output


def slice_outputs(patch):
    """Slices of the output after W_O are taken for heads, as in published scripts."""
    projection = Attention.projection
    patch.setattr(Attention, "projection", lambda self, layer: _OutputAsInput(projection(self, layer)))


def misalign_donor(patch):
    """Every donor position is two too far to the left."""

    def shifted(*arguments):
        found = tokens.align(*arguments)
        return Alignment(found.target, tuple(max(0, position - 2) for position in found.donor), found.rows)

    patch.setattr(unedited, "align", shifted)


def flip_margin(patch):
    """The margin is the wrong answer's logit minus the right answer's."""
    margins, margins_of = scores.margins, scores.margins_of
    patch.setattr(scores, "margins", lambda logits, prompts: -margins(logits, prompts))
    patch.setattr(scores, "margins_of", lambda subject, final, prompts: -margins_of(subject, final, prompts))


def double_bos(patch):
    """A second BOS stands in front of every prompt."""
    encode = tokens._encode

    def doubled(text, tokenizer):
        ids, offsets = encode(text, tokenizer)
        return (tokenizer.bos_token_id, *ids), [(0, 0), *offsets]

    patch.setattr(tokens, "_encode", doubled)


def lose_edits(patch):
    """No edited pattern is written."""
    run = Attention.run

    def lost(self, ids, pattern=None, hidden=None, before=None, later=None):
        return run(self, ids, None, hidden, before)

    patch.setattr(Attention, "run", lost)


def edit_one_row_late(patch):
    """Edited rows are written one position too far down."""
    change_run(patch, written=lambda pattern: torch.cat([pattern[..., :1, :], pattern[..., :-1, :]], dim=-2))


@pytest.mark.slow
@pytest.mark.parametrize(
    "breakage",
    [shift_heads, slice_outputs, misalign_donor, flip_margin, double_bos, lose_edits, edit_one_row_late],
    ids=lambda breakage: breakage.__name__,
)
def test_a_broken_instrument_is_caught(breakage, monkeypatch):
    """On the model in which the theory is true, a broken instrument does not find that it is true.

    Some verdicts are wrong, or a named check stops the run. A crash is not enough. Claims show it that read
    patterns, and claims that write them in all heads and in some.
    """
    breakage(monkeypatch)

    calls = trial.judge("competition", "planted", seed=0, only="headline1 or headline3 or headline4")

    faults = [call.fault for call in calls if call.verdict is Verdict.ERROR]
    assert [fault for fault in faults if not fault.startswith(CHECKED)] == []
    assert {call.verdict for call in calls} != {Verdict.SUPPORTED}
    assert any(not call.right for call in calls)


CHECKED = ("Self-check on", "A prompt must begin with one BOS")
"""The beginnings of the faults that say what is wrong with the instrument."""


TRUE, FALSE = frozenset({Verdict.SUPPORTED}), frozenset({Verdict.REFUTED})
UNSUPPORTED = expect(unsupported=["false"])["false"]
CALLS = [
    trial.Call("true", 0, "1.1a", Verdict.SUPPORTED, TRUE),
    trial.Call("true", 1, "1.1a", Verdict.REFUTED, TRUE),
    trial.Call("false", 0, "1.1a", Verdict.SUPPORTED, FALSE),
    trial.Call("false", 0, "1.1b", Verdict.INCONCLUSIVE, UNSUPPORTED),
]


def test_calls_are_counted_by_hand():
    """There are one right support, one false refutation, one false support, and one right verdict INCONCLUSIVE."""
    counts = trial.tally(CALLS)

    assert counts["1.1a"] == {"calls": 3, "right": 1, "true": 2, "false_support": 1, "false_refutation": 1, "models": 2}
    assert counts["1.1b"] == {"calls": 1, "right": 1, "true": 0, "false_support": 0, "false_refutation": 0, "models": 1}


def test_a_refutation_that_is_right_is_no_false_one():
    """Close to the threshold, several verdicts are right."""
    call = trial.Call("near", 0, "1.1a", Verdict.REFUTED, frozenset({Verdict.SUPPORTED, Verdict.REFUTED}))

    assert trial.tally([call])["1.1a"]["false_refutation"] == 0


def test_the_matrix_marks_what_must_not_be():
    """Each seed has one sign, and ! follows a wrong verdict."""
    lines = trial.matrix(CALLS).splitlines()

    assert lines[1].split() == ["true", "✓✗!"]
    assert lines[2].split() == ["false", "✓!", "?"]


def test_error_rates_have_exact_intervals():
    """No error in a few verdicts does not mean an error rate of 0."""
    summary = trial.summary(trial.tally(CALLS))

    assert "false support 1 of 1 [2.5%, 100.0%]; false refutation 1 of 2 [1.3%, 98.7%]" in summary


def test_a_wrong_verdict_is_printed_with_the_right_one():
    """Each line names the model, the seed, the claim and both verdicts."""
    assert trial.mistakes(CALLS).splitlines()[:2] == [
        "wrong: true, seed 1, claim 1.1a: REFUTED; right: SUPPORTED",
        "wrong: false, seed 0, claim 1.1a: SUPPORTED; right: REFUTED",
    ]
    assert trial.mistakes([CALLS[0]]) == ""
