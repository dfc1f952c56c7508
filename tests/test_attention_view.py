"""The token view's content: how patterns are packed, which layers are shown, and how a run collects them."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from sample_reports import BAD, found, report_of
from sample_views import CATEGORIES, LABELS, ON_NUMBERS, pattern, sample_view

from claims.competition.named import tokens_of
from claims.competition.prompts import DOCUMENT_PAIRS, ORDERS, POSITIONS, QA, SIMPLE, Case, filled, injected
from claims.competition.study import STUDY
from fixtures import attention_view as module
from fixtures.attention_view import Triangles, attention_view, collect, layers_shown
from fixtures.run import Result, Views
from referee.attention.edits import edited_pattern
from referee.errors import UnscorableTokens
from referee.judging.evidence import Counterexample
from referee.measuring.requests import Trial, Whole
from referee.measuring.session import Session
from reports import page
from reports.attention_view import PromptTokens, packed, unpacked

BUGGED = Case(DOCUMENT_PAIRS[1], ORDERS[1])


@pytest.fixture(scope="module")
def session(llama):
    return Session(llama)


def test_packed_shares_are_close_to_the_pattern(session):
    """The share of a category is exact to 0.003, and only the prompt's own tokens are kept."""
    tokens = session.tokenize(BUGGED.asked(QA))
    (whole,) = session.patterns([tokens], Whole())
    own = whole[0, :, : tokens.n_prompt, : tokens.n_prompt]

    heads = unpacked(packed(Triangles()(tokens, whole)[0].numpy().tobytes()), len(own))

    on_numbers = [category == "numerical" for category in tokens.categories[: tokens.n_prompt]]
    for head, rows in enumerate(heads):
        assert [len(row) for row in rows] == list(range(1, tokens.n_prompt + 1))
        expected = (own[head] * own.new_tensor(on_numbers)).sum(-1).tolist()
        got = [sum(share for share, counts in zip(row, on_numbers, strict=False) if counts) for row in rows]
        assert got == pytest.approx(expected, abs=0.003)


def test_a_view_has_the_edited_patterns_and_margins(session, llama):
    """Every edit has the pattern and the margin that the instrument gives for it at the layer of interest."""
    view = STUDY.view(llama, [BUGGED])

    shown = attention_view(session, "competition", view, STUDY, 2_000_000)

    assert [prompt.name for prompt in shown.prompts] == [
        "Q&A: 8.12 or 8.7, wrong here and right in Simple",
        "Q&A: 9.8 or 9.11",
        "Simple: 9.8 or 9.11",
        "Chat: 9.8 or 9.11",
    ]
    assert (shown.layers, shown.category, shown.level) == ((0, 1, 2), 0, 0.4)
    for planned, prompt in zip(view.prompts, shown.prompts, strict=True):
        assert [edit.name for edit in prompt.edits] == list(planned.edits)
        trials = [Trial(planned.tokens), *(Trial(planned.tokens, {1: edit}) for edit in planned.edits.values())]
        margins = [prompt.margin, *(edit.margin for edit in prompt.edits)]
        assert margins == pytest.approx(session.margins(trials)["margin_logits"].tolist(), abs=1e-5)
        for (name, edit), after in zip(planned.edits.items(), prompt.edits, strict=True):
            asked = [planned.tokens, *([edit.donor] if edit.donor else [])]
            own, *donors = (pattern[0] for pattern in session.patterns(asked, Whole()))
            expected = edited_pattern(edit, planned.tokens, own, *donors)
            last = unpacked(after.pattern, 4)[3][-1]
            n = planned.tokens.n_prompt
            assert last == pytest.approx(expected[3, n - 1, :n].tolist(), abs=0.005), name


def test_a_bos_has_a_category_of_its_own(session):
    """It often gets most of the attention, so it is not mixed with other tokens."""
    shown = module._prompt_tokens(session, session.tokenize(BUGGED.asked(SIMPLE)), STUDY)

    assert shown.labels == ("numbers", "format", "other", "beginning of the text (BOS)")
    assert shown.categories[:2] == (3, 0)
    assert len(shown.texts) == len(shown.categories)


@pytest.mark.parametrize(
    ("n_layers", "layer", "most", "expected"),
    [
        (3, 1, 9, [0, 1, 2]),
        (32, 10, 1, [10]),
        (32, 10, 4, [0, 10, 21, 31]),
        (30, 9, 3, [0, 9, 29]),
        (12, 4, 2, [4, 11]),
    ],
)
def test_layers_are_evenly_spaced_and_contain_the_layer_of_interest(n_layers, layer, most, expected):
    """If there is no room for all layers, evenly spaced ones are shown."""
    assert layers_shown(n_layers, layer, most) == expected


