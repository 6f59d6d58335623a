"""What each edit re-runs, as job counts of a dry run on a finished experiment: the table of the README."""

import numpy as np
import pytest

# Table II holds what reads a map, Table I the sequence arm.
PAGE = {"kriukov2021_section": 1, "report": 1, "manifest": 1}
TABLES = {"tables": 1, "kriukov2021_table": 1, **PAGE}
BOTH = {"kriukov2021_table": 2}
SUMMARY = "results/smoke/tables/summary.tsv"
SCORES = {"evaluate": 5, "ceiling": 1, "score": 5, **TABLES, **BOTH}

# An architecture as one adds it: a file, and nothing else.
NEW = '''
"""A convolution on the low map."""

from torch import Tensor, nn

from trifold.config import Geometry
from trifold.models import blocks

ARCHITECTURES = {
    "plain": {"network": "Plain", "inputs": ["map"], "target": "observed", "options": {"side": 3}},
}


@blocks.declared(ARCHITECTURES["plain"])
class Plain(blocks.Architecture):
    def __init__(self, geometry: Geometry, *, side: int):
        super().__init__()
        self.layer = nn.Conv2d(1, 1, side, padding=side // 2)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        return blocks.symmetrise(self.layer(batch["map"]))
'''


# And one that reads a track, finer than the map: 4 of its bins to one of the map.
TRACKED = '''
"""A convolution on the low map, and on the track of every bin."""

from torch import Tensor, nn

from trifold.config import Geometry
from trifold.models import blocks

ARCHITECTURES = {
    "tracked": {"network": "Tracked", "inputs": ["map", "tracks"], "target": "observed"},
}


@blocks.declared(ARCHITECTURES["tracked"])
class Tracked(blocks.Architecture):
    def __init__(self, geometry: Geometry):
        super().__init__()
        self.bins = geometry.window_bins
        self.layer, self.track = nn.Conv2d(1, 1, 3, padding=1), nn.Conv1d(1, 1, 4, stride=4)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        if batch["tracks"].shape[1:] != (1, 4 * self.bins):
            raise ValueError(f"tracks of {tuple(batch['tracks'].shape)} for {self.bins} bins of the map")
        of_bins = self.track(batch["tracks"])  # (B, 1, W)
        return blocks.symmetrise(self.layer(batch["map"]) + of_bins[..., None])
'''


# A row without a model, for the task of loops.
COIN = '''
"""Loops: what a coin says of each pair."""

import torch
from torch import Tensor

from trifold.config import Geometry
from trifold.models.blocks import Architecture, declared

ARCHITECTURES = {
    "coin": {
        "network": "Coin",
        "inputs": ["map"],
        "target": "label",
        "fitter": "none",
        "tasks": {"loop": {}},
        "window_bins": 20,
        "options": {"heads": 0.5},
    },
}


@declared(ARCHITECTURES["coin"])
class Coin(Architecture):
    channels_last = False

    def __init__(self, geometry: Geometry, *, heads: float):
        super().__init__()
        self.heads = heads

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        return (torch.rand(len(batch["map"]), 1) < self.heads).float()
'''
LOOPS = """
samples: {alpha: {loops: simulated/alpha.chiapet.bedpe}}
pairs: {max_loop_bins: 100, band_bins: 200, search: {min_bins: 6}}
arms:
  coin: {architecture: coin, on_demand: true}
"""

# `tuned` starts from `plain`, the loss of `seen` looks through `vae`.
CHAINS = """
arms:
  plain: {architecture: plain, training: &once {epochs: 1, batch_size: 8, stride_bins: 64}}
  tuned: {architecture: later, pretrained: plain, pretrained_parts: all, training: *once}
  vae: {architecture: vae, options: {channels: [4, 8], latent: 4}, training: *once}
  seen:
    architecture: vehicle
    loss_networks: {vae: vae}
    options: {channels: 4, residual_blocks: 1}
    training: {<<: *once, loss: vehicle, loss_weights: {insulation: 0}}
"""


def test_nothing_to_do_in_a_copy(copy_of_finished):
    assert copy_of_finished.jobs() == {}


def test_a_new_seed(copy_of_finished):
    copy_of_finished.edit("config.yaml", "seeds: [1]", "seeds: [1, 2]")
    # Each seed thins anew, so the two rows without a model have both seeds.
    assert copy_of_finished.jobs() == {
        "degrade": 1,
        "hold_back": 1,
        "examples": 1,
        "train": 3,
        "predict": 3 + 2 * 2,
        "evaluate": 3 + 2 * 2,
        "score": 3 + 2 * 2,
        "tables": 1,
        "kriukov2021_table": 2,
        "kriukov2021_section": 1,
        "report": 1,
        "manifest": 1,
    }


