"""How much memory is free, and whether a failure was a lack of it."""

from __future__ import annotations

from pathlib import Path

import torch

_MEMORY = Path("/proc/meminfo")


def free_bytes(device: torch.device) -> int:
    """Memory that can still be had there; of a GPU, what PyTorch keeps without using it counts, too."""
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + kept
    if not _MEMORY.exists():
        return 4 << 30
    told = dict(line.split(":", 1) for line in _MEMORY.read_text().splitlines())
    return int(told["MemAvailable"].split()[0]) << 10


def out_of_memory(problem: BaseException) -> bool:
    """Whether a fault is a lack of memory, of the GPU or of the machine."""
    told = str(problem).lower()
    return isinstance(problem, (torch.OutOfMemoryError, MemoryError)) or any(
        words in told for words in ("out of memory", "can't allocate memory", "not enough memory")
    )