def test_a_view_stays_within_its_size(session, llama):
    """Layers are left out until the patterns fit. The patterns of edits count, too."""
    view = STUDY.view(llama, [])
    whole = attention_view(session, "competition", view, STUDY, 2_000_000)
    size = int(0.95 * characters(whole))

    smaller = attention_view(session, "competition", view, STUDY, size)

    assert set(smaller.layers) < set(whole.layers)
    assert characters(smaller) <= size


def characters(view):
    """Returns the number of characters of all patterns of a view."""
    of_edits = [edit.pattern for prompt in view.prompts for edit in prompt.edits]
    return sum(map(len, [*(text for prompt in view.prompts for text in prompt.patterns.values()), *of_edits]))


@pytest.mark.parametrize("format", [SIMPLE, QA, *POSITIONS[:1], injected(7), injected(3, 2), filled("line breaks", 4)])
def test_a_prompt_is_found_by_its_names(session, format):
    """Tables and sentences name a prompt by pair, order and format, also if the format was generated."""
    prompt = BUGGED.asked(format)

    assert tokens_of(str(prompt.pair), prompt.order, format.name)(session) == session.tokenize(prompt)


def test_a_name_of_no_format_is_refused(session):
    """The message has the name."""
    with pytest.raises(ValueError, match="'No format'"):
        tokens_of(str(BUGGED.pair), BUGGED.order, "No format")(session)


def run_of(finding, *, remote=False, figures=True):
    """Returns what `collect` needs of a run in which one claim of the theory was judged."""
    settings = SimpleNamespace(remote=remote, figures=figures)
    results = [Result(finding, "competition", "test_x", 1.0)]
    return SimpleNamespace(settings=settings, results=results, theories=("competition",), found={}, views=Views())


def refuted():
    return found(BAD, counterexample=Counterexample("Q&A fails", tokens_of(str(BUGGED.pair), BUGGED.order, "Q&A")))


def test_a_run_collects_the_view_and_the_counterexample(session):
    """The counterexample has the tokens of its prompt."""
    run = run_of(refuted())

    collect(session, run)

    assert run.views.missing == {}
    assert [view.theory for view in run.views.attention] == ["competition"]
    assert run.views.counterexamples["9.9a"].texts[-2:] == ("A", ":")


def test_without_figures_there_is_no_view(session):
    """The tokens of counterexamples cost nothing, so they stay."""
    run = run_of(refuted(), figures=False)

    collect(session, run)

    assert (run.views.attention, run.views.missing) == ([], {})
    assert list(run.views.counterexamples) == ["9.9a"]


def test_a_run_that_measured_nothing_has_no_view(session):
    """Only a theory of which something was measured has a view."""
    run = run_of(replace(refuted(), evidence=None, decisive=None))

    collect(session, run)

    assert run.views == Views()


def test_a_hosted_model_has_no_view(session):
    """The report says why."""
    run = run_of(found(), remote=True)

    collect(session, run)

    assert run.views.missing == {"competition": "patterns of hosted models are not read for the token view"}


@pytest.mark.parametrize(
    ("problem", "why"),
    [
        (UnscorableTokens("A rule", "a case", "Do this."), "A rule; got a case. Do this."),
        (KeyError("x"), "KeyError: 'x'"),
    ],
)
def test_a_view_that_fails_costs_only_the_view(session, monkeypatch, problem, why):
    """The verdicts stay, and the report has the reason in one line."""

    def fail(*_):
        raise problem

    monkeypatch.setattr(module, "study_of", lambda _: replace(STUDY, view=fail))
    run = run_of(found())

    collect(session, run)

    assert (run.views.attention, run.views.missing) == ([], {"competition": why})


def test_the_page_shows_the_last_row_without_a_script():
    """It is the mean of the first group of heads: heads 0 and 2 put 0.2 and 0.6 on the numbers."""
    html = page.html(report_of(found(), views=(sample_view(),)))
    row = sample_view().first_rows[-1]

    shares = PromptTokens(texts=(), labels=LABELS, categories=CATEGORIES).shares(row)
    assert shares == pytest.approx((0.4, 0.6, 0.0), abs=0.005)
    assert ">0.40<span" in html
    assert "&lt;b&gt;8&lt;/b&gt;" in html
    assert "<b>8</b>" not in html


def test_unpacked_patterns_are_those_that_were_packed():
    """Each row of a head has one share more than the row before."""
    heads = unpacked(pattern(), len(ON_NUMBERS))

    assert [sum(head[-1][1:]) for head in heads] == pytest.approx(ON_NUMBERS, abs=0.005)
    assert [row[-1] for row in heads[0][:-1]] == [1, 1, 1, 1]


def test_the_page_says_why_there_is_no_view():
    """The reason is escaped."""
    html = page.html(report_of(found(), missing_views={"a_theory": "it <failed>"}))

    assert "The token view of A theory is missing or incomplete: it &lt;failed&gt;." in html
