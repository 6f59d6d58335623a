"""MIX-HIC against its released code, and what its protocols, modes and variants promise."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from test_hicfoundation import stored, tensors
from torch import nn

from trifold.architectures import ARCHITECTURES
from trifold.config import Geometry
from trifold.errors import InputError
from trifold.models import mixhic, registry

torch.set_num_threads(1)
TAGS = ("ref", "bf")
DIM = 8


def close(found: torch.Tensor, expected: np.ndarray, rtol: float = 1e-4, atol: float = 1e-5) -> None:
    """The tolerances that the parity files name."""
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=rtol, atol=atol)


def inputs(data) -> dict[str, torch.Tensor]:
    names = {"in/epi": "tracks", "in/hic": "map", "in/hic_target": "map", "in/label": "label", "in/cage_target": "cage"}
    return {names[key]: torch.from_numpy(data[key]) for key in data.files if key in names}


def released(network: type[mixhic.Network], data, tag: str, **options) -> mixhic.Network:
    """A published network of D = 8 with the file's weights, loaded strictly."""
    model = network(protocol="published", embed_dim=DIM, attend_across_batch=tag.startswith("ref"), **options).eval()
    state = stored(data)
    if tag.endswith("_norope"):
        state = {key: value for key, value in state.items() if ".rotary_emb." not in key}
    model.load_state_dict(state)
    return model


def steps(model: nn.Module, names: list[str]) -> dict[str, torch.Tensor]:
    """Outputs of the named modules at the next call; of several, the first."""
    found = {}
    for name in names:

        def keep(_, __, output, name=name):
            found[name] = output[0] if isinstance(output, tuple) else output

        model.get_submodule(name).register_forward_hook(keep)
    return found


def compare_steps(found: dict[str, torch.Tensor], data, prefix: str) -> None:
    assert found
    for name, value in found.items():
        close(value, data[prefix + name])


def step_names(data, prefix: str) -> list[str]:
    return [key.removeprefix(prefix) for key in data.files if key.startswith(prefix)]


# ---------------------------------------------------------------- as released


@torch.no_grad()
@pytest.mark.parametrize("tag", TAGS)
def test_parity_of_pre_training(parity, tag):
    data = parity("multimodal/mixhic_pretrain_d8")
    model = released(mixhic.Pretraining, data, tag)
    found = steps(model, step_names(data, f"{tag}/mid/"))
    terms = model(inputs(data))
    compare_steps(found, data, f"{tag}/mid/")
    for name, term in terms.items():
        close(term, data[f"{tag}/eval/loss_{name}"])
    close(model.split(model.encode_tracks(inputs(data))[0], "epi"), data[f"{tag}/eval/epi_concat"])
    close(model.split(model.encode_map(inputs(data)), "map"), data[f"{tag}/eval/map_concat"])


