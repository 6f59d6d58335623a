"""Downloads that are verified, resumed and never half-written under their final name.

A row of `resources/datasets.tsv` says what a file must be: size and checksums. Mirrors (folders or URL prefixes) are
tried first, then the row's own addresses. Bytes stream into ``.<name>.partial`` beside the target, which is renamed
only after size and checksums hold; a killed download goes on where it stopped.
"""

import datetime
import email.utils
import errno
import http.client
import io
import logging
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import md5, sha256
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from trifold.errors import InputError

logger = logging.getLogger(__name__)

BLOCK_BYTES = 1 << 18
LONGEST_WAIT_S = 600.0  # a server may ask for more by Retry-After; nobody waits that long
LOG_EVERY_S = 30.0
# Worth another try; any other refusal is final.
TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})


class _Refused(InputError):
    """This source cannot give the file; another one may."""


class _Interrupted(Exception):
    """The transfer broke off; another try may get further."""

    def __init__(self, reason: str, wait_s: float = 0.0):
        super().__init__(reason)
        self.wait_s = wait_s


class _PastTheEnd(_Interrupted):
    """The source is shorter than what has been fetched (HTTP 416)."""


# ---------------------------------------------------------------- what a row asks for


def locate(row: dict) -> list[str]:
    """Addresses of a row's file, best first. Portals that resolve accessions extend this list."""
    return [row["url"]] if row["url"] else []


def _sources(row: dict, mirrors: Iterable[str]) -> list[str]:
    """Addresses to try in order; a mirror that is a folder counts only if it holds the file."""
    name, found = row["file"], []
    for mirror in mirrors:
        if "://" in mirror:
            found.append(f"{mirror.rstrip('/')}/{urllib.parse.quote(name)}")
        elif (path := Path(mirror).expanduser() / name).is_file():
            found.append(path.resolve().as_uri())
    found += locate(row)
    for url in found:
        if urllib.parse.urlsplit(url).scheme not in ("https", "http", "file"):
            raise InputError(f"{name}: {url}: only https, http and file addresses can be fetched")
    return found


def _check_row(row: dict) -> None:
    name = row["file"]
    if not name or name in (".", "..") or Path(name).name != name or "\\" in name or "\0" in name:
        raise InputError(f"datasets.tsv: file: {name!r} is not a plain file name; files may not leave their folder")
    if not (row["sha256"] or row["md5"]):
        raise InputError(
            f"{name}: datasets.tsv: no checksum is pinned ({row.get('status') or 'unpinned'}), so a download cannot be "
            f"trusted; fetch it by hand{' from ' + row['url'] if row['url'] else ''}, compare it with what its portal "
            "states, then write its bytes and sha256 (sha256sum) or md5 into the row"
        )


# ---------------------------------------------------------------- verification


class _Digest:
    """Size and checksums of the bytes so far."""

    def __init__(self):
        self.size, self._sha256, self._md5 = 0, sha256(), md5(usedforsecurity=False)

    def update(self, block: bytes) -> None:
        self.size += len(block)
        self._sha256.update(block)
        self._md5.update(block)

    @classmethod
    def of(cls, path: Path) -> "_Digest":
        digest = cls()
        if path.exists():
            with open(path, "rb") as handle:
                while block := handle.read(BLOCK_BYTES):
                    digest.update(block)
        return digest

    def values(self) -> dict:
        return {"bytes": self.size, "sha256": self._sha256.hexdigest(), "md5": self._md5.hexdigest()}

    def mismatch(self, row: dict) -> str:
        """What differs from the row, with both values; empty if nothing does."""
        return "; ".join(
            f"{name} is {value}, datasets.tsv says {row[name]}"
            for name, value in self.values().items()
            if row[name] and row[name].lower() != str(value)
        )


def _is_html(head: bytes, content_type: str) -> bool:
    return content_type.startswith("text/html") or head.lstrip().lower().startswith((b"<!doctype", b"<html"))


# ---------------------------------------------------------------- transfer


@dataclass
class _Stream:
    """An open source: `read(limit)` gives some bytes and b"" at its end."""

    read: Callable[[int], bytes]
    start: int | None  # offset of the first byte
    total: int | None  # bytes of the whole file, where the source says so
    content_type: str = ""
    etag: str | None = None


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None


def _retry_after_s(value: str | None) -> float:
    """Seconds from a Retry-After header: a number or a date."""
    if not value:
        return 0.0
    if value.strip().isdecimal():
        return float(value)
    try:
        until = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    return max(0.0, (until - datetime.datetime.now(until.tzinfo)).total_seconds())


