"""Two libraries of GM12878: what they measure of one another, and what their halves say they should.

    python -m benchmarks.replicates FOLDER     # with gm12878_HIC001.res50000.gz and gm12878_HIC002.res50000.gz

Two maps of one genome, of reliabilities R1 and R2 (`trifold.ceiling.reliability`), correlate by sqrt(R1 R2) if nothing
but chance tells them apart: the product of their rows noise-free. What they have less is not noise of counting.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from trifold import ceiling
from trifold.config import Ceiling, Geometry, ObservedRecipe, OERecipe, Scoring
from trifold.data import contacts
from trifold.evaluate import Scaling, score_maps
from trifold.genome import Region
from trifold.io.cool import write_cool

LIBRARIES = ("gm12878_HIC001.res50000.gz", "gm12878_HIC002.res50000.gz")
SIZES, BIN_BP, SIDE = {"chr21": 48_129_895, "chr22": 51_304_566}, 50_000, 64  # hg19
GEOMETRY = Geometry(BIN_BP, SIDE, {}, 0.25, 0)
SCORING = Scoring(min_diagonal=2, max_distance_bins=44, edge_bins=6, scc_h=1, scc_max_bp=None)
SCALING = Scaling(
    OERecipe("akita", 2, 8, 2.0, 0.8, "local"),
    ObservedRecipe("global", 2, 8),
    {"observed": {"floor": 1e-5, "ceiling": 0.1}},
)
METRICS = ["pearson", "spearman", "scc_hicrep"]


def prepare(text: Path, target: Path) -> None:
    """A balanced cooler of a library: lines of chromosome, start, chromosome, start and contacts, without chr."""
    table = pd.read_csv(text, sep="\t", header=None, names=["chrom", "start", "chrom2", "start2", "count"])
    first = dict(zip(SIZES, np.cumsum([0, *(-(-length // BIN_BP) for length in SIZES.values())])))
    bins = [
        table[chrom].map(lambda name: first[f"chr{name}"]) + table[start] // BIN_BP
        for chrom, start in (("chrom", "start"), ("chrom2", "start2"))
    ]
    pixels = pd.DataFrame(
        {"bin1_id": np.minimum(*bins), "bin2_id": np.maximum(*bins), "count": table["count"].astype(np.int64)}
    )
    pixels = pixels.groupby(["bin1_id", "bin2_id"], as_index=False)["count"].sum()
    raw = target.with_suffix(".raw.cool")
    write_cool(raw, SIZES, BIN_BP, [{name: pixels[name].to_numpy() for name in pixels}])
    contacts.prepare(raw, target, BIN_BP)


def compare(folder: Path, work: Path) -> pd.DataFrame:
    """measured and expected, by scale and metric: means over windows."""
    regions = [Region(chrom, 0, length) for chrom, length in SIZES.items()]
    maps = [work / f"library{number}.cool" for number in (1, 2)]
    for name, path in zip(LIBRARIES, maps):
        prepare(folder / name, path)
    common = {"with_n": None, "regions": regions, "geometry": GEOMETRY, "scoring": SCORING}
    measured = score_maps(
        prediction=maps[0],
        deep=maps[1],
        low=maps[0],
        truth=None,
        statistics=SCALING.statistics,
        oe_recipe=SCALING.oe,
        observed_recipe=SCALING.observed,
        **common,
    )["windows"]
    expected = 1.0
    for path, other in (maps, maps[::-1]):
        halves = ceiling.score_halves(deep=path, low=other, scaling=SCALING, ceiling=Ceiling(5, 1), **common)["windows"]
        expected = expected * halves[halves["arm"] == "noise-free"].groupby("scale")[METRICS].mean()
    columns = {"measured": measured.groupby("scale")[METRICS].mean(), "expected": expected}
    return pd.concat(columns, axis=1).stack(future_stack=True)


def main() -> None:
    with TemporaryDirectory() as work:
        print(compare(Path(sys.argv[1]), Path(work)).round(3).to_string())


if __name__ == "__main__":
    main()
