"""Preparing maps: what is repaired, what is kept, what is refused."""

import logging
from collections import Counter
from itertools import pairwise
from pathlib import Path

import cooler
import numpy as np
import pandas as pd
import pytest

from trifold.data import summary
from trifold.data.balance import balance
from trifold.data.contacts import merge, prepare, prepare_or_copy, renumber, whole_rows
from trifold.errors import InputError
from trifold.io import cool
from trifold.io.cool import open_map, write_cool

GENOME = {"chr1": 60_000, "chr2": 40_500, "chrM": 3_000}
OPTIONS = {"ignore_diags": 1, "mad_max": 0, "min_nnz": 2}


def pixels_of(matrix):
    i, j = np.nonzero(np.triu(matrix))
    return {"bin1_id": i, "bin2_id": j, "count": matrix[i, j]}


def dense(path, balanced=False):
    return open_map(path).matrix(balance=balanced)[:]


def coarsened(matrix, factor, edges):
    """A dense map with `factor` bins merged inside each chromosome (edges: bins where chromosomes begin and end)."""
    starts = np.concatenate([np.arange(lo, hi, factor) for lo, hi in pairwise(edges)])
    return np.add.reduceat(np.add.reduceat(matrix, starts, axis=0), starts, axis=1)


@pytest.fixture
def matrix():
    upper = np.triu(np.random.default_rng(3).poisson(4.0, (104, 104)))
    upper[17] = upper[:, 17] = 0
    return upper + np.triu(upper, 1).T


@pytest.fixture
def raw(tmp_path, matrix):
    write_cool(tmp_path / "raw.cool", GENOME, 1_000, [pixels_of(matrix)])
    return tmp_path / "raw.cool"


@pytest.fixture
def target(tmp_path):
    return tmp_path / "map.cool"


def write_broken(path, pixels, group=""):
    """A cooler whose pixel table nobody checked."""
    bins = cooler.binnify(pd.Series(GENOME), 1_000 if not group or group.endswith("/1000") else 2_000)
    unchecked = {"dupcheck": False, "triucheck": False, "boundscheck": False}
    cooler.create_cooler(f"{path}::{group}", bins, [pd.DataFrame(pixels)], ordered=True, mode="a", **unchecked)


def doubled(pixels, at=5):
    """Pixel `at` stored twice, its count divided between them."""
    half = pixels["count"].copy()
    half[at] -= 1
    twice = {name: np.insert(column, at + 1, column[at]) for name, column in (pixels | {"count": half}).items()}
    twice["count"][at + 1] = 1
    return twice


# ---------------------------------------------------------------- streams


@pytest.mark.parametrize("size", [1, 3, 50, 10_000])
def test_streams_do_not_depend_on_chunks(matrix, size):
    pixels = pixels_of(matrix)
    chunks = [{n: c[lo : lo + size] for n, c in pixels.items()} for lo in range(0, len(pixels["count"]), size)]
    rows = list(whole_rows(chunks))
    assert all(one["bin1_id"][-1] < next_one["bin1_id"][0] for one, next_one in pairwise(rows))
    merged = list(merge(chunks, renumber(GENOME, 1_000, 3)))
    joined = {name: np.concatenate([chunk[name] for chunk in merged]) for name in pixels}
    expected = coarsened(matrix, 3, [0, 60, 101, 104])
    # A block on the diagonal holds its off-diagonal pixels once in the triangle, twice in the dense matrix.
    on_diagonal = joined["bin1_id"] == joined["bin2_id"]
    np.testing.assert_array_equal(
        joined["count"][~on_diagonal], expected[joined["bin1_id"], joined["bin2_id"]][~on_diagonal]
    )
    assert joined["count"].sum() == pixels["count"].sum()
    assert (np.diff(joined["bin1_id"] * 36 + joined["bin2_id"]) > 0).all()


def test_renumbering():
    np.testing.assert_array_equal(renumber({"a": 25, "b": 30, "c": 5}, 10, 2, {"a", "c"}), [0, 0, 1, -1, -1, -1, 2])


# ---------------------------------------------------------------- a sound map


def test_prepared_map(raw, target, matrix):
    report = prepare(raw, target, 1_000, GENOME, assembly="toy", exclude=["chrM"], balance=OPTIONS)
    np.testing.assert_array_equal(dense(target), matrix[:101, :101])
    assert dict(open_map(target).chromsizes) == {"chr1": 60_000, "chr2": 40_500}
    assert open_map(target).info["genome-assembly"] == "toy"
    assert open_map(target).info["metadata"]["prepared"]["dropped"] == ["chrM"]
    assert report["repairs"] == []
    assert report["contacts"] == np.triu(matrix[:101, :101]).sum()
    balanced = dense(target, balanced=True)
    assert np.isnan(balanced[17]).all()
    assert report["balance"]["bad_bins"] == 1
    np.fill_diagonal(balanced, 0)
    good = np.arange(101) != 17
    np.testing.assert_allclose(np.nansum(balanced, axis=1)[good], 1, atol=0.01)


