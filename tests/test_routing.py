from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from by_hand import SETTINGS

from claims.competition.critical_edges import measure as critical_edges
from claims.competition.critical_edges.evidence import Paths
from claims.competition.last_token_routes import measure as last_token_routes
from claims.competition.position_sensitivity import measure as position_sensitivity
from claims.competition.position_sensitivity.evidence import Positions
from claims.competition.prompts import QA, SIMPLE, Pair, ask
from claims.competition.theory import CRITICAL_EDGES, EVEN_HEADS_STEADY
from referee.measuring.requests import Whole
from referee.measuring.session import Session
from referee.prompts.tokens import tokenize

PAIRS = [Pair("9.8", "9.11"), Pair("3.4", "3.25")]


def test_routes_are_the_last_tokens_attention_to_each_place(llama):
    """The shares equal those of the whole pattern, here for the fraction of the first number at another layer."""
    prompts = ask(PAIRS, [SIMPLE, QA])
    table = last_token_routes.routes(Session(llama), prompts, [0, 2])

    tokens = tokenize(prompts[1], llama.tokenizer)
    (pattern,) = Session(llama).patterns([tokens], Whole(), layers=[2])
    (key,) = tokens.positions("first fraction")
    chosen = table[(table["pair"] == str(prompts[1].pair)) & (table["order"] == prompts[1].order)]
    chosen = chosen[(chosen["format"] == "Q&A") & (chosen["layer"] == 2) & (chosen["place"] == "first fraction")]
    assert chosen["attention_share"].tolist() == pytest.approx(pattern[0, :, tokens.n_prompt - 1, key].tolist())
    assert len(table) == len(prompts) * 2 * llama.n_heads * 6


def test_a_part_of_several_tokens_counts_with_their_sum(single):
    """If each digit is a token, the fraction 11 has two tokens and gets the sum of their shares."""
    tokens = tokenize(ask(PAIRS[:1], [SIMPLE])[0], single)
    pattern = torch.zeros(1, 1, len(tokens), len(tokens))
    pattern[0, 0, tokens.n_prompt - 1, list(tokens.positions("second fraction"))] = 0.25

    found = last_token_routes.LastTokenShares()(tokens, pattern)

    assert found[0, 0].tolist() == [0, 0, 0, 0, 0, 0.5]


def test_a_neighbourhood_ends_at_the_model(llama):
    """It has two layers below and two layers above, if these layers exist."""
    assert last_token_routes.neighbourhood(llama) == [0, 1, 2]
    assert last_token_routes.neighbourhood(replace(llama, layer=2), reach=1) == [1, 2]


def test_top_edges_by_hand(llama):
    """The top edges have the largest absolute values of gradient × probability, among keys of the prompt."""
    tokens = tokenize(ask(PAIRS[:1], [SIMPLE])[0], llama.tokenizer)
    length = len(tokens)
    pattern, gradient = torch.zeros(1, length, length), torch.ones(1, length, length)
    pattern[0, 3, 1], pattern[0, 5, 2], pattern[0, length - 1, length - 1] = 0.2, 0.5, 0.9
    gradient[0, 3, 1] = -4.0

    found = critical_edges.TopEdges(count=3)(tokens, pattern, gradient)[0, 0]

    assert found[0, :2].tolist() == [3, 1]
    assert found[0, 2].item() == pytest.approx(-0.8)
    assert found[1].tolist() == [5, 2, 0.5, float(tokens.categories[2] == "numerical")]
    assert found[2].isnan().all()


def test_attributions_predict_what_removing_an_edge_does(llama):
    """There is a prediction and a measured change of the margin for each prompt and head."""
    prompts = ask(PAIRS, [QA])
    paths = critical_edges.critical_paths(Session(llama), prompts)

    checked = critical_edges.knocked_out(Session(llama), prompts[:2], paths)

    assert len(checked) == 2 * llama.n_heads
    assert np.isfinite(checked[["predicted_logits", "change_logits"]].to_numpy()).all()
    assert checked["change_logits"].abs().max() > 0
    assert -1 <= critical_edges.agreement(checked) <= 1


