"""How good a score can be: two rows that are no arms, from the reads of the target alone.

The reads of the map that arms are scored against are divided into halves, by chance and several times, and one half is
scored against the other, on the pixels and scales of any prediction. From that follows, for a target of all its reads:

- replicate: what another experiment of the same depth would score.
- noise-free: what the map without noise would score. No prediction can be expected to do better.

Correlations (Pearson, Spearman, each diagonal of an SCC). Let a pixel of a half be signal and noise, with the variances
S and N, and the noise independent between halves: r = S / (S + N). All reads have half the noise variance, N / 2. Two
maps of all reads correlate by S / (S + N / 2) = 2 r / (1 + r) (Spearman-Brown), and one of them with the noise-free map
by S / sqrt(S (S + N / 2)), the square root of that. A correlation below 0 is that of halves that share nothing, and
counts as 0. The SCC is stepped up diagonal by diagonal and weighed afterwards.

Squared differences. Let v be the variance of the noise of a pixel of all reads, so 2 v that of a half scaled to the
same level. Half against half differs by 2 v + 2 v = 4 v on average, a replicate by v + v = 2 v, a half of it, and the
noise-free map by v, a quarter. Absolute differences go with the standard deviation, by sqrt(1/2) and 1/2, where the
noise is normal.

On the balanced scale that holds as it stands. On the logarithmic scales it holds where noise is small beside the values
that are pooled; where it is not, the logarithm bends it and the ends of the scale cut it. Pixels are pooled there by
the contacts of the half that has fewer, doubled.
"""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from trifold import evaluate
from trifold.config import CEILINGS, Ceiling, Geometry, ObservedRecipe, OERecipe, Scoring
from trifold.evaluate import COLUMNS, Chromosome, Parts, Scaling, Strata
from trifold.genome import Region
from trifold.io.cool import Band, extent, open_map, read_pixels, weight_facts
from trifold.metrics import scc

MOST_STEPS, ROW_SPREAD = 100, 1e-3  # of the balancing of a half: rows as the target's, to a tenth of a percent


def reliability(half: np.ndarray) -> np.ndarray:
    """Correlation of two maps of all reads, from that of two maps of half of them each."""
    r = np.maximum(half, 0.0)
    return 2 * r / (1 + r)


def accuracy(half: np.ndarray) -> np.ndarray:
    """Correlation of a map of all reads with the noise-free one, from that of two maps of half of them each."""
    return np.sqrt(reliability(half))


# row -> what becomes of a correlation, a mean squared and a mean absolute difference of two halves
STEPS = dict(zip(CEILINGS, ((reliability, 0.5, np.sqrt(0.5)), (accuracy, 0.25, 0.5)), strict=True))


def stepped(table: pd.DataFrame, parts: Parts | None) -> pd.DataFrame:
    """Rows of halves against each other as rows of the ceilings, the name in `arm`."""
    rows = []
    for name, (step, squared, absolute) in STEPS.items():
        correlations = {metric: step(table[metric].to_numpy()) for metric in ("pearson", "spearman") if metric in table}
        differences = {"mse": table["mse"] * squared, "mae": table["mae"] * absolute}
        of_scc = {form: scc.over_strata(step(r), weight) for form, (r, weight) in (parts or {}).items()}
        rows.append(table.assign(arm=name, **differences, **correlations, **of_scc))
    return pd.concat(rows)


def write(
    out: str | os.PathLike,
    *,
    deep: str | os.PathLike,
    low: str | os.PathLike,
    with_n: str | os.PathLike | None,
    regions: str | os.PathLike,
    statistics: str | os.PathLike,
    geometry: Geometry,
    oe_recipe: OERecipe,
    observed_recipe: ObservedRecipe,
    scoring: Scoring,
    ceiling: Ceiling,
    labels: dict,
) -> None:
    """Write windows.tsv, regions.tsv and distance.tsv into the folder `out`: the tables of `evaluate`, whose column arm
    is replicate or noise-free, and whose seed is the number of the division.

    deep: the map that arms are scored against; the others as in `evaluate.evaluate`. labels: degradation, fold, sample.
    """
    tables = score_halves(
        deep=deep,
        low=low,
        with_n=with_n,
        regions=evaluate.read_test_regions(regions),
        scaling=Scaling(oe_recipe, observed_recipe, json.loads(Path(statistics).read_text())),
        geometry=geometry,
        scoring=scoring,
        ceiling=ceiling,
        where=regions,
    )
    for name, table in tables.items():
        evaluate.write_table(table.assign(**labels), name, out)


