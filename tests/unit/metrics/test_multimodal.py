"""Scores of loops, maps and CAGE against scikit-learn, SciPy and sums written out."""

import warnings

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as reference

from trifold.errors import InputError
from trifold.metrics import classification, multimodal, pixels, scc


@pytest.fixture
def rng():
    return np.random.default_rng(11)


@pytest.fixture
def pairs(rng):
    """Labels and scores of 300 pairs, many of equal score."""
    labels = rng.integers(0, 2, 300)
    return labels, np.round(np.clip(0.35 * labels + 0.7 * rng.random(300), 0, 1), 2)


@pytest.fixture
def maps(rng):
    """Predictions and targets of six windows of 50 bins, the last two off the diagonal: predicted, target, x, y."""
    x, y = np.array([60, 70, 80, 90, 60, 70]), np.array([60, 70, 80, 90, 100, 71])
    decay = 1 / (1 + multimodal._distances(x, y, 50))
    target = decay * rng.gamma(4, size=decay.shape)
    target[:4] = (target + target.transpose(0, 2, 1))[:4] / 2
    return 0.8 * target + decay * rng.random(decay.shape), target, x, y


def sklearn_loops(labels, scores, weights=None):
    found = scores > 0.5
    return {
        "precision": reference.precision_score(labels, found, sample_weight=weights),
        "recall": reference.recall_score(labels, found, sample_weight=weights),
        "f1": reference.f1_score(labels, found, sample_weight=weights),
        "auroc": reference.roc_auc_score(labels, scores, sample_weight=weights),
        "auprc": reference.average_precision_score(labels, scores, sample_weight=weights),
    }


def test_loops_are_scikit_learns(pairs):
    ours = multimodal.loop_metrics(*pairs)
    assert tuple(ours) == multimodal.LOOP_METRICS
    assert ours == pytest.approx(sklearn_loops(*pairs), abs=1e-12)


def test_a_score_at_the_threshold_is_no_loop():
    assert classification.precision(np.array([0, 1]), np.array([0.5, 0.6])) == 1
    assert classification.recall(np.array([1, 1]), np.array([0.5, 0.6])) == 0.5
    assert classification.recall(np.array([1, 1]), np.array([0.5, 0.6]), threshold=0.4) == 1


def test_the_chosen_threshold_has_the_largest_f1_of_all(pairs):
    """scikit-learn's curve over every score; above the threshold lie the same pairs."""
    labels, scores = pairs
    precision, recall, at = reference.precision_recall_curve(labels, scores)
    curve = 2 * precision[:-1] * recall[:-1] / np.maximum(precision[:-1] + recall[:-1], 1e-12)
    chosen = multimodal.best_threshold(labels, scores)
    best = np.flatnonzero(np.isclose(curve, curve.max(), rtol=1e-12))[-1]
    np.testing.assert_array_equal(scores > chosen, scores >= at[best])
    assert chosen == pytest.approx((at[best] + at[best - 1]) / 2, abs=1e-12)
    ours = multimodal.loop_metrics(labels, scores, chosen=chosen)
    assert tuple(ours) == (*multimodal.LOOP_METRICS[:3], *multimodal.CHOSEN_METRICS, *multimodal.LOOP_METRICS[3:])
    assert ours["f1_chosen"] == pytest.approx(curve.max(), abs=1e-12) and ours["f1_chosen"] > ours["f1"]
    # On other pairs it stays where it is.
    other = scores[::-1]
    found = multimodal.loop_metrics(labels, other, chosen=chosen)
    expected = [score(labels, other > chosen) for score in (reference.precision_score, reference.recall_score)]
    assert [found["precision_chosen"], found["recall_chosen"]] == pytest.approx(expected, abs=1e-12)
    assert found["f1_chosen"] == pytest.approx(reference.f1_score(labels, other > chosen), abs=1e-12)


