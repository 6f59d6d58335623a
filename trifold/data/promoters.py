"""Windows about transcription start sites (TSS) and their expression: samples of MIX-HIC's map and CAGE tasks.

A window is (chromosome, x), the bin x of one TSS or of several; both its stretches are about x. Its label is the mean
signal of each of its 50 bins (Yang et al. 2025: CAGE).
"""

import json
import logging
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from trifold.data import splits
from trifold.data.bands import BandStore, open_bands
from trifold.data.pairs import (
    Loops,
    Roles,
    choose_pairs,
    described_negatives,
    matched_negatives,
    read_listed,
    usable,
)
from trifold.data.tracks import TrackStore, read_tracks
from trifold.errors import InputError
from trifold.genome import by_chromosome, check_matched, check_renamed, some_of
from trifold.io import bed

logger = logging.getLogger(__name__)

GTF_SUFFIXES = (".gtf", ".gtf.gz", ".gff", ".gff.gz", ".gff3", ".gff3.gz")
REMEDY = "give a BED (chrom start end name score strand) or a GTF"
# How people write the strands.
STRANDS = {
    **dict.fromkeys(("+", "1", "+1", "plus", "forward", "fwd", "f", "pos", "positive"), 1),
    **dict.fromkeys(("-", "-1", "minus", "reverse", "rev", "r", "neg", "negative"), -1),
}
UNKNOWN_STRAND = (".", "", "*", "0")
# Attributes that say what a gene makes: GENCODE, Ensembl and RefSeq, Ensembl's GFF3; of a transcript its own first.
KINDS = {
    "gene": ("gene_type", "gene_biotype", "biotype"),
    "transcript": ("transcript_type", "transcript_biotype", "gene_type", "gene_biotype", "biotype"),
}
TRANSCRIPTS = ("transcript", "mRNA")
_ATTRIBUTE = re.compile(r'\s*([^\s=;"]+)(?:\s+|=)(?:"([^"]*)"|([^;"]*))')
# The released code shuffles all windows with NumPy's generator of this seed and cuts them 80 : 10 : 10.
RANDOM_SEED, RANDOM_SHARES = 8, {"validation": 0.1, "test": 0.1}


@dataclass(frozen=True)
class Sites:
    """Start sites of a file: chromosome -> (n,) bins, unique and sorted; records that were `listed`, and of those left
    out how many by reason."""

    bins: dict[str, np.ndarray]
    listed: int
    left_out: dict[str, int]


def _read_gtf(path: Path) -> tuple[pd.DataFrame, dict[str, int]]:
    """Protein-coding genes of a GTF or GFF3: chrom, start_bp, end_bp, strand, line; records left out by reason.

    A file without records of genes gives its transcripts. Where no record says what it makes, all are taken.
    """
    columns = ["chrom", "start_bp", "end_bp", "strand", "line", "kind"]
    records: dict[str, list] = {"gene": [], "transcript": []}
    for number, line in bed.lines(path, REMEDY):
        if line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) != 9:
            raise InputError(f"{path}: line {number} has {len(fields)} columns, and a GTF has 9; {REMEDY}")
        chrom, _, feature, start, end, _, strand, _, text = fields
        feature = "transcript" if feature in TRANSCRIPTS else feature
        if feature not in records:
            continue
        if not (start.isdecimal() and end.isdecimal() and 0 < int(start) <= int(end)):
            raise InputError(f"{path}: line {number}: {start} to {end} is no stretch counted from 1; {REMEDY}")
        attributes = {name: quoted or plain.strip() for name, quoted, plain in _ATTRIBUTE.findall(text)}
        kind = next((attributes[name] for name in KINDS[feature] if name in attributes), "")
        records[feature].append((chrom, int(start) - 1, int(end), strand, number, kind))
    feature = "gene" if records["gene"] else "transcript"
    table = pd.DataFrame(records[feature], columns=columns)
    if table.empty:
        raise InputError(f"{path}: no record of a gene or transcript; give a GTF with either, or a BED of start sites")
    coding = table["kind"] == "protein_coding"
    if not (table["kind"] != "").any():
        logger.warning("%s: no record says what it makes (%s); all are taken", path, ", ".join(KINDS[feature][:2]))
        coding[:] = True
    if not coding.any():
        raise InputError(
            f"{path}: no protein-coding {feature}; its kinds are {some_of(sorted(set(table['kind'])), 5)}; give a GTF "
            "with protein_coding under gene_type or gene_biotype, or a BED of start sites"
        )
    return table[coding], {"not protein-coding": int((~coding).sum())}


