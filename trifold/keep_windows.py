"""Test windows for figures: their targets, and what a model predicts, whole and with a part of it silenced."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from trifold.data.sequence import SequenceStore
from trifold.data.tracks import TrackStore
from trifold.models.blocks import Architecture
from trifold.score_windows import Windows

FILE = "windows.npz"


def choose(number: int, wanted: int) -> list[int]:
    """Indices of `wanted` of `number` windows, evenly spaced, the first among them."""
    return np.unique(np.linspace(0, number - 1, wanted).round().astype(int)).tolist()


def keep(
    out: Path,
    *,
    model: Architecture,
    protocol: str,
    examples: str | os.PathLike,
    sequence: SequenceStore | None,
    tracks: Sequence[TrackStore],
    windows: int,
    batch_size: int,
    reading: dict | None = None,
    device: str = "cpu",
    threads: int = 1,
) -> None:
    """Write windows.npz into the folder `out`, of n test windows of the dataset directory `examples`.

    target, prediction  (n, W - 2c, W - 2c) float64 on the scale the model is scored on, c the model's crop; nothing of
                        the target is copied into a prediction
    without_<part>      the same prediction with a part of the model silenced (`Architecture.parts`)
    chrom, start_bp, end_bp  where the windows lie, (n,)
    crop_bins           c

    reading: how the windows are read (`trifold.data.dataset.WindowDataset`).
    """
    torch.set_num_threads(threads)
    chosen = Windows(examples, "test", model, protocol, sequence=sequence, tracks=tracks, reading=reading)
    numbers = choose(len(chosen), windows)
    arrays = {}
    for part in (None, *model.parts):
        with model.without(part):
            batches = list(chosen.predict(batch_size, device, only=numbers, overwrite=False))
        prediction, target = (np.concatenate([batch[i] for batch in batches]) for i in (0, 1))
        arrays |= {f"without_{part}": prediction} if part else {"prediction": prediction, "target": target}
    places = chosen.tiles.iloc[numbers]
    arrays |= {"chrom": places["chrom"].to_numpy(str)}
    arrays |= {name: places[name].to_numpy(np.int64) for name in ("start_bp", "end_bp")}
    np.savez_compressed(Path(out) / FILE, **arrays, crop_bins=model.crop_bins)
