"""The figures and the tables of claims: files beside report.json, and the same content inside it."""

from __future__ import annotations

import base64
import gzip
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports import models
from reports.entry_parts import Figure

if TYPE_CHECKING:
    from referee.judging.evidence import Drawing
    from referee.judging.findings import Finding

_LARGEST_SVG = 100_000
"""Largest size of an SVG in bytes, unless a PNG of the same figure is even larger. Each point makes an SVG larger."""
_PLACE = re.compile(rb' (?:d|x|y)="[^"]*"')
"""The coordinates of a path or of a marker in an SVG."""
_DPI = 160
"""Resolution of a PNG, in dots per inch. A page shows about 96, so the figure is sharp on most screens."""


class Attachments:
    """Writes the figures and tables of claims into the folder of a report.

    Attributes:
        data: the content of each CSV by its path, compressed with gzip, in base64.
    """

    def __init__(self, folder: Path, *, figures: bool = True) -> None:
        """Takes the folder of the report, and whether figures are drawn."""
        self.data: dict[str, str] = {}
        self._folder, self._figures = folder, figures
        self._paths: dict[bytes, str] = {}

    def added(self, entry: models.ClaimEntry, finding: Finding) -> models.ClaimEntry:
        """Writes the figure and the data of a finding. Returns the entry with both.

        If the figure cannot be drawn, the entry gets no figure and a note with the reason.
        """
        evidence, name = finding.evidence, finding.claim.id
        if evidence is None:
            return entry
        fields: dict[str, Any] = {}
        if evidence.drawing is not None and self._figures:
            try:
                figure, content = _drawn(name, evidence.drawing)
            except Exception as problem:  # the verdict does not depend on the figure
                note = f"The figure could not be drawn: {type(problem).__name__}: {problem}"
                fields["notes"] = (*entry.notes, note)
            else:
                self._write(figure.file, content)
                fields["figure"] = figure
        if evidence.data is not None:
            table = evidence.data.to_csv(index=False, float_format="%.6g", lineterminator="\n").encode()
            fields["data"] = self._table(name, table)
        return models.ClaimEntry.model_validate(entry.model_dump() | fields)

    def _table(self, name: str, table: bytes) -> str:
        """Writes a table once, also if several claims have it. Returns the path of its file."""
        if table not in self._paths:
            self._paths[table] = file = f"data/{name}.csv"
            self.data[file] = base64.b64encode(gzip.compress(table, mtime=0)).decode()
            self._write(file, table)
        return self._paths[table]

    def _write(self, file: str, content: bytes) -> None:
        (self._folder / file).parent.mkdir(exist_ok=True)
        (self._folder / file).write_bytes(content)


def _drawn(name: str, drawing: Drawing) -> tuple[Figure, bytes]:
    """Draws a figure. Returns its entry in report.json, and the content of its file."""
    kind, content = picture(drawing)
    image = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    return Figure(file=f"figures/{name}.{kind.partition('+')[0]}", image=image, alt=drawing.alt), content


def picture(drawing: Drawing) -> tuple[str, bytes]:
    """Draws a figure. Returns its kind, "svg+xml" or "png", and its content, without the time of drawing.

    It is an SVG, unless this would be large and a PNG would be smaller.
    """
    from reports import style

    with style.applied():
        figure, curves, points = drawing.draw(), io.BytesIO(), io.BytesIO()
        figure.savefig(curves, format="svg", metadata={"Date": None})
        svg = _PLACE.sub(_rounded, curves.getvalue())
        if len(svg) <= _LARGEST_SVG:
            return "svg+xml", svg
        figure.savefig(points, format="png", dpi=_DPI, metadata={"Software": None})
    return min(("png", points.getvalue()), ("svg+xml", svg), key=lambda made: len(made[1]))


def _rounded(place: re.Match[bytes]) -> bytes:
    """Returns coordinates with two decimals."""
    return re.sub(rb"(\.\d\d)\d+", rb"\1", place.group())
