"""MIX-HIC: the job graph at the paper's size and with its overlays, and every kind of run at the smallest."""

import re
from functools import cache

import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib.image import imread

from trifold import settings
from trifold.metrics import multimodal
from trifold.models import stored, weights
from trifold.portals import lock
from trifold.report import sections

PAPER = "experiments/mixhic2025.yaml"
SECTION = "results/smoke/papers/mixhic2025/section.json"

# A chain from pre-training to scores, and a row without a model of each other task.
SMALL = """
experiment: smoke
papers: [kriukov2021, mixhic2025]
mixhic2025:
  samples: {alpha: {loops: simulated/alpha.chiapet.bedpe}}
  tss: simulated/promoters.bed
  validation: [chr5]
  test: [chr6]
  max_loop_bins: 100
  band_bins: 200
  pretrainings:
    small: {samples: [alpha], dim: 4, heads: 2, depth: 1, training: {epochs: 1, batch_size: 16}, fraction: 0.1}
  runs:
    loop-small:
      task: loop
      pretrained: small
      train_samples: [alpha]
      fraction: 0.1
      training: {epochs: 1, learning_rate: 0.001}
    map-expected: {task: map, architecture: expected, train_samples: [alpha]}
    cage-nearest: {task: cage, architecture: nearest, train_samples: [alpha]}
    loop-corner: {task: loop, architecture: corner, train_samples: [alpha]}
  page: [table2, table3, table4, comparisons]
  loops: {min_bins: 6, p_value: 0.05, fdr: 0.5}
  tables:
    table2: {Expected: [map-expected]}
    table3: {MIX-HIC-Bimodal: [loop-small], Corner: [loop-corner]}
    table4: {Nearest: [cage-nearest]}
    tables2: {Corner: [loop-corner]}
    against: {table3: Corner}
  comparisons:
    Network, or corner: [[loop-small, loop-corner]]
  figures:
    figure6: {Bimodal: [loop-small], No model: [loop-corner, map-expected, cage-nearest]}
"""


@pytest.fixture(scope="module")
def paper(make_workspace, tmp_path_factory):
    """A workspace with a lock, as `snakemake resolve` writes one: two replicates of every assay, a file of loops."""
    workspace = make_workspace(tmp_path_factory.mktemp("paper") / "trifold")
    rows = pd.read_csv(workspace.folder / "resources/datasets.tsv", sep="\t", dtype=str, keep_default_na=False)
    lines = []
    for row in rows[rows["note"].str.startswith("MIX-HIC Table S1")].itertuples():
        kind = {"hic": "hic", "loops": "bedpe.gz"}.get(row.assay, "bam")
        names = (
            [row.file] if row.assay == "hic" else [f"{row.file}.{i}.{kind}" for i in range(2 if kind == "bam" else 1)]
        )
        facts = {"bytes": "9", "sha256": "", "md5": "0" * 32, "assembly": "hg38", "status": "released", "part": ""}
        for name in names:
            url = f"https://portal.example/{name}"
            lines.append(lock.Line(dataset=row.file, file=name, url=url, retrieved="2026-01-01", **facts))
    lock.write(workspace.folder / "resources/datasets.lock.tsv", lines)
    return workspace


@pytest.fixture(scope="module")
def dry(paper):
    """Jobs of a dry run of the paper's experiment, with overlays, or of one on other data."""

    @cache
    def jobs(*overlays, targets=("mixhic2025",)):
        own = [f"experiments/mixhic2025/{name}.yaml" for name in overlays]
        files = own if {"simulated", "yeast"} & set(overlays) else [PAPER, *own]
        text = paper.run("-n", "--configfile", *files, "--", *targets, configfile=None).text
        counts = dict(re.findall(r"^(\w+)\s+(\d+)$", text[text.index("Job stats:") :], flags=re.MULTILINE))
        return {rule: int(count) for rule, count in counts.items() if rule != "total"}

    return jobs


