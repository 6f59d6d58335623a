"""Rows without a model on whole maps: against SciPy, cooltools and closed forms."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import scipy.ndimage
import torch
from cooltools.lib import numutils

from trifold.config import Geometry
from trifold.data.normalise import CountsScale, contacts, upsample
from trifold.data.samples import Samples
from trifold.models import coarsegrain, registry, tuned
from trifold.models.gc import gc_content
from trifold.models.ready import CORRECTED

W = 48
GEOMETRY = Geometry(bin_bp=20, window_bins=W, stride_bins={}, max_bad_bins=0.25, max_n_bins=0)


class Windows(Samples):
    """Windows that are there."""

    def __init__(self, **arrays):
        self.arrays = {name: torch.from_numpy(np.asarray(values)) for name, values in arrays.items()}

    def __len__(self):
        return len(next(iter(self.arrays.values())))

    def __getitem__(self, index):
        return {name: values[index] for name, values in self.arrays.items()}


def symmetric(rng, n=5):
    maps = rng.random((n, W, W))
    return ((maps + maps.swapaxes(1, 2)) / 2).astype(np.float32)


def of(sigma_bins, maps):
    return scipy.ndimage.gaussian_filter(maps, (0, sigma_bins, sigma_bins))


def distances():
    return np.abs(np.subtract.outer(np.arange(W), np.arange(W)))


# ---------------------------------------------------------------- a Gaussian whose width is chosen


@pytest.mark.parametrize("sigma_bins", [0.75, 2.0, 5.0])
def test_y4_the_width_that_made_the_target_is_chosen(sigma_bins):
    maps = symmetric(np.random.default_rng(0))
    valid = np.ones((5, W), dtype=bool)
    row = registry.build("gaussian-tuned", GEOMETRY, {}, {})
    assert row.chosen() == {"sigma_bins": 1.0}
    observed = of(sigma_bins, maps).astype(np.float32)
    row.fit(None, Windows(map=maps[:, None], observed=observed[:, None], valid=valid))
    assert row.chosen() == {"sigma_bins": sigma_bins}
    np.testing.assert_allclose(row({"map": torch.from_numpy(maps[:, None])})[:, 0], observed, atol=1e-6)


def test_y4_the_width_has_the_smallest_mse_of_scipys_gaussians_over_what_is_scored():
    """Noise, missing bins, and a diagonal that would choose otherwise: it is not scored."""
    rng = np.random.default_rng(1)
    truth = of(6.0, rng.normal(0, 4, (8, W, W)))
    truth = truth + truth.swapaxes(1, 2)
    noise = rng.normal(0, 0.3, (2, 8, W, W))
    low, deep = (truth + (part + part.swapaxes(1, 2)) / 2 for part in noise)
    deep[:, distances() < 2] = low[:, distances() < 2]  # identity would win there
    valid = rng.random((8, W)) > 0.1
    mask = valid[:, :, None] & valid[:, None, :] & (distances() >= 2)
    low, deep = low.astype(np.float32), deep.astype(np.float32)
    mse = {s: ((of(s, low) - deep)[mask] ** 2).mean() for s in tuned.SIGMAS_BINS}
    best = min(mse, key=mse.get)
    assert 1 < best < max(tuned.SIGMAS_BINS)
    data = Windows(map=low[:, None], observed=deep[:, None], valid=valid)
    row = registry.build("gaussian-tuned", GEOMETRY, {}, {})
    row.fit(None, data)
    assert row.chosen() == {"sigma_bins": best}
    total, number = tuned.errors(data, W)
    np.testing.assert_allclose(total[:, 2:].sum(1) / number[2:].sum(), list(mse.values()), rtol=1e-5)
    # The bands of distance cannot be worse than one width for all of them.
    banded = registry.build("gaussian-by-distance", GEOMETRY, {}, {})
    banded.fit(None, data)
    output = banded({"map": torch.from_numpy(low[:, None])})[:, 0].numpy()
    assert ((output - deep)[mask] ** 2).mean() <= mse[best]


def test_y4_every_band_of_distance_has_the_width_that_made_it():
    maps, valid = symmetric(np.random.default_rng(2)), np.ones((5, W), dtype=bool)
    widths = {0: 0.5, 4: 1.25, 8: 2.0, 16: 3.0, 32: 8.0}
    target = np.zeros_like(maps)
    for edge, sigma_bins in widths.items():
        target = np.where(distances() >= edge, of(sigma_bins, maps), target)
    row = registry.build("gaussian-by-distance", GEOMETRY, {}, {})
    row.fit(None, Windows(map=maps[:, None], observed=target[:, None], valid=valid))
    assert row.chosen() == {"sigma_bins": {f"from {edge} bins": s for edge, s in widths.items()}}
    np.testing.assert_allclose(row({"map": torch.from_numpy(maps[:, None])})[:, 0], target, atol=1e-6)


def test_a_band_without_a_pixel_has_the_width_of_all(caplog):
    """Only the first nine bins are valid: no pixel is farther than eight bins; the widest is said."""
    maps, valid = symmetric(np.random.default_rng(3)), np.zeros((5, W), dtype=bool)
    valid[:, :9] = True
    row = registry.build("gaussian-by-distance", GEOMETRY, {}, {})
    row.fit(None, Windows(map=maps[:, None], observed=of(2.0, maps)[:, None], valid=valid))
    assert set(row.chosen()["sigma_bins"].values()) == {2.0} and not caplog.records
    valid[:] = True
    row.fit(None, Windows(map=maps[:, None], observed=np.full_like(maps, maps.mean())[:, None], valid=valid))
    assert "the widest Gaussian that is tried, 12 bins, is the best" in caplog.text


def test_a_windows_smaller_than_the_gaussian_is_mirrored_as_scipy_does_it():
    maps = np.random.default_rng(4).random((2, 1, 8, 8)).astype(np.float32)
    small = Geometry(bin_bp=20, window_bins=8, stride_bins={}, max_bad_bins=0.25, max_n_bins=0)
    row = registry.build("gaussian", small, {"sigma_bins": 6.0}, {})
    expected = scipy.ndimage.gaussian_filter(maps, (0, 0, 6.0, 6.0))
    np.testing.assert_allclose(row({"map": torch.from_numpy(maps)}), expected, atol=1e-6)


# ---------------------------------------------------------------- adaptive coarse-graining


@pytest.mark.parametrize("bias", ["balanced", "raw"])
@pytest.mark.parametrize(("coarsen", "cutoff"), [(1, 5), (2, 3)])
def test_y4_coarse_grained_windows_are_cooltools(bias, coarsen, cutoff):
    """From what an arm on contacts reads back to raw and balanced, coarse-grained, and to contacts of the deep map."""
    rng, w = np.random.default_rng(5), W // coarsen
    recipes = replace(CORRECTED, counts=replace(CORRECTED.counts, bias=bias))
    raw = rng.poisson(np.clip(12 / (1 + np.abs(np.subtract.outer(np.arange(w), np.arange(w)))), 0.2, 9), (3, w, w))
    raw = np.triu(raw) + np.triu(raw, 1).swapaxes(1, 2)
    weights = rng.lognormal(-3, 0.3, (3, w))
    weights[0, 4], weights[2, -1] = np.nan, np.nan
    balanced = raw * weights[:, :, None] * weights[:, None, :]
    facts = {"low_per_balanced": 300.0, "deep_per_balanced": 5000.0, "ratio": 16.0}
    statistics = {"recipes": asdict(recipes), "counts": facts, "coarsen": coarsen, "low": {"factor": 1.1 * coarsen}}
    statistics["low_bias"] = {"mean_log_weight": -2.9}
    of_bins = np.repeat(weights, coarsen, axis=1)
    batch = {
        "map_coarse": contacts(balanced, raw, recipes.counts, facts["low_per_balanced"], coarsen)[:, None],
        "bias": np.nan_to_num(np.log(of_bins) + 2.9).astype(np.float32),
        "low_valid": np.isfinite(of_bins),
    }
    batch = {name: torch.from_numpy(values) for name, values in batch.items()}
    row = registry.build("coarsegrain", GEOMETRY, {"cutoff": cutoff}, statistics)
    back = CountsScale.of(of_bins, recipes.counts, facts, coarsen)
    found = back.inverse(row(batch)[:, 0].double().numpy())
    for window in range(3):
        with np.errstate(invalid="ignore"):
            grained = numutils.adaptive_coarsegrain(balanced[window], raw[window], cutoff=cutoff, max_levels=8)
        expected = upsample(numutils.interp_nan(grained)[None] / (1.1 * coarsen), coarsen)[0]
        known = np.isfinite(of_bins[window])
        pixels = known[:, None] & known
        np.testing.assert_allclose(found[window][pixels], expected[pixels], rtol=1e-5)
        assert (grained[np.isfinite(grained)] > 0).mean() > 0.99 > (balanced[window] > 0).mean()


def test_coarse_graining_takes_cooltools_default():
    assert coarsegrain.ARCHITECTURES["coarsegrain"]["options"] == {"cutoff": 5, "max_levels": 8}


# ---------------------------------------------------------------- nothing but distance, nothing but GC


def test_the_mean_by_distance_says_that_no_bin_differs():
    row = registry.build("mean-by-distance", GEOMETRY, {}, {})
    assert not row.state_dict()
    output = row({"valid": torch.ones(3, W, dtype=torch.bool)})
    assert output.shape == (3, 1, W, W) and not output.any()


def sequences(rng, n):
    """Codes of windows whose bins differ in GC content."""
    gc = np.clip(0.45 + 0.1 * np.cumsum(rng.normal(0, 0.3, (n, W)), axis=1), 0.2, 0.8)
    strong = rng.random((n, W, GEOMETRY.bin_bp)) < gc[:, :, None]
    codes = np.where(strong, rng.integers(1, 3, strong.shape), 3 * rng.integers(0, 2, strong.shape))
    return codes.reshape(n, -1).astype(np.uint8)


def test_gc_content_is_of_known_bases():
    codes = np.zeros((2, W * 20), dtype=np.uint8)
    codes[0, :10], codes[0, 20:40], codes[0, 40:45], codes[0, 45:60] = 1, 4, 2, 4
    codes[1] = 4
    content = gc_content(torch.from_numpy(codes), W)
    known = 20 * W - 35
    np.testing.assert_allclose(content[0, :4], [0.5, 15 / known, 1, 0])
    assert (content[1] == 0.5).all()


def test_y6_gc_is_least_squares_on_the_pixels_of_valid_bins():
    """The coefficients of NumPy on features made with SciPy; what they do not explain is not there."""
    rng = np.random.default_rng(6)
    codes, valid = sequences(rng, 6), rng.random((6, W)) > 0.1
    content = np.isin(codes, (1, 2)).reshape(6, W, -1).mean(2)
    blurred = [scipy.ndimage.gaussian_filter1d(content - 0.5, blur, axis=1) for blur in (1, 2, 4, 8)]
    log_distance = np.broadcast_to(np.log1p(distances()), (6, W, W))
    features = [np.ones((6, W, W))]
    for g in blurred:
        rows, columns = g[:, :, None], g[:, None, :]
        for feature in (rows + columns, rows * columns, rows**2 + columns**2):
            features += [feature, feature * log_distance]
    features = np.stack(features, -1)
    target = 3 * features[..., 3] + 0.5 * features[..., 14] - features[..., 17] + 0.1 + rng.normal(0, 0.05, (6, W, W))
    target = ((target + target.swapaxes(1, 2)) / 2).astype(np.float32)
    row = registry.build("gc", GEOMETRY, {}, {})
    assert not row({"sequence": torch.from_numpy(codes)}).any()
    row.fit(Windows(sequence=codes, oe=target[:, None], valid=valid), None)
    mask = valid[:, :, None] & valid[:, None, :] & (np.subtract.outer(np.arange(W), np.arange(W)) <= -2)
    solution = np.linalg.lstsq(features[mask], target[mask].astype(float), rcond=None)[0]
    found = row({"sequence": torch.from_numpy(codes)})[:, 0].numpy()
    np.testing.assert_allclose(found, features @ solution, atol=1e-5)
    assert np.corrcoef(found[mask], target[mask])[0, 1] > 0.7
