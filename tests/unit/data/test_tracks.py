import json
import pickle
import subprocess
import sys
from pathlib import Path

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
FILES = ["bins.npy", "chromosomes.tsv", "coverage.bw", "summary.json", "valid_bases.npy"]


def write_bam(path, starts_bp, sizes=SIZES, quality=60, cigar=f"{READ_BP}M"):
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
            read.flag, read.cigarstring = 0, cigar
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
    assert sorted(path.name for path in out.iterdir()) == FILES
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
    assert report == {"sources": ["a.bw"], "absent": ["chr2"], "valid": pytest.approx(20 / 31), "mean": 2}
    assert json.loads((out / "summary.json").read_text()) == report
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
    # A file, which the rule has as an input.
    assert described.pop("blacklist")["default"] is None
    described["uncovered"] = {"default": "missing"}
    made = {name: list(value) if isinstance(value, tuple) else value for name, value in vars(Settings()).items()}
    assert {name: entry["default"] for name, entry in described.items()} == made


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
    assert sorted(path.name for path in out.iterdir()) == FILES
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
        "ignore_for_normalisation": ["chr2"],
        "min_mapping_quality": 20,
    }
    report = tracks.prepare(path, out, SIZES, settings, sequence=genome, blacklist=tmp_path / "black.bed")
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


def bam_coverage(path, target, *options):
    """What a user gets of deepTools at the command line."""
    command = [Path(sys.executable).parent / "bamCoverage", "--bam", path, "--outFileName", target]
    command += ["--normalizeUsing", "RPGC", "--binSize", "50", *options]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)


FLAGGED = {"duplicate": 0x400, "secondary": 0x100, "supplementary": 0x800, "qc_fail": 0x200}


def write_flagged(path):
    """Reads of 50 bp, a third of them with flags that leave them out."""
    sorted_path = path.with_suffix(".sorted.bam")
    bam.sort_and_merge([write_bam(path, {"chr1": RNG.integers(0, 19_950, 900)})], sorted_path, SIZES)
    flags = [0, 0, 0, 0, 16, 16, 16, 16, *FLAGGED.values()]
    with pysam.AlignmentFile(str(sorted_path)) as reader, pysam.AlignmentFile(str(path), "wb", template=reader) as out:
        for number, read in enumerate(reader):
            read.flag = flags[number % len(flags)]
            out.write(read)
    bam.sort_and_merge([path], sorted_path, SIZES)
    return sorted_path


