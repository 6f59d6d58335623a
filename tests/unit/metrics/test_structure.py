"""Matching of calls, rates, pile-ups: against brute force, SciPy and numbers worked out by hand."""

from itertools import combinations, permutations

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching
from scipy.stats import pearsonr

from trifold.metrics import structure


def by_brute_force(calls, reference, tolerance):
    """The largest number of pairs, and the smallest sum of differences with so many, over all ways to pair."""
    away = np.abs(calls[:, None] - reference[None])
    near, difference = (away <= tolerance).all(axis=2), away.sum(axis=2)
    for size in range(min(near.shape), 0, -1):
        sums = [
            sum(difference[i, j] for i, j in zip(rows, columns))
            for rows in combinations(range(len(calls)), size)
            for columns in permutations(range(len(reference)), size)
            if all(near[i, j] for i, j in zip(rows, columns))
        ]
        if sums:
            return size, min(sums)
    return 0, 0.0


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("dimensions", [1, 2])
def test_matches_are_those_of_brute_force(seed, dimensions):
    random = np.random.default_rng(seed)
    calls, reference = (random.integers(0, 9, (n, dimensions)) for n in (5, 6))
    pairs = structure.match(calls, reference, 2)
    size, total = by_brute_force(calls, reference, 2)
    assert len(pairs) == size
    assert len(set(pairs[:, 0])) == len(set(pairs[:, 1])) == size
    assert (np.diff(pairs[:, 0]) > 0).all()
    assert np.abs(calls[pairs[:, 0]] - reference[pairs[:, 1]]).sum() == total


def test_as_many_are_matched_as_scipy_matches():
    random = np.random.default_rng(3)
    calls, reference = random.uniform(0, 1e6, (2, 400, 2))
    for tolerance in (5e3, 2e4, 1e5):
        near = (np.abs(calls[:, None] - reference) <= tolerance).all(axis=2)
        wanted = (maximum_bipartite_matching(csr_matrix(near)) >= 0).sum()
        pairs = structure.match(calls, reference, tolerance)
        assert len(pairs) == wanted > 0
        assert near[pairs[:, 0], pairs[:, 1]].all()
        np.testing.assert_array_equal(structure.is_near(calls, reference, tolerance), near.any(axis=1))


def test_a_call_named_twice_is_matched_once():
    reference = np.array([[10, 30], [50, 70]])
    calls = np.array([[10, 30], [11, 31], [52, 73], [50, 68]])
    np.testing.assert_array_equal(structure.match(calls, reference, 2), [[0, 0], [3, 1]])
    np.testing.assert_array_equal(structure.is_near(calls, reference, 2), [True, True, False, True])


def test_a_partner_is_near_in_both_anchors():
    assert len(structure.match(np.array([[10, 33]]), np.array([[10, 30]]), 2)) == 0
    assert len(structure.match(np.array([[12, 32]]), np.array([[10, 30]]), 2)) == 1


@pytest.mark.parametrize("n", [0, 3])
def test_nothing_matches_nothing(n):
    some, none = np.arange(2 * n).reshape(n, 2), np.empty((0, 2))
    assert structure.match(some, none, 2).shape == structure.match(none, some, 2).shape == (0, 2)
    assert not structure.is_near(some, none, 2).any()


def test_rates():
    assert structure.rates(8, 5, 4) == (0.5, 0.8, pytest.approx(2 * 0.5 * 0.8 / 1.3))
    assert structure.rates(8, 8, 8) == (1, 1, 1)
    assert structure.rates(3, 5, 0) == (0, 0, 0)
    # In a genome without loops nothing can be missed, and what is called is wrong.
    precision, recall, f1 = structure.rates(3, 0, 0)
    assert (precision, f1) == (0, 0) and np.isnan(recall)
    precision, recall, f1 = structure.rates(0, 5, 0)
    assert (recall, f1) == (0, 0) and np.isnan(precision)
    assert np.isnan(structure.rates(0, 0, 0)).all()


