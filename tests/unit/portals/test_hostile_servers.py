"""Everything a server may do wrong, one case each: the right file in the end or a clear error, never another file."""

import io
import zipfile
from hashlib import md5, sha256

import numpy as np
import pytest
from loopback import Answer, moved, page

from trifold.errors import InputError
from trifold.portals import download, web
from trifold.portals.web import Web

BODY = np.random.default_rng(2).bytes(300_000)
OTHER = np.random.default_rng(3).bytes(300_000)
QUICK = Web(timeout_s=0.3, retries=2, backoff_s=0.01)
FILE = "/files/map.mcool"


def digest(body: bytes) -> str:
    return md5(body, usedforsecurity=False).hexdigest()


def row_of(url: str, body: bytes = BODY, **given) -> dict:
    known = {"file": "map.mcool", "url": url, "bytes": str(len(body)), "sha256": "", "md5": digest(body), "part": ""}
    return known | {"status": "released", "portal": "4dn", "table": "datasets.lock.tsv", **given}


def whole(**given) -> Answer:
    return Answer(BODY, **given)


# The right file in the end: what the server answers, request by request, and how often it is asked.
GOOD = {
    "as it should be": ([whole()], 1),
    "permanent redirect": ([moved("/real", 301)], 1),
    "signed redirect": ([moved("/real?Signature=a&Expires=1")], 1),
    "signature expired, signed anew": ([moved("/expired?Signature=a"), moved("/real")], 2),
    "see other, temporary, permanent again": ([moved("/hop303", 303)], 1),
    "busy, Retry-After": ([Answer(status=429, headers={"Retry-After": "0"}), whole()], 2),
    "down for a moment": ([Answer(status=503), Answer(status=502), whole()], 3),
    "gateway page of HTML, then the file": ([page(504), whole()], 2),
    "truncated, resumed": ([whole(cut_after=100_000), whole()], 2),
    "truncated without a length": ([whole(cut_after=100_000, no_length=True), whole()], 2),
    "truncated, then ranges are ignored": ([whole(cut_after=100_000), whole(ranges=False)], 2),
    "hangs before the answer, once": ([whole(hang_s=0.5), whole()], 2),
    "hangs in the middle, once": ([whole(pause_s=0.6, piece=100_000), whole()], 2),
    "drips, once": ([whole(pause_s=0.03, piece=5), whole()], 2),
    "replaced between two pieces": ([Answer(OTHER, cut_after=100_000, etag='"a"'), whole(etag='"b"')], 2),
    "replaced, without saying so": ([Answer(OTHER, cut_after=100_000), whole()], 3),
    "empty answer, once": ([Answer(b"", no_length=True), whole()], 2),
}


@pytest.mark.parametrize("case", GOOD)
def test_the_right_file(portal, tmp_path, case, monkeypatch):
    monkeypatch.setattr(web, "SLOWEST_BYTES_S", 10_000)
    answers, times = GOOD[case]
    portal.routes = {
        FILE: list(answers),
        "/real": whole(),
        "/real?Signature=a&Expires=1": whole(),
        "/expired?Signature=a": Answer(b"<Error>Request has expired</Error>", 403, content_type="application/xml"),
        "/hop303": moved("/hop307", 307),
        "/hop307": moved("/real", 308),
    }
    report = download.fetch(row_of(portal.url + FILE), tmp_path / "map.mcool", web=QUICK)
    assert (tmp_path / "map.mcool").read_bytes() == BODY
    assert [path.name for path in tmp_path.iterdir()] == ["map.mcool"]
    assert len(portal.asked(FILE)) == times
    assert (report["md5"], report["bytes"]) == (digest(BODY), len(BODY))


