"""Lau2025: the job graph at the report's size and with its overlays, and its table and figure at the smallest."""

import re
from functools import cache

import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib.image import imread

from trifold import settings
from trifold.report import sections

PAPER = "experiments/lau2025.yaml"
TARGETS = ("lau2025_tables", "lau2025_figures")
SECTION = "results/smoke/papers/lau2025/section.json"

# Every link of the chain: pre-training, base model, fine-tuning without and with the sequence, under both protocols.
SMALL = """
experiment: smoke
papers: [kriukov2021, lau2025]
size: demo
recipes: {published: {observed: {scale: window, variant: lau2025, low_span: published}}}
arms_used: [identity, foundation-mae, foundation, lau-noseq, lau-seq, lau-seq-published]
arms:
  foundation-mae: {samples: [alpha], options: &vit {width: 16, depth: 1, heads: 2, decoder_width: 16, decoder_heads: 2},
                   training: &once {epochs: 1, stride_bins: null}}
  foundation: {samples: [alpha], options: *vit, training: *once}
  lau-noseq: {options: *vit, training: *once}
  lau-seq: {options: &seq-options {<<: *vit, sequence_channels: [4, 4, 4]}, training: *once}
  lau-seq-published: {architecture: hicfoundation-seq, protocol: published, maps: false, pretrained: foundation,
                      options: {<<: *seq-options, patch_size: 8, decoder_depth: 1, sequence_bp: 2048},
                      training: {epochs: 1, batch_size: 8, loss: mse_ssim, reverse_complement: false, shift_bp: 0}}
lau2025:
  table1: {Seq_4DNFI643OYP9: [lau-seq, lau-seq-published]}
  figure1: {seq: [lau-seq, lau-seq-published]}
"""


@pytest.fixture(scope="module")
def dry(make_workspace, tmp_path_factory):
    """Jobs of a dry run of the report's experiment, or of one on other data."""
    workspace = make_workspace(tmp_path_factory.mktemp("report") / "trifold")

    @cache
    def jobs(*overlays):
        files = [f"experiments/lau2025/{name}.yaml" for name in overlays] or [PAPER]
        text = workspace.run("-n", "--configfile", *files, "--", *TARGETS, configfile=None).text
        counts = dict(re.findall(r"^(\w+)\s+(\d+)$", text[text.index("Job stats:") :], flags=re.MULTILINE))
        return {rule: int(count) for rule, count in counts.items() if rule != "total"}

    return jobs


def test_the_reports_job_graph(dry, repository):
    arms = settings.complete(yaml.safe_load((repository / PAPER).read_text()), repository)["arms"]
    no_model = {name for name in arms if name.startswith(("identity", "bicubic"))}
    assert dry() == {
        "fetch": 4,  # the genome, two maps, the base model
        "encode_sequence": 1,
        "prepare_contacts": 2,
        "degrade": 4,  # each map to 8 kb and to 16 kb
        "split": 1,
        "examples": 8,  # of each low map under two protocols
        "import_weights": 1,
        "train": len(arms) - len(no_model) - 2,
        "fit": 2,  # the width of a Gaussian, for each low map
        # On both maps; rows without a model under both protocols, the Gaussian of each low map under its own.
        "score": 2 * (len(arms) + 1 + len(no_model)),
        "lau2025_table": 1,
        "lau2025_draw": 1,
        "lau2025_tables": 1,
        "lau2025_figures": 1,
    }


@pytest.mark.parametrize(("overlay", "first"), [("simulated", {"simulate": 1, "fetch": 1}), ("yeast", {"fetch": 4})])
def test_other_data_and_short_networks(dry, overlay, first):
    jobs = dry(overlay)
    report = dry()
    assert jobs == report | first
    if overlay == "yeast":
        short = dict(dry(overlay, "short"))
        assert short.pop("train") == report["train"] + 1  # the base model is trained here
        assert short.pop("fetch") == first["fetch"] - 1
        assert short == {rule: n for rule, n in jobs.items() if rule not in ("train", "fetch", "import_weights")}


