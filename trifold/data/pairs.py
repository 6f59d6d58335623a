"""Pairs of a map window and its tracks, by coordinate: which there are (MIX-HIC, Yang et al. 2025), and what they hold.

A pair is (chromosome, x, y, label), x <= y bins (5 kb as published): the window of W × W bins (50 as published) with
rows x - W/2 ... x + W/2 - 1 and such columns about y, and the tracks of both stretches. Nothing is cut beforehand:
windows come from the stores of `trifold.data.bands`, tracks from those of `trifold.data.tracks`.

Positives are the loops of a BEDPE, negatives drawn pixels: as many by a density fitted to the positives' distances as
by a second rule that favours long ones. All windows need 10 % of their pixels above zero.

- "published": a positive's centre must also be at least 0.1 of the mean of its lower left corner; the second rule spans
  the distances from where the histogram of the positives first stops falling to their greatest, and negatives are
  taken until there is one fewer than loops were listed, whatever of these was kept.
- "corrected": no such filter (the text has none); the second rule takes distances beyond the positives' greatest, up to
  what the band holds; as many negatives as positives were kept.
- Both, scored beside: negatives *matched* in distance, as many at each distance as there are positives, of which none
  lies within two bins of a listed loop; what tells the drawn negatives from loops by distance alone has nothing there.
- Both: a diagonal with too few pixels to draw from gives those it has (the released code ends there), anchors of a loop
  may come in either order, and draws of a chromosome depend on the seed and its name only.
"""

import logging
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numba
import numpy as np
import pandas as pd
from scipy.spatial import KDTree
from scipy.stats import gaussian_kde

from trifold.data.bands import BandStore
from trifold.data.tracks import TrackStore
from trifold.errors import InputError
from trifold.genome import check_matched, check_renamed, extents
from trifold.io import bed

logger = logging.getLogger(__name__)

CORNER_BINS = 13  # side of the lower left corner a positive's centre is held against
MIN_LOOP_BINS, MAX_LOOP_BINS = 4, 400  # 20 kb to 2 Mb at 5 kb
MIN_NONZERO, MIN_CENTRE_TO_CORNER = 0.1, 0.1
HISTOGRAM_BINS = 100
DRAWS_PER_LOOP = 3  # by either rule
MATCHED_DRAWS_PER_LOOP = 4
NEAR_BINS = 2  # a pair both of whose bins are no farther from those of a loop is near it
CHUNK_WINDOWS = 2048


def code_of(chrom: str) -> int:
    """A number for the name of a chromosome, the same on every machine."""
    return zlib.crc32(chrom.encode())


# ---------------------------------------------------------------- the map


def kept(windows: np.ndarray, *, positive: bool, protocol: str) -> np.ndarray:
    """Which windows (n, W, W) pass the filters: bool (n,)."""
    windows = windows.astype(np.float64)
    passed = np.isfinite(windows).all(axis=(1, 2)) & ((windows != 0).mean(axis=(1, 2)) >= MIN_NONZERO)
    if positive and protocol == "published":
        corner = windows[:, -CORNER_BINS:, :CORNER_BINS].mean(axis=(1, 2))
        with np.errstate(divide="ignore", invalid="ignore"):
            half = windows.shape[1] // 2
            ratio = windows[:, half, half] / corner
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
    tracks: Sequence[TrackStore],
    chrom: str,
    pairs: np.ndarray,
    *,
    bin_bp: int,
    window_bins: int,
    log: bool = True,
    out: np.ndarray | None = None,
    places: np.ndarray | None = None,
) -> np.ndarray:
    """Tracks of the window about x, then of that about y, of (n, 2) pairs: (n, L, n_tracks) float32.

    L: bins of the tracks of both stretches, 5000 for 2 · 50 bins of 5 kb and tracks at 100 bp.

    0 where a track has no data. log: as log2(value + 1), which the released pre-training leaves out. Where `out` is
    given they are written to its `places` (n,).
    """
    pairs = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
    half = window_bins // 2
    per_bin, first_bin, end_bin = bin_bp // tracks[0].bin_bp, pairs.min() - half, pairs.max() + half
    if out is None:
        out = np.empty((len(pairs), 2 * window_bins * per_bin, len(tracks)), dtype=np.float32)
    places = np.arange(len(pairs)) if places is None else places
    starts = (pairs - half - first_bin) * per_bin
    for k, track in enumerate(tracks):
        patterns = track.stored(chrom, int(first_bin) * bin_bp, int(end_bin) * bin_bp).view(np.uint16)
        _look_up(_meanings(log), patterns, starts, out, places, k)
    return out


