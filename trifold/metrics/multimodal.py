"""Scores of MIX-HIC's three tasks (Yang et al. 2025): loops, maps, CAGE.

As in the paper, a score is taken over a whole test set at once: all pairs, or the pixels or bins of all windows. R²
is given in both orders of its arguments: `r2` divides by the variance of the target, `r2_swapped` by that of the
prediction, as the released code does. The paper's PCC and R² of maps take every pixel, both triangles and the diagonal
included, so they mostly measure the decay with distance. The same scores by distance, and the SCC of HiCRep, do not;
the paper gives neither.

`loop_metrics`, `map_metrics` and `cage_metrics` score one prediction. `loop_resamples`, `map_resamples` and
`cage_resamples` give the same scores of windows that count several times or not at all, from which `compare` takes
paired differences and their intervals over stretches of the genome (`intervals`).
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from trifold.errors import InputError
from trifold.metrics import intervals, pixels, scc
from trifold.metrics.classification import auprc, auroc, f1, precision, recall
from trifold.metrics.pixels import FLAT, ratio

LOOP_METRICS = ("precision", "recall", "f1", "auroc", "auprc")
# At a threshold that validation pairs have chosen (`best_threshold`).
CHOSEN_METRICS = ("precision_chosen", "recall_chosen", "f1_chosen")
# Of loops beside negatives that are as far apart as they are.
MATCHED_METRICS = tuple(f"{name}_matched" for name in LOOP_METRICS)
MAP_METRICS = ("pearson", "r2", "r2_swapped", "scc_hicrep")
CAGE_METRICS = ("pearson", "r2", "r2_swapped", "pearson_tss", "r2_tss", "r2_swapped_tss")
MAP_COLUMNS = ["metric", "distance_bp", "n", "value"]
# Half-width of HiCRep's mean filter. What HiCRep advises for fine maps would cover half of a window of 50 bins.
SCC_H = 1
# Stretches are left out in blocks of at most so many entries (stretches x windows).
_BLOCK = 1 << 24

# A function of weights (B, n), how often each of n windows counts in B samples of them, to metric -> (B,).
Resamples = Callable[[np.ndarray], dict[str, np.ndarray]]


# ---------------------------------------------------------------- one prediction


def loop_metrics(
    labels: np.ndarray, scores: np.ndarray, threshold: float = 0.5, chosen: float | None = None
) -> dict[str, float]:
    """precision, recall and f1 above the threshold, auroc, auprc of labels and scores (n,); NaN where not defined.

    chosen: another threshold, that of `best_threshold` of other pairs; above it the three are called `_chosen`, and are
    NaN where it is. Raises InputError for labels other than 0 and 1 and for scores that are not finite.
    """
    resample = loop_resamples(labels, scores, threshold, chosen)
    return {name: float(values[0]) for name, values in resample(_ones(labels)).items()}


def best_threshold(labels: np.ndarray, scores: np.ndarray) -> float:
    """The threshold above which labels and scores (n,) have their largest F1; of several as good, the highest.

    Half way between the lowest score above it and the next one; -inf where every pair is best called a loop; NaN
    without a loop. Raises InputError as `loop_metrics` does.
    """
    labels, scores = _labels_and_scores(labels, scores)
    if not labels.any():
        return np.nan
    order = np.argsort(-scores, kind="stable")
    descending, hits = scores[order], np.cumsum(labels[order])
    # Pairs of one score are called together: the last of them counts.
    last = np.append(np.flatnonzero(np.diff(descending)), len(descending) - 1)
    f1_above = 2 * hits[last] / (last + 1 + hits[-1])
    at = last[np.argmax(f1_above)]
    if at + 1 == len(descending):
        return -np.inf
    above, below = descending[at], descending[at + 1]
    half_way = below + (above - below) / 2
    return float(half_way if half_way < above else below)


def map_metrics(
    predicted: np.ndarray, target: np.ndarray, x: np.ndarray, y: np.ndarray, bin_bp: int, h: int = SCC_H
) -> pd.DataFrame:
    """Scores of windows (n, W, W) about the pixels (x, y) (bins): columns `MAP_COLUMNS`.

    distance_bp  NaN: over all pixels, or the mean over windows of scc_hicrep; else the pixels at that distance, or the
                 mean over windows of the correlation that HiCRep weighs there
    n            pixels, or windows of scc_hicrep
    scc_hicrep is taken of windows on the diagonal (x = y), symmetrised, and has no row without one.
    """
    predicted, target = _alike(predicted, target, "maps", 3)
    x, y = (np.asarray(bins, dtype=np.int64) for bins in (x, y))
    distance = _distances(x, y, predicted.shape[-1]).ravel()
    lines = _pixel_scores(np.nan, predicted.ravel(), target.ravel())
    # Pixels of one distance side by side, so that every score is of a slice.
    order = np.argsort(distance, kind="stable")
    values, starts = np.unique(distance[order], return_index=True)
    flat = predicted.ravel()[order], target.ravel()[order]
    for value, start, end in zip(values, starts, [*starts[1:], len(order)]):
        lines += _pixel_scores(value * bin_bp, *(flat_map[start:end] for flat_map in flat))
    lines += _scc_rows(predicted[x == y], target[x == y], bin_bp, h)
    return pd.DataFrame(lines, columns=MAP_COLUMNS).astype({"distance_bp": float, "n": int, "value": float})


def tss_bin(bins: int) -> np.ndarray:
    """Which bin of a window, those about x and then those about y, holds the TSS that it is about: bool (bins,)."""
    return np.arange(bins) == bins // 4


def cage_metrics(predicted: np.ndarray, target: np.ndarray, tss: np.ndarray) -> dict[str, float]:
    """pearson, r2 and r2_swapped of all bins (n, bins), as in the paper, and of the bins that hold a TSS (`_tss`).

    tss  bool, (n, bins) or (bins,). Windows overlap: mark a TSS in the window about it alone (`tss_bin`), to count it
         once.
    """
    return {name: float(values[0]) for name, values in cage_resamples(predicted, target, tss)(_ones(target)).items()}


def _distances(x: np.ndarray, y: np.ndarray, size: int) -> np.ndarray:
    """Distance of every pixel of windows about (x, y), bins: (n, size, size)."""
    around = np.arange(size) - size // 2
    return np.abs((y[:, None] + around)[:, None, :] - (x[:, None] + around)[:, :, None])


def _pixel_scores(distance_bp: float, predicted: np.ndarray, target: np.ndarray) -> list[list]:
    pair = predicted[None], target[None], np.ones((1, len(target)), dtype=bool)
    n = pixels.n_pixels(*pair)[0]
    scores = {"pearson": pixels.pearson, "r2": pixels.r2, "r2_swapped": pixels.r2_swapped}
    return [[name, distance_bp, n, score(*pair)[0]] for name, score in scores.items()]


def _scc_rows(predicted: np.ndarray, target: np.ndarray, bin_bp: int, h: int) -> list[list]:
    """Rows of scc_hicrep of windows on the diagonal: over all distances, then at each."""
    if not len(predicted):
        return []
    size = predicted.shape[-1]
    first, second = (pixels.to_bands(_symmetric(windows), size) for windows in (predicted, target))
    correlation, weight = scc.hicrep_strata(first, second, h, size)
    whole = scc.over_strata(correlation, weight)
    lines = [[np.nan, whole], *([d * bin_bp, correlation[:, d]] for d in range(1, size))]
    scored = [(distance_bp, values[np.isfinite(values)]) for distance_bp, values in lines]
    return [["scc_hicrep", distance_bp, len(values), values.mean()] for distance_bp, values in scored if len(values)]


def _symmetric(windows: np.ndarray) -> np.ndarray:
    return (windows + windows.transpose(0, 2, 1)) / 2


# ---------------------------------------------------------------- resampled windows


def loop_resamples(
    labels: np.ndarray, scores: np.ndarray, threshold: float = 0.5, chosen: float | None = None
) -> Resamples:
    """`loop_metrics` of resampled pairs; the chosen threshold stays what it is."""
    labels, scores = _labels_and_scores(labels, scores)
    thresholds = {"": threshold, **({} if chosen is None else {"_chosen": chosen})}

    def resample(weights: np.ndarray) -> dict[str, np.ndarray]:
        at_threshold = {
            f"{metric.__name__}{suffix}": np.asarray(metric(labels, scores, value, weights))
            if not np.isnan(value)
            else np.full(len(weights), np.nan)
            for suffix, value in thresholds.items()
            for metric in (precision, recall, f1)
        }
        over_all = {metric.__name__: np.asarray(metric(labels, scores, weights)) for metric in (auroc, auprc)}
        return at_threshold | over_all

    return resample


def _labels_and_scores(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64 (n,). Raises InputError for labels other than 0 and 1, and for scores that are not finite."""
    labels, scores = (np.asarray(values, dtype=np.float64).ravel() for values in (labels, scores))
    if len(labels) != len(scores) or not np.isin(labels, (0, 1)).all():
        raise InputError(f"loops: {len(scores)} scores need as many labels, each 0 or 1; make the predictions again")
    if not np.isfinite(scores).all():
        raise InputError("loops: the model's scores are not finite; train it again, at a lower learning rate")
    return labels, scores


