"""HiCFoundation with a sequence encoder: against Lau's code, and what the protocols promise."""

import numpy as np
import pytest
import torch
from test_hicfoundation import FULL, SIZES, TINY, close, stored, tensors
from test_registry import GEOMETRY, VIT, make, make_batch
from torch import nn

from trifold.config import Geometry
from trifold.errors import InputError
from trifold.models import lau, registry, similarity
from trifold.models.hicfoundation import SubmatrixHead

# ---------------------------------------------------------------- as released


@torch.no_grad()
def test_parity_of_the_sequence_network(parity, recipe):
    data = parity("enhancement/lau_sequence_cnn_recipe")
    model = lau.SequenceCNN([64, 128, 256], 1024)
    assert sum(p.numel() for p in model.parameters()) == 404_672
    model.load_state_dict(
        {k: torch.from_numpy(recipe.fill(f"SEQ.{k}", v.shape)) for k, v in model.state_dict().items()}
    )
    assert close(model(torch.from_numpy(data["codes"])), data["y"])


@torch.no_grad()
def test_parity_of_the_model_with_a_sequence_token(parity):
    data = parity("enhancement/lau_tiny_seq_vit")
    model = registry.build("hicfoundation-seq", TINY, SIZES, {}, protocol="published").eval()
    model.load_state_dict(stored(data))
    x, total, codes = tensors(data, "x", "total_count", "codes")
    assert close(model.vit_backbone.sequence_encoder(codes), data["seq_token"])
    tokens = model.vit_backbone(x, total, codes)
    assert close(tokens, data["encoder_out"])
    decoded = model.decode_tokens(tokens)
    assert close(decoded, data["decoder_out"])
    assert close(model.to_map(decoded)[:, 0], data["y"])


def test_parity_of_the_loss(parity):
    data = parity("enhancement/lau_mse_ssim_loss")
    a, b = tensors(data, "a", "b")
    found = similarity.mse_ssim_loss(a, b, torch.ones_like(a, dtype=torch.bool))
    assert abs(found.item() - data["total"]) < 1e-6


def test_the_whole_model_has_the_published_size():
    with torch.device("meta"):
        model = registry.build("hicfoundation-seq", FULL, {}, {}, protocol="published")
        track = SubmatrixHead(16, 512).map_block  # the released count is of the model with task 0
    parameters = [*model.parameters(), *track.parameters()]
    assert sum(p.numel() for p in parameters) == 330_718_136


# ---------------------------------------------------------------- what the protocols promise


def busy(protocol: str, geometry: Geometry = GEOMETRY, **options) -> lau.HiCFoundationSequence:
    """A model in which nothing is zero any more."""
    model = make("hicfoundation-seq", protocol, geometry, **options).eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, 0.0, 0.2)
    return model


@torch.no_grad()
def test_published_reads_n_as_a():
    network, codes = lau.SequenceCNN([8, 8, 8], 16), torch.randint(0, 4, (2, 100), dtype=torch.uint8)
    codes[:, 20:40] = 0
    with_n = codes.clone()
    with_n[:, 20:40] = 4
    assert torch.equal(network(with_n), network(codes))


@torch.no_grad()
def test_y15_on_contacts_the_count_token_is_of_the_whole_map():
    """As in HiCFoundation; as Lau 2025 released it, of 1e9 contacts whatever the map has."""
    batch = make_batch(GEOMETRY)
    more = {**batch, "total": 1.5 * batch["total"]}  # still no more than one per base pair: the image is the same
    on_contacts, released = busy("published", encoding="contacts"), busy("published")
    assert torch.equal(on_contacts.images(more), on_contacts.images(batch))
    assert not torch.allclose(on_contacts(more), on_contacts(batch), atol=1e-3)
    assert torch.equal(released(more), released(batch))
    deep = torch.tensor([0.0, 9.0, 1000.0, 5000.0])
    np.testing.assert_allclose(on_contacts.encode(deep), np.log10([1, 10, 1001, 1001]) / np.log10(1001), rtol=1e-6)


@torch.no_grad()
def test_published_reads_the_centre():
    model, batch = busy("published", sequence_bp=100), make_batch(GEOMETRY)
    start = (GEOMETRY.window_bp - 100) // 2

    def changed(first: int, last: int) -> bool:
        codes = batch["sequence"].clone()
        codes[:, first:last] = 3 - codes[:, first:last].clamp(max=3)
        return not torch.equal(model(batch | {"sequence": codes}), model(batch))

    assert not changed(0, start) and not changed(start + 100, GEOMETRY.window_bp)
    assert changed(start, start + 1) and changed(start + 99, start + 100)


