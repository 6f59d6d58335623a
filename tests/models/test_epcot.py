"""EPCOT against its released code, and what its windows of a map and two tracks are made of."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import yaml
from parity.recipe import fill_multimodal

from trifold import plan, settings
from trifold.architectures import ARCHITECTURES
from trifold.config import Geometry
from trifold.errors import InputError
from trifold.models import epcot, registry

torch.set_num_threads(1)
TRUNKS = ("lstm", "transformer")
SMALL = {"channels": [8, 8, 12], "hidden_dim": 12, "heads": 2, "layers": 1, "trunk_heads": 1, "pool_bins": 2}
SMALL_OF = {
    "window": {**SMALL, "embed_dim": 12, "pixel_channels": 4, "tower_blocks": 2},
    "cage": {**SMALL, "embed_dim": 12},
}


def geometry(bin_bp: int, window_bins: int) -> Geometry:
    return Geometry(bin_bp, window_bins, stride_bins={}, max_bad_bins=0.25, max_n_bins=0)


def make(task: str, place: Geometry, protocol="corrected", *, tracks=("atac", "dnase"), track_bp=100, **options):
    torch.manual_seed(0)
    statistics = {"tracks": list(tracks), "track_bp": track_bp}
    return registry.build("epcot", place, options, statistics, protocol=protocol, task=task)


def small(task: str, protocol="corrected", **options):
    return make(task, geometry(200, 12), protocol, **SMALL_OF[task] | options)


def released(task: str, window_bins: int, trunk: str):
    """The released network, with DNA and DNase and the weights of the reference, in evaluation mode."""
    model = make(task, geometry(5000, window_bins), "published", tracks=["dnase"], track_bp=1, trunk=trunk).eval()
    model.load_state_dict({key: weight(key, value) for key, value in model.state_dict().items()})
    return model


def weight(key: str, value: torch.Tensor) -> torch.Tensor:
    """A tensor of the reference; the pool's starts at the identity, and numbers of batches are left."""
    if key.endswith("num_batches_tracked"):
        return value
    drawn = torch.from_numpy(fill_multimodal(key, value.shape))
    if key == "attention_pool.to_attn_logits":
        return torch.eye(len(value)) + 0.05 * drawn * len(value) ** 0.5
    return drawn


def pieces_of(data) -> torch.Tensor:
    """Bases and DNase of a parity file as the backbone reads them, (bins, 5, 1600)."""
    bases = F.one_hot(torch.from_numpy(data["in/seq_index_acgt"]).long(), 4).float().mT
    return torch.cat([bases, torch.from_numpy(data["in/dnase"]).float()[:, None]], dim=1)


def close(found: torch.Tensor, expected: np.ndarray) -> None:
    """The tolerances that the parity files name for networks of full size."""
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-3, atol=1e-5)


# ---------------------------------------------------------------- as released


@torch.no_grad()
@pytest.mark.parametrize("trunk", TRUNKS)
def test_parity_of_maps(parity, trunk):
    """The released output: four bins off every side, the upper triangle row by row."""
    data = parity(f"multimodal/epcot_hic_{trunk}")
    model = released("window", int(data["cfg/bins"]), trunk)
    assert sum(parameter.numel() for parameter in model.parameters()) == data["cfg/n_params"]
    backbone = sum(parameter.numel() for parameter in model.pretrain_model.parameters())
    assert backbone == data["cfg/n_params_pretrain_part"] == 8_384_928
    whole, crop = model.predict(pieces_of(data))[0, 0], int(data["cfg/crop"])
    close(whole, whole.T.numpy())
    inner = whole[crop:-crop, crop:-crop]
    found = inner[np.triu_indices(len(inner))]
    close(found, data["out/pred"][0, :, 0])
    close((found - torch.from_numpy(data["in/target"][0, :, 0])).square().mean(), data["out/mse"])


