"""Windows about start sites: which bins, which roles, which labels."""

import gzip

import numpy as np
import pandas as pd
import pytest

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
    (tmp_path / "three.bed").write_text("chr1\t399\t900\n")
    assert promoters.read_tss(tmp_path / "three.bed", 100)["chr1"].tolist() == [3]


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


@pytest.mark.parametrize(
    ("text", "message"),
    [("chr1\t5\n", "2 columns"), ("chr1\ta\tb\n", "not a readable list of TSS"), ("#chrom\tstart\n", "not a readable")],
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
        (tmp_path / strand).mkdir()
        np.save(tmp_path / strand / "bins.npy", bins.ravel())
        sizes = "".join(f"{chrom}\t{N_BINS * BIN_BP}\t10\n" for chrom in ("chr1", "chr2"))
        (tmp_path / strand / "chromosomes.tsv").write_text("name\tlength_bp\tbin_bp\n" + sizes)
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
    assert set(pairs["role"]) == {"train"} and list(pairs.columns) == ["chrom", "x", "y", "label", "role"]


def test_labels_are_means_of_both_strands(folders):
    out = write(folders, "corrected")
    windows = pd.read_csv(out / "windows.tsv", sep="\t")
    assert windows["x"].tolist() == [90, 100, 101] and set(windows["role"]) == set(windows["cage_role"]) == {"train"}
    fine = {strand: values[0].astype(float).reshape(N_BINS, 4) for strand, values in folders[1].items()}
    with np.errstate(invalid="ignore"):
        means = sum(np.nansum(each, axis=1) / np.maximum(np.isfinite(each).sum(axis=1), 1) for each in fine.values())
    expected = np.stack([means[x - 25 : x + 25] for x in windows["x"]])
    np.testing.assert_allclose(np.load(out / "cage.npy"), expected, rtol=1e-6)


def test_without_start_sites_or_expression(folders):
    out = write(folders, "published", expression=[])
    assert sorted(path.name for path in out.iterdir()) == ["counts.tsv", "pairs.tsv", "windows.tsv"]
    out = write(folders, "corrected", tss=None)
    assert sorted(path.name for path in out.iterdir()) == ["counts.tsv", "pairs.tsv"]
    with pytest.raises(InputError, match="TSS: no window on chr1, chr2"):
        promoters.choose_windows({"2": np.array([50])}, open_bands(folders[0] / "bands", 50), protocol="corrected")


def test_signal_of_one_track_is_its_bins(folders):
    root, values = folders
    windows = pd.DataFrame({"chrom": ["chr2"], "x": [60]})
    found = promoters.mean_signal([TrackStore(root / "plus")], windows, BIN_BP, 50)
    expected = values["plus"][1].astype(float).reshape(N_BINS, 4).mean(axis=1)[35:85]
    np.testing.assert_allclose(found[0], expected, rtol=1e-6)
    assert tracks.read_tracks([TrackStore(root / "plus")], "chr2", 1400, 3400, 50)[1].all()
