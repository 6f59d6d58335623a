"""Juicer .hic files (version 8 and 9), read and written with hictkpy: counts as the pixel chunks of `trifold.io.cool`.

Normalisation vectors of a .hic that comes in are not read: every map is balanced anew in the pipeline. (They divide a
count, while a cooler's `weight` multiplies it.)

A predicted map is written as version 9. hictk sums the pixels of wider bins, and writes no normalisation vectors; they
are added behind what it wrote, as the format has them (github.com/aidenlab/hic-format, HiCFormatV9.md): `ICE`, what
hictk calls the `weight` of a cooler. With it a reader gets the balanced value of every level, and nothing on missing
bins. What the file is stands behind all that, where readers of the format do not look.
"""

import json
import os
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cooler
import numpy as np
import pandas as pd

from trifold.errors import InputError
from trifold.io import kinds
from trifold.io.cool import CHUNK_PIXELS, COLUMNS, Pixels, chromsizes_of, extent, write_cool
from trifold.io.cool import read_pixels as read_cooler
from trifold.io.cool import resolutions as levels_of

os.environ["HICTK_NO_TELEMETRY"] = "1"
import hictkpy

BLOCK_BINS = 2_000  # rows of one chromosome read at once
NORMALISATION = "ICE"  # name of the vectors that are written
_TRAILER = b"TRIFOLD\0"
_LENGTH = struct.Struct("<q")


@contextmanager
def _readable(path: str | os.PathLike) -> Iterator[None]:
    """What hictk says of a damaged file, as one line with the file and the remedy."""
    try:
        yield
    except RuntimeError as error:
        raise InputError(f"{path}: not a readable .hic file ({error}); if it is truncated, fetch it again") from error


def _open(path: str | os.PathLike) -> "hictkpy.MultiResFile":
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; give a .cool, .mcool or .hic map")
    if not kinds.starts_as_hic(path):
        what, remedy = kinds.describe(path)
        raise InputError(f"{path}: {what}, and no .hic; {remedy}")
    with _readable(path):
        return hictkpy.MultiResFile(str(path))


def resolutions(path: str | os.PathLike) -> list[int]:
    """Bin widths in the file, bp, finest first."""
    return sorted(np.asarray(_open(path).resolutions(), dtype=np.int64).tolist())


def chromsizes(path: str | os.PathLike) -> dict[str, int]:
    """Chromosome lengths, bp, in the file's order and under its own names (4DN: without "chr")."""
    return {name: int(length) for name, length in _open(path).chromosomes().items() if name.lower() != "all"}


def read_pixels(path: str | os.PathLike, bin_bp: int, block_bins: int = BLOCK_BINS) -> Iterator[Pixels]:
    """Raw counts (float64) of one bin width as sorted upper-triangle chunks, `block_bins` rows at a time.

    Bin ids number the bins of `chromsizes` in order, as in a cooler.
    """
    table = _Table(path, bin_bp)
    names = list(table.sizes)
    for order, row_chrom in enumerate(names):
        for first in range(0, table.sizes[row_chrom], block_bins):
            parts = [table.block(row_chrom, first, first + block_bins, name) for name in names[order:]]
            bin1, bin2, count = (np.concatenate(column) for column in zip(*parts))
            order_of_pixels = np.lexsort((bin2, bin1))
            for lo in range(0, len(bin1), CHUNK_PIXELS):
                chosen = order_of_pixels[lo : lo + CHUNK_PIXELS]
                yield {"bin1_id": bin1[chosen], "bin2_id": bin2[chosen], "count": count[chosen]}


def read_rows(path: str | os.PathLike, bin_bp: int, rows: Iterable[tuple[str, int, int]]) -> Iterator[Pixels]:
    """The pixels of some rows within their chromosome, numbered as in `read_pixels`, not sorted.

    rows  (chromosome, first of its bins, stop), ...: a chunk for every one of them
    """
    table = _Table(path, bin_bp)
    for chrom, first, stop in rows:
        yield dict(zip(COLUMNS, table.block(chrom, first, stop, chrom)))


