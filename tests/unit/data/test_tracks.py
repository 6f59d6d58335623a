import pickle

import numpy as np
import pyBigWig
import pysam
import pytest

from trifold.data import sequence, tracks
from trifold.data.sequence import read_chromosomes
from trifold.data.tracks import Settings, TrackStore
from trifold.errors import InputError
from trifold.io import bam, bigwig

KEPT = 6e-4  # relative, of float16
RNG = np.random.default_rng(3)
SIZES = {"chr1": 20_000, "chr2": 10_010}
READ_BP = 50


def write_bam(path, starts_bp, sizes=SIZES, quality=60):
    """An unsorted BAM of single reads; starts_bp: chromosome -> positions; `quality` of the first read of each."""
    header = {"HD": {"VN": "1.6"}, "SQ": [{"SN": name, "LN": length_bp} for name, length_bp in sizes.items()]}
    reads = [(chrom, int(start_bp)) for chrom in starts_bp for start_bp in starts_bp[chrom]]
    poor = {(chrom, int(starts[0])) for chrom, starts in starts_bp.items()} if quality < 60 else set()
    with pysam.AlignmentFile(str(path), "wb", header=header) as handle:
        for number in RNG.permutation(len(reads)):
            read = pysam.AlignedSegment(handle.header)
            read.query_name, read.query_sequence = f"r{number}", "A" * READ_BP
            read.reference_name, read.reference_start = reads[number]
            read.mapping_quality = quality if reads[number] in poor else 60
            read.flag, read.cigarstring = 0, f"{READ_BP}M"
            handle.write(read)
    return path


def write_bigwig(path, sizes, intervals):
    with pyBigWig.open(str(path), "w") as handle:
        handle.addHeader(list(sizes.items()))
        for chrom, start_bp, end_bp, value in intervals:
            handle.addEntries([chrom], [start_bp], ends=[end_bp], values=[float(value)])
    return path


@pytest.fixture
def out(tmp_path):
    (tmp_path / "track").mkdir()
    return tmp_path / "track"


@pytest.fixture
def genome(tmp_path):
    """A prepared sequence: chr1 with 2,000 N, chr2 without."""
    (tmp_path / "sequence").mkdir()
    (tmp_path / "genome.fa").write_text(f">chr1\n{'N' * 2000}{'A' * 18_000}\n>chr2\n{'C' * 10_010}\n")
    sequence.prepare(tmp_path / "genome.fa", tmp_path / "sequence", bin_bp=1000)
    return tmp_path / "sequence"


@pytest.fixture
def store(tmp_path, out):
    path = write_bigwig(tmp_path / "a.bw", SIZES, [("chr1", 0, 5, 1), ("chr1", 5, 15, 3), ("chr2", 10_001, 10_010, 8)])
    tracks.prepare(path, out, SIZES, {"bin_bp": 10})
    return TrackStore(out)


# ---------------------------------------------------------------- from a bigWig


def test_bases_left_out_may_be_zero(tmp_path, out):
    path = write_bigwig(tmp_path / "a.bw", {"chr1": 20_000}, [("chr1", 0, 5, 4)])
    tracks.prepare(path, out, SIZES, {"bin_bp": 10, "uncovered": "zero"})
    bins = np.load(out / "bins.npy")
    assert bins[:3].tolist() == [2, 0, 0]
    assert np.isnan(bins[2000:]).all(), "a chromosome that the file does not have stays missing"


def test_files(store, out, tmp_path):
    assert sorted(path.name for path in out.iterdir()) == ["bins.npy", "chromosomes.tsv", "coverage.bw"]
    assert (out / "coverage.bw").read_bytes() == (tmp_path / "a.bw").read_bytes()
    assert (out / "chromosomes.tsv").read_text() == "name\tlength_bp\tbin_bp\nchr1\t20000\t10\nchr2\t10010\t10\n"
    assert read_chromosomes(out / "chromosomes.tsv") == SIZES
    bins = np.load(out / "bins.npy")
    assert (bins.dtype, bins.shape) == (np.float16, (3001,))
    assert (store.bin_bp, store.chromsizes) == (10, SIZES)


