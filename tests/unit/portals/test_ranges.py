"""One level of a remote .mcool: the same map as the whole file holds, for a small part of its bytes."""

from hashlib import md5

import cooler
import h5py
import numpy as np
import pytest
from loopback import Answer, page

from trifold.errors import InputError
from trifold.io import cool
from trifold.portals import download, ranges, web
from trifold.portals.web import Web

QUICK = Web(timeout_s=0.5, retries=2, backoff_s=0.01)
BLOCK = 1 << 14
SIZES = {"chr1": 3_000_000, "chr2": 2_000_000}


@pytest.fixture(scope="module")
def mcool(tmp_path_factory):
    """Three levels; the finest holds most of the bytes."""
    folder = tmp_path_factory.mktemp("mcool")
    n, random = 5_000, np.random.default_rng(1)
    key = np.unique(random.integers(0, n * n, 200_000))
    bin1, bin2 = key // n, key % n
    upper = bin1 <= bin2
    pixels = {"bin1_id": bin1[upper], "bin2_id": bin2[upper], "count": random.integers(1, 5000, upper.sum())}
    cool.write_cool(folder / "base.cool", SIZES, 1_000, [pixels])
    cooler.zoomify_cooler(str(folder / "base.cool"), str(folder / "map.mcool"), [1_000, 10_000, 50_000], 10_000_000)
    clr = cooler.Cooler(f"{folder}/map.mcool::resolutions/10000")
    cooler.balance_cooler(clr, store=True, ignore_diags=1, mad_max=0, min_nnz=0)
    return folder / "map.mcool"


@pytest.fixture
def served(portal, mcool):
    """The file's bytes at /map.mcool."""
    body = mcool.read_bytes()
    portal.routes = {"/map.mcool": Answer(body, etag='"v1"')}
    return body


def copy(portal, path, group="/resolutions/10000", size=None, block_bytes=BLOCK):
    return ranges.copy_level(f"{portal.url}/map.mcool", group, path, size, QUICK, block_bytes=block_bytes)


def test_a_level_is_the_level_of_the_whole_file(portal, served, mcool, tmp_path):
    report = copy(portal, tmp_path / "level.cool", size=len(served))
    ours, theirs = cooler.Cooler(str(tmp_path / "level.cool")), cooler.Cooler(f"{mcool}::resolutions/10000")
    assert cool.resolutions(tmp_path / "level.cool").keys() == {10_000}
    assert ours.pixels()[:].equals(theirs.pixels()[:])
    assert ours.bins()[:].equals(theirs.bins()[:])
    assert ours.info == theirs.info
    with h5py.File(tmp_path / "level.cool") as one, h5py.File(mcool) as other:
        assert dict(one["bins/weight"].attrs).keys() == dict(other["resolutions/10000/bins/weight"].attrs).keys()
    assert report["source_bytes"] == len(served)
    assert report["fetched_bytes"] == sum(min(BLOCK, len(served) - block * BLOCK) for block in blocks(portal))


