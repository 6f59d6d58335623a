"""MIX-HIC's figures: what is drawn of the scores, and that it stands in the picture."""

import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib.colors import to_rgb

from trifold.errors import InputError
from trifold.genome import Region
from trifold.papers.mixhic2025 import figures as draw
from trifold.report import figures

FRACTIONS = (1e-4, 1e-3, 1e-2, 1e-1)
ABLATION = ("Map only", "Epi only", "Bimodal w/o pre-train", "Bimodal")


def made_up() -> pd.DataFrame:
    """Scores as scores.tsv has them: two cell types, three seeds, every task, few-shot and other widths."""
    rng, rows = np.random.default_rng(1), []
    values = {
        "loop": {"auroc": 0.90, "f1": 0.82},
        "window": {"pearson": 0.93, "r2": 0.85},
        "cage": {"pearson": 0.9, "r2": 0.8},
    }

    def add(run, task, protocol, trained, sample, fraction, change):
        for seed in (1, 2, 3):
            for metric, base in values[task].items():
                value = base + change - 0.01 * (sample == "K562") + rng.normal(0, 0.004)
                row = {"run": run, "task": task, "protocol": protocol, "train_samples": trained, "sample": sample}
                row |= {"fraction": fraction, "seed": seed, "role": "test", "metric": metric, "distance_bp": np.nan}
                rows.append({**row, "n": 10, "value": value})

    for cell, other in (("GM12878", "K562"), ("K562", "GM12878")):
        for task in values:
            for number, label in enumerate(ABLATION):
                for protocol in ("published", "corrected"):
                    run = f"{label}-{task}-{cell}-{protocol}"
                    add(run, task, protocol, cell, cell, 1.0, 0.012 * number - 0.02 * (protocol == "published"))
                    add(run, task, protocol, cell, other, 1.0, 0.012 * number - 0.08)
            for value in (1, 2, 3):
                add(f"depth{value}-{task}-{cell}", task, "corrected", cell, cell, 1.0, -0.01 * abs(value - 2))
            for value in (64, 128, 256):
                add(f"dim{value}-{task}-{cell}", task, "corrected", cell, cell, 1.0, -0.01 * (value == 64))
        for fraction in FRACTIONS:
            for label, loss in (("MIX-HIC", 0.02), ("w/o pre-train", 0.06), ("DLoopCaller", 0.05)):
                add(f"{label}-{fraction}-{cell}", "loop", "corrected", cell, cell, fraction, loss * np.log10(fraction))
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def scores():
    return made_up()


def runs_of(scores, prefix):
    return [run for run in dict.fromkeys(scores["run"]) if run.startswith(f"{prefix}-")]


def validations(curves=((400, 0.9), (700, 0.7))) -> pd.DataFrame:
    rows = []
    for (n, share), run in zip(curves, ("mixhic", "dloopcaller")):
        for sample in ("GM12878", "K562"):
            for seed in (1, 2):
                loops = np.arange(1, n + 1)
                validated = np.cumsum(np.random.default_rng(seed).random(n) < share * (1 - 0.4 * loops / n))
                curve = {
                    "loops": loops,
                    "validated": validated,
                    "precision": validated / loops,
                    "recall": validated / 900,
                }
                rows.append(pd.DataFrame(curve).assign(run=run, protocol="corrected", sample=sample, seed=seed))
    return pd.concat(rows, ignore_index=True)


def loop_map(title="MIX-HIC") -> draw.LoopMap:
    rng = np.random.default_rng(3)
    distance = np.abs(np.subtract.outer(np.arange(400), np.arange(400)))
    values = np.clip(rng.gamma(3, size=(400, 400)) / 3 / (1 + distance) ** 0.9, 0, 1)
    values = np.triu(values) + np.triu(values, 1).T
    near = rng.integers(0, 330, (40, 1))
    places = 20_000_000 + 5000 * np.concatenate([near, near + rng.integers(12, 70, (40, 1))], axis=1)
    return draw.LoopMap(title, values, Region("chr13", 20_000_000, 22_000_000), places[:30], places[10:])


def colours_of(figure, tmp_path):
    figures.save(figure, tmp_path / "figure")
    return (tmp_path / "figure.svg").read_text().lower()


def test_points_are_means_over_seeds_within_or_across_samples(scores):
    labels = {label: runs_of(scores, label) for label in reversed(ABLATION)}
    frame = draw.points(scores, labels, within=True)
    assert list(dict.fromkeys(frame["label"])) == list(labels)
    assert len(frame) == 4 * 3 * 2 * 2 * 2 and (frame["n_seeds"] == 3).all()
    own = scores[(scores["run"] == "Bimodal-loop-K562-published") & (scores["sample"] == "K562")]
    values = own.loc[own["metric"] == "auroc", "value"]
    (one,) = frame.query(
        "label == 'Bimodal' and protocol == 'published' and metric == 'auroc' and sample == 'K562'"
    ).itertuples()
    assert (one.mean, one.sd) == (pytest.approx(values.mean()), pytest.approx(values.std()))
    across = draw.points(scores, labels, within=False)
    assert set(zip(across["trained"], across["sample"])) == {("GM12878", "K562"), ("K562", "GM12878")}
    assert draw.points(scores, {"None": []}, within=True).empty
    with pytest.raises(InputError, match=r"the runs .*'dim128-cage-GM12878', 'dim64-cage-GM12878'.* are one point"):
        draw.points(scores, {"both": [*runs_of(scores, "dim64"), *runs_of(scores, "dim128")]}, within=True)


