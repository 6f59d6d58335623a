"""Windows about start sites: which bins, which roles, which labels."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest
from track_files import write_track

from trifold.data import promoters, tracks
from trifold.data.bands import CountStore, open_bands
from trifold.data.tracks import TrackStore
from trifold.errors import InputError
from trifold.io.cool import Band

BIN_BP, N_BINS = 40, 200


def test_a_site_is_the_5_prime_end(tmp_path):
    bed = "#chrom\tstart\tend\nI\t95\t105\ta\t0\t+\nI\t95\t105\tb\t0\t-\nI\t230\t231\tc\t0\t-\nII\t5\t6\td\t0\t+\n"
    (tmp_path / "tss.bed").write_text(bed)
    found = promoters.read_tss(tmp_path / "tss.bed", 100, {"I": "chrI"})
    assert {chrom: bins.tolist() for chrom, bins in found.items()} == {"chrI": [0, 1, 2], "II": [0]}
    (tmp_path / "three.bed").write_text("chr1\t399\t400\n")
    assert promoters.read_tss(tmp_path / "three.bed", 100)["chr1"].tolist() == [3]


@pytest.mark.parametrize("minus", ["-", "-1", "minus", "Reverse", "- ", "neg"])
@pytest.mark.parametrize("plus", ["+", "1", "+1", "plus", "forward"])
def test_t3_strands_as_people_write_them(tmp_path, plus, minus):
    (tmp_path / "tss.bed").write_text(f"chr1\t95\t405\ta\t0\t{plus}\nchr1\t95\t405\tb\t0\t{minus}\n")
    assert promoters.read_tss(tmp_path / "tss.bed", 100)["chr1"].tolist() == [0, 4]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("chr1\t95\t405\ta\t0\tsense", r"line 2: the strand \(column 6\) is 'sense', in 1 of 2 records; give \+ or -"),
        ("chr1\t95\t405\ta\t0\t1000", "line 2: the strand .* is '1000'"),
        ("chr1\t95\t405\ta\t0\t.", "line 2: no strand on a record of 310 bp, in 1 of 2 records: its 5' end is not"),
        ("chr1\t95\t405\ta\t-", "column 5 seems to hold it, and a BED has it in column 6"),
        ("chr1\t95\t405\t-", "column 4 seems to hold it"),
        ("chr1\t95\t405", "line 2: no strand on a record of 310 bp"),
        ("chr1\t405\t95\ta\t0\t-", "line 2: 405 to 95 is empty or before the chromosome"),
    ],
)
def test_t3_strands_that_are_not_known(tmp_path, line, message):
    (tmp_path / "tss.bed").write_text(f"chr1\t5\t6\ta\t0\t.\n{line}\n")
    with pytest.raises(InputError, match=rf"tss\.bed: .*{message}"):
        promoters.read_tss(tmp_path / "tss.bed", 100)


def test_genes_of_a_gtf(tmp_path):
    """Protein-coding genes, coordinates from 1, both ends included."""

    def line(feature, start, end, strand, kind):
        return f'chr1\tHAVANA\t{feature}\t{start}\t{end}\t.\t{strand}\t.\tgene_id "g"; gene_type "{kind}";\n'

    lines = [
        "##description\n",
        line("gene", 101, 900, "+", "protein_coding"),
        line("gene", 301, 700, "-", "protein_coding"),
        line("gene", 1001, 1900, "+", "lncRNA"),
        line("transcript", 2001, 2900, "+", "protein_coding"),
    ]
    with gzip.open(tmp_path / "genes.gtf.gz", "wt") as handle:
        handle.writelines(lines)
    assert promoters.read_tss(tmp_path / "genes.gtf.gz", 100)["chr1"].tolist() == [1, 6]
    sites = promoters.read_sites(tmp_path / "genes.gtf.gz", 100)
    assert (sites.listed, sites.left_out) == (3, {"not protein-coding": 1, "same bin as another": 0})


def gtf(*records):
    """Records (feature, start, end, strand, attributes)."""
    return "".join(
        f"1\tsource\t{feature}\t{start}\t{end}\t.\t{strand}\t.\t{attributes}\n"
        for feature, start, end, strand, attributes in records
    )


CODING, OTHER = 'gene_id "a"; {0} "protein_coding";', 'gene_id "b"; {0} "lncRNA";'
PLACES = [(101, 900, "+"), (1001, 1700, "-"), (2001, 2900, "+")]


@pytest.mark.parametrize(
    ("name", "feature", "attributes"),
    [
        ("ensembl.gtf", "gene", [text.format("gene_biotype") for text in (CODING, CODING, OTHER)]),
        ("refseq.gtf", "gene", [text.format('gbkey "Gene"; gene_biotype') for text in (CODING, CODING, OTHER)]),
        ("gencode.gtf", "transcript", [text.format("transcript_type") for text in (CODING, CODING, OTHER)]),
        ("ensembl.gff3", "gene", ["ID=gene:a;biotype=protein_coding"] * 2 + ["ID=gene:b;biotype=lncRNA"]),
        ("ensembl.gff3", "mRNA", ["ID=a;biotype=protein_coding"] * 2 + ["ID=b;biotype=lncRNA"]),
    ],
)
def test_t10_annotations_of_others(tmp_path, name, feature, attributes):
    records = [(feature, *place, text) for place, text in zip(PLACES, attributes)]
    (tmp_path / name).write_text("#!genome-build x\n" + gtf(*records, ("exon", 5, 9, "+", attributes[0])))
    assert promoters.read_tss(tmp_path / name, 100, {"1": "chr1"})["chr1"].tolist() == [1, 16]


def test_t10_annotation_that_does_not_say_what_genes_make(tmp_path, caplog):
    """As of UCSC's refGene: transcripts without a biotype; all are taken, and it is said."""
    records = [("transcript", *place, 'gene_id "a"; transcript_id "b";') for place in PLACES]
    (tmp_path / "a.gtf").write_text(gtf(*records))
    assert promoters.read_tss(tmp_path / "a.gtf", 100)["1"].tolist() == [1, 16, 20]
    assert "a.gtf: no record says what it makes" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (gtf(("exon", 1, 9, "+", "")), "no record of a gene or transcript"),
        (gtf(("gene", 1, 9, "+", OTHER.format("gene_type"))), "no protein-coding gene; its kinds are lncRNA"),
        (gtf(("gene", 0, 9, "+", "")), "line 1: 0 to 9 is no stretch counted from 1"),
        (gtf(("gene", 1, 9, "?", CODING.format("gene_type"))), r"line 1: the strand \(column 7\) is '\?'"),
        ("1\t5\t9\n", "line 1 has 3 columns, and a GTF has 9"),
    ],
)
def test_t10_no_annotation(tmp_path, text, message):
    (tmp_path / "a.gtf").write_text(text)
    with pytest.raises(InputError, match=rf"a\.gtf: {message}"):
        promoters.read_tss(tmp_path / "a.gtf", 100)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chr1\t5\n", "2 columns"),
        ("chr1\t5\tb\n", "end is 'b', not a whole number"),
        ("#chrom\tstart\n", "no start site"),
    ],
)
def test_refuses_other_lists(tmp_path, text, message):
    (tmp_path / "tss.bed").write_text(text)
    with pytest.raises(InputError, match=rf"tss\.bed: .*{message}"):
        promoters.read_tss(tmp_path / "tss.bed", 100)


