"""Dots of a balanced map by cooltools, as a BEDPE whose eighth column is observed over the expected of the donut.

python call.py MAP.cool OUT.bedpe --max-bp 2000000 --fdr 0.1 --cluster-bins 4 --outer 0 --inner 0 --threads 1
"""

import argparse
import sys

import cooler
import cooltools
import pandas as pd
from cooltools.api.dotfinder import get_kernel, recommend_kernels

KERNELS = ("donut", "vertical", "horizontal", "lowleft")
PLACES = ["chrom1", "start1", "end1", "chrom2", "start2", "end2"]


def kernels_of(bin_bp: int, outer: int, inner: int) -> dict:
    """Kernels of these half widths, bins; 0: those recommended for the bin width."""
    if outer:
        return {name: get_kernel(outer, inner, name) for name in KERNELS}
    try:
        return recommend_kernels(bin_bp)
    except ValueError as error:
        sys.exit(f"{error} Give the options outer and inner, half widths in bins, such as 7 and 4.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("map")
    parser.add_argument("out")
    for name in ("max-bp", "cluster-bins", "outer", "inner", "threads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--fdr", type=float, required=True)
    given = parser.parse_args()
    clr = cooler.Cooler(given.map)
    sizes = clr.chromsizes
    # Chromosomes without a balanced bin have nothing expected.
    weighted = clr.bins()[["chrom", "weight"]][:].dropna()["chrom"].unique()
    kept = [chrom for chrom in clr.chromnames if chrom in set(weighted)]
    view = pd.DataFrame({"chrom": kept, "start": 0, "end": [sizes[chrom] for chrom in kept], "name": kept})
    expected = cooltools.expected_cis(clr, view_df=view, nproc=given.threads)
    dots = cooltools.dots(
        clr,
        expected,
        view_df=view,
        kernels=kernels_of(clr.binsize, given.outer, given.inner),
        max_loci_separation=given.max_bp,
        lambda_bin_fdr=given.fdr,
        clustering_radius=given.cluster_bins * clr.binsize,
        nproc=given.threads,
    )
    score = dots["count"] / dots["la_exp.donut.value"]
    dots.assign(name=".", score=score)[[*PLACES, "name", "score"]].to_csv(
        given.out, sep="\t", header=False, index=False
    )


if __name__ == "__main__":
    main()
