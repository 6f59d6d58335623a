"""The genome as base codes: one memory-mapped array of all chromosomes, read by coordinate.

A folder holds ``codes.npy`` (uint8, the chromosomes one after the other), ``chromosomes.tsv`` (name, length_bp, in that
order), ``n_bins.npz`` (per chromosome: bool, bin holds an N) and ``summary.json`` (bases, share of N, what was left
out).
"""

import csv
import json
import logging
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trifold.errors import InputError
from trifold.genome import N_CODE, check_first_letters, check_renamed, some_of
from trifold.io.fasta import CHUNK_BP, Records, open_fasta

logger = logging.getLogger(__name__)

# A record named chrom:start-end is a piece of a chromosome.
_PIECE = re.compile(r"(.+):(\d+)-(\d+)")


# ---------------------------------------------------------------- the table of chromosomes


def read_chromosomes(path: str | os.PathLike) -> dict[str, int]:
    """name -> length_bp of a ``chromosomes.tsv``, in its order."""
    with open(path, newline="") as handle:
        return {
            row["name"]: int(row["length_bp"]) for row in csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE)
        }


def offsets(sizes: Mapping[str, int]) -> dict[str, int]:
    """Where each chromosome starts when they lie one after the other."""
    return dict(zip(sizes, np.cumsum([0, *sizes.values()]).tolist()))


def check_names(fasta_names: Iterable[str], map_names: Iterable[str], rename: Mapping[str, str], path: object) -> None:
    """Raises InputError, with both sets of names, where the FASTA lacks a chromosome of the map."""
    fasta_names, map_names = list(fasta_names), list(map_names)
    if missing := [name for name in map_names if name not in fasta_names]:
        raise InputError(
            f"{path}: lacks {some_of(missing)}; its chromosomes are {some_of(fasta_names)}, wanted are "
            f"{some_of(map_names)}; name them alike by genome/rename ({{FASTA's name: genome's name}}; now "
            f"{dict(rename)}) or leave them out by genome/exclude"
        )


# ---------------------------------------------------------------- prepare


@dataclass(frozen=True)
class _Record:
    """A FASTA record and its place in the genome."""

    path: Path
    name: str
    chrom: str
    start_bp: int
    length_bp: int
    whole: bool  # the whole chromosome, not a piece
    source: Records


def _place(path: Path, name: str, length_bp: int, rename: Mapping[str, str], source: Records) -> _Record:
    """The place of a FASTA record in the genome: a whole chromosome, or a piece of one named chrom:start-end.

    start and end are counted from 0, half-open, or from 1 with the end included: the length of the record tells which.
    """
    if not (piece := _PIECE.fullmatch(name)) or name in rename:
        return _Record(path, name, rename.get(name, name), 0, length_bp, True, source)
    chrom, start, end = piece[1], int(piece[2]), int(piece[3])
    if length_bp not in (end - start, end - start + 1):
        raise InputError(
            f"{path}: the record {name} holds {length_bp:,} bp, which its name does not say; mend the name, or make it "
            "a chromosome of its own by genome/rename"
        )
    start_bp = start if length_bp == end - start else start - 1  # samtools faidx counts from 1
    return _Record(path, name, rename.get(chrom, chrom), start_bp, length_bp, False, source)


def _chromosome_of(name: str) -> str:
    """The chromosome that a record's name says it is a piece of, else the name."""
    piece = _PIECE.fullmatch(name)
    return piece[1] if piece else name


# Names that stand for one chromosome: an exclusion that misses by them leaves the chromosome in.
_ALIASES = [{"chrM", "chrMT", "M", "MT", "Mito", "chrMito", "mitochondrion_genome"}]


def _warn_of_kept(exclude: Iterable[str], present: Iterable[str], listed: str) -> None:
    """Say which of the chromosomes stay though one of `exclude` probably means them.

    A name that the FASTA has not is no mistake by itself: an exclusion is for maps too, and the default for any genome.
    """
    present = set(present)
    for name in sorted(set(exclude) - present):
        bare = name.removeprefix("chr")
        aliases = {bare, f"chr{bare}"}.union(*(names for names in _ALIASES if name in names))
        if meant := sorted(aliases & present):
            logger.warning(
                "config: genome/exclude: %s: has no %s, and %s stays in; name it so if it is meant",
                *(listed, name, ", ".join(meant)),
            )