def _read_bed(path: Path) -> pd.DataFrame:
    table = bed.read_table(path, bed.BED, REMEDY, optional=("name", "score", "strand"))
    if table.empty:
        raise InputError(f"{path}: no start site; {REMEDY}")
    if len(wrong := table[(table["start"] < 0) | (table["end"] <= table["start"])]):
        row = wrong.iloc[0]
        raise InputError(
            f"{path}: line {row['line']}: {row['start']} to {row['end']} is empty or before the chromosome; {REMEDY}"
        )
    return table.rename(columns={"start": "start_bp", "end": "end_bp"})


def _five_prime(table: pd.DataFrame, path: Path) -> np.ndarray:
    """The 5' end of every record, bp (n,). Raises InputError for a strand that is none, and for an unknown one on more
    than a base: which end is the 5' end, nothing says."""
    words = table["strand"].str.strip().str.lower()
    signs = words.map(STRANDS)
    one_base = table["end_bp"] - table["start_bp"] == 1
    unknown = words.isin(UNKNOWN_STRAND)
    if len(strange := table[signs.isna() & ~unknown]):
        row = strange.iloc[0]
        raise InputError(
            f"{path}: line {row['line']}: the strand (column {7 if 'kind' in table else 6}) is {row['strand']!r}, in "
            f"{len(strange):,} of {len(table):,} records; give + or -"
        )
    if len(lost := table[unknown & ~one_base]):
        row, elsewhere = lost.iloc[0], ""
        for name, column in (("name", 4), ("score", 5)):
            if name in lost and lost[name].isin(["+", "-"]).all():
                elsewhere = f"; column {column} seems to hold it, and a BED has it in column 6"
        raise InputError(
            f"{path}: line {row['line']}: no strand on a record of {row['end_bp'] - row['start_bp']:,} bp, in "
            f"{len(lost):,} of {len(table):,} records: its 5' end is not known{elsewhere}; give + or -, or records of "
            "one base"
        )
    return np.where(signs == -1, table["end_bp"] - 1, table["start_bp"])