def test_values_that_are_balanced_already_keep_their_weights(tmp_path, raw, target, matrix):
    """As `enhance` writes them; counts, and fractions without a weight, are prepared, the latter in vain."""
    prepare_or_copy(raw, target, 1_000, GENOME, balance=OPTIONS)
    prepare(raw, tmp_path / "expected.cool", 1_000, GENOME, balance=OPTIONS)
    np.testing.assert_array_equal(dense(target, balanced=True), dense(tmp_path / "expected.cool", balanced=True))
    weight = np.where(np.arange(len(matrix)) == 5, np.nan, 1.0)
    write_cool(tmp_path / "made.cool", GENOME, 1_000, [pixels_of(matrix / 7)], weight)
    prepare_or_copy(tmp_path / "made.cool", copied := tmp_path / "copied.cool", 1_000)
    np.testing.assert_array_equal(dense(copied), matrix / 7)
    np.testing.assert_array_equal(open_map(copied).bins()["weight"][:], weight)
    write_cool(tmp_path / "bare.cool", GENOME, 1_000, [pixels_of(matrix / 7)])
    with pytest.raises(InputError, match="counts are not whole numbers"):
        prepare_or_copy(tmp_path / "bare.cool", tmp_path / "never.cool", 1_000)


def test_cis_only_where_there_is_no_trans(tmp_path, matrix, target):
    cis = matrix.copy()
    cis[:60, 60:] = cis[60:, :60] = 0
    cis[101:, :101] = cis[:101, 101:] = 0
    write_cool(tmp_path / "cis.cool", GENOME, 1_000, [pixels_of(cis)])
    assert prepare(tmp_path / "cis.cool", target, 1_000, GENOME, balance=OPTIONS)["balance"]["cis_only"]


def test_integral_floats_become_integers(tmp_path, matrix, target):
    write_cool(tmp_path / "float.cool", GENOME, 1_000, [pixels_of(matrix.astype(float))])
    prepare(tmp_path / "float.cool", target, 1_000, GENOME, balance=OPTIONS)
    assert open_map(target).pixels().dtypes["count"] == np.int32
    np.testing.assert_array_equal(dense(target), matrix)


def test_stored_weight_is_kept_only_while_it_holds(raw, target):
    balance(raw, OPTIONS)
    weight = open_map(raw).bins()["weight"][:]
    assert prepare(raw, target, 1_000, GENOME, balance=OPTIONS)["balanced"] == "the map's own weight"
    np.testing.assert_array_equal(open_map(target).bins()["weight"][:], weight)
    assert prepare(raw, target, 1_000, GENOME, balance=OPTIONS | {"min_nnz": 3})["balanced"] == "anew"
    # Without chr2 most of every row is gone.
    assert prepare(raw, target, 1_000, GENOME, balance=OPTIONS, exclude=["chr2"])["balanced"] == "anew"
    with cooler.Cooler(str(raw)).open("r+") as group:
        group["bins/weight"].attrs["divisive_weights"] = True
    assert prepare(raw, target, 1_000, GENOME, balance=OPTIONS)["balanced"] == "anew"


def test_finer_map_is_coarsened_and_said(raw, target, matrix):
    report = prepare(raw, target, 3_000, GENOME, balance=OPTIONS)
    assert report["repairs"] == ["no map of 3000 bp in the file: coarsened from 1000 bp"]
    off_diagonal = ~np.eye(35, dtype=bool)
    np.testing.assert_array_equal(dense(target)[off_diagonal], coarsened(matrix, 3, [0, 60, 101, 104])[off_diagonal])


@pytest.fixture
def readings(monkeypatch):
    """How often columns of pixel tables are opened for reading, by file and column."""
    number, dataset = Counter(), cool.dataset

    def counted(group, name):
        number[Path(group.file.filename).name, name] += 1
        return dataset(group, name)

    monkeypatch.setattr(cool, "dataset", counted)
    return number


@pytest.mark.parametrize("bin_bp", [1_000, 2_000])
def test_a_sound_map_is_read_once(raw, target, readings, bin_bp):
    """What was written is read once for balancing, and once for all that is said and checked of it."""
    report = prepare(raw, target, bin_bp, GENOME, balance=OPTIONS)
    assert readings["raw.cool", "pixels/count"] == readings["raw.cool", "pixels/bin1_id"] == 1
    assert readings["map.cool", "pixels/count"] == 1
    summary.write(target.parent, report, raw)
    assert readings["map.cool", "pixels/count"] == 2


def test_a_map_that_must_be_repaired_is_read_twice(tmp_path, matrix, target, readings):
    write_broken(tmp_path / "raw.cool", doubled(pixels_of(matrix)))
    prepare(tmp_path / "raw.cool", target, 1_000, GENOME, balance=OPTIONS)
    assert readings["raw.cool", "pixels/count"] == 2


def test_nothing_is_left_of_a_map_that_is_refused_while_it_is_written(tmp_path, matrix, target):
    """The last count is no whole number."""
    pixels = pixels_of(matrix)
    pixels["count"] = pixels["count"].astype(float)
    pixels["count"][-1] = 0.5
    write_cool(tmp_path / "raw.cool", GENOME, 1_000, [pixels])
    with pytest.raises(InputError, match="are not whole numbers"):
        prepare(tmp_path / "raw.cool", target, 1_000, GENOME)
    assert not target.exists()


