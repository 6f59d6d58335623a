"""What an arm adds to a map, against the depth of the map: differences from a reference arm of the same low map.

The config's section `depth` names, under a label each, the arms to look at and the reference arms they are held
against, one arm per degradation. A low map keeps 1/thin of the contacts (`kept`). Two tidy frames hold the numbers:

- `gain`: difference and 95 % interval over stretches of the genome, taken from `aggregate.compare` as they are, and
  verdicts over all comparisons of a table. The interval says nothing of other trainings; the smallest and largest
  difference over seeds (seed_low, seed_high) stand beside it.
- `gain_by_distance`: the difference by genomic distance, mean and range over seeds. distance.tsv pools the windows, so
  there is no interval over them.

Arms trained with the same seeds are paired seed by seed. Pixels that count are those good in the low map: they are the
same for all arms of a depth and may differ between depths.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from trifold.errors import InputError
from trifold.metrics.aggregate import ALPHA, TOO_FEW, WINDOW, judge
from trifold.report.figures import (
    INK,
    LEARNED,
    MUTED,
    Ticks,
    blank,
    distance_axis,
    legend_right,
    mean_by_distance,
    plain_number,
    save,
    styled,
)
from trifold.report.tables import (
    KEYS,
    METRICS,
    VERDICTS,
    Format,
    View,
    escape_markdown,
    escape_tex,
    interval_of,
    views,
)

# (metric, scale) of the columns of table and figure, and of the rows of the figure by distance.
SCORES = (("mse", "observed"), ("scc_hicrep", "balanced"), ("pearson", "oe"))
BY_DISTANCE = (("pearson", "oe"), ("mse", "observed"))
# Metric -> what headings call its scale.
_SCALES = {"mse": "[0, 1] scale", "scc_hicrep": "balanced", "pearson": "O/E"}
_MAPS = {"deep": "the deep map", "truth": "the truth"}
_WIDTH_IN = 10.2
# The figure by distance averages distances that differ by less than this factor.
_POOLED = 1.2

_KEYS = ["sample", "reference", "against", "label", "degradation", "kept", "metric", "scale", "arm", "reference_arm"]
COLUMNS = [
    *_KEYS,
    *("n_seeds", "n_windows", "mean", "sd", "reference_mean", "reference_sd"),
    *("n_stretches", "difference", "ci_low", "ci_high", "p", "p_holm", "seed_low", "seed_high", "verdict"),
]
COLUMNS_BY_DISTANCE = [*_KEYS, "distance_bp", "n_seeds", "difference", "seed_low", "seed_high"]


class _Pair(NamedTuple):
    against: str
    reference_arm: str
    label: str
    arm: str


# ---------------------------------------------------------------- the numbers


def gain(
    scores: pd.DataFrame, comparisons: pd.DataFrame, windows: pd.DataFrame, chosen: Mapping, degradations: Mapping
) -> pd.DataFrame:
    """Differences at every depth; columns `COLUMNS`, one row per sample, map, reference, label, depth and metric.

    `scores` and `comparisons` are those of `trifold.metrics.aggregate`, `windows` the rows they are made of. `chosen`
    is the config's depth: {"references": {label: arms}, "arms": {label: arms}}; `degradations` the config's.

    reference: the map scored against (deep, truth); against, reference_arm: what the difference is taken from;
    kept: share of the contacts; mean, sd: of the arm, over seeds (sd NaN with one), and likewise of the reference;
    verdict: better, worse, undecided or too few, over all comparisons of a sample, map and reference
    (`aggregate.judge`).
    Raises InputError for a label with two arms or two degradations at one depth, for a reference that is not one of
    evaluate/comparison/reference_arms, and where nothing is left to compare.
    """
    means = scores.set_index([*KEYS, "metric", "arm"])
    compared = comparisons.set_index([*KEYS, "metric", "arm", "reference_arm"])
    lines = []
    for view, metric, rows, pair in _scored_pairs(windows, SCORES, chosen):
        key = (*view, metric, pair.arm)
        if key not in means.index or (*view, metric, pair.reference_arm) not in means.index:
            continue  # no window has this score
        if (*key, pair.reference_arm) not in compared.index:
            raise InputError(
                f"config: depth/references/{pair.against}: nothing was compared with {pair.reference_arm!r}; "
                "name it under evaluate/comparison/reference_arms"
            )
        mean, reference, comparison = (
            means.loc[key],
            means.loc[(*key[:-1], pair.reference_arm)],
            compared.loc[(*key, pair.reference_arm)],
        )
        of_seed = _of_seeds(*(rows[rows["arm"] == name] for name in (pair.arm, pair.reference_arm)), metric)
        lines.append(
            (
                *_names(view, pair, metric, degradations),
                *(mean["n_seeds"], comparison["n_windows"]),
                *(mean["mean"], mean["sd"], reference["mean"], reference["sd"]),
                *comparison[["n_stretches", "difference", "ci_low", "ci_high", "p"]],
                *(of_seed.min(), of_seed.max()),
            )
        )
    frame = pd.DataFrame(lines, columns=[name for name in COLUMNS if name not in ("p_holm", "verdict")])
    judged = judge(frame, ["sample", "reference", "against"], ("arm", "reference_arm"))
    return _ordered(judged.assign(verdict=judged["better"].map(VERDICTS))[COLUMNS], chosen)


def gain_by_distance(distance: pd.DataFrame, chosen: Mapping, degradations: Mapping) -> pd.DataFrame:
    """Differences at every depth and genomic distance; columns `COLUMNS_BY_DISTANCE`.

    `distance` is the table distance.tsv of every run. difference, seed_low, seed_high: mean, smallest and largest over
    seeds; folds are averaged with their pixels as weights. Errors and other columns as in `gain`.
    """
    lines = []
    for view, metric, rows, pair in _scored_pairs(distance, BY_DISTANCE, chosen):
        curves = (mean_by_distance(rows[rows["arm"] == name], metric) for name in (pair.arm, pair.reference_arm))
        difference = _difference(*curves).dropna(how="all")
        names = _names(view, pair, metric, degradations)
        for distance_bp, row in difference.iterrows():
            row = row.dropna()
            lines.append((*names, distance_bp, len(row), row.mean(), row.min(), row.max()))
    return _ordered(pd.DataFrame(lines, columns=COLUMNS_BY_DISTANCE), chosen)


def _scored_pairs(
    frame: pd.DataFrame, scores: Iterable[tuple[str, str]], chosen: Mapping
) -> Iterator[tuple[View, str, pd.DataFrame, _Pair]]:
    """View, metric, the view's rows and the two arms, for everything that is to be compared."""
    for view, rows in views(frame):
        for metric, scale in scores:
            if scale == view.scale:
                for pair in _pairs(set(rows["arm"]), chosen):
                    yield view, metric, rows, pair


