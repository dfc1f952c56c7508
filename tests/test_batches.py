from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from referee.measuring import batches
from referee.measuring.batches import Batches, of_one_length, of_one_start


@dataclass(frozen=True)
class Wish:
    tokens: range
    edit: str | None = None
    number: int = 0


def wishes(length, count, edit=None):
    return [Wish(range(length), edit, i) for i in range(count)]


@pytest.fixture(autouse=True)
def tokens_at_once(monkeypatch):
    """1600, whatever pays on the machines of today."""
    monkeypatch.setitem(batches.TOKENS_AT_ONCE, "cpu", 1600)


@pytest.fixture
def clock(monkeypatch):
    """Time that passes only when it is told to."""
    now = [0.0]
    monkeypatch.setattr(batches, "perf_counter", lambda: now[0])
    return now


def run(made, clock, cost):
    """Sizes of the batches, when a batch of n tokens takes cost(n) seconds."""
    sizes = []
    for some in made:
        sizes.append(len(some))
        clock[0] += cost(sum(len(wish.tokens) for wish in some))
    return sizes


def test_batches_hold_one_length_and_one_kind(llama):
    """Long ones first; edited apart from unedited; none lost."""
    asked = [wish for length in (5, 800) for edit in (None, "edit") for wish in wishes(length, 3, edit)]

    found = list(Batches(asked, llama))

    assert [len(some) for some in found] == [2, 1, 2, 1, 3, 3]
    assert all(len({(len(w.tokens), w.edit) for w in some}) == 1 for some in found)
    assert sorted(map(id, (w for some in found for w in some))) == sorted(map(id, asked))


def test_what_is_computed_in_part_comes_in_larger_batches(llama):
    """1600 tokens at once are 16 prompts of 100 tokens; of 400 whose rows five are computed, half."""
    asked = wishes(100, 400)

    assert len(next(iter(Batches(asked, llama)))) == 16
    assert len(next(iter(Batches(asked, llama, rows=lambda wish: 5)))) == 200


def test_the_last_two_batches_are_about_equal(llama):
    """A small rest would cost nearly as much as a large one."""
    assert [len(some) for some in Batches(wishes(100, 18), llama)] == [9, 9]
    assert [len(some) for some in Batches(wishes(100, 35), llama)] == [16, 10, 9]


def test_small_groups_join_larger_ones(llama):
    """As long as all of a group's rows that are computed for nothing are no more than a twentieth of a full batch."""
    computed = [20] * 5 + [18] * 30 + [12] * 11 + [11] * 2
    asked = [Wish(range(25), None, i) for i in range(len(computed))]

    def rows(wish):
        return computed[wish.number]

    apart = Batches(asked, llama, rows=rows)
    together = Batches(asked, llama, rows=rows, joined_by=of_one_length)

    assert [[*map(rows, some)] for some in apart] == [[20] * 5, [18] * 30, [12] * 11, [11] * 2]
    assert [[*map(rows, some)] for some in together] == [[20] * 5 + [18] * 30, [12] * 11 + [11] * 2]


@pytest.mark.parametrize(("by", "joined"), [(of_one_length, False), (of_one_start, True)])
def test_prompts_of_other_lengths_join_those_with_the_same_first_row(llama, by, joined):
    """What is edited stays apart from what is not."""
    asked = [*wishes(25, 2), *wishes(23, 2), *wishes(24, 2, edit="x")]
    start = 10

    found = list(Batches(asked, llama, rows=lambda wish: len(wish.tokens) - start, joined_by=by))

    assert [len(wish.tokens) for wish in found[0]] == [25, 25, *([23, 23] if joined else [])]
    assert all(len({wish.edit for wish in some}) == 1 for some in found)


@pytest.mark.parametrize(("layers_kept", "rows"), [(1, 4), (4, 1)])
def test_a_batch_takes_half_of_the_free_memory(llama, monkeypatch, layers_kept, rows):
    """Activations of a tiny Llama by hand: (8 × 32 + 4 × 64) × 4 bytes a token, keys and patterns beside them."""
    one = 100 * 512 * 4 + 4 * 100 * 32 * 2 // 4 * 4 + 4 * 4 * 100**2 * 4
    monkeypatch.setattr(batches, "free_bytes", lambda device: 2 * 4 * one + 1)

    found = Batches(wishes(100, 8), llama, layers_kept=layers_kept)

    assert [len(some) for some in found] == [rows] * (8 // rows)


def test_a_long_sweep_looks_for_a_better_size(llama, clock):
    """A batch costs ten seconds and a millisecond a token: doubling pays until the ten seconds hardly count."""
    sizes = run(Batches(wishes(100, 6400), llama), clock, lambda tokens: 10 + 0.001 * tokens)

    assert sizes[:8] == [16, 32, 64, 128, 256, 512, 1024, 512]
    assert set(sizes[8:-2]) == {512}


def test_a_size_that_does_not_pay_is_given_up(llama, clock):
    """Where a token costs the same in every batch, one batch of double size is tried."""
    sizes = run(Batches(wishes(100, 160), llama), clock, lambda tokens: 0.02 * tokens)

    assert sizes == [16, 32] + [16] * 7


def test_a_short_sweep_has_batches_of_fixed_size(llama, clock):
    """Whatever they cost, so that a rerun gives the same numbers to the last digit."""
    sizes = run(Batches(wishes(100, 160), llama), clock, lambda tokens: 1 + 0.001 * tokens)

    assert sizes == [16] * 10


def test_after_a_lack_of_memory_batches_stay_small(llama):
    """Halved until they fit, and not tried again at full size."""

    def measured(some):
        if len(some) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [wish.number for wish in some]

    made = Batches(wishes(100, 64), llama)
    sizes, found = [], []
    for some in made:
        sizes.append(len(some))
        found += made.measure(measured, some)

    assert found == list(range(64))
    assert sizes[0] == 16
    assert max(sizes[1:]) <= 8


def test_the_plan_of_a_long_sweep_is_printed(llama, clock, capsys):
    """How many rows of which length, and how long: the rate of the first batch, 16 of 56 prompts of 100 tokens."""
    asked = [*wishes(100, 56), *wishes(40, 10)]

    run(Batches(asked, llama, progress="replacing"), clock, lambda tokens: 0.02 * tokens)

    assert "replacing: 66 rows of 40 to 100 tokens, about 88 s" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["replacing", None])
def test_no_plan_of_a_short_sweep(llama, clock, capsys, name):
    """Nor of one without a name."""
    run(Batches(wishes(100, 56), llama, progress=name), clock, lambda tokens: 0.001 * tokens if name else tokens)

    assert "about" not in capsys.readouterr().err


def test_nothing_to_do_is_no_batch(llama):
    """And no fault."""
    assert list(Batches([], llama, progress="nothing")) == []
