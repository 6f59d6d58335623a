"""One level of a remote .mcool, read by HTTP ranges, so that a file of many gigabytes is not downloaded whole.

HDF5 reads through a file object that fetches whole blocks on demand and keeps the last few. Nothing is decompressed on
the way: the level's groups are copied as they are stored. Nobody states a checksum of a level, so every pixel of the
copy is decompressed, which checks the chunks' checksums, and number and sum are compared with those the level states.
"""

import http.client
import io
import os
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import h5py
import numpy as np

from trifold.errors import InputError
from trifold.portals.web import (
    LONGEST_WAIT_S,
    Interrupted,
    PastTheEnd,
    Refused,
    Web,
    broken,
    content_range,
    refuse_drip,
    request,
    strong_etag,
)

BLOCK_BYTES = 1 << 22  # one request; a round trip takes as long as some hundred kB
KEPT_BLOCKS = 16
CHECKED_PIXELS = 1_000_000
Kind = TypeVar("Kind", h5py.Group, h5py.Dataset)


class RemoteFile(io.RawIOBase):
    """A file at an address, read by ranges; `fetched_bytes` counts what came.

    size_bytes  what the whole file must have; None takes what the server says
    Raises Refused where the server gives no ranges, another size, or another file than at the first request.
    """

    def __init__(
        self,
        url: str,
        size_bytes: int | None,
        web: Web,
        shown: Callable[[int], None] = lambda done: None,
        block_bytes: int = BLOCK_BYTES,
    ):
        super().__init__()
        self.url, self.web, self.shown, self.block_bytes = url, web, shown, block_bytes
        self.fetched_bytes, self.retries, self.etag = 0, 0, None
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._position, self._expected_bytes = 0, size_bytes
        self._block(0)

    @property
    def size_bytes(self) -> int:
        """Size of the whole file: as given, or else as the first answer of the server says."""
        if self._expected_bytes is None:
            raise ValueError(f"{self.url}: nothing of it has been read")
        return self._expected_bytes

    # -- what io asks for

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size_bytes}[whence]
        self._position = origin + offset
        return self._position

    def readinto(self, buffer) -> int:
        end, done = min(self._position + len(buffer), self.size_bytes), 0
        while self._position < end:
            number, start = divmod(self._position, self.block_bytes)
            piece = self._block(number)[start : start + end - self._position]
            buffer[done : done + len(piece)] = piece
            done += len(piece)
            self._position += len(piece)
        return done

    # -- blocks

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            self._blocks[number] = self._fetch(number)
            if len(self._blocks) > KEPT_BLOCKS:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(number)
        return self._blocks[number]

    def _fetch(self, number: int) -> bytes:
        failures = 0
        while True:
            try:
                return self._once(number)
            except PastTheEnd as error:
                raise Refused(
                    f"ends before byte {number * self.block_bytes}, {self._expected_bytes} expected"
                ) from error
            except Interrupted as error:
                if failures == self.web.retries:
                    raise Refused(f"{error}; gave up after {failures + 1} tries") from error
                self.retries += 1
                time.sleep(min(max(error.wait_s, self.web.backoff_s * 2**failures), LONGEST_WAIT_S))
                failures += 1

    def _once(self, number: int) -> bytes:
        start = number * self.block_bytes
        end = start + self.block_bytes
        if self._expected_bytes is not None:
            end = min(end, self._expected_bytes)
        headers = {"Range": f"bytes={start}-{end - 1}", **({"If-Match": self.etag} if self.etag else {})}
        with request(self.url, headers, timeout_s=self.web.timeout_s, pace=self.web.pace) as response:
            if response.status != 206:
                raise Refused("gives no ranges; fetch the whole file (the row of the .mcool without `select`)")
            first, total = content_range(response.headers)
            if first != start or total is None:
                raise Refused(f"answers another range ({response.headers.get('Content-Range')}) than bytes {start}-")
            if self._expected_bytes not in (None, total):
                raise Refused(f"is {total} bytes, the portal said {self._expected_bytes}; run `snakemake resolve`")
            etag = strong_etag(response.headers)
            if self.etag and etag != self.etag:
                raise Refused("was replaced while it was read; start again")
            self._expected_bytes, self.etag = total, etag
            wanted, body, start_s = min(end, total) - start, bytearray(), time.monotonic()
            try:
                while len(body) < wanted and (piece := response.read1(wanted - len(body))):
                    body += piece
                    if (passed_s := time.monotonic() - start_s) > self.web.timeout_s:
                        refuse_drip(len(body), passed_s)
            except (OSError, http.client.HTTPException) as error:
                raise broken(error) from error
        if len(body) < wanted:
            raise Interrupted(f"ended after {len(body)} of {wanted} bytes")
        self.fetched_bytes += len(body)
        self.shown(self.fetched_bytes)
        return bytes(body)


