"""How far a map can be trusted, as it is and enhanced, from its own reads alone: no deep map is needed.

The contacts are divided into two halves by chance, each balanced by itself. O/E of the one is held against O/E of the
other, over the pixels of a class of distances: their correlation is r. Let a pixel of a half be signal and noise, with
the variances S and N, and the noise independent between halves: r = S / (S + N). From that follows how well a map
correlates with the same map without noise (`trifold.ceiling`):

- half: sqrt(r), of a half as it is;
- map: sqrt(2 r / (1 + r)), of all contacts as they are (Spearman-Brown);
- enhanced: the model reads one half. Its correlation with the other half is lowered by the noise of that half, by the
  factor sqrt(r), so it is divided by it. From half the contacts: of the whole map it is, if anything, better.

O/E is a balanced value over the mean of its diagonal, so that what distance alone says is in none of the numbers.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from trifold.ceiling import accuracy
from trifold.config import Degradation
from trifold.data.degrade import degrade, hold_back
from trifold.data.draws import balancing_of
from trifold.errors import InputError
from trifold.inference import enhance
from trifold.io.cool import Band, bin_width, chromsizes_of, open_map
from trifold.metrics import intervals
from trifold.models.ready import Ready

NEAREST_BINS = 2  # first distance looked at; then classes that double
STRETCH_WINDOWS = 3  # of a stretch of the genome, for the interval
NICE = (1, 2, 5)


def wider_bins(bin_bp: int, contacts_per_bin: float, least: float) -> int | None:
    """The narrowest multiple of `bin_bp`, 1, 2 or 5 times a power of ten, at which a bin has `least` contacts; None
    where they have them as they are, or there are none."""
    if contacts_per_bin >= least or contacts_per_bin <= 0:
        return None
    power = 1
    while True:
        for step in NICE:
            if contacts_per_bin * step * power >= least:
                return bin_bp * step * power
        power *= 10


def distance_classes(reach_bins: int) -> list[tuple[int, int]]:
    """(first, last) diagonals of classes that double, up to `reach_bins`; a last one that would be short is no own."""
    edges = [NEAREST_BINS]
    while 3 * edges[-1] <= reach_bins + 1:
        edges.append(2 * edges[-1])
    return [(first, after - 1) for first, after in zip(edges, [*edges[1:], reach_bins + 1])]


@dataclass
class _Sums:
    """Moments of pairs of variables in a class of distances, stretch by stretch: what a correlation is made of."""

    n: np.ndarray
    first: np.ndarray
    second: np.ndarray
    products: np.ndarray  # of first with first, second with second, and both

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray, known: np.ndarray, stretch: np.ndarray) -> "_Sums":
        """x, y, known (rows, diagonals); stretch (rows,) of every row."""

        def summed(values: np.ndarray) -> np.ndarray:
            return np.bincount(stretch, np.where(known, values, 0.0).sum(axis=1))

        products = np.stack([summed(x * x), summed(y * y), summed(x * y)])
        return cls(np.bincount(stretch, known.sum(axis=1)), summed(x), summed(y), products)

    def correlations(self) -> tuple[float, np.ndarray]:
        """Over all stretches, and (stretches,) without each in turn."""
        n, x, y, p = self.n, self.first, self.second, self.products
        whole = _correlation(n.sum(), x.sum(), y.sum(), p.sum(axis=1))
        parts = zip(n.sum() - n, x.sum() - x, y.sum() - y, (p.sum(axis=1)[:, None] - p).T)
        return whole, np.array([_correlation(*part) for part in parts])


def _correlation(n: float, x: float, y: float, products: np.ndarray) -> float:
    if n < 2:
        return np.nan
    xx, yy, xy = products - np.array([x * x, y * y, x * y]) / n
    return float(xy / np.sqrt(xx * yy)) if xx > 0 and yy > 0 else np.nan


def reliability(
    low_map: str | os.PathLike,
    model: Ready,
    folder: Path,
    *,
    chromosomes: Sequence[str] | None = None,
    seed: int = 1,
    **settings,
) -> pd.DataFrame:
    """A row per class of distances: from_bp, to_bp, n_pixels, contacts_per_pixel (of the whole map), r (half against
    half), half, map, enhanced, and low, high: the 95 % interval of enhanced over stretches of the genome, NaN where
    there are fewer than five.

    low_map: a prepared map; model: what reads it; folder: where halves and the enhanced half are made; settings: of
    `inference.enhance`. A number is NaN where the halves share nothing at a distance.
    Raises InputError for a map whose halves cannot be balanced, and for a model of narrower bins than the map's.
    """
    if model.coarsen != 1:
        raise InputError(
            f"{model.name}: predicts narrower bins than the map has, and halves of the map have none to compare it "
            "with; choose a model of the map's own bins"
        )
    division, balance = Degradation(1, 2, seed), balancing_of(Path(low_map))
    halves = [folder / "half.cool", folder / "other.cool"]
    degrade(low_map, halves[0], division, balance)
    hold_back(low_map, halves[1], division, balance)
    (enhanced := folder / "enhanced").mkdir()
    chromsizes = chromsizes_of(low_map)
    enhance(
        model.unadvised(),
        enhanced,
        chromsizes=chromsizes,
        chromosomes=chromosomes,
        low_map=halves[0],
        formats=(),
        **settings,
    )
    predicted = enhanced / "map.cool"
    reach = open_map(predicted).info["metadata"]["trifold"]["max_distance_bins"]
    return _by_class(halves[0], halves[1], predicted, model.geometry.window_bins, reach)


def _by_class(half: Path, other: Path, predicted: Path, window_bins: int, reach: int) -> pd.DataFrame:
    """The table of `reliability` from the three maps."""
    oe, known, counts, stretch = _over_expected((half, other, predicted), window_bins, reach)
    bin_bp, rows = bin_width(open_map(half)), []
    for first, last in distance_classes(reach):
        at = slice(first, last + 1)
        both = _Sums.of(oe[0][:, at], oe[1][:, at], known[:, at], stretch)
        r, r_without = both.correlations()
        made, made_without = _Sums.of(oe[2][:, at], oe[1][:, at], known[:, at], stretch).correlations()
        enhanced, without = made / np.sqrt(r) if r > 0 else np.nan, np.full(len(r_without), np.nan)
        np.divide(made_without, np.sqrt(np.maximum(r_without, 0)), out=without, where=r_without > 0)
        interval = intervals.jackknife(np.array([enhanced]), without[:, None])
        n = int(both.n.sum())
        rows.append(
            {
                "from_bp": first * bin_bp,
                "to_bp": last * bin_bp,
                "n_pixels": n,
                "contacts_per_pixel": counts[:, at][known[:, at]].sum() / max(n, 1),
                "r": r,
                "half": float(np.sqrt(r)) if r > 0 else np.nan,
                "map": float(accuracy(np.array(r))) if r > 0 else np.nan,
                # Estimates may pass 1, what they are of may not.
                "enhanced": min(enhanced, 1.0),
                "low": interval.low[0],
                "high": min(interval.high[0], 1.0),
            }
        )
    return pd.DataFrame(rows)


def _over_expected(
    paths: Sequence[Path], window_bins: int, reach: int
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
    """Of all chromosomes one under the other: O/E of every map, which pixels all have, contacts of the first two maps
    together, (rows, reach + 1) each, and the stretch of every row."""
    bands: list[list[np.ndarray]] = [[] for _ in paths]
    counts, stretches, number = [], [], 0
    for chrom in chromsizes_of(paths[0]):
        of_maps = [Band.read(path, chrom, reach + 1) for path in paths]
        for kept, band in zip(bands, of_maps):
            kept.append(band.balanced)
        counts.append(of_maps[0].counts + of_maps[1].counts)
        parts = np.arange(len(counts[-1])) // (STRETCH_WINDOWS * window_bins)
        stretches.append(number + parts)
        number += int(parts.max(initial=-1)) + 1
    values = [np.concatenate(parts) for parts in bands]
    known = np.logical_and.reduce([np.isfinite(balanced) for balanced in values])
    oe = []
    for balanced in values:
        balanced = np.where(known, balanced, 0.0)
        mean = balanced.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        oe.append(np.divide(balanced, mean, out=np.zeros_like(balanced), where=mean > 0))
    return oe, known, np.concatenate(counts), np.concatenate(stretches)
