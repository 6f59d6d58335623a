"""Structure on the page: how much of it every map has, and what was found, missed and invented, drawn on the maps."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D

from trifold import structure
from trifold.genome import Region
from trifold.io.cool import bin_width, open_map
from trifold.metrics import aggregate, intervals
from trifold.metrics import structure as metric
from trifold.plan import Evaluation
from trifold.report import figures, gallery
from trifold.report.sections import Figure, Section, Table
from trifold.report.tables import MINUS, NO_MODEL, Cell, arm_order, is_without_model, listed, protocol_of

KEYS = ["degradation", "sample", "feature", "reference", "kind", "arm", "metric"]
OF_MAP = ["degradation", "sample", "feature", "reference", "kind", "arm"]
OF_STRETCH = ["fold", "chrom", "start_bp", "end_bp"]
# Numbers that have an interval over stretches, in the order of `metric.rates_of`; what maps are compared in.
RATES = ("precision", "recall", "f1", "invented_per_mb")
COMPARED = ("f1", "invented_per_mb")
_VERDICTS = {"arm": "better", "other": "worse", aggregate.UNDECIDED: aggregate.UNDECIDED, aggregate.TOO_FEW: ""}
# Rows that are no arm, in the order of the tables: what they are called there.
MAPS = {"deep": "deep map", "truth": "noise-free map", "replicate": "half against half", "low": "low map"}
_RATES = [("precision", "precision ↑", 3), ("recall", "recall ↑", 3), ("f1", "F1 ↑", 3)]
# (metric, heading, decimals) of every feature, by the reference.
_COLUMNS = {
    "loops": {
        "deep": [
            ("n_calls", "calls", 0),
            *_RATES,
            ("invented_per_mb", "invented per Mb ↓", 1),
            ("pile_up", "pile-up at its loops", 2),
            ("deep_pile_up_called", "deep map, at these calls", 2),
        ],
        "planted": [
            *_RATES,
            ("invented_per_mb", "not planted, per Mb ↓", 1),
            ("pile_up", "pile-up at them", 2),
        ],
    },
    "boundaries": {
        "deep": [
            ("n_calls", "calls", 0),
            *_RATES,
            ("invented_per_mb", "invented per Mb ↓", 1),
            ("profile_pearson", "r of the insulation ↑", 3),
        ],
        "planted": [
            *_RATES,
            ("invented_per_mb", "not planted, per Mb", 1),
        ],
    },
}
_REFERENCES = {"deep": "against the calls on the deep map", "planted": "against what was planted"}
_NONE_PLANTED = {
    "loops": "None was planted: every call is invented.",
    "boundaries": "None was planted: what is called are borders of compartments, or noise.",
}
STRIP_REACHES = 8  # a strip of a map is so many times as long as callers are shown of it
FOUND, INVENTED = figures.LEARNED[2], figures.LEARNED[1]
_MARKS = {"found": ("o", FOUND), "missed": ("s", figures.MUTED), "invented": ("X", INVENTED)}


def summarise(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean and spread of every number over folds and seeds: `KEYS`, n, mean, sd (NaN of one).

    rows  `trifold.structure.COLUMNS`; a number that no run has makes no row
    """
    known = rows[np.isfinite(rows["value"])]
    table = known.groupby(KEYS, sort=False)["value"].agg(n="size", mean="mean", sd="std")
    return table.reset_index()


def spread(stretches: pd.DataFrame) -> pd.DataFrame:
    """The interval of every number of `RATES` over stretches, seeds together: `KEYS`, n_stretches, ci_low, ci_high.

    stretches  `trifold.structure.STRETCH_COLUMNS`
    """
    rows = []
    for key, table in _by_map(stretches).items():
        interval = intervals.jackknife(*_rates_of(table))
        rows += [(*key, name, *of_rate[:3]) for name, *of_rate in zip(RATES, *interval)]
    return pd.DataFrame(rows, columns=[*KEYS, "n_stretches", "ci_low", "ci_high"])