# A clear error: what the server always answers, and what the error says of it.
BAD = {
    "account needed: 403 and a page": (page(403), "HTTP 403 .* with an HTML page"),
    "account needed: 200 and a page": (page(), "offers .* bytes, datasets.lock.tsv says 300000"),
    "unknown: 404 and JSON": (Answer(b'{"total": 0}', 404, content_type="application/json"), "HTTP 404"),
    "gone": (Answer(status=410), "HTTP 410"),
    "redirect to a log-in": (moved("/login"), "offers .* bytes"),
    "redirect to itself": (moved(FILE), "infinite loop|gave up"),
    "redirect to another protocol": (moved("file:///etc/passwd"), "not allowed|gave up"),
    "signature always expired": (moved("/expired"), "HTTP 403 .* after a redirect; gave up after 3 tries"),
    "always truncated": (whole(cut_after=10, ranges=False), r"ended after 10 of 300000 bytes; gave up after \d tries"),
    "claims less than it has": (whole(claims=1000), "offers 1000 bytes, datasets.lock.tsv says 300000"),
    "claims more than it has": (Answer(BODY, claims=300_009), "offers 300009 bytes"),
    "same size, one byte flipped": (Answer(BODY[:-1] + bytes([BODY[-1] ^ 1])), f"md5 is .*says {digest(BODY)}"),
    "another file of the same size": (Answer(OTHER), f"md5 is {digest(OTHER)}"),
    "an older, longer file": (Answer(BODY + b"more"), "offers 300004 bytes"),
    "empty file": (Answer(b""), "offers 0 bytes"),
    "always hangs": (whole(hang_s=1.0), "timed out; gave up after 3 tries"),
    "always drips": (whole(pause_s=0.02, piece=3), r"only \d+ bytes in 0.\d s; gave up after 3 tries"),
    "always busy": (Answer(status=429, headers={"Retry-After": "0"}), "HTTP 429 .*gave up after 3 tries"),
    "answers another range": (
        Answer(BODY, 206, headers={"Content-Range": "bytes 5-300004/300005"}),
        "not the one begun; gave up",
    ),
    "JSON under the name of the map": (Answer(b"{}", content_type="application/json"), "offers 2 bytes"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_clear_error(portal, tmp_path, case, monkeypatch):
    monkeypatch.setattr(web, "SLOWEST_BYTES_S", 10_000)
    answer, words = BAD[case]
    portal.routes = {FILE: answer, "/login": page(), "/expired": Answer(status=403)}
    with pytest.raises(InputError, match=rf"map.mcool: could not be fetched\n.*({words})"):
        download.fetch(row_of(portal.url + FILE), tmp_path / "map.mcool", web=QUICK)
    assert not (tmp_path / "map.mcool").exists()
    # What is kept for another try is the beginning of the file, or is thrown away.
    for path in tmp_path.iterdir():
        assert path.name == ".map.mcool.partial"
        assert BODY.startswith(path.read_bytes())


def test_a_page_of_the_right_size(portal, tmp_path):
    answer = page()
    portal.routes = {FILE: answer}
    with pytest.raises(InputError, match="HTML page, not the file"):
        download.fetch(row_of(portal.url + FILE, answer.body), tmp_path / "map.mcool", web=QUICK)
    assert list(tmp_path.iterdir()) == []


def test_room_is_looked_for_before_the_start(portal, tmp_path, monkeypatch):
    portal.routes = {FILE: whole()}
    (tmp_path / ".map.mcool.partial").write_bytes(BODY[:100_000])
    usage = type("Usage", (), {"free": 199_999})
    monkeypatch.setattr(download.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(InputError, match="200,000 bytes are still to come, the disk has room for 199,999"):
        download.fetch(row_of(portal.url + FILE), tmp_path / "map.mcool", web=QUICK)
    assert (tmp_path / ".map.mcool.partial").read_bytes() == BODY[:100_000]
    usage.free = 200_000
    assert download.fetch(row_of(portal.url + FILE), tmp_path / "map.mcool", web=QUICK)["resumed_bytes"] == 100_000


# ---------------------------------------------------------------- one member of a package


def package_of(**members: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as package:
        for name, body in members.items():
            package.writestr(name, body)
    return made.getvalue()


PACKAGE = package_of(**{"README.md": b"hello", "data/genome.fna": BODY})
PART = {"file": "genome.fna", "part": "zip:data/genome.fna"}


@pytest.mark.parametrize(
    "answers",
    [
        [Answer(PACKAGE)],
        [Answer(PACKAGE, no_length=True, ranges=False)],
        [Answer(PACKAGE, no_length=True, cut_after=200_000), Answer(PACKAGE)],
        # Made anew, the pieces do not fit: once more from the start.
        [Answer(package_of(a=OTHER), cut_after=200_000), Answer(PACKAGE)],
    ],
)
def test_a_member_of_a_package(portal, tmp_path, answers):
    portal.routes = {"/download": answers}
    report = download.fetch(row_of(f"{portal.url}/download", **PART), tmp_path / "genome.fna", web=QUICK)
    assert (tmp_path / "genome.fna").read_bytes() == BODY
    assert [path.name for path in tmp_path.iterdir()] == ["genome.fna"]
    assert report["sha256"] == sha256(BODY).hexdigest()


@pytest.mark.parametrize(
    "body, words",
    [
        (PACKAGE[:200_000], "package is not whole"),
        (package_of(**{"README.md": b"hello"}), "holds no data/genome.fna"),
        (package_of(**{"data/genome.fna": OTHER}), f"md5 is {digest(OTHER)}, datasets.lock.tsv says {digest(BODY)}"),
        (PACKAGE[:150_000] + b"\0\0" + PACKAGE[150_002:], "package is not whole"),
        (b"{}", "package is not whole"),
    ],
)
def test_a_bad_package(portal, tmp_path, body, words):
    portal.routes = {"/download": Answer(body, no_length=True)}
    with pytest.raises(InputError, match=words):
        download.fetch(row_of(f"{portal.url}/download", **PART), tmp_path / "genome.fna", web=QUICK)
    assert list(tmp_path.iterdir()) == []


def test_a_mirror_holds_the_member_itself(portal, tmp_path):
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror/genome.fna").write_bytes(BODY)
    row = row_of(f"{portal.url}/download", **PART)
    download.fetch(row, tmp_path / "raw/genome.fna", [str(tmp_path / "mirror")], web=QUICK)
    assert (tmp_path / "raw/genome.fna").read_bytes() == BODY
    assert portal.requests == []
