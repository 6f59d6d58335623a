import ast
import os
import subprocess
import sys
from pathlib import Path

import pysam
import pytest

from trifold.errors import InputError
from trifold.io import bam

SIZES = {"chr1": 1000, "chr2": 500}


def write(path: Path, reads: list[tuple[str, int]], sizes=SIZES, order=None, pairs=False, read_bp=10) -> Path:
    """A BAM of single reads (chromosome, start_bp), unmapped where the chromosome is None, in the order given."""
    header = {"HD": {"VN": "1.6"} | ({"SO": order} if order else {})}
    header["SQ"] = [{"SN": name, "LN": length_bp} for name, length_bp in sizes.items()]
    with pysam.AlignmentFile(str(path), "wb", header=header) as handle:
        for number, (chrom, start_bp) in enumerate(reads):
            read = pysam.AlignedSegment(handle.header)
            read.query_name, read.query_sequence = f"{path.stem}-{number}", "A" * read_bp
            read.flag = 0x1 | 0x2 if pairs else 0
            if chrom is None:
                read.flag = 0x4
            else:
                read.reference_name, read.reference_start = chrom, start_bp
                read.mapping_quality, read.cigarstring = 60, f"{read_bp}M"
            handle.write(read)
    return path


def placed(path: Path) -> list[tuple[str, int, str]]:
    with pysam.AlignmentFile(str(path)) as handle:
        return [(read.reference_name, read.reference_start, read.query_name) for read in handle.fetch()]


def test_unsorted_replicates(tmp_path):
    first = write(tmp_path / "a.bam", [("chr2", 5), ("chr1", 700), (None, 0), ("chr1", 3)])
    second = write(tmp_path / "b.bam", [("chr1", 300), ("chr2", 1)])
    before = sorted(tmp_path.iterdir())
    bam.sort_and_merge([first, second], tmp_path / "merged.bam", SIZES)
    assert placed(tmp_path / "merged.bam") == [
        ("chr1", 3, "a-3"),
        ("chr1", 300, "b-0"),
        ("chr1", 700, "a-1"),
        ("chr2", 1, "b-1"),
        ("chr2", 5, "a-0"),
    ]
    with pysam.AlignmentFile(str(tmp_path / "merged.bam")) as handle:
        assert (handle.mapped, handle.unmapped) == (5, 1)
    # The inputs are as they were, and no scratch file stays.
    assert sorted(tmp_path.iterdir()) == sorted([*before, tmp_path / "merged.bam", tmp_path / "merged.bam.bai"])


def test_sorted_input_is_not_copied(tmp_path):
    (tmp_path / "data").mkdir()
    path = write(tmp_path / "data/a.bam", [("chr1", 3), ("chr1", 9)], order="coordinate")
    bam.sort_and_merge([path], tmp_path / "merged.bam", SIZES)
    assert (tmp_path / "merged.bam").resolve() == path
    assert [start_bp for _, start_bp, _ in placed(tmp_path / "merged.bam")] == [3, 9]
    assert list((tmp_path / "data").iterdir()) == [path]


@pytest.mark.parametrize("order", ["coordinate", None])
def test_rename(tmp_path, order):
    path = write(tmp_path / "a.bam", [("1", 3), ("2", 9)], {"1": 1000, "2": 500, "MT": 16}, order)
    rename = {"1": "chr1", "2": "chr2"}
    bam.sort_and_merge([path], tmp_path / "merged.bam", SIZES, rename=rename)
    assert bam.references(tmp_path / "merged.bam") == {"chr1": 1000, "chr2": 500, "MT": 16}
    assert placed(tmp_path / "merged.bam") == [("chr1", 3, "a-0"), ("chr2", 9, "a-1")]
    assert bam.references(path) == {"1": 1000, "2": 500, "MT": 16}


def test_rename_to_one_name(tmp_path):
    path = write(tmp_path / "a.bam", [("chr1", 3)])
    with pytest.raises(InputError, match="gives two of its chromosomes one name"):
        bam.sort_and_merge([path], tmp_path / "merged.bam", rename={"chr2": "chr1"})


