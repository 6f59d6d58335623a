"""Windows about transcription start sites (TSS) and their expression: samples of MIX-HIC's map and CAGE tasks.

A window is (chromosome, x), the bin x of one TSS or of several; both its stretches are about x. Its label is the mean
signal of each of its 50 bins (Yang et al. 2025: CAGE).
"""

import gzip
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from trifold.data import splits
from trifold.data.bands import BandStore, open_bands
from trifold.data.pairs import Roles, choose_pairs, read_loops, usable
from trifold.data.tracks import TrackStore, read_tracks
from trifold.errors import InputError
from trifold.genome import by_chromosome
from trifold.io.tables import read_bed

GTF_SUFFIXES = (".gtf", ".gtf.gz")
# The released code shuffles all windows with NumPy's generator of this seed and cuts them 80 : 10 : 10.
RANDOM_SEED, RANDOM_SHARES = 8, {"validation": 0.1, "test": 0.1}


def _read_gtf(path: Path) -> pd.DataFrame:
    """Protein-coding genes: chrom, start_bp, end_bp, strand."""
    opened = gzip.open if path.suffix == ".gz" else open
    lines = []
    with opened(path, "rt") as handle:
        for line in handle:
            if line.startswith("#"):
                continue
            chrom, _, feature, start, end, _, strand, _, attributes = line.rstrip("\n").split("\t")
            if feature == "gene" and 'gene_type "protein_coding"' in attributes:
                lines.append((chrom, int(start) - 1, int(end), strand))
    return pd.DataFrame(lines, columns=["chrom", "start_bp", "end_bp", "strand"])


def _read_bed(path: Path) -> pd.DataFrame:
    table = read_bed(path, [0])
    if table.shape[1] < 3:
        raise ValueError(f"{table.shape[1]} columns")
    strand = table[5] if table.shape[1] > 5 else "+"
    places = {"chrom": table[0], "start_bp": table[1].astype(np.int64), "end_bp": table[2].astype(np.int64)}
    return pd.DataFrame({**places, "strand": strand})


def read_tss(path: str | os.PathLike, bin_bp: int, rename: Mapping[str, str] | None = None) -> dict[str, np.ndarray]:
    """TSS of a BED or a GTF (.gz too) -> chromosome -> (n,) bins, unique and sorted.

    The TSS is the 5' end of a record: of a BED's intervals (strand in the sixth column, + without one), of a GTF's
    protein-coding genes. rename: {file's name: genome's name}. Raises InputError for a file that is neither, or empty.
    """
    path = Path(path)
    try:
        table = _read_gtf(path) if path.name.endswith(GTF_SUFFIXES) else _read_bed(path)
    except (OSError, ValueError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: not a readable list of TSS ({error}); give a BED (chrom start end name score strand) or a GTF"
        ) from error
    if table.empty:
        raise InputError(f"{path}: no TSS; give a BED, or a GTF with protein-coding genes")
    table["bin"] = np.where(table["strand"] == "-", table["end_bp"] - 1, table["start_bp"]) // bin_bp
    table["chrom"] = table["chrom"].replace(dict(rename or {}))
    return {chrom: np.unique(rows["bin"].to_numpy()) for chrom, rows in by_chromosome(table)}


