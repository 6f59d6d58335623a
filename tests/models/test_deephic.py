"""DeepHiC: the released networks, its units and tiles under both protocols, and the features of its loss."""

import pytest
import torch
from test_parity import KRIUKOV, largest_difference, parameters, stored
from test_registry import COUNTS, GEOMETRY, STATISTICS, make
from torch import nn

from trifold.config import Geometry
from trifold.errors import InputError
from trifold.models import blocks, deephic, registry


@torch.no_grad()
def test_parity_of_the_generator(parity):
    data = parity("enhancement/deephic_generator")
    model = registry.build("deephic", KRIUKOV, {}, {}, protocol="published").eval()
    assert parameters(model) == 418_049
    assert model.crop_bins == 0
    model.load_state_dict(stored(data))
    model.double()  # against float64 the file itself is off by 2.4e-5
    assert largest_difference(model.network(torch.from_numpy(data["x"]).double()), data["y"]) < 2e-5
    assert largest_difference(model.network(torch.from_numpy(data["x_full"]).double()), data["y_full"]) < 3e-5


@torch.no_grad()
def test_parity_of_the_discriminator(parity):
    data = parity("enhancement/deephic_discriminator")
    model = deephic.Discriminator().eval()
    assert parameters(model) == 1_146_177
    model.load_state_dict(stored(data))
    assert largest_difference(model(torch.from_numpy(data["x"])), data["d"]) < 1e-5


@torch.no_grad()
def test_published_predicts_tile_by_tile():
    wide = Geometry(bin_bp=32, window_bins=90, stride_bins={}, max_bad_bins=0.25, max_n_bins=0)
    model = make("deephic", "published", wide).eval()
    contacts = torch.randint(0, 200, (1, 1, 90, 90)).float()
    y = model({"map": contacts})
    x = contacts.clamp(max=100) / 100
    torch.testing.assert_close(y[..., :40, 40:50], model.network(x[..., :40, 40:80])[..., :10])
    # The last tile starts at 50: columns from 50 on lie in two tiles, those from 80 on in the last alone.
    torch.testing.assert_close(y[..., :40, 80:], model.network(x[..., :40, 50:])[..., 30:])
    both = (model.network(x[..., :40, 40:80])[..., 10:] + model.network(x[..., :40, 50:])[..., :30]) / 2
    torch.testing.assert_close(y[..., :40, 50:80], both)


def test_units():
    published = make("deephic", "published", GEOMETRY)
    assert published.encode(torch.tensor([51.0, 255.0, 300.0])).tolist() == pytest.approx([0.2, 1, 1])
    assert published.decode(torch.tensor([0.2, 1.0])).tolist() == pytest.approx([51, 255])
    assert (published.low_clip, make("deephic", "published", GEOMETRY, low_clip=25.0).low_clip) == (100, 25)
    corrected = make("deephic", "corrected", GEOMETRY)
    assert (corrected.low_clip, corrected.deep_clip) == (COUNTS["low_q999"], COUNTS["deep_q999"])
    assert corrected.crop_bins == 6


@torch.no_grad()
def test_corrected_sees_no_edge():
    """Zeros at the border darken a constant map there; a mirror leaves it constant."""
    flat = {"map": torch.full((1, 1, 24, 24), 3.0)}
    assert make("deephic", "corrected", GEOMETRY).eval()(flat).std() < 1e-6
    assert make("deephic", "published", GEOMETRY).eval()(flat).std() > 1e-4


@torch.no_grad()
def test_zeros_at_the_border_reach_19_bins():
    model = registry.build("deephic", KRIUKOV, {"channels": 4}, STATISTICS, protocol="published").eval()
    x = torch.rand(1, 1, 80, 80)
    difference = (model.network(x)[..., 20:60, 20:60] - model.network(x[..., 20:60, 20:60])).abs()
    assert difference[..., 18, :].max() > 0
    assert difference[..., 19:21, 19:21].max() < 1e-6


def vgg16() -> deephic.VGG16Features:
    torch.manual_seed(0)
    return registry.build("vgg16", GEOMETRY, {}, {}).eval()


@torch.no_grad()
def test_vgg_features_are_its_layers_on_three_equal_colours():
    model = vgg16()
    state = model.state_dict()
    indices = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]  # torchvision's
    assert list(state) == [f"features.{i}.{kind}" for i in indices for kind in ("weight", "bias")]
    assert parameters(model) == 14_714_688
    maps = torch.rand(2, 1, 40, 40)
    x = maps.repeat(1, 3, 1, 1)
    for i in range(31):
        if i in indices:
            x = nn.functional.conv2d(x, state[f"features.{i}.weight"], state[f"features.{i}.bias"], padding=1)
        else:
            x = nn.functional.max_pool2d(x, 2) if i in (4, 9, 16, 23, 30) else x.relu()
    assert x.shape == (2, 512, 1, 1)
    torch.testing.assert_close(model.features(maps), x)


def test_vgg_is_not_trained():
    model = vgg16()
    with pytest.raises(InputError, match=r"'vgg16' cannot be trained.*weights_vgg16\.pth"):
        model.loss(torch.zeros(1, 1, 32, 32))
    with pytest.raises(InputError, match="'vgg16' cannot be trained"):
        model({"counts": torch.zeros(1, 1, 32, 32)})


@torch.no_grad()
def test_corrected_is_the_network_on_the_whole_window():
    model = make("deephic", "corrected", GEOMETRY).eval()
    contacts = torch.rand(1, 1, 24, 24) * 8
    expected = model.network(contacts.clamp(max=COUNTS["low_q999"]) / COUNTS["low_q999"])[..., 6:-6, 6:-6]
    torch.testing.assert_close(model({"map": contacts}), blocks.symmetrise(expected))
