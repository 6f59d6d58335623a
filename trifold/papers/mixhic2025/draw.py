"""The figures of MIX-HIC from the files of an experiment."""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from trifold.data import splits
from trifold.data.bands import BandStore, open_bands
from trifold.data.pairs import read_loops
from trifold.genome import Region
from trifold.papers import paper
from trifold.papers.mixhic2025 import figures as mixhic
from trifold.papers.mixhic2025.figures import LoopMap
from trifold.report import figures

# Most bins of the map in Figure S1; fewer where the band is narrower.
MAP_BINS = 400
# Figures of scores; names are those of the config.
FIGURES = {
    "figure4": mixhic.figure4,
    "figure5": mixhic.figure5,
    "figure6": mixhic.figure6,
    "figures2": partial(mixhic.parameter, name="layers of every stage"),
    "figures3": partial(mixhic.parameter, name="D, width of the first layers"),
}


def square(store: BandStore, start: int, size: int) -> np.ndarray:
    """The symmetric map (size, size) of the bins from `start`; the band must hold `size` diagonals."""
    i, j = np.ogrid[:size, :size]
    return np.asarray(store.values[start + np.minimum(i, j), np.abs(i - j)])


def busiest(stores: Mapping[str, BandStore], seen: Mapping[str, np.ndarray]) -> tuple[str, int, int]:
    """Chromosome, first bin and size of the stretch with the most seen loops: the first of several."""
    best = (-1, "", 0, 0)
    for chrom, store in stores.items():
        size = min(MAP_BINS, store.n_diagonals, store.n_bins)
        loops = seen.get(chrom, np.empty((0, 2), dtype=int))
        for start in range(0, store.n_bins - size + 1, max(1, size // 8)):
            number = int(((loops[:, 0] >= start) & (loops[:, 1] < start + size)).sum())
            if number > best[0]:
                best = (number, chrom, start, size)
    return best[1:]


def loop_maps(
    searches: Sequence[Mapping], rows: Mapping[str, Sequence[str]], stores: Mapping, seen: Mapping, bin_bp: int
) -> list[LoopMap]:
    """A panel per run of Figure S1, of its first seed: the stretch of the map where most loops were seen."""
    chrom, start, size = busiest(stores, seen)
    region = Region(chrom, start * bin_bp, (start + size) * bin_bp)
    values = square(stores[chrom], start, size)
    panels = {}
    for label, runs in rows.items():
        for search in searches:
            if search["run"] not in runs or search["run"] in panels:
                continue
            table = pd.read_csv(Path(search["path"]) / "loops.bedpe", sep="\t", dtype={"#chrom1": str})
            places = table.loc[table["#chrom1"] == chrom, ["start1", "start2"]].to_numpy()
            predicted, known = (_inside(starts, region) + bin_bp // 2 for starts in (places, seen[chrom] * bin_bp))
            title = f"{label}, {search['run']}" if len(runs) > 1 else label
            panels[search["run"]] = LoopMap(title, values, region, predicted, known)
    return list(panels.values())


def _inside(places: np.ndarray, region: Region) -> np.ndarray:
    return places[(places[:, 0] >= region.start_bp) & (places[:, 1] < region.end_bp)]


def draw(
    folder: Path,
    *,
    shown: Mapping[str, Mapping[str, Sequence[str]]],
    scores: Sequence[str | os.PathLike],
    searches: Sequence[Mapping],
    bands: str | os.PathLike | None,
    regions: str | os.PathLike | None,
    seen: Sequence[str | os.PathLike],
    tolerance_bins: int,
    max_loop_bins: int,
    bin_bp: int,
    rename: Mapping[str, str],
) -> None:
    """Save every figure that has a run as SVG and PNG into `folder`.

    shown: `rows.shown`; searches: run, seed, sample and folder of whole-chromosome loops; bands, seen: of the first of
    their samples, for Figure S1, drawn on the test chromosomes of the fold, whose BED file is `regions`.
    """
    if searches:
        rows = shown["tables2"]
        tables = [pd.read_csv(Path(search["path"]) / "validation.tsv", sep="\t") for search in searches]
        validations = pd.concat(tables, ignore_index=True)
        figures.save(mixhic.figure3(validations, rows, tolerance_bins * bin_bp), folder / "figure3")
        chroms = splits.chromosomes_of(regions, "test")
        stores = {chrom: store for chrom, store in open_bands(bands).items() if chrom in chroms}
        listed = read_loops(seen, bin_bp, max_bins=max_loop_bins, rename=rename)
        of_first_sample = [search for search in searches if search["sample"] == searches[0]["sample"]]
        figures.save(mixhic.figure_s1(loop_maps(of_first_sample, rows, stores, listed, bin_bp)), folder / "figures1")
    rows_of_figure = {name: rows for name, rows in shown.items() if name in FIGURES and rows}
    table = paper.read_scores(scores) if rows_of_figure else None
    for name, rows in rows_of_figure.items():
        frame = mixhic.points(table, rows, within=name != "figure5")
        figures.save(FIGURES[name](frame), folder / name)
