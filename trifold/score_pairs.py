"""Tasks on windows about pairs of bins scored: a model, or a row without one, on the test samples of one cell type."""

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from trifold.architectures import traits
from trifold.arm import Arm
from trifold.data.given import Given
from trifold.data.pair_dataset import PairDataset, statistics_of, test_set, validation_set
from trifold.data.tracks import TrackStore, check_bins
from trifold.device import device_of
from trifold.errors import InputError
from trifold.metrics import multimodal
from trifold.models import stored
from trifold.models.blocks import Architecture

log = logging.getLogger(__name__)

# What a row of scores says of its arm.
LABELS = ["run", "task", "mode", "protocol", "variant", "pretraining", "dim", "fraction", "train_samples"]
COLUMNS = [*LABELS, "sample", "seed", "role", "metric", "distance_bp", "n", "value"]


@torch.inference_mode()
def predict(
    network: Architecture, dataset: PairDataset, batch_size: int, device: str, workers: int
) -> tuple[np.ndarray, np.ndarray]:
    """Predictions and targets of a data set in its order: (n,) for loops, (n, W, W) for windows, (n, 2W) for CAGE.

    Raises InputError for predictions that are not numbers.
    """
    where = device_of(device)
    predicted, targets = [], []
    for batch in DataLoader(dataset, batch_size, num_workers=workers, collate_fn=dataset.collate):
        output = network({name: values.to(where) for name, values in batch.items()}).float().cpu()
        if not output.isfinite().all():
            raise InputError("the model predicts values that are not numbers; train it again")
        predicted.append(output)
        targets.append(batch[network.target])
    squeezed = (1,) if dataset.task in ("loop", "window") else ()

    def whole(batches: list[Tensor]) -> np.ndarray:
        return np.squeeze(torch.cat(batches).numpy(), axis=squeezed)

    return whole(predicted), whole(targets)


def measure(
    task: str,
    predicted: np.ndarray,
    target: np.ndarray,
    pairs: np.ndarray,
    bin_bp: int,
    threshold: float | None = None,
) -> pd.DataFrame:
    """Scores of `predict`'s arrays about the pairs (n, 2): columns metric, distance_bp (NaN: all), n, value.

    threshold: of loops, the one that validation pairs have chosen; scores at it stand beside those at 0.5.
    """
    if task == "window":
        return multimodal.map_metrics(predicted, target, pairs[:, 0], pairs[:, 1], bin_bp)
    if task == "loop":
        values = multimodal.loop_metrics(target, predicted, chosen=threshold)
        scores = {name: (len(target), value) for name, value in values.items()}
    else:
        sizes = {True: len(target), False: target.size}
        # A bin with a start site counts in the window about it, and there once.
        values = multimodal.cage_metrics(predicted, target, multimodal.tss_bin(target.shape[1]))
        scores = {name: (sizes[name.endswith("_tss")], value) for name, value in values.items()}
    rows = [(name, np.nan, *score) for name, score in scores.items()]
    return pd.DataFrame(rows, columns=multimodal.MAP_COLUMNS)


def score(
    out: Path,
    *,
    arm: Arm,
    model: str | os.PathLike | None,
    given: Given,
    geometry: dict,
    seed: int,
    device: str,
    workers: int,
    threads: int,
    **_,
) -> None:
    """Write ``scores.tsv`` (`COLUMNS`) and ``predictions.npz`` of an arm on the test windows of one sample.

    model: the folder of the trained model; None: a row without one. given: the sample. Loops are scored beside the
    drawn negatives, at 0.5 and at the threshold that the sample's validation pairs choose (metrics `_chosen`; the
    threshold itself is a row, whose n is how many pairs chose it; NaN without any), and beside those matched to them in
    distance (metrics `_matched`).
    predictions.npz: chrom, x, y, label or target, prediction (float32), in the order of pairs.tsv or windows.tsv;
    window_bins, the side of their windows; of loops threshold, the chosen one.
    """
    torch.set_num_threads(threads)
    network, statistics = stored.load_or_build(
        model, arm.model(), lambda: statistics_of(arm, geometry, given), bin_bp=geometry["bin_bp"]
    )
    if model is not None:
        check_bins([TrackStore(path) for paths in given.tracks for path in paths], statistics["track_bp"], model)
    dataset = test_set(arm, given, network, statistics, seed, matched=False)
    network = network.to(device_of(device))
    choosing, threshold = 0, None
    if arm.task == "loop":
        validation = validation_set(arm, given, network, statistics, seed)
        threshold = np.nan
        if validation is not None:
            scored, labels = predict(network, validation, arm.training["batch_size"], device, workers=workers)
            choosing, threshold = len(labels), multimodal.best_threshold(labels, scored)
    predicted, target = predict(network, dataset, arm.training["batch_size"], device, workers=workers)
    table, order = dataset.table, np.argsort(dataset.table["row"].to_numpy())
    table, predicted, target = table.iloc[order], predicted[order], target[order]
    pairs = table[["x", "y"]].to_numpy()
    frame = measure(arm.task, predicted, target, pairs, statistics["geometry"]["bin_bp"], threshold)
    if arm.task == "loop":
        beside = test_set(arm, given, network, statistics, seed, matched=True)
        scored = predict(network, beside, arm.training["batch_size"], device, workers=workers)
        xy = beside.table[["x", "y"]].to_numpy()
        of_matched = measure(arm.task, *scored, xy, statistics["geometry"]["bin_bp"])
        chosen = pd.DataFrame([("threshold_chosen", np.nan, choosing, threshold)], columns=multimodal.MAP_COLUMNS)
        of_matched = of_matched.assign(metric=of_matched["metric"] + "_matched")
        frame = pd.concat([frame, chosen, of_matched], ignore_index=True)
    options = {**traits(arm.architecture, arm.task).options, **arm.options}
    (sample,) = given.samples
    labels = {
        "run": arm.name,
        "task": arm.task,
        "mode": options.get("mode", arm.architecture),
        "protocol": arm.protocol,
        "variant": options.get("variant", ""),
        "pretraining": arm.pretrained or "",
        "dim": options.get("embed_dim", ""),
        "fraction": arm.fraction,
        "train_samples": ",".join(arm.samples),
        "sample": sample,
        "seed": seed,
        "role": "test",
    }
    frame.assign(**labels)[COLUMNS].to_csv(out / "scores.tsv", sep="\t", index=False, float_format="%.9g")
    arrays: dict[str, Any] = {
        "chrom": table["chrom"].to_numpy(dtype=str),
        "x": pairs[:, 0],
        "y": pairs[:, 1],
        "window_bins": np.int64(arm.window_bins),
        "label" if arm.task == "loop" else "target": target.astype(np.float32),
        "prediction": predicted.astype(np.float32),
    }
    if arm.task == "loop":
        arrays["threshold"] = np.float64(threshold)
    np.savez(out / "predictions.npz", **arrays)
    log.info("%s on %s, seed %d: %s", arm.name, sample, seed, frame[frame["distance_bp"].isna()].to_dict("records"))
