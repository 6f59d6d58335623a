"""The tables, figures and the section of Kriukov et al. 2021."""

import math
import re
from pathlib import Path

import made_up
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from trifold.errors import InputError
from trifold.papers import paper
from trifold.papers.kriukov2021 import figures as drawn
from trifold.papers.kriukov2021 import tables as kriukov2021
from trifold.report import figures, sections

PUBLISHED = paper.read_published(Path(__file__).parents[3] / "papers/kriukov2021/published.tsv")
METRICS = ["mae", "mse", "pearson", "spearman", "scc_hicrep", "scc_hicreppy", "scc_kriukov2021"]
BIN_BP = 5000
WINDOW_BP = 200 * BIN_BP
TABLE1 = {"Akita-like": ["sequence", "sequence-published"], "Ours": ["graph"]}
TABLE2 = {"Downsampled": ["identity"], "img-to-img": ["image", "image-published"], "Hybrid_2": ["hybrid"]}
TABLE3 = {"Random": {"fold": "random", "arms": ["sequence-random"]}, "Chromosome": {"fold": "a", "arms": ["sequence"]}}


def windows(arm, values, *, protocol="corrected", role="test", scale="oe", fold="a", seed=1, chrom="chr8", low="low"):
    """One row per value: every score of window i is values[i]."""
    rows = []
    for i, value in enumerate(values):
        key = [protocol, low, arm, fold, seed, "alpha", role, chrom, i * WINDOW_BP, (i + 1) * WINDOW_BP, scale, 100]
        rows.append([*key, *[value] * len(METRICS)])
    place = ["protocol", "degradation", "arm", "fold", "seed", "sample", "role", "chrom", "start_bp", "end_bp"]
    return pd.DataFrame(rows, columns=[*place, "scale", "n_pixels", *METRICS])


def cell(frame, row, metric, protocol, role="Test"):
    chosen = frame.query("row == @row and metric == @metric and protocol == @protocol and set == @role")
    assert len(chosen) == 1
    return chosen.iloc[0]


SCORES = pd.concat(
    [
        windows("sequence", [0.1, 0.3], seed=1),
        windows("sequence", [0.4, 0.8], seed=2),
        windows("sequence", [0.05], role="train", chrom="chr1"),
        windows("sequence-published", [0.7], protocol="published"),
        # One scale and one role too many, which no table takes.
        windows("sequence", [9.0], scale="observed", role="validation"),
    ]
)
OBSERVED = pd.concat(
    [
        windows("identity", [0.02, 0.04], protocol="published", scale="observed", seed=0),
        windows("identity", [0.03, 0.05], scale="observed", seed=0),
        windows("image", [0.01, 0.02], scale="observed", seed=1),
        windows("image", [0.03, 0.02], scale="observed", seed=2),
        windows("image", [5.0], scale="observed", role="train"),
    ]
)


# ---------------------------------------------------------------- the paper's numbers


def test_every_number_of_the_paper_is_there_once():
    assert PUBLISHED.groupby("table").size().to_dict() == {"I": 24, "II": 35, "III": 24}
    assert PUBLISHED.groupby("table")["row"].nunique().to_dict() == {"I": 2, "II": 7, "III": 2}
    # The chromosome split of Table III is the Akita-like model of Table I.
    of = {row: rows.set_index(["set", "metric"])["value"] for (_, row), rows in PUBLISHED.groupby(["table", "row"])}
    pd.testing.assert_series_equal(of["Chromosome"], of["Akita-like"])
    assert all(f"Table {row.table} " in row.source for row in PUBLISHED.itertuples())


@pytest.mark.parametrize(
    "table, row, role, metric, value",
    [
        ("I", "Akita-like", "Train", "mae", "0.220"),
        ("I", "Akita-like", "Test", "pearson", "0.611"),
        ("I", "Ours", "Val", "spearman", "0.647"),
        ("II", "Downsampled", "not stated", "scc_kriukov2021", "0.553"),
        ("II", "DeepHiC", "not stated", "pearson", "0.79"),
        ("II", "VEHiCLE", "not stated", "spearman", "0.9096"),
        ("II", "Hybrid", "not stated", "mse", "0.002"),
        ("III", "Random", "Test", "mse", "0.116"),
    ],
)
def test_numbers_are_as_printed(table, row, role, metric, value):
    chosen = PUBLISHED[(PUBLISHED[["table", "row", "set", "metric"]] == [table, row, role, metric]).all(axis=1)]
    assert chosen["value"].tolist() == [value]


