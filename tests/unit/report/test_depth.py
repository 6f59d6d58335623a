"""Gain against depth: what is taken from which table, and what the figures show."""

import math
import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from trifold.errors import InputError
from trifold.metrics import aggregate
from trifold.report import depth

BIN_BP, WINDOW_BP = 1000, 64_000
N_WINDOWS = 8
DEGRADATIONS = {"d64": {"thin": 64, "coarsen": 1}, "d4": {"thin": 4, "coarsen": 1}}
CHOSEN = {
    "references": {"image only": ["image-d4", "image-d64"], "bias_only": ["bias-d4"]},
    "arms": {"aligned": ["aligned-d4", "aligned-d64"], "bias_only": ["bias-d4"]},
}
VIEW = ["degradation", "sample", "reference", "scale"]
# What an arm scores above the image arm.
ADDED = {
    "image-d4": 0.0,
    "aligned-d4": 0.02,
    "bias-d4": -0.03,
    "image-d64": 0.0,
    "aligned-d64": 0.1,
    "gaussian-d4": -0.1,
}


def made_up_windows(added=ADDED, seeds=(1, 2, 3)):
    """Rows of windows.tsv: as good as `added` says, plus 0.01 per seed, plus noise of the window that is shared."""
    rng = np.random.default_rng(0)
    rows = []
    for reference in ("truth", "deep"):
        for scale in ("balanced", "observed", "oe"):
            hard, own = rng.normal(0.5, 0.05, N_WINDOWS), rng.normal(0, 0.004, (len(added), N_WINDOWS))
            for k, (name, gained) in enumerate(added.items()):
                low = name.split("-")[1]
                for seed in [0] if name.startswith("gaussian") else seeds:
                    better = name.startswith("aligned") * 0.01 * (seed - 2)
                    for i in range(N_WINDOWS):
                        value = hard[i] + gained + better + own[k, i]
                        place = ["chr6", i * WINDOW_BP, (i + 1) * WINDOW_BP]
                        scores = [0.01 * (1 - value), value, value if scale != "oe" else math.nan]
                        rows.append([low, name, "a", seed, "alpha", reference, scale, *place, *scores])
    columns = ["degradation", "arm", "fold", "seed", "sample", "reference", "scale", "chrom", "start_bp", "end_bp"]
    return pd.DataFrame(rows, columns=[*columns, "mse", "pearson", "scc_hicrep"])


def made_up_distances(windows):
    """Rows of distance.tsv: what the windows have, falling with distance; two folds of different sizes."""
    keys = ["degradation", "arm", "seed", "sample", "reference", "scale"]
    rows = []
    for key, own in windows.groupby(keys):
        for bins in range(2, 40):
            falls = np.exp(-bins / 60)
            for fold, n_pixels, factor in (("a", 100, 1.0), ("b", 300, 0.5)):
                scores = [own["mse"].mean() / bins, own["pearson"].mean() * falls * factor]
                rows.append([*key, fold, bins * BIN_BP, n_pixels, *scores])
    return pd.DataFrame(rows, columns=[*keys, "fold", "distance_bp", "n_pixels", "mse", "pearson"])


@pytest.fixture(scope="module")
def windows():
    return made_up_windows()


@pytest.fixture(scope="module")
def comparisons(windows):
    return aggregate.compare(windows, ["image-d4", "image-d64", "bias-d4"])


@pytest.fixture(scope="module")
def frame(windows, comparisons):
    return depth.gain(aggregate.summarise(windows), comparisons, windows, CHOSEN, DEGRADATIONS)


@pytest.fixture(scope="module")
def by_distance(windows):
    return depth.gain_by_distance(made_up_distances(windows), CHOSEN, DEGRADATIONS)


def row_of(frame, **keys):
    chosen = frame.loc[(frame[list(keys)] == pd.Series(keys)).all(axis=1)]
    assert len(chosen) == 1
    return chosen.iloc[0]


