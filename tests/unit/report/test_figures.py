import io

import made_up
import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from PIL import Image

from trifold.report import figures
from trifold.report.tables import View

SETTINGS = made_up.config(seeds=(1, 2))
ARMS = SETTINGS["arms"]
VIEW = View("low", "alpha", "deep", "oe")


@pytest.fixture(scope="module")
def windows():
    return made_up.window_scores(SETTINGS, n_windows=8)


def test_palette_is_grey_without_a_model_and_colourful_otherwise():
    styles = figures.palette(ARMS)
    assert list(styles) == ["identity", "gaussian", "bicubic", "sequence", "image", "hybrid"]
    spread = {name: np.ptp(to_rgb(style.colour)) for name, style in styles.items()}
    assert max(spread[name] for name in ("identity", "gaussian", "bicubic")) < 0.15
    assert min(spread[name] for name in ("sequence", "image", "hybrid")) > 0.3
    assert len({(style.colour, style.dash) for style in styles.values()}) == len(styles)


def test_many_arms_stay_apart():
    arms = {f"m{i}": {"architecture": "vehicle"} for i in range(20)}
    assert len({(style.colour, style.dash) for style in figures.palette(arms).values()}) == 20


def test_distance_curves_weight_folds_by_pixels(windows):
    rows = made_up.distances(windows)
    other = rows.assign(fold="b", pearson=0.9, n_pixels=rows["n_pixels"] * 3)
    both = pd.concat([rows, other])
    figure = figures.distance_curves(both, ARMS, VIEW)
    upper, lower = figure.axes
    assert (upper.get_title(loc="left"), lower.get_title(loc="left")) == ("Pearson r ↑", "MSE ↓")
    line = next(line for line in upper.lines if line.get_label() == "identity")
    own = VIEW.of(rows).query("arm == 'identity'").set_index("distance_bp")["pearson"]
    np.testing.assert_allclose(line.get_ydata(), own / 4 + 0.9 * 3 / 4)
    assert len(upper.collections) == 3  # a band for every arm with more than one seed
    assert lower.get_yscale() == "log"


def test_y3_distance_curves_show_the_ceilings(windows):
    """Their band spans the divisions of the reads; they stand apart from the arms."""
    rows = made_up.distances(windows)
    one = rows[rows["arm"] == "identity"]
    ceilings = [
        one.assign(arm=name, seed=split, pearson=value + split / 100)
        for name, value in (("replicate", 0.8), ("noise-free", 0.9))
        for split in (1, 2)
    ]
    figure = figures.distance_curves(pd.concat([rows, *ceilings]), ARMS, VIEW)
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    np.testing.assert_allclose(lines["replicate"].get_ydata(), 0.815)
    np.testing.assert_allclose(lines["noise-free"].get_ydata(), 0.915)
    assert list(lines)[-2:] == ["replicate", "noise-free"]
    assert len(figure.axes[0].collections) == 3 + 2
    assert not {figures.CEILING_STYLES[name] for name in lines if name in figures.CEILING_STYLES} & set(
        figures.palette(ARMS).values()
    )


