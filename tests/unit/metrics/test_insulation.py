"""Insulation scores against the released class, a written-out loop and maps whose boundaries are known."""

import numpy as np
import pytest

from trifold.metrics import insulation


@pytest.fixture
def windows():
    maps = np.random.default_rng(2).random((2, 50, 50)) + 0.01
    return maps + maps.transpose(0, 2, 1)


@pytest.fixture
def domains():
    """One window of three domains, bins 0-39, 40-89 and 90-129, on a weak background."""
    window = np.full((1, 130, 130), 0.1)
    for start, end in ((0, 40), (40, 90), (90, 130)):
        window[0, start:end, start:end] = 1.0
    return window


def test_values_of_the_released_class(parity):
    known = parity("enhancement/vehicle_insulation")
    vector = insulation.insulation(known["c"][:, 0])
    slope = insulation.derivative(vector)
    np.testing.assert_allclose(vector, known["compute_iv_c"][:, 0], rtol=0, atol=1e-5)
    np.testing.assert_allclose(slope, known["compute_dv_c"][:, 0], rtol=0, atol=1e-5)
    # From the released derivative: this map is so regular that ours is exactly 0, theirs 1e-6, at every boundary.
    found = insulation.boundaries(known["compute_dv_c"][0])[0]
    assert found.tolist() == known["compute_boundaries_c"].tolist()


def test_is_the_written_out_loop(windows):
    boxes = np.array([[window[i : i + 7, i : i + 7].mean() for i in range(44)] for window in windows])
    expected = np.log2(boxes / boxes.mean(axis=1, keepdims=True))
    vector = insulation.insulation(windows, box_bins=7)
    np.testing.assert_allclose(vector, expected, rtol=0, atol=1e-12)
    slope = [[row[i + 4 : i + 8].mean() - row[i : i + 4].mean() for i in range(37)] for row in expected]
    np.testing.assert_allclose(insulation.derivative(vector, bins=4), slope, rtol=0, atol=1e-12)


def test_boundaries_lie_between_domains(domains):
    slope = insulation.derivative(insulation.insulation(domains))
    (found,) = insulation.boundaries(slope)
    assert len(found) > 0
    assert all(min(abs(bin_ - 40), abs(bin_ - 90)) <= 1 for bin_ in found)
    assert {40, 90} == {min((40, 90), key=lambda at: abs(at - bin_)) for bin_ in found}


def test_unknown_and_empty_boxes_have_no_insulation(windows):
    windows[0, 20, 20] = np.nan
    windows[1] = 0
    windows[1, 30:, 30:] = 1
    vector = insulation.insulation(windows, box_bins=5)
    assert np.isnan(vector[0]).nonzero()[0].tolist() == [16, 17, 18, 19, 20]
    assert np.isnan(vector[1]).nonzero()[0].tolist() == list(range(26))
    means = np.minimum(np.arange(26, 46) - 25, 5) ** 2 / 25
    np.testing.assert_allclose(vector[1, 26:], np.log2(means / means.mean()), rtol=0, atol=1e-12)
    assert np.isnan(insulation.derivative(vector)[0]).sum() == 21  # whose 20 entries reach one of them
    assert all(len(found) == 0 for found in insulation.boundaries(insulation.derivative(np.full((2, 40), np.nan))))
