"""Contacts and those expected of a map, pixel by pixel: what a model of rates reads, in no unit of balancing.

What is expected of a pixel is the mean of the balanced map at its distance, over the balancing weights of its two bins.
"""

import os
from dataclasses import dataclass

import numpy as np

from trifold.errors import InputError
from trifold.io.cool import Band, bin_width, chromsizes, extent, open_map


def expected_of(path: str | os.PathLike, width_bins: int) -> np.ndarray:
    """Mean of a balanced map at every distance, (width_bins,), over the pixels whose two bins are good, on chromosomes
    of at least `width_bins`; where there is no contact at all, half of what is expected one bin nearer.

    Raises InputError for a map without a contact there.
    """
    clr = open_map(path)
    total, number = np.zeros((2, width_bins))
    for chrom in chromsizes(clr):
        lo, hi = extent(clr, chrom)
        if hi - lo >= width_bins:
            balanced = Band.read(path, chrom, width_bins).balanced
            total += np.nansum(balanced, axis=0)
            number += np.isfinite(balanced).sum(axis=0)
    mean = np.divide(total, number, out=np.zeros(width_bins), where=number > 0)
    if not mean.any():
        raise InputError(
            f"{path}: no contact within {width_bins} bins of {bin_width(clr):,} bp of the diagonal; give a deeper map, "
            "or one of wider bins"
        )
    first = mean[np.flatnonzero(mean)[0]]
    for d in range(width_bins):
        if not mean[d] > 0:
            mean[d] = mean[d - 1] / 2 if d else first
    return mean


def expected_counts(weights: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Contacts expected of every pixel of windows, float32 (n, W, W); 0 where a bin has no weight.

    weights (n, W): of the bins, NaN where there is none; expected (W or more,): balanced, by distance.
    """
    size = weights.shape[1]
    inverse = np.where(np.isfinite(weights) & (weights > 0), 1 / np.where(weights > 0, weights, 1.0), 0.0)
    distance = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
    return (expected[distance] * inverse[:, :, None] * inverse[:, None, :]).astype(np.float32)


@dataclass(frozen=True)
class RateScale:
    """ln O/E, and what is expected on the balanced scale, (W,)."""

    expected: np.ndarray

    def inverse(self, values: np.ndarray) -> np.ndarray:
        """(n, W, W) on the balanced scale."""
        side = values.shape[-1]
        return np.exp(values) * self.expected[np.abs(np.subtract.outer(np.arange(side), np.arange(side)))]