def test_t5_flags_are_those_of_bamcoverage(tmp_path, out, genome):
    """Duplicates, secondary, supplementary and failed reads are out: the values of bamCoverage with the same flags, and
    1.98 as the mean, because a bin of 50 bp counts every read of 50 bp that touches it; 3/2 of them otherwise."""
    path = write_flagged(tmp_path / "a.bam")
    options = ["--effectiveGenomeSize", "20000", "--samFlagExclude", "3840", "--minMappingQuality", "0"]
    bam_coverage(path, tmp_path / "theirs.bw", *options, "--ignoreForNormalization", "chr2")
    settings = {"bin_bp": 50, "effective_genome_size": 20_000, "ignore_for_normalisation": ["chr2"]}
    report = tracks.prepare(path, out, SIZES, settings)
    ours, theirs = (
        bigwig.binned_means(file, "chr1", 20_000, 50)[0] for file in (out / "coverage.bw", tmp_path / "theirs.bw")
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    assert ours.mean() == pytest.approx(99 / 50, rel=0.01)
    assert report["reads"] == {"in": 900, "counted": 600, "dropped": dict.fromkeys(FLAGGED, 75)}
    assert report["mean_coverage"] == pytest.approx(1, abs=1e-6)
    shared = tmp_path / "every"
    shared.mkdir()
    report = tracks.prepare(path, shared, SIZES, {**settings, "exclude_flags": []})
    assert report["reads"] == {"in": 900, "counted": 900, "dropped": {}}


def write_pairs(path, fragments_bp, read_bp=50):
    """Pairs on chr1, their fragments of these lengths."""
    header = {"SQ": [{"SN": name, "LN": length_bp} for name, length_bp in SIZES.items()]}
    starts = RNG.integers(0, 19_000, len(fragments_bp))
    with pysam.AlignmentFile(str(path), "wb", header=header) as handle:
        for number, (start_bp, fragment_bp) in enumerate(zip(starts.tolist(), fragments_bp)):
            mate_bp = start_bp + fragment_bp - read_bp
            for flag, place, mate, length in (
                (99, start_bp, mate_bp, fragment_bp),
                (147, mate_bp, start_bp, -fragment_bp),
            ):
                read = pysam.AlignedSegment(handle.header)
                read.query_name, read.query_sequence, read.flag = f"r{number}", "A" * read_bp, flag
                read.reference_id = read.next_reference_id = 0
                read.reference_start, read.next_reference_start, read.template_length = place, mate, length
                read.mapping_quality, read.cigarstring = 60, f"{read_bp}M"
                handle.write(read)
    return path


@pytest.mark.parametrize("extend", [150, True])
def test_t5_pairs_are_extended_to_their_fragment(tmp_path, out, extend):
    """Pairs of 200 bp, whatever length is given for reads without a mate: (200 + 49) / 200 at 50 bp, and not 1.66."""
    settings = {"bin_bp": 50, "effective_genome_size": 20_000, "ignore_for_normalisation": ["chr2"]}
    report = tracks.prepare(
        write_pairs(tmp_path / "a.bam", [200] * 500), out, SIZES, {**settings, "extend_reads": extend}
    )
    mean = bigwig.total(out / "coverage.bw", "chr1") / 20_000
    assert mean == pytest.approx(1.245, rel=0.005)
    assert report["fragment_bp"] == (200 if extend is True else 150)
    assert report["mean_coverage"] == pytest.approx(1, rel=1e-3)


def test_t5_fragments_whose_mean_is_not_their_median(tmp_path, out):
    """As of ATAC-seq: deepTools' scale, by the median, would leave the mean coverage at 1.5."""
    path = write_pairs(tmp_path / "a.bam", [100] * 300 + [100] * 1 + [250] * 299)
    settings = {"bin_bp": 50, "effective_genome_size": 20_000, "ignore_for_normalisation": ["chr2"]}
    report = tracks.prepare(path, out, SIZES, {**settings, "extend_reads": True})
    assert report["fragment_bp"] == 100
    assert report["mean_coverage"] == pytest.approx(1, rel=1e-3)


def test_t5_clipped_reads_are_counted_by_what_is_aligned(tmp_path, out, caplog):
    path = write_bam(tmp_path / "a.bam", {"chr1": np.arange(100, 19_000, 20)}, cigar="15S35M")
    settings = {"bin_bp": 50, "effective_genome_size": 20_000, "ignore_for_normalisation": ["chr2"]}
    report = tracks.prepare(path, out, SIZES, settings)
    assert report["share_covered"] == pytest.approx(0.7)
    assert "70 % of the reads' bases are aligned" in caplog.text
    assert report["mean_coverage"] == pytest.approx(1, rel=1e-3)


def test_t5_a_coverage_that_is_not_1_is_refused(tmp_path, out, monkeypatch):
    """Whatever goes wrong between reads and coverage: here the coverage leaves out a tenth of the reads."""
    path = write_bam(tmp_path / "a.bam", {"chr1": np.arange(0, 19_000, 20)}, quality=3)
    whole = bigwig.coverage
    monkeypatch.setattr(
        bigwig, "coverage", lambda *args, **given: whole(*args, **{**given, "scale": 0.9 * given["scale"]})
    )
    settings = {"effective_genome_size": 20_000, "ignore_for_normalisation": ["chr2"]}
    with pytest.raises(InputError, match=r"a\.bam: the mean coverage of the counted genome \(20,000 bp\) is 0\.900"):
        tracks.prepare(path, out, SIZES, settings)


def test_t9_all_reads_below_the_quality(tmp_path, out):
    path = write_bam(tmp_path / "a.bam", {"chr1": [5], "chr2": [9]}, quality=3)
    settings = {"effective_genome_size": 20_000, "min_mapping_quality": 20}
    with pytest.raises(InputError, match=r"a\.bam: of 2 reads none is left to count \(left out: 2 low mapping quality"):
        tracks.prepare(path, out, SIZES, settings)
    assert not (out / "coverage.bw").exists()


def test_t9_sixty_thousand_contigs(tmp_path, out, genome):
    """Their names do not fit into a command."""
    sizes = SIZES | {f"scaffold_of_an_assembly_{number:08d}": 100 for number in range(60_000)}
    starts = {"chr1": RNG.integers(0, 19_950, 100), "scaffold_of_an_assembly_00000007": [5]}
    report = tracks.prepare(write_bam(tmp_path / "a.bam", starts, sizes), out, SIZES, {"bin_bp": 50}, sequence=genome)
    assert (report["reads"]["counted"], report["reads_beside_scale"]) == (101, 1)
    assert len(report["ignored_for_normalisation"]) == 60_000


def test_a_size_of_another_genome(tmp_path, out):
    path = write_bam(tmp_path / "a.bam", {"chr1": [5]})
    with pytest.raises(InputError, match="effective_genome_size: 2,913,022,398 bp, and the chromosomes that reads"):
        tracks.prepare(path, out, SIZES, {"effective_genome_size": 2_913_022_398})


# ---------------------------------------------------------------- the blacklist


def blacklisted(tmp_path, out, text, **given):
    """Means of both chromosomes; reads of 50 bp every 50 bp of either, twice as many on chr1 from 5,000 to 7,000."""
    out.mkdir(exist_ok=True)
    (tmp_path / "black.bed").write_text(text)
    starts = {"chr1": np.concatenate([np.arange(0, 20_000, 50), *[np.arange(5000, 7000, 50)] * 9])}
    path = write_bam(tmp_path / "a.bam", starts)
    settings = {"bin_bp": 1000, "effective_genome_size": 18_000, "ignore_for_normalisation": ["chr2"]}
    report = tracks.prepare(path, out, SIZES, settings, blacklist=tmp_path / "black.bed", **given)
    return np.load(out / "bins.npy")[:20].astype(float), report


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("chr1\t5000\t7000\n", {}),
        ("chr1\t5000\t6000\nchr1\t6000\t7000\n", {}),
        ("chr1\t5500\t7000\nchr1\t5000\t6000\n", {}),
        ("1\t5000\t7000\n", {"genome_rename": {"1": "chr1"}}),
        ("track name=black\nI\t5000\t7000\n", {"rename": {"I": "chr1"}, "genome_rename": {"1": "chr1"}}),
    ],
)
def test_t2_blacklisted_reads_are_out_of_the_scale(tmp_path, text, names):
    """Regions that touch or overlap, and names that are renamed, give what one region under the genome's name does."""
    means, report = blacklisted(tmp_path, tmp_path / "track", text, **names)
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(means)), [5, 6])
    np.testing.assert_allclose(means[~np.isnan(means)], 1, rtol=KEPT)
    assert report["reads"] == {"in": 760, "counted": 360, "dropped": {"blacklist": 400}}


