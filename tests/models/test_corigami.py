"""C.Origami against its released blocks, and what its protocols promise in the task `window`."""

import numpy as np
import pytest
import torch
from parity.recipe import fill_multimodal
from torch import nn

from trifold.architectures import with_options
from trifold.config import Geometry
from trifold.errors import InputError
from trifold.models import corigami, registry

torch.set_num_threads(1)
REST = {"stride_bins": {}, "max_bad_bins": 0.25, "max_n_bins": 0}
PAPER = Geometry(bin_bp=5000, window_bins=50, **REST)
PAPER_STATISTICS = {"tracks": ["atac", "dnase"], "track_bp": 100}
RELEASED = Geometry(bin_bp=8192, window_bins=256, **REST)
RELEASED_STATISTICS = {"tracks": ["ctcf", "atac"], "track_bp": 1}
SMALL = Geometry(bin_bp=40, window_bins=12, **REST)
STATISTICS = {"tracks": ["atac", "dnase"], "track_bp": 4}
WIDTHS = {"stem": 4, "channels": [4] * 11 + [6], "hidden": 8, "heads": 2, "layers": 2} | {
    "feed_forward": 8,
    "residual_blocks": 2,
}


def close(found: torch.Tensor, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def parameters(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def part(data, prefix: str) -> dict[str, torch.Tensor]:
    """Weights of one block of the file."""
    start = f"{prefix}/sd/"
    return {key.removeprefix(start): torch.from_numpy(data[key]) for key in data.files if key.startswith(start)}


def make(protocol: str, geometry: Geometry = SMALL, statistics: dict = STATISTICS, **options) -> corigami.COrigami:
    torch.manual_seed(0)
    return registry.build("corigami", geometry, WIDTHS | options, statistics, None, protocol, "window")


def batch_of(windows: int = 3) -> dict[str, torch.Tensor]:
    """Both stretches of 12 bins alike, of ten bins of the tracks and 40 bp each."""
    generator = torch.Generator().manual_seed(4)
    tracks = torch.rand(windows, 120, 2, generator=generator)
    codes = torch.randint(0, 5, (windows, 480), generator=generator, dtype=torch.uint8)
    maps = torch.rand(windows, 1, 12, 12, generator=generator)
    return {
        "tracks": torch.cat([tracks, tracks], 1),
        "sequence": torch.cat([codes, codes], 1),
        "map": (maps + maps.mT) / 2,
    }


# ---------------------------------------------------------------- as released


@torch.no_grad()
def test_parity_of_the_attention(parity):
    data = parity("multimodal/corigami_blocks")
    block = corigami.Attention(32, 8, 2, 512, corigami.POSITIONS, per_bin=False).eval()
    weights = part(data, "attn")
    torch.testing.assert_close(block.pos_encoder.pe, weights["pos_encoder.pe"], rtol=0, atol=1e-5)
    block.load_state_dict(weights)
    x = torch.from_numpy(data["attn/in"])
    close(block(x), data["attn/out"])
    # The bug is what makes it so: with a position for every bin it is something else.
    block.pos_encoder.per_bin = True
    assert np.abs(block(x).numpy() - data["attn/out"]).max() > 0.1


@torch.no_grad()
def test_parity_of_the_decoder(parity):
    data = parity("multimodal/corigami_blocks")
    block = corigami.Decoder(16, 8, 5).eval()
    block.load_state_dict(part(data, "dec"))
    close(block(torch.from_numpy(data["dec/in"])), data["dec/out"])


@torch.no_grad()
def test_parity_of_the_encoder(parity):
    """Both branches with all twelve blocks, on 16,384 bp: two positions."""
    data = parity("multimodal/corigami_blocks")
    both = {"seq": corigami.CHANNELS, "epi": corigami.CHANNELS}
    block = corigami.Encoder(2, both, stem=16, hidden=8, bins=2).eval()
    for name, tensor in block.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            tensor.copy_(torch.from_numpy(fill_multimodal(name, tensor.shape)))
    x = torch.from_numpy(data["enc/in"])
    close(block({"seq": x[:, :5], "epi": x[:, 5:]}), data["enc/out"])


def test_the_whole_network_has_the_released_size():
    """Windows of 2 Mb, tracks of single bp, and bases."""
    with torch.device("meta"):
        model = registry.build(
            "corigami", RELEASED, {"sequence": True}, RELEASED_STATISTICS, None, "published", "window"
        )
        assert parameters(model) == 12_840_369
        assert [parameters(block) for block in (model.encoder, model.attn, model.decoder)] == [
            1_536_944,
            4_216_832,
            7_086_593,
        ]
        assert len(model.encoder.res_blocks_seq) == len(model.encoder.res_blocks_epi) == 12
        tracks, codes = torch.zeros(1, 2 * 2_097_152, 2), torch.zeros(1, 2 * 2_097_152, dtype=torch.uint8)
        encoded = model.encoder({"epi": tracks[:, :2_097_152].mT, "seq": corigami.one_hot_bases(codes[:, :2_097_152])})
        assert encoded.shape == (1, 256, 256)


# ---------------------------------------------------------------- positions


def test_positions_are_sines_and_cosines():
    table = corigami.Positions(8, 20, per_bin=True).pe[:, 0].double().numpy()
    for position in range(20):
        for k in range(4):
            angle = position / 10_000 ** (2 * k / 8)
            assert table[position, 2 * k] == pytest.approx(np.sin(angle), abs=1e-5)
            assert table[position, 2 * k + 1] == pytest.approx(np.cos(angle), abs=1e-5)


@torch.no_grad()
def test_published_a_bin_does_not_know_where_it_is_corrected_it_does():
    """Bins reversed: attention without positions gives the reversed output. Samples that change places: what is
    published changes with them, what is corrected does not."""
    x = torch.rand(2, 12, 8)
    for protocol in registry.PROTOCOLS:
        attention = make(protocol).attn.eval()
        reverses = torch.allclose(attention(x.flip(1)), attention(x).flip(1), atol=1e-5)
        moves = torch.allclose(attention(x.flip(0)), attention(x).flip(0), atol=1e-5)
        assert (reverses, moves) == ((True, False) if protocol == "published" else (False, True))
    assert make("published", position_per_bin=True).attn.pos_encoder.per_bin
    assert not make("corrected", position_per_bin=False).attn.pos_encoder.per_bin


def test_published_refuses_more_samples_than_positions():
    positions = corigami.Positions(8, 4, per_bin=False)
    assert positions(torch.zeros(4, 6, 8)).shape == (4, 6, 8)
    with pytest.raises(InputError, match=r"a batch of 5 samples: as released C\.Origami has positions for 4"):
        positions(torch.zeros(5, 6, 8))


def test_wide_windows_have_positions():
    assert len(make("corrected", Geometry(bin_bp=40, window_bins=300, **REST)).attn.pos_encoder.pe) == 300


# ---------------------------------------------------------------- the task


@pytest.mark.parametrize(
    ("per_bin", "times"), [(1, 0), (2, 1), (3, 1), (8, 3), (10, 3), (50, 5), (5000, 12), (8192, 13), (20_000, 13)]
)
def test_the_length_is_halved_while_a_position_is_left_to_every_bin(per_bin, times):
    assert corigami.halvings(per_bin, 13) == times


def test_widths_are_spread_over_the_released():
    assert corigami.spread(corigami.CHANNELS, 12) == corigami.CHANNELS
    assert corigami.spread(corigami.CHANNELS, 4) == [16, 32, 64, 128]
    assert corigami.spread(corigami.CHANNELS, 2) == [16, 128]
    assert corigami.spread(corigami.CHANNELS, 1) == [128] and corigami.spread(corigami.CHANNELS, 0) == []


def test_of_the_papers_windows():
    """250 kb: 79 positions of the tracks, 62 of the bases, to 50 bins."""
    with torch.device("meta"):
        model = registry.build("corigami", PAPER, {"sequence": True}, PAPER_STATISTICS, None, "corrected", "window")
        alone = registry.build("corigami", PAPER, {}, PAPER_STATISTICS, None, "corrected", "window")
        assert [len(model.encoder.get_submodule(f"res_blocks_{branch}")) for branch in ("epi", "seq")] == [4, 11]
        x = {"epi": torch.zeros(1, 2, 2500), "seq": torch.zeros(1, 5, 250_000)}
        for branch, positions in (("epi", 79), ("seq", 62)):
            y = model.encoder.get_submodule(f"conv_start_{branch}")(x[branch])
            assert model.encoder.get_submodule(f"res_blocks_{branch}")(y).shape == (1, 128, positions)
        assert model.encoder(x).shape == (1, 256, 50)
    assert model.encoder.conv_end.in_channels == 256 and alone.encoder.conv_end.in_channels == 128
    assert not [name for name in alone.state_dict() if "_seq" in name]


def test_bases_are_in_the_released_order():
    """a, t, c, g, n."""
    codes = torch.tensor([[0, 1, 2, 3, 4]], dtype=torch.uint8)  # A C G T N
    hot = corigami.one_hot_bases(codes)[0]
    assert hot.argmax(0).tolist() == [0, 2, 3, 1, 4] and hot.sum(0).tolist() == [1] * 5


@pytest.mark.parametrize("sequence", [False, True])
def test_sequence_is_read_where_it_is_asked_for(sequence):
    model, batch = make("corrected", sequence=sequence).eval(), batch_of()
    known = with_options("corigami", {"sequence": sequence}, "corrected", "window")
    assert known.inputs == model.inputs == ({"tracks", "sequence"} if sequence else {"tracks"})
    assert model.entries == {*model.inputs, "map"}
    other = batch | {"sequence": (batch["sequence"] + 1) % 5}
    with torch.no_grad():
        assert torch.equal(model(batch), model(other)) != sequence
        # Of either entry the stretch about x alone.
        beyond = {name: values.clone() for name, values in batch.items()}
        beyond["tracks"][:, 120:] = 0
        beyond["sequence"][:, 480:] = 4
        torch.testing.assert_close(model(beyond), model(batch), rtol=0, atol=0)


def test_refuses_a_batch_without_its_bases():
    model, batch = make("corrected", sequence=True), batch_of()
    without = {name: values for name, values in batch.items() if name != "sequence"}
    with pytest.raises(InputError, match=r"'sequence' is missing; .* reads \(B, 960\)"):
        model(without)
    with pytest.raises(InputError, match=r"'sequence' is \(3, 480\)"):
        model(batch | {"sequence": batch["sequence"][:, :480]})


def test_a_pixel_has_the_features_of_its_column_and_then_of_its_row():
    x = torch.rand(2, 3, 5)
    pairs = corigami.pair(x)
    assert pairs.shape == (2, 6, 5, 5)
    for i in range(5):
        for j in range(5):
            torch.testing.assert_close(pairs[:, :, i, j], torch.cat([x[:, :, j], x[:, :, i]], 1), rtol=0, atol=0)


def test_the_loss_is_the_mean_square():
    model, batch = make("published").eval(), batch_of()
    loss, prediction = model.loss_and_prediction(batch)
    assert prediction.shape == (3, 1, 12, 12)
    assert loss.item() == pytest.approx(np.mean((prediction.detach().numpy() - batch["map"].numpy()) ** 2), rel=1e-5)


@pytest.mark.parametrize(
    ("statistics", "options", "message"),
    [
        ({"track_bp": 40}, {}, "tracks/bin_bp 40 is more than half a bin of the map .40.*; lower it"),
        ({}, {"hidden": 9, "heads": 3}, "option hidden 9 is odd"),
        ({}, {"hidden": 10, "heads": 4}, "does not divide into 4 heads"),
    ],
)
def test_refuses(statistics, options, message):
    with pytest.raises(InputError, match=message):
        make("corrected", statistics=STATISTICS | statistics, **options)
