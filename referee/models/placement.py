"""Chooses the GPUs for a model. A model that fits on one GPU stays on one; a larger one is spread over several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from referee.errors import NoSuchDevice

if TYPE_CHECKING:
    from transformers import PreTrainedModel

WEIGHTS_SHARE = 0.8
"""The largest share of a GPU's free memory that weights may take. Batches and cached prompts need the rest."""


@dataclass(frozen=True)
class Placement:
    """Where weights are loaded.

    Attributes:
        device: the device of the whole model, or of its first layers.
        rooms: for a spread model, the bytes that weights may take on each GPU, by the index of the GPU. Otherwise None.
    """

    device: torch.device
    rooms: dict[int, int] | None = None

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of `pretrained.model` for a spread model."""
        return {} if self.rooms is None else {"device": "auto", "max_memory": self.rooms}

    def put(self, name: str, model: PreTrainedModel) -> None:
        """Move the model to its device.

        Raises NoSuchDevice if the device has too little memory, or if layers of a spread model are outside the GPUs.
        """
        if self.rooms is None:
            try:
                model.to(self.device)
            except torch.OutOfMemoryError as problem:
                reason = (str(problem) or type(problem).__name__).split("\n")[0]
                raise NoSuchDevice(
                    f"{name} must fit on {self.device}", reason, "Use another --device or --dtype."
                ) from problem
            return
        # accelerate puts layers without room into the memory of the machine, where each pass has to load them.
        outside = {str(device) for device in model.hf_device_map.values()} & {"cpu", "disk"}
        if outside:
            raise _too_large(name, f"layers on {', '.join(sorted(outside))}")


def of_size(name: str, size: int) -> Placement:
    """Return the placement of a model with `size` bytes of weights on a machine with several GPUs.

    It is the first GPU with enough free memory. If there is none, it is all GPUs. Raises NoSuchDevice if all GPUs
    together have too little.
    """
    rooms: dict[int, int] = {}
    for index in range(torch.cuda.device_count()):
        rooms[index] = int(WEIGHTS_SHARE * torch.cuda.mem_get_info(index)[0])
        if size <= rooms[index]:
            return Placement(torch.device("cuda", index))
    if size > sum(rooms.values()):
        raise _too_large(name, f"{size / 1e9:.1f} GB of weights and room for {sum(rooms.values()) / 1e9:.1f} GB")
    return Placement(torch.device("cuda", 0), rooms)


def _too_large(name: str, found: str) -> NoSuchDevice:
    return NoSuchDevice(f"{name} must fit on all GPUs together", found, "Use a shorter --dtype, or --device cpu.")
