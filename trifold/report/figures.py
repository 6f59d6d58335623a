"""Figures of the report: pure functions from tables and arrays to a matplotlib Figure (no pyplot, no global state).

Every arm keeps one colour through all figures (`palette`): greys for rows without a model, the Okabe-Ito colours,
which colour-blind readers can tell apart, for the learned ones. `save` writes a figure as PNG and SVG; the same
figure gives the same SVG bytes.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize, to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from matplotlib.ticker import Formatter, LogLocator, MaxNLocator, NullFormatter
from PIL import Image
from scipy.spatial import cKDTree

from trifold.genome import Region
from trifold.report.tables import METRICS, MINUS, Format, View, arm_order, heading, is_learned, superscript

if TYPE_CHECKING:
    from trifold.report.gallery import Window

INK, MUTED = "#1f2933", "#66727f"
DPI = 96  # one inch is one CSS inch; PNGs are saved at twice that
_STYLE = {
    "figure.dpi": DPI,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlepad": 8,
    "axes.labelsize": 9,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": "#9aa5b1",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e8ecf0",
    "grid.linewidth": 0.8,
    "xtick.color": "#9aa5b1",
    "ytick.color": "#9aa5b1",
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.fontsize": 9,
    "svg.fonttype": "none",
}
LEARNED = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]
_GREYS = ["#4b5563", "#7b8794", "#a9b3bd"]
_DASHES = ["-", (0, (4, 1.6)), (0, (1.2, 1.4)), (0, (5, 1.5, 1.2, 1.5))]

_warm = matplotlib.colormaps["YlOrRd"](np.linspace(0, 1, 9))
# White, yellow, red, black: the colours contact maps are usually shown in.
CONTACTS = LinearSegmentedColormap.from_list("contacts", [(1, 1, 1, 1), *_warm, (0.1, 0, 0.02, 1)])
CONTACTS.set_bad("#eef1f4")
CHANGE = matplotlib.colormaps["RdBu_r"].copy()
CHANGE.set_bad("#eef1f4")
DOUBT = LinearSegmentedColormap.from_list("doubt", ["#ffffff", "#c6d9e8", "#5f9ac4", "#0b3f66"])
DOUBT.set_bad("#eef1f4")


class ArmStyle(NamedTuple):
    colour: str
    dash: str | tuple
    width: float


# Styles of the maps that are not arms, on axes that they share with arms.
_REFERENCES = {
    "truth": ArmStyle("#cbd2d9", "-", 5.0),
    "low": ArmStyle("#9aa5b1", (0, (1, 1.8)), 2.4),
    "deep": ArmStyle(INK, "-", 2.6),
}


# Rows of the tables that are no arms.
CEILING_STYLES = {
    "replicate": ArmStyle("#9b7a2f", (0, (1, 1.2)), 1.8),
    "noise-free": ArmStyle("#c9b47c", "-", 1.8),
}


def palette(arms: Mapping) -> dict[str, ArmStyle]:
    """Colour, dash and line width of every arm of the config; the same in every figure."""
    order = arm_order(arms)
    simple = [name for name in order if not is_learned(arms, name)]
    learned = [name for name in order if is_learned(arms, name)]
    styles = {}
    for i, name in enumerate(simple):
        styles[name] = ArmStyle(_GREYS[i % len(_GREYS)], _DASHES[i % len(_DASHES)], 1.5)
    for i, name in enumerate(learned):
        styles[name] = ArmStyle(LEARNED[i % len(LEARNED)], _DASHES[i // len(LEARNED) % len(_DASHES)], 2.0)
    return styles


def styled(draw):
    """Draw with the report's style and leave matplotlib's own settings as they were."""

    def wrapped(*args, **kwargs):
        with matplotlib.rc_context(_STYLE):
            return draw(*args, **kwargs)

    wrapped.__name__, wrapped.__doc__, wrapped.__wrapped__ = draw.__name__, draw.__doc__, draw
    return wrapped


def blank(width: float, height: float, layout: str | None = "constrained") -> Figure:
    """A figure without axes, its size in inches."""
    # Rounded, because a size just below a whole number of pixels is cut to one number here and another in matplotlib.
    figure = Figure(figsize=(round(width, 2), round(height, 2)), layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


class Ticks(Formatter):
    """Labels of one axis, with as many digits as it takes to tell its ticks apart.

    write  (value, significant digits) -> label
    Where that takes more than `_MOST_DIGITS`, labels are differences from the first tick, which stands at the end of
    the axis.
    """

    def __init__(self, write: Callable[[float, int], str]):
        self.write, self.offset = write, ""

    def __call__(self, value: float, pos: int | None = None) -> str:
        return self.write(value, 3)

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        self.offset = ""
        if not len(values):
            return []
        if labels := self._distinct(values, _MOST_DIGITS):
            return labels
        self.offset = f"+ {self.write(values[0], _MOST_DIGITS)}"
        return self._distinct([value - values[0] for value in values], 15) or [self(value) for value in values]

    def _distinct(self, values: Sequence[float], most: int) -> list[str]:
        """The shortest labels that differ; none where `most` digits do not tell the values apart."""
        for digits in range(3, most + 1):
            labels = [self.write(value, digits) for value in values]
            if len(set(labels)) == len(set(values)):
                return labels
        return []

    def get_offset(self) -> str:
        return self.offset


_MOST_DIGITS = 5


def bp(value: float, digits: int = 3) -> str:
    """A distance with its unit: 800 bp, 20 kb, 1.5 Mb."""
    for size, unit in ((1e6, "Mb"), (1e3, "kb")):
        if abs(value) >= size:
            return f"{value / size:.{digits}g} {unit}"
    return f"{value:.{digits}g} bp"


def distance_axis(axes: Axes, low: float, high: float) -> None:
    """A logarithmic x axis of genomic distance from `low` to `high`, bp."""
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 300 else (1,)))
    axes.xaxis.set_major_formatter(Ticks(bp))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("genomic distance")


def log_axis(axes: Axes) -> None:
    """A logarithmic y axis with plain numbers at 1, 2 and 5."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 300 else (1,)))
    axes.yaxis.set_major_formatter(Ticks(plain_number))
    axes.yaxis.set_minor_formatter(NullFormatter())


