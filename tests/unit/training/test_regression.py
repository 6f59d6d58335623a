"""Losses, correlations, schedules and seeds against closed forms and SciPy."""

import math
from itertools import pairwise

import numpy as np
import pytest
import scipy.stats
import torch

from trifold.models.blocks import pixel_mask
from trifold.models.similarity import mse_ssim_loss
from trifold.training.regression import learning_rate_factor, one_cycle, pixel_loss, seed_of, window_pearson


@pytest.fixture
def maps():
    generator = torch.Generator().manual_seed(1)
    x, y = torch.rand(2, 3, 1, 9, 9, generator=generator)
    return x, y, torch.rand(3, 1, 9, 9, generator=generator) < 0.6


@pytest.mark.parametrize("loss", ["mse", "l1"])
def test_loss_is_the_mean_over_the_mask(maps, loss):
    x, y, mask = maps
    difference = (x - y)[mask]
    expected = (difference**2 if loss == "mse" else difference.abs()).mean()
    torch.testing.assert_close(pixel_loss(x, y, mask, loss), expected)


def test_structural_similarity_is_part_of_the_loss():
    x, y = torch.rand(2, 2, 1, 15, 15, generator=torch.Generator().manual_seed(2))
    mask = torch.ones_like(x, dtype=torch.bool)
    found = pixel_loss(x, y, mask, "mse_ssim")
    assert found == mse_ssim_loss(x, y, mask)
    # Noise is no structure: nearly all of the second term is there.
    assert 0.15 < found - 0.8 * (x - y).square().mean() < 0.22


def test_nan_outside_the_mask_reaches_neither_loss_nor_gradient(maps):
    x, y, mask = maps
    x.requires_grad_()
    loss = pixel_loss(x, torch.where(mask, y, torch.nan), mask, "mse")
    loss.backward()
    torch.testing.assert_close(loss, (x - y)[mask].square().mean())
    assert torch.equal(x.grad != 0, mask)
    assert pixel_loss(x, y, torch.zeros_like(mask), "mse") == 0


def test_pearson_of_each_window(maps):
    x, y, mask = maps
    y = torch.where(mask, y, torch.nan)
    expected = [scipy.stats.pearsonr(x[i][mask[i]], y[i][mask[i]]).statistic for i in range(3)]
    np.testing.assert_allclose(window_pearson(x, y, mask).numpy(), expected, rtol=1e-6)
    assert window_pearson(torch.ones(1, 1, 9, 9), y[:1], mask[:1]).isnan().all()


def test_mask_keeps_pixels_of_two_valid_bins():
    valid = torch.tensor([[True, True, True, False, True, True, True]])
    every = pixel_mask(valid, "observed", 1)
    inner = np.array([1, 1, 0, 1, 1], dtype=bool)
    assert (every[0, 0].numpy() == np.outer(inner, inner)).all()
    assert (pixel_mask(valid, "oe", 1).numpy() == np.triu(np.outer(inner, inner), 2)).all()


def test_cosine_schedule():
    factors = [learning_rate_factor(step, 101, "cosine") for step in range(101)]
    np.testing.assert_allclose(factors[:5], [0.2, 0.4, 0.6, 0.8, 1.0])
    assert factors[5] == 1.0
    assert factors[-1] == pytest.approx(0.05)
    middle = 5 + (100 - 5) // 2
    expected = 0.05 + 0.95 * (1 + math.cos(math.pi * (middle - 5) / 95)) / 2
    assert factors[middle] == pytest.approx(expected)
    assert all(a >= b for a, b in pairwise(factors[5:]))
    assert {learning_rate_factor(step, 101, "constant") for step in range(101)} == {1.0}
    assert learning_rate_factor(0, 1, "cosine") == 1.0


@pytest.mark.parametrize("steps", [7, 39, 41, 200, 4001])
def test_one_cycle_is_torchs_as_epcot_calls_it(steps):
    """Rate and first beta of every step; of few steps there is no warm-up."""
    optimiser = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=3e-4, total_steps=steps, pct_start=0.025, div_factor=100, final_div_factor=0.01
    )
    expected = []
    for step in range(steps):
        expected.append((optimiser.param_groups[0]["lr"], optimiser.param_groups[0]["betas"][0]))
        optimiser.step()
        if step < steps - 1:
            schedule.step()
    found = [
        (3e-4 * learning_rate_factor(step, steps, "one-cycle"), one_cycle(step, steps)[1]) for step in range(steps)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert found[-1] == pytest.approx((3e-4, 0.95))
    assert all(math.isfinite(number) for number in one_cycle(0, 40))  # where torch divides by 0


def test_seeds_of_neighbours_differ():
    seeds = {seed_of(seed, epoch, step) for seed in range(8) for epoch in range(8) for step in range(8)}
    assert len(seeds) == 512
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert seed_of(1, 2) != seed_of(2, 1)
