"""Loops of whole chromosomes (MIX-HIC, Yang et al. 2025, appendix A.2), and how many of them ChIA-PET has seen.

Three steps. `candidates`: pixels with more contacts than their distance explains (Poisson). `score`: what a loop model
says of each. `cluster`: density peaks of the pixels that score well; a density counts as a loop's where, from there
upwards, few peaks are of a decoy map, which has no loops.

The released MIX-HIC has no code of this; the clustering is RefHiC's (Zhang & Blanchette 2022), which the paper names,
the candidates are Peakachu's. In both a peak needs 12 bins between its anchors (55 kb at 5 kb).

- "published": a cluster stands as its candidate of the highest score, as RefHiC has it. In the decoy map every pixel
  has moved to another place of its diagonal (`relocated`), so that nothing in it lies together as it does in a map with
  compartments: of such a map without a loop, all that is found at a nominal 5 % is wrong (see the docs). Where
  there are never too many decoys every density counts (RefHiC's search does not end there).
- "corrected": as that of the highest density, as the paper has it. In the decoy map squares of pixels move
  (`relocated_in_blocks`), so that its densities are those of a map with compartments; real loops move too, which makes
  the search a strict one. The decoys down to a density, and one more, are at most a share `fdr` of the targets
  (Barber & Candès 2015): without the one, the densest peak would count whatever it is.
- Both: the densest candidate of a chromosome is a peak however near the others are.
"""

import logging
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.optimize import isotonic_regression
from scipy.spatial import cKDTree  # pyright: ignore[reportAttributeAccessIssue] - compiled, without stubs
from scipy.special import pdtrc
from torch import Tensor

from trifold.arm import Arm
from trifold.data import splits
from trifold.data.bands import BandStore, open_bands
from trifold.data.given import Given
from trifold.data.pair_dataset import open_sequence, statistics_of
from trifold.data.pairs import code_of, read_loops, signals
from trifold.data.sequence import SequenceStore
from trifold.data.tracks import TrackStore, check_bins, check_chromosomes
from trifold.device import device_of
from trifold.errors import InputError
from trifold.io.bed import BEDPE as BEDPE_PLACES
from trifold.io.bed import read_table
from trifold.io.cool import Band, open_map
from trifold.io.tables import write_bed
from trifold.models import stored

logger = logging.getLogger(__name__)

P_VALUE = 0.01  # of a candidate
MIN_SCORE = 0.5
MIN_BINS = 12  # between the anchors of a peak
ISOLATED_RADIUS, ISOLATED_POINTS = 2, 5  # a candidate with so few in that radius, itself included, is dropped
DENSITY_RADIUS = 5  # bins; 25 kb at 5 kb
BLOCK_BINS = 2 * DENSITY_RADIUS + 1  # side of what stays together in a decoy map: all that a density sums over
MIN_DELTA = 5  # bins between a peak and the next denser candidate
FDR = 0.05
NEIGHBOURS = 64  # searched for a denser one before all are
CANDIDATES = ["chrom", "x", "y", "score", "decoy"]
# A loop model: a batch as `trifold.models.mixhic` has it -> (B, 1), a probability.
Predictor = Callable[[dict[str, Tensor]], Tensor]
LOOPS = ["chrom", "x", "y", "score", "density", "candidates"]
VALIDATION = ["loops", "validated", "found", "precision", "recall", "f1"]
BEDPE = ["chrom1", "start1", "end1", "chrom2", "start2", "end2", "name", "score", "strand1", "strand2"]


# ---------------------------------------------------------------- candidates


