"""Rows without a model that are hard to beat: fitted, predicted, scored and shown by the workflow itself."""

import cooler
import numpy as np
import pandas as pd
import pytest
import yaml

from trifold.models import tuned

ROWS = """
genome: {tss: simulated/promoters.bed}
samples: {alpha: {loops: simulated/alpha.chiapet.bedpe}}
pairs: {max_loop_bins: 100, band_bins: 200}
arms:
  tuned: {architecture: gaussian-tuned}
  banded: {architecture: gaussian-by-distance}
  grained: {architecture: coarsegrain, options: {cutoff: 3}}
  mean: {architecture: mean-by-distance}
  gc: {architecture: gc}
  loop-distance: {architecture: distance, on_demand: true}
  loop-nearest: {architecture: nearest-loop, on_demand: true}
"""
NAMED = ("--configfile", "smoke.yaml", "rows.yaml")
MAPS = ["tuned", "banded", "grained", "mean", "gc"]


@pytest.fixture(scope="module")
def rows(begun):
    """The smoke experiment with the rows, run as far as its page and the scores of the pairs."""
    workspace = begun("rows")
    workspace.overlay("rows.yaml", ROWS)
    # Nothing that was made is made again: contacts of windows are not asked for by a row that learns nothing.
    fits = {"fit": 3, "predict": 5, "evaluate": 5}
    assert workspace.jobs(*NAMED, configfile=None) == {**fits, "tables": 1, "report": 1, "manifest": 1}
    scores = [
        f"results/smoke/scores/corrected-w50/loop-{name}/fold-a/seed-0/alpha/scores.tsv"
        for name in ("distance", "nearest")
    ]
    workspace.run("results/smoke/report/index.html", *scores, *NAMED, configfile=None)
    return workspace


def test_y4_rows_of_maps_are_scored_beside_all_others(rows):
    results = rows.folder / "results/smoke"
    scores = pd.read_csv(results / "tables/scores.tsv", sep="\t")
    assert set(MAPS) <= set(scores["arm"])
    observed = scores[(scores["scale"] == "observed") & (scores["reference"] == "truth")]
    mse = observed[observed["metric"] == "mse"].set_index("arm")["mean"]
    assert mse["tuned"] < mse["gaussian"] < mse["identity"] and mse["banded"] < mse["identity"]
    # Nothing differs from the mean by distance but by rounding: no correlation on O/E, and a map it is all the same.
    oe = scores[(scores["scale"] == "oe") & (scores["metric"] == "pearson") & (scores["reference"] == "truth")]
    r = oe.set_index("arm")["mean"]
    assert abs(r["mean"]) < 0.05 and r["gc"] > 0.2
    assert mse["mean"] < 1.2 * mse["identity"]
    summary = pd.read_csv(results / "tables/summary.tsv", sep="\t")
    simple = summary[summary["protocol"] == "no model"]
    for _, group in simple[simple["metric"] == "mse"].groupby(["reference", "scale"]):
        assert group.loc[group["strongest"], "mean"].tolist() == [pytest.approx(group["mean"].min(), rel=1e-6)]
    assert "Strongest without a model: " in (results / "tables/summary.md").read_text()
    hardest = set(summary.loc[summary["strongest"] & summary["metric"].isin(["mse", "pearson", "scc_hicrep"]), "arm"])
    compared = pd.read_csv(results / "tables/comparisons.tsv", sep="\t")
    assert hardest <= set(compared["reference_arm"])


def test_y4_what_was_chosen_stands_with_the_model_the_map_and_the_page(rows):
    results = rows.folder / "results/smoke"
    config = yaml.safe_load((results / "models/tuned/fold-a/seed-0/config.yaml").read_text())
    sigma_bins = config["chosen"]["sigma_bins"]
    assert sigma_bins in tuned.SIGMAS_BINS
    facts = cooler.Cooler(str(results / "predictions/tuned/fold-a/seed-0/alpha/map.cool")).info["metadata"]["trifold"]
    assert facts["chosen"] == {"sigma_bins": sigma_bins}
    page = (results / "report/index.html").read_text()
    assert f"tuned, fold a: sigma_bins {sigma_bins:g}" in page and "banded, fold a: sigma_bins" in page


def test_the_mean_by_distance_is_that_of_the_training_regions(rows):
    """Every pixel of a diagonal is what the training chromosomes of the reads held back hold there on the average."""
    results = rows.folder / "results/smoke"
    made = cooler.Cooler(str(results / "predictions/mean/fold-a/seed-0/alpha/map.cool"))
    found = made.matrix(balance=True).fetch("chr6")
    deep = cooler.Cooler(str(results / "held-back/alpha/low/map.cool"))
    trained = [deep.matrix(balance=True).fetch(chrom) for chrom in ("chr1", "chr2", "chr3", "chr4")]
    for distance in (0, 3, 11):
        expected = np.nanmean(np.concatenate([np.diagonal(matrix, distance) for matrix in trained]))
        known = np.diagonal(found, distance)
        np.testing.assert_allclose(known[np.isfinite(known)], expected, rtol=1e-5)
    assert np.isfinite(np.diagonal(found, 3)).mean() > 0.9


def test_y5_rows_of_loops_are_scored_beside_both_kinds_of_negatives(rows):
    folder = rows.folder / "results/smoke/scores/corrected-w50"
    values = {
        name: pd.read_csv(folder / f"loop-{name}/fold-a/seed-0/alpha/scores.tsv", sep="\t").set_index("metric")["value"]
        for name in ("distance", "nearest")
    }
    assert values["distance"]["auroc"] > 0.65 and values["distance"]["f1"] > 0.65
    assert values["distance"]["auroc_matched"] == pytest.approx(0.5, abs=1e-6)
    # Whole chromosomes are held out: where loops of training are listed says nothing.
    assert values["nearest"]["auroc"] == values["nearest"]["auroc_matched"] == 0.5
    table = pd.read_csv(rows.folder / "results/smoke/pairs/corrected-w50/alpha/fold-a/negatives.tsv", sep="\t")
    drawn = table[table["negatives"] == "drawn"]
    assert 0.2 < drawn["beyond"].sum() / drawn["n"].sum() < 0.8
    assert (table.loc[table["negatives"] == "matched", ["beyond", "near"]] == 0).all(axis=None)
