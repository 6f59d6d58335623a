"""Where the maps of two conditions differ, enhanced alike, by more than halves of each map differ by themselves.

The deeper map is thinned to the depth of the other, and the contacts of each are divided into two halves by chance,
which the model enhances: A1, A2, B1, B2, as ln O/E. Then

- D = (A1 + A2 - B1 - B2) / 2 is the difference of the conditions, and noise;
- N = (A1 - A2 + B1 - B2) / 2 and (A1 - A2 - B1 + B2) / 2 have the same noise, and no condition in them.

Of all three the mean at their distance is taken, and they are divided by the spread of N there. Pixels beyond `PEAK`
that touch, of one sign, are one region, whose weight is the sum of what they exceed it by: a model makes neighbours
alike, so single pixels are no evidence. How many regions of N weigh at least as much as one of D says what share of
those is there by chance (the false discovery rate of a permutation); beyond the heaviest of N its tail says it, a
generalised Pareto distribution of what exceeds their median (Knijnenburg et al. 2009). Regions whose rate is low enough
are reported.

A difference between experiments (another enzyme, another protocol) is a difference too. And maps are balanced, so rows
that gain contacts in one place lose them elsewhere.
"""

import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
from scipy import ndimage, stats

from trifold.config import Degradation
from trifold.data import summary
from trifold.data.degrade import degrade, in_halves
from trifold.data.draws import balancing_of
from trifold.errors import InputError
from trifold.inference import depth_advice, enhance
from trifold.io.cool import Band, bin_width, chromsizes_of, open_map
from trifold.models.ready import PublishedFile, Ready

log = logging.getLogger(__name__)

PEAK = 2.5  # spreads of the null at its distance, beyond which pixels make regions
NEAREST_BINS = 2
LEAST_PIXELS = 4  # of a region
TAIL, LEAST_TAIL = 0.5, 15  # share of the regions by chance that the tail is fitted to, and their least number
# Neighbours of (i, j) in a band of rows i and distances j - i: (i ± 1, j), (i, j ± 1), and both together.
TOUCHING = np.array([[0, 1, 1], [1, 1, 1], [1, 1, 0]])
COLUMNS = ("chrom1", "start1", "end1", "chrom2", "start2", "end2", "change", "fdr", "ln_ratio", "n_pixels")


def differences(
    maps: Sequence[str | os.PathLike],
    model: Ready | PublishedFile,
    folder: Path,
    *,
    fdr: float = 0.05,
    chromosomes: Sequence[str] | None = None,
    seed: int = 1,
    called: Sequence[str | os.PathLike] | None = None,
    **settings,
) -> pd.DataFrame:
    """A row per region where the first map has more contacts than the second ("gained") or fewer ("lost"), strongest
    first: `COLUMNS`. start, end: the smallest rectangle around the region, bp; fdr: the share of regions as strong that
    chance gives; ln_ratio: mean over its pixels of ln O/E of the first map less that of the second.

    maps: two prepared maps of one genome and bin width; folder: where halves and their enhanced maps are made; called:
    what a user calls the maps; settings: of `inference.enhance`.
    Raises InputError for maps that do not fit together, or whose halves cannot be balanced.
    """
    named = list(called or maps)
    if chromsizes_of(maps[0]) != chromsizes_of(maps[1]):
        raise InputError(f"{named[1]}: has other chromosomes than {named[0]}; give maps of one assembly")
    depths, ready = [summary.summarise(path)["contacts_per_bin"] for path in maps], model.for_map(maps[0])
    trained = ready.trained_at(min(depths) / 2)
    if trained and (advice := depth_advice(min(depths) / 2, trained, ready.low_bin_bp)):
        log.warning("%s, %s: at one depth and halved, %s", *named, advice)
    if progress := settings.pop("progress", None):
        # All four halves are of one bar.
        settings["progress"] = lambda windows, total: progress(windows, 4 * total)
    enhanced = []
    for number, path in enumerate(maps):
        for half in _halves(Path(path), folder, number, depths[number] / max(min(depths), 1e-9), seed):
            (target := folder / f"{half.stem}.enhanced").mkdir()
            enhance(
                model.for_map(half).unadvised(),
                target,
                chromsizes=chromsizes_of(path),
                chromosomes=chromosomes,
                low_map=half,
                formats=(),
                **settings,
            )
            enhanced.append(target / "map.cool")
    return _regions(enhanced, list(chromosomes or chromsizes_of(maps[0])), fdr)


def _halves(path: Path, folder: Path, number: int, share: float, seed: int) -> tuple[Path, Path]:
    """Two maps of half the contacts each, of a map thinned by `share` where that is above 1."""
    balance, thinned = balancing_of(path), path
    if share > 1:
        thinned = folder / f"thinned-{number}.cool"
        degrade(path, thinned, Degradation(1, share, seed), balance)
    return in_halves(thinned, (folder / f"half-{number}-1.cool", folder / f"half-{number}-2.cool"), seed, balance)


