"""Making examples: this package against the same steps window by window with cooler and cooltools, in one run.

Both write the maps of every window of a synthetic chromosome (5 kb, 200 bins): Akita's O/E target, the observed deep
and the observed low map. Prints the CPU times, their ratio, and the largest difference; fails below 10 x or above 1e-5.

    python -m benchmarks.examples
"""

import tempfile
import time
from pathlib import Path

import cooler
import numpy as np
import pandas as pd
from cooltools.lib.numutils import adaptive_coarsegrain, interp_nan, observed_over_expected, set_diag
from scipy.ndimage import gaussian_filter

from trifold.config import CountsRecipe, Degradation, Geometry, ObservedRecipe, OERecipe, Recipes
from trifold.data import contacts, degrade, examples, normalise
from trifold.io.cool import write_cool

BIN_BP, WINDOW_BINS, COARSEN = 5_000, 200, 2
OE = OERecipe("akita", cutoff=2, max_levels=8, clip=2.0, sigma_bins=0.8, expected="local")
OBSERVED = ObservedRecipe("global", cutoff=2, max_levels=8)
RECIPES = Recipes(OE, OBSERVED, CountsRecipe("balanced"))
LEAST_RATIO, LARGEST_DIFFERENCE = 10.0, 1e-5


def make_pixels(n_bins: int, seed: int = 1, block_bins: int = 1_000, band_bins: int = 220, far: int = 60):
    """Poisson counts that fall with distance in a band, `far` pixels per bin beyond it, 2 % empty bins."""
    random = np.random.default_rng(seed)
    bias = random.gamma(20, 1 / 20, n_bins) * (random.random(n_bins) > 0.02)
    for lo in range(0, n_bins, block_bins):
        rows = np.arange(lo, min(lo + block_bins, n_bins))
        distance = np.concatenate(
            [
                np.broadcast_to(np.arange(band_bins), (len(rows), band_bins)),
                np.sort(random.integers(band_bins, n_bins, (len(rows), far)), axis=1),
            ],
            axis=1,
        )
        distance[:, band_bins + 1 :][np.diff(distance[:, band_bins:]) == 0] = n_bins  # drawn twice: past the end
        columns = rows[:, None] + distance
        inside = columns < n_bins
        rate = (
            np.where(distance < band_bins, 150 / (1 + distance), 4)
            * bias[rows, None]
            * bias[np.minimum(columns, n_bins - 1)]
        )
        count = np.where(inside, random.poisson(rate), 0)
        i, j = np.nonzero(count)
        yield {"bin1_id": rows[i], "bin2_id": columns[i, j], "count": count[i, j]}


def make_inputs(folder: Path, length_bp: int) -> None:
    """raw.cool, regions.bed and n_bins.npz of one synthetic chromosome: a tenth of it tests, the rest trains."""
    write_cool(folder / "raw.cool", {"chr1": length_bp}, BIN_BP, make_pixels(length_bp // BIN_BP))
    test_bp = max(length_bp // 10, 2 * WINDOW_BINS * BIN_BP)
    (folder / "regions.bed").write_text(
        f"chr1\t0\t{length_bp - test_bp}\ttrain\nchr1\t{length_bp - test_bp}\t{length_bp}\ttest\n"
    )
    np.savez(folder / "n_bins.npz", chr1=np.zeros(length_bp // BIN_BP, dtype=bool))


def prepare_maps(folder: Path) -> None:
    contacts.prepare(folder / "raw.cool", folder / "deep.cool", BIN_BP)
    degrade.degrade(folder / "deep.cool", folder / "low.cool", Degradation(coarsen=COARSEN, thin=4))


def build(folder: Path, stride_bins: int) -> dict:
    strides = dict.fromkeys(("train", "validation", "test"), stride_bins)
    geometry = Geometry(BIN_BP, WINDOW_BINS, strides, max_bad_bins=0.25, max_n_bins=0)
    (folder / "examples").mkdir(exist_ok=True)
    maps = (folder / "deep.cool", folder / "low.cool")
    return examples.build(*maps, folder, folder / "regions.bed", geometry, RECIPES, COARSEN, folder / "examples")


def plain_oe(balanced: np.ndarray, counts: np.ndarray) -> np.ndarray:
    missing = np.isnan(balanced)
    ceiling = np.nanmedian(np.diagonal(balanced, 2))
    clipped = balanced.copy()
    for offset in (-1, 0, 1):
        set_diag(clipped, ceiling, offset)
    clipped = np.clip(clipped, 0, ceiling)
    clipped[missing] = np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        grained = adaptive_coarsegrain(clipped, counts.astype(float), OE.cutoff, OE.max_levels)
        logarithm = np.log(observed_over_expected(grained, ~missing)[0])
    filled = interp_nan(np.clip(logarithm, -OE.clip, OE.clip))
    for offset in (-1, 0, 1):
        set_diag(filled, 0, offset)
    return gaussian_filter(filled, OE.sigma_bins, mode="constant", radius=3)


def plain_observed(balanced: np.ndarray, counts: np.ndarray, scale: dict, factor: float) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        grained = adaptive_coarsegrain(balanced.copy(), counts.astype(float), OBSERVED.cutoff, OBSERVED.max_levels)
    grained /= factor
    value = np.log(np.maximum(grained, scale["floor"]) / scale["floor"]) / np.log(scale["ceiling"] / scale["floor"])
    return interp_nan(np.clip(value, 0, 1))


def plain(folder: Path, windows: pd.DataFrame, statistics: dict) -> dict[str, np.ndarray]:
    """The maps of every window, each fetched and normalised on its own."""
    maps = {"deep": cooler.Cooler(str(folder / "deep.cool")), "low": cooler.Cooler(str(folder / "low.cool"))}
    made = {"deep_oe": [], "deep_observed": [], "low_observed": []}
    low_factor = normalise.low_factor(OBSERVED, statistics)
    for window in windows.itertuples():
        region = (window.chrom, window.start_bp, window.end_bp)
        deep, low = ([clr.matrix(balance=kind).fetch(region) for kind in (True, False)] for clr in maps.values())
        made["deep_oe"].append(plain_oe(*deep))
        made["deep_observed"].append(plain_observed(*deep, statistics["observed"], 1))
        made["low_observed"].append(plain_observed(*low, statistics["observed"], low_factor))
    return {name: np.array(stack, dtype=np.float32) for name, stack in made.items()}


def timed(function, *arguments):
    """The result and the CPU seconds of this process: other load of the machine does not enter."""
    start = time.process_time()
    result = function(*arguments)
    return result, time.process_time() - start


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_inputs(folder, 40_000_000)
        prepare_maps(folder)
        # Once on few windows: both sides compile with numba on their first call.
        statistics = build(folder, 1_000)
        windows = pd.read_csv(folder / "examples/tiles.tsv", sep="\t")
        plain(folder, windows[:1], statistics)

        statistics, ours_s = timed(build, folder, 20)
        windows = pd.read_csv(folder / "examples/tiles.tsv", sep="\t")
        reference, plain_s = timed(plain, folder, windows, statistics)
        difference = max(
            np.abs(np.load(folder / f"examples/{key}.npy") - maps).max() for key, maps in reference.items()
        )
    print(f"windows {len(windows)}: package {ours_s:.2f} s, plain {plain_s:.2f} s")
    print(f"ratio {plain_s / ours_s:.1f} (at least {LEAST_RATIO}), largest difference {difference:.1e}")
    if plain_s / ours_s < LEAST_RATIO or difference > LARGEST_DIFFERENCE:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
