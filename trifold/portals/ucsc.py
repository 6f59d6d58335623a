"""UCSC genome downloads: the genome of an assembly, with the checksum of md5sum.txt beside it."""

from collections.abc import Sequence

from trifold.errors import InputError
from trifold.portals import plain
from trifold.portals.lock import Found, Line, selection
from trifold.portals.web import Web

BASE = "https://hgdownload.soe.ucsc.edu"
INTERVAL_S = 0.2  # no rate is published for files


def resolve(row: dict, web: Web, base: str = BASE, known: Sequence[Line] = ()) -> list[Found]:
    """``goldenPath/<accession>/bigZips/<accession>.fa.gz``, under the row's file name. Raises InputError."""
    selection(row, [])
    assembly = row["accession"]
    url = f"{base}/goldenPath/{assembly}/bigZips/{assembly}.fa.gz"
    listed = plain.listed(url, ["md5sum.txt"], web, INTERVAL_S)
    if not listed:
        raise InputError(
            f"{row['file']}: UCSC lists no {assembly}.fa.gz in md5sum.txt; is {assembly!r} a UCSC assembly?"
        )
    if not (size := web.size(url, INTERVAL_S)):
        raise InputError(f"{row['file']}: UCSC states no size of {url}; it cannot be verified")
    return [Found(file=row["file"], url=url, bytes=str(size), md5=listed, assembly=assembly)]
