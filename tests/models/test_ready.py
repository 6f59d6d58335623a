"""Models with all that they need: from arms without weights, published files, and the folders they become."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from scipy.ndimage import gaussian_filter

from trifold.architectures import ARCHITECTURES
from trifold.config import Geometry
from trifold.data.samples import Samples
from trifold.errors import InputError
from trifold.models import published, ready, stored
from trifold.models.ready import CORRECTED
from trifold.training import closed

GEOMETRY = Geometry(10_000, 32, {"train": 8}, 0.25, 0)
MEASURED = ("ratio", "low_max", "deep_max", "low_q999", "deep_q999", "low_per_balanced", "deep_per_balanced")
COUNTS = dict.fromkeys(MEASURED, 9.0)
LOW = {"bin_bp": 20_000, "coarsen": 2, "factor": 2.2, "contacts_per_bin": 70.0}
STATISTICS = {
    "geometry": asdict(GEOMETRY),
    "recipes": asdict(CORRECTED),
    "coarsen": 2,
    "low": LOW,
    "counts": COUNTS,
    "observed": {"floor": 1e-4, "ceiling": 0.3},
}
ARM = {"options": {}, "backbones": {}, "protocol": "corrected"}
WEIGHTS = "weights_deephic_raw_100.pth"


@pytest.fixture
def examples(tmp_path):
    (folder := tmp_path / "examples").mkdir()
    (folder / "statistics.json").write_text(json.dumps(STATISTICS))
    return folder


def test_an_arm_without_weights_reads_as_the_examples_were_made(examples):
    model = ready.of_arm({**ARM, "architecture": "bicubic"}, "cubic", examples)
    assert (model.name, model.low_bin_bp, model.coarsen, model.recipes) == ("cubic", 20_000, 2, CORRECTED)
    # Nothing was learned, so no depth is the right one.
    assert model.contacts_per_bin is None
    assert model.for_map("any.cool") is model


def test_y4_what_was_chosen_comes_with_the_model_and_its_files(examples, tmp_path):
    """A width was chosen at a depth: the model warns of another one, as a network does."""
    maps = torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    target = torch.from_numpy(gaussian_filter(maps.numpy(), (0, 0, 2.5, 2.5)))
    windows = [{"map": m, "observed": t, "valid": torch.ones(32, dtype=torch.bool)} for m, t in zip(maps, target)]
    arm = {**ARM, "architecture": "gaussian-tuned", "name": "tuned", "geometry": asdict(GEOMETRY)}
    network = stored.build_arm(arm, asdict(GEOMETRY), STATISTICS)

    class Validation(Samples):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            return windows[index]

    closed.fit(network, Validation(), Validation(), tmp_path / "model", arm, "v1")
    shutil.copy(examples / "statistics.json", tmp_path / "model")
    assert stored.read_config(tmp_path / "model")["chosen"] == {"sigma_bins": 2.5}
    model = ready.of_folder(tmp_path / "model")
    assert model.facts == {
        "arm": "tuned",
        "architecture": "gaussian-tuned",
        "version": "v1",
        "chosen": {"sigma_bins": 2.5},
    }
    assert model.contacts_per_bin == 70.0
    torch.testing.assert_close(model.network({"map": maps}), target)


def test_an_arm_keeps_the_bin_of_its_tracks(examples):
    arm = {**ARM, "architecture": "identity"}
    assert ready.of_arm({**arm, "track_bp": 128}, "same", examples).track_bp == 128
    assert ready.of_arm(arm, "same", examples).track_bp is None


@pytest.mark.parametrize(
    "architecture, changes, said",
    [
        ("identity", {"observed": None}, "observed"),
        ("identity", {"observed": {"floor": 0.1}}, "ceiling"),
        ("identity", {"geometry": {"bin_bp": 1}}, "window_bins"),
        ("identity", {"low": 3}, "not subscriptable"),
    ],
)
def test_statistics_that_lack_what_the_model_needs_are_damaged(examples, architecture, changes, said):
    statistics = {name: value for name, value in {**STATISTICS, **changes}.items() if value is not None}
    arm = {**ARM, "architecture": architecture}
    network = stored.build_arm(arm, asdict(GEOMETRY), STATISTICS)
    with pytest.raises(InputError, match=rf"^here/statistics\.json: lacks or garbles .*{said}.*copy the whole folder"):
        ready._ready(network, statistics, "here/statistics.json")


def test_an_imported_model_keeps_the_depth_of_its_own_training(examples, mirror, tmp_path, monkeypatch):
    (folder := tmp_path / "model").mkdir()
    stored.import_checkpoint(
        folder,
        name="released",
        arm={**ARM, "architecture": "deephic", "weights": WEIGHTS},
        geometry=asdict(GEOMETRY),
        checkpoint=mirror / WEIGHTS,
        examples=examples,
        version="v",
    )
    with monkeypatch.context() as patched:  # what other architectures publish is no matter of this one
        patched.setattr(published, "checkpoints", lambda: pytest.fail("every architecture is loaded"))
        model = ready.of_folder(folder, "mine")
    assert model.name == "mine"
    assert model.contacts_per_bin == pytest.approx(413 * 16 / 100)


def test_t8_a_model_of_other_bins_than_the_experiment_is_refused(examples):
    model = ready.of_arm({**ARM, "architecture": "identity"}, "same", examples)
    model.check_bins(10_000)
    with pytest.raises(InputError, match=r"arms/same: .* bins of 10000 bp, and geometry/bin_bp is 5000"):
        model.check_bins(5_000)


@pytest.mark.parametrize(
    "bins, sides",
    [([300, 250, 240], 6), ([300, 160, 90], 2), ([1000, 41], 1), ([100_000, 41], 6), ([39, 12], 1)],
)
def test_windows_leave_out_no_chromosome_that_counts(bins, sides):
    sizes = {f"chr{number}": 10_000 * n for number, n in enumerate(bins)}
    assert ready.window_bins(sizes, 10_000, 40) == 40 * sides


def test_what_is_part_of_a_training_enhances_nothing():
    """Every file of an architecture that predicts no map, and no other, by what the architecture says of itself."""
    reasons = {name: (known, ready.cannot_enhance(known) or "") for name, known in published.checkpoints().items()}
    parts = {known.architecture for known, said in reasons.values() if "a part of a training" in said}
    assert parts == {"hicsr-dae", "vgg16", "hicfoundation-mae", "vae"}
    assert all(ARCHITECTURES[name].predicts is False for name in parts)


def test_files_that_state_no_depth_are_not_guessed():
    assert ready.cannot_enhance(published.checkpoints()[WEIGHTS]) is None
    for name in ("weights_vgg16.pth", "weights_hicsr_dae.pth", "weights_hicfoundation_resolution.pth.tar"):
        with pytest.raises(InputError, match=f"{name}: "):
            ready.of_published(Path(name))


def test_defaults_are_those_of_the_schema(repository):
    import yaml

    schema = yaml.safe_load((repository / "resources/schemas/config.schema.yaml").read_text())
    given = schema["properties"]["recipes"]["properties"]["corrected"]["properties"]
    for scale, recipe in asdict(CORRECTED).items():
        assert {name: one["default"] for name, one in given[scale]["properties"].items()} == recipe
