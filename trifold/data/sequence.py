"""The genome as base codes on disk: one memory-mapped uint8 array, and which bins hold an N.

A folder made by `prepare` holds ``codes.npy`` (all chromosomes one after another), ``chromosomes.tsv`` (name, length_bp)
and ``n_bins.npz`` (per chromosome, bool per bin: holds an N, as Kriukov2021 drops them).
"""

import logging
import os
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd

from trifold.errors import InputError
from trifold.genome import N_CODE, Region
from trifold.io.fasta import Fasta

log = logging.getLogger(__name__)


def read_chromosomes(path: str | os.PathLike) -> dict[str, int]:
    """chromosomes.tsv as name -> length, bp, in the genome's order."""
    table = pd.read_csv(path, sep="\t", dtype={"name": str}, keep_default_na=False)
    return dict(zip(table["name"], table["length_bp"].astype(int).tolist()))


def check_names(what: str, names, genome, remedy: str) -> None:
    """Raises InputError, listing both sets, where `names` holds none of the genome's chromosomes or lacks some."""
    if missing := [name for name in genome if name not in set(names)]:
        raise InputError(
            f"{what}: chromosomes {', '.join(missing[:8])} are missing. It has: {', '.join(names)}. "
            f"Wanted: {', '.join(genome)}. {remedy}"
        )


def n_per_bin(codes: np.ndarray, bin_bp: int) -> np.ndarray:
    """(n_bins,) bool: the bin holds an N. The last bin may be short."""
    return np.logical_or.reduceat(codes == N_CODE, np.arange(0, len(codes), bin_bp))


def prepare(
    fastas: Sequence[str | os.PathLike],
    out: Path,
    *,
    bin_bp: int,
    exclude: Sequence[str] = (),
    rename: dict[str, str] | None = None,
    sizes: dict[str, int] | None = None,
) -> None:
    """Write the sequence of one or more FASTA files into `out`.

    rename: record name -> chromosome name; exclude: chromosomes left out (after renaming).
    sizes: lengths of chromosomes of which the files hold pieces; what no piece covers is N.
    Raises InputError for a chromosome given twice or a piece without a length.
    """
    rename, sizes = rename or {}, sizes or {}
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=out)))
        files = [Fasta(path, Path(tempfile.mkdtemp(dir=scratch))) for path in fastas]
        places: list[tuple[Fasta, str, Region]] = []
        lengths: dict[str, int] = {}
        for file in files:
            for name, region in file.records().items():
                chrom = rename.get(region.chrom, region.chrom)
                if chrom in exclude:
                    continue
                whole = region.start_bp == 0 and chrom not in sizes
                if not whole and chrom not in sizes:
                    raise InputError(
                        f"{file.path}: record {name} is a piece of {chrom}, whose length is not known; "
                        f"give it under config: genome/sizes/{chrom}"
                    )
                if region.end_bp > (length := sizes.get(chrom, region.end_bp)):
                    raise InputError(
                        f"{file.path}: record {name} ends beyond {chrom} ({length} bp); correct config: genome/sizes/{chrom}"
                    )
                if any(other.chrom == chrom and _overlap(other, region) for _, _, other in places):
                    raise InputError(f"{file.path}: record {name}: {chrom} is given twice; leave one of them out")
                lengths[chrom] = length
                places.append((file, name, region._replace(chrom=chrom)))
        if not places:
            raise InputError(
                f"{', '.join(map(str, fastas))}: no chromosome is left after config: genome/exclude ({', '.join(exclude)})"
            )
        first_bp = dict(zip(lengths, np.cumsum([0, *lengths.values()]).tolist()))
        codes = np.lib.format.open_memmap(out / "codes.npy", mode="w+", dtype=np.uint8, shape=(sum(lengths.values()),))
        codes[:] = N_CODE
        for file, name, region in places:
            for offset, piece in file.codes(name):
                start = first_bp[region.chrom] + region.start_bp + offset
                codes[start : start + len(piece)] = piece
        codes.flush()
    table = pd.DataFrame({"name": list(lengths), "length_bp": list(lengths.values())})
    table.to_csv(out / "chromosomes.tsv", sep="\t", index=False)
    holds_n = {
        chrom: n_per_bin(codes[first_bp[chrom] : first_bp[chrom] + length], bin_bp) for chrom, length in lengths.items()
    }
    np.savez(out / "n_bins.npz", **holds_n)
    for chrom, bins in holds_n.items():
        if bins.all():
            log.warning("%s: every bin holds an N; no window will lie on it", chrom)


def _overlap(a: Region, b: Region) -> bool:
    return a.start_bp < b.end_bp and b.start_bp < a.end_bp


class SequenceStore:
    """Windows of the sequence by coordinate; opened on first use in each process, so that workers can share it."""

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)
        self.chromsizes = read_chromosomes(self.folder / "chromosomes.tsv")
        self._first_bp = dict(zip(self.chromsizes, np.cumsum([0, *self.chromsizes.values()]).tolist()))
        self._codes: np.ndarray | None = None

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_codes": None}

    def window(self, chrom: str, start_bp: int, end_bp: int) -> np.ndarray:
        """Base codes, uint8 (end_bp - start_bp,); N outside the chromosome."""
        if chrom not in self.chromsizes:
            raise InputError(f"{self.folder}: no chromosome {chrom}; it has {', '.join(self.chromsizes)}")
        if self._codes is None:
            self._codes = np.load(self.folder / "codes.npy", mmap_mode="r")
        first, length = self._first_bp[chrom], self.chromsizes[chrom]
        if 0 <= start_bp and end_bp <= length:
            return np.array(self._codes[first + start_bp : first + end_bp])
        codes = np.full(end_bp - start_bp, N_CODE, dtype=np.uint8)
        lo, hi = max(start_bp, 0), min(end_bp, length)
        if lo < hi:
            codes[lo - start_bp : hi - start_bp] = self._codes[first + lo : first + hi]
        return codes
