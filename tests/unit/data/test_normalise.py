"""Normalisation against the reference pipelines, cooltools, torch and closed forms."""

import numpy as np
import pytest
import torch
from cooltools.lib import numutils
from scipy.ndimage import correlate1d

from trifold.config import ObservedRecipe, OERecipe
from trifold.data import normalise
from trifold.data.normalise import ObservedScale
from trifold.errors import InputError

FILE = "enhancement/akita_targets_and_dl2021_preprocessing"
GLOBAL, WINDOW = (ObservedRecipe(scale, cutoff=2, max_levels=8) for scale in ("global", "window"))


def akita(sigma_bins=0.0, expected="local"):
    return OERecipe("akita", 2, 8, 2.0, sigma_bins, expected)


def kriukov(sigma_bins=0.8, expected="global"):
    return OERecipe("kriukov2021", 2, 8, 2.0, sigma_bins, expected)


@pytest.fixture
def reference(parity):
    return parity(FILE)


@pytest.fixture
def stack():
    """Three windows of 40 bins: sparse, dense, and one with bad bins at its edges and side by side."""
    random = np.random.default_rng(7)
    i, j = np.ogrid[:40, :40]
    rate = 40 / (1 + np.abs(i - j)) * np.array([0.2, 3.0, 1.0])[:, None, None]
    counts = np.triu(random.poisson(rate)).astype(float)
    counts += np.triu(counts, 1).transpose(0, 2, 1)
    weight = random.uniform(0.8, 1.2, (3, 40)) / 15
    weight[2, [0, 11, 12, 39]] = np.nan
    weight[0, 25] = np.nan
    return counts * weight[:, :, None] * weight[:, None, :], counts


def only(reference, size):
    return reference[f"{size}/balanced"][None], reference[f"{size}/raw"][None]


# ---------------------------------------------------------------- published recipes


