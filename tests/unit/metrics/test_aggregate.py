import numpy as np
import pandas as pd
import pytest
from scipy import stats

from trifold.errors import InputError
from trifold.metrics import aggregate

VIEW = {"degradation": "low", "sample": "alpha", "reference": "deep", "scale": "observed"}


def windows_of(arm: str, seed: int, mse: list[float], pearson: list[float] | None = None) -> pd.DataFrame:
    start_bp = np.arange(len(mse)) * 1000
    place = {"fold": "a", "chrom": "chr1", "start_bp": start_bp, "end_bp": start_bp + 1000}
    scores = {"mse": mse, "pearson": np.nan if pearson is None else pearson, "scc_hicrep": np.nan}
    return pd.DataFrame({**VIEW, "arm": arm, "seed": seed, **place, **scores})


def test_summary_is_over_windows_then_seeds():
    nan = np.nan
    windows = pd.concat(
        [
            windows_of("image", 1, [1.0, 2.0, 6.0], [0.5, nan, 0.7]),
            windows_of("image", 2, [2.0, 2.0, 2.0], [0.1, nan, 0.5]),
            windows_of("identity", 0, [4.0, 5.0, 6.0], [0.2, 0.3, nan]),
        ]
    )
    table = aggregate.summarise(windows)
    assert list(table) == [*VIEW, "metric", "arm", "n_seeds", "n_windows", "mean", "sd"]
    rows = table.set_index(["metric", "arm"])[["n_seeds", "n_windows", "mean", "sd"]]
    # Nothing is said of a metric without a value.
    assert set(rows.index) == {(metric, arm) for metric in ("mse", "pearson") for arm in ("image", "identity")}
    np.testing.assert_allclose(rows.loc[("mse", "image")], [2, 3, 2.5, np.std([3, 2], ddof=1)])
    np.testing.assert_allclose(rows.loc[("pearson", "image")], [2, 2, 0.45, np.std([0.6, 0.3], ddof=1)])
    np.testing.assert_allclose(rows.loc[("mse", "identity")], [1, 3, 5, nan])
    np.testing.assert_allclose(rows.loc[("pearson", "identity")], [1, 2, 0.25, nan])


def test_views_and_folds_are_kept_apart():
    one = windows_of("image", 1, [1.0, 3.0])
    table = aggregate.summarise(pd.concat([one, one.assign(scale="oe", mse=9.0), one.assign(fold="b", mse=8.0)]))
    observed, oe = table[table["scale"] == "observed"].iloc[0], table[table["scale"] == "oe"].iloc[0]
    assert (observed["n_windows"], observed["mean"]) == (4, 5.0)
    assert (oe["n_windows"], oe["mean"]) == (2, 9.0)


def test_differences_are_paired_and_averaged_over_seeds():
    nan = np.nan
    windows = pd.concat(
        [
            windows_of("image", 1, [1.0, 2.0, 3.0, 4.0, 5.0, 9.0], [0.9, 0.8, nan, 0.9, 0.1, 0.4]),
            windows_of("image", 2, [3.0, 4.0, 5.0, 6.0, 7.0, 11.0], [0.7, 0.8, nan, 0.7, 0.3, 0.6]),
            windows_of("identity", 0, [4.0, 5.0, 6.0, 7.0, 8.0, 12.0], [0.9, 0.3, 0.3, 0.7, 0.3, 0.6]),
            windows_of("gaussian", 0, [2.0, 3.0, 4.0, 5.0, 6.0, 10.0]),
        ]
    )
    table = aggregate.compare(windows, ["identity", "gaussian"])
    assert list(table) == [*VIEW, "metric", "arm", "reference_arm", *aggregate.COMPARED]
    rows = table.set_index(["metric", "arm", "reference_arm"])
    # A lower error is better, a higher correlation too; a constant difference has no spread.
    assert rows.loc[("mse", "image", "identity"), ["difference", "ci_low", "ci_high", "p"]].tolist() == [-2, -2, -2, 0]
    assert rows.loc[("mse", "image", "identity"), "better"] == "arm"
    assert rows.loc[("mse", "identity", "gaussian"), "better"] == "reference_arm"
    assert rows.loc[("mse", "image", "gaussian"), ["difference", "p", "better"]].tolist() == [0, 1, "undecided"]
    # Five windows have a value in both arms; SciPy's paired t test has the same interval.
    pair = rows.loc[("pearson", "image", "identity")]
    scipy = stats.ttest_rel([0.8, 0.8, 0.8, 0.2, 0.5], [0.9, 0.3, 0.7, 0.3, 0.6])
    assert (pair["n_windows"], pair["n_stretches"], pair["better"]) == (5, 5, "undecided")
    found = pair[["difference", "ci_low", "ci_high", "p"]].astype(float)
    np.testing.assert_allclose(found, [0.06, *scipy.confidence_interval(), scipy.pvalue])
    assert not ((table["arm"] == table["reference_arm"]) | table["metric"].str.startswith("scc")).any()


