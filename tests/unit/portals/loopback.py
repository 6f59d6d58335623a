"""A server on loopback that plays the portals: it serves what a test tells it to, well or badly."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LOGIN_PAGE = b"<!DOCTYPE html><html><title>Log in</title>" + b" " * 9_000 + b"</html>"


@dataclass
class Answer:
    """What is sent for one request; of a list of answers the last one repeats."""

    body: bytes = b""
    status: int = 200
    headers: dict = field(default_factory=dict)
    content_type: str = "application/octet-stream"
    etag: str | None = None
    ranges: bool = True
    claims: int | None = None  # Content-Length, where it lies
    no_length: bool = False
    cut_after: int | None = None  # bytes of the body, then the connection is closed
    pause_s: float = 0.0  # after every piece of the body
    piece: int = 1 << 16
    hang_s: float = 0.0  # before the status line


def record(value, status: int = 200) -> Answer:
    return Answer(json.dumps(value).encode(), status, content_type="application/json")


def page(status: int = 200) -> Answer:
    return Answer(LOGIN_PAGE, status, content_type="text/html; charset=utf-8")


def moved(location: str, status: int = 302) -> Answer:
    return Answer(status=status, headers={"Location": location})


class Portal:
    """routes: path with query -> Answer or list of them; requests: (method, path, headers, time) of all that came."""

    def __init__(self):
        self.routes: dict[str, Answer | list[Answer]] = {}
        self.requests: list[tuple] = []
        self.lock = threading.Lock()
        self.url = ""

    def answer(self, path: str) -> Answer:
        with self.lock:
            found = self.routes.get(path, Answer(b"no such thing", 404, content_type="text/plain"))
            if isinstance(found, list):
                return found.pop(0) if len(found) > 1 else found[0]
            return found

    def asked(self, path: str | None = None) -> list[tuple]:
        return [one for one in self.requests if path in (None, one[1])]

    @property
    def paths(self) -> list[str]:
        return [one[1] for one in self.requests]


def _serve(handler, answer: Answer) -> None:
    if answer.hang_s:
        time.sleep(answer.hang_s)
    body, first, last = answer.body, 0, len(answer.body) - 1
    asked = handler.headers.get("Range")
    ranged = asked and answer.ranges and answer.status == 200 and handler.headers.get("If-Range") in (None, answer.etag)
    if ranged:
        low, _, high = asked.removeprefix("bytes=").partition("-")
        first, last = int(low), min(int(high), last) if high else last
        if first >= len(body):
            handler.send_response(416)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
    handler.send_response(206 if ranged else answer.status)
    if ranged:
        handler.send_header("Content-Range", f"bytes {first}-{last}/{len(body)}")
    for name, value in answer.headers.items():
        handler.send_header(name, value)
    if answer.etag:
        handler.send_header("ETag", answer.etag)
    handler.send_header("Content-Type", answer.content_type)
    part = body[first : last + 1]
    if answer.no_length:
        handler.close_connection = True
    else:
        handler.send_header("Content-Length", str(len(part) if answer.claims is None else answer.claims))
    handler.end_headers()
    if handler.command == "HEAD":
        return
    sent = part if answer.cut_after is None else part[: answer.cut_after]
    for at in range(0, len(sent), answer.piece):
        handler.wfile.write(sent[at : at + answer.piece])
        if answer.pause_s:
            time.sleep(answer.pause_s)
    if len(sent) < len(part) or answer.claims is not None:
        handler.close_connection = True


@contextmanager
def serving() -> Iterator[Portal]:
    """Serves a portal until the block ends."""
    state = Portal()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args):
            pass

        def do_GET(self):
            state.requests.append((self.command, self.path, dict(self.headers), time.monotonic()))
            try:
                _serve(self, state.answer(self.path))
            except ConnectionError:
                self.close_connection = True

        do_HEAD = do_GET

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
