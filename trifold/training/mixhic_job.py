"""One pre-training or one task of MIX-HIC with one seed: from artifacts on disk to a trained model's folder."""

import os
from collections.abc import Sequence
from pathlib import Path

import torch

from trifold.config import placed
from trifold.data.pair_dataset import PairDataset, gather
from trifold.errors import InputError
from trifold.models import mixhic, weights
from trifold.training import processes
from trifold.training.fit import fit

# Weights that a task starts from: the released pre-training has no validation set, and ends with what it has.
START = {"published": "last.safetensors", "corrected": "weights.safetensors"}


def start(out: Path, **task) -> None:
    """`train`, in as many processes as `where` says; the keywords are the same."""
    processes.train(train, out, task)


def train(
    out: str | os.PathLike,
    *,
    name: str,
    run: dict,
    pairs: Sequence[str | os.PathLike],
    bands: Sequence[str | os.PathLike],
    tracks: Sequence[str | os.PathLike],
    bin_bp: int,
    seed: int,
    pretrained: str | os.PathLike | None,
    checkpoints: str | os.PathLike,
    version: str,
    where: dict,
    threads: int,
) -> None:
    """Train a resolved entry of the section `mixhic2025` (`plan_mixhic2025.resolve`), the model's folder into `out`.

    pairs, bands, tracks: files of the samples' folders (`pair_dataset.gather`). pretrained: folder of the pre-training
    it starts from. checkpoints: survives a kill and is resumed from; the caller removes it once `out` is in place.
    where: workers, devices, nodes and accelerator. threads: of all processes on this node.
    """
    torch.manual_seed(seed)
    samples = gather(run["samples"], pairs, bands, tracks)
    network = mixhic.build(run["task"], run["network"])
    if pretrained:
        path = Path(pretrained) / START[run["protocol"]]
        try:
            network.load_pretrained(weights.read(path))
        except InputError as error:
            raise InputError(f"config: {name}/pretrained: {path}: {error}") from error
    common = {"reads": mixhic.reads(network), "bin_bp": bin_bp, "protocol": run["protocol"], "seed": seed}
    common |= {"log": run["log"], "noise": run["noise"]}
    roles = ["train"] if run["hold_out"] else None
    arm = {"name": name, "task": run["task"], "protocol": run["protocol"], "network": run["network"]}
    fit(
        network,
        PairDataset(samples, run["task"], roles, fraction=run["fraction"], **common),
        PairDataset(samples, run["task"], ["validation"], mixed=True, **common),
        placed(run["training"], where),
        seed,
        checkpoints,
        out,
        threads,
        {**arm, "bin_bp": bin_bp, "samples": run["samples"], "log": run["log"], "noise": run["noise"]},
        version,
        where["accelerator"],
    )
