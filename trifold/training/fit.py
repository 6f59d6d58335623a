"""One training, from a freshly built model to its weights on disk; killed at any moment, it goes on where it was.

Everything random depends on (seed, epoch, step) alone, and every epoch that ended is in
``<checkpoint_folder>/last.ckpt``: one file, renamed into place, with the model, the optimiser, the history and the best
weights so far. On a CPU with the same number of threads a broken and resumed training therefore ends in the same bits
as an unbroken one.

Several processes (`training.processes`) share every batch: process r of P takes windows r, r + P, ... of the epoch's
order, so that a step sees the windows that one process would see, and the gradient is the mean over processes. Without
dropout, batch norm or missing bins that is the gradient of one process up to rounding. What differs:

- A process's share counts as much as another's, however many of its pixels are valid; where the windows do not divide
  by P the last shares are filled up with windows of the epoch's start.
- Batch norm normalises by the process's own share (of batch_size / P windows). Its running statistics are, before each
  validation, those of the shares of all processes ("corrected"), or averaged over them ("published").
- Dropout draws differently in every process, so differently from one.
"""

import csv
import logging
import math
import os
import pickle
import shutil
import signal
import sys
import time
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import lightning as L
import torch
import yaml
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch.accelerators import CUDAAccelerator
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch.utils.data import DataLoader, Sampler
from torch.utils.tensorboard import SummaryWriter

from trifold.config import WHERE, Training
from trifold.data.samples import Samples
from trifold.errors import InputError
from trifold.models import weights
from trifold.training import processes
from trifold.training.regression import Regression, seed_of

log = logging.getLogger(__name__)

# Of history.csv, before those the module adds.
COLUMNS = ("epoch", "train_loss", "validation_loss", "validation_pearson", "learning_rate")
# What a checkpoint calls the state of `Record`.
RECORD = "record"


