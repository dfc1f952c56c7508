from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from claims.competition.bandwidth_distribution.measure import Shares
from claims.competition.prompts import QA, SIMPLE, Pair, Prompt
from claims.competition.routing import TopEdges
from referee.attention.edits import InHeads, Keep, Mask, Move, Replace, Together
from referee.attention.tracing import Attention
from referee.measuring import result_cache
from referee.measuring.requests import Trial
from referee.measuring.result_cache import key as cache_key
from referee.measuring.session import Session
from referee.prompts.tokens import tokenize

ROOT = Path(__file__).parents[1]
PAIR = Pair("9.8", "9.11")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("BANDWIDTH_CACHE", str(tmp_path))
    return tmp_path / "results"


@pytest.fixture
def tokens(llama):
    return tokenize(Prompt(PAIR, "bigger first", QA), llama.tokenizer)


@pytest.fixture
def untouched(monkeypatch):
    """Forbids forward passes from here on, when called."""

    def forbid():
        for name in ("run", "enter", "read", "gradients"):
            monkeypatch.setattr(Attention, name, lambda *_: pytest.fail("a forward pass"))

    return forbid


def trials(llama):
    target, donor = (tokenize(Prompt(PAIR, "bigger first", f), llama.tokenizer) for f in (QA, SIMPLE))
    return [Trial(target), Trial(target, Move(0.5)), Trial(target, InHeads(Replace(donor, 0.5), (0, 1)))]


def test_a_second_run_needs_no_forward_pass(llama, tokens, untouched):
    """Margins, measures and gradients come from disk, to the bit; so does the order in which they were asked."""
    with result_cache.kept(llama) as results:
        first = (
            Session(llama, results).margins(trials(llama)),
            Session(llama, results).patterns([tokens], Shares(), layers=[0, 2]),
        )
        slopes = Session(llama, results).gradients([tokens], TopEdges())
    untouched()

    with result_cache.kept(llama) as results:
        again = (
            Session(llama, results).margins(trials(llama)[::-1]),
            Session(llama, results).patterns([tokens], Shares(), layers=[0, 2]),
        )
        slopes_again = Session(llama, results).gradients([tokens], TopEdges())

    assert first[0].equals(again[0][::-1].reset_index(drop=True))
    assert torch.equal(first[1][0], again[1][0])
    assert torch.equal(slopes[0].nan_to_num(), slopes_again[0].nan_to_num())


def test_what_is_kept_without_the_top_answer_does_not_give_it(llama, untouched):
    """It is measured again where it is asked for, and then serves both."""
    with result_cache.kept(llama) as results:
        margins = Session(llama, results).margins(trials(llama))
        first = Session(llama, results).margins(trials(llama), top_answers=True)
        untouched()
        again, fewer = (
            Session(llama, results).margins(trials(llama), top_answers=True),
            Session(llama, results).margins(trials(llama)),
        )

    assert set(first["top_answer"]) <= {"right", "wrong", "neither"}
    assert again.equals(first)
    assert fewer.equals(first.drop(columns="top_answer"))
    assert fewer["margin_logits"].tolist() == pytest.approx(margins["margin_logits"].tolist(), abs=1e-5)


def test_without_a_store_nothing_is_kept(llama, folder):
    """A notebook leaves nothing behind unless it asks to."""
    Session(llama).margins(trials(llama))

    assert not folder.exists()


