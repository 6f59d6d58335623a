"""Cooler files: opening one resolution, bands along the diagonal, streams of pixels, writing.

Pixels travel as chunks: dicts of three arrays `bin1_id`, `bin2_id`, `count`, upper triangle (bin1_id <= bin2_id),
sorted by bin1_id and then bin2_id, never a whole table in memory.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import cast

import cooler
import h5py
import numba
import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view

from trifold.errors import InputError
from trifold.genome import n_bins, some_of
from trifold.io import kinds

Pixels = dict[str, np.ndarray]
COLUMNS = ("bin1_id", "bin2_id", "count")
CHUNK_PIXELS = 2_000_000
UNDATED = "1970-01-01T00:00:00.000000"
INT32_MAX = int(np.iinfo(np.int32).max)
TILE = 16  # bins, of a window that is transposed


def split_uri(path: str | os.PathLike) -> tuple[str, str]:
    """File and group of a cooler URI: `file.mcool::/resolutions/5000` -> its file, `/resolutions/5000`; the group of a
    plain path is `/`."""
    file, _, group = os.fspath(path).partition("::")
    return file, "/" + group.strip("/")


def uri(file: str | os.PathLike, group: str) -> str:
    """The inverse of `split_uri`; a plain path for the group ""."""
    return f"{file}::/{group.strip('/')}" if group.strip("/") else os.fspath(file)


@contextmanager
def _readable(path: str | os.PathLike) -> Iterator[None]:
    """What HDF5 says of a damaged file, as one line with the file and the remedy."""
    try:
        yield
    except (OSError, KeyError, RuntimeError) as error:
        reason = str(error).strip('"')
        raise InputError(f"{path}: not a readable cooler ({reason}); if it is truncated, fetch it again") from error


def _groups(path: str | os.PathLike) -> list[str]:
    """Groups of the maps in a file, or of those at or below the group that a URI names."""
    file, wanted = split_uri(path)
    if not Path(file).is_file():
        raise InputError(f"{file}: no such file; give a .cool, .mcool or .hic map")
    if not h5py.is_hdf5(file):
        what, remedy = kinds.describe(file)
        raise InputError(f"{file}: {what}, not a contact map; {remedy}")
    with _readable(file):
        groups = cooler.fileops.list_coolers(file)
    if not groups:
        raise InputError(f"{file}: HDF5, but no cooler inside{_held(file)}")
    if not (below := [group for group in groups if f"{group}/".startswith(f"{wanted}/") or wanted == "/"]):
        present = some_of(f"{file}::{group}" for group in groups)
        raise InputError(f"{path}: no map {wanted} in the file; it has {present}")
    return below


def _held(file: str) -> str:
    """What an HDF5 file that is no cooler holds, and the remedy."""
    with _readable(file), h5py.File(file, "r") as handle:
        names = list(handle)
    if {"intervals", "matrix"} <= set(names):
        return ", but a matrix of HiCExplorer; `hicConvertFormat` makes a .cool of it"
    return f" (it holds {some_of(names) or 'nothing'}); give a .cool, .mcool or .hic map"


def _maps(path: str | os.PathLike) -> dict[int, cooler.Cooler]:
    """Bin width (bp) -> map of a .cool or .mcool, finest first; errors are those of `resolutions`."""
    file, groups = split_uri(path)[0], _groups(path)
    with _readable(path):
        maps = [cooler.Cooler(f"{file}::{group}") for group in groups]
        of_width = {clr.binsize and int(clr.binsize): clr for clr in maps}
        square = any(clr.storage_mode != "symmetric-upper" for clr in maps)
    widths = {width: clr for width, clr in of_width.items() if width is not None}
    if None in of_width or square:
        raise InputError(f"{path}: needs bins of one width and symmetric-upper storage; make it with `cooler cload`")
    if len(widths) < len(maps):
        choices = some_of(f"{file}::{group}" for group in groups)
        number = f"{len(widths)} bin width" + "s" * (len(widths) > 1)
        raise InputError(f"{path}: holds {len(maps)} maps of {number}; choose one of {choices}")
    return dict(sorted(widths.items()))


def resolutions(path: str | os.PathLike) -> dict[int, str]:
    """Bin width (bp) -> cooler URI of every map in a .cool or .mcool, finest first; of a URI, its maps.

    Raises InputError for a missing, truncated or foreign file, bins of varying width, a square (not symmetric) map, or
    several maps of one bin width (.scool), with the list to choose from.
    """
    return {width: clr.uri for width, clr in _maps(path).items()}


def open_map(path: str | os.PathLike, bin_bp: int | None = None) -> cooler.Cooler:
    """The map of one bin width in a .cool or .mcool; `bin_bp` None is allowed where there is only one."""
    present = _maps(path)
    if bin_bp is None and len(present) == 1:
        bin_bp = next(iter(present))
    if bin_bp not in present:
        raise InputError(f"{path}: bin_bp {bin_bp} is not in the file; it has {', '.join(map(str, present))}")
    return present[bin_bp]


def bin_width(clr: cooler.Cooler) -> int:
    """Bin width, bp. Raises InputError for bins of varying width; maps from `open_map` have none."""
    if clr.binsize is None:
        raise InputError(f"{clr.uri}: needs bins of one width; make it with `cooler cload`")
    return int(clr.binsize)


def chromsizes(clr: cooler.Cooler) -> dict[str, int]:
    """Name -> length, bp, of the chromosomes of a map, in its order."""
    return {str(name): int(length_bp) for name, length_bp in clr.chromsizes.items()}


def chromsizes_of(path: str | os.PathLike) -> dict[str, int]:
    """`chromsizes` of a map with bins of one width."""
    return chromsizes(open_map(path))


def extent(clr: cooler.Cooler, chrom: str) -> tuple[int, int]:
    """First bin of a chromosome, and the one after its last. A name is taken as it is: it may hold a colon (HLA)."""
    lo, hi = clr.extent((chrom, 0, int(clr.chromsizes[chrom])))
    return int(lo), int(hi)


def in_order_of(path: str | os.PathLike, genome: Mapping[str, int]) -> dict[str, int]:
    """Name -> length, bp: the chromosomes of a map in its order, then those of the genome that it has not.

    Files about one map are read side by side, and tools (HiGlass) lay chromosomes out in the order of the file.
    """
    sizes = chromsizes_of(path)
    return sizes | {name: length_bp for name, length_bp in genome.items() if name not in sizes}


def opened(clr: cooler.Cooler, mode: str = "r") -> AbstractContextManager[h5py.Group]:
    """The HDF5 group of a map, open inside a `with`."""
    # cooler's annotation says that `open` returns the group; it returns a context manager of the group.
    return cast(AbstractContextManager[h5py.Group], clr.open(mode))


def dataset(group: h5py.Group, name: str) -> h5py.Dataset:
    """A data set of an HDF5 group. Raises KeyError where nothing, or something else, has the name."""
    if not isinstance(member := group[name], h5py.Dataset):
        raise KeyError(f"{name} is no data set")
    return member


def read_pixels(clr: cooler.Cooler, chunk_pixels: int = CHUNK_PIXELS, chrom: str | None = None) -> Iterator[Pixels]:
    """The pixel table as stored, chunk by chunk; with `chrom`, only the rows whose bin1 lies on it.

    Raises InputError where the file turns out to be damaged.
    """
    with _readable(clr.uri), opened(clr) as group:
        table = {name: dataset(group, f"pixels/{name}") for name in COLUMNS}
        start, end = 0, len(table["bin1_id"])
        if chrom is not None:
            start, end = (int(dataset(group, "indexes/bin1_offset")[edge]) for edge in extent(clr, chrom))
        for lo in range(start, end, chunk_pixels):
            yield {name: column[lo : min(lo + chunk_pixels, end)] for name, column in table.items()}


def bin_places(clr: cooler.Cooler) -> np.ndarray | None:
    """Where the bins of a map belong: (n,) number of every bin among those that the chromosomes' lengths give, in the
    order of the chromosomes; None where the bin table is just these.

    A foreign table may lack bins (masked ones taken out, a region of a chromosome), or have them in another order.
    Raises InputError for bins that are none of these, and for one that stands twice.
    """
    bin_bp, sizes = bin_width(clr), chromsizes(clr)
    numbers = np.array([n_bins(length_bp, bin_bp) for length_bp in sizes.values()], dtype=np.int64)
    with _readable(clr.uri), opened(clr) as group:
        chrom, start, end = (dataset(group, f"bins/{name}")[:].astype(np.int64) for name in ("chrom", "start", "end"))
    lengths = np.array(list(sizes.values()), dtype=np.int64)
    known = (chrom >= 0) & (chrom < len(lengths))
    length = lengths[np.where(known, chrom, 0)] if len(lengths) else np.zeros(len(chrom), dtype=np.int64)
    wrong = ~known | (start < 0) | (start % bin_bp > 0) | (start >= length)
    wrong |= end != np.minimum(start + bin_bp, length)
    if wrong.any():
        first = int(wrong.argmax())
        name = list(sizes)[chrom[first]] if known[first] else f"chromosome {chrom[first]}"
        raise InputError(
            f"{clr.uri}: bin {first} of its bin table is {name}:{start[first]}-{end[first]}, none of the bins of "
            f"{bin_bp} bp counted from the start of a chromosome; make the map anew (`cooler cload`)"
        )
    places = np.cumsum([0, *numbers])[chrom] + start // bin_bp
    if len(places) == numbers.sum() and (places == np.arange(len(places))).all():
        return None
    if len(np.unique(places)) < len(places):
        raise InputError(f"{clr.uri}: a bin stands twice in its bin table; make the map anew (`cooler cload`)")
    return places


def _bins_in_order(clr: cooler.Cooler, chrom: str) -> bool:
    """Whether the bin table has, where a chromosome begins, all its bins in order."""
    (lo, hi), bin_bp, length_bp = extent(clr, chrom), bin_width(clr), chromsizes(clr)[chrom]
    with _readable(clr.uri), opened(clr) as group:
        names, starts, ends = (dataset(group, f"bins/{name}")[lo:hi] for name in ("chrom", "start", "end"))
    wanted = np.arange(hi - lo) * bin_bp
    return (
        np.array_equal(starts, wanted)
        and np.array_equal(ends, np.minimum(wanted + bin_bp, length_bp))
        and bool((names == clr.chromnames.index(chrom)).all())
    )


class RowSums:
    """Row sums (n_bins,) of a stream of weighted pixels beyond the first diagonals, as a balance counts them: the main
    one once.

    weight  (n_bins,) finite; a bad bin's is 0
    """

    def __init__(self, weight: np.ndarray, ignore_diags: int):
        self._weight, self._ignore_diags, self.sums = weight, ignore_diags, np.zeros(len(weight))

    def of(self, chunks: Iterable[Pixels]) -> Iterator[Pixels]:
        """The same pixels."""
        weight, number = self._weight, len(self.sums)
        for pixels in chunks:
            bin1, bin2 = pixels["bin1_id"], pixels["bin2_id"]
            value = np.where(bin2 - bin1 >= self._ignore_diags, pixels["count"] * weight[bin1] * weight[bin2], 0.0)
            off_diagonal = np.where(bin1 != bin2, value, 0.0)
            self.sums += np.bincount(bin1, value, number) + np.bincount(bin2, off_diagonal, number)
            yield pixels


def row_sums(clr: cooler.Cooler, weight: np.ndarray, ignore_diags: int) -> np.ndarray:
    """`RowSums` of a whole map."""
    rows = RowSums(weight, ignore_diags)
    for _ in rows.of(read_pixels(clr)):
        pass
    return rows.sums


def checked_pixels(chunks: Iterable[Pixels], number: int, called: str | os.PathLike) -> Iterator[Pixels]:
    """The same pixels. Raises InputError for bins that are none of the `number` of a map, and below the diagonal."""
    for chunk in chunks:
        bin1, bin2 = chunk["bin1_id"], chunk["bin2_id"]
        if len(bin1) and (min(bin1.min(), bin2.min()) < 0 or max(bin1.max(), bin2.max()) >= number):
            beyond = next(int(i) for ids in (bin1, bin2) for i in (ids.max(), ids.min()) if not 0 <= i < number)
            raise InputError(
                f"{called}: holds pixels of bin {beyond}, and has {number} bins: it is damaged, or its bins and pixels "
                "are of two maps; fetch it again, or make it anew with `cooler load`"
            )
        if (bin1 > bin2).any():
            raise InputError(f"{called}: holds pixels below the diagonal; make it anew with `cooler load`")
        yield chunk


def placed_pixels(chunks: Iterable[Pixels], places: np.ndarray) -> Iterator[Pixels]:
    """Pixels whose bins are renumbered by `bin_places`; in the upper triangle, not sorted where the bins were not."""
    for chunk in chunks:
        bin1, bin2 = places[chunk["bin1_id"]], places[chunk["bin2_id"]]
        yield {"bin1_id": np.minimum(bin1, bin2), "bin2_id": np.maximum(bin1, bin2), "count": chunk["count"]}


@numba.njit(cache=True, nogil=True)
def _add_rows(stored, bin2, count, table, cis, seen):
    """Add pixels to what `Band` holds of a chromosome, bins counted from its first one.

    Row i has the pixels `stored[i]` to `stored[i + 1]`, those of them that are given. Returns False where a pixel is
    none of the upper triangle.
    """
    n_bins, width = table.shape
    for i in range(n_bins):
        for at in range(max(stored[i], 0), min(stored[i + 1], len(bin2))):
            j = bin2[at]
            if j < i:
                return False
            if j >= n_bins:
                continue
            cis[i] += count[at]
            if count[at] > 0:
                seen[i] = seen[j] = True
            if j - i < width:
                table[i, j - i] += count[at]
    return True


@numba.njit(cache=True, nogil=True)
def _cut(table, weight, starts, counts, balanced):
    """Square windows of a band into counts and balanced values, (n, size, size); see `Band.windows`."""
    n, size = counts.shape[:2]
    for window in range(n):
        of_window, first = counts[window], starts[window]
        weights = weight[first : first + size]
        for top in range(0, size, TILE):
            rows = range(top, min(top + TILE, size))
            for i in rows:
                for j in range(i, size):
                    of_window[i, j] = table[first + i, j - i]
            # Below the diagonal the window is its transpose, in tiles that stay near the processor.
            for left in range(0, top + 1, TILE):
                for i in rows:
                    for j in range(left, min(left + TILE, i)):
                        of_window[i, j] = of_window[j, i]
            for i in rows:
                for j in range(size):
                    balanced[window, i, j] = of_window[i, j] * weights[i] * weights[j]


@dataclass(frozen=True)
class Band:
    """The diagonals 0 ... width_bins - 1 of one chromosome.

    counts  (n_bins, width_bins) float64: `counts[i, d]` is the pixel (i, i + d), 0 where the table has none
    weight  (n_bins,) float64: multiplies a count on both sides; NaN marks a bad bin
    Of the whole chromosome, not of the band alone; None for a band that was not read from a map:
    cis     (n_bins,) float64: contacts of a bin with itself and the bins after it
    seen    (n_bins,) bool: the bin has a contact on its chromosome
    """

    chrom: str
    bin_bp: int
    counts: np.ndarray
    weight: np.ndarray
    cis: np.ndarray | None = None
    seen: np.ndarray | None = None

    @classmethod
    def read(
        cls,
        path: str | os.PathLike,
        chrom: str,
        width_bins: int,
        balance: bool = True,
        bin_bp: int | None = None,
        chunk_pixels: int = CHUNK_PIXELS,
    ) -> "Band":
        """Read a band; pixels stored twice are summed. `balance=False` gives every bin the weight 1.

        Raises InputError where the chromosome or (with `balance`) the `weight` column is missing, or bins are, and
        where the index is not that of the pixels.
        """
        clr = open_map(path, bin_bp)
        if chrom not in clr.chromnames:
            raise InputError(f"{path}: no chromosome {chrom}; it has {', '.join(clr.chromnames)}")
        if balance and "weight" not in clr.bins().columns:
            raise InputError(f"{path}: no `weight` column; balance the map first (`cooler balance`)")
        lo, hi = extent(clr, chrom)
        if not _bins_in_order(clr, chrom):
            raise InputError(f"{path}: its bin table lacks bins, or has them in another order; make it with all bins")
        counts, cis, seen = np.zeros((hi - lo, width_bins)), np.zeros(hi - lo), np.zeros(hi - lo, dtype=bool)
        with _readable(clr.uri), opened(clr) as group:
            column, count = (dataset(group, f"pixels/{name}") for name in ("bin2_id", "count"))
            # The index says which row a pixel is of, and the column `bin1_id`, the slowest to read, need not be.
            stored = dataset(group, "indexes/bin1_offset")[lo : hi + 1].astype(np.int64)
            sound = bool((np.diff(stored) >= 0).all()) and stored[-1] <= len(column)
            for start in range(stored[0], stored[-1] if sound else 0, chunk_pixels):
                chunk = slice(start, min(start + chunk_pixels, stored[-1]))
                bin2 = column[chunk].astype(np.int64, copy=False) - lo
                sound &= _add_rows(stored - start, bin2, count[chunk].astype(np.float64), counts, cis, seen)
        if not sound:
            raise InputError(f"{path}: its index is not that of its pixels; make it anew with `cooler load`")
        weight = clr.bins()["weight"][lo:hi].to_numpy(dtype=np.float64) if balance else np.ones(hi - lo)
        return cls(chrom, bin_width(clr), counts, weight, cis, seen)

    @property
    def balanced(self) -> np.ndarray:
        """counts · w_i · w_(i+d), (n_bins, width_bins); NaN on bad bins and past the end of the chromosome."""
        return self.balanced_rows(slice(0, len(self.weight)))

    def balanced_rows(self, rows: slice) -> np.ndarray:
        """`balanced` of some bins; the stop of the slice is not past the last one."""
        width = self.counts.shape[1]
        partners = self.weight[rows.start : rows.stop + width - 1]
        partners = np.append(partners, np.full(rows.stop - rows.start + width - 1 - len(partners), np.nan))
        balanced = self.counts[rows] * self.weight[rows, None]
        balanced *= sliding_window_view(partners, width)
        return balanced

    def windows(self, starts: np.ndarray, size: int, *, pad: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Square windows on the diagonal: counts and balanced values, both (n, size, size) float64, symmetric.

        starts  (n,) first bin of each window; `size` must lie within the band, and windows on the chromosome, unless
        pad     bins past its end count as bad ones, without a contact
        Balanced is NaN on the rows and columns of bad bins.
        """
        n_bins, width = self.counts.shape
        starts = np.asarray(starts, dtype=np.int64)
        past = 0 if pad else size - 1  # how many bins after its first one a window must have on the chromosome
        if size > width or (starts.size and (starts.min() < 0 or starts.max() + past >= n_bins)):
            raise ValueError(f"windows of {size} bins leave {self.chrom} ({n_bins} bins) or the band ({width} bins)")
        table, weight = self.counts, self.weight
        if starts.size and starts.max() + size > n_bins:
            table = np.concatenate([table, np.zeros((size, width))])
            weight = np.append(weight, np.full(size, np.nan))
        counts, balanced = np.empty((len(starts), size, size)), np.empty((len(starts), size, size))
        _cut(np.ascontiguousarray(table), weight, starts, counts, balanced)
        return counts, balanced


