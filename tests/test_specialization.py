from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from by_hand import SETTINGS

from claims.competition.head_similarity import measure as sp
from claims.competition.head_similarity.evidence import Similarity
from claims.competition.prompts import COMPARE, QA, Pair, Prompt, ask
from claims.competition.theory import EVEN_HEADS_ALIKE
from referee.judging.evidence import NotApplicable
from referee.measuring.requests import Whole
from referee.measuring.session import Session
from referee.prompts.tokens import tokenize

PAIRS = [Pair("9.8", "9.11"), Pair("3.4", "3.25")]
BY_HAND = np.array([[1.0, 0.2, 0.8, 0.1], [0.2, 1.0, 0.3, 0.5], [0.8, 0.3, 1.0, 0.4], [0.1, 0.5, 0.4, 1.0]])
EVEN = np.array([[True, False, True, False]])


def test_within_and_between_by_hand():
    """Two even heads have correlation 0.8. An even and an odd head have 0.2, 0.1, 0.3 or 0.4, with mean 0.25."""
    assert sp.within(BY_HAND, EVEN).tolist() == pytest.approx([0.8])
    assert sp.within(BY_HAND, ~EVEN).tolist() == pytest.approx([0.5])
    assert sp.between(BY_HAND, EVEN).tolist() == pytest.approx([0.25])


def test_many_groups_at_once_are_each_alone():
    """The functions give the same values for many groups at once as for each group."""
    groups = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [0, 1, 1, 1]], bool)

    together = sp.within(BY_HAND, groups), sp.between(BY_HAND, groups)

    for i in range(3):
        assert together[0][i] == pytest.approx(sp.within(BY_HAND, groups[i : i + 1])[0])
        assert together[1][i] == pytest.approx(sp.between(BY_HAND, groups[i : i + 1])[0])


def test_similarity_is_the_correlation_of_patterns_below_the_diagonal(llama):
    """It equals numpy's correlation, here for two heads of one prompt."""
    prompt = ask(PAIRS, [QA])[2]
    found = sp.similarities(Session(llama), [prompt])

    tokens = tokenize(prompt, llama.tokenizer)
    (pattern,) = Session(llama).patterns([tokens], Whole())
    n = tokens.n_prompt
    lower = np.tril_indices(n)
    expected = np.corrcoef(pattern[0, 1, :n, :n].numpy()[lower], pattern[0, 3, :n, :n].numpy()[lower])[0, 1]
    assert found[sp.WHOLE][0, 1, 3] == pytest.approx(expected, abs=1e-5)
    assert found[sp.WHOLE].shape == found[sp.WITHOUT_BOS].shape == (1, 4, 4)
    assert np.allclose(found[sp.WHOLE], found[sp.WHOLE].transpose(0, 2, 1), atol=1e-6)


def test_a_group_of_one_head_has_no_value(llama):
    """It has no pair of heads, so its correlation is not-a-number, and no rival."""
    assert np.isnan(sp.advantage(BY_HAND, np.array([[True, False, False, False]]))).all()
    rivals = similarity(llama, BY_HAND).advantage_of_other_head_groups()
    assert [world.world for world in rivals if world.p is None and world.value is not None] == [
        "first half of the heads",
        "second half of the heads",
        "heads of even key-value groups",
        "heads of odd key-value groups",
    ]


def similarity(subject, correlations, elsewhere=None):
    """Returns the evidence of experiment 3.1 from correlations [head, head], the same on all prompts."""
    prompts = ask(PAIRS, [QA])
    measured = dict.fromkeys(sp.MEASURES, np.stack([correlations] * len(prompts)))
    return Similarity(measured, prompts, subject, SETTINGS, elsewhere)


def test_a_single_even_head_is_not_applicable(llama):
    """Of two heads, one is even. It has no other even head to be like."""
    with pytest.raises(NotApplicable, match="the only even head"):
        similarity(replace(llama, n_heads=2, n_kv_heads=1), BY_HAND[:2, :2])


def test_advantages_at_other_layers_are_those_of_a_session_there(llama):
    """The value of a prompt at a layer is `advantage` of its correlations, and `by_layer` has medians of them."""
    prompts = ask(PAIRS, [QA])
    even = (0, 2)

    found = sp.advantages(Session(llama), prompts, even, [0, 2])

    for layer in (0, 2):
        there = sp.similarities(Session(llama.at(layer)), prompts)[sp.WHOLE]
        expected = [sp.advantage(of_prompt, EVEN)[0] for of_prompt in there]
        assert found[layer].tolist() == pytest.approx(expected, abs=1e-5)
    by_layer = similarity(llama, BY_HAND, found).by_layer(EVEN_HEADS_ALIKE.criterion)
    by_pair = {layer: values.reshape(2, 2).mean(1) for layer, values in found.items()}
    expected = {layer: np.median(values) for layer, values in by_pair.items()} | {1: 0.55}
    assert by_layer == pytest.approx(expected, abs=1e-6)
    assert list(by_layer) == [0, 1, 2]
    assert similarity(llama, BY_HAND).by_layer(EVEN_HEADS_ALIKE.criterion) == {}


def test_clusters_are_of_heads_that_correlate():
    """The pairs 0, 2 and 1, 3 correlate most. With as many clusters as heads, each head is alone."""
    two, four = sp.clusters(BY_HAND, 2), sp.clusters(BY_HAND, 4)

    assert two[0] == two[2] != two[1] == two[3]
    assert len(set(four)) == 4


@pytest.mark.parametrize(
    ("one", "other", "index"),
    [
        ([0, 0, 1, 1], [5, 5, 3, 3], 1.0),
        ([0, 0, 1, 1], [0, 1, 0, 1], -0.5),
        ([0, 0, 1, 2], [0, 0, 1, 1], 4 / 7),
        ([0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 2, 2], 8 / 33),
    ],
)
def test_adjusted_rand_index_by_hand(one, other, index):
    """The values are those of the definition. The third and the fourth are examples of scikit-learn's documentation."""
    assert sp.adjusted_rand_index(one, other) == pytest.approx(index)
    assert sp.adjusted_rand_index(other, one) == pytest.approx(index)


def test_the_index_of_trivial_clusterings_is_undefined(llama):
    """Every clustering agrees equally well with a single cluster, or with clusters of one head."""
    assert np.isnan(sp.adjusted_rand_index([0, 0, 0, 0], [1, 1, 1, 1]))
    assert np.isnan(sp.adjusted_rand_index([0, 1, 2, 3], [3, 2, 1, 0]))
    assert "1 clusters and key-value groups undefined" in similarity(replace(llama, n_kv_heads=1), BY_HAND).notes()[1]


def test_the_agreement_of_clusters_is_beside_the_published_one(llama):
    """By parity the agreement is perfect. The key-value groups are 0, 1 and 2, 3, which disagree."""
    assert similarity(llama, BY_HAND).notes()[1] == (
        "Clusters of heads (average linkage on 1 − correlation), adjusted Rand index: 2 clusters and parity 1.00;"
        " 2 clusters and key-value groups -0.50 (published for Llama-3.1-8B-Instruct: −0.06 with parity, clusters by"
        " key-value group)."
    )


def test_the_third_format_compares():
    """Its text is that of the fifth prompt in the seed document, for any pair."""
    assert Prompt(PAIRS[0], "bigger first", COMPARE).text == "Compare 9.8 and 9.11:"