@pytest.mark.parametrize(
    "place, values, valid",
    [
        (("chr1", 0, 30), [2, 3, 0], [True, True, False]),
        (("chr1", -20, 10), [0, 0, 2], [False, False, True]),
        (("chr2", 9990, 10_030), [0, 8, 0, 0], [False, True, False, False]),
        (("chr2", 20_000, 20_020), [0, 0], [False, False]),
    ],
)
def test_window(store, place, values, valid):
    got = store.window(*place)
    assert got[0].tolist() == values
    assert got[1].tolist() == valid
    assert (got[0].dtype, got[1].dtype) == (np.float32, bool)


def test_window_refuses(store, tmp_path):
    with pytest.raises(InputError, match="must divide geometry/bin_bp"):
        store.window("chr1", 0, 25)
    with pytest.raises(InputError, match="no chromosome chr3; it has chr1, chr2"):
        store.window("chr3", 0, 10)
    with pytest.raises(InputError, match="prepare_track"):
        TrackStore(tmp_path)


def test_pickles_without_its_map(store):
    store.window("chr1", 0, 10)
    copy = pickle.loads(pickle.dumps(store))
    assert len(pickle.dumps(store)) < 1000
    assert copy.window("chr1", 0, 10)[0].tolist() == [2]


def test_renamed_and_partial(tmp_path, out, caplog):
    """A bigWig may hold part of the genome; the rest is missing, not zero."""
    path = write_bigwig(tmp_path / "a.bw", {"1": 20_000, "MT": 90}, [("1", 0, 20_000, 2)])
    report = tracks.prepare([path], out, SIZES, {"bin_bp": 1000}, rename={"1": "chr1"})
    assert bigwig.chromsizes(out / "coverage.bw") == {"chr1": 20_000, "MT": 90}
    bins = np.load(out / "bins.npy")
    np.testing.assert_array_equal(bins, [2] * 20 + [np.nan] * 11)
    assert report == {"sources": ["a.bw"], "absent": ["chr2"], "valid": pytest.approx(20 / 31)}
    assert "no data for chr2" in caplog.text


@pytest.mark.parametrize(
    "sizes, message",
    [
        ({"1": 20_000}, "are 1; use `rename` of its sample"),
        ({"chr1": 20_001}, "another assembly"),
        ({"chr1": 20_000, "chrM": 90}, "no value on any chromosome"),
    ],
)
def test_bigwig_of_another_genome(tmp_path, out, sizes, message):
    path = write_bigwig(tmp_path / "a.bw", sizes, [(list(sizes)[-1], 0, 50, 2)])
    with pytest.raises(InputError, match=message):
        tracks.prepare([path], out, SIZES, {})


def test_mixed_sources(tmp_path, out):
    path = write_bigwig(tmp_path / "a.bw", SIZES, [("chr1", 0, 5, 1)])
    with pytest.raises(InputError, match="BAM replicates or of one bigWig"):
        tracks.prepare([path, path], out, SIZES, {})


def test_settings_are_those_of_the_configuration(repository):
    import yaml

    schema = yaml.safe_load((repository / "resources/schemas/config.schema.yaml").read_text())
    described = schema["properties"]["tracks"]["properties"]
    # The list of tracks becomes each track's own `uncovered`: `plan.track_settings`.
    assert described.pop("zero_where_uncovered")["default"] == []
    # Strands are pairs of tracks, which an arm is told of: `plan.resolve`.
    assert described.pop("strands")["default"] == []
    described["uncovered"] = {"default": "missing"}
    assert {name: entry["default"] for name, entry in described.items()} == {
        **vars(Settings()),
        "ignore_for_normalisation": list(Settings().ignore_for_normalisation),
    }


# ---------------------------------------------------------------- from BAMs