def test_hic_with_other_names(mirror, target):
    others = [str(number) for number in range(1, 22)] + ["X", "Y", "MT"]
    genome = {"chr22": 51_304_566}
    prepare(mirror / "test_chr22.hic", target, 100_000, genome, exclude=others, rename={"22": "chr22"})
    assert open_map(target).chromnames == ["chr22"]
    assert open_map(target).info["sum"] == 27_174
    with pytest.raises(InputError, match=r"chromosomes 1, 2, .* are not those of the genome, chr22; use `rename`"):
        prepare(mirror / "test_chr22.hic", target, 100_000, genome)


# ---------------------------------------------------------------- broken maps


def test_duplicate_pixels_are_summed_and_said(tmp_path, matrix, target, caplog):
    write_broken(tmp_path / "twice.cool", doubled(pixels_of(matrix)))
    with caplog.at_level(logging.WARNING):
        report = prepare(tmp_path / "twice.cool", target, 1_000, GENOME, balance=OPTIONS)
    assert report["duplicate_pixels"] == 1
    assert report["repairs"] == ["1 duplicate pixels at 1000 bp: sorted, duplicates summed"]
    assert "duplicates summed" in caplog.text
    np.testing.assert_array_equal(dense(target), matrix)
    assert open_map(target).info["nnz"] == len(pixels_of(matrix)["count"])


def test_mcool_is_coarsened_anew_from_a_sound_base(raw, tmp_path, matrix, target):
    path = tmp_path / "map.mcool"
    write_broken(path, pixels_of(matrix), "/resolutions/1000")
    cooler.coarsen_cooler(str(raw), str(tmp_path / "two.cool"), 2, 10_000)
    table = cooler.Cooler(str(tmp_path / "two.cool")).pixels()[:]
    wrong = doubled({name: table[name].to_numpy() for name in table})
    wrong["count"][40] += 7  # a number no sum of duplicates would mend
    write_broken(path, wrong, "/resolutions/2000")
    report = prepare(path, target, 2_000, GENOME, balance=OPTIONS)
    assert report["repairs"] == ["1 duplicate pixels at 2000 bp: coarsened anew from 1000 bp, which is sound"]
    np.testing.assert_array_equal(dense(target), dense(tmp_path / "two.cool"))


def test_unsorted_rows_are_sorted(tmp_path, matrix, target):
    pixels = pixels_of(matrix)
    order = np.random.default_rng(0).permutation(len(pixels["count"]))
    write_broken(tmp_path / "mixed.cool", {name: column[order] for name, column in pixels.items()})
    report = prepare(tmp_path / "mixed.cool", target, 1_000, GENOME, balance=OPTIONS)
    assert "unsorted rows" in report["repairs"][0]
    np.testing.assert_array_equal(dense(target), matrix)


def test_refused_maps(raw, tmp_path, matrix, target):
    write_cool(tmp_path / "half.cool", GENOME, 1_000, [pixels_of(matrix * 0.5)])
    swapped = pixels_of(matrix)
    swapped["bin1_id"], swapped["bin2_id"] = swapped["bin2_id"], swapped["bin1_id"]
    write_broken(tmp_path / "lower.cool", swapped)
    write_cool(tmp_path / "empty.cool", GENOME, 1_000, [])
    (tmp_path / "cut.cool").write_bytes(raw.read_bytes()[:5_000])
    cooler.zoomify_cooler(str(raw), str(tmp_path / "map.mcool"), [2_000, 4_000], chunksize=10_000)
    for name, bin_bp, what in [
        ("half.cool", 1_000, "not whole numbers"),
        ("lower.cool", 1_000, "below the diagonal"),
        ("empty.cool", 1_000, "too few contacts"),
        ("cut.cool", 1_000, "truncated"),
        ("map.mcool", 5_500, "the file has 1000, 2000, 4000"),
    ]:
        with pytest.raises(InputError, match=what):
            prepare(tmp_path / name, target, bin_bp, GENOME)


def test_foreign_genomes(raw, target):
    with pytest.raises(InputError, match="chr1, chr2, chrM are not those of the genome, I, II"):
        prepare(raw, target, 1_000, {"I": 60_000, "II": 40_500})
    with pytest.raises(InputError, match=r"another assembly than the genome \(chr2 40,500 bp against 40,600"):
        prepare(raw, target, 1_000, GENOME | {"chr2": 40_600})
    with pytest.raises(InputError, match="two chromosomes one name"):
        prepare(raw, target, 1_000, GENOME, rename={"chr2": "chr1"})
    renamed = prepare(
        raw, target, 1_000, {"I": 60_000, "II": 40_500}, exclude=["chrM"], rename={"chr1": "I", "chr2": "II"}
    )
    assert renamed["renamed"] == {"chr1": "I", "chr2": "II"}
    assert open_map(target).chromnames == ["I", "II"]