def _pairs(present: set[str], chosen: Mapping) -> list[_Pair]:
    """Every label against every other reference, by the arms that were scored on one low map."""

    def arms(kind: str, label: str) -> list[str]:
        names = [name for name in chosen[kind][label] if name in present]
        if len(names) > 1:
            raise InputError(
                f"config: depth/{kind}/{label}: {names} were scored on one low map; give each a label of its own"
            )
        return names

    return [
        _Pair(against, reference_arm, label, arm)
        for against in chosen["references"]
        for reference_arm in arms("references", against)
        for label in chosen["arms"]
        for arm in arms("arms", label)
        if arm != reference_arm
    ]


def _names(view: View, pair: _Pair, metric: str, degradations: Mapping) -> tuple:
    """Values of `_KEYS`."""
    share_kept = 1 / degradations[view.degradation]["thin"]
    names = (view.sample, view.reference, pair.against, pair.label, view.degradation, share_kept)
    return (*names, metric, view.scale, pair.arm, pair.reference_arm)


def _of_seeds(arm: pd.DataFrame, other: pd.DataFrame, metric: str) -> pd.Series:
    """Mean difference over windows, seed by seed."""
    tables = (rows.pivot_table(index=WINDOW, columns="seed", values=metric) for rows in (arm, other))
    return _difference(*tables).mean()


