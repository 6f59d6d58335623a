"""hicGAN: the released network, its units and tiles under both protocols, its discriminator and how both start."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate
from scipy.stats import truncnorm
from test_parity import KRIUKOV, largest_difference, parameters
from test_published import TILE
from test_registry import COUNTS, GEOMETRY, STATISTICS, make

from trifold import loss_terms
from trifold.config import Geometry
from trifold.errors import InputError
from trifold.models import blocks, hicgan, published, registry

WEIGHTS = "weights_hicgan_gm12878.safetensors"


@torch.no_grad()
def test_parity_of_the_released_network(parity, mirror):
    data = parity("enhancement/hicgan_pretrained")
    model = published.load(WEIGHTS, mirror / WEIGHTS, TILE, STATISTICS)
    assert parameters(model) == 776_833
    assert (model.published, model.training, model.crop_bins) == (True, False, 0)
    assert largest_difference(model.network(torch.from_numpy(data["x"])), data["y"]) < 1e-5


@torch.no_grad()
def test_parity_from_contacts(parity, mirror):
    """Contacts whose log2, over that of the largest, is the reference's input; one tile."""
    data = parity("enhancement/hicgan_pretrained")
    model = published.load(WEIGHTS, mirror / WEIGHTS, TILE, {"counts": {"low_max": 400.0, "deep_max": 5000.0}})
    x = torch.from_numpy(data["x"]).double()
    contacts = (torch.exp2((x + 1) / 2 * math.log2(401)) - 1).float()
    y = model({"map": contacts})
    assert largest_difference(y, data["y"]) < 1e-4
    expected = 5001 ** ((data["y"].astype(float) + 1) / 2) - 1
    assert np.allclose(model.decode(y), expected, rtol=1e-3, atol=1e-3)


def test_a_file_without_counters_of_batch_norm_is_whole(mirror):
    """The released file is TensorFlow's and counts no steps; ours has a counter a layer, which nothing reads."""
    state = published.read_state(WEIGHTS, mirror / WEIGHTS)
    counters = [key for key in state if key.endswith("num_batches_tracked")]
    assert len(counters) == 11 and all(state[key] == 0 for key in counters)
    assert state["middle.bn.running_var"].min() > 0


def test_units():
    model = make("hicgan", "published", GEOMETRY)
    assert (model.low_max, model.deep_max) == (COUNTS["low_max"], COUNTS["deep_max"])
    values = [-1, 2 * math.log2(11) / math.log2(91) - 1, 1]
    assert model.encode(torch.tensor([0.0, 10.0, 90.0])).tolist() == pytest.approx(values)
    assert model.decode(model.encode(torch.tensor([0.0, 10.0, 90.0]))).tolist() == pytest.approx([0, 10, 90], abs=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("protocol", registry.PROTOCOLS)
def test_contacts_are_multiplied_before_the_logarithm(protocol):
    model = make("hicgan", protocol, GEOMETRY, chromosome_factor=3.0).eval()
    values = [-1, 2 * math.log2(31) / math.log2(271) - 1, 1]
    assert model.encode(torch.tensor([0.0, 10.0, 90.0])).tolist() == pytest.approx(values)
    assert model.decode(torch.tensor([-1.0, 1.0])).tolist() == pytest.approx([0, 90], abs=1e-4)
    contacts = torch.randint(0, 7, (1, 1, 24, 24)).float()
    x = 2 * (3 * contacts + 1).log2() / math.log2(19) - 1
    y = model.network(x)
    expected = y if protocol == "published" else blocks.symmetrise(y[..., 6:-6, 6:-6])
    torch.testing.assert_close(model({"map": contacts}), expected)


@torch.no_grad()
def test_published_predicts_tile_by_tile():
    wide = Geometry(bin_bp=32, window_bins=90, stride_bins={}, max_bad_bins=0.25, max_n_bins=0)
    model = make("hicgan", "published", wide).eval()
    contacts = torch.randint(0, 7, (1, 1, 90, 90)).float()
    y = model({"map": contacts})
    x = 2 * (contacts + 1).log2() / math.log2(7) - 1
    torch.testing.assert_close(y[..., :40, 40:50], model.network(x[..., :40, 40:80])[..., :10])
    # The last tile starts at 50: columns from 50 on lie in two tiles, those from 80 on in the last alone.
    torch.testing.assert_close(y[..., :40, 80:], model.network(x[..., :40, 50:])[..., 30:])
    both = (model.network(x[..., :40, 40:80])[..., 10:] + model.network(x[..., :40, 50:])[..., :30]) / 2
    torch.testing.assert_close(y[..., :40, 50:80], both)


@torch.no_grad()
def test_corrected_sees_no_edge():
    """Zeros at the border change a constant map there; a mirror leaves it constant."""
    flat, spread = {"map": torch.full((1, 1, 24, 24), 3.0)}, {}
    for protocol in registry.PROTOCOLS:
        model = make("hicgan", protocol, GEOMETRY).eval()
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, 0.0, 0.1)
        y = model(flat)
        spread[protocol] = y.std() / y.abs().mean()
    assert spread["corrected"] < 1e-5
    assert spread["published"] > 1e-2


