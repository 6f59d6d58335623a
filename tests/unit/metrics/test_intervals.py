"""Intervals: stretches by hand, SciPy's t test, Holm by hand, and coverage by simulation."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from trifold.metrics import intervals

REPEATS = 4000  # a share of 0.95 of so many has a standard deviation of 0.0034


def places(starts, ends, chrom="chr1") -> pd.DataFrame:
    return pd.DataFrame({"chrom": chrom, "start_bp": starts, "end_bp": ends})


def coverage(values: np.ndarray, stretch: np.ndarray) -> float:
    """Share of the columns, each a mean of zero in truth, whose interval holds zero."""
    _, _, interval = intervals.of_means(values, stretch)
    return float(np.mean((interval.low <= 0) & (interval.high >= 0)))


def test_windows_side_by_side_are_stretches_and_overlapping_ones_are_not():
    table = pd.concat(
        [
            places([0, 10, 20, 25], [10, 20, 30, 35]),  # the last two overlap
            places([0], [10], "chr2"),
            places([5], [15]),  # overlaps the first two, which so are one
        ]
    )
    assert intervals.stretches(table).tolist() == [0, 0, 1, 1, 2, 0]
    shuffled = table.iloc[[4, 2, 0, 5, 3, 1]]
    assert intervals.stretches(shuffled).tolist() == [2, 1, 0, 0, 1, 0]
    assert intervals.stretches(table.iloc[:0]).tolist() == []


def test_a_chain_of_windows_is_cut_into_stretches_of_three_windows():
    starts = np.arange(0, 91, 2)  # windows of 10 cover 0 to 100: three stretches of 33.3, so centres to 33 and to 65
    found = intervals.stretches(places(starts, starts + 10))
    assert found.tolist() == [0] * 15 + [1] * 16 + [2] * 15
    # One more where there is room for three windows more.
    for length, number in ((119, 3), (120, 4)):
        chain = [*range(0, length - 10, 2), length - 10]
        assert intervals.stretches(places(chain, np.add(chain, 10))).max() + 1 == number


def test_a_mean_over_windows_side_by_side_has_scipys_interval():
    values = np.random.default_rng(1).normal(0.3, 2, size=(12, 3))
    values[:4, 2] = np.nan
    n, mean, found = intervals.of_means(values, np.arange(12))
    assert n.tolist() == found.n_stretches.tolist() == [12, 12, 8]
    for column in range(3):
        scipy = stats.ttest_1samp(values[:, column], 0, nan_policy="omit")
        np.testing.assert_allclose(mean[column], np.nanmean(values[:, column]))
        low, high = scipy.confidence_interval()
        np.testing.assert_allclose([found.low[column], found.high[column]], [low, high])
        np.testing.assert_allclose(found.p[column], scipy.pvalue)


def test_windows_of_a_stretch_count_once():
    """Repeated ten times in their stretch, the windows say no more than once each."""
    values = np.random.default_rng(2).normal(size=(9, 4))
    once = intervals.of_means(values, np.arange(9))[2]
    often = intervals.of_means(np.repeat(values, 10, axis=0), np.repeat(np.arange(9), 10))[2]
    for ours, theirs in zip(often, once):
        np.testing.assert_allclose(ours, theirs)


def test_unequal_stretches_have_the_error_of_a_ratio():
    """The jackknife of a mean over windows is, to first order, the linearised error of sum over count."""
    rng = np.random.default_rng(3)
    stretch = np.repeat(np.arange(200), rng.integers(3, 9, 200))
    values = rng.normal(size=200)[stretch] + rng.normal(size=len(stretch))
    _, mean, found = intervals.of_means(values[:, None], stretch)
    residual = np.bincount(stretch, values - values.mean())
    error = np.sqrt((residual**2).sum() * 200 / 199) / len(stretch)
    half = stats.t.ppf(0.975, 199) * error
    np.testing.assert_allclose([found.low[0], found.high[0]], [mean[0] - half, mean[0] + half], rtol=0.02)


def test_few_stretches_and_none():
    values = np.ones((4, 1))
    n, mean, found = intervals.of_means(values, np.arange(4))
    assert (n[0], mean[0], found.n_stretches[0]) == (4, 1, 4)
    assert np.isnan([found.low[0], found.high[0], found.p[0]]).all()
    n, mean, found = intervals.of_means(np.full((6, 1), np.nan), np.arange(6))
    assert (n[0], found.n_stretches[0]) == (0, 0) and np.isnan([mean[0], found.p[0]]).all()


def test_no_difference_at_all_is_no_difference():
    values = np.stack([np.zeros(6), np.full(6, 2.0)], axis=1)
    found = intervals.of_means(values, np.arange(6))[2]
    assert found.p.tolist() == [1, 0]
    assert found.low.tolist() == found.high.tolist() == [0, 2]


def test_holm_by_hand():
    p = np.array([0.01, 0.04, np.nan, 0.03, 0.005])
    np.testing.assert_allclose(intervals.holm(p), [0.03, 0.06, np.nan, 0.06, 0.02])
    assert intervals.holm(np.array([0.9, 0.8])).tolist() == [1, 1]
    assert intervals.holm(np.array([])).tolist() == []


@pytest.mark.parametrize("n", [7, 19, 38])
def test_intervals_cover_as_often_as_they_say(n):
    """95 ± 2 % of repeats, for whatever the values of a stretch are like."""
    rng = np.random.default_rng(n)

    def skewed(*shape):
        return rng.exponential(size=shape) - 1

    side_by_side = np.arange(n)
    of_twelve = np.repeat(side_by_side, 12)
    unequal = np.repeat(side_by_side, rng.integers(4, 24, n))
    of_stretch = rng.normal(size=(n, REPEATS))
    covered = {
        "normal": coverage(rng.normal(size=(n, REPEATS)), side_by_side),
        "skewed, correlated within a stretch": coverage(of_stretch[of_twelve] + skewed(12 * n, REPEATS), of_twelve),
        "so, in stretches of 4 to 23 windows": coverage(of_stretch[unequal] + skewed(len(unequal), REPEATS), unequal),
    }
    # Overlapping windows, means over 20 sites every 2: what they share is all that correlates them.
    sites, width = 3 * 20 * n, 20
    sums = np.concatenate([np.zeros((1, REPEATS)), np.cumsum(skewed(sites, REPEATS), axis=0)])
    starts = np.arange(0, sites - width + 1, 2)
    overlapping = intervals.stretches(places(starts, starts + width))
    assert overlapping.max() + 1 == n
    windows = (sums[starts + width] - sums[starts]) / width
    covered["overlapping windows"] = coverage(windows, overlapping)
    assert all(0.93 <= share <= 0.97 for share in covered.values()), covered
    # Skewness of the stretches themselves costs what it costs any t interval; docs/trust.md says so.
    assert coverage(skewed(n, REPEATS), side_by_side) == pytest.approx({7: 0.89, 19: 0.92, 38: 0.92}[n], abs=0.015)
    # One by one, they would say 95 % and hold half as often.
    assert coverage(windows, np.arange(len(windows))) < 0.6
