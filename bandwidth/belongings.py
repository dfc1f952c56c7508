"""What is computed once of a model: kept with it, freed with it, and left behind when it is copied or saved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from torch import nn

Belonging = TypeVar("Belonging")
_NAME = "_belongings"


class _Belongings(dict[str, Any]):
    def __deepcopy__(self, memo: dict[int, Any]) -> _Belongings:
        return _Belongings()

    def __reduce__(self) -> tuple[type[_Belongings], tuple[()]]:
        return _Belongings, ()


def belonging(model: nn.Module, name: str, made: Callable[[], Belonging]) -> Belonging:
    """What a model has under this name, made when it is first asked for.

    It may refer to the model, which a weak dictionary's values may not: they would keep it alive.
    """
    held = vars(model).setdefault(_NAME, _Belongings())
    if name not in held:
        held[name] = made()
    return held[name]


def forget(model: nn.Module, *names: str) -> None:
    """What was computed of weights that may be others now, if anything was."""
    for name in names:
        vars(model).get(_NAME, {}).pop(name, None)
