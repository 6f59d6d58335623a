"""Cross-validation on real yeast: four small chromosomes, three folds of blocks, a network and two rows without one."""

import pandas as pd
import pytest

SIZES = {"chrI": 230_218, "chrIII": 316_620, "chrVI": 270_161, "chrIX": 439_888}
OTHERS = ["II", "IV", "V", "VII", "VIII", "X", "XI", "XII", "XIII", "XIV", "XV", "XVI"]
WINDOW_BP = 32 * 2000
FOLDS = f"""
experiment: folds
genome: {{assembly: sacCer3, exclude: [chrM, {", ".join(f"chr{name}" for name in OTHERS)}]}}
samples: {{G1: {{contacts: yeast_G1_2kb.cool}}}}
geometry: {{bin_bp: 2000, window_bins: 32, stride_bins: {{train: 8, validation: 32, test: 32}}}}
degradations: {{low: {{coarsen: 1, thin: 8, seed: 1}}}}
splits: {{a: {{kind: folds, folds: 3, block_bp: {WINDOW_BP}, gap_bp: 0, seed: 1}}}}
arms:
  identity: {{architecture: identity}}
  gaussian: {{architecture: gaussian, options: {{sigma_bins: 1.5}}}}
  image:
    architecture: vehicle
    options: {{channels: 4, residual_blocks: 1}}
    training: {{epochs: 1, batch_size: 8}}
predict: {{formats: []}}
evaluate:
  samples: [G1]
  scoring: {{max_distance_bins: 16}}
  comparison: {{reference_arms: [identity, gaussian]}}
report: {{gallery_windows: 1}}
"""


@pytest.fixture(scope="module")
def workspace(make_workspace, mirror, tmp_path_factory):
    workspace = make_workspace(tmp_path_factory.mktemp("folds") / "trifold")
    workspace.overlay("folds.yaml", FOLDS)
    workspace.run(configfile="folds.yaml", TRIFOLD_MIRROR=str(mirror))
    return workspace


@pytest.fixture(scope="module")
def results(workspace):
    return workspace.folder / "results" / "folds"


def test_every_window_of_the_genome_is_tested_once_by_every_arm(results):
    windows = pd.read_csv(results / "tables/windows.tsv", sep="\t")
    assert set(windows["fold"]) == {"a-1", "a-2", "a-3"}
    of_arm = windows[(windows["scale"] == "observed") & (windows["arm"] == "image")]
    assert not of_arm.duplicated(["chrom", "start_bp"]).any()
    # All windows side by side but those with too many bad bins.
    whole = {(chrom, start) for chrom, size in SIZES.items() for start in range(0, size - WINDOW_BP + 1, WINDOW_BP)}
    tested = set(zip(of_arm["chrom"], of_arm["start_bp"]))
    assert tested <= whole and len(tested) >= 0.8 * len(whole)
    for arm in ("identity", "gaussian"):
        of_row = windows[(windows["scale"] == "observed") & (windows["arm"] == arm)]
        assert set(zip(of_row["chrom"], of_row["start_bp"])) == tested


def test_each_fold_has_a_model_that_did_not_see_its_test_regions(results):
    for fold in ("a-1", "a-2", "a-3"):
        assert (results / f"models/image/fold-{fold}/seed-1/weights.safetensors").is_file()
        tiles = pd.read_csv(results / f"examples/corrected/low/G1/fold-{fold}/tiles.tsv", sep="\t")
        tested = tiles[tiles["role"] == "test"]
        for test in tested.itertuples():
            seen = tiles[(tiles["role"] != "test") & (tiles["chrom"] == test.chrom)]
            assert not ((seen["start_bp"] < test.end_bp) & (seen["end_bp"] > test.start_bp)).any()


def test_tables_and_comparisons_hold_all_folds_together(results):
    windows = pd.read_csv(results / "tables/windows.tsv", sep="\t")
    mse = (
        windows[windows["scale"] == "observed"]
        .groupby(["arm", "fold", "chrom", "start_bp"])["mse"]
        .mean()
        .unstack("arm")
    )
    scores = pd.read_csv(results / "tables/scores.tsv", sep="\t").query("scale == 'observed' and metric == 'mse'")
    assert scores.set_index("arm")["mean"].to_dict() == pytest.approx(mse.mean().to_dict(), rel=1e-6)
    compared = pd.read_csv(results / "tables/comparisons.tsv", sep="\t").query(
        "scale == 'observed' and metric == 'mse'"
    )
    pair = compared[(compared["arm"] == "gaussian") & (compared["reference_arm"] == "identity")].iloc[0]
    assert (pair["n_windows"], pair["n_stretches"]) == (len(mse), len(mse))
    assert pair["difference"] == pytest.approx((mse["gaussian"] - mse["identity"]).mean(), rel=1e-5)
    # What a filter must do to a map of which seven eighths of the contacts are gone, all of the genome agreeing.
    assert pair["better"] == "arm" and pair["p"] <= pair["p_holm"] < 0.05
    text = (results / "report/index.html").read_text()
    assert f"over {len(mse)} stretches" in text and "Holm" in text


def test_the_configuration_left_behind_plans_the_same(workspace):
    assert workspace.jobs(configfile="results/folds/workflow/config.yaml") == {}