def choose_windows(
    tss: Mapping[str, np.ndarray], stores: Mapping[str, BandStore], *, protocol: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Windows of all chromosomes that have a band: columns chrom, x; and per chromosome their number before and after.

    Windows must lie on the chromosome and pass the filters of positive pairs. Raises InputError where none does.
    """
    tables, counts = [], []
    for chrom, store in stores.items():
        bins = np.asarray(tss.get(chrom, []), dtype=np.int64)
        pairs = np.stack([bins, bins], axis=1)
        kept_pairs = np.concatenate([np.empty((0, 2), int), *usable(store, pairs, positive=True, protocol=protocol)])
        counts.append((chrom, len(bins), len(kept_pairs)))
        tables.append(pd.DataFrame({"chrom": chrom, "x": kept_pairs[:, 0]}))
    windows = pd.concat(tables, ignore_index=True)
    if windows.empty:
        raise InputError(f"TSS: no window on {', '.join(stores)}; name chromosomes as the map does")
    return windows, pd.DataFrame(counts, columns=["chrom", "before", "after"])


def random_roles(n: int) -> np.ndarray:
    """Role of each of n windows, drawn at random over all chromosomes as released: (n,) of str."""
    order = np.random.RandomState(RANDOM_SEED).permutation(n)
    roles = np.full(n, "train", dtype="<U10")
    first = n - sum(int(share * n) for share in RANDOM_SHARES.values())
    for role, share in RANDOM_SHARES.items():
        roles[order[first : first + int(share * n)]] = role
        first += int(share * n)
    return roles


def mean_signal(signals: Sequence[TrackStore], windows: pd.DataFrame, bin_bp: int, window_bins: int) -> np.ndarray:
    """Mean signal of each bin of the windows, summed over the signals (strands): (n, W) float32; 0 without data."""
    labels = np.zeros((len(windows), window_bins), dtype=np.float32)
    for row, (chrom, x) in enumerate(zip(windows["chrom"], windows["x"])):
        start_bp = (int(x) - window_bins // 2) * bin_bp
        values, _ = read_tracks(signals, chrom, start_bp, start_bp + window_bins * bin_bp, window_bins)
        labels[row] = values.sum(axis=0)
    return labels


# ---------------------------------------------------------------- all of a sample


def _write(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, sep="\t", index=False, lineterminator="\n")


def write_sample(
    out: Path,
    *,
    sample: str,
    protocol: str,
    bands: str | os.PathLike,
    loops: Sequence[str | os.PathLike],
    tss: str | os.PathLike | None,
    expression: Sequence[str | os.PathLike],
    regions: str | os.PathLike,
    bin_bp: int,
    window_bins: int,
    max_loop_bins: int,
    rename: Mapping[str, str],
    seed: int,
) -> None:
    """Write what one sample's models are trained and tested on, under one protocol and fold, into the folder `out`.

    regions: BED file of the fold. A window that no region holds whole has no role and is left out.

    pairs.tsv    chrom, x, y, label, role
    windows.tsv  chrom, x, role, cage_role (published: drawn at random), with TSS; cage.npy, (windows, W) mean signal,
                 with expression tracks too
    counts.tsv   sample, protocol, chrom, role, kind (pretrain, loop, cage), label (positive, negative, window), before,
                 after
    """
    stores = open_bands(bands, window_bins)
    roles = Roles(splits.read(regions), stores, bin_bp)
    listed = read_loops(loops, bin_bp, max_bins=max_loop_bins, rename=rename)
    chosen, counts = choose_pairs(listed, stores, protocol=protocol, seed=seed)
    chosen["role"] = roles.of(chosen["chrom"], chosen["x"], chosen["y"])
    _write(chosen[chosen["role"] != ""], out / "pairs.tsv")
    counts["label"] = counts["label"].map({1: "positive", 0: "negative"})
    counts = [counts[counts["label"] == "positive"].assign(kind="pretrain"), counts.assign(kind="loop")]
    if tss is not None:
        windows, numbers = choose_windows(read_tss(tss, bin_bp, rename), stores, protocol=protocol)
        windows["role"] = roles.of(windows["chrom"], windows["x"], windows["x"])
        windows = windows[windows["role"] != ""].reset_index(drop=True)
        windows["cage_role"] = random_roles(len(windows)) if protocol == "published" else windows["role"]
        _write(windows, out / "windows.tsv")
        counts.append(numbers.assign(kind="cage", label="window"))
        if expression:
            labels = mean_signal([TrackStore(path) for path in expression], windows, bin_bp, window_bins)
            np.save(out / "cage.npy", labels)
    table = pd.concat(counts, ignore_index=True)
    table = table.assign(sample=sample, protocol=protocol, role=roles.of_chromosomes(table["chrom"]))
    columns = ["sample", "protocol", "chrom", "role", "kind", "label", "before", "after"]
    _write(table[columns], out / "counts.tsv")
