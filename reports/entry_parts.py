"""The parts of a claim's entry in report.json: estimates, comparisons, other analysis choices, layers, the figure."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from referee.judging.verdict import Verdict
from reports.characters import readable


def _readable(text: object) -> object:
    """Returns a text as a reader can see it. The name of a model may contain any character."""
    return readable(text) if isinstance(text, str) else text


Text = Annotated[str, BeforeValidator(_readable)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


class Model(BaseModel):
    """Base of every object in report.json. It refuses unknown and missing fields, and numbers that JSON lacks."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        from_attributes=True,
        use_attribute_docstrings=True,
    )


class Estimate(Model):
    """A measured value with its interval."""

    value: float
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end of the interval."""
    n: int = Field(ge=0)
    """Number of independent units. 0 if a part of the claim has no case."""


class Criterion(Model):
    """The range in which the estimate must lie for the claim to be true."""

    low: float | None
    """Lower bound. Null if there is none."""
    high: float | None
    """Upper bound. Null if there is none."""
    text: Text
    """The range as the page shows it."""


class ChanceWorld(Model):
    """The value of the same quantity in a world in which the cause in the claim is absent."""

    world: Text
    """Description of the difference."""
    value: float | None
    """The quantity in this world. Null if it was not measured."""
    p: Share | None
    """Probability in this world of a value at least as extreme as the estimate."""
    explains: bool
    """True if this is another explanation that fits the finding as well. Then the claim is not SUPPORTED."""
    only_listed: bool
    """True for a comparison that is no chance world, such as the same edit in other heads."""


class Variant(Model):
    """The same claim under another analysis choice."""

    name: Text
    estimate: Estimate
    verdict: Verdict | None
    """Null if the threshold of the claim does not apply to the variant."""


class Agreement(Model):
    """How many other analysis choices agree with the verdict that the intervals alone give."""

    agreeing: Count
    """Number of variants with the verdict of the intervals alone."""
    judged: int = Field(ge=1)
    """Number of variants with a verdict."""


class Layers(Model):
    """The quantity of a claim at every layer."""

    values: dict[int, float | None]
    """The quantity by layer, from 0. Null if it is not finite."""
    layer: int
    """The layer of interest."""
    meeting: tuple[int, ...]
    """The layers whose value meets the criterion."""
    rank: int = Field(ge=1)
    """Rank of the layer of interest among all layers. The layer whose value fits the claim best has rank 1."""


class Figure(Model):
    file: Text
    """Path of the SVG or PNG, relative to the folder of the report."""
    image: Text = Field(pattern="^data:image/")
    """The same figure as a data URI, so that the page needs no other file."""
    alt: Text = Field(min_length=1)
    """Content of the figure in words."""


class KnownTruth(Model):
    """How often the test of the claim was right on models of known truth."""

    calls: Count
    """Number of verdicts."""
    right: Count
    """Number of right verdicts."""
    true: Count
    """Number of verdicts on models on which the claim is true."""
    false_support: Count
    """Number of verdicts SUPPORTED on models on which the claim is false."""
    false_refutation: Count
    """Number of verdicts REFUTED on models on which the claim is true."""
    models: Count
    """Number of different models."""


class Operating(Model):
    """How often the claim got a wrong verdict on simulated tables of known truth, at the profile of the run.

    Each rate is a number of tables and the number of all tables.
    """

    false_support: tuple[Count, Count]
    """SUPPORTED where the claim is false, or exactly at its threshold."""
    false_refutation: tuple[Count, Count]
    """REFUTED where the claim is true."""
    power: tuple[Count, Count]
    """SUPPORTED where the claim is clearly true."""
