"""bigWig files: coverage by deepTools, exact binned means."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyBigWig

from trifold.errors import InputError
from trifold.genome import n_bins

CHUNK_BINS = 4096


def coverage(
    bam: Path,
    target: Path,
    *,
    effective_genome_size: int,
    bin_bp: int,
    blacklist: str | None = None,
    ignore_for_normalisation: tuple[str, ...] = (),
    min_mapping_quality: int = 0,
    extend_reads: bool | int = False,
    threads: int = 1,
) -> None:
    """RPGC coverage of a sorted, indexed BAM by deepTools 3.5.6 bamCoverage.

    RPGC divides by the mean coverage: scale = effective genome size / (reads kept x fragment length). deepTools counts
    a read in every bin it touches, so the mean of the track is (fragment + bin - 1) / fragment, not 1.
    """
    command = [
        str(Path(sys.executable).parent / "bamCoverage"),
        *("--bam", str(bam), "--outFileName", str(target), "--outFileFormat", "bigwig"),
        *("--normalizeUsing", "RPGC", "--effectiveGenomeSize", str(effective_genome_size)),
        *("--binSize", str(bin_bp), "--numberOfProcessors", str(threads)),
    ]
    if blacklist:
        command += ["--blackListFileName", blacklist]
    if ignore_for_normalisation:
        command += ["--ignoreForNormalization", *ignore_for_normalisation]
    if min_mapping_quality:
        command += ["--minMappingQuality", str(min_mapping_quality)]
    if extend_reads:
        command += ["--extendReads"] + ([] if extend_reads is True else [str(extend_reads)])
    # One OpenMP thread avoids a known hang of its worker processes.
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    if done.returncode or not target.exists():
        raise InputError(f"{bam}: bamCoverage failed: {done.stderr.strip()[-2000:]}")


def chromosome_lengths(path: str | os.PathLike) -> dict[str, int]:
    """Chromosomes of a bigWig. Raises InputError for a file that is none."""
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; config: samples/<sample>/tracks")
    try:
        with pyBigWig.open(str(path)) as file:
            if not file.isBigWig():
                raise InputError(f"{path}: a bigBed, not a bigWig; give the signal track")
            return dict(file.chroms())
    except RuntimeError as error:
        raise InputError(f"{path}: not a readable bigWig ({error}); fetch it again if it is truncated") from error


def binned_means(path: str | os.PathLike, chrom: str, length_bp: int, bin_bp: int) -> np.ndarray:
    """Mean signal per bin over the bases that have a value, float32 (n_bins,); NaN where none has one.

    Exact: computed from the intervals, not from the zoom levels that `stats` reads by default.
    """
    means = np.full(n_bins(length_bp, bin_bp), np.nan, dtype=np.float32)
    with pyBigWig.open(str(path)) as file:
        if chrom not in file.chroms():
            return means
        for first in range(0, len(means), CHUNK_BINS):
            start_bp, end_bp = first * bin_bp, min((first + CHUNK_BINS) * bin_bp, length_bp)
            values = file.values(chrom, start_bp, end_bp, numpy=True).astype(np.float64)
            known = np.isfinite(values)
            edges = np.arange(0, len(values), bin_bp)
            total = np.add.reduceat(np.where(known, values, 0.0), edges)
            number = np.add.reduceat(known.astype(np.int64), edges)
            chunk = np.divide(total, number, out=np.full(len(edges), np.nan), where=number > 0)
            means[first : first + len(edges)] = chunk
    return means
