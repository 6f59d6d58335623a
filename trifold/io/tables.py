"""Tab-separated tables with names of chromosomes in them, and the lines of BED and BEDPE files.

A name is taken letter by letter: a chromosome may be called NA, 1, hap1#1#chr1 or x"y.
"""

import csv
import gzip
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

_MISSING = ["", "nan", "NaN", "NA"]


def read_table(
    path: str | os.PathLike, names: Sequence[str] = ("chrom",), dtype: Mapping[str, type] | None = None
) -> pd.DataFrame:
    """A table with a header, as the workflow writes them; the columns `names` that it has are text, never missing."""
    columns = pd.read_csv(path, sep="\t", nrows=0).columns
    missing = {column: _MISSING for column in columns if column not in names}
    text = dict.fromkeys(names, str)
    kinds = {column: kind for column, kind in {**(dtype or {}), **text}.items() if column in columns}
    return pd.read_csv(path, sep="\t", dtype=kinds, keep_default_na=False, na_values=missing)


def read_bed(path: str | os.PathLike, text: Sequence[int], names: Sequence[str] | None = None) -> pd.DataFrame:
    """The records of a BED or BEDPE (.gz too): without blank lines, comments, `track` and `browser` lines.

    Only a line that begins with # is a comment. text: columns that are text; names: of the first columns, the only
    ones read. Raises what pandas raises for a file that is no table, and EmptyDataError where there is no record and no
    names.
    """
    with gzip.open(path, "rt") if Path(path).suffix == ".gz" else open(path) as handle:
        kept = [
            line
            for line in handle
            if line.strip() and not line.startswith("#") and line.split(maxsplit=1)[0] not in ("track", "browser")
        ]
    if not kept and names is not None:
        return pd.DataFrame(columns=list(names))
    table = pd.read_csv(
        io.StringIO("".join(kept)),
        sep="\t",
        header=None,
        usecols=None if names is None else range(len(names)),
        dtype=dict.fromkeys(text, str),
        quoting=csv.QUOTE_NONE,
        keep_default_na=False,
    )
    return table if names is None else table.set_axis(list(names), axis=1)


def write_bed(table: pd.DataFrame, path: str | os.PathLike, *, header: bool = False, **options) -> None:
    """A table as a BED or BEDPE; options: of `to_csv`."""
    table.to_csv(path, sep="\t", header=header, index=False, quoting=csv.QUOTE_NONE, **options)
