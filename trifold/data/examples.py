"""A dataset directory: windows of one sample at one degradation, normalised (docs/architecture.md lists the files).

Statistics come from the training regions only. One chromosome's bands are in memory at a time, and a stack of
windows; arrays are written stack after stack.
"""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view

from trifold.config import CountsRecipe, Geometry, Recipes
from trifold.data import normalise, splits, summary, tiles
from trifold.errors import InputError
from trifold.genome import by_chromosome, extents
from trifold.io.cool import Band, bin_width, chromsizes, extent, open_map

logger = logging.getLogger(__name__)

FIRST_DIAGONAL = 2  # of a low map by which its scale is fitted: nearer ones hold what is no contact of two places
STACK_PIXELS = 500_000  # of one array of a stack of windows: 4 MB in float64, which stays near the processor


class ArrayFile:
    """A .npy file whose shape is known and whose rows come in parts."""

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: type):
        self.dtype = np.dtype(dtype)
        self.handle = path.open("wb")
        header = {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self.handle, header)

    def append(self, rows: np.ndarray) -> None:
        rows.astype(self.dtype, order="C", copy=False).tofile(self.handle)

    def __enter__(self) -> "ArrayFile":
        return self

    def __exit__(self, *error) -> None:
        self.handle.close()


class Moments:
    """Mean and standard deviation of values that come in parts."""

    def __init__(self):
        self.number, self.total, self.squares = 0, 0.0, 0.0

    def add(self, values: np.ndarray) -> None:
        self.number += values.size
        self.total += values.sum(dtype=np.float64)
        self.squares += np.square(values, dtype=np.float64).sum()

    def summary(self) -> dict[str, float]:
        mean = self.total / self.number
        return {"mean": float(mean), "sd": float(max(self.squares / self.number - mean**2, 0.0) ** 0.5)}


