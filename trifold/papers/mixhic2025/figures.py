"""Figures 3 to 6 and S1 to S3 of MIX-HIC (Yang et al. 2025) of our runs.

`points` reduces scores.tsv of all runs to what figures 4, 5, 6, S2 and S3 show: means and standard deviations over
seeds. Whole-chromosome loops (3, S1) come from `trifold.loops`. In all, filled marks and solid lines are corrected
runs, hollow marks and dashed lines published ones.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullLocator

from trifold.errors import InputError
from trifold.genome import Region
from trifold.papers import paper
from trifold.report.figures import CONTACTS, INK, LEARNED, MUTED, Ticks, blank, plain_number, styled
from trifold.report.tables import METRICS

# Task -> the metrics that are drawn.
SCORES = {"loop": ("auroc", "f1"), "window": ("pearson", "r2"), "cage": ("pearson", "r2")}
TASKS = {"loop": "loops", "window": "maps", "cage": "CAGE"}
POINTS = ["label", "protocol", "task", "metric", "sample", "trained", "fraction"]
_WIDTH_IN = 10.2
_PALETTE = (*LEARNED, "#7f4f24", INK)  # Figure 3 has seven rows at the size of the paper
_SEEN = "#d7191c"  # of loops that ChIA-PET has seen; PNGs hold this colour


def points(scores: pd.DataFrame, labels: Mapping[str, Sequence[str]], *, within: bool) -> pd.DataFrame:
    """What is drawn of some runs: columns `POINTS`, n_seeds, mean, sd (NaN with one seed), in the order of labels.

    `scores`: scores.tsv of every run; `labels`: label -> runs; within: on the samples a run was trained on, else on the
    others. `trained`: the samples it was trained on. Raises InputError where two runs of one label fall together.
    """
    label_of = {run: label for label, runs in labels.items() for run in runs}
    tested = scores[(scores["role"] == "test") & scores["distance_bp"].isna() & scores["run"].isin(label_of)]
    drawn = [metric in SCORES[task] for task, metric in zip(tested["task"], tested["metric"])]
    trained = [sample in names.split(",") for sample, names in zip(tested["sample"], tested["train_samples"])]
    tested = tested[np.array(drawn, dtype=bool) & (np.array(trained, dtype=bool) == within)]
    tested = tested.assign(label=tested["run"].map(label_of)).rename(columns={"train_samples": "trained"})
    for key, runs in tested.groupby(POINTS)["run"].unique().items():
        if len(runs) > 1:
            raise InputError(
                f"config: mixhic2025/figures: the runs {sorted(runs)} of {key[0]!r} are one point of a figure; give "
                "them labels of their own"
            )
    summary = tested.groupby(POINTS)["value"].agg(n_seeds="size", mean="mean", sd="std").reset_index()
    order = {label: number for number, label in enumerate(labels)}
    return summary.sort_values("label", key=lambda column: column.map(order), kind="stable", ignore_index=True)


# ---------------------------------------------------------------- whole chromosomes


@styled
def figure3(validations: pd.DataFrame, rows: Mapping[str, Sequence[str]], tolerance_bp: int) -> Figure:
    """Figure 3: of the loops taken, best score first, how many ChIA-PET has seen, and how many of its loops are taken.

    `validations`: validation.tsv of every search with the columns run, protocol, sample, seed; `rows`: label -> runs. A
    row of panels per sample, a line per seed.
    """
    label_of = {run: label for label, runs in rows.items() for run in runs}
    colours = _colours(rows)
    samples = list(dict.fromkeys(validations["sample"]))
    figure = blank(_WIDTH_IN, 0.7 + 2.6 * len(samples))
    panels = (("validated", "validated loops"), ("precision", "precision ↑"), ("recall", "recall ↑"))
    grid = figure.subplots(len(samples), len(panels), squeeze=False)
    for line, sample in zip(grid, samples):
        of_sample = validations[validations["sample"] == sample]
        for axes, (column, name) in zip(line, panels):
            for (run, protocol, _), curve in of_sample.groupby(["run", "protocol", "seed"], sort=False):
                curve, mark = curve.sort_values("loops"), "o" if len(curve) == 1 else None
                style = {"color": colours[label_of[run]], "ls": _dash(protocol), "marker": mark, "ms": 4}
                axes.plot(curve["loops"], curve[column], lw=1.6, **style)
            axes.set_title(name)
            axes.set_xlabel("loops taken, best first")
            axes.set_xlim(left=0)
            axes.set_ylim(bottom=0)
            axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        most = of_sample["loops"].max()
        line[0].plot([0, most], [0, most], color="#cbd2d9", lw=1.2, zorder=0)
        line[0].set_ylabel(sample)
    _legend(figure, colours, set(validations["protocol"]))
    _remark(
        figure, f"validated: ChIA-PET has a loop with both anchors within {tolerance_bp / 1000:g} kb; grey: all are"
    )
    return figure


class LoopMap(NamedTuple):
    """A stretch of a map on [0, 1], (W, W), symmetric, with its loops in bp: predicted and seen, each (n, 2)."""

    title: str
    values: np.ndarray
    region: Region
    predicted: np.ndarray
    seen: np.ndarray


@styled
def figure_s1(maps: Sequence[LoopMap]) -> Figure:
    """Figure S1: predicted loops (black, lower left) against those ChIA-PET has seen (red, upper right) on maps."""
    columns = min(3, len(maps))
    lines = -(-len(maps) // columns)
    side = (_WIDTH_IN - 0.9) / 3
    figure = blank(0.9 + side * columns, 0.75 + (side + 0.45) * lines, "compressed")
    grid = figure.subplots(lines, columns, squeeze=False)
    for axes, loop_map in zip(grid.ravel(), maps):
        unit, name = (1e6, "Mb") if loop_map.region.end_bp - loop_map.region.start_bp >= 200_000 else (1e3, "kb")
        start, end = loop_map.region.start_bp / unit, loop_map.region.end_bp / unit
        shown = loop_map.values[loop_map.values > 0]
        top = np.quantile(shown, 0.99) if len(shown) else 1
        # Contacts fall by orders of magnitude with the distance: the square root keeps the far ones in sight.
        axes.imshow(
            np.sqrt(loop_map.values), extent=(start, end, end, start), cmap=CONTACTS, norm=Normalize(0, np.sqrt(top)),
            interpolation="nearest",
        )  # fmt: skip
        marks = {"ls": "", "marker": "o", "ms": 3.2, "mew": 0.6, "mec": "white"}
        for (near, far), colour in ((loop_map.predicted.T / unit, INK), (loop_map.seen.T[::-1] / unit, _SEEN)):
            axes.plot(near, far, color=colour, **marks)
        axes.set_xlim(start, end)
        axes.set_ylim(end, start)
        axes.set_title(f"{loop_map.title}\n{len(loop_map.predicted)} predicted, {len(loop_map.seen)} seen", fontsize=9)
        axes.grid(False)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(nbins=4))
        axes.set_xlabel(f"{loop_map.region.chrom}, {name}")
    for axes in grid.ravel()[len(maps) :]:
        axes.remove()
    marks = {"ls": "", "marker": "o", "ms": 5}
    handles = [
        Line2D([], [], color=INK, **marks, label="predicted"),
        Line2D([], [], color=_SEEN, **marks, label="ChIA-PET"),
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=2, handlelength=1)
    return figure


# ---------------------------------------------------------------- few labels


@styled
def figure4(frame: pd.DataFrame) -> Figure:
    """Figure 4: scores of loops by the share of the training pairs; `frame` is that of `points`, within samples."""
    frame = frame[frame["task"] == "loop"]
    colours = _colours(frame["label"])
    samples, metrics = list(dict.fromkeys(frame["sample"])), SCORES["loop"]
    figure = blank(_WIDTH_IN, 0.7 + 2.7 * len(samples))
    grid = figure.subplots(len(samples), len(metrics), squeeze=False)
    for line, sample in zip(grid, samples):
        for axes, metric in zip(line, metrics):
            of_panel = frame[(frame["sample"] == sample) & (frame["metric"] == metric)]
            _curves(axes, of_panel, "fraction", colours)
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(Ticks(plain_number))
            axes.set_title(f"{METRICS[metric].label} {METRICS[metric].arrow}")
            axes.set_xlabel("share of the training pairs")
        line[0].set_ylabel(sample)
    _legend(figure, colours, set(frame["protocol"]))
    _remark(figure, _spread(frame))
    return figure


# ---------------------------------------------------------------- other cells, ablation


@styled
def figure5(frame: pd.DataFrame) -> Figure:
    """Figure 5: models on a sample that they were not trained on; `frame` is that of `points`, not within samples."""
    pairs = frame["trained"].str.replace(",", " + ") + " → " + frame["sample"]
    return _dots(frame.assign(group=pairs), ("window", "loop"), "trained on → tested on")


@styled
def figure6(frame: pd.DataFrame) -> Figure:
    """Figure 6: what MIX-HIC is without its parts; `frame` is that of `points`, within samples."""
    return _dots(frame.assign(group=frame["sample"]), tuple(SCORES), "")


def _dots(frame: pd.DataFrame, tasks: Sequence[str], heading: str) -> Figure:
    """A panel per task and metric, a line per label, a mark per group (colour) and protocol (filling)."""
    colours = _colours(frame["group"])
    present = [task for task in tasks if task in set(frame["task"])]
    labels = {task: list(dict.fromkeys(frame.loc[frame["task"] == task, "label"])) for task in present}
    kinds = list(frame[["group", "protocol"]].drop_duplicates().itertuples(index=False, name=None))
    heights = [max(2, len(labels[task])) for task in present]
    figure = blank(_WIDTH_IN, 0.8 + sum(0.55 + 0.36 * height for height in heights))
    grid = figure.subplots(len(present), 2, squeeze=False, height_ratios=heights)
    for line, task in zip(grid, present):
        at = {label: number for number, label in enumerate(labels[task])}
        for axes, metric in zip(line, SCORES[task]):
            of_panel = frame[(frame["task"] == task) & (frame["metric"] == metric)]
            for number, (group, protocol) in enumerate(kinds):
                shift = 0.5 * ((number + 0.5) / len(kinds) - 0.5)
                rows = of_panel[(of_panel["group"] == group) & (of_panel["protocol"] == protocol)]
                y = rows["label"].map(at) + shift
                colour = colours[group]
                axes.hlines(y, rows["mean"] - rows["sd"], rows["mean"] + rows["sd"], color=colour, lw=1.4)
                axes.plot(rows["mean"], y, "o", ms=5.5, mec=colour, mew=1.4, mfc=_face(protocol, colour))
            axes.set_yticks(range(len(at)), at if axes is line[0] else [""] * len(at))
            axes.set_ylim(len(at) - 0.5, -0.5)
            axes.grid(axis="y", visible=False)
            for edge in np.arange(len(at) - 1) + 0.5:
                axes.axhline(edge, color="#e8ecf0", lw=0.8)
            axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
            axes.set_title(f"{TASKS[task]}: {METRICS[metric].label} {METRICS[metric].arrow}")
            axes.tick_params(axis="y", length=0)
        line[0].tick_params(axis="y", labelcolor=INK)
    _legend(figure, colours, set(frame["protocol"]), marks=True, heading=heading)
    _remark(figure, _spread(frame))
    return figure


# ---------------------------------------------------------------- depth and dimension


@styled
def parameter(frame: pd.DataFrame, name: str) -> Figure:
    """Figures S2 and S3: scores by a setting of the network, a panel per task.

    `frame` is that of `points`, within samples, its labels the values of the setting; `name` stands below.
    """
    frame = frame.assign(value=frame["label"].astype(float))
    colours = _colours(frame["sample"])
    present = [task for task in SCORES if task in set(frame["task"])]
    figure = blank(_WIDTH_IN, 3.4)
    for axes, task in zip(figure.subplots(1, len(present), squeeze=False)[0], present):
        metric = SCORES[task][0]
        of_task = frame[(frame["task"] == task) & (frame["metric"] == metric)]
        _curves(axes, of_task.assign(label=of_task["sample"]), "value", colours)
        values = np.unique(frame["value"])
        if values.min() > 0 and values.max() >= 4 * values.min():
            axes.set_xscale("log")
        axes.set_xticks(values, [f"{value:g}" for value in values])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_title(f"{TASKS[task]}: {METRICS[metric].label} {METRICS[metric].arrow}")
        axes.set_xlabel(name)
    _legend(figure, colours, set(frame["protocol"]))
    _remark(figure, _spread(frame))
    return figure


# ---------------------------------------------------------------- parts


def _colours(names) -> dict[str, str]:
    return {name: _PALETTE[i % len(_PALETTE)] for i, name in enumerate(dict.fromkeys(names))}


def _dash(protocol: str) -> str | tuple:
    return "-" if protocol == "corrected" else (0, (3, 1.6))


def _face(protocol: str, colour: str) -> str:
    return colour if protocol == "corrected" else "white"


def _curves(axes: Axes, frame: pd.DataFrame, x: str, colours: Mapping[str, str]) -> None:
    """A line with marks and spreads per label and protocol."""
    for (label, protocol), curve in frame.groupby(["label", "protocol"], sort=False):
        curve, colour = curve.sort_values(x), colours[label]
        axes.vlines(curve[x], curve["mean"] - curve["sd"], curve["mean"] + curve["sd"], color=colour, lw=1.4, alpha=0.7)
        marks = {"marker": "o", "ms": 5, "mec": colour, "mew": 1.4, "mfc": _face(protocol, colour)}
        axes.plot(curve[x], curve["mean"], color=colour, ls=_dash(protocol), lw=1.6, **marks)


def _spread(frame: pd.DataFrame) -> str:
    low, high = frame["n_seeds"].min(), frame["n_seeds"].max()
    return f"means over seeds ({paper.span(low, high)}); bars: one standard deviation" if high > 1 else "one seed"


def _legend(
    figure: Figure, colours: Mapping[str, str], protocols: set[str], *, marks: bool = False, heading: str = ""
) -> None:
    """Colours, then, where there are two, the protocols; at the right."""
    line = {"ls": "", "marker": "o"} if marks else {"lw": 2}
    handles = [Line2D([], [], color=colour, label=name, **line) for name, colour in colours.items()]
    if len(protocols) > 1:
        for protocol in ("corrected", "published"):
            look = {**line, "mec": MUTED, "mfc": _face(protocol, MUTED)} if marks else {**line, "ls": _dash(protocol)}
            handles.append(Line2D([], [], color=MUTED, label=protocol, **look))
    figure.legend(
        handles=handles, loc="outside right upper", handlelength=2.2, labelspacing=0.65, title=heading or None
    )


def _remark(figure: Figure, text: str) -> None:
    figure.supxlabel(text, x=0.01, ha="left", fontsize=9, color=MUTED)
