"""Figures 5 to 8 of Kriukov et al. 2021, from the windows that were kept of trained models (trifold.keep_windows)."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from trifold.errors import InputError
from trifold.genome import Region
from trifold.report import figures
from trifold.report.figures import CHANGE, CONTACTS, INK, MUTED, blank, legend_right, log_axis, palette, styled

CROP_BINS = 6  # of the generators: maps on [0, 1] are shown without so many bins at every side
# Part of a hybrid that is silenced -> what Figure 7 calls the rest.
_SILENCED = {"sequence": "sequence zeroed", "image": "image zeroed"}

_WIDTH_IN = 10.2
_FRAME = "#0072B2"  # of the fragment in figure 6; PNGs hold this colour


@styled
def figure5(
    targets: Sequence[np.ndarray],
    predictions: Mapping[str, Sequence[np.ndarray]],
    labels: Sequence[str],
    clip: float = 2.0,
) -> Figure:
    """Figure 5: a row per window, the target and every sequence model beside each other.

    Maps are ln O/E, (W, W), NaN where missing, and all of one window cover the same region; `labels` names the
    windows; colours end at ±clip.
    """
    columns = {"target": targets, **predictions}
    for name, maps in columns.items():
        if len(maps) != len(labels):
            raise ValueError(f"{len(labels)} windows are named and {len(maps)} maps of {name!r} were given")
    figure, grid = _map_grid(len(labels), list(columns))
    for j, maps in enumerate(columns.values()):
        for i, values in enumerate(maps):
            image = _show(grid[i, j], values, CHANGE, Normalize(-clip, clip))
    for axes, label in zip(grid[:, 0], labels):
        axes.set_ylabel(label, fontsize=8.5)
    _bar(figure, image, grid, "ln observed / expected")
    return figure


@styled
def figure6(maps: Mapping[str, np.ndarray], zoom: tuple[slice, slice]) -> Figure:
    """Figure 6: maps of one region on [0, 1] whole (above) and the fragment `zoom` of each (below), in bins.

    Maps are (W, W), NaN where missing, all of one size and on the colour scale of the one named "target".
    """
    figure, grid = _map_grid(2, list(maps))
    norm = _scale_of(maps["target"])
    rows, columns = zoom
    for j, values in enumerate(maps.values()):
        image = _show(grid[0, j], values, CONTACTS, norm)
        y, x, height, width = rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start
        frame = Rectangle((x - 0.5, y - 0.5), width, height, fill=False, ec=_FRAME, lw=1.6)
        grid[0, j].add_patch(frame)
        _show(grid[1, j], values[zoom], CONTACTS, norm)
        for spine in grid[1, j].spines.values():
            spine.set(visible=True, edgecolor=_FRAME, linewidth=1.6)
    _bar(figure, image, grid, "observed, on [0, 1]")
    return figure


@styled
def figure7(hybrids: Mapping[str, Mapping[str, np.ndarray]]) -> Figure:
    """Figure 7: a row per hybrid: the target, and its map with both backbones and with either replaced by zeros.

    `hybrids`: arm -> name -> (W, W) on the arm's [0, 1], NaN where missing; the same names in all. Each row has the
    colour scale of its map "target"; a map that lies beyond it altogether says where.
    """
    figure, grid = _map_grid(len(hybrids), list(next(iter(hybrids.values()))), bar=False)
    for line, (arm, maps) in zip(grid, hybrids.items()):
        norm = _scale_of(maps["target"])
        for axes, values in zip(line, maps.values()):
            image = _show(axes, values, CONTACTS, norm)
            low, high = np.nanmin(values), np.nanmax(values)
            beyond = "below" if high < norm.vmin else "above" if low > norm.vmax else ""
            if beyond:
                said = f"{low:.2f} to {high:.2f},\n{beyond} the scale"
                colour = MUTED if beyond == "below" else "white"
                axes.text(0.5, 0.5, said, transform=axes.transAxes, ha="center", va="center", color=colour, fontsize=9)
        line[0].set_ylabel(arm, fontsize=8.5)
        _bar_right(figure, image, line, "observed, on [0, 1]")
    return figure


@styled
def figure8(histories: pd.DataFrame, arms: Mapping, preheated: tuple[str, str]) -> Figure:
    """Figure 8: validation loss and Pearson r of the hybrid by epoch, its head heated before the joint training or not.

    `histories`: columns arm, seed, epoch, validation_loss, validation_pearson; `preheated`: the arm with and the one
    without. Lines are means over seeds, bands span the seeds. `arms` is the config's, for the colours.
    """
    styles = palette(arms)
    figure = blank(_WIDTH_IN, 3.4)
    left, right = figure.subplots(1, 2)
    for axes, column, title in (
        (left, "validation_loss", "Validation loss"),
        (right, "validation_pearson", "Validation Pearson r"),
    ):
        for name, label in zip(preheated, ("head pre-heated", "not pre-heated")):
            rows = histories[(histories["arm"] == name) & histories[column].notna()]
            if rows.empty:
                continue
            runs = rows.pivot_table(index="epoch", columns="seed", values=column)
            mean, style = runs.mean(axis=1), styles[name]
            mark = "o" if len(runs) == 1 else None
            axes.plot(
                mean.index, mean, color=style.colour, ls=style.dash, lw=style.width, marker=mark, ms=4, label=label
            )
            if runs.shape[1] > 1:
                axes.fill_between(runs.index, runs.min(axis=1), runs.max(axis=1), color=style.colour, alpha=0.18, lw=0)
        axes.set_title(title)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if (histories["validation_loss"].dropna() > 0).all():
        log_axis(left)
    legend_right(figure, right)
    return figure


def _map_grid(lines: int, names: list[str], bar: bool = True) -> tuple[Figure, np.ndarray]:
    """Square axes, `lines` x names, the names above; room for a colour bar below, or for one beside each line."""
    beside = 0.0 if bar else 0.8
    side = min(2.6, (_WIDTH_IN - 0.3 - beside) / len(names) - 0.1)
    figure = blank(0.3 + beside + len(names) * (side + 0.1), lines * (side + 0.1) + (0.85 if bar else 0.35))
    figure.get_layout_engine().set(w_pad=0.05, h_pad=0.05, wspace=0, hspace=0)
    grid = figure.subplots(lines, len(names), squeeze=False)
    for axes, name in zip(grid[0], names):
        axes.set_title(name, color=INK)
    return figure, grid


def _show(axes: Axes, values: np.ndarray, cmap, norm: Normalize):
    image = axes.imshow(np.ma.masked_invalid(values), cmap=cmap, norm=norm, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set(visible=True, edgecolor="#c5ced6", linewidth=0.8)
    return image


def _scale_of(target: np.ndarray) -> Normalize:
    """From the 1 % to the 99.5 % quantile of the target's pixels."""
    return Normalize(*np.nanpercentile(target, (1, 99.5)))


