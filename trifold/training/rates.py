"""Rates of contacts: the likelihood of the contacts that a low map does not have.

A pixel's contacts are negative binomial: Poisson about a rate that itself varies, by a share of its square that the
network says. The rate is what is expected there times O/E. Contacts are counts as sequenced, so a pixel with little to
say weighs little, and no balancing makes its noise larger.
"""

import torch
from torch import Tensor

from trifold.models.blocks import LARGEST_DISPERSION, LEAST_DISPERSION, pixel_mask
from trifold.training.regression import Regression, window_pearson


def negative_binomial_loss(counts: Tensor, rate: Tensor, dispersion: Tensor) -> Tensor:
    """Minus ln of the probability of counts of mean `rate` and variance rate + dispersion · rate²; elementwise."""
    number = 1 / dispersion
    shared = torch.log1p(dispersion * rate)
    return (
        torch.lgamma(counts + 1)
        + torch.lgamma(number)
        - torch.lgamma(counts + number)
        + (counts + number) * shared
        - counts * (torch.log(dispersion) + torch.log(rate))
    )


class Rates(Regression):
    """Trains a network that gives `rates`: ln O/E and ln dispersion of every pixel."""

    def _loss(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Mean loss over pixels two diagonals and more from the main one, their number, r of every window between the
        rates predicted and the contacts."""
        log_oe, log_dispersion = self.model.rates(batch)
        counts, expected = batch["rates"].float(), batch["rates_expected"].float()
        mask = pixel_mask(batch["valid"], "oe", 0) & (expected > 0)
        rate = torch.where(mask, expected, 1.0) * log_oe.clamp(-10, 10).exp()
        dispersion = log_dispersion.exp().clamp(LEAST_DISPERSION, LARGEST_DISPERSION)
        each = negative_binomial_loss(torch.where(mask, counts, 0.0), rate, dispersion)
        loss = torch.where(mask, each, 0.0).sum() / mask.sum().clamp(min=1)
        observed = counts / expected.clamp(min=1e-6)
        return loss, mask.sum(), window_pearson(log_oe.exp(), observed, mask)

    def training_step(self, batch: dict[str, Tensor], step: int) -> Tensor | None:
        self._start_step(step)
        loss, pixels, _ = self._loss(batch)
        self._check("training", loss, batch, step)
        self._add(pixels, loss)
        return loss

    def validation_step(self, batch: dict[str, Tensor], step: int) -> None:
        loss, pixels, pearson = self._loss(batch)
        self._add_validation(batch, step, loss, pixels, pearson)