def keys(llama, tokens):
    """A key, and the same with each of its ingredients changed."""
    edit = InHeads(Mask(0.5), (0, 1))
    trial = Trial(tokens, edit)
    base = cache_key(llama, "nnsight", trial)
    changed = {
        "weights": cache_key(_with_fingerprint(llama, "0" * 16), "nnsight", trial),
        "layer": cache_key(llama.at(2), "nnsight", trial),
        "way": cache_key(llama, "torch", trial),
        "pair": cache_key(llama, "nnsight", replace(trial, tokens=replace(tokens, ids=(*tokens.ids[:-1], 5)))),
        "answer": cache_key(llama, "nnsight", replace(trial, tokens=replace(tokens, right_id=tokens.right_id + 1))),
        "category": cache_key(
            llama, "nnsight", replace(trial, tokens=replace(tokens, categories=("format", *tokens.categories[1:])))
        ),
        "prefix": cache_key(llama, "nnsight", replace(trial, tokens=replace(tokens, n_prompt=tokens.n_prompt - 1))),
        "strength": cache_key(llama, "nnsight", replace(trial, edit=InHeads(Mask(0.5000000001), (0, 1)))),
        "heads": cache_key(llama, "nnsight", replace(trial, edit=InHeads(Mask(0.5), (0, 2)))),
        "kind": cache_key(llama, "nnsight", replace(trial, edit=InHeads(Move(0.5), (0, 1)))),
        "no edit": cache_key(llama, "nnsight", replace(trial, edit=None)),
        "donor": cache_key(llama, "nnsight", replace(trial, edit=Replace(tokens, 0.5))),
        "layers read": cache_key(llama, "read", (0, 1), tokens),
        "other layers read": cache_key(llama, "read", (0, 2), tokens),
    }
    return base, changed


def _with_fingerprint(subject, fingerprint):
    other = replace(subject)
    other.__dict__["fingerprint"] = fingerprint
    return other


def test_the_key_holds_every_ingredient(llama, tokens):
    """Change one and it is another key; change none and it is the same."""
    base, changed = keys(llama, tokens)

    assert len({base, *changed.values()}) == 1 + len(changed)
    assert keys(llama, tokens)[0] == base


def test_the_key_holds_dtype_and_instrument(llama, tokens, monkeypatch):
    """Other precision, other source text: other results."""
    base, _ = keys(llama, tokens)
    monkeypatch.setattr(type(llama), "dtype", property(lambda self: "bfloat16"))
    other_dtype, _ = keys(llama, tokens)
    monkeypatch.undo()
    monkeypatch.setattr(result_cache, "instrument", lambda: "another")

    assert len({base, other_dtype, keys(llama, tokens)[0]}) == 3


def test_the_instrument_is_its_source(monkeypatch, tmp_path):
    """Every module counts, those of experiments too."""
    before = result_cache.instrument.__wrapped__()
    for module in ("session.py", "experiments/bandwidth.py"):
        (tmp_path / module).parent.mkdir(exist_ok=True)
        (tmp_path / module).write_text((ROOT / "bandwidth" / module).read_text())
    monkeypatch.setattr(result_cache, "__file__", str(tmp_path / "store.py"))
    copied = result_cache.instrument.__wrapped__()
    (tmp_path / "experiments/bandwidth.py").write_text("# changed")

    assert len({before, copied, result_cache.instrument.__wrapped__()}) == 3


@dataclass(frozen=True)
class Foreign:
    donor = None

    def __call__(self, target, own, donor_pattern):
        return own


@dataclass(frozen=True)
class ForeignMeasure:
    def __call__(self, tokens, pattern):
        return pattern[0, 0]


def test_what_is_defined_elsewhere_is_not_kept(llama, tokens, folder):
    """Its source may change without its name doing so; inside another edit, too."""
    assert result_cache.keepable(Trial(tokens, Keep()))
    assert not result_cache.keepable(Trial(tokens, Foreign()))
    assert not result_cache.keepable(Trial(tokens, InHeads(Foreign(), (0,))))
    assert not result_cache.keepable(Trial(tokens, Together((Keep(), Foreign()))))
    with result_cache.kept(llama) as results:
        Session(llama, results).margins([Trial(tokens, Foreign())])
        kept = sqlite3.connect(results.file).execute("SELECT count(*) FROM measured").fetchone()

    assert kept == (0,)


def test_a_damaged_file_is_measured_again(llama, folder):
    """With one line that says so, and never a traceback."""
    with result_cache.kept(llama) as results:
        first = Session(llama, results).margins(trials(llama))
        file = results.file
    file.write_bytes(b"this is no database" * 400)

    with (
        pytest.warns(UserWarning, match="file is not a database; the file is now"),
        result_cache.kept(llama) as results,
    ):
        again = Session(llama, results).margins(trials(llama))

    assert first.equals(again)


