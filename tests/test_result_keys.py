from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch

from claims.competition.bandwidth_distribution.measure import Shares
from claims.competition.prompts import QA, Pair, Prompt
from referee.attention.edits import InHeads, Keep, Mask, Move, Replace, Together
from referee.measuring import result_keys
from referee.measuring.requests import Reading, Trial
from referee.measuring.result_keys import NotKeepable, ResultKeys, sources
from referee.measuring.scores import Margin, TopToken
from referee.prompts.tokens import tokenize


@pytest.fixture
def tokens(llama):
    return tokenize(Prompt(Pair("9.8", "9.11"), "bigger first", QA), llama.tokenizer)


def key(subject, *parts):
    return ResultKeys(subject).of(*parts)


def keys(llama, tokens):
    """Returns a key, and by ingredient the same key with this ingredient changed."""
    half = Mask(0.5, "format")

    in_two_heads = InHeads(half, (0, 1))

    def trial(edit=in_two_heads, layer=1, **changes):
        return Trial(replace(tokens, **changes), {layer: edit})

    def of_trial(*edit, **changes):
        return key(llama, "scores", (Margin(),), trial(*edit, **changes))

    changed = {
        "weights": key(_with_fingerprint(llama, "0" * 16), "scores", (Margin(),), trial()),
        "layer of interest": key(llama.at(2), "scores", (Margin(),), trial()),
        "kind of result": key(llama, "margins, alone", (Margin(),), trial()),
        "score": key(llama, "scores", (TopToken(),), trial()),
        "two scores": key(llama, "scores", (Margin(), TopToken()), trial()),
        "token": of_trial(ids=(*tokens.ids[:-1], 5)),
        "answer": of_trial(right_id=tokens.right_id + 1),
        "category": of_trial(categories=("format", *tokens.categories[1:])),
        "role": of_trial(roles=("first point", *tokens.roles[1:])),
        "tail": of_trial(prompt_tail=tokens.prompt_tail[1:]),
        "forced prefix": of_trial(n_prompt=tokens.n_prompt - 1),
        "pair": of_trial(prompt=replace(tokens.prompt, pair=Pair("9.8", "9.12"))),
        "strength": of_trial(InHeads(Mask(0.5000000001, "format"), (0, 1))),
        "edited category": of_trial(InHeads(Mask(0.5, "numerical"), (0, 1))),
        "heads": of_trial(InHeads(half, (0, 2))),
        "kind of edit": of_trial(InHeads(Move(0.5, "format", "numerical"), (0, 1))),
        "edited layer": of_trial(layer=2),
        "two edited layers": key(llama, "scores", (Margin(),), Trial(tokens, {1: InHeads(half, (0, 1)), 2: half})),
        "no edit": key(llama, "scores", (Margin(),), Trial(tokens)),
        "donor": of_trial(Replace(tokens, 0.5)),
        "reading": key(llama, "scores", (Margin(),), Reading(tokens)),
        "layers to read": key(llama, "read", (0, 1), Reading(tokens)),
        "other layers to read": key(llama, "read", (0, 2), Reading(tokens)),
        "measure": key(llama, "read", Shares(), (0, 2), Reading(tokens)),
    }
    return of_trial(), changed


def _with_fingerprint(subject, fingerprint):
    other = replace(subject)
    other.__dict__["fingerprint"] = fingerprint
    return other


def test_a_key_contains_every_ingredient(llama, tokens):
    """Another ingredient gives another key. The same ingredients give the same key."""
    base, changed = keys(llama, tokens)

    assert len({base, *changed.values()}) == 1 + len(changed)
    assert keys(llama, tokens) == (base, changed)


def test_a_key_contains_dtype_device_and_instrument(llama, tokens, monkeypatch):
    """With another precision, kind of device or source text of the instrument, a result can differ."""
    base = key(llama, Reading(tokens))
    with monkeypatch.context() as other:
        other.setattr(type(llama), "dtype", property(lambda self: "bfloat16"))
        of_dtype = key(llama, Reading(tokens))
    with monkeypatch.context() as other:
        other.setattr(type(llama), "device", torch.device("meta"))
        of_device = key(llama, Reading(tokens))
    monkeypatch.setattr(result_keys, "instrument", lambda: "another")

    assert len({base, of_dtype, of_device, key(llama, Reading(tokens))}) == 4


def test_a_key_contains_the_versions_of_the_libraries(llama, tokens, monkeypatch):
    """Another version of PyTorch can compute something else."""
    base = key(llama, Reading(tokens))
    monkeypatch.setattr(result_keys, "version", lambda library: "0.0")

    assert key(llama, Reading(tokens)) != base


# --- results without a key --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Foreign:
    """An edit or a measure in a module outside a package."""

    donor = None

    @staticmethod
    def apply(edits, to):
        return to.own


def test_code_outside_a_package_has_no_key(llama, tokens):
    """Its imports are unknown. This is also true inside other edits."""
    own, foreign = Keep(), Foreign()
    assert key(llama, Trial(tokens, {1: own}))

    for trial in (
        Trial(tokens, {1: foreign}),
        Trial(tokens, {1: own, 2: foreign}),
        Trial(tokens, {1: InHeads(foreign, (0,))}),
        Trial(tokens, {1: Together((own, foreign))}),
    ):
        with pytest.raises(NotKeepable, match=f"{__name__} is not part of a package"):
            key(llama, trial)
    for part in (foreign, (own, foreign), ("read", foreign, (0,))):
        with pytest.raises(NotKeepable, match="is not part of a package"):
            key(llama, part)


@pytest.mark.parametrize("module", ["__main__", "json", "no.such.module"])
def test_a_module_outside_a_package_has_no_sources(module):
    """The modules are a script, a module without a folder, and a module that is not loaded."""
    with pytest.raises(NotKeepable, match="is not part of a package"):
        sources(module)


@pytest.mark.parametrize("part", [len, {}, b"bytes", torch.zeros(1), object()], ids=lambda part: type(part).__name__)
def test_a_value_without_a_digest_has_no_key(part, llama):
    """A function, a tensor and the like may change while they look the same."""
    with pytest.raises(NotKeepable, match="has no digest"):
        key(llama, part)


@dataclass
class Changeable:
    """A measure that is not frozen."""

    factor: int


def test_a_value_that_can_change_has_no_key(llama):
    """Its key could be the key of an earlier value."""
    with pytest.raises(NotKeepable, match="is not frozen"):
        key(llama, "read", Changeable(2))


def test_few_digests_are_kept_in_memory(llama, tokens, monkeypatch):
    """A long run has many trials, so memory keeps only some digests. The keys do not depend on which ones."""
    trials = [Trial(tokens, {1: Mask(share / 20, "format")}) for share in range(21)]
    expected = [key(llama, trial) for trial in trials]
    monkeypatch.setattr(result_keys, "_REMEMBERED", 5)
    keys = ResultKeys(llama)

    assert [keys.of(trial) for trial in trials + trials] == expected + expected
    assert len(keys._digests) <= 5


def test_values_that_look_alike_have_different_keys(llama):
    """Types and the borders of texts and tuples are part of a key."""
    numbers = (1, 1.0, True, "1", "1.0", "True", None, "None", "")
    tuples = ((), ("a", "b"), ("a,b",), ("a", ("b",)), ("a',str:'b",))
    values = (*numbers, *tuples)

    assert len({key(llama, value) for value in values}) == len(values)
