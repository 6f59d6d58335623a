"""resources/datasets.lock.tsv: size, checksums and URL of every accession as its portal stated them, for `fetch`."""

import csv
import os
import re
import urllib.parse
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator

from trifold.errors import InputError
from trifold.log import redact

# Name of an assembly at a portal -> its name at UCSC, which the tables use.
UCSC_NAME = {"GRCh37": "hg19", "GRCh38": "hg38", "GRCm38": "mm10", "GRCm39": "mm39"}
# A name that no file system takes for a path, with room for what a download puts around it.
FILE_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}"
# The same patterns as in resources/schemas/datasets.lock.schema.yaml.
FORMS = {
    "file": FILE_NAME,
    "url": r"https?://[^\s/@]+(/\S*)?",
    "part": r"((hdf5|zip):\S+)?",
    "bytes": r"[0-9]+",
    "md5": r"([0-9a-f]{32})?",
    "sha256": r"([0-9a-f]{64})?",
    "assembly": r"[A-Za-z0-9.]*",
}


@dataclass(frozen=True)
class Found:
    """A file as its portal describes it; strings, empty where the portal says nothing (resources/schemas)."""

    file: str
    url: str
    bytes: str
    md5: str = ""
    sha256: str = ""
    assembly: str = ""
    status: str = ""
    part: str = ""

    def __post_init__(self):
        # Values are checked here, because `fetch` trusts what stands in the lock.
        for name, form in FORMS.items():
            if not re.fullmatch(form, value := getattr(self, name)):
                shown = redact(value[:80])
                raise InputError(
                    f"{self.file[:80]}: the portal gives {name} {shown!r}, which is none; look at its record"
                )
        if redact(self.url) != self.url:
            raise InputError(
                f"{self.file}: the portal gives {redact(self.url)}, an address that holds a signature or key: it "
                "expires, and must not stand in a table; look at its record"
            )
        if not (self.md5 or self.sha256):
            raise InputError(f"{self.file}: the portal gives no checksum; it cannot be verified")


@dataclass(frozen=True)
class Line:
    """A line of the lock: a file, the row of datasets.tsv it belongs to, and when the portal was asked."""

    dataset: str
    file: str
    url: str
    part: str
    bytes: str
    sha256: str
    md5: str
    assembly: str
    status: str
    retrieved: str


def rows(path: str | os.PathLike, schema: str | os.PathLike) -> dict[str, dict]:
    """datasets.tsv: name of a file or set -> its row.

    schema: what a row must be. Raises InputError for a row that it refuses, and for a name that stands there twice.
    """
    with open(path, newline="") as handle:
        table = list(csv.DictReader(handle, delimiter="\t"))
    _check_rows(table, path, schema)
    named = {row["file"]: row for row in table}
    if len(named) < len(table):
        names = [row["file"] for row in table]
        twice = sorted({name for name in named if names.count(name) > 1})
        raise InputError(f"{path}: file: {', '.join(twice)} stands there twice; delete or rename a row")
    return named


def check(lines: Iterable["Line"], path: str | os.PathLike, schema: str | os.PathLike) -> None:
    """Raise InputError for a line of the lock that its schema refuses; path: of the lock, for the message."""
    _check_rows([asdict(line) for line in lines], path, schema)


def _check_rows(table: list[dict], path: str | os.PathLike, schema: str | os.PathLike) -> None:
    if not table:
        return
    # One validator serves all rows.
    validator = Draft202012Validator(yaml.safe_load(Path(schema).read_text()))
    for number, row in enumerate(table, start=2):
        for error in validator.iter_errors(row):
            column = "/".join(map(str, error.absolute_path)) or "columns"
            raise InputError(
                f"{path}: line {number} ({row.get('file')}): {column}: {error.message}; {Path(schema).name} says what "
                "may stand there"
            )


COLUMNS = [field.name for field in fields(Line)]
IDENTITY = ("bytes", "sha256", "md5", "part")


