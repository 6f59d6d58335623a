"""Networks on vectors of bins: against their own parts, and what the protocols promise."""

import pytest
import torch
from test_registry import GEOMETRY, STATISTICS, make, make_batch
from torch import nn

from trifold.config import Geometry
from trifold.errors import InputError
from trifold.models import registry
from trifold.models.hicfoundation import unpatchify

CHANNELS = STATISTICS["embeddings"]["channels"]


@torch.no_grad()
@pytest.mark.parametrize("protocol", registry.PROTOCOLS)
def test_the_head_is_akitas(protocol):
    """With the same weights and the same features of bins: the same map."""
    akita, embedded = (make(name, protocol, GEOMETRY).eval() for name in ("akita", "akita-embedded"))
    embedded.head.load_state_dict(akita.head.state_dict())
    embedded.final.load_state_dict(akita.final.state_dict())
    batch = make_batch(GEOMETRY)
    features = embedded.features(batch)
    assert features.shape == (2, 8, 1, 24)
    akita.features = lambda batch: features
    torch.testing.assert_close(embedded(batch), akita(batch), rtol=0, atol=0)
    assert (embedded.mean, embedded.sd, embedded.crop_bins) == (akita.mean, akita.sd, akita.crop_bins)


@torch.no_grad()
@pytest.mark.parametrize("name", ["akita-embedded", "aligned-embedded", "hicfoundation-embedded"])
@pytest.mark.parametrize("protocol", registry.PROTOCOLS)
def test_what_stands_in_a_bin_without_a_vector_does_not_matter(name, protocol):
    model, batch = make(name, protocol, GEOMETRY).eval(), make_batch(GEOMETRY)
    for parameter in model.parameters():  # what starts at zero would hide it
        nn.init.normal_(parameter, 0, 0.1)
    other = batch["embeddings"].clone()
    other[:, :, 3] += 10  # the bin that is not valid
    torch.testing.assert_close(model({**batch, "embeddings": other}), model(batch), rtol=0, atol=0)
    other[:, :, 4] += 10
    assert not torch.allclose(model({**batch, "embeddings": other}), model(batch), atol=1e-4)


@torch.no_grad()
def test_features_are_a_linear_layer_batch_norm_and_relu():
    enter = make("akita-embedded", "corrected", GEOMETRY).enter.train()
    nn.init.normal_(enter.bn.weight)
    batch = make_batch(GEOMETRY)
    x = torch.einsum("oc,bcw->bow", enter.project.weight[:, :, 0], batch["embeddings"])
    mean, variance = x.mean((0, 2), keepdim=True), x.var((0, 2), keepdim=True, unbiased=False)
    x = (x - mean) / (variance + 1e-3).sqrt() * enter.bn.weight[:, None] + enter.bn.bias[:, None]
    expected = x.clamp(min=0) * batch["embeddings_valid"][:, None]
    torch.testing.assert_close(enter(batch["embeddings"], batch["embeddings_valid"])[:, :, 0], expected)


@torch.no_grad()
def test_the_published_token_is_the_mean_and_positions_are_one_off():
    """Token by token, with positions written out: the sequence has the first patch's, a patch its successor's."""
    model, batch = make("hicfoundation-embedded", "published", GEOMETRY).eval(), make_batch(GEOMETRY)
    encoded = model.vit_backbone(model.images(batch))  # (B, 2 + 9, 16)
    vectors = batch["embeddings"][:, :, [bin for bin in range(24) if bin != 3]]
    token = model.sequence_proj(vectors.mean(2))
    rows = model.decoder_embed(torch.cat([encoded[:, :2], token[:, None], encoded[:, 2:]], dim=1))
    positions, rows = model.decoder_pos_embed[0], list(rows.unbind(1))
    rows[1] = rows[1] + 1  # count
    rows[2] = rows[2] + positions[0]
    for patch in range(8):
        rows[3 + patch] = rows[3 + patch] + positions[patch + 1]
    x = torch.stack(rows, dim=1)
    for block in model.decoder_blocks:
        x = block(x)
    expected = unpatchify(model.decoder_map(model.decoder_norm(x)[:, 3:]), 8, 1)
    torch.testing.assert_close(model(batch), expected)
    names = {name.split(".")[0] for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert "vit_backbone" not in names and "sequence_proj" in names


@torch.no_grad()
def test_corrected_starts_as_the_network_without_sequence_and_asks_rows():
    model, batch = make("hicfoundation-embedded", "corrected", GEOMETRY), make_batch(GEOMETRY)
    plain = make("hicfoundation", "corrected", GEOMETRY)
    shared = {name: tensor for name, tensor in model.state_dict().items() if name in plain.state_dict()}
    plain.load_state_dict(shared)
    nn.init.normal_(model.decoder_map.weight)
    plain.load_state_dict({**shared, "decoder_map.weight": model.decoder_map.weight})
    torch.testing.assert_close(model.eval()(batch), plain.eval()(batch))  # the attention's last layer is zero
    tokens, present = model.sequence_rows(batch["embeddings"], batch["embeddings_valid"])
    assert tokens.shape == (2, 3, 16) and present.all()
    first = batch["embeddings"][:, :, [0, 1, 2, 4, 5, 6, 7]].mean(2)
    norm = model.sequence_rows.norm
    expected = model.sequence_rows.fc((first - norm.running_mean) / (norm.running_var + norm.eps).sqrt())
    torch.testing.assert_close(tokens[:, 0], expected)


@torch.no_grad()
@pytest.mark.parametrize("name", ["aligned-embedded", "hicfoundation-embedded"])
def test_the_control_has_the_vectors_of_other_bins(name):
    wide = Geometry(bin_bp=32, window_bins=48, stride_bins={}, max_bad_bins=0.25, max_n_bins=0)  # six rows of patches
    batch = make_batch(wide)
    plain, shuffled = (make(name, "corrected", wide, control=control).eval() for control in ("none", "shuffled"))
    for key, parameter in plain.named_parameters():  # attention of small weights hardly tells its keys apart
        nn.init.normal_(parameter, 0, 1.0 if key.startswith(("decoder_cross", "sequence_rows")) else 0.1)
    shuffled.load_state_dict(plain.state_dict())
    assert not torch.allclose(plain(batch), shuffled(batch), atol=1e-5)
    torch.testing.assert_close(shuffled(batch), shuffled(batch), rtol=0, atol=0)
    with pytest.raises(InputError, match=r"option control: shuffled: the published network reads the mean"):
        make("hicfoundation-embedded", "published", GEOMETRY, control="shuffled")


def test_the_length_of_the_vectors_is_needed():
    statistics = {name: value for name, value in STATISTICS.items() if name != "embeddings"}
    with pytest.raises(InputError, match=r"statistics.json: embeddings is missing: .*arms/<arm>/embeddings"):
        registry.build("akita-embedded", GEOMETRY, {}, statistics)
    full = registry.build("akita-embedded", GEOMETRY, {}, STATISTICS | {"embeddings": {"channels": 768}})
    assert full.enter.project.weight.shape == (64, 768, 1)