def test_an_order_that_is_not_there(tmp_path):
    path = write(tmp_path / "a.bam", [("chr1", 30), ("chr1", 3)], order="coordinate")
    with pytest.raises(InputError, match=r"a\.bam: a header says the reads are sorted"):
        bam.sort_and_merge([path], tmp_path / "merged.bam", SIZES)


def test_other_lengths(tmp_path):
    path = write(tmp_path / "a.bam", [("chr1", 3)], {"chr1": 1000, "chr2": 501})
    with pytest.raises(InputError, match=r"a\.bam: another assembly.*chr2 501 bp against 500"):
        bam.sort_and_merge([path], tmp_path / "merged.bam", SIZES)


def test_other_names(tmp_path):
    path = write(tmp_path / "a.bam", [("1", 3)], {"1": 1000, "2": 500})
    with pytest.raises(InputError, match=r"a\.bam: lacks chr1, chr2 of the genome.*are 1, 2; use `rename`"):
        bam.sort_and_merge([path], tmp_path / "merged.bam", SIZES)


def test_contigs_may_be_absent(tmp_path, caplog):
    """A genome's alternative contigs are often not aligned to; a tenth of it may be absent, and is named."""
    genome = {"chr1": 1000, "chr1_alt": 100, "chrUn": 5}
    assert bam.check_genome("a.bam", SIZES, genome) == ["chr1_alt", "chrUn"]
    assert "a.bam: no data for chr1_alt, chrUn" in caplog.text
    with pytest.raises(InputError, match="lacks chr3 of the genome"):
        bam.check_genome("a.bam", SIZES, {"chr1": 1000, "chr3": 120})
    assert bam.check_genome("a.bw", SIZES, {"chr1": 1000, "chr3": 9000}, max_absent=1.0) == ["chr3"]


def test_replicates_of_two_genomes(tmp_path):
    first = write(tmp_path / "a.bam", [("chr1", 3)])
    second = write(tmp_path / "b.bam", [("chr1", 3)], {"chr1": 1000})
    with pytest.raises(InputError, match=r"b\.bam: other reference sequences than .*a\.bam"):
        bam.sort_and_merge([first, second], tmp_path / "merged.bam")


@pytest.mark.parametrize("reads", [[], [(None, 0)]])
def test_empty(tmp_path, reads):
    good, empty = write(tmp_path / "a.bam", [("chr1", 3)]), write(tmp_path / "b.bam", reads)
    with pytest.raises(InputError, match=r"b\.bam: holds no mapped read"):
        bam.sort_and_merge([good, empty], tmp_path / "merged.bam", SIZES)


@pytest.mark.parametrize("lost_bytes", [28, 40])
def test_truncated(tmp_path, lost_bytes):
    """28 bytes are the end-of-file block alone: every read is there, but nothing says so."""
    path = write(tmp_path / "a.bam", [("chr1", start_bp) for start_bp in range(900)])
    path.write_bytes(path.read_bytes()[:-lost_bytes])
    with pytest.raises(InputError, match=r"a\.bam: not a whole BAM"):
        bam.sort_and_merge([path], tmp_path / "merged.bam", SIZES)


def test_no_bam(tmp_path):
    (tmp_path / "a.bam").write_text("<html>please log in</html>")
    with pytest.raises(InputError, match=r"a\.bam: not a whole BAM"):
        bam.references(tmp_path / "a.bam")
    with pytest.raises(InputError, match="no such file"):
        bam.references(tmp_path / "b.bam")


def test_pairs(tmp_path):
    assert bam.is_paired(write(tmp_path / "a.bam", [("chr1", 3)], pairs=True))
    assert not bam.is_paired(write(tmp_path / "b.bam", [("chr1", 3)]))
    with pytest.raises(InputError, match="no such file"):
        bam.is_paired(tmp_path / "c.bam")


def test_t9_what_is_no_bam(tmp_path):
    (tmp_path / "sam.bam").write_text("@HD\tVN:1.6\n@SQ\tSN:chr1\tLN:9\n")
    with pytest.raises(InputError, match=r"sam\.bam: a SAM, not a BAM; pack it: samtools view"):
        bam.references(tmp_path / "sam.bam")
    (tmp_path / "cram.bam").write_bytes(b"CRAM\3\0")
    with pytest.raises(InputError, match=r"cram\.bam: a CRAM, not a BAM"):
        bam.references(tmp_path / "cram.bam")


