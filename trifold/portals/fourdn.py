"""4DN data portal: a processed file's record -> its open-data address.

``…/@@download/…`` needs an account and answers a page of HTML without one, so it is never taken. The record's
`open_data_url` needs none; where a record has none, the DRS object may name an S3 copy.
"""

import urllib.parse
from collections.abc import Sequence

from trifold.errors import InputError
from trifold.portals.lock import UCSC_NAME, Found, Line, selection
from trifold.portals.web import Refused, Web

BASE = "https://data.4dnucleome.org"
INTERVAL_S = 0.2  # no rate is published
S3 = "https://{bucket}.s3.amazonaws.com"


def resolve(row: dict, web: Web, base: str = BASE, known: Sequence[Line] = (), s3: str = S3) -> list[Found]:
    """The file of a row (accession 4DNFI…). With `select` resolution=<bp>, that level of an .mcool.

    Raises InputError for an accession that is retired, restricted or not there.
    """
    accession, chosen = row["accession"], selection(row, ["resolution"])
    record = web.json(f"{base}/files-processed/{accession}/?format=json", INTERVAL_S)
    if not (named := record.get("accession")):
        raise InputError(f"{accession}: the 4DN portal has no such file; check the accession in datasets.tsv")
    if named != accession:
        raise InputError(f"{accession}: the 4DN portal has replaced it by {named}; put that into datasets.tsv")
    url, size, md5 = record.get("open_data_url"), record.get("file_size"), record.get("md5sum")
    if not url or "@@download" in url or not size or not md5:
        url, drs_size, drs_md5 = _drs(accession, url, web, base, s3)
        if md5 and drs_md5 and md5 != drs_md5:
            raise InputError(f"{accession}: the 4DN record says md5 {md5}, its DRS object {drs_md5}; ask the portal")
        size, md5 = size or drs_size, md5 or drs_md5
    if not size or not md5:
        raise InputError(
            f"{accession}: the 4DN portal states no {'size' if not size else 'md5'}; it cannot be verified"
        )
    assembly = record.get("genome_assembly") or ""
    return [
        Found(
            file=row["file"],
            url=url,
            bytes=str(size),
            md5=md5,
            assembly=UCSC_NAME.get(assembly, assembly),
            status=record.get("status") or "",
            part=f"hdf5:/resolutions/{chosen['resolution']}" if chosen else "",
        )
    ]


def _drs(accession: str, url: str | None, web: Web, base: str, s3: str) -> tuple[str, int | None, str | None]:
    """Address, size and md5 from the DRS object. Raises InputError where it names no keyless address."""
    try:
        drs_object = web.json(f"{base}/ga4gh/drs/v1/objects/{accession}", INTERVAL_S)
    except Refused as error:
        raise InputError(
            f"{accession}: the 4DN record is no complete open-data entry, and DRS has none ({error}); is it restricted?"
        ) from error
    md5 = next((entry["checksum"] for entry in drs_object.get("checksums", []) if entry.get("type") == "md5"), None)
    places = [url or ""] + [
        (way.get("access_url") or {}).get("url", "") for way in drs_object.get("access_methods", [])
    ]
    for place in places:
        if place.startswith("s3://"):
            bucket, _, key = place.removeprefix("s3://").partition("/")
            place = f"{s3.format(bucket=bucket)}/{urllib.parse.quote(key)}"
        if place.startswith(("https://", "http://")) and "@@download" not in place:
            return place, drs_object.get("size"), md5
    raise InputError(f"{accession}: the 4DN portal gives it only to accounts (@@download); fetch it by hand")
