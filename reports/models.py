"""The content of report.json, field by field. `python -m reports.document --schema` prints its JSON schema."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import Field

from referee.judging.verdict import Verdict
from reports.attention_view import AttentionView, PromptTokens
from reports.entry_parts import (
    Agreement,
    ChanceWorld,
    Count,
    Criterion,
    Estimate,
    Figure,
    KnownTruth,
    Layers,
    Model,
    Operating,
    Share,
    Text,
    Variant,
)

SCHEMA_VERSION: Final = 10


class ClaimEntry(Model):
    """One claim with its verdict and its evidence."""

    id: Text
    """No other claim of the report has this id."""
    theory: Text
    """Folder of the theory that the claim belongs to."""
    headline: int | None
    """Number of the headline of which the claim is a part. Null if it is a part of none."""
    statement: Text
    quantity: Text
    """What is estimated, with its unit."""
    unit: Text
    """What counts as one independent observation, in the plural."""
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
    chance: tuple[ChanceWorld, ...]
    variants: tuple[Variant, ...]
    agreement: Agreement | None
    """Null if no variant has a verdict."""
    fragile: bool
    """True if a variant is REFUTED and the claim is SUPPORTED, or the reverse."""
    layers: Layers | None
    """Null if the quantity was not measured at every layer."""
    counterexample: Text | None
    """One observation that contradicts the claim."""
    counterexample_tokens: PromptTokens | None
    """Tokens of the prompt of the counterexample. Null if the counterexample is not one prompt."""
    notes: tuple[Text, ...]
    figure: Figure | None
    data: Text | None
    """Path of the CSV with the data, relative to the folder of the report. Claims with equal data have one path."""
    trial: KnownTruth | None
    """Null if no trial of this theory is on record."""
    operating: Operating | None
    """Null if the operating characteristics of this claim are not on record for the profile of the run."""
    seconds: float
    """Duration of the test."""
    command: Text
    """Command that judges only this claim again."""


class HeadlineEntry(Model):
    """One headline of a theory. It is true only if all the claims that are its parts are true."""

    theory: Text
    """Folder of the theory."""
    number: int
    statement: Text
    verdict: Verdict
    reason: Text | None
    """Reason for the verdict, if the verdicts of the parts do not explain it."""
    p_holm: Share | None
    """P-value of the null hypothesis "not as the headline says", adjusted for all headlines. Null if not measured."""
    parts: tuple[Text, ...]
    """Ids of the claims that are its parts."""
    decisive: Text | None
    """Id of the claim that decides the verdict."""


class Theory(Model):
    """One theory whose claims were judged."""

    folder: Text
    """Name of its folder in claims/. Claims and headlines name their theory by it."""
    name: Text
    summary: Text
    """What the theory says, for a reader who does not know it."""
    phenomenon: Text | None
    """Says whether the model shows the phenomenon that the theory explains. Null if the run did not measure it."""
    digest: Text
    """First 12 hexadecimal digits of the SHA-256 digest of the file that states the theory."""
    unit: Text
    """What counts as one independent observation, in the plural."""
    stratum: Text | None
    """What divides the observations of a unit into strata. Null if the theory has no strata."""
    known: bool
    """True if earlier work has shown that the theory is true. Its claims show whether the instrument finds it."""


class Subject(Model):
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


class Options(Model):
    profile: Text
    seed: int
    model: Text
    """The model as the command line names it."""
    revision: Text | None
    """The revision that the command line names. Null if it names none."""
    layer: int | None
    """The layer that the command line names. Null if it names none."""
    device: Text
    """The device that the command line names, or "auto"."""
    dtype: Text
    """The data type that the command line names, or "auto"."""


class SelfCheck(Model):
    """The result of one self-check of the instrument on the subject."""

    rule: Text
    measured: float
    limit: Text
    passed: bool


class Margins(Model):
    """How reliable the signs of the margins are."""

    margins: int = Field(ge=1)
    """Number of measured margins."""
    smallest: float = Field(ge=0)
    """Smallest absolute margin, in logits."""
    alone: float = Field(ge=0)
    """Largest change of the margins closest to zero when each trial runs in a batch of its own, in logits."""
    again: Count
    """Number of margins close to zero that were measured again in float32."""
    precise: float | None = Field(ge=0)
    """Largest change of these, in logits. Null if no margin was measured again."""
    turned: Count
    """Number of margins close to zero that changed their sign, alone or in float32."""


class Table(Model):
    """A table of facts about the subject that the theory adds."""

    title: Text
    columns: tuple[Text, ...]
    rows: tuple[tuple[Text | int | Share, ...], ...]
    """Cells in the order of the columns. A number with a decimal point is a share from 0 to 1."""


class Git(Model):
    commit: Text
    modified: bool
    """True if a tracked file differs from the commit."""


class Environment(Model):
    """What another person needs to repeat the run."""

    python: Text
    platform: Text
    packages: dict[Text, Text]
    """Version of each package."""
    git: Git | None
    """Null outside a git checkout."""


class Registration(Model):
    """The file that fixed the analysis before the run."""

    file: Text
    """Its path, as the command line names it."""
    sha256: Text
    """SHA-256 digest of the file, 64 hexadecimal digits."""
    created: Text
    """Time at which the file was made, in UTC, as the file states it."""
    changed: tuple[Text, ...]
    """What the run does differently. Empty if the run matches the file. Otherwise the run is post-hoc."""


class Report(Model):
    """A validation report of one theory or several theories on one subject."""

    schema_version: Literal[10]
    created: Text
    """Time of writing, in UTC."""
    theories: tuple[Theory, ...]
    """Known theories first."""
    subject: Subject | None
    """Null if the model could not be loaded."""
    options: Options
    registration: Registration | None
    """Null if the command line names no registration."""
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
    headlines: tuple[HeadlineEntry, ...]
    """The headlines all of whose claims have an entry."""
    claims: tuple[ClaimEntry, ...]
    views: tuple[AttentionView, ...]
    """The token view of each theory that has one."""
    missing_views: dict[Text, Text]
    """Why the token view of a theory, or the tokens of a counterexample, are missing, by the folder of the theory."""
    data: dict[Text, Text]
    """The content of each CSV by its path: compressed with gzip, in base64."""


def schema() -> dict[str, Any]:
    """Returns the JSON schema of report.json."""
    return Report.model_json_schema(mode="serialization")