def read_sites(path: str | os.PathLike, bin_bp: int, rename: Mapping[str, str] | None = None) -> Sites:
    """Start sites of a BED, GTF or GFF3 (.gz too).

    A site is the 5' end of a record: of a BED's intervals (strand in the sixth column), of the protein-coding genes of
    a GTF, or its transcripts where it has no genes. rename: {file's name: genome's name}. Raises InputError for a file
    that is neither or empty, and for records whose strand is not known.
    """
    path = Path(path)
    if path.name.lower().endswith(GTF_SUFFIXES):
        table, left_out = _read_gtf(path)
    else:
        table, left_out = _read_bed(path), {}
    check_renamed(rename or {}, table["chrom"].unique(), f"{path}: pairs/rename")
    table = table.assign(bin=_five_prime(table, path) // bin_bp, chrom=table["chrom"].replace(dict(rename or {})))
    bins = {chrom: np.unique(rows["bin"].to_numpy()) for chrom, rows in by_chromosome(table)}
    listed = len(table) + sum(left_out.values())
    return Sites(bins, listed, left_out | {"same bin as another": len(table) - sum(map(len, bins.values()))})


def read_tss(path: str | os.PathLike, bin_bp: int, rename: Mapping[str, str] | None = None) -> dict[str, np.ndarray]:
    """`bins` of `read_sites`: chromosome -> (n,) bins, unique and sorted."""
    return read_sites(path, bin_bp, rename).bins


def choose_windows(
    tss: Mapping[str, np.ndarray], stores: Mapping[str, BandStore], *, protocol: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Windows of all chromosomes that have a band: columns chrom, x; and per chromosome their number before and after.

    Windows must lie on the chromosome and pass the filters of positive pairs. Raises InputError where none does.
    """
    check_matched(tss, stores, "TSS", "name chromosomes as the map does (pairs/rename)")
    tables, counts = [], []
    for chrom, store in stores.items():
        bins = np.asarray(tss.get(chrom, []), dtype=np.int64)
        pairs = np.stack([bins, bins], axis=1)
        kept_pairs = np.concatenate([np.empty((0, 2), int), *usable(store, pairs, positive=True, protocol=protocol)])
        counts.append((chrom, len(bins), len(kept_pairs)))
        tables.append(pd.DataFrame({"chrom": chrom, "x": kept_pairs[:, 0]}))
    windows = pd.concat(tables, ignore_index=True)
    if windows.empty:
        raise InputError(
            f"TSS: no window on {', '.join(stores)} holds enough contacts; give a deeper map, or other start sites"
        )
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


def _accounted(
    read: Loops | Sites,
    places: Mapping[str, np.ndarray],
    chosen: pd.DataFrame,
    stores: Mapping[str, BandStore],
    what: str,
) -> dict:
    """Records of a file, how many are used, and how many are left out by reason; logged.

    chosen: windows that passed the filters, with the role that their region gives them. Raises InputError where the
    numbers do not add up.
    """
    off_map = sum(len(bins) for chrom, bins in places.items() if chrom not in stores)
    filtered = sum(map(len, places.values())) - off_map - len(chosen)
    used = int((chosen["role"] != "").sum())
    left_out = read.left_out | {
        "chromosome not in the map": off_map,
        "at a chromosome's end, or too few contacts": filtered,
        "in no region of the split": len(chosen) - used,
    }
    left_out = {reason: number for reason, number in left_out.items() if number}
    if used + sum(left_out.values()) != read.listed or min([used, *left_out.values()]) < 0:
        raise InputError(f"{what}: {read.listed:,} listed, {used:,} used, left out {left_out}: they do not add up")
    logger.info("%s: %d listed, %d used; left out: %s", what, read.listed, used, left_out or "none")
    return {"listed": read.listed, "used": used, "left_out": left_out}


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
    matched.tsv  the same of negatives matched to the positives in distance, which only scores read
    negatives.tsv  sample, protocol, window_bins, negatives (drawn, matched), role, n, longest_bins (of the positives),
                 and how many are beyond that and near a listed loop
    windows.tsv  chrom, x, role, cage_role (published: drawn at random), with TSS; cage.npy, (windows, W) mean signal,
                 with expression tracks too
    counts.tsv   sample, protocol, window_bins, chrom, role, kind (pretrain, loop, cage), label (positive, negative,
                 window), before, after
    summary.json  loops and start_sites: records of the files, used, and left_out by reason
    """
    stores = open_bands(bands, window_bins)
    roles = Roles(splits.read(regions), stores, bin_bp)
    listed = read_listed(loops, bin_bp, max_bins=max_loop_bins, rename=rename)
    chosen, counts = choose_pairs(listed.pairs, stores, protocol=protocol, seed=seed)
    chosen["role"] = roles.of(chosen["chrom"], chosen["x"], chosen["y"])
    summary = {"loops": _accounted(listed, listed.pairs, chosen[chosen["label"] == 1], stores, f"loops {loops}")}
    chosen = chosen[chosen["role"] != ""]
    _write(chosen, out / "pairs.tsv")
    positives = chosen[chosen["label"] == 1]
    matched = matched_negatives(listed.pairs, stores, positives, roles, seed=seed)
    _write(matched, out / "matched.tsv")
    negatives = {"drawn": chosen[chosen["label"] == 0], "matched": matched}
    of_sample = {"sample": sample, "protocol": protocol, "window_bins": window_bins}
    described = [
        described_negatives(of_kind, positives, listed.pairs).assign(negatives=kind, **of_sample)
        for kind, of_kind in negatives.items()
    ]
    columns = [*of_sample, "negatives", "role", "n", "longest_bins", "beyond", "near"]
    _write(pd.concat(described, ignore_index=True)[columns], out / "negatives.tsv")
    counts["label"] = counts["label"].map({1: "positive", 0: "negative"})
    counts = [counts[counts["label"] == "positive"].assign(kind="pretrain"), counts.assign(kind="loop")]
    if tss is not None:
        sites = read_sites(tss, bin_bp, rename)
        windows, numbers = choose_windows(sites.bins, stores, protocol=protocol)
        windows["role"] = roles.of(windows["chrom"], windows["x"], windows["x"])
        summary["start_sites"] = _accounted(sites, sites.bins, windows, stores, f"start sites {tss}")
        windows = windows[windows["role"] != ""].reset_index(drop=True)
        windows["cage_role"] = random_roles(len(windows)) if protocol == "published" else windows["role"]
        _write(windows, out / "windows.tsv")
        counts.append(numbers.assign(kind="cage", label="window"))
        if expression:
            labels = mean_signal([TrackStore(path) for path in expression], windows, bin_bp, window_bins)
            np.save(out / "cage.npy", labels)
    table = pd.concat(counts, ignore_index=True)
    table = table.assign(**of_sample, role=roles.of_chromosomes(table["chrom"]))
    columns = [*of_sample, "chrom", "role", "kind", "label", "before", "after"]
    _write(table[columns], out / "counts.tsv")
    (out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