def candidates(band: Band, min_bins: int, max_bins: int, p_value: float = P_VALUE) -> np.ndarray:
    """Pixels (x, y), min_bins <= y - x <= max_bins, with significantly many contacts: (n, 2), by x and then y.

    Expected is the mean balanced value of the diagonal, made to fall with the distance, over the weights of both bins;
    a pixel is taken where as many contacts or more have a probability below `p_value`. Pixels of bad bins are not.
    """
    last = min(max_bins, band.counts.shape[1] - 1)
    balanced = band.balanced[:, : last + 1]
    good = np.isfinite(balanced)
    numbers = good.sum(axis=0)
    means = np.where(good, balanced, 0).sum(axis=0) / np.maximum(numbers, 1)
    known = np.flatnonzero(numbers)
    falling = np.zeros(last + 1)
    falling[known] = isotonic_regression(means[known], weights=numbers[known], increasing=False).x
    counts = band.counts[:, : last + 1]
    x, distance = np.nonzero(good & (counts > 0))
    inside = distance >= min_bins
    x, distance = x[inside], distance[inside]
    expected = falling[distance] / (band.weight[x] * band.weight[x + distance])
    chosen = pdtrc(counts[x, distance] - 1, expected) < p_value
    return np.stack([x[chosen], x[chosen] + distance[chosen]], axis=1)


