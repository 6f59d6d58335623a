"""HiCFoundation against its released code, and what its protocols promise."""

from pathlib import Path

import numpy as np
import pytest
import torch
from test_registry import GEOMETRY, make, make_batch
from torch import nn

from trifold.config import Geometry
from trifold.errors import InputError
from trifold.models import hicfoundation, registry, similarity

torch.set_num_threads(1)
TINY = Geometry(bin_bp=16, window_bins=64, stride_bins={}, max_bad_bins=0.25, max_n_bins=0)
FULL = Geometry(bin_bp=4000, window_bins=224, stride_bins={}, max_bad_bins=0.25, max_n_bins=0)
SIZES = {"width": 64, "depth": 2, "heads": 4, "decoder_width": 32, "decoder_depth": 2, "decoder_heads": 4}


def stored(data) -> dict[str, torch.Tensor]:
    return {key.removeprefix("sd/"): torch.from_numpy(data[key]) for key in data.files if key.startswith("sd/")}


def tensors(data, *names: str) -> list[torch.Tensor]:
    return [torch.from_numpy(data[name]) for name in names]


def close(found: torch.Tensor, expected: np.ndarray, tolerance: float = 1e-5) -> bool:
    assert found.shape == expected.shape
    return np.abs(found.numpy() - expected).max() < tolerance


def tiny(data, **options) -> hicfoundation.HiCFoundation:
    """The released fine-tuning model of the parity files, weights loaded strictly."""
    model = registry.build("hicfoundation", TINY, SIZES | options, {}, protocol="published").eval()
    model.load_state_dict(stored(data))
    return model


# ---------------------------------------------------------------- as released


@torch.no_grad()
def test_parity_of_positions_and_counts(parity):
    data = parity("enhancement/hicfoundation_tiny_task3")
    model = registry.build("hicfoundation", TINY, SIZES, {}, protocol="published")
    assert close(model.vit_backbone.pos_embed, data["sd/vit_backbone.pos_embed"], 1e-6)
    assert close(model.decoder_pos_embed, data["sd/decoder_pos_embed"], 1e-6)
    assert close(hicfoundation.count_embedding(torch.from_numpy(data["total_count"]), 64), data["count_embed"])


@torch.no_grad()
def test_parity_of_the_resolution_model(parity):
    data = parity("enhancement/hicfoundation_tiny_task3")
    model = tiny(data)
    x, total = tensors(data, "x", "total_count")
    tokens = model.vit_backbone(x, total)
    assert close(tokens, data["encoder_out"])
    decoded = model.decode_tokens(tokens)
    assert close(decoded, data["decoder_out"])
    assert close(model.to_map(decoded)[:, 0], data["y"])
    assert close(model.to_map(model.decode_tokens(model.vit_backbone(x)))[:, 0], data["y_count_none"])


@torch.no_grad()
def test_parity_of_the_input_image(parity):
    """counts0 is read relative to its own maximum; rgb takes it as it takes a window on [0, 1]."""
    data = parity("enhancement/hicfoundation_tiny_task3")
    counts = torch.from_numpy(data["counts0"])[None, None]
    image = hicfoundation.rgb(counts, own_maximum=True)
    assert close(image, data["x"][:1])
    shares = torch.log10(counts + 1) / torch.log10(counts.max() + 1)
    assert close(hicfoundation.rgb(shares, own_maximum=False), data["x"][:1])


@torch.no_grad()
def test_parity_of_a_window_over_its_own_maximum(parity):
    """The whole architecture is image, encoder with 1e9 contacts, decoder: here of counts0."""
    data = parity("enhancement/hicfoundation_tiny_task3")
    y = tiny(data, encoding="window")({"map": torch.from_numpy(data["counts0"])[None, None]})
    assert close(y[0], data["y_count_none"][:1])


