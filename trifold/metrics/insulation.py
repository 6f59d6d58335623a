"""Insulation along windows and its boundaries, as VEHiCLE scores them (Highsmith & Cheng 2021).

The score is the mean of a box of 21 × 21 bins slid along the diagonal; the loss VEHiCLE trains with has one of 10 × 10
(`trifold.training.losses`). A box with a NaN or without a contact has no insulation: its entry, and what is computed
from it, is NaN. The released code divides all windows by one mean; here a window is divided by its mean, which leaves
the derivative and the boundaries as they are.
"""

import numpy as np

BOX_BINS, DERIVATIVE_BINS = 21, 10


def insulation(windows: np.ndarray, box_bins: int = BOX_BINS) -> np.ndarray:
    """log2 of the mean of each box on the diagonal over the mean of all boxes: (n, S, S) -> (n, S - box_bins + 1).

    Entry i belongs to the box of bins i to i + box_bins - 1.
    """
    windows = np.asarray(windows, dtype=np.float64)
    boxes = np.lib.stride_tricks.sliding_window_view(windows, (box_bins, box_bins), axis=(1, 2))
    means = boxes.diagonal(axis1=1, axis2=2).mean(axis=(1, 2))  # (n, S - box_bins + 1)
    known = means > 0
    total, count = np.where(known, means, 0).sum(axis=1, keepdims=True), known.sum(axis=1, keepdims=True)
    ratio = np.divide(means * count, total, out=np.full_like(means, np.nan), where=known)
    return np.log2(ratio)


def derivative(insulation: np.ndarray, bins: int = DERIVATIVE_BINS) -> np.ndarray:
    """Mean of the next `bins` entries minus that of the `bins` before them: (n, V) -> (n, V - 2·bins + 1)."""
    means = np.lib.stride_tricks.sliding_window_view(insulation, bins, axis=1).mean(axis=-1)
    return means[:, bins:] - means[:, :-bins]


def boundaries(derivative: np.ndarray, box_bins: int = BOX_BINS, bins: int = DERIVATIVE_BINS) -> list[np.ndarray]:
    """Bins of each window at which insulation stops falling and starts to rise.

    Where the derivative is negative and, two entries on, positive: one valley may give two neighbouring bins.
    """
    turns = (derivative[:, :-2] < 0) & (derivative[:, 2:] > 0)
    return [np.flatnonzero(window) + box_bins // 2 + bins for window in turns]
