"""M5: any name that a FASTA may hold goes through every table, region and file; M6: in the order of the map."""

import numpy as np
import pandas as pd
import pytest
from small import BIN_BP, GEOMETRY, OE, write_counts, write_model

import trifold
from trifold import api
from trifold.config import CountsRecipe, ObservedRecipe, Recipes, Scoring
from trifold.data import bands, contacts, examples, pairs, promoters, sequence, splits
from trifold.errors import InputError
from trifold.evaluate import evaluate
from trifold.io import cool, hic
from trifold.io.tables import read_table
from trifold.loops import write_bedpe
from trifold.report import build, gallery

NAMES = ["HLA-A*01:01:01:01", "hap1#1#chr1", "NA", "1", "a|b/c,d{x}", "x\"y'z", "$1$-<b>&%s", "chrUn.far"]
SIZES = dict.fromkeys(NAMES, 40 * BIN_BP)


@pytest.fixture(scope="module")
def matrix():
    n = 40 * len(NAMES)
    distance = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    chrom = np.arange(n) // 40
    upper = np.triu(np.random.default_rng(2).poisson(400 / (1 + distance) * (chrom[:, None] == chrom)))
    return upper + np.triu(upper, 1).T


@pytest.fixture
def inputs(tmp_path, matrix):
    """A genome of these names: FASTA, deep map, split, sequence."""
    letters = np.frombuffer(b"ACGT", dtype=np.uint8)[np.random.default_rng(1).integers(0, 4, 40 * BIN_BP)].tobytes()
    with open(tmp_path / "genome.fa", "wb") as handle:
        for name in NAMES:
            handle.write(f">{name} a remark\n".encode() + letters + b"\n")
    write_counts(tmp_path / "deep.cool", matrix, SIZES)
    (tmp_path / "sequence").mkdir()
    sequence.prepare(tmp_path / "genome.fa", tmp_path / "sequence", BIN_BP)
    split = {"kind": "chromosomes", "validation": [NAMES[0]], "test": NAMES[1:4]}
    splits.write(tmp_path / "regions.bed", split, SIZES, GEOMETRY.window_bp)
    return tmp_path


def test_m5_maps_examples_and_scores(inputs):
    assert sequence.read_chromosomes(inputs / "sequence/chromosomes.tsv") == SIZES
    deep = inputs / "map.cool"
    contacts.prepare(inputs / "deep.cool", deep, BIN_BP, SIZES)
    recipes = Recipes(OE, ObservedRecipe("global", cutoff=2, max_levels=8), CountsRecipe("balanced"))
    (out := inputs / "examples").mkdir()
    examples.build(deep, deep, inputs / "sequence", inputs / "regions.bed", GEOMETRY, recipes, 1, out)
    tiles = read_table(out / "tiles.tsv")
    assert set(tiles["chrom"]) == set(NAMES)
    (scores := inputs / "scores").mkdir()
    evaluate(
        scores,
        prediction=deep,
        deep=deep,
        low=deep,
        truth=None,
        with_n=inputs / "sequence/n_bins.npz",
        regions=inputs / "regions.bed",
        statistics=out / "statistics.json",
        geometry=GEOMETRY,
        oe_recipe=OE,
        observed_recipe=recipes.observed,
        scoring=Scoring(2, None, 0, 1, None),
        labels=dict.fromkeys(("degradation", "arm", "fold", "seed", "sample"), "x"),
    )
    windows = read_table(scores / "windows.tsv")
    assert set(windows["chrom"]) == set(NAMES[1:4])
    whole = windows[windows["scale"] == "balanced"]
    assert (whole["mse"] == 0).all()
    assert len(whole) == 3
    assert set(read_table(scores / "regions.tsv", dtype=build.TEXT)["chrom"]) == set(NAMES[1:4])


def test_m5_regions_and_annotation(inputs):
    regions = splits.read(inputs / "regions.bed")
    assert regions["chrom"].tolist() == NAMES
    assert splits.chromosomes_of(inputs / "regions.bed", "test") == NAMES[1:4]
    (inputs / "own.bed").write_text(
        "# a comment\ntrack name=x\n\n" + "".join(f"{name}\t0\t400000\ttrain\n" for name in NAMES)
    )
    assert splits.read(inputs / "own.bed")["chrom"].tolist() == NAMES
    (inputs / "tss.bed").write_text("".join(f"{name}\t100000\t100001\tg\t0\t+\n" for name in NAMES))
    assert {name: bins.tolist() for name, bins in promoters.read_tss(inputs / "tss.bed", BIN_BP).items()} == {
        name: [10] for name in NAMES
    }
    lines = [f"{name}\t100000\t110000\t{name}\t200000\t210000\n" for name in NAMES]
    (inputs / "loops.bedpe").write_text("#chrom1\tstart1\n" + "".join(lines))
    loops = pairs.read_loops(inputs / "loops.bedpe", BIN_BP)
    assert {name: bins.tolist() for name, bins in loops.items()} == {name: [[10, 20]] for name in NAMES}
    table = pd.DataFrame({"chrom": NAMES, "x": 10, "y": 20, "score": 0.5, "density": 1.0, "candidates": 3})
    write_bedpe(table, inputs / "called.bedpe", BIN_BP)
    assert set(pairs.read_loops(inputs / "called.bedpe", BIN_BP)) == set(NAMES)
    (inputs / "motifs.bed").write_text("".join(f"{name}\t5\t25\tm\t0\t-\n" for name in NAMES))
    for name in NAMES:
        assert gallery.read_motifs(inputs / "motifs.bed", gallery.Region(name, 0, 100)) == [(5, 25, "-")]