@pytest.mark.parametrize(
    "text, said",
    [
        ("table\trow\n", "columns .* are missing"),
        ("table\trow\tset\tmetric\tvalue\tsource\nI\ta\tTest\tpsnr\t1\tx\n", "psnr"),
        ("table\trow\tset\tmetric\tvalue\tsource\n" + "I\ta\tTest\tmse\t1\tx\n" * 2, "twice"),
    ],
)
def test_a_broken_table_is_refused(tmp_path, text, said):
    (tmp_path / "own.tsv").write_text(text)
    with pytest.raises(InputError, match=said) as error:
        paper.read_published(tmp_path / "own.tsv")
    assert "own.tsv" in str(error.value)


# ---------------------------------------------------------------- our numbers


def test_windows_are_averaged_before_seeds():
    frame = kriukov2021.table1(SCORES, TABLE1, PUBLISHED)
    assert list(frame) == kriukov2021.COLUMNS
    assert len(frame) == 2 * 3 * 4 * 3  # rows, sets, metrics, protocols
    own = cell(frame, "Akita-like", "mse", "corrected")
    assert (own["arm"], own["n_seeds"], own["n_windows"]) == ("sequence", 2, 2)
    assert own["mean"] == pytest.approx((0.2 + 0.6) / 2)
    assert own["sd"] == pytest.approx(np.std([0.2, 0.6], ddof=1))
    alone = cell(frame, "Akita-like", "mse", "published")
    assert (alone["arm"], alone["mean"]) == ("sequence-published", 0.7)
    assert math.isnan(alone["sd"])
    assert cell(frame, "Akita-like", "mae", "corrected", "Train")["mean"] == 0.05
    paper = cell(frame, "Ours", "mae", "paper", "Val")
    assert (paper["mean"], paper["printed"], paper["arm"]) == (0.276, "0.276", "")


def test_scores_that_are_not_finite_are_left_out():
    scores = pd.concat([windows("sequence", [0.2, math.nan, math.inf]), windows("sequence", [math.nan] * 3, seed=2)])
    own = cell(kriukov2021.table1(scores, TABLE1, PUBLISHED), "Akita-like", "pearson", "corrected")
    assert (own["mean"], own["n_seeds"], own["n_windows"]) == (0.2, 1, 1)


def test_a_missing_arm_is_a_dash_and_not_a_gap():
    frame = kriukov2021.table1(SCORES, TABLE1, PUBLISHED)
    missing = cell(frame, "Ours", "mse", "corrected")
    assert (missing["arm"], missing["n_seeds"], missing["n_windows"]) == ("", 0, 0)
    assert math.isnan(missing["mean"])
    table = kriukov2021.parts(frame)[0][0]
    names, cells = table.rows[-1]
    assert names == ["Ours", "Test"]
    assert [one.value for one in cells[:3]] == ["0.283", "–", "–"]


def test_the_papers_numbers_stand_without_any_score():
    frame = kriukov2021.table2(OBSERVED[:0], TABLE2, PUBLISHED)
    assert cell(frame, "Downsampled", "mse", "paper")["mean"] == 0.0024
    assert kriukov2021.parts(frame)[0][0].note.startswith("No arm of this table was scored.")


def test_rows_without_a_model_stand_under_both_protocols():
    frame = kriukov2021.table2(OBSERVED, TABLE2, PUBLISHED)
    assert set(frame["set"]) == {"Test"}
    means = [cell(frame, "Downsampled", "mse", protocol)["mean"] for protocol in kriukov2021.PROTOCOLS]
    assert means == pytest.approx([0.0024, 0.03, 0.04])
    assert cell(frame, "img-to-img", "mae", "corrected")["mean"] == pytest.approx(0.02)


