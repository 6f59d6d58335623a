"""A plain address: its checksum comes from a list beside the file, or else from downloading the file once.

A file that is in the lock is not downloaded again while its size is the same: `fetch` compares its checksum anyway.
"""

import tempfile
import urllib.parse
from collections.abc import Sequence
from pathlib import Path

from trifold.errors import InputError
from trifold.portals import download
from trifold.portals.lock import Found, Line, selection
from trifold.portals.web import Refused, Web, is_loopback

BASE = ""
INTERVAL_S = 0.2
LISTS = ["md5sum.txt", "MD5SUMS"]


def listed(url: str, lists: list[str], web: Web, interval_s: float) -> str:
    """The md5 that a list in the folder of `url` gives for its file; empty where no list names it."""
    folder, _, name = url.rpartition("/")
    for place in lists:
        try:
            text = web.text(f"{folder}/{place}", interval_s)
        except Refused as error:
            if error.status is None:
                raise
            continue
        for line in text.splitlines():
            # "<md5>  name", "<md5> *name" or "<md5>  ./name".
            digest, _, file_name = line.strip().partition(" ")
            if len(digest) == 32 and file_name.strip().lstrip("*").removeprefix("./") == urllib.parse.unquote(name):
                return digest.lower()
    return ""


def resolve(row: dict, web: Web, base: str = BASE, known: Sequence[Line] = ()) -> list[Found]:
    """The file at the row's own url. Raises InputError where it is not there.

    Over plain http anybody on the way may change a file: such a row must state a checksum.
    """
    selection(row, [])
    url = row["url"]
    if url.startswith("http://") and not is_loopback(url) and not (row["sha256"] or row["md5"]):
        raise InputError(
            f"{row['file']}: datasets.tsv: url: {url} is plain http, and nothing vouches for what comes over it; give "
            "an https address, or write the sha256 (or md5) that its makers state into the row"
        )
    md5 = listed(url, LISTS, web, INTERVAL_S)
    try:
        size = web.size(url, INTERVAL_S)
    except Refused as error:
        # Not every server answers HEAD. If the file is not there, downloading it below fails.
        if error.status is None:
            raise
        size = None
    if md5 and size:
        return [Found(file=row["file"], url=url, bytes=str(size), md5=md5, assembly=row["assembly"])]
    for old in known:
        if old.url == url and old.bytes == str(size):
            return [Found(row["file"], url, old.bytes, old.md5, old.sha256, row["assembly"])]
    with tempfile.TemporaryDirectory() as folder:
        surveyed = download.survey(url, Path(folder) / row["file"], web)
    return [Found(row["file"], url, str(surveyed["bytes"]), surveyed["md5"], surveyed["sha256"], row["assembly"])]