def as_released(data, genome_bp: float = 3.1e9) -> dict[str, torch.Tensor]:
    """counts1, which the released code reads as its inference does: cut at 100, without the diagonal; its 1.2e9
    contacts are a third of one per base pair of a genome as long as man's."""
    counts, total = torch.from_numpy(data["counts1"])[None, None], torch.from_numpy(data["total_count"])[1:]
    return {"map": counts, "total": total, "total_bp": torch.full_like(total, genome_bp)}


@torch.no_grad()
def test_y15_parity_of_the_released_input(parity):
    """Image, encoder and output of contacts as they are; by the window's own maximum and 1e9 contacts the encoder is
    off by 1.39, the output by 0.73 of 3.00."""
    data = parity("enhancement/hicfoundation_tiny_task3")
    batch, model = as_released(data), tiny(data)
    image = model.images(batch)
    assert close(image, data["x"][1:])
    assert close(model.vit_backbone(image, batch["total"]), data["encoder_out"][1:])
    assert close(model(batch)[0], data["y"][1:])
    before = hicfoundation.rgb(batch["map"], own_maximum=True)
    tokens = model.vit_backbone(before)
    assert np.abs(tokens.numpy() - data["encoder_out"][1:]).max() == pytest.approx(1.395, abs=0.005)
    y = model.to_map(model.decode_tokens(tokens))[:, 0]
    assert np.abs(y.numpy() - data["y"][1:]).max() == pytest.approx(0.727, abs=0.005)


def test_y15_parity_of_the_released_output(parity):
    data = parity("enhancement/hicfoundation_tiny_task3")
    y, counts = tensors(data, "y", "y_as_counts")
    model = tiny(data)
    torch.testing.assert_close(model.decode(y), counts, rtol=1e-5, atol=1e-5)
    deep = torch.tensor([0.0, 1.0, 20.0, 999.0, 1000.0, 5000.0])
    torch.testing.assert_close(model.decode(model.encode(deep)), deep.clamp(max=1000), rtol=1e-5, atol=1e-4)
    assert model.encode(deep)[-1] == 1


def test_y15_shares_of_contacts():
    """By hand: the diagonal counts for nothing, 100 and more are 1; of a map deeper than a contact per base pair
    nothing is cut, and the largest is 1. An empty window stays empty."""
    counts = torch.tensor([[500.0, 9.0, 99.0], [9.0, 3.0, 400.0], [99.0, 400.0, 0.0]]).repeat(3, 1, 1, 1)
    counts[2] = counts[2].diagonal(dim1=-2, dim2=-1).diag_embed()
    found = hicfoundation.shares(counts, torch.tensor([False, True, True]))
    log = np.log10
    cut = np.array([[0, 1, 2], [1, 0, log(101)], [2, log(101), 0]]) / log(101)
    uncut = np.array([[0, 1, 2], [1, 0, log(401)], [2, log(401), 0]]) / log(401)
    np.testing.assert_allclose(found[:, 0], [cut, uncut, np.zeros((3, 3))], rtol=1e-6)


@torch.no_grad()
def test_y15_the_depth_of_the_map_decides(parity):
    """Of a genome of 1e9 bp the same contacts are more than one per base pair."""
    data = parity("enhancement/hicfoundation_tiny_task3")
    model = tiny(data)
    batch = as_released(data, 1e9)
    without = batch["map"].masked_fill(torch.eye(64, dtype=torch.bool), 0)
    torch.testing.assert_close(model.images(batch), hicfoundation.rgb(without, own_maximum=True))
    y = model(batch)
    assert not torch.allclose(y, model(batch | {"total": batch["total"] * 3}), atol=1e-3)
    nothing = {name: torch.zeros_like(values) for name, values in batch.items()} | {"total_bp": batch["total_bp"]}
    assert model(nothing).isfinite().all()


@pytest.mark.parametrize("encoding", ["window", "contacts"])
def test_y15_encodings_are_of_the_released_network(encoding):
    with pytest.raises(InputError, match=f"options/encoding: '{encoding}' is for protocol: published; leave it out"):
        make("hicfoundation", "corrected", GEOMETRY, encoding=encoding)


