"""Pairs of a map window and its tracks, by coordinate: which there are (MIX-HIC, Yang et al. 2025), and what they hold.

A pair is (chromosome, x, y, label), x <= y bins of 5 kb: the 50 × 50 window with rows x - 25 ... x + 24 and columns
y - 25 ... y + 24, and the tracks of both stretches. Nothing is cut beforehand: windows come from a band of the map,
kept once per chromosome, tracks from the stores of `trifold.data.tracks`.

Positives are the loops of a BEDPE, negatives drawn pixels: as many by a density fitted to the positives' distances as
by a second rule that favours long ones. All windows need 10 % of their pixels above zero.

- "published": a positive's centre must also be at least 0.1 of the mean of its lower left corner; the second rule spans
  the distances from where the histogram of the positives first stops falling to their greatest, and negatives are
  taken until there is one fewer than loops were listed, whatever of these was kept.
- "corrected": no such filter (the text has none); the second rule takes distances beyond the positives' greatest, up to
  what the band holds; as many negatives as positives were kept.
- Both: a diagonal with too few pixels to draw from gives those it has (the released code ends there), anchors of a loop
  may come in either order, and draws of a chromosome depend on the seed and its name only.
"""

import logging
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import gaussian_kde

from trifold.data.tracks import TrackStore
from trifold.errors import InputError
from trifold.io.cool import Band

logger = logging.getLogger(__name__)

WINDOW_BINS = 50
HALF_BINS = WINDOW_BINS // 2
CORNER_BINS = 13  # side of the lower left corner a positive's centre is held against
MIN_LOOP_BINS, MAX_LOOP_BINS = 4, 400  # 20 kb to 2 Mb at 5 kb
MIN_NONZERO, MIN_CENTRE_TO_CORNER = 0.1, 0.1
CLIP = 255.0  # contacts
HISTOGRAM_BINS = 100
DRAWS_PER_LOOP = 3  # by either rule
CHUNK_WINDOWS = 2048


# ---------------------------------------------------------------- the map


def contacts(band: Band) -> np.ndarray:
    """Balanced values with the raw counts' total, (n_bins, width); NaN on bad bins and past the end.

    Values are clipped at 255 on the scale of counts, where KR-normalised contacts of a .hic file lie.
    """
    balanced = band.balanced
    known = np.isfinite(balanced)
    total = balanced[known].sum()
    if not total > 0:
        raise InputError(f"{band.chrom}: the map has no balanced contact here; leave the chromosome out or balance it")
    return balanced * (band.counts[known].sum() / total)


