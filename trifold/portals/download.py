"""Downloads that are verified, resumed and never half-written under their final name.

`trifold.portals.lock.wanted` says what a file must be: its address, size and checksums. Mirrors (folders or URL
prefixes) are tried first. Bytes stream into ``.<name>.partial`` beside the target, which is renamed only after size and
checksums hold; a killed download goes on where it stopped.
"""

import datetime
import errno
import http.client
import io
import logging
import os
import re
import shutil
import sys
import time
import urllib.parse
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import md5, sha256
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from trifold.errors import InputError
from trifold.log import redact
from trifold.portals import ranges
from trifold.portals.lock import FILE_NAME
from trifold.portals.web import (
    LONGEST_WAIT_S,
    Interrupted,
    Pace,
    PastTheEnd,
    Refused,
    Web,
    broken,
    content_range,
    is_html,
    number,
    refuse_credentials,
    refuse_drip,
    request,
    strong_etag,
)

logger = logging.getLogger(__name__)

BLOCK_BYTES = 1 << 18
UNKNOWN = {"bytes": "", "sha256": "", "md5": ""}
LOG_EVERY_S = 30.0
PROGRESS_BYTES = 1 << 16  # a try that brings fewer bytes than this made no progress
INTERVAL_S = 0.1  # between the requests for files to one host


# ---------------------------------------------------------------- what a row asks for


def _table(row: dict) -> str:
    """Name of the table that states size and checksums of a row, for messages."""
    return row.get("table") or "datasets.tsv"


def _sources(row: dict, mirrors: Iterable[str]) -> list[str]:
    """Addresses to try in order; a mirror that is a folder counts only if it holds the file."""
    name, addresses = row["file"], []
    for mirror in mirrors:
        if "://" in mirror:
            addresses.append(f"{mirror.rstrip('/')}/{urllib.parse.quote(name)}")
        elif (path := Path(mirror).expanduser() / name).is_file():
            addresses.append(path.resolve().as_uri())
    if row["url"]:
        addresses.append(row["url"])
    for url in addresses:
        if urllib.parse.urlsplit(url).scheme not in ("https", "http", "file"):
            raise InputError(f"{name}: {redact(url)}: only https, http and file addresses can be fetched")
        refuse_credentials(url)
    return addresses


def _check_row(row: dict) -> None:
    name = row["file"]
    if not re.fullmatch(FILE_NAME, name):
        raise InputError(
            f"datasets.tsv: file: {name[:80]!r} is not a plain file name; files may not leave their folder (letters, "
            "digits, `.`, `_` and `-`, at most 200)"
        )
    if row["sha256"] or row["md5"]:
        return
    if row.get("portal"):
        remedy = "run `snakemake resolve`: it asks the portal and writes resources/datasets.lock.tsv"
    else:
        place = f" from {redact(row['url'])}" if row["url"] else ""
        remedy = (
            f"fetch it by hand{place}, compare it with what its portal states, then "
            "write its bytes and sha256 (sha256sum) or md5 into the row"
        )
    raise InputError(
        f"{name}: datasets.tsv: no checksum is known ({row.get('status') or 'unpinned'}), so a download cannot be "
        f"trusted; {remedy}"
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
            f"{name} is {value}, {_table(row)} says {row[name]}"
            for name, value in self.values().items()
            if row[name] and row[name].lower() != str(value)
        )


# ---------------------------------------------------------------- transfer


@dataclass
class _Stream:
    """An open source: `read(limit)` gives some bytes and b"" at its end."""

    read: Callable[[int], bytes]
    start: int | None  # offset of the first byte
    total: int | None  # bytes of the whole file, where the source says so
    content_type: str = ""
    etag: str | None = None