def test_profiles_correlate_where_both_are_known():
    random = np.random.default_rng(1)
    first, second = random.normal(size=(2, 50))
    first[3], second[7] = np.nan, -np.inf
    known = ~np.isin(np.arange(50), (3, 7))
    wanted = pearsonr(first[known], second[known]).statistic
    assert structure.correlation(first, second) == pytest.approx(wanted)
    assert np.isnan(structure.correlation(first, np.ones(50)))
    assert np.isnan(structure.correlation(np.full(50, np.nan), second))


def test_pixels_about_a_loop_are_those_of_the_map():
    random = np.random.default_rng(2)
    n, width, radius = 40, 20, 3
    square = np.triu(random.uniform(size=(n, n)))
    distance = np.subtract.outer(np.arange(n), np.arange(n)).T
    band = np.full((n, width), np.nan)
    for i, j in zip(*np.nonzero((distance >= 0) & (distance < width))):
        band[i, j - i] = square[i, j]
    places = np.array([[10, 20], [2, 15], [30, 38]])
    cut = structure.around(band, places, radius)
    padded = np.pad(np.where((distance >= 0) & (distance < width), square, np.nan), radius, constant_values=np.nan)
    for (x, y), pixels in zip(places, cut):
        np.testing.assert_array_equal(pixels, padded[x : x + 2 * radius + 1, y : y + 2 * radius + 1])
    assert structure.around(band, np.empty((0, 2), int), radius).shape == (0, 7, 7)


def test_a_pile_up_is_the_centre_over_the_corners():
    stack = np.ones((3, 11, 11))
    stack[:, 4:7, 4:7] = [[[2]], [[3]], [[4]]]
    stack[:, -3:, :3] = 2  # one corner of four
    stack[1, 5, 5] = np.nan
    # Eight pixels of the centre are 3, one is the mean of two.
    assert structure.pile_up(stack) == pytest.approx((8 * 3 + 3) / 9 / 1.25)
    stack[1, 5, 5] = 3
    stack[:, -3:, :3] = np.nan  # off the band
    assert structure.pile_up(stack) == pytest.approx(3)
    assert np.isnan(structure.pile_up(np.empty((0, 11, 11))))


def test_over_expected_is_1_on_every_diagonal_on_average():
    band = np.random.default_rng(4).uniform(1, 2, (50, 6)) * np.arange(6, 0, -1)
    band[7], band[:, 5] = np.nan, 0
    values = structure.over_expected(band)
    np.testing.assert_allclose(np.nanmean(values[:, :5], axis=0), 1)
    np.testing.assert_allclose(values[:, :5] * np.nanmean(band[:, :5], axis=0), band[:, :5])
    assert np.isnan(values[7]).all() and np.isnan(values[:, 5]).all()


def test_rates_of_all_stretches_and_of_all_but_each():
    counts = np.array([[4, 5, 2, 1], [6, 3, 3, 0], [0, 2, 0, 0]])
    length_mb = np.array([1.0, 2.0, 1.0])
    whole, without = structure.rates_of(counts, length_mb)
    assert whole == pytest.approx([5 / 10, 5 / 10, 10 / 20, 1 / 4])
    assert without[0] == pytest.approx([3 / 6, 3 / 5, 6 / 11, 0])
    assert without[1] == pytest.approx([2 / 4, 2 / 7, 4 / 11, 1 / 2])
    assert without[2] == pytest.approx([5 / 10, 5 / 8, 10 / 18, 1 / 3])
    rates = structure.rates(*counts.sum(axis=0)[:3])
    assert whole[:3] == pytest.approx(rates)
    whole, without = structure.rates_of(np.zeros((2, 4)), np.array([1.0, 0.0]))
    np.testing.assert_array_equal(whole, [np.nan, np.nan, np.nan, 0])
    np.testing.assert_array_equal(without[:, 3], [np.nan, 0])
