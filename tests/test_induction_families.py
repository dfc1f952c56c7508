"""Every measurement of the theory of induction heads, on a tiny random model of each family."""

import numpy as np
import pytest

from claims.induction.copying import measure as of_copies
from claims.induction.head_scores.measure import head_scores
from claims.induction.heads import other_sets
from claims.induction.idle_attention import measure as of_moves
from claims.induction.predictions import ACCURACY, LOG_PROBABILITY, UNEDITED, predictions
from claims.induction.previous_tokens import measure as of_previous
from claims.induction.sequences import FIRST, SECOND, sequences
from referee.measuring.session import Session

COLUMNS = [ACCURACY[FIRST], ACCURACY[SECOND], LOG_PROBABILITY[SECOND]]


@pytest.fixture(scope="module")
def asked(shaped):
    """Returns a session and two sequences."""
    return Session(shaped), sequences(shaped, 2, seed=0)


def test_the_scores_of_all_heads_are_shares_of_attention(asked):
    """The table has one row for each sequence and head."""
    session, found = asked
    table = head_scores(session, found)
    scores = table[["prefix_matching", "previous_token", "first_token"]].to_numpy()

    assert len(table) == 2 * session.subject.n_layers * session.subject.n_heads
    assert ((scores >= 0) & (scores <= 1)).all()
    assert (scores.max(0) > 0).all()


def test_knock_outs_change_the_predictions(asked):
    """A knock-out of all heads of two layers changes the log probability of the second half, and so does silence."""
    session, found = asked
    heads = tuple((layer, head) for layer in (0, 2) for head in range(session.subject.n_heads))
    arms = {UNEDITED: {}, **of_copies.knock_outs(heads, heads[:1])}

    table = predictions(session, found, arms, COLUMNS)

    values = {arm: part[LOG_PROBABILITY[SECOND]].to_numpy() for arm, part in table.groupby("arm")}
    assert np.isfinite(table[COLUMNS]).all(axis=None)
    counted = 25 * table[[ACCURACY[FIRST], ACCURACY[SECOND]]]
    assert (np.abs(counted - counted.round()) < 1e-4).all(axis=None)
    for arm in (of_copies.KNOCKED_OUT, of_copies.SILENT):
        assert (np.abs(values[arm] - values[UNEDITED]) > 1e-6).all()
    assert len(of_copies.largest_outputs(session, found, heads[:1])) == 1


def test_knock_outs_change_the_scores_of_higher_heads(asked):
    """Without the heads of layer 0, a head of layer 2 attends to other tokens."""
    session, found = asked
    heads, top = tuple((0, head) for head in range(session.subject.n_heads)), ((2, 0),)
    before = head_scores(session, found).set_index(["layer", "head"]).loc[(2, 0), "prefix_matching"]

    after = of_previous.matching_after(session, found, of_previous.knock_outs(heads), top)

    assert np.isfinite(after["prefix_matching"]).all()
    knocked_out = after[after["arm"] == of_previous.KNOCKED_OUT]["prefix_matching"]
    assert (np.abs(knocked_out.to_numpy() - np.asarray(before)) > 1e-9).all()
    assert other_sets(top, session.subject.n_heads, count=43, seed=0).existing == session.subject.n_heads - 1


def test_attention_can_be_moved_in_every_layer(asked):
    """Both moves change the predictions."""
    session, found = asked
    heads = tuple((layer, 0) for layer in range(session.subject.n_layers))

    table = predictions(session, found, {UNEDITED: {}, **of_moves.moves(heads)}, [LOG_PROBABILITY[SECOND]])

    values = {arm: part[LOG_PROBABILITY[SECOND]].to_numpy() for arm, part in table.groupby("arm")}
    for arm in (of_moves.FROM_FIRST, of_moves.BETWEEN_OTHERS):
        assert (np.abs(values[arm] - values[UNEDITED]) > 1e-9).all()
