"""Tests of a remote session: it gives the numbers of the local session, through nnsight's own protocol.

The service is a stand-in in another process, in which the suite's packages cannot be imported; see stand_in_service.
"""

from __future__ import annotations

import sys

import pytest
import torch
from hosting import KEY, MODEL
from nnsight import register
from nnsight.intervention.backends.local import LocalSimulationBackend

from claims.competition.prompts import QA, SIMPLE, ask, pairs
from referee.attention.edits import (
    Exchange,
    Flatten,
    InHeads,
    Keep,
    KnockOut,
    Mask,
    MatchedPlacebo,
    Replace,
    SetShare,
    Silence,
    ToFirstKey,
    Together,
)
from referee.errors import RemoteFailure, SelfCheckFailed
from referee.judging.evidence import NotApplicable
from referee.measuring.requests import Trial, Whole
from referee.measuring.scores import (
    LogProbability,
    Margin,
    NextTokenAccuracy,
    NextTokenLogProbability,
    OutputNorm,
    TopToken,
)
from referee.measuring.session import Session
from referee.remote import blocks, exchange, hosted
from referee.remote.self_checks import self_check
from referee.remote.service import Service
from referee.remote.session import RemoteSession

CLOSE = 1e-5
"""The largest allowed difference from the local session, in float32."""


@pytest.fixture
def remote(service):
    """Returns a new session of the hosted model."""
    service.set()
    found = Service(service.host, KEY)
    subject = hosted.load(MODEL, found, layer=1)
    service.set()  # counts from zero
    return RemoteSession(subject, found)


@pytest.fixture
def local(llama):
    """Returns a new local session of the same model."""
    return Session(llama)


@pytest.fixture(scope="module")
def prompts(llama):
    """Returns prompts of two formats, with different numbers of tokens."""
    session = Session(llama)
    return [session.tokenize(prompt) for prompt in ask(pairs(2, seed=0), (SIMPLE, QA))]


def edits(donor):
    """Returns edits of every kind."""
    masked = Mask(0.5, "numerical")
    return [
        Keep(),
        Flatten(),
        Replace(donor, 0.6),
        Replace(donor, 1.0, "last row", informed=False),
        InHeads(InHeads(Replace(donor, 0.3), (0, 2, 3)), (2, 1)),
        InHeads(Silence(), (1,)),
        SetShare(0.4, "numerical"),
        MatchedPlacebo(masked, ("numerical",)),
        Exchange(((0, 1),)),
        KnockOut(((0, 5, 2), (3, 7, 1))),
        Together((masked, InHeads(Flatten(), (0,)))),
    ]


def trials_of(prompts):
    """Returns unedited trials, trials with one edit, and trials with edits in several layers."""
    donor = prompts[0]
    found = [Trial(tokens) for tokens in prompts]
    for tokens in prompts[2:]:
        found += [Trial(tokens, {1: edit}) for edit in edits(donor)]
        found.append(Trial(tokens, {0: InHeads(Silence(), (1,)), 1: ToFirstKey()}))
        found.append(Trial(tokens, {0: Replace(donor, 0.5), 1: Mask(0.5, "numerical"), 2: Replace(donor, 0.6)}))
    return found