def blocks(portal):
    return [int(one[2]["Range"].removeprefix("bytes=").partition("-")[0]) // BLOCK for one in portal.requests]


def test_bytes_saved(portal, served, mcool, tmp_path):
    """The coarsest of three levels costs its own bytes, and blocks of metadata around them."""
    with h5py.File(mcool) as whole:
        stored = [0]
        whole["resolutions/50000"].visititems(
            lambda _, item: stored.append(item.id.get_storage_size() if isinstance(item, h5py.Dataset) else 0)
        )
    report = copy(portal, tmp_path / "level.cool", "/resolutions/50000")
    assert report["fetched_bytes"] < sum(stored) + 16 * BLOCK
    assert report["fetched_bytes"] < 0.25 * len(served)
    assert len(set(blocks(portal))) == len(blocks(portal)), "no block is fetched twice"


@pytest.mark.parametrize("block_bytes", [4_096, 100_000, 1 << 24])
def test_any_block_size(portal, served, tmp_path, block_bytes):
    copy(portal, tmp_path / "level.cool", block_bytes=block_bytes)
    level = cooler.Cooler(str(tmp_path / "level.cool"))
    assert level.info["sum"] == level.pixels()["count"][:].sum() > 0


def test_reads_like_a_file(portal, served):
    with ranges.RemoteFile(f"{portal.url}/map.mcool", None, QUICK, block_bytes=1_000) as remote:
        assert remote.seek(-10, 2) == len(served) - 10
        assert remote.read(100) == served[-10:]
        assert remote.read(5) == b""
        remote.seek(995)
        assert remote.read(2_010) == served[995:3_005]
        assert remote.tell() == 3_005
        remote.seek(-5, 1)
        assert remote.read(5) == served[3_000:3_005]


def interrupted(body, **given):
    return [Answer(body, etag='"v1"', **given), Answer(body, etag='"v1"')]


@pytest.mark.parametrize(
    "once",
    [{"cut_after": 700}, {"status": 503}, {"hang_s": 0.8}, {"status": 429, "headers": {"Retry-After": "0"}}],
    ids=["truncated", "unavailable", "hangs", "busy"],
)
def test_a_block_is_tried_again(portal, served, tmp_path, once):
    portal.routes = {"/map.mcool": interrupted(served, **once)}
    assert copy(portal, tmp_path / "level.cool")["retries"] == 1
    assert cooler.Cooler(str(tmp_path / "level.cool")).info["nnz"] > 0


def damaged(body: bytes, mcool, name: str = "count") -> bytes:
    """The file with one byte changed in the middle of a compressed chunk of the level's pixels."""
    with h5py.File(mcool) as whole:
        chunk = whole[f"resolutions/10000/pixels/{name}"].id.get_chunk_info(0)
    at = chunk.byte_offset + chunk.size // 2
    return body[:at] + bytes([body[at] ^ 0xFF]) + body[at + 1 :]


def test_refusals(portal, served, mcool, tmp_path, monkeypatch):
    monkeypatch.setattr(web, "SLOWEST_BYTES_S", 10_000)
    good = Answer(served, etag='"v1"')
    cases = {
        "gives no ranges": Answer(served, ranges=False),
        "HTTP 403 .*HTML page": page(403),
        "HTTP 404": Answer(status=404),
        "gives no ranges;": Answer(page().body, ranges=False, content_type="text/html"),
        f"is {len(served) - 9} bytes, the portal said {len(served)}": Answer(served[:-9]),
        "was replaced while it was read": [good, good, Answer(served, etag='"v2"')],
        "gave up after 3 tries": Answer(served, cut_after=10),
        "timed out; gave up": Answer(served, hang_s=0.8),
        r"only \d+ bytes in 0.\d s; gave up": Answer(served, pause_s=0.02, piece=7),
        "not a sound level": Answer(damaged(served, mcool)),
        "not a sound level .*signature": Answer(bytes(len(served))),
        "answers another range": Answer(served, 206, headers={"Content-Range": "bytes 7-9/10"}, ranges=False),
    }
    for words, answer in cases.items():
        portal.routes = {"/map.mcool": answer}
        with pytest.raises(InputError, match=words):
            copy(portal, tmp_path / "level.cool", size=len(served))
        assert list(tmp_path.iterdir()) == [], words


def test_a_level_that_is_not_there(portal, served, tmp_path):
    with pytest.raises(InputError, match=r"no level /resolutions/5000 .* it has 1000, 10000, 50000"):
        copy(portal, tmp_path / "level.cool", "/resolutions/5000")
    assert list(tmp_path.iterdir()) == []


def test_sums_are_compared(portal, mcool, tmp_path):
    """A level whose pixels are not those it states."""
    broken = tmp_path / "broken.mcool"
    broken.write_bytes(mcool.read_bytes())
    with h5py.File(broken, "r+") as whole:
        whole["resolutions/10000/pixels/count"][3] += 1
    portal.routes = {"/map.mcool": Answer(broken.read_bytes())}
    with pytest.raises(InputError, match=r"pixels that sum to \d+, the level states"):
        copy(portal, tmp_path / "level.cool")


def test_fetched_like_any_file(portal, served, tmp_path):
    """Through `fetch`: the row's bytes and md5 are of the whole file; a mirror of whole files is not asked."""
    row = {
        "file": "map.10kb.cool",
        "url": f"{portal.url}/map.mcool",
        "part": "hdf5:/resolutions/10000",
        "bytes": str(len(served)),
        "sha256": "",
        "md5": md5(served, usedforsecurity=False).hexdigest(),
    }
    (tmp_path / "map.10kb.cool").write_bytes(b"of a mirror, unverified")
    report = download.fetch(row, tmp_path / "raw/map.10kb.cool", [str(tmp_path)], web=QUICK)
    copied = (tmp_path / "raw/map.10kb.cool").read_bytes()
    assert [path.name for path in (tmp_path / "raw").iterdir()] == ["map.10kb.cool"]
    assert report["md5"] == md5(copied, usedforsecurity=False).hexdigest()
    assert (report["source_bytes"], report["part"]) == (len(served), "hdf5:/resolutions/10000")
    portal.routes = {"/map.mcool": Answer(served + b"more")}
    with pytest.raises(InputError, match=r"could not be fetched\n.*the portal said"):
        download.fetch(row, tmp_path / "other/map.10kb.cool", web=QUICK)
    assert list((tmp_path / "other").iterdir()) == []
