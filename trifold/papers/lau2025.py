"""Table 1 and figure 1 of Lau 2025: the report's numbers beside ours, and what the sequence adds.

`table1` gives one tidy frame in which every number stands under one of three protocols: "paper" (as printed),
"published" and "corrected" (ours). `gains` holds arms with the sequence against arms without it on the same windows,
within a protocol. As in the report, means and standard deviations are over test windows; a window's score is its mean
over seeds.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from trifold.metrics import intervals
from trifold.metrics.aggregate import COMPARED, judge
from trifold.papers import paper
from trifold.papers.paper import PROTOCOLS, WINDOW
from trifold.report import tables
from trifold.report.figures import MUTED, blank, log_axis, palette, styled
from trifold.report.sections import Section, Table
from trifold.report.tables import Format
from trifold.tasks.maps import MAPS

METRICS = ("mse", "pearson", "ssim", "scc_hicrep")
COLUMNS = [
    *("table", "sample", "degradation", "row", "metric", "protocol", "arm"),
    *("n_seeds", "n_windows", "mean", "sd", "printed", "test_regions"),
]
GAIN_COLUMNS = [
    *("sample", "degradation", "row", "against", "protocol", "metric"),
    *COMPARED,
]


# ---------------------------------------------------------------- the numbers


def table1(scores: pd.DataFrame, rows: Mapping[str, Sequence[str]], published: pd.DataFrame) -> pd.DataFrame:
    """Table 1, enhanced maps of test windows on [0, 1], for every sample and low map; columns `COLUMNS`.

    `scores` has a row per window and run (`trifold.score_windows`); `rows` is the config's lau2025/table1: the report's
    row -> arms, at most one of each protocol; `published` is `paper.read_published`. mean and sd are over windows, each
    the mean over seeds; scores that are not finite are left out. A row stands beside the low map that its arms read;
    with no score at all every row stands once. Raises InputError for a missing column, for two arms of one protocol in
    a row, and for arms of windows that are not of one size.
    """
    scores = _tested(scores, rows)
    printed = published.set_index(["row", "metric"])["value"].to_dict()
    lines = []
    for (sample, degradation), of_view in paper.views(scores):
        where = tables.name_regions(paper.merged(of_view))
        for row, arms in rows.items():
            of_row = of_view[of_view["arm"].isin(arms)]
            if of_row.empty and not scores.empty:
                continue
            for metric in METRICS:
                key = ["1", sample, degradation, row, metric]
                if metric in set(published["metric"]):
                    value = printed.get((row, metric), "")
                    lines.append([*key, "paper", "", pd.NA, pd.NA, float(value or "nan"), math.nan, value, where])
                for protocol in PROTOCOLS[1:]:
                    runs = of_row[(of_row["protocol"] == protocol) & np.isfinite(of_row[metric].astype(float))]
                    arm = paper.one_arm(runs, "lau2025", "1", row, protocol)
                    windows = runs.groupby(WINDOW)[metric].mean()
                    numbers = runs["seed"].nunique(), len(windows), windows.mean(), windows.std()
                    lines.append([*key, protocol, arm, *numbers, "", where])
    frame = pd.DataFrame(lines, columns=COLUMNS)
    return frame.astype({"n_seeds": "Int64", "n_windows": "Int64", "mean": float, "sd": float})


def gains(
    scores: pd.DataFrame, rows: Mapping[str, Sequence[str]], differences: Mapping[str, Sequence[str]]
) -> pd.DataFrame:
    """What a row of Table 1 has over others on the same windows, protocol by protocol; columns `GAIN_COLUMNS`.

    `differences` is the config's lau2025/differences: row -> rows it is held against. difference is row minus other,
    the mean over windows, with a 95 % interval over stretches of the genome; better: "row", "against", "undecided" or
    "too few", over all comparisons of a sample and low map (`aggregate.judge`).
    """
    scores = _tested(scores, rows)
    lines = []
    for (sample, degradation), of_view in paper.views(scores):
        for protocol in PROTOCOLS[1:]:
            runs = of_view[of_view["protocol"] == protocol]
            for row, others in differences.items():
                for other in others:
                    pair = [runs[runs["arm"].isin(rows.get(name, []))] for name in (row, other)]
                    if any(runs_of_row.empty for runs_of_row in pair):
                        continue
                    means = [runs_of_row.groupby(WINDOW)[list(METRICS)].mean() for runs_of_row in pair]
                    difference = (means[0] - means[1]).astype(float)
                    stretch = intervals.stretches(difference.index.to_frame())
                    n, mean, interval = intervals.of_means(difference.to_numpy(), stretch)
                    key = [sample, degradation, row, other, protocol]
                    lines += [[*key, *numbers] for numbers in zip(METRICS, n, mean, *interval)]
    numbers = ["metric", "n_windows", "difference", "n_stretches", "ci_low", "ci_high", "p"]
    frame = pd.DataFrame(lines, columns=[*GAIN_COLUMNS[:5], *numbers])
    return judge(frame, ["sample", "degradation"], ("row", "against"))[GAIN_COLUMNS]


def _tested(scores: pd.DataFrame, rows: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Scores of test windows on [0, 1] of the arms of the rows."""
    paper.check_scores(scores, METRICS, "lau2025")
    named = {arm for arms in rows.values() for arm in arms}
    scores = scores[(scores["scale"] == "observed") & (scores["role"] == "test") & scores["arm"].isin(named)]
    paper.check_windows(scores, "lau2025", "1")
    return scores


