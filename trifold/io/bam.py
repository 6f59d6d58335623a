"""BAM files: replicates merged, sorted and indexed."""

import os
from collections.abc import Sequence
from pathlib import Path

import pysam

from trifold.errors import InputError


def _reference_lengths(path: str | os.PathLike) -> dict[str, int]:
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; config: samples/<sample>/tracks")
    try:
        with pysam.AlignmentFile(str(path), "rb", check_sq=False) as bam:
            lengths = dict(zip(bam.references, bam.lengths))
            if next(bam.fetch(until_eof=True), None) is None:
                raise InputError(f"{path}: holds no read; give the alignments, not an empty BAM")
            return lengths
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable BAM ({error}); fetch it again if it is truncated") from error


def check_assembly(path: str | os.PathLike, chromsizes: dict[str, int]) -> None:
    """Raises InputError for a BAM that is aligned to another genome: names it lacks, or lengths that differ."""
    lengths = _reference_lengths(path)
    missing = [name for name in chromsizes if name not in lengths]
    if missing:
        raise InputError(
            f"{path}: no reference named {', '.join(missing[:5])}. The BAM has: {', '.join(list(lengths)[:30])}. "
            f"The genome has: {', '.join(list(chromsizes)[:30])}. If only the names differ, change those of the genome "
            "with config: genome/rename so that they are the BAM's; otherwise give a BAM of this assembly"
        )
    if different := [name for name in chromsizes if lengths[name] != chromsizes[name]]:
        name = different[0]
        raise InputError(
            f"{path}: {name} has {lengths[name]} bp in the BAM and {chromsizes[name]} in the genome "
            f"({len(different)} chromosomes differ): another assembly. Give a BAM aligned to this one"
        )


def sort_and_merge(paths: Sequence[str | os.PathLike], target: Path, chromsizes: dict[str, int], threads: int = 1) -> None:
    """Write one coordinate-sorted, indexed BAM of all replicates; the inputs may be unsorted and unindexed."""
    for path in paths:
        check_assembly(path, chromsizes)
    parts = []
    for number, path in enumerate(paths):
        part = target.with_name(f"{target.stem}.{number}.bam")
        try:
            pysam.sort("-@", str(threads - 1), "-o", str(part), str(path))
        except pysam.SamtoolsError as error:
            raise InputError(f"{path}: cannot be sorted ({error}); fetch it again if it is truncated") from error
        parts.append(part)
    if len(parts) == 1:
        os.replace(parts[0], target)
    else:
        pysam.merge("-f", "-@", str(threads - 1), str(target), *map(str, parts))
        for part in parts:
            part.unlink()
    pysam.index(str(target))
