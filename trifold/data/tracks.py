"""Signal tracks: BAM replicates or a bigWig to binned means with a validity mask.

A folder made by `prepare` holds ``coverage.bw``, ``bins.npy`` (float32, all chromosomes one after another; NaN where
the track has no data) and ``chromosomes.tsv`` (name, length_bp, bin_bp). Missing is not zero: a base no read covers is
0 in coverage made from a BAM, while a base a given bigWig leaves out is missing.
"""

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from trifold.data.sequence import SequenceStore
from trifold.errors import InputError
from trifold.genome import N_CODE, n_bins
from trifold.io import bam, bigwig


def _known_bases(sequence: Path) -> int:
    """Bases of the genome that are not N: the effective genome size where none is given."""
    store = SequenceStore(sequence)
    return sum(
        int(np.count_nonzero(store.window(chrom, 0, length) != N_CODE)) for chrom, length in store.chromsizes.items()
    )


def _from_bams(sources: Sequence[Path], out: Path, chromsizes: dict, settings: dict, sequence: Path, threads: int) -> None:
    with tempfile.TemporaryDirectory(dir=out) as scratch:
        merged = Path(scratch) / "merged.bam"
        bam.sort_and_merge(sources, merged, chromsizes, threads)
        bigwig.coverage(
            merged,
            out / "coverage.bw",
            effective_genome_size=settings["effective_genome_size"] or _known_bases(sequence),
            bin_bp=settings["coverage_bin_bp"],
            blacklist=settings["blacklist"],
            ignore_for_normalisation=tuple(settings["ignore_for_normalisation"]),
            min_mapping_quality=settings["min_mapping_quality"],
            extend_reads=settings["extend_reads"],
            threads=threads,
        )


def _from_bigwig(source: Path, out: Path, chromsizes: dict[str, int], rename: dict[str, str]) -> dict[str, str]:
    """Copies the file; genome name -> name in the file. A track may lack chromosomes, never have other lengths."""
    lengths = bigwig.chromosome_lengths(source)
    names = {rename.get(name, name): name for name in lengths}
    if not set(names) & set(chromsizes):
        raise InputError(
            f"{source}: no chromosome of the genome. It has: {', '.join(list(lengths)[:30])}. The genome has: "
            f"{', '.join(list(chromsizes)[:30])}. If only the names differ, map them with config: genome/rename"
        )
    for chrom, name in names.items():
        if chrom in chromsizes and lengths[name] != chromsizes[chrom]:
            raise InputError(
                f"{source}: {name} has {lengths[name]} bp in the bigWig and {chromsizes[chrom]} in the genome: "
                "another assembly. Give a bigWig of this one"
            )
    shutil.copyfile(source, out / "coverage.bw")
    return names


def prepare(
    sources: Sequence[str | os.PathLike],
    out: Path,
    chromsizes: dict[str, int],
    settings: dict,
    *,
    rename: dict[str, str] | None = None,
    sequence: Path,
    threads: int = 1,
) -> None:
    """Write the track of one assay: BAM(s), replicates merged, or one bigWig. `settings`: config `tracks`.

    Raises InputError for a mixture, a file of another assembly, or names that differ.
    """
    paths = [Path(source) for source in sources]
    bigwigs = [path for path in paths if path.suffix.lower() in (".bw", ".bigwig")]
    if bigwigs and len(paths) > 1:
        raise InputError(f"{bigwigs[0]}: one bigWig makes a track, or several BAMs; give replicates as BAMs or merge them")
    if bigwigs:
        names = _from_bigwig(paths[0], out, chromsizes, rename or {})
    else:
        _from_bams(paths, out, chromsizes, settings, sequence, threads)
        names = {chrom: chrom for chrom in chromsizes}
    bin_bp = settings["bin_bp"]
    means = [
        bigwig.binned_means(out / "coverage.bw", names.get(chrom, chrom), length, bin_bp)
        for chrom, length in chromsizes.items()
    ]
    if not any(np.isfinite(part).any() for part in means):
        raise InputError(f"{paths[0]}: no value on any chromosome of the genome; check the track and its assembly")
    np.save(out / "bins.npy", np.concatenate(means))
    table = pd.DataFrame({"name": list(chromsizes), "length_bp": list(chromsizes.values()), "bin_bp": bin_bp})
    table.to_csv(out / "chromosomes.tsv", sep="\t", index=False)


class TrackStore:
    """Windows of one track by coordinate; opened on first use in each process, so that workers can share it."""

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)
        table = pd.read_csv(self.folder / "chromosomes.tsv", sep="\t", dtype={"name": str}, keep_default_na=False)
        self.bin_bp = int(table["bin_bp"].iloc[0])
        self._bins_of = {
            chrom: n_bins(int(length), self.bin_bp) for chrom, length in zip(table["name"], table["length_bp"])
        }
        self._first = dict(zip(self._bins_of, np.cumsum([0, *self._bins_of.values()]).tolist()))
        self._bins: np.ndarray | None = None

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_bins": None}

    def window(self, chrom: str, start_bp: int, end_bp: int) -> tuple[np.ndarray, np.ndarray]:
        """Means (float32, 0 where missing) and whether there is one (bool), per bin of `bin_bp`.

        The window must start and end on bins of the track; beyond the chromosome all is missing.
        """
        if chrom not in self._bins_of:
            raise InputError(f"{self.folder}: no chromosome {chrom}; it has {', '.join(self._bins_of)}")
        if start_bp % self.bin_bp or end_bp % self.bin_bp:
            raise InputError(
                f"{self.folder}: window {chrom}:{start_bp}-{end_bp} does not lie on the track's bins of {self.bin_bp} bp; "
                "choose config: tracks/bin_bp as a divisor of geometry/bin_bp"
            )
        if self._bins is None:
            self._bins = np.load(self.folder / "bins.npy", mmap_mode="r")
        lo, hi = start_bp // self.bin_bp, end_bp // self.bin_bp
        values = np.full(hi - lo, np.nan, dtype=np.float32)
        inside = slice(max(lo, 0), min(hi, self._bins_of[chrom]))
        if inside.start < inside.stop:
            first = self._first[chrom]
            values[inside.start - lo : inside.stop - lo] = self._bins[first + inside.start : first + inside.stop]
        valid = np.isfinite(values)
        return np.where(valid, values, np.float32(0)), valid