def signals(tracks: Sequence[TrackStore], chrom: str, n_bins: int, *, bin_bp: int, log: bool = True) -> np.ndarray:
    """Tracks of a whole chromosome, (n_bins · bin_bp / track bin, n_tracks) float32; what `segments` cuts.

    (n_bins, 0) where there is no track: a predictor that reads the map alone.
    """
    if not tracks:
        return np.empty((n_bins, 0), dtype=np.float32)
    read = [_meanings(log)[track.stored(chrom, 0, n_bins * bin_bp).view(np.uint16)] for track in tracks]
    return np.stack(read, axis=1)


@cache
def _meanings(log: bool) -> np.ndarray:
    """What each of the 65,536 patterns of float16 says, float32; 0 where that is no number: no data, or the logarithm
    of what is at or below 0."""
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        said = np.log2(every + 1) if log else every
    return np.where(np.isfinite(said), said, np.float32(0))


@numba.njit(cache=True, nogil=True)
def _look_up(table, patterns, starts, out, places, k):
    half = out.shape[1] // 2
    for n in range(starts.shape[0]):
        for side in range(2):
            written = out[places[n], side * half : (side + 1) * half, k]
            read = patterns[starts[n, side] : starts[n, side] + half]
            for i in range(half):
                written[i] = table[read[i]]


# ---------------------------------------------------------------- positives


@dataclass(frozen=True)
class Loops:
    """Loops of BEDPE files: chromosome -> (n, 2) bins (x, y), x < y, unique and sorted; rows of the files that were
    `listed`, and of those left out how many by reason."""

    pairs: dict[str, np.ndarray]
    listed: int
    left_out: dict[str, int]


def _read_bedpe(path: str | os.PathLike, rename: Mapping[str, str]) -> pd.DataFrame:
    table = bed.read_table(path, bed.BEDPE, f"give a BEDPE, tab-separated columns {' '.join(bed.BEDPE)}")
    check_renamed(rename, pd.unique(table[["chrom1", "chrom2"]].to_numpy().ravel()), f"{path}: pairs/rename")
    return table.replace({"chrom1": dict(rename), "chrom2": dict(rename)})


