import numpy as np
import pytest
from scipy import stats

from trifold.metrics import pixels


@pytest.fixture
def maps(rng):
    """Predictions and targets (5, 20, 20), symmetric, with ties, and the upper triangle from diagonal 2."""
    first, second = rng.poisson(3, (2, 5, 20, 20)).astype(float)
    second += first
    first, second = (each + each.transpose(0, 2, 1) for each in (first, second))
    return first, second, np.broadcast_to(pixels.upper_triangle(20, 2, 19), first.shape)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def test_upper_triangle_holds_the_diagonals_named():
    expected = [[0, 1, 1, 0], [0, 0, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0]]
    np.testing.assert_array_equal(pixels.upper_triangle(4, 1, 2), np.array(expected, dtype=bool))


def test_bands_hold_the_diagonals_and_zeros_past_them(rng):
    windows = rng.random((3, 6, 6))
    bands = pixels.to_bands(windows, 8)
    assert bands.shape == (3, 6, 8)
    for d in range(6):
        np.testing.assert_array_equal(bands[:, : 6 - d, d], np.diagonal(windows, d, 1, 2))
        assert not bands[:, 6 - d :, d].any()
    assert not bands[:, :, 6:].any()


@pytest.mark.parametrize(
    "score, reference",
    [
        (pixels.mae, lambda x, y: np.abs(x - y).mean()),
        (pixels.mse, lambda x, y: ((x - y) ** 2).mean()),
        (pixels.pearson, lambda x, y: stats.pearsonr(x, y).statistic),
        (pixels.spearman, lambda x, y: stats.spearmanr(x, y).statistic),
    ],
)
def test_scores_are_scipys_over_the_pixels_left(maps, rng, score, reference):
    first, second, mask = maps
    mask = mask & (rng.random(mask.shape) < 0.8)
    first, second = first.copy(), second.copy()
    first[1, 3], second[2, :, 7] = np.nan, np.nan
    for window, value in enumerate(score(first, second, mask)):
        keep = mask[window] & np.isfinite(first[window]) & np.isfinite(second[window])
        assert value == pytest.approx(reference(first[window][keep], second[window][keep]), abs=1e-12)


def test_n_pixels_counts_what_is_finite_in_both(maps):
    first, second, mask = maps
    first = first.copy()
    first[0, 0] = np.nan
    # 18 · 19 / 2 pixels of the triangle, 18 of them in the first row.
    np.testing.assert_array_equal(pixels.n_pixels(first, second, mask), [153, 171, 171, 171, 171])


def test_an_empty_mask_has_no_score(maps):
    first, second, mask = maps
    for score in (pixels.mae, pixels.mse, pixels.pearson, pixels.spearman):
        assert np.isnan(score(first, second, np.zeros_like(mask))).all()


def test_correlations_need_three_pixels_and_variance(maps):
    first, second, mask = maps
    two = np.zeros_like(mask)
    two[:, 0, 5:7] = True
    # 0.1 is no sum of powers of two: the mean of equal values differs from them by rounding.
    for score in (pixels.pearson, pixels.spearman):
        assert np.isnan(score(first, second, two)).all()
        assert np.isnan(score(np.full_like(first, 0.1), second, mask)).all()
        assert np.isnan(score(first, np.full_like(first, 0.1), mask)).all()
        np.testing.assert_allclose(score(first, 1e-9 * first + 1, mask), 1, atol=1e-6)


def test_correlation_of_tiny_values_is_that_of_large_ones(maps):
    first, second, mask = maps
    np.testing.assert_allclose(
        pixels.pearson(1e-150 * first, second, mask), pixels.pearson(first, second, mask), rtol=1e-12
    )


def test_distances_are_pooled_over_windows(maps):
    first, second, mask = maps
    mask = mask.copy()
    mask[2] = False
    table = pixels.per_distance(*(pixels.to_bands(each, 19) for each in (first, second, mask)))
    assert list(table) == ["distance_bins", "n_pixels", "mae", "mse", "pearson"]
    np.testing.assert_array_equal(table["distance_bins"], np.arange(2, 19))
    for row in table.itertuples():
        x, y = (np.diagonal(each[[0, 1, 3, 4]], row.distance_bins, 1, 2).ravel() for each in (first, second))
        assert row.n_pixels == len(x) == 4 * (20 - row.distance_bins)
        assert row.mae == pytest.approx(np.abs(x - y).mean())
        assert row.mse == pytest.approx(((x - y) ** 2).mean())
        assert row.pearson == pytest.approx(stats.pearsonr(x, y).statistic)


@pytest.mark.parametrize("case, output", [("score", "y_train_path"), ("score_overwritten", "y_test_overwritten")])
def test_scores_published_over_the_full_map(parity, case, output):
    """The reference pools its two images and works in float32."""
    head = parity("enhancement/hybrid_head")
    prediction, target = (head[name].reshape(1, -1) for name in (output, "target"))
    for score in (pixels.mae, pixels.mse, pixels.pearson, pixels.spearman):
        (value,) = score(prediction, target, np.ones(prediction.shape, dtype=bool))
        assert value == pytest.approx(float(head[f"{case}/{score.__name__}"]), abs=1e-6)
