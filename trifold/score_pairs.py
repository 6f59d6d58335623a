"""MIX-HIC's tasks scored: a network, or a row without a model, on the test samples of one cell type."""

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from trifold.data.pair_dataset import PairDataset, Sample
from trifold.data.pairs import HALF_BINS, WINDOW_BINS
from trifold.errors import InputError
from trifold.inference import device_of
from trifold.metrics import multimodal
from trifold.models import mixhic, references

log = logging.getLogger(__name__)

LABELS = ["run", "task", "mode", "protocol", "variant", "pretraining", "dim", "fraction", "train_samples"]
COLUMNS = [*LABELS, "sample", "seed", "role", "metric", "distance_bp", "n", "value"]
TARGETS = {"loop": "label", "map": "map", "cage": "cage"}
# A bin with a TSS counts in the window about it, and there once.
TSS = np.arange(2 * WINDOW_BINS) == HALF_BINS


@torch.inference_mode()
def predict(
    predictor: Callable[[dict[str, Tensor]], Tensor], dataset: PairDataset, batch_size: int, device: str, workers: int
) -> tuple[np.ndarray, np.ndarray]:
    """Predictions and targets of a data set in its order: (n,) for loops, (n, 50, 50) for maps, (n, 100) for CAGE.

    Raises InputError for predictions that are not numbers.
    """
    where, target = device_of(device), TARGETS[dataset.task]
    predicted, targets = [], []
    for batch in DataLoader(dataset, batch_size, num_workers=workers, collate_fn=dataset.collate):
        output = predictor({name: values.to(where) for name, values in batch.items()}).float().cpu()
        if not output.isfinite().all():
            raise InputError("mixhic2025: the model predicts values that are not numbers; train it again")
        predicted.append(output)
        targets.append(batch[target])
    squeezed = (1,) if dataset.task in ("loop", "map") else ()
    return tuple(np.squeeze(torch.cat(each).numpy(), axis=squeezed) for each in (predicted, targets))


def measure(task: str, predicted: np.ndarray, target: np.ndarray, pairs: np.ndarray, bin_bp: int) -> pd.DataFrame:
    """Scores of `predict`'s arrays about the pairs (n, 2): columns metric, distance_bp (NaN: all), n, value."""
    if task == "map":
        return multimodal.map_metrics(predicted, target, *pairs.T, bin_bp)
    if task == "loop":
        scores = {name: (len(target), value) for name, value in multimodal.loop_metrics(target, predicted).items()}
    else:
        sizes = {True: len(target), False: target.size}
        values = multimodal.cage_metrics(predicted, target, TSS)
        scores = {name: (sizes[name.endswith("_tss")], value) for name, value in values.items()}
    rows = [(name, np.nan, *score) for name, score in scores.items()]
    return pd.DataFrame(rows, columns=multimodal.MAP_COLUMNS)


def score(
    out: Path,
    *,
    name: str,
    run: dict,
    model: str | os.PathLike | None,
    train: Sequence[Sample],
    test: Sample,
    bin_bp: int,
    seed: int,
    device: str,
    workers: int,
    threads: int,
) -> None:
    """Write ``scores.tsv`` (`COLUMNS`) and ``predictions.npz`` of a resolved run on the test role of one sample.

    model: the folder of the trained network; None: a row without a model, which `train` teaches what it needs.
    predictions.npz: chrom, x, y, label or target, prediction (float32), in the order of pairs.tsv or windows.tsv.
    """
    torch.set_num_threads(threads)
    task = run["task"]
    if model is not None:
        predictor, _ = mixhic.load(model)
        reads = mixhic.reads(predictor)
        predictor = predictor.to(device_of(device))
    else:
        predictor = references.REFERENCES[run["architecture"]]()
        reads = set(predictor.reads)
    common = {"reads": reads, "bin_bp": bin_bp, "protocol": run["protocol"], "log": run["log"]}
    if model is None:
        predictor.fit(PairDataset(train, task, ["train"], fraction=run["fraction"], seed=seed, **common))
    # Mixed: where a network attends across a batch, its labels must not tell of each other.
    dataset = PairDataset([test], task, ["test"], noise=run["noise"], seed=seed, mixed=True, **common)
    predicted, target = predict(predictor, dataset, run["training"]["batch_size"], device, workers=workers)
    table, order = dataset.table, np.argsort(dataset.table["row"].to_numpy())
    table, predicted, target = table.iloc[order], predicted[order], target[order]
    pairs = table[["x", "y"]].to_numpy()
    frame = measure(task, predicted, target, pairs, bin_bp)
    network = run["network"] if model is not None else {}
    labels = {
        "run": name,
        "task": task,
        "mode": network.get("mode", run["architecture"]),
        "protocol": run["protocol"],
        "variant": network.get("variant", ""),
        "pretraining": run["pretrained"] or "",
        "dim": network.get("embed_dim", ""),
        "fraction": run["fraction"],
        "train_samples": ",".join(run["samples"]),
        "sample": test.name,
        "seed": seed,
        "role": "test",
    }
    frame.assign(**labels)[COLUMNS].to_csv(out / "scores.tsv", sep="\t", index=False, float_format="%.9g")
    np.savez(
        out / "predictions.npz",
        chrom=table["chrom"].to_numpy(dtype=str),
        x=pairs[:, 0],
        y=pairs[:, 1],
        **{"label" if task == "loop" else "target": target.astype(np.float32)},
        prediction=predicted.astype(np.float32),
    )
    log.info("%s on %s, seed %d: %s", name, test.name, seed, frame[frame["distance_bp"].isna()].to_dict("records"))