def test_the_papers_scc_stands_beside_its_own_form_only():
    frame = kriukov2021.table2(OBSERVED, TABLE2, PUBLISHED)
    assert cell(frame, "img-to-img", "scc_kriukov2021", "paper")["mean"] == 0.569
    assert set(frame.query("metric in ['scc_hicrep', 'scc_hicreppy']")["protocol"]) == {"published", "corrected"}
    groups = kriukov2021.parts(frame)[0][0].groups
    assert [heading.split(" ×")[0] for heading, _ in groups[-3:]] == [
        "SCC (Kriukov 2021) ↑", "SCC (HiCRep) ↑", "SCC (hicreppy) ↑",
    ]  # fmt: skip
    assert [len(own) for _, own in groups] == [3, 3, 3, 3, 3, 2, 2]


def test_table_3_takes_each_row_from_its_split():
    random = windows("sequence-random", [0.2, 0.2], fold="random", chrom="chr5")
    stray = windows("sequence", [0.9], fold="random")  # the other split's arm on this one
    frame = kriukov2021.table3(pd.concat([SCORES, random, stray]), TABLE3, PUBLISHED)
    assert cell(frame, "Random", "mse", "corrected")["mean"] == 0.2
    assert cell(frame, "Chromosome", "mse", "corrected")["mean"] == pytest.approx(0.4)
    assert cell(frame, "Random", "pearson", "paper", "Train")["mean"] == 0.850
    note = kriukov2021.parts(frame)[0][0].note
    assert note.startswith("Test regions: chr5:0-2,000,000 (Random); chr8:0-2,000,000 (Chromosome). Windows:")


def test_a_fold_can_be_chosen():
    other = windows("sequence", [0.9], fold="b", seed=1)
    both = pd.concat([SCORES, other])
    assert cell(kriukov2021.table1(both, TABLE1, PUBLISHED, fold="b"), "Akita-like", "mse", "corrected")["mean"] == 0.9
    all_folds = cell(kriukov2021.table1(both, TABLE1, PUBLISHED), "Akita-like", "mse", "corrected")
    assert all_folds["mean"] == pytest.approx(((0.1 + 0.3 + 0.9) / 3 + 0.6) / 2)
    assert all_folds["n_windows"] == 3


def test_a_model_without_a_map_counts_once_beside_several_low_maps():
    twice = pd.concat([SCORES, SCORES.assign(degradation="lower", mse=7.0)])
    frame = kriukov2021.table1(twice, TABLE1, PUBLISHED)
    assert set(frame["degradation"]) == {""}
    assert cell(frame, "Akita-like", "mse", "corrected")["mean"] == pytest.approx(0.4)


def test_every_sample_and_low_map_has_a_table_of_its_own():
    frame = kriukov2021.table2(pd.concat([OBSERVED, OBSERVED.assign(degradation="lower")]), TABLE2, PUBLISHED)
    first, second = (table for table, _ in kriukov2021.parts(frame))
    assert "low map “low”" in first.note
    assert "low map “lower”" in second.note
    assert first.rows == second.rows
    assert first.note.endswith("as released: with the target's diagonal, first row and first column.")


def test_two_arms_of_one_protocol_in_a_row_are_refused():
    with pytest.raises(
        InputError, match=r"'Akita-like' of Table I holds the arms \['sequence', 'sequence-published'\]"
    ):
        kriukov2021.table1(SCORES.assign(protocol="corrected"), TABLE1, PUBLISHED)


def test_scores_without_a_column_or_with_a_strange_protocol_are_refused():
    with pytest.raises(InputError, match="role"):
        kriukov2021.table1(SCORES.drop(columns="role"), TABLE1, PUBLISHED)
    with pytest.raises(InputError, match="original"):
        kriukov2021.table1(SCORES.assign(protocol="original"), TABLE1, PUBLISHED)


def test_arms_of_windows_of_two_sizes_in_a_table_are_refused():
    narrow = windows("image", [0.1], scale="observed")
    narrow["end_bp"] -= WINDOW_BP // 2
    both = pd.concat([OBSERVED[OBSERVED["arm"] == "identity"], narrow])
    named = r"Table II holds 'image', of windows of 500,000 bp, and 'identity', of 1,000,000 bp.* one window_bins"
    with pytest.raises(InputError, match=f"config: kriukov2021: {named}"):
        kriukov2021.table2(both, TABLE2, PUBLISHED)
    # An arm that no row names may have other windows.
    assert (
        cell(kriukov2021.table2(both, {"Downsampled": ["identity"]}, PUBLISHED), "Downsampled", "mse", "corrected")[
            "n_windows"
        ]
        == 2
    )


