"""Structure that enhanced maps have: loops and boundaries found, missed and invented, and what callers make of the maps
that an enhanced one lies between.

The same callers run with the same settings on every map: ChromoSight (Matthey-Doret et al. 2020) for loops, the
insulation of cooltools for boundaries. They see of a map what all maps of a sample have: the scored bins of the test
regions and no pixel beyond `max_bp`. What was called is held against

- deep: the calls on the map that predictions are scored against, whose reads the low map does not have (docs/data.md).
  *Invented* are calls that neither that map nor one of its halves has.
- planted: what a simulation folded the genome with; where it folded nothing, every call is invented.

and the rows beside the arms say what the numbers can be: `low` the calls on the low map, `replicate` those of half of
the deep map's contacts against the other half (both ways, the mean), `truth` those on a noise-free map, and `deep`
itself, for a caller errs on any map.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, cast

import cooler
import cooltools
import numpy as np
import pandas as pd
from cooltools.api.eigdecomp import cis_eig

from trifold import programs
from trifold.data.degrade import thin_pixels
from trifold.errors import InputError
from trifold.evaluate import read_test_regions, scored_bins
from trifold.genome import Region
from trifold.io import bed
from trifold.io.cool import Band, Pixels, bin_width, chromsizes, extent, open_map, read_pixels, write_cool
from trifold.io.tables import read_table
from trifold.metrics import structure as metric

LABELS = ["degradation", "arm", "fold", "seed", "sample"]
# kind: arm, or map for a row that is no arm; feature: loops, boundaries, compartments.
COLUMNS = [*LABELS, "kind", "feature", "reference", "metric", "value"]
# Of a stretch of the genome: what its calls come to, loops by their middle.
COUNTS = ["n_calls", "n_reference", "n_matched", "n_invented"]
STRETCH = ["chrom", "start_bp", "end_bp", "scored_mb"]
STRETCH_COLUMNS = [*LABELS, "kind", "feature", "reference", *STRETCH, *COUNTS]
STRETCH_REACHES = 3  # a stretch is at least so many times as long as callers are shown of a map
PILE_UP_BINS = 5  # on each side of a loop
HALVES = ("half-a", "half-b")
LEAST_E1 = 0.8  # correlation of the deep map's first eigenvector, cut at the reach, with that of the whole map
CLIP_PERCENTILE = 99.9  # of O/E before its eigenvector is taken, as `cooltools eigs-cis` has it
MOST_BINS, LEAST_BINS = 1000, 50  # of a region of which an eigenvector is taken
_REMEDY = "give what the simulation wrote: simulated/<name>.planted.bedpe and .bed"


@dataclass(frozen=True)
class Settings:
    """How structure is called and matched."""

    min_bp: int  # shortest loop
    max_bp: int  # farthest pixel that a caller is shown
    pearson: float  # of a loop with ChromoSight's template, at least
    window_bp: int  # of the insulation score
    boundary_strength: str | float  # prominence of a boundary, at least; or a method of cooltools to choose it
    tolerance_bins: int
    seed: int  # of the halves of the deep map


class Caller(NamedTuple):
    """The program that calls loops (`programs.run`)."""

    command: str
    program: str | os.PathLike
    environment: Path | None

    @classmethod
    def of(cls, call: Mapping, environment: Sequence[str | os.PathLike]) -> "Caller":
        """A command and its program; environment: the record of that of the program, or nothing."""
        return cls(call["command"], call["program"], Path(environment[0]).parent if environment else None)


class Calls(NamedTuple):
    """What was called on one map, or planted: positions are centres of bins.

    loops       chrom, x_bp, y_bp, score
    boundaries  chrom, position_bp, strength
    insulation  chrom, start_bp, end_bp, score: the profile, on the bins of the map
    """

    loops: pd.DataFrame
    boundaries: pd.DataFrame
    insulation: pd.DataFrame


_OF_CALLS = Calls(
    pd.DataFrame({"chrom": pd.Series(dtype=str), "x_bp": 0, "y_bp": 0, "score": 0.0}),
    pd.DataFrame({"chrom": pd.Series(dtype=str), "position_bp": 0, "strength": 0.0}),
    pd.DataFrame({"chrom": pd.Series(dtype=str), "start_bp": 0, "end_bp": 0, "score": 0.0}),
)
PLANTED = ("loops", "boundaries")
_PLACES = {"loops": ["x_bp", "y_bp"], "boundaries": ["position_bp"]}


class Scored(NamedTuple):
    """The bins that all maps of a comparison have."""

    bin_bp: int
    regions: list[Region]
    good: Mapping[str, np.ndarray]  # chromosome -> (n_bins,) bool, true within a test region only

    @property
    def length_mb(self) -> float:
        return sum(int(good.sum()) for good in self.good.values()) * self.bin_bp / 1e6

    def stretches(self, max_bp: int) -> pd.DataFrame:
        """`STRETCH`: the regions, long ones cut into equal parts of at least `STRETCH_REACHES` times `max_bp`."""
        rows = []
        for region in self.regions:
            length_bp = region.end_bp - region.start_bp
            parts = max(1, length_bp // (STRETCH_REACHES * max_bp))
            ends = [region.start_bp + length_bp * part // parts for part in range(parts + 1)]
            for start_bp, end_bp in pairwise(ends):
                bins = self.good[region.chrom][-(-start_bp // self.bin_bp) : -(-end_bp // self.bin_bp)]
                rows.append((region.chrom, start_bp, end_bp, bins.sum() * self.bin_bp / 1e6))
        return pd.DataFrame(rows, columns=STRETCH)

    def holds(self, chrom: pd.Series, position_bp: pd.Series) -> np.ndarray:
        """Whether positions lie on scored bins: bool (n,)."""
        known = np.zeros(len(chrom), dtype=bool)
        for name, good in self.good.items():
            rows = np.flatnonzero(chrom == name)
            at = position_bp.to_numpy()[rows] // self.bin_bp
            inside = (at >= 0) & (at < len(good))
            known[rows[inside]] = good[at[inside]]
        return known


def scored(
    deep: str | os.PathLike,
    low: str | os.PathLike,
    with_n: str | os.PathLike | None,
    regions: Sequence[Region],
    edge_bins: int,
) -> Scored:
    """Bins of the test regions that are good in the deep and in the low map, free of N, away from the ends. Raises
    InputError where none is."""
    clr, coarse = open_map(deep), open_map(low)
    bin_bp, factor = bin_width(clr), bin_width(coarse) // bin_width(clr)
    weights = {name: opened.bins()["weight"][:].to_numpy() for name, opened in (("deep", clr), ("low", coarse))}
    good = {}
    for chrom in dict.fromkeys(region.chrom for region in regions):
        (lo, hi), (low_lo, low_hi) = extent(clr, chrom), extent(coarse, chrom)
        usable = np.repeat(np.isfinite(weights["low"][low_lo:low_hi]), factor)[: hi - lo]
        inside = np.zeros(hi - lo, dtype=bool)
        for region in regions:
            if region.chrom == chrom:
                inside[-(-region.start_bp // bin_bp) : region.end_bp // bin_bp] = True
        good[chrom] = inside & np.isfinite(weights["deep"][lo:hi]) & usable
        good[chrom] &= scored_bins(hi - lo, with_n, chrom, edge_bins)
    if not any(bins.any() for bins in good.values()):
        raise InputError(
            f"{deep}: no bin of the test regions is good in it and in {low}; give maps that share good bins"
        )
    return Scored(bin_bp, list(regions), good)


# ---------------------------------------------------------------- maps, cut alike


def cut(path: str | os.PathLike, out: Path, kept: Scored, max_bp: int) -> Path:
    """A map of the scored bins alone, to `max_bp` from the diagonal, none of its pixels across regions; returns `out`.

    Its bins may be a whole number of times as wide as those scored: a wide bin stays where it holds one of them.
    """
    clr = open_map(path)
    width_bp, sizes = bin_width(clr), {chrom: chromsizes(clr)[chrom] for chrom in kept.good}
    factor, weights, parts, first = width_bp // kept.bin_bp, [], [], 0
    for chrom, good in kept.good.items():
        lo, hi = extent(clr, chrom)
        padded = np.pad(good, (0, (hi - lo) * factor - len(good)))
        used = padded.reshape(-1, factor).any(axis=1)
        weights.append(np.where(used, clr.bins()["weight"][lo:hi].to_numpy(), np.nan))
        region_of = np.full(hi - lo, -1)
        for number, region in enumerate(kept.regions):
            if region.chrom == chrom:
                region_of[region.start_bp // width_bp : -(-region.end_bp // width_bp)] = number
        parts.append((chrom, lo, hi, first, used, region_of))
        first += hi - lo
    chunks = _cut_pixels(clr, parts, max_bp // width_bp)
    write_cool(out, sizes, width_bp, chunks, np.concatenate(weights), weight_facts={"ignore_diags": 2})
    return out


def _cut_pixels(clr: cooler.Cooler, parts: list, max_bins: int) -> Iterator[Pixels]:
    for chrom, lo, hi, first, used, region_of in parts:
        for chunk in read_pixels(clr, chrom=chrom):
            on_chrom = chunk["bin2_id"] < hi
            i, j, count = chunk["bin1_id"][on_chrom] - lo, chunk["bin2_id"][on_chrom] - lo, chunk["count"][on_chrom]
            keep = used[i] & used[j] & (region_of[i] == region_of[j]) & (j - i <= max_bins)
            yield {"bin1_id": first + i[keep], "bin2_id": first + j[keep], "count": count[keep]}


def halve(path: str | os.PathLike, out: Sequence[Path], seed: int) -> list[Path]:
    """Two maps that share out the contacts of one, each contact to either with the same chance, on its balanced scale.

    Biases of bins are those of the whole map: where a bin has many contacts, those of a half are hardly different.
    """
    clr = open_map(path)
    weight = np.sqrt(2) * clr.bins()["weight"][:].to_numpy()
    for target, others in zip(out, (False, True)):
        pixels = thin_pixels(read_pixels(clr), 2, seed, others=others)
        write_cool(target, chromsizes(clr), bin_width(clr), pixels, weight, weight_facts={"ignore_diags": 2})
    return list(out)


# ---------------------------------------------------------------- callers


def call(path: Path, settings: Settings, caller: Caller, threads: int) -> Calls:
    """Loops and boundaries of a map that was cut."""
    return Calls(call_loops(path, settings, caller, threads), *insulation(path, settings))


def call_loops(path: Path, settings: Settings, caller: Caller, threads: int) -> pd.DataFrame:
    """Loops of `min_bp` to `max_bp` by the program, best first."""
    options = {"min_bp": settings.min_bp, "max_bp": settings.max_bp, "pearson": settings.pearson}
    with TemporaryDirectory() as folder:
        out, width_bp = Path(folder) / "called.bedpe", bin_width(open_map(path))
        programs.run(**caller._asdict(), map_path=path, out=out, options=options, bin_bp=width_bp, threads=threads)
        return _loops(out, settings).sort_values("score", ascending=False, kind="stable", ignore_index=True)


def _loops(path: str | os.PathLike, settings: Settings) -> pd.DataFrame:
    """Loops of a BEDPE by the centres of their anchors, those of the lengths that are scored."""
    table = bed.read_table(path, bed.BEDPE, _REMEDY, optional=("name", "score"))
    loops = _OF_CALLS.loops.iloc[:0]
    if len(table):
        centres = {axis: (table[f"start{n}"] + table[f"end{n}"]) // 2 for axis, n in (("x_bp", 1), ("y_bp", 2))}
        score = pd.to_numeric(table["score"].replace(["", "."], "1"))
        loops = pd.DataFrame({"chrom": table["chrom1"], **centres, "score": score})[table["chrom1"] == table["chrom2"]]
    return loops[(loops["y_bp"] - loops["x_bp"]).between(settings.min_bp, settings.max_bp)]


def insulation(path: Path, settings: Settings) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Boundaries and the profile of a map, as `cooltools insulation` has them."""
    window_bp, strength = settings.window_bp, settings.boundary_strength
    # By its annotation the threshold is the name of a method; it may be a number, as here.
    table = cooltools.insulation(open_map(path), [window_bp], ignore_diags=2, threshold=cast(str, strength), nproc=1)
    called = table[table[f"is_boundary_{window_bp}"].fillna(False).astype(bool)]
    boundaries = pd.DataFrame(
        {
            "chrom": called["chrom"].astype(str),
            "position_bp": (called["start"] + called["end"]) // 2,
            "strength": called[f"boundary_strength_{window_bp}"],
        }
    )
    profile = table[["chrom", "start", "end", f"log2_insulation_score_{window_bp}"]].astype({"chrom": str})
    return boundaries.reset_index(drop=True), profile.set_axis(_OF_CALLS.insulation.columns, axis=1)


