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
from pathlib import Path

import numpy as np
import pandas as pd

from trifold.ceiling import accuracy
from trifold.data.degrade import in_halves
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


class _Moments:
    """Of two variables, by stretch of the genome and distance: what correlations of parts are made of.

    number, x, y, xx, yy, xy   (stretches, distances) sums over the pixels that are known
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, known: np.ndarray, stretch_rows: int):
        """x, y, known (rows, distances): a stretch is so many rows, the last one fewer."""
        first = np.arange(0, len(x), stretch_rows)
        x, y = np.where(known, x, 0.0), np.where(known, y, 0.0)
        values = known.astype(float), x, y, x * x, y * y, x * y
        self.sums = np.stack([np.add.reduceat(each, first, axis=0) for each in values])

    @staticmethod
    def over_mean(parts: Sequence["_Moments"]) -> np.ndarray:
        """Moments of both variables over their means at every distance, (6, stretches, distances), of all parts."""
        sums = np.concatenate([part.sums for part in parts], axis=1)
        number, x, y = sums[:3].sum(axis=1)
        over_x, over_y = (np.divide(number, total, out=np.zeros_like(total), where=total > 0) for total in (x, y))
        factors = np.stack([np.ones_like(x), over_x, over_y, over_x**2, over_y**2, over_x * over_y])
        return sums * factors[:, None]


def _correlations(moments: np.ndarray) -> tuple[float, np.ndarray]:
    """Over all stretches, and (stretches,) without each in turn; moments (6, stretches)."""
    whole = moments.sum(axis=1)
    return float(_correlation(whole)), _correlation(whole[:, None] - moments)


def _correlation(moments: np.ndarray) -> np.ndarray:
    """Of number, sums of x, y, xx, yy and xy, (6, ...); NaN where nothing varies."""
    number, x, y, xx, yy, xy = moments
    n = np.maximum(number, 1)
    xx, yy, xy = xx - x * x / n, yy - y * y / n, xy - x * y / n
    varies = (number > 1) & (xx > 0) & (yy > 0)
    spread = np.sqrt(np.where(varies, xx * yy, 1.0))
    return np.where(varies, xy / spread, np.nan)


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
    half, other = in_halves(low_map, (folder / "half.cool", folder / "other.cool"), seed, balancing_of(Path(low_map)))
    (enhanced := folder / "enhanced").mkdir()
    enhance(
        model.unadvised(),
        enhanced,
        chromsizes=chromsizes_of(low_map),
        chromosomes=chromosomes,
        low_map=half,
        formats=(),
        **settings,
    )
    return _by_class(half, other, enhanced / "map.cool", STRETCH_WINDOWS * model.geometry.window_bins)


def _by_class(half: Path, other: Path, predicted: Path, stretch_rows: int) -> pd.DataFrame:
    """The table of `reliability` from the three maps. A chromosome is read at a time."""
    clr = open_map(predicted)
    reach, bin_bp = clr.info["metadata"]["trifold"]["max_distance_bins"], bin_width(clr)
    halves, made, counts = [], [], np.zeros(reach + 1)
    for chrom in chromsizes_of(half):
        bands = [Band.read(path, chrom, reach + 1) for path in (half, other, predicted)]
        first, second, model = (band.balanced for band in bands)
        known = np.isfinite(first) & np.isfinite(second) & np.isfinite(model)
        halves.append(_Moments(first, second, known, stretch_rows))
        made.append(_Moments(model, second, known, stretch_rows))
        counts += np.where(known, bands[0].counts + bands[1].counts, 0.0).sum(axis=0)
    of_halves, of_made, rows = _Moments.over_mean(halves), _Moments.over_mean(made), []
    for nearest, last in distance_classes(reach):
        at = slice(nearest, last + 1)
        r, r_without = _correlations(of_halves[..., at].sum(axis=-1))
        met, met_without = _correlations(of_made[..., at].sum(axis=-1))
        n, shared = int(of_halves[0, :, at].sum()), r > 0
        without = np.full(len(r_without), np.nan)
        np.divide(met_without, np.sqrt(np.maximum(r_without, 0)), out=without, where=r_without > 0)
        enhanced = met / np.sqrt(r) if shared else np.nan
        interval = intervals.jackknife(np.array([enhanced]), without[:, None])
        rows.append(
            {
                "from_bp": nearest * bin_bp,
                "to_bp": last * bin_bp,
                "n_pixels": n,
                "contacts_per_pixel": counts[at].sum() / max(n, 1),
                "r": r,
                "half": float(np.sqrt(r)) if shared else np.nan,
                "map": float(accuracy(np.array(r))) if shared else np.nan,
                # Estimates may pass 1, what they are of may not.
                "enhanced": min(enhanced, 1.0),
                "low": interval.low[0],
                "high": min(interval.high[0], 1.0),
            }
        )
    return pd.DataFrame(rows)