@pytest.mark.parametrize("tag", TAGS)
def test_parity_of_a_pre_training_step(parity, tag):
    """Terms with batch norm in training, the total before and after warm-up, gradients, and one step of AdamW."""
    data = parity("multimodal/mixhic_pretrain_d8")
    model = released(mixhic.Pretraining, data, tag).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-5, weight_decay=1e-6)
    terms = model(inputs(data))
    for name, term in terms.items():
        close(term, data[f"{tag}/train/loss_{name}"])
    close(model.total(terms, 9), data[f"{tag}/train/loss_total_warmup"])
    total = model.total(terms, 10)
    close(total, data[f"{tag}/train/loss_total_after_warmup"])
    total.backward()
    gradients = step_names(data, f"{tag}/train/grad_l2/")
    assert len(gradients) == 19
    for name in gradients:
        close(model.get_parameter(name).grad.norm(), data[f"{tag}/train/grad_l2/{name}"], rtol=1e-3, atol=1e-7)
    optimiser.step()
    for name in step_names(data, f"{tag}/train/after_step/"):
        close(model.get_parameter(name), data[f"{tag}/train/after_step/{name}"], rtol=0, atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("mode", ["bimodal", "infer_map", "map", "epi"])
def test_parity_of_loops(parity, tag, mode):
    data = parity("multimodal/mixhic_loop_d8")
    model = released(mixhic.Loop, data, tag, mode=mode)
    found = steps(model, step_names(data, f"{tag}/{mode}/mid/"))
    close(model(inputs(data)), data[f"{tag}/{mode}/prob"])
    compare_steps(found, data, f"{tag}/{mode}/mid/")
    close(model.loss_and_prediction(inputs(data))[0], data[f"{tag}/{mode}/bce"])
    if mode == "bimodal":
        for name, term in mixhic.pretraining_loss(inputs(data), model).items():
            close(term, data[f"{tag}/bimodal/loss_{name}"])


@torch.no_grad()
@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("mode", ["infer_map", "epi"])
def test_parity_of_maps(parity, tag, mode):
    data = parity("multimodal/mixhic_map_d8")
    model = released(mixhic.Map, data, tag, mode=mode)
    found = steps(model, step_names(data, f"{tag}/{mode}/mid/"))
    close(model({"tracks": inputs(data)["tracks"]}), data[f"{tag}/{mode}/pred"])
    compare_steps(found, data, f"{tag}/{mode}/mid/")
    close(model.loss_and_prediction(inputs(data))[0], data[f"{tag}/{mode}/mse"])


@torch.no_grad()
@pytest.mark.parametrize("tag", ["ref", "bf", "ref_norope", "bf_norope"])
@pytest.mark.parametrize("mode", ["bimodal", "infer_map", "epi"])
def test_parity_of_cage(parity, tag, mode):
    data = parity("multimodal/mixhic_cage_d8")
    rope = False if tag.endswith("_norope") else None
    model = released(mixhic.Cage, data, tag, mode=mode, heads=2, rope=rope)
    found = steps(model, step_names(data, f"{tag}/{mode}/mid/"))
    close(model(inputs(data)), data[f"{tag}/{mode}/pred"])
    compare_steps(found, data, f"{tag}/{mode}/mid/")
    close(model.loss_and_prediction(inputs(data))[0], data[f"{tag}/{mode}/mse"])
    if mode == "bimodal":
        terms = mixhic.pretraining_loss(inputs(data), model)
        close(sum(terms.values()), data[f"{tag}/bimodal/loss_aux_sum"])


@torch.no_grad()
@pytest.mark.parametrize("tag", TAGS)
def test_parity_of_mixing_in_the_batch(parity, tag):
    """How far sample 0's track tokens move when the others leave the batch."""
    data = parity("multimodal/mixhic_pretrain_d8")
    model, tracks = released(mixhic.Pretraining, data, tag), tensors(data, "in/epi")[0]
    whole, alone = (model.encode_tracks({"tracks": x})[0] for x in (tracks, tracks[:1]))
    moved = (whole[:1] - alone).abs().max().item()
    if tag == "ref":
        assert moved == pytest.approx(float(data["ref/batch_mixing_maxabs"]), rel=1e-4)
    else:
        assert moved < 1e-5


@pytest.mark.parametrize(
    ("network", "dim", "heads", "parameters"),
    [
        (mixhic.Pretraining, 64, 4, 18_559_105),
        (mixhic.Pretraining, 128, 4, 74_047_745),
        (mixhic.Pretraining, 256, 4, 295_813_633),
        (mixhic.Loop, 128, 4, 99_275_330),
        (mixhic.Loop, 256, 4, 396_600_386),
        (mixhic.Map, 128, 4, 124_719_042),
        (mixhic.Map, 256, 4, 498_343_746),
        (mixhic.Cage, 256, 4, 498_396_034),
        (mixhic.Cage, 8, 2, 504_754),
    ],
)
def test_numbers_of_parameters(network, dim, heads, parameters):
    with torch.device("meta"):
        model = network(protocol="published", embed_dim=dim, heads=heads)
    assert sum(p.numel() for p in model.parameters()) == parameters


def test_idle_layers_are_the_difference_of_the_protocols():
    """At D = 128 the map encoder's second attentions, 11,156,480, and pre-training's norms."""
    with torch.device("meta"):
        sizes = [
            {name: p.numel() for name, p in mixhic.Pretraining(protocol=protocol).named_parameters()}
            for protocol in registry.PROTOCOLS
        ]
    assert set(sizes[1]) < set(sizes[0])
    idle = {name: size for name, size in sizes[0].items() if name not in sizes[1]}
    assert sum(size for name, size in idle.items() if ".cross_attn." in name) == 11_156_480
    assert sum(size for name, size in idle.items() if ".layer_norm" in name) == 2 * (128 + 256 + 512)


# ---------------------------------------------------------------- parts, against independent arithmetic


@torch.no_grad()
@pytest.mark.parametrize(("channels", "length"), [(2048, 25), (1152, 25), (64, 50)])
def test_upsampling_is_a_padded_transposed_convolution(channels, length):
    """Against float64, on two threads, at the sizes that oneDNN has got wrong by 1e6 roundings: 2048 is D = 256."""
    layer = mixhic.Upsample(channels, 16)
    x, conv = torch.randn(2, length // 2, channels), layer.conv_transpose[0]

    def padded(x, weight, bias):
        return F.conv_transpose1d(x.mT, weight, bias, stride=2, padding=1, output_padding=length % 2).mT

    exact = x.double(), conv.weight.double(), conv.bias.double()
    expected = padded(*exact)
    rounding = torch.finfo(torch.float32).eps / 2 * padded(*(a.abs() for a in exact))  # of each sum's terms
    assert expected.shape == (2, length, 16)
    torch.set_num_threads(2)
    try:
        found = [layer(x, length) for _ in range(3)]
    finally:
        torch.set_num_threads(1)
    for y in found:
        assert torch.equal(y, found[0])
        assert ((y.double() - expected).abs() <= 8 * rounding).all()  # the worst of 300 draws: 4


@torch.no_grad()
def test_no_model_pads_the_output_of_a_transposed_convolution(monkeypatch):
    original, calls = F.conv_transpose1d, []

    def watched(*args, **kwargs):
        calls.append((args[3:], kwargs))
        return original(*args, **kwargs)

    monkeypatch.setattr(F, "conv_transpose1d", watched)
    mixhic.Map(embed_dim=DIM).eval()({"tracks": torch.rand(1, 5000, 2)})
    assert calls == [((), {"stride": 2})] * 3


def test_rotary_positions_turn_pairs_as_complex_numbers():
    rotary, x = mixhic.Rotary(8), torch.randn(2, 3, 7, 8)
    angle = torch.arange(7.0)[:, None] / 10000 ** (torch.arange(4.0) / 4)
    expected = torch.view_as_real(torch.view_as_complex(x.unflatten(-1, (4, 2))) * torch.exp(1j * angle)).flatten(-2)
    torch.testing.assert_close(rotary(x), expected)
    assert rotary(x.bfloat16()).dtype == torch.bfloat16


def test_contrastive_loss_of_known_similarities():
    """Two samples with cosines 1 on and 0 off the diagonal: ln(1 + exp(-1 / t)); all alike: ln of the batch."""
    eye = torch.eye(2)
    for temperature in (0.07, 0.5):
        expected = np.log1p(np.exp(-1 / temperature))
        assert mixhic.contrastive_loss(eye, eye, torch.tensor(temperature)).item() == pytest.approx(expected, abs=1e-6)
    same = torch.ones(5, 3)
    assert mixhic.contrastive_loss(same, same, torch.tensor(0.07)).item() == pytest.approx(np.log(5), rel=1e-5)


def test_orthogonal_loss_of_known_products():
    """(0.5)² of the tracks and 0² of the map in one sample, nothing in the other: a mean of 1/8."""
    tracks = torch.tensor([[1.0, 0.0, 0.5, 9.0], [0.0, 0.0, 1.0, 1.0]])
    maps = torch.tensor([[1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 1.0, 0.0]])
    assert mixhic.orthogonal_loss(tracks, maps).item() == pytest.approx(0.125)


@torch.no_grad()
@pytest.mark.parametrize(("dim", "expected"), [(128, 0.02), (32, 0.04), (8, 0.08)])
def test_narrow_networks_start_with_larger_weights(dim, expected):
    model = mixhic.Loop(protocol="corrected", embed_dim=dim)
    for name in ("map_downsampleTrans.encoderlayer_3.blocks.1.attn.proj", "fusion_block.blocks.0.mlp.fc1"):
        assert model.get_submodule(name).weight.std().item() == pytest.approx(expected, rel=0.1)


def test_mapping_loss_compares_directions():
    a = torch.tensor([[[3.0, 0.0], [0.0, 2.0]]])
    b = torch.tensor([[[5.0, 0.0], [7.0, 0.0]]])  # one alike, one at a right angle: (0 + √2) / 2
    assert mixhic.mapping_loss(a, b).item() == pytest.approx(2**0.5 / 2)


@torch.no_grad()
def test_initialisation_spares_what_the_released_code_spares():
    model = mixhic.Loop(embed_dim=32)
    attention, mlp = "map_downsampleTrans.encoderlayer_3.blocks.1.attn.proj", "fusion_block.blocks.0.mlp.fc1"
    for name in ("patch_embedding", attention, mlp):
        layer = model.get_submodule(name)
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.25)
        assert not layer.bias.any()
    assert model.get_submodule("classifier.0").weight.std().item() == pytest.approx(0.02, rel=0.1)
    # torch's own: uniform to ±1 / √256.
    for layer in (model.epi_share_proj, model.map_independent_proj, model.mlp_e2m, model.mlp_m2e):
        assert layer.weight.abs().max().item() == pytest.approx(1 / 16, rel=0.01) and layer.bias.any()


# ---------------------------------------------------------------- what the protocols promise


def batch_of(n: int = 3, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        "map": torch.rand(n, 1, 50, 50, generator=generator),
        "tracks": torch.rand(n, 5000, 2, generator=generator),
        "label": torch.tensor([[1.0], [0.0], [1.0]])[:n],
        "cage": torch.rand(n, 100, generator=generator),
    }


def busy(network: type[mixhic.Network], **options) -> mixhic.Network:
    """A small network in which every path carries signal."""
    torch.manual_seed(0)
    model = network(**{"embed_dim": DIM, **options}).eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, 0.0, parameter[0].numel() ** -0.5)
    return model


