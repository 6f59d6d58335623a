"""The diagonals of a map that windows about pairs are cut from, a set of files for a chromosome (Yang et al. 2025).

Values are balanced counts, scaled to the total of the raw counts, clipped at 255 or less and divided by their maximum:
[0, 1], 0 on bad bins. Of a prepared map the counts are stored, most of them in four bits, and a factor for every bin:
a deep map of 450 diagonals takes some 300 bytes a bin, and 1,800 as float32. Windows are decoded as they are cut.
"""

import logging
import os
from collections.abc import Collection
from pathlib import Path
from urllib.parse import quote

import numba
import numpy as np
from scipy.optimize import isotonic_regression

from trifold.errors import InputError
from trifold.genome import check_matched
from trifold.io.cool import Band, open_map
from trifold.io.tables import read_table

logger = logging.getLogger(__name__)

CLIP = 255.0  # contacts on the scale of counts, as published
# Counts of the first NEAR_BINS diagonals take two bytes, the others half a byte. The largest number that fits there
# means that the count is in the table of large counts.
NEAR_BINS, NEAR_LARGE, FAR_LARGE = 32, 0xFFFF, 0xF
MIN_PIXELS = 10  # of a diagonal, for a mean: more than these
LARGE = np.dtype([("distance", "<u4"), ("count", "<u8")])
BINS = np.dtype(
    [("factor", "<f8"), ("large", "<i8")]
)  # large: row of the bin's first entry in the table of large counts


def scale(band: Band, balanced: np.ndarray) -> float:
    """Factor that brings the band's balanced values to the scale of counts: their total becomes that of the raw counts.

    KR-normalised contacts of a .hic file, for which 255 was published as the clip, are on that scale too. Raises
    InputError where the band has no balanced contact.
    """
    known = np.isfinite(balanced)
    total = balanced[known].sum()
    if not total > 0:
        raise InputError(f"{band.chrom}: the map has no balanced contact here; leave the chromosome out or balance it")
    return band.counts[known].sum() / total


class BandStore:
    """Windows of one chromosome's map on [0, 1], cut from a band: ``.npy``, float32 (n_bins, n_diagonals).

    A window of `window_bins` (even, W below) about (x, y) has the rows x - W/2 ... x + W/2 - 1 and the columns
    y - W/2 ... y + W/2 - 1. Column d of the band holds the pixels (i, i + d). A process maps the file on first use, so
    a store can be pickled.
    """

    def __init__(self, path: str | os.PathLike, window_bins: int):
        self.path, self.window_bins = Path(path), window_bins
        if not self.path.exists():
            raise InputError(f"{self.path}: not found; write the band of this chromosome first")
        self.n_bins, self.n_diagonals = np.load(self.path, mmap_mode="r").shape
        self._arrays: tuple[np.ndarray, ...] | None = None
        self._expected: np.ndarray | None = None

    @classmethod
    def write(cls, path: str | os.PathLike, values: np.ndarray, window_bins: int) -> "BandStore":
        """Write a band of contacts (n_bins, n_diagonals): not finite ones as 0, clipped at 255, over their maximum."""
        values = np.minimum(np.where(np.isfinite(values), values, 0), CLIP)
        maximum = values.max(initial=0)
        if not maximum > 0:
            raise InputError(f"{path}: the band holds no contact; leave the chromosome out")
        with open(path, "wb") as handle:
            np.save(handle, (values / maximum).astype(np.float32))
        return cls(path, window_bins)

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_arrays": None}

    @property
    def files(self) -> list[Path]:
        return [self.path]

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """The files, mapped."""
        if self._arrays is None:
            self._arrays = tuple(np.asarray(np.load(path, mmap_mode="r")) for path in self.files)
        return self._arrays

    @property
    def values(self) -> np.ndarray:
        """The whole band, float32 (n_bins, n_diagonals)."""
        return self.arrays[0]

    @property
    def farthest_bins(self) -> int:
        """Greatest y - x whose window the band holds."""
        return self.n_diagonals - self.window_bins

    @property
    def expected(self) -> np.ndarray:
        """Mean of every diagonal over pixels of two bins with a value, made to fall with the distance: (n_diagonals,).

        As Peakachu 2.3 has it: diagonals of ten pixels or fewer, or without a value, are in between their neighbours.
        """
        if self._expected is None:
            values = self.values
            known = np.asarray(np.any(values, axis=1))
            diagonals = range(min(self.n_diagonals, self.n_bins))
            for d in diagonals:
                known[d:] |= values[: self.n_bins - d, d] > 0
            means = np.zeros(self.n_diagonals)
            for d in diagonals:
                good = known[: self.n_bins - d] & known[d:]
                if good.sum() > MIN_PIXELS:
                    means[d] = values[: self.n_bins - d, d][good].mean(dtype=np.float64)
            counted = np.flatnonzero(means)
            if len(counted):
                falling = isotonic_regression(means[counted], increasing=False).x
                means = np.interp(np.arange(self.n_diagonals), counted, falling)
            self._expected = means
        return self._expected

    def expected_windows(self, pairs: np.ndarray) -> np.ndarray:
        """(n, 2) bins (x, y) -> (n, W, W) float32: the `expected` of the distance of every pixel of their windows."""
        around = np.arange(self.window_bins)
        apart = (pairs[:, 1] - pairs[:, 0])[:, None, None] + around - around[:, None]
        return self.expected[np.abs(apart)].astype(np.float32)

    def inside(self, pairs: np.ndarray) -> np.ndarray:
        """Which (x, y) of (n, 2) have a whole window on the chromosome: bool (n,)."""
        half = self.window_bins // 2
        return ((pairs >= half) & (pairs <= self.n_bins - half)).all(axis=1)

    def windows(self, pairs: np.ndarray, out: np.ndarray | None = None, places: np.ndarray | None = None) -> np.ndarray:
        """(n, 2) bins (x, y) -> (n, W, W) float32, x along the rows; or into `out`, at its `places` (n,).

        Raises InputError for windows that leave the chromosome or the band.
        """
        pairs = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
        outside = ~self.inside(pairs) | (np.abs(pairs[:, 1] - pairs[:, 0]) > self.farthest_bins)
        if outside.any():
            x, y = pairs[outside][0]
            raise InputError(
                f"{self.path}: the window about ({x}, {y}) leaves the chromosome ({self.n_bins} bins) or the band "
                f"({self.n_diagonals} diagonals); leave the pair out, or write a wider band"
            )
        if out is None:
            out = np.empty((len(pairs), self.window_bins, self.window_bins), dtype=np.float32)
        self._cut(pairs, out, np.arange(len(pairs)) if places is None else places)
        return out

    def _cut(self, pairs: np.ndarray, out: np.ndarray, places: np.ndarray) -> None:
        around = np.arange(self.window_bins) - self.window_bins // 2
        rows, columns = pairs[:, 0, None, None] + around[:, None], pairs[:, 1, None, None] + around
        out[places] = self.values[np.minimum(rows, columns), np.abs(columns - rows)]


