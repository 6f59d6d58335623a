"""Kriukov2021: the job graph at the paper's size and with its overlays, and every table and figure at the smallest."""

import re
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from matplotlib.image import imread
from torch.utils.data import DataLoader

from trifold import settings
from trifold.data.dataset import WindowDataset
from trifold.data.sequence import SequenceStore
from trifold.models import stored
from trifold.models.blocks import crop
from trifold.models.hybrid import stack
from trifold.models.vehicle import CROP_BINS
from trifold.papers.kriukov2021 import figures

PAPER = "experiments/kriukov2021.yaml"
TARGETS = ("kriukov2021_tables", "kriukov2021_figures")

# One network of every kind at the size of the smoke experiment; each job takes seconds to start, so no more than that.
SMALL = """
experiment: smoke
papers: [kriukov2021]
size: demo
splits: {random: {kind: random, fractions: {validation: 0.15, test: 0.15}, seed: 1, on_demand: true}}
arms_used: [identity, sequence, sequence-published, graph, image, vae-published, vehicle-published, hybrid,
            hybrid-published, hybrid-joint, dae, hicsr, sequence-random]
arms:
  sequence-published: {options: &akita {channels: 8, bottleneck: 8, head_channels: 8, trunk_blocks: 2, head_blocks: 2},
                       training: &once {epochs: 1, stride_bins: null}}
  graph: {options: {channels: 8, bottleneck: 8, trunk_blocks: 2, graph_blocks: 1, head_width: 4, pixel_channels: 4},
          training: *once}
  vae-published: {options: {channels: [4, 8], latent: 4}, training: *once}
  vehicle-published: {options: {channels: 4, residual_blocks: 1}, training: {epochs: 1, stride_bins: null,
                      loss_weights: {insulation: 0}}}
  hybrid-published: {training: *once}
  hybrid-joint: {training: *once}
  dae: {options: {channels: 4}, training: *once}
  hicsr: {options: {channels: 4, residual_blocks: 1}, training: *once}
  sequence-random: {options: *akita, training: *once}
kriukov2021:
  table1: {Akita-like: [sequence, sequence-published]}
  table2: {Hybrid: [hybrid, hybrid-published]}
  figures: {windows: 2}
"""


@pytest.fixture(scope="module")
def dry(make_workspace, tmp_path_factory):
    """Jobs of a dry run of the paper's experiment, or of one on other data."""
    workspace = make_workspace(tmp_path_factory.mktemp("paper") / "trifold")

    @cache
    def jobs(*overlays):
        files = [f"experiments/kriukov2021/{name}.yaml" for name in overlays] or [PAPER]
        text = workspace.run("-n", "--configfile", *files, "--", *TARGETS, configfile=None).text
        counts = dict(re.findall(r"^(\w+)\s+(\d+)$", text[text.index("Job stats:") :], flags=re.MULTILINE))
        return {rule: int(count) for rule, count in counts.items() if rule != "total"}

    return jobs


def test_the_papers_job_graph(dry, repository):
    config = settings.complete(yaml.safe_load((repository / PAPER).read_text()), repository)
    arms, figures = config["arms"], config["kriukov2021"]["figures"]
    no_model = {"identity", "gaussian", "bicubic"}
    assert dry() == {
        "fetch": 2,  # the genome and the map
        "encode_sequence": 1,
        "prepare_contacts": 1,
        "degrade": 1,
        "split": 2,  # by chromosome and at random
        "examples": 4,  # two splits under two protocols
        "train": len(set(arms) - no_model),
        # Not the networks of losses and Figure 8's second hybrid; rows without a model under both protocols.
        "score": len(set(arms) - {"vae", "vae-published", "vae-quantile", "dae", "dae-published", "hybrid-joint"}) + 3,
        "keep_windows": len({*figures["sequence"], *figures["maps"], *figures["zeroed"]}),
        "kriukov2021_table": 3,
        "kriukov2021_draw": 1,
        "kriukov2021_tables": 1,
        "kriukov2021_figures": 1,
    }


@pytest.mark.parametrize(("overlay", "first"), [("simulated", {"simulate": 1}), ("yeast", {"fetch": 2})])
def test_other_data_change_nothing_else(dry, overlay, first):
    jobs = dry(overlay)
    paper = {rule: n for rule, n in dry().items() if rule != "fetch"}
    assert jobs == paper | first
    if overlay == "yeast":
        assert dry(overlay, "short") == jobs


def test_the_papers_settings(repository):
    """What the text states: geometry, chromosomes, optimisation."""
    config = settings.complete(yaml.safe_load((repository / PAPER).read_text()), repository)
    assert (config["geometry"]["bin_bp"], config["geometry"]["window_bins"]) == (5000, 200)
    assert config["splits"]["a"] == {
        "kind": "chromosomes",
        "validation": ["chr11", "chr14"],
        "test": ["chrX", "chr8"],
    }
    assert config["degradations"] == {"low": {"coarsen": 2, "thin": 1, "seed": 1, "share_reads": True}}
    training = config["training"]
    assert (training["epochs"], training["batch_size"], training["learning_rate"]) == (100, 2, 0.001)
    released = config["arms"]["hybrid-published"]["training"]
    assert (released["accumulate"], released["learning_rate"], released["weight_decay"]) == (32, 1e-5, 1e-5)