def test_t2_an_empty_blacklist_leaves_nothing_out(tmp_path):
    means, report = blacklisted(tmp_path, tmp_path / "track", "# none\n")
    assert report["reads"]["dropped"] == {}
    np.testing.assert_allclose(means[5] / means[0], 10, rtol=2 * KEPT)


def test_t1_a_blacklist_in_foreign_names(tmp_path, caplog):
    with pytest.raises(InputError, match=r"black\.bed: 1, Mt match no chromosome; there are chr1, chr2; name them"):
        blacklisted(tmp_path, tmp_path / "track", "1\t5000\t7000\nMt\t5\t9\n")
    blacklisted(tmp_path, tmp_path / "other", "chr1\t5000\t7000\nchrEBV\t5\t9\n")
    assert "black.bed: chrEBV match no chromosome" in caplog.text


def test_t1_ignored_chromosomes_that_are_not_there(tmp_path, out, caplog):
    path = write_bam(tmp_path / "a.bam", {"chr1": np.arange(0, 19_000, 50)})
    settings = {"effective_genome_size": 20_000, "ignore_for_normalisation": ["X", "chr2"]}
    tracks.prepare(path, out, SIZES, settings)
    assert "tracks/ignore_for_normalisation: X match no chromosome; there are chr1, chr2" in caplog.text
    with pytest.raises(InputError, match="ignore_for_normalisation: X match no chromosome"):
        tracks.prepare(path, out, SIZES, {**settings, "ignore_for_normalisation": ["X"]})


# ---------------------------------------------------------------- sign, small values, means of means


def test_t3_a_negative_track_is_refused_or_taken_absolute(tmp_path, out):
    """A minus strand below 0: 2 of 3 bins."""
    values = [("chr1", 0, 10, -4), ("chr1", 15, 20, -1), ("chr1", 20, 30, 2)]
    path = write_bigwig(tmp_path / "minus.bw", SIZES, values)
    with pytest.raises(InputError, match=r"minus\.bw: 2 of 3 bins \(66\.7%\) are negative, down to -4; say what"):
        tracks.prepare(path, out, SIZES, {"bin_bp": 10})
    assert not (out / "bins.npy").exists()
    tracks.prepare(path, out, SIZES, {"bin_bp": 10, "negative": "absolute"})
    assert np.load(out / "bins.npy")[:3].tolist() == [4, 1, 2]
    tracks.prepare(path, out, SIZES, {"bin_bp": 10, "negative": "keep"})
    assert np.load(out / "bins.npy")[:3].tolist() == [-4, -1, 2]