class CountStore(BandStore):
    """A `BandStore` of a prepared map that holds counts and factors: equal values, up to the rounding of float32.

    ``<chrom>.npy``        uint16 (n_bins, 32), counts of the near diagonals
    ``<chrom>.far.npy``    uint8, counts of the others: two diagonals in a byte, the nearer one in its lower half
    ``<chrom>.large.npy``  counts too large for either, by bin and distance
    ``<chrom>.bins.npy``   of every bin, its factor (0: bad) and the row of its first large count
    A value is count · factor · factor of its two bins, 1 at most.
    """

    def __init__(self, path: str | os.PathLike, n_diagonals: int, window_bins: int):
        super().__init__(path, window_bins)
        self.n_diagonals = n_diagonals

    @staticmethod
    def keep(path: str | os.PathLike, band: Band, clip: float = CLIP) -> tuple[int, int]:
        """Write a band as counts and factors, its values clipped at `clip`, over their maximum; returns its shape.

        Raises InputError where the band has no balanced contact, or counts are not whole numbers.
        """
        path, balanced = Path(path), band.balanced
        factor = scale(band, balanced)
        maximum = min(factor * np.nanmax(balanced), clip)
        counts = np.where(np.isfinite(balanced), band.counts, 0)
        if (counts != np.floor(counts)).any():
            raise InputError(f"{path}: {band.chrom} holds contacts that are no whole numbers; give a map of raw counts")
        near, far = counts[:, :NEAR_BINS], counts[:, NEAR_BINS:]
        far = np.pad(far, ((0, 0), (0, far.shape[1] % 2)))
        limits = np.full(counts.shape[1], FAR_LARGE)
        limits[:NEAR_BINS] = NEAR_LARGE
        rows, distances = np.nonzero(counts >= limits)
        large = np.empty(len(rows), dtype=LARGE)
        large["distance"], large["count"] = distances, counts[rows, distances]
        bins = np.empty(len(counts), dtype=BINS)
        bins["factor"] = np.nan_to_num(band.weight) * np.sqrt(factor / maximum)
        bins["large"] = np.searchsorted(rows, np.arange(len(counts)))
        halves = np.minimum(far, FAR_LARGE).astype(np.uint8)
        np.save(path, np.minimum(near, NEAR_LARGE).astype(np.uint16))
        np.save(path.with_suffix(".far.npy"), halves[:, ::2] | halves[:, 1::2] << 4)
        np.save(path.with_suffix(".large.npy"), large)
        np.save(path.with_suffix(".bins.npy"), bins)
        return counts.shape

    @property
    def files(self) -> list[Path]:
        return [self.path, *(self.path.with_suffix(f".{name}.npy") for name in ("far", "large", "bins"))]

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """Near counts, far counts, large counts (distances, numbers), bins (factors, rows of the first large count)."""
        if self._arrays is None:
            near, far, large, bins = (np.asarray(np.load(path, mmap_mode="r")) for path in self.files)
            self._arrays = (near, far, large["distance"], large["count"], bins["factor"], bins["large"])
        return self._arrays

    @property
    def values(self) -> np.ndarray:
        """The whole band, float32 (n_bins, n_diagonals); decoded at each call."""
        out = np.empty((self.n_bins, self.n_diagonals), dtype=np.float32)
        near, far, distances, counts, factors, begins = self.arrays
        _whole(near, far, distances, counts, factors, begins, out)
        return out

    def _cut(self, pairs: np.ndarray, out: np.ndarray, places: np.ndarray) -> None:
        near, far, distances, counts, factors, begins = self.arrays
        _windows(near, far, distances, counts, factors, begins, pairs, out, places)


