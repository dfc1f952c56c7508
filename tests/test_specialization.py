from __future__ import annotations

import numpy as np
import pytest

from claims.competition.head_similarity import measure as sp
from claims.competition.prompts import COMPARE, QA, Pair, Prompt, ask
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


def test_the_third_format_compares():
    """Its text is that of the fifth prompt in the seed document, for any pair."""
    assert Prompt(PAIRS[0], "bigger first", COMPARE).text == "Compare 9.8 and 9.11:"
