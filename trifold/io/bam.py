"""BAM files: replicates, as an aligner leaves them, to one sorted and indexed file under the genome's names."""

import itertools
import logging
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pysam

from trifold.errors import InputError

logger = logging.getLogger(__name__)

SORT_MEMORY = "512M"  # per thread
SHOWN = 5  # offending chromosomes named in a message
# Share of the genome (bp) that may be absent from a BAM: unplaced and alternative contigs are 4 % of hg38.
MAX_ABSENT = 0.1


def references(path: str | os.PathLike) -> dict[str, int]:
    """name -> length, bp, of a BAM's reference sequences. Raises InputError for a file that is no whole BAM."""
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; give aligned reads as BAM")
    try:
        pysam.quickcheck(str(path))
        with pysam.AlignmentFile(str(path), "rb", check_sq=False) as handle:
            return dict(zip(handle.references, handle.lengths))
    except (pysam.SamtoolsError, OSError, ValueError) as error:
        raise InputError(f"{path}: not a whole BAM ({str(error).strip()}); fetch or align it again") from error


def check_genome(
    path: str | os.PathLike, sizes: Mapping[str, int], chromsizes: Mapping[str, int], max_absent: float = MAX_ABSENT
) -> list[str]:
    """Chromosomes of the genome that a file lacks; `sizes`: the file's chromosomes after renaming, bp.

    Raises InputError where a common chromosome has another length, or more than `max_absent` of the genome is absent.
    """
    common = [name for name in chromsizes if name in sizes]
    if differing := [name for name in common if sizes[name] != chromsizes[name]]:
        lengths = ", ".join(f"{name} {sizes[name]:,} bp against {chromsizes[name]:,}" for name in differing[:SHOWN])
        raise InputError(
            f"{path}: another assembly than the genome ({len(differing)} lengths differ: {lengths}); give data aligned "
            "to the genome's assembly"
        )
    absent = [name for name in chromsizes if name not in sizes]
    if not common or sum(chromsizes[name] for name in absent) > max_absent * sum(chromsizes.values()):
        raise InputError(
            f"{path}: lacks {_some(absent)} of the genome; its own chromosomes are {_some(list(sizes))}; use "
            "`rename` of its sample ({file's name: genome's name}), or give data aligned to the genome's assembly"
        )
    if absent:
        logger.warning("%s: no data for %s", path, _some(absent))
    return absent


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def is_paired(path: str | os.PathLike, reads: int = 10_000) -> bool:
    """Whether a proper pair is among the first `reads` records. Raises InputError for a file that is no whole BAM."""
    references(path)
    with pysam.AlignmentFile(str(path), "rb", check_sq=False) as handle:
        return any(read.is_proper_pair for read in itertools.islice(handle.fetch(until_eof=True), reads))


def _has_mapped_read(path: str) -> bool:
    with pysam.AlignmentFile(path, "rb", check_sq=False) as handle:
        return any(not read.is_unmapped for read in handle.fetch(until_eof=True))


def _order(path: str) -> str:
    with pysam.AlignmentFile(path, "rb", check_sq=False) as handle:
        return handle.header.to_dict().get("HD", {}).get("SO", "unsorted")


def _reheader(source: str, target: str, rename: Mapping[str, str], scratch: str) -> None:
    """Copy a BAM with its reference sequences renamed; records are not decoded."""
    with pysam.AlignmentFile(source, "rb") as handle:
        header = handle.header.to_dict()
    for entry in header["SQ"]:
        entry["SN"] = rename.get(entry["SN"], entry["SN"])
    sam = Path(scratch) / "header.sam"
    sam.write_text(str(pysam.AlignmentHeader.from_dict(header)))
    pysam.reheader(str(sam), source, save_stdout=target, catch_stdout=False)


def sort_and_merge(
    paths: Sequence[str | os.PathLike],
    target: str | os.PathLike,
    chromsizes: Mapping[str, int] | None = None,
    *,
    rename: Mapping[str, str] | None = None,
    threads: int = 1,
) -> None:
    """Sort, merge and index BAM replicates into `target` (and `target`.bai).

    chromsizes  the genome's chromosome lengths, bp; None: not compared. Other references (an excluded chrM) stay
    rename      {BAM's name: genome's name}
    Scratch files lie beside `target`: about the size of the inputs, twice. Raises InputError for a file that is no
    whole BAM, holds no mapped read, belongs to another genome or differs from the other replicates, or claims an order
    its reads do not have.
    """
    paths, target, rename = [str(path) for path in paths], str(target), rename or {}
    lengths_of = {path: references(path) for path in paths}
    for path in paths:
        sizes = {rename.get(name, name): length_bp for name, length_bp in lengths_of[path].items()}
        if chromsizes is not None:
            check_genome(path, sizes, chromsizes)
        if len(sizes) < len(lengths_of[path]):
            raise InputError(f"{path}: rename gives two of its chromosomes one name: {sorted(rename)}")
        if lengths_of[path] != lengths_of[paths[0]]:
            raise InputError(
                f"{path}: other reference sequences than {paths[0]}; replicates are merged only if they were aligned "
                "to the same FASTA"
            )
        if not _has_mapped_read(path):
            raise InputError(f"{path}: holds no mapped read; leave it out of the track, or fetch it again")
    with tempfile.TemporaryDirectory(dir=Path(target).parent, prefix=".sort-") as scratch:
        try:
            _combine(paths, target, rename, scratch, str(threads))
        except pysam.SamtoolsError as error:
            raise InputError(f"{', '.join(paths)}: samtools: {str(error).strip()}; fetch or align again") from error
    try:
        pysam.index("-@", str(threads), target)
    except pysam.SamtoolsError as error:
        raise InputError(
            f"{', '.join(paths)}: a header says the reads are sorted by coordinate, and they are not; run "
            "`samtools sort`"
        ) from error


def _combine(paths: Sequence[str], target: str, rename: Mapping[str, str], scratch: str, threads: str) -> None:
    parts = []
    for number, path in enumerate(paths):
        if _order(path) == "coordinate":
            parts.append(path)
            continue
        parts.append(f"{scratch}/sorted-{number}.bam")
        pysam.sort("-@", threads, "-m", SORT_MEMORY, "-T", f"{scratch}/chunk", "-o", parts[-1], path)
    merged = parts[0]
    if len(parts) > 1:
        merged = f"{scratch}/merged.bam"
        pysam.merge("-c", "-p", "-@", threads, "-o", merged, *parts)
    if any(name in rename for name in references(merged)):
        _reheader(merged, target, rename, scratch)
    elif merged.startswith(scratch):
        os.replace(merged, target)
    else:
        # A link, so that the index lies beside it and not beside the input.
        Path(target).unlink(missing_ok=True)
        os.symlink(os.path.abspath(merged), target)
