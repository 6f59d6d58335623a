"""Low maps: totals, the binomial law, the factor, reproducibility, balanced rows."""

import numpy as np
import pytest

from trifold.config import Degradation
from trifold.data.degrade import degrade, hold_back, take_away
from trifold.errors import InputError
from trifold.io.cool import open_map, write_cool

SIZES = {"chr1": 60_000, "chr2": 40_500}
OPTIONS = {"ignore_diags": 1, "mad_max": 0, "min_nnz": 2}


@pytest.fixture
def matrix():
    return np.triu(np.random.default_rng(1).poisson(60.0, (101, 101)))


@pytest.fixture
def deep(tmp_path, matrix):
    i, j = np.nonzero(matrix)
    pixels = {"bin1_id": i, "bin2_id": j, "count": matrix[i, j]}
    write_cool(tmp_path / "deep.cool", SIZES, 1_000, [pixels], assembly="toy")
    return tmp_path / "deep.cool"


def made(deep, tmp_path, degradation, **options):
    target = tmp_path / "low.cool"
    report = degrade(deep, target, degradation, balance=OPTIONS, **options)
    return report, open_map(target)


def test_thinning_is_binomial(deep, tmp_path, matrix):
    report, low = made(deep, tmp_path, Degradation(thin=8))
    count = np.triu(low.matrix(balance=False)[:]).astype(float)
    number = np.triu_indices(101)
    expected, variance = matrix[number] / 8, matrix[number] / 8 * (7 / 8)
    deviation = (count[number] - expected) / np.sqrt(variance)
    assert abs(deviation.mean()) < 4 / np.sqrt(len(deviation))
    assert deviation.var() == pytest.approx(1, abs=0.08)
    assert report["contacts"] == count.sum()
    assert report["contacts_deep"] == matrix.sum()
    assert (low.pixels()["count"][:] > 0).all()


def test_coarsening_keeps_every_contact(deep, tmp_path, matrix):
    report, low = made(deep, tmp_path, Degradation(coarsen=2))
    assert report["contacts"] == matrix.sum()
    assert low.binsize == 2_000
    assert dict(low.chromsizes) == SIZES
    assert low.info["genome-assembly"] == "toy"
    np.testing.assert_array_equal(low.matrix(balance=False)[0, 2], matrix[0:2, 4:6].sum())
    # Bins of two chromosomes never merge: chr1 has 60 bins, chr2 41.
    np.testing.assert_array_equal(low.matrix(balance=False)[29, 30], matrix[58:60, 60:62].sum())
    assert low.matrix(balance=False).shape == (51, 51)


def test_both_thins_first(deep, tmp_path):
    _, both = made(deep, tmp_path, Degradation(coarsen=2, thin=4, seed=5))
    both = both.matrix(balance=False)[:]
    _, thinned = made(deep, tmp_path, Degradation(thin=4, seed=5))
    thinned = np.triu(thinned.matrix(balance=False)[:])
    np.testing.assert_array_equal(both[0, 1:30], thinned[:2, 2:60].reshape(2, 29, 2).sum(axis=(0, 2)))


def test_seed_decides_and_chunks_do_not(deep, tmp_path):
    def counts(seed, chunk_pixels):
        _, low = made(deep, tmp_path, Degradation(coarsen=2, thin=8, seed=seed), chunk_pixels=chunk_pixels)
        return low.matrix(balance=False)[:]

    np.testing.assert_array_equal(counts(1, 37), counts(1, 100_000))
    assert (counts(1, 500) != counts(2, 500)).any()


@pytest.mark.parametrize("degradation", [Degradation(coarsen=3), Degradation(thin=4), Degradation(2, 4)])
def test_balanced_rows_sum_to_one(deep, tmp_path, degradation):
    balanced = made(deep, tmp_path, degradation)[1].matrix(balance=True)[:]
    np.fill_diagonal(balanced, 0)
    np.testing.assert_allclose(balanced.sum(axis=1), 1, atol=0.01)


