"""The table, the gains and the figure of Lau 2025."""

import re
from pathlib import Path

import made_up
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from trifold.errors import InputError
from trifold.papers import lau2025, paper
from trifold.report import figures

PUBLISHED = paper.read_published(Path(__file__).parents[3] / "papers/lau2025/published.tsv")
METRICS = list(lau2025.METRICS)
ROWS = {
    "Identity": ["identity"],
    "No Finetune": ["foundation"],
    "NoSeq_4DNFI643OYP9": ["noseq", "noseq-published"],
    "Seq_4DNFI643OYP9": ["seq", "seq-published"],
    "lowRes_noSeq_4DNFI643OYP9": ["noseq-16"],
}
DIFFERENCES = {"Seq_4DNFI643OYP9": ["NoSeq_4DNFI643OYP9", "Shuffled_4DNFI643OYP9"]}


def windows(arm, values, *, protocol="corrected", role="test", seed=1, scale="observed", low="low"):
    """One row per value: every score of window i is values[i]."""
    rows = []
    for i, value in enumerate(values):
        key = [protocol, low, arm, "a", seed, "alpha", role, "chr5", 100 * i, 100 * (i + 1), scale]
        rows.append([*key, *[value] * len(METRICS)])
    place = ["protocol", "degradation", "arm", "fold", "seed", "sample", "role", "chrom", "start_bp", "end_bp"]
    return pd.DataFrame(rows, columns=[*place, "scale", *METRICS])


@pytest.fixture
def scores():
    return pd.concat(
        [
            windows("identity", [0.5, 0.7], seed=0),
            windows("identity", [0.9, 0.9], seed=0, protocol="published"),
            windows("noseq", [0.1, 0.3, np.nan], seed=1),
            windows("noseq", [0.3, 0.5, 0.8], seed=2),
            windows("seq", [0.3, 0.5, 0.7], seed=1),
            windows("noseq-published", [0.2, 0.2], protocol="published"),
            windows("seq-published", [0.1, 0.3], protocol="published"),
            windows("noseq-16", [0.6], low="low16"),
            # Roles, scales and arms that the table does not take.
            windows("noseq", [9.0], role="train"),
            windows("noseq", [9.0], scale="oe"),
            windows("vehicle", [9.0]),
        ],
        ignore_index=True,
    )


def cell(frame, row, metric, protocol, low="low"):
    (found,) = frame.query(
        "row == @row and metric == @metric and protocol == @protocol and degradation == @low"
    ).itertuples()
    return found


def test_the_reports_numbers_are_all_there():
    assert len(PUBLISHED) == 14
    values = PUBLISHED.set_index(["row", "metric"])["value"]
    assert values["No Finetune", "mse"] == "0.3478"
    assert values["Seq_BothFiles", "mse"] == "0.000304"
    assert values["NoSeq_4DNFI643OYP9", "pearson"] == "0.9083"


def test_means_and_spreads_are_over_windows(scores):
    frame = lau2025.table1(scores, ROWS, PUBLISHED)
    ours = cell(frame, "NoSeq_4DNFI643OYP9", "mse", "corrected")
    of_windows = [0.2, 0.4, 0.8]  # means over the seeds that have a value
    assert (ours.arm, ours.n_seeds, ours.n_windows) == ("noseq", 2, 3)
    assert (ours.mean, ours.sd) == (pytest.approx(np.mean(of_windows)), pytest.approx(np.std(of_windows, ddof=1)))
    printed = cell(frame, "NoSeq_4DNFI643OYP9", "mse", "paper")
    assert (printed.mean, printed.printed, printed.arm) == (0.000461, "0.000461", "")
    assert cell(frame, "Identity", "ssim", "published").mean == pytest.approx(0.9)
    assert frame.query("metric == 'ssim' and protocol == 'paper'").empty
    assert ours.test_regions == "chr5:0-300"


def test_rows_stand_beside_the_low_map_of_their_arms(scores):
    frame = lau2025.table1(scores, ROWS, PUBLISHED)
    assert set(frame.query("degradation == 'low16'")["row"]) == {"lowRes_noSeq_4DNFI643OYP9"}
    assert "No Finetune" not in set(frame["row"])
    nothing = lau2025.table1(scores.iloc[:0], ROWS, PUBLISHED)
    assert set(nothing["row"]) == set(ROWS)
    assert nothing.query("protocol == 'paper'")["mean"].count() == 6


def test_gains_are_paired_within_a_protocol(scores):
    gains = lau2025.gains(scores, ROWS, DIFFERENCES)
    assert list(gains) == lau2025.GAIN_COLUMNS
    assert set(gains["against"]) == {"NoSeq_4DNFI643OYP9"}
    mse = gains[gains["metric"] == "mse"].set_index("protocol")
    # Three windows of the corrected arms, means over seeds: too few stretches for an interval.
    assert mse.loc["corrected", ["n_windows", "n_stretches", "better"]].tolist() == [3, 3, "too few"]
    assert mse.loc["corrected", "difference"] == pytest.approx(np.mean([0.1, 0.1, -0.1]))
    assert np.isnan(mse.loc["corrected", ["ci_low", "ci_high", "p"]].astype(float)).all()
    assert mse.loc["published", "n_windows"] == 2


