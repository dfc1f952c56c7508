from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from claims.competition.format_injection import measure, reductions
from claims.competition.format_injection.measure import OF_THE_DOCUMENT
from claims.competition.phrasings import FILLERS
from claims.competition.prompts import INJECTION, ORDERS, Pair, Prompt, injected, pairs
from referee.measuring.session import Session
from referee.prompts.tokens import tokenize

PAIR = Pair("9.8", "9.11")


@pytest.mark.parametrize("text", [0, 1, 7])
@pytest.mark.parametrize("tokenizer", ["grouped", "single"])
def test_formats_span_the_claimed_range(request, tokenizer, text):
    """The shares of format tokens go from 0 to nearly 85 %, in steps of one or two tokens."""
    tokenizer = request.getfixturevalue(tokenizer)
    words = measure.graded_formats(tokenizer, text)

    tokens = [tokenize(Prompt(PAIR, "bigger first", injected(count, text)), tokenizer) for count in words]
    shares = [measure.format_share(asked) for asked in tokens]
    assert shares[0] == 0
    assert 0.8 < shares[-1] <= 0.85
    assert all(0.049 < later - earlier < 0.21 for earlier, later in pairwise(shares))


def test_injected_words_stand_behind_the_numbers():
    """The rows of the injected words can therefore attend to the numbers."""
    prompt = Prompt(PAIR, "bigger first", injected(5))

    assert prompt.text == "9.8 or 9.11 Which number is bigger? Please"


@pytest.fixture(scope="module")
def table(llama):
    return measure.progressive_injection(Session(llama), pairs(8), phrasings=3, layers=range(llama.n_layers))


def test_every_phrasing_has_pairs_of_its_own(table):
    """No pair is used in two series. Each series is measured in both orders, with every pair in every format."""
    assert set(table["phrasing"]) == {OF_THE_DOCUMENT, "instruction 1", "instruction 2", "instruction 3"}
    assert (table.groupby("pair")["phrasing"].nunique() == 1).all()
    assert (table.groupby("phrasing")["pair"].nunique() == 2).all()
    assert set(table.loc[table["phrasing"] == OF_THE_DOCUMENT, "format"]) == {format.name for format in INJECTION}
    rows = table.groupby(["phrasing", "format"]).size()
    assert (rows == 2 * len(ORDERS) * len(measure.MEASURED)).all()


def test_a_filler_stands_for_the_longest_instruction_with_as_many_tokens(table):
    """The numbers of tokens are equal, so only the kind of the tokens differs."""
    of_instructions = table[table["phrasing"] != OF_THE_DOCUMENT]
    most = of_instructions[of_instructions["filler"] == ""].groupby(["pair", "order"])["format_tokens"].max()
    for kind in FILLERS:
        own = table[table["filler"] == kind].groupby(["pair", "order"])["format_tokens"].agg(["min", "max"])
        assert (own["min"] == most).all()
        assert (own["max"] == most).all()
    assert not table.loc[table["phrasing"] == OF_THE_DOCUMENT, "filler"].any()


@pytest.mark.parametrize("kind", FILLERS)
def test_filler_tokens_are_exactly_as_many_and_follow_the_numbers(llama, kind):
    """The beginning of the prompt and the forced prefix of the answer stay the same. Fillers belong to no category."""
    session = Session(llama)
    [*_, asked] = [one for one in measure._fillers(session, [PAIR], injected(17), "x") if one.filler == kind]
    longest = session.tokenize(Prompt(PAIR, ORDERS[1], injected(17)))
    bare = session.tokenize(Prompt(PAIR, ORDERS[1], injected(0)))

    assert (asked.tokens.n_prompt, len(asked.tokens)) == (longest.n_prompt, len(longest))
    assert asked.added == longest.categories.count("format")
    assert asked.tokens.ids[: bare.n_prompt] == bare.ids[: bare.n_prompt]
    assert asked.tokens.ids[asked.tokens.n_prompt :] == bare.ids[bare.n_prompt :]
    assert "format" not in asked.tokens.categories
    assert asked.tokens.categories.count("numerical") == bare.categories.count("numerical")
    added = asked.tokens.ids[bare.n_prompt : asked.tokens.n_prompt]
    assert llama.tokenizer.decode(added) in FILLERS[kind] * 40


def test_the_layer_of_interest_is_one_of_the_layers(table, llama):
    """The column of its number has the same shares as `numerical_share`. No share is larger than 1."""
    by_rows = table[table["measure"] == measure.ALL_ROWS]

    own = by_rows[f"{measure.LAYER}{llama.layer}"].to_numpy()
    assert own == pytest.approx(by_rows["numerical_share"].to_numpy(), abs=1e-5)
    assert by_rows[[f"{measure.LAYER}{layer}" for layer in range(llama.n_layers)]].to_numpy().max() <= 1