@pytest.mark.parametrize(
    ("labels", "scores", "expected"),
    [
        ([1, 1, 0, 0], [0.9, 0.6, 0.4, 0.1], 0.5),  # told apart: half way between both
        ([0, 1, 1, 0], [0.9, 0.6, 0.4, 0.1], 0.25),  # F1 0.8 of three called
        ([1, 0, 1], [0.9, 0.5, 0.5], -np.inf),  # one of 0.5 cannot be called without the other
        ([1, 0], [0.3, 0.3], -np.inf),  # nothing told apart: all are called, F1 2/3
        ([1, 0, 0, 1], [0.9, 0.8, 0.2, 0.1], 0.85),  # 2/3 of one called and of all: the higher
        ([0, 0], [0.3, 0.4], np.nan),
        ([], [], np.nan),
        ([1, 0], [1.0, np.nextafter(1.0, 0)], np.nextafter(1.0, 0)),  # no number between them
    ],
)
def test_where_a_threshold_lies(labels, scores, expected):
    chosen = multimodal.best_threshold(np.array(labels), np.array(scores))
    assert chosen == pytest.approx(expected, abs=1e-15, nan_ok=True)


def test_without_a_threshold_nothing_is_called(pairs):
    assert not set(multimodal.CHOSEN_METRICS) & set(multimodal.loop_metrics(*pairs))
    unknown = multimodal.loop_metrics(*pairs, chosen=np.nan)
    assert np.isnan([unknown[name] for name in multimodal.CHOSEN_METRICS]).all() and unknown["f1"] > 0
    every = multimodal.loop_metrics(*pairs, chosen=-np.inf)
    share = pairs[0].mean()
    assert (every["recall_chosen"], every["precision_chosen"]) == (1, pytest.approx(share))
    assert every["f1_chosen"] == pytest.approx(2 * share / (1 + share))
    with pytest.raises(InputError, match="as many labels, each 0 or 1"):
        multimodal.best_threshold(np.array([0, 2]), np.array([0.1, 0.2]))


def test_resampled_loops_are_scikit_learns_with_weights(pairs, rng):
    weights = rng.multinomial(300, np.full(300, 1 / 300), size=4).astype(float)
    ours = multimodal.loop_resamples(*pairs, chosen=0.3)(weights)
    for i, row in enumerate(weights):
        chosen = reference.f1_score(pairs[0], pairs[1] > 0.3, sample_weight=row)
        rates = reference.precision_recall_fscore_support(
            pairs[0], pairs[1] > 0.3, average="binary", sample_weight=row, zero_division=np.nan
        )
        expected = {
            **sklearn_loops(*pairs, weights=row),
            "precision_chosen": rates[0],
            "recall_chosen": rates[1],
            "f1_chosen": chosen,
        }
        assert {name: values[i] for name, values in ours.items()} == pytest.approx(expected, abs=1e-12)


def test_what_is_not_defined_is_nan():
    nothing = multimodal.loop_metrics(np.array([0, 1, 1]), np.array([0.1, 0.2, 0.3]))
    assert np.isnan(nothing["precision"]) and (nothing["recall"], nothing["f1"]) == (0, 0)
    assert nothing["auroc"] == 1
    negatives = multimodal.loop_metrics(np.zeros(3), np.array([0.1, 0.2, 0.9]))
    assert negatives["precision"] == 0 and np.isnan([negatives[name] for name in ("recall", "auroc", "auprc")]).all()
    assert np.isnan(list(multimodal.loop_metrics(np.zeros(0), np.zeros(0)).values())).all()


def test_bad_labels_and_scores_are_refused():
    with pytest.raises(InputError, match="as many labels, each 0 or 1"):
        multimodal.loop_metrics(np.array([0, 2]), np.array([0.1, 0.2]))
    with pytest.raises(InputError, match="not finite; train it again"):
        multimodal.loop_metrics(np.array([0, 1]), np.array([0.1, np.nan]))
    with pytest.raises(InputError, match=r"maps: predictions \(2, 5, 5\) and targets \(2, 4, 4\)"):
        multimodal.map_metrics(np.zeros((2, 5, 5)), np.zeros((2, 4, 4)), np.arange(2), np.arange(2), 5000)


def test_r2_is_scikit_learns_in_either_order(maps, rng):
    predicted, target, _, _ = maps
    mask = rng.random(predicted.shape) < 0.7
    predicted = predicted.copy()
    predicted[2, 3] = np.nan
    for score, swapped in ((pixels.r2, False), (pixels.r2_swapped, True)):
        for window, value in enumerate(score(predicted, target, mask)):
            keep = mask[window] & np.isfinite(predicted[window])
            both = target[window][keep], predicted[window][keep]
            assert value == pytest.approx(reference.r2_score(*(both[::-1] if swapped else both)), abs=1e-12)
    assert np.isnan(pixels.r2(predicted, np.full_like(target, 0.1), mask)).all()