def plain_number(value: float, digits: int = 3) -> str:
    """0.05, 120, 2×10⁻⁶."""
    text = f"{value:.{digits}g}"
    if "e" in text:
        digits, exponent = text.split("e")
        text = f"{digits}×10{superscript(int(exponent))}"
    return text.replace("-", MINUS)


def legend_right(figure: Figure, axes: Axes) -> None:
    """A legend of what the axes show, to the right of all."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", handlelength=2.2, labelspacing=0.65)


# ---------------------------------------------------------------- curves


@styled
def distance_curves(
    distance: pd.DataFrame, arms: Mapping, view: View, metrics: tuple[str, ...] = ("pearson", "mse")
) -> Figure:
    """Scores by genomic distance, one panel per metric: mean over folds and seeds, the band spans the seeds, or of the
    ceilings the divisions of the reads.

    `distance` is the table distance.tsv of every run; folds are averaged with their pixels as weights.
    """
    rows = view.of(distance)
    styles = palette(arms) | CEILING_STYLES
    present = [name for name in [*arm_order(arms), *CEILING_STYLES] if name in set(rows["arm"])]
    figure = blank(10.2, 3.5)
    for axes, metric in zip(figure.subplots(1, len(metrics), squeeze=False)[0], metrics):
        for name in present:
            curves = mean_by_distance(rows[rows["arm"] == name], metric)
            style, mean = styles[name], curves.mean(axis=1)
            axes.plot(mean.index, mean, color=style.colour, ls=style.dash, lw=style.width, label=name)
            if curves.shape[1] > 1:
                low, high = curves.min(axis=1), curves.max(axis=1)
                axes.fill_between(mean.index, low, high, color=style.colour, alpha=0.15, lw=0)
        axes.set_title(f"{METRICS[metric].label} {METRICS[metric].arrow}")
        positive = rows.loc[rows["distance_bp"] > 0, "distance_bp"]
        distance_axis(axes, positive.min(), positive.max())
        if not METRICS[metric].higher_is_better and (rows[metric].dropna() > 0).all():
            log_axis(axes)
    legend_right(figure, axes)
    return figure


def mean_by_distance(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Distance x seed, folds averaged by pixels; NaN where no fold has a value."""
    rows = rows[rows[metric].notna() & (rows["distance_bp"] > 0)]
    weighted = rows.assign(total=rows[metric] * rows["n_pixels"]).groupby(["distance_bp", "seed"])
    sums = weighted[["total", "n_pixels"]].sum()
    return (sums["total"] / sums["n_pixels"]).unstack("seed")