def largest(found, expected):
    """Returns the largest difference between two lists of tensors."""
    return max((a - b).abs().max().item() for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_scores_are_those_of_the_local_session(attention, service, remote, local, prompts):
    """The service may run another attention function than the local session."""
    service.set(attention=attention)
    trials, scores = trials_of(prompts), (Margin(), LogProbability(), TopToken(), OutputNorm())

    found, expected = (session.scores(trials, *scores) for session in (remote, local))

    assert list(found) == list(expected)
    assert (found - expected).abs().max().max() < CLOSE
    assert len(set(found["margin_logits"].round(3))) > 20  # the edits differ, so equal numbers say something


def test_scores_of_every_row_are_those_of_the_local_session(remote, local, prompts):
    """A category has different numbers of tokens in different prompts."""
    trials = trials_of(prompts)
    scores = (NextTokenAccuracy("numerical"), Margin(), NextTokenLogProbability("numerical"))

    found, expected = (session.scores(trials, *scores) for session in (remote, local))

    assert (found - expected).abs().max().max() < CLOSE


def test_patterns_and_norms_are_those_of_the_local_session(remote, local, prompts):
    """The layers can be in any order. Edited patterns are those above all edits."""
    trials = [trial for trial in trials_of(prompts) if max(trial.layers, default=0) < 2]

    assert largest(*(s.patterns(prompts, Whole(), layers=[2, 0]) for s in (remote, local))) < CLOSE
    assert largest(*(s.patterns(prompts, Whole()) for s in (remote, local))) < CLOSE
    assert largest(*(s.edited_patterns(trials, Whole(), layers=[2]) for s in (remote, local))) < CLOSE
    assert largest(*(s.head_norms(prompts, layers=[2, 0]) for s in (remote, local))) < CLOSE
    with pytest.raises(ValueError, match="above all edited layers; got layer 1 to read and layer 1 to edit"):
        remote.edited_patterns(trials, Whole(), layers=[1])


def test_the_service_may_compute_in_bfloat16(service, remote, local, prompts):
    """Patterns, edits and logits are in float32 there, so only the rest of the model loses precision."""
    service.set(dtype="bfloat16", autocast=True)
    trials = trials_of(prompts)

    patterns = remote.patterns(prompts, Whole(), layers=[0])
    found, expected = (session.margins(trials)["margin_logits"] for session in (remote, local))

    assert max((pattern.sum(-1) - 1).abs().max() for pattern in patterns) < 1e-6
    assert 1e-4 < (found - expected).abs().max() < 0.05


def test_nnsight_s_own_simulation_gives_the_same_numbers(llama, local, prompts, monkeypatch):
    """`remote="local"` packs and unpacks the block in this process."""
    monkeypatch.setattr(sys, "path", list(sys.path))  # the simulation changes its order
    here = Service("http://127.0.0.1:1", KEY)
    monkeypatch.setattr(here, "_backend", LocalSimulationBackend)
    monkeypatch.setattr("referee.remote.service.TransformersModel", wrapped_here)
    trials = trials_of(prompts)

    found = RemoteSession(llama, here).margins(trials)

    assert (found - local.margins(trials)).abs().max().max() < CLOSE


def wrapped_here(model, **options):
    """Wraps a model with weights, on the CPU."""
    from nnsight import TransformersModel

    return TransformersModel(model, **options | {"device": "cpu"})


def test_answers_are_those_of_the_local_session(remote, local, prompts, monkeypatch):
    """The model writes by the most likely token, without the forced prefix."""
    # A random model never answers. So the first characters count as the answer here.
    monkeypatch.setattr("claims.competition.prompts.Prompt.read", lambda _, text: text[:16] if text[15:] else "neither")

    found = remote.answers(prompts)

    assert found == local.answers(prompts)
    assert len(set(found)) > 1


def test_a_sweep_is_one_request_and_each_prompt_is_entered_once(service, remote, prompts):
    """A first request reads the patterns that the edits need. Trials run from the edited layer on."""
    target, donor = prompts[2], prompts[0]
    trials = [Trial(target, {1: Replace(donor, amount / 50)}) for amount in range(1, 51)]

    remote.margins(trials)
    first = service.counts
    service.set()
    remote.margins([Trial(target, {1: InHeads(Replace(donor, 0.5), (head,))}) for head in range(4)])
    second = service.counts

    assert first["jobs"] == 2
    assert first["rows of the first layer"] == 2 * len(target) + len(donor)
    assert first["rows of the last layer"] == 50 * len(target)
    assert second["jobs"] == 1
    assert second["rows of the first layer"] == len(target)


def test_what_the_service_cannot_do_is_not_applicable(remote, prompts, monkeypatch):
    """Gradients need weights. Edits of layers that depend on those below need the patterns between them."""
    several = [Trial(prompts[2], {0: Mask(0.5, "numerical"), 1: Mask(0.5, "numerical")})]
    monkeypatch.setattr(exchange, "_MOST_READ", 100)

    with pytest.raises(NotApplicable, match="gradients need the model's weights"):
        remote.gradients(prompts, None)
    with pytest.raises(NotApplicable, match="the patterns of each layer in turn"):
        remote.margins(several)
    assert len(remote.margins([Trial(prompts[2], {0: Silence(), 1: ToFirstKey()})])) == 1


def importing(model):
    """A block that needs a module of the suite."""
    import referee

    return [referee.__name__]


@pytest.mark.parametrize("whitelist", [True, False])
def test_the_stand_in_knows_no_module_of_ours(whitelist, service, remote):
    """So a block that needs one fails there, as it would on the real service."""
    service.set(whitelist=whitelist)
    found = Service(service.host, KEY)
    why = "ImportError: Module referee is not whitelisted" if whitelist else "No module named 'referee'"

    with pytest.raises(RemoteFailure, match=rf"must run the request; got .*{why}\. Run again"):
        found.send(importing, found.wrap(remote.subject, None))


def too_sharp(called):
    """A wrong pattern: one of another temperature."""
    (_, query, key, _, _, *_), _ = called
    scores = 3 * query.float() @ key.float().repeat_interleave(query.shape[1] // key.shape[1], dim=1).mT
    return (scores + torch.full_like(scores, -1e9).triu(1)).softmax(-1)


def test_self_checks_see_a_wrong_pattern(remote, prompts, monkeypatch):
    """They pass on the tiny model, also when the service computes in bfloat16."""
    prompts = [tokens for tokens in prompts if len(tokens) == len(prompts[0])]
    assert len(self_check(remote, prompts)) == 7

    register(__name__)
    monkeypatch.setattr(blocks, "pattern", too_sharp)
    with pytest.raises(SelfCheckFailed, match="pattern times values is the layer's own output"):
        self_check(remote, prompts)