class EpochOrder(Sampler):
    """Indices of one epoch, shuffled by (seed, epoch), of which this process takes its share.

    Every share has the same length, filled up from the start of the order: processes must take the same steps.
    """

    def __init__(self, count: int, seed: int, epoch: int, rank: int = 0, processes: int = 1):
        self.count, self.seed, self.rank, self.processes = count, seed_of(seed, epoch), rank, processes

    def __len__(self) -> int:
        return -(-self.count // self.processes)

    def __iter__(self) -> Iterator[int]:
        order = torch.randperm(self.count, generator=torch.Generator().manual_seed(self.seed)).tolist()
        filled = (order * self.processes)[: len(self) * self.processes]
        return iter(filled[self.rank :: self.processes])


class Windows(L.LightningDataModule):
    """Loaders of the training and validation windows; the training loader is a new one every epoch."""

    def __init__(self, train: Samples, validation: Samples, settings: Training, seed: int, processes: int):
        super().__init__()
        self.train, self.validation, self.seed = train, validation, seed
        self.batch_size, self.workers = settings.batch_size // processes, settings.workers

    def train_dataloader(self) -> DataLoader:
        trainer = self._trainer()
        self.train.set_epoch(trainer.current_epoch)
        place = trainer.global_rank, trainer.world_size
        return self._loader(self.train, EpochOrder(len(self.train), self.seed, trainer.current_epoch, *place))

    def val_dataloader(self) -> DataLoader:
        trainer = self._trainer()
        return self._loader(self.validation, range(trainer.global_rank, len(self.validation), trainer.world_size))

    def _trainer(self) -> L.Trainer:
        if self.trainer is None:
            raise ValueError("loaders are asked for by a trainer, which says what epoch and which process it is")
        return self.trainer

    def _loader(self, data: Samples, sampler: Sequence[int] | Sampler) -> DataLoader:
        return DataLoader(
            data,
            sampler=sampler,
            collate_fn=data.collate,
            batch_size=self.batch_size,
            num_workers=self.workers,
        )


class Record(Checkpoint):
    """History, best weights, early stopping, the checkpoint and one log line per epoch.

    A `Checkpoint`, because Lightning calls those after the module's own hooks.
    """

    def __init__(self, folder: Path, learner: Regression, identity: dict):
        self.folder, self.learner = folder, learner
        self.first: int | None = None  # epoch of this start
        self.writer: SummaryWriter | None = None  # of the process that writes
        # What a checkpoint must agree with to be resumed.
        self.state = {"identity": identity, "history": [], "best": None, "best_epoch": -1, "done": False}

    @property
    def state_key(self) -> str:
        return RECORD

    def state_dict(self) -> dict:
        return self.state

    def load_state_dict(self, state_dict: dict) -> None:
        self.state = state_dict

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.is_global_zero:
            # Whatever an interrupted epoch wrote is hidden by TensorBoard.
            self.writer = SummaryWriter(self.folder / "tensorboard", purge_step=len(self.state["history"]))

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.started = time.monotonic()
        self.first = trainer.current_epoch if self.first is None else self.first

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        epoch, state, module, settings = trainer.current_epoch, self.state, self.learner, self.learner.settings
        row = {"epoch": epoch, **module.metrics}
        history = state["history"]
        if state["best"] is None or _merit(row, module) > _merit(history[state["best_epoch"]], module):
            state["best_epoch"] = epoch
            state["best"] = {name: tensor.detach().cpu().clone() for name, tensor in module.model.state_dict().items()}
        history.append(row)
        patience = settings.early_stop_epochs
        stalled = patience > 0 and epoch - state["best_epoch"] >= patience
        state["done"] = stalled or epoch + 1 == settings.epochs
        trainer.should_stop = trainer.should_stop or stalled
        partial = self.folder / ".last.ckpt.partial"
        trainer.save_checkpoint(partial)
        if self.writer is not None:
            os.replace(partial, self.folder / "last.ckpt")
            seconds = time.monotonic() - self.started
            for name in (*COLUMNS[1:], *module.columns):
                self.writer.add_scalar(name, row[name], epoch)
            self.writer.add_scalar("seconds", seconds, epoch)
            self.writer.flush()
            log.info(
                "epoch %d of %d: train loss %.5g, validation loss %.5g, Pearson %.4f, learning rate %.3g%s, %.1f s%s",
                epoch + 1,
                settings.epochs,
                *(row[name] for name in COLUMNS[1:]),
                "".join(f", {name.replace('_', ' ')} {row[name]:.5g}" for name in module.columns),
                seconds,
                f"; no better for {patience} epochs, stopped" if stalled else "",
            )
            if epoch in (self.first, module.head_epochs) and not state["done"]:
                log.info("%s", estimate(epoch, settings.epochs, module.head_epochs, seconds))

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        if self.writer is not None:
            self.writer.close()

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        # Lightning tears down no callback then; the writer's thread would go on after the folder is gone.
        self.teardown(trainer, pl_module, "fit")


def duration(seconds: float) -> str:
    """A time as one says it: 34 s, 12 min, 3 h 20 min, 2 days 4 h."""
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    if minutes < 100:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    hours = round(seconds / 3600)
    return f"{hours // 24} days {hours % 24} h"


def estimate(epoch: int, epochs: int, head_epochs: int, seconds: float) -> str:
    """When a training ends, from what one epoch (counted from 0) took. It may stop early; but epochs of a head alone
    take less than those after them."""
    left = duration((epochs - 1 - epoch) * seconds)
    bound = "at least" if epoch < head_epochs < epochs else "at most"
    return f"epoch {epoch + 1} of {epochs} took {duration(seconds)}: {bound} {left} more"


def _merit(row: dict, module: Regression) -> float:
    """How good an epoch was: larger is better; what is not a number is worse than any."""
    name, sign = module.criterion
    return -math.inf if math.isnan(row[name]) else sign * row[name]


def _read_checkpoint(path: Path, identity: dict) -> dict | None:
    """The checkpoint of an earlier start of this very training, or None: absent, of another training, or corrupt."""
    if not path.exists():
        return None
    try:
        # torch itself does not compare the checksums of the file's members.
        with zipfile.ZipFile(path) as archive:
            if spoilt := archive.testzip():
                raise ValueError(f"{spoilt} is damaged")
        checkpoint = torch.load(path, weights_only=True, map_location="cpu")
        stored_identity = checkpoint["callbacks"][RECORD]["identity"]
    except (
        *(OSError, EOFError, RuntimeError, ValueError, KeyError, TypeError),
        *(pickle.UnpicklingError, zipfile.BadZipFile),
    ) as error:
        log.warning("%s cannot be read (%s): training starts from the beginning", path, error)
        return None
    if stored_identity != identity:
        log.info("%s belongs to another version or seed: training starts from the beginning", path)
        return None
    return checkpoint


def _write(out: Path, checkpoint: dict, folder: Path, module: Regression, identity: dict, arm: dict) -> None:
    record, version = checkpoint["callbacks"][RECORD], identity["version"]
    # The model alone: a discriminator and the networks of a loss stay in the checkpoint.
    last = {
        name.removeprefix("model."): tensor
        for name, tensor in checkpoint["state_dict"].items()
        if name.startswith("model.")
    }
    out.mkdir(parents=True, exist_ok=True)
    weights.save(out / "weights.safetensors", record["best"], arm=arm, version=version)
    weights.save(out / "last.safetensors", last, arm=arm, version=version)
    training = {name: value for name, value in asdict(module.settings).items() if name not in WHERE}
    frozen = {"arm": arm, "training": training, **identity, "best_epoch": record["best_epoch"]}
    (out / "config.yaml").write_text(yaml.safe_dump(frozen, sort_keys=False))
    with open(out / "history.csv", "w", newline="") as file:
        numbers = (*COLUMNS[1:], *module.columns)
        writer = csv.DictWriter(file, ("epoch", *numbers), lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {"epoch": row["epoch"], **{name: f"{row[name]:.9g}" for name in numbers}} for row in record["history"]
        )
    shutil.copytree(folder / "tensorboard", out / "tensorboard", dirs_exist_ok=True)


def _hardware(accelerator: str, settings: Training, windows: int) -> str:
    """Where to train, "cpu" or "gpu"; "auto" takes a GPU where there is one. windows: the fewest that the processes
    have to share."""
    if settings.batch_size % (count := settings.devices * settings.nodes):
        raise InputError(
            f"config: training/batch_size {settings.batch_size} cannot be shared among the {count} processes of "
            f"training/devices {settings.devices} on training/nodes {settings.nodes}; make it a multiple"
        )
    if windows < count:
        raise InputError(
            f"config: training/devices {settings.devices} on training/nodes {settings.nodes} are {count} processes and "
            f"there are {windows} windows of one role for them to share; lower training/devices"
        )
    if accelerator == "cpu" or (accelerator == "auto" and not CUDAAccelerator.is_available()):
        return "cpu"
    if (visible := CUDAAccelerator.auto_device_count()) < settings.devices:
        raise InputError(
            f"config: training/devices asks for {settings.devices} GPUs and {visible} are visible; lower it, ask the "
            "scheduler for more (resources: gpu), or set accelerator: cpu"
        )
    return "gpu"


@dataclass(frozen=True)
class Job:
    """Which training it is, and where it runs.

    arm          settings that are frozen beside the weights, with its `name`
    version      a checkpoint of another one is not resumed
    accelerator  cpu, gpu or auto
    threads      of all processes on this node
    """

    arm: dict
    seed: int
    version: str
    accelerator: str = "cpu"
    threads: int = 1


def fit(
    learner: Regression,
    train: Samples,
    validation: Samples,
    settings: Training,
    job: Job,
    checkpoint_folder: Path,
    out: Path,
) -> float:
    """Train a model and write weights.safetensors (of the best epoch by the learner's `criterion`), last.safetensors,
    config.yaml, history.csv and tensorboard/ into `out`. All but the last are the same bytes for the same inputs.

    train, validation: windows as dicts of arrays (docs/architecture.md, batch). checkpoint_folder: outlives `out`;
    remove it once `out` is in place.
    settings.batch_size and, on a node, the job's threads are shared by all processes; `training.processes` starts
    settings.devices × settings.nodes of them, and the first one writes. Gradients are clipped after the backward pass,
    by their global norm; the released Kriukov2021 code clips before it, which does nothing: clip_gradient_norm 0 is
    what it trains with.
    Returns how good the best epoch was: the learner's `criterion`, more is better; -inf where nothing is written.

    Raises InputError for an empty set of windows, GPUs that are not there, and a loss that is not finite.
    """
    for role, windows in (("training", train), ("validation", validation)):
        if not len(windows):
            raise InputError(
                f"arm {job.arm['name']!r}: the split leaves no {role} window; give it more {role} regions, or lower "
                "geometry/window_bins or raise geometry/max_bad_bins"
            )
    accelerator = _hardware(job.accelerator, settings, min(len(train), len(validation)))
    rank, count = processes.world()
    if count != settings.devices * settings.nodes:
        raise ValueError(f"{settings.devices} devices on {settings.nodes} nodes need as many processes, not {count}")
    model, adversarial = learner.model, not learner.automatic_optimization
    torch.set_num_threads(max(1, job.threads // settings.devices))
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    folder = Path(checkpoint_folder)
    folder.mkdir(parents=True, exist_ok=True)
    path, identity = folder / "last.ckpt", {"version": job.version, "seed": job.seed}
    checkpoint = _read_checkpoint(path, identity)
    if checkpoint is None:
        shutil.rmtree(folder / "tensorboard", ignore_errors=True)
        path.unlink(missing_ok=True)
    else:
        log.info("resuming after %d epochs", len(checkpoint["callbacks"][RECORD]["history"]))

    if checkpoint is None or not checkpoint["callbacks"][RECORD]["done"]:
        # Frozen backbones, MIX-HIC's idle layers, and the adversary of whichever network takes its step, get no
        # gradient, hence the search for unused parameters. Buffers are averaged once per epoch (`Regression`):
        # processes may have unlike numbers of validation batches, and would wait for each other for ever at the last.
        unused = adversarial or model.has_backbones or model.has_idle_parameters
        distributed = DDPStrategy(find_unused_parameters=unused, forward_sync_buffers=False)
        trainer = L.Trainer(
            accelerator=accelerator,
            devices=settings.devices,
            num_nodes=settings.nodes,
            strategy=distributed if count > 1 else "auto",
            # Inside a job of SLURM too: its tasks are not our processes, and Lightning would not end on SIGTERM there.
            plugins=[LightningEnvironment()],
            precision=settings.precision,
            max_epochs=settings.epochs,
            # Adversarial training does both itself.
            accumulate_grad_batches=1 if adversarial else settings.accumulate,
            gradient_clip_val=None if adversarial else settings.clip_gradient_norm or None,
            reload_dataloaders_every_n_epochs=1,
            use_distributed_sampler=False,
            num_sanity_val_steps=0,
            enable_progress_bar=sys.stderr.isatty(),
            enable_model_summary=False,
            logger=False,
            default_root_dir=folder,
            callbacks=[Record(folder, learner, identity)],
        )
        with warnings.catch_warnings():
            # Networks of a loss are meant to be.
            warnings.filterwarnings("ignore", message=".*in eval mode at the start of training")
            # Of speed alone, on a machine with many cores: no matter of the model's record.
            warnings.filterwarnings("ignore", message=".*does not have many workers")
            # Where there is a SLURM.
            warnings.filterwarnings("ignore", message="The `srun` command is available")
            try:
                trainer.fit(
                    learner,
                    datamodule=Windows(train, validation, settings, job.seed, count),
                    ckpt_path=path if checkpoint else None,
                    weights_only=True,
                )
            except SIGTERMException:
                # Its own code is 0, which a scheduler would take for success.
                raise SystemExit(128 + signal.SIGTERM) from None
    if rank:
        return -math.inf
    checkpoint = torch.load(path, weights_only=True, map_location="cpu")
    _write(out, checkpoint, folder, learner, identity, job.arm)
    record = checkpoint["callbacks"][RECORD]
    return _merit(record["history"][record["best_epoch"]], learner)
