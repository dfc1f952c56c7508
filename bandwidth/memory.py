"""What memory there is, whether there was too little, and keeping what has been freed."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from pathlib import Path

import torch

_MEMORY = Path("/proc/meminfo")
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
"""Of mallopt, in glibc's malloc.h."""


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


@cache
def keep_freed() -> None:
    """Lets this process keep the memory of tensors that are no more for those that come.

    Otherwise glibc gives larger blocks back to the system, which clears them page by page before the next batch has
    them again: a tenth of a sweep's time. Blocks of 32 MiB and more still go back. Does nothing where the C library is
    another.
    """
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        for option, value in ((_MMAP_THRESHOLD, 32 << 20), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 64 << 20)):
            library.mallopt(option, value)
