"""The published method: its switches, its checker, its rule for a call, and the rule for a reproduced figure."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from claims.competition.as_published import published
from claims.competition.as_published.checker import needs_bare_numbers, read
from claims.competition.as_published.measure import EVEN, LAYER, MIXED, ODD, SHARE
from claims.competition.as_published.methods import (
    AS_PUBLISHED,
    AS_STATED,
    OF_DOCUMENT,
    PUBLISHED_CASE,
    SHARES,
    Method,
    turned_one_by_one,
)
from claims.competition.as_published.outcomes import Course, call, call_bug
from claims.competition.theory import EIGHT_HEADS, ONLY_EVEN_HEADS, OTHER_LAYERS_IDLE, SHARP, SIXTY_PERCENT
from referee.judging.verdict import Verdict
from referee.measuring.session import Session

PAIR = PUBLISHED_CASE.pair


@pytest.mark.parametrize(
    ("text", "bare", "expected"),
    [
        ("9.8 is bigger than 9.11.", False, "right"),
        ("9.8 is GREATER", False, "right"),
        ("9.11 is larger.", False, "wrong"),
        ("9.8 is bigger, no, 9.11 is bigger", False, "wrong"),
        ("9.8", False, "neither"),
        ("9.8", True, "right"),
        ("9.11", True, "wrong"),
        ("9.8 is smaller than 9.11", True, "right"),
        ("I do not know", True, "neither"),
    ],
)
def test_the_checker_reads_as_published(text, bare, expected):
    """A text is right by a sentence about 9.8, or by the bare number, unless it says that 9.11 is bigger."""
    assert read(text, PAIR, bare=bare) == expected


def test_bare_numbers_count_only_if_no_text_has_a_sentence():
    """A subject that writes one of the sentences is read by the sentences."""
    assert needs_bare_numbers([" 9.8", " 9.11"], PAIR)
    assert not needs_bare_numbers([" 9.8", " 9.11 is bigger than 9.8"], PAIR)


def test_each_switch_is_turned_alone():
    """From either end there are six methods, and each differs from the end in one switch."""
    for start in (AS_STATED, AS_PUBLISHED):
        turned = dict(turned_one_by_one(start))

        assert len(turned) == 6
        for name, method in turned.items():
            assert [key for key in vars(start) if vars(start)[key] != vars(method)[key]] == [name]


def test_each_switch_changes_the_patch_as_it_says(llama):
    """The switches decide the site, the alignment, and the rows after the prompt."""
    session = Session(llama)
    stated, published, forced = (
        method.patch(session, PUBLISHED_CASE, OF_DOCUMENT)
        for method in (AS_STATED, AS_PUBLISHED, Method(decoding=True))
    )

    assert (stated.site, stated.alignment, stated.while_decoding) == ("pattern", "meaning", False)
    assert len(stated.tokens) > stated.tokens.n_prompt
    assert (published.site, published.alignment, published.while_decoding) == ("output", "left block", True)
    assert len(published.tokens) == published.tokens.n_prompt
    assert published.forced == ()
    assert forced.tokens.ids + forced.forced == stated.tokens.ids


def rows(share_scores, even, odd=None, mixed=-1.0, layer=-1.0):
    """Returns the rows of one prompt: scores by share, by number of even and of odd heads, of 8 mixed heads, and at
    layer 7."""
    found = [(SHARE, share, score) for share, score in share_scores.items()]
    found += [(EVEN, count, score) for count, score in even.items()]
    found += [(ODD, count, score) for count, score in (odd or {8: -1.0}).items()]
    found += [(MIXED, 8, mixed), (LAYER, 7, layer)]
    return pd.DataFrame(found, columns=["arm", "level", "score"]).assign(pair="9.8 > 9.11", order="bigger first")


def texts(*scores):
    return dict(zip(SHARES, scores, strict=True))


def test_a_text_turns_at_the_first_share_from_which_all_are_right():
    """The published five shares: right from the third on is 60 %. A text that turns back does not count."""
    sixty = Course.of(AS_PUBLISHED, rows(texts(-1, -1, 1, 1, 1), {7: -1, 8: 1, 16: 1}))
    later = Course.of(AS_PUBLISHED, rows(texts(-1, 1, -1, 1, 1), {7: -1, 8: 1, 16: 1}))
    always = Course.of(AS_PUBLISHED, rows(texts(1, 1, 1, 1, 1), {7: 1, 8: 1, 16: 1}))
    never = Course.of(AS_PUBLISHED, rows(texts(-1, -1, -1, -1, -1), {7: -1, 8: -1, 16: -1}))

    assert [sixty.crossing_share, later.crossing_share, always.crossing_share] == [0.6, 0.8, 0.2]
    assert never.crossing_share == np.inf
    assert [sixty.does(SIXTY_PERCENT), later.does(SIXTY_PERCENT), never.does(SIXTY_PERCENT)] == [True, False, False]
    assert never.does(SHARP) is None


def test_a_text_always_turns_sharply_and_a_margin_need_not():
    """A margin that rises in a straight line is not sharp. The same rise, read as texts, is."""
    line = {share: 2 * share - 1.1 for share in np.linspace(0, 1, 21)}

    assert Course.of(AS_STATED, rows(line, {8: 1})).does(SHARP) is False
    assert Course.of(AS_PUBLISHED, rows(texts(-1, -1, 1, 1, 1), {8: 1})).does(SHARP) is True


def test_half_of_the_heads_must_repair_and_one_fewer_must_not():
    """Claim 4.2 is false of a prompt that seven heads repair, that eight do not, or that sixteen do not."""
    answers = [
        Course.of(AS_PUBLISHED, rows(texts(-1, -1, 1, 1, 1), even)).does(EIGHT_HEADS)
        for even in ({7: -1, 8: 1, 16: 1}, {7: 1, 8: 1, 16: 1}, {7: -1, 8: -1, 16: 1}, {7: -1, 8: 1, 16: -1})
    ]

    assert answers == [True, False, False, False]


def test_other_heads_and_other_layers_must_not_repair():
    """Claim 4.2b is false of a prompt that half of the odd heads repair, or as many mixed ones, and C4 if a layer does.

    Another number of odd heads is no half, so it does not matter.
    """
    courses = [
        Course.of(AS_PUBLISHED, rows(texts(-1, -1, 1, 1, 1), {8: 1, 16: 1}, **others))
        for others in ({}, {"odd": {8: 1.0}}, {"odd": {7: -1.0, 8: -1.0, 16: 1.0}}, {"mixed": 1.0}, {"layer": 1.0})
    ]

    assert [course.does(ONLY_EVEN_HEADS) for course in courses] == [True, False, True, False, True]
    assert [course.does(OTHER_LAYERS_IDLE) for course in courses] == [True, True, True, True, False]
    assert [course.odd for course in courses] == [(), (8,), (16,), (), ()]


def test_one_prompt_decides_only_if_its_repeats_are_counted():
    """One generation counted 1000 times is SUPPORTED or REFUTED. Counted once it is INCONCLUSIVE."""
    good = Course.of(AS_PUBLISHED, rows(texts(-1, -1, 1, 1, 1), {7: -1, 8: 1, 16: 1}))
    bad = Course.of(AS_PUBLISHED, rows(texts(-1, -1, -1, -1, 1), {7: -1, 8: 1, 16: 1}))
    once = Method(one_prompt=True)

    assert call(SIXTY_PERCENT, AS_PUBLISHED, [good]) is Verdict.SUPPORTED
    assert call(SIXTY_PERCENT, AS_PUBLISHED, [bad]) is Verdict.REFUTED
    assert call(SIXTY_PERCENT, once, [good]) is Verdict.INCONCLUSIVE
    assert call(SIXTY_PERCENT, AS_PUBLISHED, []) is Verdict.NOT_APPLICABLE
    assert call(SIXTY_PERCENT, AS_STATED, [good] * 9) is Verdict.NOT_APPLICABLE
    assert call(SIXTY_PERCENT, AS_STATED, [good] * 12) is Verdict.SUPPORTED


def test_the_bug_is_called_in_each_order():
    """Answers that are right in Simple alone count for the bug. It must exist in every order that is looked at."""
    both = pd.DataFrame({"order": ["first"] * 12 + ["second"] * 12, "donor": True, "recipient": False})
    one = both.assign(recipient=[False] * 12 + [True] * 12, donor=[True] * 12 + [False] * 12)

    assert call_bug(both, AS_STATED) is Verdict.SUPPORTED
    assert call_bug(one, AS_STATED) is Verdict.REFUTED
    assert call_bug(both[:1], AS_PUBLISHED) is Verdict.SUPPORTED
    assert call_bug(both.assign(recipient=True), AS_STATED) is Verdict.NOT_APPLICABLE


def test_a_figure_is_reproduced_only_on_the_same_subject_by_the_same_measure():
    """Another model, or another measure, gives neither word. The same ones give one of both."""
    figure = published.Figure(SIXTY_PERCENT, "Fake-1B", published.SHARE, "60 %", "nowhere")

    assert figure.compared("somebody/Fake-1B", {published.SHARE: "60 %"}) == "REPRODUCED"
    assert figure.compared("Fake-1B", {published.SHARE: "80 %"}) == "NOT REPRODUCED"
    assert figure.compared("somebody/Fake-7B", {published.SHARE: "60 %"}) is None
    assert figure.compared("Fake-1B", {published.COUNTS: "60 %"}) is None
    assert published.Figure(SIXTY_PERCENT, "Fake-1B", None, "60 %", "nowhere").compared("Fake-1B", {}) is None