@contextmanager
def _open(url: str, offset: int, etag: str | None, web: Web) -> Iterator[_Stream]:
    """Open an address at `offset`, if it grants that; a file: address and a server without ranges start at 0."""
    if url.startswith("file:"):
        path = urllib.request.url2pathname(urllib.parse.urlsplit(url).path)
        try:
            handle = open(path, "rb")  # noqa: SIM115
        except OSError as error:
            raise Refused(f"cannot be read ({error.strerror})") from error
        with handle:
            yield _Stream(handle.read, 0, os.fstat(handle.fileno()).st_size)
        return

    headers = {"Range": f"bytes={offset}-"} if offset else {}
    if offset and etag:
        headers["If-Range"] = etag
    with request(url, headers, timeout_s=web.timeout_s, pace=web.pace, interval_s=INTERVAL_S) as response:
        headers = response.headers
        start, total = 0, number(headers.get("Content-Length"))
        if response.status == 206:
            start, total = content_range(headers)
        yield _Stream(response.read1, start, total, headers.get_content_type(), strong_etag(headers))


class _Download:
    """The transfer of a file from one source into its partial file; `result`: path of the file that came of it."""

    def __init__(self, row: dict, url: str, partial: Path, web: Web, shown: Callable[[int], None]):
        self.row, self.url, self.partial, self.web, self.shown = row, url, partial, web, shown
        self.result = partial
        self.digest = _Digest.of(partial)
        self.resumed_bytes = self.digest.size
        self.etag: str | None = None

    def restart(self) -> None:
        self.partial.unlink(missing_ok=True)
        self.digest, self.resumed_bytes, self.etag = _Digest(), 0, None

    def wrong(self) -> str:
        """How the whole file differs from the row, with both values; empty if it does not."""
        return self.digest.mismatch(self.row)

    def transfer(self) -> None:
        """Fetch what is missing. Raises Interrupted if it broke off, Refused if this is not the file."""
        wanted = number(self.row["bytes"])
        if wanted is not None and self.digest.size == wanted:
            return
        if wanted is not None and self.digest.size > wanted:
            self.restart()
        offset = self.digest.size
        try:
            with _open(self.url, offset, self.etag, self.web) as stream:
                if stream.start != offset or (offset and wanted is not None and stream.total != wanted):
                    self.restart()
                    if stream.start != 0:
                        raise Interrupted("the file at the source is not the one begun")
                if wanted is not None and stream.total not in (None, wanted):
                    raise Refused(f"offers {stream.total} bytes, {_table(self.row)} says {wanted}")
                self.etag = stream.etag
                total = wanted if stream.total is None else stream.total
                if total is not None:
                    check_room(self.partial, total - self.digest.size)
                self._copy(stream, total)
        except PastTheEnd:
            self.restart()
            raise

    def _copy(self, stream: _Stream, total: int | None) -> None:
        """Append what the stream gives until the file has `total` bytes."""
        name, at_start = self.row["file"], self.digest.size == 0
        mark, mark_s = self.digest.size, time.monotonic()
        # Unbuffered: the file holds all bytes that the digest has seen, whenever the process dies.
        with open(self.partial, "ab", buffering=0) as handle:
            while total is None or self.digest.size < total:
                limit = BLOCK_BYTES if total is None else min(BLOCK_BYTES, total - self.digest.size)
                try:
                    block = stream.read(limit)
                except (OSError, http.client.HTTPException) as error:
                    raise broken(error) from error
                if not block:
                    break
                if at_start and not name.endswith((".html", ".htm")) and is_html(block, stream.content_type):
                    raise Refused("answers with an HTML page, not the file (an account may be needed)")
                at_start = False
                _write(handle, block, self.partial)
                self.digest.update(block)
                self.shown(self.digest.size)
                if (passed_s := time.monotonic() - mark_s) > self.web.timeout_s:
                    refuse_drip(self.digest.size - mark, passed_s)
                    mark, mark_s = self.digest.size, time.monotonic()
            os.fsync(handle.fileno())
        if total is not None and self.digest.size < total:
            raise Interrupted(f"ended after {self.digest.size} of {total} bytes")