def value_of(table, metric, distance_bp=None):
    at = table["distance_bp"].isna() if distance_bp is None else table["distance_bp"] == distance_bp
    (row,) = table[(table["metric"] == metric) & at].itertuples()
    return row.value, row.n


def test_maps_are_scored_over_every_pixel_of_every_window(maps):
    predicted, target, x, y = maps
    table = multimodal.map_metrics(predicted, target, x, y, 5000)
    assert list(table) == multimodal.MAP_COLUMNS
    flat = target.ravel(), predicted.ravel()
    assert value_of(table, "pearson") == (pytest.approx(stats.pearsonr(*flat).statistic, abs=1e-12), 6 * 2500)
    assert value_of(table, "r2")[0] == pytest.approx(reference.r2_score(*flat), abs=1e-12)
    assert value_of(table, "r2_swapped")[0] == pytest.approx(reference.r2_score(*flat[::-1]), abs=1e-12)


def test_maps_by_distance_hold_the_pixels_of_that_distance(maps):
    predicted, target, x, y = maps
    table = multimodal.map_metrics(predicted, target, x, y, 5000)
    first, second = [], []
    for window in range(6):
        for row in range(50):
            for column in range(50):
                if abs((y[window] - 25 + column) - (x[window] - 25 + row)) == 30:
                    first.append(target[window, row, column])
                    second.append(predicted[window, row, column])
    assert value_of(table, "pearson", 150_000) == (
        pytest.approx(stats.pearsonr(first, second).statistic, abs=1e-12),
        len(first),
    )
    assert value_of(table, "r2", 150_000)[0] == pytest.approx(reference.r2_score(first, second), abs=1e-12)
    assert table["distance_bp"].max() == (40 + 49) * 5000


def test_scc_is_hicreps_of_the_windows_on_the_diagonal(maps):
    predicted, target, x, y = maps
    symmetric = (predicted[:4] + predicted[:4].transpose(0, 2, 1)) / 2
    expected = scc.hicrep(symmetric, target[:4], 2, 50)
    table = multimodal.map_metrics(predicted, target, x, y, 5000, h=2)
    assert value_of(table, "scc_hicrep") == (pytest.approx(expected.mean(), abs=1e-12), 4)
    # Without a filter the correlation HiCRep weighs at a distance is that of the diagonal.
    table = multimodal.map_metrics(predicted, target, x, y, 5000, h=0)
    diagonals = [[np.diagonal(each, 7) for each in pair] for pair in zip(symmetric, target[:4])]
    by_hand = np.mean([stats.pearsonr(*pair).statistic for pair in diagonals])
    assert value_of(table, "scc_hicrep", 35_000) == (pytest.approx(by_hand, abs=1e-12), 4)
    off = multimodal.map_metrics(predicted[4:], target[4:], x[4:], y[4:], 5000)
    assert "scc_hicrep" not in set(off["metric"])


def test_parts_of_hicrep_make_its_value(maps):
    predicted, target, _, _ = maps
    bands = [pixels.to_bands((each + each.transpose(0, 2, 1)) / 2, 50) for each in (predicted, target)]
    correlation, weight = scc.hicrep_strata(*bands, 1, 50)
    np.testing.assert_allclose(weight[:, 1], (49 + 1) / 12)
    whole = np.nansum(correlation * weight, axis=1) / weight.sum(axis=1)
    np.testing.assert_allclose(scc.hicrep_bands(*bands, 1, 50), whole, rtol=0, atol=1e-12)
    assert scc.hicrep(predicted[:0], target[:0], 1, 50).shape == (0,)


def test_cage_is_scored_on_all_bins_and_at_tss(rng):
    target = rng.gamma(1, size=(30, 100))
    predicted = target + rng.normal(size=target.shape)
    tss = np.zeros(100, dtype=bool)
    tss[[25, 75]] = True
    ours = multimodal.cage_metrics(predicted, target, tss)
    assert tuple(ours) == multimodal.CAGE_METRICS
    for suffix, keep in (("", slice(None)), ("_tss", tss)):
        both = target[:, keep].ravel(), predicted[:, keep].ravel()
        assert ours[f"pearson{suffix}"] == pytest.approx(stats.pearsonr(*both).statistic, abs=1e-12)
        assert ours[f"r2{suffix}"] == pytest.approx(reference.r2_score(*both), abs=1e-12)
        assert ours[f"r2_swapped{suffix}"] == pytest.approx(reference.r2_score(*both[::-1]), abs=1e-12)
    nowhere = multimodal.cage_metrics(predicted, target, np.zeros_like(tss))
    assert np.isnan([nowhere[name] for name in nowhere if name.endswith("_tss")]).all()
    flat = multimodal.cage_metrics(np.full_like(target, 0.1), target, tss)
    assert np.isnan(flat["pearson"]) and np.isnan(flat["r2_swapped"]) and flat["r2"] < 0


