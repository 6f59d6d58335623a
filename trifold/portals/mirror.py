"""Download one file, verified: from a mirror or from its URL, resumed where it broke, never half under its name.

Portals plug in at `locations`: what they add is where a row's file may be found, nothing else.
"""

import errno
import hashlib
import http.client
import logging
import os
import shutil
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from trifold.errors import InputError

log = logging.getLogger(__name__)

BLOCK = 1 << 18
LONGEST_WAIT_S = 60.0
# Answers that another try cannot change.
FINAL = {400, 401, 403, 404, 405, 410}


class _Retry(Exception):
    """A fault that may pass; `wait_s` is what the server asked for."""

    def __init__(self, message: str, wait_s: float | None = None):
        super().__init__(message)
        self.wait_s = wait_s


class _Refused(Exception):
    """This location does not have the file."""


def locations(row: dict, mirrors: list[str]) -> list[str]:
    """Where the file of a row may lie, in the order to try: each mirror (a folder or a URL prefix), then its own URL."""
    found = []
    for mirror in mirrors:
        if urllib.parse.urlsplit(mirror).scheme in ("http", "https", "file"):
            found.append(f"{mirror.rstrip('/')}/{urllib.parse.quote(row['file'])}")
        else:
            found.append((Path(mirror).expanduser() / row["file"]).absolute().as_uri())
    return found + ([row["url"]] if row["url"] else [])


def _check_row(row: dict) -> None:
    name = row["file"]
    where = f"resources/datasets.tsv, row {name!r}"
    if not name or Path(name).name != name or name.startswith("."):
        raise InputError(f"{where}: field file: a plain file name is needed, without folders or a leading dot")
    if not (row["sha256"] or row["md5"]):
        raise InputError(
            f"{where}: fields sha256 and md5 are empty, so a wrong file could not be told from the right one; "
            "fill in the checksum the portal states"
        )
    scheme = urllib.parse.urlsplit(row["url"]).scheme
    if row["url"] and scheme not in ("https", "http", "file"):
        raise InputError(f"{where}: field url: {row['url']!r} is neither https, http nor file")


def fetch(
    row: dict,
    target: Path,
    mirrors: list[str],
    *,
    retries: int = 5,
    timeout_s: float = 60.0,
    backoff_s: float = 1.0,
) -> dict:
    """Bring the file of a row of datasets.tsv to `target` and return where it came from.

    row: file, url, bytes, sha256, md5 (text; empty = not known, but one checksum is needed).
    A broken download stays beside the target as ``.<name>.partial`` and is resumed by range. The target's name appears
    only once size and checksums agree. Raises InputError for a row that cannot be fetched, a file that differs from
    its checksum, an HTML page in place of data, or a full disk, each naming the file and the remedy.
    """
    _check_row(row)
    target.parent.mkdir(parents=True, exist_ok=True)
    if not (places := locations(row, mirrors)):
        raise InputError(
            f"{row['file']}: no URL is known and no mirror is given; it comes from {row.get('origin') or 'elsewhere'}. "
            "Put it into a folder and name that under config: mirrors, or in TRIFOLD_MIRROR"
        )
    refusals = []
    for url in places:
        try:
            return _fetch_from(url, row, target, retries, timeout_s, backoff_s)
        except _Refused as error:
            refusals.append(f"{url}: {error}")
            log.info("%s: %s", url, error)
    raise InputError(f"{row['file']}: not found. Tried {'; '.join(refusals)}. {_remedy(row)}")


def _remedy(row: dict) -> str:
    return (
        f"Correct its url in resources/datasets.tsv, or put the file (from {row.get('origin') or 'its portal'}) into a "
        "folder named under config: mirrors, or in TRIFOLD_MIRROR"
    )


def _fetch_from(url: str, row: dict, target: Path, retries: int, timeout_s: float, backoff_s: float) -> dict:
    partial = target.with_name(f".{target.name}.partial")
    for attempt in range(retries + 1):
        try:
            _download(url, row, partial, timeout_s)
            _verify(url, row, partial)
        except _Retry as error:
            if attempt == retries:
                raise _Refused(f"given up after {retries + 1} tries: {error}") from error
            wait_s = min(error.wait_s if error.wait_s is not None else backoff_s * 2**attempt, LONGEST_WAIT_S)
            log.warning("%s: %s; again in %.1f s", url, error, wait_s)
            time.sleep(wait_s)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise InputError(
                f"{target}: the disk is full; free space and run again, the download goes on where it stopped"
            ) from error
        else:
            os.replace(partial, target)
            return {"file": row["file"], "url": url, "bytes": target.stat().st_size, "sha256": _digest(target, "sha256")}
    raise AssertionError("unreachable")