def _difference(arm: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Of two tables with a column per seed; a reference with other seeds, such as one without a model, is averaged."""
    if list(arm.columns) == list(other.columns):
        return arm - other
    return arm.sub(other.mean(axis=1), axis=0)


def _ordered(frame: pd.DataFrame, chosen: Mapping) -> pd.DataFrame:
    """Rows by sample, map, reference, depth (deep first), metric and label; the last three as the config has them."""
    if frame.empty:
        raise InputError(
            "config: depth: no arm was scored on the same low map as a reference; name arms and references of this "
            "experiment, one per degradation"
        )
    ranks = {
        "reference": ["deep", "truth"],
        "against": list(chosen["references"]),
        "metric": [metric for metric, _ in SCORES],
        "label": list(chosen["arms"]),
    }
    keys = ["sample", "reference", "against", "kept", "metric", "label"]
    for key, names in frame.groupby(keys)["degradation"].unique().items():
        if len(names) > 1:
            raise InputError(
                f"config: depth/arms/{key[-1]}: the degradations {sorted(names)} keep the same share of the contacts; "
                "give their arms labels of their own"
            )
    order = frame.assign(
        kept=-frame["kept"], **{name: frame[name].map(known.index) for name, known in ranks.items()}
    ).sort_values(keys, kind="stable")
    return frame.loc[order.index].reset_index(drop=True)


# ---------------------------------------------------------------- tables to read


def to_markdown(frame: pd.DataFrame) -> str:
    """A table per sample, map and reference under its title: a row per depth and label, a column per metric."""
    parts = []
    for rows in _parts(frame):
        styles = _styles(rows)
        head = ["contacts kept", "arm", *(_heading(metric, style) for metric, style in styles.items())]
        lines = [head, ["---:", "---", *["---:"] * len(styles)]]
        for share_kept, label, cells in _lines(rows, styles):
            values = [f"{value} ({difference})" if difference else value for value, difference in cells]
            lines.append([_share(share_kept), escape_markdown(label), *values])
        body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        parts.append(f"**{escape_markdown(_title(rows))}**\n\n{body}\n")
    return "\n".join(parts)


def to_tex(frame: pd.DataFrame) -> str:
    """The same as booktabs tables, differences in a second line under each arm."""
    parts = ["% \\usepackage{booktabs}"]
    for rows in _parts(frame):
        styles = _styles(rows)
        head = ["contacts kept", "arm", *(_tex_heading(metric, style) for metric, style in styles.items())]
        body, above = [], None
        for share_kept, label, cells in _lines(rows, styles):
            if above not in (None, share_kept):
                body.append(r"\midrule")
            share = "" if share_kept == above else _share(share_kept)
            body.append(" & ".join([share, *map(escape_tex, [label, *(value for value, _ in cells)])]) + r" \\")
            if any(difference for _, difference in cells):
                small = (
                    rf"{{\footnotesize {escape_tex(difference)}}}" if difference else "" for _, difference in cells
                )
                body.append(" & ".join(["", "", *small]) + r" \\")
            above = share_kept
        parts += [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{escape_tex(_title(rows))}}}",
            rf"\begin{{tabular}}{{rl{'r' * len(styles)}}}",
            r"\toprule",
            " & ".join(head) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    return "\n".join(parts)


def _parts(frame: pd.DataFrame) -> list[pd.DataFrame]:
    return [rows for _, rows in frame.groupby(["sample", "reference", "against"], sort=False)]


def _styles(rows: pd.DataFrame) -> dict[str, Format]:
    """One format per metric, for the reference and the arms."""
    by_metric = rows.groupby("metric", sort=False)[["mean", "reference_mean"]]
    return {metric: Format.of(means.stack()) for metric, means in by_metric}


def _lines(rows: pd.DataFrame, styles: Mapping) -> Iterator[tuple[float, str, list[tuple[str, str]]]]:
    """Share kept, label and (mean and spread, difference) of every metric; the reference first at every depth."""
    for share_kept, of_depth in rows.groupby("kept", sort=False):
        reference = of_depth.drop_duplicates("metric").set_index("metric")
        cells = []
        for metric, style in styles.items():
            is_scored = metric in reference.index
            cells.append(
                (_mean(style, *reference.loc[metric, ["reference_mean", "reference_sd"]]) if is_scored else "–", "")
            )
        yield share_kept, of_depth["against"].iloc[0], cells
        for label, of_label in of_depth.groupby("label", sort=False):
            row_of_metric = {row.metric: row for row in of_label.itertuples()}
            yield share_kept, label, [_cell(row_of_metric.get(metric), style) for metric, style in styles.items()]


def _cell(row, style: Format) -> tuple[str, str]:
    if row is None:
        return "–", ""
    difference = f"{style.number(row.difference, sign=True)} {interval_of(row, style)}".strip()
    if row.verdict != TOO_FEW:
        difference += f", {row.verdict}"
    return _mean(style, row.mean, row.sd), difference


def _mean(style: Format, mean: float, sd: float) -> str:
    return style.number(mean) + ("" if math.isnan(sd) else f" ± {style.number(sd)}")


def _title(rows: pd.DataFrame) -> str:
    windows, stretches, seeds = (
        f"{low:.0f}" if low == high else f"{low:.0f}–{high:.0f}"
        for low, high in ((rows[name].min(), rows[name].max()) for name in ("n_windows", "n_stretches", "n_seeds"))
    )
    return (
        f"{rows['sample'].iloc[0]}, against {_MAPS[rows['reference'].iloc[0]]}; windows: {windows}, stretches: "
        f"{stretches}, seeds: {seeds}. ± is the standard deviation over seeds. In brackets: difference from "
        f"{rows['against'].iloc[0]}, 95 % interval over stretches; better, worse: Holm's p over all {len(rows)} "
        f"comparisons of the table is below {ALPHA}."
    )


def _heading(metric: str, style: Format) -> str:
    return f"{METRICS[metric].label}, {_SCALES[metric]} {METRICS[metric].arrow}{style.power}"


def _tex_heading(metric: str, style: Format) -> str:
    power = rf" $\times 10^{{{style.exponent}}}$" if style.exponent else ""
    return escape_tex(f"{METRICS[metric].tex}, {_SCALES[metric]} {METRICS[metric].arrow}") + power


def _share(share_kept: float) -> str:
    """1/16; all where nothing is taken away."""
    return "all" if share_kept == 1 else f"1/{1 / share_kept:.4g}"


# ---------------------------------------------------------------- figures


@styled
def gain_figure(frame: pd.DataFrame, chosen: Mapping) -> Figure:
    """Difference from the first reference against the share of contacts kept, deep to shallow.

    `frame` is that of `gain`. A panel per metric, a row per sample and map; bars are the 95 % intervals over stretches
    of the genome, filled marks are decided, the shaded half is the better one.
    """
    against, rows, colours = _first(frame, chosen)
    lines = list(rows.groupby(["sample", "reference"], sort=False))
    styles = {metric: Format.of(of_metric["difference"]) for metric, of_metric in rows.groupby("metric", sort=False)}
    depths = sorted(set(rows["kept"]), reverse=True)
    # Marks of one depth stand beside each other, in less than half the way to the next depth.
    gap = min((math.log(a / b) for a, b in pairwise(depths)), default=math.log(4))
    step = 0.45 * gap / max(1, len(colours) - 1)
    figure = blank(_WIDTH_IN, 0.9 + 2.4 * len(lines))
    grid = figure.subplots(len(lines), len(styles), squeeze=False, sharex=True)
    for axes_of_line, (line, of_line) in zip(grid, lines):
        for axes, (metric, style) in zip(axes_of_line, styles.items()):
            unit = 10.0**style.exponent
            for i, (label, colour) in enumerate(colours.items()):
                points = of_line[(of_line["metric"] == metric) & (of_line["label"] == label)]
                x = points["kept"] * math.exp(-step * (i - (len(colours) - 1) / 2))
                y, low, high = (points[name] / unit for name in ("difference", "ci_low", "ci_high"))
                axes.plot(x, y, color=colour, lw=1.1, alpha=0.55, label=label)
                axes.vlines(x, low, high, color=colour, lw=1.8)
                for at, value, verdict in zip(x, y, points["verdict"]):
                    face = colour if verdict in ("better", "worse") else "white"
                    axes.plot([at], [value], "o", ms=5, mec=colour, mew=1.4, mfc=face)
            _zero(axes, METRICS[metric].higher_is_better)
            axes.set_title(_heading(metric, style) if of_line is lines[0][1] else "", fontsize=9)
            axes.set_xscale("log")
            axes.set_xlim(depths[0] * math.exp(0.6 * gap), depths[-1] * math.exp(-0.6 * gap))
            axes.set_xticks(depths, [_share(share_kept) for share_kept in depths])
            axes.xaxis.set_minor_locator(NullLocator())
        axes_of_line[0].set_ylabel(_line_name(*line, frame))
    for axes in grid[-1]:
        axes.set_xlabel("contacts kept")
    _finish(
        figure,
        grid[0, 0],
        f"difference from {against}; bars: 95 % interval over stretches; filled: decided; shaded: better",
    )
    return figure


@styled
def distance_figure(frame: pd.DataFrame, chosen: Mapping) -> Figure:
    """Difference from the first reference by genomic distance: a panel per depth, a row per sample, map and metric.

    `frame` is that of `gain_by_distance`. Lines are means over seeds, bands span the seeds of each distance; both are
    averaged over distances that differ by less than a fifth.
    """
    against, rows, colours = _first(frame, chosen)
    depths = sorted(set(rows["kept"]), reverse=True)
    lines = [
        (*key, metric)
        for key, of_view in rows.groupby(["sample", "reference"], sort=False)
        for metric, _ in BY_DISTANCE
        if metric in set(of_view["metric"])
    ]
    figure = blank(_WIDTH_IN, 0.9 + 1.9 * len(lines))
    grid = figure.subplots(len(lines), len(depths), squeeze=False, sharex=True, sharey="row")
    for axes_of_line, (sample, reference, metric) in zip(grid, lines):
        of_line = rows[(rows["sample"] == sample) & (rows["reference"] == reference) & (rows["metric"] == metric)]
        style = Format.of(of_line["difference"])
        unit = 10.0**style.exponent
        for axes, share_kept in zip(axes_of_line, depths):
            for label, colour in colours.items():
                curve = _pooled(of_line[(of_line["kept"] == share_kept) & (of_line["label"] == label)])
                x, y, low, high = (curve[name] for name in ("distance_bp", "difference", "seed_low", "seed_high"))
                axes.plot(x, y / unit, color=colour, lw=1.8, label=label)
                axes.fill_between(x, low / unit, high / unit, color=colour, alpha=0.3, lw=0)
        for axes in axes_of_line:  # after all depths are drawn, because they share the y axis
            _zero(axes, METRICS[metric].higher_is_better)
            distance_axis(axes, rows["distance_bp"].min(), rows["distance_bp"].max())
            axes.set_xlabel("")
        power = style.power.strip()
        name = f"{METRICS[metric].label}, {_SCALES[metric]} {METRICS[metric].arrow}"
        axes_of_line[0].set_ylabel("\n".join(filter(None, [_line_name(sample, reference, frame), f"{name} {power}"])))
    for axes, share_kept in zip(grid[0], depths):
        axes.set_title(f"{_share(share_kept)} of the contacts" if share_kept < 1 else "all contacts")
    for axes in grid[-1]:
        axes.set_xlabel("genomic distance")
    _finish(
        figure,
        grid[0, 0],
        f"difference from {against}, averaged over near distances; bands span the seeds; shaded: better",
    )
    return figure


def _first(frame: pd.DataFrame, chosen: Mapping) -> tuple[str, pd.DataFrame, dict[str, str]]:
    """The first reference that anything was held against, its rows, and a colour per label (the config's order)."""
    against = frame["against"].iloc[0]
    colours = {label: LEARNED[i % len(LEARNED)] for i, label in enumerate(chosen["arms"])}
    rows = frame[frame["against"] == against]
    return against, rows, {label: colour for label, colour in colours.items() if label in set(rows["label"])}


def _zero(axes: Axes, higher_is_better: bool) -> None:
    """A line at zero and the better half shaded, within limits that leave room on both sides of zero."""
    axes.axhline(0, color=INK, lw=1)
    low, high = axes.get_ylim()
    low, high = min(low, -0.12 * (high - low)), max(high, 0.12 * (high - low))
    # The shade reaches beyond the limits, because panels that share the axis may still widen them.
    axes.axhspan(0, 2 * (high if higher_is_better else low), color="#eaf4ef", lw=0, zorder=0)
    axes.set_ylim(low, high)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.yaxis.set_major_formatter(Ticks(plain_number))


def _line_name(sample: str, reference: str, frame: pd.DataFrame) -> str:
    against = f"against {_MAPS[reference]}"
    return f"{sample}, {against}" if frame["sample"].nunique() > 1 else against


def _pooled(curve: pd.DataFrame) -> pd.DataFrame:
    """Means over neighbouring distances, their geometric mean as `distance_bp`."""
    steps = (np.log(curve["distance_bp"]) / math.log(_POOLED)).round()
    columns = ["difference", "seed_low", "seed_high"]
    means = curve.assign(distance_bp=np.log(curve["distance_bp"])).groupby(steps)[["distance_bp", *columns]].mean()
    return means.assign(distance_bp=np.exp(means["distance_bp"]))


def _finish(figure: Figure, axes: Axes, note: str) -> None:
    """The legend at the right and a note below."""
    legend_right(figure, axes)
    figure.supxlabel(note, x=0.01, ha="left", fontsize=9, color=MUTED)


# ---------------------------------------------------------------- files


def write(folder: str | Path, frame: pd.DataFrame, by_distance: pd.DataFrame, chosen: Mapping) -> None:
    """Write gain.{tsv,md,tex,svg,png}, gain_by_distance.tsv and by_distance.{svg,png} into a folder."""
    folder = Path(folder)
    for name, table in (("gain", frame), ("gain_by_distance", by_distance)):
        table.to_csv(folder / f"{name}.tsv", sep="\t", index=False, float_format="%.8g")
    (folder / "gain.md").write_text(to_markdown(frame), encoding="utf-8")
    (folder / "gain.tex").write_text(to_tex(frame), encoding="utf-8")
    save(gain_figure(frame, chosen), folder / "gain")
    save(distance_figure(by_distance, chosen), folder / "by_distance")
