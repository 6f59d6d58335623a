"""BigWig files: exact binned means, copies of what others made (bigWig, bedGraph), coverage of a BAM by deepTools."""

import gzip
import logging
import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pyBigWig

from trifold.errors import InputError
from trifold.genome import n_bins
from trifold.io.bed import is_gzip, lines

logger = logging.getLogger(__name__)

CHUNK_BP = 1 << 22
BIGWIG_MAGIC = (b"\x26\xfc\x8f\x88", b"\x88\x8f\xfc\x26")
BIGBED_MAGIC = (b"\xeb\xf2\x89\x87", b"\x87\x89\xf2\xeb")
BEDGRAPH = "a bedGraph has four columns: chrom, start, end, value"


def kind_of(path: str | os.PathLike) -> str:
    """What a track is made of, by the first bytes of the file: "bam" (or a relative of it), "bigwig", "bedgraph".

    The last two may be packed by gzip. Raises InputError for a file that is missing or none of them.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; give the track as BAM, bigWig or bedGraph")
    try:
        with gzip.open(path) if is_gzip(path) else open(path, "rb") as handle:
            start = handle.read(1 << 12)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: not a whole gzip file ({error}); fetch it again") from error
    if start.startswith((b"BAM\1", b"CRAM", b"@HD\t", b"@SQ\t", b"@RG\t", b"@PG\t", b"@CO\t")):
        return "bam"
    if start.startswith(BIGWIG_MAGIC):
        return "bigwig"
    if start.startswith(BIGBED_MAGIC):
        raise InputError(f"{path}: a bigBed, not a bigWig; give the signal, not the peaks")
    if b"\0" not in start and (b"\t" in start or b" " in start) and not start.lstrip().startswith(b"<"):
        return "bedgraph"
    kinds = {".bam": "BAM", ".bw": "bigWig", ".bigwig": "bigWig"}
    named = next((kinds[end.lower()] for end in Path(path).suffixes[::-1] if end.lower() in kinds), "track")
    raise InputError(f"{path}: not a whole {named}: neither BAM, bigWig nor bedGraph; fetch it again")


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
    path: str | os.PathLike,
    chrom: str,
    length_bp: int,
    bin_bp: int,
    *,
    uncovered_is_zero: bool = False,
    absolute: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Mean value of every bin over its bases that have one, float32 (n_bins,), and their number, uint32 (n_bins,).

    The mean is NaN where no base has a value. uncovered_is_zero: bases without a value count as 0. A chromosome that
    the file lacks has none either way. absolute: values without their sign.
    Exact: from the values themselves, not from the zoom levels that bigWig summaries use. The last bin may be shorter.
    """
    means = np.full(n_bins(length_bp, bin_bp), np.nan, dtype=np.float32)
    bases = np.zeros(len(means), dtype=np.uint32)
    step_bp = max(1, CHUNK_BP // bin_bp) * bin_bp
    with closing(open_bigwig(path)) as handle:
        if chrom not in handle.chroms():
            return means, bases
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
            total = np.add.reduceat(np.where(known, np.abs(values) if absolute else values, 0), edges, dtype=np.float64)
            covered, here = number > 0, slice(start_bp // bin_bp, start_bp // bin_bp + len(edges))
            means[here][covered] = total[covered] / number[covered]
            bases[here] = number
    return means, bases


def total(path: str | os.PathLike, chrom: str) -> float:
    """Sum of the values of all bases of a chromosome; 0 of one that the file lacks or has no value on."""
    with closing(open_bigwig(path)) as handle:
        if chrom not in handle.chroms():
            return 0.0
        return float(handle.stats(chrom, type="sum", exact=True)[0] or 0)


def take(
    source: str | os.PathLike,
    target: str | os.PathLike,
    chromsizes: Mapping[str, int],
    rename: Mapping[str, str] | None = None,
) -> None:
    """Make a bigWig of a track that another program wrote: a bigWig or a bedGraph, packed by gzip or not.

    chromsizes: the genome's, bp; a bedGraph does not say how long its chromosomes are. rename: {file's name: genome's
    name}. Raises InputError for a file that is neither, not whole, or whose values lie twice on a base.
    """
    if kind_of(source) == "bedgraph":
        _of_bedgraph(source, target, chromsizes, rename or {})
    elif is_gzip(source):
        unpacked = Path(f"{target}.unpacked")
        try:
            with gzip.open(source) as packed, open(unpacked, "wb") as plain:
                shutil.copyfileobj(packed, plain, 1 << 20)
            copy(unpacked, target, rename, called=source)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise InputError(f"{source}: not a whole gzip file ({error}); fetch it again") from error
        finally:
            unpacked.unlink(missing_ok=True)
    else:
        copy(source, target, rename)


def _of_bedgraph(
    source: str | os.PathLike, target: str | os.PathLike, chromsizes: Mapping[str, int], rename: Mapping[str, str]
) -> None:
    first, words = 0, 0
    for number, line in lines(source, BEDGRAPH):
        fields = line.split()
        if line.startswith("#") or fields[0] in ("track", "browser"):
            continue
        if len(fields) >= 4 and fields[1].isdecimal():
            first = number
            break
        words += 1  # one line may be a header
        if words > 1:
            break
    if not first:
        raise InputError(f"{source}: not a bedGraph: no value in its first lines; {BEDGRAPH}")
    try:
        table = pd.read_csv(
            source,
            sep=r"\s+",
            header=None,
            skiprows=first - 1,
            usecols=[0, 1, 2, 3],
            names=["chrom", "start", "end", "value"],
            dtype={"chrom": str, "start": "int64", "end": "int64", "value": "float64"},
            compression="gzip" if is_gzip(source) else None,
        )
    except (ValueError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{source}: not a bedGraph ({' '.join(str(error).split())}); {BEDGRAPH}") from error
    table = table.astype({"chrom": "category"}).sort_values(["chrom", "start"], kind="stable")
    named = {name: rename.get(name, name) for name in table["chrom"].cat.categories}
    if len(set(named.values())) < len(named):
        raise InputError(f"{source}: rename gives two of its chromosomes one name: {sorted(rename)}")
    present = dict(iter(table.groupby("chrom", observed=True)))
    order = sorted(present, key=named.__getitem__)
    sizes = {named[name]: chromsizes.get(named[name], int(present[name]["end"].max())) for name in order}
    for name in order:
        starts, ends = (present[name][column].to_numpy() for column in ("start", "end"))
        if (ends <= starts).any() or starts[0] < 0 or ends.max() > sizes[named[name]]:
            raise InputError(
                f"{source}: {name} has a stretch that is empty or leaves the chromosome ({sizes[named[name]]:,} bp); "
                "give data of the genome's assembly"
            )
        if (starts[1:] < ends[:-1]).any():
            base = int(starts[1:][starts[1:] < ends[:-1]][0])
            raise InputError(f"{source}: two values on {name}:{base}; a base has one value in a bedGraph")
    with closing(pyBigWig.open(str(target), "w")) as written:
        written.addHeader(list(sizes.items()))
        for name in order:
            rows = present[name]
            written.addEntries(
                [named[name]] * len(rows),
                rows["start"].tolist(),
                ends=rows["end"].tolist(),
                values=rows["value"].tolist(),
            )


def copy(
    source: str | os.PathLike,
    target: str | os.PathLike,
    rename: Mapping[str, str] | None = None,
    called: str | os.PathLike | None = None,
) -> None:
    """Copy a bigWig; with `rename` {file's name: new name}, chromosome by chromosome under the new names.

    called: name of the file in messages. Raises InputError where two chromosomes would have one name.
    """
    sizes, rename = chromsizes(source), rename or {}
    named = {name: rename.get(name, name) for name in sizes}
    if all(old == new for old, new in named.items()):
        shutil.copyfile(source, target)
        return
    if len(set(named.values())) < len(named):
        raise InputError(f"{called or source}: rename gives two of its chromosomes one name: {sorted(rename)}")
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


def coverage(
    bam: str | os.PathLike,
    target: str | os.PathLike,
    *,
    scale: float,
    bin_bp: int = 50,
    blacklist: str | os.PathLike | None = None,
    exclude_flags: int = 0,
    min_mapping_quality: int = 0,
    extend_bp: int = 0,
    threads: int = 1,
) -> None:
    """Coverage of a sorted, indexed BAM as a bigWig: deepTools bamCoverage, its counts times `scale`.

    A value counts the reads that overlap its bin, so that the mean over the genome is (fragment + bin_bp - 1) /
    fragment times the scaled coverage. Bases without a read are 0; blacklisted ones have no value.
    blacklist      BED of disjoint regions
    exclude_flags  bits of the SAM flag; reads with one of them are left out
    extend_bp      fragment length; 0: reads as aligned
    Raises RuntimeError with deepTools' own words where it fails.
    """
    program = Path(sys.executable).parent / "bamCoverage"
    command = [str(program), "--bam", str(bam), "--outFileName", str(target), "--outFileFormat", "bigwig"]
    command += ["--normalizeUsing", "None", "--scaleFactor", repr(scale)]
    command += ["--binSize", str(bin_bp), "--numberOfProcessors", str(threads)]
    if blacklist is not None:
        command += ["--blackListFileName", str(blacklist)]
    if exclude_flags:
        command += ["--samFlagExclude", str(exclude_flags)]
    if min_mapping_quality:
        command += ["--minMappingQuality", str(min_mapping_quality)]
    if extend_bp:
        command += ["--extendReads", str(extend_bp)]
    logger.info("%s", " ".join(command))
    # More than one OpenMP thread can hang in deepTools' worker processes.
    done = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    if done.returncode or not Path(target).exists():
        raise RuntimeError(
            f"{bam}: bamCoverage ended with status {done.returncode}\n{' '.join(command)}\n{done.stdout}{done.stderr}"
        )