def test_resampled_maps_are_maps_repeated(maps):
    predicted, target, x, y = maps
    draws = np.array([[2, 0, 1, 0, 3, 0], [1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 4, 2]], dtype=float)
    ours = multimodal.map_resamples(predicted, target, x, y)(draws)
    for i, draw in enumerate(draws.astype(int)):
        repeated = [np.repeat(each, draw, axis=0) for each in (predicted, target, x, y)]
        table = multimodal.map_metrics(*repeated, 5000)
        for metric in ("pearson", "r2", "r2_swapped"):
            assert ours[metric][i] == pytest.approx(value_of(table, metric)[0], abs=1e-10)
        if i < 2:
            assert ours["scc_hicrep"][i] == pytest.approx(value_of(table, "scc_hicrep")[0], abs=1e-12)
    assert np.isnan(ours["scc_hicrep"][2])


def test_differences_are_paired(pairs, rng):
    labels, scores = pairs
    other = np.clip(scores + rng.normal(0, 0.2, 300), 0, 1)
    seeds = [np.clip(scores + rng.normal(0, 0.05, 300), 0, 1) for _ in range(2)]
    found = multimodal.compare(
        [multimodal.loop_resamples(labels, each) for each in seeds],
        [multimodal.loop_resamples(labels, other)],
        stretch := np.arange(300) // 25,
    ).set_index("metric")
    expected = np.mean([reference.roc_auc_score(labels, each) for each in seeds]) - reference.roc_auc_score(
        labels, other
    )
    assert found.loc["auroc", "difference"] == pytest.approx(expected, abs=1e-12)
    kept = [stretch != number for number in range(12)]
    without = [
        np.mean([reference.roc_auc_score(labels[rows], each[rows]) for each in seeds])
        - reference.roc_auc_score(labels[rows], other[rows])
        for rows in kept
    ]
    scipy = stats.ttest_1samp(12 * expected - 11 * np.array(without), 0)  # the jackknife's pseudovalues
    half = np.ptp(scipy.confidence_interval()) / 2
    numbers = found.loc["auroc", ["n_stretches", "ci_low", "ci_high", "p"]].astype(float)
    p = 2 * stats.t.sf(abs(expected) / (half / stats.t.ppf(0.975, 11)), 11)
    np.testing.assert_allclose(numbers, [12, expected - half, expected + half, p], rtol=1e-9)


def test_a_mean_over_windows_has_the_interval_of_the_t_test(rng):
    """The jackknife of a mean is its t interval: what the tables of whole maps show."""
    values, other = rng.normal(size=(2, 9))

    def mean_of(windows):
        return lambda weights: {"mean": weights @ windows / weights.sum(axis=1)}

    (found,) = multimodal.compare([mean_of(values)], [mean_of(other)], np.arange(9)).itertuples()
    scipy = stats.ttest_rel(values, other)
    np.testing.assert_allclose([found.ci_low, found.ci_high], scipy.confidence_interval())
    assert found.p == pytest.approx(scipy.pvalue)


def test_an_interval_needs_five_stretches_and_a_score_without_any_of_them(maps, pairs):
    predicted, target, x, y = (each[4:] for each in maps)
    both = [multimodal.map_resamples(predicted, target, x, y)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = multimodal.compare(both, both, np.arange(len(x))).set_index("metric")
        assert found[["ci_low", "ci_high", "p"]].isna().all(axis=None) and (found["n_stretches"] == len(x)).all()
        assert found.loc["pearson", "difference"] == 0
        # Without the stretch that holds all loops there is no AUROC; precision there is.
        labels = np.repeat([1.0, 0, 0, 0, 0, 0], 5)
        scores = [multimodal.loop_resamples(labels, np.linspace(*ends, 30)) for ends in ((1, 0), (0.9, 0.1))]
        found = multimodal.compare(*([each] for each in scores), np.repeat(np.arange(6), 5)).set_index("metric")
    assert np.isnan(found.loc["auroc", "p"]) and np.isfinite(found.loc["precision", "p"])
