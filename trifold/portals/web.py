"""HTTP as portals need it: time-outs, what may be tried again, Retry-After, a pace per host.

A busy portal answers 429 or 5xx. A portal that lacks an accession answers 404, an HTML page, or `{}`.
"""

import datetime
import email.utils
import fcntl
import http.client
import json
import os
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from trifold.errors import InputError
from trifold.log import redact

T = TypeVar("T")
LONGEST_WAIT_S = 600.0  # the longest wait, also where a server asks for more by Retry-After
SLOWEST_BYTES_S = 1_000  # a server that sends less than this over the time-out counts as silent
LONGEST_ANSWER_BYTES = 1 << 26  # of an answer read into memory: a record, a list of checksums
# Worth another try; any other refusal is final.
TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
# Answers of a server to an expired signature, where a redirect led to a signed address.
EXPIRED_STATUS = frozenset({400, 401, 403, 410})


class Refused(InputError):
    """This source cannot give what was asked; another one may.

    `status` is HTTP's, None where the network failed; `body` the JSON that came with a 404.
    """

    def __init__(self, reason: str, status: int | None = None, body: bytes = b""):
        super().__init__(reason)
        self.status, self.body = status, body


class Interrupted(Exception):
    """The transfer broke off; another try may get further. `wait_s`: the wait the server asks for (Retry-After)."""

    def __init__(self, reason: str, wait_s: float = 0.0):
        super().__init__(reason)
        self.wait_s = wait_s


class PastTheEnd(Interrupted):
    """The source is shorter than what has been fetched (HTTP 416)."""


def number(text: str | None) -> int | None:
    """A text of a header or table as a whole number; None where it is none."""
    return int(text) if text and text.isdecimal() else None


def retry_after_s(value: str | None) -> float:
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


def broken(error: Exception) -> Interrupted:
    """An error of the network as a reason to try again."""
    return Interrupted(str(getattr(error, "reason", error)) or type(error).__name__)


def refuse_drip(came_bytes: int, passed_s: float) -> None:
    """Raises Interrupted below `SLOWEST_BYTES_S`: a slow trickle never meets the time-out of a socket."""
    if came_bytes < SLOWEST_BYTES_S * passed_s:
        raise Interrupted(f"only {came_bytes} bytes in {passed_s:.1f} s")


def is_loopback(url: str) -> bool:
    """Whether an address is of this very machine."""
    return urllib.parse.urlsplit(url).hostname in ("127.0.0.1", "::1", "localhost")


def refuse_credentials(url: str) -> None:
    """Raises Refused for an address with a user name or password: addresses stand in tables, records and reports."""
    if "@" in urllib.parse.urlsplit(url).netloc:
        raise Refused(
            f"{redact(url)}: an address must not hold a user name or password; fetch the file yourself into a folder "
            "and name the folder in `mirrors` of the config or in TRIFOLD_MIRROR"
        )


def is_html(head: bytes, content_type: str) -> bool:
    return content_type.startswith("text/html") or head.lstrip().lower().startswith((b"<!doctype", b"<html"))


def content_range(headers) -> tuple[int | None, int | None]:
    """First byte and size of the whole, from the headers of a 206."""
    span, _, total = (headers.get("Content-Range") or "").removeprefix("bytes ").partition("/")
    start, length = number(span.partition("-")[0]), number(headers.get("Content-Length"))
    return start, number(total) or (start + length if start is not None and length is not None else None)


def strong_etag(headers) -> str | None:
    """The ETag, or None where it is weak: equal weak ETags do not mean equal bytes."""
    validator = headers.get("ETag")
    return validator if validator and validator.startswith('"') else None


# ---------------------------------------------------------------- pace


class Pace:
    """Spaces the requests to each host, over all threads and all processes of one user on this machine.

    A small file per host, locked while it is read and written, holds the time the next request may start.
    """

    def __init__(self, folder: str | os.PathLike | None = None):
        self.folder = Path(folder or Path(tempfile.gettempdir()) / f"trifold-pace-{os.getuid()}")
        self.folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def _next(self, url: str) -> Iterator[tuple[float, Callable[[float], None]]]:
        """When the next request may start (not before now), and a function that sets it."""
        host = urllib.parse.quote(urllib.parse.urlsplit(url).netloc, safe="")
        with open(self.folder / host, "a+") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            handle.seek(0)
            now = time.time()
            try:
                stamp = float(handle.read())
            except ValueError:
                # A new file, or one whose writer was killed.
                stamp = now

            def keep(new: float) -> None:
                handle.seek(0)
                handle.truncate()
                handle.write(repr(new))

            # At most the longest wait from now: the clock may have been set back since the stamp was written.
            yield min(max(now, stamp), now + LONGEST_WAIT_S), keep

    def wait(self, url: str, interval_s: float) -> None:
        """Return when a request may start; the next one starts `interval_s` later at the earliest."""
        with self._next(url) as (start, keep):
            keep(start + interval_s)
        if (wait_s := start - time.time()) > 0:
            time.sleep(wait_s)

    def hold(self, url: str, seconds: float) -> None:
        """Let no request to this host start for so many seconds, as the host asked for by Retry-After."""
        with self._next(url) as (start, keep):
            keep(max(start, time.time() + min(seconds, LONGEST_WAIT_S)))


