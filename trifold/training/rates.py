"""Rates of contacts: the likelihood of the contacts that a low map does not have.

A pixel's contacts are negative binomial: Poisson about a rate that itself varies, by a share of its square that the
network says. The rate is what is expected there times O/E. Contacts are counts as sequenced, so a pixel with little to
say weighs little, and no balancing makes its noise larger.
"""

import torch
from torch import Tensor

from trifold.models.blocks import LARGEST_DISPERSION, LEAST_DISPERSION, pixel_mask
from trifold.training.regression import Regression, window_pearson

LARGEST_LOG_OE = 10.0  # beyond which a rate grows no further: a first step may go anywhere


def negative_binomial_loss(counts: Tensor, rate: Tensor, dispersion: Tensor) -> Tensor:
    """Minus ln of the probability of counts of mean `rate` and variance rate + dispersion · rate²; elementwise."""
    number = 1 / dispersion
    return (
        torch.lgamma(counts + 1)
        + torch.lgamma(number)
        - torch.lgamma(counts + number)
        + (counts + number) * torch.log1p(dispersion * rate)
        - counts * (torch.log(dispersion) + torch.log(rate))
    )


def rates_loss(log_oe: Tensor, log_dispersion: Tensor, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Mean of `negative_binomial_loss` over the pixels that count, (B, 1, W, W) each -> scalar; and those pixels, bool:
    both bins valid, something expected, two diagonals or more from the main one."""
    counts, expected = batch["rates"].float(), batch["rates_expected"].float()
    mask = pixel_mask(batch["valid"], "oe", 0) & (expected > 0)
    rate = torch.where(mask, expected, 1.0) * log_oe.clamp(-LARGEST_LOG_OE, LARGEST_LOG_OE).exp()
    dispersion = log_dispersion.exp().clamp(LEAST_DISPERSION, LARGEST_DISPERSION)
    each = negative_binomial_loss(torch.where(mask, counts, 0.0), rate, dispersion)
    return torch.where(mask, each, 0.0).sum() / mask.sum().clamp(min=1), mask


class Rates(Regression):
    """Trains a network that gives `rates`. Its validation r is that of rates and contacts over expected."""

    def training_step(self, batch: dict[str, Tensor], step: int) -> Tensor | None:
        self._start_step(step)
        loss, mask = rates_loss(*self._rates(batch), batch)
        self._check("training", loss, batch, step)
        self._add(mask.sum(), loss)
        return loss

    def validation_step(self, batch: dict[str, Tensor], step: int) -> None:
        log_oe, log_dispersion = self._rates(batch)
        loss, mask = rates_loss(log_oe, log_dispersion, batch)
        observed = batch["rates"].float() / torch.where(mask, batch["rates_expected"].float(), 1.0)
        self._add_validation(batch, step, loss, mask.sum(), window_pearson(log_oe.exp(), observed, mask))

    def _rates(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        log_oe, log_dispersion = self.model.rates(batch)
        return log_oe.float(), log_dispersion.float()
