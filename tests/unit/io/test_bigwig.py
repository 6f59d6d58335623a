import gzip

import numpy as np
import pyBigWig
import pysam
import pytest

from trifold.errors import InputError
from trifold.io import bigwig

RNG = np.random.default_rng(7)


def write_bigwig(path, sizes, intervals):
    """intervals: (chromosome, start_bp, end_bp, value) in order."""
    with pyBigWig.open(str(path), "w") as handle:
        handle.addHeader(list(sizes.items()))
        for chrom, start_bp, end_bp, value in intervals:
            handle.addEntries([chrom], [start_bp], ends=[end_bp], values=[float(value)])
    return path


def bases(length_bp, intervals):
    values = np.full(length_bp, np.nan)
    for start_bp, end_bp, value in intervals:
        values[start_bp:end_bp] = value
    return values


# ---------------------------------------------------------------- binned means


def test_means_by_hand(tmp_path):
    """Bins of 10: whole, half covered, none, and a short last one."""
    path = write_bigwig(tmp_path / "a.bw", {"chr1": 34}, [("chr1", 0, 5, 1), ("chr1", 5, 10, 3), ("chr1", 12, 14, 5)])
    means, bases = bigwig.binned_means(path, "chr1", 34, 10)
    assert means.dtype == np.float32
    np.testing.assert_array_equal(means, np.float32([2, 5, np.nan, np.nan]))
    assert bases.tolist() == [10, 2, 0, 0]


def test_means_where_uncovered_is_zero(tmp_path):
    path = write_bigwig(tmp_path / "a.bw", {"chr1": 34}, [("chr1", 0, 5, 1), ("chr1", 5, 10, 3), ("chr1", 12, 14, 5)])
    means, bases = bigwig.binned_means(path, "chr1", 34, 10, uncovered_is_zero=True)
    np.testing.assert_array_equal(means, np.float32([2, 1, 0, 0]))
    assert bases.tolist() == [10, 10, 10, 4]
    means, bases = bigwig.binned_means(path, "chr2", 34, 10, uncovered_is_zero=True)
    assert np.isnan(means).all() and not bases.any(), "nothing is said of chr2"


@pytest.mark.parametrize("bin_bp", [1, 7, 128, 5000, 100_000])
@pytest.mark.parametrize("chunk_bp", [1000, 1 << 22])
def test_means_against_bases(tmp_path, monkeypatch, bin_bp, chunk_bp):
    monkeypatch.setattr(bigwig, "CHUNK_BP", chunk_bp)
    edges = np.sort(RNG.choice(np.arange(20_003), 600, replace=False)).reshape(-1, 2)
    intervals = [(int(start), int(end), value) for (start, end), value in zip(edges, RNG.gamma(1, 3, 300))]
    path = write_bigwig(tmp_path / "a.bw", {"chr1": 20_003}, [("chr1", *interval) for interval in intervals])
    values = bases(20_003, intervals).astype(np.float32)
    expected = []
    for start_bp in range(0, 20_003, bin_bp):
        here = values[start_bp : start_bp + bin_bp]
        expected.append(here[~np.isnan(here)].mean(dtype=float) if not np.isnan(here).all() else np.nan)
    np.testing.assert_allclose(bigwig.binned_means(path, "chr1", 20_003, bin_bp)[0], expected, rtol=1e-6)


def test_not_the_zoom_levels(mirror):
    """pyBigWig's summaries of the same bins are approximate; its exact ones are ours."""
    path, bin_bp = mirror / "yeast_netseq_plus.bw", 2000
    means, _ = bigwig.binned_means(path, "chrII", 813_184, bin_bp)
    whole = 813_184 // bin_bp
    with pyBigWig.open(str(path)) as handle:
        exact = handle.stats("chrII", 0, whole * bin_bp, nBins=whole, exact=True)
        zoomed = handle.stats("chrII", 0, whole * bin_bp, nBins=whole)
    exact, zoomed = (np.array(values, dtype=float) for values in (exact, zoomed))
    np.testing.assert_allclose(means[:whole], exact, rtol=1e-5)
    assert np.nanmax(np.abs(zoomed / exact - 1)) > 0.01


def test_absent_chromosome(tmp_path):
    path = write_bigwig(tmp_path / "a.bw", {"chr1": 34}, [("chr1", 0, 5, 1)])
    assert np.isnan(bigwig.binned_means(path, "chr2", 100, 10)[0]).all()


def test_no_bigwig(tmp_path):
    (tmp_path / "a.bw").write_text("<html>please log in</html>")
    with pytest.raises(InputError, match=r"a\.bw: not a whole bigWig"):
        bigwig.chromsizes(tmp_path / "a.bw")
    with pytest.raises(InputError, match="no such file"):
        bigwig.chromsizes(tmp_path / "b.bw")


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.8])
def test_truncated(tmp_path, mirror, kept):
    whole = (mirror / "yeast_Scc1.chrII_IV_XVI.bw").read_bytes()
    (tmp_path / "a.bw").write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(InputError, match=r"a\.bw: not a whole bigWig"):
        bigwig.binned_means(tmp_path / "a.bw", "chrII", 813_184, 1000)


