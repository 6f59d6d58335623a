"""One arm on one fold with one seed: from artifacts on disk to a trained model's folder."""

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import torch

from trifold import arm as arms
from trifold.arm import Arm
from trifold.config import Training, placed
from trifold.data.given import Given
from trifold.errors import InputError
from trifold.models import stored, weights
from trifold.models.blocks import Architecture
from trifold.training import closed, processes
from trifold.training.fit import Job, fit
from trifold.training.regression import Regression, seed_of

log = logging.getLogger(__name__)


def start(out: Path, *, arm: Arm, given: Given, where: dict, **settings) -> None:
    """`train`, in as many processes as `where` says; an arm that is fitted in closed form needs one."""
    where = where if settings["parts"]["learner"] else {**where, "devices": 1, "nodes": 1}
    processes.train(train, out, {"arm": asdict(arm), "given": given.as_settings(), "where": where, **settings})


def train(
    out: str | os.PathLike,
    *,
    arm: dict,
    parts: dict,
    geometry: dict,
    seed: int,
    given: dict,
    backbones: dict[str, str | os.PathLike],
    loss_networks: dict[str, str | os.PathLike],
    pretrained: str | os.PathLike | None,
    checkpoints: str | os.PathLike,
    version: str,
    where: dict,
    threads: int,
) -> None:
    """Train a resolved arm (fields of `trifold.arm.Arm`) and write the model's folder into `out`.

    parts: what is loaded by name (`plan.parts_of`). given: what the samples are read from (`Given.as_settings`).
    backbones, loss_networks: role -> folder of a trained model; pretrained: folder of the model the weights are taken
    from at the start, as far as the arm's `pretrained_parts` says. With several samples the model carries the first
    one's statistics.
    checkpoints: survives a kill and is resumed from; the caller removes it once `out` is in place.
    where: workers, devices, nodes and accelerator; no part of the model's version (`training.fit` says in what several
    processes differ from one).
    threads: of all processes on this node. Of several processes the first one writes.
    """
    out, resolved, folders = Path(out), arms.of_settings(arm), Given.of_settings(given)
    data = import_module(parts["data"])
    statistics = data.statistics_of(resolved, geometry, folders)
    check_starts([*backbones.values(), *([pretrained] if pretrained else [])], statistics)
    frozen = _frozen(resolved, statistics["geometry"], backbones)

    def build(seed: int) -> Architecture:
        torch.manual_seed(seed)
        model = stored.build_arm(frozen, statistics["geometry"], statistics)
        for role, folder in backbones.items():
            weights.load(Path(folder) / "weights.safetensors", getattr(model, role), frozen["backbones"][role]["name"])
        if pretrained:
            weights.take(Path(pretrained) / model.start_file, model, resolved.name, resolved.pretrained_parts)
        return model

    model = build(seed)
    train_set, validation_set = data.training_sets(resolved, folders, model, statistics, seed)
    if parts["learner"] is None:
        closed.fit(model, train_set, validation_set, out, frozen, version)
    else:
        settings = placed(resolved.training, where)
        bin_bp = statistics["geometry"]["bin_bp"]
        networks = {role: stored.load_arm(folder, bin_bp)[0] for role, folder in loss_networks.items()}

        def train_by(own: int, kept: Path, made: Path) -> float:
            learner = _learner(parts, model if own == seed else build(own), settings, own, resolved, networks)
            job = Job(frozen, own, version, where["accelerator"], threads)
            return fit(learner, train_set, validation_set, settings, job, kept, made)

        if model.starts == 1:
            train_by(seed, Path(checkpoints), out)
        else:
            _keep_best(train_by, seed, model.starts, Path(checkpoints), out)
    if processes.world()[0] == 0:
        (out / "statistics.json").write_text(json.dumps(statistics, indent=1) + "\n")


def _keep_best(
    train_by: Callable[[int, Path, Path], float], seed: int, starts: int, checkpoints: Path, out: Path
) -> None:
    """Train from several starts, the first by the seed itself, and write the model with the best validation score.

    train_by: trains by a seed, with a folder for checkpoints, into a folder, and says how good that is. Starts that
    ended are not made again after a kill: each has its checkpoint.
    """
    seeds = [seed, *(seed_of(seed, number) for number in range(1, starts))]
    scores = []
    for number, own in enumerate(seeds, start=1):
        folder = checkpoints / f"start-{number}"
        scores.append(train_by(own, folder, folder / "model"))
        log.info("start %d of %d: validation score %.5g", number, starts, scores[-1])
    if processes.world()[0] == 0:
        best = scores.index(max(scores))
        log.info("the model is that of start %d, by its validation score", best + 1)
        shutil.copytree(checkpoints / f"start-{best + 1}/model", out, dirs_exist_ok=True)


def check_starts(folders: Iterable[str | os.PathLike], statistics: dict) -> None:
    """Raise InputError for a model that was made on maps or tracks of other bins than those of a training."""
    for folder in folders:
        stored.check_bins(folder, stored.read_config(folder), statistics["geometry"]["bin_bp"])
        theirs = stored.read_statistics(folder).get("track_bp")
        if theirs != statistics.get("track_bp", theirs) and theirs is not None:
            raise InputError(
                f"{folder}: a model of tracks in bins of {theirs} bp, and tracks/bin_bp is {statistics['track_bp']}; "
                "set it to that, or train the model again on these bins"
            )


def _frozen(arm: Arm, geometry: dict, backbones: dict[str, str | os.PathLike]) -> dict:
    """What is written beside the weights: the arm, with the settings of each trained backbone in place of its name."""
    below = {role: stored.read_config(folder)["arm"] for role, folder in backbones.items()}
    return {**arm.model(), "backbones": below, "name": arm.name, "geometry": geometry}


def _learner(
    parts: dict, model: Architecture, settings: Training, seed: int, arm: Arm, networks: dict[str, Architecture]
) -> Regression:
    """The Lightning module that trains a model. Raises InputError for a loss that does not fit it or its networks."""
    if settings.layer_decay != 1 and not model.has_layer_rates:
        raise InputError(
            f"arm {arm.name!r}: training/layer_decay is for vision transformers (hicfoundation, hicfoundation-seq); "
            "set it to 1"
        )
    module, name = parts["learner"]
    learner = getattr(import_module(module), name)
    given = {"networks": networks} if learner.looks_through_networks else {}
    named = {"arm": arm.name, "protocol": arm.protocol, "criterion": tuple(parts["criterion"])}
    return learner(model, settings, seed=seed, **named, **given)
