from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch

from referee.measuring import batches
from referee.measuring.batches import Batches, of_any_length, of_one_length, of_one_start


@dataclass(frozen=True)
class Request:
    tokens: range
    layers: tuple[int, ...] = ()
    number: int = 0


def requests(length, count, layers=()):
    return [Request(range(length), layers, i) for i in range(count)]


@pytest.fixture(autouse=True)
def tokens_at_once(monkeypatch):
    """A batch has at most 1600 tokens in these tests, whatever the instrument uses."""
    monkeypatch.setitem(batches.TOKENS_AT_ONCE, "cpu", 1600)


@pytest.fixture
def clock(monkeypatch):
    """Returns a clock that the tests set: a list with the time in seconds."""
    seconds = [0.0]
    monkeypatch.setattr(batches, "perf_counter", lambda: seconds[0])
    return seconds


def run(made, clock, cost):
    """Returns the sizes of the batches, if a batch of n tokens takes cost(n) seconds."""
    sizes = []
    for some in made:
        sizes.append(len(some))
        clock[0] += cost(sum(len(request.tokens) for request in some))
    return sizes


def test_a_batch_has_one_length_and_one_set_of_edited_layers(llama):
    """Long requests come first, requests with other edited layers have other batches, and none is lost."""
    kinds = ((), (1,), (0,), (0, 1))
    asked = [request for length in (5, 800) for layers in kinds for request in requests(length, 3, layers)]

    found = list(Batches(asked, llama))

    assert [len(some) for some in found] == [2, 1] * 4 + [3] * 4
    assert all(len({(len(request.tokens), request.layers) for request in some}) == 1 for some in found)
    assert sorted(map(id, (request for some in found for request in some))) == sorted(map(id, asked))


def test_requests_that_are_computed_in_part_have_larger_batches(llama):
    """1600 tokens are 16 prompts of 100 tokens, or half of 400 prompts of which only five rows are computed."""
    asked = requests(100, 400)

    assert len(next(iter(Batches(asked, llama)))) == 16
    assert len(next(iter(Batches(asked, llama, rows=lambda request: 5)))) == 200


def test_the_last_two_batches_are_about_equal(llama):
    """A small last batch would cost nearly as much as a large one."""
    assert [len(some) for some in Batches(requests(100, 18), llama)] == [9, 9]
    assert [len(some) for some in Batches(requests(100, 35), llama)] == [16, 10, 9]


def test_small_groups_join_larger_ones(llama):
    """A group joins if its extra rows are together at most a twentieth of a full batch."""
    computed = [20] * 5 + [18] * 30 + [12] * 11 + [11] * 2
    asked = [Request(range(25), (), i) for i in range(len(computed))]

    def rows(request):
        return computed[request.number]

    apart = Batches(asked, llama, rows=rows)
    together = Batches(asked, llama, rows=rows, joined_by=of_one_length)

    assert [[*map(rows, some)] for some in apart] == [[20] * 5, [18] * 30, [12] * 11, [11] * 2]
    assert [[*map(rows, some)] for some in together] == [[20] * 5 + [18] * 30, [12] * 11 + [11] * 2]


@pytest.mark.parametrize(("by", "joined"), [(of_one_length, False), (of_one_start, True)])
def test_prompts_of_other_lengths_join_those_with_the_same_first_row(llama, by, joined):
    """Requests with other edited layers have other batches."""
    asked = [*requests(25, 2), *requests(23, 2), *requests(24, 2, layers=(1,)), *requests(24, 2, layers=(0, 1))]
    start = 10

    found = list(Batches(asked, llama, rows=lambda request: len(request.tokens) - start, joined_by=by))

    assert [len(request.tokens) for request in found[0]] == [25, 25, *([23, 23] if joined else [])]
    assert all(len({request.layers for request in some}) == 1 for some in found)