def test_arms_of_the_same_seeds_are_paired_seed_by_seed():
    """Every seed thins the map anew: a window that is bad in one seed is compared in the others alone."""
    nan = np.nan
    windows = pd.concat(
        [
            windows_of("image", 1, [1.0, nan, 1.0, 1.0, 1.0]),
            windows_of("image", 2, [5.0, 5.0, 5.0, 5.0, 5.0]),
            windows_of("identity", 1, [2.0, 2.0, 2.0, 2.0, 2.0]),
            windows_of("identity", 2, [6.0, 6.0, 6.0, 6.0, 6.0]),
            windows_of("gaussian", 0, [4.0, 4.0, 4.0, 4.0, 4.0]),
        ]
    )
    rows = aggregate.compare(windows, ["identity", "gaussian"]).set_index(["arm", "reference_arm"])
    assert rows.loc[("image", "identity"), ["difference", "ci_low", "ci_high"]].tolist() == [-1, -1, -1]
    # Another's seeds are not the same draws: means over seeds, of the window that has one the one it has.
    assert rows.loc[("image", "gaussian"), "difference"] == pytest.approx(np.mean([-1, 1, -1, -1, -1]))


def test_higher_is_better_for_correlations():
    good = windows_of("a", 0, [1.0] * 5, [0.9, 0.8, 0.9, 0.8, 0.9])
    poor = windows_of("b", 0, [1.0] * 5, [0.1, 0.2, 0.3, 0.2, 0.1])
    rows = aggregate.compare(pd.concat([good, poor]), ["a", "b"])
    rows = rows.set_index(["metric", "arm", "reference_arm"])
    assert rows.loc[("pearson", "a", "b"), "better"] == "arm"
    assert rows.loc[("pearson", "b", "a"), "better"] == "reference_arm"


def test_fewer_than_five_stretches_give_no_interval_and_no_verdict():
    arms = [windows_of("a", 0, [1.0, 1.1, 0.9, 1.0]), windows_of("b", 0, [2.0, 2.2, 1.9, 2.0])]
    (row,) = aggregate.compare(pd.concat(arms), ["b"]).itertuples()
    assert (row.n_windows, row.n_stretches, row.better) == (4, 4, "too few")
    assert row.difference == pytest.approx(-1.025)
    assert np.isnan([row.ci_low, row.ci_high, row.p, row.p_holm]).all()


def test_windows_that_overlap_are_one_stretch_over_folds_too():
    rng = np.random.default_rng(3)
    first, second = (windows_of(arm, 0, rng.random(12)) for arm in "ab")
    apart = aggregate.compare(pd.concat([first, second]), ["b"])
    overlapping = [arm.assign(end_bp=arm["start_bp"] + 1500, start_bp=arm["start_bp"]) for arm in (first, second)]
    assert (apart["n_stretches"] == 12).all()
    assert (aggregate.compare(pd.concat(overlapping), ["b"])["n_stretches"] == 2).all()
    # The same windows tested in two folds are no more of the genome.
    twice = [pd.concat([arm, arm.assign(fold="b")]) for arm in (first, second)]
    both = aggregate.compare(pd.concat(twice), ["b"])
    assert both[["n_windows", "n_stretches"]].values.tolist() == [[24, 12]]
    np.testing.assert_allclose(both[["ci_low", "ci_high", "p"]], apart[["ci_low", "ci_high", "p"]])