def read_planted(paths: Mapping[str, str | os.PathLike], kept: Scored, settings: Settings) -> Calls:
    """Loops and boundaries that a simulation planted on the scored bins; paths: loops, boundaries -> BEDPE, BED."""
    loops = _loops(paths["loops"], settings)
    loops = loops[kept.holds(loops["chrom"], loops["x_bp"]) & kept.holds(loops["chrom"], loops["y_bp"])]
    table = bed.read_table(paths["boundaries"], bed.BED, _REMEDY, optional=("name", "score"))
    boundaries = _OF_CALLS.boundaries.iloc[:0]
    if len(table):
        centre, score = (table["start"] + table["end"]) // 2, pd.to_numeric(table["score"].replace("", "1"))
        boundaries = pd.DataFrame({"chrom": table["chrom"], "position_bp": centre, "strength": score})
        boundaries = boundaries[kept.holds(boundaries["chrom"], boundaries["position_bp"])]
    return Calls(loops.reset_index(drop=True), boundaries.reset_index(drop=True), _OF_CALLS.insulation.iloc[:0])


# ---------------------------------------------------------------- scores


class Row(NamedTuple):
    """One number."""

    feature: str
    reference: str
    metric: str
    value: float


def compare(
    calls: pd.DataFrame, reference: pd.DataFrame, known: Iterable[pd.DataFrame], tolerance_bp: int
) -> tuple[dict[str, float], np.ndarray]:
    """Numbers of calls of one feature against those of a reference, and the state of every call: bool (n,) matched,
    bool (n,) invented, as two columns.

    known: other tables whose calls count as no invention either.
    """
    places = next(columns for columns in _PLACES.values() if set(columns) <= set(calls.columns))
    others = [reference, *known]
    state = np.zeros((len(calls), 2), dtype=bool)
    state[:, 1] = True
    for chrom in calls["chrom"].unique():
        rows = np.flatnonzero(calls["chrom"] == chrom)
        points = calls[places].to_numpy(float)[rows]
        of_chrom = [table.loc[table["chrom"] == chrom, places].to_numpy(float) for table in others]
        state[rows[metric.match(points, of_chrom[0], tolerance_bp)[:, 0]], 0] = True
        for table in of_chrom:
            state[rows[metric.is_near(points, table, tolerance_bp)], 1] = False
    n_matched = int(state[:, 0].sum())
    rates = metric.rates(len(calls), len(reference), n_matched)
    numbers = {"n_calls": len(calls), "n_reference": len(reference), "n_matched": n_matched}
    return {**numbers, **rates._asdict(), "n_invented": int(state[:, 1].sum())}, state


