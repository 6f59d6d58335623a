"""ENCODE portal: a file, or the files of an experiment -> stable public addresses.

A file's `href` redirects to a signed address that lives for hours; `cloud_metadata.url` is the object itself.
"""

import urllib.parse
from collections.abc import Sequence

from trifold.errors import InputError
from trifold.portals.lock import UCSC_NAME, Found, Line, selection
from trifold.portals.web import Web

BASE = "https://www.encodeproject.org"
INTERVAL_S = 0.1  # ten GET a second


def resolve(row: dict, web: Web, base: str = BASE, known: Sequence[Line] = ()) -> list[Found]:
    """The file of a row (accession ENCFF…), or the files of an experiment (ENCSR…) that `select` asks for.

    Raises InputError for an accession that is not there, not released, or of which nothing fits `select`.
    """
    accession = row["accession"]
    if accession.startswith("ENCSR"):
        return [_found(record) for record in _choose(accession, _search(row, web, base))]
    record = _record(accession, web, base)
    if record.get("status") != "released" or record.get("no_file_available"):
        status = "without a file" if record.get("no_file_available") else record.get("status")
        raise InputError(f"{accession}: at ENCODE it is {status}; name another file in datasets.tsv")
    return [_found(record, row["file"])]


def _record(accession: str, web: Web, base: str) -> dict:
    record = web.json(f"{base}/files/{accession}/?format=json&frame=object", INTERVAL_S)
    if record.get("accession", accession) != accession or not record.get("md5sum"):
        named = record.get("accession") or "nothing"
        raise InputError(f"{accession}: ENCODE answers {named} for it; put an accession that exists into datasets.tsv")
    return {"accession": accession, **record}


def _search(row: dict, web: Web, base: str) -> list[dict]:
    """Records of an experiment's released files that fit `select`."""
    accession, terms = row["accession"], selection(row)
    query = {"type": "File", "dataset": f"/experiments/{accession}/", **terms}
    query |= {"status": "released", "format": "json", "limit": "all"}
    answer = web.json(f"{base}/search/?{urllib.parse.urlencode(query, safe='/')}", INTERVAL_S)
    names = [hit["accession"] for hit in answer.get("@graph", [])]
    records = [_record(name, web, base) for name in names]
    # The search may return files that do not fit; the terms are compared with the records.
    fitting = [
        record
        for record in records
        if record.get("status") == "released"
        and not record.get("no_file_available")
        and all(record[key] == value for key, value in terms.items() if isinstance(record.get(key), str))
    ]
    if not fitting:
        raise InputError(
            f"{accession}: ENCODE has no released file with {row['select'] or 'any term'} among {len(names)} found; "
            "check accession and select in datasets.tsv"
        )
    return fitting


def _replicates(record: dict) -> tuple:
    return tuple(sorted(record.get("technical_replicates") or record.get("biological_replicates") or ()))


def _biological(records: list[dict]) -> set:
    return {number for record in records for number in record.get("biological_replicates") or ()}


def _choose(accession: str, records: list[dict]) -> list[dict]:
    """All biological replicates once, from one analysis: the one with a preferred file, else the newest.

    A file of all replicates is taken alone; otherwise the newest file of every replicate. Raises InputError where no
    analysis holds every replicate, or where files share a replicate.
    """
    replicates, analyses = _biological(records), {}
    for record in records:
        for analysis in record.get("analyses") or [""]:
            analyses.setdefault(str(analysis), []).append(record)
    whole = [group for group in analyses.values() if _biological(group) == replicates]
    if not whole:
        raise InputError(
            f"{accession}: no analysis at ENCODE holds all of replicates {sorted(replicates)}; name files (ENCFF)"
        )
    group = max(
        whole,
        key=lambda files: (any(file.get("preferred_default") for file in files), max(map(_age, files))),
    )
    if len(group) > 1 and not all(map(_replicates, group)):
        raise InputError(f"{accession}: ENCODE states no replicates of {len(group)} files that fit; name files (ENCFF)")
    newest = {}
    for record in sorted(group, key=lambda file: (bool(file.get("preferred_default")), _age(file))):
        newest[_replicates(record)] = record
    if pooled := [file for file in newest.values() if len(replicates) > 1 and _biological([file]) == replicates]:
        return pooled[-1:]
    chosen = sorted(newest.values(), key=lambda file: file["accession"])
    seen = [replicate for file in chosen for replicate in _replicates(file)]
    if len(seen) != len(set(seen)):
        raise InputError(
            f"{accession}: ENCODE files share replicates ({', '.join(map(str, seen))}); name files (ENCFF)"
        )
    return chosen


def _age(record: dict) -> str:
    return str(record.get("date_created") or "")


def _found(record: dict, name: str | None = None) -> Found:
    url = (record.get("cloud_metadata") or {}).get("url")
    if not url:
        raise InputError(f"{record['accession']}: ENCODE gives no public address (cloud_metadata); name another file")
    if not record.get("file_size"):
        raise InputError(f"{record['accession']}: ENCODE states no size; it cannot be verified")
    assembly = record.get("assembly") or ""
    return Found(
        file=name or record["href"].rpartition("/")[2],
        url=url,
        bytes=str(record["file_size"]),
        md5=record["md5sum"],
        assembly=UCSC_NAME.get(assembly, assembly),
        status=record["status"],
    )
