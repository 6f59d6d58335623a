"""Published weights: every file of the mirror gives its published outputs, and what is no such file is refused."""

import argparse
import csv
import pickle
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from test_parity import KRIUKOV, largest_difference
from test_registry import STATISTICS

from trifold.architectures import ARCHITECTURES
from trifold.config import Geometry
from trifold.errors import InputError
from trifold.models import hybrid, published, registry

TILE = Geometry(bin_bp=10_000, window_bins=40, stride_bins={}, max_bad_bins=0.25, max_n_bins=0)
# Files of Kriukov2021's repository whose address is not known.
WITHOUT_ADDRESS = {
    f"weights_dl2021_{name}"
    for name in ("ours.pth", "ours_symm.pth", "vehicle.ckpt", "vehicle_vae.ckpt", "hypermodel.pth")
} | {"weights_dl2021_hypermodel_graph.pth"}


@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("weights_deephic_raw_16.pth", "deephic_raw_16"),
        ("weights_deephic_raw_100.pth", "deephic_raw_100"),
        ("weights_deephic_kr_16.pth", "deephic_kr_16"),
        ("weights_hicarn_deephic_16ds.pytorch", "hicarn_deephic_16ds"),
    ],
)
def test_parity_of_deephic_networks(parity, mirror, name, entry):
    data = parity("enhancement/deephic_pretrained")
    model = published.load(name, mirror / name, TILE, {})
    assert largest_difference(model.network(torch.from_numpy(data["x"])), data[f"pre/{entry}/y"]) < 1e-5


@torch.no_grad()
def test_parity_of_hicarns_hicplus(parity, mirror):
    data, name = parity("enhancement/hicplus_pretrained"), "weights_hicarn_hicplus_16ds.pytorch"
    model = published.load(name, mirror / name, TILE, {})
    assert largest_difference(model.network(torch.from_numpy(data["x"])), data["pre/hicarn_16ds/y"]) < 1e-4
    y01 = model.network(torch.from_numpy(data["x01"]))[..., ::8, ::8]
    assert largest_difference(y01, data["pre/hicarn_16ds/y01"]) < 1e-4
    # It was trained on contacts cut at 100 and 255 and divided by that, not on contacts times 16.
    contacts = torch.tensor([0, 50, 200]).expand(1, 1, 40, 3).repeat(1, 1, 1, 14)[..., :40].float()
    torch.testing.assert_close(model({"map": contacts}), model.network(contacts.clamp(max=100) / 100))
    assert model.decode(model.encode(torch.tensor([51.0, 300.0]))).tolist() == pytest.approx([51, 255])


@torch.no_grad()
@pytest.mark.parametrize("sample", ["syn", "chr22"])
@pytest.mark.parametrize("weights", ["deephic_raw_16", "deephic_raw_100", "deephic_kr_16"])
def test_parity_from_contacts(parity, mirror, weights, sample):
    """Through `forward`: contacts in, the input's bound at 100 for all (as the reference ran them), one tile."""
    data = parity("enhancement/pretrained_on_samples")
    options = {"low_clip": 100.0, "tile_bins": 200}
    model = registry.build("deephic", KRIUKOV, options, {}, protocol="published").eval()
    model.load_state_dict(published.read_state(f"weights_{weights}.pth", mirror / f"weights_{weights}.pth"))
    contacts = data[{"syn": "syn_lo_counts", "chr22": "chr22_down16_counts"}[sample]]
    y = model({"map": torch.from_numpy(contacts).float()[None, None]})
    assert largest_difference(y, data[f"{weights}/{sample}"]) < 1e-4


def test_loads_with_what_the_file_was_trained_on(mirror):
    name = "weights_deephic_raw_100.pth"
    model = published.load(name, mirror / name, KRIUKOV, {})
    assert (model.low_clip, model.deep_clip, model.published, model.training) == (25, 255, True, False)
    expects = {"bin_bp": 10_000, "window_bins": 40, "bias": "raw", "depth": 100}
    assert published.checkpoint(name).expects.items() >= expects.items()
    assert published.checkpoint("weights_deephic_kr_25.pth").options == {"low_clip": 80}
    state = published.read_state(name, mirror / name)
    assert all(torch.equal(state[key], value) for key, value in model.state_dict().items())


# Read by transformers, from a folder of one's own (docs/embeddings.md).
LANGUAGE_MODELS = {"weights_dnabert_6.bin", "weights_enformer_official_rough.bin"}