class _Package(_Download):
    """A member of a ZIP. The server packs the ZIP anew for every request, so the row states checksums of the member."""

    def __init__(self, row: dict, url: str, partial: Path, web: Web, shown: Callable[[int], None]):
        super().__init__({**row, **UNKNOWN}, url, partial, web, shown)
        self.member, self.member_row = row["part"].removeprefix("zip:"), row
        self.result = partial.with_name(f"{partial.name}.member")

    def transfer(self) -> None:
        super().transfer()
        self.member_digest = _Digest()
        try:
            with zipfile.ZipFile(self.partial) as package, open(self.result, "wb") as handle:
                if self.member not in package.namelist():
                    self.restart()
                    raise Refused(f"the package holds no {self.member}")
                check_room(self.result, package.getinfo(self.member).file_size)
                with package.open(self.member) as stream:
                    while block := stream.read(BLOCK_BYTES):
                        _write(handle, block, self.result)
                        self.member_digest.update(block)
        except Exception as error:
            self.result.unlink(missing_ok=True)
            if not isinstance(error, zipfile.BadZipFile | zlib.error | EOFError):
                raise
            # The server states no length: a package that was cut off is seen only when it is opened.
            self.restart()
            raise Interrupted(f"the package is not whole ({error})") from error

    def wrong(self) -> str:
        if differs := self.member_digest.mismatch(self.member_row):
            self.result.unlink()
            return differs
        self.partial.unlink()
        self.digest = self.member_digest
        return ""


def check_room(path: Path, more_bytes: int) -> None:
    """Raises InputError where the disk of `path` has not room for so many bytes more."""
    if (free := shutil.disk_usage(path.parent).free) < more_bytes:
        raise InputError(
            f"{path}: {more_bytes:,} bytes are still to come, the disk has room for {free:,}; make room and start "
            "again: what has been fetched is kept and resumed"
        )


def _write(handle: io.RawIOBase | io.BufferedIOBase, block: bytes, partial: Path) -> None:
    remaining = memoryview(block)
    try:
        while remaining:
            remaining = remaining[handle.write(remaining) :]
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(
                f"{partial}: the disk is full; make room and start again: what has been fetched is kept and resumed"
            ) from error
        raise


def _lines(name: str, total: int | None) -> Callable[[int], None]:
    """A function to call with the bytes done, which logs them every `LOG_EVERY_S` seconds."""
    last = time.monotonic()

    def line(done: int) -> None:
        nonlocal last
        if time.monotonic() - last > LOG_EVERY_S:
            last = time.monotonic()
            logger.info("%s: %.1f MB%s", name, done / 1e6, f" of {total / 1e6:.1f}" if total else "")

    return line