def test_folds_are_pooled_in_means_and_differences():
    rng = np.random.default_rng(4)
    arms = [windows_of(arm, seed, rng.random(10)) for arm, seeds in (("a", (1, 2)), ("b", (0,))) for seed in seeds]
    whole = pd.concat(arms)
    folds = whole.assign(fold=np.where(whole["start_bp"] < 4000, "a-1", "a-2"))
    pd.testing.assert_frame_equal(aggregate.summarise(folds), aggregate.summarise(whole))
    pd.testing.assert_frame_equal(aggregate.compare(folds, ["b"]), aggregate.compare(whole, ["b"]))


def test_verdicts_are_over_all_comparisons_of_a_view():
    """Of 200 views of arms that are alike, some 5 % hold a wrong verdict at most, though 20 % hold a p below 0.05."""
    rng = np.random.default_rng(5)
    arms = pd.concat([windows_of(arm, 0, [0.0] * 8) for arm in "abcdef"])
    views = pd.concat([arms.assign(scale=f"scale {i}", mse=rng.normal(size=len(arms))) for i in range(200)])
    table = aggregate.compare(views, ["a"])
    by_chance = (table["p"] < 0.05).groupby(table["scale"]).any().sum()
    wrong = (table["better"] != "undecided").groupby(table["scale"]).any().sum()
    assert wrong <= 0.05 * 200 + 2 * np.sqrt(0.05 * 0.95 * 200) and by_chance >= 0.13 * 200
    # The same comparison the other way round is not counted again.
    three = pd.concat([windows_of(arm, 0, rng.random(8)) for arm in "abc"])
    once, both = aggregate.compare(three, ["a"]), aggregate.compare(three, ["a", "b", "c"])
    p = both.set_index(["arm", "reference_arm"])["p_holm"]
    assert [p["a", "b"], p["a", "c"], p["b", "c"]] == [p["b", "a"], p["c", "a"], p["c", "b"]]
    raw = sorted(both["p"])[::2]
    np.testing.assert_allclose(sorted(both["p_holm"])[0], min(1, 3 * raw[0]))
    np.testing.assert_allclose(sorted(once["p_holm"])[0], min(1, 2 * once["p"].min()))
    # Another scale is another table.
    scales = aggregate.compare(pd.concat([three, three.assign(scale="oe")]), ["a"])
    np.testing.assert_array_equal(scales.loc[scales["scale"] == "observed", "p_holm"], once["p_holm"])


def test_a_comparison_without_enough_stretches_is_none_of_the_family():
    rng = np.random.default_rng(6)
    few = [rng.random(8), [0.1, 0.2, 0.3, 0.4, *[np.nan] * 4]]
    arms = [windows_of("a", 0, rng.random(8), few[0]), windows_of("b", 0, rng.random(8), few[1])]
    table = aggregate.compare(pd.concat(arms), ["b"]).set_index("metric")
    assert table.loc["pearson", "better"] == "too few"
    assert table.loc["mse", "p_holm"] == table.loc["mse", "p"]


def test_a_comparison_depends_on_no_other():
    rng = np.random.default_rng(0)
    arms = [windows_of(arm, 0, rng.random(30)) for arm in "abc"]
    both, again = (aggregate.compare(pd.concat(arms), ["a", "c"]) for _ in range(2))
    pd.testing.assert_frame_equal(both, again)
    alone = aggregate.compare(pd.concat(arms[:2][::-1]), ["a"])
    same = both[(both["arm"] == "b") & (both["reference_arm"] == "a")].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone.drop(columns=["p_holm", "better"]), same.drop(columns=["p_holm", "better"]))


def test_arms_that_are_not_comparable_make_no_difference():
    windows = pd.concat([windows_of(arm, 0, [1.0] * 5) for arm in ("ours", "published", "identity")])
    pairs = aggregate.compare(windows, ["ours", "identity"], lambda *pair: set(pair) != {"ours", "published"})
    assert set(zip(pairs["arm"], pairs["reference_arm"])) == {
        ("identity", "ours"),
        ("ours", "identity"),
        ("published", "identity"),
    }


def test_an_unknown_reference_arm_is_refused():
    with pytest.raises(InputError, match=r"reference_arms: \['nobody'\]"):
        aggregate.compare(windows_of("a", 0, [1.0]), ["nobody"])
