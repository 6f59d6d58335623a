"""Intervals of differences over independent stretches of the genome, and verdicts over all comparisons of a table.

What is resampled is the **stretch**: windows that overlap share pixels and count once. A score of all windows is held
against the same score without each stretch in turn (the jackknife, Efron & Tibshirani 1993, chapter 11), which gives
its standard error, and Student's t with one degree of freedom fewer than stretches the interval. Of a mean over windows
side by side this is the t interval of the mean. Fewer than `LEAST_STRETCHES` give none.

An interval covers which stretches were drawn. Neighbouring stretches are taken for independent; other seeds and other
genomes are not in it.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

LEAST_STRETCHES = 5
LEVEL = 0.95
# A chain of overlapping windows is cut into stretches of at least so many windows. Dense windows at both sides of a cut
# share pixels: the means of neighbouring stretches then correlate by 1/4 where a stretch is as long as a window, by
# 1/16 where it is as long as three, which narrows an interval by a fifth and by a twentieth.
_WINDOWS_OF_A_STRETCH = 3


class Interval(NamedTuple):
    """Per column: stretches with a value, the ends of the interval, the probability of such a difference by chance in
    both directions. With fewer than `LEAST_STRETCHES` the last three are NaN."""

    n_stretches: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray


def stretches(places: pd.DataFrame) -> np.ndarray:
    """Which stretch each window lies in: (n,) integers from 0 on.

    places: chrom, start_bp, end_bp (half-open; any unit), a row per window. Windows that overlap are of one stretch,
    those that only touch are not. A chain of overlapping windows that is several times as long as a window is cut into
    equal stretches of at least three windows' length; a window belongs to the one that holds its centre.
    """
    number, stretch = 0, np.zeros(len(places), dtype=np.int64)
    starts, ends = (places[name].to_numpy() for name in ("start_bp", "end_bp"))
    chroms = places["chrom"].astype(str).to_numpy()
    for chrom in np.unique(chroms):
        rows = np.flatnonzero(chroms == chrom)
        rows = rows[np.lexsort((ends[rows], starts[rows]))]
        reached = np.maximum.accumulate(ends[rows])
        breaks = np.flatnonzero(starts[rows][1:] >= reached[:-1]) + 1
        for chain in np.split(rows, breaks):
            first, length = starts[chain].min(), ends[chain].max() - starts[chain].min()
            longest = (ends[chain] - starts[chain]).max()
            parts = max(1, int(length // (_WINDOWS_OF_A_STRETCH * longest)))
            centres = (starts[chain] + ends[chain]) / 2 - first
            stretch[chain] = number + np.minimum(centres * parts // length, parts - 1).astype(np.int64)
            number += parts
    return np.unique(stretch, return_inverse=True)[1]


def of_means(values: np.ndarray, stretch: np.ndarray) -> tuple[np.ndarray, np.ndarray, Interval]:
    """Windows with a value, mean over them, and its interval, per column of `values`.

    values   (windows, columns), NaN where there is none; of several seeds the mean of the window over them
    stretch  (windows,) `stretches`
    """
    present = np.isfinite(values)
    member = np.equal.outer(np.arange(stretch.max(initial=-1) + 1), stretch).astype(float)
    sums, counts = member @ np.where(present, values, 0), member @ present
    total, n = sums.sum(axis=0), counts.sum(axis=0)
    left = n - counts
    without = np.divide(total - sums, left, out=np.full(sums.shape, np.nan), where=(counts > 0) & (left > 0))
    mean = np.divide(total, n, out=np.full(len(n), np.nan), where=n > 0)
    interval = jackknife(mean, without)
    return n.astype(np.int64), mean, interval._replace(n_stretches=(counts > 0).sum(axis=0))


def jackknife(whole: np.ndarray, without: np.ndarray) -> Interval:
    """The interval of values (columns,) from those without each stretch, (stretches, columns); NaN where a stretch has
    no part in a column."""
    known = np.isfinite(without)
    n = known.sum(axis=0)
    enough = n >= LEAST_STRETCHES
    degrees = np.maximum(n - 1, 1)
    mean = np.where(known, without, 0).sum(axis=0) / np.maximum(n, 1)
    squares = np.where(known, without - mean, 0) ** 2
    error = np.sqrt(squares.sum(axis=0) * degrees / np.maximum(n, 1))
    half = stats.t.ppf((1 + LEVEL) / 2, degrees) * error
    # Where all stretches agree to the last digit, so that there is no error, any difference is one.
    ratio = np.divide(np.abs(whole), error, out=np.where(whole == 0, 0.0, np.inf), where=error > 0)
    p = 2 * stats.t.sf(ratio, degrees)
    return Interval(n, *(np.where(enough, part, np.nan) for part in (whole - half, whole + half, p)))


def holm(p: np.ndarray) -> np.ndarray:
    """Probabilities of a family of comparisons, corrected for their number (Holm 1979); NaN is none of them.

    The chance that any of those below 0.05 is there by chance is below 0.05, however they depend on each other.
    """
    p = np.asarray(p, dtype=float)
    corrected = np.full(p.shape, np.nan)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    corrected[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)))
    return corrected
