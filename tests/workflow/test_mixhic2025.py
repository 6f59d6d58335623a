"""MIX-HIC: the job graph at the paper's size and with its overlays, and every kind of run at the smallest."""

import math
import re
from functools import cache

import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib.image import imread

from trifold import plan, settings
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
genome: {tss: simulated/promoters.bed}
samples: {alpha: {loops: simulated/alpha.chiapet.bedpe}}
pairs: {max_loop_bins: 100, band_bins: 200, search: {min_bins: 6, p_value: 0.05, fdr: 1}}
shared:
  mixhic: {tracks: [atac, dnase]}
  nearest: {tracks: [atac, dnase]}
  epcot: {tracks: [atac, dnase]}
arms:
  small:
    architecture: mixhic
    task: pretraining
    options: {embed_dim: 4, heads: 2, depth: 1}
    training: {epochs: 1, batch_size: 16}
    fraction: 0.1
    on_demand: true
  loop-small:
    architecture: mixhic
    task: loop
    pretrained: small
    fraction: 0.1
    training: {epochs: 1, learning_rate: 0.001}
    on_demand: true
  map-expected: {architecture: expected, on_demand: true}
  map-epcot:
    architecture: epcot
    task: window
    options:
      {trunk: lstm, channels: [4, 4, 4], hidden_dim: 8, heads: 2, layers: 1, embed_dim: 8, pixel_channels: 4,
       pool_bins: 1}
    training: {epochs: 1, batch_size: 8, accumulate: 1}
    on_demand: true
  cage-nearest: {architecture: nearest, on_demand: true}
  loop-corner: {architecture: corner, on_demand: true}
mixhic2025:
  page: [table2, table3, table4, comparisons]
  tables:
    table2: {EPCOT-LSTM: [map-epcot], Expected: [map-expected]}
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


def of_pairs(repository, experiment: str) -> dict:
    """Arms of an experiment on windows about pairs, resolved."""
    config = settings.complete(yaml.safe_load((repository / experiment).read_text()), repository)
    return {name: arm for name, arm in plan.resolve(config).items() if not plan.task_of(arm).whole_maps}


def taught(arms: dict) -> list[str]:
    """Of these the networks of a task."""
    return [name for name, arm in arms.items() if plan.traits_of(arm).learned and arm.task != "pretraining"]


def rows_of(arms: dict, *fitters: str) -> int:
    """How many rows there are without gradients."""
    return len([arm for arm in arms.values() if plan.traits_of(arm).fitter in fitters])


@pytest.fixture(scope="module")
def arms(repository):
    """The arms of the paper's experiment, resolved."""
    return of_pairs(repository, PAPER)


def test_the_papers_job_graph(dry, arms):
    learned = taught(arms)
    # MIX-HIC's own, and of both cell lines and under both protocols what its maps are compared with.
    assert len(learned) >= 68 + 2 * 2 * 2
    assert dry() == {
        "fetch": 1 + 6 + 6 + 2 * (6 + 6 + 2) + 1,  # genome, maps, loops, BAMs of ATAC, DNase and CAGE, genes
        "encode_sequence": 1,
        "split": 1,
        "prepare_contacts": 6,
        "prepare_track": 6 + 6 + 2,
        "bands": 6,
        "pairs": 6 + 6,  # under both protocols
        "train": 5 + 3 * len(learned),  # pre-trainings; seeds
        # Of both cell lines: means by distance, least squares, and of the loops distances and forests (two protocols
        # each) and places.
        "fit": rows_of(arms, "closed form"),
        "score_pairs": len(plan.scored(arms, [name for name, arm in arms.items() if arm.task != "pretraining"])),
        "mixhic2025": 1,
    }


@pytest.mark.parametrize(("overlay", "samples", "tracks"), [("simulated", 3, 8), ("yeast", 2, 4)])
def test_other_data_and_short_networks(dry, arms, overlay, samples, tracks):
    jobs = dry(overlay)
    paper = dry()
    assert jobs["bands"] == samples and jobs["prepare_track"] == tracks
    # Yeast has one sample for the tasks; then half of the arms, scored once, are left, and all pre-trainings.
    share = 1 if overlay == "simulated" else 2
    assert jobs["train"] - 5 == (paper["train"] - 5) // share
    if overlay == "yeast":
        short, left = dry(overlay, "short"), len(taught(arms)) // 2
        rows = rows_of(arms, "closed form", "none") // 2
        # One seed for three; the six rows without a model have one anyhow.
        assert (jobs["score_pairs"], jobs["train"] - 5) == (3 * left + rows, 3 * left)
        assert short == jobs | {"train": 5 + left, "score_pairs": left + rows}