@torch.no_grad()
def test_zeros_at_the_border_reach_14_bins():
    model = registry.build("hicgan", KRIUKOV, {"channels": 4}, STATISTICS, protocol="published").eval()
    for parameter in model.parameters():  # large enough to be seen through 14 layers
        torch.nn.init.normal_(parameter, 0.0, 0.3)
    x = torch.rand(1, 1, 80, 80)
    difference = (model.network(x)[..., 20:60, 20:60] - model.network(x[..., 20:60, 20:60])).abs()
    assert difference[..., 13, :].max() > 0
    assert difference[..., 14:26, 14:26].max() < 1e-6


# ---------------------------------------------------------------- the discriminator


@torch.no_grad()
def test_the_discriminator_is_its_layers_written_out():
    """By SciPy: LeakyReLU before batch norm, and halving convolutions that are padded after the last bin alone."""
    torch.manual_seed(1)
    model = hicgan.Discriminator(channels=2).eval().double()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, 0.0, 0.3)
    maps = torch.rand(1, 1, 40, 40, dtype=torch.float64) * 2 - 1

    def leaky(x):
        return np.where(x > 0, x, 0.2 * x)

    def convolved(x, layer):
        weight = layer.weight.numpy()
        kernels = [sum(correlate(one, k, mode="constant") for one, k in zip(x, of_channel)) for of_channel in weight]
        return np.stack(kernels)

    x, layers = maps[0].numpy(), list(model.conv)
    convolutions = [layer for layer in layers if isinstance(layer, torch.nn.Conv2d)]
    norms = [layer for layer in layers if isinstance(layer, torch.nn.BatchNorm2d)]
    x = leaky(convolved(x, convolutions[0]) + convolutions[0].bias.numpy()[:, None, None])
    for convolution, norm, halved in zip(convolutions[1:], norms, (True, False, True, False, True, False), strict=True):
        x = convolved(x, convolution)
        x = leaky(x[:, 1::2, 1::2] if halved else x)  # windows of three begin at every second bin
        scale = (norm.weight / (1 + norm.eps) ** 0.5).numpy()[:, None, None]  # running statistics are 0 and 1
        x = x * scale + norm.bias.numpy()[:, None, None]
    assert x.shape == (4, 5, 5)
    first, _, last = model.dense
    hidden = leaky(first.weight.numpy() @ x.ravel() + first.bias.numpy())
    expected = (last.weight.numpy() @ hidden + last.bias.numpy()).item()
    assert model(maps).item() == pytest.approx(expected, rel=1e-9)


def test_the_discriminator_reads_maps_of_40_bins():
    model = hicgan.Discriminator()
    assert parameters(model) == 640 + 5 * 36_864 + 73_728 + 5 * 128 + 256 + 3200 * 512 + 512 + 513
    assert loss_terms.LEAST_BINS["hicgan"] == hicgan.SIDE_BINS
    with pytest.raises(InputError, match="discriminator reads maps of 40 bins and got 39; raise geometry/window_bins"):
        model(torch.zeros(2, 1, 39, 39))


def test_networks_start_as_released():
    torch.manual_seed(0)
    generator = registry.build("hicgan", KRIUKOV, {}, STATISTICS)
    discriminator = hicgan.Discriminator()
    for network in (generator, discriminator):
        for key, tensor in network.named_parameters():
            if key.endswith("bias"):
                assert (tensor == 0).all(), key
    kernels = torch.cat([p.flatten() for p in generator.parameters() if p.ndim == 4])
    assert (kernels.mean().item(), kernels.std().item()) == pytest.approx((0, 0.02), abs=1e-4)
    gains = torch.cat([block.bn2.weight for block in generator.blocks])
    assert (gains.mean().item(), gains.std().item()) == pytest.approx((1, 0.02), abs=4e-3)
    dense = discriminator.dense[0].weight
    assert dense.abs().max() <= 0.2
    assert dense.std().item() == pytest.approx(0.1 * truncnorm(-2, 2).std(), rel=1e-2)
