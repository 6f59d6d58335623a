"""Figures 5 to 8 of Kriukov et al. 2021 from trained models: test windows through each, then drawn."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from trifold.data.sequence import SequenceStore
from trifold.genome import Region
from trifold.models import stored
from trifold.models.blocks import Architecture
from trifold.models.vehicle import CROP_BINS
from trifold.report import figures, kriukov2021
from trifold.score_windows import Windows


class Arm(NamedTuple):
    """An arm of a figure: its resolved settings, its model's folder (None without one), its dataset directory."""

    settings: dict
    model: Path | None
    examples: Path


class Maps(NamedTuple):
    """Target and prediction of some test windows, (W - 2·margin)² each, and where they lie."""

    targets: list[np.ndarray]
    predictions: list[np.ndarray]
    regions: list[Region]


def load(arm: Arm, geometry: dict) -> Architecture:
    if arm.model:
        return stored.load_arm(arm.model)[0]
    facts = stored.read_statistics(arm.examples)
    return stored.build_arm(arm.settings, geometry, facts)


def choose(tiles: pd.DataFrame, windows: int) -> list[int]:
    """Numbers of so many windows, evenly spaced along the test regions."""
    return np.unique(np.linspace(0, len(tiles) - 1, windows).round().astype(int)).tolist()


def predict(arm: Arm, model: Architecture, sequence: SequenceStore, windows: int, margin: int | None = None) -> Maps:
    """Maps of test windows as the model gives them, `margin` bins off every side (None: the model's own crop)."""
    given = Windows(arm.examples, "test", model, arm.settings["protocol"], sequence=sequence)
    numbers = choose(given.tiles, windows)
    extra = 0 if margin is None else margin - model.crop_bins
    targets, predictions = [], []
    for predicted, target, _ in given.predict(batch_size=4, only=numbers, overwrite=False):
        inner = slice(extra, predicted.shape[1] - extra)
        predictions += list(predicted[:, inner, inner])
        targets += list(target[:, inner, inner])
    places = given.tiles.iloc[numbers]
    regions = [Region(*place) for place in places[["chrom", "start_bp", "end_bp"]].itertuples(index=False)]
    return Maps(targets, predictions, regions)


def without_backbones(arm: Arm, geometry: dict, sequence: SequenceStore) -> dict[str, np.ndarray]:
    """A test window's target, and what the hybrid makes of it with both backbones and with either's map zeroed."""
    model = load(arm, geometry)
    maps = {}
    for role, name in ((None, "both backbones"), ("sequence", "sequence zeroed"), ("image", "image zeroed")):
        model.zeroed = role
        found = predict(arm, model, sequence, 1, CROP_BINS)
        maps |= {"target": found.targets[0], name: found.predictions[0]}
    return maps


def draw(
    folder: Path,
    *,
    arms: Mapping[str, Arm],
    settings: Mapping[str, dict],
    chosen: Mapping,
    geometry: dict,
    sequence: str | os.PathLike,
    histories: Sequence[Mapping],
    clip: float,
) -> None:
    """Save figure5 … figure8 as SVG and PNG into `folder`.

    settings: every arm of the config, for the colours; chosen: the config's kriukov2021/figures; histories: arm, seed
    and the path of a history.csv, of the arms of Figure 8; clip: of ln O/E. Maps on [0, 1] are cropped as the
    generators are.
    """
    store = SequenceStore(sequence)
    shown = {
        name: predict(arms[name], load(arms[name], geometry), store, chosen["windows"]) for name in chosen["sequence"]
    }
    first = next(iter(shown.values()))
    predictions = {name: maps.predictions for name, maps in shown.items()}
    labels = [str(region) for region in first.regions]
    figures.save(kriukov2021.figure5(first.targets, predictions, labels, clip), folder / "figure5")

    enhanced = {name: predict(arms[name], load(arms[name], geometry), store, 1, CROP_BINS) for name in chosen["maps"]}
    maps = {"target": next(iter(enhanced.values())).targets[0]}
    maps |= {name: found.predictions[0] for name, found in enhanced.items()}
    third = len(maps["target"]) // 3
    figures.save(kriukov2021.figure6(maps, (slice(third, 2 * third),) * 2), folder / "figure6")

    zeroed = {name: without_backbones(arms[name], geometry, store) for name in chosen["zeroed"]}
    figures.save(kriukov2021.figure7(zeroed), folder / "figure7")

    runs = [pd.read_csv(row["path"]).assign(arm=row["arm"], seed=row["seed"]) for row in histories]
    curves = kriukov2021.figure8(pd.concat(runs, ignore_index=True), settings, tuple(chosen["preheated"]))
    figures.save(curves, folder / "figure8")
