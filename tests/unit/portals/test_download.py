"""Downloads against a real server on loopback: what it may do wrong, and what must then lie on disk."""

import email.utils
import json
import logging
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from hashlib import md5, sha256
from http.client import HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from trifold.errors import InputError
from trifold.portals import download as portal
from trifold.portals.web import LONGEST_WAIT_S, Web

BODY = np.random.default_rng(1).bytes(1_500_000)


@dataclass
class Script:
    """What the server does; `requests` records (path, Range, If-Range) of every one it gets."""

    body: bytes = BODY
    ranges: bool = True
    etag: str | None = '"v1"'
    content_type: str = "application/octet-stream"
    length: bool = True  # Content-Length is sent
    cut_after: list[int] = field(default_factory=list)  # bytes sent before the connection is cut, per request
    failures: list[tuple[int, dict]] = field(default_factory=list)  # status and headers, before anything is served
    failure_body: bytes = b"<!DOCTYPE html><html>log in</html>"
    slow_s: float = 0.0  # between blocks of 64 KiB
    requests: list[tuple] = field(default_factory=list)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    script = Script()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args):
            pass

        def do_GET(self):
            asked, condition = self.headers.get("Range"), self.headers.get("If-Range")
            script.requests.append((self.path, asked, condition))
            if script.failures:
                status, headers = script.failures.pop(0)
                self.send_response(status)
                for key, value in headers.items():
                    self.send_header(key, value)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(script.failure_body)))
                self.end_headers()
                self.wfile.write(script.failure_body)
                return
            body, start = script.body, 0
            if asked and script.ranges and condition in (None, script.etag):
                start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start and start >= len(body):
                self.send_response(416)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            if script.etag:
                self.send_header("ETag", script.etag)
            self.send_header("Content-Type", script.content_type)
            if script.length:
                self.send_header("Content-Length", str(len(body) - start))
            else:
                self.close_connection = True
            self.end_headers()
            cut = script.cut_after.pop(0) if script.cut_after else None
            part = body[start:] if cut is None else body[start : start + cut]
            try:
                for at in range(0, len(part), 1 << 16):
                    self.wfile.write(part[at : at + (1 << 16)])
                    if script.slow_s:
                        time.sleep(script.slow_s)
            except ConnectionError:
                pass
            if cut is not None:
                self.close_connection = True

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    script.url = f"http://127.0.0.1:{httpd.server_port}"
    yield script
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def row_of(url: str = "", body: bytes = BODY, **changes) -> dict:
    row = {"file": "map.cool", "url": url, "bytes": str(len(body)), "sha256": sha256(body).hexdigest(), "md5": ""}
    return {**row, "status": "pinned", "licence": "MIT", "origin": "a package", "accession": "", **changes}


def fetch(row: dict, folder: Path, mirrors=(), **options) -> dict:
    web = Web(**{"retries": 2, "backoff_s": 0.01, "timeout_s": 5, **options})
    return portal.fetch(row, folder / "map.cool", mirrors, web=web)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_good(server, tmp_path):
    report = fetch(row_of(f"{server.url}/map.cool", md5=md5(BODY).hexdigest()), tmp_path / "raw")
    assert (tmp_path / "raw/map.cool").read_bytes() == BODY
    assert names(tmp_path / "raw") == ["map.cool"]
    assert report["sha256"] == sha256(BODY).hexdigest()
    assert report["md5"] == md5(BODY).hexdigest()
    assert (report["bytes"], report["resumed_bytes"], report["retries"]) == (len(BODY), 0, 0)
    assert report["url"] == f"{server.url}/map.cool"
    assert report["licence"] == "MIT"


def test_md5_alone_is_enough(server, tmp_path):
    fetch(row_of(f"{server.url}/a", bytes="", sha256="", md5=md5(BODY).hexdigest()), tmp_path)
    assert (tmp_path / "map.cool").read_bytes() == BODY