def test_damaged_inside(tmp_path, mirror):
    damaged = bytearray((mirror / "yeast_Scc1.chrII_IV_XVI.bw").read_bytes())
    middle = len(damaged) // 2
    damaged[middle : middle + 200] = bytes(200)
    (tmp_path / "a.bw").write_bytes(damaged)
    with pytest.raises(InputError, match=r"a\.bw: chrIV:.*cannot be read"):
        bigwig.binned_means(tmp_path / "a.bw", "chrIV", 1_531_933, 1000)


# ---------------------------------------------------------------- copy


def test_copy_is_the_same_bytes(mirror, tmp_path):
    path = mirror / "fly_S2_proseq_plus.bw"
    bigwig.copy(path, tmp_path / "a.bw", {"X": "chrX"})
    assert (tmp_path / "a.bw").read_bytes() == path.read_bytes()


def test_renamed_copy(tmp_path, monkeypatch):
    monkeypatch.setattr(bigwig, "CHUNK_BP", 10)
    sizes = {"1": 34, "10": 25, "2": 20}
    intervals = [("1", 3, 27, 2.5), ("1", 30, 34, 1), ("10", 9, 11, 4), ("2", 0, 20, 7)]
    path = write_bigwig(tmp_path / "a.bw", sizes, intervals)
    bigwig.copy(path, tmp_path / "b.bw", {"1": "z1", "10": "a10"})
    assert bigwig.chromsizes(tmp_path / "b.bw") == {"a10": 25, "2": 20, "z1": 34}
    with pyBigWig.open(str(path)) as old, pyBigWig.open(str(tmp_path / "b.bw")) as new:
        for before, after in {"1": "z1", "10": "a10", "2": "2"}.items():
            length_bp = sizes[before]
            np.testing.assert_array_equal(old.values(before, 0, length_bp), new.values(after, 0, length_bp))
    with pytest.raises(InputError, match="one name"):
        bigwig.copy(path, tmp_path / "c.bw", {"1": "2"})


# ---------------------------------------------------------------- coverage

SIZES = {"chr1": 40_000, "chr2": 30_030}
READ_BP = 36


@pytest.fixture(scope="module")
def reads():
    """3,000 + 2,000 reads: (chromosome, start_bp, reverse, mapping quality), sorted."""
    table = []
    for chrom, number in (("chr1", 3000), ("chr2", 2000)):
        starts_bp = np.sort(RNG.integers(300, SIZES[chrom] - 400, number))
        table += list(zip([chrom] * number, starts_bp, RNG.random(number) < 0.5, RNG.choice([5, 40], number)))
    return table


@pytest.fixture(scope="module")
def sorted_bam(reads, tmp_path_factory):
    path = tmp_path_factory.mktemp("bam") / "reads.bam"
    header = {"HD": {"VN": "1.6", "SO": "coordinate"}, "SQ": [{"SN": c, "LN": n} for c, n in SIZES.items()]}
    with pysam.AlignmentFile(str(path), "wb", header=header) as handle:
        for number, (chrom, start_bp, reverse, quality) in enumerate(reads):
            read = pysam.AlignedSegment(handle.header)
            read.query_name, read.query_sequence, read.flag = f"r{number}", "A" * READ_BP, 16 if reverse else 0
            read.reference_name, read.reference_start = chrom, int(start_bp)
            read.mapping_quality, read.cigarstring = int(quality), f"{READ_BP}M"
            handle.write(read)
    pysam.index(str(path))
    return path


