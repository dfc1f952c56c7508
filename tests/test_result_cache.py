from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from claims.competition.bandwidth_distribution.measure import Shares
from claims.competition.critical_edges.measure import TopEdges
from claims.competition.prompts import QA, SIMPLE, Pair, Prompt
from referee.attention.edits import InHeads, Keep, Move, Replace
from referee.attention.tracing import Attention
from referee.measuring import result_cache
from referee.measuring.requests import Trial, Whole
from referee.measuring.scores import Margin, TopToken
from referee.measuring.session import Session
from referee.prompts.tokens import tokenize

ROOT = Path(__file__).parents[1]
PAIR = Pair("9.8", "9.11")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("REFEREE_CACHE", str(tmp_path))
    return tmp_path / "results"


@pytest.fixture
def tokens(llama):
    return tokenize(Prompt(PAIR, "bigger first", QA), llama.tokenizer)


@pytest.fixture
def untouched(monkeypatch):
    """Returns a function that forbids all later forward passes."""

    def forbid():
        for name in ("run", "enter", "keys", "read", "gradients"):
            monkeypatch.setattr(Attention, name, lambda *_: pytest.fail("a forward pass"))

    return forbid


def trials(llama):
    target, donor = (tokenize(Prompt(PAIR, "bigger first", f), llama.tokenizer) for f in (QA, SIMPLE))
    move, replace = Move(0.5, "format", "numerical"), InHeads(Replace(donor, 0.5), (0, 1))
    return [Trial(target), Trial(target, {1: move}), Trial(target, {1: replace})]


def test_a_second_run_needs_no_forward_pass(llama, tokens, untouched):
    """Margins, measures and gradients come from disk, equal to the bit and in the order of the requests."""
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


def test_a_margin_on_disk_does_not_give_another_score(llama, untouched):
    """The margin is measured again together with the other score. Afterwards both questions are answered from disk."""
    with result_cache.kept(llama) as results:
        margins = Session(llama, results).margins(trials(llama))
        first = Session(llama, results).scores(trials(llama), Margin(), TopToken())
        untouched()
        again = Session(llama, results).scores(trials(llama), Margin(), TopToken())
        fewer = Session(llama, results).margins(trials(llama))

    assert list(first) == ["margin_logits", "top_token"]
    assert first["top_token"].between(0, llama.vocabulary_size - 1).all()
    assert again.equals(first)
    assert fewer.equals(margins)
    assert fewer["margin_logits"].tolist() == pytest.approx(first["margin_logits"].tolist(), abs=1e-5)


def test_without_a_result_cache_nothing_is_kept(llama, folder):
    """A session writes no files unless it gets a result cache."""
    Session(llama).margins(trials(llama))

    assert not folder.exists()


@dataclass(frozen=True)
class Foreign:
    donor = None

    @staticmethod
    def apply(edits, to):
        return to.own


@dataclass(frozen=True)
class ForeignMeasure:
    def __call__(self, tokens, pattern):
        return pattern[0, 0]


def rows_in(results):
    """Returns the number of results on disk."""
    with contextlib.closing(sqlite3.connect(results.file)) as connection:
        return connection.execute("SELECT count(*) FROM measured").fetchone()[0]


def test_an_edit_from_outside_a_package_is_measured_but_not_kept(llama, tokens):
    """The instrument does not know which modules its code imports."""
    with result_cache.kept(llama) as results:
        session = Session(llama, results)
        foreign = session.margins([Trial(tokens, {1: Foreign()})])["margin_logits"][0]
        kept = rows_in(results)
        own = session.margins([Trial(tokens, {1: Keep()})])["margin_logits"][0]

        assert (kept, rows_in(results)) == (0, 1)
    assert foreign == pytest.approx(own, abs=1e-5)


def test_a_damaged_file_is_measured_again(llama, folder):
    """A warning says so, and the results are measured again."""
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


@pytest.mark.parametrize("measure", [ForeignMeasure(), lambda tokens, pattern: pattern[0, 0]], ids=["class", "lambda"])
def test_a_measure_from_outside_a_package_is_measured_but_not_kept(measure, llama, tokens):
    """A measure in a notebook can change, so its result must not be used again."""
    with result_cache.kept(llama) as results:
        (found,) = Session(llama, results).patterns([tokens], measure)
        (whole,) = Session(llama).patterns([tokens], Whole())

        assert torch.equal(found, whole[0, 0])
        assert rows_in(results) == 0


def test_a_value_that_was_changed_is_no_hit(llama):
    """The checksum shows that a value has changed, and the trial runs again."""
    with result_cache.kept(llama) as results:
        first = Session(llama, results).margins(trials(llama))
        file = results.file
    connection = sqlite3.connect(file)
    with connection:
        connection.execute("UPDATE measured SET value = ?", (b'{"margin_logits": 99.0}',))
    connection.close()

    with result_cache.kept(llama) as results:
        assert Session(llama, results).margins(trials(llama)).equals(first)


def test_a_folder_that_cannot_be_made_costs_only_time(llama, folder):
    """The run gives a warning and measures everything."""
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
    Session(subject, results).margins([Trial(t, {1: Mask(0.5, "format")}) for t in prompts])
print(done)
"""


def run_script(folder: Path, stop_at: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", KILLED, str(folder), str(stop_at)], capture_output=True, text=True,
                          cwd=ROOT, env=os.environ | {"HF_HUB_OFFLINE": "1"})  # fmt: skip


def test_a_killed_run_goes_on_where_it_was(llama_folder):
    """The first run is killed after two of four batches, so the second run computes only two."""
    killed = run_script(llama_folder, stop_at=3)
    again = run_script(llama_folder, stop_at=0)

    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert again.stdout.split() == ["2"], again.stderr


def test_two_processes_keep_results_at_once(llama_folder):
    """Neither process loses results, so a third run computes nothing."""
    both = [
        subprocess.Popen([sys.executable, "-c", KILLED, str(llama_folder), "0"], cwd=ROOT, stdout=subprocess.DEVNULL)
        for _ in range(2)
    ]  # fmt: skip

    assert [process.wait() for process in both] == [0, 0]
    assert run_script(llama_folder, stop_at=0).stdout.split() == ["0"]


def test_the_size_is_printed_and_all_can_be_removed(llama, capsys, monkeypatch):
    """`python -m referee.measuring.result_cache` prints the size, and with --clear it removes all results."""
    with result_cache.kept(llama) as results:
        Session(llama, results).margins(trials(llama))
    monkeypatch.setattr(sys, "argv", ["result_cache"])
    result_cache.main()
    shown = capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["result_cache", "--clear"])
    result_cache.main()

    assert "MB in" in shown
    assert "removed" in capsys.readouterr().out
    assert result_cache.size() == 0


def test_greedy_answers_are_kept(llama, tokens, monkeypatch):
    """The answers that a subject writes come from disk in a second run."""
    with result_cache.kept(llama) as results:
        first = Session(llama, results).answers([tokens])
    monkeypatch.setattr(type(llama.model), "generate", lambda *_, **__: pytest.fail("a generation"))

    with result_cache.kept(llama) as results:
        assert Session(llama, results).answers([tokens]) == first