# ---------------------------------------------------------------- renderings


def markdown(frame):
    return paper.markdown([table for table, _ in kriukov2021.parts(frame)])


def tex(frame):
    return paper.tex(kriukov2021.parts(frame))


def test_the_note_names_regions_windows_seeds_and_both_data():
    note = kriukov2021.parts(kriukov2021.table1(SCORES, TABLE1, PUBLISHED))[0][0].note
    assert note == (
        "Test regions: chr8:0-2,000,000. Windows: Train 1, Test 1–2. Seeds: 1–2; ± is the standard deviation over "
        "seeds. The paper's numbers are of mouse Micro-C (mm10) at 5 kb; published and corrected are of the sample "
        "alpha. The three are normalised and masked differently: compare within a column, not across."
    )


def test_overlapping_windows_are_one_region():
    rows = pd.DataFrame(
        {"chrom": ["chr1", "chr1", "chr1", "chr2"], "start_bp": [5, 0, 30, 0], "end_bp": [15, 10, 40, 9]}
    )
    assert paper.merged(rows.assign(fold="a")).to_numpy().tolist() == [
        ["chr1", 0, 15], ["chr1", 30, 40], ["chr2", 0, 9],
    ]  # fmt: skip


def test_the_papers_digits_follow_the_scale_of_the_column():
    """MSE is shown in thousandths; the paper's numbers keep the digits that were printed."""
    table = kriukov2021.parts(kriukov2021.table2(OBSERVED, TABLE2, PUBLISHED))[0][0]
    assert table.groups[1] == ("MSE ↓ ×10⁻³", ["paper", "published", "corrected"])
    assert [one[:2] for one in table.rows[0][1][3:6]] == [("2.4", ""), ("30.00", ""), ("40.00", "")]
    assert table.rows[1][1][5][:2] == ("20.00", "± 7.07")


def test_no_value_is_marked_as_best():
    frames = [kriukov2021.table1(SCORES, TABLE1, PUBLISHED), kriukov2021.table2(OBSERVED, TABLE2, PUBLISHED)]
    cells = [one for table in kriukov2021.section(frames).tables for _, own in table.rows for one in own]
    assert not any(one.best or one.difference for one in cells)
    for frame in frames:
        body = markdown(frame).split("\n\n", 1)[1]
        assert "**" not in body
        assert r"\textbf" not in tex(frame)


def test_markdown():
    text = markdown(kriukov2021.table1(SCORES, TABLE1, PUBLISHED))
    assert text.startswith(
        "**Table I of Kriukov et al. 2021: sequence models**\n\n| model | set | MAE ↓ paper | MAE ↓ published |"
    )
    assert "| Akita-like | Test | 0.283 | 0.7000 | 0.4000 ± 0.2828 | 0.151 |" in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {2 + 4 * 3 + 1}


def test_tex():
    text = tex(kriukov2021.table2(OBSERVED, TABLE2, PUBLISHED))
    assert r"\multicolumn{3}{c}{MSE $\downarrow$ $\times 10^{-3}$}" in text
    assert r"\cmidrule(lr){5-7}" in text
    assert r"\cmidrule(lr){19-20}" in text  # one column of names, five metrics of three, two of two
    assert r"Hybrid\_2 & -- & -- & -- &" in text
    assert r"20.00 {\scriptsize $\pm$ 7.07}" in text
    assert text.count("{") == text.count("}")
    assert text.count(r"\midrule") == 1
    assert set(text) - set(map(chr, range(128))) <= set("“”")
    rows = [line for line in text.splitlines() if line.startswith(("Downsampled", "img-to-img", "Hybrid"))]
    assert [line.count("&") for line in rows] == [19, 19, 19]
    first = tex(kriukov2021.table1(SCORES, TABLE1, PUBLISHED))
    assert first.count(r"\midrule") == 2  # under the head and between the two models


