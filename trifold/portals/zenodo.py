"""Zenodo: a file of a record. Records are immutable: a new version has a new number."""

import urllib.parse
from collections.abc import Sequence

from trifold.errors import InputError
from trifold.portals.lock import Found, Line, selection
from trifold.portals.web import Web

BASE = "https://zenodo.org"
INTERVAL_S = 1.0  # sixty a minute for guests


def resolve(row: dict, web: Web, base: str = BASE, known: Sequence[Line] = ()) -> list[Found]:
    """The file `select` key=<name> of the record (accession: its number), or its only one. Raises InputError."""
    number, key = row["accession"], selection(row, ["key"]).get("key")
    record = web.json(f"{base}/api/records/{number}", INTERVAL_S)
    files = {entry["key"]: entry for entry in record.get("files", [])}
    if key is None and len(files) == 1:
        key = next(iter(files))
    if key is None or key not in files:
        raise InputError(
            f"{row['file']}: Zenodo record {number} has the files {', '.join(files) or '(none)'}; put one into "
            "datasets.tsv as select: key=<name>"
        )
    kind, _, digest = files[key].get("checksum", "").partition(":")
    if kind != "md5" or not digest:
        raise InputError(f"{row['file']}: Zenodo record {number} states no md5 of {key}; it cannot be verified")
    url = f"{base}/records/{number}/files/{urllib.parse.quote(key)}?download=1"
    return [Found(file=row["file"], url=url, bytes=str(files[key]["size"]), md5=digest, assembly=row["assembly"])]