def test_random_roles_are_eighty_ten_ten():
    roles = promoters.random_roles(1234)
    assert {role: int((roles == role).sum()) for role in set(roles)} == {"train": 988, "validation": 123, "test": 123}
    np.testing.assert_array_equal(roles, promoters.random_roles(1234))
    assert len(set(roles[:40])) > 1  # not one block after the other


# ---------------------------------------------------------------- a sample


@pytest.fixture
def folders(tmp_path):
    """Bands of chr1 (contacts everywhere) and chr2 (next to none), and a stranded expression track."""
    (tmp_path / "bands").mkdir()
    generator, lines = np.random.default_rng(0), ["name\tn_bins\tn_diagonals"]
    for chrom, share in (("chr1", 1.0), ("chr2", 0.02)):
        counts = generator.integers(1, 200, (N_BINS, 150)) * (generator.random((N_BINS, 150)) < share)
        for d in range(150):
            counts[N_BINS - d :, d] = 0
        CountStore.keep(tmp_path / "bands" / f"{chrom}.npy", Band(chrom, BIN_BP, counts, np.ones(N_BINS)))
        lines.append(f"{chrom}\t{N_BINS}\t150")
    (tmp_path / "bands/chromosomes.tsv").write_text("\n".join(lines) + "\n")
    values = {strand: generator.gamma(1, 1, (2, N_BINS * 4)).astype(np.float16) for strand in ("plus", "minus")}
    values["plus"][0, 400:402] = np.nan  # half a bin
    values["minus"][0, 408:412] = np.nan  # a bin
    for strand, bins in values.items():
        write_track(tmp_path / strand, bins, dict.fromkeys(("chr1", "chr2"), N_BINS * BIN_BP), 10)
    loops = [(x, x + 4 + x % 17) for x in range(30, 110)]
    lines = [f"1\t{x * BIN_BP}\t{x * BIN_BP + 9}\t1\t{y * BIN_BP}\t{y * BIN_BP + 9}" for x, y in loops]
    (tmp_path / "regions.bed").write_text(
        "".join(
            f"{chrom}\t0\t{N_BINS * BIN_BP}\t{role}\n" for chrom, role in (("chr1", "train"), ("chr2", "validation"))
        )
    )
    (tmp_path / "loops.bedpe").write_text("\n".join(lines) + "\n")
    (tmp_path / "tss.bed").write_text("".join(f"1\t{x * BIN_BP}\t{x * BIN_BP + 1}\n" for x in (10, 90, 100, 101)))
    return tmp_path, values