def test_every_file_is_a_row_of_the_datasets(repository):
    with open(repository / "resources/datasets.tsv", newline="") as handle:
        rows = {row["file"] for row in csv.DictReader(handle, delimiter="\t") if row["assay"] == "weights"}
    assert rows - LANGUAGE_MODELS == set(published.checkpoints()) - WITHOUT_ADDRESS


def fake(name: str, dtype=torch.uint8) -> dict[str, torch.Tensor]:
    """A state dict with the keys and shapes a published file must have; each tensor filled with its own number."""
    kind = published.checkpoint(name)
    geometry = Geometry(kind.expects.get("bin_bp", 1), kind.expects.get("window_bins", 32), {}, 0, 0)
    with torch.device("meta"):
        state = published.build(name, geometry, STATISTICS).state_dict()
    return {key: torch.full(value.shape, i % 100, dtype=dtype) for i, (key, value) in enumerate(state.items())}


@pytest.mark.parametrize("name", sorted(published.checkpoints()))
def test_every_checkpoint_is_a_model(tmp_path, name):
    """A file of the right keys and shapes, under a prefix as DataParallel adds, is read tensor by tensor."""
    state = fake(name)
    save_file({f"module.{key}": value for key, value in state.items()}, tmp_path / "weights.safetensors")
    found = published.read_state(name, tmp_path / "weights.safetensors")
    assert found.keys() == state.keys()
    assert all(torch.equal(found[key], value) for key, value in state.items())


def test_a_training_checkpoint_gives_its_generator(tmp_path):
    """Lightning's file: keys under a prefix, other networks beside it, the state dict among other things."""
    generator = fake("weights_vehicle_gan.ckpt")
    others = {"discriminator.conv.0.weight": torch.zeros(64, 1, 3, 3), "vae.fc_mu.bias": torch.zeros(200)}
    torch.save(
        {"epoch": 49, "state_dict": others | {f"generator.{key}": value for key, value in generator.items()}},
        tmp_path / "a.ckpt",
    )
    found = published.read_state("weights_vehicle_gan.ckpt", tmp_path / "a.ckpt")
    assert found.keys() == generator.keys()
    assert all(torch.equal(found[key], value) for key, value in generator.items())


def test_a_training_script_stores_its_command_line_too(tmp_path, monkeypatch):
    """HiCFoundation's files: weights under `model`, beside the optimiser and the settings; a layer under two names."""
    name = "weights_hicfoundation_resolution.pth.tar"
    options = {"width": 16, "depth": 1, "heads": 2, "decoder_width": 16, "decoder_depth": 1, "decoder_heads": 2}
    monkeypatch.setitem(published.checkpoints(), name, published.checkpoint(name)._replace(options=options))
    state = fake(name)
    alias = {f"patch_embed.proj.{key}": state[f"vit_backbone.patch_embed.proj.{key}"] for key in ("weight", "bias")}
    content = {"model": state | alias, "epoch": 49, "args": argparse.Namespace(lr=0.1), "optimizer": {"state": {}}}
    torch.save(content, tmp_path / name)
    found = published.read_state(name, tmp_path / name)
    assert found.keys() == state.keys()
    assert all(torch.equal(found[key], value) for key, value in state.items())
    wider = Geometry(bin_bp=4000, window_bins=128, stride_bins={}, max_bad_bins=0.25, max_n_bins=0)
    with pytest.raises(InputError, match=r"decoder_pos_embed is \(1, 196, 16\) in the file.*'window_bins': 224"):
        published.load(name, tmp_path / name, wider, {})


def test_a_generator_found_twice_is_refused(tmp_path):
    state = {f"{prefix}.{key}": value for prefix in ("G", "ema.G") for key, value in fake("weights_vgg16.pth").items()}
    save_file({key: value.clone() for key, value in state.items()}, tmp_path / "a.safetensors")
    with pytest.raises(InputError, match=r"'vgg16' under several prefixes, \['G\.', 'ema\.G\.'\]"):
        published.read_state("weights_vgg16.pth", tmp_path / "a.safetensors")


