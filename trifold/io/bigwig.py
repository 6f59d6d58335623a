"""BigWig files: exact binned means, renamed copies, and RPGC coverage of a BAM by deepTools."""

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pyBigWig

from trifold.errors import InputError
from trifold.genome import Region, n_bins

logger = logging.getLogger(__name__)

CHUNK_BP = 1 << 22


def open_bigwig(path: str | os.PathLike):
    """A pyBigWig handle to read from. Raises InputError for a file that is missing or no bigWig."""
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; give the track as bigWig or BAM")
    try:
        handle = pyBigWig.open(str(path))
    except RuntimeError as error:
        raise InputError(f"{path}: not a whole bigWig ({error}); fetch it again") from error
    if not handle.isBigWig():
        handle.close()
        raise InputError(f"{path}: a bigBed, not a bigWig; give the signal, not the peaks")
    return handle


def chromsizes(path: str | os.PathLike) -> dict[str, int]:
    """name -> length, bp, of the chromosomes a bigWig has."""
    with closing(open_bigwig(path)) as handle:
        return {name: int(length_bp) for name, length_bp in handle.chroms().items()}


def binned_means(
    path: str | os.PathLike, chrom: str, length_bp: int, bin_bp: int, uncovered_is_zero: bool = False
) -> np.ndarray:
    """Mean value of every bin over its bases that have one, float32 (n_bins,); NaN where no base has a value.

    uncovered_is_zero: bases without a value count as 0. A chromosome that the file lacks is NaN either way.
    Exact: from the values themselves, not from the zoom levels that bigWig summaries use. The last bin may be shorter.
    """
    means = np.full(n_bins(length_bp, bin_bp), np.nan, dtype=np.float32)
    step_bp = max(1, CHUNK_BP // bin_bp) * bin_bp
    with closing(open_bigwig(path)) as handle:
        if chrom not in handle.chroms():
            return means
        for start_bp in range(0, length_bp, step_bp):
            end_bp = min(start_bp + step_bp, length_bp)
            try:
                values = handle.values(chrom, start_bp, end_bp, numpy=True)
            except RuntimeError as error:
                raise InputError(
                    f"{path}: {chrom}:{start_bp}-{end_bp} cannot be read ({error}); fetch it again"
                ) from error
            edges = np.arange(0, len(values), bin_bp)
            known = np.isfinite(values)
            number = np.add.reduceat(known | uncovered_is_zero, edges, dtype=np.int64)
            total = np.add.reduceat(np.where(known, values, 0), edges, dtype=np.float64)
            covered = number > 0
            means[start_bp // bin_bp : start_bp // bin_bp + len(edges)][covered] = total[covered] / number[covered]
    return means


def copy(source: str | os.PathLike, target: str | os.PathLike, rename: Mapping[str, str] | None = None) -> None:
    """Copy a bigWig; with `rename` {file's name: new name}, chromosome by chromosome under the new names.

    Raises InputError where two chromosomes would have one name.
    """
    sizes, rename = chromsizes(source), rename or {}
    named = {name: rename.get(name, name) for name in sizes}
    if all(old == new for old, new in named.items()):
        shutil.copyfile(source, target)
        return
    if len(set(named.values())) < len(named):
        raise InputError(f"{source}: rename gives two of its chromosomes one name: {sorted(rename)}")
    # A bigWig's chromosomes lie in the order of their names.
    order = sorted(sizes, key=named.__getitem__)
    with closing(open_bigwig(source)) as handle, closing(pyBigWig.open(str(target), "w")) as renamed:
        renamed.addHeader([(named[name], sizes[name]) for name in order])
        for name in order:
            for start_bp in range(0, sizes[name], CHUNK_BP):
                end_bp = min(start_bp + CHUNK_BP, sizes[name])
                if not (intervals := handle.intervals(name, start_bp, end_bp)):
                    continue
                starts, ends, values = (np.array(column) for column in zip(*intervals))
                # An interval across the edge of two chunks comes with both; with a chunk, its part inside is written.
                starts, ends = np.maximum(starts, start_bp), np.minimum(ends, end_bp)
                renamed.addEntries(
                    [named[name]] * len(starts), starts.tolist(), ends=ends.tolist(), values=values.tolist()
                )


def read_blacklist(path: str | os.PathLike) -> list[Region]:
    """Regions of a BED. Raises InputError for a file that is missing or no BED."""
    if not Path(path).is_file():
        raise InputError(f"config: tracks/blacklist: {path}: no such file; give a BED, or null")
    regions = []
    for number, line in enumerate(Path(path).read_text().splitlines(), start=1):
        if not line.strip() or line.startswith(("#", "track", "browser")):
            continue
        chrom, *edges = line.split("\t")[:3]
        if len(edges) < 2 or not all(edge.strip().isdecimal() for edge in edges):
            raise InputError(f"config: tracks/blacklist: {path}: line {number} is not BED (chrom, start, end by tabs)")
        regions.append(Region(chrom, int(edges[0]), int(edges[1])))
    return regions


def coverage(
    bam: str | os.PathLike,
    target: str | os.PathLike,
    *,
    effective_genome_size: int,
    bin_bp: int = 50,
    blacklist: str | os.PathLike | None = None,
    ignore_chromosomes: Sequence[str] = (),
    min_mapping_quality: int = 0,
    extend: int | bool = False,
    threads: int = 1,
) -> None:
    """1x coverage (RPGC) of a sorted, indexed BAM as a bigWig: deepTools bamCoverage.

    scale = effective_genome_size / (mapped reads kept · fragment length), the length being `extend`, the median of
    the pairs (True), or the median read (False). A value counts the reads that overlap its bin, so that the mean over
    the genome is (fragment + bin_bp - 1) / fragment, not 1. Bases without a read are 0; blacklisted ones have no value.
    ignore_chromosomes  left out of the scale, not out of the coverage
    Raises InputError for a blacklist that is missing or no BED, and an `extend` deepTools refuses; RuntimeError with
    deepTools' own words where it fails.
    """
    if not isinstance(extend, bool) and not 1 <= extend <= 2000:
        raise InputError(f"config: tracks/extend_reads: {extend} bp is not between 1 and 2000")
    if blacklist is not None:
        read_blacklist(blacklist)
    program = Path(sys.executable).parent / "bamCoverage"
    command = [str(program), "--bam", str(bam), "--outFileName", str(target), "--outFileFormat", "bigwig"]
    command += ["--normalizeUsing", "RPGC", "--effectiveGenomeSize", str(effective_genome_size)]
    command += ["--binSize", str(bin_bp), "--numberOfProcessors", str(threads)]
    if blacklist is not None:
        command += ["--blackListFileName", str(blacklist)]
    if ignore_chromosomes:
        command += ["--ignoreForNormalization", *ignore_chromosomes]
    if min_mapping_quality:
        command += ["--minMappingQuality", str(min_mapping_quality)]
    if extend:
        command += ["--extendReads"] + ([] if extend is True else [str(extend)])
    logger.info("%s", " ".join(command))
    # More than one OpenMP thread can hang in deepTools' worker processes.
    done = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    if done.returncode or not Path(target).exists():
        raise RuntimeError(
            f"{bam}: bamCoverage ended with status {done.returncode}\n{' '.join(command)}\n{done.stdout}{done.stderr}"
        )
