from __future__ import annotations

import torch

from referee.measuring import memory


def test_a_gpus_memory_that_pytorch_keeps_is_free(monkeypatch):
    """Of 10 bytes that the driver calls free and 7 that PyTorch holds, 3 are in use."""
    for name, found in {"mem_get_info": (10, 24), "memory_reserved": 7, "memory_allocated": 3}.items():
        monkeypatch.setattr(torch.cuda, name, lambda device, found=found: found)

    assert memory.free_bytes(torch.device("cuda", 0)) == 14


def test_memory_of_this_machine_is_known():
    """Between a megabyte and a petabyte."""
    assert 1e6 < memory.free_bytes(torch.device("cpu")) < 1e15
