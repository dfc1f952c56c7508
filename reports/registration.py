"""The file that fixes an analysis before a run: its content, and how a run differs from it."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from reports.entry_parts import Criterion, Model, Text
from reports.models import Git
from reports.reading import document
from reports.writing import write_text

VERSION: Final = 1


class RegisteredTheory(Model):
    """What a theory claims, and by which rules it is judged."""

    folder: Text
    name: Text
    digest: Text
    """First 12 hexadecimal digits of the SHA-256 digest of the file that states the theory."""
    confidence: float
    """Level at which a chance world with a veto must be rejected."""
    fewest_units: int
    """Fewest units for a verdict."""
    claims: dict[Text, Criterion]
    """The range in which the estimate must lie, by the id of the claim."""
    files: dict[Text, Text]
    """Digest of each Python file of the theory's folder: its prompts, its measurements and its analysis choices."""


class RegisteredSubject(Model):
    """The model under study."""

    model: Text
    """The model as the command line names it."""
    revision: Text
    fingerprint: Text
    """Digest of the weights, the configuration, the tokenizer and the chat template."""
    layer: int
    """The layer of interest, from 0."""
    dtype: Text


class Registration(Model):
    """Everything on which the verdicts of a run depend, except the verdicts themselves."""

    registration_version: Literal[1]
    created: Text
    """Time of writing, in UTC."""
    theories: tuple[RegisteredTheory, ...]
    subject: RegisteredSubject | None
    """Null in a run whose model could not be loaded. A file always has it."""
    profile: Text
    sizes: dict[Text, int]
    """The sizes that the profile stands for."""
    seed: int
    tests: tuple[Text, ...]
    """Pytest's id of each selected test."""
    instrument: dict[Text, Text]
    """Digest of the Python files of each folder of the instrument."""
    git: Git | None
    """For the reader. A run at another commit does not differ if the files are equal."""

    def write(self, file: Path) -> None:
        """Writes the registration to a file. Raises UnwritableFolder if that is not possible."""
        write_text(file, self.model_dump_json(indent=1) + "\n")

    def facts(self) -> dict[str, str]:
        """Returns everything in which a run can differ, as text by name."""
        found = {"profile": self.profile, "seed": str(self.seed)}
        found |= {f"size {name}": str(size) for name, size in self.sizes.items()}
        if self.subject:
            found |= {f"subject {name}": str(value) for name, value in self.subject.model_dump().items()}
        for theory in self.theories:
            found[f"theory {theory.folder}"] = theory.digest
            found[f"confidence of {theory.folder}"] = f"{theory.confidence:g}"
            found[f"fewest units of {theory.folder}"] = str(theory.fewest_units)
            found |= {f"criterion of {id}": criterion.text for id, criterion in theory.claims.items()}
            found |= {f"file {file}": digest for file, digest in theory.files.items()}
        found |= {f"instrument {folder}": digest for folder, digest in self.instrument.items()}
        return found | {f"test {test}": "judged" for test in self.tests}


def read(file: Path) -> Registration:
    """Returns the registration in a file. Raises UnreadableReport if it is none of this version."""
    return document(file, Registration, version_field="registration_version", version=VERSION, name="a registration")


def changes(registered: Registration, run: Registration) -> tuple[str, ...]:
    """Returns one sentence for each fact in which a run differs from its registration."""
    before, now = registered.facts(), run.facts()
    names = [*before, *(name for name in now if name not in before)]
    return tuple(
        f"{name}: {now.get(name, 'none')}, registered {before.get(name, 'none')}"
        for name in names
        if now.get(name) != before.get(name)
    )