def test_the_reports_settings(repository):
    config = settings.complete(yaml.safe_load((repository / PAPER).read_text()), repository)
    assert (config["geometry"]["bin_bp"], config["geometry"]["window_bins"]) == (4000, 224)
    assert [config["degradations"][low]["coarsen"] for low in ("low", "low16")] == [2, 4]
    training = config["training"]
    assert (training["epochs"], training["batch_size"], training["accumulate"]) == (32, 4, 4)
    assert training["learning_rate"] == pytest.approx(1.5e-3 * 16 / 256)
    held_out = {chrom for role in ("validation", "test") for chrom in config["splits"]["a"][role]}
    assert held_out == {"chr4", "chr5", "chr11", "chr14"}
    assert config["arms"]["lau-noseq-both"]["samples"] == ["fileA", "fileB"]


@pytest.fixture(scope="module")
def results(begun):
    workspace = begun("lau2025")
    workspace.overlay("small.yaml", SMALL)
    workspace.run("--configfile", "smoke.yaml", "small.yaml", "--", *TARGETS, SECTION, configfile=None)
    return workspace.folder / "results" / "smoke"


def test_every_cell_is_the_mean_of_its_windows(results):
    frame = pd.read_csv(results / "tables/lau2025_table1.tsv", sep="\t")
    checked = 0
    for cell in frame[(frame["protocol"] != "paper") & frame["mean"].notna()].itertuples():
        seed = 0 if cell.arm == "identity" else 1
        path = results / f"scores/{cell.protocol}/{cell.arm}/fold-a/seed-{seed}/alpha/scores.tsv"
        scores = pd.read_csv(path, sep="\t")
        windows = scores[scores["role"] == "test"][cell.metric]
        assert cell.mean == pytest.approx(windows.mean(), rel=1e-5), (cell.row, cell.metric)
        assert cell.sd == pytest.approx(windows.std(), rel=1e-4), (cell.row, cell.metric)
        checked += 1
    assert checked == 4 * (2 + 1 + 1 + 2)  # rows by protocol
    assert (results / "tables/lau2025_table1.artifact.json").exists()


def test_gains_are_differences_of_the_table(results):
    frame = pd.read_csv(results / "tables/lau2025_table1.tsv", sep="\t")
    means = frame.set_index(["row", "protocol", "metric"])["mean"]
    gains = pd.read_csv(results / "tables/lau2025_gains.tsv", sep="\t")
    assert set(gains["against"]) == {"NoSeq_4DNFI643OYP9"} and len(gains) == 4
    for gain in gains.itertuples():
        expected = means[gain.row, "corrected", gain.metric] - means[gain.against, "corrected", gain.metric]
        assert gain.difference == pytest.approx(expected, abs=1e-6)
        assert gain.ci_low <= gain.difference <= gain.ci_high


def test_the_section_holds_the_table_and_the_gains(results):
    section = sections.read(results.parents[1] / SECTION)
    assert (section.key, section.subject) == ("lau2025", "Table 1")
    assert [table.title.split(":")[0] for table in section.tables] == [
        "Table 1 of Lau 2025",
        "What the sequence adds to Table 1",
    ]


def test_published_windows_are_wide_and_corrected_ones_aligned(results):
    shapes = {
        protocol: np.load(results / f"examples/{protocol}/low/alpha/fold-a/low_observed.npy", mmap_mode="r").shape[1:]
        for protocol in ("published", "corrected")
    }
    assert shapes == {"published": (32, 32), "corrected": (16, 16)}


def test_the_figure_shows_something(results):
    assert imread(results / "lau2025/figure1.png")[..., :3].std() > 0.03
    assert (results / "lau2025/figure1.svg").read_text().count("validation") >= 1


def test_weights_come_from_the_arm_named(results):
    record = yaml.safe_load((results / "models/lau-seq/fold-a/seed-1/artifact.json").read_text())
    assert any("models/foundation/fold-a/seed-1" in path for path in record["inputs"])
