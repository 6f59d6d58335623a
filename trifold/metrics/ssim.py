"""Structural similarity of maps on [0, 1] (Wang et al. 2004), a value per window.

Gaussian weights over 11 pixels (or the whole map, if smaller), sigma 1.5, no padding; K 0.01 and 0.03, range 1: the
form that HiCFoundation and Lau 2025 train with.
"""

import numpy as np
from scipy.ndimage import correlate1d

from trifold.metrics.pixels import ratio

SIZE, SIGMA = 11, 1.5
C1, C2 = 0.01**2, 0.03**2


def ssim_map(prediction: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, int]:
    """Similarity around every pixel whose neighbourhood lies inside: (n, S - 10, S - 10) of maps (n, S, S).

    Also the first row and column of the maps that it has a value for.
    """
    side = target.shape[-1]
    size = min(SIZE, side)
    first = size // 2
    taps = np.exp(-((np.arange(size) - first) ** 2) / (2 * SIGMA**2))
    inside = slice(first, first + side - size + 1)

    def mean(maps: np.ndarray) -> np.ndarray:
        for axis in (1, 2):
            maps = correlate1d(maps, taps / taps.sum(), axis=axis, mode="constant")
        return maps[:, inside, inside]

    x, y = (np.asarray(maps, dtype=np.float64) for maps in (prediction, target))
    mean_x, mean_y = mean(x), mean(y)
    variances = mean(x * x) - mean_x**2 + mean(y * y) - mean_y**2
    covariance = mean(x * y) - mean_x * mean_y
    alike = (2 * mean_x * mean_y + C1) * (2 * covariance + C2)
    return alike / ((mean_x**2 + mean_y**2 + C1) * (variances + C2)), first


def ssim(prediction: np.ndarray, target: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Mean similarity around the pixels of a mask, (n,), of maps and mask (n, S, S); NaN where there is none.

    Neighbourhoods reach over pixels outside the mask.
    """
    similarity, first = ssim_map(prediction, target)
    inside = slice(first, first + similarity.shape[-1])
    mask = np.broadcast_to(mask, target.shape)[:, inside, inside]
    return ratio(np.where(mask, similarity, 0).sum(axis=(1, 2)), mask.sum(axis=(1, 2)))