def map_resamples(predicted: np.ndarray, target: np.ndarray, x: np.ndarray, y: np.ndarray, h: int = SCC_H) -> Resamples:
    """The values over all distances of `map_metrics` for resampled windows; scc_hicrep NaN off the diagonal."""
    predicted, target = _alike(predicted, target, "maps", 3)
    of_all = _pooled(predicted, target)
    on_diagonal = np.asarray(x) == np.asarray(y)
    values = np.full(len(predicted), np.nan)
    first, second = (_symmetric(windows[on_diagonal]) for windows in (predicted, target))
    values[on_diagonal] = scc.hicrep(first, second, h, predicted.shape[-1])
    known = np.isfinite(values)

    def resample(weights: np.ndarray) -> dict[str, np.ndarray]:
        mean = ratio(weights @ np.where(known, values, 0), weights @ known.astype(float))
        return {**of_all(weights), "scc_hicrep": mean}

    return resample


def cage_resamples(predicted: np.ndarray, target: np.ndarray, tss: np.ndarray) -> Resamples:
    """`cage_metrics` of resampled windows."""
    predicted, target = _alike(predicted, target, "CAGE", 2)
    tss = np.broadcast_to(np.asarray(tss, dtype=bool), target.shape)
    of_all = _pooled(predicted, target)
    of_tss = _pooled(*(np.where(tss, signal, np.nan) for signal in (predicted, target)))

    def resample(weights: np.ndarray) -> dict[str, np.ndarray]:
        return of_all(weights) | {f"{name}_tss": values for name, values in of_tss(weights).items()}

    return resample


