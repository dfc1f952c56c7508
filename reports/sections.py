"""Tables of text that a command shows in the terminal, or as a page."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Section:
    """A heading with a table.

    Attributes:
        title: the heading.
        columns: the label of each column.
        rows: the cells of each row, in the order of the columns.
        empty: the sentence in place of a table without rows.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    empty: str = "none"


def for_terminal(sections: Iterable[Section]) -> str:
    """Returns the sections as text with aligned columns."""
    lines: list[str] = []
    for section in sections:
        lines += ["", section.title, *(_aligned([section.columns, *section.rows]) if section.rows else [section.empty])]
    return "\n".join(lines[1:])


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    printable = [tuple(map(_printable, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*printable, strict=True)]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in printable
    ]


def _printable(text: str) -> str:
    """Returns a text without control characters. The name of a model must not control the terminal."""
    return "".join(char if char.isprintable() else "?" for char in text)


def for_page(title: str, sections: Iterable[Section]) -> str:
    """Returns the sections as a self-contained page."""
    style = (Path(__file__).parent / "base.css").read_text(encoding="utf-8")
    body = "".join(map(_section, sections))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{html.escape(title)}</h1>\n{body}</main>\n</body>\n</html>\n"
    )


def _section(section: Section) -> str:
    heading = f"<h2>{html.escape(section.title)}</h2>\n"
    if not section.rows:
        return f"<section>\n{heading}<p>{html.escape(section.empty)}</p>\n</section>\n"
    head = "".join(f"<th>{html.escape(label)}</th>" for label in section.columns)
    rows = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>\n" for row in section.rows)
    table = f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n'
    return f"<section>\n{heading}{table}</section>\n"