@torch.no_grad()
def test_parity_of_the_default_head(parity):
    data = parity("enhancement/hicfoundation_tiny_task0")
    model, head = tiny(parity("enhancement/hicfoundation_tiny_task3")), hicfoundation.SubmatrixHead(16, 32)
    head.load_state_dict(stored(data))
    embedding, maps, track = head(model.decode_tokens(model.vit_backbone(*tensors(data, "x", "total_count"))))
    assert close(embedding, data["submatrix_embedding"])
    assert close(maps[:, 0], data["pred_2d"])
    assert close(track, data["pred_1d"])


@torch.no_grad()
def test_parity_of_ssim(parity):
    data = parity("enhancement/hicfoundation_ssim")
    found = similarity.ssim(*tensors(data, "a", "b"))
    assert close(found, data["ssim_range1_per_image"], 1e-6)
    assert close(found.mean(), data["ssim_range1"], 1e-6)


@torch.no_grad()
@pytest.mark.parametrize(("masks", "diagonals"), [("random", None), ("diag", [0, 1])])
def test_parity_of_pre_training(parity, masks, diagonals):
    data = parity("enhancement/hicfoundation_mae_tiny")
    model = registry.build("hicfoundation-mae", TINY, SIZES, {}, protocol="published").eval()
    model.load_state_dict(stored(data))
    x, filled, total, noise = tensors(data, "x", "imgs_mask", "total_count", f"{masks}/noise")
    if diagonals is not None:
        noise = hicfoundation.symmetric_noise(noise, diagonals, mirror=False)
    tokens, ranks = model.encode_visible(x, total, noise.flatten(1))
    assert (ranks.numpy() == data[f"{masks}/ids_restore"]).all()
    assert ((ranks >= model.visible).float().numpy() == data[f"{masks}/mask"]).all()
    assert close(tokens, data[f"{masks}/latent"])
    count, patches = model.decode_all(tokens, ranks)
    assert close(count[:, None], data[f"{masks}/count_pred"])
    assert close(hicfoundation.unpatchify(patches, 16, 3), data[f"{masks}/pred_image"])
    structure, contrast = model.image_terms(x, filled, patches)
    assert abs(structure.item() - data[f"{masks}/ssim_loss"]) < 1e-5
    assert abs(contrast.item() - data[f"{masks}/contrastive_loss"]) < 1e-5


@pytest.mark.parametrize(
    ("architecture", "keys", "alias", "parameters", "trained"),
    [
        (
            "hicfoundation",
            "hicfoundation_vitL_task3_keys.txt",
            {"patch_embed.proj.weight", "patch_embed.proj.bias"},
            330_303_208,
            329_177_856,
        ),
        ("hicfoundation-mae", "hicfoundation_mae_vitL_keys.txt", set(), 329_541_889, 329_239_809),
    ],
)
def test_parity_of_released_keys(recipe, architecture, keys, alias, parameters, trained):
    """ViT-L/16, on the meta device."""
    lines = (Path(recipe.__file__).parent / "enhancement" / keys).read_text().splitlines()
    expected = dict(line.split("\t") for line in lines)
    with torch.device("meta"):
        model = registry.build(architecture, FULL, {}, {}, protocol="published")
    found = {key: str(tuple(value.shape)) for key, value in model.state_dict().items()}
    assert found == {key: shape for key, shape in expected.items() if key not in alias}
    assert sum(p.numel() for p in model.parameters()) == parameters
    # Fine-tuning: without the decoder's table (100,352) and the layer of 1000 classes (1,025,000).
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == trained


# ---------------------------------------------------------------- what the protocols promise


def test_patches_are_cut_and_put_back():
    image = torch.arange(2 * 3 * 8 * 8.0).reshape(2, 3, 8, 8)
    patches = hicfoundation.patchify(image, 4)
    # Patch 1 is the upper right one; pixel (1, 2) of it, all channels.
    assert torch.equal(patches[0, 1].reshape(4, 4, 3)[1, 2], image[0, :, 1, 6])
    assert torch.equal(hicfoundation.unpatchify(patches, 4, 3), image)