def test_a_stack_is_put_together_from_its_parts(tmp_path, monkeypatch):
    """The parts of a hybrid are found by their shapes, whatever their names in the file."""
    small = {
        "sequence": (
            "akita",
            {"channels": 4, "bottleneck": 4, "head_channels": 4, "trunk_blocks": 1, "head_blocks": 1},
        ),
        "image": ("vehicle", {"channels": 4, "residual_blocks": 1}),
    }
    name = "weights_dl2021_hypermodel.pth"
    kind = published.checkpoint(name)._replace(backbones=small)
    monkeypatch.setitem(published.checkpoints(), name, kind)
    ours = fake(name, torch.float32)
    theirs = {"sequence.": "akita.", "image.": "vehicle.generator.", "head.": "head."}
    renamed = {
        new + key.removeprefix(old): ours[key] for old, new in theirs.items() for key in ours if key.startswith(old)
    }
    save_file(renamed | {"vehicle.vae.fc_mu.bias": torch.zeros(200)}, tmp_path / "a.safetensors")
    found = published.read_state(name, tmp_path / "a.safetensors")
    assert found.keys() == ours.keys()
    assert all(torch.equal(found[key], value) for key, value in ours.items())
    model = published.load(name, tmp_path / "a.safetensors", KRIUKOV, {})
    assert isinstance(model, hybrid.Hybrid)
    assert not model.training


class Code:
    def __reduce__(self):
        return print, ("this must not run",)


def html(path):
    path.write_text("\n<!DOCTYPE html><html>Sign in</html>")


def cut_short(path):
    torch.save({"conv1.weight": torch.zeros(8, 1, 9, 9)}, path)
    path.write_bytes(path.read_bytes()[:200])


def pickled_code(path):
    path.write_bytes(pickle.dumps(Code()))


def saved_code(path):
    torch.save({"conv1.weight": torch.zeros(1), "hyper": Code()}, path)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (html, "this is an HTML page"),
        (cut_short, "not readable as tensors alone"),
        (pickled_code, "not readable as tensors alone"),
        (saved_code, "not readable as tensors alone .*where you trust it"),
        (lambda path: path.write_bytes(b""), "not readable as tensors alone"),
        (lambda path: torch.save([torch.zeros(1)], path), "no state dict"),
        (lambda path: torch.save({"state_dict": {"epoch": 3}}, path), "no state dict"),
        (lambda path: None, "cannot be read .*fetch it"),
    ],
)
def test_what_is_no_weights_file_is_refused(tmp_path, capsys, write, message):
    path = tmp_path / "weights_hicsr.pth"
    write(path)
    with pytest.raises(InputError, match=message) as error:
        published.read_state("weights_hicarn_hicplus_16ds.pytorch", path)
    assert str(path) in str(error.value)
    assert "must not run" not in capsys.readouterr().out


def test_another_models_weights_are_refused(mirror, tmp_path):
    path = mirror / "weights_hicarn_hicplus_16ds.pytorch"
    with pytest.raises(InputError) as error:
        published.read_state("weights_deephic_raw_16.pth", path)
    message = str(error.value)
    assert f"{path}: does not fit published weights 'weights_deephic_raw_16.pth', architecture 'deephic'" in message
    assert "conv1.weight is (8, 1, 9, 9) in the file and (64, 1, 9, 9) in the model" in message
    assert "datasets.tsv" in message
    more = published.read_state("weights_hicarn_hicplus_16ds.pytorch", path) | {"bn.bias": torch.zeros(3)}
    torch.save(more, tmp_path / "more.pth")
    with pytest.raises(InputError, match=r"1 tensors differ: bn\.bias is \(3,\) in the file and missing in the model"):
        published.read_state("weights_hicarn_hicplus_16ds.pytorch", tmp_path / "more.pth")


def test_another_geometry_is_refused(tmp_path):
    """Akita halves by the bin's width: weights for 5 kb have no place in a model of 10 kb bins."""
    name = "weights_dl2021_akita.pth"
    torch.save(fake(name), tmp_path / "akita.pth")
    assert len(published.read_state(name, tmp_path / "akita.pth")) == 254
    wider = Geometry(bin_bp=10_000, window_bins=100, stride_bins={}, max_bad_bins=0.25, max_n_bins=0)
    with pytest.raises(InputError, match=r"trunk\.1.*missing in the file.*trained on, \{'bin_bp': 5000"):
        published.load(name, tmp_path / "akita.pth", wider, {})


def test_an_architecture_lists_its_own_files():
    for name, known in published.checkpoints().items():
        assert published.of_architecture(known.architecture)[name] == known
    assert published.of_architecture("identity") == {}


def test_a_program_of_others_publishes_nothing(monkeypatch):
    program = replace(ARCHITECTURES["identity"], module="", fitter="program")
    monkeypatch.setitem(ARCHITECTURES, "theirs", program)
    assert published.checkpoints.__wrapped__() == published.checkpoints()


def test_names_are_listed():
    with pytest.raises(InputError, match=r"'weights_hicsr' are not known.*'weights_hicsr\.pth'"):
        published.checkpoint("weights_hicsr")
