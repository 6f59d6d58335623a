"""BAM files: replicates, as an aligner leaves them, to one sorted and indexed file under the genome's names."""

import bisect
import itertools
import logging
import os
import statistics
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pysam

from trifold.errors import InputError
from trifold.genome import some_of

logger = logging.getLogger(__name__)

SORT_MEMORY = "512M"  # per thread
SHOWN = 5  # offending chromosomes named in a message
# Share of the genome (bp) that may be absent from a BAM: unplaced and alternative contigs are 4 % of hg38.
MAX_ABSENT = 0.1
# Reads that can be left out by their flag, as aligners and MarkDuplicates set it; a read counts under the first it has.
FLAGS = {"qc_fail": 0x200, "secondary": 0x100, "supplementary": 0x800, "duplicate": 0x400}
LONGEST_BAI_BP = 1 << 29  # what a .bai index can hold of a chromosome; a .csi index holds more
FARTHEST_MATES = 4  # a pair farther apart than so many fragment lengths is no fragment (deepTools)


def references(path: str | os.PathLike) -> dict[str, int]:
    """name -> length, bp, of a BAM's reference sequences. Raises InputError for a file that is no whole BAM."""
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; give aligned reads as BAM")
    with open(path, "rb") as handle:
        start = handle.read(4)
    if start[:3] in (b"@HD", b"@SQ", b"@RG", b"@PG", b"@CO"):
        raise InputError(f"{path}: a SAM, not a BAM; pack it: samtools view -b -o reads.bam {path}")
    if start == b"CRAM":
        raise InputError(f"{path}: a CRAM, not a BAM; unpack it: samtools view -b -T genome.fa -o reads.bam {path}")
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
            f"{path}: lacks {some_of(absent, SHOWN)} of the genome; its own chromosomes are {some_of(sizes, SHOWN)}; "
            "use `rename` of its sample ({file's name: genome's name}), or give data aligned to the genome's assembly"
        )
    if absent:
        logger.warning("%s: no data for %s", path, some_of(absent, SHOWN))
    return absent


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
            raise InputError(f"{', '.join(paths)}: samtools: {_words(error)}; fetch or align again") from error
    long = max(lengths_of[paths[0]].values()) > LONGEST_BAI_BP
    try:
        pysam.index(*(["-c"] if long else []), "-@", str(threads), target)
    except pysam.SamtoolsError as error:
        remedy = _misplaced(target) or "fetch or align again"
        raise InputError(f"{', '.join(paths)}: {remedy} (samtools index: {_words(error)})") from error


def _misplaced(path: str) -> str | None:
    """The first read that the header's order does not hold for, in words; None where there is none."""
    last = (0, 0)
    with pysam.AlignmentFile(path, "rb", check_sq=False) as handle:
        for read in handle.fetch(until_eof=True):
            place = (read.reference_id if read.reference_id >= 0 else handle.nreferences, read.reference_start)
            if place < last:
                return (
                    "a header says the reads are sorted by coordinate, and they are not "
                    f"({read.query_name} at {read.reference_name}:{read.reference_start}); run `samtools sort`"
                )
            last = place
    return None


def _words(error: Exception) -> str:
    """What samtools said, on one line."""
    return " ".join(str(error).replace("\\n", " ").split())


def indexes(path: str | os.PathLike) -> list[Path]:
    """Where the index of a BAM may lie."""
    return [Path(f"{path}.{kind}") for kind in ("bai", "csi")]


def _combine(paths: Sequence[str], target: str, rename: Mapping[str, str], scratch: str, threads: str) -> None:
    orders = [list(references(path)) for path in paths]
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
        if any(order != orders[0] for order in orders):  # reads sorted by one order of chromosomes are not by another
            pysam.sort("-@", threads, "-m", SORT_MEMORY, "-T", f"{scratch}/chunk", "-o", f"{scratch}/again.bam", merged)
            os.replace(f"{scratch}/again.bam", merged)
    if any(name in rename for name in references(merged)):
        _reheader(merged, target, rename, scratch)
    elif merged.startswith(scratch):
        os.replace(merged, target)
    else:
        # A link, so that the index lies beside it and not beside the input.
        Path(target).unlink(missing_ok=True)
        os.symlink(os.path.abspath(merged), target)