def _bar(figure: Figure, image, grid: np.ndarray, label: str) -> None:
    """A colour bar under the first column."""
    _plain(figure.colorbar(image, ax=grid, location="bottom", shrink=0.3, aspect=22, pad=0.03, anchor=(0, 1)), label)


def _bar_right(figure: Figure, image, line: np.ndarray, label: str) -> None:
    """A colour bar beside a line of maps."""
    _plain(figure.colorbar(image, ax=line, location="right", shrink=0.8, aspect=18, pad=0.02), label)


def _plain(bar: Colorbar, label: str) -> None:
    bar.set_label(label, color=MUTED, fontsize=8.5)
    bar.ax.tick_params(labelsize=7.5, length=2)
    bar.ax.grid(False)
    bar.outline.set_visible(False)


# ---------------------------------------------------------------- from files


class Maps(NamedTuple):
    """Some test windows: target and prediction (n, S, S), the prediction without each part, where they lie."""

    target: np.ndarray
    prediction: np.ndarray
    without: dict[str, np.ndarray]
    regions: list[Region]


def read(path: str | os.PathLike, margin: int | None = None) -> Maps:
    """A windows.npz, `margin` bins off every side of the windows (None: the model's own crop)."""
    with np.load(path) as stored:
        extra = 0 if margin is None else margin - int(stored["crop_bins"])
        inner = np.s_[:, extra : stored["target"].shape[1] - extra, extra : stored["target"].shape[2] - extra]
        parts = [name.removeprefix("without_") for name in stored if name.startswith("without_")]
        without = {part: stored[f"without_{part}"][inner] for part in parts}
        places = zip(stored["chrom"], stored["start_bp"], stored["end_bp"])
        regions = [Region(str(chrom), int(start_bp), int(end_bp)) for chrom, start_bp, end_bp in places]
        return Maps(stored["target"][inner], stored["prediction"][inner], without, regions)


def draw(
    folder: Path,
    *,
    windows: Mapping[str, str | os.PathLike],
    settings: Mapping[str, dict],
    chosen: Mapping,
    histories: Sequence[Mapping],
    clip: float,
) -> None:
    """Save figure5 … figure8 as SVG and PNG into `folder`, those that arms are chosen for.

    windows: arm -> its windows.npz; settings: every arm of whole maps, for the colours; chosen: arms of the figures, as
    the config's kriukov2021/figures has them; histories: arm, seed and the path of a history.csv, of the arms of Figure
    8; clip: of ln O/E. Maps on [0, 1] are cropped as the generators are.
    """
    if chosen.get("sequence"):
        shown = {name: read(windows[name]) for name in chosen["sequence"]}
        first = next(iter(shown.values()))
        predictions = {name: maps.prediction for name, maps in shown.items()}
        labels = [str(region) for region in first.regions]
        figures.save(figure5(first.target, predictions, labels, clip), folder / "figure5")
    if chosen.get("maps"):
        enhanced = {name: read(windows[name], CROP_BINS) for name in chosen["maps"]}
        maps = {"target": next(iter(enhanced.values())).target[0]}
        maps |= {name: maps_of_arm.prediction[0] for name, maps_of_arm in enhanced.items()}
        third = len(maps["target"]) // 3
        figures.save(figure6(maps, (slice(third, 2 * third),) * 2), folder / "figure6")
    if chosen.get("zeroed"):
        hybrids = {name: without_backbones(name, read(windows[name], CROP_BINS)) for name in chosen["zeroed"]}
        figures.save(figure7(hybrids), folder / "figure7")
    if chosen.get("preheated"):
        runs = [pd.read_csv(row["path"]).assign(arm=row["arm"], seed=row["seed"]) for row in histories]
        curves = figure8(pd.concat(runs, ignore_index=True), settings, tuple(chosen["preheated"]))
        figures.save(curves, folder / "figure8")


def without_backbones(name: str, maps: Maps) -> dict[str, np.ndarray]:
    """The first window's target, and what a hybrid makes of it with both backbones and with either's map zeroed.

    Raises InputError for an arm without these backbones.
    """
    if missing := [part for part in _SILENCED if part not in maps.without]:
        raise InputError(f"config: kriukov2021/figures/zeroed: {name!r} has no backbone {missing[0]!r}; name a hybrid")
    silenced = {label: maps.without[part][0] for part, label in _SILENCED.items()}
    return {"target": maps.target[0], "both backbones": maps.prediction[0], **silenced}