@torch.no_grad()
@pytest.mark.parametrize("network", [mixhic.Loop, mixhic.Map, mixhic.Cage, mixhic.CageFromMap])
def test_corrected_predicts_every_sample_alone(network):
    model, batch = busy(network, protocol="corrected"), batch_of()
    alone = torch.cat([model({key: value[i : i + 1] for key, value in batch.items()}) for i in range(3)])
    torch.testing.assert_close(model(batch), alone, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_published_mixes_samples_and_corrected_mixes_the_genome():
    """A change 100 kb away in the same sample reaches a far token by attention only."""
    for protocol, reaches in (("published", False), ("corrected", True)):
        model, batch = busy(mixhic.Pretraining, protocol=protocol), batch_of(2)
        before = model.encode_tracks(batch)[1][0]  # (2, 100, D): the first attention
        batch["tracks"][0, :500] += 1
        moved = (model.encode_tracks(batch)[1][0] - before).abs().amax(-1)
        assert moved[0, :8].min() > 1e-4
        assert (moved[0, 50:].max() > 1e-4) == reaches
        assert (moved[1, :8].max() > 1e-4) != reaches


@torch.no_grad()
def test_temperature_is_learnt_in_its_range_or_constant():
    published = mixhic.Pretraining(embed_dim=DIM)
    published.temp.fill_(3.0)
    published.eval()(batch_of(2))
    assert published.temp.item() == 0.5 and published.temp.requires_grad
    corrected = mixhic.Pretraining(embed_dim=DIM, protocol="corrected")
    assert corrected.temp.item() == pytest.approx(0.07) and not corrected.temp.requires_grad


def test_total_follows_the_schedule():
    terms = {name: torch.tensor(value) for name, value in (("contrastive", 1.0), ("orthogonal", 0.5), ("mapping", 2.0))}
    options = {"embed_dim": DIM, "contrast_share": 0.25}
    assert mixhic.Pretraining(**options).total(terms, 9) == 1
    for model, epoch in (
        (mixhic.Pretraining(**options), 10),
        (mixhic.Pretraining(protocol="corrected", **options), 0),
        (mixhic.Pretraining(warmup_epochs=3, **options), 3),
    ):
        assert model.total(terms, epoch).item() == pytest.approx(0.25 * 1.5 + 0.75 * 2)


@torch.no_grad()
def test_corrected_inferred_tokens_are_as_long_as_measured_ones():
    for variant, length in (("full", 2**0.5), ("shared_mapping", 1)):
        batch = batch_of()
        model = busy(mixhic.Loop, protocol="corrected", mode="infer_map", variant=variant)
        features = model.split(model.encode_tracks(batch)[0], "epi")
        torch.testing.assert_close(features.norm(dim=-1), torch.full((3, 12), 2**0.5))
        raw, inferred = model.mapping(features, "map"), model.infer(features, "map")
        assert inferred.shape == (3, 9, 64)
        torch.testing.assert_close(inferred.norm(dim=-1), torch.full((3, 9), float(length)))
        torch.testing.assert_close(inferred[..., : raw.shape[-1]], F.normalize(raw, dim=-1) * length)
        model.scale_inferred = False
        assert torch.equal(model.infer(features, "map")[..., : raw.shape[-1]], raw)


@torch.no_grad()
def test_corrected_map_has_x_along_the_rows():
    batch = batch_of()
    maps = [busy(mixhic.Map, x_in_columns=x_in_columns)(batch) for x_in_columns in (True, False)]
    torch.testing.assert_close(maps[0], maps[1].mT)
    assert (maps[0] - maps[1]).abs().max() > 1e-3
    # Tokens of pixel (i, j): x's i-th with y's j-th.
    model, x, y = busy(mixhic.Map, protocol="corrected"), torch.randn(1, 50, 16), torch.randn(1, 50, 16)
    model.decoded = lambda _: torch.cat([x, y], dim=1)
    pixel = (x[0, 3] + y[0, 8]) / 2 + x[0, 3] * y[0, 8]
    torch.testing.assert_close(model({})[0, 0, 3, 8], torch.sigmoid(model.classifier(pixel))[0])


@torch.no_grad()
def test_corrected_decoder_attends_before_it_upsamples():
    model, batch = busy(mixhic.Map, protocol="corrected"), batch_of(2)
    layers = [model.get_submodule(f"seq_upsampleTrans.seq_decoder_{i}").layers[0] for i in (3, 4, 5)]
    assert [layer.linear1.in_features for layer in layers] == [8 * DIM, 8 * DIM, 4 * DIM]
    found = steps(model, ["seq_upsampleTrans", "seq_upsampleTrans.seq_decoder_3", "seq_upsampleTrans.upsample_5"])
    model(batch)
    assert found["seq_upsampleTrans.seq_decoder_3"].shape == (2, 12, 8 * DIM)
    skip = model.encode_tracks(batch)[1][0]
    expected = torch.cat([found["seq_upsampleTrans.upsample_5"], skip], dim=-1)
    torch.testing.assert_close(found["seq_upsampleTrans"], expected)


@pytest.mark.parametrize("protocol", registry.PROTOCOLS)
def test_only_published_cage_has_rotary_positions(protocol):
    for network in (mixhic.Pretraining, mixhic.Loop, mixhic.Map, mixhic.Cage, mixhic.CageFromMap):
        rotary = any(".rotary_emb." in name for name in network(embed_dim=DIM, protocol=protocol).state_dict())
        assert rotary == (protocol == "published" and network in (mixhic.Cage, mixhic.CageFromMap))


# ---------------------------------------------------------------- modes and variants


MODES = {task: ARCHITECTURES["mixhic"].at(task).choices["mode"] for task in ("loop", "window", "cage")}
READS = {"bimodal": {"map", "tracks"}, "map": {"map"}, "epi": {"tracks"}, "infer_map": {"tracks"}, "infer_epi": {"map"}}


@torch.no_grad()
@pytest.mark.parametrize("protocol", registry.PROTOCOLS)
@pytest.mark.parametrize(
    ("network", "mode"),
    [
        *((mixhic.Loop, mode) for mode in MODES["loop"]),
        *((mixhic.Map, mode) for mode in MODES["window"]),
        *((mixhic.Cage, mode) for mode in MODES["cage"] if mode != "map"),  # a network of its own
    ],
)
def test_a_mode_reads_its_inputs_and_no_other(protocol, network, mode):
    model, batch = busy(network, mode=mode, protocol=protocol), batch_of()
    read = {key: batch[key] for key in READS[mode]}
    found = model(read)
    assert found.shape == {mixhic.Loop: (3, 1), mixhic.Map: (3, 1, 50, 50), mixhic.Cage: (3, 100)}[network]
    for key in READS[mode]:
        other = model({**read, key: batch_of(seed=1)[key]})
        assert (other - found).abs().max() > 1e-4
        with pytest.raises(InputError, match=f"a batch's '{key}' is missing"):
            model({name: value for name, value in read.items() if name != key})


@torch.no_grad()
def test_inferring_is_fusing_with_what_the_mapping_gives():
    """`infer_map` and `infer_epi` from their definition, by hand."""
    batch = batch_of()
    for mode, kind, tokens in (("infer_map", "epi", 9), ("infer_epi", "map", 12)):
        model = busy(mixhic.Loop, mode=mode)
        encoded = model.encode_tracks(batch)[0] if kind == "epi" else model.encode_map(batch)
        features = model.split(encoded, kind)
        dense = model.mlp_e2m if kind == "epi" else model.mlp_m2e
        pooled = torch.stack(
            [
                features[:, i * features.shape[1] // tokens : -(-(i + 1) * features.shape[1] // tokens)].mean(1)
                for i in range(tokens)
            ],
            dim=1,
        )
        pair = (features, dense(pooled)) if kind == "epi" else (dense(pooled), features)
        expected = torch.sigmoid(model.classifier(model.fusion_block(*pair).mean(1)))
        torch.testing.assert_close(model(batch), expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_contrastive_variant():
    """Shared features alone: no mapping, one term; loops without fusion; CAGE at 4D."""
    batch, options = batch_of(), {"variant": "contrastive"}
    model = busy(mixhic.Pretraining, **options)
    terms = model(batch)
    full = busy(mixhic.Pretraining)
    full.load_state_dict(model.state_dict(), strict=False)
    assert list(terms) == ["contrastive"] and model.total(terms, 50) == terms["contrastive"]
    torch.testing.assert_close(terms["contrastive"], full(batch)["contrastive"])
    assert not any("independent" in name or "mlp_e2m" in name for name in model.state_dict())
    loop = busy(mixhic.Loop, **options)
    assert not any(name.startswith("fusion_block") for name in loop.state_dict())
    shared = [
        F.normalize(loop.epi_share_proj(loop.encode_tracks(batch)[0]), dim=-1).mean(1),
        F.normalize(loop.map_share_proj(loop.encode_map(batch)), dim=-1).mean(1),
    ]
    torch.testing.assert_close(loop(batch), torch.sigmoid(loop.classifier(torch.cat(shared, dim=1))))
    cage = busy(mixhic.Cage, **options)
    assert cage.fusion_block.blocks[0].norm1.normalized_shape == (4 * DIM,)
    assert cage.get_submodule("seq_upsampleTrans.upsample_3.conv_transpose.0").in_channels == 4 * DIM
    assert cage(batch).shape == (3, 100)
    for network, mode in ((mixhic.Loop, "infer_map"), (mixhic.Map, "epi"), (mixhic.CageFromMap, None)):
        with pytest.raises(InputError, match="the variant contrastive has no mode"):
            network(embed_dim=DIM, **options, **({"mode": mode} if mode else {}))


@torch.no_grad()
def test_shared_mapping_neither_reads_nor_predicts_the_other_features():
    batch, options = batch_of(), {"variant": "shared_mapping", "mode": "infer_map"}
    model = busy(mixhic.Loop, **options)
    assert model.mlp_e2m.weight.shape == (4 * DIM, 4 * DIM)
    tracks = model.split(model.encode_tracks(batch)[0], "epi")
    maps = model.split(model.encode_map(batch), "map")
    share = slice(None, 4 * DIM)
    predicted = model.mlp_e2m(F.adaptive_avg_pool1d(tracks[..., share].mT, 9).mT)
    back = model.mlp_m2e(F.adaptive_avg_pool1d(maps[..., share].mT, 12).mT)
    expected = mixhic.mapping_loss(predicted, maps[..., share]) + mixhic.mapping_loss(back, tracks[..., share])
    torch.testing.assert_close(mixhic.pretraining_loss(batch, model)["mapping"], expected / 2)
    inferred = model.infer(tracks, "map")
    torch.testing.assert_close(inferred[..., share], predicted)
    assert not inferred[..., 4 * DIM :].any()


@pytest.mark.parametrize("network", [mixhic.Loop, mixhic.Map, mixhic.Cage, mixhic.CageFromMap])
def test_frozen_networks_train_their_head_only(network):
    model = network(embed_dim=DIM, freeze=True)
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained == {name for name, _ in model.named_parameters() if name.startswith("classifier.")}
    for again in (model, model.eval().train()):
        assert again.classifier.training and not again.seq_downsampleTrans.training
    buffers = {name: value.clone() for name, value in model.named_buffers()}
    model.loss_and_prediction(batch_of())[0].backward()
    assert all(torch.equal(value, buffers[name]) for name, value in model.named_buffers())
    assert all(model.get_parameter(name).grad is not None for name in trained)
    assert not model.eval().classifier.training


@torch.no_grad()
def test_cage_from_the_map_reads_nine_tokens():
    model, batch = busy(mixhic.CageFromMap), batch_of()
    assert [layer.weight.shape for layer in (model.classifier[0], model.classifier[2])] == [
        (8 * DIM, 72 * DIM),
        (100, 8 * DIM),
    ]
    tokens = model.split(model.encode_map(batch), "map").reshape(3, 72 * DIM)
    expected = model.classifier[2](torch.relu(model.classifier[0](tokens)))
    torch.testing.assert_close(model({"map": batch["map"]}), expected)
    loss, prediction = model.loss_and_prediction(batch)
    torch.testing.assert_close(loss, (expected - batch["cage"]).square().mean())
    assert torch.equal(prediction, expected)


# ---------------------------------------------------------------- pre-trained weights


@torch.no_grad()
@pytest.mark.parametrize("protocol", registry.PROTOCOLS)
@pytest.mark.parametrize("network", [mixhic.Loop, mixhic.Map, mixhic.Cage, mixhic.CageFromMap])
def test_parity_weights_of_pre_training_load_into_every_task(parity, protocol, network):
    """As a released checkpoint holds them; what pre-training computes with them stays the same."""
    data = parity("multimodal/mixhic_pretrain_d8")
    switches = {"attend_across_batch": True, "rope": False} if network in (mixhic.Cage, mixhic.CageFromMap) else {}
    model = network(embed_dim=DIM, protocol=protocol, **{"attend_across_batch": True, **switches}).eval()
    head = {name: value.clone() for name, value in model.state_dict().items() if name.startswith("classifier")}
    model.load_encoder({"model_state_dict": {f"module.{name}": value for name, value in stored(data).items()}})
    for name, term in mixhic.pretraining_loss(inputs(data), model).items():
        close(term, data[f"ref/eval/loss_{name}"])
    assert all(torch.equal(model.state_dict()[name], value) for name, value in head.items())


def test_refuses_weights_of_another_network():
    state = mixhic.Pretraining(embed_dim=DIM).state_dict()
    with pytest.raises(InputError, match=r"seq_input_projection.0.weight is \(8, 2\) there, \(16, 2\) here"):
        mixhic.Loop(embed_dim=16).load_encoder(state)
    with pytest.raises(InputError, match=r"layers\.2\..* is missing there"):
        mixhic.Loop(embed_dim=DIM, depth=3).load_encoder(state)
    with pytest.raises(InputError, match=r"layers\.1\..* is missing here"):
        mixhic.Loop(embed_dim=DIM, depth=1).load_encoder(state)
    with pytest.raises(InputError, match=r"epi_independent_proj\.weight is missing here"):
        mixhic.Loop(embed_dim=DIM, variant="contrastive").load_encoder(state)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variant": "none"}, "options/variant: 'none' is not one of full, contrastive, shared_mapping"),
        ({"mode": "hic"}, "options/mode: 'hic' is not one of bimodal, map, epi, infer_map, infer_epi"),
        ({"embed_dim": 10}, "embed_dim 10 does not divide into 4 heads; change"),
        ({"embed_dim": 12, "rope": True}, "embed_dim 12 does not divide into 4 heads of an even number of channels"),
    ],
)
def test_refuses_unknown_options(options, message):
    with pytest.raises(InputError, match=message):
        made("loop", {"heads": 4, **options})
    with pytest.raises(InputError, match="protocol 'paper' is not known"):
        made("loop", {}, protocol="paper")


def test_refuses_windows_of_another_size():
    model = mixhic.Loop(embed_dim=DIM)
    with pytest.raises(InputError, match=r"'map' is \(2, 1, 40, 40\); this network reads \(B, 1, 50, 50\)"):
        model({"tracks": torch.zeros(2, 5000, 2), "map": torch.zeros(2, 1, 40, 40)})


# ---------------------------------------------------------------- other bins


@pytest.mark.parametrize(
    ("ratio", "pools"), [(50, (2, 5, 5)), (1, (1, 1, 1)), (8, (2, 2, 2)), (10, (2, 5, 1)), (64, (4, 4, 4))]
)
def test_pools_reduce_tracks_to_a_value_per_bin(ratio, pools):
    assert mixhic.pools_of(ratio) == pools


@torch.no_grad()
@pytest.mark.parametrize(("tracks", "ratio"), [(1, 8), (3, 10)])
def test_tracks_of_other_numbers_and_bins(tracks, ratio):
    network = mixhic.Cage(embed_dim=DIM, heads=2, tracks=tracks, track_bins=ratio, mode="epi")
    assert network({"tracks": torch.rand(2, 100 * ratio, tracks)}).shape == (2, 100)
    message = rf"'tracks' is \(2, 5000, 2\); this network reads \(B, {100 * ratio}, {tracks}\)"
    with pytest.raises(InputError, match=message):
        network({"tracks": torch.rand(2, 5000, 2)})


def made(task: str, options: dict, window_bins: int = 50, protocol: str = "published", **statistics) -> mixhic.Network:
    """By name, as a job builds it: for two tracks at a fiftieth of a bin."""
    known = {"tracks": ["atac", "dnase"], "track_bp": 100, **statistics}
    geometry = Geometry(bin_bp=5000, window_bins=window_bins, stride_bins={}, max_bad_bins=0.25, max_n_bins=0)
    return registry.build("mixhic", geometry, {"embed_dim": DIM, "heads": 2, **options}, known, {}, protocol, task)


def test_networks_by_task():
    tasks = ("pretraining", "loop", "window", "cage")
    assert tuple(ARCHITECTURES["mixhic"].tasks) == tasks
    built = {task: made(task, {}) for task in tasks}
    built["from map"] = made("cage", {"mode": "map"})
    kinds = [mixhic.Pretraining, mixhic.Loop, mixhic.Map, mixhic.Cage, mixhic.CageFromMap]
    assert [type(network) for network in built.values()] == kinds
    assert {name: sorted(network.entries) for name, network in built.items()} == {
        "pretraining": ["map", "tracks"],
        "loop": ["label", "map", "tracks"],
        "window": ["map", "tracks"],
        "cage": ["cage", "map", "tracks"],
        "from map": ["cage", "map"],
    }
    with pytest.raises(InputError, match="options/dims: the architecture 'mixhic' has no such option"):
        made("loop", {"dims": 8})
    with pytest.raises(InputError, match="options/upsample_first: the architecture 'mixhic' has no such option"):
        made("loop", {"upsample_first": True})  # of other tasks


def test_what_the_data_say_and_what_an_option_leaves_open():
    """Tracks and their bins are those of the statistics; None takes what the protocol or the network has."""
    network = made("loop", {"hidden": None}, tracks=["a", "b", "c"], track_bp=500, protocol="corrected")
    assert network.track_shape == (1000, 3) and network.seq_input_projection[0].in_features == 3
    assert network.classifier[0].out_features == 32 and made("cage", {}).classifier[0].out_features == 128
    assert made("loop", {"hidden": 7}).classifier[0].out_features == 7
    assert (made("cage", {}).rope, made("cage", {}, protocol="corrected").rope) == (True, False)
    assert made("cage", {"rope": False}).rope is False
    assert (made("pretraining", {}).warmup_epochs, made("pretraining", {"warmup_epochs": 3}).warmup_epochs) == (10, 3)


# ---------------------------------------------------------------- other windows


def wide_batch(window_bins: int, track_bins: int = 4, n: int = 3) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    return {
        "map": torch.rand(n, 1, window_bins, window_bins, generator=generator),
        "tracks": torch.rand(n, 2 * window_bins * track_bins, 2, generator=generator),
        "label": torch.tensor([[1.0], [0.0], [1.0]])[:n],
        "cage": torch.rand(n, 2 * window_bins, generator=generator),
    }


CASES = [("pretraining", {}), *((task, {"mode": mode}) for task, modes in MODES.items() for mode in modes)]


# Parts of a network that only one of the inputs reaches, the interaction, and what reads both.
OF_TRACKS = {"seq_input_projection", "seq_downsampleTrans", "epi_share_proj", "epi_independent_proj", "mlp_e2m"}
OF_MAP = {"patch_embedding", "map_downsampleTrans", "map_share_proj", "map_independent_proj", "mlp_m2e"}
INTERACTION = {name for name in OF_TRACKS | OF_MAP if name.endswith("_proj")}
MAPPING = {"mlp_e2m", "mlp_m2e"}
# Parts that a step of a mode does not reach.
IDLE = {
    "pretraining": set(),
    "bimodal": {"temp"} | MAPPING,
    "infer_map": {"temp"} | OF_MAP,
    "infer_epi": {"temp"} | OF_TRACKS,
    "epi": {"temp", "fusion_block"} | OF_MAP | INTERACTION | MAPPING,
    "map": {"temp", "fusion_block"} | OF_TRACKS | INTERACTION | MAPPING,
    "CAGE from the map": {"temp"} | OF_TRACKS | MAPPING,
}


def reached(network: mixhic.Network, mode: str) -> set[str]:
    """Names of the trained parameters that a step reaches; as released, second attentions and norms stand idle."""
    trained = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    if network.published:
        attended = {name for name in trained if name.startswith("fusion_block.")}
        trained = {
            name for name in trained - attended if ".cross_attn." not in name and ".layer_norm" not in name
        } | attended
    return {name for name in trained if name.split(".")[0] not in IDLE[mode]}


@pytest.mark.parametrize("window_bins", [48, 64])
@pytest.mark.parametrize("protocol", registry.PROTOCOLS)
@pytest.mark.parametrize(("task", "options"), CASES, ids=[f"{t}-{o.get('mode', '')}" for t, o in CASES])
def test_windows_of_another_side(task, options, protocol, window_bins):
    """In every task and mode: the shape of what is predicted, a finite loss, and a gradient in every parameter."""
    torch.manual_seed(0)
    mode = options.get("mode", task)
    network = made(task, {"depth": 1, **options}, window_bins, protocol, track_bp=1250).train()
    for parameter in network.parameters():  # every path carries signal
        if parameter.requires_grad and parameter.ndim > 1:
            nn.init.normal_(parameter, 0.0, parameter[0].numel() ** -0.5)
    batch = wide_batch(window_bins)
    if task == "pretraining":
        terms = network(batch)
        assert set(terms) == {"contrastive", "orthogonal", "mapping"} and all(
            term.shape == () for term in terms.values()
        )
        loss = network.total(terms, 20)
    else:
        loss, prediction = network.loss_and_prediction({name: batch[name] for name in network.entries})
        shapes = {"loop": (3, 1), "window": (3, 1, window_bins, window_bins), "cage": (3, 2 * window_bins)}
        assert prediction.shape == shapes[task] and prediction.isfinite().all()
    assert loss.isfinite()
    loss.backward()
    with_gradient = {
        name for name, own in network.named_parameters() if own.grad is not None and own.grad.abs().max() > 0
    }
    assert with_gradient == reached(network, "CAGE from the map" if (task, mode) == ("cage", "map") else mode)
    assert all(own.grad.isfinite().all() for own in network.parameters() if own.grad is not None)


@torch.no_grad()
@pytest.mark.parametrize(("window_bins", "of_map", "of_tracks"), [(48, 9, 12), (50, 9, 12), (64, 16, 16)])
def test_tokens_follow_the_window(window_bins, of_map, of_tracks):
    """Patches of two bins and the bins of both stretches, each halved three times."""
    network, batch = made("loop", {}, window_bins, track_bp=1250).eval(), wide_batch(window_bins)
    assert (network.map_tokens, network.track_tokens) == (of_map, of_tracks)
    tracks, skips = network.encode_tracks(batch)
    assert tracks.shape == (3, of_tracks, 8 * DIM) and network.encode_map(batch).shape == (3, of_map, 8 * DIM)
    assert [skip.shape[1] for skip in skips] == [2 * window_bins, window_bins, window_bins // 2]
    assert network.infer(network.split(tracks, "epi"), "map").shape == (3, of_map, 8 * DIM)


def test_a_side_of_the_window_is_part_of_what_a_network_reads():
    network = made("loop", {}, 48, track_bp=1250)
    with pytest.raises(InputError, match=r"'tracks' is \(3, 400, 2\); this network reads \(B, 384, 2\)"):
        network(wide_batch(50))
