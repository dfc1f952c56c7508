"""Describes the memory and the devices of the machine, and the data type that a run takes on each device."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import torch

from referee.doctor.lines import Line, gigabytes
from referee.measuring.memory import free_bytes
from referee.models.devices import default_device, default_dtype

_DRIVER = Path("/proc/driver/nvidia/version")
_CPU = torch.device("cpu")


def devices() -> list[torch.device]:
    """Returns the CPU and every CUDA device that PyTorch finds."""
    return [_CPU, *(torch.device("cuda", index) for index in range(torch.cuda.device_count()))]


def is_default(device: torch.device) -> bool:
    """Returns whether a run takes this device if the user names none."""
    default = default_device()
    return device.type == default.type and (device.index or 0) == (default.index or 0)


def lines() -> Iterator[Line]:
    """Yields a line for the memory, for each device, and for a GPU that PyTorch cannot use."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    yield Line("memory", f"{gigabytes(total)}, {gigabytes(free_bytes(_CPU))} free; {os.cpu_count()} cores")
    for device in devices():
        yield _of(device)
    for kind, there in (("mps", torch.backends.mps.is_available()), ("xpu", torch.xpu.is_available())):
        if there:
            yield Line(kind, f"{default_dtype(torch.device(kind))}; used only with --device {kind}")
    if not torch.cuda.is_available():
        yield Line("GPU", _why_none())


def _of(device: torch.device) -> Line:
    """Returns the line for one device."""
    use = default_dtype(device) + (", the default device" if is_default(device) else "")
    if device.type == "cpu":
        return Line("cpu", use)
    try:
        properties = torch.cuda.get_device_properties(device)
        memory = f"{gigabytes(properties.total_memory)}, {gigabytes(free_bytes(device))} free"
    except RuntimeError as problem:
        reason = str(problem).strip().splitlines()[0]
        return Line(str(device), f"cannot be used ({reason}). Use --device cpu.", missing=True)
    return Line(str(device), f"{properties.name}, {memory}; {use}")


def _why_none() -> str:
    """Says why PyTorch finds no CUDA device."""
    if not _DRIVER.exists():
        return "none"
    if torch.version.cuda is None:
        return (
            f"not used: PyTorch {torch.__version__} is built without CUDA. Unset PIP_EXTRA_INDEX_URL and run"
            " `pip install --force-reinstall --no-deps -c constraints.txt torch`."
        )
    return (
        f"not used: the NVIDIA driver is too old for CUDA {torch.version.cuda}, or CUDA_VISIBLE_DEVICES hides the GPU."
    )