def relocated(
    values: np.ndarray, good_bins: np.ndarray, pairs: np.ndarray, window_bins: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A decoy of a band (n_bins, n_diagonals), as published: on every diagonal pixels of good bins change places.

    Pixels whose window lies on the chromosome do so among themselves, the others among themselves, so that there are as
    many decoys as candidates. Returns the decoy and the `pairs` (n, 2) where they have moved to, by x and then y.
    """
    n_bins, n_diagonals = values.shape
    decoy, moved = np.array(values), np.array(pairs)
    distances = pairs[:, 1] - pairs[:, 0]
    by_distance = np.argsort(distances, kind="stable")
    edges = np.searchsorted(distances[by_distance], np.arange(n_diagonals + 1))
    bins = np.arange(n_bins)
    for d in range(n_diagonals):
        good = good_bins[: n_bins - d] & good_bins[d:]
        inside = (bins[: n_bins - d] >= window_bins // 2) & (bins[d:] <= n_bins - window_bins // 2)
        target = bins[: n_bins - d].copy()
        for places in (np.flatnonzero(good & inside), np.flatnonzero(good & ~inside)):
            target[places] = generator.permutation(places)
        decoy[target, d] = values[: n_bins - d, d]
        at_distance = by_distance[edges[d] : edges[d + 1]]
        moved[at_distance, 0] = target[pairs[at_distance, 0]]
        moved[at_distance, 1] = moved[at_distance, 0] + d
    return decoy, moved[np.lexsort((moved[:, 1], moved[:, 0]))]


def relocated_in_blocks(
    values: np.ndarray, pairs: np.ndarray, window_bins: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A decoy of a band (n_bins, n_diagonals) in which pixels that lie together stay together.

    BLOCK_BINS neighbouring diagonals are cut into stretches of so many bins, which change places at random; other
    diagonals do so otherwise. Pixels whose window leaves the chromosome stay. Returns the decoy and the `pairs` (n, 2)
    where they have moved to, by x and then y.
    """
    n_bins, n_diagonals = values.shape
    decoy, moved, half = np.array(values), np.array(pairs), window_bins // 2
    distances = pairs[:, 1] - pairs[:, 0]
    for first in range(0, n_diagonals, BLOCK_BINS):
        end = min(first + BLOCK_BINS, n_diagonals)
        bins = np.arange(half, n_bins - half - (end - 1) + 1)
        starts = np.arange(BLOCK_BINS, len(bins), BLOCK_BINS)
        stretches = np.split(bins, starts)
        source = np.concatenate([stretches[i] for i in generator.permutation(len(stretches))])
        decoy[bins, first:end] = values[source, first:end]
        target = np.arange(n_bins)
        target[source] = bins
        at_distance = (distances >= first) & (distances < end)
        moved[at_distance, 0] = target[pairs[at_distance, 0]]
        moved[at_distance, 1] = moved[at_distance, 0] + distances[at_distance]
    return decoy, moved[np.lexsort((moved[:, 1], moved[:, 0]))]


# ---------------------------------------------------------------- scores


@torch.inference_mode()
def score(
    predictor: Predictor,
    store: BandStore,
    signal: np.ndarray,
    pairs: np.ndarray,
    chrom: str,
    *,
    batch_size: int,
    device: torch.device,
    codes: np.ndarray | None = None,
) -> np.ndarray:
    """The predictor's probability of every pair (n, 2), (n,) float32, in batches in the order of the pairs.

    signal  `data.pairs.signals` of the chromosome. Every pair must have its whole window in the store
            (`BandStore.inside`).
    codes   base codes of the chromosome, a whole number of bins, for a predictor that reads the sequence
    """
    per_bin = len(signal) // store.n_bins
    # Every stretch of W bins that starts on a bin is a view: (n_bins - W + 1, n_tracks, W · per_bin).
    stretches = torch.from_numpy(signal).to(device).unfold(0, store.window_bins * per_bin, per_bin)
    bases = None
    if codes is not None:
        bin_bp = len(codes) // store.n_bins
        bases = torch.from_numpy(codes).to(device).unfold(0, store.window_bins * bin_bp, bin_bp)
    scores = np.empty(len(pairs), dtype=np.float32)
    reads_expected = "expected" in getattr(predictor, "entries", ())
    for start in range(0, len(pairs), batch_size):
        batch_pairs = pairs[start : start + batch_size]
        at = torch.from_numpy(batch_pairs - store.window_bins // 2).to(device)
        batch = {
            "map": torch.from_numpy(store.windows(batch_pairs)).to(device)[:, None],
            "tracks": torch.cat([stretches[at[:, 0]], stretches[at[:, 1]]], dim=2).transpose(1, 2),
            "pair": torch.tensor(batch_pairs, device=device),
            "chromosome": torch.full((len(batch_pairs),), code_of(chrom), device=device),
        }
        if bases is not None:
            batch["sequence"] = torch.cat([bases[at[:, 0]], bases[at[:, 1]]], dim=1)
        if reads_expected:
            batch["expected"] = torch.from_numpy(store.expected_windows(batch_pairs)).to(device)[:, None]
        scores[start : start + len(batch_pairs)] = predictor(batch)[:, 0].float().cpu().numpy()
    return scores


def search(
    predictor: Predictor,
    band: Band,
    store: BandStore,
    tracks: Sequence[TrackStore],
    *,
    bin_bp: int,
    min_bins: int,
    max_bins: int,
    batch_size: int,
    device: torch.device,
    protocol: str,
    p_value: float = P_VALUE,
    log: bool = True,
    sequence: SequenceStore | None = None,
) -> pd.DataFrame:
    """Scored candidates of one chromosome and as many of its decoy: columns `CANDIDATES`.

    band      raw counts and weights, for the candidates; store, the windows the predictor reads
    protocol  "published": the decoy is `relocated`; "corrected": `relocated_in_blocks`
    log       tracks as log2(x + 1)
    sequence  for a predictor that reads it
    Candidates whose window leaves the chromosome or the store's band are left out. They are scored in an order drawn at
    random, so that networks that attend across a batch see no neighbours in it. Decoy and order are drawn by the name
    of the chromosome alone.
    """
    start = time.perf_counter()
    pixels = candidates(band, min_bins, min(max_bins, store.farthest_bins), p_value)
    generator = np.random.default_rng([0, code_of(band.chrom)])
    signal = signals(tracks, band.chrom, store.n_bins, bin_bp=bin_bp, log=log)
    codes = None if sequence is None else sequence.window(band.chrom, 0, store.n_bins * bin_bp)
    parts, settings = [], {"batch_size": batch_size, "device": device, "codes": codes}
    with tempfile.TemporaryDirectory() as folder:
        if protocol == "published":
            good = np.isfinite(band.weight)
            values, moved = relocated(store.values, good, pixels, store.window_bins, generator)
        else:
            values, moved = relocated_in_blocks(store.values, pixels, store.window_bins, generator)
        decoy = BandStore.write(Path(folder) / "decoy.npy", values, store.window_bins)
        for windows, pairs, is_decoy in ((store, pixels, False), (decoy, moved, True)):
            pairs = pairs[windows.inside(pairs)]
            order, scores = generator.permutation(len(pairs)), np.empty(len(pairs), dtype=np.float32)
            scores[order] = score(predictor, windows, signal, pairs[order], band.chrom, **settings)
            parts.append(
                pd.DataFrame(
                    {"chrom": band.chrom, "x": pairs[:, 0], "y": pairs[:, 1], "score": scores, "decoy": is_decoy}
                )
            )
    frame = pd.concat(parts, ignore_index=True)
    seconds = time.perf_counter() - start
    logger.info(
        "%s: %d candidates and %d decoys, %d and %d above %g; %.3g ms each",
        band.chrom,
        *(len(part) for part in parts),
        *(int((part["score"] > MIN_SCORE).sum()) for part in parts),
        MIN_SCORE,
        1000 * seconds / max(1, len(frame)),
    )
    return frame


# ---------------------------------------------------------------- density peaks


def peaks(scored: pd.DataFrame, *, min_score: float = MIN_SCORE, min_bins: int = MIN_BINS) -> pd.DataFrame:
    """Candidates that score above `min_score` and are not alone, with what density peaks are chosen by.

    `scored`: columns `CANDIDATES`, bins; decoy (bool) says of which map. Columns added: rho, the scores within 5 bins
    weighted by exp(-(d / 5)²), d the larger of both differences; delta, the distance to the nearest candidate of larger
    rho (infinite without one); parent, the row of that candidate (-1: none). Chromosomes and maps are taken apart.
    """
    parts, rows = [], 0
    taken = scored[(scored["score"] > min_score) & (scored["y"] - scored["x"] >= min_bins)]
    for _, of_chrom in taken.groupby(["chrom", "decoy"], sort=False):
        places = of_chrom[["x", "y"]].to_numpy(float)
        near = cKDTree(places).query_ball_point(places, ISOLATED_RADIUS, p=np.inf, return_length=True)
        of_chrom, places = of_chrom[near > ISOLATED_POINTS], places[near > ISOLATED_POINTS]
        if not len(of_chrom):
            continue
        tree = cKDTree(places)
        near = tree.sparse_distance_matrix(tree, DENSITY_RADIUS, p=np.inf, output_type="coo_matrix")
        weights = np.exp(-((near.data / DENSITY_RADIUS) ** 2)) * of_chrom["score"].to_numpy()[near.col]
        rho = np.bincount(near.row, weights, minlength=len(of_chrom))
        delta, parent = _denser(places, rho, tree)
        parent = np.where(parent < 0, -1, parent + rows)
        parts.append(of_chrom.assign(rho=rho, delta=delta, parent=parent))
        rows += len(of_chrom)
    if not parts:
        return taken.iloc[:0].assign(rho=0.0, delta=0.0, parent=-1)
    return pd.concat(parts, ignore_index=True)


def _denser(places: np.ndarray, rho: np.ndarray, tree: cKDTree) -> tuple[np.ndarray, np.ndarray]:
    """Distance to the nearest place of larger rho, and which (of several the densest; -1 without one)."""
    delta, parent = np.full(len(rho), np.inf), np.full(len(rho), -1)
    k = min(NEIGHBOURS, len(rho))
    distances, neighbours = (array.reshape(len(rho), k) for array in tree.query(places, k=k, p=np.inf))
    larger = rho[neighbours] > rho[:, None]
    nearest = np.where(larger, distances, np.inf).min(axis=1)
    # Beyond the last neighbour there may be others as near as it.
    known = nearest < distances[:, -1]
    densest = np.where(larger & (distances == nearest[:, None]), rho[neighbours], -np.inf).argmax(axis=1)
    delta[known] = nearest[known]
    parent[known] = neighbours[known, densest[known]]
    for i in np.flatnonzero(~known):
        away = np.abs(places - places[i]).max(axis=1)
        larger = np.flatnonzero(rho > rho[i])
        if len(larger):
            delta[i] = away[larger].min()
            near = larger[away[larger] == delta[i]]
            parent[i] = near[rho[near].argmax()]
    return delta, parent


def cutoff(candidate_peaks: pd.DataFrame, *, protocol: str, fdr: float = FDR, min_delta: float = MIN_DELTA) -> float:
    """The density that a loop must exceed.

    "published": that of the first decoy, from the densest peak downwards, with which there are more than `fdr` decoys
    to a target; -inf where there are never. "corrected": that of the peak after the last one down to which the decoys,
    and one more, are at most `fdr` to a target; inf where there is none.
    """
    isolated = candidate_peaks[candidate_peaks["delta"] > min_delta]
    chosen = isolated.sort_values("rho", ascending=False, kind="stable")
    decoys = chosen["decoy"].cumsum().to_numpy()
    targets = np.arange(1, len(chosen) + 1) - decoys
    if protocol == "corrected":
        few = np.flatnonzero(decoys + 1 <= fdr * targets)
        densities = [*chosen["rho"], -np.inf]
        return float(densities[few[-1] + 1]) if len(few) else np.inf
    over = np.flatnonzero(decoys > fdr * targets)
    return float(chosen["rho"].iloc[over[0]]) if len(over) else -np.inf


def cluster(
    scored: pd.DataFrame,
    *,
    protocol: str,
    min_score: float = MIN_SCORE,
    min_bins: int = MIN_BINS,
    fdr: float = FDR,
) -> pd.DataFrame:
    """Scored candidates of target and decoy maps (`peaks`) -> loops: columns `LOOPS`, best score first.

    density is the largest rho of a loop's cluster, candidates their number. One loop stands for each cluster:
    "published" its highest score, "corrected" its highest density. Raises InputError for another protocol.
    """
    if protocol not in ("published", "corrected"):
        raise InputError(f"config: the protocol {protocol!r} is not known; choose from published, corrected")
    near = peaks(scored, min_score=min_score, min_bins=min_bins)
    centre = (
        ~near["decoy"] & (near["rho"] > cutoff(near, protocol=protocol, fdr=fdr)) & (near["delta"] > MIN_DELTA)
    ).to_numpy()
    label = np.where(centre, np.arange(len(near)), -1)
    parent = near["parent"].to_numpy()
    for i in near.index[np.argsort(-near["rho"].to_numpy(), kind="stable")]:
        if not centre[i] and parent[i] >= 0:
            label[i] = label[parent[i]]
    clustered = near.assign(cluster=label)[label >= 0]
    by = "score" if protocol == "published" else "rho"
    best = clustered.sort_values(by, ascending=False, kind="stable").drop_duplicates("cluster")
    sizes = clustered.groupby("cluster")["rho"].agg(["max", "size"])
    loops = best.assign(
        density=sizes.loc[best["cluster"], "max"].to_numpy(), candidates=sizes.loc[best["cluster"], "size"].to_numpy()
    )
    return loops.sort_values("score", ascending=False, kind="stable")[LOOPS].reset_index(drop=True)


# ---------------------------------------------------------------- ChIA-PET


def validate(loops: pd.DataFrame, seen: Mapping[str, np.ndarray], tolerance_bins: int) -> pd.DataFrame:
    """Loops against those an experiment has seen, for every number of them from none to all, best score first.

    `loops`: columns chrom, x, y, score, best first; `seen`: chromosome -> (n, 2) bins, of the chromosomes searched. Two
    are the same where neither anchor is more than `tolerance_bins` away. Columns `VALIDATION`: loops, the number
    taken; validated, those of them that were seen; found, the seen ones among them; precision (NaN of none), recall,
    f1. Raises InputError where nothing was seen.
    """
    total = sum(map(len, seen.values()))
    if not total:
        raise InputError("loops: none was seen on the chromosomes searched; name chromosomes as the map does")
    validated = np.zeros(len(loops) + 1, dtype=int)
    first = np.zeros(len(loops) + 1, dtype=int)  # seen loops that this one is the first to find
    for chrom, places in seen.items():
        of_chrom = np.flatnonzero(loops["chrom"] == chrom)
        if not (len(of_chrom) and len(places)):
            continue
        tree = cKDTree(loops.loc[of_chrom, ["x", "y"]].to_numpy(float))
        for near in tree.query_ball_point(places.astype(float), tolerance_bins, p=np.inf):
            if near:
                validated[of_chrom[near] + 1] = 1
                first[of_chrom[min(near)] + 1] += 1
    frame = pd.DataFrame({"loops": np.arange(len(loops) + 1), "validated": validated.cumsum(), "found": first.cumsum()})
    frame["precision"] = frame["validated"] / frame["loops"].where(frame["loops"] > 0)
    frame["recall"] = frame["found"] / total
    both = frame["precision"] + frame["recall"]
    frame["f1"] = (2 * frame["precision"] * frame["recall"] / both.where(both > 0)).fillna(0.0)
    return frame[VALIDATION]


def write_bedpe(loops: pd.DataFrame, path: str | Path, bin_bp: int) -> None:
    """Loops (`cluster`) as a BEDPE with a header: anchors of one bin, the score, then density and candidates."""
    frame = pd.DataFrame({"chrom1": loops["chrom"], "start1": loops["x"] * bin_bp, "end1": (loops["x"] + 1) * bin_bp})
    frame = frame.assign(chrom2=loops["chrom"], start2=loops["y"] * bin_bp, end2=(loops["y"] + 1) * bin_bp)
    frame = frame.assign(name=[f"loop{i}" for i in range(1, len(loops) + 1)], score=loops["score"])
    frame = frame.assign(strand1=".", strand2=".")[BEDPE]
    frame = frame.assign(density=loops["density"], candidates=loops["candidates"])
    write_bed(frame.rename(columns={"chrom1": "#chrom1"}), path, header=True, float_format="%.6g")


# ---------------------------------------------------------------- all of a sample


def counted(regions: str | os.PathLike, map_path: str | os.PathLike) -> list[str]:
    """Chromosomes whose loops are counted, found and seen: those of a fold's test regions with a balanced bin in the
    map. Whoever searches, a model or a program, is held against the same loops, on chromosomes without pairs too."""
    clr = open_map(map_path)
    named = [chrom for chrom in splits.chromosomes_of(regions, "test") if chrom in clr.chromnames]
    return [chrom for chrom in named if clr.bins().fetch(chrom)["weight"].notna().any()]


def annotate(
    out: Path,
    *,
    arm: Arm,
    model: str | os.PathLike | None,
    given: Given,
    map_path: str | os.PathLike,
    regions: str | os.PathLike,
    seen: Sequence[str | os.PathLike],
    rename: Mapping[str, str],
    geometry: dict,
    max_loop_bins: int,
    settings: Mapping,
    seed: int,
    device: str,
    threads: int,
) -> None:
    """Write loops.bedpe and validation.tsv of an arm on the test chromosomes of one sample into the folder `out`.

    model: the folder of the trained model; None: a row without one. given: the sample's bands and tracks, and the
    sequence where the network reads it. regions: the fold, whose `counted` chromosomes are searched. seen: BEDPE of
    ChIA-PET; settings: the config's pairs/search. Chromosomes without a band are left out; InputError where none is
    left.
    """
    torch.set_num_threads(threads)
    where, (sample,), bin_bp = device_of(device), given.samples, geometry["bin_bp"]
    opened = [TrackStore(path) for path in given.tracks[0]] if given.tracks else []
    network, statistics = stored.load_or_build(
        model, arm.model(), lambda: statistics_of(arm, geometry, given), bin_bp=bin_bp
    )
    if model is not None:
        check_bins(opened, statistics["track_bp"], model)
    network = network.to(where)
    chroms = counted(regions, map_path)
    stores = {chrom: store for chrom, store in open_bands(given.bands[0], arm.window_bins).items() if chrom in chroms}
    if not stores:
        held_out = splits.chromosomes_of(regions, "test")
        raise InputError(f"config: splits: the map of {sample!r} has none of {held_out}; hold out others to test on")
    check_chromosomes(opened, stores, "where loops are searched")
    sequence = open_sequence(given.sequence, stores) if "sequence" in network.entries else None
    parts = []
    for chrom, store in stores.items():
        band = Band.read(map_path, chrom, min(max_loop_bins + 1, store.n_diagonals))
        scored = search(
            network,
            band,
            store,
            opened,
            bin_bp=bin_bp,
            min_bins=settings["min_bins"],
            max_bins=max_loop_bins,
            batch_size=arm.training["batch_size"],
            device=where,
            protocol=arm.protocol,
            p_value=settings["p_value"],
            log=arm.log_tracks,
            sequence=sequence,
        )
        parts.append(scored)
    chosen = {"min_bins": settings["min_bins"], "fdr": settings["fdr"]}
    loops = cluster(pd.concat(parts, ignore_index=True), protocol=arm.protocol, **chosen)
    _validate(out, loops, arm, sample, chroms, seen, rename, bin_bp, max_loop_bins, settings, seed)


def _validate(
    out: Path,
    loops: pd.DataFrame,
    arm: Arm,
    sample: str,
    chroms: Sequence[str],
    seen: Sequence[str | os.PathLike],
    rename: Mapping[str, str],
    bin_bp: int,
    max_loop_bins: int,
    settings: Mapping,
    seed: int,
) -> None:
    """Write loops.bedpe and validation.tsv: loops of the counted chromosomes against those that were seen there."""
    listed = read_loops(seen, bin_bp, max_bins=max_loop_bins, rename=rename)
    known = {chrom: listed[chrom] for chrom in chroms if chrom in listed}
    known = {chrom: pairs[pairs[:, 1] - pairs[:, 0] >= settings["min_bins"]] for chrom, pairs in known.items()}
    table = validate(loops, known, settings["tolerance_bins"])
    write_bedpe(loops, out / "loops.bedpe", bin_bp)
    labels = {"run": arm.name, "protocol": arm.protocol, "sample": sample, "seed": seed}
    table.assign(**labels).to_csv(out / "validation.tsv", sep="\t", index=False, float_format="%.9g")
    logger.info("%s on %s, seed %d: %s", arm.name, sample, seed, table.iloc[-1].to_dict())


def take(
    out: Path,
    called: str | os.PathLike,
    *,
    arm: Arm,
    sample: str,
    map_path: str | os.PathLike,
    regions: str | os.PathLike,
    seen: Sequence[str | os.PathLike],
    rename: Mapping[str, str],
    bin_bp: int,
    max_loop_bins: int,
    settings: Mapping,
) -> None:
    """As `annotate`, of loops that a program has written: a BEDPE, with a score in the eighth column, or without one.

    Taken are loops of the `counted` chromosomes, of `min_bins` to `max_loop_bins` bins, best score first.
    """
    chroms = counted(regions, map_path)
    loops = _read_called(called, bin_bp)
    distance = loops["y"] - loops["x"]
    taken = loops["chrom"].isin(chroms) & (distance >= settings["min_bins"]) & (distance <= max_loop_bins)
    loops = loops[taken].drop_duplicates(["chrom", "x", "y"]).sort_values("score", ascending=False, kind="stable")
    loops = loops.assign(density=np.nan, candidates=0)[LOOPS].reset_index(drop=True)
    _validate(out, loops, arm, sample, chroms, seen, rename, bin_bp, max_loop_bins, settings, 0)


def _read_called(path: str | os.PathLike, bin_bp: int) -> pd.DataFrame:
    """Loops of a BEDPE within a chromosome: chrom, x, y (bins of the anchors' starts, x <= y), score."""
    remedy = "the program must write tab-separated chrom1 start1 end1 chrom2 start2 end2 name score"
    table = read_table(path, BEDPE_PLACES, remedy, optional=("name", "score"))
    numbers = table[["start1", "start2"]].to_numpy(dtype=np.int64) // bin_bp
    score = pd.to_numeric(table["score"].replace(["", "."], "1"), errors="coerce").astype(float)
    if len(strange := table[score.isna()]):
        row = strange.iloc[0]
        raise InputError(f"{path}: line {row['line']}: the score is {row['score']!r}, not a number; {remedy}")
    pairs = np.sort(numbers, axis=1)
    loops = pd.DataFrame({"chrom": table["chrom1"], "x": pairs[:, 0], "y": pairs[:, 1], "score": score})
    return loops[table["chrom1"] == table["chrom2"]]