def test_every_label_meets_every_reference_of_its_own_depth(frame):
    assert list(frame.columns) == depth.COLUMNS
    pairs = [
        ("image only", "aligned", "aligned-d4", "image-d4", 1 / 4),
        ("image only", "bias_only", "bias-d4", "image-d4", 1 / 4),
        ("image only", "aligned", "aligned-d64", "image-d64", 1 / 64),
        ("bias_only", "aligned", "aligned-d4", "bias-d4", 1 / 4),
    ]
    names = ["against", "label", "arm", "reference_arm", "kept"]
    mse = frame[(frame["metric"] == "mse") & (frame["reference"] == "deep")]
    assert list(mse[names].itertuples(index=False, name=None)) == pairs
    assert set(frame[["metric", "scale"]].itertuples(index=False, name=None)) == set(depth.SCORES)
    assert len(frame) == 4 * 3 * 2
    assert frame["reference"].tolist() == ["deep"] * 12 + ["truth"] * 12


def test_numbers_are_those_of_the_tables(frame, windows, comparisons):
    row = row_of(frame, reference="deep", against="image only", label="aligned", kept=1 / 64, metric="mse")
    keys = {"degradation": "d64", "reference": "deep", "scale": "observed", "metric": "mse", "arm": "aligned-d64"}
    compared = row_of(comparisons, **keys, reference_arm="image-d64")
    for name in ("difference", "ci_low", "ci_high", "p", "n_windows", "n_stretches"):
        assert row[name] == compared[name]
    # Independently: the mean over seeds is that of the differences, and the extremes are those of single seeds.
    own = windows[(windows["scale"] == "observed") & (windows["reference"] == "deep")]
    of_seed = own.groupby(["arm", "seed"])["mse"].mean()
    differences = of_seed["aligned-d64"] - of_seed["image-d64"]
    assert row["difference"] == pytest.approx(differences.mean())
    assert (row["seed_low"], row["seed_high"]) == pytest.approx((differences.min(), differences.max()))
    assert differences.max() - differences.min() == pytest.approx(0.0002)  # 0.01 x 0.01 between neighbouring seeds
    assert (row["mean"], row["sd"]) == pytest.approx((of_seed["aligned-d64"].mean(), of_seed["aligned-d64"].std()))
    assert row["reference_mean"] == pytest.approx(of_seed["image-d64"].mean())
    assert (row["n_seeds"], row["n_windows"]) == (3, N_WINDOWS)


def test_verdicts_are_over_all_comparisons_of_a_table(frame, comparisons):
    """Four arms and depths, three metrics: the smallest p of a table counts as often as the table has rows."""
    for _, rows in frame.groupby(["sample", "reference", "against"]):
        least = rows.loc[rows["p"].idxmin()]
        assert least["p_holm"] == pytest.approx(len(rows) * least["p"])
        assert set(rows["verdict"]) <= {"better", "worse"}
        assert f"over all {len(rows)} comparisons" in depth.to_markdown(rows)


def test_verdicts_follow_the_interval_and_the_metric(frame):
    chosen = frame[(frame["reference"] == "deep") & (frame["against"] == "image only")]
    for row in chosen.itertuples():
        assert row.verdict == ("worse" if row.label == "bias_only" else "better"), row
        assert (row.difference < 0) == ((row.metric == "mse") != (row.label == "bias_only"))


def test_an_interval_over_zero_is_undecided():
    windows = made_up_windows({"image-d4": 0.0, "aligned-d4": 0.0})
    comparisons = aggregate.compare(windows, ["image-d4"])
    changed = (comparisons[["reference", "scale", "metric"]] == ["deep", "observed", "mse"]).all(axis=1)
    comparisons.loc[changed, ["ci_low", "ci_high", "p"]] = [-1, 1, 0.9]
    frame = depth.gain(aggregate.summarise(windows), comparisons, windows, CHOSEN, DEGRADATIONS)
    assert row_of(frame, reference="deep", metric="mse")["verdict"] == "undecided"
    assert "[−1000.000, 1000.000], undecided" in depth.to_markdown(frame)
    axes = depth.gain_figure(frame, CHOSEN).axes[0]
    faces = [to_hex(one.get_markerfacecolor()) for one in axes.lines if one.get_marker() == "o"]
    assert faces == ["#ffffff"]


