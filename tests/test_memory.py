from __future__ import annotations

import torch

from referee.measuring import memory


def test_memory_of_a_gpu_that_pytorch_reserves_is_free(monkeypatch):
    """The driver reports 10 free bytes. PyTorch has reserved 7 more, and it uses 3 of them."""
    for name, found in {"mem_get_info": (10, 24), "memory_reserved": 7, "memory_allocated": 3}.items():
        monkeypatch.setattr(torch.cuda, name, lambda device, found=found: found)

    assert memory.free_bytes(torch.device("cuda", 0)) == 14


def test_memory_of_this_machine_is_known():
    """It is between a megabyte and a petabyte."""
    assert 1e6 < memory.free_bytes(torch.device("cpu")) < 1e15