def _sizes_of(records: Sequence[_Record], sizes: Mapping[str, int]) -> dict[str, int]:
    """Length of every chromosome; raises InputError where records contradict each other or `sizes`."""
    lengths: dict[str, int] = {}
    for chrom in dict.fromkeys(record.chrom for record in records):
        parts = sorted((record for record in records if record.chrom == chrom), key=lambda record: record.start_bp)
        names = ", ".join(f"{record.name} of {record.path}" for record in parts)
        if parts[0].whole:
            lengths[chrom] = parts[0].length_bp
            if sizes.get(chrom, parts[0].length_bp) != parts[0].length_bp:
                raise InputError(
                    f"{parts[0].path}: {chrom} has {parts[0].length_bp:,} bp, and {sizes[chrom]:,} are wanted: another "
                    "assembly; give the FASTA of the map's assembly (genome/fasta, genome/sizes)"
                )
        elif chrom not in sizes:
            raise InputError(f"{parts[0].path}: {names}: a piece only; give the length of {chrom} in genome/sizes")
        else:
            lengths[chrom] = sizes[chrom]
        ends_bp = [record.start_bp + record.length_bp for record in parts]
        if any(after.start_bp < end_bp for after, end_bp in zip(parts[1:], ends_bp)):
            raise InputError(f"genome/fasta: {chrom} is given more than once ({names}); give or rename each once")
        if parts[0].start_bp < 0 or ends_bp[-1] > lengths[chrom]:
            raise InputError(
                f"{parts[-1].path}: {names}: reaches beyond {chrom} of {lengths[chrom]:,} bp (genome/sizes)"
            )
    return lengths


def prepare(
    fasta: str | os.PathLike | Sequence[str | os.PathLike],
    out: str | os.PathLike,
    bin_bp: int,
    exclude: Iterable[str] = (),
    rename: Mapping[str, str] | None = None,
    sizes: Mapping[str, int] | None = None,
) -> dict:
    """Write ``codes.npy``, ``chromosomes.tsv``, ``n_bins.npz`` and ``summary.json`` of a genome into the folder `out`.

    fasta    one .fa or .fa.gz, or several that are one genome; lower case (soft-masked) is a base, every other letter N
    bin_bp   bins of ``n_bins.npz``
    exclude  chromosomes dropped, by the genome's names
    rename   {FASTA's name: genome's name}
    sizes    name -> length, bp, of chromosomes that must be there: those of a map, or those of which the FASTA holds
             pieces only (records named chrom:start-end); the rest of such a chromosome is N
    Returns what ``summary.json`` holds: `chromosomes`, `n_bases` (per chromosome), `renamed`, `excluded`, `pieces`,
    `bases` (of all chromosomes) and `n_share`. Raises InputError for a file
    that is no FASTA, names or lengths that contradict `sizes`, and a genome with nothing left.
    """
    out, rename, sizes, exclude = Path(out), rename or {}, sizes or {}, set(exclude)
    paths = [Path(path) for path in ([fasta] if isinstance(fasta, str | os.PathLike) else fasta)]
    listed = ", ".join(map(str, paths))
    with ExitStack() as stack:
        opened = [stack.enter_context(open_fasta(path, out)) for path in paths]
        placed = [
            _place(path, name, length_bp, rename, source)
            for path, source in zip(paths, opened)
            for name, length_bp in source.lengths_bp.items()
            if length_bp
        ]
        names = [name for record in placed for name in (record.name, _chromosome_of(record.name))]
        check_renamed(rename, names, f"config: genome/rename: {listed}")
        _warn_of_kept(exclude, {record.chrom for record in placed}, listed)
        records = [record for record in placed if record.chrom not in exclude]
        if not records:
            raise InputError(f"{listed}: no sequence is left after genome/exclude {sorted(exclude)}")
        wanted = [name for name in sizes if name not in exclude]
        check_names(dict.fromkeys(record.chrom for record in records), wanted, rename, listed)
        lengths = _sizes_of(records, sizes)
        check_first_letters(lengths, listed)
        n_bases = _write(records, lengths, out, bin_bp)
    excluded = sorted({record.chrom for record in placed} & exclude)
    report = {
        "chromosomes": lengths,
        "n_bases": n_bases,
        "renamed": {record.name: record.chrom for record in records if record.whole and record.name != record.chrom},
        "excluded": excluded,
        "pieces": [record.name for record in records if not record.whole],
        "bases": sum(lengths.values()),
        "n_share": sum(n_bases.values()) / sum(lengths.values()),
    }
    (out / "summary.json").write_text(json.dumps(report, indent=1) + "\n")
    logger.info(
        "%s: %d chromosomes, %d bp, %d of them N; renamed %s; excluded %s",
        *(listed, len(lengths), sum(lengths.values()), sum(n_bases.values()), report["renamed"], excluded),
    )
    return report