def per_stretch(calls: pd.DataFrame, state: np.ndarray, reference: pd.DataFrame, stretches: pd.DataFrame) -> np.ndarray:
    """`COUNTS` of every stretch, (stretches, 4); calls and their state as of `compare`. What lies in no stretch is not
    counted."""

    def counted(table: pd.DataFrame, weight: np.ndarray | None = None) -> np.ndarray:
        places = next(columns for columns in _PLACES.values() if set(columns) <= set(table.columns))
        middle, chrom = table[places].to_numpy(float).mean(axis=1), table["chrom"].to_numpy()
        inside = [
            (chrom == one.chrom) & (middle >= one.start_bp) & (middle < one.end_bp) for one in stretches.itertuples()
        ]
        return np.array([np.count_nonzero(rows if weight is None else rows & weight) for rows in inside])

    return np.stack([counted(calls), counted(reference), counted(calls, state[:, 0]), counted(calls, state[:, 1])], 1)


def score_calls(
    calls: Calls, references: Mapping[str, Calls], known: Sequence[Calls], kept: Scored, settings: Settings
) -> tuple[list[Row], pd.DataFrame]:
    """Loops and boundaries of a map against those of every reference, and its profile against the deep map's; and the
    same calls counted by stretch (feature, reference, `STRETCH`, `COUNTS`).

    references: deep, planted, where there are any; known: calls that count as no invention against the deep map.
    """
    rows, counts, tolerance_bp = [], [], settings.tolerance_bins * kept.bin_bp
    stretches = kept.stretches(settings.max_bp)
    for name, reference in references.items():
        others = known if name == "deep" else ()
        for feature in _PLACES:
            tables = [getattr(other, feature) for other in others]
            called, there = getattr(calls, feature), getattr(reference, feature)
            numbers, state = compare(called, there, tables, tolerance_bp)
            numbers["invented_per_mb"] = numbers["n_invented"] / kept.length_mb
            rows += [Row(feature, name, key, value) for key, value in numbers.items()]
            of_stretches = pd.DataFrame(per_stretch(called, state, there, stretches), columns=COUNTS)
            counts.append(pd.concat([stretches, of_stretches], axis=1).assign(feature=feature, reference=name))
        if len(reference.insulation) and len(calls.insulation):
            r = metric.correlation(*_profiles(calls.insulation, reference.insulation, kept))
            rows.append(Row("boundaries", name, "profile_pearson", r))
    return rows, pd.concat(counts, ignore_index=True)