# ---------------------------------------------------------------- tables to read

Part = tuple[Table, list[tuple[str, Format]]]


def _parts(frame: pd.DataFrame, against: pd.DataFrame) -> list[Part]:
    """Table 1 of every sample and low map, each followed by its differences."""
    parts = []
    for (sample, degradation), rows in frame.groupby(["sample", "degradation"], sort=False):
        parts.append(_scores_part(rows))
        of_view = against[(against["sample"] == sample) & (against["degradation"] == degradation)]
        if len(of_view):
            parts.append(_gains_part(of_view))
    return parts


def _scores_part(rows: pd.DataFrame) -> Part:
    groups, lines, styles = paper.arrange(rows, METRICS, ["row"])
    return Table("Table 1 of Lau 2025: enhanced maps", ["model"], groups, lines, _note(rows)), styles


def _note(rows: pd.DataFrame) -> str:
    source = (
        "The paper's numbers are of human Micro-C (hg38) at 4 kb from 8 kb, over 1673 windows that its held-out "
        "chromosomes cannot have supplied"
    )
    scored = rows[rows["n_windows"].fillna(0) > 0]
    if scored.empty:
        return f"No arm of this table was scored. {source}."
    windows = paper.span(scored["n_windows"].min(), scored["n_windows"].max())
    seeds = paper.span(scored["n_seeds"].min(), scored["n_seeds"].max())
    return (
        f"Test regions: {rows['test_regions'].iloc[0]}. Windows: {windows}. Seeds: {seeds}; ± is the standard "
        f"deviation over windows. {source}; published and corrected are of the sample {rows['sample'].iloc[0]}, low "
        f"map “{rows['degradation'].iloc[0]}”. The three are normalised and masked differently: compare within a "
        "column, not across."
    )


def _gains_part(rows: pd.DataFrame) -> Part:
    styles = [(metric, Format.of(rows.loc[rows["metric"] == metric, "difference"])) for metric in METRICS]
    lines = []
    for (row, other, protocol), of_pair in rows.groupby(["row", "against", "protocol"], sort=False):
        gain_of_metric = {gain.metric: gain for gain in of_pair.itertuples()}
        cells = [cell for metric, style in styles for cell in paper.judged_cells(gain_of_metric[metric], style)]
        lines.append(([row, other, protocol], cells))
    groups = [(tables.heading(metric, style), ["difference", "verdict"]) for metric, style in styles]
    title = "What the sequence adds to Table 1: paired differences"
    note = (
        f"Row minus other on the same {MAPS.unit}s; sample {rows['sample'].iloc[0]}, low map "
        f"“{rows['degradation'].iloc[0]}”. {paper.compared_note(rows, MAPS.unit)} The report gives no such number."
    )
    return Table(title, ["model", "against", "protocol"], groups, lines, note), styles