def score_halves(
    *,
    deep: str | os.PathLike,
    low: str | os.PathLike,
    with_n: str | os.PathLike | None,
    regions: list[Region],
    scaling: Scaling,
    geometry: Geometry,
    scoring: Scoring,
    ceiling: Ceiling,
    where: str | os.PathLike = "regions",
) -> dict[str, pd.DataFrame]:
    """The tables windows, regions and distance with the columns arm and seed. One test chromosome is read at a time."""
    strata = Strata.of(scoring, geometry, deep)
    chromosomes = list(dict.fromkeys(region.chrom for region in regions))
    halved: dict[str, _Halved] = {}
    tables: dict[str, list[pd.DataFrame]] = {name: [] for name in COLUMNS}
    for chrom in chromosomes:
        bands, good = evaluate.read_bands({"prediction": deep, "deep": deep}, low, chrom, geometry)
        good["scored"] &= evaluate.scored_bins(len(good["scored"]), with_n, chrom, scoring.edge_bins)
        halved[chrom] = _Halved.read(deep, bands["deep"], good)
    for split in range(1, ceiling.splits + 1):
        parts = (
            halved[chrom].chromosome(np.random.default_rng([ceiling.seed, split, number]))
            for number, chrom in enumerate(chromosomes)
        )
        of_split = evaluate.score_bands(
            parts, regions, geometry, strata, scaling, called=(deep, deep, low, where), finish=stepped
        )
        for name, table in of_split.items():
            tables[name].append(table.assign(seed=split))
    return {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}


@dataclass(frozen=True)
class _Halved:
    """The contacts within one chromosome, to be divided.

    whole    the band of all of them
    bin1, bin2, count   (pixels,) int64, bins counted from the chromosome's first
    rows     (n_bins,) sums of the balanced pixels beyond the ignored diagonals
    """

    whole: Band
    good: dict[str, np.ndarray]
    bin1: np.ndarray
    bin2: np.ndarray
    count: np.ndarray
    ignore_diags: int
    rows: np.ndarray

    @classmethod
    def read(cls, path: str | os.PathLike, whole: Band, good: dict[str, np.ndarray]) -> "_Halved":
        clr = open_map(path)
        lo, hi = extent(clr, whole.chrom)
        chunks = [
            {name: column[chunk["bin2_id"] < hi].astype(np.int64) for name, column in chunk.items()}
            for chunk in read_pixels(clr, chrom=whole.chrom)
        ]
        bin1, bin2, count = (
            np.concatenate([np.zeros(0, dtype=np.int64), *(chunk[name] for chunk in chunks)])
            for name in ("bin1_id", "bin2_id", "count")
        )
        ignored = int(weight_facts(clr).get("ignore_diags", 0))
        weight = np.nan_to_num(whole.weight)
        made = cls(whole, good, bin1 - lo, bin2 - lo, count, ignored, np.zeros(0))
        rows = made._row_sums(made._beyond(), count, weight)
        return cls(whole, good, bin1 - lo, bin2 - lo, count, ignored, rows)

    def chromosome(self, random: np.random.Generator) -> Chromosome:
        """One half as the prediction, the other as what it is held against."""
        first = random.binomial(self.count, 0.5)
        halves = {"prediction": self._half(first), "deep": self._half(self.count - first)}
        # Twice the contacts already: a pixel is as deep as in the half that has fewer, or one half would be empty where
        # the other is not, which a logarithm turns into the largest difference there is.
        fewer = np.minimum(*(half.counts for half in halves.values()))
        return Chromosome(self.whole.chrom, halves, self.good, replace(self.whole, counts=fewer))

    def _beyond(self) -> np.ndarray:
        return self.bin2 - self.bin1 >= self.ignore_diags

    def _row_sums(self, beyond: np.ndarray, count: np.ndarray, weight: np.ndarray) -> np.ndarray:
        bin1, bin2 = self.bin1[beyond], self.bin2[beyond]
        value = count[beyond] * weight[bin1] * weight[bin2]
        n_bins = len(weight)
        return np.bincount(bin1, value, n_bins) + np.bincount(bin2, np.where(bin1 != bin2, value, 0.0), n_bins)

    def _half(self, count: np.ndarray) -> Band:
        """The band of a half, twice its contacts, balanced anew: its rows sum to what they sum to in the whole map.

        So a half has weights of its own reads, on the whole map's scale, whatever share of a row lies on other
        chromosomes; and its bad bins are the whole map's.
        """
        twice, beyond = 2.0 * count, self._beyond()
        weight = np.nan_to_num(self.whole.weight)
        for _ in range(MOST_STEPS):
            sums = self._row_sums(beyond, twice, weight)
            known = (sums > 0) & (self.rows > 0)
            ratio = np.divide(sums, self.rows, out=np.ones_like(sums), where=known)
            weight /= np.sqrt(ratio)
            if np.abs(ratio - 1).max(initial=0.0) < ROW_SPREAD:
                break
        band = np.zeros_like(self.whole.counts)
        inside = self.bin2 - self.bin1 < band.shape[1]
        np.add.at(band, (self.bin1[inside], (self.bin2 - self.bin1)[inside]), twice[inside])
        weight = np.where(np.isfinite(self.whole.weight), weight, np.nan)
        return Band(self.whole.chrom, self.whole.bin_bp, band, weight)