@styled
def contact_decay(decay: pd.DataFrame, arms: Mapping) -> Figure:
    """P(s): mean balanced contact by distance (left), and how far each map is from the deep one (right).

    Columns of `decay`: map (low, deep, truth or an arm), distance_bp, mean.
    """
    styles = palette(arms) | _REFERENCES
    order = [*_REFERENCES, *arm_order(arms)]
    decay = decay[(decay["distance_bp"] > 0) & (decay["mean"] > 0)]
    deep = decay[decay["map"] == "deep"].set_index("distance_bp")["mean"]
    figure = blank(10.2, 3.7)
    left, right = figure.subplots(1, 2)
    for name in sorted(set(decay["map"]), key=order.index):
        rows, style = decay[decay["map"] == name].set_index("distance_bp")["mean"], styles[name]
        left.plot(rows.index, rows, color=style.colour, ls=style.dash, lw=style.width, label=name)
        if name != "deep":
            change = np.log2(rows / deep).dropna()
            right.plot(change.index, change, color=style.colour, ls=style.dash, lw=style.width)
    log_axis(left)
    left.set_title("Mean balanced contact, P(s)")
    right.axhline(0, color=INK, lw=1)
    right.set_title("log2 of map / deep map")
    for axes in (left, right):
        distance_axis(axes, decay["distance_bp"].min(), decay["distance_bp"].max())
    legend_right(figure, left)
    return figure


@styled
def contacts_by_distance(maps: Mapping[str, Sequence[tuple[float, float]]]) -> Figure:
    """Contacts per pixel by distance, of the maps of one sample.

    maps  name -> (distance_bp, contacts per pixel of one and the same area); "deep" stands out, the others come in
          shades from dark to light in the order given
    """
    figure = blank(10.2, 3.1)
    axes = figure.subplots()
    lows = [name for name in maps if name != "deep"]
    styles = {name: _shade(number, len(lows)) for number, name in enumerate(lows)} | {"deep": _REFERENCES["deep"]}
    drawn = {}
    for name, points in maps.items():
        if shown := [(distance, mean) for distance, mean in points if distance > 0 and mean > 0]:
            drawn[name] = shown
            style, mark = styles[name], "o" if len(shown) == 1 else None
            axes.plot(*zip(*shown), color=style.colour, ls=style.dash, lw=style.width, marker=mark, ms=3.5, label=name)
    if drawn:
        distances = [distance for shown in drawn.values() for distance, _ in shown]
        distance_axis(axes, min(distances) / 1.1, max(distances) * 1.1)
        log_axis(axes)
        legend_right(figure, axes)
    axes.set_title("Contacts per pixel")
    return figure


def _shade(number: int, of: int) -> ArmStyle:
    """The style of a low map among `of`: blue, lighter from map to map, with a dash that tells neighbours apart."""
    strength = 1 - 0.6 * number / max(of - 1, 1)
    colour = to_hex([1 - (1 - part) * strength for part in to_rgb(LEARNED[0])])
    return ArmStyle(colour, _DASHES[number % len(_DASHES)], 2.0)