def test_cut_connection_is_resumed(server, tmp_path):
    server.cut_after = [400_000, 500_000]
    report = fetch(row_of(f"{server.url}/a"), tmp_path)
    assert (tmp_path / "map.cool").read_bytes() == BODY
    assert report["retries"] == 2
    assert [request[1:] for request in server.requests] == [
        (None, None),
        ("bytes=400000-", '"v1"'),
        ("bytes=900000-", '"v1"'),
    ]


def test_retries_count_from_the_last_progress(server, tmp_path):
    server.cut_after = [200_000] * 6
    report = fetch(row_of(f"{server.url}/a"), tmp_path, retries=1)
    assert report["retries"] == 6
    server.cut_after = [0] * 9
    with pytest.raises(InputError, match="ended after 0 of 1500000 bytes; gave up after 2 tries"):
        fetch(row_of(f"{server.url}/a"), tmp_path / "other", retries=1)


def test_range_ignored(server, tmp_path):
    server.ranges, server.cut_after = False, [400_000]
    fetch(row_of(f"{server.url}/a"), tmp_path)
    assert (tmp_path / "map.cool").read_bytes() == BODY
    assert len(server.requests) == 2


def test_cut_is_seen_without_a_length(server, tmp_path):
    server.length, server.cut_after = False, [400_000]
    fetch(row_of(f"{server.url}/a"), tmp_path)
    assert (tmp_path / "map.cool").read_bytes() == BODY
    assert [request[1] for request in server.requests] == [None, "bytes=400000-"]


@pytest.mark.parametrize("broken", [ssl.SSLError("bad record"), OSError(113, "No route to host")])
def test_any_failure_of_the_network_is_tried_again(server, tmp_path, monkeypatch, broken):
    read1, reads = HTTPResponse.read1, []

    def read(response, limit):
        reads.append(limit)
        if len(reads) == 3:
            raise broken
        return read1(response, limit)

    monkeypatch.setattr(HTTPResponse, "read1", read)
    assert fetch(row_of(f"{server.url}/a"), tmp_path)["retries"] == 1
    assert (tmp_path / "map.cool").read_bytes() == BODY


def test_silent_server(server, tmp_path):
    server.slow_s = 30.0
    start = time.monotonic()
    with pytest.raises(InputError, match="timed out; gave up after 1 tries"):
        fetch(row_of(f"{server.url}/a"), tmp_path, retries=0, timeout_s=0.1)
    assert time.monotonic() - start < 20
    assert BODY.startswith((tmp_path / ".map.cool.partial").read_bytes())


def test_refusal_half_way_keeps_what_came(server, tmp_path):
    server.cut_after = [400_000]
    row = row_of(f"{server.url}/a")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(portal.time, "sleep", lambda seconds: server.failures.append((403, {})))
        with pytest.raises(InputError, match="HTTP 403"):
            fetch(row, tmp_path)
    assert names(tmp_path) == [".map.cool.partial"]
    assert fetch(row, tmp_path)["resumed_bytes"] == 400_000
    assert (tmp_path / "map.cool").read_bytes() == BODY


def test_file_replaced_at_the_server_between_two_pieces(server, tmp_path):
    server.cut_after, old = [400_000], server.body
    server.body = bytes(len(BODY))

    def replace_body(seconds):
        server.body, server.etag = old, '"v2"'

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(portal.time, "sleep", replace_body)
        fetch(row_of(f"{server.url}/a"), tmp_path)
    assert (tmp_path / "map.cool").read_bytes() == BODY


@pytest.mark.parametrize("etag", ['"v1"', None])
def test_partial_of_an_earlier_run(server, tmp_path, etag):
    server.etag = etag
    (tmp_path / ".map.cool.partial").write_bytes(BODY[:700_000])
    report = fetch(row_of(f"{server.url}/a"), tmp_path)
    assert (tmp_path / "map.cool").read_bytes() == BODY
    assert report["resumed_bytes"] == 700_000
    assert server.requests == [("/a", "bytes=700000-", None)]


@pytest.mark.parametrize("size", [100, len(BODY), len(BODY) + 5])
def test_partial_of_another_file_is_given_up(server, tmp_path, size):
    (tmp_path / ".map.cool.partial").write_bytes(bytes(size))
    report = fetch(row_of(f"{server.url}/a"), tmp_path)
    assert (tmp_path / "map.cool").read_bytes() == BODY
    assert names(tmp_path) == ["map.cool"]
    assert report["resumed_bytes"] == 0