@pytest.mark.parametrize(
    ("protocol", "option", "frozen"),
    [("published", None, True), ("published", False, False), ("corrected", None, False), ("corrected", True, True)],
)
def test_freezing_spares_the_sequence_and_the_decoder(protocol, option, frozen):
    model = make("hicfoundation-seq", protocol, GEOMETRY, freeze_encoder=option)
    for key, parameter in model.named_parameters():
        if key.startswith("vit_backbone.head") or key == "decoder_pos_embed":
            assert not parameter.requires_grad, key
        else:
            image = key.startswith("vit_backbone.") and "sequence_encoder" not in key
            assert parameter.requires_grad == (not (frozen and image)), key


def with_statistics(network):
    """In eval mode, with statistics as after a training."""
    network.norm.running_mean.uniform_(-1, 1)
    network.norm.running_var.uniform_(0.5, 2)
    return network.eval()


def token(network, mean, largest):
    norm, x = network.norm, torch.cat([mean, largest])
    return network.fc((x - norm.running_mean) / (norm.running_var + norm.eps).sqrt() * norm.weight + norm.bias)


@torch.no_grad()
def test_corrected_tokens_are_of_known_bases():
    """Mean and largest value, against convolutions of the whole sequence, ten bases to a stretch."""
    network = with_statistics(lau.PatchSequence([8, 8, 8], 16, pool=1, stretches=3))
    codes = torch.randint(0, 4, (2, 30), dtype=torch.uint8)
    codes[0, 5:14] = 4
    codes[1, 20:] = 4
    x = nn.functional.one_hot(codes.long(), 5)[..., :4].float().mT
    for layer in (network.conv1, network.conv2, network.conv3):
        x = torch.relu(layer(x))
    tokens, present = network(codes)
    assert present.tolist() == [[True, True, True], [True, True, False]]
    for window, stretch, first, last in ((0, 0, 0, 5), (0, 1, 14, 20), (0, 2, 20, 30), (1, 1, 10, 20)):
        seen = x[window, :, first:last]
        torch.testing.assert_close(tokens[window, stretch], token(network, seen.mean(1), seen.amax(1)))


@torch.no_grad()
def test_corrected_tokens_tell_stretches_apart():
    """In training features have unit variance over the stretches, however alike these are."""
    network = lau.PatchSequence([8, 8, 8], 16, pool=2, stretches=4)
    given = []
    for layer in (network.norm, network.fc):
        layer.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    network(torch.randint(0, 4, (8, 4 * 2048), dtype=torch.uint8))
    before, after = given[0][:, :8].std(0), given[1].flatten(0, 1)[:, :8].std(0)
    alive = before > 3e-4  # some of these few features are 0 for any sequence
    assert alive.any() and (before < 0.01).all()
    torch.testing.assert_close(after[alive], torch.ones_like(after[alive]), atol=0.05, rtol=0)


@torch.no_grad()
def test_corrected_pooling_weighs_positions_by_known_bases():
    network = with_statistics(lau.PatchSequence([8, 8, 8], 16, pool=2, stretches=2))
    codes = torch.randint(0, 4, (1, 16), dtype=torch.uint8)
    codes[0, 3:7] = 4  # positions of four bases: three known, then one, in the first stretch
    x = nn.functional.one_hot(codes.long(), 5)[..., :4].float().mT
    x = torch.max_pool1d(torch.relu(network.conv1(x)), 2)
    x = torch.max_pool1d(torch.relu(network.conv2(x)), 2)
    x = torch.relu(network.conv3(x))[0]  # (8, 4)
    means = (0.75 * x[:, 0] + 0.25 * x[:, 1], (x[:, 2] + x[:, 3]) / 2)
    largest = (x[:, :2].amax(1), x[:, 2:].amax(1))
    expected = torch.stack([token(network, *pair) for pair in zip(means, largest)])
    torch.testing.assert_close(network(codes)[0][0], expected)


@torch.no_grad()
def test_corrected_arms_start_equal():
    """With any shared weights, the new attention at zero: the arm with sequence is the arm without."""
    without, batch = make("hicfoundation", "corrected", GEOMETRY).eval(), make_batch(GEOMETRY)
    nn.init.normal_(without.decoder_map.weight)
    arm = make("hicfoundation-seq", "corrected", GEOMETRY).eval()
    missing, unexpected = arm.load_state_dict(without.state_dict(), strict=False)
    assert not unexpected
    assert {key.split(".")[0] for key in missing} == {"sequence_encoder", "sequence_none", "decoder_cross"}
    torch.testing.assert_close(arm(batch), without(batch), atol=0, rtol=0)
    nn.init.normal_(arm.decoder_cross[0].proj.weight)
    assert (arm(batch) - without(batch)).abs().max() > 1e-3