def subset(path: str | os.PathLike, target: str | os.PathLike, names: Collection[str]) -> None:
    """Copy the reads on some chromosomes of a sorted, indexed BAM into one that has no others; it is indexed too."""
    with pysam.AlignmentFile(str(path), "rb", check_sq=False) as source:
        header = source.header.to_dict()
        header["SQ"] = [entry for entry in header["SQ"] if entry["SN"] in names]
        new_id = {entry["SN"]: number for number, entry in enumerate(header["SQ"])}
        ids = [new_id.get(name, -1) for name in source.references]
        with pysam.AlignmentFile(str(target), "wb", header=header) as written:
            for name in new_id:
                for read in source.fetch(name):
                    read.reference_id = ids[read.reference_id]
                    read.next_reference_id = ids[read.next_reference_id] if read.next_reference_id >= 0 else -1
                    written.write(read)
        lengths_bp = [entry["LN"] for entry in header["SQ"]]
    pysam.index(*(["-c"] if max(lengths_bp) > LONGEST_BAI_BP else []), str(target))


# ---------------------------------------------------------------- what the reads come to


@dataclass(frozen=True)
class Kept:
    """Which reads count, and how far they reach.

    exclude       of `FLAGS`
    min_quality   least mapping quality
    extend_bp     fragment length that single reads are extended to; a proper pair has its own. 0: reads as aligned
    blacklist     chromosome -> disjoint regions (start_bp, end_bp) in order; reads that lie in one are left out
    """

    exclude: tuple[str, ...] = ()
    min_quality: int = 0
    extend_bp: int = 0
    blacklist: Mapping[str, Sequence[tuple[int, int]]] = field(default_factory=dict)

    @property
    def flags(self) -> int:
        """The bits of `exclude`."""
        return sum(FLAGS[name] for name in self.exclude)

    def reason(self, read: pysam.AlignedSegment) -> str | None:
        """Why a read is left out; None where it counts, or lies in the blacklist."""
        if read.is_unmapped:
            return "unmapped"
        if read.flag & self.flags:
            return next(name for name in FLAGS if name in self.exclude and read.flag & FLAGS[name])
        return "low mapping quality" if read.mapping_quality < self.min_quality else None


@dataclass
class Census:
    """The reads of a BAM, counted one by one.

    total, counted, dropped (reason -> number), beside_scale: reads; those beside the scale count in the coverage alone
    reads_bp    length of the reads, or of the fragments they are extended to, on the chromosomes of the scale
    covered_bp  bases under them there, outside the blacklist; what is clipped, deleted or skipped is not
    touched_bp  by chromosome, bases of the coverage's bins under them there: a bin counts a read that touches it
    """

    total: int = 0
    counted: int = 0
    beside_scale: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    reads_bp: int = 0
    covered_bp: int = 0
    touched_bp: dict[str, int] = field(default_factory=dict)


def fragment_length(path: str | os.PathLike, kept: Kept) -> int:
    """Median length of the fragments of a BAM's proper pairs, bp. Raises InputError where it has none that counts."""
    lengths = []
    with pysam.AlignmentFile(str(path), "rb", check_sq=False) as handle:
        for read in handle.fetch(until_eof=True):
            if read.is_read1 and read.is_proper_pair and kept.reason(read) is None:
                lengths.append(abs(read.template_length))
    if not lengths:
        raise InputError(f"{path}: no proper pair that counts; give the fragment length, extend_reads, in bp")
    return int(statistics.median(lengths))


