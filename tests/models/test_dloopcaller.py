"""DLoopCaller: the reference outputs, what its channels are made of, and the best of several starts."""

import numpy as np
import pytest
import torch

from trifold.architectures import ARCHITECTURES, check_window
from trifold.config import Geometry
from trifold.errors import InputError
from trifold.models import registry
from trifold.models.dloopcaller import DLoopCaller, contrast


def made(window_bins=50, logarithmic=False, **options) -> DLoopCaller:
    geometry = Geometry(bin_bp=5000, window_bins=window_bins, stride_bins={}, max_bad_bins=0.25, max_n_bins=0)
    return registry.build("dloopcaller", geometry, options, {"log_tracks": logarithmic}, {}, "published", "loop").eval()


def loaded(model, data):
    model.load_state_dict(
        {key.removeprefix("sd/"): torch.from_numpy(data[key]) for key in data.files if key.startswith("sd/")}
    )
    return model


@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "images", "options", "parameters"),
    [("dloopcaller", "mid/x", {"side_bins": 23}, 23_089), ("dloopcaller_50", "in/x", {}, 88_625)],
)
def test_parity_dloopcaller_as_released(parity, name, images, options, parameters):
    """23 × 23 in the middle of a window of 50, or all of it: images in, probability and loss out."""
    data = parity(f"multimodal/{name}")
    model = loaded(made(**options), data)
    assert sum(parameter.numel() for parameter in model.parameters()) == data["cfg/n_params"] == parameters
    images = torch.from_numpy(data[images])
    logits = model.classify(images)
    np.testing.assert_allclose(torch.sigmoid(logits), data["out/prob"], rtol=1e-5, atol=1e-6)
    label = torch.from_numpy(data["in/label"])[:, None]
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, label)
    np.testing.assert_allclose(loss, data["out/bce"], rtol=1e-5)


def test_parity_dloopcaller_windows_are_normalised_as_released(parity):
    data = parity("multimodal/dloopcaller")
    ours = [contrast(torch.from_numpy(data[key])) for key in ("in/hic_window", "in/atac_outer")]
    np.testing.assert_allclose(torch.cat(ours, dim=1), data["mid/x"], atol=3e-7, rtol=0)


def test_noise_below_zero_is_read_as_nothing():
    values = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    noisy = torch.where(values < 0.3, -values, values)
    torch.testing.assert_close(contrast(noisy), contrast(torch.where(values < 0.3, 0, values)))


def test_the_second_channel_is_the_product_of_both_bins_accessibility():
    """From the tracks' own values, written out: means over a bin and over two tracks, of x times of y."""
    rng = np.random.default_rng(0)
    values = rng.gamma(1.0, 2.0, (3, 2 * 50 * 4, 2)).astype(np.float32)
    maps = torch.from_numpy(rng.random((3, 1, 50, 50), dtype=np.float32))
    means = values.reshape(3, 2, 50, 4, 2).mean(axis=(3, 4))
    for logarithmic in (False, True):
        tracks = np.log2(values + 1) if logarithmic else values
        images = made(logarithmic=logarithmic, side_bins=23).images({"map": maps, "tracks": torch.from_numpy(tracks)})
        assert images.shape == (3, 2, 23, 23)
        # The pixel (x, y) is the middle of either square.
        about_x, about_y = means[:, 0, 14:37], means[:, 1, 14:37]
        v = np.log10(1 + 10 * about_x[:, :, None] * about_y[:, None])
        np.testing.assert_allclose(images[:, 1], v / (v.max(axis=(1, 2), keepdims=True) + 1), rtol=2e-5, atol=1e-6)
        v = np.log10(1 + 10 * maps[:, 0, 14:37, 14:37].numpy())
        np.testing.assert_allclose(images[:, 0], v / (v.max(axis=(1, 2), keepdims=True) + 1), rtol=1e-5, atol=1e-6)


def test_it_starts_as_xavier_has_it():
    model = made()
    bound = np.sqrt(6 / ((2 + 16) * 25))
    assert 0.95 * bound < model.conv1.weight.abs().max() <= bound
    assert not any(layer.bias.any() for layer in (model.conv1, model.conv2, model.conv3, model.linear1, model.linear2))


def test_a_square_that_does_not_fit_is_refused():
    with pytest.raises(InputError, match="options/side_bins: 51"):
        made(side_bins=51)
    check_window("dloopcaller", {"side_bins": 23}, 24, "arms/a")
    for side in (7, 25):
        with pytest.raises(InputError, match=f"arms/a/options/side_bins: {side} bins, and 'dloopcaller' reads 8 to 24"):
            check_window("dloopcaller", {"side_bins": side}, 24, "arms/a")
    assert ARCHITECTURES["dloopcaller"].at("loop").training["corrected"]["learning_rate"] == 1e-3