def compare(stretches: pd.DataFrame, arms: Mapping) -> pd.DataFrame:
    """Each arm with a model, and each program, against the low map and the row without a model that has the best F1, in
    F1 and in calls invented per Mb.

    Columns: degradation, sample, feature, reference, metric, arm, other, n_stretches, difference (arm minus other),
    ci_low, ci_high, p, and p_holm and better (`aggregate.judge`) over the comparisons of one table.
    """
    by_map, rows = _by_map(stretches), []
    for view in dict.fromkeys(key[:4] for key in by_map):
        of_view = {key[4:]: table for key, table in by_map.items() if key[:4] == view}
        simple = [key for key in of_view if key[0] == "arm" and is_without_model(arms, key[1])]
        f1 = {key: _rates_of(of_view[key])[0][RATES.index("f1")] for key in simple}
        best = max(f1, key=lambda key: np.nan_to_num(f1[key], nan=-1.0), default=None)
        others = [key for key in (("map", "low"), best) if key in of_view]
        for kind, arm in of_view:
            if kind != "arm" or is_without_model(arms, arm):
                continue
            for other in others:
                rows += [(*view, *row) for row in _differences(arm, other[1], of_view[kind, arm], of_view[other])]
    numbers = ["n_stretches", "difference", "ci_low", "ci_high", "p"]
    frame = pd.DataFrame(rows, columns=[*OF_MAP[:4], "metric", "arm", "other", *numbers])
    return aggregate.judge(frame, OF_MAP[:4], ("arm", "other"))


def _by_map(stretches: pd.DataFrame) -> dict[tuple, pd.DataFrame]:
    """`OF_MAP` -> counts of every stretch, means over seeds, by `OF_STRETCH`."""
    columns = ["scored_mb", *structure.COUNTS]
    means = stretches.groupby([*OF_MAP, *OF_STRETCH], sort=False)[columns].mean().reset_index(OF_STRETCH)
    return {key: table.set_index(OF_STRETCH) for key, table in means.groupby(level=OF_MAP, sort=False)}


