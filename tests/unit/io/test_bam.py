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


def test_yeast_atac(mirror, tmp_path):
    """Real reads as the aligner left them: sorted, indexed, none lost."""
    bam.sort_and_merge([mirror / "yeast_atac.bam"], tmp_path / "merged.bam", bam.references(mirror / "yeast_atac.bam"))
    with pysam.AlignmentFile(str(tmp_path / "merged.bam")) as handle:
        assert handle.mapped == 375_854
        assert handle.mapped + handle.unmapped == 400_000
        starts_bp = [read.reference_start for read in handle.fetch("chrIV")]
    assert starts_bp == sorted(starts_bp)
