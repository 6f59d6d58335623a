"""Whether counts differ from what was predicted by as much as the prediction says that they may.

A rate that is known up to a relative variance a (gamma distributed) makes counts negative binomial, of variance
mu + a mu². Where that holds, the place of a count in its distribution (the probability integral transform, made
continuous by chance between the steps: Czado, Gneiting & Held 2009) is uniform on [0, 1].
"""

import numpy as np
from scipy import special, stats

LEVEL = 0.9
_STEPS = 30  # of Newton's method; it needs a handful


def dispersion(sd: np.ndarray) -> np.ndarray:
    """Relative variance a of a gamma rate whose logarithm has the standard deviation `sd`, trigamma(1 / a) = sd²."""
    wanted = np.asarray(sd, dtype=np.float64) ** 2
    shape = 0.5 + 1 / np.maximum(wanted, 1e-12)  # of a rate that is nearly known
    for _ in range(_STEPS):
        found = special.polygamma(1, shape)
        # In 1 / trigamma, which is nearly a straight line, Newton's steps do not overshoot.
        shape = np.maximum(shape + found * (1 - found / wanted) / special.polygamma(2, shape), 1e-6)
    return 1 / shape


def places(counts: np.ndarray, mean: np.ndarray, dispersion: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Place in [0, 1] of every count in its negative binomial distribution; all arrays of one shape, mean above 0."""
    number = 1 / np.maximum(dispersion, 1e-9)
    law = stats.nbinom(number, number / (number + mean))
    below = np.where(counts > 0, law.cdf(counts - 1), 0.0)
    return below + random.random(counts.shape) * (law.cdf(counts) - below)


def coverage(places: np.ndarray, level: float = LEVEL) -> float:
    """Share of counts inside the central interval of `level`; NaN of none."""
    return float((np.abs(places - 0.5) <= level / 2).mean()) if len(places) else np.nan


def spread(counts: np.ndarray, mean: np.ndarray, dispersion: np.ndarray) -> float:
    """Standard deviation of the standardised residuals, 1 where the prediction is as sure as it may be."""
    if not len(counts):
        return np.nan
    return float(np.sqrt(((counts - mean) ** 2 / (mean + dispersion * mean**2)).mean()))