def stacks(windows: pd.DataFrame, geometry: Geometry) -> Iterator[tuple[str, pd.DataFrame]]:
    """Windows chromosome by chromosome, in stacks of about `STACK_PIXELS`."""
    size = max(1, STACK_PIXELS // geometry.window_bins**2)
    for chrom, rows in by_chromosome(windows):
        for lo in range(0, len(rows), size):
            yield chrom, rows.iloc[lo : lo + size]


class Maps:
    """Windows of one map; the band of the last chromosome read stays in memory."""

    def __init__(self, path: str | os.PathLike, bin_bp: int, window_bins: int):
        self.path, self.bin_bp, self.window_bins = path, bin_bp, window_bins
        self.band: Band | None = None
        # Of the contacts of the map that it is part of: held-back reads count as many as all of them would.
        self.share: float = (open_map(path).info.get("metadata") or {}).get("held_back", {}).get("share", 1.0)

    def windows(self, chrom: str, stack: pd.DataFrame, *, pad: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Balanced and counts, each (n, window_bins, window_bins); pad: windows may run past the chromosome's end."""
        starts = stack["start_bp"].to_numpy() // self.bin_bp
        counts, balanced = self.on(chrom).windows(starts, self.window_bins, pad=pad)
        return balanced, counts

    def on(self, chrom: str) -> Band:
        if self.band is None or self.band.chrom != chrom:
            self.band = None  # free the last chromosome before the next is read
            self.band = Band.read(self.path, chrom, self.window_bins)
        return self.band


def _blocks(n_bins: int, width_bins: int) -> Iterator[slice]:
    """Rows of a band in blocks of about `STACK_PIXELS`."""
    step = max(1, STACK_PIXELS // width_bins)
    return (slice(lo, min(lo + step, n_bins)) for lo in range(0, n_bins, step))


class Expected:
    """Mean balanced value per diagonal over the valid pixels inside regions, chromosome by chromosome.

    total, number: (window_bins,) their sums, and how many there are
    """

    def __init__(self, window_bins: int):
        self.total, self.number = np.zeros(window_bins), np.zeros(window_bins)

    def add(self, band: Band, regions: pd.DataFrame) -> None:
        """The regions of one chromosome."""
        width = len(self.total)
        for start_bp, end_bp in extents(regions):
            first, end = -(-start_bp // band.bin_bp), min(-(-end_bp // band.bin_bp), len(band.weight))
            total = np.zeros((1, width))
            for rows in _blocks(end - first, width):
                inside = band.balanced_rows(slice(first + rows.start, first + rows.stop))
                # Row i of a region of n bins has its diagonals below n - i inside.
                i, d = np.ogrid[rows, :width]
                valid = (i + d < end - first) & np.isfinite(inside)
                # Row after row, in whatever blocks they come.
                total = np.concatenate([total, np.where(valid, inside, 0.0)]).sum(axis=0, keepdims=True)
                self.number += valid.sum(axis=0)
            self.total += total[0]

    def means(self, deep: Maps) -> np.ndarray:
        """(window_bins,); a diagonal without a contact takes the value interpolated from its neighbours, and a warning
        says so. Raises InputError, naming the map, where no diagonal has one."""
        width, seen = len(self.total), np.flatnonzero(self.total > 0)
        if not len(seen):
            raise InputError(
                f"{deep.path}: no contact of the training regions is nearer than a window; choose other training "
                "regions (splits) or a deeper map"
            )
        if len(seen) < width:
            logger.warning(
                "%s: no contact in the training regions at %d of %d distances, the nearest %d bp: the expected there "
                "is interpolated from other distances",
                deep.path,
                *(width - len(seen), width, int((self.total <= 0).argmax()) * deep.bin_bp),
            )
        return np.interp(np.arange(width), seen, self.total[seen] / self.number[seen])


def occurrences(starts: np.ndarray, n_bins: int, width_bins: int, size: int) -> np.ndarray:
    """(n_bins, width_bins) int64: how often the pixel (i, i + d) of a band stands in the square windows of `size` bins
    that start at `starts`; off the diagonal a window holds it twice."""
    begun = np.cumsum(np.bincount(starts, minlength=n_bins))
    # Windows that start at or before i, less those that end at or before i + d.
    ended = sliding_window_view(np.concatenate([np.zeros(size, dtype=np.int64), begun]), width_bins)[:n_bins]
    number = begun[:, None] - ended
    number[:, 1:] *= 2
    return number


def factor_of_low(low: Expected, deep: Expected, coarsen: int) -> float:
    """By how much balanced values of the low map are larger than the deep map's over the same base pairs.

    The ratio of their means by distance, over the diagonals from the low map's third to the last one whole in a window;
    `coarsen` where there is none, or no contact.
    """
    of_low, of_deep = (expected.total / np.maximum(expected.number, 1) for expected in (low, deep))
    distances = np.arange(FIRST_DIAGONAL, len(of_low) - 1)
    offsets = np.arange(1 - coarsen, coarsen)
    # Of the k x k pixels (i, j) in one, so many have j - i = k D + offset.
    share = (coarsen - np.abs(offsets)) / coarsen**2
    fine = float((of_deep[coarsen * distances[:, None] + offsets] @ share).sum())
    wide = float(of_low[distances].sum())
    return wide / fine if wide > 0 and fine > 0 else float(coarsen)


class _Contacts:
    """What windows say of the contacts of one map, whose coarsening is `factor`, and what a recipe makes of them.

    Windows overlap and are symmetric: a pixel of the band is read once, and counts as often as it stands in them.
    """

    def __init__(self, source: Maps, factor: int, recipe: CountsRecipe):
        self.source, self.factor, self.recipe = source, factor, recipe
        self.raw, self.balanced, self.largest, self.histogram = 0.0, 0.0, 0.0, normalise.Histogram()

    def _pixels(self, chrom: str, windows: pd.DataFrame) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, int]]:
        """Balanced values, counts and how often they occur, of the valid pixels that stand in windows of a chromosome;
        and how often pixels that are not valid do."""
        band, starts = self.source.on(chrom), windows["start_bp"].to_numpy() // self.source.bin_bp
        n_bins, width_bins = band.counts.shape
        times = occurrences(starts, n_bins, width_bins, self.source.window_bins)
        for rows in _blocks(n_bins, width_bins):
            there = times[rows]
            if there.any():
                balanced = band.balanced_rows(rows)
                valid = np.isfinite(balanced) & (there > 0)
                yield balanced[valid], band.counts[rows][valid], there[valid], int(there.sum() - there[valid].sum())

    def count(self, chrom: str, windows: pd.DataFrame) -> None:
        """Add the contacts and the balanced sum of windows of a chromosome; `per_balanced` is their ratio."""
        for balanced, counts, times, _ in self._pixels(chrom, windows):
            self.raw += float(counts @ times) / self.source.share
            # A balanced value v of bins k times as wide is v / k on all k x k pixels of the deep map's bins: k · v.
            self.balanced += float(balanced @ times) * self.factor

    @property
    def per_balanced(self) -> float:
        return self.raw / self.balanced

    def contacts(self, balanced: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Contacts per pixel of the deep map's bins, as the recipe makes them."""
        whole = counts / self.source.share
        return normalise.contacts(balanced, whole, self.recipe, self.per_balanced, self.factor)

    def add(self, chrom: str, windows: pd.DataFrame) -> None:
        """Add contacts per pixel, once all are counted, for their largest value and their quantile."""
        for balanced, counts, times, missing in self._pixels(chrom, windows):
            values = self.contacts(balanced, counts)
            self.largest = max(self.largest, float(values.max(initial=0.0)))
            self.histogram.add(values, times)
            self.histogram.zeros += missing  # a pixel that is not valid is 0


def _contact_facts(tallies: dict[str, _Contacts]) -> dict[str, float]:
    """The section `counts` of statistics.json.

    ratio: contacts of the deep map per contact of the low map. For both maps: contacts per unit of the balanced scale,
    and the largest value and 99.9 % quantile (zeros included) of the contacts per pixel that the recipe makes.
    """
    facts = {"ratio": tallies["deep"].raw / max(tallies["low"].raw, 1.0)}
    for name, tally in tallies.items():
        facts[f"{name}_per_balanced"] = tally.per_balanced
        facts[f"{name}_max"] = tally.largest
        facts[f"{name}_q999"] = tally.histogram.quantile(0.999, zeros=True)
    return facts


def count_contacts(
    deep: Maps, low: Maps, windows: pd.DataFrame, recipe: CountsRecipe, coarsen: int
) -> dict[str, float]:
    """The section `counts` of statistics.json, from windows (columns chrom, start_bp) of both maps."""
    tallies = {"deep": _Contacts(deep, 1, recipe), "low": _Contacts(low, coarsen, recipe)}
    for step in (_Contacts.count, _Contacts.add):
        for chrom, of_chrom in by_chromosome(windows):
            for tally in tallies.values():
                step(tally, chrom, of_chrom)
    return _contact_facts(tallies)


def _log_weights(low: Maps, chrom: str, regions: pd.DataFrame) -> list[np.ndarray]:
    """ln of the balancing weights of the good bins in the regions of one chromosome."""
    weight, logs = low.on(chrom).weight, []
    for start_bp, end_bp in extents(regions):
        inside = weight[-(-start_bp // low.bin_bp) : -(-end_bp // low.bin_bp)]
        logs.append(np.log(inside[np.isfinite(inside)]))
    return logs


def _learn(
    tallies: dict[str, _Contacts], regions: pd.DataFrame, windows: pd.DataFrame, geometry: Geometry, recipes: Recipes
) -> tuple[np.ndarray, dict[str, float], float, float, float]:
    """What training regions and the windows in them say; chromosomes are read once.

    tallies: "deep" and "low"; the windows' contacts are counted in them
    Returns the expected (window_bins,), the global scale, and of the low map the mean ln of its balancing weights, the
    contacts per bin, and by how much its balanced values are larger.
    """
    deep, low = tallies["deep"].source, tallies["low"].source
    expected, histogram, depth = Expected(geometry.window_bins), normalise.Histogram(), summary.Depth()
    coarsen = tallies["low"].factor
    of_low, logs, recipe = Expected(geometry.window_bins // coarsen), [], recipes.observed
    for chrom, chrom_regions in by_chromosome(regions):
        here = windows[windows["chrom"] == chrom]
        expected.add(deep.on(chrom), chrom_regions)
        for _, stack in stacks(here, geometry):
            grained = normalise.adaptive_coarsegrain(*deep.windows(chrom, stack), recipe.cutoff, recipe.max_levels)
            histogram.add_symmetric(grained)
        logs += _log_weights(low, chrom, chrom_regions)
        depth.add(low.on(chrom), chrom_regions)
        of_low.add(low.on(chrom), chrom_regions)
        for tally in tallies.values():
            tally.count(chrom, here)
    scale, values = normalise.scale_of(histogram), np.concatenate(logs)
    if not len(values):
        raise InputError(
            f"{low.path}: no bin of the training regions is balanced; thin less or coarsen more (degradations), loosen "
            "`balance`, or choose other regions (splits)"
        )
    for tally in tallies.values():
        if not tally.balanced > 0:
            raise InputError(
                f"{tally.source.path}: no contact in the training windows; choose other training regions (splits), "
                "thin less or give a deeper map"
            )
    factor = factor_of_low(of_low, expected, coarsen)
    return expected.means(deep), scale, float(values.mean()), depth.contacts_per_bin, factor


def log_bias(weight: np.ndarray, mean: float) -> np.ndarray:
    """ln of balancing weights over their mean in the training regions, float32; NaN where a bin is missing."""
    return (np.log(weight) - mean).astype(np.float32)


def _bins_with_n(folder: str | os.PathLike | None, bad: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """chromosome -> bool per bin, whether it holds an N; all False for a genome without a sequence."""
    if folder is None:
        return {name: np.zeros_like(bins) for name, bins in bad.items()}
    with np.load(Path(folder) / "n_bins.npz") as stored:
        return {name: stored[name] for name in bad}


def _check_bins(deep: str | os.PathLike, low: str | os.PathLike, bin_bp: int, coarsen: int) -> None:
    for path, wanted_bp in ((deep, bin_bp), (low, bin_bp * coarsen)):
        if (width_bp := bin_width(open_map(path))) != wanted_bp:
            raise InputError(f"{path}: bins of {width_bp} bp, not {wanted_bp}; make it again with this geometry/bin_bp")


def _check_pixels(
    deep_cool: str | os.PathLike,
    windows: pd.DataFrame,
    bin_bp: int,
    window_bins: int,
    bad: dict[str, np.ndarray],
    with_n: dict[str, np.ndarray],
) -> None:
    """Raise InputError for a role whose windows have no pixel to score: no two bins, two or more apart, that are valid.

    A bin is valid if it is not missing in the map and holds no N.
    """
    for role, role_windows in windows.groupby("role", sort=False):
        missing, unknown, counted = 0.0, 0.0, False
        for chrom, chrom_windows in by_chromosome(role_windows):
            bins = chrom_windows["start_bp"].to_numpy()[:, None] // bin_bp + np.arange(window_bins)
            missing += bad[chrom][bins].sum() / (len(role_windows) * window_bins)
            unknown += with_n[chrom][bins].sum() / (len(role_windows) * window_bins)
            valid = ~(bad[chrom] | with_n[chrom])[bins]
            span = window_bins - valid.argmax(axis=1) - valid[:, ::-1].argmax(axis=1)
            counted |= bool((valid.any(axis=1) & (span > 2)).any())
        if not counted:
            raise InputError(
                f"{deep_cool}: no pixel of the {role} windows counts: {missing:.0%} of their bins are missing in the "
                f"map (no balancing weight), {unknown:.0%} hold an N; {_THIN if missing > unknown else _MASKED}"
            )


_MASKED = (
    "genome/fasta may be masked, or not the one of this map: name another, or lower geometry/max_n_bins, which lets "
    "such windows pass"
)
_THIN = (
    "lower geometry/max_bad_bins, which lets such windows pass, widen geometry/bin_bp or loosen `balance` (the map is "
    "thin), or choose other regions (splits)"
)


def _check_ceilings(
    deep_cool: str | os.PathLike, windows: pd.DataFrame, elsewhere: np.ndarray, empty: np.ndarray
) -> None:
    """Say how many windows have no positive median on their diagonal 2 (`normalise.diagonal_2_ceiling`).

    Raises InputError where no training window has an observed/expected.
    """
    if empty[(windows["role"] == "train").to_numpy()].all():
        raise InputError(
            f"{deep_cool}: no training window has a contact between bins two or more apart, so none has an "
            "observed/expected; choose other training regions (splits), wider bins or a deeper map"
        )
    if elsewhere.any():
        logger.warning(
            "%s: %d of %d windows have no contact on most of diagonal 2, at whose median O/E targets are clipped: they "
            "are clipped at the median of the contacts nearest to it, and %d without any have O/E 1; the map is sparse "
            "or its short-range contacts are filtered out",
            *(deep_cool, elsewhere.sum(), len(windows), empty.sum()),
        )


def _check_statistics(deep_cool: str | os.PathLike, statistics: dict) -> None:
    """Raise InputError for scales that would make every pixel NaN."""
    scales = {
        f"{part}/{name}": value for part in ("observed", "counts", "oe") for name, value in statistics[part].items()
    }
    wrong = [f"{name} is {value}" for name, value in scales.items() if not np.isfinite(value)]
    if scales["observed/floor"] >= scales["observed/ceiling"]:
        wrong.append(f"observed/floor and observed/ceiling are both {scales['observed/floor']:.4g}")
    if scales["oe/sd"] == 0:
        wrong.append("oe/sd is 0: all O/E targets are one value")
    if wrong:
        raise InputError(
            f"{deep_cool}: its training windows give no scale (statistics.json: {', '.join(wrong)}); choose other "
            "training regions (splits) or a deeper map"
        )


def build(
    deep_cool: str | os.PathLike,
    low_cool: str | os.PathLike,
    sequence_folder: str | os.PathLike | None,
    regions_bed: str | os.PathLike,
    geometry: Geometry,
    recipes: Recipes,
    coarsen: int,
    out: Path,
    *,
    with_counts: bool = False,
) -> dict:
    """Write the dataset directory `out` (it exists and is empty); returns what statistics.json holds.

    deep_cool        prepared map at `geometry.bin_bp`
    low_cool         its degraded map at `geometry.bin_bp * coarsen`
    sequence_folder  holds n_bins.npz: chromosome -> (n_bins,) bool, bin holds an N; None: no bin does
    regions_bed      regions of the fold
    with_counts      write the contacts too, and how many the whole low map has
    Where the recipe's low windows are wider than the deep ones, what runs past the end of a chromosome is 0.
    Raises InputError for maps of other bins, regions without windows, and a role whose windows have no valid pixel.
    """
    out = Path(out)
    _check_bins(deep_cool, low_cool, geometry.bin_bp, coarsen)
    clr = open_map(deep_cool)
    sizes = chromsizes(clr)
    weight = clr.bins()["weight"][:].to_numpy()
    bad = {name: np.isnan(weight[slice(*extent(clr, name))]) for name in sizes}
    with_n = _bins_with_n(sequence_folder, bad)
    regions = splits.read(regions_bed)
    if absent := sorted(set(regions["chrom"]) - set(sizes)):
        logger.warning("%s: not in the map, without windows: %s", deep_cool, ", ".join(absent))
    regions = regions[regions["chrom"].isin(sizes)]
    windows = tiles.cut(regions, geometry, sizes, bad, with_n, coarsen)
    training = windows[windows["role"] == "train"]

    size = geometry.window_bins
    _check_pixels(deep_cool, windows, geometry.bin_bp, size, bad, with_n)
    deep = Maps(deep_cool, geometry.bin_bp, size)
    low = Maps(low_cool, geometry.bin_bp * coarsen, size // coarsen)
    low_size = recipes.observed.low_bins(size, coarsen)
    wide = Maps(low_cool, geometry.bin_bp * coarsen, low_size) if low_size > size // coarsen else None
    train_regions = regions[regions["role"] == "train"]
    tallies = {"deep": _Contacts(deep, 1, recipes.counts), "low": _Contacts(low, coarsen, recipes.counts)}
    expected, scale, mean_weight, contacts_per_bin, factor = _learn(tallies, train_regions, training, geometry, recipes)
    of_low = normalise.low_factor(recipes.observed, {"coarsen": coarsen, "low": {"factor": factor}})

    moments, ceilings = {"oe": Moments(), "observed_deep": Moments()}, []
    shapes = {
        "deep_observed": (size, size),
        "deep_oe": (size, size),
        "low_observed": (low_size, low_size),
        "low_bias": (size // coarsen,),
        "valid": (size,),
    }
    if with_counts:
        shapes |= {"deep_counts": (size, size), "low_counts": (size // coarsen, size // coarsen)}
    with ExitStack() as files:
        arrays = {
            name: files.enter_context(
                ArrayFile(out / f"{name}.npy", (len(windows), *shape), bool if name == "valid" else np.float32)
            )
            for name, shape in shapes.items()
        }
        for chrom, chrom_windows in by_chromosome(windows):
            for tally in tallies.values():
                tally.add(chrom, chrom_windows[chrom_windows["role"] == "train"])
            for _, stack in stacks(chrom_windows, geometry):
                pixels = deep.windows(chrom, stack)
                low_pixels = low.windows(chrom, stack)
                input_pixels = wide.windows(chrom, stack, pad=True) if wide else low_pixels
                observed, _ = normalise.observed(*pixels, recipes.observed, scale)
                oe = normalise.oe(*pixels, recipes.oe, expected)
                ceilings.append(normalise.diagonal_2_ceiling(pixels[0])[1:])
                low_observed, _ = normalise.observed(*input_pixels, recipes.observed, scale, of_low)
                if with_counts:
                    arrays["deep_counts"].append(tallies["deep"].contacts(*pixels))
                    arrays["low_counts"].append(tallies["low"].contacts(*low_pixels))
                bins = stack["start_bp"].to_numpy()[:, None] // geometry.bin_bp + np.arange(size)
                coarse_bins = bins[:, ::coarsen] // coarsen
                arrays["low_bias"].append(log_bias(low.on(chrom).weight[coarse_bins], mean_weight))
                arrays["deep_observed"].append(observed)
                arrays["deep_oe"].append(oe)
                arrays["low_observed"].append(low_observed)
                arrays["valid"].append(~(bad[chrom] | with_n[chrom])[bins])
                trains = (stack["role"] == "train").to_numpy()
                for name, values in (("oe", oe), ("observed_deep", observed)):
                    moments[name].add(values if trains.all() else values[trains])
    if recipes.oe.variant == "akita":
        _check_ceilings(deep_cool, windows, *np.concatenate(ceilings, axis=1))
    windows.to_csv(out / "tiles.tsv", sep="\t", index=False)
    statistics = {
        "geometry": asdict(geometry),
        "recipes": asdict(recipes),
        "coarsen": coarsen,
        "low": {
            "bin_bp": geometry.bin_bp * coarsen,
            "coarsen": coarsen,
            "factor": factor,
            "contacts_per_bin": contacts_per_bin,
            **(summary.whole(low_cool, geometry.window_bp // 2) if with_counts else {}),
        },
        "tiles": {role: int((windows["role"] == role).sum()) for role in splits.ROLES},
        "observed": scale,
        "expected": expected.tolist(),
        "counts": _contact_facts(tallies),
        "low_bias": {"mean_log_weight": mean_weight},
        **{name: moment.summary() for name, moment in moments.items()},
    }
    _check_statistics(deep_cool, statistics)
    (out / "statistics.json").write_text(json.dumps(statistics, indent=1) + "\n")
    logger.info("%s: %s windows", out, statistics["tiles"])
    return statistics
