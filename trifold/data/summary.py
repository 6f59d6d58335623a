"""A map in the numbers that people ask for first: contacts, how many of them are within chromosomes, depth.

Pixels are read once, in chunks; of a map with very many, a sample is read where that will do. Beside a prepared map the
workflow writes its summary as `summary.json`.
"""

import json
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from trifold.data import contacts, invariants
from trifold.genome import extents, n_bins
from trifold.io import hic, kinds
from trifold.io.cool import (
    CHUNK_PIXELS,
    COLUMNS,
    Band,
    Pixels,
    RowSums,
    bin_width,
    chromsizes,
    dataset,
    extent,
    open_map,
    opened,
    read_pixels,
    weight_facts,
)

logger = logging.getLogger(__name__)

CLASSES_PER_DOUBLING = 2  # of the distance, in `by_distance`
STRETCHES = 100  # of rows that are read of a map with very many pixels
# Of a .hic fewer: its pixels are packed in blocks, and a row takes as long to read as all rows of its blocks.
HIC_STRETCHES, MOST_HIC_ROWS = 20, 0.25  # where more rows than this share were read, all are


@dataclass(frozen=True)
class _Counted:
    """What pixels say of a map.

    contacts     of the whole map; cis: within chromosomes
    by_diagonal  (bins of the longest chromosome,) cis contacts at every distance, of the rows that were read
    rows, seen   (bins,) bool: rows that were read and have a cis contact; bins that have one, or how probably they do
    read_share   of the pixels
    """

    contacts: float
    cis: float
    by_diagonal: np.ndarray
    rows: np.ndarray
    seen: np.ndarray
    read_share: float = 1.0


def summarise(source: str | os.PathLike, bin_bp: int | None = None, most_pixels: int | None = None) -> dict:
    """Numbers of one map: a .cool, an .mcool or .hic with `bin_bp`, or the URI of a cooler.

    most_pixels: of a map with more, about so many are read, in stretches of whole rows spread evenly over the genome;
    then `read_share` says how many of the pixels these were, and what must be counted is estimated. `contacts` is what
    a cooler states, and bins with a contact are taken from its index. A .hic states neither: both kinds of contacts are
    those of its widest bins, which are read whole, and of its rows at most as many are read as could hold so many
    pixels (`read_share`: of the rows). A .hic is read whole where that is more than a quarter of its rows, and where
    its widest bins are those asked for, or narrow. None reads all pixels.

    bin_bp             bin width, bp
    chromosomes        how many; length_bp: their length together
    contacts           of the whole map; cis_contacts: within chromosomes
    bins, bad_bins     how many bins, and how many of them have no balancing weight (None: the map is not balanced)
    contacts_per_bin   cis contacts of the upper triangle, main diagonal included, per bin with such a contact
    by_distance        [[distance_bp, contacts per pixel], ...]: classes of the distance, two to a doubling; pixels are
                       those of two bins that have such a contact
    Raises InputError for a file that cannot be read, or has no map of that bin width.
    """
    raw = contacts.open_raw(source, bin_bp)
    sizes = [n_bins(length_bp, raw.bin_bp) for length_bp in raw.chromsizes.values()]
    counted = None
    if most_pixels is not None and kinds.is_hic(source):
        counted = _sample_hic(source, raw, sizes, most_pixels)
    elif most_pixels is not None and not (raw.moved or raw.absent):
        counted = _sample(source, raw.bin_bp, sizes, most_pixels)
    return _facts(raw, sizes, counted or _count(raw.chunks(), sizes))