def test_gains_have_the_interval_of_the_t_test():
    noseq, seq = [0.1, 0.2, 0.4, 0.2, 0.3, 0.5], [0.3, 0.5, 0.5, 0.2, 0.6, 0.6]
    gains = lau2025.gains(pd.concat([windows("noseq", noseq), windows("seq", seq)]), ROWS, DIFFERENCES)
    scipy, mse = stats.ttest_rel(seq, noseq), gains.set_index("metric").loc["mse"]
    expected = [np.mean(seq) - np.mean(noseq), *scipy.confidence_interval(), scipy.pvalue]
    np.testing.assert_allclose(mse[["difference", "ci_low", "ci_high", "p"]].astype(float), expected)
    assert mse["p_holm"] == pytest.approx(4 * scipy.pvalue)  # four scores, here all the same


@pytest.mark.parametrize(("metric", "better"), [("mse", "against"), ("pearson", "row")])
def test_a_larger_value_is_better_or_worse(metric, better):
    values = np.array([0.1, 0.2, 0.3, 0.2, 0.1])
    both = pd.concat([windows("noseq", values), windows("seq", values + np.array([0.3, 0.31, 0.29, 0.3, 0.3]))])
    gains = lau2025.gains(both, ROWS, DIFFERENCES)
    assert gains.set_index("metric").loc[metric, "better"] == better


def test_two_arms_of_a_protocol_and_missing_columns_are_refused(scores):
    with pytest.raises(InputError, match=r"lau2025: row 'Both' of Table 1 holds the arms \['noseq', 'seq'\]"):
        lau2025.table1(scores, {"Both": ["noseq", "seq"]}, PUBLISHED)
    with pytest.raises(InputError, match=r"columns \['ssim'\] are missing; make the scores of lau2025 again"):
        lau2025.table1(scores.drop(columns="ssim"), ROWS, PUBLISHED)


def test_arms_of_windows_of_two_sizes_are_refused(scores):
    scores.loc[scores["arm"] == "seq", "end_bp"] += 100
    for make in (
        lambda: lau2025.table1(scores, ROWS, PUBLISHED),
        lambda: lau2025.gains(scores, ROWS, DIFFERENCES),
    ):
        with pytest.raises(InputError, match=r"Table 1 holds '.*', of windows of 100 bp, and 'seq', of 200 bp"):
            make()


def test_renderings_hold_every_number(scores, tmp_path):
    frame = lau2025.table1(scores, ROWS, PUBLISHED)
    gains = lau2025.gains(scores, ROWS, DIFFERENCES)
    lau2025.write(frame, gains, tmp_path)
    again, gained = lau2025.read(tmp_path)
    pd.testing.assert_frame_equal(again, frame, check_dtype=False, atol=1e-7)
    pd.testing.assert_frame_equal(gained, gains, check_dtype=False, atol=1e-7)
    text = (tmp_path / "lau2025_table1.md").read_text()
    (line,) = re.findall(r"^\| NoSeq\\_4DNFI643OYP9 \|.*$|^\| NoSeq_4DNFI643OYP9 \|.*$", text, re.MULTILINE)
    assert "0.000461" in line and "0.4667 ± 0.3055" in line
    assert text.count("paired differences") == 1
    tex = (tmp_path / "lau2025_table1.tex").read_text()
    assert tex.count(r"\toprule") == 3
    section = lau2025.section(again, gained)
    assert [table.title[:7] for table in section.tables] == ["Table 1", "What th", "Table 1"]
    assert "low map “low16”" in section.tables[-1].note


def test_figure_shows_both_losses_of_every_panel():
    epochs = np.arange(4)
    runs = [
        pd.DataFrame({"epoch": epochs, "train_loss": 1 / (1 + epochs), "validation_loss": 2 / (1 + epochs)}).assign(
            arm=arm, seed=seed
        )
        for arm in ("noseq", "seq")
        for seed in (1, 2)
    ]
    arms = {"noseq": {"architecture": "hicfoundation"}, "seq": {"architecture": "hicfoundation-seq"}}
    panels = {"noSeq": ["noseq"], "seq": ["seq"], "bothFiles": ["absent"]}
    figure = lau2025.figure1(pd.concat(runs), panels, arms)
    titles = [axes.get_title(loc="left") or axes.get_title() for axes in figure.axes]
    assert titles == ["(a) noSeq, corrected", "(b) seq, corrected"]
    train, validation = figure.axes[0].lines
    np.testing.assert_allclose(train.get_ydata(), 1 / (1 + epochs))
    np.testing.assert_allclose(validation.get_ydata(), 2 / (1 + epochs))
    assert figures.svg_text(figure, "x").rstrip().endswith("</svg>")


def test_the_page_has_a_section(scores, tmp_path):
    frame = lau2025.table1(scores, ROWS, PUBLISHED)
    section = lau2025.section(frame, lau2025.gains(scores, ROWS, DIFFERENCES))
    html = made_up.plain(tmp_path, [section])
    assert "Lau 2025: Table 1" in html
    (row,) = re.findall(r"<tr><th scope=\"row\">Seq_4DNFI643OYP9</th><td>NoSeq_4DNFI643OYP9</td><td>corrected.*", html)
    assert "MSE ↓ ×10⁻³" in html
    assert '+33.33<br><span class="spread">[too few: 3]</span>' in row  # windows differ by 0.1, 0.1 and -0.1
