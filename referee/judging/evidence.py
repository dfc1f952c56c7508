"""Evidence: the estimates that decide the verdict on a claim, and what the report shows beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar
from unittest import SkipTest

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from referee.judging.statistics import Estimate
    from referee.measuring.session import Session
    from referee.prompts.tokens import Tokens

    Parts = Mapping[str, Estimate]


class NotApplicable(SkipTest):
    """The claim has no meaning on this subject.

    It is a SkipTest of the standard library, which pytest reports as skipped. So the instrument does not need pytest.
    """


@dataclass(frozen=True)
class Estimates:
    """The estimates of a claim.

    Attributes:
        parts: the estimate of each part of the claim, by name. For "in every condition", each condition is one part.
        by_stratum: the parts in each stratum, by its name. They are empty for a stratum without observations.
    """

    parts: Parts
    by_stratum: Mapping[str, Parts] = field(default_factory=dict)

    @classmethod
    def of(cls, measure: Callable[[str | None], Parts], strata: Sequence[str]) -> Estimates:
        """Return the estimates over all strata and in each one.

        `measure` takes the name of a stratum, or None for all strata together.
        """
        return cls(measure(None), {stratum: measure(stratum) for stratum in strata})


@dataclass(frozen=True)
class Chance:
    """The value of the same quantity in a chance world. In a chance world, the cause in the claim is absent.

    Attributes:
        world: a description of the difference.
        value: the quantity in this world. In tests of head groups it is the 95th percentile, otherwise a mean. None if
            it was not measured.
        p: the probability in this world of a value at least as extreme as the estimate.
        veto: True if a large p prevents the verdict SUPPORTED.
        explains: True if this world is a rival cause that explains the finding as well. It prevents SUPPORTED.
        only_listed: True for a comparison that is no chance world, such as the same edit in other heads. Reports list
            it and do not show it as the chance value of the claim.
    """

    world: str
    value: float | None
    p: float | None = None
    veto: bool = False
    explains: bool = False
    only_listed: bool = False


class _Comparison(Protocol):
    @property
    def value(self) -> float | None: ...
    @property
    def explains(self) -> bool: ...
    @property
    def only_listed(self) -> bool: ...


World = TypeVar("World", bound=_Comparison)


def chance_world(worlds: Iterable[World]) -> World | None:
    """Return the comparison whose value is shown as the chance value of a claim.

    It is the first chance world with a value. Rivals that explain the finding are not chance, and neither are
    comparisons that are only listed.
    """
    return next((w for w in worlds if w.value is not None and not w.explains and not w.only_listed), None)


@dataclass(frozen=True)
class Drawing:
    """A figure that is drawn only when the report is written.

    Attributes:
        draw: draws the figure.
        alt: the content of the figure in words.
    """

    draw: Callable[[], Figure]
    alt: str


@dataclass(frozen=True)
class Counterexample:
    """One observation that contradicts a claim.

    Attributes:
        text: the observation in words, with its value.
        tokens: returns the tokens of the prompt, which the report shows. None if the observation is not one prompt.
    """

    text: str
    tokens: Callable[[Session], Tokens] | None = None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Evidence:
    """The evidence on one claim.

    Attributes:
        estimate: what is estimated.
        against: chance worlds and placebos with which the estimate is compared.
        variants: the parts under other analysis choices, by the name of the choice.
        incomparable: names of the variants that get no verdict, because they have another unit of measurement.
        counterexample: one observation that contradicts the claim.
        notes: further facts for the reader.
        drawing: the figure.
        data: the table from which the figure is drawn.
        unit: what counts as one independent observation, in the plural. None: the unit of the theory.
        by_layer: the value of the hardest part at every layer. Empty if only the layer of interest was measured.
    """

    estimate: Estimates
    against: tuple[Chance, ...] = ()
    variants: Mapping[str, Parts] = field(default_factory=dict)
    incomparable: tuple[str, ...] = ()
    counterexample: Counterexample | None = None
    notes: tuple[str, ...] = ()
    drawing: Drawing | None = None
    data: pd.DataFrame | None = None
    unit: str | None = None
    by_layer: Mapping[int, float] = field(default_factory=dict)