def test_images_have_their_colours_back():
    maps = torch.rand(2, 1, 8, 8)
    back = hicfoundation.colours(hicfoundation.rgb(maps, own_maximum=False))
    torch.testing.assert_close(back, torch.cat([torch.ones_like(maps), 1 - maps, 1 - maps], dim=1))


def test_an_empty_window_is_a_white_image():
    image = hicfoundation.colours(hicfoundation.rgb(torch.zeros(1, 1, 8, 8), own_maximum=True))
    torch.testing.assert_close(image, torch.ones(1, 3, 8, 8))


@torch.no_grad()
@pytest.mark.parametrize("name", ["hicfoundation", "hicfoundation-seq"])
def test_corrected_starts_at_its_input(name):
    batch = make_batch(GEOMETRY)
    torch.testing.assert_close(make(name, "corrected", GEOMETRY)(batch), batch["map"].clamp(0.01, 0.99))


def test_gradient_checkpointing_changes_no_gradient():
    batch, gradients = make_batch(GEOMETRY), []
    for checkpointing in (False, True):
        model = make("hicfoundation", "published", GEOMETRY, gradient_checkpointing=checkpointing).train()
        model(batch).square().sum().backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.requires_grad]))
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("name", ["hicfoundation", "hicfoundation-seq"])
@pytest.mark.parametrize("protocol", registry.PROTOCOLS)
@pytest.mark.parametrize("freeze", [False, True])
def test_layer_groups_hold_every_trained_parameter_once(name, protocol, freeze):
    model = make(name, protocol, GEOMETRY, freeze_encoder=freeze)
    level = {id(parameter): i for i, group in enumerate(model.layer_groups()) for parameter in group}
    assert sum(map(len, model.layer_groups())) == len(level)
    assert set(level) == {id(parameter) for parameter in model.parameters() if parameter.requires_grad}
    expected = {
        "vit_backbone.cls_token": 0,
        "vit_backbone.patch_embed.proj.weight": 0,
        "vit_backbone.sequence_encoder.fc.weight": 0,
        "vit_backbone.blocks.0.mlp.fc2.bias": 1,
        "vit_backbone.blocks.1.norm1.weight": 2,
        "vit_backbone.norm.weight": 2,
        "decoder_embed.weight": 3,
        "sequence_encoder.conv1.weight": 3,
        "sequence_none": 3,
        "decoder_blocks.0.attn.qkv.weight": 4,
        "decoder_cross.1.proj.weight": 5,
        "decoder_norm.bias": 6,
        "decoder_map.weight": 6,
    }
    for key, parameter in model.named_parameters():
        if key in expected:
            frozen = freeze and key.startswith("vit_backbone.") and "sequence_encoder" not in key
            assert level.get(id(parameter)) == (None if frozen else expected[key]), key


def test_learning_rates_grow_towards_the_output():
    """As released: .75 to the power of 8 ... 1 in eight decoder blocks and nowhere else; corrected: on every level."""
    for protocol in registry.PROTOCOLS:
        model = make("hicfoundation", protocol, GEOMETRY, decoder_depth=8)
        rates = {id(parameter): rate for group, rate in model.layer_rates(0.75) for parameter in group}
        found = {key: rates[id(parameter)] for key, parameter in model.named_parameters() if id(parameter) in rates}
        assert found["decoder_blocks.0.mlp.fc1.weight"] == pytest.approx(0.100, abs=5e-4)
        assert found["decoder_blocks.7.mlp.fc1.weight"] == 0.75
        assert found["decoder_map.weight"] == 1
        rest = [
            found[key] for key in ("decoder_embed.bias", "vit_backbone.blocks.1.norm1.bias", "vit_backbone.cls_token")
        ]
        assert rest == ([1, 1, 1] if protocol == "published" else pytest.approx([0.75**9, 0.75**10, 0.75**12]))


