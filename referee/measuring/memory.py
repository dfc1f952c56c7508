"""Measures the free memory and recognises errors that mean a lack of memory."""

from __future__ import annotations

from pathlib import Path

import torch

_MEMORY = Path("/proc/meminfo")


def free_bytes(device: torch.device) -> int:
    """Returns how many bytes of memory a device can still allocate.

    On a GPU, memory that PyTorch has reserved but does not use also counts. A system without /proc/meminfo counts as
    4 GiB.
    """
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + kept
    if not _MEMORY.exists():
        return 4 << 30
    meminfo = dict(line.split(":", 1) for line in _MEMORY.read_text().splitlines())
    return int(meminfo["MemAvailable"].split()[0]) << 10


def out_of_memory(problem: BaseException) -> bool:
    """Returns whether an error means a lack of memory, on the GPU or on the machine."""
    message = str(problem).lower()
    return isinstance(problem, (torch.OutOfMemoryError, MemoryError)) or any(
        words in message for words in ("out of memory", "can't allocate memory", "not enough memory")
    )