@pytest.mark.parametrize("size", ["n128", "n200"])
@pytest.mark.parametrize("cutoff", [2, 5])
def test_coarse_graining_is_the_reference(reference, size, cutoff):
    grained = normalise.adaptive_coarsegrain(*only(reference, size), cutoff, 8)[0]
    np.testing.assert_allclose(grained, reference[f"{size}/acg_cutoff{cutoff}"], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("size", ["n128", "n200"])
def test_every_step_of_akita(reference, size):
    balanced, counts = only(reference, size)
    assert normalise.clip_at_diagonal_2(balanced)[1][0] == pytest.approx(reference[f"{size}/akita_k0/clipval"])
    for sigma, tag in [(0, "k0"), (0.8, "sigma0.8"), (1, "sigma1")]:
        steps = {name: values.copy() for name, values in normalise.oe_steps(balanced, counts, akita(sigma))}
        assert list(steps) == ["clipped", "coarsegrained", "obsexp", "logclip", "interp", "smoothed"]
        for name, values in steps.items():
            # Steps before the smoothing stand in the file once.
            key = f"{size}/akita_{tag if name == 'smoothed' else 'k0'}/{name}"
            np.testing.assert_allclose(values[0], reference[key], atol=1e-6, err_msg=key)
        crop, shortest = {"n128": 8, "n200": 10}[size], 2
        cropped = steps["smoothed"][0, crop:-crop, crop:-crop]
        upper = cropped[np.triu_indices(len(cropped), shortest)].astype(np.float16)
        np.testing.assert_allclose(upper, reference[f"{size}/akita_{tag}/target_triu"], atol=1e-6)


def test_kriukov_recipes(reference):
    balanced, counts = only(reference, "n200")
    expected = reference["dl2021/expected"]
    for sigma, key in [(0.8, "oe"), (0, "oe_nokernel")]:
        ours = normalise.oe(balanced, counts, kriukov(sigma), expected)[0]
        np.testing.assert_allclose(ours, reference[f"dl2021/{key}"], atol=1e-6)
    np.testing.assert_allclose(
        next(normalise.oe_steps(balanced, counts, kriukov(), expected))[1][0],
        reference["dl2021/coarsegrained"],
        atol=1e-6,
    )


def test_published_zero_one_maps(reference):
    high, _ = normalise.observed(*only(reference, "n200"), WINDOW)
    np.testing.assert_allclose(high[0], reference["dl2021/zero_one_high"], atol=1e-6)
    pair = reference["dl2021/low_balanced"][None], reference["dl2021/low_raw"][None]
    low, _ = normalise.observed(*pair, WINDOW, factor=2)
    np.testing.assert_allclose(low[0], reference["dl2021/zero_one_low"], atol=1e-6)
    upsampled = normalise.upsample(low, 2)
    np.testing.assert_allclose(upsampled[0], reference["dl2021/zero_one_low_upsampled"], atol=1e-6)
    assert upsampled.dtype == np.float32


# ---------------------------------------------------------------- cooltools, window by window


@pytest.mark.parametrize("cutoff", [0, 1, 3])
@pytest.mark.parametrize("max_levels", [1, 8])
def test_coarse_graining_is_cooltools_bit_for_bit(stack, cutoff, max_levels):
    ours = normalise.adaptive_coarsegrain(*stack, cutoff, max_levels)
    with np.errstate(invalid="ignore"):
        theirs = [
            numutils.adaptive_coarsegrain(values.copy(), counts.copy(), cutoff, max_levels)
            for values, counts in zip(*stack)
        ]
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("size", [8, 50, 64, 100, 200, 224, 512])
def test_distance_classes_are_cooltools(size):
    edges = numutils.observed_over_expected(np.ones((size, size)), np.ones((size, size), dtype=bool))[1]
    np.testing.assert_array_equal(normalise.distance_edges(size), edges)


def test_local_expected_is_cooltools(stack):
    balanced, _ = stack
    ours = normalise.divide_by_expected(balanced, normalise.local_expected(balanced))
    theirs = [numutils.observed_over_expected(window, ~np.isnan(window))[0] for window in balanced]
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_interpolation_is_cooltools(stack):
    balanced, _ = stack
    ours = normalise.interpolate(balanced)
    np.testing.assert_allclose(ours, [numutils.interp_nan(window) for window in balanced], atol=1e-15)
    np.testing.assert_array_equal(ours[1], balanced[1])


def test_stack_is_its_windows_one_by_one(stack):
    for recipe in (akita(0.8), kriukov(expected="local")):
        whole = normalise.oe(*stack, recipe)
        assert whole.dtype == np.float32
        assert np.isfinite(whole).all()
        assert np.abs(whole).max() <= 2
        for number in range(3):
            one = normalise.oe(*(part[number : number + 1] for part in stack), recipe)
            np.testing.assert_array_equal(whole[number], one[0])


# ---------------------------------------------------------------- pieces in closed form


def test_global_expected_per_diagonal(stack):
    balanced, _ = stack
    expected = np.linspace(3, 1, 40)
    i, j = np.ogrid[:40, :40]
    ours = normalise.divide_by_expected(balanced, expected)
    np.testing.assert_allclose(ours, balanced / expected[np.abs(i - j)])
    expected[[5, 6]] = 0, np.nan
    kept = normalise.divide_by_expected(balanced, expected)
    np.testing.assert_array_equal(np.diagonal(kept[1], 5), np.diagonal(balanced[1], 5))


@pytest.mark.parametrize("sigma, taps", [(0.8, 7), (1.0, 9)])
def test_smoothing_kernel(sigma, taps):
    impulse = np.zeros((1, 21, 21))
    impulse[0, 10, 10] = 1
    kernel = normalise.smooth(impulse, sigma)[0]
    assert (kernel > 0).sum() == taps**2
    assert kernel.sum() == pytest.approx(1)
    assert kernel[10, 11] / kernel[10, 10] == pytest.approx(np.exp(-0.5 / sigma**2))


@pytest.mark.parametrize("size", [5, 21])
def test_smoothing_is_scipys_bit_for_bit(size):
    """Windows narrower than the kernel too."""
    windows = np.random.default_rng(7).normal(size=(3, size, size))
    taps = np.exp(-0.5 * (np.arange(-3, 4) / 0.8) ** 2)
    taps /= taps.sum()
    expected = windows
    for axis in (1, 2):
        expected = correlate1d(expected, taps, axis=axis, mode="constant")
    np.testing.assert_array_equal(normalise.smooth(windows, 0.8), expected)


def test_a_histogram_counts_symmetric_windows_by_their_upper_triangles():
    random = np.random.default_rng(4)
    windows = np.where(random.random((3, 9, 9)) < 0.2, 0, random.lognormal(size=(3, 9, 9)))
    windows[1, 4] = windows[1, :, 4] = np.nan
    windows = np.triu(windows) + np.triu(windows, 1).transpose(0, 2, 1)
    told, whole = normalise.Histogram(), normalise.Histogram()
    told.add_symmetric(windows)
    whole.add(windows)
    assert told.zeros == whole.zeros
    np.testing.assert_array_equal(told.positive, whole.positive)


def test_a_histogram_counts_values_as_often_as_it_is_told():
    random = np.random.default_rng(3)
    values = np.where(random.random((50, 40)) < 0.2, 0, random.lognormal(size=(50, 40)))
    values[0, :7] = np.nan
    times = random.integers(0, 5, values.shape)
    told, repeated = normalise.Histogram(), normalise.Histogram()
    told.add(values, times)
    repeated.add(np.repeat(values.ravel(), times.ravel()))
    assert told.zeros == repeated.zeros
    np.testing.assert_array_equal(told.positive, repeated.positive)


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
def test_upsampling_is_torch(factor):
    windows = np.random.default_rng(0).random((2, 11, 11))
    theirs = torch.nn.functional.interpolate(
        torch.from_numpy(windows)[:, None], scale_factor=factor, mode="bilinear", align_corners=False
    )
    np.testing.assert_allclose(normalise.upsample(windows, factor), theirs[:, 0], atol=1e-12)


# ---------------------------------------------------------------- the observed scale and back


def test_global_scale_is_one_line(stack):
    scale = {"floor": 1e-3, "ceiling": 0.5}
    values, _ = normalise.observed(*stack, GLOBAL, scale, factor=2)
    grained = normalise.adaptive_coarsegrain(*stack, 2, 8) / 2
    line = np.clip(np.log(np.maximum(grained, 1e-3) / 1e-3) / np.log(500), 0, 1)
    valid = ~np.isnan(grained)
    np.testing.assert_allclose(values[valid], line[valid], atol=1e-6)
    assert np.isfinite(values).all()
    assert values.dtype == np.float32


@pytest.mark.parametrize("recipe, factor", [(GLOBAL, 1), (GLOBAL, 2), (WINDOW, 1), (WINDOW, 2)])
def test_inverse_leads_back_to_the_deep_scale(stack, recipe, factor):
    values, scale = normalise.observed(*stack, recipe, {"floor": 1e-9, "ceiling": 1e3}, factor)
    grained = normalise.adaptive_coarsegrain(*stack, 2, 8) / factor
    valid = grained > 0
    np.testing.assert_allclose(scale.inverse(values)[valid], grained[valid], rtol=1e-4)


LAU = ObservedRecipe("window", cutoff=2, max_levels=8, variant="lau2025")


def test_lau2025_scales_the_logarithm_of_each_window(stack):
    balanced, _ = stack
    values, scale = normalise.observed(*stack, LAU)
    for window, found in zip(balanced, values):
        logarithm = np.log10(np.where(np.isnan(window), 0, window) + 1)
        span = logarithm.max() - logarithm.min()
        np.testing.assert_allclose(found, (logarithm - logarithm.min()) / (span + 1e-8), atol=1e-6)
        assert (found[np.isnan(window)] == 0).all()
    np.testing.assert_allclose(scale.inverse(values), np.nan_to_num(balanced), atol=1e-6)
    empty, scale = normalise.observed(np.full((1, 8, 8), np.nan), np.zeros((1, 8, 8)), LAU)
    assert (empty == 0).all() and (scale.inverse(empty) == 0).all()


def test_lau2025_leads_back_to_the_values_of_a_deep_map(stack):
    """A wide bin's value is k times a narrow one's; the logarithm of small values is all but linear."""
    small = stack[0] / 100
    values, scale = normalise.observed(small, stack[1], LAU, factor=2)
    np.testing.assert_allclose(scale.inverse(values), np.nan_to_num(small) / 2, rtol=0.02, atol=1e-8)
    np.testing.assert_array_equal(values, normalise.observed(small, stack[1], LAU)[0])
    with pytest.raises(InputError, match=r"variant lau2025 .* set scale: window"):
        normalise.observed(*stack, ObservedRecipe("global", 2, 8, "lau2025"), {"floor": 1e-3, "ceiling": 1.0})


def test_coarse_and_deep_maps_meet_on_one_scale():
    """A map whose rows sum to 1 at both bin widths: the coarse one is `factor` times as large per pixel."""
    deep, coarse = np.full((1, 16, 16), 1 / 16), np.full((1, 8, 8), 1 / 8)
    scale = {"floor": 1e-3, "ceiling": 1.0}
    values, _ = normalise.observed(deep, np.full(deep.shape, 9.0), GLOBAL, scale)
    low_values, _ = normalise.observed(coarse, np.full(coarse.shape, 9.0), GLOBAL, scale, factor=2)
    np.testing.assert_allclose(values[0, 0, 0], low_values[0, 0, 0])


def test_training_scale_is_two_quantiles():
    random = np.random.default_rng(2)
    parts = [np.exp(random.normal(-5, 1, (20, 60, 60))) for _ in range(3)]
    with_gaps = [np.where(random.random(part.shape) < 0.1, np.nan, part) for part in parts]
    with_gaps[0][0, :9] = 0
    scale = normalise.training_scale(with_gaps)
    positive = np.concatenate([part[part > 0] for part in with_gaps])
    assert scale["floor"] == pytest.approx(np.quantile(positive, 0.001, method="inverted_cdf"), rel=1e-3)
    assert scale["ceiling"] == pytest.approx(np.quantile(positive, 0.9999, method="inverted_cdf"), rel=1e-3)


def test_no_contact_in_training_regions():
    with pytest.raises(InputError, match="no contact in the training regions"):
        normalise.training_scale([np.zeros((2, 8, 8)), np.full((1, 8, 8), np.nan)])


@pytest.mark.parametrize("content", ["no contact", "no good bin", "one value"])
def test_windows_without_information_are_well_defined(content):
    """Warnings are errors in this suite, so none is given either."""
    balanced = np.full((1, 32, 32), {"no contact": 0.0, "no good bin": np.nan, "one value": 0.25}[content])
    counts = np.where(balanced > 0, 9.0, 0.0)
    for recipe in (akita(0.8), kriukov(expected="local")):
        assert np.isfinite(normalise.oe(balanced, counts, recipe)).all()
    for recipe in (GLOBAL, WINDOW):
        values, scale = normalise.observed(balanced, counts, recipe, {"floor": 1e-3, "ceiling": 1.0})
        assert np.isfinite(values).all()
        assert isinstance(scale, ObservedScale)
        assert np.isfinite(scale.inverse(values)).all()
    if content != "no good bin":
        np.testing.assert_allclose(scale.inverse(values), balanced)


def test_vehicles_loader_parity(parity):
    data = parity("enhancement/vehicle_preprocessing")
    deep, low = normalise.vehicle_maps(data["high_triu"], data["low_triu"])
    assert deep.shape == low.shape == (58, 58)
    np.testing.assert_allclose(deep, data["high_out"], atol=1e-6)
    np.testing.assert_allclose(low, data["low_out"], atol=1e-6)
