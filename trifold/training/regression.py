"""Pixel regression: one Lightning module for every architecture that maps a window to a map.

The other modules (`adversarial`, `autoencoder`, `multimodal`) share its seeds, schedules, sums over an epoch, batch
norm's statistics and error messages.

Deviations, by protocol, of every network with batch norm:

- "published" validates and keeps the running statistics that the steps leave behind, with the released momentum.
- "corrected" takes them anew before each validation, and so before weights are kept, from training windows
  (`batch_norm`): the first `STATISTICS_BATCHES` batches of the epoch, augmented as in training.
"""

import math
from collections.abc import Callable, Iterable
from itertools import islice
from typing import ClassVar, cast

import lightning as L
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler, OptimizerLRSchedulerConfig
from torch import Tensor
from torch.utils.data import DataLoader

from trifold.config import Training
from trifold.errors import InputError
from trifold.models.blocks import Architecture, crop, pixel_mask
from trifold.models.similarity import mse_ssim_loss
from trifold.training import batch_norm

OPTIMISERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
# Akita's momentum, for the optimiser it was found for.
SGD_MOMENTUM = 0.99575
# Cosine schedule: share of the steps that warm up, and where the rate ends.
WARM_UP, FLOOR = 0.05, 0.05
# One-cycle schedule, torch's `OneCycleLR` as EPCOT calls it: share of the steps that warm up, where the rate starts,
# and the largest and smallest first beta of adam and adamw.
CYCLE_WARM_UP, CYCLE_START, CYCLE_BETAS = 0.025, 0.01, (0.95, 0.85)
# Of an epoch, those that batch norm's statistics are taken from: enough for means of channels, and a bound on the time.
STATISTICS_BATCHES = 64
# step -> where it is in its phase, the steps of that phase, and the phase's share of the learning rate.
Phases = Callable[[int], tuple[int, int, float]]


def seed_of(*parts: int) -> int:
    """One seed from several integers, by a hash that keeps neighbours apart."""
    mixed = 0
    for part in parts:
        mixed = (mixed ^ (part + 0x9E3779B97F4A7C15)) * 0xBF58476D1CE4E5B9 % 2**64
        mixed ^= mixed >> 29
    return mixed % 2**63


def learning_rate_factor(step: int, steps: int, schedule: str) -> float:
    """Share of the learning rate at a step: 1 ("constant"), a linear warm-up and a cosine down to 5 % ("cosine"), or a
    warm-up and 1 ("one-cycle")."""
    if schedule == "constant":
        return 1.0
    if schedule == "one-cycle":
        return one_cycle(step, steps)[0]
    warm = max(1, round(WARM_UP * steps))
    if step < warm:
        return (step + 1) / warm
    progress = min(1.0, (step - warm) / max(1, steps - 1 - warm))
    return FLOOR + (1 - FLOOR) * (1 + math.cos(math.pi * progress)) / 2


def one_cycle(step: int, steps: int) -> tuple[float, float]:
    """Share of the learning rate, and the first beta, at a step of torch's `OneCycleLR`(pct_start 0.025, div_factor
    100, final_div_factor 0.01).

    The rate rises by half a cosine from 1 % and stays: with these factors a cycle ends where it was highest. The beta
    falls from 0.95 to 0.85 meanwhile and then rises again until the last step.
    """
    end = CYCLE_WARM_UP * steps - 1  # of the warm-up; below 0 where there are too few steps for one
    high, low = CYCLE_BETAS
    if end > 0 and step <= end:
        left = (1 + math.cos(math.pi * step / end)) / 2  # of the way
        return 1 - (1 - CYCLE_START) * left, low + (high - low) * left
    left = (1 + math.cos(math.pi * (step - end) / max(1.0, steps - 1 - end))) / 2
    return 1.0, high - (high - low) * left


def pixel_loss(prediction: Tensor, target: Tensor, mask: Tensor, loss: str) -> Tensor:
    """Mean square ("mse") or absolute ("l1") difference over the pixels of the mask; (B, 1, S, S) each -> scalar.

    "mse_ssim" adds the structural similarity of whole windows (`similarity.mse_ssim_loss`). What lies outside the
    mask may hold anything, NaN included. No pixel at all gives 0.
    """
    if loss == "mse_ssim":
        return mse_ssim_loss(prediction, target, mask)
    # The prediction stands in for what does not count: no difference, and no gradient even from a NaN.
    difference = prediction - torch.where(mask, target, prediction.detach())
    total = difference.square().sum() if loss == "mse" else difference.abs().sum()
    return total / mask.sum().clamp(min=1)


