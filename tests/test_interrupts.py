"""Ctrl-C, where libraries have a say in what becomes of it."""

from __future__ import annotations

import signal
from contextlib import suppress
from types import SimpleNamespace

import pytest

from claims.theory import CLAIMS
from fixtures.interrupts import Interrupts

A_CLAIM = SimpleNamespace(get_closest_marker=lambda name: pytest.mark.claim(CLAIMS[0]).mark)
NO_CLAIM = SimpleNamespace(get_closest_marker=lambda name: None)


@pytest.fixture
def interrupts():
    before = signal.getsignal(signal.SIGINT)
    interrupts = Interrupts()
    interrupts.watch()
    yield interrupts
    interrupts.leave()
    assert signal.getsignal(signal.SIGINT) is before


def swallowed():
    with suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
        pytest.fail("nothing was raised")


def test_what_a_library_swallows_ends_the_run_after_the_claim(interrupts):
    """Not before: the claim's own result is whole."""
    running = interrupts.pytest_runtest_protocol(A_CLAIM)
    next(running)
    swallowed()

    with pytest.raises(KeyboardInterrupt):
        running.send(True)


@pytest.mark.parametrize("item", [A_CLAIM, NO_CLAIM])
def test_an_undisturbed_test_ends_as_it_does(interrupts, item):
    """And so does one that is no claim, whatever it did to signals."""
    running = interrupts.pytest_runtest_protocol(item)
    next(running)
    if item is NO_CLAIM:
        swallowed()

    with pytest.raises(StopIteration) as ended:
        running.send(True)

    assert ended.value.value is True


def test_an_interrupt_leaves_without_its_traceback(interrupts):
    """A frame of nnsight's may have no line number, on which pytest's display would stumble."""
    running = interrupts.pytest_runtest_protocol(A_CLAIM)
    next(running)
    came = KeyboardInterrupt()

    with pytest.raises(KeyboardInterrupt) as left:
        running.throw(came)

    assert left.value is not came
    assert left.value.__suppress_context__
