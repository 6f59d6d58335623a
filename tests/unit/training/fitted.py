"""A training as `training.job` starts it, of a model and windows that are there; for processes of their own too."""

from pathlib import Path
from types import SimpleNamespace

from trifold.config import Training
from trifold.data.samples import Samples
from trifold.models.blocks import Architecture
from trifold.tasks import TASKS
from trifold.training import job
from trifold.training.fit import Job, fit


def learner_of(model: Architecture, settings: Training, seed: int, arm: dict, networks: dict | None = None):
    """The Lightning module that trains a model in its task; arm: `name` and, where they matter, protocol and task."""
    task = TASKS[arm.get("task", "maps")]
    parts = {"learner": task.learner(settings.loss, model.predicts), "criterion": task.criterion}
    named = SimpleNamespace(name=arm["name"], protocol=arm.get("protocol", "corrected"))
    return job._learner(parts, model, settings, seed, named, networks or {})


def fit_model(
    model: Architecture,
    train: Samples,
    validation: Samples,
    settings: Training,
    folder: Path,
    *,
    arm: dict,
    seed: int = 7,
    threads: int = 1,
    version: str = "v1",
    networks: dict | None = None,
) -> Path:
    """Train a model into folder/out, which is returned, with checkpoints in folder/checkpoints."""
    out = folder / "out"
    learner = learner_of(model, settings, seed, arm, networks)
    one = Job(arm, seed, version, threads=threads)
    fit(learner, train, validation, settings, one, folder / "checkpoints", out)
    return out