def census(path: str | os.PathLike, kept: Kept, scale_chromosomes: Collection[str], bin_bp: int) -> Census:
    """Count the reads of a sorted, indexed BAM. scale_chromosomes: those the scale of the coverage is taken from."""
    found, pieces = Census(), {}
    with pysam.AlignmentFile(str(path), "rb", check_sq=False) as handle:
        for name, length_bp in zip(handle.references, handle.lengths):
            pieces[name] = _pieces(kept.blacklist.get(name, ()), length_bp)
        scaled = [name in scale_chromosomes for name in handle.references]
        listed = [kept.blacklist.get(name, ()) for name in handle.references]
        for read in handle.fetch(until_eof=True):
            found.total += 1
            reason = kept.reason(read)
            if reason is None and (regions := listed[read.reference_id]) and _lies_in(read, regions):
                reason = "blacklist"
            if reason is not None:
                found.dropped[reason] = found.dropped.get(reason, 0) + 1
                continue
            found.counted += 1
            if not scaled[read.reference_id]:
                found.beside_scale += 1
                continue
            stretches = blocks(read, kept.extend_bp)
            name = str(read.reference_name)
            covered_bp, touched_bp = _under(stretches, pieces[name], bin_bp)
            found.covered_bp += covered_bp
            found.touched_bp[name] = found.touched_bp.get(name, 0) + touched_bp
            fragment_bp = sum(end_bp - start_bp for start_bp, end_bp in stretches)
            found.reads_bp += fragment_bp if kept.extend_bp else read.infer_query_length() or fragment_bp
        listed_reads = handle.mapped + handle.unmapped
    if not found.total == listed_reads == found.counted + sum(found.dropped.values()):
        raise InputError(
            f"{path}: its index lists {listed_reads:,} reads, and {found.total:,} were read, {found.counted:,} of them "
            f"counted and {sum(found.dropped.values()):,} left out; the file is damaged: fetch or align it again"
        )
    return found


def _pieces(regions: Sequence[tuple[int, int]], length_bp: int) -> list[tuple[int, int]]:
    """What is left of a chromosome between the regions."""
    edges = [0, *(edge for region in regions for edge in region), length_bp]
    return [(start, end) for start, end in zip(edges[::2], edges[1::2]) if start < end]


def _lies_in(read: pysam.AlignedSegment, regions: Sequence[tuple[int, int]]) -> bool:
    before = bisect.bisect_right(regions, (read.reference_start, LONGEST_BAI_BP << 8)) - 1
    return before >= 0 and _end_bp(read) <= regions[before][1]


def _end_bp(read: pysam.AlignedSegment) -> int:
    return read.reference_end or read.reference_start  # an alignment without a base has no end


def blocks(read: pysam.AlignedSegment, extend_bp: int) -> list[tuple[int, int]]:
    """Stretches that deepTools counts a read on: aligned blocks, or the fragment that the read is extended to."""
    if not extend_bp:
        return read.get_blocks()
    apart_bp = abs(read.template_length)
    facing = (
        read.is_proper_pair
        and read.reference_id == read.next_reference_id
        and read.is_reverse != read.mate_is_reverse
        and apart_bp <= FARTHEST_MATES * extend_bp
        and (read.reference_start - read.next_reference_start) * (1 if read.is_reverse else -1) >= 0
    )
    if read.is_reverse:
        end_bp = _end_bp(read)
        return [(read.next_reference_start if facing else end_bp - extend_bp, end_bp)]
    return [(read.reference_start, read.reference_start + (apart_bp if facing else extend_bp))]


def _under(stretches: Sequence[tuple[int, int]], pieces: Sequence[tuple[int, int]], bin_bp: int) -> tuple[int, int]:
    """Bases of the pieces that the stretches of a read cover, and of the bins they touch. Bins start with a piece."""
    covered_bp = touched_bp = 0
    last_bp = -1  # end of the bins that were counted: two blocks of a read may share one
    for start_bp, end_bp in stretches:
        first = max(bisect.bisect_right(pieces, (start_bp, LONGEST_BAI_BP << 8)) - 1, 0)
        for piece_bp, piece_end_bp in itertools.islice(pieces, first, None):
            if piece_bp >= end_bp:
                break
            left_bp, right_bp = max(start_bp, piece_bp), min(end_bp, piece_end_bp)
            if left_bp >= right_bp:
                continue
            covered_bp += right_bp - left_bp
            begin_bp = max(left_bp - (left_bp - piece_bp) % bin_bp, last_bp)
            last_bp = min(right_bp + -(right_bp - piece_bp) % bin_bp, piece_end_bp)
            touched_bp += max(last_bp - begin_bp, 0)
    return covered_bp, touched_bp