@styled
def training_curves(histories: pd.DataFrame, arms: Mapping) -> Figure:
    """Loss (above) and validation Pearson r (below), one column per trained arm.

    `histories` holds history.csv of every run with the columns arm, fold and seed. Thin lines are single runs, thick
    ones their mean; the ring marks the epoch of the lowest mean validation loss.
    """
    styles = palette(arms)
    present = [name for name in arm_order(arms) if name in set(histories["arm"])]
    columns = len(present)
    figure = blank(max(10.2, 2.3 * columns), 4.6)
    grid = figure.subplots(2, columns, squeeze=False, sharex="col", height_ratios=(3, 2))
    for i, name in enumerate(present):
        rows, colour = histories[histories["arm"] == name], styles[name].colour
        upper, lower = grid[:, i]
        for axes, column, dash, label in (
            (upper, "train_loss", (0, (3, 1.6)), "training"),
            (upper, "validation_loss", "-", "validation"),
            (lower, "validation_pearson", "-", None),
        ):
            runs = rows.dropna(subset=[column]).pivot_table(index="epoch", columns=["fold", "seed"], values=column)
            mark = "o" if len(runs) == 1 else None
            if runs.shape[1] > 1:
                axes.plot(runs.index, runs, color=colour, lw=0.8, alpha=0.4, ls=dash)
            mean = runs.mean(axis=1)
            axes.plot(mean.index, mean, color=colour, lw=1.9, ls=dash, marker=mark, ms=3.5, label=label)
            if column == "validation_loss" and mean.notna().any():
                best = mean.idxmin()
                axes.plot([best], [mean[best]], "o", ms=6, mfc="white", mec=colour, mew=1.6, zorder=5)
        upper.set_title(name, color=colour)
        if i:
            lower.sharey(grid[1, 0])
        lower.set_xlabel("epoch")
        lower.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        if (rows[["train_loss", "validation_loss"]].stack() > 0).all():
            log_axis(upper)
    grid[0, 0].set_ylabel("loss")
    grid[1, 0].set_ylabel("validation Pearson r")
    grid[0, -1].legend(loc="upper right", handlelength=2.6)
    for handle in grid[0, -1].get_legend().legend_handles:
        handle.set_color(MUTED)
    return figure


# ---------------------------------------------------------------- intervals


@styled
def intervals(
    comparisons: pd.DataFrame, arms: Mapping, view: View, reference_arm: str, metrics: list[str] | None = None
) -> Figure:
    """Forest plot: arm − reference arm with its 95 % interval, one panel per metric.

    The shaded half is the better one. A filled mark is a verdict (`aggregate.judge`), which asks for more than an
    interval without zero; a mark without an interval rests on too few stretches.
    """
    rows = view.of(comparisons)
    rows = rows[(rows["reference_arm"] == reference_arm) & (rows["arm"] != reference_arm) & rows["difference"].notna()]
    styles = palette(arms)
    metrics = metrics or [name for name in METRICS if name in set(rows["metric"])]
    names = [name for name in arm_order(arms) if name in set(rows["arm"])]
    height, names_in = 1.3 + 0.32 * len(names), 0.2 + 0.085 * max(map(len, names))
    figure = blank(10.2, height, layout=None)
    figure.subplots_adjust(names_in / 10.2, 0.65 / height, 0.995, 1 - 0.5 / height, wspace=0.14)
    all_axes = figure.subplots(1, len(metrics), squeeze=False, sharey=True)[0]
    for axes, metric in zip(all_axes, metrics):
        higher = METRICS[metric].higher_is_better
        of_metric = rows[rows["metric"] == metric].set_index("arm")
        style = Format.of(of_metric[["difference", "ci_low", "ci_high"]].stack())
        unit = 10.0**style.exponent
        for y, name in enumerate(names):
            if name not in of_metric.index:
                continue
            row = of_metric.loc[name]
            colour = styles[name].colour
            decided = row.better in ("arm", "reference_arm")
            axes.plot([row.ci_low / unit, row.ci_high / unit], [y, y], color=colour, lw=1.8)
            axes.plot([row.difference / unit], [y], "o", ms=5, mec=colour, mew=1.4, mfc=colour if decided else "white")
        axes.axvline(0, color=INK, lw=1)
        low, high = axes.get_xlim()
        low, high = min(low, -0.12 * (high - low)), max(high, 0.12 * (high - low))
        axes.set_xlim(low, high)
        axes.axvspan(*((0, high) if higher else (low, 0)), color="#eaf4ef", lw=0, zorder=0)
        axes.set_title(heading(metric, style).replace(" (", "\n("), fontsize=8.5)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=3, symmetric=False))
        axes.xaxis.set_major_formatter(Ticks(plain_number))
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
    all_axes[0].set_yticks(range(len(names)), names)
    all_axes[0].set_ylim(len(names) - 0.4, -0.6)
    for label, name in zip(all_axes[0].get_yticklabels(), names):
        label.set_color(styles[name].colour)
        label.set_fontsize(9.5)
    note = f"difference from {reference_arm}, 95 % interval; shaded: better; filled: decided, of all comparisons here"
    figure.text(names_in / 10.2, 0.1 / height, note, fontsize=9, color=MUTED)
    return figure