def undate(path: str | os.PathLike) -> None:
    """Give every map in a .cool or .mcool the same creation date, so that equal maps are equal bytes.

    The record of the artifact holds the real date.
    """
    groups = cooler.fileops.list_coolers(str(path))
    with h5py.File(path, "r+") as file:
        for group in groups:
            file[group].attrs.modify("creation-date", UNDATED)


def write_weight(uri: str | os.PathLike, weight: np.ndarray, facts: Mapping | None = None) -> None:
    """Write the column `weight` of a cooler, in place of one that is there; facts: its attributes, as `cooler balance`
    writes them."""
    with opened(cooler.Cooler(str(uri)), "r+") as group:
        if "bins/weight" in group:
            del group["bins/weight"]
        column = group.create_dataset(
            "bins/weight", data=np.asarray(weight, dtype=np.float64), compression="gzip", shuffle=True
        )
        column.attrs.update(facts or {})


def weight_facts(clr: cooler.Cooler) -> dict:
    """The attributes of the column `weight`: how it was made; empty for a map without one."""
    with opened(clr) as group:
        return dict(dataset(group, "bins/weight").attrs) if "bins/weight" in group else {}


def predicted_weight(ignore_diags: int) -> dict:
    """Attributes of the weights of a predicted map, 1 where a bin is predicted: those that `cooler balance` writes and
    tools ask for. No bin was filtered for it, and rows sum to 1 beyond so many diagonals."""
    filters = {"mad_max": 0, "min_nnz": 0, "min_count": 0}
    made = {"ignore_diags": ignore_diags, "cis_only": True, "converged": True, "scale": 1.0, "divisive_weights": False}
    return {**made, **filters}