@numba.njit(cache=True, nogil=True)
def _run(near, far, distances, counts, factors, begins, i, first, out):
    """Pixels (i, i + first) and on, as many as `out` holds."""
    n, factor = out.shape[0], factors[i]
    split = min(max(NEAR_BINS - first, 0), n)
    for k in range(split):
        out[k] = min(near[i, first + k] * factor * factors[i + first + k], 1.0)
    # Two diagonals share a byte; a run may begin with the farther of the two.
    if split < n and (first + split) % 2:
        d = first + split
        out[split] = min((far[i, (d - NEAR_BINS) // 2] >> 4) * factor * factors[i + d], 1.0)
        split += 1
    for k in range(split, n, 2):
        d = first + k
        packed = far[i, (d - NEAR_BINS) // 2]
        out[k] = min((packed & FAR_LARGE) * factor * factors[i + d], 1.0)
        if k + 1 < n:
            out[k + 1] = min((packed >> 4) * factor * factors[i + d + 1], 1.0)
    end = begins[i + 1] if i + 1 < begins.shape[0] else distances.shape[0]
    for k in range(begins[i], end):
        d = np.int64(distances[k])
        if first <= d < first + n:
            out[d - first] = min(counts[k] * factor * factors[i + d], 1.0)


@numba.njit(cache=True, nogil=True)
def _windows(near, far, distances, counts, factors, begins, pairs, out, places):
    """Windows about (n, 2) pairs into their places of (m, W, W): by rows above the diagonal, by columns below it."""
    size = out.shape[1]
    half = size // 2
    for n in range(pairs.shape[0]):
        x, y, window = pairs[n, 0] - half, pairs[n, 1] - half, out[places[n]]
        for r in range(size):
            c = max(0, x + r - y)
            if c < size:
                _run(near, far, distances, counts, factors, begins, x + r, y + c - x - r, window[r, c:])
        for c in range(size):
            r = max(0, y + c + 1 - x)
            if r < size:
                _run(near, far, distances, counts, factors, begins, y + c, x + r - y - c, window[r:, c])


@numba.njit(cache=True, nogil=True)
def _whole(near, far, distances, counts, factors, begins, out):
    """All pixels into (n_bins, n_diagonals); 0 past the end."""
    for i in range(out.shape[0]):
        last = min(out.shape[1], out.shape[0] - i)
        _run(near, far, distances, counts, factors, begins, i, 0, out[i, :last])
        out[i, last:] = 0


# ---------------------------------------------------------------- all chromosomes


def file_of(chrom: str) -> str:
    """The name of a chromosome's file: letters that a file's name cannot have, or that end the first part of it, as
    %XX."""
    return quote(chrom, safe="").replace(".", "%2E") + ".npy"


def write_bands(
    map_path: str | os.PathLike, out: Path, width_bins: int, exclude: Collection[str] = (), clip: float = CLIP
) -> None:
    """Write the bands of a balanced map: the files of every chromosome, and chromosomes.tsv.

    A chromosome without a balanced contact is left out, as are those of `exclude`.
    """
    lines = ["name\tn_bins\tn_diagonals"]
    chroms = open_map(map_path).chromnames
    check_matched(exclude, chroms, "config: pairs/exclude", "name chromosomes as the genome does")
    for chrom in chroms:
        if chrom in exclude:
            continue
        band = Band.read(map_path, chrom, width_bins)
        if not np.nansum(band.balanced) > 0:
            logger.warning("%s: no balanced contact on %s; it is left out", map_path, chrom)
            continue
        n_bins, n_diagonals = CountStore.keep(out / file_of(chrom), band, clip)
        lines.append(f"{chrom}\t{n_bins}\t{n_diagonals}")
    if len(lines) == 1:
        raise InputError(f"{map_path}: no chromosome with a balanced contact; balance the map, or give a deeper one")
    (out / "chromosomes.tsv").write_text("\n".join(lines) + "\n")


def open_bands(folder: str | os.PathLike, window_bins: int = 0) -> dict[str, BandStore]:
    """chromosome -> its band, of a folder that `write_bands` wrote; for windows of so many bins, 0 if none is cut."""
    table = read_table(Path(folder) / "chromosomes.tsv", ["name"])
    rows = table[["name", "n_diagonals"]].itertuples(index=False, name=None)
    return {name: CountStore(Path(folder) / file_of(name), n_diagonals, window_bins) for name, n_diagonals in rows}