def test_a_reference_without_a_model_is_averaged_over_its_one_run(windows):
    chosen = {"references": {"smoothed": ["gaussian-d4"]}, "arms": {"aligned": ["aligned-d4"]}}
    comparisons = aggregate.compare(windows, ["gaussian-d4"])
    frame = depth.gain(aggregate.summarise(windows), comparisons, windows, chosen, DEGRADATIONS)
    row = row_of(frame, reference="deep", metric="pearson")
    assert row["difference"] == pytest.approx(0.12, abs=0.01)
    assert (row["seed_low"], row["seed_high"]) == pytest.approx((row["difference"] - 0.01, row["difference"] + 0.01))
    assert np.isnan(row["reference_sd"]) and row["sd"] == pytest.approx(0.01)


def test_difference_by_distance_weights_folds_by_pixels(by_distance, windows):
    assert list(by_distance.columns) == depth.COLUMNS_BY_DISTANCE
    keys = {"reference": "deep", "against": "image only", "label": "aligned", "kept": 1 / 4, "metric": "pearson"}
    row = row_of(by_distance, **keys, distance_bp=10 * BIN_BP)
    own = windows[(windows["scale"] == "oe") & (windows["reference"] == "deep")]
    of_seed = own.groupby(["arm", "seed"])["pearson"].mean()
    differences = (of_seed["aligned-d4"] - of_seed["image-d4"]) * np.exp(-10 / 60) * (0.25 * 1 + 0.75 * 0.5)
    assert row["difference"] == pytest.approx(differences.mean())
    assert (row["seed_low"], row["seed_high"]) == pytest.approx((differences.min(), differences.max()))
    assert row["n_seeds"] == 3
    assert set(by_distance["metric"]) == {"mse", "pearson"}


def test_tables_start_every_depth_with_the_reference(frame):
    tables = depth.to_markdown(frame).split("\n\n")
    head, *lines = tables[1].strip().split("\n")
    assert head.startswith(
        "| contacts kept | arm | MSE, [0, 1] scale ↓ ×10⁻³ | SCC (HiCRep), balanced ↑ | Pearson r, O/E ↑"
    )
    names = [tuple(line.split(" | ")[:2]) for line in lines[1:]]
    assert names == [
        ("| 1/4", "image only"),
        ("| 1/4", "aligned"),
        ("| 1/4", r"bias\_only"),
        ("| 1/64", "image only"),
        ("| 1/64", "aligned"),
    ]
    row = row_of(frame, reference="deep", against="image only", label="aligned", kept=1 / 64, metric="mse")
    cell = lines[-1].split(" | ")[2]
    numbers = [float(text.replace("−", "-")) / 1000 for text in re.findall(r"[−+]?\d+\.\d+", cell)]
    expected = [row[name] for name in ("mean", "sd", "difference", "ci_low", "ci_high")]
    np.testing.assert_allclose(numbers, expected, atol=5.1e-7)
    assert cell.endswith(", better)")
    tex = depth.to_tex(frame)
    assert tex.count(r"\begin{tabular}") == 4
    assert r"bias\_only" in tex and r"MSE, [0, 1] scale $\downarrow$ $\times 10^{-3}$" in tex