def _rates_of(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return metric.rates_of(table[structure.COUNTS].to_numpy(), table["scored_mb"].to_numpy())


def _differences(arm: str, other: str, of_arm: pd.DataFrame, of_other: pd.DataFrame) -> list[tuple]:
    """Rows of `compare` from the metric on, over the stretches that both have."""
    shared = of_arm.index.intersection(of_other.index)
    (one, one_without), (two, two_without) = (_rates_of(table.loc[shared]) for table in (of_arm, of_other))
    difference = one - two
    interval = intervals.jackknife(difference, one_without - two_without)
    at = [RATES.index(name) for name in COMPARED]
    n_stretches, low, high, p = (part[at] for part in interval)
    compared = zip(COMPARED, n_stretches, difference[at], low, high, p)
    return [(name, arm, other, *numbers) for name, *numbers in compared if np.isfinite(numbers[1])]


# ---------------------------------------------------------------- the section


def section(
    summary: pd.DataFrame,
    compared: pd.DataFrame,
    arms: Mapping,
    settings: Mapping,
    drawn: Sequence[Figure],
) -> Section:
    """What the page says of structure; summary: `summarise` with the intervals of `spread`, compared: `compare`, arms:
    the config's, settings: `plan.structure_of`."""
    tables = []
    for (degradation, sample), rows in summary.groupby(["degradation", "sample"], sort=False):
        for feature in _COLUMNS:
            of_feature = rows[rows["feature"] == feature]
            if len(of_feature):
                title = f"{feature.capitalize()} of {sample}, low map “{degradation}”"
                tables.append(_table(title, feature, of_feature, arms, _reach(rows) if feature == "boundaries" else ""))
                of_sample = (compared["degradation"] == degradation) & (compared["sample"] == sample)
                here = compared[of_sample & (compared["feature"] == feature)]
                if len(here):
                    tables.append(_differences_table(f"{title}: differences", here, arms))
    tolerance = settings["tolerance_bins"]
    paragraphs = [
        f"ChromoSight calls loops of {settings['min_bp']:,} to {settings['max_bp']:,} bp, cooltools boundaries in an "
        f"insulation score of {settings['window_bp']:,} bp, both with the same settings on every map. A call and its "
        f"partner lie at most {tolerance} bins apart, one partner each. Invented are calls that neither the deep map "
        "nor a half of its contacts has.",
        "Half against half is what another experiment of half the depth would give: no enhanced map need be better. "
        "The rows of the deep map and of the noise-free map say how much a caller errs on a map that nobody enhanced.",
    ]
    return Section("structure", "Structure", "loops and boundaries found, missed, invented", paragraphs, tables, drawn)


def _reach(rows: pd.DataFrame) -> str:
    """Whether the maps reach far enough for compartments, and how well they show them, in a sentence."""
    of_compartments = rows[rows["feature"] == "compartments"]
    reach = of_compartments.loc[of_compartments["metric"] == "e1_reach", "mean"]
    if reach.empty:
        return "Compartments: the test regions are too short for an eigenvector."
    said = f"r = {reach.iloc[0]:.2f} with the first eigenvector of the whole deep map"
    shown = of_compartments[of_compartments["metric"] == "e1_pearson"]
    if shown.empty:
        return f"Compartments are not scored: as near to the diagonal as maps reach here, even the deep one has {said}."
    each = listed([f"{row.arm} {row.mean:.3f}" for row in shown.itertuples()])
    return f"Compartments (|r| of first eigenvectors; within reach the deep map has {said}): {each}."


def _table(title: str, feature: str, rows: pd.DataFrame, arms: Mapping, note: str) -> Table:
    """The numbers of one feature of one sample: maps that are no arm first, then the arms."""
    value = {(row.kind, row.arm, row.reference, row.metric): row for row in rows.itertuples()}
    groups, keys = [], []
    for reference, columns in _COLUMNS[feature].items():
        if reference in set(rows["reference"]):
            groups.append((_REFERENCES[reference], [heading for _, heading, _ in columns]))
            keys += [(reference, name, decimals) for name, _, decimals in columns]
    named = [("map", name, label, "–") for name, label in MAPS.items()]
    named += [("arm", name, name, protocol_of(arms, name)) for name in arm_order(arms)]
    present = set(zip(rows["kind"], rows["arm"]))
    lines = [
        (
            [label, "" if protocol == NO_MODEL else protocol],
            [_cell(value.get((kind, name, *key[:2])), key[2]) for key in keys],
        )
        for kind, name, label, protocol in named
        if (kind, name) in present
    ]
    if (
        "planted" in set(rows["reference"])
        and not rows.loc[(rows["reference"] == "planted") & (rows["metric"] == "n_reference"), "mean"].any()
    ):
        note = f"{_NONE_PLANTED[feature]} {note}".strip()
    return Table(title, ["map", "protocol"], groups, lines, note)


def _cell(row, decimals: int) -> Cell:
    if row is None:
        return Cell()
    parts = [] if np.isnan(row.sd) else [f"± {row.sd:,.{decimals}f}"]
    parts += [] if np.isnan(row.ci_low) else [_interval(row.ci_low, row.ci_high, decimals)]
    return Cell(f"{row.mean:,.{decimals}f}", " ".join(parts))


def _interval(low: float, high: float, decimals: int) -> str:
    return f"[{low:,.{decimals}f}, {high:,.{decimals}f}]".replace("-", MINUS)


def _differences_table(title: str, compared: pd.DataFrame, arms: Mapping) -> Table:
    """Arms with a model against the low map and the strongest row without one."""
    columns = [(reference, other) for reference in _REFERENCES for other in dict.fromkeys(compared["other"])]
    present = set(zip(compared["reference"], compared["other"]))
    columns = [column for column in columns if column in present]
    value = {(row.arm, row.reference, row.other, row.metric): row for row in compared.itertuples()}
    decimals = {"f1": (3, "F1"), "invented_per_mb": (2, "invented per Mb")}
    groups = [
        (f"against {MAPS.get(other, other)}; {_REFERENCES[reference]}", [heading for _, heading in decimals.values()])
        for reference, other in columns
    ]
    lines = [
        (
            [arm, protocol_of(arms, arm)],
            [
                _difference(value.get((arm, *column, name)), number)
                for column in columns
                for name, (number, _) in decimals.items()
            ],
        )
        for arm in arm_order(arms)
        if arm in set(compared["arm"])
    ]
    note = (
        "Arm minus the map beside it, with a 95 % interval over stretches of the test regions. Decided is what stands "
        "after Holm's correction over the differences of one reference; more F1 and fewer invented calls are better."
    )
    return Table(title, ["map", "protocol"], groups, lines, note)


def _difference(row, decimals: int) -> Cell:
    if row is None:
        return Cell()
    number = f"{row.difference:+,.{decimals}f}".replace("-", MINUS)
    if np.isnan(row.ci_low):
        return Cell(number, f"too few stretches: {row.n_stretches:.0f}")
    return Cell(number, f"{_interval(row.ci_low, row.ci_high, decimals)} {_VERDICTS[row.better]}")


# ---------------------------------------------------------------- the maps


class Strip(NamedTuple):
    """A stretch of one map near the diagonal with what was called on it.

    values  (n, n) ln O/E; loops: kind of call (found, missed, invented, or "" for what is neither) -> (k, 2) bp;
    boundaries: the same, (k,) bp
    """

    name: str
    values: np.ndarray
    loops: Mapping[str, np.ndarray]
    boundaries: Mapping[str, np.ndarray]


def outcomes(calls: structure.Calls, deep: structure.Calls, halves: Sequence[structure.Calls], tolerance_bp: int):
    """Calls by what became of them: (loops, boundaries), each of found, missed, invented -> table."""
    parts = []
    for feature in ("loops", "boundaries"):
        table, reference = getattr(calls, feature), getattr(deep, feature)
        _, state = structure.compare(table, reference, [getattr(half, feature) for half in halves], tolerance_bp)
        _, there = structure.compare(reference, table, [], tolerance_bp)
        parts.append({"found": table[state[:, 0]], "missed": reference[~there[:, 0]], "invented": table[state[:, 1]]})
    return parts


def busiest(deep: structure.Calls, low: str | Path, length_bp: int) -> Region | None:
    """The stretch of `length_bp`, on whole bins of the low map, that holds most loops of the deep map, or most of its
    boundaries where it has no loop; None where it has neither."""
    clr = open_map(low)
    width_bp = bin_width(clr)
    length_bp = -(-length_bp // width_bp) * width_bp
    table, places = (deep.loops, ["x_bp", "y_bp"]) if len(deep.loops) else (deep.boundaries, ["position_bp"])
    best: tuple[int, Region | None] = (0, None)
    for chrom, calls in table.groupby("chrom", sort=False):
        last = int(clr.chromsizes[chrom]) // width_bp * width_bp - length_bp
        first, end = calls[places].min(axis=1).to_numpy(), calls[places].max(axis=1).to_numpy()
        for start in range(0, max(last, 0) + 1, max(length_bp // 10 // width_bp, 1) * width_bp):
            number = int(((first >= start) & (end < start + length_bp)).sum())
            if number > best[0] and last >= 0:
                best = number, Region(str(chrom), start, start + length_bp)
    return best[1]


def strip(
    name: str, path: str | Path, region: Region, bin_bp: int, loops: Mapping[str, pd.DataFrame], boundaries: Mapping
) -> Strip:
    """A map in a region, with the calls that lie there."""
    coarsen = bin_width(open_map(path)) // bin_bp
    values = gallery.Window(region, bin_bp, {name: gallery.read_map(path, region, bin_bp, coarsen)}).oe(name)
    of_loops, of_boundaries = {}, {}
    for kind, table in loops.items():
        inside = (table["chrom"] == region.chrom) & (table["x_bp"] >= region.start_bp) & (table["y_bp"] < region.end_bp)
        of_loops[kind] = table.loc[inside, ["x_bp", "y_bp"]].to_numpy()
    for kind, table in boundaries.items():
        inside = (table["chrom"] == region.chrom) & table["position_bp"].between(region.start_bp, region.end_bp - 1)
        of_boundaries[kind] = table.loc[inside, "position_bp"].to_numpy()
    return Strip(name, values, of_loops, of_boundaries)


@figures.styled
def panel(strips: Sequence[Strip], region: Region, max_bp: int, colours: Mapping[str, str]) -> Drawing:
    """Strips of maps one above the other, the diagonal at the bottom: loops where they lie, boundaries below."""
    left, right, top, gap = 1.15, 0.1, 0.34, 0.1
    width = 10.2 - left - right
    height = width * max_bp / (region.end_bp - region.start_bp)
    total = top + len(strips) * (height + 0.16 + gap) + 0.5
    figure = figures.blank(10.2, total, layout=None)
    limit = float(np.nanpercentile(np.abs(strips[0].values), 98)) or 1.0
    axes = None
    for number, one in enumerate(strips):
        y = top + number * (height + 0.16 + gap)
        axes = figure.add_axes((left / 10.2, 1 - (y + height) / total, width / 10.2, height / total))
        _draw_strip(axes, one, region, max_bp, limit)
        axes.text(-0.01, 0.5, one.name, transform=axes.transAxes, ha="right", va="center", fontweight="bold",
                  color=colours.get(one.name, figures.INK))  # fmt: skip
        below = figure.add_axes((left / 10.2, 1 - (y + height + 0.13) / total, width / 10.2, 0.11 / total))
        for kind, positions in one.boundaries.items():
            colour = _MARKS[kind][1] if kind else figures.INK
            below.vlines(positions, 0, 1, color=colour, lw=1.6, linestyles=":" if kind == "missed" else "-")
        below.set(xlim=(region.start_bp, region.end_bp), ylim=(0, 1))
        below.set_axis_off()
    ends = figure.add_axes((left / 10.2, 0.4 / total, width / 10.2, 0.01 / total))
    ends.set(xlim=(region.start_bp / 1e6, region.end_bp / 1e6), yticks=[])
    ends.set_xlabel(f"{region.chrom}, Mb")
    ends.grid(False)
    handles = [
        Line2D([], [], ls="", marker=marker, ms=7, mew=1.6, mec=colour, mfc="none", label=kind)
        for kind, (marker, colour) in _MARKS.items()
    ]
    figure.legend(handles=handles, loc="upper left", ncols=3, bbox_to_anchor=(left / 10.2 - 0.01, 1.0))
    return figure


def _draw_strip(axes: Axes, one: Strip, region: Region, max_bp: int, limit: float) -> None:
    n = len(one.values)
    i, j = np.indices((n + 1, n + 1))
    step = (region.end_bp - region.start_bp) / n
    near = np.abs(np.subtract.outer(np.arange(n), np.arange(n))) * step <= max_bp
    values = np.ma.masked_invalid(np.where(np.triu(near), one.values, np.nan))
    x, y = region.start_bp + (i + j) / 2 * step, (j - i) * step
    axes.pcolormesh(x, y, values, cmap=figures.CHANGE, norm=Normalize(-limit, limit), rasterized=True)
    for kind, loops in one.loops.items():
        marker, colour = _MARKS.get(kind, ("o", figures.INK))
        axes.plot(loops.mean(axis=1), loops[:, 1] - loops[:, 0], marker, ms=6, mew=1.4, mec=colour, mfc="none")
    axes.set(xlim=(region.start_bp, region.end_bp), ylim=(0, max_bp))
    axes.set_axis_off()


class Shown(NamedTuple):
    """An enhanced map that a person looks at: the map, the folders of what was called on it and on the others, the deep
    and the low map of its sample."""

    evaluation: Evaluation
    prediction: str
    called: Path
    known: Path
    deep: str
    low: str


def draw(folder: Path, shown: Sequence[Shown], arms: Mapping, settings: Mapping) -> list[Figure]:
    """A panel of every low map and sample, saved into the folder as maps-<low map>-<sample>.svg and .png."""
    drawn, colours = [], {name: style.colour for name, style in figures.palette(arms).items()}
    panels: dict[tuple[str, str], list[Shown]] = {}
    for one in shown:
        panels.setdefault((one.evaluation.degradation, one.evaluation.sample), []).append(one)
    for (degradation, sample), of_panel in panels.items():
        first = of_panel[0]
        known, bin_bp = structure.read_calls(first.known), bin_width(open_map(first.deep))
        halves = [known[half] for half in structure.HALVES]
        region = busiest(known["deep"], first.low, STRIP_REACHES * settings["max_bp"])
        stem = folder / f"maps-{degradation}-{sample}"
        if region is None:
            figure, caption = (
                figures.blank(10.2, 0.5),
                f"{sample}, low map “{degradation}”: nothing was called on the deep map",
            )
        else:
            deep = known["deep"]
            strips = [strip("deep", first.deep, region, bin_bp, {"": deep.loops}, {"": deep.boundaries})]
            maps = {"low": (first.low, known["low"])}
            maps |= {one.evaluation.arm: (one.prediction, structure.read_calls(one.called)["map"]) for one in of_panel}
            order = ["low", *(name for name in arm_order(arms) if name in maps)]
            for name in order:
                path, calls = maps[name]
                found = outcomes(calls, deep, halves, settings["tolerance_bins"] * bin_bp)
                strips.append(strip(name, path, region, bin_bp, *found))
            figure = panel(strips, region, settings["max_bp"], colours)
            caption = (
                f"{sample}, {region}, low map “{degradation}”: the stretch with most calls on the deep map. Loops lie "
            )
            caption += "on the map, ln O/E, boundaries below it"
        saved = figures.save(figure, stem)
        source = f"data:image/png;base64,{base64.b64encode(saved.png).decode()}"
        drawn.append(Figure(caption, source, saved.width))
    return drawn
