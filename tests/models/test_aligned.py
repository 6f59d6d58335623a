"""The aligned hybrid and its controls: where it starts, where features of bins arrive, and what each control reads."""

import pytest
import torch
from test_registry import GEOMETRY, ODD, OPTIONS, STATISTICS, make, make_batch
from torch import nn

from trifold.config import Geometry, Training
from trifold.errors import InputError
from trifold.models import registry
from trifold.models.aligned import PixelFeatures
from trifold.models.blocks import crop
from trifold.training.regression import Regression

NAMES = ["aligned", "aligned-bias"]
WIDE = Geometry(bin_bp=32, window_bins=48, stride_bins={}, max_bad_bins=0.25, max_n_bins=0)


def trained(name: str, geometry: Geometry = GEOMETRY, **options):
    """A model whose layers that start at zero have learned something, in eval mode."""
    model = make(name, "corrected", geometry, **options)
    torch.manual_seed(1)
    for layer in (model.enter, model.final_block[-1]):
        nn.init.normal_(layer.weight, 0.0, 1.0)
    return model.eval()


@torch.no_grad()
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mode", [True, False])
def test_starts_at_its_input(name, mode):
    batch = make_batch(GEOMETRY)
    batch["map"][..., :4] *= 0.001  # below what the logit is clamped to
    batch["map"] = (batch["map"] + batch["map"].mT) / 2
    expected = crop(batch["map"], 6).clamp(0.01, 0.99)
    torch.testing.assert_close(make(name, "corrected", GEOMETRY).train(mode)(batch), expected)


@torch.no_grad()
def test_the_map_alone_decides_until_the_convolution_of_the_bins_has_learned():
    model, batch = trained("aligned"), make_batch(GEOMETRY)
    other = batch | {"sequence": batch["sequence"].flip(-1)}
    assert not torch.allclose(model(batch), model(other), atol=1e-3)
    nn.init.zeros_(model.enter.weight)
    assert torch.equal(model(batch), model(other))


@torch.no_grad()
@pytest.mark.parametrize("name", NAMES)
def test_output_is_symmetric(name):
    y = trained(name)(make_batch(GEOMETRY))
    assert y.std() > 0.01
    torch.testing.assert_close(y, y.mT, atol=1e-6, rtol=0)


def test_pixels_know_which_bin_is_upstream_by_a_closed_form():
    layer, x = PixelFeatures(5, pair=2, bins=7, distance=3), torch.randn(1, 7, 5)
    y = layer(x)
    assert y.shape == (1, 2 * 2 + 3, 7, 7)
    assert torch.equal(y, y.mT)
    up, down = layer.project(x[0, 2])[:2], layer.project(x[0, 6])[2:]
    expected = torch.cat([up + down, up * down, layer.distance.weight[4]])
    torch.testing.assert_close(y[0, :, 2, 6], expected)
    torch.testing.assert_close(y[0, :, 6, 2], expected)


@torch.no_grad()
def test_a_bin_reaches_its_row_and_its_column_and_nothing_else():
    """One residual block: 9 pixels each way (1 + 2 + 1 + 5 convolutions of 3 × 3)."""
    model, batch = trained("aligned-bias", WIDE, residual_blocks=1), make_batch(WIDE)
    bin_, reach = 20, 9
    changed = batch["bias"].clone()
    changed[:, bin_] += 3
    difference = (model(batch | {"bias": changed}) - model(batch)).abs()[:, 0]
    near = (torch.arange(6, 42) - bin_).abs() <= reach
    inside = near[:, None] | near
    assert difference[:, ~inside].max() < 1e-6
    line = difference[:, bin_ - 6]  # its row, as far as the map goes
    assert (line > 1e-6).float().mean() > 0.9
    torch.testing.assert_close(difference[:, :, bin_ - 6], line)


@torch.no_grad()
@pytest.mark.parametrize("geometry", [GEOMETRY, ODD], ids=["exact", "resized"])
def test_sequence_features_stand_at_their_bins(geometry):
    """Mutations in bin 5 change the features of bins around it, and those of bin 5 most."""
    model, batch = make("aligned", "corrected", geometry, trunk_blocks=1).eval(), make_batch(geometry)
    place = slice(5 * geometry.bin_bp, 6 * geometry.bin_bp)
    codes = batch["sequence"].clone()
    codes[:, place] = (codes[:, place] + 1) % 4
    moved = (model.bin_features(batch | {"sequence": codes}) - model.bin_features(batch)).abs().sum((0, 2))
    assert moved.shape == (24,)
    assert moved[5] > 0
    assert moved[12:].max() < 1e-6
    assert moved.argmax() in (4, 5, 6)


