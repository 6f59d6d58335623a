import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from small import OE

from trifold.api import score
from trifold.config import Geometry, ObservedRecipe, OERecipe, Scoring
from trifold.data import contacts, normalise
from trifold.errors import InputError
from trifold.evaluate import COLUMNS, LABELS, evaluate
from trifold.io.cool import Band, write_cool
from trifold.metrics import pixels, scc

BIN_BP, SIZE = 1000, 16
CHROMSIZES = {"chr1": 70_000, "chr2": 99_500}
# chr2 has 100 bins, the last one short; the region holds bins 3 … 92, that is five windows from bin 3.
REGIONS = "chr1\t0\t70000\ttrain\nchr2\t2500\t93200\ttest\n"
GEOMETRY = Geometry(BIN_BP, SIZE, {"train": 4, "validation": 8, "test": 16}, max_bad_bins=0.25, max_n_bins=0)
OBSERVED = ObservedRecipe("window", cutoff=2, max_levels=8)
SCORING = Scoring(min_diagonal=2, max_distance_bins=None, scc_h=1, scc_max_bp=None, edge_bins=0)
STATISTICS = {"observed": {"floor": 1e-4, "ceiling": 0.2}, "expected": [0.1] * SIZE}
N_BINS = {"chr1": 70, "chr2": 100}
LABEL_VALUES = {"degradation": "low", "arm": "image", "fold": "a", "seed": "1", "sample": "alpha"}


def write_map(path: Path, maps: dict[str, np.ndarray], bad: dict[str, list[int]], bin_bp=BIN_BP, metadata=None) -> Path:
    """A cooler of upper triangular maps whose weight is 0.1, NaN on bad bins."""
    offset, chunks, weights = 0, [], []
    for chrom, values in maps.items():
        row, column = np.nonzero(np.triu(values))
        chunks.append({"bin1_id": row + offset, "bin2_id": column + offset, "count": values[row, column]})
        weight = np.full(len(values), 0.1)
        weight[bad.get(chrom, [])] = np.nan
        weights.append(weight)
        offset += len(values)
    write_cool(path, CHROMSIZES, bin_bp, chunks, weight=np.concatenate(weights), metadata=metadata)
    return path


@pytest.fixture
def maps():
    """Expected contacts, and Poisson draws of them."""
    rng = np.random.default_rng(11)
    smooth = {}
    for chrom, n in N_BINS.items():
        distance = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
        smooth[chrom] = np.triu(60 / (1 + distance) * rng.uniform(0.5, 1.5, size=(n, n)))
    return smooth, {chrom: rng.poisson(values) for chrom, values in smooth.items()}


