"""Tables of places as people have them: headers, comments, browsers' lines, gzip, and what is refused."""

import gzip

import pytest

from trifold.errors import InputError
from trifold.genome import Region
from trifold.io import bed

LOOP = "chr1\t5\t9\tchr1\t50\t59"


def read(path, text, columns=bed.BEDPE, **given):
    content = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return bed.read_table(path, columns, "give a BEDPE", **given)


@pytest.mark.parametrize("name", ["a.bedpe", "a.bedpe.gz"])
@pytest.mark.parametrize(
    "before",
    [
        "",
        "chrom1\tstart1\tend1\tchrom2\tstart2\tend2\tscore\n",  # cooltools, chromosight
        "chr1\tx1\tx2\tchr2\ty1\ty2\tcolor\n",  # Juicer's HiCCUPS
        "#chr1\tx1\tx2\tchr2\ty1\ty2\n# juicer_tools version 1.9\n",
        "track name=loops\nbrowser position chr1:1-9\n\n",
        "\ufeffchrom1\tstart1\tend1\tchrom2\tstart2\tend2\n",
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_t10_headers_and_lines_of_others(tmp_path, name, before, end):
    table = read(tmp_path / name, before + LOOP + "\t7" + end, optional=("score", "name"))
    line = len(before.splitlines()) + 1
    assert table.values.tolist() == [["chr1", 5, 9, "chr1", 50, 59, "7", "", line]]


def test_names_are_taken_as_they_are(tmp_path):
    """A chromosome may be called like a browser's line, or hold a #."""
    table = read(tmp_path / "a.bed", "hap1#1#chr1\t5\t9\ntrack1\t1\t2\nHLA-A*01:01 3 4\n", bed.BED)
    assert table["chrom"].tolist() == ["hap1#1#chr1", "track1", "HLA-A*01:01"]


def test_nothing_in_it(tmp_path):
    assert read(tmp_path / "a.bed", "# none\n", bed.BED).empty
    assert bed.read_regions(tmp_path / "a.bed", "give a BED") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chr1\t1\t2\n", "line 1 has 3 columns, not chrom1, start1"),
        (f"{LOOP}\nchr1\tx\t9\tchr1\t50\t59\n", "line 2: start1 is 'x', not a whole number"),
        (f"{LOOP}\nchrom1\tstart1\tend1\tchrom2\tstart2\tend2\n", "line 2: start1 is 'start1'"),
        ("chr1\t1.5e3\t9\tchr1\t50\t59\n", "line 1: start1 is '1.5e3'"),
        (b"\xff\xfe\x00\x01", "no text"),
    ],
)
def test_no_such_table(tmp_path, text, message):
    with pytest.raises(InputError, match=rf"a\.bedpe: {message}.*; give a BEDPE"):
        read(tmp_path / "a.bedpe", text)


def test_no_file_and_no_whole_one(tmp_path):
    with pytest.raises(InputError, match=r"a\.bed: no such file; give a BED"):
        bed.read_regions(tmp_path / "a.bed", "give a BED")
    (tmp_path / "a.bed.gz").write_bytes(gzip.compress(LOOP.encode() * 99)[:-12])
    with pytest.raises(InputError, match=r"a\.bed\.gz: not a whole gzip file"):
        bed.read_regions(tmp_path / "a.bed.gz", "give a BED")
    (tmp_path / "b.bed").write_text("chr1\t5\t5\n")
    with pytest.raises(InputError, match=r"b\.bed: line 1: chr1:5-5 is empty"):
        bed.read_regions(tmp_path / "b.bed", "give a BED")


def test_t2_touching_and_overlapping_regions_are_one():
    regions = [Region("1", 50, 60), Region("1", 5, 10), Region("1", 10, 20), Region("chr1", 15, 30), Region("2", 1, 2)]
    assert bed.merged(regions, {"1": "chr1"}) == {"2": [(1, 2)], "chr1": [(5, 30), (50, 60)]}