def test_replicates(tmp_path, out, genome):
    """Unsorted replicates: 1x over the bases that are not N; chrM is out of the scale, uncovered is 0."""
    starts_bp = {"chr1": RNG.integers(2000, 19_000, 700), "chr2": RNG.integers(0, 5000, 300), "chrM": [5] * 400}
    sizes = SIZES | {"chrM": 100}
    parts = [{chrom: starts[number::2] for chrom, starts in starts_bp.items()} for number in (0, 1)]
    paths = [write_bam(tmp_path / f"{number}.bam", part, sizes) for number, part in enumerate(parts)]
    settings = {"bin_bp": 100, "coverage_bin_bp": 10}
    report = tracks.prepare(paths, out, SIZES, settings, sequence=genome)
    assert report["effective_genome_size"] == 28_010
    assert report["ignored_for_normalisation"] == ["chrM"]
    assert sorted(path.name for path in out.iterdir()) == ["bins.npy", "chromosomes.tsv", "coverage.bw"]
    scale = 28_010 / (1000 * READ_BP)
    store = TrackStore(out)
    for chrom, length_bp in SIZES.items():
        fine = np.zeros(length_bp // 10)
        for start_bp in starts_bp[chrom]:
            fine[start_bp // 10 : (start_bp + READ_BP - 1) // 10 + 1] += scale
        expected = [fine[first : first + 10].mean() for first in range(0, len(fine), 10)]
        values, valid = store.window(chrom, 0, len(expected) * 100)
        np.testing.assert_allclose(values, expected, rtol=KEPT)
        assert valid.all()
    assert store.window("chr2", 6000, 10_000)[0].max() == 0


def depth(starts_bp):
    """chromosome -> reads over each base."""
    found = {chrom: np.zeros(length_bp) for chrom, length_bp in SIZES.items()}
    for chrom, starts in starts_bp.items():
        for start_bp in starts:
            found[chrom][start_bp : start_bp + READ_BP] += 1
    return found


def test_scale_at_base_resolution(tmp_path, out, genome):
    """One base per bin: no read counts twice, so that the mean over the known bases is 1."""
    starts_bp = {"chr1": RNG.integers(2000, 19_950, 400), "chr2": RNG.integers(0, 9960, 200)}
    settings = {"bin_bp": 10, "coverage_bin_bp": 1}
    tracks.prepare(write_bam(tmp_path / "a.bam", starts_bp), out, SIZES, settings, sequence=genome)
    total = 0
    for chrom, expected in depth(starts_bp).items():
        values = TrackStore(out).window(chrom, 0, SIZES[chrom])[0]
        np.testing.assert_allclose(values, expected.reshape(-1, 10).mean(axis=1) * (28_010 / (600 * 50)), rtol=KEPT)
        total += values.sum() * 10
    assert total / 28_010 == pytest.approx(1, rel=KEPT)


def test_settings_reach_the_coverage(tmp_path, out, genome):
    """On reads that lie within bins: a poor read is out, chr2 out of the scale, blacklisted bases have no value."""
    (tmp_path / "black.bed").write_text("chr1\t5000\t7000\n")
    starts_bp = {"chr1": np.arange(2000, 20_000, 100), "chr2": np.arange(0, 10_000, 50)}
    path = write_bam(tmp_path / "a.bam", starts_bp, quality=3)
    settings = {
        "bin_bp": 100,
        "blacklist": str(tmp_path / "black.bed"),
        "ignore_for_normalisation": ["chr2"],
        "min_mapping_quality": 20,
    }
    report = tracks.prepare(path, out, SIZES, settings, sequence=genome)
    assert report["effective_genome_size"] == 20_000 - 2000 - 2000
    assert report["ignored_for_normalisation"] == ["chr2"]
    values, valid = TrackStore(out).window("chr1", 0, 20_000)
    np.testing.assert_array_equal(np.flatnonzero(~valid), np.arange(50, 70))
    scale = 16_000 / ((180 - 20 - 1) * READ_BP)
    expected = np.repeat([0, scale / 2, 0, scale / 2], [21, 29, 20, 130])
    np.testing.assert_allclose(values, expected, rtol=KEPT)
    ratio = TrackStore(out).window("chr2", 100, 10_000)[0] / values[-1]
    np.testing.assert_allclose(ratio, 2, rtol=KEPT)


def test_bam_under_other_names(tmp_path, out, genome):
    path = write_bam(tmp_path / "a.bam", {"1": [3000, 8000], "2": [40]}, {"1": 20_000, "2": 10_010})
    with pytest.raises(InputError, match=r"a\.bam: lacks chr1, chr2.*are 1, 2; use `rename` of its sample"):
        tracks.prepare(path, out, SIZES, {}, sequence=genome)
    tracks.prepare(path, out, SIZES, {"bin_bp": 50}, rename={"1": "chr1", "2": "chr2"}, sequence=genome)
    assert np.flatnonzero(TrackStore(out).window("chr1", 0, 20_000)[0]).tolist() == [60, 160]


def test_size_that_is_given(tmp_path, out):
    """Exactly what bamCoverage does with the flags of the configuration: chrM counts unless it is named."""
    path = write_bam(tmp_path / "a.bam", {"chr1": [100, 4000], "chrM": [5, 6]}, SIZES | {"chrM": 100})
    settings = {"bin_bp": 50, "effective_genome_size": 30_000, "extend_reads": 100}
    report = tracks.prepare(path, out, SIZES, settings)
    assert report["ignored_for_normalisation"] == []
    assert np.load(out / "bins.npy").max() == pytest.approx(30_000 / (4 * 100), rel=KEPT)


def test_bams_that_cannot_be_used(tmp_path, out, genome):
    good = write_bam(tmp_path / "a.bam", {"chr1": [5]})
    with pytest.raises(InputError, match=r"a\.bam: another assembly"):
        tracks.prepare(good, out, {"chr1": 20_001}, {})
    with pytest.raises(InputError, match="no sequence to count it from"):
        tracks.prepare(good, out, SIZES, {})
    with pytest.raises(InputError, match="leaves no chromosome"):
        tracks.prepare(good, out, SIZES, {"ignore_for_normalisation": list(SIZES)}, sequence=genome)
    with pytest.raises(InputError, match=r"a\.bam: no proper pair"):
        tracks.prepare(good, out, SIZES, {"extend_reads": True}, sequence=genome)
    assert list(out.iterdir()) == []


# ---------------------------------------------------------------- real data


def test_yeast_atac(mirror, tmp_path, out):
    """The first 20,000 records of a real BAM, unsorted and paired, against the same count with pysam."""
    source, few = mirror / "yeast_atac.bam", tmp_path / "few.bam"
    sizes = bam.references(source)
    starts = {name: np.zeros(length_bp // 50 + 2) for name, length_bp in sizes.items()}
    mapped, lengths_bp = 0, []
    with pysam.AlignmentFile(str(source)) as reader, pysam.AlignmentFile(str(few), "wb", template=reader) as writer:
        for read in reader.head(20_000):
            writer.write(read)
            if read.is_unmapped:
                continue
            mapped += 1
            lengths_bp.append(read.infer_query_length())
            # deepTools counts a read once per bin that an aligned block of it touches.
            touched = {b for start, end in read.get_blocks() for b in range(start // 50, (end - 1) // 50 + 1)}
            starts[read.reference_name][list(touched)] += 1
    settings = {"bin_bp": 50, "effective_genome_size": 12_000_000}
    tracks.prepare(few, out, sizes, settings)
    scale = 12_000_000 / (mapped * np.median(lengths_bp))
    store = TrackStore(out)
    for name, length_bp in sizes.items():
        values, valid = store.window(name, 0, -(-length_bp // 50) * 50)
        np.testing.assert_allclose(values, scale * starts[name][: len(values)], rtol=KEPT)
        assert valid.all()


def test_bigwig_of_three_chromosomes(mirror, out):
    """Cohesin ChIP-seq whose file names every chromosome and has values on three."""
    sizes = bigwig.chromsizes(mirror / "yeast_Scc1.chrII_IV_XVI.bw")
    tracks.prepare(mirror / "yeast_Scc1.chrII_IV_XVI.bw", out, sizes, {"bin_bp": 200})
    store = TrackStore(out)
    known = {name: store.window(name, 0, length_bp // 200 * 200)[1].mean() for name, length_bp in sizes.items()}
    assert {name for name, share in known.items() if share > 0} == {"chrII", "chrIV", "chrXVI"}
    with pyBigWig.open(str(mirror / "yeast_Scc1.chrII_IV_XVI.bw")) as handle:
        exact = handle.stats("chrII", 0, 200_000, nBins=1000, exact=True)
    np.testing.assert_allclose(store.window("chrII", 0, 200_000)[0], np.array(exact, dtype=float), rtol=KEPT)
