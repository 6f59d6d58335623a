"""Epiphany against its released code, its stripes, and what its protocols promise in the task `window`."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from parity.recipe import fill_multimodal
from test_registry import PAIR_STATISTICS
from torch import nn

from trifold.config import Geometry
from trifold.errors import InputError
from trifold.models import epiphany, registry

torch.set_num_threads(1)
REST = {"stride_bins": {}, "max_bad_bins": 0.25, "max_n_bins": 0}
PAPER = Geometry(bin_bp=5000, window_bins=50, **REST)
PAPER_STATISTICS = {"tracks": ["atac", "dnase"], "track_bp": 100}
SMALL = Geometry(bin_bp=32, window_bins=24, **REST)  # four bins of the tracks to a bin
WIDTHS = {"channels": [4, 4, 4, 2], "pooled_bins": 5, "recurrent": 6, "dense": 8}


def filled(network: nn.Module) -> nn.Module:
    """With the weights that the reference had, by the names of its tensors."""
    with torch.no_grad():
        for name, weight in network.named_parameters():
            weight.copy_(torch.from_numpy(fill_multimodal(name, weight.shape)))
    return network.eval()


def parameters(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def make(protocol: str, geometry: Geometry = SMALL, statistics: dict = PAIR_STATISTICS, **options) -> epiphany.Epiphany:
    torch.manual_seed(0)
    return registry.build("epiphany", geometry, WIDTHS | options, statistics, None, protocol, "window")


def batch_of(geometry: Geometry, windows: int = 2, tracks: int = 2) -> dict[str, torch.Tensor]:
    """As the data set gives it of windows on the diagonal: both stretches alike, the map symmetric."""
    generator, side = torch.Generator().manual_seed(4), geometry.window_bins
    stretch = torch.rand(windows, 4 * side, tracks, generator=generator)
    maps = torch.rand(windows, 1, side, side, generator=generator)
    return {"tracks": torch.cat([stretch, stretch], dim=1), "map": (maps + maps.mT) / 2}


# ---------------------------------------------------------------- as released


@torch.no_grad()
@pytest.mark.parametrize("size", epiphany.SIZES)
def test_parity_of_the_whole_network(parity, size):
    """All of it, as large as it was released, without its adversarial part and, of 10 kb, with it."""
    data = parity(f"multimodal/epiphany_{size}")
    network = epiphany.Stripes(tracks=5, **epiphany.SIZES[size])
    assert parameters(network) == data["cfg/n_params"] == {"10kb": 91_677_400, "5kb": 207_767_000}[size]
    assert (network.context_bins, network.stride_bins) == (data["cfg/window_size"], data["cfg/stride_bins"])
    rows = int(data["cfg/seq_length"])
    stripes = filled(network)(torch.from_numpy(data["in/x"])[None], rows)
    np.testing.assert_allclose(stripes, data["out/pred"], rtol=1e-3, atol=1e-5)
    loss = F.mse_loss(stripes[0], torch.from_numpy(data["in/target"]))
    assert loss.item() == pytest.approx(float(data["out/loss"]), rel=1e-4)
    if size == "5kb":
        return
    discriminator = filled(epiphany.Discriminator(200, 100))
    assert parameters(discriminator) == data["cfg/n_params_disc"] == 32_551
    logits = discriminator(torch.from_numpy(data["in/disc_img"]))
    np.testing.assert_allclose(logits, data["out/disc_logit"], rtol=1e-4, atol=1e-5)
    assert epiphany.fooled(logits).item() == pytest.approx(float(data["out/adv_loss_gen"]), rel=1e-4)
    total = epiphany.generator_loss(loss, logits, epiphany.ADVERSARIAL)
    assert total.item() == pytest.approx(float(data["out/total_generator_loss_lam0.95"]), rel=1e-4)


def test_sizes_of_two_tracks():
    with torch.device("meta"):
        assert parameters(epiphany.Stripes(tracks=2, **epiphany.SIZES["5kb"])) == 207_763_430


def test_the_discriminator_of_5_kb_maps_does_not_fit_them():
    """The released last layer takes 5,400 values."""
    discriminator = epiphany.Discriminator(200, 200, channels=(25, 25, 25, 10), paddings=(2, 0, 0, 0))
    assert discriminator.fc1.in_features == 3240
    assert discriminator(torch.zeros(3, 1, 200, 200)).shape == (3, 1)


def test_defaults_are_the_network_of_5_kb_maps():
    """In the task: but for its last layer, which has as many diagonals as the window."""
    with torch.device("meta"):
        published = registry.build("epiphany", PAPER, {}, PAPER_STATISTICS, None, "published", "window")
        corrected = registry.build("epiphany", PAPER, {}, PAPER_STATISTICS, None, "corrected", "window")
    assert parameters(published) == 207_763_430 - 150 * 1201
    assert published.stripes.context_bins == 14_000 and corrected.stripes.context_bins == 5128
    # 50 pixels, halved three times on the way: 6 × 6 of ten channels.
    assert corrected.discriminator.fc1.in_features == 360
    assert parameters(corrected) == parameters(published) + parameters(corrected.discriminator)


# ---------------------------------------------------------------- stripes


@pytest.mark.parametrize(("side", "bands"), [(1, 1), (2, 2), (7, 7), (4, 6), (50, 50)])
def test_entries_of_a_stripe_leave_the_diagonal_at_a_right_angle(side, bands):
    """Entry k of bin m is pixel (m − ⌈k / 2⌉, m + ⌊k / 2⌋) and its mirror; every pixel is one, those outside none."""
    stripes, expected = np.random.default_rng(0).random((3, 2, side, bands)), np.full((3, 2, side, side), np.nan)
    for m in range(side):
        for k in range(bands):
            row, column = m - math.ceil(k / 2), m + k // 2
            if row >= 0 and column < side:
                expected[..., row, column] = expected[..., column, row] = stripes[..., m, k]
    np.testing.assert_array_equal(epiphany.stripes_to_window(torch.from_numpy(stripes)), expected)


def test_too_few_diagonals_do_not_fill_a_window():
    with pytest.raises(ValueError, match="stripes of 2 diagonals do not fill a window of 4"):
        epiphany.stripes_to_window(torch.zeros(4, 2))


# ---------------------------------------------------------------- the task


@torch.no_grad()
@pytest.mark.parametrize("protocol", registry.PROTOCOLS)
def test_the_window_is_its_stripes_of_a_padded_stretch(protocol):
    """Row by row: the released network on the tracks about each bin, zeros beyond the stretch."""
    context = 430
    model, batch = make(protocol, context_bins=context).eval(), batch_of(SMALL)
    tracks = batch["tracks"][:, :96].mT.numpy()
    padded = np.pad(tracks, ((0, 0), (0, 0), (context // 2, context // 2)))
    views = np.stack([padded[:, :, 4 * t : 4 * t + context] for t in range(24)], axis=1)  # (B, 24, tracks, context)
    # All rows in one: their views side by side, a context apart.
    model.stripes.stride_bins = context
    stripes = model.stripes(torch.from_numpy(np.concatenate(list(views.swapaxes(0, 1)), axis=2)), 24).numpy()
    model.stripes.stride_bins = 4
    found = model(batch)[:, 0].numpy()
    for i in range(24):
        for j in range(i, 24):
            expected = stripes[:, (i + j + 1) // 2, j - i]
            np.testing.assert_allclose(found[:, i, j], expected, rtol=1e-5, atol=1e-6)
            np.testing.assert_array_equal(found[:, j, i], found[:, i, j])


def test_only_the_stretch_about_x_is_read():
    model, batch = make("corrected").eval(), batch_of(SMALL)
    other = batch["tracks"].clone()
    other[:, 96:] = 0
    torch.testing.assert_close(model({"tracks": other}), model(batch), rtol=0, atol=0)


@torch.no_grad()
@pytest.mark.parametrize("pool", [1, 2, 4])
@pytest.mark.parametrize("window_bins", [50, 51, 53, 59, 120])
def test_corrected_every_bin_sees_the_whole_stretch(window_bins, pool):
    """The first row of what the LSTMs read depends on the last bin of the tracks, and the last row on the first."""
    model = make("corrected", Geometry(bin_bp=32, window_bins=window_bins, **REST), pool=pool).eval()
    for name, weight in model.stripes.named_parameters():
        if name.startswith("conv"):  # more of a track is more of everything
            weight.abs_()
    rows = []
    model.stripes.rnn1.register_forward_pre_hook(lambda _, inputs: rows.append(inputs[0][0]))
    tracks = torch.zeros(1, 8 * window_bins, 2)
    for place in (None, 4 * window_bins - 1, 0):
        model(
            {"tracks": tracks + 9 * torch.eye(8 * window_bins)[:, place : place + 1] if place is not None else tracks}
        )
    plain, at_the_end, at_the_start = rows
    assert (at_the_end[0] > plain[0]).any() and (at_the_start[-1] > plain[-1]).any()


def test_what_is_minimised_with_and_without_the_adversarial_term():
    batch = batch_of(SMALL)
    alone = make("published", context_bins=430)
    assert alone.adversarial == 0 and not hasattr(alone, "discriminator")
    model = make("corrected")
    assert model.adversarial == 0.05
    for network in (alone, model):
        network.stripes.dropout.p = 0.0
    loss, prediction = alone.train().loss_and_prediction(batch)
    assert loss.item() == pytest.approx(F.mse_loss(prediction, batch["map"]).item())
    loss, prediction = model.train().loss_and_prediction(batch)
    logits = [model.discriminator(maps) for maps in (prediction, batch["map"])]
    one, zero = torch.ones(2, 1), torch.zeros(2, 1)
    cross = F.binary_cross_entropy_with_logits
    judged = cross(torch.cat([logits[1], logits[0]]), torch.cat([one, zero]))
    squares = F.mse_loss(prediction, batch["map"])
    assert loss.item() == pytest.approx((0.95 * squares + 0.05 * cross(logits[0], one) + judged).item(), rel=1e-6)
    # Validated by the mean square alone.
    squares, prediction = model.eval().loss_and_prediction(batch)
    assert squares.item() == pytest.approx(F.mse_loss(prediction, batch["map"]).item())


def test_a_step_is_that_of_the_generator_and_then_that_of_the_discriminator():
    """One optimiser on the sum of the losses, against the two of the released code, one after the other."""
    batch, settings = batch_of(SMALL), {"lr": 1e-3, "weight_decay": 5e-4}

    def trained(adversarial: float) -> epiphany.Epiphany:
        model = make("corrected", adversarial=adversarial).train()
        model.stripes.dropout.p = 0.0
        return model

    ours = trained(0.3)
    optimiser = torch.optim.Adam(ours.parameters(), **settings)
    for _ in range(3):
        optimiser.zero_grad()
        ours.loss_and_prediction(batch)[0].backward()
        optimiser.step()
    theirs = trained(0.3)
    generator = torch.optim.Adam(theirs.stripes.parameters(), **settings)
    discriminator = torch.optim.Adam(theirs.discriminator.parameters(), **settings)
    cross = F.binary_cross_entropy_with_logits
    for _ in range(3):
        generator.zero_grad()
        prediction = theirs(batch)
        judged = cross(theirs.discriminator(prediction), torch.ones(2, 1))
        (0.7 * F.mse_loss(prediction, batch["map"]) + 0.3 * judged).backward()
        generator.step()
        discriminator.zero_grad()
        both = torch.cat([theirs.discriminator(batch["map"]), theirs.discriminator(prediction.detach())])
        cross(both, torch.tensor([[1.0], [1.0], [0.0], [0.0]])).backward()
        discriminator.step()
    for (name, found), expected in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": [4, 4]}, "option channels has 2 entries; Epiphany has 4 convolutions"),
        ({"pool": 4, "context_bins": 423}, "option context_bins 423 leaves nothing .*; give at least 424"),
        ({"context_bins": 30}, "option context_bins 30 leaves nothing .*; give at least 31, or a smaller pool"),
        ({"adversarial": 1.0}, "option adversarial is 1.0, a share of the loss; give less than 1"),
    ],
)
def test_refuses_options(options, message):
    with pytest.raises(InputError, match=message):
        make("corrected", **options)


@pytest.mark.parametrize(("pool", "least"), [(1, 31), (2, 84), (3, 205), (4, 424)])
def test_the_least_context_leaves_one_value(pool, least):
    assert epiphany.least_context(pool) == least
    model = make("corrected", pool=pool, context_bins=least)
    assert model(batch_of(SMALL)).isfinite().all()
    x = torch.zeros(1, 2, least)
    for i in range(1, 5):
        x = model.stripes.get_submodule(f"conv{i}")(x)
    assert x.shape[2] == 1


@pytest.mark.parametrize(("track_bins", "pool"), [(1, 1), (4, 1), (8, 2), (16, 2), (22, 3), (50, 4), (100, 4)])
def test_pools_take_as_much_of_the_map_as_released(track_bins, pool):
    assert epiphany.usual_pool(track_bins) == pool
    geometry = Geometry(bin_bp=100 * track_bins, window_bins=8, **REST)
    with torch.device("meta"):
        for protocol, expected in (("corrected", pool), ("published", 4)):
            model = make(protocol, geometry, PAPER_STATISTICS)
            assert [model.stripes.get_submodule(f"conv{i}").pool for i in range(1, 5)] == [*[expected] * 3, 1]


def test_refuses_tracks_of_another_shape():
    model = make("corrected")
    with pytest.raises(InputError, match=r"'tracks' is \(2, 192, 1\); this network reads \(B, 192, 2\)"):
        model(batch_of(SMALL, tracks=1))
    with pytest.raises(InputError, match="'tracks' is missing"):
        model({})


def test_a_discriminator_needs_something_to_look_at():
    with pytest.raises(InputError, match="leaves nothing of maps of 50 × 50 pixels"):
        epiphany.Discriminator(50, 50)
