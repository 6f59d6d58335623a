"""Zoom levels of a map on the balanced scale, for genome browsers, on the scale of cooler's balance of each level.

In a zoom level z times as wide, counts are summed, and a bin with v predicted children counts z / v times, so that a
missing child is not zero. Rows then sum to z beyond the base's ignored diagonals. A balance of the level ignores as
many diagonals of its wider bins, and what lies inside these is no part of its rows: they sum to r < z, and dividing by
r makes them sum to 1. Hence weights of z / v / sqrt(r); see `_row_sum`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cooler
import h5py
import numba
import numpy as np

from trifold.genome import n_bins
from trifold.io.cool import (
    CHUNK_PIXELS,
    Pixels,
    bin_width,
    chromsizes,
    dataset,
    opened,
    predicted_weight,
    undate,
    uri,
    weight_facts,
    write_cool,
)

# Zoom levels are added until the longest chromosome has fewer bins: the tile of a genome browser.
OVERVIEW_BINS = 256
MCOOL = {"format": "HDF5::MCOOL", "format-version": 2}
LEAST_SHARE = 0.1  # of its z that a row of a zoom level is taken to have beyond the ignored diagonals


def _row_sum(near: np.ndarray, level: np.ndarray, number: np.ndarray, zoom: int) -> float:
    """Mean row sum r of a zoom level, of bins with a predicted child, beyond the ignored diagonals of its bins.

    near    (n_bins,) of every bin of the level, what its children's rows hold beyond the ignored diagonals of the base
    level   (n_bins,) what its row holds beyond those of the level, missing children made up for
    number  (n_bins,) of its predicted children, v
    A child's row sums to 1, and what is not `near` lies beyond the predicted band: v - near of it, z / v times. So r is
    `level` and that far part; without missing children it is z less what lies between the ignored diagonals of base and
    level. Where the band is narrower than those of the level, what is absent between counts as far, and values are low.
    """
    present = number > 0
    far = (number - near)[present] * zoom / number[present]
    return max(float((far + level[present]).mean()), LEAST_SHARE * zoom)


class _Rows(NamedTuple):
    """Pixels row by row: those of row i from `starts[i]` to `starts[i + 1]`, in order of their second bin."""

    starts: np.ndarray
    bin2: np.ndarray
    counts: np.ndarray

    def chunks(self) -> Iterator[Pixels]:
        bin1 = np.repeat(np.arange(len(self.starts) - 1, dtype=np.int32), np.diff(self.starts))
        for first in range(0, len(bin1), CHUNK_PIXELS):
            part = slice(first, first + CHUNK_PIXELS)
            yield {"bin1_id": bin1[part], "bin2_id": self.bin2[part], "count": self.counts[part]}


@numba.njit(cache=True, nogil=True)
def _halved(starts, bin2, count, ids, n_rows):
    """Rows of which those of one new id become one, and pixels likewise; the rows of an id follow one another."""
    new_starts = np.zeros(n_rows + 1, dtype=np.int64)
    new_bin2, new_count = np.empty(len(bin2), dtype=np.int32), np.empty(len(bin2))
    number, row = 0, 0
    for new in range(n_rows):
        last = row
        while last < len(ids) and ids[last] == new:
            last += 1
        # At most two rows, each in order, merged.
        a, a_end = starts[row], starts[min(row + 1, last)]
        b, b_end = a_end, starts[last]
        while a < a_end or b < b_end:
            at_a = ids[bin2[a]] if a < a_end else len(ids)
            at_b = ids[bin2[b]] if b < b_end else len(ids)
            at = min(at_a, at_b)
            total = 0.0
            while a < a_end and ids[bin2[a]] == at:
                total += count[a]
                a += 1
            while b < b_end and ids[bin2[b]] == at:
                total += count[b]
                b += 1
            new_bin2[number], new_count[number] = at, total
            number += 1
        row = last
        new_starts[new + 1] = number
    return new_starts, new_bin2[:number].copy(), new_count[:number].copy()


@numba.njit(cache=True, nogil=True)
def _row_sums(starts, bin2, count, weight, ignore_diags):
    """Sums of rows weighted on both sides, beyond the first diagonals; the main one once, as a balance has it."""
    sums = np.zeros(len(weight))
    for i in range(len(weight)):
        for at in range(starts[i], starts[i + 1]):
            j = bin2[at]
            if j - i >= ignore_diags:
                value = count[at] * weight[i] * weight[j]
                sums[i] += value
                if i != j:
                    sums[j] += value
    return sums


def _read(clr: cooler.Cooler) -> _Rows:
    with opened(clr) as group:
        starts = dataset(group, "indexes/bin1_offset")[:].astype(np.int64)
        bin2, count = (dataset(group, f"pixels/{name}") for name in ("bin2_id", "count"))
        return _Rows(starts, bin2[:].astype(np.int32), count[:].astype(np.float64))


def _new_ids(bins: dict[str, int]) -> np.ndarray:
    """Of every bin, that of the bin twice as wide."""
    ids, offset = [], 0
    for number in bins.values():
        ids.append(offset + np.arange(number) // 2)
        offset += -(-number // 2)
    return np.concatenate(ids)


def write_zoom_levels(cool: Path, mcool: Path, metadata: dict | None = None, assembly: str | None = None) -> None:
    """Zoom levels x 2 of a map on the balanced scale until its longest chromosome has fewer than OVERVIEW_BINS bins.

    Columns of pixels beside the count stand in the narrowest level alone: they do not add.
    The map's `weight` is 1, or NaN where nothing is predicted, and has the attributes `predicted_weight`.
    A pixel at the edge of the predicted band is the sum of those of its children that were predicted.
    Pixels are read once, and in memory: 24 bytes for each at the peak.
    """
    base = cooler.Cooler(str(cool))
    bin_bp, sizes = bin_width(base), chromsizes(base)
    bins = {chrom: n_bins(length_bp, bin_bp) for chrom, length_bp in sizes.items()}
    known = np.isfinite(base.bins()["weight"][:].to_numpy())
    ignore_diags = int(weight_facts(base)["ignore_diags"])
    mcool.unlink(missing_ok=True)
    cooler.fileops.cp(str(cool), uri(mcool, f"resolutions/{bin_bp}"))
    rows = _read(base)
    # Of every bin of a level: its predicted children, and what their rows hold beyond the base's ignored diagonals.
    number, near = known.astype(np.int64), _row_sums(*rows, known.astype(float), ignore_diags)
    zoom, longest = 1, max(bins.values())
    while longest / zoom >= OVERVIEW_BINS:
        zoom, ids = 2 * zoom, _new_ids(bins)
        bins = {chrom: -(-of_chrom // 2) for chrom, of_chrom in bins.items()}
        total = sum(bins.values())
        rows = _Rows(*_halved(*rows, ids, total))
        number, near = np.bincount(ids, number, total), np.bincount(ids, near, total)
        level = uri(mcool, f"resolutions/{bin_bp * zoom}")
        made_up = zoom / np.maximum(number, 1)
        scale = _row_sum(near, _row_sums(*rows, made_up, ignore_diags), number, zoom)
        weight = np.where(number > 0, made_up / np.sqrt(scale), np.nan)
        facts = predicted_weight(ignore_diags)
        write_cool(level, sizes, bin_bp * zoom, rows.chunks(), weight, metadata, assembly, weight_facts=facts)
    with h5py.File(mcool, "r+") as file:
        file.attrs.update(MCOOL)
    undate(mcool)