# ---------------------------------------------------------------- maps


@styled
def map_panel(window: "Window", arms: Mapping, scale: str = "balanced") -> Figure:
    """One test window: low, deep and truth over the lanes of the locus, then each arm above its error.

    Every map is turned by 45°, the diagonal lies on the axis. Below the axis of an arm: the base-2 logarithm of
    arm / deep ("balanced"), or the difference of ln O/E, arm − deep ("oe"). The upper halves share one colour scale.
    """
    styles = palette(arms)
    shown, norm, cmap, label, change, change_label = _panel_values(window, scale)
    references = [name for name in ("low", "deep", "truth") if name in shown]
    names = [name for name in arm_order(arms) if name in shown]
    # Everything is placed in inches, so that one bp is equally wide in every panel and lane.
    columns, left, right, gap, lane = 3, 0.62, 0.1, 0.16, 0.34
    width = (10.2 - left - right - (columns - 1) * gap) / columns
    lines = -(-len(names) // columns)
    lines_of = {**({} if window.gc is None else {"GC": window.gc}), **window.lanes}
    lanes = len(lines_of) + bool(window.motifs)
    total = 0.1 + width / 2 + lanes * lane + 0.55 + lines * (width + 0.12) + 0.55
    figure = blank(10.2, total, layout=None)

    def place(column: int, top_in: float, height_in: float) -> Axes:
        x = left + column * (width + gap)
        return figure.add_axes((x / 10.2, 1 - (top_in + height_in) / total, width / 10.2, height_in / total))

    y = 0.08
    limits = (window.region.start_bp, window.region.end_bp)
    upper = None
    for i, name in enumerate(references):
        axes = place(i, y, width / 2)
        upper = _triangle(axes, shown[name], limits, cmap, norm)
        _name(axes, name, INK, {"low": "input", "deep": "target", "truth": "noise-free"}[name])
    y += width / 2 + 0.03
    for k, (track, values) in enumerate(lines_of.items()):
        for i in range(len(references)):
            axes = place(i, y + k * lane, lane - 0.07)
            _lane(axes, values, limits, track if i == 0 else None, filled=track != "GC")
    y += len(lines_of) * lane
    if window.motifs:
        for i in range(len(references)):
            axes = place(i, y, lane - 0.07)
            _motifs(axes, window.motifs, limits, "CTCF" if i == 0 else None)
        y += lane
    for i in range(len(references)):
        axes = place(i, y - 0.05 if lanes else y, 0.01)
        _position_axis(axes, limits, window.region.chrom)
    y += 0.5
    lower = None
    for k, name in enumerate(names):
        axes = place(k % columns, y + (k // columns) * (width + 0.12), width)
        _triangle(axes, shown[name], limits, cmap, norm)
        lower = _triangle(axes, change[name], limits, CHANGE, Normalize(-change["limit"], change["limit"]), down=True)
        axes.set_ylim(-1, 1)
        axes.axhline(0, color=INK, lw=0.7)
        _name(axes, name, styles[name].colour)
    bottom = total - 0.42
    for x, image, text in ((left, upper, label), (left + 5.0, lower, change_label)):
        if image is not None:
            bar = figure.add_axes((x / 10.2, 1 - bottom / total, 1.7 / 10.2, 0.09 / total))
            _colour_bar(figure, bar, image, text)
    return figure


@styled
def map_pair(region: Region, low: np.ndarray, enhanced: np.ndarray) -> Figure:
    """A window of a map before and after it was enhanced, side by side on one colour scale.

    low       (n / k, n / k) balanced contact frequency, divided by k; NaN where a bin is missing
    enhanced  (n, n) the same of the enhanced map
    """
    off = np.triu(enhanced, 2)
    positive = off[off > 0]
    floor, ceiling = np.percentile(positive, (3, 99.5)) if len(positive) else (0.5, 1.0)
    norm = LogNorm(floor, max(ceiling, 1.001 * floor))
    side, gap, left, top = 4.7, 0.3, 0.25, 0.34
    total = top + side / 2 + 1.0
    figure = blank(10.2, total, layout=None)
    limits, mesh = (region.start_bp, region.end_bp), None
    for number, (name, values) in enumerate({"before": low, "enhanced": enhanced}.items()):
        x = left + number * (side + gap)
        axes = figure.add_axes((x / 10.2, 1 - (top + side / 2) / total, side / 10.2, side / 2 / total))
        mesh = _triangle(axes, np.where(values < floor, floor, values), limits, CONTACTS, norm)
        _name(axes, name, INK)
        below = figure.add_axes((x / 10.2, 1 - (top + side / 2 + 0.05) / total, side / 10.2, 0.01 / total))
        _position_axis(below, limits, region.chrom)
    bar = figure.add_axes((left / 10.2, 0.26 / total, 1.7 / 10.2, 0.09 / total))
    _colour_bar(figure, bar, mesh, "balanced contact frequency, logarithmic")
    return figure


def _colour_bar(figure: Figure, bar: Axes, image, text: str) -> None:
    """A horizontal colour bar with what it means beside it."""
    figure.colorbar(image, cax=bar, orientation="horizontal")
    bar.tick_params(labelsize=7.5, length=2)
    bar.minorticks_off()
    bar.grid(False)
    bar.text(1.04, 0.5, text, transform=bar.transAxes, va="center", fontsize=8.5, color=MUTED)


def _panel_values(window: "Window", scale: str):
    """Maps to show, their norm, colours and label; the change against the deep map, its limit and label."""
    if scale == "oe":
        shown = {name: window.oe(name) for name in window.maps}
        limit = float(np.nanpercentile(np.abs(shown["deep"]), 98))
        change = {name: shown[name] - shown["deep"] for name in shown if shown[name].shape == shown["deep"].shape}
        look = Normalize(-limit, limit), CHANGE, "ln observed / expected", "arm − deep, ln O/E"
        change["limit"] = limit
    else:
        shown = window.maps
        off = np.triu(shown["deep"], 2)
        positive = off[off > 0]
        floor, ceiling = np.percentile(positive, 3), np.percentile(positive, 99.5)
        shown = {name: np.where(values < floor, floor, values) for name, values in shown.items()}
        deep = shown["deep"]
        change = {name: np.log2(values / deep) for name, values in shown.items() if values.shape == deep.shape}
        change["limit"] = 2.0
        look = LogNorm(floor, ceiling), CONTACTS, "balanced contact frequency", "log2 of arm / deep"
    norm, cmap, label, change_label = look
    return shown, norm, cmap, label, change, change_label


def _triangle(axes: Axes, values: np.ndarray, limits: tuple, cmap, norm, down: bool = False):
    """Half of a square map turned by 45°: x is the position in bp, y the distance, 1 being the window's width."""
    n, sign = len(values), -1 if down else 1
    i, j = np.indices((n + 1, n + 1))
    x = limits[0] + (i + j) / (2 * n) * (limits[1] - limits[0])
    mesh = axes.pcolormesh(x, sign * (j - i) / n, np.ma.masked_invalid(values), cmap=cmap, norm=norm, rasterized=True)
    middle = (limits[0] + limits[1]) / 2
    mesh.set_clip_path(Polygon([(limits[0], 0), (middle, sign), (limits[1], 0)], transform=axes.transData))
    axes.set_xlim(limits)
    axes.set_ylim(0, 1)
    axes.set_axis_off()
    return mesh


def _name(axes: Axes, text: str, colour: str, role: str = "") -> None:
    axes.text(0, 1, text, transform=axes.transAxes, va="top", fontsize=9.5, fontweight="bold", color=colour)
    axes.text(0, 1, f"\n{role}", transform=axes.transAxes, va="top", fontsize=8.5, color=MUTED)


def _lane(axes: Axes, values: np.ndarray, limits: tuple, name: str | None, filled: bool) -> None:
    """One signal along the window; positions without data stay empty."""
    x = np.linspace(*limits, len(values) + 1)
    if filled:
        axes.stairs(np.nan_to_num(values), x, fill=True, color="#52606d", lw=0)
        axes.set_ylim(0, max(np.nanpercentile(values, 99.5), 1e-9) if np.isfinite(values).any() else 1)
    else:
        axes.stairs(values, x, color="#7b8794", lw=1, baseline=None)
    _bare(axes, limits, name)


def _motifs(axes: Axes, motifs: list, limits: tuple, name: str | None) -> None:
    """Oriented CTCF motifs: vermilion points right (+), blue left (−)."""
    for strand, marker, colour in (("+", ">", "#D55E00"), ("-", "<", "#0072B2")):
        x = [(start + end) / 2 for start, end, direction in motifs if direction == strand]
        axes.plot(x, [0.5] * len(x), marker, ms=5, mec="none", mfc=colour)
    axes.set_ylim(0, 1)
    _bare(axes, limits, name)


def _bare(axes: Axes, limits: tuple, name: str | None) -> None:
    axes.set_xlim(limits)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    if name:
        axes.text(-0.02, 0.45, name, transform=axes.transAxes, ha="right", va="center", fontsize=8, color=MUTED)


def _position_axis(axes: Axes, limits: tuple, chrom: str) -> None:
    axes.set_xlim(limits)
    axes.set_yticks([])
    axes.grid(False)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=3, min_n_ticks=2))
    width = limits[1] - limits[0]
    size, unit = (1e6, "Mb") if width > 5e5 else (1e3, "kb")
    axes.xaxis.set_major_formatter(Ticks(lambda value, digits: f"{value / size:,.{digits + 3}g} {unit}"))
    axes.tick_params(axis="x", labelsize=7.5, length=3)


@styled
def map_and_doubt(region: Region, low: np.ndarray, enhanced: np.ndarray, sd: np.ndarray | None) -> Figure:
    """A window of a map before and after it was enhanced, as squares on one colour scale, and how sure the model is.

    low, enhanced: (n, n) balanced contact frequency, NaN where a bin is missing; sd: (n, n) standard deviation of
    ln O/E, None where it is not known.
    """
    positive = enhanced[np.triu(np.nan_to_num(enhanced), 2) > 0]
    floor, ceiling = np.percentile(positive, (3, 99.5)) if len(positive) else (0.5, 1.0)
    norm = LogNorm(floor, max(ceiling, 1.001 * floor))
    # A low map has empty pixels: they are few contacts, not unknown ones.
    panels = [
        (name, np.where(values < floor, floor, values), CONTACTS, norm)
        for name, values in (("before", low), ("enhanced", enhanced))
    ]
    if sd is not None:
        panels.append(("how sure: sd of ln O/E", sd, DOUBT, Normalize(0, float(np.nanpercentile(sd, 99)))))
    side, gap, left, top = 3.16, 0.22, 0.16, 0.3
    total = top + side + 0.95
    figure, (lo, hi) = blank(10.2, total, layout=None), (region.start_bp, region.end_bp)
    for number, (name, values, cmap, of_panel) in enumerate(panels):
        x = left + number * (side + gap)
        axes = figure.add_axes((x / 10.2, 1 - (top + side) / total, side / 10.2, side / total))
        values = np.ma.masked_invalid(values)
        image = axes.imshow(values, cmap=cmap, norm=of_panel, extent=(lo, hi, hi, lo), interpolation="nearest")
        axes.grid(False)
        axes.set_title(name)
        _position_axis(axes, (lo, hi), region.chrom)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4, prune="both"))  # a label at an end would run into the next
        if number != 1:
            bar = figure.add_axes((x / 10.2, 0.2 / total, 1.5 / 10.2, 0.09 / total))
            _colour_bar(figure, bar, image, "balanced, logarithmic" if number == 0 else "")
    return figure