def test_write_gives_three_files_and_the_numbers_come_back(tmp_path):
    frame = kriukov2021.table1(SCORES, TABLE1, PUBLISHED)
    paths = kriukov2021.write(frame, "kriukov2021_table1", tmp_path)
    assert [path.name for path in paths] == [f"kriukov2021_table1.{suffix}" for suffix in ("tsv", "md", "tex")]
    back = pd.read_csv(paths[0], sep="\t", dtype={"printed": str})
    np.testing.assert_allclose(back["mean"], frame["mean"])
    assert back["printed"].fillna("").tolist() == frame["printed"].tolist()
    assert paths[1].read_text() == markdown(frame)
    assert paths[2].read_text() == tex(frame)


# ---------------------------------------------------------------- the page


def test_a_frame_read_again_makes_the_same_section(tmp_path):
    for table, frame in (
        ("table1", kriukov2021.table1(SCORES, TABLE1, PUBLISHED)),
        ("table2", kriukov2021.table2(OBSERVED, TABLE2, PUBLISHED)),
    ):
        kriukov2021.write(frame, table, tmp_path)
        assert kriukov2021.section([kriukov2021.read(tmp_path / f"{table}.tsv")]) == kriukov2021.section([frame])


def test_the_section_holds_the_numbers(tmp_path):
    frames = [kriukov2021.table1(SCORES, TABLE1, PUBLISHED), kriukov2021.table2(OBSERVED, TABLE2, PUBLISHED)]
    found = sections.read(sections.write(kriukov2021.section(frames), tmp_path))
    assert found == kriukov2021.section(frames)
    one, two = found.tables
    assert [len(table.rows) for table in (one, two)] == [6, 3]  # three sets of two models
    assert one.heads == ["model", "set"]
    assert [heading for heading, _ in one.groups] == ["MAE ↓", "MSE ↓", "Pearson r ↑", "Spearman ρ ↑"]
    assert {tuple(columns) for _, columns in one.groups} == {("paper", "published", "corrected")}
    assert {len(cells) for _, cells in one.rows} == {12} and {len(cells) for _, cells in two.rows} == {19}
    cells = next(cells for names, cells in one.rows if names == ["Akita-like", "Test"])
    assert [cell.value for cell in cells[:3]] == ["0.283", "0.7000", "0.4000"]
    assert cells[2].spread == "± 0.2828"
    assert [cell.value for cell in one.rows[-1][1][:3]] == ["0.283", "–", "–"]
    assert "The paper's numbers are of mouse Micro-C" in one.note


def test_the_heading_lists_its_tables():
    one, two = kriukov2021.table1(SCORES, TABLE1, PUBLISHED), kriukov2021.table2(OBSERVED, TABLE2, PUBLISHED)
    three = kriukov2021.table3(SCORES, TABLE3, PUBLISHED)
    assert [kriukov2021.section(own).subject for own in ([one], [one, two], [one, two, three])] == [
        "Table I", "Tables I and II", "Tables I, II and III",
    ]  # fmt: skip
    assert isinstance(kriukov2021.section([one]), sections.Section)


# ---------------------------------------------------------------- figures


def _maps(n, *names):
    rng = np.random.default_rng(3)
    return {name: rng.random((n, n)) for name in names}


def _images(figure: Figure) -> list:
    return [axes.images[0] for axes in figure.axes if axes.images]


def test_figure_5_shows_each_window_beside_its_predictions():
    rng = np.random.default_rng(1)
    targets, first, second = (list(rng.normal(size=(3, 12, 12))) for _ in range(3))
    targets[1][4] = np.nan
    figure = drawn.figure5(targets, {"sequence": first, "graph": second}, ["w1", "w2", "w3"], clip=1.5)
    images = _images(figure)
    expected = [maps[i] for i in range(3) for maps in (targets, first, second)]
    for image, values in zip(images, expected, strict=True):
        np.testing.assert_array_equal(image.get_array().filled(np.nan), values)
        assert (image.norm.vmin, image.norm.vmax, image.cmap.name) == (-1.5, 1.5, figures.CHANGE.name)
    assert [axes.get_title(loc="left") for axes in figure.axes[:3]] == ["target", "sequence", "graph"]
    assert [axes.get_ylabel() for axes in figure.axes[:9:3]] == ["w1", "w2", "w3"]
    with pytest.raises(ValueError, match="'graph'"):
        drawn.figure5(targets, {"graph": first[:2]}, ["w1", "w2", "w3"])


