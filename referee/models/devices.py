"""The device and the data type that a run takes if the user names none."""

from __future__ import annotations

import torch

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def default_device() -> torch.device:
    """Return the GPU if PyTorch finds a CUDA device, and otherwise the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def default_dtype(device: torch.device) -> str:
    """Return the name of the data type for a device: float32 on a CPU, and bfloat16 elsewhere."""
    return "float32" if device.type == "cpu" else "bfloat16"
