"""Stand-ins for GPUs: tensors in the memory of the CPU with a mark that names their device.

As on real devices, an operation on tensors of different devices raises RuntimeError, and `to` makes a copy on another
device. The numbers are real, so a test can compare results.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from accelerate import dispatch_model
from torch import Tensor
from torch.overrides import TorchFunctionMode

CPU, FIRST, SECOND = torch.device("cpu"), torch.device("cuda:0"), torch.device("cuda:1")
_INDEXED = (Tensor.__getitem__, Tensor.__setitem__)
_ACROSS = (torch.autograd.grad, torch._has_compatible_shallow_copy_type, Tensor.copy_, Tensor.data.__set__)
"""Operations that PyTorch allows on tensors of different devices."""


class FakeDevices(TorchFunctionMode):
    """Inside this context manager, every tensor has the device that it was made on or moved to.

    The mark is at the storage, so views and parameters have the device of their values.
    """

    def __init__(self) -> None:
        super().__init__()
        # The storages are kept: a later one cannot get the address of an earlier one, and its mark.
        self._marked: dict[int, tuple[Any, torch.device]] = {}

    def device_of(self, tensor: Tensor) -> torch.device:
        """Returns the device of a tensor, which is the CPU without a mark."""
        return self._marked.get(_address(tensor), (None, tensor.device))[1]

    def _mark(self, tensor: Tensor, device: torch.device) -> None:
        self._marked.setdefault(_address(tensor), (tensor.untyped_storage(), device))

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        given = dict(kwargs or {})
        if func == Tensor.device.__get__:
            return self.device_of(args[0])
        if func == Tensor.is_cuda.__get__:
            return self.device_of(args[0]).type == "cuda"
        if func is Tensor.to:
            return self._moved(*args, **given)
        if func is Tensor.cpu:
            return self._moved(args[0], CPU)
        if func == Tensor.data.__set__:
            self._marked[_address(args[1])] = (args[1].untyped_storage(), self.device_of(args[1]))
        device = given.pop("device", None)
        operands = [args[0]] if func is Tensor.__deepcopy__ else list(_tensors((args, given)))
        where = torch.device(device) if device is not None else self._common(func, operands)
        found = func(*args, **given)
        for tensor in _tensors(found):
            self._mark(tensor, where)
        return found

    def _moved(self, tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if args and isinstance(args[0], Tensor):
            device, dtype = self.device_of(args[0]), args[0].dtype
        else:
            kwargs.pop("copy", None)
            device, dtype, *_ = torch._C._nn._parse_to(*args, **kwargs)
        own = self.device_of(tensor)
        found = tensor if dtype is None else tensor.to(dtype)
        if device is None or device == own:
            self._mark(found, own)
            return found
        found = found.clone()
        self._mark(found, device)
        return found

    def _common(self, func: Any, operands: list[Tensor]) -> torch.device:
        """Returns the device of the operands. A number of the CPU, and an index of the CPU, may be anywhere."""
        devices = {self.device_of(tensor) for tensor in operands if tensor.dim() or self.device_of(tensor) != CPU}
        if func in _INDEXED:
            devices = {self.device_of(operands[0])} | (devices - {CPU})
        if len(devices) > 1 and func not in _ACROSS:
            raise RuntimeError(
                f"Expected all tensors to be on the same device, but {getattr(func, '__name__', func)} got"
                f" {', '.join(sorted(map(str, devices)))}"
            )
        return self.device_of(operands[0]) if len(devices) > 1 else next(iter(devices), CPU)


def spread(model: Any, *, unembedding: torch.device = SECOND, places: dict[str, str] | None = None) -> None:
    """Spreads a model over two devices, by the hooks that accelerate puts into a model with a device map.

    `places` is the map. By default the layers alternate, so each of them gets its input from the other device.
    """
    places = places or _alternating(model, unembedding)
    if "disk" not in places.values():
        dispatch_model(model, places, main_device=str(FIRST), skip_keys=model._skip_keys_device_placement)
    model.hf_device_map = places


def _alternating(model: Any, unembedding: torch.device) -> dict[str, str]:
    decoder = model.get_decoder()
    inside = next(name for name, module in model.named_modules() if module is decoder)
    places = {name: unembedding for name, module in model.named_modules() if module is model.get_output_embeddings()}
    for name, child in decoder.named_children():
        if isinstance(child, torch.nn.ModuleList):
            places |= {f"{inside}.{name}.{i}": (FIRST, SECOND)[i % 2] for i in range(len(child))}
        else:
            places[f"{inside}.{name}"] = FIRST
    return {name: str(device) for name, device in places.items()}


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _tensors(values: Any) -> Iterator[Tensor]:
    """Yields all tensors in nested tuples, lists and dictionaries."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, dict):
        yield from _tensors(list(values.values()))
    elif isinstance(values, (tuple, list)):
        for value in values:
            yield from _tensors(value)
