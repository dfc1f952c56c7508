from __future__ import annotations

import ctypes
import gc
import subprocess
import sys
import weakref

import pytest
import torch

from bandwidth import memory
from fixtures.observations import _here_to_stay

FAULTS = """
from resource import RUSAGE_SELF, getrusage
import torch
from bandwidth import memory

def faults():
    before = getrusage(RUSAGE_SELF).ru_minflt
    for _ in range(5):
        held = [torch.ones(5 << 20) for _ in range(5)]
    return getrusage(RUSAGE_SELF).ru_minflt - before

faults()
print(faults(), end=" ")
memory.keep_freed()
faults()
print(faults())
"""
"""Pages that the system must give to five times five tensors of 20 MB, before and after."""


def test_a_gpus_memory_that_pytorch_keeps_is_free(monkeypatch):
    """Of 10 bytes that the driver calls free and 7 that PyTorch holds, 3 are in use."""
    for name, found in {"mem_get_info": (10, 24), "memory_reserved": 7, "memory_allocated": 3}.items():
        monkeypatch.setattr(torch.cuda, name, lambda device, found=found: found)

    assert memory.free_bytes(torch.device("cuda", 0)) == 14


def test_memory_of_this_machine_is_known():
    """Between a megabyte and a petabyte."""
    assert 1e6 < memory.free_bytes(torch.device("cpu")) < 1e15


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library is not glibc")
def test_freed_memory_is_kept():
    """Tensors get the pages of those that are gone, in place of new ones."""
    told = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    before, after = map(int, told.stdout.split())

    assert after < before / 10


def test_elsewhere_nothing_is_asked_for(monkeypatch):
    """On other systems there is no such option."""
    monkeypatch.setattr(memory.sys, "platform", "darwin")
    monkeypatch.setattr(memory.ctypes, "CDLL", None)
    memory.keep_freed.__wrapped__()


class Cycle:
    def __init__(self):
        self.itself = self


def test_what_one_session_leaves_the_next_one_frees():
    """Objects that are here to stay are not looked through, but a process of many sessions does not fill up."""
    with _here_to_stay():
        left = weakref.ref(Cycle())
    gc.collect()
    assert left() is not None

    with _here_to_stay():
        assert left() is None
    gc.unfreeze()
