"""The tools on a prediction's map.mcool and map.hic and on prepared maps: each runs, and its numbers are sane.

python tools.py FOLDER_OF_A_PREDICTION DEEP.cool LOW.cool SCRATCH
"""

import base64
import subprocess
import sys
from pathlib import Path

import bioframe
import clodius.tiles.cooler as higlass
import cooler
import hictkpy
import numpy as np
import pandas as pd
from scipy.stats import pearsonr

TILE_BINS = 256


def run(*words: object) -> str:
    """A command as a user gives it; what it prints."""
    done = subprocess.run([*map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, f"{' '.join(map(str, words))}\n{done.stdout[-3000:]}"
    return done.stdout


def bin_bp(uri: str) -> int:
    return int(cooler.Cooler(uri).binsize)


def insulation(uri: str, scratch: Path) -> pd.DataFrame:
    """`cooltools insulation` with its default options."""
    window_bp = 5 * bin_bp(uri)
    run("cooltools", "insulation", "-o", scratch / "insulation.tsv", uri, window_bp)
    table = pd.read_csv(scratch / "insulation.tsv", sep="\t")
    score = table[f"log2_insulation_score_{window_bp}"]
    known = score[~table["is_bad_bin"]]
    assert known.notna().mean() > 0.8, f"{uri}: insulation is missing on {known.isna().mean():.0%} of the good bins"
    assert known.abs().max() < 20
    return table.assign(score=score, valley=table[f"is_boundary_{window_bp}"])


def check_insulation(predicted: str, deep: str, scratch: Path) -> str:
    """The predicted map has valleys, and they lie where the deep map's lie: profiles correlate."""
    first, second = insulation(predicted, scratch), insulation(deep, scratch)
    both = first.merge(second, on=["chrom", "start"], suffixes=("", "_deep")).dropna(subset=["score", "score_deep"])
    r = pearsonr(both["score"], both["score_deep"])[0]
    valleys = int((first["valley"] == True).sum())  # noqa: E712 - an object column with missing values
    assert valleys >= 3
    assert r > 0.5
    return f"{valleys} valleys, profile against the deep map's r = {r:.2f}"


def check_coverage(uri: str, scratch: Path) -> str:
    run("cooltools", "coverage", "-o", scratch / "coverage.tsv", "--clr_weight_name", "weight", uri)
    table = pd.read_csv(scratch / "coverage.tsv", sep="\t")
    weight = cooler.Cooler(uri).bins()["weight"][:].to_numpy()
    total = table["cov_tot_weight"].to_numpy()[np.isfinite(weight)]
    assert np.isfinite(total).all()
    assert 0 < np.median(total) < 1.05, "a balanced row sums to 1, or less within a band"
    return f"median coverage {np.median(total):.2f}"


def check_expected(uri: str, scratch: Path, reach_bins: int | None = None) -> str:
    """Falls with distance, and is 0 beyond what the map says that it reaches: pixels there are not predicted."""
    run("cooltools", "expected-cis", "-o", scratch / "expected.tsv", uri)
    table = pd.read_csv(scratch / "expected.tsv", sep="\t")
    mean = table.groupby("dist")["balanced.avg"].mean()
    near = mean[2 : (reach_bins or 20) + 1]
    assert near.notna().all()
    assert (near > 0).all()
    assert near.iloc[0] > 1.5 * near.iloc[-1]
    if reach_bins is not None:
        assert (mean[reach_bins + 1 :].dropna() == 0).all()
        said = cooler.Cooler(uri).info["metadata"]["trifold"]
        assert said["max_distance_bins"] == reach_bins
        assert "not predicted" in said["absent"]
    return f"expected {near.iloc[0]:.3g} at 2 bins, {near.iloc[-1]:.3g} at {near.index[-1]}"


def check_eigenvectors(uri: str, scratch: Path) -> str:
    run("cooltools", "eigs-cis", "--n-eigs", 1, "-o", scratch / "eigs", uri)
    table = pd.read_csv(scratch / "eigs.cis.vecs.tsv", sep="\t")
    weight = cooler.Cooler(uri).bins()["weight"][:].to_numpy()
    vector = table["E1"].to_numpy()
    assert np.isfinite(vector[np.isfinite(weight)]).mean() > 0.5
    assert np.nanstd(vector) > 0
    return f"E1 on {np.isfinite(vector).mean():.0%} of the bins"


def check_loops(uri: str, scratch: Path, reach_bins: int) -> str:
    width_bp = bin_bp(uri)
    words = ("chromosight", "detect", "--pattern", "loops", "--min-dist", 4 * width_bp)
    run(*words, "--max-dist", reach_bins * width_bp, "--no-plotting", "--pearson", 0.1, uri, scratch / "loops")
    loops = pd.read_csv(scratch / "loops.tsv", sep="\t")
    assert len(loops)
    assert loops["score"].between(0.1, 1).all()
    assert ((loops["start2"] - loops["start1"]).abs() <= reach_bins * width_bp).all()
    return f"{len(loops)} loops"


def check_tiles(mcool: Path) -> str:
    """Tiles that HiGlass's server gives of every level equal the balanced values of that level."""
    facts = higlass.tileset_info(str(mcool))
    widths = sorted((int(group.rpartition("/")[2]) for group in cooler.fileops.list_coolers(str(mcool))), reverse=True)
    assert sorted(map(int, facts["resolutions"]), reverse=True) == widths
    for zoom, width in enumerate(widths):
        ((_, tile),) = higlass.tiles(str(mcool), [f"x.{zoom}.0.0.weight"])
        kind = np.float16 if tile["dtype"] == "float16" else np.float32
        values = np.frombuffer(base64.b64decode(tile["dense"]), dtype=kind).reshape(TILE_BINS, TILE_BINS)
        clr = cooler.Cooler(f"{mcool}::resolutions/{width}")
        # HiGlass lays chromosomes out by bp: past the first the last bin, which may be short, shifts all.
        size = min(TILE_BINS, -(-int(clr.chromsizes.iloc[0]) // width))
        # A tile on the diagonal has its lower half; the browser mirrors it.
        wanted = np.tril(np.nan_to_num(clr.matrix(balance=True)[:size, :size]))
        given = np.nan_to_num(values[:size, :size].astype(np.float64))
        np.testing.assert_allclose(given, wanted, rtol=2e-3, atol=1e-6)
        assert wanted.any()
    return f"{len(widths)} levels"


def check_hictk(mcool: Path, hic: Path) -> str:
    """hictk reads the same balanced values out of the .mcool and the .hic, at every level."""
    levels = [hictkpy.MultiResFile(path) for path in (mcool, hic)]
    assert list(levels[0].resolutions()) == list(levels[1].resolutions())
    for width in levels[0].resolutions():
        of_cooler, of_hic = (file[int(width)] for file in levels)
        for chrom in of_cooler.chromosomes():
            first = of_cooler.fetch(chrom, normalization="weight", count_type="float64").to_numpy()
            second = of_hic.fetch(chrom, normalization="ICE", count_type="float64").to_numpy()
            known = np.isfinite(first) & (first != 0)
            np.testing.assert_allclose(second[known], first[known], rtol=1e-6)
            assert known.any()
    return f"{len(levels[0].resolutions())} levels"


def check_bins(uri: str) -> str:
    """The bin table is one that bioframe takes, and cooler writes balanced pixels of it as text."""
    bins = cooler.Cooler(uri).bins()[:]
    assert bioframe.is_bedframe(bins)
    lines = run("cooler", "dump", "-t", "pixels", "-b", "--join", uri).splitlines()
    assert len(lines) == cooler.Cooler(uri).info["nnz"]
    assert len(lines[0].split("\t")) == 8
    return f"{len(lines)} pixels"


def main() -> None:
    folder, deep, low, scratch = map(Path, sys.argv[1:])
    mcool = folder / "map.mcool"
    base = f"{mcool}::resolutions/{bin_bp(str(folder / 'map.cool'))}"
    reach = cooler.Cooler(base).info["metadata"]["trifold"]["max_distance_bins"]
    checks = {
        "cooltools insulation": lambda: check_insulation(base, str(deep), scratch),
        "cooltools coverage, predicted": lambda: check_coverage(base, scratch),
        "cooltools coverage, prepared": lambda: check_coverage(str(low), scratch),
        "cooltools expected-cis, predicted": lambda: check_expected(base, scratch, reach),
        "cooltools expected-cis, prepared": lambda: check_expected(str(deep), scratch),
        "cooltools eigs-cis, predicted": lambda: check_eigenvectors(base, scratch),
        "cooltools eigs-cis, prepared": lambda: check_eigenvectors(str(deep), scratch),
        "chromosight detect, predicted": lambda: check_loops(base, scratch, reach),
        "chromosight detect, prepared": lambda: check_loops(str(deep), scratch, 40),
        "clodius tiles": lambda: check_tiles(mcool),
        "hictkpy fetch": lambda: check_hictk(mcool, folder / "map.hic"),
        "cooler dump": lambda: check_bins(base),
    }
    for name, check in checks.items():
        print(f"{name}: {check()}", flush=True)


if __name__ == "__main__":
    main()