def test_figure_6_frames_the_fragment_it_shows_below():
    maps = _maps(20, "identity", "hybrid", "target")
    figure = drawn.figure6(maps, (slice(2, 8), slice(5, 15)))
    images = _images(figure)
    assert len(images) == 6
    for upper, lower, values in zip(images[:3], images[3:], maps.values()):
        np.testing.assert_array_equal(upper.get_array(), values)
        np.testing.assert_array_equal(lower.get_array(), values[2:8, 5:15])
        frame = upper.axes.patches[0]
        # Pixel (i, j) is centred on (x, y) = (j, i).
        assert (frame.get_xy(), frame.get_width(), frame.get_height()) == ((4.5, 1.5), 10, 6)
    low, high = np.percentile(maps["target"], (1, 99.5))
    assert {(image.norm.vmin, image.norm.vmax) for image in images} == {(low, high)}
    assert {image.cmap.name for image in images} == {figures.CONTACTS.name}


def test_figure_7_has_a_row_per_hybrid_on_the_scale_of_its_target():
    names = ("target", "both backbones", "sequence zeroed", "image zeroed")
    hybrids = {arm: _maps(10, *names) for arm in ("hybrid", "hybrid-published")}
    for name in names:
        hybrids["hybrid-published"][name] = hybrids["hybrid-published"][name] / 3
    figure = drawn.figure7(hybrids)
    images = _images(figure)
    expected = [values for maps in hybrids.values() for values in maps.values()]
    for image, values in zip(images, expected, strict=True):
        np.testing.assert_array_equal(image.get_array().filled(np.nan), values)
    for line, maps in zip((images[:4], images[4:]), hybrids.values()):
        limits = tuple(np.percentile(maps["target"], (1, 99.5)))
        assert {(image.norm.vmin, image.norm.vmax) for image in line} == {limits}
    assert [axes.get_title(loc="left") for axes in figure.axes[:4]] == list(names)
    assert [axes.get_ylabel() for axes in figure.axes[:8:4]] == list(hybrids)
    assert not any(image.axes.texts for image in images)


@pytest.mark.parametrize(
    ("factor", "added", "said"), [(0.01, 0, "0.00 to 0.01,\nbelow the scale"), (1, 4, " to .*,\nabove the scale")]
)
def test_figure_7_says_where_a_map_lies_that_its_colours_cannot_show(factor, added, said):
    maps = _maps(10, "target", "image zeroed")
    maps["target"] += 1
    maps["image zeroed"] = maps["image zeroed"] * factor + added
    shown, beyond = _images(drawn.figure7({"hybrid": maps}))
    assert not shown.axes.texts
    (text,) = beyond.axes.texts
    assert re.search(said, text.get_text())


def test_figure_8_draws_mean_and_spread_over_seeds():
    arms = {name: {"architecture": "hybrid"} for name in ("hybrid", "hybrid-joint", "other")}
    histories = made_up.histories({"arms": arms, "seeds": [1, 2, 3]}, epochs=6)
    histories.loc[histories["arm"] == "hybrid", "validation_pearson"] *= histories["seed"] / 3
    figure = drawn.figure8(histories, arms, ("hybrid", "hybrid-joint"))
    loss, pearson = figure.axes
    assert [line.get_label() for line in pearson.lines] == ["head pre-heated", "not pre-heated"]
    runs = histories.query("arm == 'hybrid'").pivot_table(index="epoch", columns="seed", values="validation_pearson")
    np.testing.assert_allclose(pearson.lines[0].get_ydata(), runs.mean(axis=1))
    band = pearson.collections[0].get_datalim(pearson.transData)
    assert (band.y0, band.y1) == pytest.approx((runs.min().min(), runs.max().max()))
    assert pearson.lines[0].get_color() == figures.palette(arms)["hybrid"].colour
    assert loss.get_yscale() == "log"


def test_figure_8_of_one_seed_has_no_band_and_a_missing_arm_no_line():
    arms = {"hybrid": {"architecture": "hybrid"}, "hybrid-joint": {"architecture": "hybrid"}}
    histories = made_up.histories({"arms": arms, "seeds": [1]}, epochs=4).query("arm == 'hybrid'")
    pearson = drawn.figure8(histories, arms, ("hybrid", "hybrid-joint")).axes[1]
    assert len(pearson.lines) == 1
    assert len(pearson.collections) == 0
