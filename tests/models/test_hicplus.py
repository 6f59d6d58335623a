"""HiCPlus: the released network, its units under both protocols, and tiles against whole windows."""

import pytest
import torch
from test_parity import KRIUKOV, largest_difference, parameters, stored
from test_registry import COUNTS, GEOMETRY, make

from trifold.errors import InputError
from trifold.models import blocks, registry


@torch.no_grad()
def test_parity_of_the_network(parity):
    data = parity("enhancement/hicplus")
    model = registry.build("hicplus", KRIUKOV, {}, {}, protocol="published").eval()
    assert parameters(model) == 929
    model.load_state_dict(stored(data))
    # Counts up to 64, of which the file's float32 rounds off 4e-5: relative to the largest.
    assert largest_difference(model.network(torch.from_numpy(data["x"])), data["y"]) < 1e-5 * data["y"].max()
    assert largest_difference(model.network(torch.from_numpy(data["x_full"])), data["y_full"]) < 1e-5


@torch.no_grad()
def test_published_multiplies_by_16_then_cuts_at_100():
    model = make("hicplus", "published", GEOMETRY).eval()
    contacts = torch.randint(0, 12, (2, 1, 24, 24)).float()  # up to 176 after the factor
    expected = model.network(torch.minimum(16 * contacts, torch.tensor(100.0)))
    assert torch.equal(model({"map": contacts}), expected)
    assert model.encode(torch.tensor([0.0, 99.0, 385.0])).tolist() == [0, 99, 100]
    assert model.decode(torch.tensor([99.0])).tolist() == [99]


@torch.no_grad()
def test_corrected_takes_depth_and_bound_from_the_training_regions():
    model = make("hicplus", "corrected", GEOMETRY).eval()
    low, deep = torch.full((1, 1, 24, 24), 2.0), torch.tensor([40.0, 80.0, 385.0])
    scaled = torch.full((1, 1, 24, 24), 2 * COUNTS["ratio"] / COUNTS["deep_q999"])
    torch.testing.assert_close(model({"map": low}), blocks.symmetrise(model.network(scaled)))
    assert model.encode(deep).tolist() == [0.5, 1, 1]
    assert model.decode(model.encode(deep)).tolist() == [40, 80, 80]


def test_corrected_cuts_negative_values_in_predictions_only():
    model = make("hicplus", "corrected", GEOMETRY)
    torch.nn.init.constant_(model.conv3.bias, -50.0)
    x = torch.rand(1, 1, 24, 24)
    assert (model.train().network(x) < 0).all()
    assert (model.eval().network(x) == 0).all()


@torch.no_grad()
def test_the_scale_is_a_change_of_units():
    """Released weights with biases and unit divided by the clip give the same contacts."""
    clips = {"depth_factor": 16.0, "low_clip": 100.0, "deep_clip": 100.0}
    plain = make("hicplus", "published", GEOMETRY, **clips).eval()
    scaled = make("hicplus", "published", GEOMETRY, scaled=True, **clips).eval()
    scaled.load_state_dict({k: v / 100 if k.endswith("bias") else v for k, v in plain.state_dict().items()})
    batch = {"map": torch.rand(1, 1, 24, 24) * 12}
    torch.testing.assert_close(scaled.decode(scaled(batch)), plain(batch), rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("side", [40, 61, 68, 100])
def test_released_tiles_give_the_whole_windows_numbers(side):
    """40 × 40 tiles with stride 28, as released: no layer sees a border, so cutting changes nothing."""
    model = make("hicplus", "published", GEOMETRY).eval()
    x = torch.rand(2, 1, side, side) * 100
    tiled = blocks.untile(model.network(blocks.tiles(x, 40, 28)), side - 12, 28)
    torch.testing.assert_close(tiled, model.network(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("side", "size", "stride"), [(24, 40, 40), (40, 40, 40), (80, 40, 40), (97, 40, 28), (50, 7, 3)]
)
def test_tiles_put_together_are_the_maps(side, size, stride):
    maps = torch.rand(2, 3, side, side, dtype=torch.float64, requires_grad=True)
    cut = blocks.tiles(maps, size, stride)
    assert cut.shape[1:] == (3, min(size, side), min(size, side))
    again = blocks.untile(cut, side, stride)
    torch.testing.assert_close(again, maps)
    again.sum().backward()
    torch.testing.assert_close(maps.grad, torch.ones_like(maps))


def test_tiles_run_row_by_row_and_the_last_is_flush():
    assert blocks.tile_starts(100, 40, 28) == [0, 28, 56, 60]
    assert blocks.tile_starts(96, 40, 28) == [0, 28, 56]
    maps = torch.arange(2 * 25.0).reshape(2, 1, 5, 5)
    cut = blocks.tiles(maps, 3, 2)
    assert cut[:4, 0, 0, 0].tolist() == [0, 2, 10, 12]
    assert cut[4:, 0, 0, 0].tolist() == [25, 27, 35, 37]


def test_overlapping_tiles_are_averaged():
    cut = torch.arange(4.0).reshape(4, 1, 1, 1).expand(4, 1, 2, 2)
    assert blocks.untile(cut, 3, 1)[0, 0].tolist() == [[0, 0.5, 1], [1, 1.5, 2], [2, 2.5, 3]]


@pytest.mark.parametrize("statistics", [{}, {"counts": {**COUNTS, "deep_q999": 0.0}}, {"counts": {"ratio": 2.0}}])
def test_refuses_training_data_without_contacts(statistics):
    with pytest.raises(InputError, match=r"statistics\.json: counts/(deep_q999|ratio) is .*make the examples again"):
        registry.build("hicplus", GEOMETRY, {}, statistics)