class BandStore:
    """Windows of one chromosome's map on [0, 1], cut from a band: ``.npy``, float32 (n_bins, n_diagonals).

    Column d holds the pixels (i, i + d). The file is mapped on first use in each process; the store pickles.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        if not self.path.exists():
            raise InputError(f"{self.path}: not found; write the band of this chromosome first")
        self.n_bins, self.n_diagonals = np.load(self.path, mmap_mode="r").shape
        self._values: np.ndarray | None = None

    @classmethod
    def write(cls, path: str | os.PathLike, values: np.ndarray) -> "BandStore":
        """Keep a band of contacts (n_bins, n_diagonals): not finite ones as 0, clipped at 255, over their maximum."""
        values = np.minimum(np.where(np.isfinite(values), values, 0), CLIP)
        maximum = values.max(initial=0)
        if not maximum > 0:
            raise InputError(f"{path}: the band holds no contact; leave the chromosome out")
        with open(path, "wb") as handle:
            np.save(handle, (values / maximum).astype(np.float32))
        return cls(path)

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_values": None}

    @property
    def values(self) -> np.ndarray:
        if self._values is None:
            self._values = np.load(self.path, mmap_mode="r")
        return self._values

    @property
    def farthest_bins(self) -> int:
        """Greatest y - x whose window the band holds."""
        return self.n_diagonals - WINDOW_BINS

    def inside(self, pairs: np.ndarray) -> np.ndarray:
        """Which (x, y) of (n, 2) have a whole window on the chromosome: bool (n,)."""
        return ((pairs >= HALF_BINS) & (pairs <= self.n_bins - HALF_BINS)).all(axis=1)

    def windows(self, pairs: np.ndarray) -> np.ndarray:
        """(n, 2) bins (x, y) -> (n, 50, 50) float32, x along the rows.

        Raises InputError for windows that leave the chromosome or the band.
        """
        pairs = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
        distances = np.abs(pairs[:, 1] - pairs[:, 0])
        outside = ~self.inside(pairs) | (distances > self.farthest_bins)
        if outside.any():
            x, y = pairs[outside][0]
            raise InputError(
                f"{self.path}: the window about ({x}, {y}) leaves the chromosome ({self.n_bins} bins) or the band "
                f"({self.n_diagonals} diagonals); leave the pair out, or write a wider band"
            )
        around = np.arange(-HALF_BINS, HALF_BINS)
        rows, columns = (pairs[:, side, None] + around for side in (0, 1))
        rows, columns = rows[:, :, None], columns[:, None, :]
        return self.values[np.minimum(rows, columns), np.abs(columns - rows)]


def kept(windows: np.ndarray, *, positive: bool, protocol: str) -> np.ndarray:
    """Which windows (n, 50, 50) pass the filters: bool (n,)."""
    windows = windows.astype(np.float64)
    passed = np.isfinite(windows).all(axis=(1, 2)) & ((windows != 0).mean(axis=(1, 2)) >= MIN_NONZERO)
    if positive and protocol == "published":
        corner = windows[:, -CORNER_BINS:, :CORNER_BINS].mean(axis=(1, 2))
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = windows[:, HALF_BINS, HALF_BINS] / corner
        passed &= np.isfinite(ratio) & (ratio >= MIN_CENTRE_TO_CORNER)
    return passed


def usable(store: BandStore, pairs: np.ndarray, *, positive: bool, protocol: str) -> Iterator[np.ndarray]:
    """The pairs (n, 2) whose windows lie on the chromosome and pass the filters, in order, chunk by chunk."""
    pairs = pairs[store.inside(pairs)]
    for start in range(0, len(pairs), CHUNK_WINDOWS):
        chunk = pairs[start : start + CHUNK_WINDOWS]
        yield chunk[kept(store.windows(chunk), positive=positive, protocol=protocol)]


# ---------------------------------------------------------------- the tracks


def segments(
    tracks: Sequence[TrackStore], chrom: str, x: int, y: int, *, bin_bp: int = 5000, log: bool = True
) -> np.ndarray:
    """Tracks of the 50 bins about x, then of those about y: (5000, n_tracks) float32 for tracks of 100 bp.

    0 where a track has no data. log: as log2(value + 1), which the released pre-training leaves out.
    """
    stretches = []
    for start_bp in ((x - HALF_BINS) * bin_bp, (y - HALF_BINS) * bin_bp):
        read = [track.window(chrom, start_bp, start_bp + WINDOW_BINS * bin_bp)[0] for track in tracks]
        stretches.append(np.stack(read, axis=1))  # (2500, n_tracks)
    values = np.concatenate(stretches)
    return np.log2(values + 1) if log else values


# ---------------------------------------------------------------- positives


def read_loops(path: str | os.PathLike, bin_bp: int = 5000) -> dict[str, np.ndarray]:
    """Loops of a BEDPE (ChIA-PET; .gz too) -> chromosome -> (n, 2) bins (x, y), x < y, unique and sorted.

    A bin is that of an anchor's start. Loops of 4 to 400 bins within one chromosome are taken.
    Raises InputError for a file that is not a BEDPE or holds no such loop.
    """
    names = ["chrom1", "start1", "end1", "chrom2", "start2", "end2"]
    try:
        text = {"chrom1": str, "chrom2": str}
        table = pd.read_csv(path, sep="\t", header=None, comment="#", usecols=range(6), names=names, dtype=text)
        starts = table[["start1", "start2"]].astype(np.int64).to_numpy()
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: not a readable BEDPE ({error}); give tab-separated columns chrom1 start1 end1 chrom2 start2 end2"
        ) from error
    pairs = np.sort(starts // bin_bp, axis=1)
    distances = pairs[:, 1] - pairs[:, 0]
    taken = (distances >= MIN_LOOP_BINS) & (distances <= MAX_LOOP_BINS)
    taken &= (table["chrom1"] == table["chrom2"]).to_numpy()
    if not taken.any():
        raise InputError(
            f"{path}: no loop of {MIN_LOOP_BINS * bin_bp:,} to {MAX_LOOP_BINS * bin_bp:,} bp within a chromosome; give "
            "the loops of a ChIA-PET experiment"
        )
    chroms = table["chrom1"].to_numpy()
    return {chrom: np.unique(pairs[taken & (chroms == chrom)], axis=0) for chrom in dict.fromkeys(chroms[taken])}


# ---------------------------------------------------------------- negatives


@dataclass(frozen=True)
class Distances:
    """What the distances (bins) of all positives say about those of negatives.

    lowest, greatest   of the positives
    long_start         where the published second rule starts
    density            of the positives' distances
    """

    lowest: int
    greatest: int
    long_start: int
    density: gaussian_kde

    @classmethod
    def of(cls, pairs: np.ndarray) -> "Distances":
        """From (n, 2) positives; long_start is the upper edge of the first histogram bin not below the one before."""
        distances = pairs[:, 1] - pairs[:, 0]
        if len(np.unique(distances)) < 2:
            raise InputError("loops: fewer than two different distances; a density needs more loops")
        numbers, edges = np.histogram(distances, bins=HISTOGRAM_BINS)
        stops = np.flatnonzero(numbers[1:] >= numbers[:-1])
        first = stops[0] if len(stops) else HISTOGRAM_BINS - 2
        return cls(int(distances.min()), int(edges[-1]), int(edges[first + 2]), gaussian_kde(distances))

    def draw(
        self, n: int, n_bins: int, farthest_bins: int, generator: np.random.Generator, *, protocol: str
    ) -> np.ndarray:
        """Distances of negatives, bins: of n by the density those in the positives' range, and n by the second rule.

        The second rule's weights fall with the distance as the number of pixels of a diagonal does.
        """
        similar = self.density.resample(n, seed=generator)[0].astype(np.int64)
        similar = similar[(similar >= self.lowest) & (similar <= self.greatest)]
        if protocol == "published":
            first, last = self.long_start, min(self.greatest, n_bins - 1)
        else:
            first, last = self.greatest + 1, min(farthest_bins, n_bins - 1)
        long = np.arange(first, last + 1)
        if not len(long):
            raise InputError(
                f"negatives: no distance of {first} to {last} bins to draw from ({n_bins} bins, positives to "
                f"{self.greatest}); write a band of more diagonals, or leave the chromosome out"
            )
        weights = (n_bins - long).astype(np.float64)
        return np.concatenate([similar, generator.choice(long, size=n, p=weights / weights.sum())])


def candidates(
    store: BandStore, positives: np.ndarray, distances: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """A pixel above zero that is no positive for each of the distances, as far as there are: (n, 2), shuffled."""
    taken = [np.empty((0, 2), dtype=np.int64)]
    numbers = zip(*np.unique(distances[distances < store.n_diagonals], return_counts=True))
    for distance, number in numbers:
        x = np.flatnonzero(store.values[: store.n_bins - distance, distance] > 0)
        x = np.setdiff1d(x, positives[positives[:, 1] - positives[:, 0] == distance, 0])
        x = generator.choice(x, size=min(number, len(x)), replace=False)
        taken.append(np.stack([x, x + distance], axis=1))
    return generator.permutation(np.concatenate(taken))


# ---------------------------------------------------------------- all pairs


def choose_pairs(
    loops: Mapping[str, np.ndarray], stores: Mapping[str, BandStore], *, protocol: str, seed: int
) -> pd.DataFrame:
    """Positives and negatives of all chromosomes that have a band: columns chrom, x, y (bins), label (1, 0).

    loops   chromosome -> (n, 2), as `read_loops` gives them; all of them shape the negatives' distances
    stores  chromosome -> its band, wide enough for every loop; a chromosome without one is left out
    Raises InputError where nothing can be chosen.
    """
    if protocol not in ("published", "corrected"):
        raise InputError(f"config: the protocol {protocol!r} is not known; choose from published, corrected")
    if not set(loops) & set(stores):
        raise InputError(f"loops: none on {', '.join(stores)}; name chromosomes as the map does")
    shape = Distances.of(np.concatenate(list(loops.values())))
    if absent := [chrom for chrom in loops if chrom not in stores]:
        logger.warning("no band of %s: its loops are left out", ", ".join(absent))
    tables = []
    for chrom, store in stores.items():
        if chrom not in loops:
            continue
        listed = loops[chrom]
        positives = np.concatenate([np.empty((0, 2), int), *usable(store, listed, positive=True, protocol=protocol)])
        wanted = len(listed) - 1 if protocol == "published" else len(positives)
        generator = np.random.default_rng([seed, zlib.crc32(chrom.encode())])
        drawn = shape.draw(
            DRAWS_PER_LOOP * len(listed), store.n_bins, store.farthest_bins, generator, protocol=protocol
        )
        negatives = np.empty((0, 2), int)
        found = usable(store, candidates(store, listed, drawn, generator), positive=False, protocol=protocol)
        while len(negatives) < wanted and (chunk := next(found, None)) is not None:
            negatives = np.concatenate([negatives, chunk])[:wanted]
        if len(negatives) < wanted:
            logger.warning("%s: %d negatives found of %d", chrom, len(negatives), wanted)
        pairs = np.concatenate([positives, negatives])
        labels = (np.arange(len(pairs)) < len(positives)).astype(int)
        tables.append(pd.DataFrame({"chrom": chrom, "x": pairs[:, 0], "y": pairs[:, 1], "label": labels}))
    return pd.concat(tables, ignore_index=True)