def _broken(error: Exception) -> _Interrupted:
    return _Interrupted(str(getattr(error, "reason", error)) or type(error).__name__)


@contextmanager
def _open(url: str, offset: int, etag: str | None, timeout_s: float) -> Iterator[_Stream]:
    """Open an address at `offset`, if it grants that; a file: address and a server without ranges start at 0."""
    if url.startswith("file:"):
        path = urllib.request.url2pathname(urllib.parse.urlsplit(url).path)
        try:
            handle = open(path, "rb")  # noqa: SIM115
        except OSError as error:
            raise _Refused(f"cannot be read ({error.strerror})") from error
        with handle:
            yield _Stream(handle.read, 0, os.fstat(handle.fileno()).st_size)
        return

    request = urllib.request.Request(url, headers={"User-Agent": "trifold"})
    if offset:
        request.add_header("Range", f"bytes={offset}-")
        if etag:
            request.add_header("If-Range", etag)
    try:
        response = urllib.request.urlopen(request, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        with error:
            page = " with an HTML page" if error.headers.get_content_type() == "text/html" else ""
            reason = f"HTTP {error.code} {error.reason}{page}"
            if error.code == 416:
                raise _PastTheEnd(reason) from error
            if error.code in TRANSIENT_STATUS:
                raise _Interrupted(reason, _retry_after_s(error.headers.get("Retry-After"))) from error
            raise _Refused(reason) from error
    except (OSError, http.client.HTTPException) as error:
        raise _broken(error) from error
    with response:
        headers = response.headers
        length = _number(headers.get("Content-Length"))
        if response.status == 206:
            first, _, total = (headers.get("Content-Range") or "").removeprefix("bytes ").partition("/")
            start = _number(first.partition("-")[0])
            total = _number(total) or (start + length if start is not None and length is not None else None)
        else:
            start, total = 0, length
        # A weak validator does not vouch for equal bytes.
        validator = headers.get("ETag")
        validator = validator if validator and validator.startswith('"') else None
        yield _Stream(response.read1, start, total, headers.get_content_type(), validator)


class _Download:
    """One file on its way from one source into its partial file."""

    def __init__(self, row: dict, url: str, partial: Path, timeout_s: float, shown: Callable[[int], None]):
        self.row, self.url, self.partial, self.timeout_s, self.shown = row, url, partial, timeout_s, shown
        self.digest = _Digest.of(partial)
        self.resumed_bytes = self.digest.size
        self.etag: str | None = None

    def restart(self) -> None:
        self.partial.unlink(missing_ok=True)
        self.digest, self.resumed_bytes, self.etag = _Digest(), 0, None

    def transfer(self) -> None:
        """Fetch what is missing. Raises _Interrupted if it broke off, _Refused if this is not the file."""
        wanted = _number(self.row["bytes"])
        if wanted is not None and self.digest.size == wanted:
            return
        if wanted is not None and self.digest.size > wanted:
            self.restart()
        offset = self.digest.size
        try:
            with _open(self.url, offset, self.etag, self.timeout_s) as stream:
                if stream.start != offset or (offset and wanted is not None and stream.total != wanted):
                    self.restart()
                    if stream.start != 0:
                        raise _Interrupted("the file at the source is not the one begun")
                if wanted is not None and stream.total not in (None, wanted):
                    raise _Refused(f"offers {stream.total} bytes, datasets.tsv says {wanted}")
                self.etag = stream.etag
                self._copy(stream, wanted if stream.total is None else stream.total)
        except _PastTheEnd:
            self.restart()
            raise

    def _copy(self, stream: _Stream, total: int | None) -> None:
        """Append what the stream gives until the file has `total` bytes."""
        name, at_start = self.row["file"], self.digest.size == 0
        # Unbuffered: what the digest has seen is what the file holds, whenever the process dies.
        with open(self.partial, "ab", buffering=0) as handle:
            while total is None or self.digest.size < total:
                left = BLOCK_BYTES if total is None else min(BLOCK_BYTES, total - self.digest.size)
                try:
                    block = stream.read(left)
                except (OSError, http.client.HTTPException) as error:
                    raise _broken(error) from error
                if not block:
                    break
                if at_start and not name.endswith((".html", ".htm")) and _is_html(block, stream.content_type):
                    raise _Refused("answers with an HTML page, not the file (an account may be needed)")
                at_start = False
                _write(handle, block, self.partial)
                self.digest.update(block)
                self.shown(self.digest.size)
            os.fsync(handle.fileno())
        if total is not None and self.digest.size < total:
            raise _Interrupted(f"ended after {self.digest.size} of {total} bytes")


def _write(handle: io.RawIOBase, block: bytes, partial: Path) -> None:
    left = memoryview(block)
    try:
        while left:
            left = left[handle.write(left) :]
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(
                f"{partial}: the disk is full; make room and start again: what has been fetched is kept and resumed"
            ) from error
        raise


@contextmanager
def _progress(name: str, total: int | None, wanted: bool) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, a line now and then in a log; yields a function of the bytes done."""
    if not wanted:
        yield lambda done: None
    elif sys.stderr.isatty():
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
        with Progress(*columns, TransferSpeedColumn(), TimeRemainingColumn(), console=Console(stderr=True)) as bar:
            task = bar.add_task(name, total=total)
            yield lambda done: bar.update(task, completed=done)
    else:
        last = time.monotonic()

        def line(done: int) -> None:
            nonlocal last
            if time.monotonic() - last > LOG_EVERY_S:
                last = time.monotonic()
                logger.info("%s: %.1f MB%s", name, done / 1e6, f" of {total / 1e6:.1f}" if total else "")

        yield line


def _fetch_from(download: _Download, retries: int, backoff_s: float) -> int:
    """Try one source until the file is whole and right; returns how often it was tried again.

    `retries` counts failures in a row without a byte more than ever before. Raises _Refused.
    """
    row, furthest, failures, again, clean = download.row, download.digest.size, 0, 0, False
    while True:
        try:
            download.transfer()
        except _Interrupted as broken:
            failures = 1 if download.digest.size > furthest else failures + 1
            furthest = max(furthest, download.digest.size)
            if failures > retries:
                raise _Refused(f"{broken}; gave up after {again + 1} tries") from broken
            wait_s = min(max(broken.wait_s, backoff_s * 2 ** (failures - 1)), LONGEST_WAIT_S)
            logger.warning("%s: %s: %s; again in %.1f s", row["file"], download.url, broken, wait_s)
            time.sleep(wait_s)
            again += 1
            continue
        except _Refused:
            # What came before the refusal stays for another source or another run: checksums decide in the end.
            if not download.digest.size:
                download.restart()
            raise
        if not (wrong := download.digest.mismatch(row)):
            return again
        pieced = bool(download.resumed_bytes or again) and not clean
        download.restart()
        if not pieced:
            raise _Refused(wrong)
        # The pieces may be of different files, an earlier run's among them: once more from the start.
        logger.warning("%s: the pieces do not make the file (%s); again from the start", row["file"], wrong)
        clean, furthest = True, 0


def fetch(
    row: dict,
    target: str | os.PathLike,
    mirrors: Iterable[str] = (),
    *,
    retries: int = 5,
    timeout_s: float = 60.0,
    backoff_s: float = 1.0,
    progress: bool = True,
) -> dict:
    """Download the file of one row of datasets.tsv to `target`; verified, or not there at all.

    row        strings: file, url, bytes, sha256, md5 (empty where unknown), status, licence, origin, accession
    mirrors    folders or URL prefixes, tried in order before the row's own address
    retries    tries again without progress before a source is given up; waits grow as backoff_s · 2^i
    timeout_s  longest silence of a server
    Returns where it came from, size, checksums, `resumed_bytes` and `retries`. Raises InputError for a row that cannot
    be trusted, sources that all failed (each with its reason), or a full disk.
    """
    target = Path(target)
    _check_row(row)
    name = row["file"]
    if not (sources := _sources(row, mirrors)):
        raise InputError(
            f"{name}: no public address is known, and no mirror holds it; it comes from {row.get('origin') or '?'}: "
            "put it into a folder and name the folder in `mirrors` of the config or in TRIFOLD_MIRROR"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    failures = []
    for url in sources:
        with _progress(name, _number(row["bytes"]), progress) as shown:
            download = _Download(row, url, partial, timeout_s, shown)
            try:
                again = _fetch_from(download, retries, backoff_s)
            except _Refused as refusal:
                logger.warning("%s: %s: %s", name, url, refusal)
                failures.append(f"{url}: {refusal}")
                continue
        os.replace(partial, target)
        logger.info("%s: %d bytes from %s, verified", name, download.digest.size, url)
        return {
            "file": name,
            "url": url,
            **download.digest.values(),
            "resumed_bytes": download.resumed_bytes,
            "retries": again,
            "fetched": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            **{key: row.get(key, "") for key in ("licence", "origin", "accession")},
        }
    raise InputError(f"{name}: could not be fetched\n" + "\n".join(failures))