def test_tables_and_figures_add_searches_alone(dry):
    targets = ("mixhic2025_tables", "mixhic2025_figures")
    # Of the loops of both cell lines: two networks as corrected and as published with every seed, a forest of either,
    # and without a model; three programs, of which two are installed.
    own = {"search_loops": 2 * (2 * (3 + 3) + 2 + 1), "call_loops": 2 * 3, "install_program": 2}
    own |= {"mixhic2025_table": 5, "mixhic2025_draw": 1, "mixhic2025_comparisons": 1}
    own |= dict.fromkeys(targets, 1)
    assert dry(targets=("mixhic2025", *targets)) == dry() | own
    # Three depths, three widths: five more pre-trainings, and twelve arms of three seeds.
    wider = dry("settings", targets=targets)
    assert wider["train"] == dry()["train"] + 5 + 3 * 12


def test_the_demo_leaves_maps_and_cage_to_the_tables(paper, repository):
    of_demo = of_pairs(repository, "experiments/demo.yaml")
    networks, fits = len(taught(of_demo)), rows_of(of_demo, "closed form")
    scores = networks + rows_of(of_demo, "closed form", "none")
    own = ("fit", "score_pairs", "search_loops", "mixhic2025_table", "mixhic2025_draw")
    tables = ("mixhic2025_tables", "mixhic2025_figures")

    def jobs(*targets):
        found = paper.jobs(*targets, configfile=None)
        return found.get("train", 0), tuple(found.get(name, 0) for name in own)

    whole, found = jobs()
    assert found == (3, 4, 0, 1, 0)  # a Gaussian's width is fitted for the page, a forest, and how far loops lie apart
    # Of a task each a row without a model, and the forest.
    assert jobs("mixhic2025") == (1 + networks, (fits, scores, 0, 0, 0))
    # Loops that MIX-HIC's network learns in minutes are searched, and are no row of Table 3.
    assert jobs(*tables) == (1 + networks, (fits, scores - 1, 4, 5, 1))
    # The page's table needs DLoopCaller.
    assert jobs("models") == (whole - 1, (1, 0, 0, 0, 0))


def test_simulated_page_says_which_run_beats_another(paper):
    jobs = paper.jobs("all", configfile="experiments/simulated.yaml")
    assert (jobs["mixhic2025_table"], jobs["mixhic2025_comparisons"]) == (3, 1)


def test_the_papers_settings(repository, arms):
    config = settings.complete(yaml.safe_load((repository / PAPER).read_text()), repository)
    (fold,) = config["splits"].values()
    assert (fold["validation"], fold["test"]) == (["chr10", "chr11"], ["chr3", "chr13", "chr17"])
    before = [arm for arm in arms.values() if arm.task == "pretraining"]
    assert {arm.samples for arm in before} == {("HepG2", "HCT116", "IMR90", "WTC11")} and len(before) == 5
    assert {arm.window_bins for arm in arms.values()} == {50}
    widths = {arm.options["embed_dim"] for arm in arms.values() if "pretrain-256" in (arm.name, arm.pretrained)}
    assert widths == {256} and arms["cage-gm12878"].pretrained == "pretrain-256"
    assert arms["pretrain-published"].protocol == "published"
    assert {arm.fraction for arm in arms.values()} == {0.0001, 0.001, 0.01, 0.1, 1}


# ---------------------------------------------------------------- at the smallest


RUN = ("--configfile", "smoke.yaml", "small.yaml", "--")
RUN += ("mixhic2025", "mixhic2025_tables", "mixhic2025_figures", SECTION)


@pytest.fixture(scope="module")
def small(begun):
    """The workspace of a finished run of the smallest arms."""
    workspace = begun("mixhic2025")
    workspace.overlay("small.yaml", SMALL)
    workspace.run(*RUN, configfile=None)
    return workspace


@pytest.fixture(scope="module")
def results(small):
    return small.folder / "results/smoke"


def scored(results, run: str, seed: int):
    """The folder of an arm's scores."""
    return results / f"scores/corrected-w50/{run}/fold-a/seed-{seed}/alpha"


def scores(results, run: str, seed: int) -> pd.DataFrame:
    return pd.read_csv(scored(results, run, seed) / "scores.tsv", sep="\t")