def read(path: str | os.PathLike) -> list[Line]:
    """Lines of a lock; none where there is no file. Raises InputError for other columns or a file named twice."""
    if not Path(path).exists():
        return []
    with open(path, newline="") as handle:
        table = csv.DictReader(handle, delimiter="\t")
        if table.fieldnames != COLUMNS:
            raise InputError(
                f"{path}: columns are {table.fieldnames}, not {COLUMNS}; delete it and run `snakemake resolve`"
            )
        lines = [Line(**row) for row in table]
    files = [line.file for line in lines]
    if twice := sorted({name for name in files if files.count(name) > 1}):
        raise InputError(f"{path}: file: {', '.join(twice)} stands there twice; delete a line, run `snakemake resolve`")
    return lines


def write(path: str | os.PathLike, lines: Iterable[Line]) -> None:
    """Write a lock, whole or not at all."""
    partial = Path(path).with_name(f".{Path(path).name}.partial")
    with open(partial, "w", newline="") as handle:
        table = csv.DictWriter(handle, COLUMNS, delimiter="\t", lineterminator="\n")
        table.writeheader()
        table.writerows(asdict(line) for line in lines)
    os.replace(partial, path)


def differences(old: dict, new: dict) -> list[str]:
    """Size, checksums and part where both state them and differ, with both values."""
    return [
        f"{name} {old[name]} -> {new[name]}" for name in IDENTITY if old[name] and new[name] and old[name] != new[name]
    ]


def selection(row: dict, allowed: Iterable[str] | None = None) -> dict[str, str]:
    """The row's `select` as a dict. Raises InputError for keys its portal does not know."""
    chosen = dict(urllib.parse.parse_qsl(row["select"], strict_parsing=bool(row["select"])))
    if allowed is not None and (strange := sorted(set(chosen) - set(allowed))):
        known = ", ".join(allowed) or "none"
        raise InputError(
            f"{row['file']}: datasets.tsv: select: {', '.join(strange)} is not known to this portal ({known})"
        )
    return chosen


def is_set(row: dict) -> bool:
    """Whether a row stands for several files: its `file` is then the accession, and no file has that name."""
    return bool(row["portal"]) and row["file"] == row["accession"]


def files_of(row: dict, lines: Iterable[Line]) -> list[str]:
    """Names under resources/raw/ that a row stands for. Raises InputError for a set nobody has resolved."""
    if not is_set(row):
        return [row["file"]]
    if files := [line.file for line in lines if line.dataset == row["file"]]:
        return files
    raise InputError(f"{row['file']}: datasets.tsv: its files are not known yet; run `snakemake resolve`")


def wanted(file: str, rows: dict[str, dict], lines: Iterable[Line]) -> dict:
    """What `download.fetch` needs for a file: the row of datasets.tsv, completed by the lock.

    rows  name -> row of datasets.tsv
    Size and checksums of the row stand; the lock fills in what it leaves open, and the address. Raises InputError where
    the two disagree, or for a file that neither names.
    """
    line = next((line for line in lines if line.file == file), None)
    row = rows.get(file) or (rows.get(line.dataset) if line else None)
    if row is None:
        raise InputError(f"{file}: neither datasets.tsv nor datasets.lock.tsv names it; run `snakemake resolve`")
    stated = {name: row.get(name, "") for name in ("url", "bytes", "sha256", "md5")}
    described = {name: row.get(name, "") for name in ("status", "portal", "licence", "origin", "accession")}
    if line is None:
        return {"file": file, **stated, "part": "", "table": "datasets.tsv", **described}
    locked = {name: getattr(line, name) for name in (*stated, "part")}
    if wrong := differences({**stated, "part": ""}, locked):
        raise InputError(
            f"{file}: datasets.tsv and datasets.lock.tsv disagree: {'; '.join(wrong)}; correct the row, or delete the "
            "line and run `snakemake resolve`"
        )
    filled = {name: value or stated.get(name, "") for name, value in locked.items()}
    return {
        "file": file,
        **filled,
        "sha256": stated["sha256"] or line.sha256,
        "table": "datasets.lock.tsv",
        **described,
    }
