"""Splits: each kind, the published one, and every way a BED can be wrong."""

import gzip

import numpy as np
import pandas as pd
import pytest

from trifold.data import splits
from trifold.errors import InputError

GENOME = {"chr1": 1_000, "chr2": 800, "chr3": 450}
WINDOW_BP = 100


def drawn(kind, seed=1, validation=0.2, test=0.3, **settings):
    fractions = {"validation": validation, "test": test}
    return splits.make({"kind": kind, "fractions": fractions, "seed": seed, **settings}, GENOME, WINDOW_BP)


def test_whole_chromosomes():
    regions = splits.make({"kind": "chromosomes", "validation": ["chr2"], "test": ["chr3"]}, GENOME, WINDOW_BP)
    assert regions.values.tolist() == [
        ["chr1", 0, 1_000, "train"],
        ["chr2", 0, 800, "validation"],
        ["chr3", 0, 450, "test"],
    ]


def test_blocks_have_gaps_and_shares():
    regions = drawn("blocks", block_bp=200, gap_bp=50)
    assert (regions["end_bp"] - regions["start_bp"]).between(WINDOW_BP, 200).all()
    chr1 = regions[regions["chrom"] == "chr1"]
    np.testing.assert_array_equal(chr1["start_bp"], [0, 250, 500, 750])
    np.testing.assert_array_equal(chr1["start_bp"][1:].to_numpy() - chr1["end_bp"][:-1].to_numpy(), 50)
    # 4 blocks on chr1, 3 on chr2 (a fourth would be 50 bp), 2 on chr3.
    assert regions["role"].value_counts().to_dict() == {"train": 4, "test": 3, "validation": 2}
    assert drawn("blocks", block_bp=200, gap_bp=50).equals(regions)
    assert not drawn("blocks", seed=2, block_bp=200, gap_bp=50).equals(regions)


def test_random_windows_touch_and_never_overlap():
    regions = drawn("random")
    assert (regions["end_bp"] - regions["start_bp"] == WINDOW_BP).all()
    assert len(regions) == 10 + 8 + 4
    assert (regions["role"] == "test").sum() == round(0.3 * 22)


def test_a_small_share_is_still_one_block():
    roles = drawn("random", validation=0.001, test=0.001)["role"].value_counts()
    assert (roles["validation"], roles["test"]) == (1, 1)


def test_written_regions_read_back(tmp_path):
    split = {"kind": "chromosomes", "validation": [], "test": ["chr2"]}
    splits.write(tmp_path / "regions.bed", split, GENOME, WINDOW_BP)
    assert (tmp_path / "regions.bed").read_text().splitlines()[1] == "chr2\t0\t800\ttest"
    again = splits.make({"kind": "bed", "path": str(tmp_path / "regions.bed")}, GENOME, WINDOW_BP)
    assert again.equals(splits.make(split, GENOME, WINDOW_BP))


def test_chromosomes_of_a_role(tmp_path):
    (tmp_path / "regions.bed").write_text("chr2\t0\t9\ttest\nchr1\t0\t5\ttest\nchr2\t20\t30\ttest\nchr3\t0\t9\ttrain\n")
    assert splits.chromosomes_of(tmp_path / "regions.bed", "test") == ["chr2", "chr1"]


def test_a_bed_may_be_packed_and_have_a_header(tmp_path):
    text = "chrom\tstart\tend\trole\nchr1\t0\t500\ttest\nchr2 0 500 train\n"
    with gzip.open(tmp_path / "regions.txt", "wt") as handle:
        handle.write(text)
    expected = pd.DataFrame([("chr1", 0, 500, "test"), ("chr2", 0, 500, "train")], columns=splits.COLUMNS)
    pd.testing.assert_frame_equal(splits.read(tmp_path / "regions.txt"), expected)


def test_published_split_of_kriukov2021(repository):
    sizes = (line.split("\t") for line in (repository / "resources/genomes/mm10.chrom.sizes").read_text().splitlines())
    sizes = {name: int(length) for name, length in sizes}
    path = repository / "resources/splits/mm10.kriukov2021.bed"
    regions = splits.make({"kind": "bed", "path": str(path)}, sizes, 1_000_000)
    chroms = {role: set(regions["chrom"][regions["role"] == role]) for role in splits.ROLES}
    assert chroms["validation"] == {"chr11", "chr14"}
    assert chroms["test"] == {"chrX", "chr8"}
    assert len(chroms["train"]) == 16
    assert (regions["end_bp"] == regions["chrom"].map(sizes)).all()


@pytest.mark.parametrize(
    "text, what",
    [
        ("chr1\t0\t500\ttrain\n", "no test region"),
        ("chr1\t0\t500\ttest\n", "no train region"),
        ("chr1\t0\t500\ttrain\nchr1\t499\t800\ttest\n", "overlap on chr1: 0-500 and 499-800"),
        ("chr9\t0\t500\ttrain\n", "no chromosome chr9"),
        ("chr1\t0\t1001\ttrain\n", "chr1:0-1001 is empty or leaves"),
        ("chr1\t500\t500\ttrain\n", "is empty or leaves"),
        ("chr1\t-5\t500\ttrain\n", "is empty or leaves"),
        ("chr1\t0\t500\tlearn\n", "unknown role"),
        ("chr1\t0\t500\n", "needs four columns"),
        ("chr1\t0\tend\ttrain\n", "needs four columns"),
    ],
)
def test_wrong_beds(tmp_path, text, what):
    path = tmp_path / "regions.bed"
    path.write_text(text)
    with pytest.raises(InputError, match=what) as error:
        splits.make({"kind": "bed", "path": str(path)}, GENOME, WINDOW_BP)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    "split, what",
    [
        ({"kind": "chromosomes", "validation": [], "test": []}, "no test region"),
        ({"kind": "chromosomes", "validation": [], "test": ["chr1", "chr2", "chr3"]}, "no train region"),
        ({"kind": "chromosomes", "validation": [], "test": ["chrZ"]}, "no chromosome chrZ"),
        ({"kind": "chromosomes", "validation": ["chr2"], "test": ["chr2"]}, "chr2 in both"),
        ({"kind": "bed", "path": "nowhere.bed"}, "no such file"),
    ],
)
def test_wrong_settings(split, what):
    with pytest.raises(InputError, match=what):
        splits.make(split, GENOME, WINDOW_BP)


def test_wrong_draws():
    with pytest.raises(InputError, match="no test region"):
        drawn("random", test=0.0)
    with pytest.raises(InputError, match="leave nothing to train on"):
        drawn("random", validation=0.5, test=0.5)
    with pytest.raises(InputError, match="less than a window"):
        drawn("blocks", block_bp=50, gap_bp=0)