def test_lengths_are_denser_where_accuracy_falls():
    """All word counts inside the gap of the fall are measured, and none if accuracy does not fall."""
    lengths = [0, 4, 8, 12]
    rows = pd.DataFrame(
        {
            "phrasing": "instruction 3", "measure": measure.ALL_ROWS, "filler": "",
            "format": [injected(words, 2).name for words in lengths], "format_share": [0.0, 0.3, 0.5, 0.6],
        }
    )  # fmt: skip

    assert measure._where_it_falls(rows.assign(correct=[True, True, False, False]), 2, lengths) == [5, 6, 7]
    assert measure._where_it_falls(rows.assign(correct=True), 2, lengths) == []


def rows(shares, fillers=(), correct=True, top="wrong"):
    """Returns the table of one pair in one order, with as many formats as shares."""
    n, kinds = len(shares), list(FILLERS)[: len(fillers)]
    return pd.DataFrame(
        {
            "phrasing": "one", "pair": "9.8 > 9.11", "order": "bigger first", "measure": "all rows",
            "filler": [""] * n + kinds, "format": [f"{i} words" for i in range(n)] + kinds,
            "format_tokens": [*range(n), *[n - 1] * len(kinds)],
            "format_share": [*np.arange(n) / n, *[(n - 1) / n] * len(kinds)],
            "numerical_share": [*shares, *fillers], "correct": correct, "top_answer": top,
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ([0.9, 0.5, 0.4], -1),
        ([0.4, 0.5, 0.9], 1),
        ([0.5, 0.5, 0.5], 0),
        ([0.5, 0.5 - 1e-8, 0.5 - 2e-8], 0),
        ([0.9, 0.4, 0.5], -0.5),
    ],
)
def test_falling_is_a_rank_correlation(shares, expected):
    """A share that always falls has the correlation -1. A share that is constant within the resolution has 0."""
    assert reductions.correlations(rows(shares)).tolist() == pytest.approx([expected])


def test_fillers_do_not_count_for_the_correlation():
    """They are no format tokens."""
    assert reductions.correlations(rows([0.9, 0.5, 0.4], [0.99, 0.99])).tolist() == pytest.approx([-1])


def test_the_fall_goes_from_no_format_tokens_to_the_most():
    """The order of the rows does not matter. The excess is half of the fall with format, less that with a filler."""
    table = rows([0.9, 0.2, 0.4], [0.7, 0.3]).iloc[::-1]
    first, second = list(FILLERS)[:2]

    falls = reductions.falls(table).iloc[0]
    excess = reductions.excess(reductions.falls(table), due=0.5).iloc[0]
    whole = reductions.excess(reductions.falls(table), due=0.0).iloc[0]

    assert falls.to_dict() == pytest.approx({"format": 0.5, first: 0.2, second: 0.6})
    assert excess.to_dict() == pytest.approx({first: 0.05, second: -0.35})
    assert whole.to_dict() == pytest.approx({first: 0.3, second: -0.1})


def test_without_a_fall_nothing_is_due_to_format():
    """The share rises with format tokens, and with fillers it rises even more."""
    table = rows([0.2, 0.3, 0.4], [0.7, 0.8])

    assert (reductions.excess(reductions.falls(table), due=0.5) <= 0).all(axis=None)


def test_a_series_without_fillers_has_no_cost():
    """The formats of the seed document have no fillers."""
    assert reductions.falls(pd.concat([rows([0.9, 0.5], [0.6]), rows([0.9, 0.5]).assign(phrasing="two")])).shape == (
        1,
        2,
    )


def test_accuracy_runs_along_format_share():
    """Points are means over pairs and orders, by the margin or by the most likely token."""
    table = pd.concat(
        [rows([0.9, 0.5, 0.4], correct=[True, False, True]), rows([0.9, 0.5, 0.4], top="right").assign(pair="other")]
    )

    found = reductions.points(table)
    assert found.x.tolist() == pytest.approx([0, 1 / 3, 2 / 3])
    assert found.y.tolist() == [1, 0.5, 1]
    assert found.phrasing.tolist() == [0, 0, 0]
    assert reductions.points(table, "greedy").y.tolist() == [0.5, 0.5, 0.5]


def test_formats_of_two_phrasings_are_different_points():
    """Two phrasings may use the same name for a format."""
    table = pd.concat([rows([0.9, 0.5], correct=[True, False]), rows([0.9, 0.5]).assign(phrasing="two")])

    found = reductions.points(table)
    assert (found.phrasing.tolist(), found.y.tolist()) == ([0, 0, 1, 1], [1, 0, 1, 1])
    first, second = reductions.change_points(found)
    assert (first.low, first.high) == (0, 0.5)
    assert second is None


def test_a_single_wrong_answer_is_no_fall():
    """One wrong answer of twenty fits a falling curve a little, but its height is too small."""
    table = rows(np.linspace(0.9, 0.1, 20), correct=[i != 7 for i in range(20)])

    assert reductions.change_points(reductions.points(table)) == [None]