def test_t4_values_that_float16_loses(tmp_path, out, caplog):
    """1e-8 is kept as 0: said where it is some, refused where it is all."""
    path = write_bigwig(tmp_path / "a.bw", SIZES, [("chr1", 0, 10, 1e-8), ("chr1", 10, 20, 0), ("chr1", 20, 30, 1)])
    tracks.prepare(path, out, SIZES, {"bin_bp": 10})
    assert np.load(out / "bins.npy")[:3].tolist() == [0, 0, 1]
    assert "a.bw: 1 of 2 bins that are not 0 are below 6e-8 and kept as 0" in caplog.text
    path = write_bigwig(tmp_path / "b.bw", SIZES, [("chr1", 0, 10, 1e-8), ("chr1", 10, 20, 2e-8)])
    with pytest.raises(InputError, match=r"b\.bw: every value is below 6e-8 \(largest 2e-08\)"):
        tracks.prepare(path, out, SIZES, {"bin_bp": 10})


def test_y14_means_over_valid_bases(tmp_path, out):
    """One base of 10 in a bin, and 100 bases of 0 in the other: 10 / 101 = 0.099, not 5."""
    path = write_bigwig(tmp_path / "a.bw", SIZES, [("chr1", 99, 100, 10), ("chr1", 100, 200, 0)])
    report = tracks.prepare(path, out, SIZES, {"bin_bp": 100})
    assert np.load(out / "bins.npy")[:2].tolist() == [10, 0]
    assert np.load(out / "valid_bases.npy")[:3].tolist() == [1, 100, 0]
    values, valid = tracks.read_tracks([TrackStore(out)], "chr1", 0, 400, 2)
    np.testing.assert_allclose(values, [[10 / 101, 0]], rtol=1e-6)
    assert valid.tolist() == [[True, False]]
    assert report["mean"] == pytest.approx(10 / 101)


def test_y14_the_last_bin_counts_by_its_length(tmp_path, out):
    path = write_bigwig(tmp_path / "a.bw", SIZES, [("chr2", 9900, 10_000, 1), ("chr2", 10_000, 10_010, 12)])
    tracks.prepare(path, out, SIZES, {"bin_bp": 100})
    values, _ = tracks.read_tracks([TrackStore(out)], "chr2", 9900, 10_100, 1)
    np.testing.assert_allclose(values, [[(100 + 120) / 110]], rtol=1e-6)


def test_t8_bins_that_do_not_make_up_those_read(store):
    with pytest.raises(InputError, match="bins of 10 bp do not make up those that are read, 25 bp; set tracks/bin_bp"):
        tracks.read_tracks([store], "chr1", 0, 100, 4)
    with pytest.raises(InputError, match="bins of 10 bp, and the model a/model reads tracks in bins of 40 bp"):
        tracks.check_bins([store], 40, "a/model")


def test_t7_a_chromosome_without_a_value(tmp_path, out):
    path = write_bigwig(tmp_path / "a.bw", SIZES, [("chr1", 0, 5, 1)])
    tracks.prepare(path, out, SIZES, {"bin_bp": 10})
    tracks.check_chromosomes([TrackStore(out)], ["chr1"], "which is tested")
    with pytest.raises(InputError, match="the track has no value on chr2, which is tested; give a file that covers"):
        tracks.check_chromosomes([TrackStore(out)], ["chr1", "chr2"], "which is tested")


def test_t10_bedgraph_and_bigwig_are_one_track(tmp_path, out):
    (tmp_path / "a.bedGraph").write_text("1\t0\t5\t1\n1\t5\t15\t3\n2\t10001\t10010\t8\n")
    report = tracks.prepare(tmp_path / "a.bedGraph", out, SIZES, {"bin_bp": 10}, rename={"1": "chr1", "2": "chr2"})
    assert np.load(out / "bins.npy")[[0, 1, 3000]].tolist() == [2, 3, 8]
    assert report["mean"] == pytest.approx((5 + 30 + 72) / 24)


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
