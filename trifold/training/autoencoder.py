"""Training of a network that only serves a loss (VEHiCLE's and HiCSR's auto-encoders), by the loss it brings itself."""

import torch
from torch import Tensor

from trifold.models.blocks import crop, pixel_mask
from trifold.training.regression import Regression, seed_of, window_pearson


class Autoencoder(Regression):
    """Trains `model` by ``model.loss(maps)`` on the cropped targets, in the model's units, (B, 1, W - 2c, W - 2c).

    Bins that are not valid take part as the examples hold them: an auto-encoder has to see whole maps.
    validation_loss is the same loss in eval mode, a mean over windows; validation_pearson compares the reconstruction
    with the map, over valid pixels.
    """

    def _maps(self, batch: dict[str, Tensor]) -> Tensor:
        return crop(self.model.encode(batch[self.model.target]), self.model.crop_bins)

    def training_step(self, batch: dict[str, Tensor], step: int) -> Tensor:
        self._start_step(step)
        maps = self._maps(batch)
        loss = self.model.loss(maps)
        self._check("training", loss, batch, step)
        self._add(torch.tensor(len(maps), device=self.device), loss)
        return loss

    def validation_step(self, batch: dict[str, Tensor], step: int) -> None:
        torch.manual_seed(seed_of(self.seed, step, self.global_rank))
        maps = self._maps(batch)
        mask = pixel_mask(batch["valid"], self.model.target, self.model.crop_bins)
        pearson = window_pearson(self.model(batch).float(), maps, mask)
        self._add_validation(batch, step, self.model.loss(maps), torch.tensor(len(maps), device=self.device), pearson)
