"""Structural similarity against the reference implementation, its formula at one pixel, and its limits."""

import numpy as np
import pytest
import torch

from trifold.metrics.ssim import ssim, ssim_map
from trifold.models import similarity


def test_parity_of_ssim_with_the_reference(parity):
    data = parity("enhancement/lau_mse_ssim_loss")
    a, b = (data[name][:, 0].astype(float) for name in "ab")
    found = ssim(a, b, np.ones_like(a, dtype=bool)).mean()
    expected = 1 - (float(data["total"]) - 0.8 * np.square(a - b).mean()) / 0.2
    assert found == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("side", [30, 11, 8])
def test_equals_the_loss_networks_form(side):
    maps = np.random.default_rng(1).random((2, 3, side, side))
    expected = similarity.ssim(*(torch.from_numpy(each[:, None]).float() for each in maps)).numpy()
    np.testing.assert_allclose(ssim(*maps, np.ones((3, side, side), dtype=bool)), expected, atol=1e-4)


def test_one_pixel_by_its_formula():
    x, y = np.random.default_rng(2).random((2, 1, 20, 20))
    mask = np.zeros((1, 20, 20), dtype=bool)
    mask[0, 7, 12] = True
    taps = np.exp(-(np.arange(-5, 6) ** 2) / 4.5)
    weights = np.outer(taps, taps) / taps.sum() ** 2
    a, b = (maps[0, 2:13, 7:18] for maps in (x, y))
    ma, mb = (weights * a).sum(), (weights * b).sum()
    va, vb = (weights * (a - ma) ** 2).sum(), (weights * (b - mb) ** 2).sum()
    covariance = (weights * (a - ma) * (b - mb)).sum()
    expected = (2 * ma * mb + 1e-4) * (2 * covariance + 9e-4) / ((ma**2 + mb**2 + 1e-4) * (va + vb + 9e-4))
    assert ssim(x, y, mask)[0] == pytest.approx(expected)
    assert ssim_map(x, y)[0][0, 2, 7] == pytest.approx(expected)


def test_equal_maps_and_no_pixel():
    x = np.random.default_rng(3).random((1, 15, 15))
    assert ssim(x, x, np.ones_like(x, dtype=bool))[0] == pytest.approx(1)
    assert np.isnan(ssim(x, x, np.zeros_like(x, dtype=bool))[0])