def test_refused_degradations(deep, tmp_path):
    with pytest.raises(InputError, match="at least 1"):
        made(deep, tmp_path, Degradation(thin=0.5))
    with pytest.raises(InputError, match="too few contacts"):
        made(deep, tmp_path, Degradation(thin=1e9))


@pytest.mark.parametrize("degradation", [Degradation(thin=8, seed=3), Degradation(2, 2, 5), Degradation(thin=1.25)])
def test_y2_low_and_held_back_reads_are_the_deep_map_divided(deep, tmp_path, matrix, degradation):
    """No read is in both and none is lost, in whatever pieces the table is read."""
    thinned = Degradation(1, degradation.thin, degradation.seed)
    _, low = made(deep, tmp_path, thinned)
    report = hold_back(deep, tmp_path / "rest.cool", degradation, OPTIONS, chunk_pixels=37)
    rest = open_map(tmp_path / "rest.cool")
    assert rest.binsize == 1_000  # coarsening is the low map's alone
    together = low.matrix(balance=False)[:].astype(int) + rest.matrix(balance=False)[:]
    np.testing.assert_array_equal(np.triu(together), matrix)
    assert (rest.pixels()["count"][:] > 0).all()
    assert report["contacts"] == np.triu(rest.matrix(balance=False)[:]).sum()
    assert rest.info["metadata"]["held_back"]["share"] == pytest.approx(1 - 1 / degradation.thin)
    # A balance of its own: its rows sum to 1, so its values are on the deep map's scale.
    balanced = rest.matrix(balance=True)[:]
    np.fill_diagonal(balanced, 0)
    np.testing.assert_allclose(balanced.sum(axis=1), 1, atol=0.01)


def test_y2_nothing_is_held_back_from_a_map_that_is_not_thinned(deep, tmp_path):
    with pytest.raises(InputError, match="none is held back"):
        hold_back(deep, tmp_path / "rest.cool", Degradation(coarsen=2))


def test_y2_reads_of_a_measured_low_map_are_taken_from_the_deep_one(deep, tmp_path, matrix):
    _, low = made(deep, tmp_path, Degradation(thin=8))
    report = take_away(deep, tmp_path / "low.cool", tmp_path / "rest.cool", OPTIONS, chunk_pixels=37)
    rest = open_map(tmp_path / "rest.cool")
    part, left = (np.triu(clr.matrix(balance=False)[:]) for clr in (low, rest))
    np.testing.assert_array_equal(part + left, matrix)
    assert rest.info["metadata"]["held_back"]["share"] == pytest.approx(left.sum() / matrix.sum())
    assert report["contacts"] == left.sum() and report["contacts_deep"] == matrix.sum()
    assert (rest.pixels()["count"][:] > 0).all() and rest.info["genome-assembly"] == "toy"
    assert np.isfinite(rest.bins()["weight"][:]).sum() > 90


def put(path, values):
    i, j = np.nonzero(values)
    write_cool(path, SIZES, 1_000, [{"bin1_id": i, "bin2_id": j, "count": values[i, j]}])
    return path


@pytest.mark.parametrize(
    ("count", "words"), [(3, "more contacts in 1 pixels"), (0, "5 of its contacts lie where that")]
)
def test_y2_a_low_map_that_is_no_part_of_the_deep_one_is_refused(tmp_path, matrix, count, words):
    part = matrix // 8
    matrix[50, 60], part[50, 60] = count, 5
    deep, low = put(tmp_path / "deep.cool", matrix), put(tmp_path / "low.cool", part)
    with pytest.raises(InputError, match=rf"low\.cool: is said to be part of .*{words}.*reads_in_deep: false"):
        take_away(deep, low, tmp_path / "rest.cool", OPTIONS)


def test_y2_a_low_map_of_other_bins_is_not_taken_away(deep, tmp_path):
    degrade(deep, tmp_path / "wide.cool", Degradation(coarsen=2), OPTIONS)
    with pytest.raises(InputError, match=r"wide\.cool: has other bins than"):
        take_away(deep, tmp_path / "wide.cool", tmp_path / "rest.cool", OPTIONS)