@torch.no_grad()
def test_corrected_reads_the_whole_window():
    model, batch = busy("corrected"), make_batch(GEOMETRY)
    for base in (0, GEOMETRY.window_bp - 1):
        codes = batch["sequence"].clone()
        codes[:, base] = 3 - codes[:, base].clamp(max=3)
        assert not torch.equal(model(batch | {"sequence": codes}), model(batch))


@torch.no_grad()
def test_corrected_tokens_lie_on_the_diagonal():
    model, batch, keys = busy("corrected"), make_batch(GEOMETRY), []
    model.decoder_cross[0].register_forward_pre_hook(lambda _, given: keys.append(given[1]))
    model(batch)
    table = model.decoder_pos_embed[0].unflatten(0, (3, 3))
    tokens, _ = model.sequence_encoder(batch["sequence"])
    for i in range(3):
        torch.testing.assert_close(keys[0][:, 1 + i], tokens[:, i] + table[i, i])


@torch.no_grad()
def test_a_stretch_of_n_is_not_attended_to():
    model, batch = busy("corrected"), make_batch(GEOMETRY)
    x, keys = torch.randn(2, 11, 16), torch.randn(2, 4, 16)
    cross = model.decoder_cross[0]
    present = torch.tensor([[True, True, False, True]] * 2)
    expected = cross(x, keys[:, [0, 1, 3]], present[:, [0, 1, 3]])
    torch.testing.assert_close(cross(x, keys, present), expected)
    nothing = torch.full_like(batch["sequence"], 4)
    assert model(batch | {"sequence": nothing}).isfinite().all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sequence_channels": [8, 8]}, "sequence_channels has 2 widths; give 3"),
        ({"control": "reversed"}, r"'reversed' is not one of none, shuffled"),
        ({"sequence_pool": 5}, r"a patch of 8 bins has 256 bp, not a multiple of 25"),
        ({"patch_size": 7}, "geometry/window_bins is 24"),
    ],
)
def test_refuses_options_that_do_not_fit(options, message):
    with pytest.raises(InputError, match=message):
        registry.build("hicfoundation-seq", GEOMETRY, VIT | options, {})


@torch.no_grad()
@pytest.mark.parametrize("protocol", registry.PROTOCOLS)
def test_shuffled_control_loses_places_only(protocol):
    """With the same weights another map, the same one every time; in training a new order every time."""
    plain, control, batch = busy(protocol), busy(protocol, control="shuffled"), make_batch(GEOMETRY)
    control.load_state_dict(plain.state_dict())
    first = control(batch)
    assert not torch.equal(first, plain(batch))
    assert torch.equal(first, control(batch))
    control.train()
    assert not torch.equal(control(batch), control(batch))
    order = control._permutations(torch.zeros(2, 50))
    assert (order.sort(dim=1).values == torch.arange(50)).all()
    uniform = batch | {"sequence": torch.zeros_like(batch["sequence"])}
    control.eval()
    if protocol == "published":
        assert torch.equal(control(uniform), plain(uniform))


@pytest.mark.parametrize("protocol", registry.PROTOCOLS)
def test_refuses_a_sequence_of_another_length(protocol):
    batch = make_batch(GEOMETRY)
    with pytest.raises(InputError, match="768 bp"):
        make("hicfoundation-seq", protocol, GEOMETRY)(batch | {"sequence": batch["sequence"][:, 1:]})


# ---------------------------------------------------------------- the loss


def test_loss_leaves_out_what_the_mask_does():
    prediction, target = torch.rand(2, 1, 20, 20, requires_grad=True), torch.rand(2, 1, 20, 20)
    mask = torch.zeros(2, 1, 20, 20, dtype=torch.bool)
    mask[0, 0, 3, 4:8] = True
    equal = torch.where(mask, target, prediction.detach())
    hidden = target.masked_fill(~mask, torch.nan)
    found = similarity.mse_ssim_loss(prediction, hidden, mask)
    everywhere = similarity.mse_ssim_loss(prediction.detach(), equal, torch.ones_like(mask))
    square = (prediction - target).square()[mask].mean().item()
    n = mask.sum() / mask.numel()
    assert np.isclose(found.item(), everywhere.item() + 0.8 * square * (1 - n.item()), atol=1e-6)
    found.backward()
    assert (prediction.grad[mask] != 0).all()
    assert (prediction.grad[~mask] == 0).all()


def test_loss_of_no_pixel_is_zero():
    maps = torch.rand(1, 1, 20, 20)
    assert abs(similarity.mse_ssim_loss(maps, 1 - maps, torch.zeros_like(maps, dtype=torch.bool)).item()) < 1e-6