@torch.no_grad()
def test_shuffled_is_the_same_network_on_permuted_bins():
    none, shuffled, batch = trained("aligned"), trained("aligned", control="shuffled"), make_batch(GEOMETRY)
    shapes = {key: value.shape for key, value in none.state_dict().items()}
    assert {key: value.shape for key, value in shuffled.state_dict().items()} == shapes
    expected = none.bin_features(batch)[:, shuffled.permutation]
    assert torch.equal(shuffled.bin_features(batch), expected)
    assert torch.equal(shuffled(batch), shuffled(batch))
    assert not torch.allclose(shuffled(batch), none(batch), atol=1e-3)
    assert sorted(shuffled.permutation.tolist()) == list(range(24))
    shuffled.permutation.copy_(torch.arange(24))
    assert torch.equal(shuffled(batch), none(batch))


@torch.no_grad()
def test_shuffled_draws_anew_for_every_window_in_training():
    model = trained("aligned", control="shuffled").train()
    x = torch.zeros(2, 24, 3)
    torch.manual_seed(3)
    first, second = model._permutations(x), model._permutations(x)
    assert all(sorted(row.tolist()) == list(range(24)) for row in (*first, *second))
    assert len({tuple(row.tolist()) for row in (*first, *second)}) == 4
    torch.manual_seed(3)
    assert torch.equal(model._permutations(x), first)


def test_sequence_and_its_controls_have_the_same_image_network():
    shapes = [
        {
            key: tuple(value.shape)
            for key, value in registry.build(name, WIDE, {}, {}).state_dict().items()
            if not key.startswith(("trunk.", "bins."))
        }
        for name in NAMES
    ]
    assert shapes[0] == shapes[1]


@torch.no_grad()
def test_the_bias_arm_reads_map_and_bias_only():
    model, batch = trained("aligned-bias"), make_batch(GEOMETRY)
    assert model.inputs == {"map", "bias"}
    y = model({key: batch[key] for key in ("map", "bias")})
    assert torch.equal(model(batch | {"sequence": batch["sequence"].flip(-1)}), y)
    assert not torch.allclose(model(batch | {"bias": batch["bias"].flip(-1)}), y, atol=1e-3)


# ---------------------------------------------------------------- a trained sequence arm in place of its own trunk


def with_backbone(name: str = "akita"):
    backbone = make(name, "corrected", GEOMETRY)
    return registry.build("aligned", GEOMETRY, OPTIONS["aligned"], STATISTICS, {"sequence": backbone}), backbone


@torch.no_grad()
@pytest.mark.parametrize("name", ["akita", "akita-graph"])
def test_the_trunk_of_a_backbone_gives_the_features(name):
    model, backbone = with_backbone(name)
    own, batch = make("aligned", "corrected", GEOMETRY).eval(), make_batch(GEOMETRY)
    own.trunk.load_state_dict(backbone.trunk.state_dict())
    own.load_state_dict(model.state_dict(), strict=False)
    for mode in (True, False):  # its batch-norm statistics and dropout are those of a trained network throughout
        assert torch.equal(model.train(mode).bin_features(batch), own.bin_features(batch))
    assert getattr(model, "sequence") is backbone  # noqa: B009 (as the workflow finds it)


def test_a_frozen_backbone_keeps_its_weights_then_all_but_its_head_learns():
    model, _ = with_backbone()
    batch = make_batch(GEOMETRY)
    for key, parameter in model.named_parameters():
        if not key.startswith("sequence."):
            nn.init.normal_(parameter, 0.0, 0.1)
    model.train().freeze_backbones()
    model(batch).sum().backward()
    for key, parameter in model.named_parameters():
        assert (parameter.grad is None) == key.startswith("sequence."), key
    model.freeze_backbones(False)
    model(batch).sum().backward()
    for key, parameter in model.named_parameters():
        assert (parameter.grad is None) == key.startswith(("sequence.head.", "sequence.final.")), key
    assert model.joint_learning_rate == 0.1


@pytest.mark.parametrize("given", [True, False])
def test_only_an_arm_with_a_backbone_has_epochs_without_it(given):
    settings = dict.fromkeys(Training.__dataclass_fields__) | {"epochs": 5, "head_epochs": 2}
    model = with_backbone()[0] if given else make("aligned", "corrected", GEOMETRY)
    assert Regression(model, Training(**settings)).head_epochs == (2 if given else 0)


@pytest.mark.parametrize(
    ("backbones", "options", "message"),
    [
        ({"image": None}, {}, "one backbone, 'sequence', and not 'image'"),
        ({"sequence": nn.Identity()}, {}, r"akita, akita-graph.*is a Identity; name a trained sequence arm"),
        ({}, {"control": "reversed"}, r"'reversed' is not one of none, shuffled"),
    ],
)
def test_refuses_what_it_cannot_use(backbones, options, message):
    with pytest.raises(InputError, match=message):
        registry.build("aligned", GEOMETRY, options, {}, backbones)


def test_refuses_sequences_of_another_length():
    batch = make_batch(GEOMETRY) | {"sequence": torch.zeros(2, 700, dtype=torch.uint8)}
    with pytest.raises(InputError, match="768 bp"):
        make("aligned", "corrected", GEOMETRY)(batch)