def test_agreement_is_of_ranks():
    """Any increasing relation has agreement 1. Without variation, the agreement is NaN."""
    import pandas as pd

    table = pd.DataFrame({"predicted_logits": [1.0, 2.0, 3.0], "change_logits": [1.0, 10.0, 1000.0]})

    assert critical_edges.agreement(table) == pytest.approx(1)
    assert np.isnan(critical_edges.agreement(table.assign(change_logits=0.0)))


def test_landing_counts_edges_on_numbers(llama):
    """The values are shares of each head's top edges, by pair and order."""
    found = critical_edges.landing(critical_edges.critical_paths(Session(llama), ask(PAIRS, [SIMPLE, QA])))

    assert found.shape == (4, llama.n_heads)
    assert ((found * 10).round(6) % 1 == 0).all(axis=None)


def test_sensitivity_is_the_standard_deviation_over_placements(llama):
    """The values are those of numpy, here for one head, one pair and one order."""
    table = position_sensitivity.bandwidth_by_placement(Session(llama), PAIRS)

    found = position_sensitivity.sensitivity(table)

    chosen = table[(table["measure"] == "all rows") & (table["head"] == 2) & (table["pair"] == str(PAIRS[1]))]
    shares = chosen[chosen["order"] == "bigger second"]["numerical_share"]
    assert found.loc[(str(PAIRS[1]), "bigger second"), 2] == pytest.approx(np.std(shares, ddof=1))


def test_edges_at_another_layer_are_those_of_a_session_there(llama):
    """The margin depends on the edges of other layers too. The layer of interest stays as it is."""
    prompts = ask(PAIRS, [SIMPLE, QA])
    session = Session(llama)

    found = critical_edges.landing_at(session, prompts, [0, 2])

    assert list(found) == [0, 2]
    there = critical_edges.landing(critical_edges.critical_paths(Session(llama.at(2)), prompts))
    assert found[2].equals(there)
    assert session.layer == llama.layer


def test_edges_of_all_layers_are_compared(llama):
    """Every layer has the median excess of its even heads. Without other layers, none is compared."""
    prompts = ask(PAIRS, [SIMPLE, QA])
    found = critical_edges.critical_paths(Session(llama), prompts)
    removed = critical_edges.knocked_out(Session(llama), prompts[:2], found)
    elsewhere = critical_edges.landing_at(Session(llama), prompts, [0, 2])
    criterion = CRITICAL_EDGES.criterion

    paths = Paths(found, removed, dict.fromkeys(prompts), llama, SETTINGS, elsewhere)

    by_layer = paths.by_layer(criterion, partial(paths.excess, "even"))
    assert sorted(by_layer) == [0, 1, 2]
    by_pair = elsewhere[2].groupby("pair", sort=False).mean()
    assert by_layer[2] == pytest.approx((by_pair[[0, 2]].mean(axis=1) - by_pair[[1, 3]].mean(axis=1)).median())


def test_a_layer_without_influence_has_no_value(llama):
    """At layer 0 the margin depends on no edge of the odd heads, so there is no excess to compare."""
    prompts = ask(PAIRS, [QA])
    found = critical_edges.critical_paths(Session(llama), prompts)
    removed = critical_edges.knocked_out(Session(llama), prompts[:1], found)
    elsewhere = {0: critical_edges.landing(found[found["head"] % 2 == 0]), 2: critical_edges.landing(found[:0])}

    paths = Paths(found, removed, dict.fromkeys(prompts), llama, SETTINGS, elsewhere)

    assert list(paths.by_layer(CRITICAL_EDGES.criterion, partial(paths.excess, "even"))) == [1]


def test_placements_at_all_layers_are_compared(llama):
    """The value at another layer is that of a session whose layer of interest it is."""
    table = position_sensitivity.bandwidth_by_placement(Session(llama), PAIRS)
    elsewhere = position_sensitivity.bandwidth_by_placement(Session(llama), PAIRS, layers=[0, 2], kept=["all rows"])
    there = position_sensitivity.bandwidth_by_placement(Session(llama.at(2)), PAIRS)

    positions = Positions(table, llama, SETTINGS, elsewhere)

    by_layer = positions.by_layer(EVEN_HEADS_STEADY.criterion, partial(positions.excess, "even"))
    assert sorted(by_layer) == [0, 1, 2]
    assert by_layer[2] == pytest.approx(Positions(there, llama.at(2), SETTINGS).excess("even")["all"].value, abs=1e-6)
