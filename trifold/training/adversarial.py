"""Adversarial training of any architecture, by the terms of VEHiCLE, DeepHiC, HiCSR or hicGAN (`training.losses`).

A step is one of the generator, then one of the discriminator against maps the generator makes anew, as released with
VEHiCLE, Kriukov et al. 2021 and HiCSR; the released loops of DeepHiC, which does not run on current torch, and hicGAN
take them the other way round. Both networks are in training mode throughout, so the discriminator's batch-norm
statistics follow every map it sees; with which ones the generator is validated and kept, `regression` says. HiCSR,
DeepHiC and hicGAN were trained on tiles: their discriminators and feature networks see maps cut into those.

Deviations, by protocol:

- "published" runs VEHiCLE's auto-encoder in training mode, as released: it normalises by the batch's own statistics
  and its running ones change, while its weights do not.
- "corrected" keeps it as it was trained, in eval mode.
"""

import logging
from importlib import import_module
from typing import Any, cast

import torch
import torch.nn.functional as F
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn

from trifold import loss_terms
from trifold.config import Training
from trifold.errors import InputError
from trifold.models.blocks import Architecture, tiles
from trifold.training import losses
from trifold.training.regression import Regression, pixel_loss, seed_of

log = logging.getLogger(__name__)

# loss -> side of the tiles it was published on.
TILE_BINS = {"deephic": 40, "hicsr": 28, "hicgan": 40}


