"""A map in the numbers that people ask for first: contacts, how many of them are within chromosomes, depth.

Pixels are read once, in chunks. Beside a prepared map the workflow writes its summary as `summary.json`.
"""

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from trifold.data import contacts, invariants
from trifold.genome import by_chromosome, extents, n_bins
from trifold.io.cool import bin_width, extent, open_map, read_pixels, weight_facts

logger = logging.getLogger(__name__)

CLASSES_PER_DOUBLING = 2  # of the distance, in `by_distance`


def summarise(source: str | os.PathLike, bin_bp: int | None = None) -> dict:
    """Numbers of one map: a .cool, an .mcool or .hic with `bin_bp`, or the URI of a cooler.

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
    chrom_of = np.repeat(np.arange(len(sizes)), sizes)
    total, by_diagonal, seen = 0.0, np.zeros(max(sizes)), np.zeros(len(chrom_of), dtype=bool)
    for pixels in raw.chunks():
        bin1, bin2 = pixels["bin1_id"], pixels["bin2_id"]
        count = np.nan_to_num(np.asarray(pixels["count"], dtype=np.float64))
        total += float(count.sum())
        cis = (chrom_of[bin1] == chrom_of[bin2]) & (count > 0)
        bin1, bin2, count = bin1[cis], bin2[cis], count[cis]
        by_diagonal += np.bincount(np.abs(bin2 - bin1), count, len(by_diagonal))
        seen[bin1] = seen[bin2] = True
    weight = raw.weight()
    return {
        "bin_bp": raw.bin_bp,
        "chromosomes": len(sizes),
        "length_bp": sum(raw.chromsizes.values()),
        "contacts": _whole(total),
        "cis_contacts": _whole(float(by_diagonal.sum())),
        "bins": len(chrom_of),
        "bad_bins": None if weight is None else int(np.isnan(weight).sum()),
        "contacts_per_bin": float(by_diagonal.sum() / max(seen.sum(), 1)),
        "by_distance": _by_distance(by_diagonal, np.split(seen, np.cumsum(sizes)[:-1]), raw.bin_bp),
    }


def write(folder: Path, report: Mapping, called: str | os.PathLike, deep: Path | None = None) -> dict:
    """`summary.json` of the prepared map in a folder, beside its map.cool; returns what it holds.

    report: of `contacts.prepare` or `degrade.degrade`; called: what the map is called in messages; deep: the deep map
    of a low map that was measured, whose cis share is compared. Beside the numbers of `summarise` there are
    `cis_share`, `row_sums` (mean and sd of the balanced rows of good bins) and `checked`: what must hold of contacts
    before and after. Raises InputError where rows do not sum to 1, or the file does not hold what was written.
    """
    path = folder / "map.cool"
    facts = {**summarise(path), "row_sums": row_sums(path)}
    invariants.check_stored(called, report["contacts"], facts["contacts"])
    invariants.check_rows(called, facts["row_sums"])
    counted = ("contacts_read", "contacts_left_out", "contacts_deep", "thin", "coarsen", "contacts")
    facts["cis_share"] = invariants.cis_share(facts)
    facts["checked"] = {name: report[name] for name in counted if name in report}
    if deep is not None and (advice := invariants.cis_advice(read(deep), facts)):
        logger.warning("%s: %s", called, advice)
    (folder / "summary.json").write_text(json.dumps(facts, indent=1) + "\n")
    return facts


def row_sums(path: Path) -> dict[str, float]:
    """Mean and standard deviation of the rows of good bins of a balanced map, beyond the diagonals left out."""
    clr = open_map(path)
    weight = clr.bins()["weight"][:].to_numpy()
    factor, sums = np.nan_to_num(weight), np.zeros(len(weight))
    left_out = int(weight_facts(clr).get("ignore_diags", 0))
    for pixels in read_pixels(clr):
        bin1, bin2 = pixels["bin1_id"], pixels["bin2_id"]
        value = pixels["count"] * factor[bin1] * factor[bin2] * (bin2 - bin1 >= left_out)
        sums += np.bincount(bin1, value, len(sums)) + np.bincount(bin2, value * (bin1 != bin2), len(sums))
    rows = sums[np.isfinite(weight)]
    return {"mean": float(rows.mean()), "sd": float(rows.std())}


def read(path: Path) -> dict:
    """The summary of a prepared map: read from `summary.json` beside it, or computed where there is none."""
    beside = path.with_name("summary.json")
    return json.loads(beside.read_text()) if beside.is_file() else summarise(path)


def _whole(value: float) -> int | float:
    """An int for a whole number of contacts; those of a predicted map are not whole and stay floats."""
    return int(value) if value == int(value) else value


def _by_distance(by_diagonal: np.ndarray, seen: list[np.ndarray], bin_bp: int) -> list[list[float]]:
    """[distance_bp, contacts per pixel] of every distance class, from the contacts of every diagonal."""
    diagonals, pixels = np.arange(len(by_diagonal)), np.zeros(len(by_diagonal))
    for of_chrom in seen:
        bins = of_chrom.astype(np.float64)
        # The number of pairs of seen bins at every distance is the autocorrelation of `bins`, computed by FFT. NumPy's
        # FFT, because every job imports this module and scipy.signal takes most of a second to load.
        size = 1 << (2 * len(bins)).bit_length()
        power = np.abs(np.fft.rfft(bins, size)) ** 2
        pixels[: len(bins)] += np.rint(np.fft.irfft(power, size)[: len(bins)])
    steps = np.arange(0, CLASSES_PER_DOUBLING * (np.log2(len(by_diagonal)) + 1))
    edges = np.unique(np.rint(2 ** (steps / CLASSES_PER_DOUBLING)).astype(int))
    starts = np.append(0, edges[edges < len(by_diagonal)])
    numbers = np.diff(np.append(starts, len(by_diagonal)))
    distances, contact_sums, pixels = (np.add.reduceat(values, starts) for values in (diagonals, by_diagonal, pixels))
    known = pixels > 0
    return np.column_stack([distances / numbers * bin_bp, contact_sums / np.maximum(pixels, 1)])[known].tolist()


def contacts_per_bin(path: str | os.PathLike, regions: pd.DataFrame) -> float:
    """`contacts_per_bin` of a cooler of one bin width, of the bins inside regions (columns chrom, start_bp, end_bp).

    A bin's contacts are those with the bins after it on its chromosome, in the regions or not.
    """
    clr = open_map(path)
    total, number = 0.0, 0
    bin_bp = bin_width(clr)
    for chrom, chrom_regions in by_chromosome(regions):
        lo, hi = extent(clr, chrom)
        inside, seen = np.zeros((2, hi - lo), dtype=bool)
        for start_bp, end_bp in extents(chrom_regions):
            inside[-(-start_bp // bin_bp) : -(-end_bp // bin_bp)] = True
        for pixels in read_pixels(clr, chrom=chrom):
            cis = (pixels["bin2_id"] < hi) & (pixels["count"] > 0)
            bin1, bin2, count = (pixels[name][cis] for name in ("bin1_id", "bin2_id", "count"))
            total += float(count[inside[bin1 - lo]].sum())
            seen[bin1 - lo] = seen[bin2 - lo] = True
        number += int((inside & seen).sum())
    return total / max(number, 1)
