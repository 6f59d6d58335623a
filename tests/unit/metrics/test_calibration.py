"""Whether counts differ from a prediction by as much as it says, on counts of known laws."""

import numpy as np
import pytest
from scipy import special, stats

from trifold.metrics import calibration


def test_the_dispersion_is_that_of_a_gamma_rate_with_such_a_logarithm():
    sd = np.array([0.01, 0.1, 0.5, 1.0, 3.0])
    a = calibration.dispersion(sd)
    np.testing.assert_allclose(np.sqrt(special.polygamma(1, 1 / a)), sd, rtol=1e-9)
    rates = stats.gamma.rvs(1 / a[2], scale=a[2], size=200_000, random_state=1)
    assert np.log(rates).std() == pytest.approx(0.5, rel=0.01)


@pytest.mark.parametrize("mean", [0.05, 1.0, 40.0])
def test_counts_of_the_predicted_law_are_covered(mean):
    rng, a = np.random.default_rng(2), 0.3
    counts = rng.poisson(mean * rng.gamma(1 / a, a, 50_000))
    means, dispersions = np.full(50_000, mean), np.full(50_000, a)
    places = calibration.places(counts, means, dispersions, rng)
    assert stats.kstest(places, "uniform").pvalue > 0.001
    assert calibration.coverage(places) == pytest.approx(0.9, abs=0.005)
    assert calibration.coverage(places, 0.5) == pytest.approx(0.5, abs=0.01)
    assert calibration.spread(counts, means, dispersions) == pytest.approx(1, abs=0.05)


def test_who_is_too_sure_covers_less():
    rng = np.random.default_rng(3)
    counts = rng.poisson(40 * rng.gamma(4, 0.25, 20_000))
    means, sure, unsure = np.full(20_000, 40.0), np.full(20_000, 0.05), np.full(20_000, 1.0)
    assert calibration.coverage(calibration.places(counts, means, sure, rng)) < 0.75
    assert calibration.coverage(calibration.places(counts, means, unsure, rng)) > 0.95
    assert calibration.spread(counts, means, sure) > 1.5 > 1 > calibration.spread(counts, means, unsure)


def test_of_no_count_nothing_is_known():
    assert np.isnan(calibration.coverage(np.array([]))) and np.isnan(calibration.spread(*np.zeros((3, 0))))