def write(frame: pd.DataFrame, against: pd.DataFrame, folder: str | Path) -> list[Path]:
    """Write lau2025_table1.tsv and lau2025_gains.tsv (the tidy frames), and lau2025_table1.md and .tex (both, to read)
    into a folder."""
    gains = Path(folder) / "lau2025_gains.tsv"
    against.to_csv(gains, sep="\t", index=False, float_format="%.8g")
    return [*paper.write(frame, _parts(frame, against), folder, "lau2025_table1"), gains]


def read(folder: str | Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The two frames that `write` wrote."""
    text = ["table", "sample", "degradation", "row", "arm", "printed", "test_regions"]
    kinds = {**dict.fromkeys(text, str), **dict.fromkeys(["n_seeds", "n_windows"], "Int64")}
    frame = pd.read_csv(Path(folder) / "lau2025_table1.tsv", sep="\t", dtype=kinds)
    against = pd.read_csv(Path(folder) / "lau2025_gains.tsv", sep="\t", dtype=dict.fromkeys(text[1:4], str))
    return frame.assign(**{name: frame[name].fillna("") for name in text}), against


def section(frame: pd.DataFrame, against: pd.DataFrame) -> Section:
    """The page's section: Table 1, then what the sequence adds."""
    text = (
        "The report's numbers as printed, beside arms that repeat its released code (published) and arms that do what "
        "its text means (corrected). A dash is a number that the report or this experiment does not have."
    )
    parts = [table for table, _ in _parts(frame, against)]
    return Section("lau2025", "Lau 2025", "Table 1", [text], parts)


# ---------------------------------------------------------------- figure

_WIDTH_IN = 10.2


@styled
def figure1(histories: pd.DataFrame, panels: Mapping[str, Sequence[str]], arms: Mapping) -> Figure:
    """Figure 1: training and validation loss by epoch, a panel per fine-tuned arm.

    `histories`: columns arm, seed, epoch, train_loss, validation_loss; `panels` is the config's lau2025/figure1: the
    report's title -> arms; `arms` is the config's, for the colours. Lines are means over seeds, bands span them.
    """
    drawn = [(title, arm) for title, names in panels.items() for arm in names if arm in set(histories["arm"])]
    styles = palette(arms)
    lines = -(-len(drawn) // 2)
    figure = blank(_WIDTH_IN, 0.5 + 2.2 * lines)
    grid = figure.subplots(lines, 2, squeeze=False).ravel()
    for axes, letter, (title, arm) in zip(grid, "abcdefghijklmnopqrstuvwxyz", drawn):
        rows, colour = histories[histories["arm"] == arm], styles[arm].colour
        for column, dash, label in (("train_loss", (0, (3, 1.6)), "training"), ("validation_loss", "-", "validation")):
            runs = rows.dropna(subset=[column]).pivot_table(index="epoch", columns="seed", values=column)
            mean, mark = runs.mean(axis=1), "o" if len(runs) == 1 else None
            axes.plot(mean.index, mean, color=colour, lw=1.9, ls=dash, marker=mark, ms=3.5, label=label)
            if runs.shape[1] > 1:
                axes.fill_between(runs.index, runs.min(axis=1), runs.max(axis=1), color=colour, alpha=0.18, lw=0)
        axes.set_title(f"({letter}) {title}, {tables.protocol_of(arms, arm)}")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("epoch")
        axes.set_ylabel("loss")
        if (rows[["train_loss", "validation_loss"]].stack() > 0).all():
            log_axis(axes)
    for axes in grid[len(drawn) :]:
        axes.remove()
    if drawn:
        grid[0].legend(loc="upper right", handlelength=2.6)
        for handle in grid[0].get_legend().legend_handles:
            handle.set_color(MUTED)
    return figure