@contextmanager
def _progress(name: str, total: int | None, enabled: bool) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, lines in a log; yields a function to call with the bytes done."""
    if not enabled:
        yield lambda done: None
    elif sys.stderr.isatty():
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
        with Progress(*columns, TransferSpeedColumn(), TimeRemainingColumn(), console=Console(stderr=True)) as bar:
            task = bar.add_task(name, total=total)
            yield lambda done: bar.update(task, completed=done)
    else:
        yield _lines(name, total)


def _fetch_from(download: _Download) -> int:
    """Try one source until the file is whole and right; returns how often it was tried again.

    `retries` counts failures in a row without progress beyond what was ever reached. Raises Refused.
    """
    web, row, furthest, failures, again, clean = download.web, download.row, download.digest.size, 0, 0, False
    while True:
        try:
            download.transfer()
        except Interrupted as error:
            failures = 1 if download.digest.size >= furthest + PROGRESS_BYTES else failures + 1
            furthest = max(furthest, download.digest.size)
            if failures > web.retries:
                raise Refused(f"{error}; gave up after {again + 1} tries") from error
            wait_s = min(max(error.wait_s, web.backoff_s * 2 ** (failures - 1)), LONGEST_WAIT_S)
            logger.warning("%s: %s: %s; again in %.1f s", row["file"], redact(download.url), error, wait_s)
            time.sleep(wait_s)
            again += 1
            continue
        except Refused:
            # Bytes that came before the refusal stay for the next source or run; the checksums are compared in the end.
            if not download.digest.size:
                download.restart()
            raise
        if not (wrong := download.wrong()):
            return again
        pieced = bool(download.resumed_bytes or again) and not clean
        download.restart()
        if not pieced:
            raise Refused(wrong)
        # The pieces may be of different versions of the file, some of an earlier run: try once more from the start.
        logger.warning("%s: the pieces do not make the file (%s); again from the start", row["file"], wrong)
        clean, furthest = True, 0


def survey(url: str, path: Path, web: Web) -> dict:
    """Download a file whose size and checksums nobody states; returns bytes, sha256 and md5. Raises Refused."""
    download = _Download({"file": path.name, **UNKNOWN}, url, path, web, _lines(path.name, None))
    _fetch_from(download)
    return download.digest.values()


def fetch(
    row: dict,
    target: str | os.PathLike,
    mirrors: Iterable[str] = (),
    *,
    web: Web | None = None,
    progress: bool = True,
) -> dict:
    """Download one file to `target`; verified, or not there at all.

    row      as `trifold.portals.lock.wanted` gives it; strings: file, url, bytes, sha256, md5, part (empty where
             unknown), status, portal, licence, origin, accession
    mirrors  folders or URL prefixes, tried in order before the row's own address (not for a level of an .mcool: it has
             no checksum of its own)
    web      retries without progress before a source is given up, waits, longest silence of a server, pace; None: a
             minute of silence, 5 retries, the pace all processes share
    Returns where it came from, size, checksums, `resumed_bytes` and `retries`. Raises InputError for a row that cannot
    be trusted, sources that all failed (each with its reason), or a full disk.
    """
    target, web = Path(target), web or Web(timeout_s=60.0, retries=5, pace=Pace())
    _check_row(row)
    name, part = row["file"], row.get("part", "")
    if not (sources := _sources(row, [] if part.startswith("hdf5:") else mirrors)):
        raise InputError(
            f"{name}: no public address is known, and no mirror holds it; it comes from {row.get('origin') or '?'}: "
            "put it into a folder and name the folder in `mirrors` of the config or in TRIFOLD_MIRROR"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    failures = []
    for url in sources:
        try:
            with _progress(name, None if part else number(row["bytes"]), progress) as shown:
                if part.startswith("hdf5:"):
                    report = _fetch_level(row, url, partial, target, web, shown)
                else:
                    # A mirror holds the member itself.
                    kind = _Package if part and url == row["url"] else _Download
                    report = _fetch_file(kind(row, url, partial, web, shown), target)
        except Refused as refusal:
            logger.warning("%s: %s: %s", name, redact(url), refusal)
            failures.append(f"{redact(url)}: {refusal}")
            continue
        logger.info("%s: %d bytes from %s, verified", name, report["bytes"], redact(url))
        return {
            "file": name,
            "url": redact(url),
            "part": part,
            **report,
            "fetched": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            **{key: row.get(key, "") for key in ("licence", "origin", "accession")},
        }
    raise InputError(f"{name}: could not be fetched\n" + "\n".join(failures))


def _fetch_file(download: _Download, target: Path) -> dict:
    """Fetch a file, or a member of a package, and rename it to `target`."""
    again = _fetch_from(download)
    os.replace(download.result, target)
    return {**download.digest.values(), "resumed_bytes": download.resumed_bytes, "retries": again}


def _fetch_level(row: dict, url: str, partial: Path, target: Path, web: Web, shown: Callable[[int], None]) -> dict:
    """Fetch one level of an .mcool and rename it to `target`; checked: size of the .mcool, number and sum of pixels."""
    report = ranges.copy_level(url, row["part"].removeprefix("hdf5:"), partial, number(row["bytes"]), web, shown)
    os.replace(partial, target)
    return {**_Digest.of(target).values(), **report}