@pytest.mark.parametrize("name", ["hicfoundation", "hicfoundation-seq"])
@pytest.mark.parametrize("protocol", registry.PROTOCOLS)
@pytest.mark.parametrize("source", ["pre-training", "checkpoint", "fine-tuning"])
def test_loads_a_trained_encoder(name, protocol, source):
    trained = make("hicfoundation" if source == "fine-tuning" else "hicfoundation-mae", "published", GEOMETRY)
    for parameter in trained.parameters():
        nn.init.normal_(parameter)
    expected = trained.state_dict()
    model = make(name, protocol, GEOMETRY)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model.load_encoder({"model": expected, "epoch": 3} if source == "checkpoint" else expected)
    prefix = "vit_backbone." if source == "fine-tuning" else ""
    for key, value in model.state_dict().items():
        if not key.startswith("vit_backbone.") or key.split(".")[1] in ("head", "sequence_encoder"):
            assert torch.equal(value, before[key]), key
        elif key == "vit_backbone.pos_embed":
            assert torch.equal(value[:, -9:], expected[prefix + "pos_embed"][:, 1:])
            assert torch.equal(value[:, :-9], before[key][:, :-9])
        else:
            assert torch.equal(value, expected[prefix + key.removeprefix("vit_backbone.")]), key


def test_refuses_an_encoder_of_another_size():
    other = make("hicfoundation-mae", "corrected", GEOMETRY, width=32).state_dict()
    with pytest.raises(InputError, match=r"cls_token is \(1, 1, 32\) there, \(1, 1, 16\) here"):
        make("hicfoundation", "corrected", GEOMETRY).load_encoder(other)
    wider = Geometry(bin_bp=32, window_bins=32, stride_bins={}, max_bad_bins=0.25, max_n_bins=0)
    with pytest.raises(InputError, match=r"pos_embed is \(1, 17, 16\) there, \(1, 10, 16\) here"):
        make("hicfoundation", "corrected", GEOMETRY).load_encoder(
            make("hicfoundation-mae", "corrected", wider).state_dict()
        )
    deeper = make("hicfoundation-mae", "corrected", GEOMETRY, depth=3).state_dict()
    with pytest.raises(InputError, match=r"12 tensors differ: blocks\.2\.norm1\.weight is missing here"):
        make("hicfoundation", "corrected", GEOMETRY).load_encoder(deeper)
    incomplete = make("hicfoundation-mae", "corrected", GEOMETRY).state_dict()
    del incomplete["norm.bias"]
    with pytest.raises(InputError, match=r"1 tensors differ: norm.bias is missing there"):
        make("hicfoundation", "corrected", GEOMETRY).load_encoder(incomplete)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("hicfoundation", {"patch_size": 5}, "geometry/window_bins is 24, not a multiple of the option patch_size 5"),
        ("hicfoundation-mae", {"patch_size": 16}, "geometry/window_bins is 24, not a multiple"),
        ("hicfoundation", {"width": 18}, "the option width is 18"),
        ("hicfoundation", {"decoder_width": 16, "decoder_heads": 3}, "the option decoder_width is 16"),
        ("hicfoundation-mae", {"mask_ratio": 0.95}, "mask_ratio 0.95 leaves 0 of 9 patches visible"),
    ],
)
def test_refuses_sizes_that_do_not_divide(name, options, message):
    with pytest.raises(InputError, match=message):
        make(name, "corrected", GEOMETRY, **options)


# ---------------------------------------------------------------- pre-training


def test_mask_noise_is_symmetric_about_the_diagonal():
    noise = torch.rand(3, 5, 5)
    for mirror in (True, False):
        found = hicfoundation.symmetric_noise(noise, [1, -2, 7], mirror=mirror)
        for one, square in zip(found, [(slice(0, 4), slice(1, 5)), (slice(2, 5), slice(0, 3))]):
            assert torch.equal(one[square], one[square].mT)
        assert torch.equal(found[2], noise[2])  # does not cross
        assert torch.equal(found[0, 4], noise[0, 4])
        assert torch.equal(found[1, :, 3:], noise[1, :, 3:])
    # Released: sums, so what is on the diagonal is twice its noise; corrected: noise itself.
    assert torch.equal(found[0, 0, 1], 2 * noise[0, 0, 1])
    mirrored = hicfoundation.symmetric_noise(noise, [0, 0, 0], mirror=True)
    assert torch.equal(mirrored.triu(), noise.triu())