def test_one_arms_setting(copy_of_finished):
    """The image arm and what is stacked on it; not the sequence arm."""
    copy_of_finished.edit("smoke.yaml", "residual_blocks: 1", "residual_blocks: 2")
    assert copy_of_finished.jobs() == {
        "train": 2,
        "predict": 2,
        "evaluate": 2,
        "score": 2,
        "tables": 1,
        "kriukov2021_table": 1,
        "kriukov2021_section": 1,
        "report": 1,
        "manifest": 1,
    }


def test_the_bin_width(copy_of_finished):
    copy_of_finished.edit("smoke.yaml", "geometry:\n  bin_bp: 256", "geometry:\n  bin_bp: 512")
    assert copy_of_finished.jobs() == {
        "encode_sequence": 1,
        "prepare_contacts": 1,
        "degrade": 1,
        "hold_back": 1,
        "split": 1,
        "prepare_track": 3,
        "examples": 1,
        "train": 3,
        "predict": 5,
        **SCORES,
    }


@pytest.mark.parametrize(
    "module, jobs",
    [
        ("trifold/metrics/scc.py", SCORES),
        ("trifold/report/figures.py", {"report": 1, "manifest": 1}),
        # An architecture re-runs itself and what stands on it.
        ("trifold/models/hybrid.py", {"train": 1, "predict": 1, "evaluate": 1, "score": 1, **TABLES}),
        ("trifold/models/vehicle.py", {"train": 2, "predict": 2, "evaluate": 2, "score": 2, **TABLES}),
        # The sequence arm, and the hybrid on it: both tables.
        ("trifold/models/akita.py", {"train": 2, "predict": 2, "evaluate": 2, "score": 2, **TABLES, **BOTH}),
        ("trifold/models/deephic.py", {}),
        ("trifold/training/adversarial.py", {}),
        ("trifold/training/fit.py", {"train": 3, "predict": 3, "evaluate": 3, "score": 3, **TABLES, **BOTH}),
    ],
)
def test_a_module_re_runs_those_who_reach_it(copy_of_finished, module, jobs):
    path = copy_of_finished.folder / module
    path.write_text(path.read_text() + "\nEDITED = True\n")
    assert copy_of_finished.jobs() == jobs


def test_modules_of_windows_about_pairs_re_run_nothing_of_whole_maps(copy_of_finished):
    """What they re-run is in test_mixhic2025.py, which has arms that reach them."""
    for module in ("models/mixhic", "data/pair_dataset", "training/multimodal", "score_pairs"):
        path = copy_of_finished.folder / f"trifold/{module}.py"
        path.write_text(path.read_text() + "\nEDITED = True\n")
    assert copy_of_finished.jobs() == {}


def test_an_architecture_re_runs_what_starts_from_it_and_what_looks_through_it(copy_of_finished):
    """The arm that starts has its network in another file, and so has the arm whose loss looks through a network."""
    models = copy_of_finished.folder / "trifold/models"
    (models / "plain.py").write_text(NEW)
    (models / "later.py").write_text(NEW.replace('"plain"', '"later"'))
    copy_of_finished.overlay("chains.yaml", CHAINS)
    files = ("--configfile", "smoke.yaml", "chains.yaml", "--", "models")
    copy_of_finished.run(*files, configfile=None)

    def jobs_after(*modules: str) -> dict[str, int]:
        texts = {path: path.read_text() for path in (models / f"{module}.py" for module in modules)}
        for path, text in texts.items():
            path.write_text(f"{text}\nEDITED = True\n")
        jobs = copy_of_finished.jobs(*files, configfile=None)
        for path, text in texts.items():
            path.write_text(text)
        return jobs

    assert jobs_after("plain") == jobs_after("vae") == {"train": 2}
    assert jobs_after("later") == {"train": 1}
    assert jobs_after("deephic", "aligned", "hicfoundation") == {}


def test_a_new_architecture_is_one_file_and_re_runs_nothing(copy_of_finished):
    (copy_of_finished.folder / "trifold/models/plain.py").write_text(NEW)
    assert copy_of_finished.jobs() == {}
    arm = "arms:\n  plain: {architecture: plain, options: {side: 5}, training: {epochs: 1, batch_size: 8}}\n"
    overlay = copy_of_finished.overlay("plain.yaml", f"{(copy_of_finished.folder / 'smoke.yaml').read_text()}")
    copy_of_finished.edit(overlay, "arms:\n", arm)
    new = {"train": 1, "predict": 1, "evaluate": 1, "tables": 1, "report": 1, "manifest": 1}
    assert copy_of_finished.jobs(configfile=overlay) == new
    copy_of_finished.run(SUMMARY, configfile=overlay)
    table = (copy_of_finished.folder / SUMMARY).read_text()
    assert "plain" in table
    assert (copy_of_finished.folder / "results/smoke/models/plain/fold-a/seed-1/weights.safetensors").exists()