@pytest.fixture
def inputs(tmp_path, maps):
    """Everything `evaluate` is given but the folder it writes to."""
    smooth, drawn = maps
    halves = {chrom: np.ones((-(-n // 2),) * 2) for chrom, n in N_BINS.items()}
    (tmp_path / "regions.bed").write_text(REGIONS)
    (tmp_path / "statistics.json").write_text(json.dumps(STATISTICS))
    rng = np.random.default_rng(5)
    noisy = {chrom: values * rng.uniform(0.7, 1.3, values.shape) for chrom, values in drawn.items()}
    return {
        "prediction": write_map(tmp_path / "prediction.cool", noisy, {"chr2": [40]}),
        "deep": write_map(tmp_path / "deep.cool", drawn, {"chr2": [8]}),
        # Bins 12 and 13 of the deep map.
        "low": write_map(tmp_path / "low.cool", halves, {"chr2": [6]}, bin_bp=2 * BIN_BP),
        "truth": write_map(tmp_path / "truth.cool", smooth, {}),
        "with_n": None,
        "regions": tmp_path / "regions.bed",
        "statistics": tmp_path / "statistics.json",
        "geometry": GEOMETRY,
        "oe_recipe": OE,
        "observed_recipe": OBSERVED,
        "scoring": SCORING,
        "labels": LABEL_VALUES,
    }


def tables_of(inputs: dict, out: Path) -> dict[str, pd.DataFrame]:
    out.mkdir()
    evaluate(out, **inputs)
    return {name: pd.read_csv(out / f"{name}.tsv", sep="\t") for name in COLUMNS}


def dense(path: Path) -> np.ndarray:
    """The balanced map of chr2 up to the window's diagonals, upper triangle, NaN on bad bins."""
    balanced = Band.read(path, "chr2", SIZE).balanced
    full = np.full((100, 100), np.nan)
    for d in range(SIZE):
        full[np.arange(100 - d), np.arange(d, 100)] = balanced[: 100 - d, d]
    return full


@pytest.fixture
def scored():
    """Pixels of chr2 to score whatever the window: diagonals 2 … 15 of bins that are good in every map."""
    good = ~np.isin(np.arange(100), [8, 12, 13, 40])
    distance = np.subtract.outer(np.arange(100), np.arange(100)).T
    return good[:, None] & good & (distance >= 2) & (distance < SIZE)


def blocks(full: np.ndarray) -> np.ndarray:
    """The five windows of the test region."""
    return np.stack([full[start : start + SIZE, start : start + SIZE] for start in range(3, 83, SIZE)])


def test_tables_have_their_columns_and_windows(inputs, tmp_path):
    tables = tables_of(inputs, tmp_path / "out")
    for name, table in tables.items():
        assert list(table) == COLUMNS[name]
        assert {name: str(table[name].unique().item()) for name in LABELS} == LABEL_VALUES
        assert set(zip(table["reference"], table["scale"])) == {
            (reference, scale) for reference in ("deep", "truth") for scale in ("balanced", "observed", "oe")
        }
    for _, rows in tables["windows"].groupby(["reference", "scale"]):
        assert rows["start_bp"].tolist() == [3000, 19000, 35000, 51000, 67000]
        assert rows["end_bp"].tolist() == [19000, 35000, 51000, 67000, 83000]
    assert set(tables["windows"]["chrom"]) == {"chr2"}
    assert tables["regions"][["start_bp", "end_bp"]].drop_duplicates().values.tolist() == [[2500, 93200]]
    is_oe = tables["windows"]["scale"] == "oe"
    forms = ["scc_hicrep", "scc_hicreppy", "scc_kriukov2021"]
    assert tables["windows"].loc[is_oe, forms].isna().all(axis=None)
    assert tables["windows"].loc[~is_oe, forms].notna().all(axis=None)
    assert tables["regions"].loc[tables["regions"]["scale"] == "balanced", forms].notna().all(axis=None)
    assert tables["regions"].loc[tables["regions"]["scale"] != "balanced", forms].isna().all(axis=None)


@pytest.mark.parametrize("reference", ["deep", "truth"])
def test_balanced_scores_are_those_of_the_pixels_named(inputs, tmp_path, scored, reference):
    tables = {
        name: table[(table["reference"] == reference) & (table["scale"] == "balanced")]
        for name, table in tables_of(inputs, tmp_path / "out").items()
    }
    predicted, target = dense(inputs["prediction"]), dense(inputs[reference])
    windows = list(zip(blocks(predicted), blocks(target), blocks(scored)))
    region = [tuple(each[3:93, 3:93] for each in (predicted, target, scored))]
    for table, parts in ((tables["windows"], windows), (tables["regions"], region)):
        assert len(table) == len(parts)
        for row, (first, second, mask) in zip(table.itertuples(), parts):
            x, y = first[mask], second[mask]
            assert row.n_pixels == len(x)
            assert row.mae == pytest.approx(np.abs(x - y).mean(), rel=1e-7)
            assert row.mse == pytest.approx(((x - y) ** 2).mean(), rel=1e-7)
            assert row.pearson == pytest.approx(stats.pearsonr(x, y).statistic, rel=1e-7)
            assert row.spearman == pytest.approx(stats.spearmanr(x, y).statistic, rel=1e-7)
            pair = [np.where(mask, each, 0)[None] for each in (first, second)]
            assert row.scc_hicrep == pytest.approx(scc.hicrep(*pair, 1, SIZE).item(), rel=1e-7)
            assert row.scc_kriukov2021 == pytest.approx(by_strata(first, second, mask), rel=1e-7)
    for row in tables["distance"].itertuples():
        picked = [np.diagonal(each, row.distance_bp // BIN_BP, 1, 2).ravel() for each in map(np.stack, zip(*windows))]
        x, y = (each[picked[2]] for each in picked[:2])
        assert row.n_pixels == len(x)
        assert row.mse == pytest.approx(((x - y) ** 2).mean(), rel=1e-7)
        if len(x) > 2:
            assert row.pearson == pytest.approx(stats.pearsonr(x, y).statistic, rel=1e-7)
    assert tables["distance"]["distance_bp"].tolist() == [d * BIN_BP for d in range(2, SIZE)]


def by_strata(first: np.ndarray, second: np.ndarray, mask: np.ndarray) -> float:
    """SCC without a filter, weights (n² - 1) / (12 n³), of the diagonals that are scored."""
    first, second = (np.where(mask, values, 0) for values in (first, second))
    scores, weights = [], []
    for d in range(2, SIZE - (len(first) == SIZE)):  # the last diagonal of a window is one pixel
        n = len(first) - d
        scores.append(stats.pearsonr(np.diagonal(first, d), np.diagonal(second, d)).statistic)
        weights.append((n**2 - 1) / (12 * n**3))
    return np.average(scores, weights=weights)


def on_scale(scale: str, balanced: np.ndarray, missing: np.ndarray, counts: np.ndarray, recipe=OE) -> np.ndarray:
    """Windows as the data steps make them, where the pixels `missing` have no value."""
    balanced = np.where(missing, np.nan, balanced)
    if scale == "oe":
        return normalise.oe(balanced, counts, recipe, np.full(SIZE, 0.1))
    recipe = ObservedRecipe("global", OBSERVED.cutoff, OBSERVED.max_levels)
    return normalise.observed(balanced, counts, recipe, STATISTICS["observed"])[0]


def square(upper: np.ndarray) -> np.ndarray:
    """Upper triangular windows, symmetric."""
    return np.where(np.tri(SIZE, k=-1, dtype=bool), upper.swapaxes(1, 2), upper)


@pytest.mark.parametrize("last", [SIZE - 1, 9])
@pytest.mark.parametrize("scale", ["observed", "oe"])
def test_y1_both_maps_come_to_logarithmic_scales_alike(inputs, tmp_path, scored, scale, last):
    """Coarse-grained by the deep map's contacts, without the bins that either map lacks, nor what is farther than the
    last diagonal scored."""
    inputs["scoring"] = Scoring(2, last, edge_bins=0, scc_h=1, scc_max_bp=None)
    tables = tables_of(inputs, tmp_path / "out")
    counts, _ = Band.read(inputs["deep"], "chr2", SIZE).windows(np.arange(3, 83, SIZE), SIZE)
    far = np.abs(np.subtract.outer(np.arange(SIZE), np.arange(SIZE))) > last
    mask = blocks(scored) & ~far
    maps = {name: square(blocks(dense(inputs[name]))) for name in ("prediction", "deep", "truth")}
    for reference in ("deep", "truth"):
        missing = np.isnan(maps["prediction"]) | np.isnan(maps[reference]) | far
        predicted, target = (on_scale(scale, maps[name], missing, counts) for name in ("prediction", reference))
        windows, regions, distance = (
            table[(table["reference"] == reference) & (table["scale"] == scale)] for table in tables.values()
        )
        for row, x, y, keep in zip(windows.itertuples(), predicted, target, mask):
            assert row.n_pixels == keep.sum()
            assert row.mse == pytest.approx(((x - y)[keep].astype(float) ** 2).mean(), rel=1e-6)
            assert row.pearson == pytest.approx(stats.pearsonr(x[keep], y[keep]).statistic, rel=1e-6)
        assert regions["mae"].item() == pytest.approx(np.abs(predicted - target)[mask].mean(dtype=float), rel=1e-6)
        assert distance["n_pixels"].sum() == mask.sum()
        if scale == "observed":
            pair = [np.where(mask, each, 0) for each in (predicted, target)]
            np.testing.assert_allclose(windows["scc_hicrep"], scc.hicrep(*pair, 1, last + 1), rtol=1e-7)


def test_a_window_of_the_reference_without_a_contact_has_no_oe_to_be_held_against(inputs, tmp_path, maps):
    smooth, _ = maps
    smooth["chr2"][3:19, 3:19] = 0
    inputs["truth"] = write_map(tmp_path / "truth.cool", smooth, {})
    windows = tables_of(inputs, tmp_path / "out")["windows"].set_index(["reference", "scale", "start_bp"])["mse"]
    for reference in ("deep", "truth"):
        missing = windows[reference, "oe"].isna()
        assert missing[missing].index.tolist() == ([3000] if reference == "truth" else [])
        assert windows[reference, "balanced"].notna().all() and windows[reference, "observed"].notna().all()


PERFECT = {"mae": 0, "mse": 0, "pearson": 1, "spearman": 1, "scc_hicrep": 1, "scc_hicreppy": 1, "scc_kriukov2021": 1}


def assert_perfect(tables: dict[str, pd.DataFrame], scales: set[str]) -> None:
    """Every number of every table is what a map has against itself, and every scale has each metric."""
    for name, table in tables.items():
        assert set(table["scale"]) == scales
        for metric, value in PERFECT.items():
            if metric not in table:
                continue
            of_scale = table.groupby("scale")[metric]
            # A correlation of two pixels at the far end of the windows is none.
            known = of_scale.apply(lambda values: values.notna().any())
            of_scc = metric.startswith("scc")
            assert known.drop("oe" if of_scc else []).all() or (name == "regions" and of_scc)
            np.testing.assert_allclose(table[metric].dropna(), value, rtol=0, atol=1e-9, err_msg=f"{name} {metric}")


@pytest.mark.parametrize("last", [None, 9])
@pytest.mark.parametrize("recipe", [OE, OERecipe("kriukov2021", 2, 8, 2.0, 0.8, "global")])
def test_y1_a_map_against_itself_is_perfect_on_every_scale(inputs, tmp_path, recipe, last):
    inputs |= {"prediction": inputs["deep"], "truth": inputs["deep"], "oe_recipe": recipe}
    inputs["scoring"] = Scoring(2, last, edge_bins=3, scc_h=1, scc_max_bp=None)
    tables = tables_of(inputs, tmp_path / "deep")
    assert_perfect(tables, {"balanced", "observed", "oe"})
    assert set(tables["windows"]["reference"]) == {"deep", "truth"}


@pytest.mark.parametrize(
    "file, chromosomes", [("fly_S2_chr2L_10kb.cool", None), ("yeast_G1_2kb.cool", ["chrIV", "chrXV"])]
)
def test_y1_a_real_map_against_itself_is_perfect_on_every_scale(mirror, file, chromosomes):
    assert_perfect(score(mirror / file, mirror / file, chromosomes=chromosomes), {"balanced", "observed", "oe"})


@pytest.mark.parametrize(
    "file, chrom, bin_bp, least",
    [("fly_S2_chr2L_10kb.cool", "chr2L", 10_000, 0.99), ("yeast_G1_2kb.cool", "chrIV", 2_000, 0.95)],
)
def test_y1_an_arm_that_predicts_oe_itself_is_scored_for_what_it_knows(mirror, tmp_path, file, chrom, bin_bp, least):
    """The training target as a map (its O/E times the expected) comes back nearly whole; the expected alone, or
    contacts drawn from it, tell nothing: what the deep map's contacts pool in them does not look like the target."""
    contacts.prepare(mirror / file, tmp_path / "deep.cool", bin_bp)
    band, size = Band.read(tmp_path / "deep.cool", chrom, 64), 64
    counts, balanced = band.windows(np.arange(0, len(band.weight) - size, size), size)
    kept = np.isnan(balanced).mean(axis=(1, 2)) < 0.3
    counts, balanced = counts[kept], balanced[kept]
    distance = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
    expected = np.array([np.nanmean(balanced[:, distance == d]) for d in range(size)])[distance]
    recipe = OERecipe("akita", 2, 8, 2.0, 0.8, "local")
    known = np.isfinite(balanced)

    def r(prediction: np.ndarray) -> float:
        made = (normalise.oe(np.where(known, values, np.nan), counts, recipe) for values in (prediction, balanced))
        return np.nanmean(pixels.pearson(*made, known & pixels.upper_triangle(size, 2, 44)))

    assert r(np.exp(normalise.oe(balanced, counts, recipe)) * expected) > least
    weight = np.nanmean(band.weight)
    drawn = np.random.default_rng(1).poisson(expected / weight**2, balanced.shape) * weight**2
    assert abs(r(np.broadcast_to(expected, balanced.shape))) < 0.1
    assert abs(r(drawn.astype(float))) < 0.1


def test_the_deep_map_and_the_truth_score_as_perfect(inputs, tmp_path):
    inputs |= {"prediction": inputs["deep"], "scoring": Scoring(2, None, edge_bins=0, scc_h=0, scc_max_bp=12 * BIN_BP)}
    windows = tables_of(inputs, tmp_path / "deep")["windows"]
    own = windows[(windows["reference"] == "deep") & (windows["scale"] == "balanced")]
    assert (own["mse"] == 0).all()
    np.testing.assert_allclose(own[["pearson", "spearman", "scc_hicrep"]], 1)
    inputs["prediction"] = inputs["truth"]
    windows = tables_of(inputs, tmp_path / "truth")["windows"]
    assert (windows.loc[windows["reference"] == "truth", "mse"] == 0).all()


def test_the_global_expected_is_that_of_the_training_regions(inputs, tmp_path):
    inputs["oe_recipe"] = OERecipe("kriukov2021", 2, 8, 2.0, 0.8, "global")
    windows = tables_of(inputs, tmp_path / "out")["windows"]
    counts, balanced = Band.read(inputs["deep"], "chr2", SIZE).windows(np.arange(3, 83, SIZE), SIZE)
    predicted = Band.read(inputs["prediction"], "chr2", SIZE).windows(np.arange(3, 83, SIZE), SIZE)[1]
    missing = np.isnan(predicted) | np.isnan(balanced)
    made, target = (on_scale("oe", values, missing, counts, inputs["oe_recipe"]) for values in (predicted, balanced))
    assert np.abs(target).mean() > 0.5  # an expected that is not the map's own
    row = windows[(windows["scale"] == "oe") & (windows["reference"] == "deep")].iloc[1]
    mask = np.triu(np.ones((SIZE, SIZE), dtype=bool), 2) & ~missing[1]
    assert row["mse"] == pytest.approx(((made - target)[1][mask].astype(float) ** 2).mean(), rel=1e-6)


@pytest.mark.parametrize("by", ["scoring", "prediction"])
def test_distances_end_where_asked_or_predicted(inputs, tmp_path, maps, by):
    if by == "scoring":
        inputs["scoring"] = Scoring(3, 9, edge_bins=0, scc_h=1, scc_max_bp=None)
    else:
        metadata = {"trifold": {"max_distance_bins": 9}}
        inputs["prediction"] = write_map(tmp_path / "narrow.cool", maps[1], {}, metadata=metadata)
        inputs["scoring"] = Scoring(3, None, edge_bins=0, scc_h=1, scc_max_bp=None)
    tables = tables_of(inputs, tmp_path / "out")
    for _, rows in tables["distance"].groupby(["reference", "scale"]):
        assert rows["distance_bp"].tolist() == [d * BIN_BP for d in range(3, 10)]
    # The last window has no bad bin.
    full = sum(SIZE - d for d in range(3, 10))
    assert set(tables["windows"].loc[tables["windows"]["start_bp"] == 67000, "n_pixels"]) == {full}


def test_windows_with_too_many_bad_bins_are_left_out(inputs, tmp_path, maps):
    inputs["deep"] = write_map(tmp_path / "gaps.cool", maps[1], {"chr2": [19, 20, 21, 22, 35, 36, 37, 38, 39]})
    windows = tables_of(inputs, tmp_path / "out")["windows"]
    assert sorted(windows["start_bp"].unique()) == [3000, 19000, 51000, 67000]


def test_without_a_truth_there_is_one_reference(inputs, tmp_path):
    inputs["truth"] = None
    tables = tables_of(inputs, tmp_path / "out")
    assert all(set(table["reference"]) == {"deep"} for table in tables.values())


def test_files_are_the_same_bytes_again(inputs, tmp_path):
    for name in ("once", "again"):
        tables_of(inputs, tmp_path / name)
    for table in COLUMNS:
        once, again = ((tmp_path / name / f"{table}.tsv").read_bytes() for name in ("once", "again"))
        assert once == again
    first = (tmp_path / "once/windows.tsv").read_text().splitlines()[1].split("\t")
    assert first[:10] == ["low", "image", "a", "1", "alpha", "deep", "balanced", "chr2", "3000", "19000"]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"regions": "chr1\t0\t70000\ttrain\n"}, "regions.bed: role: no region has the role test"),
        ({"regions": "chr2\t0\t15900\ttest\n"}, "regions.bed: role test: no window of 16 bins"),
        ({"scoring": Scoring(5, 4, edge_bins=0, scc_h=1, scc_max_bp=None)}, "evaluate/scoring/min_diagonal: 5"),
    ],
)
def test_what_cannot_be_scored_is_named(inputs, tmp_path, change, message):
    if "regions" in change:
        inputs["regions"].write_text(change["regions"])
    else:
        inputs |= change
    with pytest.raises(InputError, match=message):
        tables_of(inputs, tmp_path / "out")


def test_maps_that_do_not_fit_are_named(inputs, tmp_path, maps):
    fourths = {chrom: np.ones((-(-n // 4),) * 2) for chrom, n in N_BINS.items()}
    inputs["low"] = write_map(tmp_path / "coarse.cool", fourths, {}, bin_bp=4 * BIN_BP)
    tables_of(inputs, tmp_path / "out")
    thirds = {chrom: np.ones((-(-size_bp // 1500),) * 2) for chrom, size_bp in CHROMSIZES.items()}
    inputs["low"] = write_map(tmp_path / "odd.cool", thirds, {}, bin_bp=1500)
    with pytest.raises(InputError, match=r"odd.cool: 67 bins of 1500 bp on chr2"):
        tables_of(inputs, tmp_path / "refused")


def test_bins_with_an_n_and_the_ends_of_a_chromosome_are_scored_for_no_arm(inputs, tmp_path):
    """The pixels left are those of the bins left, counted by hand."""
    from trifold.evaluate import scored_bins

    holds_n = np.zeros(40, dtype=bool)
    holds_n[[7, 20]] = True
    np.savez(tmp_path / "n_bins.npz", chrX=holds_n)
    found = np.flatnonzero(~scored_bins(40, tmp_path / "n_bins.npz", "chrX", 3))
    assert found.tolist() == [0, 1, 2, 7, 20, 37, 38, 39]
    whole = tables_of(inputs, tmp_path / "whole")["windows"]
    narrower = inputs | {"scoring": Scoring(2, None, edge_bins=4, scc_h=1, scc_max_bp=None)}
    edged = tables_of(narrower, tmp_path / "edged")["windows"]
    assert edged["n_pixels"].sum() < whole["n_pixels"].sum()


def test_d14_without_a_pixel_to_score_nothing_is_scored(inputs, tmp_path, maps):
    """A prediction that has no bin in the test region: no table of NaN."""
    absent = write_map(tmp_path / "absent.cool", maps[1], {"chr2": list(range(100))})
    with pytest.raises(InputError, match=r"absent\.cool: no pixel to score"):
        tables_of({**inputs, "prediction": absent}, tmp_path / "out")