def compare(of_arm: Sequence[Resamples], of_reference: Sequence[Resamples], stretch: np.ndarray) -> pd.DataFrame:
    """Paired differences, arm minus reference, with a 95 % interval over stretches; scores are means over predictions.

    of_arm, of_reference  a prediction for every seed, all of the same windows
    stretch               (windows,) the stretch of the genome of every window (`intervals.stretches`)

    Both scores are taken again without each stretch, of all other windows together (`intervals.jackknife`). Columns:
    metric, difference, n_stretches, ci_low, ci_high, p; the last three are NaN with fewer than
    `intervals.LEAST_STRETCHES`, or where a score is not defined without some stretch.
    """

    def mean(predictions: Sequence[Resamples], weights: np.ndarray) -> pd.DataFrame:
        total, *more = (pd.DataFrame(prediction(weights)) for prediction in predictions)
        for scores in more:
            total = total + scores
        return total / len(predictions)

    def difference(weights: np.ndarray) -> pd.DataFrame:
        return mean(of_arm, weights) - mean(of_reference, weights)

    whole = difference(np.ones((1, len(stretch)))).iloc[0]
    members = np.unique(stretch)
    without = np.full((len(members), len(whole)), np.nan)
    if len(members) >= intervals.LEAST_STRETCHES:
        step = max(1, _BLOCK // len(stretch))
        for start in range(0, len(members), step):
            weights = np.not_equal.outer(members[start : start + step], stretch).astype(float)
            without[start : start + step] = difference(weights).to_numpy()
        without[:, np.isnan(without).any(axis=0)] = np.nan
    interval = intervals.jackknife(whole.to_numpy(), without)
    numbers = {"ci_low": interval.low, "ci_high": interval.high, "p": interval.p}
    return pd.DataFrame({"metric": whole.index, "difference": whole.to_numpy(), "n_stretches": len(members), **numbers})


def _pooled(predicted: np.ndarray, target: np.ndarray) -> Resamples:
    """pearson, r2 and r2_swapped over the values of windows (n, ...) together, NaN left out."""
    predicted, target = (windows.reshape(len(windows), -1) for windows in (predicted, target))
    known = np.isfinite(predicted) & np.isfinite(target)
    means = [windows[known].mean() if known.any() else 0.0 for windows in (predicted, target)]
    # Means are subtracted first: sums of squares of large values would lose digits.
    first, second = (np.where(known, windows - mean, 0) for windows, mean in zip((predicted, target), means))
    residual = np.where(known, target - predicted, 0)
    parts = (known, first, second, first**2, second**2, first * second, residual**2)
    sums = np.stack([part.sum(axis=1, dtype=np.float64) for part in parts], axis=1)  # (n, 7)

    def resample(weights: np.ndarray) -> dict[str, np.ndarray]:
        n, p, t, pp, tt, pt, squares = (weights @ sums).T
        n = np.maximum(n, 1)
        of_prediction, of_target = pp - p**2 / n, tt - t**2 / n
        varies = [square > n * (FLAT * mean) ** 2 for square, mean in zip((of_prediction, of_target), means)]
        spread = np.where(varies[0] & varies[1] & (n >= 3), np.sqrt(np.abs(of_prediction * of_target)), 0)
        return {
            "pearson": ratio(pt - p * t / n, spread),
            "r2": 1 - ratio(squares, np.where(varies[1], of_target, 0)),
            "r2_swapped": 1 - ratio(squares, np.where(varies[0], of_prediction, 0)),
        }

    return resample


def _alike(predicted: np.ndarray, target: np.ndarray, kind: str, ndim: int) -> tuple[np.ndarray, np.ndarray]:
    predicted, target = (np.asarray(windows, dtype=np.float64) for windows in (predicted, target))
    if predicted.shape != target.shape or predicted.ndim != ndim or not len(target):
        raise InputError(
            f"{kind}: predictions {predicted.shape} and targets {target.shape} must be alike, and at least one window; "
            "make the predictions again"
        )
    return predicted, target


def _ones(windows: np.ndarray) -> np.ndarray:
    return np.ones((1, len(windows)))
