"""One predicted map against the deep map of its sample, and against the truth where it is known.

Every arm of a degradation meets the same pixels: the upper triangle of the test windows from the first diagonal scored
to the last, on bins that are good in the deep and in the low map, free of N, and `edge_bins` away from the chromosome's
ends. A prediction loses further pixels where it lacks bins, or where its band is narrower than the window. `edge_bins`
and `max_distance_bins` of the scoring, set to what every arm predicts, make the pixels of all arms the same.

Scales, to which one function (`to_scale`) takes prediction and target, so that a map against itself is perfect on all:
- balanced: the maps as they are.
- observed: coarse-grained, ln between the floor and the ceiling of the training regions, on [0, 1].
- oe: ln observed/expected as the recipe makes it (clipped, coarse-grained, over the expected, interpolated, smoothed).

Empty pixels have no logarithm, which is why both are coarse-grained; the deep map's contacts decide where, for both
maps alike. Pixels that either map lacks, or that lie beyond the last diagonal scored, are missing in both before that.
For the SCC, pixels that are not scored are zero in both maps; it is not computed on O/E, where no decay with distance
is left to adjust for. A test region as a whole is scored on its band where the scale is balanced, and on the pixels of
its windows elsewhere, as these scales are only defined on windows.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from trifold.config import Geometry, ObservedRecipe, OERecipe, Scoring
from trifold.data import normalise, splits
from trifold.errors import InputError
from trifold.genome import Region
from trifold.io.cool import Band, open_map
from trifold.metrics import pixels, scc

LABELS = ["degradation", "arm", "fold", "seed", "sample"]
SCALES = ("balanced", "observed", "oe")
_SCC = ["scc_hicrep", "scc_hicreppy", "scc_kriukov2021"]
_PLACE = ["chrom", "start_bp", "end_bp"]
_SCORES = ["n_pixels", "mae", "mse", "pearson", "spearman", *_SCC]
COLUMNS = {
    "windows": [*LABELS, "reference", "scale", *_PLACE, *_SCORES],
    "regions": [*LABELS, "reference", "scale", *_PLACE, *_SCORES],
    "distance": [*LABELS, "reference", "scale", "distance_bp", "n_pixels", "mae", "mse", "pearson"],
}


def evaluate(
    out: str | os.PathLike,
    *,
    prediction: str | os.PathLike,
    deep: str | os.PathLike,
    low: str | os.PathLike,
    truth: str | os.PathLike | None,
    with_n: str | os.PathLike | None,
    regions: str | os.PathLike,
    statistics: str | os.PathLike,
    geometry: Geometry,
    oe_recipe: OERecipe,
    observed_recipe: ObservedRecipe,
    scoring: Scoring,
    labels: dict,
) -> None:
    """Write windows.tsv, regions.tsv and distance.tsv into the folder `out`: the tables of `score_maps`.

    regions: BED with a role per region; statistics: statistics.json of the dataset; labels: values of `LABELS`. The
    other arguments, and what is raised, are those of `score_maps`.
    """
    tables = score_maps(
        prediction=prediction,
        deep=deep,
        low=low,
        truth=truth,
        with_n=with_n,
        regions=read_test_regions(regions),
        statistics=json.loads(Path(statistics).read_text()),
        geometry=geometry,
        oe_recipe=oe_recipe,
        observed_recipe=observed_recipe,
        scoring=scoring,
        where=regions,
    )
    for name, table in tables.items():
        write_table(table.assign(**labels), name, out)


def write_table(table: pd.DataFrame, name: str, out: str | os.PathLike) -> None:
    """One of the tables of `COLUMNS` as <name>.tsv in a folder."""
    path = Path(out) / f"{name}.tsv"
    # Rows are ordered and numbers have eight digits, so that the file has the same bytes on every machine.
    how = {"sep": "\t", "index": False, "float_format": "%.8g", "na_rep": "nan", "lineterminator": "\n"}
    table.reindex(columns=COLUMNS[name]).to_csv(path, **how)


def score_maps(
    *,
    prediction: str | os.PathLike,
    deep: str | os.PathLike,
    low: str | os.PathLike,
    truth: str | os.PathLike | None,
    with_n: str | os.PathLike | None,
    regions: list[Region],
    statistics: dict,
    geometry: Geometry,
    oe_recipe: OERecipe,
    observed_recipe: ObservedRecipe,
    scoring: Scoring,
    where: str | os.PathLike = "regions",
) -> dict[str, pd.DataFrame]:
    """The tables windows, regions and distance (`COLUMNS` without `LABELS`), rows in order.

    prediction, deep, truth: coolers at the geometry's bin width; low: the degraded map, whose bins may be wider.
    with_n: n_bins.npz of the sequence; None scores bins that hold an N too.
    regions: what is scored, each on its own; where: what they come from, for messages; statistics: `observed` {floor,
    ceiling} and, for an expected that is global, `expected`.
    Raises InputError for maps that do not fit together, for regions without a window, and where no pixel can be scored.
    """
    maps = {"prediction": prediction, "deep": deep} | ({"truth": truth} if truth else {})
    strata = Strata.of(scoring, geometry, prediction)

    def read() -> Iterator[Chromosome]:
        for chrom in dict.fromkeys(region.chrom for region in regions):
            bands, good = read_bands(maps, low, chrom, geometry)
            good["scored"] &= scored_bins(len(good["scored"]), with_n, chrom, scoring.edge_bins)
            yield Chromosome(chrom, bands, good, bands["deep"])

    recipes = Scaling(oe_recipe, observed_recipe, statistics)
    return score_bands(read(), regions, geometry, strata, recipes, called=(prediction, deep, low, where))


def score_bands(
    chromosomes: Iterable["Chromosome"],
    regions: list[Region],
    geometry: Geometry,
    strata: "Strata",
    recipes: "Scaling",
    *,
    called: tuple[str | os.PathLike, ...],
    finish: "Finish | None" = None,
) -> dict[str, pd.DataFrame]:
    """`score_maps` of bands that are there. called: prediction, deep map, low map and regions, for messages.

    finish: what makes rows of pixel scores and of the parts of the SCC (`scc.strata`; None where there is none).
    """
    finish, (prediction, deep, low, where) = finish or with_scc, called
    stacks, tables = [], {"windows": [], "regions": [], "distance": []}
    for chromosome in chromosomes:
        for index, region in enumerate(regions):
            if region.chrom == chromosome.name:
                stacks.append(take_windows(chromosome, region, index, geometry, strata))
                tables["regions"].append(_score_band(chromosome, region, geometry.bin_bp, strata, finish))
    windows = Windows.concatenate(stacks)
    if not len(windows.start_bp):
        raise InputError(
            f"{where}: role test: no window of {geometry.window_bins} bins of {geometry.bin_bp} bp with at most "
            f"{geometry.max_bad_bins:.0%} bad bins lies in a test region; name longer or other test regions",
            f"{deep}: no window of {geometry.window_bins} bins of {geometry.bin_bp:,} bp has at most "
            f"{geometry.max_bad_bins:.0%} bad bins; give a map with more contacts, wider bins, or longer chromosomes",
        )
    if not windows.mask.any():
        raise InputError(
            f"{prediction}: no pixel to score: in the test regions every bin is bad in {deep}, in {low} or in the "
            "prediction, or holds an N; give maps that share good bins",
            f"{prediction}: no pixel to score: every bin is bad in {deep}, in {low} or in the prediction; give maps "
            "that share good bins",
        )
    places = windows.places(regions, geometry)
    for reference, scale, predicted, target in on_scales(windows, recipes, strata.width):
        names = {"reference": reference, "scale": scale}
        first, second, mask = (pixels.to_bands(values, strata.width) for values in (predicted, target, windows.mask))
        parts = strata.scc(first, second, mask) if scale != "oe" else None
        of_windows = finish(places.join(pixels.per_window(first, second, mask)), parts)
        tables["windows"].append(of_windows.assign(**names))
        if scale != "balanced":
            pooled = _pool(first, second, mask, windows.region, regions)
            tables["regions"].append(finish(pooled, None).assign(**names))
        by_distance = pixels.per_distance(first, second, mask)
        by_distance["distance_bp"] = by_distance["distance_bins"] * geometry.bin_bp
        tables["distance"].append(finish(by_distance, None).assign(**names))
    return {name: _ordered(pd.concat(parts), COLUMNS[name][len(LABELS) :]) for name, parts in tables.items()}


Parts = dict[str, tuple[np.ndarray, np.ndarray]]
Finish = Callable[[pd.DataFrame, Parts | None], pd.DataFrame]


def with_scc(table: pd.DataFrame, parts: Parts | None) -> pd.DataFrame:
    """Pixel scores with the forms of the SCC beside them, where there are any."""
    return table.assign(**{form: scc.over_strata(*of_form) for form, of_form in (parts or {}).items()})


# ---------------------------------------------------------------- what is scored


@dataclass(frozen=True)
class Strata:
    """The diagonals scored, min_diagonal … width - 1, and those of each form of the SCC."""

    min_diagonal: int
    width: int
    scc_h: int
    scc_bins: int  # largest distance of the SCC

    @classmethod
    def of(cls, scoring: Scoring, geometry: Geometry, prediction: str | os.PathLike) -> "Strata":
        """As far as the scoring asks and the prediction reaches. Raises InputError if that leaves nothing."""
        metadata = open_map(prediction, geometry.bin_bp).info.get("metadata") or {}
        reached = metadata.get("trifold", {}).get("max_distance_bins")
        limits = (geometry.window_bins - 1, scoring.max_distance_bins, reached)
        last = min(limit for limit in limits if limit is not None)
        if last < scoring.min_diagonal:
            raise InputError(
                f"config: evaluate/scoring/min_diagonal: {scoring.min_diagonal} is beyond the last diagonal of "
                f"{prediction} that can be scored, {last}; lower it or raise max_distance_bins",
                f"{prediction}: reaches {last} bins from the diagonal, and is scored from {scoring.min_diagonal} on; "
                "give one that reaches farther",
            )
        scc_bp = geometry.window_bp if scoring.scc_max_bp is None else scoring.scc_max_bp
        return cls(scoring.min_diagonal, last + 1, scoring.scc_h, scc_bp // geometry.bin_bp)

    def mask(self, valid: np.ndarray) -> np.ndarray:
        """Pixels scored of windows (n, W, W) whose bins are `valid` (n, W)."""
        triangle = pixels.upper_triangle(valid.shape[1], self.min_diagonal, self.width - 1)
        return valid[:, :, None] & valid[:, None, :] & triangle

    def scc(self, prediction: np.ndarray, target: np.ndarray, mask: np.ndarray) -> "Parts":
        """`scc.strata` of bands (n, bins, width)."""
        return scc.strata(prediction, target, mask, self.scc_h, self.scc_bins)


class Chromosome(NamedTuple):
    """One chromosome to be scored.

    bands   "prediction", "deep" and "truth" (where it is known)
    good    (n_bins,) bool: `deep` in the map that windows are chosen by, `scored` in all maps
    pooled  the band whose counts decide what is pooled on logarithmic scales
    """

    name: str
    bands: dict[str, Band]
    good: dict[str, np.ndarray]
    pooled: Band


class Scaling(NamedTuple):
    """What takes maps to the scales: recipes, and what the training regions say (`statistics`)."""

    oe: OERecipe
    observed: ObservedRecipe
    statistics: dict


def read_test_regions(path: str | os.PathLike) -> list[Region]:
    """Test regions of the BED file of a fold. Raises InputError if there is none."""
    table = splits.read(path)
    table = table[table["role"] == "test"]
    if table.empty:
        raise InputError(f"{path}: role: no region has the role test; give the split at least one")
    return [Region(*row) for row in table[_PLACE].itertuples(index=False)]


def read_bands(
    maps: dict[str, str | os.PathLike], low: str | os.PathLike, chrom: str, geometry: Geometry
) -> tuple[dict[str, Band], dict[str, np.ndarray]]:
    """Bands of one chromosome by name, and its good bins: `deep` in the deep map, `scored` in deep, low and predicted.

    Raises InputError where a map has other bins than the deep one.
    """
    bands = {name: Band.read(path, chrom, geometry.window_bins, bin_bp=geometry.bin_bp) for name, path in maps.items()}
    good = {name: np.isfinite(band.weight) for name, band in bands.items()}
    coarse = Band.read(low, chrom, 1)
    factor, remainder = divmod(coarse.bin_bp, geometry.bin_bp)
    n_bins = len(good["deep"])
    if remainder or len(coarse.weight) != -(-n_bins // factor):
        raise InputError(
            f"{low}: {len(coarse.weight)} bins of {coarse.bin_bp} bp on {chrom} do not cover the {n_bins} bins of "
            f"{geometry.bin_bp} bp of {maps['deep']}; give the low map made from it"
        )
    for name, path in maps.items():
        if len(good[name]) != n_bins:
            raise InputError(
                f"{path}: {len(good[name])} bins on {chrom}, {maps['deep']} has {n_bins}; give maps of one assembly"
            )
    usable = np.repeat(np.isfinite(coarse.weight), factor)[:n_bins]
    return bands, {"deep": good["deep"], "scored": good["deep"] & usable & good["prediction"]}


def scored_bins(n_bins: int, with_n: str | os.PathLike | None, chrom: str, edge_bins: int) -> np.ndarray:
    """(n_bins,) bool: bins of a chromosome that every arm is scored on: free of N, and away from the ends."""
    scored = np.zeros(n_bins, dtype=bool)
    scored[edge_bins : n_bins - edge_bins] = True
    if with_n is not None:
        with np.load(with_n) as holds_n:
            scored &= ~holds_n[chrom]
    return scored


@dataclass(frozen=True)
class Windows:
    """Test windows of W bins.

    start_bp, region    (n,) where each starts, and which test region it lies in
    mask                (n, W, W) bool, the pixels scored: upper triangle only
    counts              (n, W, W) contacts of the deep map, which decide what is pooled
    balanced            name of the map -> (n, W, W), NaN on bad bins
    """

    start_bp: np.ndarray
    region: np.ndarray
    mask: np.ndarray
    counts: np.ndarray
    balanced: dict[str, np.ndarray]

    @classmethod
    def concatenate(cls, parts: list["Windows"]) -> "Windows":
        names = ("start_bp", "region", "mask", "counts")
        start_bp, region, mask, counts = (np.concatenate([getattr(part, name) for part in parts]) for name in names)
        balanced = {name: np.concatenate([part.balanced[name] for part in parts]) for name in parts[0].balanced}
        return cls(start_bp, region, mask, counts, balanced)

    def places(self, regions: list[Region], geometry: Geometry) -> pd.DataFrame:
        """chrom, start_bp and end_bp, one row per window."""
        chroms = np.array([region.chrom for region in regions])[self.region]
        ends_bp = self.start_bp + geometry.window_bp
        return pd.DataFrame({"chrom": chroms, "start_bp": self.start_bp, "end_bp": ends_bp})


def take_windows(chromosome: Chromosome, region: Region, index: int, geometry: Geometry, strata: Strata) -> Windows:
    """The windows of one region, side by side from its first whole bin; those with too many bad deep bins left out."""
    good, size, bin_bp = chromosome.good, geometry.window_bins, geometry.bin_bp
    first = -(-region.start_bp // bin_bp)
    end = min(region.end_bp // bin_bp, len(good["deep"]))
    starts = np.arange(first, end - size + 1, size)
    inside = starts[:, None] + np.arange(size)
    starts = starts[np.mean(~good["deep"][inside], axis=1) <= geometry.max_bad_bins]
    inside = starts[:, None] + np.arange(size)
    balanced = {name: band.windows(starts, size)[1] for name, band in chromosome.bands.items()}
    mask, (counts, _) = strata.mask(good["scored"][inside]), chromosome.pooled.windows(starts, size)
    return Windows(starts * bin_bp, np.full(len(starts), index), mask, counts, balanced)


# ---------------------------------------------------------------- scales


def to_scale(scale: str, balanced: np.ndarray, counts: np.ndarray, recipes: Scaling) -> np.ndarray:
    """Windows (n, W, W) of a balanced map on a scale of `SCALES`: the one way there, of predictions and of targets.

    counts (n, W, W): contacts of the deep map, which decide what is pooled, whichever map it is.
    """
    if scale == "balanced":
        return balanced
    statistics = recipes.statistics
    if scale == "observed":
        recipe = replace(recipes.observed, scale="global")
        return normalise.observed(balanced, counts, recipe, statistics["observed"])[0]
    expected = np.array(statistics["expected"]) if recipes.oe.expected == "global" else None
    return normalise.oe(balanced, counts, recipes.oe, expected)


def on_scales(windows: Windows, recipes: Scaling, width: int) -> Iterator[tuple[str, str, np.ndarray, np.ndarray]]:
    """(reference, scale, prediction, target), the last two (n, W, W), for every reference and scale there is.

    width: diagonals 0 ... width - 1 are scored; those beyond are missing in both maps where pixels are pooled.
    """
    size = windows.counts.shape[1]
    near = pixels.upper_triangle(size, 1 - width, width - 1)
    for reference in (name for name in ("deep", "truth") if name in windows.balanced):
        pair = windows.balanced["prediction"], windows.balanced[reference]
        # A window of the reference without a contact has no O/E to be compared with.
        empty = normalise.diagonal_2_ceiling(pair[1])[2]
        shared = near & np.isfinite(pair[0]) & np.isfinite(pair[1])
        alike = [np.where(shared, balanced, np.nan) for balanced in pair]
        for scale in SCALES:
            maps = pair if scale == "balanced" else alike
            predicted, target = (to_scale(scale, balanced, windows.counts, recipes) for balanced in maps)
            if scale == "oe":
                target[empty] = np.nan
            yield reference, scale, predicted, target


# ---------------------------------------------------------------- regions and files


def _score_band(chromosome: Chromosome, region: Region, bin_bp: int, strata: Strata, finish: Finish) -> pd.DataFrame:
    """Scores of the band of a whole region on the balanced scale, one row per reference."""
    rows = slice(-(-region.start_bp // bin_bp), region.end_bp // bin_bp)
    scored = chromosome.good["scored"][rows]
    partners = np.concatenate([scored, np.zeros(strata.width - 1, dtype=bool)])
    mask = scored[:, None] & np.lib.stride_tricks.sliding_window_view(partners, strata.width)
    mask[:, : strata.min_diagonal] = False
    balanced = {name: band.balanced[rows, : strata.width][None] for name, band in chromosome.bands.items()}
    tables = []
    for reference in (name for name in balanced if name != "prediction"):
        pair = (balanced["prediction"], balanced[reference], mask[None])
        table = pixels.per_window(*pair).assign(**region._asdict())
        tables.append(finish(table, strata.scc(*pair)).assign(reference=reference, scale="balanced"))
    return pd.concat(tables)


def _pool(
    prediction: np.ndarray, target: np.ndarray, mask: np.ndarray, region: np.ndarray, regions: list[Region]
) -> pd.DataFrame:
    """Scores of the pixels of all windows of a region together, one row per region that has windows."""
    tables = []
    for index in np.unique(region):
        pooled = (values[region == index].reshape(1, -1) for values in (prediction, target, mask))
        tables.append(pixels.per_window(*pooled).assign(**regions[index]._asdict()))
    return pd.concat(tables)


def _ordered(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """A table with its columns and rows in order; a column `arm`, where there is one, comes first."""
    columns = [*(["arm"] if "arm" in table else []), *columns]
    keys = [name for name in columns if name in ("arm", "reference", "scale", "distance_bp", *_PLACE)]
    return table.reindex(columns=columns).sort_values(keys, ignore_index=True)