@pytest.mark.parametrize(("layers_kept", "rows"), [(1, 4), (4, 1)])
def test_a_batch_takes_half_of_the_free_memory(llama, monkeypatch, layers_kept, rows):
    """The activations of a tiny Llama are (8 × 32 + 4 × 64) × 4 bytes a token. Keys and patterns are added to them."""
    one = 100 * 512 * 4 + 4 * 100 * 32 * 2 // 4 * 4 + 4 * 4 * 100**2 * 4
    monkeypatch.setattr(batches, "free_bytes", lambda device: 2 * 4 * one + 1)

    found = Batches(requests(100, 8), llama, layers_kept=layers_kept)

    assert [len(some) for some in found] == [rows] * (8 // rows)


def test_a_long_sweep_looks_for_a_better_size(llama, clock):
    """A batch costs ten seconds, and one millisecond per token. Doubling helps until the ten seconds hardly count."""
    sizes = run(Batches(requests(100, 6400), llama), clock, lambda tokens: 10 + 0.001 * tokens)

    assert sizes[:8] == [16, 32, 64, 128, 256, 512, 1024, 512]
    assert set(sizes[8:-2]) == {512}


def test_a_size_that_does_not_pay_is_given_up(llama, clock):
    """If a token costs the same in every batch, only one batch of double size is tried."""
    sizes = run(Batches(requests(100, 160), llama), clock, lambda tokens: 0.02 * tokens)

    assert sizes == [16, 32] + [16] * 7


def test_a_short_sweep_has_batches_of_fixed_size(llama, clock):
    """The sizes do not depend on time, so a second run gives the same numbers to the last digit."""
    sizes = run(Batches(requests(100, 160), llama), clock, lambda tokens: 1 + 0.001 * tokens)

    assert sizes == [16] * 10


def test_after_a_lack_of_memory_batches_stay_small(llama):
    """Batches are halved until they fit, and the full size is not tried again."""

    def measured(some):
        if len(some) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [request.number for request in some]

    made = Batches(requests(100, 64), llama)
    sizes, found = [], []
    for some in made:
        sizes.append(len(some))
        found += made.measure(measured, some)

    assert found == list(range(64))
    assert sizes[0] == 16
    assert max(sizes[1:]) <= 8


def test_the_plan_of_a_long_sweep_is_printed(llama, clock, capsys):
    """The plan has the number of rows, their lengths, and the time left at the rate of the first batch.

    The first batch has 16 of the 56 prompts of 100 tokens.
    """
    asked = [*requests(100, 56), *requests(40, 10)]

    run(Batches(asked, llama, progress="replacing"), clock, lambda tokens: 0.02 * tokens)

    assert "replacing: 66 rows of 40 to 100 tokens, about 88 s" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["replacing", None])
def test_no_plan_of_a_short_sweep(llama, clock, capsys, name):
    """A sweep without a label has no plan either."""
    run(Batches(requests(100, 56), llama, progress=name), clock, lambda tokens: 0.001 * tokens if name else tokens)

    assert "about" not in capsys.readouterr().err


def test_nothing_to_do_is_no_batch(llama):
    """No requests give no batch and no error."""
    assert list(Batches([], llama, progress="nothing")) == []


def test_the_plan_has_the_length_of_the_shortest_prompt(llama, clock, capsys):
    """Prompts of two lengths share a batch, which has the length of the longer ones."""
    asked = [*requests(100, 20), *requests(99, 20)]

    run(Batches(asked, llama, joined_by=of_any_length, progress="replacing"), clock, lambda tokens: 0.04 * tokens)

    assert "replacing: 40 rows of 99 to 100 tokens" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("device", "float32", "tokens"),
    [("cpu", False, 1600), ("cpu", True, 1600), ("mps", True, 1600), ("cuda:1", False, 65_536), ("cuda:1", True, 8192)],
)
def test_only_a_gpu_has_smaller_batches_in_float32(device, float32, tokens):
    """Its products then take about ten times as long. On other devices, the dtype makes no difference."""
    assert batches.tokens_at_once(SimpleNamespace(device=torch.device(device), float32=float32)) == tokens
