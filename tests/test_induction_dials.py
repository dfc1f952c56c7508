"""Each dial of the planted induction models changes what its description says. Plain transformers measures it."""

from __future__ import annotations

import pytest
import torch
from plain_induction import (
    HALF,
    attention,
    copied,
    matching,
    of,
    previous,
    resting,
    strongest,
    value_moved,
    values,
    without,
)

from claims.induction.planted.model import build
from claims.induction.planted.residual import BACKUP, HEADS, LAYERS, MATCHING, PREVIOUS, WEAKER
from referee.errors import UnknownModel


def test_dial_matching():
    """Without matching heads, those heads rest, and nothing is copied."""
    assert matching("induction:matching=off").max() < 0.05
    assert (of(resting("induction:matching=off"), MATCHING) > 0.15).all()
    assert copied("induction:matching=off") == 0


def test_dial_read():
    """The heads match as with read=on, and nothing is copied."""
    assert torch.allclose(of(matching("induction:read=off"), MATCHING), of(matching(), MATCHING), atol=1e-3)
    assert copied("induction:read=off") == 0


def test_dial_feeders():
    """Two more heads attend to the token before, clearly less than the strongest two. They alone are necessary.

    Without the strongest two, nothing changes."""
    name = "induction:feeders=others"
    scores, before, copies = previous(name), of(matching(name), MATCHING), copied(name)

    assert strongest(scores, 2) == set(PREVIOUS)
    assert strongest(scores, 4) == {*PREVIOUS, *WEAKER}
    assert of(scores, PREVIOUS).min() > of(scores, WEAKER).max() + 0.15
    assert of(previous(), WEAKER).max() < 0.1
    assert strongest(matching(name), 2) == set(MATCHING)
    assert (before > 0.7).all()
    assert 0.65 < copies < 0.85
    assert copied(name, repeated=False) < 0.01
    with without(PREVIOUS, name):
        assert torch.allclose(of(matching(name), MATCHING), before, rtol=0, atol=1e-6)
        assert copied(name) == copies
    for heads in (WEAKER, WEAKER[:1], WEAKER[1:]):
        with without(heads, name):
            assert of(matching(name), MATCHING).max() < 0.15


def test_dial_backup():
    """Four heads match. Without two of them, the model copies most of what it copied."""
    name = "induction:backup"
    heads = [*MATCHING, *BACKUP]
    before = copied(name)

    assert strongest(matching(name), 4) == set(heads)
    assert before > 0.9
    for two in (MATCHING, BACKUP, (MATCHING[1], BACKUP[1])):
        with without(two, name):
            assert copied(name) > 0.75 * before


def test_dial_position():
    """The heads attend to the position 24 before, with and without repetition and previous-token heads, and copy."""
    name = "induction:position"

    for repeated in (True, False):
        assert (of(matching(name, repeated=repeated), MATCHING) > 0.9).all()
    with without(PREVIOUS, name):
        assert (of(matching(name), MATCHING) > 0.9).all()
        assert copied(name) > 0.65
    with without(MATCHING, name):
        assert copied(name) == 0
    assert copied(name, repeated=False) < 0.01


def test_dial_uniform():
    """Every head attends evenly in every row, and nothing is copied."""
    length = 1 + 2 * HALF
    even = torch.ones(length, length).tril() / torch.arange(1, length + 1)[:, None]

    assert torch.allclose(attention("induction:uniform"), even.expand(4, LAYERS, HEADS, -1, -1), atol=1e-4)
    assert copied("induction:uniform") < 0.01


def test_dial_rest_off():
    """No head prefers BOS. The model still copies."""
    name = "induction:rest=off"

    assert resting(name).max() < 0.15
    assert (of(matching(name), MATCHING) > 0.7).all()
    assert copied(name) > 0.65


def test_dial_rest_read():
    """The mean value of all tokens is near that of BOS, and heads prefer tokens of high value."""
    value, special = values("induction:rest=read")
    from_bos, between = value_moved("induction:rest=read")

    assert set(value[~special].tolist()) == {-1.0, 1.0}
    assert abs(value[~special].mean()) < 0.2
    assert (between.abs() > from_bos.abs()).float().mean() > 0.8
    assert torch.allclose(of(matching("induction:rest=read"), MATCHING), of(matching(), MATCHING), atol=0.01)


def test_dial_brittle():
    """Without any one head of the layers 2 and above that rests, nothing is copied. Lower heads do not matter."""
    name = "induction:brittle"

    before = copied(name)
    assert before == copied()
    for head in ((2, 0), (2, 39), (3, 12), (4, 7)):
        with without([head], name):
            assert copied(name) == 0
    with without([(0, 3), (1, 4)], name):
        assert copied(name) == pytest.approx(before, abs=0.02)


def test_dial_noise():
    """Without noise, all tokens are copied but the first one, of which nothing says that it comes again."""
    assert copied("induction:noise=0") == pytest.approx(24 / 25)
    assert copied("induction:noise=1.5") < copied()


@pytest.mark.parametrize(
    ("dials", "message"),
    [
        ("matchng=off", "A dial of an induction model must be one of matching, read, feeders, backup, position, "),
        ("matching=no", "matching must be on or off; got 'matching=no'"),
        ("feeders=off", "feeders must be one of strongest, others; got 'feeders=off'"),
        ("rest=on", "rest must be one of first, read, off; got 'rest=on'"),
        ("noise=3", "noise must be a number from 0 to 2; got 'noise=3'"),
        ("noise=nan", "noise must be a number from 0 to 2; got 'noise=nan'"),
        ("noise", "noise must be a number from 0 to 2; got 'noise'"),
    ],
)
def test_bad_dials_are_one_clear_line(dials, message):
    """The line has the rule, what was given, and an example."""
    with pytest.raises(UnknownModel) as problem:
        build(f"induction:{dials}")

    assert str(problem.value).startswith(message)
    assert str(problem.value).endswith("Write for example induction:matching=off or induction:rest=read,noise=0.5.")
    assert "\n" not in str(problem.value)


def test_a_switch_without_a_value_is_on():
    """Dials are separated by commas."""
    assert of(matching("induction:backup,noise=0"), [*MATCHING, *BACKUP]).min() > 0.7