def write(folders, protocol, **changed):
    root, _ = folders
    out = root / protocol
    out.mkdir()
    settings = {
        "sample": "alpha",
        "protocol": protocol,
        "bands": root / "bands",
        "loops": [root / "loops.bedpe"],
        "tss": root / "tss.bed",
        "expression": [root / "plus", root / "minus"],
        "bin_bp": BIN_BP,
        "window_bins": 50,
        "max_loop_bins": 20,
        "rename": {"1": "chr1"},
        "regions": root / "regions.bed",
        "seed": 1,
    }
    promoters.write_sample(out, **settings | changed)
    return out


def test_counts_are_those_of_the_tables(folders):
    out = write(folders, "corrected")
    pairs = pd.read_csv(out / "pairs.tsv", sep="\t")
    counts = pd.read_csv(out / "counts.tsv", sep="\t").set_index(["kind", "chrom", "label"])
    assert list(counts.columns) == ["sample", "protocol", "window_bins", "role", "before", "after"]
    assert set(counts["window_bins"]) == {50}
    assert counts.loc[("loop", "chr1", "positive"), ["before", "after"]].tolist() == [80, 80]
    assert counts.loc[("pretrain", "chr1", "positive"), ["before", "after"]].tolist() == [80, 80]
    assert counts.loc[("loop", "chr1", "negative"), "after"] == (pairs["label"] == 0).sum() == 80
    assert counts.loc[("cage", "chr1", "window"), ["before", "after"]].tolist() == [4, 3]  # bin 10: no whole window
    assert counts.loc[("cage", "chr2", "window"), ["before", "after", "role"]].tolist() == [0, 0, "validation"]
    summary = json.loads((out / "summary.json").read_text())
    assert summary["loops"] == {"listed": 80, "used": 80, "left_out": {}}
    left_out = {"at a chromosome's end, or too few contacts": 1}
    assert summary["start_sites"] == {"listed": 4, "used": 3, "left_out": left_out}
    assert set(pairs["role"]) == {"train"} and list(pairs.columns) == ["chrom", "x", "y", "label", "role"]