# ---------------------------------------------------------------- one try


def _download(url: str, row: dict, partial: Path, timeout_s: float) -> None:
    """Complete the partial file from one location: by copying, or from where it stopped by HTTP range."""
    if url.startswith("file:"):
        source = Path(urllib.request.url2pathname(urllib.parse.urlsplit(url).path))
        if not source.is_file():
            raise _Refused("no such file")
        with open(source, "rb") as reader, open(partial, "wb") as writer:
            shutil.copyfileobj(reader, writer, BLOCK)
        return
    have = partial.stat().st_size if partial.exists() else 0
    expected = int(row["bytes"]) if row["bytes"] else None
    if expected is not None and have == expected:
        return
    if expected is not None and have > expected:
        have = 0
    request = urllib.request.Request(url, headers={"User-Agent": "trifold", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            if urllib.parse.urlsplit(answer.url).scheme == "http" and url.startswith("https"):
                raise _Refused("the server redirects from https to http")
            resumed = answer.status == 206 and (answer.headers["Content-Range"] or "").startswith(f"bytes {have}-")
            _check_type(answer, row)
            _receive(answer, partial, row["file"], have if resumed else 0)
    except urllib.error.HTTPError as error:
        if error.code == 416:
            # What is here is not a beginning of what is there.
            partial.unlink(missing_ok=True)
            raise _Retry("the server cannot resume; from the start") from error
        message = f"HTTP {error.code} {error.reason}"
        if error.code in FINAL:
            raise _Refused(message) from error
        raise _Retry(message, _retry_after(error.headers)) from error
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise _Retry(str(error) or type(error).__name__) from error


def _retry_after(headers) -> float | None:
    try:
        return float(headers.get("Retry-After", ""))
    except ValueError:
        return None


def _check_type(answer, row: dict) -> None:
    kind = (answer.headers["Content-Type"] or "").split(";")[0].strip().lower()
    if kind in ("text/html", "application/xhtml+xml") and not _is_page(row["file"]):
        raise _Refused("the server sent an HTML page, not the data (a log-in or error page)")


def _is_page(name: str) -> bool:
    return name.lower().endswith((".html", ".htm"))


def _receive(answer, partial: Path, name: str, have: int) -> None:
    length = answer.headers["Content-Length"]
    total = have + int(length) if length else None
    with open(partial, "ab" if have else "wb") as writer, _progress(name, have, total) as advance:
        while block := answer.read(BLOCK):
            writer.write(block)
            advance(len(block))
        got = writer.tell()
    if total is not None and got < total:
        raise _Retry(f"the connection ended after {got} of {total} bytes")


@contextmanager
def _progress(name: str, have: int, total: int | None) -> Iterator:
    """A bar on a terminal; two lines in a log."""
    if sys.stderr.isatty():
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        with Progress(*columns) as bar:
            task = bar.add_task(name, total=total, completed=have)
            yield lambda count: bar.advance(task, count)
    else:
        log.info("%s: %s of %s bytes here already, downloading", name, have, total if total is not None else "unknown")
        yield lambda count: None


# ---------------------------------------------------------------- verification


def _digest(path: Path, kind: str) -> str:
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, kind).hexdigest()


def _verify(url: str, row: dict, partial: Path) -> None:
    """Raises InputError, and removes the partial file, where size or checksum differ from the row."""
    with open(partial, "rb") as handle:
        start = handle.read(512).lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")) and not _is_page(row["file"]):
        partial.unlink()
        raise _Refused("the server sent an HTML page, not the data (a log-in or error page)")
    size = partial.stat().st_size
    wrong = []
    if row["bytes"] and size != int(row["bytes"]):
        wrong.append(f"bytes: expected {row['bytes']}, found {size}")
    else:
        for kind in ("sha256", "md5"):
            if row[kind] and (found := _digest(partial, kind)) != row[kind].lower():
                wrong.append(f"{kind}: expected {row[kind]}, found {found}")
    if wrong:
        partial.unlink()
        raise InputError(
            f"{row['file']} from {url} is not the file of resources/datasets.tsv ({'; '.join(wrong)}). It was removed; "
            "fetch it again, and if the source has a new release, correct the row"
        )