def _regions(enhanced: Sequence[Path], chromosomes: Sequence[str], fdr: float) -> pd.DataFrame:
    """The table of `differences` from A1, A2, B1, B2. D and both N of all chromosomes are in memory, as float32."""
    clr, sizes = open_map(enhanced[0]), chromsizes_of(enhanced[0])
    width, bin_bp = clr.info["metadata"]["trifold"]["max_distance_bins"] + 1, bin_width(clr)
    contrasts = {chrom: _contrasts([_log_band(path, chrom, width) for path in enhanced]) for chrom in chromosomes}
    mean, spread = _spread(contrasts.values())
    found, by_chance = [], []
    for chrom, of_chrom in contrasts.items():
        change, *nulls = of_chrom - mean[:, None]
        for region in _touching(change / spread):
            rows, apart = region.pop("at")
            ends = rows + apart
            found.append(
                {
                    "chrom1": chrom,
                    "start1": rows.min() * bin_bp,
                    "end1": min((rows.max() + 1) * bin_bp, sizes[chrom]),
                    "chrom2": chrom,
                    "start2": ends.min() * bin_bp,
                    "end2": min((ends.max() + 1) * bin_bp, sizes[chrom]),
                    "ln_ratio": float(change[rows, apart].mean()),
                    "n_pixels": len(rows),
                    **region,
                }
            )
        by_chance += [region["weight"] for null in nulls for region in _touching(null / spread)]
    table = pd.DataFrame(found, columns=[*COLUMNS, "weight"]).sort_values("weight", ascending=False, kind="stable")
    table["fdr"] = false_discovery(table["weight"].to_numpy(dtype=float), np.array(by_chance), nulls=2)
    table["change"] = np.where(table["ln_ratio"] > 0, "gained", "lost")
    return table.loc[table["fdr"] <= fdr, list(COLUMNS)].reset_index(drop=True)


def _log_band(path: Path, chrom: str, width: int) -> np.ndarray:
    """ln of a predicted map (bins, width), NaN where nothing is predicted."""
    balanced = Band.read(path, chrom, width).balanced
    return np.log(balanced, out=np.full_like(balanced, np.nan), where=balanced > 0)


def _contrasts(of_maps: Sequence[np.ndarray]) -> np.ndarray:
    """D and the two N, (3, bins, width); NaN near the diagonal too. What is expected at a distance is a constant in
    each, which `_spread` takes out."""
    a1, a2, b1, b2 = of_maps
    contrasts = np.stack([a1 + a2 - b1 - b2, a1 - a2 + b1 - b2, a1 - a2 - b1 + b2]) / 2
    contrasts[..., :NEAREST_BINS] = np.nan
    return contrasts.astype(np.float32)


def _spread(contrasts: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Over all chromosomes, at every distance: mean of each contrast (3, width), and standard deviation of both N
    (width,), infinite where nothing is known."""
    sums = [
        np.stack([np.isfinite(each).sum(axis=1), np.nansum(each, axis=1), np.nansum(each.astype(float) ** 2, axis=1)])
        for each in contrasts
    ]
    number, total, squares = np.sum(sums, axis=0)  # (3, width) each
    mean = total / np.maximum(number, 1)
    variance = (squares - number * mean**2)[1:].sum(axis=0)
    known = number[1:].sum(axis=0)
    spread = np.sqrt(np.divide(variance, known, out=np.full(len(known), np.inf), where=(known > 0) & (variance > 0)))
    return mean, spread


def _touching(z: np.ndarray) -> list[dict]:
    """Regions of pixels beyond `PEAK` of one sign: weight, and at, their rows and distances."""
    regions = []
    for sign in (1, -1):
        over = np.nan_to_num(sign * z) - PEAK
        labels, number = cast(tuple[np.ndarray, int], ndimage.label(over > 0, structure=TOUCHING))
        rows, apart = np.nonzero(labels)
        order = np.argsort(labels[rows, apart], kind="stable")
        edges = np.cumsum(np.bincount(labels[rows, apart], minlength=number + 1))[:-1]
        for at in np.split(order, edges)[1:]:
            if len(at) >= LEAST_PIXELS:
                place = rows[at], apart[at]
                regions.append({"weight": float(over[place].sum()), "at": place})
    return regions


def expected_by_chance(weights: np.ndarray, by_chance: np.ndarray, nulls: int) -> np.ndarray:
    """How many regions of at least each weight a map without a difference has; by_chance: those of `nulls` maps."""
    chance = np.sort(by_chance)
    heavier = (len(chance) - np.searchsorted(chance, weights, side="left")).astype(float)
    tail = chance[int((1 - TAIL) * len(chance)) :]
    if len(tail) < LEAST_TAIL:
        return (heavier + 1) / nulls  # one more than was seen: no number is 0
    start = tail[0]
    shape, _, scale = stats.genpareto.fit(tail - start, floc=0)
    # A tail that ends would make what lies beyond it certain.
    survival = stats.genpareto.sf(weights - start, max(shape, 0.0), scale=scale)
    return np.where(weights > start, len(tail) * survival, heavier) / nulls


def false_discovery(weights: np.ndarray, by_chance: np.ndarray, nulls: int) -> np.ndarray:
    """Of every weight, those that chance gives of at least that weight over those that were found, at most 1; never
    smaller for a smaller weight.

    weights (n,) falling; by_chance: of `nulls` maps without a difference.
    """
    expected = expected_by_chance(weights, by_chance, nulls)
    rate = np.minimum(expected / np.arange(1, len(weights) + 1), 1.0)
    return np.minimum.accumulate(rate[::-1])[::-1]
