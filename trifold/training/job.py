"""One arm on one fold with one seed: from artifacts on disk to a trained model's folder."""

import json
import os
import shutil
from pathlib import Path

import torch

from trifold.config import placed
from trifold.data.augment import Augmentation
from trifold.data.dataset import WindowDataset
from trifold.data.sequence import SequenceStore
from trifold.data.tracks import TrackStore
from trifold.models import stored, weights
from trifold.training import processes
from trifold.training.fit import fit


def _with_backbones(arm: dict, backbones: dict[str, str | os.PathLike]) -> dict:
    """The arm with each backbone's own settings in place of its name, read from the trained backbone."""
    return {**arm, "backbones": {role: stored.read_config(folder)["arm"] for role, folder in backbones.items()}}


def start(out: Path, **task) -> None:
    """`train`, in as many processes as `where` says; the keywords are the same."""
    processes.train(train, out, task)


def train(
    out: str | os.PathLike,
    *,
    name: str,
    arm: dict,
    geometry: dict,
    seed: int,
    examples: list[str | os.PathLike],
    sequence: str | os.PathLike | None,
    tracks: list[list[str | os.PathLike]],
    backbones: dict[str, str | os.PathLike],
    checkpoints: str | os.PathLike,
    version: str,
    where: dict,
    threads: int,
    loss_networks: dict[str, str | os.PathLike] | None = None,
    pretrained: str | os.PathLike | None = None,
) -> None:
    """Train a resolved arm (`plan.resolve_arm`) and write the model's folder into `out`.

    examples: dataset directories, one per sample; tracks: per sample the folders of the arm's tracks.
    backbones, loss_networks: role -> folder of a trained model; pretrained: folder of the model the weights are taken
    from at the start, as far as arm["pretrained_parts"] says. With several samples the model carries the first one's
    statistics.
    checkpoints: survives a kill and is resumed from; the caller removes it once `out` is in place.
    where: workers, devices, nodes and accelerator; no part of the model's version (`training.fit` says in what several
    processes differ from one).
    threads: of all processes on this node. Of several processes the first one writes.
    """
    out = Path(out)
    arm = {**_with_backbones(arm, backbones), "name": name, "geometry": geometry}
    settings = placed(arm["training"], where)
    statistics = json.loads((Path(examples[0]) / "statistics.json").read_text())
    networks = {role: stored.load_arm(folder)[0] for role, folder in (loss_networks or {}).items()}
    torch.manual_seed(seed)
    model = stored.build_arm(arm, geometry, statistics)
    for role, folder in backbones.items():
        weights.load(Path(folder) / "weights.safetensors", getattr(model, role), arm["backbones"][role]["name"])
    if pretrained:
        weights.take(Path(pretrained) / "weights.safetensors", model, name, arm["pretrained_parts"])

    stores = {
        "sequence": SequenceStore(sequence) if sequence else None,
        "tracks": [[TrackStore(folder) for folder in folders] for folders in tracks],
    }
    augmentation = Augmentation(settings.reverse_complement, settings.shift_bp, arm["protocol"])
    common = {"inputs": model.inputs, "target": model.target, "seed": seed, **stores}
    fit(
        model,
        WindowDataset(examples, "train", augmentation=augmentation, stride_bins=settings.stride_bins, **common),
        WindowDataset(examples, "validation", **common),
        settings,
        seed,
        checkpoints,
        out,
        threads,
        arm,
        version,
        where["accelerator"],
        networks,
    )
    if processes.world()[0] == 0:
        shutil.copy(Path(examples[0]) / "statistics.json", out / "statistics.json")