def copy_level(
    url: str,
    group: str,
    path: Path,
    size_bytes: int | None,
    web: Web,
    shown: Callable[[int], None] = lambda done: None,
    block_bytes: int = BLOCK_BYTES,
) -> dict:
    """Copy one level of the .mcool at `url` into the .cool `path`.

    group  its HDF5 group, "/resolutions/5000"
    Returns source_bytes, fetched_bytes and retries. Raises Refused, also for a level that is not there or not sound.
    """
    handle = RemoteFile(url, size_bytes, web, shown, block_bytes)
    path.unlink(missing_ok=True)
    try:
        with handle, h5py.File(handle, "r") as source, h5py.File(path, "w") as target:
            if group not in source:
                levels = _member(source, "resolutions", h5py.Group) if "resolutions" in source else ()
                present = ", ".join(sorted(map(str, levels), key=int))
                raise Refused(f"no level {group} in the .mcool; it has {present or 'none'}")
            _refuse_other_files(source, group)
            level = _member(source, group, h5py.Group)
            for name in level:
                source.copy(f"{group}/{name}", target, name=name)
            target.attrs.update(level.attrs)
        _check_level(path)
    except (OSError, RuntimeError, KeyError) as error:
        path.unlink(missing_ok=True)
        raise Refused(f"{group}: what came is not a sound level ({error})") from error
    except InputError:
        path.unlink(missing_ok=True)
        raise
    return {"source_bytes": handle.size_bytes, "fetched_bytes": handle.fetched_bytes, "retries": handle.retries}


def _member(parent: h5py.Group, name: str, kind: type[Kind]) -> Kind:
    """A group or data set inside a group. Raises KeyError where nothing, or something else, has the name."""
    if not isinstance(member := parent[name], kind):
        raise KeyError(f"{name} is no {kind.__name__.lower()}")
    return member


def _refuse_other_files(source: h5py.Group, path: str) -> None:
    """Raises Refused where `path`, or something below it, is a link to another file: HDF5 would read a local file."""
    *parents, last = path.strip("/").split("/")
    for name in parents:
        _refuse_link(source, name, path)
        source = _member(source, name, h5py.Group)
    _refuse_link(source, last, path)
    member = source[last]
    if isinstance(member, h5py.Group):
        for name in member:
            _refuse_other_files(member, str(name))
    elif isinstance(member, h5py.Dataset) and (member.external or member.is_virtual):
        raise Refused(f"{member.name} is stored in another file; a level holds its own data")


def _refuse_link(parent: h5py.Group, name: str, path: str) -> None:
    if not isinstance(parent.get(name, getlink=True), h5py.HardLink):
        raise Refused(f"{path} is a link; a level holds its own data")


def _check_level(path: Path) -> None:
    """Read every pixel; raises OSError for a damaged chunk, Refused where number or sum is not as stated."""
    with h5py.File(path, "r") as level:
        columns = [_member(level, f"pixels/{name}", h5py.Dataset) for name in ("bin1_id", "bin2_id", "count")]
        bins, n, total = len(_member(level, "bins/start", h5py.Dataset)), len(columns[-1]), 0
        for start in range(0, n, CHECKED_PIXELS):
            bin1, bin2, count = (np.asarray(column[start : start + CHECKED_PIXELS]) for column in columns)
            if bin1.min() < 0 or bin2.min() < 0 or max(bin1.max(), bin2.max()) >= bins:
                raise Refused(f"pixels outside the {bins} bins")
            total += count.sum()
        for name in _member(level, "bins", h5py.Group):
            _member(level, f"bins/{name}", h5py.Dataset)[:]
        stated = {name: level.attrs[name] for name in ("nnz", "sum") if name in level.attrs}
        counted = {"nnz": n, "sum": total}
        # Sums of whole counts are exact; sums of fractions depend on the order of adding.
        rtol = 0 if np.issubdtype(columns[-1].dtype, np.integer) else 1e-9
        equal = [np.isclose(counted[name], np.asarray(value), rtol=rtol, atol=0) for name, value in stated.items()]
        if int(_member(level, "indexes/bin1_offset", h5py.Dataset)[-1]) != n or not all(equal):
            raise Refused(f"{n} pixels that sum to {total}, the level states {stated}")