def test_intervals_mark_what_is_decided(windows):
    _, comparisons = made_up.aggregates(windows, ["identity"])
    comparisons.loc[comparisons["arm"] == "bicubic", ["ci_low", "better"]] = [-0.01, "undecided"]
    comparisons.loc[comparisons["arm"] == "hybrid", ["ci_low", "ci_high", "better"]] = [np.nan, np.nan, "too few"]
    figure = figures.intervals(comparisons, ARMS, VIEW, "identity", metrics=["mse", "pearson"])
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["MSE ↓ ×10⁻³", "Pearson r ↑"]
    names = ["gaussian", "bicubic", "sequence", "image", "hybrid"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == names
    rows = VIEW.of(comparisons).query("metric == 'pearson'").set_index("arm")
    lines = figure.axes[1].lines[:-1]  # the last one is zero
    np.testing.assert_allclose(lines[6].get_xdata(), rows.loc["image", ["ci_low", "ci_high"]].to_numpy(float))
    np.testing.assert_allclose(lines[7].get_xdata(), rows.loc["image", "difference"])
    filled = [to_hex(line.get_markerfacecolor()) != "#ffffff" for line in lines[1::2]]
    assert filled == [True, False, True, True, False]
    assert np.isnan(lines[8].get_xdata()).all() and lines[9].get_xdata() == rows.loc["hybrid", "difference"]


def test_training_curves_show_every_seed_and_the_best_epoch():
    histories = made_up.histories(SETTINGS, epochs=5)
    figure = figures.training_curves(histories, ARMS)
    assert [axes.get_title(loc="left") for axes in figure.axes[:3]] == ["sequence", "image", "hybrid"]
    upper = figure.axes[1]
    mean = histories.query("arm == 'image'").groupby("epoch")["validation_loss"].mean()
    ring = next(line for line in upper.lines if line.get_marker() == "o")
    assert ring.get_xdata()[0] == mean.idxmin()
    thick = next(line for line in upper.lines if line.get_label() == "validation")
    np.testing.assert_allclose(thick.get_ydata(), mean)
    assert sum(line.get_linewidth() < 1 for line in upper.lines) == 4  # two losses of two seeds


def test_training_curves_of_one_epoch_are_points():
    figure = figures.training_curves(made_up.histories(SETTINGS, epochs=1), ARMS)
    assert any(line.get_marker() == "o" and line.get_label() == "validation" for line in figure.axes[0].lines)


@pytest.mark.parametrize("scale", ["balanced", "oe"])
def test_map_panel_shares_one_norm_and_shows_the_change(scale):
    window = made_up.window(SETTINGS)
    figure = figures.map_panel(window, ARMS, scale)
    meshes = {}
    for axes in figure.axes:
        own = [mesh for mesh in axes.collections if isinstance(mesh, matplotlib.collections.QuadMesh)]
        if axes.texts and own and not axes.axison:
            meshes[axes.texts[0].get_text()] = own
    assert list(meshes) == ["low", "deep", "truth", "identity", "gaussian", "bicubic", "sequence", "image", "hybrid"]
    uppers = [own[0].norm for own in meshes.values()]
    assert len({(norm.vmin, norm.vmax) for norm in uppers}) == 1
    image, change = meshes["image"]
    assert image.get_array().shape == (64, 64)
    assert meshes["low"][0].get_array().shape == (32, 32)
    expected = window.oe("image") - window.oe("deep")
    if scale == "balanced":
        floor = uppers[0].vmin
        expected = np.log2(np.maximum(window.maps["image"], floor) / np.maximum(window.maps["deep"], floor))
    np.testing.assert_allclose(change.get_array().filled(np.nan), expected)
    assert np.isnan(expected[21]).all()  # the missing bin stays missing


def test_map_panel_without_truth_lanes_or_motifs():
    window = made_up.window(SETTINGS)
    maps = {name: values for name, values in window.maps.items() if name in ("low", "deep", "image")}
    bare = type(window)(window.region, window.bin_bp, maps, window.gc)
    assert isinstance(figures.map_panel(bare, ARMS), Figure)


def test_contact_decay_compares_with_the_deep_map():
    decay = made_up.decay(SETTINGS)
    left, right = figures.contact_decay(decay, ARMS).axes
    assert left.get_yscale() == "log"
    assert {line.get_label() for line in left.lines} == {"low", "deep", "truth", *ARMS}
    truth = next(line for line in right.lines if line.get_color() == "#cbd2d9")
    table = decay.pivot(index="distance_bp", columns="map", values="mean")
    np.testing.assert_allclose(truth.get_ydata(), np.log2(table["truth"] / table["deep"]).dropna())


def test_save_is_deterministic_and_leaves_settings_alone(tmp_path, windows):
    before = dict(matplotlib.rcParams)
    _, comparisons = made_up.aggregates(windows, ["identity"])
    texts = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        figure = figures.intervals(comparisons, ARMS, VIEW, "identity", metrics=["mse"])
        drawn = figures.save(figure, tmp_path / name / "intervals.mse")
        png, svg = (tmp_path / name / f"intervals.mse.{suffix}" for suffix in ("png", "svg"))
        assert (png.read_bytes(), svg.read_text()) == (drawn.png, drawn.svg)
        texts.append(drawn.svg)
    assert texts[0] == texts[1]
    assert "dc:date" not in texts[0]
    with Image.open(png) as image:
        assert image.size == tuple(int(inches * 192) for inches in figure.get_size_inches())
    assert dict(matplotlib.rcParams) == before


def test_png_keeps_paper_white_and_arms_in_their_colours():
    figure = figures.map_panel(made_up.window(SETTINGS), ARMS)
    found = {pixel for _, pixel in Image.open(io.BytesIO(figures.png_bytes(figure))).convert("RGB").getcolors(1 << 24)}
    wanted = ["#ffffff", *(figures.palette(ARMS)[name].colour for name in ("sequence", "image", "hybrid"))]
    assert {tuple(round(255 * part) for part in to_rgb(colour)) for colour in wanted} <= found


# ---------------------------------------------------------------- ticks, and maps of one's own


def ticks(values, write=figures.plain_number) -> tuple[list[str], str]:
    axis = figures.Ticks(write)
    return axis.format_ticks(values), axis.get_offset()


@pytest.mark.parametrize(
    ("values", "labels", "offset"),
    [
        ([0.01, 0.02, 0.05], ["0.01", "0.02", "0.05"], ""),
        ([0.04, 0.04001, 0.04002], ["0.04", "0.04001", "0.04002"], ""),
        ([2.0000001, 2.0000002], ["0", "1×10⁻⁷"], "+ 2"),
        ([-1.5, 0, 1.5], ["−1.5", "0", "1.5"], ""),
        ([5.0, 5.0], ["5", "5"], ""),
        ([], [], ""),
    ],
)
def test_d21_ticks_have_the_digits_that_tell_them_apart(values, labels, offset):
    assert ticks(values) == (labels, offset)


def test_d21_distances_too():
    assert ticks([12_340, 12_345, 12_350], figures.bp)[0] == ["12.34 kb", "12.345 kb", "12.35 kb"]
    assert ticks([500, 1000, 2_000_000], figures.bp)[0] == ["500 bp", "1 kb", "2 Mb"]


@pytest.mark.parametrize("spread", [1e-2, 1e-4, 1e-7])
def test_d21_a_loss_that_hardly_moves_has_distinct_ticks(spread):
    """Seen: 0.04, 0.04, 0.04."""
    histories = made_up.histories(SETTINGS, epochs=4)
    for column in ("train_loss", "validation_loss"):
        histories[column] = 0.04 * (1 + spread * histories["epoch"] / 4)
    histories["validation_pearson"] = 0.9 + spread * histories["epoch"]
    assert made_up.repeated_ticks(figures.training_curves(histories, ARMS)) == []


@pytest.mark.parametrize("spread", [0.1, 1e-3, 1e-6])
def test_d21_scores_by_distance_that_hardly_differ_have_distinct_ticks(windows, spread):
    rows = made_up.distances(windows)
    for column in ("mse", "pearson"):
        rows[column] = 0.04 * (1 + spread * rows["distance_bp"] / rows["distance_bp"].max())
    assert made_up.repeated_ticks(figures.distance_curves(rows, ARMS, VIEW)) == []


@pytest.mark.parametrize("unit", [1e-9, 1e-3, 1e5])
def test_d21_narrow_intervals_have_distinct_ticks(windows, unit):
    _, comparisons = made_up.aggregates(windows, ["identity"])
    center = comparisons["difference"]
    comparisons = comparisons.assign(difference=unit, ci_low=unit * (1 - 1e-3), ci_high=unit * (1 + 1e-3))
    assert len(center)
    assert made_up.repeated_ticks(figures.intervals(comparisons, ARMS, VIEW, "identity")) == []


def test_repeated_ticks_sees_a_repetition():
    figure = figures.blank(3, 2)
    figure.subplots().set_xticks([0, 0.5, 1], ["0.04", "0.04", "0.05"])
    assert made_up.repeated_ticks(figure) == [["0.04", "0.04", "0.05"]]
    figure.clear()


def test_contacts_by_distance_leaves_out_the_diagonal_and_what_holds_nothing():
    maps = {"deep": [(0, 9.0), (1000, 4.0), (2000, 1.0)], "low": [(2000, 0.5), (4000, 0.0)], "thin": [(1000, 0.0)]}
    (axes,) = figures.contacts_by_distance(maps).axes
    found = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
    assert found == {"deep": [[1000, 4], [2000, 1]], "low": [[2000, 0.5]]}
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")


def test_many_low_maps_keep_apart_and_none_makes_an_empty_figure():
    maps = {"deep": [(1000, 9.0), (2000, 4.0)]} | {f"low{i}": [(1000, 8.0 - i), (2000, 1.0)] for i in range(8)}
    (axes,) = figures.contacts_by_distance(maps).axes
    assert len({(line.get_color(), line.get_linestyle()) for line in axes.lines}) == 9
    (empty,) = figures.contacts_by_distance({"deep": [(0, 1.0)]}).axes
    assert len(empty.lines) == 0


def test_a_map_before_and_after_shares_one_norm():
    window = made_up.window(SETTINGS)
    figure = figures.map_pair(window.region, window.maps["low"], window.maps["deep"])
    meshes = [mesh for axes in figure.axes for mesh in axes.collections if axes.texts and hasattr(mesh, "norm")]
    before, after = [mesh for mesh in meshes if mesh.get_array() is not None and mesh.get_array().ndim == 2][:2]
    assert (before.get_array().shape, after.get_array().shape) == ((32, 32), (64, 64))
    assert (before.norm.vmin, before.norm.vmax) == (after.norm.vmin, after.norm.vmax)
    empty = figures.map_pair(window.region, np.full((8, 8), np.nan), np.zeros((16, 16)))
    assert isinstance(empty, Figure)


def test_d5_a_window_without_sequence_has_no_gc_lane():
    window = made_up.window(SETTINGS)
    bare = type(window)(window.region, window.bin_bp, window.maps)
    names = [text.get_text() for axes in figures.map_panel(bare, ARMS).axes for text in axes.texts]
    assert "GC" not in names
    assert "deep" in names
