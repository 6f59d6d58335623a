"""BED, BEDPE and their kin: tables of places, as text or packed by gzip, as many programs write them.

A line of comment (#), a line of a browser (track, browser), an empty line, and a header without # are no places; a
header is a first line whose coordinates are all words. Columns are parted by tabs, or by blanks in a line without one.
"""

import gzip
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from trifold.errors import InputError
from trifold.genome import Region

BED = ("chrom", "start", "end")
BEDPE = ("chrom1", "start1", "end1", "chrom2", "start2", "end2")


def is_gzip(path: str | os.PathLike) -> bool:
    """Whether a file is packed by gzip or bgzip, by its first bytes."""
    with open(path, "rb") as handle:
        return handle.read(2) == b"\x1f\x8b"


def lines(path: str | os.PathLike, remedy: str) -> Iterator[tuple[int, str]]:
    """(number, text) of the lines of a text file, packed or not, without those that are empty.

    Raises InputError for a file that is missing, truncated or no text.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; {remedy}")
    opened = gzip.open if is_gzip(path) else open
    try:
        with opened(path, "rt", encoding="utf-8-sig") as handle:
            for number, line in enumerate(handle, start=1):
                if line.strip():
                    yield number, line.rstrip("\r\n")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: not a whole gzip file ({error}); fetch it again") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: no text; {remedy}") from error


def read_table(
    path: str | os.PathLike, columns: Sequence[str], remedy: str, optional: Sequence[str] = ()
) -> pd.DataFrame:
    """Rows of a table of places: `columns`, those called start or end as whole numbers; `optional`, "" where absent.

    The column `line` is the number of the line. A file without a place gives no row. Raises InputError, naming line and
    column, for what is no such table.
    """
    numbers = [place for place, name in enumerate(columns) if name.startswith(("start", "end"))]
    rows: list[tuple] = []
    header_may_come = True
    for number, line in lines(path, remedy):
        fields = line.split("\t") if "\t" in line else line.split()
        if line.startswith("#") or fields[0] in ("track", "browser"):
            continue
        fields = [value.strip() for value in fields]
        if len(fields) < len(columns):
            raise InputError(f"{path}: line {number} has {len(fields)} columns, not {', '.join(columns)}; {remedy}")
        words = [place for place in numbers if not _is_number(fields[place])]
        if header_may_come and len(words) == len(numbers):
            header_may_come = False
            continue
        header_may_come = False
        if words:
            raise InputError(
                f"{path}: line {number}: {columns[words[0]]} is {fields[words[0]]!r}, not a whole number; {remedy}"
            )
        for place in numbers:
            fields[place] = int(fields[place])  # pyright: ignore[reportArgumentType, reportCallIssue]
        more = fields[len(columns) : len(columns) + len(optional)]
        rows.append((*fields[: len(columns)], *more, *[""] * (len(optional) - len(more)), number))
    table = pd.DataFrame(rows, columns=[*columns, *optional, "line"])
    return table.astype({columns[place]: "int64" for place in numbers})


def _is_number(text: str) -> bool:
    return text.removeprefix("-").isdecimal()


def read_regions(path: str | os.PathLike, remedy: str) -> list[Region]:
    """Regions of a BED, in its order; none of an empty file. Raises InputError as `read_table`, and for a region that
    is empty."""
    table = read_table(path, BED, remedy)
    if len(wrong := table[(table["start"] < 0) | (table["end"] <= table["start"])]):
        row = wrong.iloc[0]
        raise InputError(
            f"{path}: line {row['line']}: {row['chrom']}:{row['start']}-{row['end']} is empty or lies before the "
            f"chromosome; {remedy}"
        )
    return [Region(*row) for row in table[list(BED)].itertuples(index=False, name=None)]


def merged(regions: Iterable[Region], rename: Mapping[str, str]) -> dict[str, list[tuple[int, int]]]:
    """chromosome, renamed -> regions (start_bp, end_bp) in order; those that overlap or touch are one."""
    joined: dict[str, list[tuple[int, int]]] = {}
    for chrom, start_bp, end_bp in sorted((rename.get(chrom, chrom), *edges) for chrom, *edges in regions):
        of_chrom = joined.setdefault(chrom, [])
        if of_chrom and start_bp <= of_chrom[-1][1]:
            of_chrom[-1] = of_chrom[-1][0], max(of_chrom[-1][1], end_bp)
        else:
            of_chrom.append((start_bp, end_bp))
    return joined