def test_an_arm_has_windows_and_tracks_of_its_own(copy_of_finished):
    """Of 16 bins in place of 32, and tracks of 64 bp in place of the map's 256."""
    (copy_of_finished.folder / "trifold/models/tracked.py").write_text(TRACKED)
    overlay = copy_of_finished.overlay("tracked.yaml", (copy_of_finished.folder / "smoke.yaml").read_text())
    training = "{epochs: 1, batch_size: 8, shift_bp: 0}"
    settings = f"architecture: tracked, tracks: [atac], track_bp: 64, window_bins: 16, training: {training}"
    copy_of_finished.edit(overlay, "arms:\n", f"arms:\n  tracked: {{{settings}}}\n")
    new = {"examples": 1, "train": 1, "predict": 1, "evaluate": 1, "tables": 1, "report": 1, "manifest": 1}
    assert copy_of_finished.jobs(configfile=overlay) == new
    copy_of_finished.run(SUMMARY, configfile=overlay)
    results = copy_of_finished.folder / "results/smoke"
    assert "tracked" in (copy_of_finished.folder / SUMMARY).read_text()
    assert (results / "examples/corrected-w16/low/alpha/fold-a/tiles.tsv").exists()


def test_a_tasks_row_without_a_model_is_one_file_and_re_runs_nothing(copy_of_finished):
    """With windows of a side that no other arm has."""
    (copy_of_finished.folder / "trifold/models/coin.py").write_text(COIN)
    assert copy_of_finished.jobs() == {}
    copy_of_finished.overlay("loops.yaml", LOOPS)
    folder = "results/smoke/scores/corrected-w20/coin/fold-a/seed-0/alpha"
    files = ("--configfile", "smoke.yaml", "loops.yaml", "--", f"{folder}/scores.tsv")
    assert copy_of_finished.jobs(*files, configfile=None) == {"bands": 1, "pairs": 1, "score_pairs": 1}
    copy_of_finished.run(*files, configfile=None)
    with np.load(copy_of_finished.folder / folder / "predictions.npz") as kept:
        assert set(kept["prediction"]) <= {0, 1} and set(kept["label"]) == {0, 1}
    # Windows of whole maps, and how those are scored, are no business of pairs.
    copy_of_finished.edit("smoke.yaml", "stride_bins: {train: 16", "max_n_bins: 2\n  stride_bins: {train: 8")
    copy_of_finished.edit("smoke.yaml", "scoring: {max_distance_bins: 11}", "scoring: {max_distance_bins: 10}")
    assert copy_of_finished.jobs(*files, configfile=None) == {}


def test_words_re_run_nothing(copy_of_finished):
    path = copy_of_finished.folder / "trifold/metrics/scc.py"
    path.write_text("# A comment.\n" + path.read_text())
    (copy_of_finished.folder / "README.md").write_text("A word.\n")
    copy_of_finished.edit("config.yaml", "# ---- data", "# ---- of the data")
    assert copy_of_finished.jobs() == {}


def test_t12_where_jobs_run_re_runs_nothing(copy_of_finished):
    copy_of_finished.edit("config.yaml", "accelerator: cpu ", "accelerator: auto ")
    copy_of_finished.edit("config.yaml", "workers: 0 ", "workers: 1 ")
    copy_of_finished.edit("config.yaml", "{balance: 1, train: 1, predict: 1}", "{balance: 2, train: 2, predict: 1}")
    copy_of_finished.edit("config.yaml", "devices: 1 ", "devices: 2 ")
    assert copy_of_finished.jobs() == {}


def test_which_arms_are_compared_is_the_tables_business(copy_of_finished):
    copy_of_finished.edit("smoke.yaml", "reference_arms: [identity, gaussian,", "reference_arms: [gaussian,")
    assert copy_of_finished.jobs() == {"tables": 1, "report": 1, "manifest": 1}


def test_a_deleted_file_is_made_again_when_it_is_asked_for(copy_of_finished):
    """What was made from it stays as it is: nothing about it has changed."""
    (copy_of_finished.folder / "results/smoke/contacts/alpha/low/map.cool").unlink()
    assert copy_of_finished.jobs() == {}
    assert copy_of_finished.jobs("results/smoke/contacts/alpha/low/map.cool") == {"degrade": 1}