def test_m5_bands_have_a_file_for_every_name(inputs):
    contacts.prepare(inputs / "deep.cool", inputs / "map.cool", BIN_BP, SIZES)
    (out := inputs / "bands").mkdir()
    bands.write_bands(inputs / "map.cool", out, 20)
    stores = bands.open_bands(out, 8)
    assert list(stores) == NAMES
    assert {path.parent for path in out.rglob("*.npy")} == {out}
    assert len({path for store in stores.values() for path in store.files}) == 4 * len(NAMES)
    assert bands.file_of("chr1") == "chr1.npy"


def test_m5_a_map_is_enhanced_scored_and_described(inputs, matrix):
    """From the command's side: the .mcool and the .hic of such a map, and scores of its chromosomes."""
    model = write_model(inputs / "model", np.triu(matrix).sum() / len(matrix))
    for suffix in ("mcool", "hic"):
        out = trifold.enhance(inputs / "deep.cool", model, inputs / f"out.{suffix}", chromosomes=NAMES[:3])
        assert api.made_by(out)["max_distance_bins"] == 12
    assert cool.chromsizes_of(f"{inputs}/out.mcool::resolutions/{BIN_BP}") == SIZES
    assert hic.chromsizes(inputs / "out.hic") == SIZES
    scores = [
        trifold.score(inputs / f"out.{suffix}", inputs / "deep.cool", chromosomes=NAMES[:3])["regions"]
        for suffix in ("mcool", "hic")
    ]
    assert set(scores[0]["chrom"]) == set(NAMES[:3])
    pd.testing.assert_frame_equal(*scores, rtol=1e-5)
    assert trifold.info(inputs / "deep.cool")["chromosomes"] == len(NAMES)


def test_m6_an_enhanced_map_has_the_order_of_the_map(tmp_path):
    """chr1, chr2, chr10 of the map, though a FASTA has chr1, chr10, chr2."""
    of_map, of_fasta = (
        dict.fromkeys(names.split(), 40 * BIN_BP) for names in ("chr1 chr2 chr10", "chr1 chr10 chr2 chrX")
    )
    rng = np.random.default_rng(5)
    distance = np.abs(np.subtract.outer(np.arange(120), np.arange(120)))
    upper = np.triu(rng.poisson(300 / (1 + distance) * (np.arange(120)[:, None] // 40 == np.arange(120) // 40)))
    write_counts(tmp_path / "map.cool", upper, of_map)
    contacts.prepare(tmp_path / "map.cool", tmp_path / "prepared.cool", BIN_BP, of_fasta)
    assert list(cool.chromsizes_of(tmp_path / "prepared.cool")) == list(of_map)
    assert list(cool.in_order_of(tmp_path / "prepared.cool", of_fasta)) == [*of_map, "chrX"]
    model = write_model(tmp_path / "model", upper.sum() / 120)
    trifold.enhance(tmp_path / "map.cool", model, tmp_path / "out.cool")
    assert list(cool.chromsizes_of(tmp_path / "out.cool")) == list(of_map)
    trifold.enhance(tmp_path / "map.cool", model, tmp_path / "out.hic")
    assert list(hic.chromsizes(tmp_path / "out.hic")) == list(of_map)


def test_m5_a_name_that_reads_as_a_comment_is_refused(tmp_path):
    """It could not be told from a comment in a BED of regions."""
    (tmp_path / "genome.fa").write_text(">#1\nACGT\n")
    with pytest.raises(InputError, match=r"genome.fa: the chromosome #1 begins with #.*genome/rename"):
        sequence.prepare(tmp_path / "genome.fa", tmp_path, 2)
    write_counts(tmp_path / "map.cool", np.eye(40, dtype=int), {"#1": 40 * BIN_BP})
    with pytest.raises(InputError, match=r"map.cool: the chromosome #1 begins with #"):
        contacts.write_chromosomes(tmp_path / "map.cool", tmp_path)
    contacts.write_chromosomes(tmp_path / "map.cool", tmp_path, rename={"#1": "1"})
    assert sequence.read_chromosomes(tmp_path / "chromosomes.tsv") == {"1": 40 * BIN_BP}