def write_cool(
    path: str | os.PathLike,
    chromsizes: dict[str, int],
    bin_bp: int,
    chunks: Iterable[Pixels | pd.DataFrame],
    weight: np.ndarray | None = None,
    metadata: dict | None = None,
    assembly: str | None = None,
    ordered: bool = True,
    largest: int = INT32_MAX,
    weight_facts: Mapping | None = None,
) -> None:
    """Write chunks of pixels as a cooler with bins of `bin_bp`: a file of its own, or a map of a file (file::group),
    which then is not undated.

    weight        (n_bins,) column of the bin table, NaN on bad bins; weight_facts: its attributes
    ordered       chunks follow one another sorted and without duplicates; otherwise they are merged on disk, duplicates
                  summed. Inside a chunk both are required
    largest       no whole count is above it: int64 where int32 could not hold that
    Columns beside `COLUMNS` that the first chunk has are stored as float32.
    Counts are stored as float64 or as whole numbers, as the first chunk has them. Equal maps are equal bytes. Raises
    OverflowError for a count that its type cannot hold.
    """
    bins, alone = cooler.util.binnify(pd.Series(chromsizes), int(bin_bp)), split_uri(path)[1] == "/"
    chunks = iter(chunks)
    first = next(chunks, {name: np.zeros(0, dtype=np.int64) for name in COLUMNS})
    others = [str(name) for name in first if name not in COLUMNS]
    floating = np.issubdtype(np.asarray(first["count"]).dtype, np.floating)
    kind = np.dtype(np.float64 if floating else np.int32 if largest <= INT32_MAX else np.int64)
    limit = INT32_MAX if largest <= INT32_MAX else int(np.iinfo(np.int64).max)

    def tables() -> Iterator[pd.DataFrame]:
        for chunk in chain([first], chunks):
            counts = np.asarray(chunk["count"])
            # HDF5 would cut what does not fit, without a word.
            if not floating and len(counts) and counts.max() > limit:
                raise OverflowError(f"{path}: a count of {counts.max()} does not fit into {kind}")
            yield pd.DataFrame(chunk, columns=[*COLUMNS, *others])

    cooler.create_cooler(
        str(path),
        bins,
        tables(),
        columns=["count", *others],
        dtypes={"count": kind, **dict.fromkeys(others, np.dtype(np.float32))},
        metadata=metadata,
        assembly=assembly,
        ordered=ordered,
        mode="w" if alone else "a",
    )
    if weight is not None:
        write_weight(path, weight, weight_facts)
    if alone:
        undate(path)


def largest_count(clr: cooler.Cooler) -> int:
    """The largest whole count of a map, 0 for one without pixels: for a choice of the type that holds it."""
    with _readable(clr.uri), opened(clr) as group:
        counts = dataset(group, "pixels/count")
        starts = range(0, len(counts), CHUNK_PIXELS)
        return max((int(counts[lo : lo + CHUNK_PIXELS].max()) for lo in starts), default=0)
