"""The likelihood of contacts: SciPy's, on the pixels that count."""

import numpy as np
import torch
from scipy import stats

from trifold.training.rates import negative_binomial_loss, rates_loss


def doubles(*arrays):
    return [torch.tensor(values, dtype=torch.float64) for values in arrays]


def test_the_loss_is_scipys_negative_binomial():
    rng = np.random.default_rng(1)
    rate, dispersion = rng.uniform(0.01, 300, 200), np.exp(rng.uniform(-9, 3, 200))
    counts = rng.poisson(rate)
    made = negative_binomial_loss(*doubles(counts, rate, dispersion))
    wanted = -stats.nbinom.logpmf(counts, 1 / dispersion, 1 / (1 + dispersion * rate))
    np.testing.assert_allclose(made.numpy(), wanted, rtol=1e-7, atol=1e-8)
    poisson = negative_binomial_loss(*doubles(counts, rate, 1e-7 + 0 * rate))
    np.testing.assert_allclose(poisson.numpy(), -stats.poisson.logpmf(counts, rate), rtol=1e-3, atol=1e-3)


def test_pixels_that_are_missing_do_not_count():
    rng = np.random.default_rng(2)
    values = rng.uniform(1, 9, (2, 1, 8, 8))
    values[1, 0, 0, 5] = 0
    expected, counts = doubles(values, rng.poisson(values))
    log_oe, valid = torch.zeros(2, 1, 8, 8, requires_grad=True), torch.ones(2, 8, dtype=torch.bool)
    valid[0, 3] = False
    batch = {"rates": counts, "rates_expected": expected, "valid": valid}
    loss, mask = rates_loss(log_oe, torch.full((2, 1, 8, 8), -2.0), batch)
    upper = np.triu(np.ones((8, 8), dtype=bool), 2)
    assert mask[0, 0].sum() == upper.sum() - upper[3].sum() - upper[:, 3].sum()
    assert mask[1, 0].sum() == upper.sum() - 1
    chosen, number = mask.numpy(), np.exp(2.0)
    rate = values[chosen]
    wanted = -stats.nbinom.logpmf(counts.numpy()[chosen], number, number / (number + rate)).mean()
    np.testing.assert_allclose(loss.item(), wanted, rtol=1e-5)
    loss.backward()
    assert log_oe.grad is not None and log_oe.grad.isfinite().all()
    assert log_oe.grad[~mask].abs().max() == 0
