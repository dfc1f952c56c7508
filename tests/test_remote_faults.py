"""Tests of what can go wrong with a service, of results on disk, and of a run with --remote."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hosting import KEY, MODEL

from claims.competition.prompts import QA, SIMPLE, ask, pairs
from referee.attention.edits import Replace
from referee.errors import ConnectionLost, NoAccess, NotHosted, UnknownModel
from referee.measuring.requests import Trial
from referee.measuring.result_cache import ResultCache
from referee.remote import exchange, hosted
from referee.remote.service import Service
from referee.remote.session import RemoteSession

ROOT = Path(__file__).parents[1]


@pytest.fixture
def subject(service):
    """Returns the hosted model."""
    service.set()
    return hosted.load(MODEL, Service(service.host, KEY), layer=1)


def trials_of(subject):
    """Returns edited trials of four prompts."""
    from referee.prompts.tokens import tokenize

    tokens = [tokenize(prompt, subject.tokenizer) for prompt in ask(pairs(2, seed=0), (SIMPLE, QA))]
    return [Trial(t, {1: Replace(tokens[0], amount / 10)}) for t in tokens for amount in range(10)]


def test_a_service_needs_a_key():
    """The message says where to get one."""
    with pytest.raises(NoAccess, match=r"--remote needs a key of the service; got none\. Get a key at https://"):
        Service("https://example.org", None)


def test_a_service_may_refuse_the_key(service):
    """Its own words are in the message."""
    service.set()

    with pytest.raises(NoAccess, match=r"must accept the key; got a refusal from .* \(.*Missing or invalid API key"):
        hosted.load(MODEL, Service(service.host, "wrong-key"))


def test_a_service_that_does_not_answer_is_one_line():
    """Nothing listens at port 9 of this machine."""
    with pytest.raises(ConnectionLost, match=r"needs a service that answers; got no answer from http.*:9 "):
        hosted.load(MODEL, Service("http://127.0.0.1:9", KEY))


def test_a_model_that_is_not_hosted_is_one_line(service):
    """The message names the hosted models."""
    service.set(hosted=False)

    with pytest.raises(NotHosted, match=rf"The service must host {MODEL}; got only these models: none\. Choose one"):
        hosted.load(MODEL, Service(service.host, KEY))


@pytest.mark.parametrize("name", ["smollm2", "./folder", "planted"])
def test_only_models_of_the_hub_are_hosted(name, service):
    """A built-in model and a folder exist only here."""
    with pytest.raises(UnknownModel, match=r"--remote needs a model of the hub; got '.*'\. Give --model a hub id"):
        hosted.load(name, Service(service.host, KEY))


def test_a_lost_connection_keeps_the_results_so_far(service, subject, tmp_path, monkeypatch):
    """The same sweep then needs only the requests that are missing, and later none."""
    trials = trials_of(subject)
    monkeypatch.setattr(exchange, "_TRIAL_BYTES", 5_000_000)  # ten trials a request, at most

    def margins(file):
        return RemoteSession(subject, Service(service.host, KEY), ResultCache(tmp_path / file)).margins(trials)

    service.set()
    expected = margins("other.sqlite")
    whole = service.counts["jobs"]
    service.set(jobs=3)  # one that reads patterns, and two with trials
    with pytest.raises(ConnectionLost, match=r"a loss in the middle .*The results so far are kept; the same command"):
        margins("results.sqlite")
    service.set()
    complete = margins("results.sqlite")
    rest = service.counts["jobs"]
    again = margins("results.sqlite")

    assert whole > 5
    assert rest == whole - 2  # the patterns are read again
    assert service.counts["jobs"] == rest
    assert (complete - expected).abs().max().max() < 1e-5
    assert (again == complete).all().all()


def test_results_belong_to_the_model_on_one_service(service, subject):
    """The host, the revision and the versions of its libraries change the key. The layer does not."""
    from dataclasses import replace

    others = [
        replace(subject, host="https://example.org"),
        replace(subject, asked="main"),
        replace(subject, weights="bfloat16"),
        replace(subject, versions=(("torch", "1"),)),
    ]

    assert len({other.fingerprint for other in [subject, *others]}) == 5
    assert subject.at(2).fingerprint == subject.fingerprint
    assert subject.revision == "0" * 40
    assert dict(subject.versions)["nnsight"] == "0.8.1"


def run(service, folder, *options, **environment):
    """Runs the known theory with --remote on the stand-in service."""
    own = {"HF_ENDPOINT": service.host, "HF_HOME": str(folder), "REFEREE_CACHE": str(folder), "NDIF_API_KEY": KEY}
    own |= {"NDIF_HOST": service.host, "NNSIGHT_CONFIG": str(folder / "none.yaml"), "HF_HUB_OFFLINE": "0"}
    command = [sys.executable, "-m", "pytest", "claims/induction", "--remote", f"--model={MODEL}", "--profile=quick"]
    command += ["--no-figures", f"--report={folder / 'report'}", "-p", "no:cacheprovider", "-k", "S1", *options]
    return subprocess.run(command, cwd=ROOT, env=os.environ | own | environment, capture_output=True, text=True)


def test_claims_are_judged_on_a_hosted_model(service, tmp_path):
    """The header names the service, and the rerun command has the option."""
    service.set()

    done = run(service, tmp_path)

    assert f"4 heads, 2 key-value · {service.host} · float32" in done.stdout
    assert "7 self-checks passed" in done.stdout
    assert "REFUTED        S1" in done.stdout
    assert "--profile quick --remote" in done.stdout


def test_a_run_without_a_key_says_so(service, tmp_path):
    """The claim is an error, and no traceback is shown."""
    done = run(service, tmp_path, NDIF_API_KEY="")

    assert "--remote needs a key of the service; got none." in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_the_service_chooses_device_and_dtype(service, tmp_path):
    """So these options are refused before anything is loaded."""
    done = run(service, tmp_path, "--dtype=float32")

    assert "the service chooses the device and the dtype; got --dtype. Leave it out." in done.stderr
    assert done.returncode == 4