def test_the_papers_job_graph(dry, repository):
    section = settings.complete(yaml.safe_load((repository / PAPER).read_text()), repository)["mixhic2025"]
    runs = section["runs"]
    learned = [name for name, run in runs.items() if "architecture" not in run]
    tests = {name: len(run.get("test_samples", run["train_samples"])) for name, run in runs.items()}
    assert dry() == {
        "fetch": 1 + 6 + 6 + 2 * (6 + 6 + 2) + 1,  # genome, maps, loops, BAMs of ATAC, DNase and CAGE, genes
        "encode_sequence": 1,
        "prepare_contacts": 6,
        "prepare_track": 6 + 6 + 2,
        "mixhic_bands": 6,
        "mixhic_pairs": 6 + 6,  # under both protocols
        "mixhic_pretrain": 5,
        "mixhic_train": 3 * len(learned),  # seeds
        "mixhic_test": sum(tests[name] * (3 if name in learned else 1) for name in runs),
        "mixhic2025": 1,
    }


@pytest.mark.parametrize(("overlay", "samples", "tracks"), [("simulated", 3, 8), ("yeast", 2, 4)])
def test_other_data_and_short_networks(dry, overlay, samples, tracks):
    jobs = dry(overlay)
    paper = dry()
    assert jobs["mixhic_bands"] == samples and jobs["prepare_track"] == tracks
    assert jobs["mixhic_pretrain"] == paper["mixhic_pretrain"]
    # Yeast has one sample for the tasks; then half of the runs, scored once, are left.
    share = 1 if overlay == "simulated" else 2
    assert jobs["mixhic_train"] == paper["mixhic_train"] // share
    if overlay == "yeast":
        short = dry(overlay, "short")
        assert short == jobs | {"mixhic_train": jobs["mixhic_train"] // 3, "mixhic_test": short["mixhic_test"]}
        assert short["mixhic_test"] < jobs["mixhic_test"] // 2


def test_tables_and_figures_add_searches_alone(dry):
    targets = ("mixhic2025_tables", "mixhic2025_figures")
    # Of the loops of both cell lines: as corrected and as published with every seed, and without a model.
    own = {"mixhic_loops": 2 * (3 + 3 + 1), "mixhic2025_table": 5, "mixhic2025_draw": 1, "mixhic2025_comparisons": 1}
    own |= dict.fromkeys(targets, 1)
    assert dry(targets=("mixhic2025", *targets)) == dry() | own
    # Three depths, three widths.
    wider = dry("settings", targets=targets)
    assert wider["mixhic_pretrain"] == dry()["mixhic_pretrain"] + 5
    assert wider["mixhic_train"] <= dry()["mixhic_train"] + 3 * 12


def test_the_demo_leaves_maps_and_cage_to_the_tables(paper):
    own = ("mixhic_pretrain", "mixhic_train", "mixhic_test", "mixhic_loops", "mixhic2025_table", "mixhic2025_draw")
    tables = ("mixhic2025_tables", "mixhic2025_figures")

    def jobs(*targets):
        found = paper.jobs(*targets, configfile=None)
        return tuple(found.get(name, 0) for name in own)

    assert jobs() == (1, 1, 2, 0, 1, 0)
    assert jobs("mixhic2025") == (1, 3, 6, 0, 0, 0)
    assert jobs(*tables) == (1, 3, 6, 2, 5, 1)


def test_simulated_page_says_which_run_beats_another(paper):
    jobs = paper.jobs("all", configfile="experiments/simulated.yaml")
    assert (jobs["mixhic2025_table"], jobs["mixhic2025_comparisons"]) == (3, 1)


def test_the_papers_settings(repository):
    section = settings.complete(yaml.safe_load((repository / PAPER).read_text()), repository)["mixhic2025"]
    assert (section["validation"], section["test"]) == (["chr10", "chr11"], ["chr3", "chr13", "chr17"])
    before = section["pretrainings"]
    assert before["pretrain"] == {"samples": ["HepG2", "HCT116", "IMR90", "WTC11"], "dim": 128}
    assert before["pretrain-256"]["dim"] == 256 and before["published"]["protocol"] == "published"
    fractions = {run["fraction"] for run in section["runs"].values() if "fraction" in run}
    assert fractions == {0.0001, 0.001, 0.01, 0.1}


# ---------------------------------------------------------------- at the smallest


@pytest.fixture(scope="module")
def results(begun):
    workspace = begun("mixhic2025")
    workspace.overlay("small.yaml", SMALL)
    targets = ("mixhic2025", "mixhic2025_tables", "mixhic2025_figures")
    workspace.run("--configfile", "smoke.yaml", "small.yaml", "--", *targets, SECTION, configfile=None)
    return workspace.folder / "results/smoke/mixhic2025"


def scores(results, run: str, seed: int) -> pd.DataFrame:
    return pd.read_csv(results / f"scores/{run}/seed-{seed}/alpha/scores.tsv", sep="\t")


@pytest.mark.parametrize(
    ("run", "seed", "task", "mode", "pretraining"),
    [
        ("loop-small", 1, "loop", "bimodal", "small"),
        ("map-expected", 0, "map", "expected", None),
        ("cage-nearest", 0, "cage", "nearest", None),
    ],
)
def test_scores_are_those_of_the_predictions(results, run, seed, task, mode, pretraining):
    frame = scores(results, run, seed)
    facts = frame.iloc[0]
    assert (facts["run"], facts["task"], facts["mode"], facts["sample"], facts["role"], facts["seed"]) == (
        *(run, task, mode, "alpha", "test", seed),
    )
    assert facts["pretraining"] == pretraining if pretraining else np.isnan(facts["pretraining"])
    found = np.load(results / f"scores/{run}/seed-{seed}/alpha/predictions.npz")
    assert found["prediction"].dtype == np.float32 and (set(found["chrom"]) == {"chr6"})
    over_all = frame[frame["distance_bp"].isna()].set_index("metric")["value"]
    if task == "loop":
        expected = multimodal.loop_metrics(found["label"], found["prediction"])
        pairs = pd.read_csv(results / f"samples/{facts['protocol']}/alpha/pairs.tsv", sep="\t")
        pairs = pairs[pairs["role"] == "test"]
        np.testing.assert_array_equal(np.stack([found["x"], found["y"]], axis=1), pairs[["x", "y"]])
        np.testing.assert_array_equal(found["label"], pairs["label"])
    elif task == "map":
        table = multimodal.map_metrics(found["prediction"], found["target"], found["x"], found["y"], 256)
        expected = table[table["distance_bp"].isna()].set_index("metric")["value"].to_dict()
        assert len(frame) > 100 and frame["distance_bp"].max() == 49 * 256
    else:
        tss = np.arange(100) == 25
        expected = multimodal.cage_metrics(found["prediction"], found["target"], tss)
        np.testing.assert_array_equal(found["target"][:, :50], found["target"][:, 50:])
    assert over_all.to_dict() == pytest.approx(expected, rel=1e-6, nan_ok=True)


def test_counts_are_those_of_the_pairs(results):
    pairs = pd.read_csv(results / "samples/corrected/alpha/pairs.tsv", sep="\t")
    counts = pd.read_csv(results / "samples/corrected/alpha/counts.tsv", sep="\t")
    loops = counts[counts["kind"] == "loop"].groupby("label")["after"].sum().to_dict()
    assert loops == {"positive": (pairs["label"] == 1).sum(), "negative": (pairs["label"] == 0).sum()}
    assert (counts["before"] >= counts["after"]).all() and loops["positive"] > 50


def test_a_task_starts_from_its_pre_training(results):
    """What pre-training taught is next to where it was after one epoch of few steps; the head is not."""
    network, frozen = stored.load_mixhic(results / "models/loop-small/seed-1")
    start = weights.read(results / "pretrained/small/seed-1/weights.safetensors")
    for name in ("map_share_proj.weight", "patch_embedding.weight"):
        own = network.state_dict()[name]
        assert 0 < (own - start[name]).norm() < 0.3 * start[name].norm()
    record = yaml.safe_load((results / "models/loop-small/seed-1/artifact.json").read_text())
    assert any("pretrained/small/seed-1" in path for path in record["inputs"])
    # 256-bp bins of the map, 64-bp bins of the tracks.
    assert frozen["arm"]["network"]["track_bins"] == 4


# ---------------------------------------------------------------- tables and figures


def test_tables_hold_the_scores(results):
    frame = pd.read_csv(results.parent / "tables/mixhic2025_table3.tsv", sep="\t")
    ours = frame[(frame["row"] == "MIX-HIC-Bimodal") & (frame["protocol"] == "corrected")].set_index("metric")
    for run, seed in (("loop-small", 1), ("loop-corner", 0)):
        found = scores(results, run, seed).set_index("metric")["value"]
        own = frame[(frame["run"] == run)].set_index("metric")["mean"]
        assert own.to_dict() == pytest.approx(found.to_dict(), rel=1e-6, nan_ok=True), run
    gain = scores(results, "loop-small", 1).set_index("metric")["value"] - found
    assert ours.loc["auroc", "difference"] == pytest.approx(gain["auroc"], abs=1e-6)
    assert ours.loc["auroc", "ci_low"] <= gain["auroc"] <= ours.loc["auroc", "ci_high"]
    compared = pd.read_csv(results.parent / "tables/mixhic2025_comparisons.tsv", sep="\t").set_index("metric")
    assert compared.loc["auroc", ["run", "against"]].to_list() == ["loop-small", "loop-corner"]
    columns = ["n_windows", "difference", "ci_low", "ci_high", "better"]
    pd.testing.assert_frame_equal(compared[columns], ours.loc[compared.index, columns], check_dtype=False)
    for name in ("1", "2", "4", "s2"):
        table = pd.read_csv(results.parent / f"tables/mixhic2025_table{name}.tsv", sep="\t")
        assert {"paper", "corrected"} <= set(table["protocol"])
        assert (results.parent / f"tables/mixhic2025_table{name}.artifact.json").exists()


def test_the_section_holds_tables_and_comparisons(results):
    section = sections.read(results.parents[2] / SECTION)
    assert section.subject == "Tables 2, 3 and 4, comparisons of runs"
    titles = [table.title for table in section.tables]
    assert titles[-1] == "Whether one run beats another: loops, alpha"
    assert any(title.startswith("Table 3: differences from Corner") for title in titles)


def test_loops_of_the_test_chromosome_are_held_against_chia_pet(results):
    folder = results / "loops/loop-corner/seed-0/alpha"
    loops = pd.read_csv(folder / "loops.bedpe", sep="\t")
    assert len(loops) > 0 and set(loops["#chrom1"]) == {"chr6"}
    assert (loops["start2"] - loops["start1"] >= 6 * 256).all() and loops["score"].is_monotonic_decreasing
    table = pd.read_csv(folder / "validation.tsv", sep="\t")
    assert table["loops"].iloc[-1] == len(loops) and table["found"].iloc[-1] > 0
    found = pd.read_csv(results.parent / "tables/mixhic2025_tables2.tsv", sep="\t")
    own = found[found["run"] == "loop-corner"].set_index("metric")["mean"]
    assert own["predicted"] == len(loops)
    assert own["recall"] == pytest.approx(table["recall"].iloc[-1], rel=1e-6)


def test_figures_are_drawn_of_what_there_is(results):
    drawn = {path.name for path in (results / "figures").glob("*.svg")}
    assert drawn == {"figure3.svg", "figures1.svg", "figure6.svg"}
    for name in drawn:
        assert imread(results / "figures" / name.replace("svg", "png"))[..., :3].std() > 0.03