def overlaps(reads, chrom, bin_bp, fragment_bp):
    """Number of fragments that overlap each bin."""
    counts = np.zeros(-(-SIZES[chrom] // bin_bp) + 1)
    for name, start_bp, reverse, _ in reads:
        if name == chrom:
            first_bp = start_bp + READ_BP - fragment_bp if reverse else start_bp
            counts[first_bp // bin_bp] += 1
            counts[(first_bp + fragment_bp - 1) // bin_bp + 1] -= 1
    return np.cumsum(counts)[:-1]


def test_coverage_closed_form(sorted_bam, reads, tmp_path):
    """Every bin is scale x overlapping reads; no read is 0."""
    bigwig.coverage(sorted_bam, tmp_path / "a.bw", scale=0.25, bin_bp=50)
    for chrom, length_bp in SIZES.items():
        means, bases = bigwig.binned_means(tmp_path / "a.bw", chrom, length_bp, 50)
        np.testing.assert_allclose(means, 0.25 * overlaps(reads, chrom, 50, READ_BP), rtol=1e-5)
        assert (means == 0).any() and bases.sum() == length_bp
        assert bigwig.total(tmp_path / "a.bw", chrom) == pytest.approx((means * bases).sum(), rel=1e-6)
    assert bigwig.total(tmp_path / "a.bw", "chr9") == 0


def test_coverage_extended_and_filtered(sorted_bam, reads, tmp_path):
    """Fragments of 200 bp, reads of low quality out; two processes give the same bytes."""
    options = {"scale": 2.0, "bin_bp": 10, "extend_bp": 200, "min_mapping_quality": 20}
    for threads in (1, 2):
        bigwig.coverage(sorted_bam, tmp_path / f"{threads}.bw", threads=threads, **options)
    assert (tmp_path / "1.bw").read_bytes() == (tmp_path / "2.bw").read_bytes()
    kept = [read for read in reads if read[3] >= 20]
    for chrom, length_bp in SIZES.items():
        means, _ = bigwig.binned_means(tmp_path / "1.bw", chrom, length_bp, 10)
        np.testing.assert_allclose(means, 2 * overlaps(kept, chrom, 10, 200), rtol=1e-5)


def test_blacklisted_bases_have_no_value(sorted_bam, tmp_path):
    (tmp_path / "black.bed").write_text("chr1\t10000\t20000\n")
    bigwig.coverage(sorted_bam, tmp_path / "a.bw", scale=1.0, blacklist=tmp_path / "black.bed")
    means, bases = bigwig.binned_means(tmp_path / "a.bw", "chr1", 40_000, 1000)
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(means)), np.arange(10, 20))
    np.testing.assert_array_equal(np.flatnonzero(bases == 0), np.arange(10, 20))


def test_deeptools_own_words(sorted_bam, tmp_path):
    with pytest.raises(RuntimeError, match=r"absent\.bam' does not exist"):
        bigwig.coverage(tmp_path / "absent.bam", tmp_path / "a.bw", scale=1.0)


# ---------------------------------------------------------------- tracks of other programs

VALUES = [("chr1", 0, 5, 1.5), ("chr1", 5, 12, 3.0), ("chr2", 2, 4, 8.0)]
BEDGRAPH = "".join(f"{chrom}\t{start}\t{end}\t{value}\n" for chrom, start, end, value in VALUES)


@pytest.mark.parametrize("name", ["a.BW", "a.BigWig", "a.bw.gz", "a.bedGraph", "a.bg.gz", "a.bdg"])
def test_t10_formats_of_tracks(tmp_path, name):
    """Whatever a file is called, its bytes say what it is; the values are the same."""
    path = tmp_path / name
    if name.lower().startswith(("a.bw", "a.bigw")):
        write_bigwig(tmp_path / "made.bw", {"chr1": 34, "chr2": 20}, VALUES)
        content = (tmp_path / "made.bw").read_bytes()
    else:
        content = ("track type=bedGraph name=x\n# words\nchrom start end value\n" + BEDGRAPH).encode()
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert bigwig.kind_of(path) == ("bigwig" if "w" in name.lower() else "bedgraph")
    bigwig.take(path, tmp_path / "taken.bw", {"z1": 34, "chr2": 20}, {"chr1": "z1"})
    assert bigwig.chromsizes(tmp_path / "taken.bw") == {"z1": 34, "chr2": 20}
    with pyBigWig.open(str(tmp_path / "taken.bw")) as handle:
        assert handle.intervals("z1") == ((0, 5, 1.5), (5, 12, 3.0))
        assert handle.intervals("chr2") == ((2, 4, 8.0),)
    assert sorted(each.name for each in tmp_path.iterdir() if "unpacked" in each.name) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BEDGRAPH + "chr2\t3\t9\t1\n", "two values on chr2:3"),
        (BEDGRAPH + "chr2\t9\t21\t1\n", "leaves the chromosome"),
        (BEDGRAPH + "chr2\t9\t12\tmany\n", "not a bedGraph"),
        ("chr1 peak\nchr2 peak\nchr3 peak\n", "no value in its first lines"),
        ("<html>\n", "not a whole track"),
    ],
)
def test_t10_bedgraphs_that_are_none(tmp_path, text, message):
    (tmp_path / "a.bedGraph").write_text(text)
    with pytest.raises(InputError, match=rf"a\.bedGraph: .*{message}"):
        bigwig.take(tmp_path / "a.bedGraph", tmp_path / "taken.bw", {"chr1": 34, "chr2": 20})


def test_kinds_of_files(tmp_path, sorted_bam, mirror):
    assert bigwig.kind_of(sorted_bam) == "bam"
    assert bigwig.kind_of(mirror / "fly_S2_proseq_plus.bw") == "bigwig"
    (tmp_path / "peaks.bb").write_bytes(b"\xeb\xf2\x89\x87" + bytes(100))
    with pytest.raises(InputError, match="a bigBed, not a bigWig; give the signal"):
        bigwig.kind_of(tmp_path / "peaks.bb")