def test_figure_shows_the_gain_from_deep_to_shallow(frame):
    figure = depth.gain_figure(frame, CHOSEN)
    assert len(figure.axes) == 6  # three metrics against the deep map and the truth
    titles = [axes.get_title(loc="left") for axes in figure.axes[:3]]
    assert titles[0] == "MSE, [0, 1] scale ↓ ×10⁻³"
    assert [title.split(" ↑")[0] for title in titles[1:]] == ["SCC (HiCRep), balanced", "Pearson r, O/E"]
    axes = figure.axes[0]
    left, right = axes.get_xlim()
    assert axes.get_xscale() == "log" and left > 1 / 4 > 1 / 64 > right
    assert [label.get_text() for label in figure.axes[3].get_xticklabels()] == ["1/4", "1/64"]
    line = next(one for one in axes.lines if one.get_label() == "aligned")
    chosen = frame.query("reference == 'deep' and against == 'image only' and label == 'aligned' and metric == 'mse'")
    np.testing.assert_allclose(line.get_ydata(), chosen["difference"] * 1e3)
    bars = axes.collections[0].get_segments()
    np.testing.assert_allclose([bar[:, 1] for bar in bars], chosen[["ci_low", "ci_high"]] * 1e3)
    # The same label has the same colour in every panel, another label another.
    colours = {
        label: {one.get_color() for axes in figure.axes for one in axes.lines if one.get_label() == label}
        for label in CHOSEN["arms"]
    }
    assert [len(own) for own in colours.values()] == [1, 1] and colours["aligned"] != colours["bias_only"]


def test_figure_by_distance_has_a_panel_per_depth(by_distance):
    figure = depth.distance_figure(by_distance, CHOSEN)
    assert len(figure.axes) == 8  # two maps x two metrics x two depths
    assert [axes.get_title(loc="left") for axes in figure.axes[:2]] == ["1/4 of the contacts", "1/64 of the contacts"]
    line = next(one for one in figure.axes[1].lines if one.get_label() == "aligned")
    chosen = by_distance.query(
        "reference == 'deep' and against == 'image only' and label == 'aligned' and metric == 'pearson' and kept < 0.1"
    )
    # 2 to 39 kb in steps of 1.2: the nearest distances stand alone, the farthest share a point.
    assert line.get_xdata()[0] == pytest.approx(2000) and len(line.get_xdata()) < len(chosen)
    far = np.round(np.log(chosen["distance_bp"]) / np.log(1.2))
    last = chosen[far == far.max()]
    assert len(last) > 1
    assert line.get_xdata()[-1] == pytest.approx(np.exp(np.log(last["distance_bp"]).mean()))
    expected = [chosen["difference"].iloc[0], last["difference"].mean()]
    unit = line.get_ydata()[0] / expected[0]
    assert math.log10(unit) == pytest.approx(round(math.log10(unit)))
    assert line.get_ydata()[-1] == pytest.approx(expected[1] * unit)


def test_write(tmp_path, frame, by_distance):
    depth.write(tmp_path, frame, by_distance, CHOSEN)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "by_distance.png", "by_distance.svg", "gain.md", "gain.png", "gain.svg", "gain.tex", "gain.tsv",
        "gain_by_distance.tsv",
    ]  # fmt: skip
    again = pd.read_csv(tmp_path / "gain.tsv", sep="\t")
    pd.testing.assert_frame_equal(again, frame, check_dtype=False, rtol=1e-7)


def test_what_the_config_must_mend(windows, comparisons):
    scores = aggregate.summarise(windows)

    def refused(match, references=CHOSEN["references"], arms=CHOSEN["arms"], degradations=DEGRADATIONS):
        with pytest.raises(InputError, match=match):
            depth.gain(scores, comparisons, windows, {"references": references, "arms": arms}, degradations)

    refused("depth/arms/mixed: .*scored on one low map", arms={"mixed": ["aligned-d4", "bias-d4"]})
    refused("name it under evaluate/comparison/reference_arms", references={"smoothed": ["gaussian-d4"]})
    refused("no arm was scored on the same low map", arms={"aligned": ["aligned-d4"]}, references={"i": ["image-d64"]})
    refused("keep the same share of the contacts", degradations={"d4": {"thin": 4}, "d64": {"thin": 4}})
