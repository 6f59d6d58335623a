"""Pace, waits and small answers."""

import threading
import time
from types import SimpleNamespace

import pytest
from loopback import Answer, record

from trifold.errors import InputError
from trifold.portals import web as module
from trifold.portals.web import LONGEST_WAIT_S, Pace, Refused, Web


def test_requests_to_one_host_are_spaced(portal, tmp_path, monkeypatch):
    """Over threads that each have a pace of their own, as processes do: the folder is what they share."""
    portal.routes = {"/a": record({"a": 1})}
    waits = []
    # A clock that stands still: each request waits for one interval more than the one before it.
    monkeypatch.setattr(
        module, "time", SimpleNamespace(time=lambda: 1000.0, monotonic=time.monotonic, sleep=waits.append)
    )

    def ask():
        Web(pace=Pace(tmp_path)).json(f"{portal.url}/a", 0.5)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(portal.requests) == 6
    assert sorted(waits) == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.5])


def test_hosts_do_not_wait_for_each_other(tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr(module.time, "sleep", waits.append)
    pace = Pace(tmp_path)
    pace.wait("https://one.org/a", 5.0)
    pace.wait("https://two.org/a", 5.0)
    assert waits == []
    pace.wait("https://one.org/b", 5.0)
    assert waits == [pytest.approx(5.0, abs=0.5)]


def test_retry_after_holds_for_everybody(portal, tmp_path, monkeypatch):
    portal.routes = {"/a": [Answer(status=429, headers={"Retry-After": "7"}), record({"a": 1})]}
    waits = []
    monkeypatch.setattr(module.time, "sleep", waits.append)
    assert Web(backoff_s=0.1, pace=Pace(tmp_path)).json(f"{portal.url}/a") == {"a": 1}
    # Its own wait; the time is not passed, as nobody slept, so the second request waits for the host once more.
    assert waits == [7.0, pytest.approx(7.0, abs=0.5)]
    waits.clear()
    Pace(tmp_path).wait(f"{portal.url}/other", 0.0)
    assert waits == [pytest.approx(7.0, abs=1.0)]


def test_a_stamp_of_the_far_future_is_not_believed(tmp_path, monkeypatch):
    """The clock was set back, or the file is spoilt."""
    waits = []
    monkeypatch.setattr(module.time, "sleep", waits.append)
    pace = Pace(tmp_path)
    (tmp_path / "one.org").write_text(repr(time.time() + 1e6))
    pace.wait("https://one.org/", 0.0)
    assert waits == [pytest.approx(LONGEST_WAIT_S, abs=1.0)]
    (tmp_path / "one.org").write_text("17e")
    pace.wait("https://one.org/", 0.0)
    assert len(waits) == 1


def test_waits_grow(portal, monkeypatch):
    portal.routes = {"/a": Answer(status=503)}
    waits = []
    monkeypatch.setattr(module.time, "sleep", waits.append)
    with pytest.raises(Refused, match=r"HTTP 503 .*gave up after 4 tries"):
        Web(retries=3, backoff_s=0.5).json(f"{portal.url}/a")
    assert waits == [0.5, 1.0, 2.0]


def test_a_record_has_an_end(portal, web, monkeypatch):
    monkeypatch.setattr(module, "LONGEST_ANSWER_BYTES", 1_000)
    portal.routes = {"/a": Answer(b"[" + b"1," * 100_000, content_type="application/json")}
    with pytest.raises(InputError, match="more than 1000 bytes where a record was asked for"):
        web.json(f"{portal.url}/a")


@pytest.mark.parametrize("given, seconds", [("17", 17.0), (None, 0.0), ("soon", 0.0), ("²", 0.0)])
def test_retry_after(given, seconds):
    assert module.retry_after_s(given) == seconds


@pytest.mark.parametrize(
    "headers, expected",
    [
        ({"Content-Range": "bytes 5-9/20"}, (5, 20)),
        ({"Content-Range": "bytes 5-9/*", "Content-Length": "5"}, (5, 10)),
        ({"Content-Range": "bytes */20"}, (None, 20)),
        ({}, (None, None)),
    ],
)
def test_content_range(headers, expected):
    assert module.content_range(headers) == expected