def test_partial_longer_than_a_file_of_unknown_size(server, tmp_path):
    (tmp_path / ".map.cool.partial").write_bytes(bytes(len(BODY) + 5))
    fetch(row_of(f"{server.url}/a", bytes=""), tmp_path)
    assert (tmp_path / "map.cool").read_bytes() == BODY


@pytest.mark.parametrize("status", [403, 404])
def test_refusals_are_final(server, tmp_path, status):
    server.failures = [(status, {})] * 5
    with pytest.raises(InputError, match=f"HTTP {status} .*HTML page"):
        fetch(row_of(f"{server.url}/a"), tmp_path)
    assert len(server.requests) == 1
    assert names(tmp_path) == []


@pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", "application/octet-stream"])
def test_html_page_is_no_data(server, tmp_path, content_type):
    server.body, server.content_type = b"\n <!DOCTYPE html><html>please log in</html>", content_type
    with pytest.raises(InputError, match="HTML page"):
        fetch(row_of(f"{server.url}/a", bytes=""), tmp_path)
    assert names(tmp_path) == []


def test_html_file_may_be_html(server, tmp_path):
    server.body, server.content_type = b"<html></html>", "text/html"
    portal.fetch(row_of(f"{server.url}/a", server.body, file="page.html"), tmp_path / "page.html")
    assert (tmp_path / "page.html").read_bytes() == server.body


def test_wrong_checksum_names_both(server, tmp_path):
    server.body = bytes(len(BODY))
    with pytest.raises(InputError) as error:
        fetch(row_of(f"{server.url}/a"), tmp_path)
    assert sha256(BODY).hexdigest() in str(error.value)
    assert sha256(server.body).hexdigest() in str(error.value)
    assert "map.cool" in str(error.value)
    assert names(tmp_path) == []


def test_wrong_size_is_seen_before_the_download(server, tmp_path):
    server.body = BODY + b"more"
    with pytest.raises(InputError, match=r"offers 1500004 bytes, datasets\.tsv says 1500000"):
        fetch(row_of(f"{server.url}/a"), tmp_path)
    assert names(tmp_path) == []