class _Table:
    """The pixels of one bin width. sizes: chromosome -> its bins."""

    def __init__(self, path: str | os.PathLike, bin_bp: int):
        self._path, self._bin_bp, self._lengths_bp = path, bin_bp, chromsizes(path)
        with _readable(path):
            self._file = _open(path)[bin_bp]
        self.sizes = {name: -(-length_bp // bin_bp) for name, length_bp in self._lengths_bp.items()}
        self._first_bin = dict(zip(self.sizes, np.cumsum([0, *self.sizes.values()])))

    def block(self, row_chrom: str, first: int, stop: int, column_chrom: str) -> tuple[np.ndarray, ...]:
        """bin1, bin2, count of the upper triangle: rows of one chromosome, columns of it or of a later one."""
        # On the chromosome of the rows, columns left of the block lie below the diagonal.
        origin = first if column_chrom == row_chrom else 0
        # In hictk's words for a region of a BED, as a name may hold a colon.
        row_length_bp, column_length_bp = self._lengths_bp[row_chrom], self._lengths_bp[column_chrom]
        rows = f"{row_chrom}\t{first * self._bin_bp}\t{min(stop * self._bin_bp, row_length_bp)}"
        columns = f"{column_chrom}\t{origin * self._bin_bp}\t{column_length_bp}"
        with _readable(self._path):
            block = self._file.fetch(rows, columns, count_type="float64", query_type="BED").to_coo()
        bin1 = block.row.astype(np.int64) + first + self._first_bin[row_chrom]
        bin2 = block.col.astype(np.int64) + origin + self._first_bin[column_chrom]
        upper = bin1 <= bin2
        return bin1[upper], bin2[upper], block.data[upper]


# ---------------------------------------------------------------- writing


def write(target: Path, mcool: Path, assembly: str | None = None, metadata: dict | None = None) -> None:
    """A map with zoom levels (`io.zoom`) as a .hic: the same chromosomes, bin widths and balanced values.

    metadata: what `made_by` gives back.
    """
    levels = {width_bp: cooler.Cooler(uri) for width_bp, uri in levels_of(mcool).items()}
    widths, sizes = sorted(levels), chromsizes_of(levels[min(levels)].uri)
    writer = hictkpy.hic.FileWriter(target, sizes, widths, assembly or "unknown", tmpdir=target.parent)
    for pixels in read_cooler(levels[widths[0]]):
        # hictkpy asks for arrays that it may write to, and pandas hands these out of nullable columns alone.
        table = pd.DataFrame(pixels).astype({"bin1_id": "Int64", "bin2_id": "Int64", "count": "Float32"})
        writer.add_pixels(table)
    writer.finalize()
    _add_vectors(target, levels)
    with open(target, "ab") as handle:
        said = json.dumps(metadata or {}).encode()
        handle.write(said + _LENGTH.pack(len(said)) + _TRAILER)


def _add_vectors(path: Path, levels: dict[int, cooler.Cooler]) -> None:
    """Append 1 / weight of every level as normalisation vectors to a .hic that has none."""
    with open(path, "r+b") as handle:
        head = handle.read(16)
        genome = _text(handle)
        place = handle.tell()  # of the two numbers that say where the index of vectors is, and how long
        index_at, _ = struct.unpack("<qq", handle.read(16))
        if head[:8] != kinds.HIC + struct.pack("<i", 9) or index_at != os.path.getsize(path) - 4:
            raise ValueError(f"{path}: {genome}: hictk lays out its files in another way than this was written for")
        vectors = []
        for width_bp, clr in levels.items():
            weight = clr.bins()["weight"][:].to_numpy()
            for number, chrom in enumerate(clr.chromnames, start=1):  # the first chromosome of a .hic is All
                lo, hi = extent(clr, chrom)
                vectors.append((number, width_bp, (1 / weight[lo:hi]).astype("<f4")))
        name = NORMALISATION.encode() + b"\0"
        entry_bytes = len(name) + 4 + len(b"BP\0") + 4 + 16
        at = index_at + 4 + entry_bytes * len(vectors)
        index = struct.pack("<i", len(vectors))
        for number, width_bp, values in vectors:
            size = 8 + values.nbytes
            index += name + struct.pack("<i", number) + b"BP\0" + struct.pack("<iqq", width_bp, at, size)
            at += size
        handle.seek(index_at)
        handle.write(index)
        for _, _, values in vectors:
            handle.write(_LENGTH.pack(len(values)) + values.tobytes())
        handle.seek(place)
        handle.write(struct.pack("<qq", index_at, len(index)))


def _text(handle) -> str:
    """A text of a .hic, up to the zero that ends it."""
    letters = b""
    while (letter := handle.read(1)) not in (b"\0", b""):
        letters += letter
    return letters.decode()


def made_by(path: str | os.PathLike) -> dict | None:
    """The metadata that `write` put into a .hic; None for a file of another origin."""
    tail = _LENGTH.size + len(_TRAILER)
    with open(path, "rb") as handle:
        end = handle.seek(0, os.SEEK_END)
        if end < tail:
            return None
        handle.seek(end - tail)
        length, trailer = _LENGTH.unpack(handle.read(_LENGTH.size))[0], handle.read()
        if trailer != _TRAILER or not 0 <= length <= end - tail:
            return None
        handle.seek(end - tail - length)
        return json.loads(handle.read(length))


def copy_predicted(path: str | os.PathLike, target: str | os.PathLike, bin_bp: int) -> None:
    """One level of a .hic that `write` wrote, as a cooler with its weights."""
    with _readable(path):
        weight = 1 / np.asarray(_open(path)[bin_bp].weights(NORMALISATION), dtype=np.float64)
    write_cool(target, chromsizes(path), bin_bp, read_pixels(path, bin_bp), weight=weight, metadata=made_by(path))