def titles(figure):
    return [axes.get_title(loc="left") for axes in figure.axes]


def test_figure_3_shows_every_search(tmp_path):
    figure = draw.figure3(validations(), {"MIX-HIC": ["mixhic"], "DLoopCaller": ["dloopcaller"]}, 10_000)
    assert len(figure.axes) == 6
    lines = figure.axes[0].get_lines()
    assert len(lines) == 2 * 2 + 1  # runs × seeds, and all validated
    first = validations().query("run == 'mixhic' and sample == 'GM12878' and seed == 1")
    np.testing.assert_array_equal(lines[0].get_ydata(), first["validated"])
    text = colours_of(figure, tmp_path)
    assert "within 10 kb" in text and "dloopcaller" in text


def test_figure_s1_has_predicted_loops_below_and_seen_ones_above(tmp_path):
    one = loop_map()
    figure = draw.figure_s1([one] * 4)
    predicted, seen = figure.axes[0].get_lines()
    assert (predicted.get_ydata() > predicted.get_xdata()).all() and (seen.get_ydata() < seen.get_xdata()).all()
    np.testing.assert_allclose(np.sort(seen.get_ydata()), np.sort(one.seen[:, 0] / 1e6))
    assert len(figure.axes) == 4
    assert "30 predicted, 30 seen" in figure.axes[0].get_title(loc="left")
    assert to_rgb(seen.get_color()) == to_rgb("#d7191c")
    assert "chr13, mb" in colours_of(figure, tmp_path)


@pytest.mark.parametrize("panels", [1, 2, 3, 4])
def test_figure_s1_is_drawn_whole(panels):
    figure = draw.figure_s1([loop_map()] * panels)
    figure.canvas.draw()
    drawn = figure.get_tightbbox(figure.canvas.get_renderer())
    width, height = figure.get_size_inches()
    assert min(drawn.x0, drawn.y0) >= 0 and drawn.x1 <= width and drawn.y1 <= height


def test_figure_4_has_a_curve_per_label_over_the_fractions(scores):
    labels = {label: runs_of(scores, label) for label in ("MIX-HIC", "w/o pre-train", "DLoopCaller")}
    frame = draw.points(scores, labels, within=True)
    figure = draw.figure4(frame)
    assert titles(figure) == ["AUROC ↑", "F1 ↑"] * 2
    curves = [line for line in figure.axes[0].get_lines() if len(line.get_xdata())]
    assert len(curves) == 3
    np.testing.assert_allclose(curves[0].get_xdata(), FRACTIONS)
    own = frame.query("label == 'MIX-HIC' and sample == 'GM12878' and metric == 'auroc'").sort_values("fraction")
    np.testing.assert_allclose(curves[0].get_ydata(), own["mean"])


@pytest.mark.parametrize(("number", "panels"), [(5, 4), (6, 6)])
def test_figures_5_and_6_have_a_mark_per_label_cell_and_protocol(scores, number, panels):
    labels = {label: runs_of(scores, label) for label in ABLATION}
    frame = draw.points(scores, labels, within=number == 6)
    figure = (draw.figure5 if number == 5 else draw.figure6)(frame)
    assert len(figure.axes) == panels
    task, metric = ("window", "pearson") if number == 5 else ("loop", "auroc")
    marks = [line for line in figure.axes[0].get_lines() if line.get_marker() == "o"]
    drawn = np.concatenate([line.get_xdata() for line in marks])
    expected = frame[(frame["task"] == task) & (frame["metric"] == metric)]["mean"]
    np.testing.assert_allclose(np.sort(drawn), np.sort(expected))
    assert len({line.get_markerfacecolor() for line in marks}) == 3  # two cells, and hollow
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == list(ABLATION)


@pytest.mark.parametrize("setting", ["depth", "dim"])
def test_figures_s2_and_s3_stand_over_the_setting(scores, setting):
    values = {"depth": (1, 2, 3), "dim": (64, 128, 256)}[setting]
    labels = {str(value): runs_of(scores, f"{setting}{value}") for value in values}
    figure = draw.parameter(draw.points(scores, labels, within=True), "D")
    assert titles(figure) == ["loops: AUROC ↑", "maps: Pearson r ↑", "CAGE: Pearson r ↑"]
    for axes in figure.axes:
        np.testing.assert_allclose(axes.get_lines()[0].get_xdata(), values)
        assert [text.get_text() for text in axes.get_xticklabels()] == [str(value) for value in values]


def test_every_row_of_figure_3_has_a_colour_of_its_own(repository):
    """At the size of the paper: learned callers and programs beside MIX-HIC."""
    rows = yaml.safe_load((repository / "papers/mixhic2025/arms.yaml").read_text())["paper"]["mixhic2025"]["tables"]
    colours = draw._colours(rows["tables2"])
    assert len(colours) == len(set(colours.values())) == 7