class Adversarial(Regression):
    """Trains `model`, the generator, by the weighted terms of `settings.loss`, against a discriminator of its own.

    Pixels with a bin that is not valid are the target's in what every term sees, so they teach nothing.
    train_loss is the weighted sum of the terms; validation_loss the pixel term alone. Gradients are accumulated and
    clipped for each network by itself.
    """

    columns = ("discriminator_loss",)
    looks_through_networks = True

    def __init__(
        self,
        model: Architecture,
        settings: Training,
        networks: dict[str, Architecture],
        *,
        seed: int = 0,
        arm: str = "model",
        protocol: str = "corrected",
        **named,
    ):
        super().__init__(model, settings, seed=seed, arm=arm, protocol=protocol, **named)
        self.automatic_optimization = False
        self.pixel = losses.PIXEL[settings.loss]
        self.weights = loss_terms.term_weights(settings.loss, protocol, settings.loss_weights, networks, arm)
        if settings.loss == "deephic" and "perceptual" not in self.weights | settings.loss_weights:
            log.warning("arm %r: no loss network 'vgg' is given: trained without the perceptual term", arm)
        self._check_scales(networks)
        self.networks = nn.ModuleDict(networks).requires_grad_(False)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(seed))
            discriminator = import_module(loss_terms.DISCRIMINATOR[settings.loss]).Discriminator
            self.discriminator = discriminator().to(memory_format=torch.channels_last)
        self.train()

    def _check_scales(self, networks: dict[str, Architecture]) -> None:
        if self.model.target == "oe":
            raise InputError(
                f"arm {self.arm!r}: loss {self.settings.loss!r} was made for maps of contacts and the arm predicts "
                "ln O/E, whose near diagonals hold nothing; set training/loss to mse or l1"
            )
        for role, network in networks.items():
            if role != "vgg" and network.target != self.model.target:  # VGG has learned no scale
                raise InputError(
                    f"arm {self.arm!r}: its loss network {role} was trained on {network.target!r} maps and the arm "
                    f"predicts {self.model.target!r} ones; train both with the same normalisation"
                )

    def train(self, mode: bool = True) -> "Adversarial":
        super().train(mode)
        for role, network in self.networks.items():
            network.train(mode and role == "vae" and self.protocol == "published")
        return self

    # ---------------------------------------------------------------- losses

    def _network(self, role: str) -> Any:
        """A network of the loss: what it gives beside `forward` is a matter of its role."""
        return self.networks[role]

    def _cut(self, maps: Tensor) -> Tensor:
        """(B, 1, S, S) as the discriminator and the feature networks see it: whole, or in tiles (B·T·T, 1, s, s)."""
        size = TILE_BINS.get(self.settings.loss)
        return maps if size is None else tiles(maps, size, size)

    def terms(self, prediction: Tensor, target: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """The generator's terms that have a weight, unweighted; maps and mask (B, 1, S, S)."""
        weights, terms = self.weights, {}
        if "pixel" in weights:
            terms["pixel"] = pixel_loss(prediction, target, mask, self.pixel)
        if "insulation" in weights:
            terms["insulation"] = losses.insulation(prediction, target, self.protocol)
        if "variation" in weights:
            terms["variation"] = losses.total_variation(prediction)
        if "adversarial" in weights:
            terms["adversarial"] = losses.adversarial(
                self.discriminator(self._cut(prediction)).float(), self.settings.loss
            )
        if "vae" in weights:
            ours, theirs = (self._network("vae").encode_map(maps)[0].float() for maps in (prediction, target))
            terms["vae"] = losses.DIFFERENCE[self.protocol](ours, theirs)
        if "perceptual" in weights:
            ours, theirs = (self._network("vgg").features(self._cut(maps)).float() for maps in (prediction, target))
            terms["perceptual"] = F.mse_loss(ours, theirs)
        if "feature" in weights:
            ours, theirs = (
                [layer.float() for layer in self._network("dae").features(self._cut(maps))]
                for maps in (prediction, target)
            )
            terms["feature"] = losses.features(ours, theirs)
        return terms

    def judge(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The discriminator's loss, on maps (B, 1, S, S); no gradient reaches the generator."""
        real = self.discriminator(self._cut(target)).float()
        fake = self.discriminator(self._cut(prediction.detach())).float()
        return losses.discriminator_loss(real, fake, self.settings.loss)

    def _compare_whole(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """As `_compare`, with the target in place of the prediction where a bin is not valid."""
        prediction, target, mask = self._compare(batch)
        return torch.where(mask, prediction, target), target, mask

    # ---------------------------------------------------------------- training

    def training_step(self, batch: dict[str, Tensor], step: int) -> None:
        self._start_step(step)
        update = (step + 1) % self.settings.accumulate == 0 or step + 1 == self.trainer.num_training_batches

        self.discriminator.requires_grad_(False)
        prediction, target, mask = self._compare_whole(batch)
        terms = self.terms(prediction, target, mask)
        loss = torch.stack([self.weights[name] * term for name, term in terms.items()]).sum()
        self._check("training", loss, batch, step)
        self._descend(0, loss, update)
        self.discriminator.requires_grad_(True)

        with torch.no_grad():
            prediction, target, _ = self._compare_whole(batch)
        doubt = self.judge(prediction, target)
        self._check("training", doubt, batch, step)
        self._descend(1, doubt, update)
        self._add(mask.sum(), loss, doubt)

    def _descend(self, which: int, loss: Tensor, update: bool) -> None:
        """Add to the gradient of the generator (0) or the discriminator (1); take its step if it is time."""
        # Two are configured, so Lightning gives lists; its types leave open how many there are.
        optimiser, schedule = cast(list, self.optimizers())[which], cast(list, self.lr_schedulers())[which]
        self.manual_backward(loss / self.settings.accumulate)
        if update:
            if self.settings.clip_gradient_norm:
                self.clip_gradients(optimiser, self.settings.clip_gradient_norm, "norm")
            optimiser.step()
            optimiser.zero_grad()
            schedule.step()

    def configure_optimizers(self) -> OptimizerLRScheduler:
        settings = self.settings
        batches = int(self.trainer.estimated_stepping_batches) // settings.epochs
        steps = -(-batches // settings.accumulate) * settings.epochs
        learning_rate = settings.discriminator_learning_rate or settings.learning_rate
        return (
            self._optimiser(self.model.parameters(), settings.learning_rate, self._phases(steps)),
            self._optimiser(self.discriminator.parameters(), learning_rate, lambda step: (step, steps, 1.0)),
        )