def _write(records: Sequence[_Record], lengths: dict[str, int], out: Path, bin_bp: int) -> dict[str, int]:
    """The three files; returns the number of N per chromosome."""
    start_of = offsets(lengths)
    codes = np.lib.format.open_memmap(out / "codes.npy", mode="w+", dtype=np.uint8, shape=(sum(lengths.values()),))
    for chrom in {record.chrom for record in records if not record.whole}:
        codes[start_of[chrom] : start_of[chrom] + lengths[chrom]] = N_CODE
    filled = sum(lengths.values()) - sum(record.length_bp for record in records)  # N where there are pieces only
    for record in records:
        for start_bp, chunk in record.source.chunks(record.name):
            first = start_of[record.chrom] + record.start_bp + start_bp
            codes[first : first + len(chunk)] = chunk
            filled += len(chunk)
    if filled != len(codes):
        paths = ", ".join(sorted({str(record.path) for record in records}))
        raise InputError(
            f"{paths}: the chromosomes have {len(codes):,} bases, and {filled:,} were read; the FASTA changed while it "
            "was read: start again"
        )
    codes.flush()
    with_n, n_bases = {}, {}
    for chrom, length_bp in lengths.items():
        chrom_codes = codes[start_of[chrom] : start_of[chrom] + length_bp]
        with_n[chrom], n_bases[chrom] = bins_with_n(chrom_codes, bin_bp)
        if with_n[chrom].all():
            logger.warning("%s: every bin holds an N; no window will lie on it", chrom)
    np.savez_compressed(out / "n_bins.npz", **with_n)
    lines = ["name\tlength_bp", *(f"{name}\t{length_bp}" for name, length_bp in lengths.items())]
    (out / "chromosomes.tsv").write_text("\n".join(lines) + "\n")
    return n_bases


def bins_with_n(codes: np.ndarray, bin_bp: int) -> tuple[np.ndarray, int]:
    """Bool per bin, whether it holds an N, and the number of N; a stretch of `CHUNK_BP` at a time."""
    step = max(1, CHUNK_BP // bin_bp) * bin_bp
    chunks = [codes[start_bp : start_bp + step] for start_bp in range(0, len(codes), step)]
    total = sum(int(np.count_nonzero(chunk == N_CODE)) for chunk in chunks)
    return np.concatenate([n_per_bin(chunk, bin_bp) for chunk in chunks]), total


def n_per_bin(codes: np.ndarray, bin_bp: int) -> np.ndarray:
    """(n_bins,) bool: the bin holds an N. The last bin may be short."""
    return np.logical_or.reduceat(codes == N_CODE, np.arange(0, len(codes), bin_bp))


# ---------------------------------------------------------------- read


class SequenceStore:
    """Reads windows of a prepared sequence. A process maps the file on first use, so a store can be pickled.

    `chromsizes`: name -> length, bp.
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)
        if not (table := self.folder / "chromosomes.tsv").exists():
            raise InputError(f"{table}: not found; the folder holds no prepared sequence: run encode_sequence first")
        self.chromsizes = read_chromosomes(table)
        self._offsets = offsets(self.chromsizes)
        self._codes: np.ndarray | None = None

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_codes": None}

    def window(self, chrom: str, start_bp: int, end_bp: int) -> np.ndarray:
        """Base codes, uint8 (end_bp - start_bp,), a copy; N outside the chromosome."""
        if chrom not in self.chromsizes:
            raise InputError(f"{self.folder}: no chromosome {chrom}; it has {some_of(list(self.chromsizes))}")
        if self._codes is None:
            self._codes = np.asarray(np.load(self.folder / "codes.npy", mmap_mode="r"))
        first, last = (min(max(edge, 0), self.chromsizes[chrom]) for edge in (start_bp, end_bp))
        inside = self._codes[self._offsets[chrom] + first : self._offsets[chrom] + last]
        if len(inside) == end_bp - start_bp:
            return np.array(inside)
        codes = np.full(end_bp - start_bp, N_CODE, dtype=np.uint8)
        codes[first - start_bp : first - start_bp + len(inside)] = inside
        return codes