@pytest.mark.parametrize("order", ["coordinate", None])
def test_t9_replicates_in_another_order_of_chromosomes(tmp_path, order):
    """Lengths are the same, so they are one genome: reads are put into the order of the first."""
    first = write(tmp_path / "a.bam", [("chr1", 300), ("chr2", 5)], order=order)
    second = write(tmp_path / "b.bam", [("chr2", 1), ("chr1", 3)], {"chr2": 500, "chr1": 1000}, order)
    bam.sort_and_merge([first, second], tmp_path / "merged.bam", SIZES)
    assert list(bam.references(tmp_path / "merged.bam")) == ["chr1", "chr2"]
    assert placed(tmp_path / "merged.bam") == [
        ("chr1", 3, "b-1"),
        ("chr1", 300, "a-0"),
        ("chr2", 1, "b-0"),
        ("chr2", 5, "a-1"),
    ]


def test_t9_chromosome_above_512_mb(tmp_path):
    sizes = {"chr1": 700_000_000}
    path = write(tmp_path / "a.bam", [("chr1", 650_000_000), ("chr1", 5)], sizes)
    bam.sort_and_merge([path], tmp_path / "merged.bam", sizes)
    assert [index.name for index in bam.indexes(tmp_path / "merged.bam") if index.exists()] == ["merged.bam.csi"]
    with pysam.AlignmentFile(str(tmp_path / "merged.bam")) as handle:
        assert [read.reference_start for read in handle.fetch("chr1", 600_000_000, 700_000_000)] == [650_000_000]


# ---------------------------------------------------------------- what reads come to


def read_of(header, **fields):
    read = pysam.AlignedSegment(header)
    given = {"query_name": "r", "query_sequence": "A" * 10, "cigarstring": "10M", "mapping_quality": 60, "flag": 0}
    for name, value in (given | {"reference_id": 0} | fields).items():
        setattr(read, name, value)
    return read


def write_reads(path, *reads, sizes=SIZES):
    header = pysam.AlignmentHeader.from_dict({"SQ": [{"SN": name, "LN": size} for name, size in sizes.items()]})
    with pysam.AlignmentFile(str(path), "wb", header=header) as handle:
        for number, fields in enumerate(reads):
            handle.write(read_of(header, query_name=f"r{number}", **fields))
    bam.sort_and_merge([path], path.with_suffix(".sorted.bam"), sizes)
    return path.with_suffix(".sorted.bam")


def test_t5_reads_by_reason(tmp_path):
    """A read is left out for one reason, and all reads are accounted for."""
    path = write_reads(
        tmp_path / "a.bam",
        *({"reference_start": start} for start in (0, 95, 105, 300)),
        {"reference_start": 5, "flag": 0x400},
        {"reference_start": 5, "flag": 0x400 | 0x200},
        {"reference_start": 5, "flag": 0x100},
        {"reference_start": 5, "flag": 0x800},
        {"reference_start": 5, "mapping_quality": 3},
        {"flag": 4, "reference_id": -1, "cigarstring": None},
        {"reference_start": 7, "reference_id": 1, "cigarstring": "4S6M"},
    )
    kept = bam.Kept(tuple(bam.FLAGS), min_quality=20, blacklist={"chr1": [(100, 120)]})
    found = bam.census(path, kept, {"chr1"}, bin_bp=50)
    assert (found.total, found.counted, found.beside_scale) == (11, 4, 1)
    assert found.dropped == {
        "unmapped": 1,
        "qc_fail": 1,
        "secondary": 1,
        "supplementary": 1,
        "duplicate": 1,
        "low mapping quality": 1,
        "blacklist": 1,
    }
    # Reads at 0 and 300 touch a bin each, that at 95 has 5 bases before the blacklisted stretch.
    assert (found.reads_bp, found.covered_bp, found.touched_bp) == (30, 25, {"chr1": 150})
    every = bam.census(path, bam.Kept(), {"chr1", "chr2"}, bin_bp=1)
    assert (every.counted, every.dropped, every.reads_bp) == (10, {"unmapped": 1}, 100)
    assert every.covered_bp == sum(every.touched_bp.values()) == 96  # four clipped


