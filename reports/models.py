"""The content of report.json, field by field. `python -m reports.document --schema` prints its JSON schema."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from referee.judging.verdict import Verdict

SCHEMA_VERSION: Final = 4


def _readable(text: object) -> object:
    """Returns a text in which bytes that are not UTF-8 are escapes. A file name may contain such bytes."""
    return text.encode("utf-8", "backslashreplace").decode() if isinstance(text, str) else text


Text = Annotated[str, BeforeValidator(_readable)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


class _Model(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        from_attributes=True,
        use_attribute_docstrings=True,
    )


class Estimate(_Model):
    """A measured value with its interval."""

    value: float
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end of the interval."""
    n: int = Field(ge=1)
    """Number of independent units."""


class Criterion(_Model):
    """The range in which the estimate must lie for the claim to be true."""

    low: float | None
    """Lower bound. Null if there is none."""
    high: float | None
    """Upper bound. Null if there is none."""
    text: Text
    """The range as the page shows it."""


class ChanceWorld(_Model):
    """The value of the same quantity in a world in which the cause in the claim is absent."""

    world: Text
    """Description of the difference."""
    value: float | None
    """The quantity in this world. Null if it was not measured."""
    p: Share | None
    """Probability in this world of a value at least as extreme as the estimate."""


class Variant(_Model):
    """The same claim under another analysis choice."""

    name: Text
    estimate: Estimate
    verdict: Verdict | None
    """Null if the threshold of the claim does not apply to the variant."""


class Figure(_Model):
    file: Text
    """Path of the SVG, relative to the folder of the report."""
    alt: Text = Field(min_length=1)
    """Content of the figure in words."""


class KnownTruth(_Model):
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


class ClaimEntry(_Model):
    """One claim with its verdict and its evidence."""

    id: Text
    headline: int | None
    """Number among the headline claims of the theory. Null if the claim is none of them."""
    statement: Text
    quantity: Text
    """What is estimated, with its unit."""
    criterion: Criterion
    source: Text
    """The publication or document that makes the claim."""
    published: Text | None
    """Earlier results on the same quantity. No verdict uses them."""
    control: bool
    """True if the claim says what must not happen if the theory explains its experiments correctly."""
    test: Text
    """Pytest's id of the test."""
    verdict: Verdict
    reason: Text | None
    """Reason for the verdict, if the interval alone does not explain it."""
    estimate: Estimate | None
    """Estimate of the decisive part. Null if nothing was measured."""
    decisive_part: Text | None
    """Name of the part that is hardest to satisfy. It decides the verdict."""
    parts: dict[Text, Estimate]
    """Estimate of each part. A claim is true only if all its parts are true."""
    by_stratum: dict[Text, Estimate]
    """Estimate of the hardest part in each stratum."""
    p_holm: Share | None
    """P-value of a headline claim, adjusted for all headline claims of the theory."""
    chance: tuple[ChanceWorld, ...]
    variants: tuple[Variant, ...]
    counterexample: Text | None
    """One observation that contradicts the claim."""
    notes: tuple[Text, ...]
    figure: Figure | None
    data: Text | None
    """Path of the CSV with the data of the figure, relative to the folder of the report."""
    trial: KnownTruth | None
    """Null if no trial of this theory is on record."""
    seconds: float
    """Duration of the test."""
    command: Text
    """Command that judges only this claim again."""


class Theory(_Model):
    name: Text
    digest: Text
    """First 12 hexadecimal digits of the SHA-256 digest of the file that states the theory."""
    unit: Text
    """What counts as one independent observation, in the plural."""
    stratum: Text
    """What divides the observations of a unit into strata."""


class Subject(_Model):
    """The model under study."""

    name: Text
    revision: Text
    layer: int
    """The layer of interest, from 0."""
    n_layers: int
    n_heads: int
    """Number of query heads per layer."""
    n_kv_heads: int
    """Number of key-value heads per layer."""
    dtype: Text
    device: Text
    fingerprint: Text
    """Digest of the weights, the configuration, the tokenizer and the chat template."""


class Options(_Model):
    profile: Text
    seed: int
    units: Count
    """Number of units that the profile draws."""
    model: Text
    """The model as the command line names it."""


class SelfCheck(_Model):
    """The result of one self-check of the instrument on the subject."""

    rule: Text
    measured: float
    limit: Text
    passed: bool


class Margins(_Model):
    """How reliable the signs of the margins are."""

    margins: int = Field(ge=1)
    """Number of measured margins."""
    smallest: float = Field(ge=0)
    """Smallest absolute margin, in logits."""
    alone: float = Field(ge=0)
    """Largest change of the margins closest to zero when each trial runs in a batch of its own, in logits."""
    precise: float | None = Field(ge=0)
    """Largest change when each trial also runs in float32, in logits. Null if this was not measured."""
    turned: Count
    """Number of the margins closest to zero that change their sign."""


class Table(_Model):
    """A table of facts about the subject that the theory adds."""

    title: Text
    columns: tuple[Text, ...]
    rows: tuple[tuple[Text | int | Share, ...], ...]
    """Cells in the order of the columns. A number with a decimal point is a share from 0 to 1."""


class Git(_Model):
    commit: Text
    modified: bool
    """True if a tracked file differs from the commit."""


class Environment(_Model):
    """What another person needs to repeat the run."""

    python: Text
    platform: Text
    packages: dict[Text, Text]
    """Version of each package."""
    git: Git | None
    """Null outside a git checkout."""


class Report(_Model):
    """A validation report of a theory on one subject."""

    schema_version: Literal[4]
    created: Text
    """Time of writing, in UTC."""
    theory: Theory
    subject: Subject | None
    """Null if the model could not be loaded."""
    options: Options
    complete: bool
    """True if every selected claim has an entry."""
    command: Text
    seconds: float
    """Duration of the run."""
    environment: Environment
    self_checks: tuple[SelfCheck, ...]
    margins: Margins | None
    """Null if no margin was measured."""
    tables: tuple[Table, ...]
    claims: tuple[ClaimEntry, ...]


def schema() -> dict[str, Any]:
    """Returns the JSON schema of report.json."""
    return Report.model_json_schema(mode="serialization")