def test_masks_are_drawn_in_training_and_stay_in_evaluation():
    model, maps = make("hicfoundation-mae", "corrected", GEOMETRY), make_batch(GEOMETRY)["observed"]
    torch.manual_seed(1)
    first, second = model.train().noise(maps), model.noise(maps)
    torch.manual_seed(1)
    assert torch.equal(model.noise(maps), first) and not torch.equal(first, second)
    state = torch.get_rng_state()
    fixed = model.eval().noise(maps)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert torch.equal(model.noise(maps), fixed)


@torch.no_grad()
def test_only_visible_patches_are_read():
    model = make("hicfoundation-mae", "corrected", GEOMETRY).eval()
    maps = make_batch(GEOMETRY)["observed"]
    ranks = torch.argsort(torch.argsort(model.noise(maps), dim=1), dim=1)
    hidden = (ranks >= model.visible).float().reshape(2, 1, 3, 3)
    pixels = nn.functional.interpolate(hidden, scale_factor=8, mode="nearest").bool()
    assert hidden.sum() == 2 * 7  # a quarter of nine is two
    assert torch.equal(model({"observed": maps.masked_fill(pixels, 0.3)}), model({"observed": maps}))
    assert not torch.equal(model({"observed": maps.masked_fill(~pixels, 0.3)}), model({"observed": maps}))


@torch.no_grad()
def test_pre_training_loss_is_its_terms():
    model, maps = make("hicfoundation-mae", "corrected", GEOMETRY, alpha=3.0).eval(), make_batch(GEOMETRY)["observed"]
    images, count, patches = model.reconstruct(maps)
    structure, contrast = model.image_terms(images, torch.ones_like(maps), patches)
    expected = 3 * (structure + (count - torch.log10(maps.sum((1, 2, 3)) + 1)).square().mean()) + contrast
    torch.testing.assert_close(model.loss(maps), expected)


@torch.no_grad()
@pytest.mark.parametrize("protocol", registry.PROTOCOLS)
def test_a_perfect_image_gives_the_map_back(protocol):
    model, maps = make("hicfoundation-mae", protocol, GEOMETRY).eval(), make_batch(GEOMETRY)["observed"]
    images = hicfoundation.rgb(maps, own_maximum=protocol == "published")
    patches = hicfoundation.patchify(images, 8)
    model.reconstruct = lambda _: (images, None, patches)
    torch.testing.assert_close(model({"observed": maps}), maps, atol=1e-5, rtol=1e-4)
    structure, contrast = model.image_terms(images, torch.ones_like(maps), patches)
    assert abs(structure) < 1e-5
    # The smallest of the terms: every patch exactly like its own target. All alike would be ln 9.
    assert contrast < np.log(9)


@torch.no_grad()
def test_empty_patches_do_not_count_in_the_contrast():
    model, maps = make("hicfoundation-mae", "corrected", GEOMETRY).eval(), make_batch(GEOMETRY)["observed"]
    images, patches = hicfoundation.rgb(maps, own_maximum=False), torch.randn(2, 9, 192)
    filled = torch.zeros_like(maps)
    filled[0, 0, 1, 9] = 1  # one pixel of 64 in patch 1
    target = nn.functional.normalize(hicfoundation.patchify(images, 8)[0], dim=-1)
    alike = nn.functional.normalize(patches[0, 1], dim=-1) @ target.T
    expected = torch.logsumexp(alike, 0) - alike[1]
    torch.testing.assert_close(model.image_terms(images, filled, patches)[1], expected)
    assert model.image_terms(images, torch.zeros_like(maps), patches)[1] == 0
