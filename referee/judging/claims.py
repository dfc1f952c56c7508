"""A theory and its claims. Each claim has its criterion, and the theory says what counts as evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from referee.judging.verdict import Criterion


@dataclass(frozen=True)
class Claim:
    """A sentence that can be false.

    Attributes:
        id: the experiment, and a letter if the experiment has several claims.
        statement: the sentence, as the report shows it.
        quantity: what is estimated, with its unit.
        criterion: the range in which the estimate must lie for the sentence to be true.
        source: the publication or document that makes the claim.
        headline: the number of the theory's headline of which the claim is a part. None if it is part of none.
        published: earlier results on the same quantity. The report shows them, and no verdict uses them.
        control: True if the claim says what must not happen if the theory explains its experiments correctly.
    """

    id: str
    statement: str
    quantity: str
    criterion: Criterion
    source: str
    headline: int | None = None
    published: str | None = None
    control: bool = False


@dataclass(frozen=True)
class Theory:
    """A theory that the suite tests.

    Attributes:
        name: the name in the report.
        claims: all claims, in the order in which they are judged.
        unit: what is counted as one independent observation, in the plural.
        stratum: what divides the observations of a unit into strata. A claim must be true in every stratum. None if
            the theory has no strata.
        headlines: the sentence of each headline, by its number. A headline is the intersection of its claims.
        confidence: the level at which a chance world with a veto must be rejected.
        fewest_units: fewest units for a verdict.
        words: for each beginning of a claim's id, a word by which pytest's option -k also finds the claim.
        known: True if earlier work has shown that the theory is true of trained models. A known theory is no theory on
            trial: its claims show whether the instrument finds what is there.
    """

    name: str
    claims: tuple[Claim, ...]
    unit: str
    stratum: str | None = None
    headlines: Mapping[int, str] = field(default_factory=dict)
    confidence: float = 0.95
    fewest_units: int = 1
    words: Mapping[str, str] = field(default_factory=dict)
    known: bool = False

    def __post_init__(self) -> None:
        """Raises ValueError if two claims have the same id, or if a headline lacks its sentence or its claims."""
        ids = [claim.id for claim in self.claims]
        if twice := sorted({id for id in ids if ids.count(id) > 1}):
            raise ValueError(f"The claims of a theory must have different ids; got {', '.join(twice)} twice")
        numbers = {claim.headline for claim in self.claims if claim.headline is not None}
        if numbers != set(self.headlines):
            raise ValueError(
                f"Each headline needs a sentence and a claim; got sentences {sorted(self.headlines)} and claims of"
                f" {sorted(numbers)}"
            )