# ---------------------------------------------------------------- requests


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Refuses redirects to addresses with a user or password, as `request` refuses such addresses."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        refuse_credentials(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def request(
    url: str,
    headers: dict[str, str] | None = None,
    *,
    timeout_s: float,
    method: str = "GET",
    pace: Pace | None = None,
    interval_s: float = 0.0,
) -> http.client.HTTPResponse:
    """Open an address; redirects are followed. Raises Interrupted where another try may help, else Refused."""
    refuse_credentials(url)
    if pace is not None:
        pace.wait(url, interval_s)
    outgoing = urllib.request.Request(url, headers={"User-Agent": "trifold", **(headers or {})}, method=method)
    try:
        return urllib.request.build_opener(_Redirects).open(outgoing, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        with error:
            page = " with an HTML page" if error.headers.get_content_type() == "text/html" else ""
            reason = f"HTTP {error.code} {error.reason}{page}"
            if error.code == 416:
                raise PastTheEnd(reason) from error
            # A signed address is short-lived: the next try starts from the address that signs.
            if error.code in EXPIRED_STATUS and error.url != url:
                raise Interrupted(f"{reason} after a redirect") from error
            if error.code in TRANSIENT_STATUS:
                wait_s = retry_after_s(error.headers.get("Retry-After"))
                if pace is not None and wait_s:
                    pace.hold(url, wait_s)
                raise Interrupted(reason, wait_s) from error
            body = b""
            if error.code == 404 and error.headers.get_content_type() == "application/json":
                try:
                    body = error.read(LONGEST_ANSWER_BYTES)
                except (OSError, http.client.HTTPException) as cut:
                    raise broken(cut) from cut
            raise Refused(reason, error.code, body) from error
    except http.client.InvalidURL as error:
        # Its text quotes the address, which may hold a password.
        raise Refused("leads to an address that cannot be used") from error
    except (OSError, http.client.HTTPException) as error:
        raise broken(error) from error


@dataclass(frozen=True)
class Web:
    """Settings of requests. timeout_s: longest silence; retries: further tries, the i-th after backoff_s · 2^i."""

    timeout_s: float = 30.0
    retries: int = 4
    backoff_s: float = 1.0
    pace: Pace | None = None

    def _tried(self, url: str, once: Callable[[], T]) -> T:
        failures = 0
        while True:
            try:
                return once()
            except Interrupted as error:
                if failures == self.retries:
                    raise Refused(f"{redact(url)}: {error}; gave up after {failures + 1} tries") from error
                time.sleep(min(max(error.wait_s, self.backoff_s * 2**failures), LONGEST_WAIT_S))
                failures += 1
            except Refused as error:
                raise Refused(f"{redact(url)}: {error}", error.status, error.body) from error

    def _read(self, url: str, accept: str, interval_s: float) -> bytes:
        """The body of an answer. It must be complete within twice the time-out, however slowly bytes trickle in."""
        options = {"timeout_s": self.timeout_s, "pace": self.pace, "interval_s": interval_s}
        end, body = time.monotonic() + 2 * self.timeout_s, bytearray()
        with request(url, {"Accept": accept}, **options) as response:
            length = number(response.headers.get("Content-Length"))
            try:
                while block := response.read1(1 << 16):
                    body += block
                    if time.monotonic() > end:
                        raise Interrupted(f"only {len(body)} bytes in {2 * self.timeout_s:g} s")
                    if len(body) > LONGEST_ANSWER_BYTES:
                        raise Refused(f"more than {LONGEST_ANSWER_BYTES} bytes where a record was asked for")
            except (OSError, http.client.HTTPException) as error:
                raise broken(error) from error
            if length is not None and len(body) < length:
                raise Interrupted(f"ended after {len(body)} of {length} bytes")
            if is_html(bytes(body[:64]), response.headers.get_content_type()):
                raise Refused("answers with an HTML page, not the record (is the accession right?)", response.status)
        return bytes(body)

    def text(self, url: str, interval_s: float = 0.0) -> str:
        """A small text file. Raises Refused."""
        return self._tried(url, lambda: self._read(url, "*/*", interval_s)).decode("utf-8", "replace")

    def json(self, url: str, interval_s: float = 0.0) -> dict:
        """A JSON object; a 404 that carries one (an empty search) gives it. Raises Refused."""

        def once() -> dict:
            try:
                body = self._read(url, "application/json", interval_s)
            except Refused as error:
                if not (body := error.body):
                    raise
            try:
                answer = json.loads(body)
            except ValueError as error:
                raise Interrupted(f"answers no JSON ({error})") from error
            if not isinstance(answer, dict):
                raise Refused("answers JSON, but no object")
            return answer

        return self._tried(url, once)

    def size(self, url: str, interval_s: float = 0.0) -> int | None:
        """Bytes of a file, by HEAD; None where the server does not say. Raises Refused."""

        def once() -> int | None:
            options = {"timeout_s": self.timeout_s, "pace": self.pace, "interval_s": interval_s}
            with request(url, method="HEAD", **options) as response:
                if response.headers.get_content_type() == "text/html":
                    raise Refused("answers with an HTML page, not the file", response.status)
                return number(response.headers.get("Content-Length"))

        return self._tried(url, once)
