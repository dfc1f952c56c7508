"""The scores of heads and the predictions of tokens, by hand and on tiny models of random weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from induction_by_hand import halves, pattern_of
from plain_pytorch import recomputed_trial_rows

from claims.induction.copying import measure as of_copying
from claims.induction.head_scores.measure import SCORES, AttentionScores, head_scores, of_uniform_attention
from claims.induction.heads import in_heads
from claims.induction.predictions import ACCURACY, LOG_PROBABILITY, UNEDITED, of_arm, predictions
from claims.induction.previous_tokens import measure as of_previous
from claims.induction.sequences import FIRST, LENGTH, SECOND, sequences
from conftest import tiny
from referee.attention.edits import Keep
from referee.measuring.requests import Trial, Whole
from referee.measuring.result_keys import sources
from referee.measuring.session import Session

SHAPES = [("Llama", "grouped"), ("Llama", "single"), ("GPT2", "grouped"), ("GPT2", "single")]


@pytest.fixture(params=SHAPES, ids=[f"{shape}, {tokenizer}" for shape, tokenizer in SHAPES])
def subject(request):
    """Returns a tiny model of random weights, with a BOS and without."""
    shape, tokenizer = request.param
    return tiny(shape, request.getfixturevalue(tokenizer))


WITH_BOS = pattern_of([[1], [0.5, 0.5], [0.4, 0.4, 0.2], [0.1, 0.2, 0.3, 0.4],
                       [0.1, 0.2, 0.6, 0.0, 0.1],
                       [0.2, 0.0, 0.1, 0.3, 0.2, 0.2],
                       [0.3, 0.0, 0.0, 0.1, 0.5, 0.1, 0.0]])  # fmt: skip
WITHOUT_BOS = pattern_of([[1], [0.5, 0.5], [0.4, 0.4, 0.2],
                          [0.1, 0.6, 0.2, 0.1],
                          [0.2, 0.1, 0.3, 0.2, 0.2],
                          [0.3, 0.0, 0.0, 0.5, 0.1, 0.1]])  # fmt: skip
BY_HAND = {
    # Prefix matching in BOS a b c a b c: the second a (row 4) attends to b (2), b to c (3), and c to the second a (4).
    True: (
        (0.6 + 0.3 + 0.5) / 3,
        (0.5 + 0.4 + 0.3 + 0.0 + 0.2 + 0.1) / 6,
        (0.5 + 0.4 + 0.1 + 0.1 + 0.2 + 0.3) / 6,
        0.3,
    ),
    # In a b c a b c: the second a (row 3) attends to b (1), b to c (2), and c to the second a (3).
    False: ((0.6 + 0.3 + 0.5) / 3, (0.5 + 0.4 + 0.2 + 0.2 + 0.1) / 5, (0.5 + 0.4 + 0.1 + 0.2 + 0.3) / 5, 0.3),
}


@pytest.mark.parametrize("bos", [True, False])
def test_scores_of_a_pattern_by_hand(llama, bos):
    """The scores are prefix matching, previous token, first token, and first token of the last row."""
    tokens, pattern = halves(llama, bos=bos), WITH_BOS if bos else WITHOUT_BOS

    found = AttentionScores()(tokens, torch.cat([pattern, pattern.flip(1)], dim=1))

    assert SCORES == ("prefix_matching", "previous_token", "first_token", "first_token_of_last_row")
    assert found.shape == (1, 2, 4)
    torch.testing.assert_close(found[0, 0], torch.tensor(BY_HAND[bos]))


def test_uniform_attention_by_hand(llama):
    """The rows 4, 5 and 6 of seven see 5, 6 and 7 tokens."""
    found = of_uniform_attention(halves(llama, bos=True))

    assert found["prefix_matching"] == pytest.approx((1 / 5 + 1 / 6 + 1 / 7) / 3)
    assert found["previous_token"] == found["first_token"] == pytest.approx(sum(1 / n for n in range(2, 8)) / 6)
    assert found["first_token_of_last_row"] == pytest.approx(1 / 7)


def test_a_perfect_head_has_the_score_one(subject):
    """Each token of the second half attends to the token that followed its first occurrence, which comes next."""
    (tokens,) = sequences(subject, 1, seed=0)
    pattern = torch.zeros(1, 1, len(tokens), len(tokens))
    for row in range(len(tokens)):
        same = [i for i in range(row) if tokens.ids[i] == tokens.ids[row]]
        key = same[0] + 1 if same else 0
        pattern[0, 0, row, key] = 1
        if row < len(tokens) - 1 and same:
            assert tokens.ids[key] == tokens.ids[row + 1]

    assert AttentionScores()(tokens, pattern)[0, 0, 0] == 1


def test_head_scores_are_those_of_the_patterns(subject):
    """The table has one row per sequence, layer and head, in this order, in a model with and without BOS."""
    asked = sequences(subject, 3, seed=0)

    table = head_scores(Session(subject), asked)

    whole = Session(subject).patterns(asked, Whole(), layers=range(subject.n_layers))
    assert len(table) == 3 * subject.n_layers * subject.n_heads
    for (i, layer, head), row in table.set_index(["sequence", "layer", "head"]).iterrows():
        own, length = whole[i][layer, head], len(asked[i])
        later = range(length - LENGTH, length)
        assert row["prefix_matching"] == pytest.approx(np.mean([own[q, q - LENGTH + 1] for q in later]), abs=1e-6)
        assert row["previous_token"] == pytest.approx(own.diagonal(-1).mean().item(), abs=1e-6)
        assert row["first_token"] == pytest.approx(own[1:, 0].mean().item(), abs=1e-6)
        assert row["first_token_of_last_row"] == pytest.approx(own[-1, 0].item(), abs=1e-6)


def expected_predictions(subject, tokens, edits, half):
    """Returns the accuracy and the mean log probability of a half, from a plain PyTorch forward pass."""
    logits, _ = recomputed_trial_rows(subject, Trial(tokens, edits))
    places = [i for i, category in enumerate(tokens.categories) if category == half]
    ids = torch.tensor([tokens.ids[i] for i in places])
    predicted = logits[[i - 1 for i in places]]
    right = (predicted.argmax(-1) == ids).float().mean().item()
    return right, predicted.log_softmax(-1)[range(len(ids)), ids].mean().item()


def test_predictions_are_those_of_plain_pytorch(subject):
    """The rows are arm by arm. Every arm is edited in its own heads and layers only."""
    asked = sequences(subject, 3, seed=0)
    arms = of_copying.knock_outs(((1, 0), (2, 3)), ((0, 1), (1, 2)))

    second = [ACCURACY[SECOND], LOG_PROBABILITY[SECOND]]
    both = [ACCURACY[FIRST], LOG_PROBABILITY[FIRST], *second]
    unedited = predictions(Session(subject), asked, {UNEDITED: {}}, both)
    edited = predictions(Session(subject), asked[1:], arms, second)

    assert unedited["sequence"].tolist() == [0, 1, 2]
    assert edited.columns.tolist() == ["sequence", "arm", *second]
    assert edited[["arm", "sequence"]].to_numpy().tolist() == [[arm, i] for arm in arms for i in (1, 2)]
    for table, halves_read in ((unedited, (FIRST, SECOND)), (edited, (SECOND,))):
        for row in table.to_dict("records"):
            for half in halves_read:
                edits = arms.get(row["arm"], {})
                right, nats = expected_predictions(subject, asked[row["sequence"]], edits, half)
                assert row[ACCURACY[half]] == pytest.approx(right, abs=1e-6)
                assert row[LOG_PROBABILITY[half]] == pytest.approx(nats, abs=1e-3)
    assert of_arm(edited, of_copying.SILENT, ACCURACY[SECOND]).index.tolist() == [1, 2]


def test_no_other_sets_give_an_empty_table(llama):
    """The table still has its columns."""
    session, asked = Session(llama), sequences(llama, 2, seed=0)

    assert predictions(session, asked, {}, [ACCURACY[SECOND]]).columns.tolist() == ["sequence", "arm", ACCURACY[SECOND]]
    assert of_previous.matching_after(session, asked, {}, ((2, 0),)).empty


def test_the_largest_outputs_are_those_of_other_heads(subject):
    """They are as many as the top heads, and no top head is among them."""
    session, asked = Session(subject), sequences(subject, 2, seed=0)
    norms = torch.stack(session.head_norms(asked, layers=range(subject.n_layers))).mean(0)
    ranked = sorted(np.ndindex(*norms.shape), key=lambda place: -norms[place])

    found = of_copying.largest_outputs(session, asked, (ranked[0], ranked[2]))

    assert found == (ranked[1], ranked[3])


def test_matching_after_a_knock_out_is_that_of_plain_pytorch(subject):
    """The score is the mean over the top heads, which are in layers above the edits."""
    asked, top = sequences(subject, 2, seed=0), ((2, 1), (1, 3))
    arms = of_previous.knock_outs(((0, 2),))

    table = of_previous.matching_after(Session(subject), asked, arms, top)

    assert table[["arm", "sequence"]].to_numpy().tolist() == [[arm, i] for arm in arms for i in (0, 1)]
    for row in table.to_dict("records"):
        tokens = asked[row["sequence"]]
        _, seen = recomputed_trial_rows(subject, Trial(tokens, arms[row["arm"]]))
        rows = range(len(tokens) - LENGTH, len(tokens))
        expected = np.mean([[seen[layer][head, q, q - LENGTH + 1].item() for q in rows] for layer, head in top])
        assert row["prefix_matching"] == pytest.approx(expected, abs=1e-5)


def test_two_ways_to_read_a_score_differ_less_than_the_resolution(subject):
    """The scores before a knock-out come from another forward pass than those after it."""
    asked, top = sequences(subject, 4, seed=0), ((1, 0), (2, 1))
    scores = head_scores(Session(subject), asked).pivot(index="sequence", columns=["layer", "head"], values=SCORES[0])

    kept = of_previous.matching_after(Session(subject), asked, {"kept": in_heads(Keep(), ((0, 0),))}, top)

    before = scores[list(top)].mean(axis=1)
    assert np.abs(kept["prefix_matching"].to_numpy() - before.to_numpy()).max() < 1e-6


@pytest.mark.parametrize("module", ["sequences", "head_scores.measure", "idle_attention.edits"])
def test_kept_results_do_not_depend_on_thresholds(module):
    """The key of a kept result covers the source text of its classes, and the thresholds are not in it."""
    files = [file.name for file in sources(f"claims.induction.{module}")]

    assert f"{module.rpartition('.')[2]}.py" in files
    assert "theory.py" not in files