@torch.no_grad()
@pytest.mark.parametrize("trunk", TRUNKS)
def test_parity_of_cage(parity, trunk):
    data = parity(f"multimodal/epcot_cage_{trunk}")
    bins, crop = int(data["cfg/bins"]), int(data["cfg/crop"])
    model = released("cage", bins // 5, trunk)
    assert sum(parameter.numel() for parameter in model.parameters()) == data["cfg/n_params"]
    found = model.predict(pieces_of(data))[0, crop:-crop]
    close(found, data["out/pred"][0, :, 0])
    close((found - torch.from_numpy(data["in/target"][0, :, 0])).square().mean(), data["out/mse"])


@pytest.mark.parametrize(
    ("task", "trunk", "number"),
    [
        ("window", "transformer", 13_101_857),
        ("window", "lstm", 13_101_601),
        ("cage", "transformer", 13_161_329),
        ("cage", "lstm", 11_179_697),
    ],
)
def test_released_networks_have_the_released_size(task, trunk, number):
    """On windows of 250 kb too; with the two tracks of MIX-HIC the first convolution alone differs."""
    sizes = [
        sum(parameter.numel() for parameter in make(task, geometry(5000, 50), trunk=trunk, **read).parameters())
        for read in ({"tracks": ["dnase"]}, {"tracks": ["atac", "dnase"], "dna": False})
    ]
    assert sizes == [number, number - 3 * 10 * 256]


@pytest.mark.parametrize(
    ("task", "batch_size", "accumulate", "window_bp"), [("window", 1, 2, 10**6), ("cage", 2, 16, 250_000)]
)
def test_trainings_are_the_released_ones_and_corrected_steps_have_as_many_bases(
    task, batch_size, accumulate, window_bp
):
    training = ARCHITECTURES["epcot"].at(task).training
    common = {"optimiser": "adamw", "learning_rate": 3e-4, "weight_decay": 1e-6, "schedule": "one-cycle", "epochs": 40}
    for protocol in ("published", "corrected"):
        assert training[protocol].items() >= common.items()
    published, corrected = ({key: each[key] for key in ("batch_size", "accumulate")} for each in training.values())
    assert published == {"batch_size": batch_size, "accumulate": accumulate}
    assert corrected == {"batch_size": batch_size * accumulate * window_bp // 250_000, "accumulate": 1}


def test_the_papers_lstm_of_cage_is_trained_at_a_constant_rate(repository):
    """As released; all else by the cycle. Every row has its arm of either protocol and cell line."""
    config = settings.complete(yaml.safe_load((repository / "experiments/mixhic2025.yaml").read_text()), repository)
    arms = {name: arm for name, arm in plan.resolve(config).items() if arm.architecture == "epcot"}
    assert len(arms) == 2 * 2 * 2 * 2 * 2  # tasks, trunks, DNA, protocols, cell lines
    for arm in arms.values():
        constant = (arm.task, arm.options["trunk"]) == ("cage", "lstm")
        assert arm.training["schedule"] == ("constant" if constant else "one-cycle")
        assert arm.tracks == ("atac", "dnase")
        assert ("sequence" in plan.traits_of(arm).inputs) == ("-dna" in arm.name)
        (table,) = {"window": ["table2"], "cage": ["table4"]}[arm.task]
        row = {"lstm": "EPCOT-LSTM", "transformer": "EPCOT-transformer"}[arm.options["trunk"]]
        assert arm.name in config["mixhic2025"]["tables"][table][f"{row} with DNA" if "-dna" in arm.name else row]


# ---------------------------------------------------------------- windows of a map and tracks


def batch_of(bin_bp=200, window_bins=12, windows=2, tracks=2, track_bp=100) -> dict[str, torch.Tensor]:
    """Windows on the diagonal: both stretches are the same."""
    generator = torch.Generator().manual_seed(3)
    codes = torch.randint(0, 5, (windows, window_bins * bin_bp), generator=generator, dtype=torch.uint8)
    values = torch.rand(windows, window_bins * bin_bp // track_bp, tracks, generator=generator)
    maps = torch.rand(windows, 1, window_bins, window_bins, generator=generator)
    cage = torch.rand(windows, window_bins, generator=generator)
    return {
        "sequence": torch.cat([codes, codes], dim=1),
        "tracks": torch.cat([values, values], dim=1),
        "map": (maps + maps.mT) / 2,
        "cage": torch.cat([cage, cage], dim=1),
    }


@pytest.mark.parametrize("dna", [True, False])
def test_what_the_backbone_reads_is_cut_by_hand(dna):
    """Of every base its letter, none for N, and the value of its bin of the tracks; 300 bp to either side, or zeros."""
    model, batch = small("window", dna=dna), batch_of()
    found = model.cut(model.bases(batch))
    assert found.shape == (2 * 24, (4 if dna else 0) + 2, 700)
    codes, values = batch["sequence"].numpy(), batch["tracks"].numpy()
    for window in range(2):
        for piece in range(24):
            expected = np.zeros(found.shape[1:], dtype=np.float32)
            for place in range(700):
                base = 100 * piece - 300 + place
                if not 0 <= base < 2400:
                    continue
                expected[-2:, place] = values[window, base // 100]
                if dna and codes[window, base] < 4:
                    expected[codes[window, base], place] = 1
            np.testing.assert_array_equal(found[24 * window + piece].numpy(), expected)


@torch.no_grad()
@pytest.mark.parametrize("trunk", TRUNKS)
def test_maps_are_symmetric_and_cage_stands_twice(trunk):
    batch = batch_of()
    maps = small("window", trunk=trunk).eval()(batch)
    torch.testing.assert_close(maps, maps.mT, rtol=0, atol=1e-6)
    assert maps.shape == (2, 1, 12, 12)
    model = small("cage", trunk=trunk).eval()
    cage = model(batch)
    pieces = model.predict(model.cut(model.bases(batch)))
    assert pieces.shape == (2, 24) and torch.equal(cage[:, :12], cage[:, 12:])
    torch.testing.assert_close(cage[:, :12], (pieces[:, ::2] + pieces[:, 1::2]) / 2)


@torch.no_grad()
@pytest.mark.parametrize("trunk", TRUNKS)
@pytest.mark.parametrize("task", ["window", "cage"])
def test_a_window_does_not_depend_on_its_batch(task, trunk):
    model, batch = small(task, trunk=trunk).eval(), batch_of(windows=3)
    alone = model({name: values[1:2] for name, values in batch.items()})
    torch.testing.assert_close(model(batch)[1:2], alone, rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_dna_and_tracks_both_count():
    batch, model = batch_of(), small("window").eval()
    for name in ("sequence", "tracks"):
        changed = {**batch, name: batch[name].flip(1)}
        assert not torch.allclose(model(changed), model(batch), atol=1e-5), name
    without = small("window", dna=False).eval()
    assert without.entries == {"tracks", "map"}
    assert torch.equal(without({**batch, "sequence": batch["sequence"].flip(1)}), without(batch))
    bases = small("cage", tracks=[], track_bp=200).eval()
    assert bases.entries == {"sequence", "cage"}
    assert bases({"sequence": batch["sequence"]}).shape == (2, 24)


def test_the_published_loss_of_a_map_is_over_its_upper_triangle():
    batch = batch_of()
    for protocol, pixels in (("published", np.triu_indices(12)), ("corrected", np.indices((12, 12)))):
        model = small("window", protocol).eval()
        loss, prediction = model.loss_and_prediction(batch)
        difference = (prediction - batch["map"]).detach().numpy()[:, 0]
        expected = np.mean(difference[:, pixels[0], pixels[1]] ** 2)
        assert loss.item() == pytest.approx(expected, rel=1e-5)
    model = small("cage").eval()
    loss, prediction = model.loss_and_prediction(batch)
    assert loss.item() == pytest.approx(np.mean((prediction - batch["cage"]).detach().numpy() ** 2), rel=1e-5)


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        ("window", {"pool_bins": 3}, "pool_bins 3 does not divide geometry/bin_bp 200; choose a divisor"),
        ("window", {"flank_bp": 100}, "flank_bp 100 leave 300 bp to the convolutions, which need 388; lower pool_bins"),
        ("window", {"channels": [8, 8]}, r"channels \[8, 8\] is no list of 3 widths"),
        ("window", {"hidden_dim": 13}, "hidden_dim 13 does not divide into 2 heads"),
        ("window", {"embed_dim": 9, "trunk": "lstm"}, "embed_dim 9 is odd"),
        ("window", {"embed_dim": 9, "trunk_heads": 2}, "embed_dim 9 is no multiple of 2, which 2 trunk_heads need"),
        ("cage", {"embed_dim": 16}, "embed_dim 16 is no multiple of 6, which 1 trunk_heads need"),
        ("cage", {"dna": False, "tracks": []}, "dna false leaves nothing to read; give the arm tracks"),
        ("cage", {"trunk": "gru"}, "options/trunk: 'gru' is not one of lstm, transformer"),
    ],
)
def test_sizes_that_do_not_go_together_are_refused(task, options, message):
    with pytest.raises(InputError, match=message):
        small(task, **options)


@torch.no_grad()
def test_the_least_bin_of_the_backbone_leaves_one_position():
    model = small("window", flank_bp=144).eval()  # 100 bp, and that to either side
    pieces = model.cut(model.bases(batch_of()))
    assert pieces.shape[2] == epcot.LEAST_BP
    convolutions = model.pretrain_model.backbone["conv_net"]
    assert convolutions(pieces).shape[2] == 1
    with pytest.raises(RuntimeError, match="greater than actual input size"):
        convolutions(pieces[..., 1:])
    with pytest.raises(InputError, match="flank_bp 143 leave 386 bp to the convolutions"):
        small("window", flank_bp=143)


def test_windows_of_another_geometry_are_refused():
    with pytest.raises(InputError, match=r"'sequence' is \(2, 4800\); this network reads \(B, 4000\)"):
        make("window", geometry(200, 10), **SMALL_OF["window"])(batch_of())
    with pytest.raises(InputError, match=r"'tracks' is \(2, 48, 2\); this network reads \(B, 96, 2\)"):
        make("window", geometry(200, 12), track_bp=50, **SMALL_OF["window"])(batch_of())
