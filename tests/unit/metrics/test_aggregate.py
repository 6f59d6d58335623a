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
    windows = pd.concat(
        [
            windows_of("image", 1, [1.0, 2.0, 3.0, 4.0], [0.9, 0.8, np.nan, 0.9]),
            windows_of("image", 2, [3.0, 4.0, 5.0, 6.0], [0.7, 0.8, np.nan, 0.7]),
            windows_of("identity", 0, [4.0, 5.0, 6.0, 7.0], [0.9, 0.3, 0.3, np.nan]),
            windows_of("gaussian", 0, [2.0, 3.0, 4.0, 5.0]),
        ]
    )
    table = aggregate.compare(windows, ["identity", "gaussian"], 200, 1)
    rows = table.set_index(["metric", "arm", "reference_arm"])
    # A lower error is better, a higher correlation too; a constant difference has no spread.
    assert rows.loc[("mse", "image", "identity"), ["difference", "ci_low", "ci_high"]].tolist() == [-2.0, -2.0, -2.0]
    assert rows.loc[("mse", "image", "identity"), "better"] == "arm"
    assert rows.loc[("mse", "identity", "gaussian"), "better"] == "reference_arm"
    assert rows.loc[("mse", "image", "gaussian"), ["difference", "better"]].tolist() == [0.0, "undecided"]
    # Two windows have a value in both arms: -0.1 and +0.5.
    pair = rows.loc[("pearson", "image", "identity")]
    assert pair["n_windows"] == 2
    np.testing.assert_allclose(pair[["difference", "ci_low", "ci_high"]].astype(float), [0.2, -0.1, 0.5])
    assert pair["better"] == "undecided"
    assert not ((table["arm"] == table["reference_arm"]) | table["metric"].str.startswith("scc")).any()


def test_higher_is_better_for_correlations():
    good, poor = windows_of("a", 0, [1.0] * 3, [0.9, 0.8, 0.9]), windows_of("b", 0, [1.0] * 3, [0.1, 0.2, 0.3])
    windows = pd.concat([good, poor])
    rows = aggregate.compare(windows, ["a", "b"], 200, 1).set_index(["metric", "arm", "reference_arm"])["better"]
    assert rows["pearson", "a", "b"] == "arm"
    assert rows["pearson", "b", "a"] == "reference_arm"


def test_one_window_decides_nothing():
    windows = pd.concat([windows_of("a", 0, [1.0]), windows_of("b", 0, [2.0])])
    (row,) = aggregate.compare(windows, ["b"], 200, 1).itertuples()
    assert (row.n_windows, row.difference, row.better) == (1, -1.0, "undecided")
    assert np.isnan([row.ci_low, row.ci_high]).all()


def test_a_comparison_depends_on_its_seed_and_on_nothing_else():
    rng = np.random.default_rng(0)
    arms = [windows_of(arm, 0, rng.random(30)) for arm in "abc"]
    both, again = (aggregate.compare(pd.concat(arms), ["a", "c"], 300, 5) for _ in range(2))
    pd.testing.assert_frame_equal(both, again)
    alone = aggregate.compare(pd.concat(arms[:2][::-1]), ["a"], 300, 5)
    same = both[(both["arm"] == "b") & (both["reference_arm"] == "a")].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, same)
    other = aggregate.compare(pd.concat(arms), ["a", "c"], 300, 6)
    assert (both["ci_low"] != other["ci_low"]).all()


def test_an_unknown_reference_arm_is_refused():
    with pytest.raises(InputError, match=r"reference_arms: \['nobody'\]"):
        aggregate.compare(windows_of("a", 0, [1.0]), ["nobody"], 200, 1)


def test_interval_is_the_normal_one_where_means_are_normal():
    rng = np.random.default_rng(1)
    values = rng.normal(0.3, 2, size=(400, 3))
    n, mean, low, high = aggregate.bootstrap(values, 20_000, 2)
    error = values.std(axis=0) / np.sqrt(400)
    np.testing.assert_array_equal(n, 400)
    np.testing.assert_allclose(mean, values.mean(axis=0))
    np.testing.assert_allclose(low, mean + stats.norm.ppf(0.025) * error, atol=0.03 * 2 / 20)
    np.testing.assert_allclose(high, mean + stats.norm.ppf(0.975) * error, atol=0.03 * 2 / 20)


def test_interval_covers_the_truth_as_often_as_it_says():
    """300 draws of 60 windows: at 95 % the number covering has a standard deviation of 3.8."""
    values = np.random.default_rng(2).normal(1.5, 1, size=(60, 300))
    _, _, low, high = aggregate.bootstrap(values, 1000, 3)
    covering = int(((low <= 1.5) & (high >= 1.5)).sum())
    assert 0.90 * 300 <= covering <= 0.985 * 300