@pytest.fixture(scope="module")
def results(begun):
    workspace = begun("kriukov2021")
    workspace.overlay("small.yaml", SMALL)
    workspace.run("--configfile", "smoke.yaml", "small.yaml", "--", *TARGETS, configfile=None)
    return workspace.folder / "results" / "smoke"


@pytest.mark.parametrize("table", [1, 2, 3])
def test_every_cell_is_the_mean_of_its_windows(results, table):
    frame = pd.read_csv(results / f"tables/kriukov2021_table{table}.tsv", sep="\t")
    roles = {"Train": "train", "Val": "validation", "Test": "test"}
    checked = 0
    for cell in frame[(frame["protocol"] != "paper") & frame["mean"].notna()].itertuples():
        fold = "random" if cell.row == "Random" else "a"
        seed = 0 if cell.arm == "identity" else 1
        path = results / f"scores/{cell.protocol}/{cell.arm}/fold-{fold}/seed-{seed}/alpha/scores.tsv"
        scores = pd.read_csv(path, sep="\t")
        windows = scores[scores["role"] == roles.get(cell.set, "test")]
        assert cell.mean == pytest.approx(windows[cell.metric].mean(), rel=1e-5), (cell.row, cell.metric)
        checked += 1
    assert checked >= {1: 36, 2: 49, 3: 24}[table]
    assert (results / f"tables/kriukov2021_table{table}.artifact.json").exists()


def test_both_protocols_stand_beside_the_paper(results):
    frame = pd.read_csv(results / "tables/kriukov2021_table2.tsv", sep="\t")
    mse = frame[frame["metric"] == "mse"].pivot(index="row", columns="protocol", values="mean")
    assert mse.loc["Downsampled", "paper"] == 0.0024
    assert mse.loc[["Downsampled", "Hybrid"], ["published", "corrected"]].notna().all(axis=None)
    assert np.isnan(mse.loc["HiCSR", "published"]) and np.isfinite(mse.loc["HiCSR", "corrected"])


@torch.inference_mode()
def test_figure_7_zeroes_a_backbones_map_and_copies_nothing(results):
    model, examples = results / "models/hybrid-published/fold-a/seed-1", results / "examples/published/low/alpha/fold-a"
    sequence = SequenceStore(results / "sequence")
    kept = results / "windows/published/hybrid-published/fold-a/seed-1/alpha/windows.npz"
    shown = figures.without_backbones("hybrid-published", figures.read(kept, CROP_BINS))
    trained = stored.load_arm(model)[0].eval()
    windows = WindowDataset(examples, "test", inputs=trained.inputs, target="observed", sequence=sequence)
    batch = next(iter(DataLoader(windows, 1)))
    akita, image = crop(trained.sequence.full_map(batch), CROP_BINS), trained.image(batch)
    for name, maps in {
        "both backbones": (akita, image),
        "sequence zeroed": (0 * akita, image),
        "image zeroed": (akita, 0 * image),
    }.items():
        np.testing.assert_allclose(shown[name], trained.head(stack(*maps))[0, 0].numpy(), atol=1e-6)
        assert not np.allclose(np.diag(shown[name]), np.diag(shown["target"]), atol=1e-3)
    np.testing.assert_array_equal(shown["target"], crop(batch["observed"], CROP_BINS)[0, 0].numpy())


@torch.inference_mode()
def test_figure_5_shows_two_windows_of_every_sequence_arm(results):
    """As trained models predict them: evenly spaced, the first and the last."""
    examples = results / "examples/corrected/low/alpha/fold-a"
    sequence = SequenceStore(results / "sequence")
    maps = figures.read(results / "windows/corrected/sequence/fold-a/seed-1/alpha/windows.npz")
    trained = stored.load_arm(results / "models/sequence/fold-a/seed-1")[0].eval()
    windows = WindowDataset(examples, "test", inputs=trained.inputs, target="oe", sequence=sequence)
    assert len(maps.target) == 2 and not maps.without
    for found, number in ((0, 0), (1, len(windows) - 1)):
        batch = next(iter(DataLoader(windows, 1, sampler=[number])))
        expected = trained(batch)[0, 0].numpy()
        np.testing.assert_allclose(maps.prediction[found], (expected + expected.T) / 2, atol=1e-6)
        np.testing.assert_array_equal(maps.target[found], crop(batch["oe"], trained.crop_bins)[0, 0].numpy())


@pytest.mark.parametrize("number", [5, 6, 7, 8])
def test_figures_show_something(results, number):
    picture = imread(results / f"kriukov2021/figure{number}.png")[..., :3]
    assert picture.std() > 0.05
    assert (results / f"kriukov2021/figure{number}.svg").read_text().rstrip().endswith("</svg>")