@pytest.mark.parametrize(
    ("run", "seed", "task", "mode", "pretraining"),
    [
        ("loop-small", 1, "loop", "bimodal", "small"),
        ("map-expected", 0, "window", "expected", None),
        ("map-epcot", 1, "window", "epcot", None),
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
    found = np.load(scored(results, run, seed) / "predictions.npz")
    assert found["prediction"].dtype == np.float32 and (set(found["chrom"]) == {"chr6"})
    over_all = frame[frame["distance_bp"].isna()].set_index("metric")["value"]
    matched = over_all.index.str.endswith("_matched")  # of other negatives, whose predictions are not kept
    assert matched.any() == (task == "loop")
    over_all = over_all[~matched]
    if task == "loop":
        threshold = over_all.pop("threshold_chosen")  # of other pairs, those of chr5
        assert threshold == pytest.approx(found["threshold"].item(), rel=1e-6)
        expected = multimodal.loop_metrics(found["label"], found["prediction"], chosen=found["threshold"].item())
        pairs = pd.read_csv(results / "pairs/corrected-w50/alpha/fold-a/pairs.tsv", sep="\t")
        pairs = pairs[pairs["role"] == "test"]
        np.testing.assert_array_equal(np.stack([found["x"], found["y"]], axis=1), pairs[["x", "y"]])
        np.testing.assert_array_equal(found["label"], pairs["label"])
    elif task == "window":
        table = multimodal.map_metrics(found["prediction"], found["target"], found["x"], found["y"], 256)
        expected = table[table["distance_bp"].isna()].set_index("metric")["value"].to_dict()
        assert len(frame) > 100 and frame["distance_bp"].max() == 49 * 256
    else:
        tss = np.arange(100) == 25
        expected = multimodal.cage_metrics(found["prediction"], found["target"], tss)
        np.testing.assert_array_equal(found["target"][:, :50], found["target"][:, 50:])
    assert over_all.to_dict() == pytest.approx(expected, rel=1e-6, nan_ok=True)


def test_counts_are_those_of_the_pairs(results):
    pairs = pd.read_csv(results / "pairs/corrected-w50/alpha/fold-a/pairs.tsv", sep="\t")
    counts = pd.read_csv(results / "pairs/corrected-w50/alpha/fold-a/counts.tsv", sep="\t")
    loops = counts[counts["kind"] == "loop"].groupby("label")["after"].sum().to_dict()
    assert loops == {"positive": (pairs["label"] == 1).sum(), "negative": (pairs["label"] == 0).sum()}
    assert (counts["before"] >= counts["after"]).all() and loops["positive"] > 50


def test_a_task_starts_from_its_pre_training(results):
    """What pre-training taught is next to where it was after one epoch of few steps; the head is not."""
    network, frozen, statistics = stored.load_arm(results / "models/loop-small/fold-a/seed-1")
    start = weights.read(results / "models/small/fold-a/seed-1/weights.safetensors")
    for name in ("map_share_proj.weight", "patch_embedding.weight"):
        own = network.state_dict()[name]
        assert 0 < (own - start[name]).norm() < 0.3 * start[name].norm()
    record = yaml.safe_load((results / "models/loop-small/fold-a/seed-1/artifact.json").read_text())
    assert any("models/small/fold-a/seed-1" in path for path in record["inputs"])
    # 256-bp bins of the map, 64-bp bins of the tracks.
    assert (statistics["geometry"]["bin_bp"], statistics["track_bp"]) == (256, 64)
    assert frozen["arm"]["task"] == "loop" and network.track_shape == (2 * 50 * 4, 2)


# ---------------------------------------------------------------- tables and figures


def test_tables_hold_the_scores(results):
    frame = pd.read_csv(results / "tables/mixhic2025_table3.tsv", sep="\t")
    ours = frame[(frame["row"] == "MIX-HIC-Bimodal") & (frame["protocol"] == "corrected")].set_index("metric")
    for run, seed in (("loop-small", 1), ("loop-corner", 0)):
        found = scores(results, run, seed).set_index("metric")["value"]
        own = frame[(frame["run"] == run)].set_index("metric")["mean"]
        assert {"auroc", "auprc", "f1", "auroc_matched"} <= set(own.index)
        assert own.to_dict() == pytest.approx(found[own.index].to_dict(), rel=1e-6, nan_ok=True), run
    gain = scores(results, "loop-small", 1).set_index("metric")["value"] - found
    assert ours.loc["auroc", "difference"] == pytest.approx(gain["auroc"], abs=1e-6)
    # Eleven windows' length of genome, all of whose windows overlap: three stretches, which decide nothing.
    assert ours.loc["auroc", ["n_stretches", "better"]].tolist() == [3, "too few"]
    assert math.isnan(ours.loc["auroc", "ci_low"])
    compared = pd.read_csv(results / "tables/mixhic2025_comparisons.tsv", sep="\t").set_index("metric")
    assert compared.loc["auroc", ["run", "against"]].to_list() == ["loop-small", "loop-corner"]
    columns = ["n_windows", "n_stretches", "difference", "ci_low", "ci_high", "p", "better"]
    pd.testing.assert_frame_equal(compared[columns], ours.loc[compared.index, columns], check_dtype=False)
    for name in ("1", "2", "4", "s2"):
        table = pd.read_csv(results / f"tables/mixhic2025_table{name}.tsv", sep="\t")
        assert {"paper", "corrected"} <= set(table["protocol"])
        assert (results / f"tables/mixhic2025_table{name}.artifact.json").exists()


def test_the_section_holds_tables_and_comparisons(results):
    section = sections.read(results.parents[1] / SECTION)
    assert section.subject == "Tables 2, 3 and 4, comparisons of runs"
    titles = [table.title for table in section.tables]
    assert titles[-1] == "Whether one run beats another: loops, alpha"
    assert any(title.startswith("Table 3: differences from Corner") for title in titles)


def test_loops_of_the_test_chromosome_are_held_against_chia_pet(results):
    folder = results / "loops/loop-corner/fold-a/seed-0/alpha"
    loops = pd.read_csv(folder / "loops.bedpe", sep="\t")
    assert len(loops) > 0 and set(loops["#chrom1"]) == {"chr6"}
    assert (loops["start2"] - loops["start1"] >= 6 * 256).all() and loops["score"].is_monotonic_decreasing
    table = pd.read_csv(folder / "validation.tsv", sep="\t")
    assert table["loops"].iloc[-1] == len(loops) and table["found"].iloc[-1] > 0
    found = pd.read_csv(results / "tables/mixhic2025_tables2.tsv", sep="\t")
    own = found[found["run"] == "loop-corner"].set_index("metric")["mean"]
    assert own["predicted"] == len(loops)
    assert own["recall"] == pytest.approx(table["recall"].iloc[-1], rel=1e-6)


def test_figures_are_drawn_of_what_there_is(results):
    drawn = {path.name for path in (results / "mixhic2025/figures").glob("*.svg")}
    assert drawn == {"figure3.svg", "figures1.svg", "figure6.svg"}
    for name in drawn:
        assert imread(results / "mixhic2025/figures" / name.replace("svg", "png"))[..., :3].std() > 0.03


DRAWN = {"mixhic2025_comparisons": 1, "mixhic2025_draw": 1, "mixhic2025_section": 1}
# Both networks of MIX-HIC and EPCOT, which is trained as that is, and the scores of the two that are scored.
NETWORKS = {"train": 3, "score_pairs": 2, "mixhic2025_table": 2, **DRAWN}
EPCOT = {"train": 1, "score_pairs": 1, "mixhic2025_table": 1, "mixhic2025_section": 1}


@pytest.mark.parametrize(
    ("module", "jobs"),
    [
        ("models/mixhic", NETWORKS),
        ("models/epcot", EPCOT),
        ("training/multimodal", NETWORKS),
        # Whatever is learned, scored or searched: Tables 2 to 4 and S2.
        (
            "data/pair_dataset",
            {"train": 3, "fit": 2, "score_pairs": 5, "search_loops": 1, "mixhic2025_table": 4, **DRAWN},
        ),
        ("score_pairs", {"score_pairs": 5, "mixhic2025_table": 3, **DRAWN}),
    ],
)
def test_a_module_re_runs_those_who_reach_it(small, module, jobs):
    """As in test_rerun.py, where no arm reaches these modules; without the targets, which do nothing."""
    path = small.folder / f"trifold/{module}.py"
    text = path.read_text()
    path.write_text(f"{text}\nEDITED = True\n")
    planned = small.jobs(*RUN, configfile=None)
    path.write_text(text)
    assert {rule: count for rule, count in planned.items() if rule not in RUN} == jobs