def test_a_measure_that_is_defined_elsewhere_is_not_kept(llama, tokens):
    """What a notebook's own measure said before it was changed is not what it says now."""
    with result_cache.kept(llama) as results:
        Session(llama, results).patterns([tokens], ForeignMeasure())
        kept = sqlite3.connect(results.file).execute("SELECT count(*) FROM measured").fetchone()

    assert kept == (0,)


def test_a_value_that_was_changed_is_no_hit(llama):
    """One flipped bit is found by its checksum, and the trial is run again."""
    with result_cache.kept(llama) as results:
        first = Session(llama, results).margins(trials(llama))
        file = results.file
    connection = sqlite3.connect(file)
    with connection:
        connection.execute("UPDATE measured SET value = ?", (b'[99.0, 1.0, "right"]',))
    connection.close()

    with result_cache.kept(llama) as results:
        assert Session(llama, results).margins(trials(llama)).equals(first)


def test_a_folder_that_cannot_be_made_costs_only_time(llama, folder):
    """A warning, and everything is measured."""
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("a file where the folder should be")

    with (
        pytest.warns(UserWarning, match="The result cache must be readable and writable"),
        result_cache.kept(llama) as results,
    ):
        assert len(Session(llama, results).margins(trials(llama))) == 3


KILLED = """
import os, signal, sys
from referee.measuring import batches
from referee.measuring import result_cache
from referee.measuring import scores
from referee.models import subjects
from referee.attention.edits import Mask
from claims.competition.prompts import QA, ask, pairs
from referee.measuring.requests import Trial
from referee.measuring.session import Session
from referee.prompts.tokens import tokenize
subject = subjects.load(sys.argv[1], layer=1)
prompts = [tokenize(p, subject.tokenizer) for p in ask(pairs(6), [QA])]
batches.TOKENS_AT_ONCE["cpu"] = 3 * len(prompts[0])
done = 0
run = scores.margins_of
def counted(*given):
    global done
    done += 1
    if done == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    return run(*given)
scores.margins_of = counted
with result_cache.kept(subject) as results:
    Session(subject, results).margins([Trial(t, Mask(0.5)) for t in prompts])
print(done)
"""


def run_script(folder: Path, stop_at: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", KILLED, str(folder), str(stop_at)], capture_output=True, text=True,
                          cwd=ROOT, env=os.environ | {"HF_HUB_OFFLINE": "1"})  # fmt: skip


def test_a_killed_run_goes_on_where_it_was(llama_folder):
    """Of four batches two were done when it was killed; the second run has two left."""
    killed = run_script(llama_folder, stop_at=3)
    again = run_script(llama_folder, stop_at=0)

    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert again.stdout.split() == ["2"], again.stderr


def test_two_processes_keep_results_at_once(llama_folder):
    """Neither loses any, and a third run has nothing left to do."""
    both = [
        subprocess.Popen([sys.executable, "-c", KILLED, str(llama_folder), "0"], cwd=ROOT, stdout=subprocess.DEVNULL)
        for _ in range(2)
    ]  # fmt: skip

    assert [process.wait() for process in both] == [0, 0]
    assert run_script(llama_folder, stop_at=0).stdout.split() == ["0"]


def test_the_size_is_told_and_all_can_be_removed(llama, capsys, monkeypatch):
    """python -m referee.measuring.result_cache, with and without --clear."""
    with result_cache.kept(llama) as results:
        Session(llama, results).margins(trials(llama))
    monkeypatch.setattr(sys, "argv", ["store"])
    result_cache.main()
    told = capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["store", "--clear"])
    result_cache.main()

    assert "MB in" in told
    assert "removed" in capsys.readouterr().out
    assert result_cache.size() == 0


def test_greedy_answers_are_kept(llama, tokens, monkeypatch):
    """What a subject writes is a result like any other."""
    with result_cache.kept(llama) as results:
        first = Session(llama, results).answers([tokens])
    monkeypatch.setattr(type(llama.model), "generate", lambda *_, **__: pytest.fail("a generation"))

    with result_cache.kept(llama) as results:
        assert Session(llama, results).answers([tokens]) == first
