"""Tab-separated tables with names of chromosomes in them, and how BED and BEDPE files are written.

A name is taken letter by letter: a chromosome may be called NA, 1, hap1#1#chr1 or x"y.
"""

import csv
import os
from collections.abc import Mapping, Sequence

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


def write_bed(table: pd.DataFrame, path: str | os.PathLike, *, header: bool = False, **options) -> None:
    """A table as a BED or BEDPE; options: of `to_csv`."""
    table.to_csv(path, sep="\t", header=header, index=False, quoting=csv.QUOTE_NONE, **options)
