"""A section of the page that the rules of a paper, or of structure, made: plain data, written as section.json and read
when the page is built.

The page renders it by templates/section.html.j2 and knows no paper.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from trifold import provenance
from trifold.errors import InputError
from trifold.report.tables import Cell

FILE = "section.json"


class Table(NamedTuple):
    """A table that sets a paper's numbers beside ours, formatted."""

    title: str
    heads: list[str]  # over the columns that name a row
    groups: list[tuple[str, list[str]]]  # metric heading, its columns
    rows: list[tuple[list[str], list[Cell]]]  # names of a row, a cell per column
    note: str


class Figure(NamedTuple):
    """A figure as the page shows it."""

    caption: str
    source: str  # a data URI
    width: int  # on screen, px


class Section(NamedTuple):
    """What the page says of one paper, or of one kind of scores."""

    key: str  # in links: lower-case letters and digits
    title: str  # the paper, or what is scored
    subject: str  # which of its tables, or by what
    paragraphs: Sequence[str]
    tables: Sequence[Table]
    figures: Sequence[Figure] = ()


def write(section: Section, folder: str | Path) -> Path:
    """Write section.json into a folder."""
    parts = {name: [part._asdict() for part in getattr(section, name)] for name in ("tables", "figures")}
    data = {**section._asdict(), **parts}
    path = Path(folder) / FILE
    path.write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return path


def keep(section: Section, folder: str | Path, *, tables: Sequence[str | Path], code: str) -> None:
    """Write section.json and its record into a folder; `tables` are what it was made of, with records beside them."""
    records = [Path(path).with_suffix(f".{provenance.RECORD}") for path in tables]
    with provenance.artifact(Path(folder), "section", parameters={}, code=code, inputs=records) as partial:
        write(section, partial)


def read(path: str | Path) -> Section:
    """A section that `write` wrote. Raises InputError for a file that is no section."""
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        figures = tuple(Figure(**figure) for figure in data["figures"])
        return Section(**{**data, "tables": [_table(**table) for table in data["tables"]], "figures": figures})
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: no section of a page ({error}); make it again") from error


def _table(title, heads, groups, rows, note) -> Table:
    cells = [(names, [Cell(*cell) for cell in row]) for names, row in rows]
    return Table(title, heads, [(heading, columns) for heading, columns in groups], cells, note)
