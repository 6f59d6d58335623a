"""HiCSR: the released networks, its units and tiles, and the auto-encoder of its loss."""

import numpy as np
import pytest
import torch
from test_parity import KRIUKOV, SMALL, largest_difference, parameters, stored
from test_registry import COUNTS, GEOMETRY, STATISTICS, make

from trifold.config import Geometry
from trifold.errors import InputError
from trifold.models import blocks, hicsr, published, registry


def from_recipe(recipe, model, prefix, gain=None):
    state = {k: torch.from_numpy(recipe.fill(prefix + k, v.shape, gain)) for k, v in model.state_dict().items()}
    model.load_state_dict(state)
    return model.eval()


@torch.no_grad()
def test_parity_of_the_generator(parity):
    data = parity("enhancement/hicsr_vehicle_generator_1res")
    model = registry.build("hicsr", KRIUKOV, {"residual_blocks": 1}, STATISTICS, protocol="published").eval()
    model.load_state_dict(stored(data))
    assert largest_difference(model.network(torch.from_numpy(data["x_hicsr"])), data["y_hicsr_tanh"]) < 1e-5
    # The same through forward: contacts in, tiles, one 40 × 40 window.
    contacts = hicsr.contacts_of(torch.from_numpy(data["x_hicsr"]), COUNTS["low_max"])
    assert largest_difference(model({"map": contacts}), data["y_hicsr_tanh"]) < 1e-5


@torch.no_grad()
def test_parity_of_the_discriminator(parity, recipe):
    data = parity("enhancement/hicsr_vehicle_discriminators_recipe")
    model = hicsr.Discriminator()
    assert parameters(model) == 2_755_840
    found = from_recipe(recipe, model, "Ds.")(torch.from_numpy(data["x_hicsr"])).numpy()
    np.testing.assert_allclose(found, data["d_hicsr"], rtol=1e-4)


@torch.no_grad()
def test_parity_of_the_auto_encoder(parity, recipe):
    data = parity("enhancement/hicsr_dae_recipe")
    model = registry.build("hicsr-dae", KRIUKOV, {}, STATISTICS, protocol="published")
    assert parameters(model) == 296_641
    model = from_recipe(recipe, model, "DAE.").double()  # float32 rounding alone reaches 1.5e-5
    assert largest_difference(model.network(torch.from_numpy(data["x"]).double()), data["y"]) < 1e-5


@torch.no_grad()
def test_parity_of_the_released_auto_encoder(parity, mirror):
    data = parity("enhancement/hicsr_dae_pretrained")
    name = "weights_hicsr_dae.pth"
    model = published.load(name, mirror / name, KRIUKOV, STATISTICS)
    for side in (40, 28):
        assert largest_difference(model.network(torch.from_numpy(data[f"x{side}"])), data[f"y{side}"]) < 1e-5
    prediction, target = (model.features(torch.from_numpy(data[f"feat_{of}"])) for of in ("pred", "target"))
    losses = [torch.nn.functional.mse_loss(a, b).item() for a, b in zip(prediction, target)]
    np.testing.assert_allclose(losses, data["feature_loss_per_layer"], atol=1e-5)
    np.testing.assert_allclose(sum(losses), data["feature_loss"].item(), atol=1e-5)


def test_units_are_log2_between_nothing_and_the_largest():
    model = make("hicsr", "published", GEOMETRY)
    contacts = torch.tensor([0.0, COUNTS["deep_max"], 9.0])
    expected = [-1, 1, 2 * np.log2(10) / np.log2(91) - 1]
    np.testing.assert_allclose(model.encode(contacts).numpy(), expected, atol=1e-6)
    torch.testing.assert_close(model.decode(model.encode(contacts)), contacts, rtol=1e-5, atol=1e-5)
    assert model.target == "counts"


@torch.no_grad()
def test_published_predicts_tile_by_tile_and_corrected_at_once():
    wide = Geometry(bin_bp=32, window_bins=70, stride_bins={}, max_bad_bins=0.25, max_n_bins=0)
    contacts = torch.randint(0, 7, (1, 1, 70, 70)).float()
    x = 2 * torch.log2(contacts + 1) / np.log2(7) - 1
    released, corrected = (make("hicsr", protocol, wide).eval() for protocol in ("published", "corrected"))
    y = released({"map": contacts})  # tiles start at 0, 28 and 30
    torch.testing.assert_close(y[..., :28, :28], released.network(x[..., :40, :40]))
    last = released.network(x[..., 30:, 30:])
    torch.testing.assert_close(y[..., 56:, 56:], last[..., 26:, 26:])
    whole = corrected.network(x)
    assert (whole[..., :28, :28] - y[..., :28, :28]).abs().max() > 1e-7  # the inner layers pad every tile
    torch.testing.assert_close(corrected({"map": contacts}), blocks.symmetrise(whole))


def test_the_auto_encoder_learns_from_noisy_maps():
    model = registry.build("hicsr-dae", SMALL, {"channels": 4}, STATISTICS, protocol="published")
    maps = 2 * torch.rand(2, 1, 16, 16) - 1
    torch.manual_seed(3)
    noise = torch.randn(maps.shape)
    torch.manual_seed(3)
    expected = (model.network((maps + 0.1 * noise).clamp(-1, 1)) - maps).square().mean()
    torch.testing.assert_close(model.train().loss(maps), expected)
    state = torch.get_rng_state()
    torch.testing.assert_close(model.eval().loss(maps), (model.network(maps) - maps).square().mean())
    assert torch.equal(torch.get_rng_state(), state)


@torch.no_grad()
def test_the_auto_encoder_reconstructs_the_cropped_deep_map():
    model = make("hicsr-dae", "published", GEOMETRY).eval()
    deep = torch.randint(0, 90, (2, 1, 24, 24)).float()
    expected = model.network(2 * torch.log2(deep[..., 6:-6, 6:-6] + 1) / np.log2(91) - 1)
    torch.testing.assert_close(model({"counts": deep}), expected)


def test_refuses_an_odd_window():
    odd = Geometry(bin_bp=32, window_bins=25, stride_bins={}, max_bad_bins=0.25, max_n_bins=0)
    with pytest.raises(InputError, match="geometry/window_bins: 25 is odd"):
        registry.build("hicsr-dae", odd, {}, STATISTICS)