def _profiles(first: pd.DataFrame, second: pd.DataFrame, kept: Scored) -> Iterator[np.ndarray]:
    """Two profiles on the scored bins; a bin of a wider profile stands for all that it holds."""
    for profile in (first, second):
        parts = []
        for chrom, good in kept.good.items():
            of_chrom = profile[profile["chrom"] == chrom]
            width = int((of_chrom["end_bp"] - of_chrom["start_bp"]).max()) // kept.bin_bp
            parts.append(np.repeat(of_chrom["score"].to_numpy(float), width)[: len(good)][good])
        yield np.concatenate(parts)


def pile_ups(path: Path, places: Mapping[str, pd.DataFrame], max_bp: int) -> dict[str, float]:
    """Centre over corners of the mean O/E of a map about loops; name -> loops."""
    clr = open_map(path)
    width_bp, stacks = bin_width(clr), {name: [] for name in places}
    for chrom in chromsizes(clr):
        enriched = metric.over_expected(Band.read(path, chrom, max_bp // width_bp + 1).balanced)
        for name, loops in places.items():
            at = loops.loc[loops["chrom"] == chrom, ["x_bp", "y_bp"]].to_numpy() // width_bp
            stacks[name].append(metric.around(enriched, at, PILE_UP_BINS))
    return {name: metric.pile_up(np.concatenate(stack)) for name, stack in stacks.items()}


def eigenvectors(path: str | os.PathLike, kept: Scored, max_bp: int | None) -> list[np.ndarray]:
    """The first eigenvector of every region that is long enough, on wide bins: cooltools's, of the pixels to `max_bp`
    from the diagonal (None: of all); beyond that every pixel counts as expected. NaN on bins without a value."""
    clr, vectors = open_map(path), []
    weights = clr.bins()["weight"][:].to_numpy()
    for region in kept.regions:
        inside = slice(-(-region.start_bp // kept.bin_bp), region.end_bp // kept.bin_bp)
        good = kept.good[region.chrom][inside]
        factor = -(-len(good) // MOST_BINS)
        if len(good) < LEAST_BINS * factor:
            continue
        first = extent(clr, region.chrom)[0] + inside.start
        weight = np.where(good, weights[first : first + len(good)], np.nan)
        n = -(-len(good) // factor)
        sums = np.zeros((n, n))
        for chunk in read_pixels(clr, chrom=region.chrom):
            i, j = chunk["bin1_id"] - first, chunk["bin2_id"] - first
            here = (i >= 0) & (j < len(good))
            i, j = i[here], j[here]
            np.add.at(sums, (i // factor, j // factor), np.nan_to_num(chunk["count"][here] * weight[i] * weight[j]))
        sums += np.triu(sums, 1).T
        share = np.bincount(np.arange(len(good)) // factor, np.isfinite(weight), minlength=n)
        pixels = np.outer(share, share)
        means = np.divide(sums, pixels, out=np.zeros((n, n)), where=pixels > 0)
        if max_bp is not None:
            distance = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
            means[(distance > max_bp // (kept.bin_bp * factor)) & (pixels > 0)] = 1
        _, (vector,) = cis_eig(means, n_eigs=1, clip_percentile=cast(int, CLIP_PERCENTILE))
        vectors.append(np.where(share > 0, vector, np.nan))
    return vectors


def _agreement(first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> float:
    """r of eigenvectors over all regions, each with the sign under which it agrees with the other."""
    signs = [np.sign(np.nan_to_num(metric.correlation(*pair))) for pair in zip(first, second)]
    turned = [sign * vector for sign, vector in zip(signs, first)]
    return metric.correlation(np.concatenate(turned), np.concatenate(second))


def compartment_reach(deep: str | os.PathLike, kept: Scored, max_bp: int) -> list[Row]:
    """What pixels to `max_bp` say of the deep map's compartments: r of their first eigenvector with that of its whole
    regions. No row where the regions are too short for one."""
    whole, near = (eigenvectors(deep, kept, reach) for reach in (None, max_bp))
    return [Row("compartments", "deep", "e1_reach", _agreement(near, whole))] if whole else []


def compartments(
    path: str | os.PathLike, deep: str | os.PathLike, kept: Scored, max_bp: int, reach: float
) -> list[Row]:
    """How well a map shows the deep map's compartments: r of first eigenvectors of pixels to `max_bp`.

    Only where these say of the deep map what its whole regions say: reach, of `compartment_reach`, is LEAST_E1 or more.
    """
    if not reach >= LEAST_E1:
        return []
    vectors = (eigenvectors(name, kept, max_bp) for name in (path, deep))
    return [Row("compartments", "deep", "e1_pearson", _agreement(*vectors))]


# ---------------------------------------------------------------- jobs


def call_references(
    out: Path,
    *,
    deep: str | os.PathLike,
    low: str | os.PathLike,
    truth: str | os.PathLike | None,
    planted: Mapping[str, str | os.PathLike],
    with_n: str | os.PathLike | None,
    regions: str | os.PathLike,
    edge_bins: int,
    settings: Settings,
    caller: Caller,
    threads: int,
    labels: Mapping,
) -> None:
    """Write loops.tsv, boundaries.tsv and insulation.tsv of the maps that enhanced ones are held against, and their
    scores, structure.tsv (`COLUMNS`) and stretches.tsv (`STRETCH_COLUMNS`), into the folder `out`.

    regions: BED with a role per region; planted: as in `read_planted`, empty where nothing is known; labels: values of
    `LABELS` but for the arm. Raises InputError for regions without a bin that is good in deep and low.
    """
    kept = scored(deep, low, with_n, read_test_regions(regions), edge_bins)
    rows: list[tuple[str, Row]] = []
    counts: list[pd.DataFrame] = []
    with TemporaryDirectory() as folder:
        maps = {"deep": deep, "low": low} | ({"truth": truth} if truth else {})
        paths = {name: cut(path, Path(folder) / f"{name}.cool", kept, settings.max_bp) for name, path in maps.items()}
        halves = halve(paths["deep"], [Path(folder) / f"{name}.cool" for name in HALVES], settings.seed)
        paths |= dict(zip(HALVES, halves))
        calls = {name: call(path, settings, caller, threads) for name, path in paths.items()}
        references = {"deep": calls["deep"]} | ({"planted": read_planted(planted, kept, settings)} if planted else {})
        known = [calls[half] for half in HALVES]
        for name in [name for name in calls if name not in HALVES]:
            scores, of_stretches = score_calls(calls[name], references, known, kept, settings)
            rows += [(name, row) for row in scores]
            counts.append(of_stretches.assign(arm=name))
            rows += [(name, row) for row in _enrichment(paths[name], paths["deep"], calls[name], references, settings)]
        one, other = (calls[half] for half in HALVES)
        there, of_one = score_calls(one, {"deep": other}, (), kept, settings)
        back, of_other = score_calls(other, {"deep": one}, (), kept, settings)
        counts.append(of_one.assign(arm="replicate", **{name: (of_one[name] + of_other[name]) / 2 for name in COUNTS}))
        rows += [("replicate", row._replace(value=(row.value + again.value) / 2)) for row, again in zip(there, back)]
        rows += [("deep", row) for row in compartment_reach(deep, kept, settings.max_bp)]
    calls |= {"planted": references["planted"]} if planted else {}
    _write_calls(out, calls)
    _write_rows(out, [{**labels, "arm": name, "kind": "map", **row._asdict()} for name, row in rows])
    _write_stretches(out, pd.concat(counts).assign(**labels, kind="map"))


def score(
    out: Path,
    *,
    prediction: str | os.PathLike,
    deep: str | os.PathLike,
    low: str | os.PathLike,
    planted: Mapping[str, str | os.PathLike],
    references: Path,
    with_n: str | os.PathLike | None,
    regions: str | os.PathLike,
    edge_bins: int,
    settings: Settings,
    caller: Caller,
    threads: int,
    labels: Mapping,
) -> None:
    """Write the calls on an enhanced map, as `call_references` does with a column for what became of every call, and
    its scores, structure.tsv (`COLUMNS`) and stretches.tsv (`STRETCH_COLUMNS`), into the folder `out`.

    references: folder of `call_references`; labels: values of `LABELS`. Raises InputError for a prediction that reaches
    less far than callers are shown.
    """
    reached = (open_map(prediction).info.get("metadata") or {}).get("trifold", {}).get("max_distance_bins")
    kept = scored(deep, low, with_n, read_test_regions(regions), edge_bins)
    if reached is not None and reached * kept.bin_bp < settings.max_bp:
        raise InputError(
            f"config: structure/max_bp: callers are shown {settings.max_bp:,} bp, and {prediction} reaches "
            f"{reached * kept.bin_bp:,}; lower it, or predict/stride_bins"
        )
    known, reach = read_calls(references), _reach_of(references)
    against = {"deep": known["deep"]} | ({"planted": read_planted(planted, kept, settings)} if planted else {})
    halves = [known[half] for half in HALVES]
    with TemporaryDirectory() as folder:
        path = cut(prediction, Path(folder) / "map.cool", kept, settings.max_bp)
        beside = cut(deep, Path(folder) / "deep.cool", kept, settings.max_bp)
        calls = call(path, settings, caller, threads)
        rows, counts = score_calls(calls, against, halves, kept, settings)
        rows += _enrichment(path, beside, calls, against, settings)
        rows += compartments(prediction, deep, kept, settings.max_bp, reach)
    states = {}
    for feature in _PLACES:
        table, tolerance_bp = getattr(calls, feature), settings.tolerance_bins * kept.bin_bp
        others = [getattr(half, feature) for half in halves]
        _, state = compare(table, getattr(known["deep"], feature), others, tolerance_bp)
        states[feature] = table.assign(matched=state[:, 0], invented=state[:, 1])
    _write_calls(out, {"map": calls._replace(**states)})
    _write_rows(out, [{**labels, "kind": "arm", **row._asdict()} for row in rows])
    _write_stretches(out, counts.assign(**labels, kind="arm"))


def _enrichment(path: Path, deep: Path, calls: Calls, references: Mapping[str, Calls], settings: Settings) -> list[Row]:
    """Pile-ups of a map at the loops of the references and at its calls, and of the deep map at these calls."""
    places = {name: reference.loops for name, reference in references.items()}
    rows = [Row("loops", name, "pile_up", value) for name, value in pile_ups(path, places, settings.max_bp).items()]
    for name, where in (("pile_up_called", path), ("deep_pile_up_called", deep)):
        rows.append(Row("loops", "deep", name, pile_ups(where, {"": calls.loops}, settings.max_bp)[""]))
    return rows


def _write_calls(out: Path, calls: Mapping[str, Calls]) -> None:
    for feature in Calls._fields:
        table = pd.concat([getattr(of_map, feature).assign(map=name) for name, of_map in calls.items()])
        table = table[["map", *table.columns.drop("map")]]
        table.to_csv(out / f"{feature}.tsv", sep="\t", index=False, float_format="%.8g", lineterminator="\n")


def read_calls(folder: Path) -> dict[str, Calls]:
    """Map -> what was called on it, of a folder of `call_references` or `score`. A map without a call has no entry."""
    tables = {feature: read_table(folder / f"{feature}.tsv", ("map", "chrom")) for feature in Calls._fields}
    names = dict.fromkeys(name for table in tables.values() for name in table["map"])
    return {name: Calls(*(_of_map(table, name) for table in tables.values())) for name in names}


def _reach_of(folder: Path) -> float:
    """`compartment_reach` of a folder of `call_references`; NaN where there is none."""
    rows = read_table(folder / "structure.tsv", ("metric",))
    return float(rows.loc[rows["metric"] == "e1_reach", "value"].mean())


def _of_map(table: pd.DataFrame, name: str) -> pd.DataFrame:
    return table[table["map"] == name].drop(columns="map").reset_index(drop=True)


def _write_rows(out: Path, rows: list[dict]) -> None:
    table = pd.DataFrame(rows, columns=COLUMNS)
    table.to_csv(out / "structure.tsv", sep="\t", index=False, float_format="%.8g", na_rep="nan", lineterminator="\n")


def _write_stretches(out: Path, table: pd.DataFrame) -> None:
    table[STRETCH_COLUMNS].to_csv(
        out / "stretches.tsv", sep="\t", index=False, float_format="%.8g", lineterminator="\n"
    )