def read_listed(
    paths: str | os.PathLike | Sequence[str | os.PathLike],
    bin_bp: int = 5000,
    *,
    max_bins: int = MAX_LOOP_BINS,
    rename: Mapping[str, str] | None = None,
) -> Loops:
    """Loops of one BEDPE or several (ChIA-PET; .gz too).

    A bin is that of an anchor's start. Loops of 4 to `max_bins` bins within one chromosome are taken.
    rename  {file's name: genome's name}
    Raises InputError for a file that is not a BEDPE, and where there is no such loop.
    """
    paths = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    table = pd.concat([_read_bedpe(path, rename or {}) for path in paths], ignore_index=True)
    starts = table[["start1", "start2"]].to_numpy()
    pairs = np.sort(starts // bin_bp, axis=1)
    distances = pairs[:, 1] - pairs[:, 0]
    placed = (starts >= 0).all(axis=1) & (table["chrom1"] == table["chrom2"]).to_numpy()
    long_enough, short_enough = distances >= MIN_LOOP_BINS, distances <= max_bins
    taken = placed & long_enough & short_enough
    if not taken.any():
        raise InputError(
            f"{', '.join(map(str, paths))}: no loop of {MIN_LOOP_BINS * bin_bp:,} to {max_bins * bin_bp:,} bp within a "
            "chromosome; give the loops of a ChIA-PET experiment"
        )
    chroms = table["chrom1"].to_numpy()
    loops = {chrom: np.unique(pairs[taken & (chroms == chrom)], axis=0) for chrom in dict.fromkeys(chroms[taken])}
    left_out = {
        "not within a chromosome": int((~placed).sum()),
        "too short": int((placed & ~long_enough).sum()),
        "too long": int((placed & ~short_enough).sum()),
        "same bins as another": int(taken.sum()) - sum(map(len, loops.values())),
    }
    return Loops(loops, len(table), left_out)


def read_loops(
    paths: str | os.PathLike | Sequence[str | os.PathLike],
    bin_bp: int = 5000,
    *,
    max_bins: int = MAX_LOOP_BINS,
    rename: Mapping[str, str] | None = None,
) -> dict[str, np.ndarray]:
    """`pairs` of `read_listed`: chromosome -> (n, 2) bins (x, y), x < y, unique and sorted."""
    return read_listed(paths, bin_bp, max_bins=max_bins, rename=rename).pairs


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
    values = store.values
    numbers = zip(*np.unique(distances[distances < store.n_diagonals], return_counts=True))
    for distance, number in numbers:
        x = np.flatnonzero(values[: store.n_bins - distance, distance] > 0)
        x = np.setdiff1d(x, positives[positives[:, 1] - positives[:, 0] == distance, 0])
        x = generator.choice(x, size=min(number, len(x)), replace=False)
        taken.append(np.stack([x, x + distance], axis=1))
    return generator.permutation(np.concatenate(taken))


# ---------------------------------------------------------------- all pairs


def choose_pairs(
    loops: Mapping[str, np.ndarray],
    stores: Mapping[str, BandStore],
    *,
    protocol: str,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Positives and negatives of all chromosomes that have a band: columns chrom, x, y (bins), label (1, 0).

    loops   chromosome -> (n, 2), as `read_loops` gives them; all of them shape the negatives' distances
    stores  chromosome -> its band, wide enough for every loop; a chromosome without one is left out
    With them, per chromosome and label, how many there were `before` the filters (loops listed, pixels drawn) and
    `after`. Raises InputError where nothing can be chosen.
    """
    if protocol not in ("published", "corrected"):
        raise InputError(f"config: the protocol {protocol!r} is not known; choose from published, corrected")
    check_matched(loops, stores, "loops", "name chromosomes as the map does (pairs/rename)")
    shape = Distances.of(np.concatenate(list(loops.values())))
    tables, counts = [], []
    for chrom, store in stores.items():
        if chrom not in loops:
            continue
        listed = loops[chrom]
        chosen = np.concatenate([np.empty((0, 2), int), *usable(store, listed, positive=True, protocol=protocol)])
        counts.append((chrom, 1, len(listed), len(chosen)))
        tables.append(pd.DataFrame({"chrom": chrom, "x": chosen[:, 0], "y": chosen[:, 1], "label": 1}))
        wanted = len(listed) - 1 if protocol == "published" else len(chosen)
        generator = np.random.default_rng([seed, code_of(chrom)])
        drawn = shape.draw(
            DRAWS_PER_LOOP * len(listed), store.n_bins, store.farthest_bins, generator, protocol=protocol
        )
        chosen = np.empty((0, 2), int)
        pixels = candidates(store, listed, drawn, generator)
        usable_pixels = usable(store, pixels, positive=False, protocol=protocol)
        while len(chosen) < wanted and (chunk := next(usable_pixels, None)) is not None:
            chosen = np.concatenate([chosen, chunk])[:wanted]
        if len(chosen) < wanted:
            logger.warning("%s: %d negatives found of %d", chrom, len(chosen), wanted)
        counts.append((chrom, 0, len(pixels), len(chosen)))
        tables.append(pd.DataFrame({"chrom": chrom, "x": chosen[:, 0], "y": chosen[:, 1], "label": 0}))
    return (
        pd.concat(tables, ignore_index=True),
        pd.DataFrame(counts, columns=["chrom", "label", "before", "after"]),
    )


def near_loops(pairs: np.ndarray, loops: np.ndarray) -> np.ndarray:
    """Which pairs (n, 2) have both bins within `NEAR_BINS` of those of one of the loops (m, 2), bins: bool (n,)."""
    if not len(pairs) or not len(loops):
        return np.zeros(len(pairs), dtype=bool)
    return KDTree(loops).query(pairs, p=np.inf)[0] <= NEAR_BINS


def matched_negatives(
    loops: Mapping[str, np.ndarray],
    stores: Mapping[str, BandStore],
    positives: pd.DataFrame,
    roles: "Roles",
    *,
    seed: int,
) -> pd.DataFrame:
    """Negatives as far apart as the positives: columns chrom, x, y (bins), label (0), role.

    loops      as `choose_pairs` takes them; positives: of the pairs it gives, with the role that `roles` says
    On every chromosome and in every role there are as many at each distance as there are positives, drawn from the
    pixels above zero that are near no listed loop and whose windows pass the filters of negatives; where fewer pixels
    do, all of them, and it is logged. Draws depend on the seed, the chromosome and the role only.
    """
    tables, lacking = [pd.DataFrame(columns=["chrom", "x", "y", "label", "role"])], 0
    for keys, of_role in positives.groupby(["chrom", "role"], sort=False):
        chrom, role = map(str, keys)
        store, listed = stores[chrom], loops[chrom]
        generator = np.random.default_rng([seed, code_of(chrom), code_of(role)])
        numbers = dict(zip(*np.unique(of_role["y"] - of_role["x"], return_counts=True)))
        drawn = [np.empty((0, 2), dtype=np.int64)]
        for distance, number in numbers.items():
            x = np.flatnonzero(store.values[: store.n_bins - distance, distance] > 0)
            pixels = np.stack([x, x + distance], axis=1)
            pixels = pixels[roles.of(pd.Series([chrom] * len(x)), x, x + distance) == role]
            pixels = generator.permutation(pixels[~near_loops(pixels, listed)])
            drawn.append(pixels[: MATCHED_DRAWS_PER_LOOP * number])
        passed = [*usable(store, np.concatenate(drawn), positive=False, protocol="corrected")]
        pixels = np.concatenate([drawn[0], *passed])
        taken = np.concatenate([pixels[pixels[:, 1] - pixels[:, 0] == d][:n] for d, n in numbers.items()])
        lacking += len(of_role) - len(taken)
        tables.append(pd.DataFrame({"chrom": chrom, "x": taken[:, 0], "y": taken[:, 1], "label": 0, "role": role}))
    if lacking:
        logger.warning("negatives matched in distance: too few pixels, %d fewer than loops", lacking)
    return pd.concat(tables, ignore_index=True).astype({"x": int, "y": int, "label": int})


def described_negatives(
    negatives: pd.DataFrame, positives: pd.DataFrame, loops: Mapping[str, np.ndarray]
) -> pd.DataFrame:
    """What distance alone tells of negatives, role by role: columns role, n, longest_bins, beyond, near.

    negatives, positives: chrom, x, y, role; loops: chromosome -> those listed
    longest_bins  of all positives; beyond: so many negatives are farther apart
    near          so many are near a listed loop (`near_loops`)
    """
    longest_bins = int((positives["y"] - positives["x"]).max()) if len(positives) else 0
    near = pd.Series(False, index=negatives.index)
    for chrom, here in negatives.groupby("chrom", sort=False):
        near[here.index] = near_loops(here[["x", "y"]].to_numpy(), loops[str(chrom)])
    flagged = negatives.assign(near=near, beyond=negatives["y"] - negatives["x"] > longest_bins)
    rows = [
        (role, len(here), longest_bins, int(here["beyond"].sum()), int(here["near"].sum()))
        for role, here in flagged.groupby("role")
    ]
    return pd.DataFrame(rows, columns=["role", "n", "longest_bins", "beyond", "near"])


@dataclass(frozen=True)
class Roles:
    """Roles of windows in a fold: that of the region that holds both stretches of a window whole.

    regions  chrom, start_bp, end_bp, role (`trifold.data.splits`)
    stores   chromosome -> its band
    """

    regions: pd.DataFrame
    stores: Mapping[str, BandStore]
    bin_bp: int

    def of(self, chroms: pd.Series, x: pd.Series | np.ndarray, y: pd.Series | np.ndarray) -> np.ndarray:
        """Role of each window about (x, y), x <= y, bins: (n,) of str, "" where no region holds it."""
        names, left, right = chroms.to_numpy(), np.asarray(x), np.asarray(y)
        roles = np.full(len(left), "", dtype="<U10")
        regions = zip(self.regions["chrom"], extents(self.regions), self.regions["role"])
        for chrom, (start_bp, end_bp), role in regions:
            if chrom not in self.stores:
                continue
            store = self.stores[chrom]
            first, end = -(-start_bp // self.bin_bp), end_bp // self.bin_bp
            if end_bp > (store.n_bins - 1) * self.bin_bp:  # the last bin of a chromosome is rarely full
                end = store.n_bins
            half = store.window_bins // 2
            roles[(names == chrom) & (left - half >= first) & (right + half <= end)] = role
        return roles

    def of_chromosomes(self, chroms: pd.Series) -> np.ndarray:
        """Role of each chromosome, "several" where its regions have more than one: (n,) of str."""
        roles = self.regions.groupby("chrom")["role"].agg(
            lambda roles_of: roles_of.iloc[0] if roles_of.nunique() == 1 else "several"
        )
        return np.array([roles.get(chrom, "") for chrom in chroms], dtype="<U10")