def test_retry_after_is_honoured(server, tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr(portal.time, "sleep", waits.append)
    date = email.utils.formatdate(time.time() + 120, usegmt=True)
    server.failures = [
        (503, {}),
        (429, {"Retry-After": "7"}),
        (503, {"Retry-After": date}),
        (503, {"Retry-After": "99999"}),
        (503, {"Retry-After": "?"}),
        (503, {"Retry-After": "²"}),
    ]
    report = fetch(row_of(f"{server.url}/a"), tmp_path, retries=6, backoff_s=0.5)
    assert waits[:2] == [0.5, 7.0]
    assert 110 < waits[2] <= 120
    assert waits[3:] == [LONGEST_WAIT_S, 8.0, 16.0]
    assert report["retries"] == 6


def test_waits_grow_and_end(server, tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr(portal.time, "sleep", waits.append)
    server.failures = [(500, {})] * 9
    with pytest.raises(InputError, match=r"HTTP 500 .*gave up after 4 tries"):
        fetch(row_of(f"{server.url}/a"), tmp_path, retries=3, backoff_s=0.5)
    assert waits == [0.5, 1.0, 2.0]


def test_no_server(tmp_path):
    with pytest.raises(InputError, match="refused"):
        fetch(row_of("http://127.0.0.1:9/a"), tmp_path, retries=1)


def test_mirror_folder_first(server, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror/map.cool").write_bytes(BODY)
    mirrors = [str(tmp_path / "empty"), str(tmp_path / "absent"), str(tmp_path / "mirror")]
    report = fetch(row_of(f"{server.url}/a"), tmp_path / "raw", mirrors)
    assert server.requests == []
    assert report["url"] == (tmp_path / "mirror/map.cool").as_uri()
    assert (tmp_path / "raw/map.cool").read_bytes() == BODY
    assert (tmp_path / "mirror/map.cool").exists()


def test_mirror_prefix_then_own_address(server, tmp_path):
    server.failures = [(404, {})]
    report = fetch(row_of(f"{server.url}/own/a"), tmp_path, [f"{server.url}/mirror/"])
    assert [request[0] for request in server.requests] == ["/mirror/map.cool", "/own/a"]
    assert report["url"] == f"{server.url}/own/a"


def test_broken_mirror_is_passed_over(server, tmp_path, caplog):
    (tmp_path / "map.cool").write_bytes(bytes(len(BODY)))
    with caplog.at_level(logging.WARNING):
        report = fetch(row_of(f"{server.url}/a"), tmp_path / "raw", [str(tmp_path)])
    assert report["url"] == f"{server.url}/a"
    assert sha256(bytes(len(BODY))).hexdigest() in caplog.text


def test_file_address(tmp_path):
    (tmp_path / "a b.cool").write_bytes(BODY)
    fetch(row_of((tmp_path / "a b.cool").as_uri()), tmp_path / "raw")
    assert (tmp_path / "raw/map.cool").read_bytes() == BODY
    with pytest.raises(InputError, match="cannot be read"):
        fetch(row_of((tmp_path / "absent").as_uri()), tmp_path / "raw2")


def test_unpinned_is_refused_with_the_remedy(server, tmp_path):
    row = row_of(f"{server.url}/a", bytes="", sha256="", status="unpinned")
    with pytest.raises(InputError, match=r"unpinned.*write its bytes and sha256"):
        fetch(row, tmp_path)
    assert server.requests == []


def test_no_address_names_the_origin(tmp_path):
    with pytest.raises(InputError, match=r"a package.*TRIFOLD_MIRROR"):
        fetch(row_of(), tmp_path, [str(tmp_path)])


@pytest.mark.parametrize("name", ["../map.cool", "a/b", "/etc/passwd", "..", "", "a\\b"])
def test_names_stay_in_the_folder(tmp_path, name):
    with pytest.raises(InputError, match="plain file name"):
        fetch(row_of("https://example.org/a", file=name), tmp_path)


def test_other_protocols_are_refused(tmp_path):
    with pytest.raises(InputError, match="only https, http and file"):
        fetch(row_of("ftp://example.org/a"), tmp_path)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_full_disk(server, tmp_path):
    (tmp_path / ".map.cool.partial").symlink_to("/dev/full")
    # /dev/full refuses every write but reads as endless zeros: nothing of it is digested.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(portal._Digest, "of", classmethod(lambda cls, path: cls()))
        with pytest.raises(InputError, match="the disk is full"):
            fetch(row_of(f"{server.url}/a"), tmp_path)
    assert names(tmp_path) == [".map.cool.partial"]


def test_killed_in_the_middle_then_resumed(server, tmp_path, repository):
    server.slow_s = 0.05
    row = row_of(f"{server.url}/a")
    code = "import json, sys; from trifold.portals.download import fetch; fetch(json.loads(sys.argv[1]), sys.argv[2])"
    process = subprocess.Popen([sys.executable, "-c", code, json.dumps(row), tmp_path / "map.cool"], cwd=repository)
    partial = tmp_path / ".map.cool.partial"
    deadline = time.monotonic() + 20
    while not (partial.exists() and partial.stat().st_size > 200_000):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert names(tmp_path) == [".map.cool.partial"]
    kept = partial.stat().st_size
    assert BODY.startswith(partial.read_bytes())
    server.slow_s = 0
    report = fetch(row, tmp_path)
    assert report["resumed_bytes"] == kept
    assert (tmp_path / "map.cool").read_bytes() == BODY
    assert names(tmp_path) == ["map.cool"]


def test_lines_in_a_log(server, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(portal, "LOG_EVERY_S", -1.0)
    with caplog.at_level(logging.INFO):
        fetch(row_of(f"{server.url}/a"), tmp_path)
    assert "map.cool: 1.5 MB of 1.5" in caplog.text
