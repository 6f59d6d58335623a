"""The maps a person looks at: which test windows are shown, and the arrays of each."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from trifold.data.sequence import SequenceStore
from trifold.data.tracks import TrackStore
from trifold.errors import InputError
from trifold.genome import N_CODE, Region
from trifold.io import bed
from trifold.io.cool import Band


@dataclass(frozen=True)
class Window:
    """One locus: maps by name (low, deep, truth and arms) and what lies along it.

    maps: (n, n) float, balanced, NaN where a bin is missing; low has n / coarsen bins and is divided by its factor,
    so that all maps share one scale. gc: (n,) share of G and C, NaN without bases; None where the
    experiment has no sequence. lanes: track name -> values on bins of any width. motifs: (start_bp, end_bp, strand).
    """

    region: Region
    bin_bp: int
    maps: Mapping[str, np.ndarray]
    gc: np.ndarray | None = None
    lanes: Mapping[str, np.ndarray] = field(default_factory=dict)
    motifs: list[tuple[int, int, str]] = field(default_factory=list)

    def oe(self, name: str) -> np.ndarray:
        """ln of observed over the map's own mean per diagonal in this window; NaN where nothing was observed."""
        values = np.asarray(self.maps[name], float)
        n = len(values)
        i, j = np.indices((n, n))
        diagonal = np.abs(i - j)
        known = np.isfinite(values)
        total = np.bincount(diagonal[known], values[known], minlength=n)
        count = np.bincount(diagonal[known], minlength=n)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.log(values / (total / count)[diagonal])
        return np.where(np.isfinite(ratio), ratio, np.nan)


@dataclass(frozen=True)
class Low:
    """A degraded map: bins `coarsen` times as wide as the deep map's, balanced values `factor` times as large."""

    path: str | Path
    coarsen: int
    factor: float

    @classmethod
    def of(cls, path: str | Path, examples: str | Path) -> "Low":
        """As the statistics of a dataset directory made from it have it."""
        statistics = json.loads((Path(examples) / "statistics.json").read_text())
        return cls(path, statistics["coarsen"], statistics["low"]["factor"])


def choose(tiles: pd.DataFrame, deep_oe: np.ndarray, n: int) -> list[Region]:
    """n test windows from dull to structured, none overlapping another.

    Windows are ranked by the variance of the deep ln O/E target; those nearest to evenly spaced quantiles are taken,
    from 20 % to 80 % (3 windows: 20, 50, 80 %; one: the median). `tiles` is tiles.tsv of a dataset directory and
    `deep_oe` its deep_oe.npy, (windows, W, W). Fewer come back where all other windows overlap those taken.
    """
    test = np.flatnonzero((tiles["role"] == "test").to_numpy())
    variance = np.array([np.var(deep_oe[i]) for i in test])
    ranked = test[np.argsort(variance, kind="stable")]
    regions = [Region(*tiles.loc[i, ["chrom", "start_bp", "end_bp"]]) for i in ranked]
    quantiles = np.linspace(0.2, 0.8, n) if n > 1 else np.full(n, 0.5)
    chosen: list[Region] = []
    for rank in quantiles * (len(regions) - 1):
        by_nearness = sorted(range(len(regions)), key=lambda i: (abs(i - rank), i))
        free = (regions[i] for i in by_nearness if not any(overlap(regions[i], taken) for taken in chosen))
        chosen += [region for region in [next(free, None)] if region]
    return chosen


def overlap(a: Region, b: Region) -> bool:
    return a.chrom == b.chrom and a.start_bp < b.end_bp and b.start_bp < a.end_bp


def read_map(
    path: str | Path, region: Region, bin_bp: int, coarsen: int = 1, factor: float | None = None
) -> np.ndarray:
    """Balanced values of a window, (n, n), NaN where a bin is missing, divided by `factor` (None: by `coarsen`)."""
    width_bp = bin_bp * coarsen
    size = (region.end_bp - region.start_bp) // width_bp
    if region.start_bp % width_bp or (region.end_bp - region.start_bp) % width_bp:
        raise InputError(f"{path}: {region} is not whole bins of {width_bp} bp; choose a window on the map's bins")
    band = Band.read(path, region.chrom, size)
    _, balanced = band.windows(np.array([region.start_bp // width_bp]), size)
    return np.asarray(balanced[0], float) / (coarsen if factor is None else factor)


def collect(
    region: Region,
    *,
    bin_bp: int,
    maps: Mapping[str, str | Path],
    low: Low,
    sequence: str | Path | None = None,
    tracks: Mapping[str, str | Path] | None = None,
    motifs: str | Path | None = None,
) -> Window:
    """Everything shown of one window.

    maps: name -> .cool with balanced values (deep, truth where there is one, arms); low: the degraded map; sequence:
    the sequence folder, where there is one; tracks: name -> track folder; motifs: BED6 of oriented CTCF motifs.
    """
    read = {"low": read_map(low.path, region, bin_bp, low.coarsen, low.factor)}
    read |= {name: read_map(path, region, bin_bp) for name, path in maps.items()}
    lanes = {}
    for name, folder in (tracks or {}).items():
        values, valid = TrackStore(folder).window(*region)
        lanes[name] = np.where(valid, values, np.nan)
    return Window(
        region=region,
        bin_bp=bin_bp,
        maps=read,
        gc=gc_content(SequenceStore(sequence).window(*region), bin_bp) if sequence else None,
        lanes=lanes,
        motifs=read_motifs(motifs, region) if motifs else [],
    )


def gc_content(codes: np.ndarray, bin_bp: int) -> np.ndarray:
    """Share of G and C among the known bases of each bin; NaN where a bin has none."""
    bins = codes.reshape(-1, bin_bp)
    known = (bins < N_CODE).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return ((bins == 1) | (bins == 2)).sum(axis=1) / np.where(known, known, np.nan)


def read_motifs(path: str | Path, region: Region) -> list[tuple[int, int, str]]:
    """Oriented motifs of a BED6 file that touch the region: (start_bp, end_bp, strand)."""
    remedy = "give a BED file with six columns"
    motifs = bed.read_table(path, bed.BED, remedy, optional=("name", "score", "strand"))
    if not motifs["strand"].isin(["+", "-"]).all():
        raise InputError(f"{path}: column 6: motifs need a strand, + or -; {remedy}")
    inside = (motifs["chrom"] == region.chrom) & (motifs["start"] < region.end_bp) & (motifs["end"] > region.start_bp)
    return list(motifs.loc[inside, ["start", "end", "strand"]].itertuples(index=False, name=None))
