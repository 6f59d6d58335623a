"""Ceilings: the formulas against maps whose noise-free map and replicates are known, and against real maps."""

import numpy as np
import pandas as pd
import pytest
import yaml

from benchmarks import replicates
from trifold import ceiling
from trifold.config import CEILINGS, Ceiling, Degradation, Geometry, ObservedRecipe, OERecipe, Scoring
from trifold.data import contacts, splits
from trifold.data.balance import balance
from trifold.data.degrade import degrade, hold_back
from trifold.evaluate import COLUMNS, Scaling, score_maps
from trifold.genome import Region
from trifold.io.cool import chromsizes, open_map, write_cool

BIN_BP, N, SIZE = 1_000, 640, 64
REGIONS = [Region("chr1", 0, N * BIN_BP)]
GEOMETRY = Geometry(BIN_BP, SIZE, {}, 0.25, 0)
SCORING = Scoring(min_diagonal=2, max_distance_bins=40, edge_bins=0, scc_h=1, scc_max_bp=None)
OE = OERecipe("akita", 2, 8, 2.0, 0.8, "local")
OBSERVED = ObservedRecipe("global", 2, 8)
METRICS = ["mae", "mse", "pearson", "spearman", "scc_hicrep"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """deep.cool and again.cool, two experiments on one genome, and truth.cool, what both draw from; all balanced."""
    folder = tmp_path_factory.mktemp("ceiling")
    rng = np.random.default_rng(2)
    i, j = np.triu_indices(N)
    near = j - i < SIZE
    i, j = i[near], j[near]
    # Domains of some 20 bins on a decay with distance, and speckle that no half shares by chance.
    domain = np.cumsum(rng.random(N) < 0.05)
    expected = 200 / (1 + j - i) * np.where(domain[i] == domain[j], 2.0, 1.0) * rng.lognormal(0, 0.3, len(i))
    for name, counts in (
        ("deep", rng.poisson(expected)),
        ("again", rng.poisson(expected)),
        ("truth", expected),
    ):
        kept = counts > 0
        pixels = {"bin1_id": i[kept], "bin2_id": j[kept], "count": counts[kept]}
        write_cool(folder / f"{name}.cool", {"chr1": N * BIN_BP}, BIN_BP, [pixels])
        balance(folder / f"{name}.cool", {"mad_max": 0})
    return folder


@pytest.fixture(scope="module")
def scaling():
    return Scaling(OE, OBSERVED, {"observed": {"floor": 1e-5, "ceiling": 5e-2}})


@pytest.fixture(scope="module")
def measured(folder, scaling):
    """Means of what another experiment, and the truth, score against the deep map."""
    rows = {}
    for row, name in zip(CEILINGS, ("again", "truth")):
        tables = score_maps(
            prediction=folder / f"{name}.cool",
            deep=folder / "deep.cool",
            low=folder / "deep.cool",
            truth=None,
            with_n=None,
            regions=REGIONS,
            statistics=scaling.statistics,
            geometry=GEOMETRY,
            oe_recipe=OE,
            observed_recipe=OBSERVED,
            scoring=SCORING,
        )
        rows[row] = tables
    return rows


def halves(path, scaling, regions=REGIONS, geometry=GEOMETRY, scoring=SCORING, low=None, n_splits=5, seed=1):
    return ceiling.score_halves(
        deep=path,
        low=low or path,
        with_n=None,
        regions=regions,
        scaling=scaling,
        geometry=geometry,
        scoring=scoring,
        ceiling=Ceiling(n_splits, seed),
    )


@pytest.fixture(scope="module")
def computed(folder, scaling):
    return halves(folder / "deep.cool", scaling)


@pytest.mark.parametrize("row", CEILINGS)
def test_y3_halves_tell_what_a_replicate_and_the_truth_score(computed, measured, row):
    """On the balanced scale within the noise of ten windows, and of differences within three percent."""
    windows, known = computed["windows"], measured[row]["windows"]
    mine = windows[(windows["arm"] == row) & (windows["scale"] == "balanced")][METRICS].mean()
    theirs = known[known["scale"] == "balanced"][METRICS].mean()
    assert mine["mse"] == pytest.approx(theirs["mse"], rel=0.03)
    assert mine["mae"] == pytest.approx(theirs["mae"], rel=0.03)
    for metric in ("pearson", "spearman", "scc_hicrep"):
        assert theirs[metric] < 0.99
        assert mine[metric] == pytest.approx(theirs[metric], abs=0.015), metric


@pytest.mark.parametrize(("scale", "of_mse", "of_r"), [("observed", 0.35, 0.03), ("oe", 0.12, 0.012)])
@pytest.mark.parametrize("row", CEILINGS)
def test_y3_on_logarithmic_scales_they_come_near(computed, measured, row, scale, of_mse, of_r):
    windows, known = computed["windows"], measured[row]["windows"]
    mine = windows[(windows["arm"] == row) & (windows["scale"] == scale)][["mse", "pearson"]].mean()
    theirs = known[known["scale"] == scale][["mse", "pearson"]].mean()
    assert mine["mse"] == pytest.approx(theirs["mse"], rel=of_mse)
    assert mine["pearson"] == pytest.approx(theirs["pearson"], abs=of_r)


def test_y3_distances_have_ceilings_too(computed, measured):
    for row in CEILINGS:
        curves = []
        for table in (computed["distance"].query("arm == @row"), measured[row]["distance"]):
            curves.append(table[table["scale"] == "balanced"].groupby("distance_bp")[["mse", "pearson"]].mean())
        mine, theirs = curves
        assert mine.index.equals(theirs.index) and len(mine) == 39
        np.testing.assert_allclose(mine["mse"] / theirs["mse"], 1, atol=0.3)
        assert np.abs(mine["pearson"] - theirs["pearson"]).mean() < 0.03


def test_y3_tables_are_those_of_an_evaluation(computed):
    for name, table in computed.items():
        assert set(table.columns) == {*COLUMNS[name][5:], "arm", "seed"}
        assert set(table["arm"]) == set(CEILINGS) and sorted(set(table["seed"])) == [1, 2, 3, 4, 5]
    spread = computed["windows"].query("scale == 'balanced'").groupby(["arm", "seed"])["pearson"].mean()
    assert (spread.groupby("arm").std() > 0).all()


def test_y3_the_seed_decides(folder, scaling, computed):
    again = halves(folder / "deep.cool", scaling, n_splits=1)
    first = computed["windows"][computed["windows"]["seed"] == 1].reset_index(drop=True)
    pd.testing.assert_frame_equal(again["windows"], first)
    other = halves(folder / "deep.cool", scaling, n_splits=1, seed=2)
    assert (other["windows"]["mse"] != first["mse"]).all()


def test_y3_steps_are_those_of_spearman_and_brown():
    half = np.array([-0.5, 0.0, 0.5, 1.0, np.nan])
    np.testing.assert_allclose(ceiling.reliability(half), [0, 0, 2 / 3, 1, np.nan])
    np.testing.assert_allclose(ceiling.accuracy(half), [0, 0, np.sqrt(2 / 3), 1, np.nan])


def test_y3_two_libraries_measure_what_their_halves_say(mirror, tmp_path):
    """GM12878, two libraries of one experiment: on the balanced scale nothing but counting tells them apart."""
    table = replicates.compare(mirror, tmp_path).loc["balanced"]
    assert table.loc["scc_hicrep", "measured"] == pytest.approx(0.904, abs=0.002)
    for metric, apart in (("pearson", 0.01), ("spearman", 0.02), ("scc_hicrep", 0.02)):
        assert table.loc[metric, "measured"] == pytest.approx(table.loc[metric, "expected"], abs=apart)


@pytest.mark.parametrize(
    "experiment, sample, half, replicate, sd",
    [("fly", "S2", 0.942, 0.967, 0.004), ("yeast", "G1", 0.479, 0.601, 0.012)],
)
def test_y3_ceilings_of_real_maps(mirror, repository, tmp_path, monkeypatch, experiment, sample, half, replicate, sd):
    """SCC of half against half, and stepped up, on the test windows of the experiment."""
    config = yaml.safe_load((repository / f"experiments/{experiment}.yaml").read_text())
    bin_bp, path = config["geometry"]["bin_bp"], tmp_path / "deep.cool"
    contacts.prepare(mirror / config["samples"][sample]["contacts"], path, bin_bp)
    regions = splits.make(config["splits"]["a"], chromsizes(open_map(path)), 64 * bin_bp).query("role == 'test'")
    test = [Region(*row) for row in regions[["chrom", "start_bp", "end_bp"]].itertuples(index=False)]
    geometry, scoring = Geometry(bin_bp, 64, {}, 0.25, 0), Scoring(2, 44, 6, 1, None)
    scaling = Scaling(OE, OBSERVED, {"observed": {"floor": 1e-5, "ceiling": 0.1}})

    def mean(row: str) -> float:
        windows = halves(path, scaling, test, geometry, scoring)["windows"]
        return windows[(windows["arm"] == row) & (windows["scale"] == "balanced")]["scc_hicrep"].mean()

    assert mean("replicate") == pytest.approx(replicate, abs=sd)
    # Stepped up diagonal by diagonal: by a concave function, so no higher than their mean stepped up.
    assert half < replicate < ceiling.reliability(np.array(half))
    # Not stepped up.
    monkeypatch.setitem(ceiling.STEPS, "replicate", (lambda r: r, 1, 1))
    assert mean("replicate") == pytest.approx(half, abs=sd)
    # As two maps of half the reads score, each thinned and balanced as any low map is.
    drawn = Degradation(thin=2, seed=3)
    degrade(path, tmp_path / "one.cool", drawn)
    hold_back(path, tmp_path / "two.cool", drawn)
    scored = score_maps(
        prediction=tmp_path / "one.cool",
        deep=tmp_path / "two.cool",
        low=path,
        truth=None,
        with_n=None,
        regions=test,
        statistics=scaling.statistics,
        geometry=geometry,
        oe_recipe=OE,
        observed_recipe=OBSERVED,
        scoring=scoring,
    )["windows"]
    assert scored[scored["scale"] == "balanced"]["scc_hicrep"].mean() == pytest.approx(half, abs=2 * sd)