@styled
def reliability(table: pd.DataFrame) -> Figure:
    """Correlation with the map without noise by distance, of the map as it is and enhanced: `trifold.advice`."""
    figure = blank(6.6, 3.3)
    axes = figure.subplots()
    middle = np.sqrt(table["from_bp"].to_numpy(float) * table["to_bp"].to_numpy(float))
    colour = LEARNED[0]
    axes.fill_between(middle, table["low"].clip(0, 1), table["high"].clip(0, 1), color=colour, alpha=0.15, lw=0)
    axes.plot(middle, table["enhanced"].clip(upper=1), "o-", ms=4, color=colour, lw=1.9, label="half of it, enhanced")
    axes.plot(middle, table["map"], "o-", ms=4, color=_GREYS[0], lw=1.6, label="the map as it is")
    axes.plot(middle, table["half"], "o-", ms=4, color=_GREYS[2], lw=1.6, label="half of it as it is")
    distance_axis(axes, middle[0], middle[-1])
    axes.set_ylim(0, 1.02)
    axes.set_ylabel("r with the map without noise, O/E")
    legend_right(figure, axes)
    return figure


# ---------------------------------------------------------------- files


class Drawn(NamedTuple):
    """A figure as it is written, and as the page shows it."""

    png: bytes  # twice the size on screen
    svg: str
    width: int  # on screen, px