def window_pearson(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Pearson r of each window over the pixels of the mask, float64 (B,); NaN where one side is constant."""
    mask = mask.flatten(1)
    n = mask.sum(1, keepdim=True)

    def centred(maps: Tensor) -> Tensor:
        values = torch.where(mask, maps.flatten(1).double(), 0.0)
        return torch.where(mask, values - values.sum(1, keepdim=True) / n, 0.0)

    x, y = centred(prediction), centred(target)
    norms = x.square().sum(1).sqrt() * y.square().sum(1).sqrt()
    return torch.where(norms > 0, (x * y).sum(1) / norms, torch.nan)


class Regression(L.LightningModule):
    """Trains `model` against the cropped target, in the model's own units, over pixels whose two bins are valid
    (`blocks.pixel_mask`).

    Dropout and everything else random in a step depend on (seed, epoch, step) alone. A model with backbones (hybrid)
    trains its head alone for `settings.head_epochs` of its epochs, then everything, each phase on a schedule of its
    own. With `settings.layer_decay` below 1 the model says how fast its parameters learn (`layer_rates`). After an
    epoch `metrics` holds train_loss, validation_loss, validation_pearson (mean over windows), the largest learning_rate
    of the last step, and what `columns` names besides.
    criterion: by which of these numbers an epoch's weights are the best, and 1 where more of it is better, -1 where
    less. protocol: whether batch norm's statistics are taken anew ("corrected") or left behind ("published").
    """

    columns: tuple[str, ...] = ()
    # Whether its loss looks through trained networks.
    looks_through_networks: ClassVar[bool] = False

    def __init__(
        self,
        model: Architecture,
        settings: Training,
        *,
        seed: int = 0,
        arm: str = "model",
        protocol: str = "corrected",
        criterion: tuple[str, int] = ("validation_loss", -1),
    ):
        super().__init__()
        self.model: Architecture = model
        self.protocol = protocol
        self.settings, self.seed, self.arm, self.criterion = settings, seed, arm, criterion
        self.pixel = settings.loss
        if settings.loss == "mse_ssim" and model.predicts and model.target != "observed":
            raise InputError(
                f"arm {arm!r}: training/loss mse_ssim is for maps on [0, 1] and the arm predicts {model.target!r} "
                "maps; set training/loss to mse or l1"
            )
        self.head_epochs = min(settings.head_epochs, settings.epochs) if model.has_backbones else 0
        self.metrics: dict[str, float] = {}

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        return self.model(batch)

    def _compare(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Prediction, target and mask of a batch, (B, 1, W - 2c, W - 2c) each."""
        prediction = self.model(batch).float()
        target = crop(self.model.encode(batch[self.model.target]), self.model.crop_bins)
        if prediction.shape != target.shape:
            raise ValueError(f"{self.arm}: prediction {tuple(prediction.shape)}, target {tuple(target.shape)}")
        return prediction, target, pixel_mask(batch["valid"], self.model.target, self.model.crop_bins)

    def _sums(self, count: int) -> Tensor:
        return torch.zeros(count, dtype=torch.float64, device=self.device)

    # ---------------------------------------------------------------- training

    def on_fit_start(self) -> None:
        # Lightning trains in whatever mode parts are in; a network says which of its parts stay in evaluation mode.
        self.model.train()

    def on_train_epoch_start(self) -> None:
        if self.head_epochs:
            self.model.freeze_backbones(self.current_epoch < self.head_epochs)
        self._train_sums = self._sums(2 + len(self.columns))

    def _start_step(self, step: int) -> None:
        # Before every step: how often a loader draws from the generator differs between a fresh and a resumed epoch.
        torch.manual_seed(seed_of(self.seed, self.current_epoch, step, self.global_rank))
        self.metrics["learning_rate"] = max(group["lr"] for group in self.trainer.optimizers[0].param_groups)

    def training_step(self, batch: dict[str, Tensor], step: int) -> Tensor | None:
        self._start_step(step)
        prediction, target, mask = self._compare(batch)
        loss = pixel_loss(prediction, target, mask, self.pixel)
        self._check("training", loss, batch, step)
        self._add(mask.sum(), loss)
        return loss

    def _add(self, weight: Tensor, *losses: Tensor) -> None:
        """The loss of a step, and what `columns` names, into the means of the epoch."""
        weight = weight.double()
        self._train_sums += torch.stack([*(loss.detach().double() * weight for loss in losses), weight])

    def _check(self, role: str, loss: Tensor, batch: dict[str, Tensor], step: int) -> None:
        if not torch.isfinite(loss):
            self._refuse_loss(role, loss, batch, step)

    def _refuse_loss(self, role: str, loss: Tensor, batch: dict[str, Tensor], step: int) -> None:
        used = sorted(self.model.inputs | {self.model.target})
        if bad := [name for name in used if not batch[name].isfinite().all()]:
            remedy = f"{', '.join(bad)} of this batch hold NaN or infinity: check the maps and make the examples again"
        else:
            remedy = "the training diverged: lower training/learning_rate, or set training/clip_gradient_norm"
        raise InputError(
            f"arm {self.arm!r}: the {role} loss is {loss.item()} at epoch {self.current_epoch}, step {step}; {remedy}"
        )

    def _check_counted(self, role: str, pixels: float) -> None:
        """Refuse an epoch in which nothing was learned or compared: its loss is 0 and looks like a success."""
        if not pixels:
            cut = f", {self.model.crop_bins} bins in from every side" if self.model.crop_bins else ""
            raise InputError(
                f"arm {self.arm!r}: no pixel of the {role} windows counts{cut}: every one has a bin that is missing or "
                f"holds an N{' or lies next to the diagonal' if self.model.target == 'oe' else ''}; check genome/fasta "
                "and the sample's map, lower geometry/max_bad_bins or geometry/max_n_bins, or choose other regions "
                "(splits)"
            )

    def on_train_epoch_end(self) -> None:
        *totals, weight = self.trainer.strategy.reduce(self._train_sums, reduce_op="sum").tolist()
        self._check_counted("training", weight)
        self.metrics |= {
            name: total / max(weight, 1.0) for name, total in zip(("train_loss", *self.columns), totals, strict=True)
        }

    # ---------------------------------------------------------------- validation

    def on_validation_epoch_start(self) -> None:
        self._validation_sums = self._sums(4)
        if self.trainer.world_size > 1:
            # Each process has seen its own share of the batches; what is validated and kept is the same in all.
            for buffer in self.buffers():
                if buffer.is_floating_point():
                    buffer.copy_(self.trainer.strategy.reduce(buffer.clone(), reduce_op="mean"))
        if self.model.has_batch_norm and self.protocol == "corrected":
            self._recompute_batch_norm()

    def _recompute_batch_norm(self) -> None:
        """Statistics of the epoch's first training windows, those of all processes, in place of what the steps left."""
        strategy = self.trainer.strategy
        loader = cast(DataLoader, self.trainer.train_dataloader)
        # A loader draws from the generator when it starts; nothing else may come out differently for it.
        with torch.random.fork_rng(devices=[]), self.trainer.precision_plugin.val_step_context():
            batch_norm.recompute(
                self.model,
                (strategy.batch_to_device(batch) for batch in islice(loader, STATISTICS_BATCHES)),
                self.model,
                lambda sums: strategy.reduce(sums, reduce_op="sum"),
            )

    def validation_step(self, batch: dict[str, Tensor], step: int) -> None:
        prediction, target, mask = self._compare(batch)
        loss = pixel_loss(prediction, target, mask, self.pixel)
        self._add_validation(batch, step, loss, mask.sum(), window_pearson(prediction, target, mask))

    def _add_validation(
        self, batch: dict[str, Tensor], step: int, loss: Tensor, weight: Tensor, pearson: Tensor
    ) -> None:
        self._check("validation", loss, batch, step)
        weight, defined = weight.double(), pearson.isfinite()
        self._validation_sums += torch.stack([loss.double() * weight, weight, pearson.nansum(), defined.sum().double()])

    def on_validation_epoch_end(self) -> None:
        total, weight, pearson, windows = self.trainer.strategy.reduce(self._validation_sums, reduce_op="sum").tolist()
        self._check_counted("validation", weight)
        self.metrics["validation_loss"] = total / max(weight, 1.0)
        self.metrics["validation_pearson"] = pearson / windows if windows else math.nan

    # ---------------------------------------------------------------- optimiser

    def configure_optimizers(self) -> OptimizerLRScheduler:
        steps = int(self.trainer.estimated_stepping_batches)
        return self._optimiser(self._parameter_groups(), self.settings.learning_rate, self._phases(steps))

    def _parameter_groups(self) -> Iterable[Tensor] | list[dict]:
        """Parameters for the optimiser; with a layer decay in groups, each with its learning rate."""
        settings = self.settings
        if settings.layer_decay == 1:
            return self.model.parameters()
        rates = self.model.layer_rates(settings.layer_decay)
        return [{"params": group, "lr": settings.learning_rate * share} for group, share in rates if group]

    def _phases(self, steps: int) -> Phases:
        """Of `steps` steps: the head's epochs, then all others."""
        head_steps = steps * self.head_epochs // self.settings.epochs
        joint = self.model.joint_learning_rate if self.head_epochs else 1.0

        def phase(step: int) -> tuple[int, int, float]:
            if step < head_steps:
                return step, head_steps, 1.0
            return step - head_steps, steps - head_steps, joint

        return phase

    def _optimiser(
        self, parameters: Iterable[Tensor] | list[dict], learning_rate: float, phases: Phases
    ) -> OptimizerLRSchedulerConfig:
        """The optimiser, and what sets its learning rate, and with one-cycle its first beta, before every step."""
        settings = self.settings
        options = {"momentum": SGD_MOMENTUM} if settings.optimiser == "sgd" else {"betas": tuple(settings.betas)}
        optimiser = OPTIMISERS[settings.optimiser](
            parameters, lr=learning_rate, weight_decay=settings.weight_decay, **options
        )

        def factor(step: int) -> float:
            within, of, share = phases(step)
            if settings.schedule == "one-cycle" and "betas" in options:
                for group in optimiser.param_groups:
                    group["betas"] = (one_cycle(within, of)[1], group["betas"][1])
            return share * learning_rate_factor(within, of, settings.schedule)

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
