"""Pixel scores of predicted maps: one value per window, or one per distance over all windows.

Every score takes predictions, targets and a mask of the pixels to score. A pixel that is NaN in either map is not
scored. A mean over no pixel is NaN; so is a correlation over fewer than three pixels or where a map does not vary.
"""

import numpy as np
import pandas as pd

# Spread of a row, relative to its mean, below which the differences are rounding and not signal.
FLAT = 1e-12


def upper_triangle(n_bins: int, min_diagonal: int, max_diagonal: int) -> np.ndarray:
    """Boolean (n_bins, n_bins): pixels (i, j) with min_diagonal <= j - i <= max_diagonal."""
    distance = np.subtract.outer(-np.arange(n_bins), -np.arange(n_bins))
    return (distance >= min_diagonal) & (distance <= max_diagonal)


def to_bands(windows: np.ndarray, width_bins: int) -> np.ndarray:
    """Symmetric windows (n, W, W) as bands (n, W, width_bins): [:, i, d] is pixel (i, i + d), zero past the window."""
    n, size, _ = windows.shape
    padded = np.zeros((n, size, size + width_bins), dtype=windows.dtype)
    padded[:, :, :size] = windows
    # One step down a band is one row down and one column right in the window.
    window, row, column = padded.strides
    return np.lib.stride_tricks.as_strided(padded, (n, size, width_bins), (window, row + column, column))


def _scored(prediction: np.ndarray, target: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, ...]:
    """Both maps as (n, pixels) float64, zero where not scored, and the mask of what is scored."""
    shape = (len(prediction), -1)
    prediction, target = (np.asarray(maps, dtype=np.float64).reshape(shape) for maps in (prediction, target))
    scored = np.asarray(mask).reshape(shape) & np.isfinite(prediction) & np.isfinite(target)
    return np.where(scored, prediction, 0), np.where(scored, target, 0), scored


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """numerator / denominator, NaN where the denominator is not positive."""
    out = np.full(np.broadcast_shapes(np.shape(numerator), np.shape(denominator)), np.nan)
    return np.divide(numerator, denominator, out=out, where=np.asarray(denominator) > 0)


def _correlation(prediction: np.ndarray, target: np.ndarray, scored: np.ndarray) -> np.ndarray:
    """Pearson correlation along the last axis, over the scored entries; the others must be zero."""
    n = scored.sum(axis=-1)
    covered = np.maximum(n, 1)
    means = [values.sum(axis=-1) / covered for values in (prediction, target)]
    first, second = (np.where(scored, values - mean[:, None], 0) for values, mean in zip((prediction, target), means))
    squares = [np.einsum("ij,ij->i", centred, centred) for centred in (first, second)]
    varies = [square > n * (FLAT * mean) ** 2 for square, mean in zip(squares, means)]
    defined = (n >= 3) & varies[0] & varies[1]
    covariance = np.einsum("ij,ij->i", first, second)
    return ratio(covariance, np.where(defined, np.sqrt(squares[0]) * np.sqrt(squares[1]), 0))


def n_pixels(prediction: np.ndarray, target: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Pixels scored, (n,); arguments as in `mae`."""
    return _scored(prediction, target, mask)[2].sum(axis=-1)


def mae(prediction: np.ndarray, target: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Mean absolute difference, (n,), of maps (n, ...) over the pixels of a boolean mask (n, ...)."""
    prediction, target, scored = _scored(prediction, target, mask)
    return ratio(np.abs(prediction - target).sum(axis=-1), scored.sum(axis=-1))


def mse(prediction: np.ndarray, target: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Mean squared difference, (n,); arguments as in `mae`."""
    prediction, target, scored = _scored(prediction, target, mask)
    return ratio(np.square(prediction - target).sum(axis=-1), scored.sum(axis=-1))


def pearson(prediction: np.ndarray, target: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Pearson correlation, (n,); arguments as in `mae`."""
    return _correlation(*_scored(prediction, target, mask))


def spearman(prediction: np.ndarray, target: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Spearman correlation, ties sharing their mean rank, (n,); arguments as in `mae`."""
    prediction, target, scored = _scored(prediction, target, mask)
    # Ranks are pandas', which every job imports anyway: importing scipy.stats takes half a second.
    first, second = (
        pd.DataFrame(np.where(scored, values, np.nan)).rank(axis=1).fillna(0).to_numpy()
        for values in (prediction, target)
    )
    return _correlation(first, second, scored)


def r2(prediction: np.ndarray, target: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Coefficient of determination, 1 - residual / variance of the target, (n,); NaN where the target does not vary.

    Arguments as in `mae`.
    """
    prediction, target, scored = _scored(prediction, target, mask)
    n = scored.sum(axis=-1)
    mean = target.sum(axis=-1) / np.maximum(n, 1)
    total = np.square(np.where(scored, target - mean[:, None], 0)).sum(axis=-1)
    residual = np.square(target - prediction).sum(axis=-1)
    return 1 - ratio(residual, np.where(total > n * (FLAT * mean) ** 2, total, 0))


def r2_swapped(prediction: np.ndarray, target: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """`r2` with prediction and target swapped, as in some released code, (n,)."""
    return r2(target, prediction, mask)


def per_window(prediction: np.ndarray, target: np.ndarray, mask: np.ndarray) -> pd.DataFrame:
    """n_pixels, mae, mse, pearson and spearman, one row per map; arguments as in `mae`."""
    return pd.DataFrame(
        {score.__name__: score(prediction, target, mask) for score in (n_pixels, mae, mse, pearson, spearman)}
    )


def per_distance(prediction: np.ndarray, target: np.ndarray, mask: np.ndarray) -> pd.DataFrame:
    """distance_bins, n_pixels, mae, mse and pearson, all bands together, one row per distance with a scored pixel.

    Arguments are bands (n, bins, width_bins), see `to_bands`.
    """
    by_distance = [np.moveaxis(bands, -1, 0) for bands in (prediction, target, mask)]
    scores = pd.DataFrame({score.__name__: score(*by_distance) for score in (n_pixels, mae, mse, pearson)})
    scores.insert(0, "distance_bins", np.arange(len(scores)))
    return scores[scores["n_pixels"] > 0].reset_index(drop=True)