@styled
def drawn(figure: Figure, name: str) -> Drawn:
    """The figure, laid out once for both files."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return Drawn(png_bytes(figure), svg_text(figure, name), round(figure.get_figwidth() * DPI))


def save(figure: Figure, stem: str | Path) -> Drawn:
    """Write `<stem>.png` and `<stem>.svg`; returns what they hold."""
    stem = Path(stem)
    rendered = drawn(figure, stem.name)
    stem.with_name(f"{stem.name}.png").write_bytes(rendered.png)
    stem.with_name(f"{stem.name}.svg").write_text(rendered.svg)
    return rendered


@styled
def svg_text(figure: Figure, salt: str) -> str:
    """The figure as SVG, the same for the same figure and salt; different salts give different element ids."""
    with matplotlib.rc_context({"svg.hashsalt": salt}):
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


@styled
def png_bytes(figure: Figure) -> bytes:
    """The figure as PNG at twice the size on screen, in the report's palette."""
    figure.savefig(buffer := io.BytesIO(), format="raw", dpi=2 * DPI)
    width, height = (int(inches * 2 * DPI) for inches in figure.get_size_inches())
    pixels = np.frombuffer(buffer.getvalue(), np.uint8).reshape(-1, 4)[:, :3].astype(np.uint32)
    place, codes = pd.factorize(pixels @ np.array([1 << 16, 1 << 8, 1], np.uint32))
    colours = _png_palette()
    _, nearest = cKDTree(colours).query(np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=1))
    image = Image.fromarray(nearest.astype(np.uint8)[place].reshape(height, width)).convert("P")
    image.putpalette(colours.astype(np.uint8).tobytes())
    image.save(small := io.BytesIO(), format="PNG", optimize=True)
    return small.getvalue()


def _png_palette() -> np.ndarray:
    """256 colours (RGB, 0 to 255): those of maps, arms and ink. It halves the file, and no arm changes its colour."""
    tints = np.array([to_rgb(colour) for colour in [*LEARNED, *_GREYS, INK, MUTED]])
    colours = [cmap(np.linspace(0, 1, 88))[:, :3] for cmap in (CONTACTS, CHANGE)]
    colours += [1 - (1 - tints) * strength for strength in (1, 0.65, 0.3)]
    greys = 256 - sum(map(len, colours))
    colours.append(np.linspace(0, 1, greys)[:, None].repeat(3, axis=1))
    return (np.concatenate(colours) * 255).round()