def _facts(raw: contacts.Raw, sizes: list[int], counted: _Counted) -> dict:
    """`summarise` of a map whose pixels were counted; sizes: bins of its chromosomes."""
    weight, edges = raw.weight(), np.cumsum(sizes)[:-1]
    facts = {
        "bin_bp": raw.bin_bp,
        "chromosomes": len(sizes),
        "length_bp": sum(raw.chromsizes.values()),
        "contacts": _whole(counted.contacts),
        "cis_contacts": _whole(counted.cis),
        "bins": sum(sizes),
        "bad_bins": None if weight is None else int(np.isnan(weight).sum()),
        "contacts_per_bin": counted.cis / max(int(counted.seen.sum()), 1),
        "by_distance": _by_distance(
            counted.by_diagonal, np.split(counted.rows, edges), np.split(counted.seen, edges), raw.bin_bp
        ),
    }
    return facts if counted.read_share == 1 else facts | {"read_share": counted.read_share}


def _cis(pixels: Pixels, chrom_of: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """bin1, bin2 and count of the contacts within chromosomes, and the contacts of all pixels."""
    bin1, bin2 = pixels["bin1_id"], pixels["bin2_id"]
    count = np.nan_to_num(np.asarray(pixels["count"], dtype=np.float64))
    cis = (chrom_of[bin1] == chrom_of[bin2]) & (count > 0)
    return bin1[cis], bin2[cis], count[cis], float(count.sum())


def _count(chunks: Iterable[Pixels], sizes: list[int]) -> _Counted:
    """Every pixel of a map; sizes: bins of its chromosomes."""
    chrom_of = np.repeat(np.arange(len(sizes)), sizes)
    total, by_diagonal, seen = 0.0, np.zeros(max(sizes)), np.zeros(len(chrom_of), dtype=bool)
    for pixels in chunks:
        bin1, bin2, count, all_contacts = _cis(pixels, chrom_of)
        total += all_contacts
        by_diagonal += np.bincount(np.abs(bin2 - bin1), count, len(by_diagonal))
        seen[bin1] = seen[bin2] = True
    return _Counted(total, float(by_diagonal.sum()), by_diagonal, seen, seen)


def _sample(source: str | os.PathLike, bin_bp: int, sizes: list[int], most_pixels: int) -> _Counted | None:
    """Some rows of a cooler; None where it has no more than `most_pixels`, or its bins are not those of its lengths."""
    clr, chrom_of = open_map(source, bin_bp), np.repeat(np.arange(len(sizes)), sizes)
    with opened(clr) as group:
        offsets = dataset(group, "indexes/bin1_offset")[:]
        number = int(offsets[-1])
        if number <= most_pixels or len(offsets) != len(chrom_of) + 1:
            return None
        # Stretches of as many rows, spread evenly; rows without a pixel are no bins with a contact.
        long = max(1, int(len(chrom_of) * most_pixels / number) // STRETCHES)
        firsts = np.unique(np.arange(STRETCHES) * len(chrom_of) // STRETCHES)
        sampled, by_diagonal, contacts_read, read = np.zeros(len(chrom_of), dtype=bool), np.zeros(max(sizes)), 0.0, 0
        table = {name: dataset(group, f"pixels/{name}") for name in COLUMNS}
        for first in firsts:
            sampled[first : first + long] = True
            lo, hi = int(offsets[first]), int(offsets[first + long])
            for start in range(lo, hi, CHUNK_PIXELS):
                pixels = {name: column[start : min(start + CHUNK_PIXELS, hi)] for name, column in table.items()}
                bin1, bin2, count, all_contacts = _cis(pixels, chrom_of)
                contacts_read += all_contacts
                by_diagonal += np.bincount(bin2 - bin1, count, len(by_diagonal))
            read += hi - lo
    filled = np.diff(offsets) > 0
    # What the file states is the sum of its counts; without that the sampled rows stand for all.
    stated = clr.info.get("sum")
    total = contacts_read / max(sampled.mean(), 1e-9) if stated is None else float(stated)
    cis = total * float(by_diagonal.sum()) / max(contacts_read, 1e-9)
    return _Counted(total, round(cis), by_diagonal, sampled & filled, filled, read / number)


def _sample_hic(source: str | os.PathLike, raw: contacts.Raw, sizes: list[int], most_pixels: int) -> _Counted | None:
    """Some rows of a .hic, within their chromosomes.

    None where it may have no more than `most_pixels`, or not many more, or where its contacts are not to be had from
    bins that are much wider.
    """
    widest = contacts.open_raw(source, contacts.resolutions(source)[-1])
    if widest.bin_bp == raw.bin_bp or _most_pixels([widest.bins]) > most_pixels:
        return None
    wide_sizes = [n_bins(length_bp, widest.bin_bp) for length_bp in widest.chromsizes.values()]
    whole = _count(widest.chunks(), wide_sizes)
    # A pixel has a contact or more.
    if min(whole.contacts, _most_pixels([sum(sizes)])) <= most_pixels:
        return None
    chrom_of, edges = np.repeat(np.arange(len(sizes)), sizes), np.cumsum([0, *sizes])
    share = most_pixels / max(min(whole.cis, _most_pixels(sizes)), 1)
    if share > MOST_HIC_ROWS:
        return None
    long = max(1, int(len(chrom_of) * share) // HIC_STRETCHES)
    sampled, filled = np.zeros(len(chrom_of), dtype=bool), np.zeros(len(chrom_of), dtype=bool)
    for first in np.unique(np.arange(HIC_STRETCHES) * len(chrom_of) // HIC_STRETCHES):
        sampled[first : first + long] = True
    rows = []
    for name, lo, hi in zip(raw.chromsizes, edges, edges[1:]):
        borders = np.flatnonzero(np.diff(sampled[lo:hi], prepend=False, append=False))
        rows += [(name, int(first), int(stop)) for first, stop in borders.reshape(-1, 2)]
    by_diagonal = np.zeros(max(sizes))
    for pixels in hic.read_rows(source, raw.bin_bp, rows):
        bin1, bin2, count, _ = _cis(pixels, chrom_of)
        by_diagonal += np.bincount(bin2 - bin1, count, len(by_diagonal))
        filled[bin1] = True
    # Of the rows that were not read, as many are taken to have a contact as of those that were.
    seen = np.where(sampled, filled, filled[sampled].mean())
    return _Counted(whole.contacts, whole.cis, by_diagonal, filled, seen, float(sampled.mean()))


def _most_pixels(sizes: list[int]) -> int:
    """Pixels of the upper triangles of so many bins."""
    return sum(number * (number + 1) // 2 for number in sizes)


def write(folder: Path, report: Mapping, called: str | os.PathLike, deep: Path | None = None) -> dict:
    """`summary.json` of the prepared map in a folder, beside its map.cool; returns what it holds.

    report: of `contacts.prepare` or `degrade.degrade`; called: what the map is called in messages; deep: the deep map
    of a low map that was measured, whose cis share is compared. Beside the numbers of `summarise` there are
    `cis_share`, `row_sums` (mean and sd of the balanced rows of good bins, beyond the diagonals left out) and
    `checked`: what must hold of contacts before and after. The file is read once for all of them. Raises InputError
    where rows do not sum to 1, or the file does not hold what was written.
    """
    path = folder / "map.cool"
    raw, clr = contacts.open_raw(path), open_map(path)
    sizes = [n_bins(length_bp, raw.bin_bp) for length_bp in raw.chromsizes.values()]
    weight = clr.bins()["weight"][:].to_numpy()
    rows = RowSums(np.nan_to_num(weight), int(weight_facts(clr).get("ignore_diags", 0)))
    facts = _facts(raw, sizes, _count(rows.of(raw.chunks()), sizes))
    good = rows.sums[np.isfinite(weight)]
    facts["row_sums"] = {"mean": float(good.mean()), "sd": float(good.std())}
    invariants.check_stored(called, report["contacts"], facts["contacts"])
    invariants.check_rows(called, facts["row_sums"])
    counted = ("contacts_read", "contacts_left_out", "contacts_deep", "thin", "coarsen", "contacts")
    facts["cis_share"] = invariants.cis_share(facts)
    facts["checked"] = {name: report[name] for name in counted if name in report}
    if deep is not None and (advice := invariants.cis_advice(read(deep), facts)):
        logger.warning("%s: %s", called, advice)
    (folder / "summary.json").write_text(json.dumps(facts, indent=1) + "\n")
    return facts


def read(path: Path) -> dict:
    """The summary of a prepared map: read from `summary.json` beside it, or computed where there is none."""
    beside = path.with_name("summary.json")
    return json.loads(beside.read_text()) if beside.is_file() else summarise(path)


def whole(path: str | os.PathLike, least_bp: int) -> dict[str, float]:
    """Contacts within the chromosomes of a map that have bins for at least `least_bp`, each counted once, at any
    distance, and the length of those bins: {"cis_contacts", "cis_bp"}."""
    clr = open_map(path)
    bin_bp = bin_width(clr)
    bins = {chrom: n_bins(length_bp, bin_bp) for chrom, length_bp in chromsizes(clr).items()}
    long = {chrom: number for chrom, number in bins.items() if number * bin_bp >= least_bp}
    total = 0.0
    for chrom in long:
        end = extent(clr, chrom)[1]
        for pixels in read_pixels(clr, chrom=chrom):
            total += float(np.nansum(pixels["count"][pixels["bin2_id"] < end], dtype=np.float64))
    return {"cis_contacts": total, "cis_bp": float(sum(long.values()) * bin_bp)}


def _whole(value: float) -> int | float:
    """An int for a whole number of contacts; those of a predicted map are not whole and stay floats."""
    return int(value) if value == int(value) else value


def _by_distance(
    by_diagonal: np.ndarray, rows: list[np.ndarray], seen: list[np.ndarray], bin_bp: int
) -> list[list[float]]:
    """[distance_bp, contacts per pixel] of every distance class, from the contacts of every diagonal.

    rows, seen: by chromosome, the bins whose rows were read and the bins that have a contact
    """
    diagonals, pixels = np.arange(len(by_diagonal)), np.zeros(len(by_diagonal))
    for read, bins in zip(rows, seen):
        # The number of pairs at every distance is the correlation of the two, computed by FFT. NumPy's FFT, because
        # every job imports this module and scipy.signal takes most of a second to load.
        size = 1 << (2 * len(bins)).bit_length()
        first, second = (np.fft.rfft(flags.astype(np.float64), size) for flags in (read, bins))
        pixels[: len(bins)] += np.rint(np.fft.irfft(first.conj() * second, size)[: len(bins)])
    steps = np.arange(0, CLASSES_PER_DOUBLING * (np.log2(len(by_diagonal)) + 1))
    edges = np.unique(np.rint(2 ** (steps / CLASSES_PER_DOUBLING)).astype(int))
    starts = np.append(0, edges[edges < len(by_diagonal)])
    numbers = np.diff(np.append(starts, len(by_diagonal)))
    distances, contact_sums, pixels = (np.add.reduceat(values, starts) for values in (diagonals, by_diagonal, pixels))
    known = pixels > 0
    return np.column_stack([distances / numbers * bin_bp, contact_sums / np.maximum(pixels, 1)])[known].tolist()


class Depth:
    """`contacts_per_bin` of the bins inside regions, chromosome by chromosome.

    A bin's contacts are those with the bins after it on its chromosome, in the regions or not.
    """

    def __init__(self):
        self.contacts, self.bins = 0.0, 0

    def add(self, band: Band, regions: pd.DataFrame) -> None:
        """A band that was read, and the regions of its chromosome (columns start_bp, end_bp).

        Raises ValueError for a band that was made.
        """
        if band.cis is None or band.seen is None:
            raise ValueError(f"{band.chrom}: the contacts beyond this band are not known; read it from a map")
        inside = np.zeros(len(band.weight), dtype=bool)
        for start_bp, end_bp in extents(regions):
            inside[-(-start_bp // band.bin_bp) : -(-end_bp // band.bin_bp)] = True
        self.contacts += float(band.cis[inside].sum())
        self.bins += int((inside & band.seen).sum())

    @property
    def contacts_per_bin(self) -> float:
        return self.contacts / max(self.bins, 1)