def test_t5_fragments_are_those_of_deeptools(tmp_path):
    """Pairs that face one another, as deepTools has them; others are extended in their direction."""
    pair = {"flag": 0x1 | 0x2 | 0x20 | 0x40, "next_reference_id": 0}
    path = write_reads(
        tmp_path / "a.bam",
        {**pair, "reference_start": 100, "next_reference_start": 170, "template_length": 80},
        {"flag": 0x1 | 0x2 | 0x10 | 0x80, "next_reference_id": 0}
        | {"reference_start": 170, "next_reference_start": 100, "template_length": -80},
        {**pair, "reference_start": 300, "next_reference_start": 790, "template_length": 500},  # too far apart
        {"reference_start": 500},
        {"reference_start": 600, "flag": 0x10},
        sizes={"chr1": 1000},
    )
    code = f"""
import pysam
from deeptools.countReadsPerBin import CountReadsPerBin
counter = CountReadsPerBin([], 1, 1, 200, extendReads=True)
counter.defaultFragmentLength, counter.maxPairedFragmentLength = 50, 200
print([counter.get_fragment_from_read(read) for read in pysam.AlignmentFile({str(path)!r})])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    with pysam.AlignmentFile(str(path)) as handle:
        ours = [bam.blocks(read, 50) for read in handle]
    assert ours == ast.literal_eval(done.stdout)
    assert ours == [[(100, 180)], [(100, 180)], [(300, 350)], [(500, 550)], [(560, 610)]]
    assert bam.fragment_length(path, bam.Kept()) == 290


def test_t5_spliced_reads_touch_a_bin_once(tmp_path):
    path = write_reads(tmp_path / "a.bam", {"reference_start": 42, "cigarstring": "4M6N6M"})
    found = bam.census(path, bam.Kept(), {"chr1"}, bin_bp=50)
    assert (found.covered_bp, found.touched_bp) == (10, {"chr1": 100})  # 42-46 and 52-58: two bins, the second one once
    path = write_reads(tmp_path / "b.bam", {"reference_start": 2, "cigarstring": "4M6N6M"})
    assert bam.census(path, bam.Kept(), {"chr1"}, bin_bp=50).touched_bp == {"chr1": 50}


def test_t9_a_bam_without_contigs(tmp_path):
    """Reads on the chromosomes of the genome, in a file that has no others; a mate elsewhere is nowhere."""
    path = write_reads(
        tmp_path / "a.bam",
        {"reference_start": 5, "flag": 0x1, "next_reference_id": 0, "next_reference_start": 7},
        {"reference_start": 9, "reference_id": 2, "flag": 0x1, "next_reference_id": 1, "next_reference_start": 3},
        {"reference_start": 3, "reference_id": 1},
        sizes={"chr1": 1000, "contig": 90, "chr2": 500},
    )
    bam.subset(path, tmp_path / "small.bam", {"chr1", "chr2"})
    assert bam.references(tmp_path / "small.bam") == SIZES
    with pysam.AlignmentFile(str(tmp_path / "small.bam")) as handle:
        found = [(read.reference_name, read.reference_start, read.next_reference_id) for read in handle.fetch()]
    assert found == [("chr1", 5, 0), ("chr2", 9, -1)]


def test_invariant_an_index_that_lists_other_reads(tmp_path):
    path = write_reads(tmp_path / "a.bam", {"reference_start": 5}, {"reference_start": 9})
    other = write_reads(tmp_path / "b.bam", {"reference_start": 5})
    os.replace(f"{other}.bai", f"{path}.bai")
    with pytest.raises(InputError, match="its index lists 1 reads, and 2 were read, 2 of them counted and 0 left out"):
        bam.census(path, bam.Kept(), {"chr1"}, bin_bp=50)


def test_yeast_atac(mirror, tmp_path):
    """Real reads as the aligner left them: sorted, indexed, none lost."""
    bam.sort_and_merge([mirror / "yeast_atac.bam"], tmp_path / "merged.bam", bam.references(mirror / "yeast_atac.bam"))
    with pysam.AlignmentFile(str(tmp_path / "merged.bam")) as handle:
        assert handle.mapped == 375_854
        assert handle.mapped + handle.unmapped == 400_000
        starts_bp = [read.reference_start for read in handle.fetch("chrIV")]
    assert starts_bp == sorted(starts_bp)
