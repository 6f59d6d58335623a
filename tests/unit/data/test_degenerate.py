"""M3, Y13: statistics over nothing, or over zeros, are guarded where they are made."""

import logging

import numpy as np
import pandas as pd
import pytest
from small import OE, write_counts

from trifold.config import CountsRecipe, Geometry, ObservedRecipe, OERecipe, Recipes
from trifold.data import contacts, examples, normalise
from trifold.errors import InputError
from trifold.metrics import insulation, pixels, scc, ssim

BIN_BP, N_BINS, WINDOW = 5_000, 100, 32
SIZES = {"chr1": 300_000, "chr2": 200_000}
GEOMETRY = Geometry(BIN_BP, WINDOW, dict.fromkeys(("train", "validation", "test"), 16), 0.25, 0)
RECIPES = Recipes(OE, ObservedRecipe("global", cutoff=2, max_levels=8), CountsRecipe("balanced"))


def counts_of(depth, decay=0.9, seed=4):
    """Contacts that fall with distance, with blocks and a bias of every bin."""
    rng = np.random.default_rng(seed)
    chrom = np.repeat([0, 1], [60, 40])
    i, j = np.indices((N_BINS, N_BINS))
    bias = np.exp(rng.normal(0, 0.25, N_BINS))
    alike = (i // 7 % 2) == (j // 7 % 2)
    rate = np.where(chrom[:, None] == chrom, depth / (1 + abs(i - j)) ** decay * (1 + 0.5 * alike), 0.3)
    return np.triu(rng.poisson(rate * bias[:, None] * bias))


def built(folder, counts, recipes=RECIPES):
    """A dataset of a map of these counts, deep and low: its O/E targets and its statistics."""
    write_counts(folder / "raw.cool", counts, SIZES, BIN_BP)
    contacts.prepare(folder / "raw.cool", folder / "map.cool", BIN_BP, SIZES)
    (folder / "regions.bed").write_text("chr1\t0\t300000\ttrain\nchr2\t0\t200000\ttest\n")
    (out := folder / "out").mkdir()
    statistics = examples.build(
        folder / "map.cool", folder / "map.cool", None, folder / "regions.bed", GEOMETRY, recipes, 1, out
    )
    return np.load(out / "deep_oe.npy"), statistics


def test_m3_an_empty_second_diagonal_gives_sound_targets(tmp_path, caplog):
    """Contacts below 15 kb filtered out: the floor in every window, before."""
    (tmp_path / "whole").mkdir()
    (tmp_path / "filtered").mkdir()
    counts = counts_of(600)
    whole, _ = built(tmp_path / "whole", counts)
    assert "diagonal 2" not in caplog.text
    i, j = np.indices(counts.shape)
    filtered, _ = built(tmp_path / "filtered", np.where(j - i < 3, 0, counts))
    assert len(whole) == len(filtered)
    assert (whole.std(axis=(1, 2)) > 0.1).all()
    assert (filtered.std(axis=(1, 2)) > 0.1).all(), "no window is one value"
    assert (filtered.mean(axis=(1, 2)) > -0.3).all(), "and none is the floor"
    # Away from what was filtered out the targets say the same.
    far = np.abs(np.subtract.outer(np.arange(WINDOW), np.arange(WINDOW))) > 6
    for first, second in zip(whole, filtered):
        assert np.corrcoef(first[far], second[far])[0, 1] > 0.8
    said = f"{len(filtered)} of {len(filtered)} windows have no contact on most of diagonal 2"
    assert said in caplog.text
    assert "clipped at the median of the contacts nearest to it, and 0 without any have O/E 1" in caplog.text


@pytest.mark.parametrize("depth", [1.1, 0.7])
def test_m3_a_sparse_map_has_no_constant_window(tmp_path, depth):
    """Half and less of diagonal 2 filled."""
    counts = counts_of(depth, decay=0.75)
    filled = (np.diagonal(counts, 2) > 0).mean()
    assert 0.2 < filled < 0.75
    targets, statistics = built(tmp_path, counts, RECIPES)
    assert (targets.std(axis=(1, 2)) > 0.05).all()
    assert (targets.mean(axis=(1, 2)) > -1).all()
    assert statistics["oe"]["sd"] > 0.05


def window(**diagonals):
    """A window (1, 16, 16) with values on diagonals d<number>, zero elsewhere."""
    values = np.zeros((16, 16))
    for name, value in diagonals.items():
        offset = int(name[1:])
        values += np.diagflat(np.broadcast_to(value, 16 - offset), offset)
    return (values + np.triu(values, 1).T)[None]


@pytest.mark.parametrize(
    ("diagonals", "ceiling", "elsewhere"),
    [
        ({"d2": 5.0, "d3": 3.0}, 5.0, False),
        ({"d2": np.arange(14) // 6 * 2.0, "d3": 3.0}, 2.0, False),  # six zeros, six 2, two 4: the median is there
        ({"d2": np.array([0.0] * 9 + [2, 4, 6, 8, 10]), "d3": 3.0}, 6.0, True),  # more than half are zeros
        ({"d3": 3.0}, 3.0, True),
        ({"d9": np.array([0.0] * 5 + [7, 9])}, 8.0, True),
        ({"d0": 50.0, "d1": 20.0}, 0.0, True),
        ({}, 0.0, True),
    ],
)
def test_m3_where_the_ceiling_comes_from(diagonals, ceiling, elsewhere):
    values = window(**diagonals)
    ceilings, from_elsewhere, empty = normalise.diagonal_2_ceiling(values)
    assert (ceilings[0], from_elsewhere[0], empty[0]) == (ceiling, elsewhere, ceiling == 0)
    clipped, at = normalise.clip_at_diagonal_2(values)
    assert at[0] == ceiling
    assert clipped.max() == ceiling


def test_m3_bad_bins_are_not_zeros():
    values = window(d2=5.0, d3=3.0)
    bad = [0, 1, 2, 3, 4, 5, 6, 7, 8]
    values[:, bad] = values[:, :, bad] = np.nan
    assert normalise.diagonal_2_ceiling(values)[0][0] == 5
    values[:] = np.nan
    assert normalise.diagonal_2_ceiling(values)[0][0] == 0


@pytest.mark.parametrize("variant", ["akita", "kriukov2021"])
def test_m3_a_window_without_a_contact_is_as_expected(variant):
    """ln O/E is 0, not the floor; bad bins among them too."""
    recipe = OERecipe(variant, cutoff=2, max_levels=8, clip=2.0, sigma_bins=0.8, expected="local")
    values = window(d0=9.0, d1=4.0) if variant == "akita" else window()
    values[:, 4] = values[:, :, 4] = np.nan
    np.testing.assert_array_equal(normalise.oe(values, np.nan_to_num(values), recipe), 0)


def test_m3_maps_without_what_a_scale_needs_are_refused(tmp_path):
    """One line that names the map, before a training."""
    i, j = np.indices((N_BINS, N_BINS))
    near = np.where((j - i < 2) & (j >= i), 40, 0)
    write_counts(tmp_path / "raw.cool", near, SIZES, BIN_BP)
    contacts.prepare(
        tmp_path / "raw.cool", tmp_path / "map.cool", BIN_BP, SIZES, balance={"ignore_diags": 0, "min_nnz": 1}
    )
    (tmp_path / "regions.bed").write_text("chr1\t0\t300000\ttrain\nchr2\t0\t200000\ttest\n")
    (out := tmp_path / "out").mkdir()
    with pytest.raises(InputError, match=r"map.cool: no training window has a contact between bins two or more apart"):
        examples.build(
            tmp_path / "map.cool", tmp_path / "map.cool", None, tmp_path / "regions.bed", GEOMETRY, RECIPES, 1, out
        )


def expected_of(deep, regions):
    """The mean by distance over regions of chr1."""
    expected = examples.Expected(WINDOW)
    expected.add(deep.on("chr1"), regions)
    return expected.means(deep)


def test_m3_the_expected_of_an_empty_distance(tmp_path, caplog):
    """Interpolated, and said; before, an expected of 0 divided nothing, and left a map of balanced values."""
    counts = counts_of(600)
    i, j = np.indices(counts.shape)
    write_counts(tmp_path / "raw.cool", np.where(np.isin(j - i, [0, 1, 2, 9]), 0, counts), SIZES, BIN_BP)
    contacts.prepare(tmp_path / "raw.cool", tmp_path / "map.cool", BIN_BP, SIZES)
    deep = examples.Maps(tmp_path / "map.cool", BIN_BP, WINDOW)
    regions = pd.DataFrame({"chrom": ["chr1"], "start_bp": [0], "end_bp": [300_000]})
    with caplog.at_level(logging.WARNING):
        expected = expected_of(deep, regions)
    assert (expected > 0).all()
    assert expected[0] == expected[1] == expected[2] == expected[3]
    assert expected[9] == pytest.approx((expected[8] + expected[10]) / 2)
    assert "no contact in the training regions at 4 of 32 distances, the nearest 0 bp" in caplog.text
    with pytest.raises(InputError, match=r"map.cool: no contact of the training regions"):
        expected_of(deep, regions.assign(start_bp=0, end_bp=BIN_BP))


def test_m3_the_published_loader_on_a_sparse_map():
    """More than 99.9 % zeros: the quantile is 0, and dividing by it would leave no number."""
    maps = np.zeros((2, 60, 60))
    maps[:, range(60), range(60)] = 1e-9
    maps[:, 3, 40] = 2.0
    for values in normalise.vehicle_maps(*maps, quantile=0.9):
        assert np.isfinite(values).all()
        assert values.max() == 1


# ---------------------------------------------------------------- metrics


FLAT, EMPTY, UNKNOWN = np.full((1, 30, 30), 3.0), np.zeros((1, 30, 30)), np.full((1, 30, 30), np.nan)


@pytest.mark.parametrize("first", [FLAT, EMPTY, UNKNOWN], ids=["flat", "empty", "unknown"])
@pytest.mark.parametrize("second", [FLAT, EMPTY, UNKNOWN], ids=["flat", "empty", "unknown"])
def test_m3_metrics_of_maps_that_say_nothing(first, second):
    """No correlation, no warning (warnings are errors here), no infinity."""
    mask = pixels.upper_triangle(30, 2, 20)[None]
    table = pixels.per_window(first, second, mask)
    assert table[["pearson", "spearman"]].isna().all().all()
    for form in scc.forms(
        pixels.to_bands(first, 20), pixels.to_bands(second, 20), np.ones((1, 30, 20), bool), 1, 19
    ).values():
        assert not np.isinf(form).any()
    assert np.isnan(pixels.r2(first, second, mask)).all()
    assert not np.isinf(ssim.ssim(np.nan_to_num(first), np.nan_to_num(second), mask)).any()
    assert not np.isinf(insulation.insulation(first)).any()
    none = pixels.per_window(first, second, np.zeros_like(mask))
    assert none["mse"].isna().all()
    assert (none["n_pixels"] == 0).all()