def test_records_are_accounted_for_by_reason(folders):
    """Every record of the files is used, or left out for one reason."""
    root, _ = folders
    with open(root / "loops.bedpe", "a") as handle:
        handle.write("1\t0\t9\t1\t40\t49\n1\t0\t9\t1\t4000\t4009\n1\t0\t9\t2\t400\t409\n7\t0\t9\t7\t400\t409\n")
        handle.write(f"1\t{30 * BIN_BP + 1}\t{30 * BIN_BP + 3}\t1\t{47 * BIN_BP}\t{47 * BIN_BP + 3}\n")
    with open(root / "tss.bed", "a") as handle:
        handle.write(f"1\t{90 * BIN_BP + 5}\t{90 * BIN_BP + 6}\n7\t5\t6\n")
    summary = json.loads((write(folders, "corrected") / "summary.json").read_text())
    assert summary["loops"] == {
        "listed": 85,
        "used": 80,
        "left_out": {
            "not within a chromosome": 1,
            "too short": 1,
            "too long": 1,
            "same bins as another": 1,
            "chromosome not in the map": 1,
        },
    }
    assert summary["start_sites"]["listed"] == 6 == summary["start_sites"]["used"] + 3
    assert summary["start_sites"]["left_out"]["same bin as another"] == 1
    assert summary["start_sites"]["left_out"]["chromosome not in the map"] == 1


def test_labels_are_means_of_both_strands(folders):
    out = write(folders, "corrected")
    windows = pd.read_csv(out / "windows.tsv", sep="\t")
    assert windows["x"].tolist() == [90, 100, 101] and set(windows["role"]) == set(windows["cage_role"]) == {"train"}
    fine = {strand: values[0].astype(float).reshape(N_BINS, 4) for strand, values in folders[1].items()}
    with np.errstate(invalid="ignore"):
        means = sum(np.nansum(each, axis=1) / np.maximum(np.isfinite(each).sum(axis=1), 1) for each in fine.values())
    expected = np.stack([means[x - 25 : x + 25] for x in windows["x"]])
    np.testing.assert_allclose(np.load(out / "cage.npy"), expected, rtol=1e-6)


FILES = ["counts.tsv", "matched.tsv", "negatives.tsv", "pairs.tsv", "summary.json"]


def test_y5_matched_negatives_and_what_distance_tells_are_kept_with_the_pairs(folders):
    out = write(folders, "corrected")
    drawn, matched = (pd.read_csv(out / name, sep="\t") for name in ("pairs.tsv", "matched.tsv"))
    assert list(matched.columns) == list(drawn.columns) and set(matched["label"]) == {0}
    positives, negatives = (drawn[drawn["label"] == label] for label in (1, 0))
    spans = [np.sort(table["y"] - table["x"]) for table in (positives, matched)]
    np.testing.assert_array_equal(*spans)
    table = pd.read_csv(out / "negatives.tsv", sep="\t").set_index("negatives")
    assert table[["sample", "protocol", "role"]].drop_duplicates().to_numpy().tolist() == [
        ["alpha", "corrected", "train"]
    ]
    beyond = int((negatives["y"] - negatives["x"] > spans[0].max()).sum())
    assert table.loc["drawn", ["n", "longest_bins", "beyond"]].tolist() == [80, spans[0].max(), beyond] and beyond > 10
    assert table.loc["matched", ["n", "beyond", "near"]].tolist() == [80, 0, 0]


def test_without_start_sites_or_expression(folders):
    out = write(folders, "published", expression=[])
    assert sorted(path.name for path in out.iterdir()) == [*FILES, "windows.tsv"]
    out = write(folders, "corrected", tss=None)
    assert sorted(path.name for path in out.iterdir()) == FILES
    with pytest.raises(InputError, match="TSS: 2 match no chromosome; there are chr1, chr2; name chromosomes"):
        promoters.choose_windows({"2": np.array([50])}, open_bands(folders[0] / "bands", 50), protocol="corrected")


def test_signal_of_one_track_is_its_bins(folders):
    root, values = folders
    windows = pd.DataFrame({"chrom": ["chr2"], "x": [60]})
    found = promoters.mean_signal([TrackStore(root / "plus")], windows, BIN_BP, 50)
    expected = values["plus"][1].astype(float).reshape(N_BINS, 4).mean(axis=1)[35:85]
    np.testing.assert_allclose(found[0], expected, rtol=1e-6)
    assert tracks.read_tracks([TrackStore(root / "plus")], "chr2", 1400, 3400, 50)[1].all()
