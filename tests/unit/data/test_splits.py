"""Splits: each kind, the published one, and every way a BED can be wrong."""

import gzip
from itertools import pairwise

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


FOLDS = {"kind": "folds", "folds": 3}
BY_BLOCKS = {**FOLDS, "block_bp": 200, "gap_bp": 50, "seed": 1}
SACCER3 = {
    "chrI": 230_218,
    "chrII": 813_184,
    "chrIII": 316_620,
    "chrIV": 1_531_933,
    "chrV": 576_874,
    "chrVI": 270_161,
    "chrVII": 1_090_940,
    "chrVIII": 562_643,
    "chrIX": 439_888,
    "chrX": 745_751,
    "chrXI": 666_816,
    "chrXII": 1_078_177,
    "chrXIII": 924_431,
    "chrXIV": 784_333,
    "chrXV": 1_091_291,
    "chrXVI": 948_066,
}
LONG = {**GENOME, "chr4": 900, "chr5": 300, "chr6": 90}  # a window does not fit into chr6


def folds(split, sizes=LONG):
    return [splits.make({**split, "fold": fold}, sizes, WINDOW_BP) for fold in range(1, split["folds"] + 1)]


def covered(regions, role, sizes=LONG):
    """Bases of each chromosome with a role, how often each."""
    depth = {chrom: np.zeros(size, dtype=int) for chrom, size in sizes.items()}
    for row in regions[regions["role"] == role].itertuples():
        depth[row.chrom][row.start_bp : row.end_bp] += 1
    return depth


@pytest.mark.parametrize("split", [FOLDS, BY_BLOCKS, {**BY_BLOCKS, "folds": 5, "seed": 2}])
def test_folds_test_all_of_the_genome_once(split):
    made = folds(split)
    tested = [covered(regions, "test") for regions in made]
    for chrom in LONG:
        assert (sum(depth[chrom] for depth in tested) == (chrom != "chr6")).all()
    # Each validates on what the next one tests, but for what it gives up beside its test regions.
    for number, regions in enumerate(made):
        validated, following = covered(regions, "validation"), tested[(number + 1) % len(made)]
        for chrom in LONG:
            assert (validated[chrom] <= following[chrom]).all()
        if split is FOLDS:
            assert all((validated[chrom] == following[chrom]).all() for chrom in LONG)
    assert all(regions.equals(again) for regions, again in zip(made, folds(split)))


def test_folds_of_chromosomes_test_about_as_much():
    """The longest first, each to the fold that has least: 1000; 900; 800; then 450 to the last, 300 to the second."""
    tested = [
        set(regions["chrom"][regions["role"] == "test"])
        for regions in folds(FOLDS, {**GENOME, "chr4": 900, "chr5": 300})
    ]
    assert tested == [{"chr1"}, {"chr4", "chr5"}, {"chr2", "chr3"}]
    assert [len(regions) for regions in folds(FOLDS)] == [5, 5, 5]


def test_regions_of_a_fold_stay_apart():
    for regions in folds(BY_BLOCKS):
        for _, chrom_regions in regions.groupby("chrom"):
            ends, starts = chrom_regions["end_bp"].to_numpy()[:-1], chrom_regions["start_bp"].to_numpy()[1:]
            before, after = chrom_regions["role"].to_numpy()[:-1], chrom_regions["role"].to_numpy()[1:]
            assert (starts - ends >= 50 * (before != after)).all()
            # What trains is one region where nothing else is in between.
            assert not ((before == "train") & (after == "train") & (starts == ends)).any()
        tested = regions[regions["role"] == "test"]
        assert (tested["start_bp"] % 200 == 0).all() and (tested["end_bp"] - tested["start_bp"]).between(200, 399).all()


def test_beside_what_tests_the_others_give_way_and_training_gives_way_to_both():
    """Blocks begin at multiples of 200: of two roles side by side one ends or begins there, the other 50 from it."""
    rank, seen = {"train": 0, "validation": 1, "test": 2}, set()
    for regions in folds(BY_BLOCKS):
        for _, of_chrom in regions.groupby("chrom"):
            rows = list(of_chrom.itertuples())
            for before, after in pairwise(rows):
                if before.role != after.role:
                    yielded = (150, 0) if rank[before.role] < rank[after.role] else (0, 50)
                    assert (before.end_bp % 200, after.start_bp % 200) == yielded
                    assert after.start_bp - before.end_bp == 50
                    seen.add(frozenset((before.role, after.role)))
    assert len(seen) == 3


def test_folds_of_the_yeast_genome():
    """Sixteen chromosomes of 0.2 to 1.5 Mb: by chromosomes each of four folds tests a quarter within 5 %."""
    total = sum(SACCER3.values())
    for regions in folds({"kind": "folds", "folds": 4}, SACCER3):
        tested = regions[regions["role"] == "test"]
        assert (tested["end_bp"] - tested["start_bp"]).sum() == pytest.approx(total / 4, rel=0.05)


@pytest.mark.parametrize(
    "split, sizes, what",
    [
        (
            {**FOLDS, "folds": 6},
            LONG,
            "6 folds need as many chromosomes .* genome has 5; lower folds, or give block_bp",
        ),
        ({**BY_BLOCKS, "folds": 20, "block_bp": 300}, GENOME, "20 folds need as many blocks .* has 6; lower folds"),
        ({**BY_BLOCKS, "block_bp": 50}, GENOME, "block_bp 50 is less than a window"),
        ({**BY_BLOCKS, "gap_bp": 150}, GENOME, "fold 1 of 3 has no train region .* lower gap_bp or raise block_bp"),
    ],
)
def test_folds_that_cannot_be(split, sizes, what):
    with pytest.raises(InputError, match=what):
        folds(split, sizes)
